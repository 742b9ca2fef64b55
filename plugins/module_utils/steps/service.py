# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units of workers and timers."""

from __future__ import annotations

from typing import Any

from ..host.fs import diff_of
from ..host.layout import FILE
from ..host.turn import held
from ..release.services import check_services, remove_services
from .step import Given, Host, Result, Step


def _rows(**options: str) -> dict[str, Any]:
    suboptions = {name: {"type": kind, "required": True} for name, kind in options.items()}
    return {"type": "list", "elements": "dict", "default": [], "options": suboptions}


def _act(given: Given, host: Host) -> Result:
    told: list[str] = []
    changes: list[dict[str, Any]] = []
    if given["state"] == "checked":
        told = check_services(given["files"], given["schedules"], host.run)
    else:
        with held(host.check):
            changes = remove_services(given["apps"], host.run, host.check)
    paths = [change["path"] for change in changes]
    return {"changed": bool(changes), "times": told, "paths": paths, "diff": diff_of(changes)}


STEP = Step(
    {
        "state": {"type": "str", "choices": ["checked", "absent"], "required": True},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        "schedules": _rows(app="str", timer="str", schedule="str"),
        "apps": _rows(app="str", home="path"),
    },
    _act,
)
