# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases: built, made active, rolled back."""

from __future__ import annotations

import os

from ..apache.layout import host_layout
from ..host.fs import diff_of
from ..host.layout import FILE, PATH
from ..host.turn import held
from ..release.activation import Activation, Files, Outcome, prune
from ..release.build import ensure_built
from ..release.installer import installer
from ..release.row import RELEASES
from .step import FailedError, Given, Host, Result, Step


def _change(given: Given, host: Host) -> Outcome:
    layout = host_layout()
    rows, bound = given["releases"], given["parallel"]
    files = Files(given["files"], given["absent"], given["secrets"])
    activation = Activation(layout, files, given["pools"], host.run, host.check, given["service_files"])
    if given["state"] == "built":
        return _build(given, host, files, activation)
    if given["state"] == "rolled_back":
        return activation.roll_back(rows, given["release"], bound)
    outcome = activation.activate(rows, bound)
    outcome.differences += prune(rows, given["keep"], layout, host.check)
    outcome.failures = {**given["failures"], **outcome.failures}
    return outcome


def _build(given: Given, host: Host, files: Files, activation: Activation) -> Outcome:
    rows = given["releases"]
    # In a check run the name of what would be fetched on the host is not known.
    named = [row for row in rows if row["release"] or not host.check]
    environments = {row["app"]: files.environment(row["app"]) for row in named}
    program = installer(given["installer"], given["python"], given["deploy_account"], given["uv"] or "")
    built = ensure_built(named, environments, program, host.run, given["parallel"], host.check)
    return activation.begin(rows, built)


def _act(given: Given, host: Host) -> Result:
    with held(host.check):
        outcome = _change(given, host)
    rows = [row for row in given["releases"] if row["app"] not in outcome.failures]
    links = {row["app"]: row["current"] for row in rows if os.path.islink(row["current"])}
    result = {
        "changed": bool(outcome.differences or outcome.processes or outcome.services),
        "diff": diff_of(outcome.differences),
        "releases": rows,
        "current": {app: os.path.basename(os.readlink(link)) for app, link in links.items()},
        "failures": outcome.failures,
        "hooks": outcome.hooks,
        "processes": outcome.processes,
        "services": outcome.services,
    }
    # What is built goes on; after the last step there is nothing to wait for.
    if outcome.failures and given["state"] != "built":
        raise FailedError("\n".join(outcome.failures.values()), result)
    return result


STEP = Step(
    {
        "releases": RELEASES,
        "state": {"type": "str", "choices": ["built", "active", "rolled_back"], "required": True},
        "release": {"type": "str", "default": ""},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "absent": {"type": "list", "elements": "dict", "default": [], "options": PATH},
        "pools": {"type": "list", "elements": "dict", "default": []},
        "service_files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        "keep": {"type": "int", "default": 5},
        "failures": {"type": "dict", "default": {}},
        "deploy_account": {"type": "str", "default": "wsgi-deploy"},
        "installer": {"type": "str", "choices": ["pip", "uv"], "default": "pip"},
        "uv": {"type": "path"},
        "python": {"type": "path", "default": "/usr/bin/python3"},
        "parallel": {"type": "int", "default": 4},
    },
    _act,
)
