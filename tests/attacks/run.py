"""Carries out each attack on a host set up as tutorials do, where it has to succeed, and on ours, where it must fail.

Prints the table and compares it with docs/attacks.md; the exit code is 1 if anything is different or wrong.

PALISADE_WRITE_DOCS=1 writes that file; PALISADE_KEEP=1 leaves the containers running.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import APPS, Deployment, Ours, Tutorial
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import ATTACKS, Attack, Outcome
from ansible_collections.palisade.mod_wsgi.tests.attacks.table import (
    HEAD,
    HOSTS,
    ROOT,
    differences,
    results,
    write,
    wrong,
)

WORK = ROOT / ".cache/attacks"
# Another clone has another path, and this one runs once at a time.
PREFIX = f"palisade-attacks-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
RELEASES = {"tutorial": "bookworm", "debian12": "bookworm", "debian13": "trixie"}
SANDBOX = ["--cap-add", "SYS_ADMIN,NET_ADMIN", "--security-opt", "seccomp=unconfined"]


def container(host: str) -> str:
    return f"{PREFIX}-{host}"


def inventory(secret: str) -> Path:
    """Write the inventory of the three hosts, and the source of the apps."""
    fixtures = ROOT / "tests/fixtures"
    shutil.rmtree(WORK / "app", ignore_errors=True)
    shutil.copytree(fixtures / "apps/echo", WORK / "app")
    for path in (fixtures / "probe/probe.py", *fixtures.glob("beside/*.py")):
        shutil.copy(path, WORK / "app")
    common = {
        "application": "probe:application",
        "source": {"path": str(WORK / "app")},
        "static": {"/static": "static"},
    }
    environment = {"PROBE_TARGET": "echo:application"}
    apps = [
        {"name": app, "server_names": [f"{app}.test"], "writable": ["uploads"], "environment": environment, **common}
        for app in APPS
    ]
    apps[0]["environment"] = {**environment, "SHOP_SECRET": secret}
    for app in apps:
        app["build"] = f"{{{{ build.{app['name']} | default([]) }}}}"
    apps[1]["workers"] = "{{ workers }}"
    variables = {
        "ansible_connection": "ssh",
        "ansible_ssh_args": f"-F {os.environ['PALISADE_SSH_CONFIG']}",
        "ansible_ssh_retries": 3,
        "ansible_ssh_use_tty": False,
        "ansible_python_interpreter": "/usr/bin/python3",
        "wsgi_apps": apps,
        "workers": {"jobs": {"command": "python worker.py"}},
        "build": {},
    }
    hosts: dict[str, Any] = {
        host: {"ansible_host": container(host), "lab_release": release} for host, release in RELEASES.items()
    }
    # One of ours in a sandbox; the other has the rights of the tutorial's host, so that its refusals are no sandbox's.
    hosts["debian13"]["lab_options"] = SANDBOX
    path = WORK / "inventory.yml"
    path.write_text(json.dumps({"wsgi": {"vars": variables, "hosts": hosts}}), encoding="utf-8")
    path.chmod(0o600)
    return path


def play(playbook: str, *options: str) -> tuple[int, str]:
    command = ["ansible-playbook", "--inventory", str(WORK / "inventory.yml"), str(ROOT / playbook), *options]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def need(answer: tuple[int, str], what: str) -> None:
    if answer[0]:
        sys.exit(f"{what} failed:\n{answer[1]}")


def deploy(host: str, variables: Mapping[str, Any] | None = None) -> tuple[int, str]:
    """Play site.yml once more on one of ours; return its exit code, and the error if there is one."""
    code, said = play("playbooks/site.yml", "--limit", host, "--extra-vars", json.dumps(variables or {}))
    found = re.search(r'"msg": "([^"]*)', said)
    return code, found.group(1) if found else said


def remove() -> None:
    names = [container(host) for host in HOSTS]
    subprocess.run(["podman", "rm", "--force", "--ignore", "--time=1", *names], check=False, capture_output=True)


def clean() -> None:
    if not os.environ.get("PALISADE_KEEP"):
        remove()


def carry_out(there: Deployment, attacks: Sequence[Attack]) -> dict[str, Outcome | str]:
    """Carry out the attacks one after the other; text is the error of one that proves nothing."""
    found: dict[str, Outcome | str] = {}
    for each in attacks:
        began = time.monotonic()
        try:
            there.prepare(each.variant)
            found[each.name] = outcome = each.run(there)
            if not outcome.succeeded:
                there.wait()
        except Exception as error:  # one that breaks must not hide what the others found
            found[each.name] = f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        print(
            f"{took:5.1f} s  {there.container.removeprefix(PREFIX + '-'):9} {each.name}: {found[each.name]}", flush=True
        )
    return found


def attack_all(attacks: Sequence[Attack], secret: str) -> dict[str, dict[str, Outcome | str]]:
    """Attack the three hosts side by side; those of ours start when they are deployed."""
    tutorial = Tutorial(container("tutorial"), secret)
    ours = [Ours(container(host), secret, partial(deploy, host)) for host in ("debian12", "debian13")]
    with ThreadPoolExecutor() as pool:
        try:
            tutorial.make(WORK / "app")
            first = pool.submit(carry_out, tutorial, attacks)
            need(play("playbooks/site.yml", "--limit", "debian12,debian13"), "playbooks/site.yml")
            rest = [pool.submit(carry_out, there, attacks) for there in ours]
            columns = dict(zip(HOSTS, (each.result() for each in (first, *rest)), strict=True))
        except BaseException:
            # The pool waits for its threads, and without a host they end soon.
            clean()
            raise
    return {each.name: {host: columns[host][each.name] for host in HOSTS} for each in attacks}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="WORD", help="only attacks with one of these words in their names")
    names = parser.parse_args().names
    attacks = [each for each in ATTACKS if not names or any(name in each.name for name in names)]
    if not attacks:
        parser.error("no attack has such a word in its name")
    WORK.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    with open(WORK / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("attacks run in this clone already")
        remove()
        secret = secrets.token_hex(16)
        try:
            inventory(secret)
            need(play("tests/lab/create.yml"), "tests/lab/create.yml")
            found = attack_all(attacks, secret)
        finally:
            clean()
    print("\n" + HEAD + "".join(results(found)))
    mistakes = wrong(found)
    if os.environ.get("PALISADE_WRITE_DOCS") and not mistakes:
        write(found)
    changed = differences(found)
    print(*mistakes, *(f"docs/attacks.md has no such row: {line}" for line in changed), sep="\n")
    print(f"{len(attacks)} attacks, {len(mistakes)} with a wrong outcome, {len(changed)} other than in docs/attacks.md")
    return 1 if mistakes or changed else 0


if __name__ == "__main__":
    sys.exit(main())
