# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An answer of each app, from processes of its own account; the last step of a play."""

from __future__ import annotations

from ..apache.layout import host_layout
from ..host.turn import held
from ..runtime.health import check_pools
from .step import Given, Host, Result, Step

_TEXT = {"type": "str", "required": True}
_POOL = {
    **dict.fromkeys(("app", "name", "account", "group", "server_name"), _TEXT),
    "processes": {"type": "int", "required": True},
    "tls": {"type": "bool", "default": False},
    "path": {"type": "str", "default": "/"},
    "status": {"type": "list", "elements": "int", "required": True},
    "timeout": {"type": "int", "default": 30},
    "error_log": {"type": "path", "required": True},
}


def _act(given: Given, host: Host) -> Result:
    answers = []
    if not host.check:
        with held(check=False, last=True):
            answers = check_pools(host_layout(), given["pools"], host.run)
    return {"changed": False, "answers": answers}


STEP = Step({"pools": {"type": "list", "elements": "dict", "required": True, "options": _POOL}}, _act)
