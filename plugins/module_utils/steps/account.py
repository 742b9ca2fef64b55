# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Service accounts."""

from __future__ import annotations

from ..host.accounts import ensure_accounts, left_in_homes, remove_accounts
from ..host.fs import diff_of
from ..host.turn import held
from .step import Given, Host, Result, Step

_ROW = {
    "app": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "home": {"type": "path"},
    "adopt": {"type": "bool", "default": False},
    "sysusers": {"type": "str"},
}


def _act(given: Given, host: Host) -> Result:
    bring = ensure_accounts if given["state"] == "present" else remove_accounts
    for text in left_in_homes(given["accounts"]):
        host.warn(text)
    with held(host.check):
        changes = bring(given["accounts"], host.run, host.check)
    return {"changed": bool(changes), "changes": changes, "diff": diff_of(changes)}


STEP = Step(
    {
        "accounts": {"type": "list", "elements": "dict", "required": True, "options": _ROW},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    _act,
)
