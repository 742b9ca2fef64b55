# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a play, resolved once against the host: every later step reads its part of the result."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..apache.daemon_options import OWNER_CHECKS, Version, owner_check_warning, parse_version
from ..app.check import check_app
from ..app.model import DIRECTORIES_ABOVE, App, Timer
from ..app.values import type_name
from ..host.accounts import sysusers_path
from ..host.errors import PalisadeError, nearest
from ..runtime.files import entry_file, environment_file, sysusers
from ..runtime.surroundings import (
    description_files,
    description_path,
    left_paths,
    program_files,
    written_paths,
)
from ..runtime.surroundings import (
    directories as program_directories,
)
from ..runtime.units import service_files, service_secrets
from ..runtime.virtual_host import error_log, main_app, virtual_host
from ..source.requirements import check_requirements
from .clashes import SITE_PREFIX, check_clashes, check_owners

Facts = Mapping[str, Any]


def _check_host(host: Facts, server_required: bool) -> str | None:
    """Return the version of the host's mod_wsgi; None where a check run meets a bare host."""
    mod_wsgi = host.get("mod_wsgi")
    if not mod_wsgi:
        if server_required:
            raise PalisadeError("host: its Apache has no mod_wsgi enabled; run the role wsgi_server before wsgi_apps")
        return None
    python = host["python"]
    if not python.get("version"):
        raise PalisadeError(
            f"wsgi_apps_python: expected an interpreter of Python {mod_wsgi['python']}, "
            f"got {python['path']}, which cannot be run"
        )
    found = (python["implementation"], python["version"])
    if found != ("cpython", mod_wsgi["python"]):
        raise PalisadeError(
            f"wsgi_apps_python: {python['path']} is {found[0]} {found[1]}, but mod_wsgi {mod_wsgi['version']} here "
            f"is built for cpython {mod_wsgi['python']} and ignores a virtual environment of another Python"
        )
    return str(mod_wsgi["version"])


def _as_on_host(app: App, raw: Facts, host: Facts) -> App:
    """Return an app that is to be removed with the account that it has, if the list does not name one."""
    if app.present or raw.get("account") or raw.get("group"):
        return app
    found = [other for other in host.get("apps", []) if other["name"] == app.name]
    return replace(app, account=found[0]["account"], group=found[0]["group"]) if found else app


def _source(app: App, base_directory: str) -> dict[str, Any]:
    """Return the app's source as modules read it, after a look at what lies on the controller."""
    row = app.source.as_row(base_directory)
    if "path" in row:
        _check_directory(app, row["path"])
    elif app.source.is_local and not os.path.isfile(row["archive"]):
        raise PalisadeError(
            f"app {app.name}: source: archive: expected a file on the controller or an https:// address, "
            f"got {row['archive']}"
        )
    return row


def _check_directory(app: App, path: str) -> None:
    if not os.path.isdir(path):
        found = "a file" if os.path.exists(path) else "nothing"
        raise PalisadeError(
            f"app {app.name}: source: path: expected a directory on the controller, found {found} at {path}"
        )
    if app.requirements and not os.path.isfile(os.path.join(path, app.requirements)):
        raise PalisadeError(f"app {app.name}: requirements: expected a file in {path}, got {app.requirements!r}")
    for directory in () if app.build else app.static.values():
        if not os.path.isdir(os.path.join(path, directory)):
            raise PalisadeError(f"app {app.name}: static: expected a directory in {path}, got {directory!r}")
    if app.requirements:
        subject = f"app {app.name}: requirements"
        check_requirements(path, app.requirements, subject, app.allow_source_builds)


def _directories(app: App, apache: str) -> list[dict[str, Any]]:
    # Apache's own account goes through to the static files of a release, and sees nothing else there.
    through = {apache: "x"} if app.static else {}
    readable = {"owner": "root", "group": app.group, "mode": "0750", "acl": through}
    writable = {"owner": app.account, "group": app.group, "mode": "0750"}
    # The daemons of a site that is to be replaced may run with another group, and serve on while the release is built.
    by_name = {app.account: "rx"} if app.adopt else {}
    rows: list[dict[str, Any]] = [
        {"path": app.entry_directory, "owner": "root", "group": "root", "mode": "0755", "acl": {}},
        {"path": app.home, **readable, "acl": {**through, **by_name}},
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


def old_places(app: App) -> list[str]:
    """Return what a site that is to be replaced writes to: SQLite needs the directory that its file is in."""
    return [path if name in app.writable else os.path.dirname(path) for name, path in app.data_from]


def _data(app: App, apps: Sequence[App], host: Facts, version: str | None) -> dict[str, Any]:
    """Return the way of an app's data from the site that it replaces; apps are those of its virtual host."""
    layout = host["layout"]
    path = f"{layout['site_files']}/{SITE_PREFIX}{main_app(apps).name}.conf"
    row = _site_row(apps, path, layout, None)
    return {
        "app": app.name,
        "owner": app.account,
        "group": app.group,
        "marker": app.data_marker,
        "copies": [
            {"path": f"{app.data}/{name}", "source": source, "directory": name in app.writable}
            for name, source in app.data_from
        ],
        "site": {
            "path": row["path"],
            "link": row["link"],
            "closed": virtual_host(apps, version, layout, closed=True),
        },
        "replaced": [f"{layout['site_links']}/{name}" for name in app.replaces],
    }


def _hosts(apps: Sequence[App]) -> list[list[App]]:
    """Return the apps of each virtual host, which have the same first server name."""
    hosts: dict[str, list[App]] = {}
    for app in apps:
        hosts.setdefault(app.server_names[0], []).append(app)
    return list(hosts.values())


def _site_row(apps: Sequence[App], path: str, layout: Mapping[str, str], content: str | None) -> dict[str, Any]:
    link = f"{layout['site_links']}/{os.path.basename(path)}" if layout["site_links"] else ""
    return {"app": ", ".join(app.name for app in apps), "path": path, "link": link, "content": content}


def _sites(present: Sequence[App], listed: Sequence[App], host: Facts, version: str | None) -> list[dict[str, Any]]:
    """Return the files of the virtual hosts, and the removal of those that the listed apps no longer have."""
    layout = host["layout"]
    rows = []
    for apps in _hosts(present):
        path = f"{layout['site_files']}/{SITE_PREFIX}{main_app(apps).name}.conf"
        rows.append(_site_row(apps, path, layout, virtual_host(apps, version, layout)))
    kept = {row["path"] for row in rows}
    before = {other["name"]: other.get("site", "") for other in host.get("apps", [])}
    left: dict[str, list[App]] = {}
    for app in listed:
        path = before.get(app.name, "")
        if path and path not in kept:
            left.setdefault(path, []).append(app)
    rows += [_site_row(apps, path, layout, None) for path, apps in left.items()]
    for app in present:
        for name in app.replaces:
            if not layout["site_links"]:
                raise PalisadeError(
                    f"app {app.name}: replaces: this distribution does not enable sites by links; remove {name} "
                    "yourself"
                )
            path = f"{layout['site_links']}/{name}"
            if path in host.get("unlinked_sites", []):
                raise PalisadeError(
                    f"app {app.name}: replaces: expected a link, but {path} is the file itself; move it to "
                    f"{layout['site_files']} and link it"
                )
            # The link only: the file stays, to be looked at.
            rows.append({"app": app.name, "path": path, "link": "", "content": None})
    return rows


def _certificates(present: Sequence[App], listed: Sequence[App], host: Facts) -> dict[str, Any]:
    """Return the arguments of wsgi_certificate: what to make, what to judge, what is no longer used."""
    made, given, acme = [], [], []
    for apps in _hosts(present):
        app = main_app(apps)
        names = list(app.server_names)
        if app.tls and app.tls.kind == "self_signed":
            made.append({"app": app.name, "name": names[0], "server_names": names})
        elif app.tls and app.tls.kind == "certificate":
            files = {"certificate": app.tls.certificate, "key": app.tls.key}
            given.append({"app": app.name, "server_names": names, **files})
        elif app.tls:
            acme.append({"app": app.name, "server_names": names})
    kept = {row["name"] for row in made}
    ours = {app.name for app in listed}
    before = [
        {"app": other["name"], "name": other["server_names"][0]}
        for other in host.get("apps", [])
        if other["name"] in ours and other.get("tls") == "self_signed"
    ]
    # Of a play that was killed between the removal of a site and that of its certificate, whosever list it was.
    unused = [{"app": "", "name": name} for name in host.get("unused_certificates", [])]
    groups = {name for app in present for name in app.daemon_options["supplementary-groups"]}
    return {
        "self_signed": made,
        "given": given,
        "acme": acme,
        "absent": list({row["name"]: row for row in [*unused, *before] if row["name"] not in kept}.values()),
        "accounts": sorted({app.account for app in present} | {other["account"] for other in host.get("apps", [])}),
        "groups": sorted(groups | {app.group for app in present} | {other["group"] for other in host.get("apps", [])}),
    }


def _grants(present: Sequence[App]) -> list[dict[str, str]]:
    return [
        {"app": app.name, "path": path, "account": app.account, "permissions": permissions}
        for app in present
        for path, permissions in app.acls
    ]


def _revoked(listed: Sequence[App], host: Facts) -> list[dict[str, str]]:
    """Return the permissions that the apps had on this host and no longer ask for."""
    wanted = {(app.name, path) for app in listed for path, _permissions in app.acls}
    ours = {app.name for app in listed}
    return [
        {"app": other["name"], "path": path, "account": other["account"]}
        for other in host.get("apps", [])
        if other["name"] in ours
        for path in other.get("acls", [])
        if (other["name"], path) not in wanted
    ]


def _check_server(apps: Sequence[App], host: Facts) -> None:
    """Refuse what the host's Apache has no module for."""
    loaded = host["apache"]["modules"]
    for app in apps:
        needed = ["headers", *(["ssl"] if app.tls else []), *(["md"] if app.tls and app.tls.kind == "acme" else [])]
        missing = [name for name in needed if name not in loaded]
        if missing:
            raise PalisadeError(
                f"app {app.name}: needs the module {missing[0]} in the host's Apache; run the role wsgi_server before "
                "wsgi_apps, with wsgi_server_tls: true if an app has tls"
            )


def _warnings(present: Sequence[App], host: Facts) -> list[str]:
    told = [text for app in present for text in app.warnings]
    checked = [app.name for app in present if any(option in app.daemon_options for option in OWNER_CHECKS)]
    mpm = (host["apache"] or {}).get("mpm", "")
    told += [owner_check_warning(checked, mpm)] if checked else []
    served = ", ".join(app.name for app in present if app.workers or app.timers)
    if served and not host.get("confines", True):
        told.append(
            f"the workers and timers of {served} run without a sandbox, because systemd on this host cannot provide one"
        )
    return told


def _timers(app: App, host: Facts, first: bool | None) -> list[Timer]:
    """Return the timers that an app has on this host; first is None where the play does not know all of its hosts."""
    on_host = {unit for other in host.get("apps", []) if other["name"] == app.name for unit in other.get("units", [])}
    return [
        timer for timer in app.timers if not timer.once or first or (first is None and f"{timer.unit}.timer" in on_host)
    ]


def _removed_programs(present: Sequence[App], absent: Sequence[App], host: Facts) -> list[dict[str, str]]:
    """Return what goes of wsgi-run with these apps, and with the last of the host."""
    gone = {app.name for app in absent}
    last = bool(absent) and not present and all(other["name"] in gone or not other["site"] for other in host["apps"])
    rows = [{"app": app.name, "path": description_path(app.name)} for app in absent]
    return rows + ([{"path": path} for path in left_paths()] if last else [])


def _require_list(apps: Any) -> None:
    if apps is None:
        raise PalisadeError("wsgi_apps: expected a list of apps, got none; set it, as in group_vars/wsgi.yml")
    if not isinstance(apps, (list, tuple)):
        raise PalisadeError(f"wsgi_apps: expected a list of apps, got {type_name(apps)}")


def check_apps(apps: Any, version: Version | None = None) -> list[App]:
    """Return the apps of the user's list; PalisadeError has a line for each one that is wrong.

    version is the host's mod_wsgi, None where it is not known yet.
    """
    _require_list(apps)
    checked, wrong = [], []
    for index, raw in enumerate(apps):
        try:
            checked.append(check_app(raw, index, version))
        except PalisadeError as error:
            wrong.append(str(error))
    if wrong:
        raise PalisadeError("\n".join(wrong))
    return checked


def resolve(
    apps: Any,
    host: Facts,
    owner: str,
    base_directory: str,
    server_required: bool = True,
    deployed: Sequence[str] | None = None,
    first: bool | None = True,
) -> dict[str, Any]:
    """Return what every later step is to make of the apps, or raise PalisadeError before anything changed.

    apps is the user's list; host is what wsgi_server_info returned; owner names the list among the lists of a
    host; base_directory (on the controller) is where relative sources start; server_required is false in check
    mode, where the server role has only said what it would install. deployed narrows the result to the releases of
    the apps of these names, which the host serves already; of all where it is empty. first tells whether the host is
    the first of its play; None where the play was limited to some hosts.
    """
    _require_list(apps)
    if not isinstance(owner, str) or not owner.strip() or not owner.isprintable():
        raise PalisadeError(f"wsgi_apps_owner: expected a name for this list of apps, got {owner!r}")
    version = _check_host(host, server_required)
    parsed = None if version is None else parse_version(version)
    checked = check_apps(apps, parsed)
    checked = [_as_on_host(app, raw, host) for app, raw in zip(checked, apps)]
    check_owners(checked, apps, host, owner)
    check_clashes(checked, host)

    present = [app for app in checked if app.present]
    on_host = {other["name"] for other in host.get("apps", [])}
    absent = [app for app in checked if not app.present and app.name in on_host]
    if server_required:
        _check_server(present, host)
    layout = host["layout"]
    sites = _sites(present, checked, host, version)
    hosts = {app.name: apps for apps in _hosts(present) for app in apps}
    logs = {app.name: error_log(hosts[app.name], layout) for app in present}
    confined = bool(host.get("confines", True))
    timers = {app.name: _timers(app, host, first) for app in present}
    model = {
        "warnings": _warnings(present, host),
        "releases": [
            {
                "app": app.name,
                "source": _source(app, base_directory),
                "requirements": app.requirements,
                "allow_source_builds": app.allow_source_builds,
                "build": [list(command) for command in app.build],
                "build_network": app.build_network,
                "directory": app.releases,
                "current": app.current,
                "account": app.account,
                "group": app.group,
                "groups": list(app.daemon_options["supplementary-groups"]),
                "umask": str(app.daemon_options["umask"]),
                "application": f"{app.module}:{app.callable}",
                "hooks": [list(command) for command in app.before_switch],
                "services": [
                    {"title": f"{kind}s: {service.name}", "program": service.command[0]}
                    for kind, services in (("worker", app.workers), ("timer", timers[app.name]))
                    for service in services
                ],
                "writable": written_paths(app),
                "data_marker": app.data_marker,
                "served": {"account": layout["user"], "directories": sorted(set(app.static.values()))},
            }
            for app in present
        ],
        "accounts": [
            {
                "app": app.name,
                "name": app.account,
                "group": app.group,
                "home": app.home,
                "adopt": app.adopt,
                "sysusers": sysusers(app, owner),
            }
            for app in present
        ],
        "directories": [{"app": app.name, **row} for app in present for row in _directories(app, layout["user"])],
        # What is beside the apps for the people who look after them; layout, since no process of an app reads it.
        "program_directories": program_directories() if present else [],
        "program_files": [*program_files(), *description_files(present, timers, logs, confined)] if present else [],
        # Not ours to change, and of no use if somebody else can.
        "root_only": [{"path": path} for path in DIRECTORIES_ABOVE if present],
        "files": [{"app": app.name, **row} for app in present for row in _files(app)],
        # Apart from the files, so that the argument that holds them can be kept out of every log.
        "secrets": {
            **{app.environment_file: environment_file(app) for app in present if app.environment},
            **{path: text for app in present for path, text in service_secrets(app, timers[app.name]).items()},
        },
        "service_files": [row for app in present for row in service_files(app, timers[app.name], confined)],
        "schedules": [
            {"app": app.name, "timer": timer.name, "schedule": timer.schedule}
            for app in present
            for timer in timers[app.name]
        ],
        "removed_services": [{"app": app.name, "home": app.home} for app in absent],
        "source_secrets": {app.name: app.source.key for app in present if app.source.key},
        "unused_files": [{"app": app.name, "path": app.environment_file} for app in present if not app.environment],
        "data": [_data(app, hosts[app.name], host, version) for app in present if app.data_from],
        "grants": _grants(present),
        "revoked": _revoked(checked, host),
        "certificates": _certificates(present, checked, host),
        "site": sites,
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
                "tls": bool(app.tls),
                "error_log": logs[app.name],
            }
            for app in present
        ],
        # A change of configuration that no reload followed.
        "loaded": [
            {"name": name, "loads": [row["path"]]} for row in sites if row["content"] for name in row["app"].split(", ")
        ],
        # What the sandbox of Apache's unit leaves writable; an app that leaves has an empty path.
        "writable_paths": [
            {"app": app.name, "path": path} for app in present for path in (*written_paths(app), *old_places(app))
        ]
        + [{"app": app.name, "path": ""} for app in absent],
        "removed_paths": [
            {"app": app.name, "path": path}
            for app in absent
            for path in (
                [app.entry_directory, app.home, sysusers_path(app.account)]
                if app.purge
                else [app.entry_directory, app.releases, app.current, app.environment_file]
            )
        ]
        + _removed_programs(present, absent, host),
        "removed_accounts": [{"app": app.name, "name": app.account, "group": app.group} for app in absent if app.purge],
    }
    return model if deployed is None else _narrow(model, present, host, deployed)


def _narrow(model: dict[str, Any], present: Sequence[App], host: Facts, wanted: Sequence[str]) -> dict[str, Any]:
    """Return what a deployment of these apps takes of the model."""
    names = [app.name for app in present]
    for name in wanted:
        if name not in names:
            known = ", ".join(names) or "no app"
            raise PalisadeError(f"wsgi_apps_only: there is no app {name!r}{nearest(name, names)}; the list has {known}")
    served = {other["name"] for other in host.get("apps", []) if other.get("site")}
    chosen = list(wanted) or names
    for name in chosen:
        if name not in served:
            raise PalisadeError(f"app {name}: is not deployed on this host yet; run site.yml first")
    rows = ("releases", "directories", "files", "unused_files", "pools", "service_files", "schedules")
    narrowed = {key: [row for row in model[key] if row["app"] in chosen] for key in rows}
    paths = {row["path"] for key in ("files", "service_files") for row in narrowed[key]}
    secrets = {path: text for path, text in model["secrets"].items() if path in paths}
    keys = {name: key for name, key in model["source_secrets"].items() if name in chosen}
    whole = {key: model[key] for key in ("warnings", "root_only", "program_directories")}
    # A release may come with other workers and timers, which wsgi-run shows.
    whole["program_files"] = [row for row in model["program_files"] if row.get("app") in (None, *chosen)]
    return {**whole, "secrets": secrets, "source_secrets": keys, **narrowed}
