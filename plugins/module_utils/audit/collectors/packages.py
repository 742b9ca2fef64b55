# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which package of the distribution a file is of, and which known holes that package says to have mended."""

from __future__ import annotations

import glob
import gzip
import os
import re
from typing import Any

from ...host.command import Run
from ...host.errors import PalisadeError
from ..facts import Facts
from .proc import read_paths, read_text

_DPKG = "/var/lib/dpkg"
_DOCUMENTS = "/usr/share/doc"
_RPM = "/usr/bin/rpm"
_SIZE = 1 << 22
_HOLE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")


def module_file(maps: str) -> str:
    """Return the file of mod_wsgi in /proc/PID/maps, with ' (deleted)' where another one is in its place."""
    found = re.search(r" (/\S*mod_wsgi[^/]*\.so\S*(?: \(deleted\))?)$", maps, re.MULTILINE)
    return found.group(1) if found else ""


def package_of(path: str, run: Run) -> dict[str, Any]:
    """Return {path, package, version, mended}.

    package is empty for a file of no package, None where this host's packages are not known; mended is a list of the
    holes that its changelog names, None where there is none to read.
    """
    found: dict[str, Any] = {"path": path, "package": None, "version": "", "mended": None}
    if os.path.isdir(f"{_DPKG}/info"):
        name = _debian_package({path, os.path.realpath(path)})
        found["package"] = name
        if name:
            found.update(version=_debian_version(name), mended=_debian_mended(name))
    elif os.path.exists(_RPM):
        found.update(_rpm_package(path, run))
    return found


def _debian_package(paths: set[str]) -> str:
    """Return the package of a file of Apache; read from dpkg's lists, which is faster than asking it."""
    for pattern in ("*apache*", "*wsgi*"):
        for file in sorted(glob.glob(f"{_DPKG}/info/{pattern}.list")):
            if paths & set(read_paths(file).split("\n")):
                return os.path.basename(file)[: -len(".list")].partition(":")[0]
    return ""


def _debian_version(name: str) -> str:
    status = read_paths(f"{_DPKG}/status")
    paragraph = re.search(rf"^Package: {re.escape(name)}\n(?:.+\n)*", status, re.MULTILINE)
    found = re.search(r"^Version: (.+)$", paragraph.group(0), re.MULTILINE) if paragraph else None
    return found.group(1) if found else ""


def _debian_mended(name: str) -> list[str] | None:
    files = glob.glob(f"{_DOCUMENTS}/{glob.escape(name)}/changelog.Debian*")
    holes: set[str] = set()
    for file in files:
        try:
            with gzip.open(file) if file.endswith(".gz") else open(file, "rb") as text:
                holes |= set(_HOLE.findall(text.read(_SIZE).decode("utf-8", "replace")))
        except (OSError, EOFError):
            return None
    return sorted(holes) if files else None


def _rpm_package(path: str, run: Run) -> dict[str, Any]:
    try:
        name, _space, version = run([_RPM, "-qf", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n", path]).partition(" ")
    except PalisadeError:
        # Of no package; or rpm does not work here, which is as good for the rules.
        return {"package": ""}
    name = name.strip()
    try:
        mended: list[str] | None = sorted(set(_HOLE.findall(run([_RPM, "-q", "--changelog", name]))))
    except PalisadeError:
        mended = None
    return {"package": name, "version": version.split("\n")[0].strip(), "mended": mended}


def packages_of_apache(facts: Facts, run: Run) -> dict[str, dict[str, Any]]:
    """Return package, version and mended holes of Apache and of the module that it has in its memory."""
    parent = facts.instance.pid
    found = {"apache": package_of(facts.instance.binary, run)}
    if parent is not None:
        found["apache"]["replaced"] = os.readlink(f"/proc/{parent}/exe").endswith(" (deleted)")
        path = module_file(read_text(f"/proc/{parent}/maps", 1 << 24))
        if path:
            module = package_of(path.replace(" (deleted)", ""), run)
            found["module"] = {**module, "replaced": path.endswith(" (deleted)")}
    return found
