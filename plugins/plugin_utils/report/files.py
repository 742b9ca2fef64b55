# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a report on the controller."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable

from ...module_utils.host.errors import PalisadeError
from .document import Document
from .html import page
from .junit import junit
from .overview import index, rows
from .sarif import sarif

INDEX = "index.html"
_STATE = ".overview.json"


def named_file(directory: str, name: str, kind: str) -> str:
    """Return the file of a host; PalisadeError where the host's name is no name of a file."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise PalisadeError(f"host {name!r}: expected a name that can also name a file")
    return os.path.join(directory, f"{name}.{kind}")


def paths(directory: str, name: str) -> dict[str, str]:
    """Return the files of a report by their kinds."""
    if f"{name}.html" == INDEX:
        raise PalisadeError(f"host {name!r}: expected another name: {INDEX} is the page over all hosts")
    return {kind: named_file(directory, name, kind) for kind in ("json", "sarif", "xml", "html")}


def write(document: Document, files: dict[str, str]) -> None:
    """Write every file; only the account that runs Ansible can read them, since they say how to attack a host."""
    texts = {
        "json": _json(document),
        "sarif": _json(sarif(document)),
        "xml": junit(document),
        "html": page(document),
    }
    for kind, path in files.items():
        put(path, texts[kind], "wsgi_audit_report_dir")


def put(path: str, text: str, variable: str) -> None:
    """Write a file whole, for the account that runs Ansible only; variable is where its directory comes from."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise PalisadeError(f"{variable}: {path} cannot be written: {error}") from error


def write_overview(document: Document, directory: str, name: str, run: str, expected: Iterable[str]) -> str:
    """Write the page over all hosts with this one's report, and return its path; tasks of other hosts do the same."""
    path, state = os.path.join(directory, INDEX), os.path.join(directory, _STATE)
    try:
        # The lock ends with the file, also where the process is killed.
        with open(os.open(state, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            found = rows(file.read(), run, expected, name, document)
            # A report that somebody has removed is not to be linked.
            found = {
                host: row
                for host, row in found.items()
                if row["run"] == run or os.path.exists(os.path.join(directory, f"{host}.html"))
            }
            file.seek(0)
            file.truncate()
            file.write(json.dumps(found))
            _replace(path, index(found, run))
    except OSError as error:
        raise PalisadeError(f"wsgi_audit_report_dir: {path} cannot be written: {error}") from error
    return path


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"


def _replace(path: str, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".audit-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
