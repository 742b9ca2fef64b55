# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps that plays put on this host, as their files there tell."""

from __future__ import annotations

import os
from typing import Any

from ..apache.layout import ApacheLayout
from ..app.model import App
from ..host.accounts import SYSUSERS_DIRECTORY
from ..host.records import read_records
from ..release.services import units_of_host
from ..release.store import description, is_complete, place_of

_IDENTITY = ("name", "owner", "chosen", "account", "group")
_SERVED: dict[str, Any] = {"server_names": [], "mount": "", "tls": "", "acls": []}


def _records(directory: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return found
    for name in names:
        if "palisade-" in name:
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8", errors="replace") as file:
                found += [{**fields, "file": path} for fields in read_records(file.read()) if fields.get("name")]
    return found


def managed_apps(layout: ApacheLayout) -> list[dict[str, Any]]:
    """Return the apps that plays put on this host: owner, account, group, and while they are served, how."""
    sites = {row["name"]: row for row in _records(layout.site_files)}
    units: dict[str, list[str]] = {}
    for unit in units_of_host():
        units.setdefault(unit.app, []).append(unit.name)
    apps = []
    for row in _records(SYSUSERS_DIRECTORY):
        site = sites.get(row["name"], {})
        served = {key: site.get(key, default) for key, default in _SERVED.items()}
        identity = {key: row[key] for key in _IDENTITY if key in row}
        source = _source_of(App(row["name"], row.get("account", ""), row.get("group", "")))
        site_file, own = site.get("file", ""), units.get(row["name"], [])
        apps.append({**identity, **served, "source": source, "site": site_file, "units": own})
    return apps


def _source_of(app: App) -> str:
    """Return what the current release tells of its source, as source_class() does; empty where there is none."""
    try:
        release = os.path.basename(os.readlink(app.current))
        if not is_complete(app.releases, release):
            return ""
        place = place_of(app.releases, release)
        # A release of packages has no code of its own.
        if not os.listdir(os.path.join(place, "code")):
            return "package"
        return "network" if description(place).get("origin") else "controller"
    except (OSError, ValueError):
        return ""


def data_of_served_apps(layout: ApacheLayout) -> dict[str, str]:
    """Return where each app that is served has its data, by the app's name."""
    served = (app for app in managed_apps(layout) if app["server_names"])
    return {app["name"]: App(app["name"], app["account"], app["group"]).data for app in served}
