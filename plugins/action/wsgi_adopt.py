# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks a host what it serves, and writes that on the controller, as the account that runs Ansible."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.host.errors import PalisadeError
from ..plugin_utils.adopt.text import adopted
from ..plugin_utils.report.files import named_file, put


class ActionModule(ActionBase):
    """Runs the module of the same name, and makes a file of its answer."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result and the path of the file."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"directory": {"type": "path", "required": True}})
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        if result.get("failed"):
            return result
        host = str((task_vars or {}).get("inventory_hostname", ""))
        try:
            path = named_file(os.path.abspath(arguments["directory"]), host, "yml")
            text = adopted(host, result.get("apps"), result.get("remarks"))
            changed = self._put(path, text)
        except PalisadeError as error:
            raise AnsibleActionFail(str(error)) from error
        before = "" if changed else text
        return {
            **result,
            "changed": changed,
            "file": path,
            "diff": {"before": before, "after": text, "after_header": path},
        }

    def _put(self, path: str, text: str) -> bool:
        try:
            with open(path, encoding="utf-8") as file:
                there = file.read()
        except FileNotFoundError:
            if not self._task.check_mode:
                put(path, text, "wsgi_adopt_dir")
            return True
        except (OSError, ValueError) as error:
            raise PalisadeError(f"wsgi_adopt_dir: {path} cannot be read: {error}") from error
        if there != text:
            raise PalisadeError(
                f"wsgi_adopt_dir: {path} exists with other content, perhaps edited by hand; move it away for a new one"
            )
        return False
