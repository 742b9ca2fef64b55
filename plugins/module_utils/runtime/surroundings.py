# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The surroundings that an app's code has in its pool, for all that runs beside the pool; and the program wsgi-run.

The program is a file of the role wsgi_apps. It knows an app by the description that is written here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..app.model import App, Timer
from ..host.confinement import CONFINEMENT, HOMES
from ..host.records import NOTICE

PROGRAM = "/usr/local/sbin/wsgi-run"
_SOURCE = "roles/wsgi_apps/files/wsgi_run.py"
_INTERPRETER = "#!/usr/bin/python3 -IS\n"
_COMPLETION = "/usr/local/share/bash-completion/completions/wsgi-run"
_DESCRIPTIONS = "/etc/palisade-mod_wsgi/apps"
# What mod_wsgi does with these options of a daemon; its time limits are for processes that serve on and on.
_BOUNDS = {"memory-limit": "LimitDATA", "virtual-memory-limit": "LimitAS", "cpu-priority": "Nice"}
_LOCALE = re.compile(r"[A-Za-z0-9._@-]+")

_WORDS = f"""\
{NOTICE}
_wsgi_run() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} files
    if ((COMP_CWORD > 1)) && [[ ${{COMP_WORDS[1]}} != --l* ]]; then
        return
    fi
    files=$(cd {_DESCRIPTIONS} 2>/dev/null && compgen -G '*.json')
    ((COMP_CWORD > 1)) || files+=" --list --logs --help"
    mapfile -t COMPREPLY < <(compgen -W "${{files//.json/}}" -- "$word")
}}
complete -o default -F _wsgi_run wsgi-run
"""


def written_paths(app: App) -> list[str]:
    """Return what the app may write to."""
    return [app.data, *(path for path, permissions in app.acls if "w" in permissions)]


def properties(app: App, confined: bool) -> list[str]:
    """Return the settings of systemd that give a unit the app's identity, locale, bounds, and its sandbox if confined.

    The sandbox is that of Apache's unit, with nothing but the app's own paths to write to.
    """
    options = app.daemon_options
    locale = {"LANG": str(options["lang"]), "LC_ALL": str(options["locale"])}
    seen = [path for path, _permissions in app.acls if HOMES.match(path)]
    sandbox = [*CONFINEMENT, *([] if seen else ["ProtectHome=yes"])]
    sandbox += [f"ReadWritePaths=-{path}" for path in written_paths(app)]
    return [
        f"User={app.account}",
        f"Group={app.group}",
        f"SupplementaryGroups={' '.join(options['supplementary-groups'])}",
        f"UMask={options['umask']}",
        *(f"Environment={name}={value}" for name, value in locale.items() if _LOCALE.fullmatch(value)),
        *(f"{setting}={options[name]}" for name, setting in _BOUNDS.items() if options.get(name)),
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        *(sandbox if confined else ()),
    ]


def description(app: App, timers: Sequence[Timer], error_log: str, confined: bool) -> dict[str, Any]:
    """Return what wsgi-run knows of an app; nothing in it is secret. timers are those of this host."""
    return {
        "app": app.name,
        "account": app.account,
        "current": app.current,
        "environment": app.environment_file if app.environment else "",
        "error_log": error_log,
        "properties": properties(app, confined),
        "workers": {
            worker.name: [f"{worker.unit}@{number + 1}.service" for number in range(worker.processes)]
            for worker in app.workers
        },
        "timers": {timer.name: timer.unit for timer in timers},
    }


def description_path(name: str) -> str:
    """Return the file of an app's description."""
    return f"{_DESCRIPTIONS}/{name}.json"


def directories() -> list[dict[str, str]]:
    """Return the directories of the program's files, parents first."""
    above = [os.path.dirname(_DESCRIPTIONS), _DESCRIPTIONS]
    above += [os.path.dirname(os.path.dirname(_COMPLETION)), os.path.dirname(_COMPLETION)]
    return [{"path": path, "owner": "root", "group": "root", "mode": "0755"} for path in above]


def program_files() -> list[dict[str, str]]:
    """Return the files of wsgi-run that all apps share. For the controller, which has the whole collection."""
    collection = os.path.join(os.path.dirname(__file__), "../../..")
    with open(os.path.join(collection, _SOURCE), encoding="utf-8") as file:
        program = f"{_INTERPRETER}{NOTICE}\n{file.read()}"
    identity = {"owner": "root", "group": "root"}
    return [
        {"path": PROGRAM, "mode": "0755", "content": program, **identity},
        {"path": _COMPLETION, "mode": "0644", "content": _WORDS, **identity},
    ]


def description_files(
    apps: Sequence[App], timers: Mapping[str, Sequence[Timer]], logs: Mapping[str, str], confined: bool
) -> list[dict[str, str]]:
    """Return a file for each app; timers and logs, the error logs, go by the apps' names."""
    return [
        {
            "app": app.name,
            "path": description_path(app.name),
            "owner": "root",
            "group": "root",
            "mode": "0644",
            "content": json.dumps(description(app, timers[app.name], logs[app.name], confined), indent=2) + "\n",
        }
        for app in apps
    ]


def left_paths() -> list[str]:
    """Return what goes with the last app of a host."""
    return [PROGRAM, _COMPLETION, _DESCRIPTIONS]
