# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How action plugins run the modules of the roles: all of them as wsgi_step, which Ansible packs once in a play."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

_MODULE = "palisade.mod_wsgi.wsgi_step"
# Each is an argument of its own, which Ansible keeps out of every log.
_APART = ("secrets", "source_secrets")


class StepAction(ActionBase):
    """An action plugin of a module that is a step."""

    def step(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the task's module with these arguments, and return its result."""
        given = {"step": self._task.action.rpartition(".")[2], "arguments": dict(arguments)}
        given.update({key: given["arguments"].pop(key) for key in _APART if key in arguments})
        result: dict[str, Any] = self._execute_module(module_name=_MODULE, module_args=given, task_vars=task_vars)
        return result
