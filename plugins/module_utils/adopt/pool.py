# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pool of an app: its processes, options, account and groups."""

from __future__ import annotations

import contextlib
import grp
import os
import re

from ..apache.daemon_options import OPTIONS, OWNER_CHECKS
from ..app.fields import DEFAULT_DAEMON_OPTIONS
from ..audit.config import Pool
from ..audit.facts import Facts
from .app import Adopted, Row
from .code import is_packages, python_path
from .groups import Group


def keep_pool(app: Adopted, facts: Facts, group: Group, pool: Pool | None, code: str) -> None:
    name, place = app.fields["name"], group.place
    if pool is None:
        today = place.process_group.value
        what = f"{today}, which the request chooses or which is not declared," if today else "embedded mode"
        app.changes.append(f"{what} becomes a pool of its own, as {name}-app in place of {facts.instance.user}")
        return
    options = pool.options
    for key, own in (("processes", "1"), ("threads", "15")):
        with contextlib.suppress(ValueError):
            app.keep(key, int(options.get(key, own)))
    _identity(app, facts, group, pool)
    daemon: Row = {}
    for key, value in options.items():
        option = OPTIONS.get(key)
        if option is None:
            app.remarks.append(f"{key}= of WSGIDaemonProcess is unknown here")
            continue
        if option.set_by:
            continue
        if key in OWNER_CHECKS:
            app.changes.append(
                f"{key}={value} is dropped: with threads in Apache it denies some requests by mistake. Every play "
                "ensures what it was for: only root can change the entry file and the directories above it"
            )
            continue
        if key == "python-path":
            # The directory that becomes the release, and packages of a virtual environment, are no code of elsewhere.
            value = ":".join(
                path for path in python_path(facts, pool) if not is_packages(path) and not _is_code(facts, path, code)
            )
            if not value:
                continue
        if option.refused:
            app.remarks.append(f"{key}={value} {option.refused}")
            continue
        default = DEFAULT_DAEMON_OPTIONS.get(key)
        if str(default) == value:
            continue
        # No bound at all, or files for everybody, is what hardening is for.
        loose = (isinstance(default, int) and value == "0") or (key == "umask" and not _strict(value))
        if not loose and app.keep(
            "daemon_process", {**daemon, key: int(value) if value.isdigit() and key != "umask" else value}
        ):
            daemon = app.fields["daemon_process"]
    new = [
        f"{key}={default}" + (f" (now {options[key]})" if key in options else "")
        for key, default in DEFAULT_DAEMON_OPTIONS.items()
        if isinstance(default, int) and key not in daemon and options.get(key) != str(default)
    ]
    if new:
        app.changes.append(f"time limits: {', '.join(new)}; change them in daemon_process")
    if not _strict(options.get("umask", "")) and "umask" not in daemon:
        app.changes.append(f"umask changes to 0027, from {options.get('umask') or 'that of Apache'}")
    for place_option, what in (("home", "the working directory"), ("python-home", "the virtual environment")):
        if place_option not in options:
            app.changes.append(f"{place_option}= is set: {what} belongs to the release")
    if place.application_group.value != "%{GLOBAL}":
        app.changes.append("it runs in the main interpreter of its processes, WSGIApplicationGroup %{GLOBAL}")


def _is_code(facts: Facts, path: str, code: str) -> bool:
    return bool(code) and code in (os.path.normpath(path), facts.real(path), os.path.realpath(path))


def _strict(umask: str) -> bool:
    return bool(re.fullmatch("[0-7]{3,4}", umask)) and int(umask, 8) & 0o027 == 0o027


def _identity(app: Adopted, facts: Facts, group: Group, pool: Pool) -> None:
    name, options = f"{app.fields['name']}-app", pool.options
    # Kept where it is this app's alone; the model refuses those that everybody shares, such as www-data.
    mine = {place.process_group.value for place in group.places}
    others = [other.options for other in facts.pools if other.name not in mine and facts.served_by(other.name)]

    def is_own(option: str) -> bool:
        value = options.get(option, "")
        return value not in ("", facts.instance.user) and all(other.get(option) != value for other in others)

    account = options.get("user", "")
    if account != name and not (is_own("user") and app.keep("account", account, quiet=True)):
        app.changes.append(f"it runs as {name}, not as {account or facts.instance.user}")
    account = str(app.fields.get("account", name))
    group_name = options.get("group", account)
    if group_name != account and not (is_own("group") and app.keep("group", group_name, quiet=True)):
        app.changes.append(f"its group is {account}, not {group_name}")
    own_group = str(app.fields.get("group", account))
    wanted = options.get("supplementary-groups")
    groups = wanted.split(",") if wanted is not None else _live_groups(facts, pool)
    further = [one for one in groups if one not in (own_group, options.get("group", ""), facts.instance.user)]
    if further:
        app.keep("supplementary_groups", further)
    if facts.instance.user in groups:
        app.changes.append(f"it is no longer in Apache's group {facts.instance.user}")


def _live_groups(facts: Facts, pool: Pool) -> list[str]:
    names = []
    for process in facts.live.get(pool.name, [])[:1]:
        for gid in process["groups"]:
            if gid != process["gid"]:
                with contextlib.suppress(KeyError):
                    names.append(grp.getgrgid(gid).gr_name)
    return names
