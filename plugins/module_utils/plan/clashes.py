# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What two apps, or an app and its host, cannot have in common."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..app.model import App
from ..app.owner import takes_over
from ..app.web import LIMITS, below
from ..host.errors import PalisadeError

Facts = Mapping[str, Any]

# Read after the sites of others, so that theirs stay the default of their address.
SITE_PREFIX = "zz-palisade-"


def check_owners(apps: Sequence[App], raws: Sequence[Facts], host: Facts, owner: str) -> None:
    """Raise PalisadeError where another list has an app's name on the host.

    raws are the apps as the user wrote them, in the same order.
    """
    on_host = {other["name"]: other for other in host.get("apps", [])}
    for app, raw in zip(apps, raws):
        other = on_host.get(app.name)
        if other and other["owner"] != owner and not takes_over(owner, raw, other):
            raise PalisadeError(
                f"app {app.name}: the name is already taken by an app of the list '{other['owner']}' on this host; "
                f"rename the app, or set wsgi_apps_owner (now '{owner}') to '{other['owner']}' if both are the "
                "same list"
            )


def check_clashes(apps: Sequence[App], host: Facts) -> None:
    """Raise PalisadeError naming both sides where an app cannot be beside another one or on the host."""
    _check_unique(apps)
    listed = {app.name: app for app in apps}
    for app in apps:
        _check_against_host(app, host, listed)
    _check_neighbours(apps, host)


def _check_unique(apps: Sequence[App]) -> None:
    names: dict[str, App] = {}
    identities: dict[str, str] = {}
    units: dict[str, App] = {}
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
        for service in (*app.workers, *app.timers):
            holder = units.setdefault(service.unit, app)
            if holder is not app:
                raise PalisadeError(
                    f"app {app.name}: {service.name!r} would have the unit {service.unit}, as one of app "
                    f"{holder.name} has; rename it"
                )
        for earlier in names.values():
            _check_pair(app, earlier)
        names[app.name] = app


def _check_pair(app: App, other: App) -> None:
    """Check two apps of a list: with the same first name they share a virtual host, and must be alike in it."""
    shared = sorted(set(app.server_names) & set(other.server_names))
    if not shared:
        return
    if app.mount == other.mount:
        raise PalisadeError(
            f"app {app.name}: mount {app.mount!r} of {shared[0]} is already taken by app {other.name} of the same list"
        )
    if app.server_names[0] != other.server_names[0]:
        raise PalisadeError(
            f"app {app.name}: server name {shared[0]} is already taken by app {other.name} of the same list, whose "
            f"first name is {other.server_names[0]}; to share a virtual host, give both apps the same first name"
        )
    both = f", as in app {other.name} of the same virtual host {shared[0]}"
    if app.server_names != other.server_names:
        raise PalisadeError(
            f"app {app.name}: server_names: expected {list(other.server_names)}{both}, got {list(app.server_names)}"
        )
    if app.tls != other.tls:
        theirs, own = (one.tls.kind if one.tls else "none" for one in (other, app))
        raise PalisadeError(f"app {app.name}: tls: expected {theirs}{both}, got {own}")
    for key in set(LIMITS) - {"request_body"}:
        wanted, got = (one.limits.get(key) for one in (other, app))
        if wanted != got:
            raise PalisadeError(f"app {app.name}: limits: {key}: expected {wanted}{both}, got {got}")
    for one, neighbour in ((app, other), (other, app)):
        for url in one.static:
            # Apache asks an Alias before it asks any application.
            within = below(url, neighbour.mount) and below(neighbour.mount, one.mount)
            if below(neighbour.mount, url) or within or url in neighbour.static:
                raise PalisadeError(f"app {one.name}: static: {url} would hide app {neighbour.name}")


def _check_against_host(app: App, host: Facts, listed: Mapping[str, App]) -> None:
    for other in host.get("apps", []):
        whose = f"of the list '{other['owner']}' on this host"
        if other["name"] == app.name:
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
        for path, _permissions in app.acls:
            if below(path, f"/var/lib/{other['account']}"):
                raise PalisadeError(f"app {app.name}: acls: {path} belongs to app {other['name']} {whose}")
        for name, path in app.data_from:
            if below(path, f"/var/lib/{other['account']}"):
                raise PalisadeError(f"app {app.name}: data_from: {name}: {path} belongs to app {other['name']} {whose}")
        # An app of this list that leaves, or moves, in this same play gives its place free.
        if other["name"] not in listed:
            _check_place(app, other, whose)
    if app.present:
        if not app.adopt and not any(other["name"] == app.name for other in host.get("apps", [])):
            _check_free(app, host)
        _check_sites_of_others(app, host)


def _check_place(app: App, other: Facts, whose: str) -> None:
    """Refuse a server name of an app on the host that this play does not list."""
    shared = sorted(set(app.server_names) & set(other.get("server_names", [])))
    if not shared:
        return
    if app.mount == other["mount"]:
        raise PalisadeError(
            f"app {app.name}: mount {app.mount!r} of {shared[0]} is already taken by app {other['name']} {whose}"
        )
    raise PalisadeError(
        f"app {app.name}: server name {shared[0]} is already taken by app {other['name']} {whose}; apps of one "
        "virtual host must be in one list"
    )


def _check_neighbours(apps: Sequence[App], host: Facts) -> None:
    """Refuse to write a virtual host again without an app that is in it."""
    listed = {app.name for app in apps}
    files = {other.get("site"): other["name"] for other in host.get("apps", []) if other["name"] in listed}
    for other in host.get("apps", []):
        if other["name"] not in listed and other.get("site") in files and other.get("site"):
            raise PalisadeError(
                f"app {files[other['site']]}: shares a virtual host on this host with app {other['name']}, which is "
                "not in the list; add it, with state: absent to remove it"
            )


def _check_free(app: App, host: Facts) -> None:
    """Refuse a new app whose account or directories are something else's already."""
    for kind, value, taken in (("account", app.account, "accounts"), ("group", app.group, "groups")):
        if value in host.get(taken, []):
            raise PalisadeError(
                f"app {app.name}: {kind} {value!r} already exists on this host and does not belong to this app; "
                f"choose another {kind}, or set adopt: true to take it over"
            )
    for path in (app.home, app.entry_directory):
        if path in host.get("occupied", []):
            raise PalisadeError(
                f"app {app.name}: {path} already exists on this host and was not created by this collection; "
                "choose another name or account, move it away, or set adopt: true to take it over"
            )


def _check_sites_of_others(app: App, host: Facts) -> None:
    """Refuse an app whose pool or server name a site that is not ours has."""
    replaced = {f"{host['layout']['site_links']}/{name}" for name in app.replaces}

    def of_others(rows: Sequence[Facts]) -> Iterator[Facts]:
        rest = (row for row in rows if not os.path.basename(row["file"]).startswith(SITE_PREFIX))
        return (row for row in rest if row["file"] not in replaced)

    for pool in of_others(host.get("pools_declared", [])):
        # Apache finds a pool by its exact name, and restricts one by its name in any case.
        if pool["name"].lower() == app.name:
            raise PalisadeError(
                f"app {app.name}: the name is already taken by a pool in {pool['file']}; rename the app, or list the "
                "file in its field replaces to have the app replace it"
            )
    for site in of_others(host.get("virtual_hosts", [])):
        # Sites of others are read first, so this app would never be asked.
        taken = _shared_name(app, site)
        if taken:
            raise PalisadeError(
                f"app {app.name}: server name {taken} is already taken by a site in {site['file']}; list the file in "
                "the app's field replaces to have the app replace it"
            )


def _shared_name(app: App, site: Facts) -> str:
    """Return a name of the app that a virtual host of one of its ports answers already; empty where there is none."""
    ports = "80|443" if app.tls else "80"
    shares = any(re.search(rf":({ports}|\*)$|^[^:]*$|\]$", address) for address in site["addresses"])
    names = app.server_names if shares else ()
    patterns = [name.rpartition("//")[2].partition(":")[0].lower() for name in site["server_names"]]
    return next((name for name in names for pattern in patterns if fnmatch.fnmatchcase(name, pattern)), "")
