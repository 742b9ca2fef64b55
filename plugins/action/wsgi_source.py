# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller's half of wsgi_source: names what lies here, and sends what of it the host lacks."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils.app.source import Source, read_row
from ..module_utils.host.errors import PalisadeError
from ..module_utils.release.served import check_source
from ..module_utils.release.store import build_of, release_name
from ..module_utils.source.archive import extract
from ..module_utils.source.download import require_checksum
from ..module_utils.source.tree import file_digest, pack, subdirectory, tree_digest
from ..plugin_utils.step import StepAction


class Sources:
    """The sources on the controller; archives are extracted below a directory."""

    def __init__(self, directory: str, python_version: str) -> None:
        self.failures: dict[str, str] = {}
        self._directory, self._python_version = directory, python_version
        self._extracted: dict[str, str] = {}
        self._trees: dict[str, str] = {}

    def named(self, rows: list[Any]) -> list[Any]:
        """Return the rows with the names of releases whose sources lie here, without those among the failures."""
        result = []
        for row in rows:
            try:
                result.append(self._named(row))
            except PalisadeError as error:
                self.failures[str(row.get("app"))] = str(error)
            except OSError as error:
                self.failures[str(row.get("app"))] = f"app {row.get('app')}: source: {error}"
        return result

    def pack(self, rows: list[Any], archive: str) -> None:
        """Write the sources of these rows into one archive, each once, below its digest."""
        wanted = sorted({str(row["digest"]) for row in rows})
        pack([(digest, self._trees[digest]) for digest in wanted], archive)

    def _named(self, row: Any) -> Any:
        # A row of another shape is the module's to refuse.
        if not isinstance(row, dict) or not isinstance(row.get("source"), dict):
            return row
        subject = f"app {row.get('app')}: source"
        source = read_row(row["source"], subject)
        if not source.is_local:
            return row
        root = self._tree(source, subject)
        served = row.get("served")
        if isinstance(served, dict) and isinstance(served.get("directories"), list):
            # Not a part of the name: who may read a release is no part of its content.
            check_source(root, row)
        digest = tree_digest(root, f"app {row.get('app')}")
        self._trees[digest] = root
        release = release_name(digest, row.get("requirements") or "", self._python_version, build_of(row))
        return {**row, "digest": digest, "release": release}

    def _tree(self, source: Source, subject: str) -> str:
        place = source.place
        if source.kind == "path":
            if not os.path.isdir(place):
                raise PalisadeError(f"{subject}: expected a directory on the controller, got {place!r}")
            return place
        subject = f"{subject}: archive: {place}"
        if not os.path.isfile(place):
            raise PalisadeError(f"{subject}: expected a file on the controller")
        if source.checksum:
            require_checksum(source.checksum, file_digest(place), subject)
        if place not in self._extracted:
            root = os.path.join(self._directory, str(len(self._extracted)))
            with open(place, "rb") as file:
                extract(file, root, subject)
            self._extracted[place] = root
        return subdirectory(self._extracted[place], source.directory, subject)


class ActionModule(StepAction):
    """Runs the module once, and where sources are to be sent a second time with one archive of them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            with tempfile.TemporaryDirectory() as directory:
                sources = Sources(directory, str(arguments.get("python_version", "")))
                arguments["releases"] = sources.named(arguments.get("releases") or [])
                if sources.failures and not boolean(arguments.get("keep_going", False), strict=False):
                    raise PalisadeError("\n".join(sources.failures[app] for app in sorted(sources.failures)))
                module = self.step(arguments, task_vars)
                if module.get("unsent") and not module.get("failed"):
                    module = self._send(arguments, module["unsent"], sources, directory, task_vars)
        except PalisadeError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        result.update(module)
        if "failures" in result:
            result["failures"] = {**sources.failures, **result["failures"]}
        return result

    def _send(
        self, arguments: dict[str, Any], unsent: list[str], sources: Sources, directory: str, task_vars: Any
    ) -> dict[str, Any]:
        # With pipelining the first call needed none.
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        local = os.path.join(directory, "sources.tar.gz")
        sources.pack([row for row in arguments["releases"] if row["app"] in unsent], local)
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "sources.tar.gz")
        self._transfer_file(local, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        sent: dict[str, Any] = self.step({**arguments, "archive": remote}, task_vars)
        return sent
