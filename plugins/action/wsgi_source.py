# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller's half of wsgi_source: names the releases, and sends the sources of those that the host lacks."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._served import check_served
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._tree import pack, tree_digest


class ActionModule(ActionBase):
    """Runs the module once to see what is missing, and a second time with one archive of all that is."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            arguments["releases"] = [self._named(row, arguments) for row in arguments.get("releases") or []]
            module = self._execute_module(module_args=arguments, task_vars=task_vars)
            if module.get("missing") and not module.get("failed") and not self._task.check_mode:
                module = self._send(arguments, module["missing"], task_vars)
        except PalisadeError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        result.update(module)
        return result

    def _named(self, row: Any, arguments: dict[str, Any]) -> Any:
        # A row of another shape is the module's to refuse.
        if not isinstance(row, dict) or not isinstance(row.get("source"), str):
            return row
        if not os.path.isdir(row["source"]):
            raise PalisadeError(
                f"app {row.get('app')}: source: expected a directory on the controller, got {row['source']!r}"
            )
        served = row.get("served")
        if isinstance(served, dict) and isinstance(served.get("directories"), list):
            # Not a part of the name: who may read a release is no part of its content.
            check_served(row["source"], row)
        digest = tree_digest(row["source"], f"app {row.get('app')}")
        content = repr((digest, row.get("requirements", ""), arguments.get("python_version", "")))
        return {**row, "digest": digest, "release": hashlib.sha256(content.encode()).hexdigest()[:16]}

    def _send(self, arguments: dict[str, Any], missing: list[str], task_vars: Any) -> dict[str, Any]:
        # With pipelining the first call needed none.
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        trees = [(str(row["app"]), str(row["source"])) for row in arguments["releases"] if row["app"] in missing]
        with tempfile.TemporaryDirectory() as directory:
            local = os.path.join(directory, "sources.tar.gz")
            pack(trees, local)
            remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "sources.tar.gz")
            self._transfer_file(local, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        sent: dict[str, Any] = self._execute_module(module_args={**arguments, "archive": remote}, task_vars=task_vars)
        return sent
