# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox of Apache's unit."""

from __future__ import annotations

from ..apache.layout import host_layout
from ..apache.requests import RELOAD_WAIT
from ..apache.sandbox import Settings, ensure_apps, ensure_sandbox
from ..host.fs import diff_of
from ..host.turn import held
from ..plan.managed_apps import data_of_served_apps
from .step import Given, Host, Result, Step

_FAMILIES = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]
_APP = {"app": {"type": "str", "required": True}, "path": {"type": "str", "default": ""}}


def _act(given: Given, host: Host) -> Result:
    settings = Settings(
        given["protect_home"],
        given["memory_deny_write_execute"],
        tuple(given["address_families"]),
        tuple(given["writable_paths"]),
    )
    with held(host.check):
        if given["state"]:
            data, apps = data_of_served_apps(host_layout()), given["apps"] or ()
            wait = given["reload_wait"]
            outcome = ensure_sandbox(host_layout(), given["state"], settings, host.run, host.check, data, apps, wait)
        else:
            outcome = ensure_apps(host_layout(), given["apps"], host.run, host.check)
    for warning in outcome.warnings:
        host.warn(warning)
    return {
        "changed": bool(outcome.differences or outcome.restarted or outcome.opened),
        "paths": [row["path"] for row in outcome.differences],
        "restarted": outcome.restarted,
        "opened": outcome.opened,
        "diff": diff_of(outcome.differences),
    }


STEP = Step(
    {
        "state": {"type": "str", "choices": ["present", "required", "absent"]},
        "protect_home": {"type": "str", "choices": ["yes", "read-only", "tmpfs", "no"], "default": "yes"},
        "memory_deny_write_execute": {"type": "bool", "default": False},
        "address_families": {"type": "list", "elements": "str", "default": _FAMILIES},
        "writable_paths": {"type": "list", "elements": "str", "default": []},
        "apps": {"type": "list", "elements": "dict", "options": _APP},
        "reload_wait": RELOAD_WAIT,
    },
    _act,
    {"required_one_of": [("state", "apps")]},
)
