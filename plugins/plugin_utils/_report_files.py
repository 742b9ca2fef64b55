# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a report on the controller."""

from __future__ import annotations

import json
import os
import tempfile

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_document import Document
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_html import page
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_junit import junit
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_sarif import sarif


def paths(directory: str, name: str) -> dict[str, str]:
    """Return the files by their kinds; PalisadeError where the host's name is no name of a file."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise PalisadeError(f"host {name!r}: expected a name that can be a file's: the reports are called by it")
    return {kind: os.path.join(directory, f"{name}.{kind}") for kind in ("json", "sarif", "xml", "html")}


def write(document: Document, files: dict[str, str]) -> None:
    """Write every file; only the account that runs Ansible can read them, since they say how to attack a host."""
    texts = {
        "json": _json(document),
        "sarif": _json(sarif(document)),
        "xml": junit(document),
        "html": page(document),
    }
    for kind, path in files.items():
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _replace(path, texts[kind])
        except OSError as error:
            raise PalisadeError(f"wsgi_audit_report_dir: {path} cannot be written: {error}") from error


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
