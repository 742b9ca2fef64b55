# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module, says for whom a play waits, and loads the core of the filters before Ansible forks.

Ansible compiles the files of a collection in each process that imports them, and it forks a process for each task
on each host. It loads a task's action plugin before it forks: what this one imports is compiled once in a play, and not
again for each task that reads the model of the apps.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display

from ..plugin_utils.model import resolved
from ..plugin_utils.step import StepAction

# Named, because linters take an import for its effect alone for a mistake.
LOADED = (resolved,)


def _process(number: int) -> str:
    """Return a name of a process of this machine that no later one will have; empty where it has ended."""
    program = shutil.which("ps")
    # As in small images of containers: then a killed play is waited for.
    if program is None:
        return ""
    done = subprocess.run(
        [program, "-o", "lstart=", "-p", str(number)],
        text=True,
        check=False,
        capture_output=True,
        env={"LC_ALL": "C", **os.environ},
    )
    began = "".join(done.stdout.split())
    return f"{socket.gethostname()} {number} {began}" if began else ""


def _user() -> str:
    # A container may run as a number without a name: KeyError, and OSError from Python 3.13 on.
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _has_ended(process: str) -> bool:
    """Tell whether a process of this machine is known to have ended."""
    if shutil.which("ps") is None:
        return False
    host, _space, rest = process.partition(" ")
    number = rest.partition(" ")[0]
    return host == socket.gethostname() and number.isdigit() and _process(int(number)) != process


class ActionModule(StepAction):
    """Runs the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if not boolean(arguments.get("turn", False)):
            result.update(self.step(arguments, task_vars))
            return result
        # Ansible's main process: this one serves a single task.
        arguments["process"] = _process(os.getppid())
        arguments["holder"] = f"{_user()}@{socket.gethostname()}"
        told = self.step({**arguments, "wait": 0}, task_vars)
        busy = told.get("busy")
        if busy:
            if _has_ended(str(busy["process"])):
                arguments["past"] = busy["id"]
            else:
                name = (task_vars or {}).get("inventory_hostname", "the host")
                Display().display(f"{name}: waiting; {told['msg']}")
            told = self.step(arguments, task_vars)
        result.update(told)
        return result
