# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that an app consists of on its host, as text."""

from __future__ import annotations

import json
from typing import Any

from ..apache.pool import FAILED, IMPORTED
from ..app.model import App
from ..app.owner import owner_fields
from ..host.records import NOTICE, record


def sysusers(app: App, owner: str) -> str:
    """Return the sysusers.d(5) file of an app's service account."""
    lines = [NOTICE, record(name=app.name, account=app.account, group=app.group, **owner_fields(owner))]
    identity = "-"
    if app.group != app.account:
        lines.append(f"g {app.group} -")
        identity = f"-:{app.group}"
    lines.append(f'u {app.account} {identity} "WSGI application {app.name}" {app.home} /usr/sbin/nologin')
    return "\n".join(lines) + "\n"


_PIN = """\
import os
import site
import sys

link, release = {current!r}, os.path.dirname(os.getcwd())
if not os.path.samefile(link, release):
    # Switched while Python started: Apache starts another process.
    os._exit(0)


def pinned(path):
    return release + path[len(link) :] if path.startswith(link + "/") else path


# Whatever is imported later comes from the release that this process started in, wherever the link leads then.
packages = [getattr(module, "__path__", None) for module in sys.modules.values()]
for paths in (sys.path, site.PREFIXES, *packages):
    if isinstance(paths, list):
        paths[:] = [pinned(path) for path in paths]
sys.prefix, sys.exec_prefix, sys.executable = map(pinned, (sys.prefix, sys.exec_prefix, sys.executable))
"""

_LOGS = """\
import fcntl
import stat

# Apache hands every daemon the access logs of all sites, open for writing.
with open(os.devnull, "wb") as null:
    for number in range(3, min(os.sysconf("SC_OPEN_MAX"), 65536)):
        try:
            regular = stat.S_ISREG(os.fstat(number).st_mode)
            if regular and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND:
                os.dup2(null.fileno(), number, inheritable=False)
        except OSError:
            continue
"""

_ENVIRONMENT = """\
import json

with open({path!r}, encoding="utf-8") as environment:
    os.environ.update(json.load(environment))
"""


_IMPORT = """\
state = "{failed}"
try:
    from {module} import {function}{alias}

    state = "{imported}"
finally:
    # What the rolling restart sees of it; once, however many requests try again.
    if not hasattr(sys, state):
        setattr(sys, state, os.memfd_create(state))
"""


def entry_file(app: App) -> str:
    """Return the WSGI entry file: the release pinned, the logs of others shut, the environment if any, an import."""
    alias = "" if app.callable == "application" else " as application"
    parts = [
        NOTICE + "\n" + _PIN.format(current=app.current),
        _LOGS,
        _ENVIRONMENT.format(path=app.environment_file) if app.environment else "",
        _IMPORT.format(module=app.module, function=app.callable, alias=alias, imported=IMPORTED, failed=FAILED),
    ]
    return "\n".join(part for part in parts if part)


def environment_file(app: App) -> str:
    """Return the app's environment as JSON, which no value can break out of."""
    return json.dumps(dict(app.environment), indent=2, sort_keys=True) + "\n"


def daemon_options(app: App) -> dict[str, Any]:
    """Return every WSGIDaemonProcess option of the app's pool."""
    return {
        **app.daemon_options,
        "name": app.name,
        "user": app.account,
        "group": app.group,
        "home": f"{app.current}/code",
        "python-home": f"{app.current}/venv",
        "display-name": "%{GROUP}",
    }
