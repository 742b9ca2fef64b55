# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs on the host from what the role wsgi_apps is to make of it."""

from __future__ import annotations

from dataclasses import replace

from ..apache.layout import host_layout
from ..host.command import remembered
from ..host.turn import held, leave, lost
from ..plan.differences import Releases, plan_apps
from ..plan.parts import Plan
from ..plan.server_info import digest, server_info
from ..release.activation import Files
from ..release.fetch import Fetching
from ..release.installer import installer
from ..release.row import RELEASES
from .step import Given, Host, Result, Step


def _is_stale(given: Given, host: Host) -> bool:
    """Tell whether the host is another than the one that the model was made for, or another play's by now."""
    if not given["digest"]:
        return False
    return (not host.check and lost()) or digest(server_info(given["python"], host.run)) != given["digest"]


def _plan(given: Given, host: Host) -> Plan:
    model = given["model"]
    how = Fetching(
        run=host.run,
        installer=installer(given["installer"], given["python"], given["deploy_account"], ""),
        python_version=given["python_version"],
        deploy_account=given["deploy_account"],
        parallel=given["parallel"],
        keys=given["source_secrets"],
        check=True,
    )
    files = Files(model["files"], model["unused_files"], given["secrets"])
    releases = Releases(given["releases"], files, model["service_files"], model["pools"], how, given["keep"])
    return plan_apps(model, releases, host_layout(), host.run, not host.check, host.check or host.diff)


def _act(given: Given, host: Host) -> Result:
    host = replace(host, run=remembered(host.run))
    if _is_stale(given, host):
        return {"changed": False, "stale": True, "parts": [], "times": [], "changes": []}
    with held(host.check):
        plan = _plan(given, host)
    # The last step, where no other has work.
    if not plan.parts and not host.check:
        leave()
    for text in plan.warnings:
        host.warn(text)
    changes = plan.summary.lines() if plan.summary else []
    return {"changed": False, "stale": False, "parts": plan.parts, "times": plan.times, "changes": changes}


STEP = Step(
    {
        "model": {"type": "dict", "required": True},
        "digest": {"type": "str", "default": ""},
        "releases": RELEASES,
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "source_secrets": {"type": "dict", "default": {}, "no_log": True},
        "deploy_account": {"type": "str", "default": "wsgi-deploy"},
        "installer": {"type": "str", "choices": ["pip", "uv"], "default": "pip"},
        "python": {"type": "path", "default": "/usr/bin/python3"},
        "python_version": {"type": "str", "required": True},
        "parallel": {"type": "int", "default": 4},
        "keep": {"type": "int", "default": 5},
    },
    _act,
    # The steps log what they are to do; all of it here would fill the system log.
    {"no_log": True},
)
