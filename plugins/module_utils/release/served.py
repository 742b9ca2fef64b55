# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache's own account reads of a release, by POSIX ACLs: the static files and the way to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..host.acl import EXECUTE, READ, change_user
from ..host.errors import PalisadeError
from ..host.fs import account_id
from .store import describe, description


def check_source(code: str, row: Mapping[str, Any]) -> None:
    """Refuse a served directory that is none in a source; one that the app's build may make is judged after that."""
    if not row.get("build"):
        check_served(code, row)


def check_served(code: str, row: Mapping[str, Any]) -> None:
    """Refuse a served directory that is none, in a source or in a release; a link on the way is not followed."""
    for directory in served_directories(row):
        reached = code
        for part in directory.split("/"):
            reached = os.path.join(reached, part)
            if part in ("", ".", ".."):
                found = "a path with '.', '..' or empty parts"
            elif os.path.islink(reached):
                found = f"a link at {os.path.relpath(reached, code)}"
            elif os.path.isdir(reached):
                continue
            else:
                found = "a file" if os.path.lexists(reached) else f"no {os.path.relpath(reached, code)}"
            place = "the source or made by build" if row.get("build") else "the source"
            raise PalisadeError(
                f"app {row['app']}: static: expected a directory inside {place}, got {directory!r}: found {found}"
            )


def served_directories(row: Mapping[str, Any]) -> list[str]:
    """Return the directories of a release that an account other than the app's may read."""
    return sorted(set((row.get("served") or {}).get("directories") or []))


def _ways(place: str, directories: Sequence[str]) -> dict[str, int]:
    """Return the directories from the release to the top of each served tree, with what its reader needs on them."""
    code = os.path.join(place, "code")
    ways = {place: EXECUTE, code: EXECUTE} if directories else {}
    for directory in directories:
        parts = directory.split("/")
        ways.update({os.path.join(code, *parts[:length]): EXECUTE for length in range(1, len(parts))})
    ways.update({os.path.join(code, directory): READ | EXECUTE for directory in directories})
    return ways


def _entries(place: str, directories: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """Yield everything in a release that can have an entry, with what its reader is to have; None is no entry."""
    ways = _ways(place, directories)
    yield place, ways.get(place)
    inside: set[str] = set()
    for directory, _names, files in os.walk(os.path.join(place, "code")):
        if os.path.dirname(directory) in inside or ways.get(directory, EXECUTE) & READ:
            inside.add(directory)
        yield directory, READ | EXECUTE if directory in inside else ways.get(directory)
        for name in files:
            yield os.path.join(directory, name), READ if directory in inside else None


def reader(row: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Return who may read which directories of a release, as it is recorded; nothing where there are none."""
    directories = served_directories(row)
    return {"uid": account_id(row["served"]["account"], check), "directories": directories} if directories else {}


def give(place: str, uid: int, directories: Sequence[str]) -> None:
    """Let a user read these directories of a release, and nothing else of it."""
    for path, permissions in _entries(place, directories):
        _change(path, uid, permissions, check=False)


def _change(path: str, uid: int, permissions: int | None, check: bool) -> bool:
    """Bring one entry to what it is to be; tell whether it was not. A link never has one."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            return False
        before, after = change_user(descriptor, path, uid, permissions, check)
        return before != after
    finally:
        os.close(descriptor)


def serve(row: Mapping[str, Any], check: bool) -> dict[str, Any] | None:
    """Bring a finished release to what is served of it. Return the difference, None without one.

    What its description records is believed, except for the top of each served tree and the way to it: a big tree
    is walked only where something changes, and then all of it.
    """
    place = os.path.join(row["directory"], row["release"])
    told = description(place)
    recorded, wanted = told.get("served") or {}, reader(row, check)
    ways = _ways(place, wanted.get("directories", []))
    lost = [path for path, permissions in ways.items() if _change(path, wanted["uid"], permissions, check=True)]
    if recorded == wanted and not lost:
        return None
    steps = [wanted] if wanted else []
    if recorded and recorded["uid"] != wanted.get("uid"):
        steps.insert(0, {"uid": recorded["uid"], "directories": []})
    if not check:
        for step in steps:
            # One that is killed is done again, whatever is wanted by then.
            describe(place, {**told, "served": {**step, "unfinished": True}})
            give(place, **step)
        describe(place, {**told, "served": wanted})
    before, after = (", ".join(served.get("directories", [])) or "nothing" for served in (recorded, wanted))
    before = "incomplete ACLs" if before == after else before
    return {"path": place, "before": {"served": before}, "after": {"served": after}}
