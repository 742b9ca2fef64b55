# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases made current: link, files and processes together, or all of it undone where the app does not answer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ..apache import server
from ..apache.layout import ApacheLayout
from ..apache.pool import newest_change, roll
from ..apache.processes import apache_parent, directories_of, live_pools
from ..host.command import Run
from ..host.errors import PalisadeError, nearest
from ..host.fs import Attributes, opened_directory, read_file, remove, replace_file, switch_link
from ..host.layout import ensure_layout
from ..host.parallel import in_parallel
from ..runtime.health import check_pools
from .build import Built
from .served import check_served, serve
from .services import Services, check_commands
from .store import description, is_complete, note, place_of, previous_release, releases_of
from .trial import run_hooks, try_release

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass
class Outcome:
    """What was, or in check mode would be, done."""

    differences: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[dict[str, str]] = field(default_factory=list)
    processes: list[dict[str, Any]] = field(default_factory=list)
    services: list[dict[str, str]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The files that belong to an app's code: entry file and environment, with the texts that are secret."""

    present: Rows = ()
    absent: Rows = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def of(self, app: str) -> Files:
        """Return one app's part."""
        ours = [row for row in self.present if row["app"] == app]
        present = [{**row, "secret_content": self.secrets.get(row["path"])} for row in ours]
        return Files(present, [row for row in self.absent if row["app"] == app])

    def environment(self, app: str) -> dict[str, str]:
        """Return an app's variables."""
        texts = [self.secrets[row["path"]] for row in self.present if row["app"] == app and row["path"] in self.secrets]
        return json.loads(texts[0]) if texts else {}

    def paths(self) -> list[str]:
        return [str(row["path"]) for row in (*self.present, *self.absent)]


class Activation:
    """Brings the releases of one host into service."""

    def __init__(
        self, layout: ApacheLayout, files: Files, pools: Rows, run: Run, check: bool, service_files: Rows = ()
    ) -> None:
        self.layout = layout
        self.files = files
        self.service_files = Files(service_files, (), files.secrets)
        self.pools = {str(pool["app"]): pool for pool in pools}
        self.run = run
        self.check = check
        self.outcome = Outcome()

    def begin(self, rows: Rows, built: Built) -> Outcome:
        """Make the releases of apps current that have none yet: before the site, whose pool could not start without.

        PalisadeError where one of these could not be built or begun, since its site cannot come.
        """
        self.outcome.differences += built.differences
        self.outcome.failures.update(built.failures)
        for row in rows:
            place = place_of(row["directory"], row["release"])
            if row["app"] not in built.failures and os.path.isdir(place):
                self._attempt(row, lambda row: check_commands(row, place_of(row["directory"], row["release"])))
        for row in rows:
            # What an interrupted switch of its data left serves nothing yet.
            waits = _waits_for_data(row)
            if row["app"] not in self.outcome.failures and (waits or not self._has_begun(row)):
                self._attempt(row, self._switch)
        told = self.outcome.failures
        failed = [row for row in rows if row["app"] in told]
        fatal = [told[row["app"]] for row in failed if _waits_for_data(row) or not self._has_begun(row)]
        if fatal:
            raise PalisadeError("\n".join(fatal))
        return self.outcome

    def _has_begun(self, row: Row) -> bool:
        """Tell whether one of our releases is current, with the entry file beside it."""
        if not os.path.islink(row["current"]):
            return False
        parent, release = os.path.split(os.readlink(row["current"]))
        ours = parent == "releases" and is_complete(row["directory"], release)
        # An environment may be new for an app that serves.
        entry = [file["path"] for file in self.files.of(row["app"]).present if file["path"] not in self.files.secrets]
        return ours and all(os.path.lexists(path) for path in entry)

    def _attempt(self, row: Row, work: Callable[[Row], None]) -> None:
        try:
            work(row)
        except (PalisadeError, OSError) as error:
            text = str(error)
            self.outcome.failures[row["app"]] = text if text.startswith("app ") else f"app {row['app']}: {text}"

    def activate(self, rows: Rows, bound: int) -> Outcome:
        """Bring every app to its release; one that fails is put back and stops no other."""
        running = apache_parent(self.layout.binary) is not None
        declared = server.read_configuration(self.layout, self.run).pools if running else []
        live = {str(pool["name"]): pool["processes"] for pool in live_pools(self.layout.binary, declared)}
        served = {str(pool["name"]) for pool in declared}

        def work(row: Row) -> None:
            pool = self.pools.get(row["app"])
            if pool is None or pool["name"] not in served:
                self._switch(row)
                return
            rolls = bool(self._changes(row)) or self._is_stale(row, live.get(pool["name"], []))
            services = self._services(row)
            if rolls or services.changes() or services.due(self._changed_at(row)):
                self._switch_and_roll(row, pool if rolls else None, services)

        in_parallel(rows, lambda row: self._attempt(row, work), bound)
        return self.outcome

    def roll_back(self, rows: Rows, wanted: str, bound: int) -> Outcome:
        """Bring apps back to a named release, or each to the one before its current one."""
        chosen = []
        for row in rows:
            back = {**row, "release": self._release_before(row, wanted), "hooks": []}
            place = place_of(row["directory"], back["release"])
            check_served(f"{place}/code", back)
            check_commands(back, place)
            try_release(back, place, self.files.environment(row["app"]), self.run)
            served = serve(back, self.check)
            self.outcome.differences += [served] if served else []
            chosen.append(back)
        return self.activate(chosen, bound)

    def _release_before(self, row: Row, wanted: str) -> str:
        current = os.path.basename(os.readlink(row["current"])) if os.path.islink(row["current"]) else ""
        release = wanted or previous_release(row["directory"], current)
        if release and is_complete(row["directory"], release):
            return release
        others = releases_of(row["directory"])
        there = ", ".join(other + self._remark(row, other, current) for other in others) or "no release"
        asked = f"release {wanted!r}{nearest(wanted, others)}" if wanted else "an earlier release that has served"
        raise PalisadeError(f"app {row['app']}: expected {asked}, found {there}")

    def _remark(self, row: Row, release: str, current: str) -> str:
        if release == current:
            return " (current)"
        return " (failed)" if description(place_of(row["directory"], release)).get("failed") else ""

    def _changes(self, row: Row) -> list[dict[str, Any]]:
        files = self.files.of(row["app"])
        changes: list[dict[str, Any]] = list(ensure_layout((), files.present, files.absent, check=True))
        link = switch_link(row["current"], f"releases/{row['release']}", check=True)
        return changes + ([link] if link else [])

    def _is_stale(self, row: Row, processes: Rows) -> bool:
        """Tell whether a process is older than what it loads, as after a play that was interrupted."""
        place = place_of(row["directory"], row["release"])
        since = self._changed_at(row)
        return any(
            process["started"] < since or (process["cwd"] and not process["cwd"].startswith(place + "/"))
            for process in processes
        )

    def _changed_at(self, row: Row) -> float:
        return newest_change([row["current"], *self.files.of(row["app"]).paths()])

    def _switch(self, row: Row) -> None:
        """Switch link and files, after the hooks where the release is another one."""
        changes = self._changes(row)
        link = f"releases/{row['release']}"
        if not changes:
            return
        self.outcome.differences += changes
        if self.check:
            return
        place = place_of(row["directory"], row["release"])
        environment = self.files.environment(row["app"])
        if _waits_for_data(row):
            # The hooks run when it is there; until then what there is may be half a database.
            pass
        elif any(change["path"] == row["current"] for change in changes):
            told = run_hooks(row, place, environment, self.run)
            self.outcome.hooks += [{"app": row["app"], **hook} for hook in told]
        else:
            # A release is tried when it is built; here it meets another environment.
            try_release(row, place, environment, self.run)
        before = _Before(row, self.files.of(row["app"]))
        try:
            self._put(row, link)
        except (PalisadeError, OSError):
            before.put_back()
            raise
        note(place, activated=time.time(), failed=False)

    def _put(self, row: Row, link: str) -> None:
        files = self.files.of(row["app"])
        ensure_layout((), files.present, files.absent, check=False)
        switch_link(row["current"], link, check=False)

    def _services(self, row: Row) -> Services:
        app = row["app"]
        home = os.path.dirname(row["current"])
        rows = self.service_files.of(app).present
        own = [json.loads(row["secret_content"]) for row in rows if row["secret_content"]]
        values = [value for variables in (self.files.environment(app), *own) for value in variables.values()]
        return Services(app, home, rows, self.run, values)

    def _switch_and_roll(self, row: Row, pool: Row | None, services: Services) -> None:
        """Switch an app, and bring its workers and then its pool along; all of it back where one of them fails."""
        files = self.files.of(row["app"])
        before = _Before(row, Files(files.present, [*files.absent, *({"path": path} for path in services.paths())]))
        self.outcome.differences += services.changes()
        self._switch(row)
        if self.check:
            self.outcome.processes += [{"pool": str(pool["name"])}] if pool is not None else []
            self.outcome.services += services.due(self._changed_at(row))
            return
        place = place_of(row["directory"], row["release"])
        try:
            services.put()
            # Before the pool, which may hand them jobs that the old release does not know.
            services.bring(self._changed_at(row))
            if pool is not None:
                self._roll(row, pool, place)
                check_pools(self.layout, [pool], self.run)
        except (PalisadeError, OSError) as error:
            if before.is_as_now(row):
                raise
            if before.place != place:
                note(place, failed=True)
            services.forget(before.missing())
            before.put_back()
            try:
                if services.paths():
                    services.reload()
                services.bring(self._changed_at(row))
                if pool is not None:
                    self._roll(row, pool, before.place)
            except PalisadeError as second:
                raise PalisadeError(
                    f"{error}\nrolling back to release {before.release} failed too: {second}"
                ) from error
            what = f"release {row['release']}" if before.place != place else "the new environment, entry file or units"
            raise PalisadeError(
                f"app {row['app']}: {what} was rolled back, and release {before.release} serves as before: {error}"
            ) from error
        finally:
            self.outcome.services += services.done

    def _roll(self, row: Row, pool: Row, place: str) -> None:
        name = str(pool["name"])
        (told,) = roll(self.layout, [name], self.run, {name: place}, self._changed_at(row))
        new = [{"pool": name, **process} for process in told["processes"] if process["replaced"]]
        self.outcome.processes += new


def _waits_for_data(row: Row) -> bool:
    return bool(row.get("data_marker")) and os.path.lexists(row["data_marker"])


class _Before:
    """Link and files of an app as they were."""

    def __init__(self, row: Row, files: Files) -> None:
        self.current = row["current"]
        self.target = os.readlink(self.current) if os.path.islink(self.current) else ""
        self.release = os.path.basename(self.target)
        self.place = place_of(row["directory"], self.release)
        self.files = {path: _content(path) for path in files.paths()}

    def is_as_now(self, row: Row) -> bool:
        """Tell whether there is nothing to put back."""
        now = os.readlink(self.current) if os.path.islink(self.current) else ""
        texts = all(_content(path)[0] == text for path, (text, _found) in self.files.items())
        return now == self.target and texts

    def missing(self) -> list[str]:
        """Return the files that put_back removes."""
        return [path for path, (text, _found) in self.files.items() if text is None]

    def put_back(self) -> None:
        if self.target:
            switch_link(self.current, self.target, check=False)
        else:
            remove(self.current, check=False)
        for path, (text, found) in self.files.items():
            parent, name = os.path.split(path)
            # A file that did not change keeps its time.
            if _content(path)[0] == text:
                continue
            if text is None or found is None:
                remove(path, check=False)
                continue
            with opened_directory(parent) as above:
                if above is not None:
                    attributes = Attributes("", "", found.st_mode & 0o7777)
                    replace_file(above, name, text, attributes, found.st_uid, found.st_gid)


def _content(path: str) -> tuple[str | None, os.stat_result | None]:
    parent, name = os.path.split(path)
    with opened_directory(parent) as above:
        return (None, None) if above is None else read_file(above, name, path)


def prune(rows: Rows, keep: int, layout: ApacheLayout, check: bool) -> list[dict[str, Any]]:
    """Remove all but the newest releases of each app, and what killed builds left; never one that is in use."""
    # Workers, timers and commands of people may outlast a switch as well.
    in_use = directories_of({str(row["account"]) for row in rows if row.get("account")})
    in_use |= {str(process["cwd"]) for pool in live_pools(layout.binary, []) for process in pool["processes"]}
    differences: list[dict[str, Any]] = []
    for row in rows:
        directory = row["directory"]
        if not os.path.isdir(directory):
            continue
        used = {path[len(directory) + 1 :].partition("/")[0] for path in in_use if path.startswith(directory + "/")}
        if os.path.islink(row["current"]):
            used.add(os.path.basename(os.readlink(row["current"])))
        # In a check run the release to come is not there yet.
        newest = [release for release in releases_of(directory) if release not in used]
        kept = used | set(newest[: max(0, keep - len(used))])
        for name in sorted(os.listdir(directory)):
            if name not in kept:
                removed = remove(place_of(directory, name), check)
                if removed:
                    differences.append(removed)
    return differences
