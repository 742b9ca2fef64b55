# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs on the host from what the role wsgi_server is to make of it."""

from __future__ import annotations

from dataclasses import replace

from ..apache.layout import host_layout
from ..apache.sandbox import Settings
from ..apache.transaction import ConfigurationFile
from ..host.command import remembered
from ..host.turn import held
from ..plan.managed_apps import data_of_served_apps
from ..plan.parts import Plan
from ..plan.server_differences import Server, plan_server
from .step import Given, Host, Result, Step

_TEXT = {"type": "str", "required": True}
_TEXTS = {"type": "list", "elements": "str", "required": True}
_ROWS = {"type": "list", "elements": "dict", "default": []}
_SANDBOX = {
    "state": _TEXT,
    "protect_home": _TEXT,
    "memory_deny_write_execute": {"type": "bool", "required": True},
    "address_families": _TEXTS,
    "writable_paths": _TEXTS,
    "apps": {"type": "list", "elements": "dict", "required": True},
}


def _plan(given: Given, host: Host) -> Plan:
    layout, unit = host_layout(), given["sandbox"]
    settings = Settings(
        unit["protect_home"],
        unit["memory_deny_write_execute"],
        tuple(unit["address_families"]),
        tuple(unit["writable_paths"]),
    )
    wanted = Server(
        sandbox=unit["state"],
        settings=settings,
        old_data=unit["apps"],
        data=data_of_served_apps(layout),
        packages=given["packages"],
        package_query=given["package_query"],
        module=given["built_module"],
        certificates=given["self_signed"],
        directories=given["directories"],
        files=[ConfigurationFile(**row) for row in given["files"]],
    )
    return plan_server(wanted, layout, host.run, host.check or host.diff)


def _act(given: Given, host: Host) -> Result:
    host = replace(host, run=remembered(host.run))
    with held(host.check):
        plan = _plan(given, host)
    for text in plan.warnings:
        host.warn(text)
    return {"changed": False, "parts": plan.parts, "changes": plan.summary.lines() if plan.summary else []}


STEP = Step(
    {
        "sandbox": {"type": "dict", "required": True, "options": _SANDBOX},
        "packages": _TEXTS,
        "package_query": _TEXTS,
        "built_module": {"type": "str", "default": ""},
        "self_signed": _ROWS,
        "directories": _ROWS,
        "files": {"type": "list", "elements": "dict", "required": True},
    },
    _act,
    # The steps log what they are to do; all of it here would fill the system log.
    {"no_log": True},
)
