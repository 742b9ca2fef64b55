# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that an app consists of on its host, as text."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._app import App

NOTICE = "# Managed by palisade.mod_wsgi: a change made here is lost."
# What a later play, perhaps another repository's, reads back of the apps on a host.
RECORD = "# palisade.mod_wsgi: "


def record(**fields: Any) -> str:
    """Return the comment that keeps these fields in a managed file."""
    return RECORD + json.dumps(fields, sort_keys=True)


def read_records(text: str) -> list[dict[str, Any]]:
    """Return the fields of every record() in the text."""
    found = []
    for line in text.splitlines():
        if line.startswith(RECORD):
            try:
                fields = json.loads(line[len(RECORD) :])
            except ValueError:
                continue
            if isinstance(fields, dict):
                found.append(fields)
    return found


def sysusers(app: App, owner: str) -> str:
    """Return the sysusers.d(5) file of an app's service account."""
    lines = [NOTICE, record(name=app.name, owner=owner, account=app.account, group=app.group)]
    identity = "-"
    if app.group != app.account:
        lines.append(f"g {app.group} -")
        identity = f"-:{app.group}"
    lines.append(f'u {app.account} {identity} "WSGI application {app.name}" {app.home} /usr/sbin/nologin')
    return "\n".join(lines) + "\n"


_ENTRY = """\
import fcntl
import os
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


def entry_file(app: App) -> str:
    """Return the WSGI entry file: the logs of others shut, the environment if there is one, and an import."""
    environment = _ENVIRONMENT.format(path=app.environment_file) if app.environment else ""
    alias = "" if app.callable == "application" else " as application"
    parts = [NOTICE + "\n" + _ENTRY, environment, f"from {app.module} import {app.callable}{alias}\n"]
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
        "script-user": "root",
    }
