# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller's half of wsgi_plan: names the sources that lie here, and sends what is secret apart from the rest."""

from __future__ import annotations

import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail

from ..module_utils.host.errors import PalisadeError
from ..plugin_utils.step import StepAction
from .wsgi_source import Sources

_APART = ("releases", "secrets", "source_secrets")


class ActionModule(StepAction):
    """Runs the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        model = arguments.get("model")
        if isinstance(model, dict) and "complaint" in model:
            # Of facts that may be old by now: the role looks again, and complains itself.
            return {**result, "changed": False, "stale": True, "parts": [], "times": [], "changes": []}
        if isinstance(model, dict):
            arguments["model"] = {key: value for key, value in model.items() if key not in _APART}
            arguments.update({key: model[key] for key in _APART if key in model})
        try:
            with tempfile.TemporaryDirectory() as directory:
                sources = Sources(directory, str(arguments.get("python_version", "")))
                arguments["releases"] = sources.named(arguments.get("releases") or [])
            if sources.failures:
                raise PalisadeError("\n".join(sources.failures[app] for app in sorted(sources.failures)))
        except PalisadeError as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(self.step(arguments, task_vars))
        return result
