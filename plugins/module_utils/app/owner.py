# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose app it is: the name of a list, and the apps that a list takes over from its own former name.

Earlier versions named a list after its directory, so every checkout was another list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ..host.errors import PalisadeError
from .source import Source, check_source
from .values import texts

DEFAULT_OWNER = "default"


def owner_fields(owner: str) -> dict[str, Any]:
    """Return what the host notes of an app's owner: one that could be a directory is noted as chosen."""
    return {"owner": owner, **({"chosen": True} if _looks_derived(owner) else {})}


def _looks_derived(owner: str) -> bool:
    # The last two parts of a path, of which either may be empty.
    return owner.count("/") == 1


def source_class(source: Source) -> str:
    """Return as much of the kind of a source as the release of an earlier version shows."""
    if source.kind == "package":
        return "package"
    return "controller" if source.is_local else "network"


def takes_over(owner: str, raw: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether a list takes over an app of its name on the host: the same app, of a list that nobody named.

    raw is the app as the user wrote it. What one side does not say, as of an app that is to be removed, or that is no
    longer served, is no difference.
    """
    if owner != DEFAULT_OWNER or other.get("chosen") or not _looks_derived(other["owner"]):
        return False
    names, kind = set(), ""
    # Of an app that is to be removed, nobody has checked them.
    with contextlib.suppress(PalisadeError):
        names = set(texts(raw, "server_names", ""))
    with contextlib.suppress(PalisadeError):
        kind = source_class(check_source(raw.get("source"), ""))
    pairs = ((names, set(other.get("server_names", []))), (kind, other.get("source", "")))
    return all(said == found for said, found in pairs if said and found)
