# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the reports of an audit on the controller, as the account that runs Ansible, and fails on findings."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import get_unique_id

from ..module_utils.host.errors import PalisadeError
from ..plugin_utils.report.document import from_host
from ..plugin_utils.report.files import paths, write, write_overview
from ..plugin_utils.report.gate import message, verdict
from ..plugin_utils.report.text import counts, text
from ..plugin_utils.report.waivers import compared, read_baseline, read_waivers, waived


class ActionModule(ActionBase):
    """Runs wholly on the controller; nothing is sent to the host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the paths of the reports and the counts."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "report": {"type": "dict", "required": True},
                "directory": {"type": "path", "required": True},
                "waivers": {"type": "list", "elements": "dict", "default": []},
                "baseline": {"type": "path", "default": ""},
                "fail_when": {"type": "str", "default": ""},
                "show": {"type": "bool", "default": True},
            }
        )
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", ""))
        try:
            result.update(self._report(host, variables.get("ansible_play_hosts_all") or [host], arguments))
        except PalisadeError as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def _report(self, host: str, hosts: Iterable[str], arguments: dict[str, Any]) -> dict[str, Any]:
        today = datetime.datetime.now(datetime.UTC).date()
        waivers = read_waivers(arguments["waivers"])
        baseline = read_baseline(arguments["baseline"]) if arguments["baseline"] else None
        directory = os.path.abspath(arguments["directory"])
        files = paths(directory, host)
        document = waived(from_host(arguments["report"]), waivers, today)
        if baseline:
            document = compared(document, baseline)
        if not self._task.check_mode:
            write(document, files)
            # Ansible's ids start with the same words in a whole run, and in no other.
            run = get_unique_id().rpartition("-")[0]
            files["overview"] = write_overview(document, directory, host, run, map(str, hosts))
        if arguments["show"]:
            Display().display(text(document))
        findings = verdict(document, arguments["fail_when"])
        written = [] if self._task.check_mode else list(files.values())
        result = {"changed": False, "files": written, "summary": document["summary"], "msg": counts(document)}
        if findings is None:
            return result
        return {**result, "failed": True, "msg": message(host, document, findings, written)}
