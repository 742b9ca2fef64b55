# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of accounts, processes and the unit for the audit; nothing is changed.

What cannot be read leaves its field empty, and the reason in HostFacts.unknown.
"""

from __future__ import annotations

import contextlib
import glob
import grp
import os
import pwd
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable

from ...apache.processes import started_at
from ...host.command import Run
from ...host.errors import PalisadeError
from ..config import without_secrets
from ..crowd import public_ports
from ..facts import Facts, HostFacts, code_paths
from ..secret_names import secret_names
from .access import NOBODIES, as_account, in_mounts, readable_files
from .filters import connection_bounds
from .packages import module_file, package_of
from .sudoers import Account, Sudoers, read_sudoers, without_password
from .tree import way_to

_RUNNING_SYSTEMD = "/run/systemd/system"
UNIT_SETTINGS = (
    "LoadState",
    "TimeoutStopUSec",
    "User",
    "DynamicUser",
    "PrivateUsers",
    "CapabilityBoundingSet",
    "SystemCallFilter",
    "RestrictAddressFamilies",
    "LimitNPROC",
    "NoNewPrivileges",
    "ProtectSystem",
    "ProtectHome",
    "BindPaths",
    "BindReadOnlyPaths",
    "PrivateTmp",
    "PrivateDevices",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictSUIDSGID",
)
# Programs that run what somebody wrote.
_INTERPRETERS = re.compile(r"(?:php|perl|python|ruby|node|uwsgi|lua|java|tclsh)[\w.-]*$")
_PKILL = re.compile(r"\b(?:pkill|killall)\b[^;&|\n]*(?:-\w*f|--full)\b[^;&|\n]*wsgi")
_JOBS = (
    "/etc/crontab",
    "/etc/cron.*/*",
    "/var/spool/cron/*",
    "/var/spool/cron/*/*",
    "/etc/logrotate.d/*",
    "/etc/systemd/system/*.service",
    "/etc/systemd/system/*.d/*.conf",
)
# What keeps one account from using what another one does in a directory for everybody.
SYSCTLS = ("fs/protected_symlinks", "fs/protected_hardlinks", "fs/protected_regular", "fs/protected_fifos")
_REPLACED = re.compile(r" (/\S+\.so(?:\.[0-9.]+)?) \(deleted\)$", re.MULTILINE)
_JOB_FILES, _JOB_SIZE = 1000, 1 << 16
_FORK_SETTLES = 0.1
# A limit of cgroups that is none: nearly the largest number.
_UNLIMITED = 1 << 60


def host_facts(facts: Facts, run: Run) -> HostFacts:
    """Return what the host shows of the accounts and processes around these pools."""
    host = HostFacts()

    def part(name: str, read: Callable[[], Any]) -> None:
        try:
            setattr(host, name, read())
        except (OSError, PalisadeError, ValueError, LookupError) as error:
            host.unknown[name] = str(error) or type(error).__name__

    parent = facts.instance.pid
    table = process_table()
    part("accounts", lambda: _accounts(facts, table, host))
    part("owners", lambda: {pool.name: _owners(code_paths(facts, pool)) for pool in facts.pools})
    part("scripts", lambda: _scripts(facts))
    part("jobs", pkill_jobs)
    part("telemetry", lambda: _telemetry(facts))
    part("packages", lambda: _packages(facts, run))
    part("sysctls", lambda: {name: _sysctl(name) for name in SYSCTLS})
    part("filters", lambda: connection_bounds(public_ports(facts), run))
    part("ipv6", lambda: has_ipv6(_read("/proc/net/if_inet6")))
    if parent is None:
        return host
    part("parent", lambda: _parent(parent))
    part("children", lambda: _children(facts, table))
    part("twins", lambda: _twins(parent, facts.instance.binary, table))
    part("foreign", lambda: _foreign(facts, table))
    part("loaded", lambda: loaded(parent, [row["pid"] for row in host.children if row["own"]]))
    part("changed", lambda: changed(facts.instance.files, host.loaded[0]))
    part("bounds", lambda: {name: _bounds(rows[0]["pid"]) for name, rows in facts.live.items() if rows})
    part("stale", lambda: {name: _stale(rows) for name, rows in facts.live.items()})
    part("dumpable", lambda: {name: _dumpable(rows) for name, rows in facts.live.items()})
    part("reach", lambda: _reach(facts))
    part("unit", lambda: _unit(host.parent["unit"], run))
    return host


def _read(path: str, size: int = 1 << 20) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(size)


def _status(pid: int) -> dict[str, str]:
    rows = (line.partition(":") for line in _read(f"/proc/{pid}/status").splitlines())
    return {key: value.strip() for key, _colon, value in rows}


def _words(pid: int) -> list[str]:
    return [word for word in _read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0") if word]


def _program(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe").replace(" (deleted)", "")
    except OSError:
        return ""


def process_table() -> dict[int, dict[str, Any]]:
    """Return {parent, uid} of every process that this host's own namespace has."""
    found: dict[int, dict[str, Any]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, KeyError, ValueError):
                status = _status(int(name))
                found[int(name)] = {"parent": int(status["PPid"]), "uid": int(status["Uid"].split()[1])}
    return found


def _ours(pid: int) -> bool:
    """Return whether a process is none of a container's."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def _below(top: int, table: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Return a process and all that descend from it."""
    found = {top}
    grown = True
    while grown:
        more = {pid for pid, row in table.items() if row["parent"] in found} - found
        grown = bool(more)
        found |= more
    return found


# --- Accounts


def _accounts(facts: Facts, table: Mapping[int, Mapping[str, Any]], host: HostFacts) -> dict[str, dict[str, Any]]:
    """Return what is known of each pool's account, and fill in the names of groups."""
    apache = _below(facts.instance.pid, table) if facts.instance.pid is not None else set()
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
    others = [pid for pid, row in table.items() if row["uid"] == entry.pw_uid and pid not in apache and _ours(pid)]
    try:
        locked: bool | None = password_locked(entry.pw_name, _read("/etc/shadow", 1 << 24))
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
        "others": sorted({os.path.basename(_program(pid)) or "?" for pid in others}),
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
            for line in re.findall(r"^\s*AuthorizedKeysFile[\s=]+(.+)$", _read(path), re.MULTILINE | re.IGNORECASE):
                names += line.split()
    expanded = (name.replace("%h", entry.pw_dir).replace("%u", entry.pw_name) for name in names)
    return list(dict.fromkeys(os.path.join(entry.pw_dir, name) for name in expanded))


def _spools(name: str) -> list[str]:
    return [f"/var/spool/cron/{directory}{name}" for directory in ("crontabs/", "tabs/", "")]


def _highest_system_uid() -> int:
    try:
        found = re.search(r"^\s*SYS_UID_MAX\s+([0-9]+)", _read("/etc/login.defs"), re.MULTILINE)
    except OSError:
        found = None
    return int(found.group(1)) if found else 999


def _owners(paths: Mapping[str, str]) -> list[int]:
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found.add(os.stat(path).st_uid)
    return sorted(found)


# --- Apache's processes


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give what a command line sets: NAME=VALUE, and directives such as -c 'SetEnv NAME VALUE'."""
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        if equals:
            yield name[word.startswith("-D") :], value
        directive = word.split(None, 2)
        if len(directive) == 3:
            yield directive[1], directive[2]


def _parent(pid: int) -> dict[str, Any]:
    environment = (pair.partition("=") for pair in _read(f"/proc/{pid}/environ").split("\0") if pair)
    status = _status(pid)
    return {
        "uid": int(status["Uid"].split()[1]),
        "mapped": _read(f"/proc/{pid}/uid_map").split() != ["0", "0", "4294967295"],
        "environment": secret_names((name, value) for name, _equals, value in environment),
        "label": _label(pid),
        "enforcing": _enforcing(),
        "unit": unit_of(_read(f"/proc/{pid}/cgroup")),
    }


def _label(pid: int) -> str:
    try:
        return _read(f"/proc/{pid}/attr/current").strip("\0\n ")
    except OSError:
        # EINVAL: no such module of the kernel is there.
        return ""


def _enforcing() -> bool | None:
    """Return whether SELinux enforces; None where there is none."""
    try:
        return _read("/sys/fs/selinux/enforce").strip() == "1"
    except OSError:
        return None


def unit_of(cgroup: str) -> str:
    """Return the service that a process belongs to, by its cgroups; empty for none."""
    for line in cgroup.splitlines():
        number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if number == "0" or "name=systemd" in controllers:
            services = [name for name in path.split("/") if name.endswith(".service")]
            if services:
                return services[-1]
    return ""


def _children(facts: Facts, table: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return Apache's own processes and what else it started, such as the programs that it logs to."""
    parent, binary = facts.instance.pid, os.path.realpath(facts.instance.binary)
    pools = {row["pid"]: name for name, rows in facts.live.items() for row in rows}
    rows = {pid: _child(pid, pools, binary) for pid, row in table.items() if row["parent"] == parent}
    if any(row and row["own"] and row["uid"] == 0 for row in rows.values()):
        # One that was just started has not become another account yet.
        time.sleep(_FORK_SETTLES)
        rows = {pid: _child(pid, pools, binary) for pid in rows}
    return [row for row in rows.values() if row]


def _child(pid: int, pools: Mapping[int, str], binary: str) -> dict[str, Any] | None:
    try:
        words, status, program = _words(pid), _status(pid), _program(pid)
        # A container without CAP_SYS_PTRACE hides the program of another account's process, but not its name.
        named = status["Name"] == os.path.basename(binary)[:15]
        return {
            "pid": pid,
            "uid": int(status["Uid"].split()[1]),
            "program": program,
            "own": program == binary or (not program and named),
            "pool": pools.get(pid, ""),
            "hidden": _hidden(pid),
            "command": without_secrets(" ".join(words))[:200],
            "secrets": secret_names(_pairs(words)),
        }
    except (OSError, KeyError, ValueError):
        return None


def _hidden(pid: int) -> bool:
    """Return whether this container keeps from root what a process holds."""
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd")[:1]:
            with contextlib.suppress(FileNotFoundError):
                os.readlink(f"/proc/{pid}/fd/{descriptor}")
    except PermissionError:
        return True
    return False


def _twins(parent: int, binary: str, table: Mapping[int, Mapping[str, Any]]) -> list[int]:
    """Return other parents of Apache that were started in the same way."""
    words = _words(parent)
    found = []
    for pid, row in table.items():
        if row["uid"] != 0 or pid == parent or row["parent"] == parent or _program(pid) != binary:
            continue
        with contextlib.suppress(OSError):
            if _program(row["parent"]) != binary and _words(pid) == words and _ours(pid):
                found.append(pid)
    return found


def _foreign(facts: Facts, table: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return the interpreters that run as Apache's account beside this Apache."""
    uid, parent = facts.instance.uid, facts.instance.pid
    if uid is None or parent is None:
        return []
    apache = _below(parent, table)
    found = set()
    for pid, row in table.items():
        name = os.path.basename(_program(pid)) if row["uid"] == uid and pid not in apache else ""
        if _INTERPRETERS.match(name) and _ours(pid):
            found.add(name)
    return sorted(found)


def loaded(parent: int, children: Sequence[int]) -> list[float]:
    """Return the earliest and the latest time at which Apache may have read its configuration.

    A pool's socket is made whenever it is read; a process may be new because another one ended.
    """
    times = []
    for path in re.findall(rf"\s(/\S.*\.{parent}\.u?[0-9]+\.[0-9]+\.sock)$", _read(f"/proc/{parent}/net/unix"), re.M):
        for name in (f"/proc/{parent}/root{path}", path):
            with contextlib.suppress(OSError):
                times.append(os.stat(name).st_mtime)
                break
    if times:
        return [max(times)] * 2
    for pid in children:
        with contextlib.suppress(OSError):
            times.append(started_at(pid))
    if not times:
        raise OSError("no process of its own")
    return [min(times), max(times)]


def changed(files: Iterable[str], since: float) -> dict[str, float]:
    """Return the files that were changed, or linked, after a time."""
    found = {}
    for path in files:
        with contextlib.suppress(OSError):
            latest = max(os.stat(path).st_mtime, os.lstat(path).st_mtime)
            if latest > since:
                found[path] = latest
    return found


def _dumpable(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether other processes of the account may look into one of these: it owns their files in /proc then."""
    found = False
    for row in rows:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = found or (row["uid"] != 0 and os.stat(f"/proc/{row['pid']}/environ").st_uid == row["uid"])
    return found


def _reach(facts: Facts) -> dict[str, dict[str, Any]]:
    """Return, by pool, whose processes it could signal and whose environment it could open."""
    rows = {name: rows[0] for name, rows in facts.live.items() if rows}

    def reached(name: str) -> dict[str, Any]:
        others = {other: int(row["pid"]) for other, row in rows.items() if other != name}
        try:
            return dict(as_account(rows[name], lambda: _try(others)))
        except (OSError, ValueError) as error:
            return {"unknown": f"could not become uid {rows[name]['uid']}: {error}"}

    # All of them are in the mounts of Apache's parent; one pool alone reaches nobody.
    return dict(in_mounts(facts.instance.pid, lambda: {name: reached(name) for name in rows if len(rows) > 1}))


def _try(others: Mapping[str, int]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"signal": [], "environment": []}
    for other, pid in others.items():
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            found["signal"].append(other)
        with contextlib.suppress(OSError):
            os.close(os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC))
            found["environment"].append(other)
    return found


# --- Limits and the unit


def _bounds(pid: int) -> dict[str, str]:
    """Return the limits of memory and processes that hold for a process; 'max' and 'unlimited' are none."""
    found = cgroup_bounds(_read(f"/proc/{pid}/cgroup"))
    for line in _read(f"/proc/{pid}/limits").splitlines():
        for name, shown in (("Max data size", "data"), ("Max address space", "address space")):
            if line.startswith(name):
                found[shown] = line[len(name) :].split()[0]
    return found


def cgroup_bounds(cgroup: str, top: str = "/sys/fs/cgroup") -> dict[str, str]:
    """Return memory.max and pids.max of /proc/PID/cgroup, whichever version of cgroups has them."""
    files = {
        ("", "memory.max"): (top, "memory.max"),
        ("", "pids.max"): (top, "pids.max"),
        ("memory", "memory.max"): (f"{top}/memory", "memory.limit_in_bytes"),
        ("pids", "pids.max"): (f"{top}/pids", "pids.max"),
    }
    numbers: dict[str, list[int]] = {"memory.max": [], "pids.max": []}
    for line in cgroup.splitlines():
        _number, controllers, path = line.split(":", 2)
        for (controller, name), (directory, file) in files.items():
            if controller == controllers:
                limits = [limit for limit in _limits(directory, path, file) if limit.isdigit()]
                numbers[name] += [int(limit) for limit in limits if int(limit) < _UNLIMITED]
    return {name: str(min(limits)) if limits else "max" for name, limits in numbers.items()}


def _limits(top: str, path: str, file: str) -> Iterator[str]:
    """Give the limits of a cgroup and of those above it, as far as they can be seen from here."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        with contextlib.suppress(OSError):
            yield _read("/".join([top, *parts[:length], file])).strip()


def _unit(name: str, run: Run) -> dict[str, str]:
    if not name:
        raise PalisadeError("Apache belongs to no unit of systemd")
    if not os.path.isdir(_RUNNING_SYSTEMD):
        raise PalisadeError("no systemd runs here")
    said = run(["systemctl", "show", "--no-pager", f"--property={','.join(UNIT_SETTINGS)}", "--", name])
    found = dict(line.partition("=")[::2] for line in said.splitlines() if "=" in line)
    if found.get("LoadState") != "loaded":
        raise PalisadeError(f"systemd does not have {name}")
    return {"name": name, **found}


# --- Files and packages


def _scripts(facts: Facts) -> dict[str, bool]:
    """Return, by target of a ScriptAlias, whether there is something to run."""
    found = {}
    for line, _around, _host in facts.tree.every("scriptalias", "scriptaliasmatch"):
        target = line.words[-1] if line.words else ""
        # Of a pattern the part that is the same for all.
        directory = target.partition("$")[0]
        try:
            found[target] = bool(os.listdir(directory)) if os.path.isdir(directory) else os.path.exists(directory)
        except OSError:
            found[target] = True
    return found


def _telemetry(facts: Facts) -> dict[str, list[str]]:
    """Return, by socket of WSGITelemetryService, which paths to it everybody may write."""
    found = {}
    for line, _around, _host in facts.tree.every("wsgitelemetryservice"):
        path = (line.words or [""])[0].partition("unix:")[2]
        if path.startswith("/"):
            found[path] = [one for one in (*way_to(path), path) if _for_everybody(one)]
    return found


def _for_everybody(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & stat.S_IWOTH)
    except OSError:
        return False


def pkill_jobs(patterns: Sequence[str] = _JOBS) -> list[str]:
    """Return the files of cron, logrotate and systemd that look for daemons by their command lines."""
    found: list[str] = []
    paths = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    for path in dict.fromkeys(paths[:_JOB_FILES]):
        with contextlib.suppress(OSError):
            if os.path.isfile(path) and any(
                _PKILL.search(line) for line in _read(path, _JOB_SIZE).splitlines() if not line.lstrip().startswith("#")
            ):
                found.append(path)
    return found


def _sysctl(name: str) -> str:
    try:
        return _read(f"/proc/sys/{name}", 64).strip()
    except FileNotFoundError:
        return ""


def has_ipv6(addresses: str) -> bool:
    """Tell whether /proc/net/if_inet6 has an address beyond loopback and the link."""
    return any(line.split()[3] == "00" for line in addresses.splitlines())


def _stale(processes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the libraries that processes have in their memory, and that are not on the disk any more."""
    found: set[str] = set()
    for process in processes:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= set(_REPLACED.findall(_read(f"/proc/{process['pid']}/maps", 1 << 24)))
    return sorted(found)


def _packages(facts: Facts, run: Run) -> dict[str, dict[str, Any]]:
    """Return package, version and mended holes of Apache and of the module that it has in its memory."""
    parent = facts.instance.pid
    found = {"apache": package_of(facts.instance.binary, run)}
    if parent is not None:
        found["apache"]["replaced"] = os.readlink(f"/proc/{parent}/exe").endswith(" (deleted)")
        path = module_file(_read(f"/proc/{parent}/maps", 1 << 24))
        if path:
            module = package_of(path.replace(" (deleted)", ""), run)
            found["module"] = {**module, "replaced": path.endswith(" (deleted)")}
    return found
