# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where sources and packages of a release wait until it is built, and what is known of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .store import COMPLETE, describe, description, is_complete

# Where sources and packages of a release wait until it is built; nothing serves from here.
CACHE = "/var/cache/palisade-mod_wsgi"

Row = Mapping[str, Any]


def cached_place(row: Row) -> str:
    """Return where a release waits; two apps may have one source, and so the same release."""
    return os.path.join(CACHE, f"{row['app']}-{row['release']}")


def is_fetched(row: Row) -> bool:
    return os.path.isfile(os.path.join(cached_place(row), COMPLETE))


def missing(rows: Sequence[Row]) -> list[str]:
    """Return the apps whose release is neither built nor fetched on this host."""
    return [row["app"] for row in rows if not is_complete(row["directory"], row["release"]) and not is_fetched(row)]


def _told(place: str) -> dict[str, Any]:
    try:
        return description(place)
    except (OSError, ValueError):
        return {}


def known_release(row: Row, origin: str) -> dict[str, Any] | None:
    """Return the row of a release that was built or fetched from this origin, None where there is none."""
    directory = row["directory"]
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if is_complete(directory, name):
            told = _told(os.path.join(directory, name))
            if told.get("origin") == origin and told.get("release") == name:
                return {**row, "release": name, "digest": told.get("digest", ""), "origin": origin}
    for name in sorted(os.listdir(CACHE)) if os.path.isdir(CACHE) else []:
        told = _told(os.path.join(CACHE, name)) if name.startswith(f"{row['app']}-") else {}
        if told.get("origin") == origin and told.get("app") == row["app"]:
            return {**row, "release": told["release"], "digest": told["digest"], "origin": origin}
    return None


def note_origin(row: Row) -> None:
    """Keep the origin of a release that was built from another one with the same content."""
    place = os.path.join(row["directory"], row["release"])
    if row["origin"]:
        describe(place, {**_told(place), "origin": row["origin"]})


def downloads() -> str:
    """Return what the downloads of one play share, so that ten apps fetch a wheel once; nothing of it stays."""
    return os.path.join(CACHE, ".downloads")


def drop_empty_cache() -> None:
    # Another play's releases may wait in it.
    with contextlib.suppress(OSError):
        os.rmdir(CACHE)
