"""From inside forum's worker, and around the commands that complete a release."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Answer, Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.reading import found, text
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)
from ansible_collections.palisade.mod_wsgi.tests.attacks.writing import MARK, append, planted

GROUP = "Workers and builds"
LEFT = "palisade-left"
WATCHER = "palisade-watcher"


def listen(port: int) -> None:
    import socket

    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()


def hide(name: str) -> None:
    """Leave a process of that name behind, in a session of its own and in the first cgroup that takes it."""
    import glob
    import os

    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for path in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True):
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write("0")
            break
        except OSError:
            continue
    os.execv("/bin/sleep", [name, "600"])


def plant(code: str, others: list[str], text: str) -> None:
    """Add a line to what a build imports, or may import; the refusal is that of its code."""
    for directory in (*others, code):
        try:
            with open(f"{directory}/echo.py", "a", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            if directory == code:
                raise


@attack(GROUP, 95, "U5", "F13", "X-BESIDE")
def have_a_worker_read_the_secret_of_another_app(there: Deployment) -> Outcome:
    """Opens the file that holds the secret of shop, in forum's worker."""
    path = there.exists(there.path("secret", "shop"))
    return found(there.beside(text, path), there.secret, "forum's worker has shop's secret")


@attack(GROUP, 95, "F6", "F7", "X-BESIDE")
def have_a_worker_change_its_own_code(there: Deployment) -> Outcome:
    """Appends to a module that the worker imports, after chmod or by a renamed copy if need be."""
    if there.beside(planted).value:
        raise UnclearError("the mark was there before")
    answer = there.beside(append, there.exists(f"{there.path('code', 'forum')}/echo.py"), MARK)
    if answer.errno:
        return answer.refusal()
    there.run("systemctl restart %s", there.worker)
    if not there.beside(planted).value:
        raise UnclearError("it was planted and did not run")
    return succeeded("the changed echo.py runs in the next worker")


@attack(GROUP, 0, "X-BESIDE")
def have_a_worker_open_a_port_below_1024(there: Deployment) -> Outcome:
    """Listens on port 81 in forum's worker, as a service of the host would."""
    there.beside(listen, 8124)
    return there.beside(listen, 81).judge("forum's worker listens on port 81")


@attack(GROUP, 0, "X-BESIDE")
def have_a_worker_outlive_its_removal(there: Deployment) -> Outcome:
    """Leaves a process behind in a session and, if it can, a cgroup of its own; then the worker is removed."""
    there.beside(hide, LEFT)
    if not _processes(there, f"{LEFT} 600"):
        raise UnclearError("it left no process behind")
    try:
        there.remove_worker()
        if there.host.run("systemctl is-active %s", there.worker).stdout.strip() == "active":
            raise UnclearError("the worker still runs")
        left = _processes(there, f"{LEFT} 600")
    finally:
        there.host.run(f"pkill -KILL -f '^{LEFT} 600'")
    return succeeded("its process runs on") if left else refused("no process of it is left")


@attack(GROUP, 94, "F6", "F7", "X-BESIDE")
def change_what_the_next_build_makes(there: Deployment) -> Outcome:
    """Adds a line to every module of the build that it can reach while root completes the next release of forum."""
    said, answer = _first_build(there)
    if said:
        return _no_sandbox(said)
    if _built(there, "forum")["planted"]:
        return succeeded("the line ran in the build")
    if answer is None:
        raise UnclearError("no build was seen")
    return answer.refusal()


@attack(GROUP, 95, "U5", "X-BESIDE")
def have_a_build_see_the_secret_of_another(there: Deployment) -> Outcome:
    """Looks at /proc and /tmp in forum's build, and leaves a process behind that goes on while shop is built."""
    said = _first_build(there)[0] or there.build("forum", "shop")
    if said:
        return _no_sandbox(said)
    seen = [*_built(there, "forum")["seen"]]
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        file = there.host.file(f"{place}/{WATCHER}")
        seen += [file.content_string] if file.exists else []
    left = _processes(there, WATCHER)
    there.host.run(f"pkill -KILL -f '{WATCHER}$'")
    there.run("cd / && rm -f tmp/%s var/tmp/%s dev/shm/%s", *[WATCHER] * 3)
    _built(there, "shop")
    if there.secret in seen:
        return succeeded("forum's build has shop's secret")
    if left:
        raise UnclearError("a process of forum's build is left, and saw nothing")
    return refused("it sees nothing, and no process of it is left")


def _no_sandbox(said: str) -> Outcome:
    words = "cannot run it in a sandbox"
    if words not in said:
        raise UnclearError(said)
    return refused(f"the play stops: the host {words}")


def _processes(there: Deployment, words: str) -> list[str]:
    return [str(pid) for pid in there.host.run(f"pgrep -f '{words}$'").stdout.split()]


def _built(there: Deployment, app: str) -> dict[str, Any]:
    return dict(json.loads(there.text(f"{there.path('code', app)}/built")))


@cache
def _first_build(there: Deployment) -> tuple[str, Answer | None]:
    """Complete a release of forum while its daemon tries to change it; return the play's error, and the last answer."""
    with ThreadPoolExecutor() as pool:
        play = pool.submit(there.build, "forum")
        answer = None
        while not play.done():
            places = _surroundings(there)
            if places:
                answer = there.inside("forum", plant, places[0], places[1:], MARK)
            time.sleep(0.3)
        return play.result(), answer


def _surroundings(there: Deployment) -> list[str]:
    """Return the directories of a build that runs: its own first, then HOME and TMPDIR."""
    for pid in there.host.run("pgrep -f 'python build[.]py$'").stdout.split():
        cwd = there.host.run(f"readlink /proc/{pid}/cwd").stdout.strip()
        if "/forum" in cwd:
            lines = there.host.run(f"tr '\\0' '\\n' </proc/{pid}/environ").stdout.splitlines()
            others = [line.partition("=")[2] for line in lines if line.startswith(("HOME=", "TMPDIR="))]
            return [cwd, *others]
    return []
