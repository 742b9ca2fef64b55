# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes as /proc shows them, and which descend from which."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any


def read_text(path: str, size: int = 1 << 20) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(size)


def status_of(pid: int) -> dict[str, str]:
    rows = (line.partition(":") for line in read_text(f"/proc/{pid}/status").splitlines())
    return {key: value.strip() for key, _colon, value in rows}


def words_of(pid: int) -> list[str]:
    return [word for word in read_text(f"/proc/{pid}/cmdline").rstrip("\0").split("\0") if word]


def program_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe").replace(" (deleted)", "")
    except OSError:
        return ""


def process_table() -> dict[int, dict[str, Any]]:
    """Return {parent, uid} of every process that this host's own namespace has."""
    found: dict[int, dict[str, Any]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, KeyError, ValueError):
                status = status_of(int(name))
                found[int(name)] = {"parent": int(status["PPid"]), "uid": int(status["Uid"].split()[1])}
    return found


def is_ours(pid: int) -> bool:
    """Return whether a process is none of a container's."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def descendants(top: int, table: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Return a process and all that descend from it."""
    found = {top}
    grown = True
    while grown:
        more = {pid for pid, row in table.items() if row["parent"] in found} - found
        grown = bool(more)
        found |= more
    return found


def read_paths(path: str) -> str:
    """Return all of a file, with paths that can be opened as they stand."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
