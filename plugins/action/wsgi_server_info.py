# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module, and loads the core of the filters before Ansible forks.

Ansible compiles the files of a collection in each process that imports them, and it forks a process for each task
on each host. It loads a task's action plugin before it forks: what this one imports is compiled once in a play, and not
again for each task that reads the model of the apps.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.plan.resolve import resolve

# Named, because linters take an import for its effect alone for a mistake.
LOADED = (resolve,)


class ActionModule(ActionBase):
    """Runs the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        return result
