# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of all modules that are a step and need nothing of the controller."""

from __future__ import annotations

from typing import Any

from ..plugin_utils.step import StepAction


class ActionModule(StepAction):
    """Runs the module of the task."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        itself = self._task.action.rpartition(".")[2] == "wsgi_step"
        result.update(self._execute_module(task_vars=task_vars) if itself else self.step(self._task.args, task_vars))
        return result
