# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a play, resolved once against the host: every later step reads its part of the result."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._app import App, check_app, sysusers_path
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._daemon_options import parse_version
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._render import (
    entry_file,
    environment_file,
    site_file,
    sysusers,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._requirements import check_requirements

Facts = Mapping[str, Any]

# Read after the sites of others, so that theirs stay the default of their address.
_SITE_PREFIX = "zz-palisade-"


def _check_host(host: Facts, server_required: bool) -> str | None:
    """Return the version of the host's mod_wsgi; None where a check run meets a bare host."""
    mod_wsgi = host.get("mod_wsgi")
    if not mod_wsgi:
        if server_required:
            raise PalisadeError("host: no mod_wsgi is enabled in its Apache; run the role wsgi_server before wsgi_apps")
        return None
    python = host["python"]
    if not python.get("version"):
        raise PalisadeError(
            f"wsgi_apps_python: expected an interpreter of Python {mod_wsgi['python']}, "
            f"got {python['path']}, which does not run"
        )
    found = (python["implementation"], python["version"])
    if found != ("cpython", mod_wsgi["python"]):
        raise PalisadeError(
            f"wsgi_apps_python: {python['path']} is {found[0]} {found[1]}, but mod_wsgi {mod_wsgi['version']} here "
            f"is built for cpython {mod_wsgi['python']}: a virtual environment of another Python would not be used"
        )
    return str(mod_wsgi["version"])


def _check_unique(apps: Sequence[App]) -> None:
    names: dict[str, App] = {}
    identities: dict[str, str] = {}
    for app in apps:
        if app.name in names:
            raise PalisadeError(f"app {app.name}: two apps of the list have this name")
        for kind in ("account", "group"):
            identity = getattr(app, kind)
            other = identities.setdefault(identity, app.name)
            if other != app.name:
                raise PalisadeError(
                    f"app {app.name}: {kind} {identity!r} is already taken by app {other} of the same list"
                )
        for earlier in names.values():
            _check_mounts(app, earlier.name, earlier.server_names, earlier.mount, "of the same list")
        names[app.name] = app


def _as_on_host(app: App, raw: Facts, host: Facts) -> App:
    """Return an app that is to be removed with the account that it has, if the list does not name one."""
    if app.present or raw.get("account") or raw.get("group"):
        return app
    found = [other for other in host.get("apps", []) if other["name"] == app.name]
    return replace(app, account=found[0]["account"], group=found[0]["group"]) if found else app


def _check_mounts(app: App, name: str, server_names: Sequence[str], mount: str, whose: str) -> None:
    shared = sorted(set(app.server_names) & set(server_names))
    if not shared:
        return
    if app.mount == mount:
        raise PalisadeError(f"app {app.name}: mount {mount!r} of {shared[0]} is already taken by app {name} {whose}")
    raise PalisadeError(
        f"app {app.name}: server name {shared[0]} is already taken by app {name} {whose}; "
        "several apps in one virtual host are not supported yet"
    )


def _check_against_host(app: App, host: Facts, owner: str, listed: Mapping[str, App]) -> None:
    for other in host.get("apps", []):
        whose = f"of the list '{other['owner']}' on this host"
        if other["name"] == app.name:
            if other["owner"] != owner:
                raise PalisadeError(
                    f"app {app.name}: name is already taken by an app {whose}; rename the app, or set wsgi_apps_owner "
                    f"(now '{owner}') to '{other['owner']}' if both are the same list"
                )
            if (other["account"], other["group"]) != (app.account, app.group):
                raise PalisadeError(
                    f"app {app.name}: account and group are {other['account']} and {other['group']} on this host and "
                    f"cannot become {app.account} and {app.group}; remove it first, with state: absent and purge: true"
                )
            continue
        if not app.present:
            continue
        for kind in ("account", "group"):
            if getattr(app, kind) in (other["account"], other["group"]):
                raise PalisadeError(
                    f"app {app.name}: {kind} {getattr(app, kind)!r} is already taken by app {other['name']} {whose}"
                )
        # An app of this list that leaves, or moves, in this same play gives its mount free.
        if other["name"] not in listed:
            _check_mounts(app, other["name"], other.get("server_names", []), other.get("mount", ""), whose)
    if app.present:
        if not any(other["name"] == app.name for other in host.get("apps", [])):
            _check_free(app, host)
        _check_sites_of_others(app, host)


def _check_free(app: App, host: Facts) -> None:
    """Refuse a new app whose account or directories are something else's already."""
    for kind, value, taken in (("account", app.account, "accounts"), ("group", app.group, "groups")):
        if value in host.get(taken, []):
            raise PalisadeError(
                f"app {app.name}: {kind} {value!r} exists on this host and is not this app's; choose another {kind}"
            )
    for path in (app.home, app.entry_directory):
        if path in host.get("occupied", []):
            raise PalisadeError(
                f"app {app.name}: {path} exists on this host and was not made by this collection; "
                "choose another name or account, or move it away"
            )


def _check_sites_of_others(app: App, host: Facts) -> None:
    """Refuse an app whose pool or server name a site that is not ours has."""

    def of_others(rows: Sequence[Facts]) -> Iterator[Facts]:
        return (row for row in rows if not os.path.basename(row["file"]).startswith(_SITE_PREFIX))

    for pool in of_others(host.get("pools_declared", [])):
        if pool["name"] == app.name:
            raise PalisadeError(f"app {app.name}: name is already taken by a pool in {pool['file']}; rename the app")
    for site in of_others(host.get("virtual_hosts", [])):
        # Sites of others are read first, so this app would never be asked.
        taken = _shared_name(app, site)
        if taken:
            raise PalisadeError(f"app {app.name}: server name {taken} is already taken by a site in {site['file']}")


def _shared_name(app: App, site: Facts) -> str:
    """Return a name of the app that a virtual host of port 80 answers already; empty where there is none."""
    if not any(re.search(r":(80|\*)$|^[^:]*$|\]$", address) for address in site["addresses"]):
        return ""
    patterns = [name.rpartition("//")[2].partition(":")[0].lower() for name in site["server_names"]]
    return next((name for name in app.server_names for pattern in patterns if fnmatch.fnmatchcase(name, pattern)), "")


def _check_source(app: App, base_directory: str) -> str:
    """Return the absolute path of the app's source on the controller."""
    path = os.path.normpath(os.path.join(base_directory, os.path.expanduser(app.source)))
    if not os.path.isdir(path):
        raise PalisadeError(f"app {app.name}: source: path: expected a directory on the controller, got {path}")
    if app.requirements and not os.path.isfile(os.path.join(path, app.requirements)):
        raise PalisadeError(f"app {app.name}: requirements: expected a file in {path}, got {app.requirements!r}")
    if app.requirements:
        check_requirements(path, app.requirements, f"app {app.name}: requirements")
    return path


def _directories(app: App) -> list[dict[str, str]]:
    readable = {"owner": "root", "group": app.group, "mode": "0750"}
    writable = {"owner": app.account, "group": app.group, "mode": "0750"}
    rows = [
        {"path": app.entry_directory, "owner": "root", "group": "root", "mode": "0755"},
        {"path": app.home, **readable},
        {"path": app.releases, **readable},
        {"path": app.data, **writable},
    ]
    done = {app.data}
    for name in app.writable:
        path = app.data
        for part in name.split("/"):
            path = f"{path}/{part}"
            if path not in done:
                done.add(path)
                rows.append({"path": path, **writable})
    return rows


def _files(app: App) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"path": app.entry_file, "owner": "root", "group": "root", "mode": "0644", "content": entry_file(app)}
    ]
    if app.environment:
        # Before the entry file, which reads it.
        identity = {"owner": "root", "group": app.group, "mode": "0640"}
        rows.insert(0, {"path": app.environment_file, **identity})
    return rows


def _site(app: App, layout: Mapping[str, str], content: str | None) -> dict[str, Any]:
    name = f"{_SITE_PREFIX}{app.name}.conf"
    link = f"{layout['site_links']}/{name}" if layout["site_links"] else ""
    return {"app": app.name, "path": f"{layout['site_files']}/{name}", "link": link, "content": content}


def resolve(apps: Any, host: Facts, owner: str, base_directory: str, server_required: bool = True) -> dict[str, Any]:
    """Return what every later step is to make of the apps, or raise PalisadeError before anything changed.

    apps is the user's list; host is what wsgi_server_info returned; owner names the list among the lists of a
    host; base_directory (on the controller) is where relative sources start; server_required is false in check
    mode, where the server role has only said what it would install.
    """
    if not isinstance(apps, (list, tuple)):
        raise PalisadeError(f"wsgi_apps: expected a list of apps, got {type(apps).__name__}")
    if not isinstance(owner, str) or not owner.strip() or not owner.isprintable():
        raise PalisadeError(f"wsgi_apps_owner: expected a name for this list of apps, got {owner!r}")
    version = _check_host(host, server_required)
    parsed = None if version is None else parse_version(version)
    checked = [check_app(raw, index, parsed) for index, raw in enumerate(apps)]
    checked = [_as_on_host(app, raw, host) for app, raw in zip(checked, apps)]
    _check_unique(checked)
    listed = {app.name: app for app in checked}
    for app in checked:
        _check_against_host(app, host, owner, listed)

    present = [app for app in checked if app.present]
    on_host = {other["name"] for other in host.get("apps", [])}
    absent = [app for app in checked if not app.present and app.name in on_host]
    layout = host["layout"]
    return {
        "releases": [
            {
                "app": app.name,
                "source": _check_source(app, base_directory),
                "requirements": app.requirements,
                "directory": app.releases,
                "current": app.current,
                "group": app.group,
            }
            for app in present
        ],
        "accounts": [
            {
                "app": app.name,
                "name": app.account,
                "group": app.group,
                "home": app.home,
                "sysusers": sysusers(app, owner),
            }
            for app in present
        ],
        "directories": [{"app": app.name, **row} for app in present for row in _directories(app)],
        "files": [{"app": app.name, **row} for app in present for row in _files(app)],
        # Apart from the files, so that the argument that holds them can be kept out of every log.
        "secrets": {app.environment_file: environment_file(app) for app in present if app.environment},
        "unused_files": [{"app": app.name, "path": app.environment_file} for app in present if not app.environment],
        "site": [_site(app, layout, site_file(app, version, layout)) for app in present]
        + [_site(app, layout, None) for app in absent],
        "pools": [
            {
                "app": app.name,
                "name": app.name,
                "account": app.account,
                "group": app.group,
                "processes": int(app.daemon_options["processes"]),
                "server_name": app.server_names[0],
                "path": app.health_path,
                "status": list(app.health_status),
                "timeout": app.health_timeout,
                "error_log": f"{layout['log_directory']}/wsgi-{app.name}-error.log",
            }
            for app in present
        ],
        "loaded": [{"name": app.name, "loads": [app.current, app.entry_file, app.environment_file]} for app in present],
        "removed_paths": [
            {"app": app.name, "path": path}
            for app in absent
            for path in (
                [app.entry_directory, app.home, sysusers_path(app.account)]
                if app.purge
                else [app.entry_directory, app.releases, app.current, app.environment_file]
            )
        ],
        "removed_accounts": [{"app": app.name, "name": app.account, "group": app.group} for app in absent if app.purge],
    }
