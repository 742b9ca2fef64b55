# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an old site to the app that replaces it, with its data: closed, brought up to date, opened; or back."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..apache import server
from ..apache.layout import ApacheLayout
from ..apache.processes import apache_children, apache_parent, live_pools
from ..apache.transaction import ConfigurationFile, State, Transaction, apply, undo
from ..host.command import Run
from ..host.errors import PalisadeError
from ..runtime.health import check_pools
from .activation import Files
from .data import Copied, begin, check_sources, copy_data, finish, forgotten, is_pending, note, noted, writers
from .store import place_of
from .trial import run_hooks

Row = Mapping[str, Any]
Rows = Sequence[Row]

_INTERVAL = 0.05
# How long what the old site still answers may take.
_PATIENCE = 10.0
_PASSES = 5
_CHECK = "X-Palisade-Check"


@dataclass
class Outcome:
    """What was, or in check mode would be, done."""

    differences: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    hooks: list[dict[str, str]] = field(default_factory=list)
    # Seconds for which the old site was closed.
    closed: float = 0.0


def copy_ahead(rows: Rows, check: bool) -> Outcome:
    """Copy the data of sites that still serve."""
    outcome = Outcome()
    pending = [row for row in rows if is_pending(row)]
    for row in pending:
        check_sources(row)
    for row in rows:
        if row not in pending:
            outcome.warnings += forgotten(row)
            if not check:
                # A play may have been killed after the switch: what there is now is the app's.
                finish(row)
    for row in pending:
        told = Copied()
        if not check:
            begin(row)
            told = copy_data(row, closed=False)
        if check or told.changed:
            outcome.differences += _differences(row)
        outcome.warnings += told.warnings(row["app"])
    return outcome


def _differences(row: Row) -> list[dict[str, Any]]:
    return [
        {"path": copy["path"], "before": {"data": "none"}, "after": {"data": f"as {copy['source']}"}}
        for copy in row["copies"]
    ]


class Switch:
    """The switch of all apps whose data is pending; they go together or not at all."""

    def __init__(
        self, layout: ApacheLayout, rows: Rows, files: Sequence[ConfigurationFile], run: Run, check: bool
    ) -> None:
        self.layout = layout
        self.rows = [row for row in rows if is_pending(row)]
        self.apps = {str(row["app"]) for row in self.rows}
        self.open = [file for file in files if self.apps & set(file.app.split(", "))]
        closed = {row["site"]["path"]: str(row["site"]["closed"]) for row in self.rows}
        self.closed = [
            ConfigurationFile(file.path, closed[file.path], link=file.link, app=file.app)
            if file.path in closed
            else file
            for file in self.open
        ]
        self.run = run
        self.check = check
        self.outcome = Outcome()

    def carry_out(self, releases: Rows, files: Files, pools: Rows) -> Outcome:
        """Close the old sites, bring the data, open the new ones."""
        if not self.rows:
            return self.outcome
        if self.check:
            for row in self.rows:
                self.outcome.differences += _differences(row)
            return self.outcome
        for app in sorted(self.apps - {str(row["app"]) for row in releases}):
            raise PalisadeError(
                f"app {app}: data_from: its release is not built, so nothing was switched; run the play with all tags"
            )
        transaction = Transaction(self.layout, self.open)
        # What came since the first copy, so that the last pass is short.
        for row in self.rows:
            begin(row)
            copy_data(row, closed=False)
        before = self._before(transaction)
        began = time.monotonic()
        with _raised_signals():
            try:
                self._close()
                self._bring()
                self._run_hooks(releases, files)
                self._try(pools)
                apply(self.layout, self.open, (), self.run, check=False)
            except BaseException as error:
                undo(self.layout, before, self.run)
                for row in self.rows:
                    note(row, {})
                told = str(error) or type(error).__name__
                told = told if told.startswith("app ") else f"app {', '.join(sorted(self.apps))}: {told}"
                raise PalisadeError(f"{told}\nThe old site serves again, and its data is unchanged.") from error
            for row in self.rows:
                finish(row)
        self.outcome.closed = round(time.monotonic() - began, 2)
        self.outcome.differences = transaction.differences() + self.outcome.differences
        return self.outcome

    def _before(self, transaction: Transaction) -> dict[str, State]:
        """Return what to put back, also where an earlier play was killed while the site was closed."""
        before = dict(transaction.before)
        for row in self.rows:
            killed = noted(row)
            if killed:
                site = row["site"]
                before.update({path: State() for path in (site["path"], site["link"]) if path})
                before.update({path: State("link", target) for path, target in killed.items()})
            links = {path: before[path].value for path in row["replaced"] if before[path].kind == "link"}
            note(row, links)
        return before

    def _run_hooks(self, releases: Rows, files: Files) -> None:
        for row in releases:
            if row["app"] in self.apps:
                place = place_of(row["directory"], row["release"])
                told = run_hooks(row, place, files.environment(row["app"]), self.run)
                self.outcome.hooks += [{"app": row["app"], **hook} for hook in told]

    def _try(self, pools: Rows) -> None:
        """Ask the new site while it is closed to everybody else: what it took before a failure would be lost."""
        word = secrets.token_hex(16)
        places = {row["site"]["path"] for row in self.rows}
        files = [
            replace(file, content=guarded(file.content or "", word)) if file.path in places else file
            for file in self.open
        ]
        apply(self.layout, files, (), self.run, check=False)
        asked = [{**pool, "headers": {_CHECK: word}} for pool in pools if pool["app"] in self.apps]
        check_pools(self.layout, asked, self.run)

    def _close(self) -> None:
        """Take the old sites away from Apache; back when none of their processes is left."""
        replaced = {path for row in self.rows for path in row["replaced"] if os.path.lexists(path)}
        if not replaced:
            return
        running = apache_parent(self.layout.binary) is not None
        declared = server.read_configuration(self.layout, self.run).pools if running else []
        daemons = {process["pid"] for pool in live_pools(self.layout.binary, []) for process in pool["processes"]}
        workers = apache_children(self.layout.binary) - daemons
        apply(self.layout, self.closed, (), self.run, check=False)
        _wait_for_the_end_of(daemons)
        # Where no pool is declared, the application may run in Apache's own processes.
        if not replaced <= {str(pool["file"]) for pool in declared}:
            _wait_for_the_end_of(workers, end=True)

    def _bring(self) -> None:
        for row in self.rows:
            deadline = time.monotonic() + _PATIENCE
            while True:
                others = writers(row)
                if not others:
                    break
                if time.monotonic() > deadline:
                    raise PalisadeError(
                        f"app {row['app']}: data_from: {'; '.join(others[:5])}, although the old site is closed; stop "
                        "its workers and timers, or list its site in replaces"
                    )
                time.sleep(_INTERVAL)
            for _turn in range(_PASSES):
                told = copy_data(row, closed=True)
                if not told.changed:
                    break
            else:
                raise PalisadeError(
                    f"app {row['app']}: data_from: the data still changes, although the old site is closed; stop its "
                    "workers and timers"
                )
            self.outcome.differences += _differences(row)
            self.outcome.warnings += told.warnings(row["app"])


def guarded(text: str, word: str) -> str:
    """Return a site that answers 503 to everybody who does not send the word."""
    guard = [f"<If \"req('{_CHECK}') != '{word}'\">", "    Redirect 503 /", "</If>", "Header always set Retry-After 5"]
    lines = "".join(f"    {line}\n" for line in guard)
    return re.sub(r"^<VirtualHost [^>]*>\n", lambda head: head[0] + lines, text, flags=re.MULTILINE)


@contextlib.contextmanager
def _raised_signals() -> Iterator[None]:
    """Make an error of what would end this process half-way; another one is not heard."""
    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def interrupt(number: int, _frame: Any) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise PalisadeError(f"interrupted by {signal.Signals(number).name}")

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _wait_for_the_end_of(pids: Iterable[int], end: bool = False) -> None:
    """Wait until these processes have ended; those that do not are told to, or are an error."""
    with contextlib.ExitStack() as stack:
        left: dict[int, int] = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                left[pid] = os.pidfd_open(pid)
                stack.callback(os.close, left[pid])
        deadline = time.monotonic() + _PATIENCE
        while True:
            left = {pid: descriptor for pid, descriptor in left.items() if not _has_ended(descriptor)}
            if not left:
                return
            if time.monotonic() > deadline:
                if not end:
                    raise PalisadeError(f"processes of the old site keep running: {', '.join(map(str, sorted(left)))}")
                for descriptor in left.values():
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                end, deadline = False, time.monotonic() + _PATIENCE
            time.sleep(_INTERVAL)


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
