# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workers and timers of an app on its host: their units written, started, followed and removed.

What a unit file says of itself is all that is known of it: its record names the app, and the number of processes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..apache.pool import newest_change
from ..apache.processes import started_at
from ..host.command import PATH, CommandError, Run
from ..host.confinement import UNITS
from ..host.errors import PalisadeError, nearest
from ..host.layout import ensure_layout
from ..host.output import last_lines, masked
from ..host.records import read_records

Rows = Sequence[Mapping[str, Any]]

_INTERVAL = 0.1
_LINES = 40
_NAMED = re.compile(r"wsgi-[a-z0-9-]+@?\.(?:service|timer)")
_NEXT = re.compile(r"(?:Next elapse|Iteration #\d+): (.+)")


@dataclass(frozen=True)
class Unit:
    """A unit file of an app on this host."""

    app: str
    path: str
    # Of a worker.
    processes: int = 0
    ready_after: int = 0

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def title(self) -> str:
        """Return what messages call it."""
        kind = "worker" if "@" in self.name else "timer"
        return f"{kind} {self.name.partition('.')[0].rstrip('@')[len(f'wsgi-{self.app}-') :]}"

    def instance(self, number: int) -> str:
        return self.name.replace("@.", f"@{number}.")


def units_of_host(app: str = "") -> list[Unit]:
    """Return the unit files of an app on this host, or of all."""
    found = []
    prefix = f"wsgi-{app}-" if app else "wsgi-"
    for name in sorted(os.listdir(UNITS)) if os.path.isdir(UNITS) else []:
        path = os.path.join(UNITS, name)
        if (
            not name.startswith(prefix)
            or not _NAMED.fullmatch(name)
            or not os.path.isfile(path)
            or os.path.islink(path)
        ):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            for told in read_records(file.read()):
                if isinstance(told.get("app"), str) and ("worker" in told or "timer" in told):
                    numbers = {key: told[key] for key in ("processes", "ready_after") if isinstance(told.get(key), int)}
                    found.append(Unit(told["app"], path, **numbers))
    # One app's name may begin as another's.
    return [unit for unit in found if app in ("", unit.app)]


def check_commands(row: Mapping[str, Any], place: str) -> None:
    """Refuse a release that does not have the program of a worker or timer; row as release_row documents it."""
    programs, code = f"{place}/venv/bin", f"{place}/code"
    for service in row.get("services") or ():
        word = service["program"]
        there = (
            os.path.isfile(os.path.join(code, word)) if "/" in word else shutil.which(word, path=f"{programs}:{PATH}")
        )
        if not there:
            known = os.listdir(programs) if os.path.isdir(programs) else []
            where = "in the release's code" if "/" in word else "in the release's venv/bin or on the host"
            raise PalisadeError(
                f"app {row['app']}: {service['title']}: command: there is no {word!r} {where}{nearest(word, known)}"
            )


@dataclass
class Services:
    """The workers and timers of one app: what they are to be, and what was done."""

    app: str
    home: str
    # Files as ensure_layout takes them.
    files: Rows
    run: Run
    # Kept out of what errors quote.
    secrets: Sequence[str] = field(default=(), repr=False)
    done: list[dict[str, str]] = field(default_factory=list)

    def _unused(self) -> list[dict[str, str]]:
        wanted = {row["path"] for row in self.files}
        paths = [unit.path for unit in self._units()]
        paths += _own_environments(self.home)
        return [{"app": self.app, "path": path} for path in sorted(paths) if path not in wanted]

    def _units(self) -> list[Unit]:
        return units_of_host(self.app)

    def paths(self) -> list[str]:
        """Return every file that put may change."""
        return [row["path"] for row in (*self.files, *self._unused())]

    def changes(self) -> list[dict[str, Any]]:
        """Return the differences that put would make."""
        return list(ensure_layout((), self.files, self._unused(), check=True))

    def put(self) -> None:
        """Write the files; what goes is stopped before."""
        unused = self._unused()
        self.forget([row["path"] for row in unused])
        if ensure_layout((), self.files, unused, check=False):
            self.reload()

    def reload(self) -> None:
        """Have systemd read the unit files again."""
        self.run(["systemctl", "daemon-reload"])

    def forget(self, paths: Sequence[str]) -> None:
        """Stop what has one of these unit files, which are about to go."""
        gone = [unit for unit in self._units() if unit.path in paths]
        # A timer first: it could start its service again.
        gone.sort(key=lambda unit: not unit.name.endswith(".timer"))
        self._stop([name for unit in gone for name in (_instances(unit) if unit.processes else [unit.name])])

    def due(self, since: float) -> list[dict[str, str]]:
        """Return what bring would stop and start: what does not run, or is older than since or its own files."""
        units = self._units()
        stopped = [{"unit": name, "action": "stopped"} for unit in units for name in self._surplus(unit)]
        return stopped + [{"unit": name, "action": "started"} for unit in units for name in self._stale(unit, since)]

    def bring(self, since: float) -> None:
        """Start what does not run and replace what is older than since, one process after the other.

        PalisadeError where a process does not start or ends too soon.
        """
        for unit in self._units():
            self._stop(self._surplus(unit))
            for name in self._stale(unit, since):
                self._start(unit, name)

    def _surplus(self, unit: Unit) -> list[str]:
        if not unit.processes:
            return []
        wanted = {unit.instance(number + 1) for number in range(unit.processes)}
        return [name for name in _instances(unit) if name not in wanted]

    def _stale(self, unit: Unit, since: float) -> list[str]:
        if unit.name.endswith(".timer"):
            enabled = os.path.lexists(f"{UNITS}/timers.target.wants/{unit.name}")
            state = self._state(unit.name)
            runs = enabled and state["ActiveState"] == "active"
            return [] if runs and self._entered(state) >= newest_change([unit.path]) else [unit.name]
        stale = []
        since = max(since, newest_change([unit.path, *(row["path"] for row in self.files if "content" not in row)]))
        for name in (unit.instance(number + 1) for number in range(unit.processes)):
            state = self._state(name)
            pid = int(state["MainPID"] or 0)
            enabled = os.path.lexists(f"{UNITS}/multi-user.target.wants/{name}")
            if not (enabled and state["ActiveState"] == "active" and pid and _started(pid) >= since):
                stale.append(name)
        return stale

    def _entered(self, state: Mapping[str, str]) -> float:
        monotonic = float(state["ActiveEnterTimestampMonotonic"] or 0) / 1e6
        return time.time() - time.monotonic() + monotonic

    def _state(self, name: str) -> dict[str, str]:
        wanted = ("ActiveState", "SubState", "MainPID", "ExecMainStatus", "Result", "ActiveEnterTimestampMonotonic")
        text = self.run(["systemctl", "show", f"--property={','.join(wanted)}", name])
        return {**dict.fromkeys(wanted, ""), **dict(line.split("=", 1) for line in text.splitlines() if "=" in line)}

    def _stop(self, names: Sequence[str]) -> None:
        if names:
            self.run(["systemctl", "disable", "--quiet", "--now", *names])
            self.done += [{"unit": name, "action": "stopped"} for name in names]
            # What failed is remembered otherwise.
            with contextlib.suppress(CommandError):
                self.run(["systemctl", "reset-failed", *names])

    def _start(self, unit: Unit, name: str) -> None:
        began = time.time()
        try:
            self.run(["systemctl", "enable", "--quiet", name])
            self.run(["systemctl", "restart", name])
        except CommandError as error:
            raise self._error(unit, name, "did not start", began) from error
        self.done.append({"unit": name, "action": "started"})
        if unit.ready_after:
            self._watch(unit, name, began)

    def _watch(self, unit: Unit, name: str, began: float) -> None:
        deadline = time.monotonic() + unit.ready_after
        first = self._state(name)
        state = first
        while time.monotonic() < deadline:
            state = self._state(name)
            if state["ActiveState"] != "active" or state["MainPID"] != first["MainPID"]:
                status = f" with status {state['ExecMainStatus']}" if state["ExecMainStatus"] not in ("", "0") else ""
                seen = f"ended{status} within {unit.ready_after} s (ready_after)"
                raise self._error(unit, name, seen, began)
            time.sleep(_INTERVAL)

    def _error(self, unit: Unit, name: str, seen: str, began: float) -> PalisadeError:
        journal = ["journalctl", f"--unit={name}", f"--since=@{int(began)}", "--output=cat", "--no-pager", "--quiet"]
        told = ""
        with contextlib.suppress(CommandError):
            told = masked(last_lines(self.run(journal), _LINES), self.secrets)
        return PalisadeError(f"app {self.app}: {unit.title}: {name} {seen}:\n{told}".rstrip(":\n"))


def _own_environments(home: str) -> list[str]:
    """Return the files of variables of an app's workers and timers."""
    named = re.compile(r"environment-[a-z][a-z0-9-]*")
    names = sorted(os.listdir(home)) if os.path.isdir(home) else []
    paths = [os.path.join(home, name) for name in names if named.fullmatch(name)]
    # In a home that is adopted, such a file may be the account's own.
    return [path for path in paths if os.lstat(path).st_uid == os.geteuid()]


def _instances(unit: Unit) -> list[str]:
    """Return the instances of a worker that are to run after a start of the host."""
    wants = f"{UNITS}/multi-user.target.wants"
    named = re.compile(re.escape(unit.name).replace("@", "@[0-9]+"))
    return sorted(name for name in (os.listdir(wants) if os.path.isdir(wants) else ()) if named.fullmatch(name))


def _started(pid: int) -> float:
    try:
        return started_at(pid)
    except (OSError, ValueError):
        return 0.0


def check_services(rows: Rows, schedules: Rows, run: Run) -> list[str]:
    """Refuse units that are not an app's own, and schedules that systemd does not take; return when timers run next.

    rows are the files of the units, schedules {app, timer, schedule}.
    """
    ours = {unit.path: unit.app for unit in units_of_host()}
    for row in rows:
        path = row["path"]
        if path.startswith(UNITS) and os.path.lexists(path) and ours.get(path) != row["app"]:
            raise PalisadeError(f"app {row['app']}: {path} exists and is not this app's; rename the worker or timer")
    told = []
    for row in schedules:
        try:
            said = run(["systemd-analyze", "calendar", "--iterations=3", row["schedule"]])
        except CommandError as error:
            reason = last_lines(error.complaint, 1)
            raise PalisadeError(
                f"app {row['app']}: timers: {row['timer']}: schedule: expected an OnCalendar expression such as daily "
                f"or 'Mon 03:30', got {row['schedule']!r}: {reason}"
            ) from error
        told.append(f"app {row['app']}: timer {row['timer']} runs next at {', '.join(_NEXT.findall(said))}")
    return told


def remove_services(rows: Rows, run: Run, check: bool) -> list[dict[str, Any]]:
    """Stop and remove the workers and timers of apps that go; rows are {app, home}."""
    differences: list[dict[str, Any]] = []
    for row in rows:
        services = Services(row["app"], row["home"], (), run)
        differences += services.changes()
        if not check:
            services.put()
    return differences
