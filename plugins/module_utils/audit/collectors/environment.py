# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the files of a virtual environment say of its packages; none of its code runs."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .tree import Disk, read_start, shown

# What is read of all virtual environments together; beyond that only sizes are compared.
BYTES = 48 << 20
FILES = 5000
_RECORD_SIZE = 4 << 20
_SMALL = 65536
_ROWS = 50
# Scripts in bin/ get another first line where they are installed, and caches are nobody's.
_CHECKED = (".py", ".so", ".pth")
# Of setuptools and virtualenv themselves.
_KNOWN = frozenset({"distutils-precedence.pth", "_virtualenv.pth"})
_SYSTEM = re.compile(rb"^\s*include-system-site-packages\s*=\s*true\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass
class Budget:
    """What may still be read."""

    bytes: int
    files: int


def packages_of(disk: Disk, top: str, budget: Budget) -> dict[str, Any]:
    """Return {system, checked, altered, unread, editable, imports} of a virtual environment."""
    found: dict[str, Any] = {"checked": 0, "unread": 0, "altered": [], "editable": [], "imports": []}
    found["system"] = bool(_SYSTEM.search(read_start(os.path.join(top, "pyvenv.cfg"), _SMALL)))
    for site in _sites(disk, top):
        for row in disk.entries(site)[0]:
            name = row.path.rpartition("/")[2]
            if name.endswith(".dist-info"):
                _check_record(site, row.path, budget, found)
                if _installed_from(row.path):
                    found["editable"].append(shown(row.path))
            elif name.endswith(".egg-link") or name.startswith("__editable__"):
                found["editable"].append(shown(row.path))
            if name.endswith(".pth") and name not in _KNOWN:
                text = read_start(row.path, _SMALL)
                if any(line.startswith((b"import ", b"import\t")) for line in text.splitlines()):
                    found["imports"].append(shown(row.path))
    for key in ("altered", "editable", "imports"):
        found[key] = sorted(found[key])[:_ROWS]
    return found


def _sites(disk: Disk, top: str) -> Iterator[str]:
    for library in ("lib", "lib64"):
        for row in disk.entries(os.path.join(top, library))[0]:
            if row.is_directory and os.path.basename(row.path).startswith("python"):
                yield os.path.join(row.path, "site-packages")


def _installed_from(directory: str) -> bool:
    """Tell whether a package came from a directory that can change, or a repository."""
    try:
        told = json.loads(read_start(os.path.join(directory, "direct_url.json"), _SMALL) or b"{}")
    except (ValueError, RecursionError):
        return False
    if not isinstance(told, dict):
        return False
    editable = isinstance(told.get("dir_info"), dict) and bool(told["dir_info"].get("editable"))
    return editable or "vcs_info" in told


def _check_record(site: str, directory: str, budget: Budget, found: dict[str, Any]) -> None:
    for path, digest, size in _listed(directory):
        file = os.path.join(site, path)
        try:
            seen = os.lstat(file)
        except (OSError, ValueError):
            # Left out on purpose, such as tests.
            continue
        if not stat.S_ISREG(seen.st_mode) or (size and str(seen.st_size) != size):
            found["altered"].append(shown(file))
            continue
        budget.bytes -= seen.st_size
        budget.files -= 1
        if budget.bytes < 0 or budget.files < 0:
            found["unread"] += 1
            continue
        found["checked"] += 1
        content = read_start(file, seen.st_size + 1)
        wanted = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        if wanted != digest.rstrip("="):
            found["altered"].append(shown(file))


def _listed(directory: str) -> Iterator[tuple[str, str, str]]:
    """Give path, SHA-256 and size of the modules that a RECORD lists below its own site-packages."""
    text = read_start(os.path.join(directory, "RECORD"), _RECORD_SIZE).decode("utf-8", "surrogateescape")
    try:
        for row in csv.reader(io.StringIO(text)):
            if len(row) < 3 or not row[0].endswith(_CHECKED) or not row[1].startswith("sha256="):
                continue
            if not row[0].startswith("/") and ".." not in row[0].split("/"):
                yield row[0], row[1][len("sha256=") :], row[2]
    except csv.Error:
        return
