# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rolling restart: the processes of a pool replaced one at a time, each replacement ready before the next one goes."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..host.command import Run
from ..host.errors import PalisadeError, nearest
from . import server
from .layout import ApacheLayout
from .processes import apache_parent, live_pools, marks, thread_count

# Names of memory files that a process holds: how its import went, for the rolling restart.
IMPORTED, FAILED = "palisade-imported", "palisade-failed"
_INTERVAL = 0.05
# Beyond what mod_wsgi allows itself for a process to end.
_MARGIN = 5.0
# So many replacements that end before they are ready are a loop.
_CRASHES = 3
# Defaults of WSGIDaemonProcess.
_DEFAULTS = {"processes": 1, "threads": 15, "graceful-timeout": 15, "eviction-timeout": 0, "shutdown-timeout": 5}

Process = Mapping[str, Any]


def roll(
    layout: ApacheLayout,
    names: Sequence[str],
    run: Run,
    wanted: Mapping[str, str] | None = None,
    since: float | None = None,
    seconds: float = 60.0,
) -> list[dict[str, Any]]:
    """Replace the processes of the named pools one at a time. Return what report() does, with who replaced whom.

    A process is left alone if it started after since (the start of this call if None) and works in its pool's
    release directory of wanted, if that has one. seconds is how long a replacement may take to be ready.
    PalisadeError names the pool and what was seen; the processes that are not replaced yet are left alone then.
    """
    pools = _pools(layout, names, run, wanted or {}, since, seconds)
    return [pool.described(pool.roll()) for pool in pools]


def report(
    layout: ApacheLayout,
    names: Sequence[str],
    run: Run,
    wanted: Mapping[str, str] | None = None,
    since: float | None = None,
) -> list[dict[str, Any]]:
    """Return {name, processes} of the named pools, all without a name; stale are those that roll would replace."""
    return [pool.described({}) for pool in _pools(layout, names or None, run, wanted or {}, since, 0.0)]


def newest_change(paths: Sequence[str]) -> float:
    """Return when the latest change of these files or links was; 0 without any."""
    return max((os.lstat(path).st_ctime for path in paths if os.path.lexists(path)), default=0.0)


def release_of(directory: str | None) -> str:
    """Return the id of the release that a process works in, or its directory where that is in no release."""
    found = re.search(r"/releases/([^/]+)(?:/|$)", directory or "")
    return found.group(1) if found else directory or ""


def _pools(
    layout: ApacheLayout,
    names: Sequence[str] | None,
    run: Run,
    wanted: Mapping[str, str],
    since: float | None,
    seconds: float,
) -> list[_Pool]:
    if apache_parent(layout.binary) is None:
        raise PalisadeError("Apache is not running on this host, so there are no pools")
    configuration = server.read_configuration(layout, run)
    if configuration.error:
        raise PalisadeError(f"Apache rejects its configuration, so its pools are unknown: {configuration.error}")
    known = {str(row["name"]): row for row in configuration.pools}
    for name in (*(names or ()), *wanted):
        if name not in known:
            raise PalisadeError(f"pool {name!r}: this host has no WSGIDaemonProcess of this name{nearest(name, known)}")
    chosen = dict.fromkeys(known if names is None else names)
    return [_Pool(layout, configuration.pools, known[name], wanted.get(name, ""), since, seconds) for name in chosen]


class _Pool:
    """A pool on its way to fresh processes."""

    def __init__(
        self,
        layout: ApacheLayout,
        declared: Sequence[Mapping[str, Any]],
        pool: Mapping[str, Any],
        release: str,
        since: float | None,
        seconds: float,
    ) -> None:
        self.binary = layout.binary
        # The sockets are numbered in the order of all.
        self.declared = declared
        self.name = str(pool["name"])
        self.options = pool["options"]
        self.release = os.path.realpath(release) if release else ""
        self.since = since
        self.seconds = seconds
        # By number: the start of a process is known to a hundredth of a second only.
        self.first = {process["pid"] for process in self.live()}

    def option(self, name: str) -> int:
        # As atoi() reads it.
        found = re.match(r"\s*[0-9]+", str(self.options.get(name, _DEFAULTS[name])))
        return int(found.group()) if found else 0

    def live(self) -> list[Process]:
        found = live_pools(self.binary, self.declared)
        return next((pool["processes"] for pool in found if pool["name"] == self.name), [])

    def is_stale(self, process: Process) -> bool:
        old = process["pid"] in self.first if self.since is None else process["started"] < self.since
        return old or not self._in_release(process)

    def _in_release(self, process: Process) -> bool:
        # A container may hide the directory; then the time has to do.
        where = process["cwd"]
        return not self.release or where is None or f"{where}/".startswith(f"{self.release}/")

    def described(self, replaced: Mapping[int, int]) -> dict[str, Any]:
        now = time.time()
        rows = [
            {
                "pid": process["pid"],
                "age": round(max(0.0, now - process["started"]), 2),
                "started": round(process["started"], 2),
                "release": release_of(process["cwd"]),
                "stale": self.is_stale(process),
                "replaced": replaced.get(process["pid"]),
            }
            for process in self.live()
        ]
        return {"name": self.name, "processes": rows}

    def roll(self) -> dict[int, int]:
        """Return the process that each new one replaced."""
        replaced: dict[int, int] = {}
        # The entry file of a hand-made site leaves no mark.
        marked = bool(self.release) or any(IMPORTED in (marks(process["pid"]) or ()) for process in self.live())
        # Apache starts no others than those that were there, so the bound only ends what a turned clock would not.
        for _turn in range(2 * self.option("processes") + 2):
            processes = self._await_ready(marked)
            stale = [process for process in processes if self.is_stale(process)]
            if not stale:
                return replaced
            # On the way back, those of the release that does not work go first.
            first = min(stale, key=lambda process: (self._in_release(process), process["started"]))
            if self._end(first["pid"]):
                before = {process["pid"] for process in processes}
                new = {process["pid"] for process in self._await_ready(marked)} - before
                replaced.update(dict.fromkeys(new, first["pid"]))
        where = sorted({release_of(process["cwd"]) for process in self.live()})
        raise PalisadeError(
            f"pool {self.name}: its new processes still run in {', '.join(where)}, expected "
            f"{self.release or 'processes that started later'}"
        )

    def _end(self, pid: int) -> bool:
        """Ask a process to end after its requests, and wait for that; False where it had ended by itself."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # Only what is in the pool after it was opened is meant: the number may have been given away before.
            if pid not in {process["pid"] for process in self.live()}:
                return False
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGUSR1)
            except ProcessLookupError:
                return False
            ended = select.poll()
            ended.register(descriptor, select.POLLIN)
            allowed = self._seconds_to_end() + _MARGIN
            gone = ended.poll(allowed * 1000)
            if not gone and not self._takes_requests(pid):
                # Stuck in its import, where mod_wsgi bounds nothing.
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                gone = ended.poll(_MARGIN * 1000)
            if not gone:
                raise PalisadeError(
                    f"pool {self.name}: process {pid} did not end within {allowed:.0f} s of SIGUSR1 "
                    f"({self._bounds()}); the other processes were left alone"
                )
        finally:
            os.close(descriptor)
        return True

    def _seconds_to_end(self) -> float:
        """Return how long mod_wsgi lets a process take to end."""
        waits = self.option("eviction-timeout") or self.option("graceful-timeout")
        # 0 waits for requests without an end, and 0 for the other one for threads.
        return (waits or self.seconds) + (self.option("shutdown-timeout") or self.seconds)

    def _bounds(self) -> str:
        names = ("eviction-timeout", "graceful-timeout", "shutdown-timeout")
        return ", ".join(f"{name}={self.option(name)}" for name in names)

    def _await_ready(self, marked: bool) -> list[Process]:
        """Wait until the pool has its number of processes and every fresh one can answer; return them."""
        deadline = time.monotonic() + self.seconds
        starting: set[int] = set()
        ended: set[int] = set()
        while True:
            processes = self.live()
            missing = {process["pid"]: self._obstacle(process, marked) for process in processes}
            ended |= starting - missing.keys()
            starting = {pid for pid, obstacle in missing.items() if obstacle}
            if len(processes) >= self.option("processes") and not starting:
                return processes
            # Some end with a reload of Apache.
            if len(ended) >= _CRASHES + self.option("processes"):
                raise self._error(f"{len(ended)} new processes ended during their start")
            if any(FAILED in (marks(pid) or ()) for pid in starting):
                raise self._error("the application could not be imported in its new process")
            if time.monotonic() > deadline:
                seen = [f"process {pid} {obstacle}" for pid, obstacle in missing.items() if obstacle]
                seen = seen or [f"it has {len(processes)} of {self.option('processes')} processes"]
                raise self._error(f"after {self.seconds:.0f} s {'; '.join(seen)}")
            time.sleep(_INTERVAL)

    def _obstacle(self, process: Process, marked: bool) -> str:
        """Return why a process cannot answer yet; empty if it can, and for an old one that is to go."""
        if process["pid"] in self.first and self.is_stale(process):
            return ""
        held = marks(process["pid"])
        # One that ran before may have come from an entry file that left none.
        if (
            marked
            and held is not None
            and IMPORTED not in held
            and (process["pid"] not in self.first or FAILED in held)
        ):
            return "has not imported its application"
        if not self._takes_requests(process["pid"]):
            threads = thread_count(process["pid"])
            return f"has {threads} threads, expected {self.option('threads')} workers and its main thread"
        return ""

    def _takes_requests(self, pid: int) -> bool:
        # The workers start after the import of a preloaded application; the main thread is one more.
        return thread_count(pid) > self.option("threads")

    def _error(self, seen: str) -> PalisadeError:
        old = [process["pid"] for process in self.live() if process["pid"] in self.first and self.is_stale(process)]
        left = f"; old processes were left running: {', '.join(map(str, old))}" if old else ""
        return PalisadeError(f"pool {self.name}: {seen}; see its error log{left}")
