# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates: made, judged, waited for and removed."""

from __future__ import annotations

from ..apache.certificates import Outsiders, ensure_certificates
from ..apache.layout import host_layout
from ..apache.live_certificates import ensure_live, hosts_of
from ..apache.processes import apache_parent
from ..apache.requests import RELOAD_WAIT
from ..host.fs import diff_of
from ..host.turn import held
from .step import Given, Host, Result, Step

_APP = {"type": "str", "required": True}
_ANY_APP = {"type": "str", "default": ""}
_NAME = {"type": "str", "required": True}
_NAMES = {"type": "list", "elements": "str", "required": True}
_FILE = {"type": "path", "required": True}
_SELF_SIGNED = {"app": _ANY_APP, "name": _NAME, "server_names": _NAMES}
# The path of a key is no secret.
_GIVEN = {"app": _APP, "certificate": _FILE, "key": {**_FILE, "no_log": False}, "server_names": _NAMES}


def _act(given: Given, host: Host) -> Result:
    with held(host.check):
        layout = host_layout()
        if given["state"] == "ready":
            hosts = hosts_of(given["self_signed"], given["given"], given["acme"])
            changes = ensure_live(layout, hosts, given["timeout"], host.run, host.check, given["reload_wait"])
        else:
            outsiders = Outsiders(frozenset([*given["accounts"], layout.user]), frozenset(given["groups"]))
            files = (given["self_signed"], given["given"], given["absent"])
            parent = apache_parent(layout.binary)
            apache_root = "" if parent is None else f"/proc/{parent}/root"
            changes = ensure_certificates(*files, outsiders, apache_root, host.run, host.check)
    return {"changed": bool(changes), "paths": [change["path"] for change in changes], "diff": diff_of(changes)}


STEP = Step(
    {
        "state": {"type": "str", "choices": ["present", "ready"], "default": "present"},
        "self_signed": {"type": "list", "elements": "dict", "default": [], "options": _SELF_SIGNED},
        "given": {"type": "list", "elements": "dict", "default": [], "options": _GIVEN},
        "acme": {"type": "list", "elements": "dict", "default": [], "options": {"app": _APP, "server_names": _NAMES}},
        "timeout": {"type": "int", "default": 90},
        "reload_wait": RELOAD_WAIT,
        "absent": {"type": "list", "elements": "dict", "default": [], "options": {"app": _ANY_APP, "name": _NAME}},
        "accounts": {"type": "list", "elements": "str", "default": []},
        "groups": {"type": "list", "elements": "str", "default": []},
    },
    _act,
)
