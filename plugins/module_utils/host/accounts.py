# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Service accounts by systemd-sysusers, and the repair of what became of them."""

from __future__ import annotations

import grp
import os
import pwd
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .command import Run
from .errors import PalisadeError
from .fs import Attributes, ensure_file

# Shared by unrelated services, or more than an application may be.
RESERVED_ACCOUNTS = frozenset(
    [
        "root",
        "nobody",
        "nogroup",
        "www-data",
        "apache",
        "http",
        "httpd",
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "uucp",
        "proxy",
        "backup",
        "list",
        "irc",
        "adm",
        "tty",
        "disk",
        "shadow",
        "sudo",
        "wheel",
        "staff",
        "users",
        "utmp",
        "systemd-network",
        "systemd-journal",
        "messagebus",
        "sshd",
    ]
)
SYSUSERS_DIRECTORY = "/etc/sysusers.d"

_NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")
_ROOT_FILE = Attributes("root", "root", 0o644)
_PROCESSES_END_WITHIN = 30
# What an app has in its home.
_PARTS = frozenset(["data", "data-on-its-way", "releases", "current", "environment"])


def sysusers_path(account: str) -> str:
    """Return the sysusers.d(5) file that declares this account."""
    return f"{SYSUSERS_DIRECTORY}/palisade-{account}.conf"


def _password_field(name: str) -> str:
    with open("/etc/shadow", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split(":")
            if fields[0] == name:
                return fields[1]
    return "!"


def _drift(row: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what differs from a locked account without memberships, each with the command that mends it."""
    name, group = row["name"], row["group"]
    found: list[dict[str, Any]] = []

    def differs(what: str, before: str, after: str, *command: str) -> None:
        found.append({"what": what, "before": before, "after": after, "command": list(command)})

    entry = pwd.getpwnam(name)
    if entry.pw_shell not in _NO_LOGIN:
        differs("shell", entry.pw_shell, _NO_LOGIN[0], "usermod", "--shell", _NO_LOGIN[0], name)
    if entry.pw_dir != row["home"]:
        # With a prefix, usermod does not mind that the account's daemon is running.
        differs("home", entry.pw_dir, row["home"], "usermod", "--prefix", "/.", "--home", row["home"], name)
    password = _password_field(name)
    if not password.startswith(("!", "*")):
        differs("password", "usable", "locked", "usermod", "--lock", name)
    groups = grp.getgrall()
    for other in groups:
        if name in other.gr_mem:
            differs("membership", other.gr_name, "none", "gpasswd", "--delete", name, other.gr_name)
        if other.gr_name == group:
            if entry.pw_gid != other.gr_gid:
                differs("primary group", str(entry.pw_gid), group, "usermod", "--gid", group, name)
            # A member of the app's group could read its code and its environment.
            for member in other.gr_mem:
                if member != name:
                    differs("member of its group", member, "none", "gpasswd", "--delete", member, group)
    return found


def _exists(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _group_exists(name: str) -> bool:
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False


def left_in_homes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a text for each account that is to be adopted, with what of its home is no part of the app."""
    texts = []
    for row in rows:
        if row.get("adopt") and os.path.isdir(row["home"]) and not os.path.exists(sysusers_path(row["name"])):
            # The account chose the names.
            names = [name if name.isprintable() else repr(name) for name in os.listdir(row["home"])]
            names = sorted(set(names) - _PARTS)
            if names:
                told = ", ".join([*names[:20], *(["..."] if len(names) > 20 else [])])
                texts.append(f"app {row['app']}: other things in {row['home']} are kept: {told}")
    return texts


def ensure_accounts(rows: Sequence[Mapping[str, Any]], run: Run, check: bool) -> list[dict[str, Any]]:
    """Create or repair the accounts. Return the differences {path, before, after}."""
    for row in rows:
        ours = row.get("adopt") or os.path.exists(sysusers_path(row["name"]))
        taken = "account" if _exists(row["name"]) else "group" if _group_exists(row["group"]) else ""
        # A directory service can have accounts that /etc/passwd does not show.
        if taken and (not ours or (taken == "account" and pwd.getpwnam(row["name"]).pw_uid == 0)):
            value = row["name"] if taken == "account" else row["group"]
            raise PalisadeError(
                f"app {row['app']}: {taken} {value!r} already exists on this host and does not belong to this app"
            )
        environment = f"{row['home']}/environment"
        # An app without variables has none, so it would be removed.
        if row.get("adopt") and os.path.isdir(environment):
            raise PalisadeError(f"app {row['app']}: {environment}: expected a JSON file of variables; move it away")

    differences: list[dict[str, Any]] = []
    missing: list[str] = []
    for row in rows:
        path = sysusers_path(row["name"])
        if not check:
            os.makedirs(SYSUSERS_DIRECTORY, mode=0o755, exist_ok=True)
        changed = ensure_file(path, row["sysusers"], _ROOT_FILE, secret=False, check=check)
        if changed:
            differences.append(changed)
        if not (_exists(row["name"]) and _group_exists(row["group"])):
            missing.append(path)
            differences.append(_account_difference(row["name"], "absent", "present"))
    if missing and not check:
        run(["systemd-sysusers", *missing])
    for row in rows:
        # In a check run an account that is still to be made has nothing to repair.
        if not _exists(row["name"]):
            continue
        for drift in _drift(row):
            differences.append(
                _account_difference(
                    row["name"], f"{drift['what']}: {drift['before']}", f"{drift['what']}: {drift['after']}"
                )
            )
            if not check:
                run(drift["command"])
    return differences


def _account_difference(name: str, before: str, after: str) -> dict[str, Any]:
    return {"path": f"account {name}", "before": {"state": before}, "after": {"state": after}}


def _has_processes(uid: int) -> bool:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.stat(f"/proc/{entry}").st_uid == uid or _real_uid(entry) == uid:
                    return True
            except (FileNotFoundError, ProcessLookupError):
                continue
    return False


def _real_uid(pid: str) -> int:
    # The owner of /proc/PID is root for a daemon that cannot be dumped.
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


def remove_accounts(rows: Sequence[Mapping[str, str]], run: Run, check: bool) -> list[dict[str, Any]]:
    """Remove accounts whose apps are purged, after the last of their processes ended. Return the differences.

    The sysusers.d file stays: it is what the host knows of the app, and so it is the last thing to be removed.
    """
    differences: list[dict[str, Any]] = []
    for row in rows:
        name, group = row["name"], row["group"]
        if _exists(name):
            differences.append(_account_difference(name, "present", "absent"))
            if not check:
                _wait_for_processes(row)
                run(["userdel", name])
        if _group_exists(group) and not check:
            run(["groupdel", group])
    return differences


def _wait_for_processes(row: Mapping[str, str]) -> None:
    uid = pwd.getpwnam(row["name"]).pw_uid
    deadline = time.monotonic() + _PROCESSES_END_WITHIN
    while _has_processes(uid):
        if time.monotonic() > deadline:
            raise PalisadeError(
                f"app {row['app']}: account {row['name']!r} still has processes {_PROCESSES_END_WITHIN} s after its "
                "pool was removed; end them and run again"
            )
        time.sleep(0.2)
