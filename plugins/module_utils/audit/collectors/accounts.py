# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of the accounts of pools: groups, homes, keys, jobs, sudo."""

from __future__ import annotations

import contextlib
import glob
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..facts import Facts, HostFacts
from .access import NOBODIES, as_account, readable_files
from .beside import is_of_the_collection
from .proc import descendants, is_ours, program_of, read_text
from .processes import unit_of
from .sudoers import Account, Sudoers, read_sudoers, without_password


def pool_accounts(facts: Facts, table: Mapping[int, Mapping[str, Any]], host: HostFacts) -> dict[str, dict[str, Any]]:
    """Return what is known of each pool's account, and fill in the names of groups."""
    apache = descendants(facts.instance.pid, table) if facts.instance.pid is not None else set()
    seen: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {}
    sudoers: Sudoers | None = None
    try:
        sudoers = read_sudoers()
    except FileNotFoundError:
        sudoers = Sudoers()
    except OSError as error:
        host.unknown["sudoers"] = str(error)
    for pool in facts.pools:
        rows = facts.live.get(pool.name, [])
        _name_groups(pool.options.get("supplementary-groups", ""), rows, host)
        entry = _entry(pool.options.get("user", ""), rows)
        if entry is None:
            continue
        if entry.pw_name not in seen:
            seen[entry.pw_name] = _account(entry, table, apache, host)
            if sudoers is not None:
                known = tuple((gid, host.group_names.get(gid, "")) for gid in seen[entry.pw_name]["groups"])
                asker = Account(entry.pw_name, entry.pw_uid, known)
                seen[entry.pw_name]["sudo"] = without_password(sudoers, asker)
        found[pool.name] = seen[entry.pw_name]
    _look_into_homes(facts, list(seen.values()))
    return found


def _look_into_homes(facts: Facts, accounts: Sequence[dict[str, Any]]) -> None:
    """Fill in what everybody may read in the homes of these accounts, as one that is nobody there sees it."""
    homes = sorted({account["home"] for account in accounts if (account["home_mode"] or 0) & 0o004})
    lines = facts.tree.every("documentroot", "alias", "aliasmatch")
    served = [os.path.realpath(line.words[-1]) for line, _around, _host in lines if line.words]
    uid = next(uid for uid in NOBODIES if uid not in {account["uid"] for account in accounts})
    nobody = {"uid": uid, "gid": uid, "groups": []}
    with contextlib.suppress(OSError):
        files = as_account(nobody, lambda: readable_files(homes, served)) if homes else {}
        for account in accounts:
            account["home_files"] = files.get(account["home"], [])


def _entry(user: str, rows: Sequence[Mapping[str, Any]]) -> pwd.struct_passwd | None:
    try:
        if rows:
            return pwd.getpwuid(rows[0]["uid"])
        return pwd.getpwuid(int(user[1:])) if user[:1] == "#" else pwd.getpwnam(user)
    except (KeyError, ValueError):
        return None


def _name_groups(declared: str, rows: Iterable[Mapping[str, Any]], host: HostFacts) -> None:
    for name in filter(None, declared.split(",")):
        with contextlib.suppress(KeyError, ValueError):
            host.group_ids[name] = int(name[1:]) if name.startswith("#") else grp.getgrnam(name).gr_gid
    for gid in {gid for row in rows for gid in (*row["groups"], *row["gids"])}:
        _name_group(gid, host)


def _name_group(gid: int, host: HostFacts) -> None:
    if gid not in host.group_names:
        try:
            host.group_names[gid] = grp.getgrgid(gid).gr_name
        except KeyError:
            host.group_names[gid] = str(gid)


def _account(
    entry: pwd.struct_passwd, table: Mapping[int, Mapping[str, Any]], apache: set[int], host: HostFacts
) -> dict[str, Any]:
    groups = sorted(os.getgrouplist(entry.pw_name, entry.pw_gid))
    for gid in groups:
        _name_group(gid, host)
    others = [pid for pid, row in table.items() if row["uid"] == entry.pw_uid and pid not in apache and is_ours(pid)]
    # Workers, timers and commands of people that the collection started are the app's own.
    others = [pid for pid in others if not is_of_the_collection(_unit_of(pid))]
    try:
        locked: bool | None = password_locked(entry.pw_name, read_text("/etc/shadow", 1 << 24))
        shadow = "" if locked is not None else "not in /etc/shadow"
    except OSError as error:
        locked, shadow = None, str(error)
    return {
        "name": entry.pw_name,
        "uid": entry.pw_uid,
        "gid": entry.pw_gid,
        "groups": groups,
        "shell": entry.pw_shell,
        "home": entry.pw_dir,
        "home_mode": _home_mode(entry.pw_dir),
        "home_files": [],
        "locked": locked,
        "shadow": shadow,
        "keys": [path for path in _key_files(entry) if _filled(path)],
        "jobs": [path for path in _spools(entry.pw_name) if _filled(path)],
        "others": sorted({os.path.basename(program_of(pid)) or "?" for pid in others}),
        "regular": entry.pw_uid > _highest_system_uid() and not 61184 <= entry.pw_uid <= 65519,
        "sudo": [],
    }


def password_locked(name: str, shadow: str) -> bool | None:
    """Return whether no password opens an account; None where shadow(5) does not have it."""
    for line in shadow.splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 1:
            # What no hash looks like never fits; an empty one always does.
            return re.fullmatch(r"|[$_].*|[./0-9A-Za-z]{13}", fields[1]) is None
    return None


# Homes that belong to no account alone.
_NO_HOMES = re.compile(
    r"/(?:|bin|sbin|dev.*|proc.*|nonexistent|var/empty|tmp|var|var/www|var/lib|srv|opt|home|usr.*|run)"
)


def _home_mode(path: str) -> int | None:
    """Return the mode of an account's own home; None where it has none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode) or _NO_HOMES.fullmatch(os.path.realpath(path)):
        return None
    return stat.S_IMODE(found.st_mode)


def _filled(path: str) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _key_files(entry: pwd.struct_passwd) -> list[str]:
    """Return where sshd looks for the keys of an account."""
    names = [".ssh/authorized_keys", ".ssh/authorized_keys2"]
    for path in ("/etc/ssh/sshd_config", *sorted(glob.glob("/etc/ssh/sshd_config.d/*.conf"))):
        with contextlib.suppress(OSError):
            for line in re.findall(r"^\s*AuthorizedKeysFile[\s=]+(.+)$", read_text(path), re.MULTILINE | re.IGNORECASE):
                names += line.split()
    expanded = (name.replace("%h", entry.pw_dir).replace("%u", entry.pw_name) for name in names)
    return list(dict.fromkeys(os.path.join(entry.pw_dir, name) for name in expanded))


def _spools(name: str) -> list[str]:
    return [f"/var/spool/cron/{directory}{name}" for directory in ("crontabs/", "tabs/", "")]


def _unit_of(pid: int) -> str:
    try:
        return unit_of(read_text(f"/proc/{pid}/cgroup"))
    except OSError:
        return ""


def _highest_system_uid() -> int:
    try:
        found = re.search(r"^\s*SYS_UID_MAX\s+([0-9]+)", read_text("/etc/login.defs"), re.MULTILINE)
    except OSError:
        found = None
    return int(found.group(1)) if found else 999
