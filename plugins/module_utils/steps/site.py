# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's configuration, as a transaction."""

from __future__ import annotations

from ..apache.layout import host_layout
from ..apache.requests import RELOAD_WAIT, warning
from ..apache.transaction import ConfigurationFile, apply
from ..host.fs import diff_of
from ..host.turn import held
from .step import Given, Host, Result, Step

_FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "target": {"type": "str", "default": ""},
    "link": {"type": "str", "default": ""},
    "app": {"type": "str", "default": ""},
    "restart": {"type": "bool", "default": False},
}
_POOL = {
    "name": {"type": "str", "required": True},
    "loads": {"type": "list", "elements": "str", "required": True},
}


def _act(given: Given, host: Host) -> Result:
    files = [ConfigurationFile(**row) for row in given["files"]]
    with held(host.check):
        result = apply(host_layout(), files, given["pools"], host.run, host.check, given["reload_wait"])
    for text in warning(result["requests"], given["reload_wait"]):
        host.warn(text)
    changes = result["differences"]
    return {
        "changed": bool(changes or result["stale"]),
        "paths": [change["path"] for change in changes],
        "reload": result["reload"],
        "stale": result["stale"],
        "diff": diff_of(changes),
    }


STEP = Step(
    {
        "files": {"type": "list", "elements": "dict", "required": True, "options": _FILE},
        "pools": {"type": "list", "elements": "dict", "default": [], "options": _POOL},
        "reload_wait": RELOAD_WAIT,
    },
    _act,
)
