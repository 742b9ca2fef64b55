# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The releases of an app on its host: what is there, what is complete, what it is made of."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..app.source import Source
from ..host.errors import PalisadeError
from ..host.fs import Attributes, opened_directory, replace_file

COMPLETE = "release.json"


def is_complete(directory: str, release: str) -> bool:
    """Tell whether a release is built to its end: its description is the last file that is written."""
    place = os.path.join(directory, release)
    # In a home that is adopted, the account could put one there.
    ours = os.path.lexists(place) and os.lstat(place).st_uid == os.geteuid()
    return ours and os.path.isfile(os.path.join(place, COMPLETE))


def build_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a release's name has of its build; nothing of a release without one."""
    commands = tuple(tuple(str(word) for word in command) for command in row.get("build") or ())
    return ((commands, bool(row.get("build_network"))),) if commands else ()


def release_name(digest: str, requirements: str, python_version: str, build: tuple[Any, ...] = ()) -> str:
    """Return the name of a release: the same for the same content on every host. build is build_of its row."""
    return hashlib.sha256(repr((digest, str(requirements), str(python_version), *build)).encode()).hexdigest()[:16]


def origin_of(row: Mapping[str, Any], source: Source, version: object, python_version: str) -> str:
    """Return a key of what is fetched: equal keys are equal releases, without looking at the content."""
    what = (
        source.kind,
        source.place,
        version,
        source.directory,
        str(row["requirements"]),
        python_version,
        *build_of(row),
    )
    return hashlib.sha256(repr(what).encode()).hexdigest()


def check_names(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a release that is no name: its directory is removed before it is built."""
    for row in rows:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", row["release"]):
            raise PalisadeError(f"app {row['app']}: release: expected a name, got {row['release']!r}")


def describe(place: str, description: Mapping[str, Any]) -> None:
    # Root's alone: whoever may pass the release's directory could read it otherwise.
    with opened_directory(place) as descriptor:
        if descriptor is not None:
            replace_file(descriptor, COMPLETE, json.dumps(description), Attributes("root", "root", 0o600), 0, 0)


def description(place: str) -> dict[str, Any]:
    """Return what a complete release says of itself."""
    with open(os.path.join(place, COMPLETE), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def place_of(directory: str, release: str) -> str:
    """Return the directory of a release."""
    return os.path.join(directory, release)


def releases_of(directory: str) -> list[str]:
    """Return the complete releases of an app, the one that served or was built last first."""
    if not os.path.isdir(directory):
        return []
    names = [name for name in os.listdir(directory) if is_complete(directory, name)]

    def age(name: str) -> float:
        place = place_of(directory, name)
        told = description(place)
        # The first version of this collection noted neither.
        return float(told.get("activated") or told.get("built") or os.stat(os.path.join(place, COMPLETE)).st_mtime)

    return sorted(names, key=age, reverse=True)


def previous_release(directory: str, current: str) -> str:
    """Return the release that served before the current one; empty where there is none."""
    for name in releases_of(directory):
        told = description(place_of(directory, name))
        if name != current and told.get("activated") and not told.get("failed"):
            return name
    return ""


def note(place: str, **fields: Any) -> None:
    """Add to what a complete release says of itself."""
    describe(place, {**description(place), **fields})
