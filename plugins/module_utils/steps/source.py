# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources and wheels of new releases."""

from __future__ import annotations

from ..host.deploy_account import ensure_deploy_account
from ..host.fs import diff_of
from ..host.turn import held
from ..release.fetch import Fetching, fetch, needs_deploy_account, unsent
from ..release.installer import installer
from ..release.row import RELEASES
from .step import Given, Host, Result, Step


def _act(given: Given, host: Host) -> Result:
    rows, account, check = given["releases"], given["deploy_account"], host.check
    lacking = unsent(rows)
    if lacking and not given["archive"] and not check:
        return {"changed": False, "missing": lacking, "unsent": lacking, "releases": rows, "failures": {}}
    changes = []
    if needs_deploy_account(rows):
        with held(check):
            changes = ensure_deploy_account(account, host.run, check)
    how = Fetching(
        run=host.run,
        installer=installer(given["installer"], given["python"], account, given["uv"] or ""),
        python_version=given["python_version"],
        deploy_account=account,
        parallel=given["parallel"],
        archive=given["archive"] or "",
        keys=given["source_secrets"],
        keep_going=given["keep_going"],
        check=check,
    )
    with held(check):
        found = fetch(rows, how)
    return {
        "changed": bool(found.missing or changes),
        "diff": diff_of(changes),
        "missing": found.missing,
        "releases": found.rows,
        "failures": found.failures,
    }


STEP = Step(
    {
        "releases": RELEASES,
        "source_secrets": {"type": "dict", "default": {}, "no_log": True},
        "deploy_account": {"type": "str", "default": "wsgi-deploy"},
        "installer": {"type": "str", "choices": ["pip", "uv"], "default": "pip"},
        "uv": {"type": "path"},
        "python": {"type": "path", "default": "/usr/bin/python3"},
        "python_version": {"type": "str", "required": True},
        "archive": {"type": "path"},
        "parallel": {"type": "int", "default": 4},
        "keep_going": {"type": "bool", "default": False},
    },
    _act,
)
