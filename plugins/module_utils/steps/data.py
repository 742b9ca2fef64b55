# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data of sites that apps replace: copied ahead, and switched with the site."""

from __future__ import annotations

from ..apache.layout import host_layout
from ..apache.transaction import ConfigurationFile
from ..host.fs import diff_of
from ..host.layout import FILE
from ..host.turn import held
from ..release.activation import Files
from ..release.data_switch import Outcome, Switch, copy_ahead
from .step import Given, Host, Result, Step

_COPY = {
    "path": {"type": "path", "required": True},
    "source": {"type": "path", "required": True},
    "directory": {"type": "bool", "default": False},
}
_OWN_SITE = {
    "path": {"type": "path", "required": True},
    "link": {"type": "str", "default": ""},
    "closed": {"type": "str", "required": True},
}
_DATA = {
    "app": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "marker": {"type": "path", "required": True},
    "copies": {"type": "list", "elements": "dict", "required": True, "options": _COPY},
    "site": {"type": "dict", "required": True, "options": _OWN_SITE},
    "replaced": {"type": "list", "elements": "path", "default": []},
}
_SITE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "link": {"type": "str", "default": ""},
    "app": {"type": "str", "default": ""},
}


def _change(given: Given, host: Host) -> Outcome:
    if given["state"] == "copied":
        return copy_ahead(given["data"], host.check)
    site = [ConfigurationFile(**row) for row in given["site"]]
    switch = Switch(host_layout(), given["data"], site, host.run, host.check)
    return switch.carry_out(given["releases"], Files(given["files"], (), given["secrets"]), given["pools"])


def _act(given: Given, host: Host) -> Result:
    with held(host.check):
        outcome = _change(given, host)
    for warning in outcome.warnings:
        host.warn(warning)
    return {
        "changed": bool(outcome.differences),
        "paths": [row["path"] for row in outcome.differences],
        "closed": outcome.closed,
        "hooks": outcome.hooks,
        "diff": diff_of(outcome.differences),
    }


STEP = Step(
    {
        "state": {"type": "str", "choices": ["copied", "switched"], "required": True},
        "data": {"type": "list", "elements": "dict", "required": True, "options": _DATA},
        "site": {"type": "list", "elements": "dict", "default": [], "options": _SITE},
        "releases": {"type": "list", "elements": "dict", "default": []},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "pools": {"type": "list", "elements": "dict", "default": []},
    },
    _act,
)
