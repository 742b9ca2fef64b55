# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program wsgi-run of a host, complete in this file: commands, state and logs of the host's WSGI applications.

Plays put it into /usr/local/sbin, and write what it knows of each app into DESCRIPTIONS.
"""

from __future__ import annotations

import difflib
import glob
import heapq
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

DESCRIPTIONS = "/etc/palisade-mod_wsgi/apps"
USAGE = """\
usage: wsgi-run NAME COMMAND [ARGUMENT...]   run a command as the app NAME would run it
       wsgi-run --list [NAME...]             show the apps with their releases, workers and timers
       wsgi-run --logs [-f] [-n LINES] NAME  show the logs of an app; -f follows them

The command runs in the code of the app's current release, as the app's account, with its virtual environment,
environment variables, umask, locale, sandbox and limits. For example: wsgi-run shop python manage.py migrate
"""
# Not by PATH, which whoever uses sudo may have set.
_BIN = "/usr/bin"
_LOG_LINES = 50
_NOT_FOUND = 127
# [Fri Nov 27 13:01:25.123456 2026]
_APACHE_TIME = re.compile(r"\[\w{3} (\w{3} +\d+ \d\d:\d\d:\d\d)(?:\.\d+)? (\d{4})\] (.*)")
# 1764248485.123456 wsgi-shop-mail[123]: text
_JOURNAL = re.compile(r"(\d+)\.\d+ (\S+?)(?:\[\d+\])?: (.*)")
# What could change the terminal that it is shown on.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

App = Any
Entry = tuple[float, str, str]


class Stop(Exception):
    """An error for the person at the terminal, and the status to end with."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


def main(words: list[str]) -> int:
    try:
        return _main(words)
    except Stop as stop:
        print(f"wsgi-run: {stop}", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _main(words: list[str]) -> int:
    if words[:1] == ["--enter"]:
        enter(words[1], words[2:])
    if words[:1] in (["--help"], ["-h"]):
        print(USAGE, end="")
        return 0
    if os.geteuid() != 0:
        raise Stop("only root may use it; try sudo")
    if words[:1] == ["--list"]:
        return show([app_of(name) for name in words[1:] or names()])
    if words[:1] == ["--logs"]:
        return logs(words[1:])
    if len(words) < 2 or words[0].startswith("-"):
        raise Stop(f"expected the name of an app and a command\n{USAGE.rstrip()}")
    command = words[2:] if words[1] == "--" else words[1:]
    return run(app_of(words[0]), command)


def names() -> list[str]:
    return sorted(os.path.basename(path)[: -len(".json")] for path in glob.glob(f"{DESCRIPTIONS}/*.json"))


def app_of(name: str) -> App:
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = (
            f", did you mean {near[0]!r}?"
            if near
            else f"; there are {', '.join(known)}"
            if known
            else "; there are none"
        )
        raise Stop(f"there is no app {name!r} on this host{hint}")
    with open(f"{DESCRIPTIONS}/{name}.json", encoding="utf-8") as file:
        return json.load(file)


def enter(environment: str, command: list[str]) -> None:
    """Become a command in the release of the working directory. Runs as the app's account, inside the sandbox."""
    # By its own name, so that what is imported later is of the same release, wherever the link leads then.
    release = os.path.dirname(os.getcwd())
    if environment:
        with open(environment, encoding="utf-8") as file:
            os.environ.update(json.load(file))
    os.environ["VIRTUAL_ENV"] = f"{release}/venv"
    os.environ["PATH"] = f"{release}/venv/bin:{os.environ.get('PATH', os.defpath)}"
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        raise Stop(f"{command[0]}: {error.strerror}", _NOT_FOUND) from error


def run(app: App, command: list[str]) -> int:
    """Run a command in the app's surroundings and return its exit status."""
    code = f"{app['current']}/code"
    if not os.path.isdir(code):
        raise Stop(f"app {app['app']} has no release yet: {code} does not exist")
    unit = f"palisade-run-{app['app']}-{os.getpid()}.service"
    terminal = os.isatty(0) and os.isatty(1)
    # systemd would write the words of the command into the journal in the place of a description.
    words = [f"{_BIN}/systemd-run", "--quiet", "--wait", "--collect", "--service-type=exec", f"--unit={unit}"]
    words += [f"--description=wsgi-run {app['app']}", "--pty" if terminal else "--pipe"]
    words += [f"--property={setting}" for setting in (*app["properties"], f"WorkingDirectory={code}")]
    # The command is no main process: systemd takes one that ends by SIGTERM or SIGINT for a success.
    inside = ["/bin/sh", "-c", 'trap : HUP INT TERM; "$@"; exit $?', "sh"]
    inside += [os.path.realpath(sys.argv[0]), "--enter", app["environment"], *command]
    # systemd expands variables in the words of a command.
    words += ["--", *(word.replace("$", "$$") for word in inside)]
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return subprocess.call(words) if terminal else _relayed(words)
    except BaseException:
        subprocess.call([f"{_BIN}/systemctl", "stop", unit], stderr=subprocess.DEVNULL)
        raise


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _relayed(words: list[str]) -> int:
    """Run a program that gets no terminal of ours, which an app could read from or change."""
    shown = [stream.buffer if stream.isatty() else None for stream in (sys.stdout, sys.stderr)]
    pipes = [subprocess.PIPE if stream else None for stream in shown]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL if os.isatty(0) else None, stdout=pipes[0], stderr=pipes[1]
    )
    pairs = ((process.stdout, shown[0]), (process.stderr, shown[1]))
    copies = [threading.Thread(target=_copy, args=pair) for pair in pairs if pair[1]]
    for copy in copies:
        copy.start()
    status = process.wait()
    for copy in copies:
        copy.join()
    return status


def _copy(source: Any, target: Any) -> None:
    # As it comes: a question has no end of a line.
    while block := source.read1():
        target.write(block)
        target.flush()


def show(apps: list[App]) -> int:
    """Print the apps with their releases, workers and timers."""
    for app in apps:
        release = os.path.basename(os.path.realpath(app["current"])) if os.path.lexists(app["current"]) else "none"
        print(f"{app['app']}: account {app['account']}, release {release}")
        for name, units in app["workers"].items():
            print(f"  worker {name}: {_worker(units)}")
        for name, unit in app["timers"].items():
            print(f"  timer {name}: {_timer(unit)}")
    return 0


def _worker(units: list[str]) -> str:
    states = {unit: _state(unit, "ActiveState", "SubState", "NRestarts") for unit in units}
    others = [f"{unit} {state['SubState']}" for unit, state in states.items() if state["SubState"] != "running"]
    running = len(units) - len(others)
    restarts = sum(int(state["NRestarts"] or 0) for state in states.values())
    told = [f"{running} of {len(units)} running", *others, *([f"restarted {restarts} times"] if restarts else [])]
    return ", ".join(told)


def _timer(unit: str) -> str:
    clock = _state(f"{unit}.timer", "ActiveState", "LastTriggerUSec", "NextElapseUSecRealtime")
    last = _state(f"{unit}.service", "ActiveState", "Result", "ExecMainStatus", "ExecMainExitTimestamp")
    if last["ActiveState"] == "activating":
        told = "runs now"
    elif not last["ExecMainExitTimestamp"]:
        told = "has not run since the host started"
    elif last["Result"] == "success":
        told = f"succeeded at {last['ExecMainExitTimestamp']}"
    else:
        told = f"FAILED at {last['ExecMainExitTimestamp']} ({last['Result']}, status {last['ExecMainStatus']})"
    if clock["ActiveState"] != "active":
        return f"{told}, is not scheduled"
    return f"{told}, next {clock['NextElapseUSecRealtime'] or 'as soon as it has ended'}"


def _state(unit: str, *names: str) -> dict[str, str]:
    words = [f"{_BIN}/systemctl", "show", f"--property={','.join(names)}", unit]
    text = subprocess.run(words, stdout=subprocess.PIPE, encoding="utf-8", check=False).stdout
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: found.get(name, "") for name in names}


def logs(words: list[str]) -> int:
    """Print the log lines of an app's pool, workers and timers, by their time."""
    follow, lines = False, _LOG_LINES
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-f", "--follow"):
            follow = True
        elif option in ("-n", "--lines") and words and words[0].isdigit():
            lines = int(words.pop(0))
        else:
            raise Stop(f"unknown option {option}\n{USAGE.rstrip()}")
    if len(words) != 1:
        raise Stop(f"--logs takes the name of one app\n{USAGE.rstrip()}")
    app = app_of(words[0])
    tail = [f"{_BIN}/tail", "-n", str(lines), *(["-F"] if follow else []), app["error_log"]]
    journal = [f"{_BIN}/journalctl", "--quiet", "--output=short-unix", "--no-hostname", f"--lines={lines}"]
    units = [unit for instances in app["workers"].values() for unit in instances]
    units += [f"{unit}.service" for unit in app["timers"].values()]
    journal += [f"--unit={unit}" for unit in units] + (["--follow"] if follow else [])
    sources = [tail, journal] if units else [tail]
    processes = [
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace", bufsize=1
        )
        for words in sources
    ]
    try:
        told = [_entries(process.stdout) for process in processes]
        for when, source, text in _as_they_come(told) if follow else heapq.merge(*told):
            shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
            print(f"{shown} {source}: {_CONTROL.sub('?', text)}", flush=follow)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    finally:
        for process in processes:
            process.kill()
    return 0


def _entries(stream: Any) -> Iterator[Entry]:
    before: Entry | None = None
    for line in stream:
        before = _entry(line.rstrip("\n"), before)
        yield before


def _entry(line: str, before: Entry | None) -> Entry:
    """Return time, source and text of a line; a line without a time belongs to the one before."""
    found = _APACHE_TIME.fullmatch(line)
    if found:
        moment = time.mktime(time.strptime(f"{found.group(1)} {found.group(2)}", "%b %d %H:%M:%S %Y"))
        return moment, "pool", found.group(3)
    found = _JOURNAL.fullmatch(line)
    if found:
        return float(found.group(1)), found.group(2), found.group(3)
    return (before[0], before[1], line) if before else (0.0, "pool", line)


def _as_they_come(told: list[Iterator[Entry]]) -> Iterator[Entry]:
    waiting: queue.Queue[Entry] = queue.Queue()

    def pass_on(entries: Iterator[Entry]) -> None:
        for entry in entries:
            waiting.put(entry)

    for entries in told:
        threading.Thread(target=pass_on, args=(entries,), daemon=True).start()
    while True:
        yield waiting.get()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
