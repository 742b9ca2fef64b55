# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories, files and ACLs."""

from __future__ import annotations

from ..host.fs import diff_of
from ..host.layout import FILE, OWNED, PATH, ensure_layout
from ..host.turn import held
from .step import Given, Host, Result, Step

_DIRECTORY = {**OWNED, "acl": {"type": "dict"}}
_ENTRY = {**PATH, "account": {"type": "str", "required": True}}
_GRANT = {**_ENTRY, "permissions": {"type": "str", "required": True}}


def _act(given: Given, host: Host) -> Result:
    files = [{**row, "secret_content": given["secrets"].get(row["path"])} for row in given["files"]]
    with held(host.check):
        changes = ensure_layout(
            given["directories"],
            files,
            given["absent"],
            host.check,
            given["grants"],
            given["revoked"],
            given["root_only"],
        )
    return {"changed": bool(changes), "paths": [change["path"] for change in changes], "diff": diff_of(changes)}


STEP = Step(
    {
        "directories": {"type": "list", "elements": "dict", "default": [], "options": _DIRECTORY},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "absent": {"type": "list", "elements": "dict", "default": [], "options": PATH},
        "root_only": {"type": "list", "elements": "dict", "default": [], "options": PATH},
        "grants": {"type": "list", "elements": "dict", "default": [], "options": _GRANT},
        "revoked": {"type": "list", "elements": "dict", "default": [], "options": _ENTRY},
    },
    _act,
)
