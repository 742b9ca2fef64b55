# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's processes as the kernel shows them; a daemon belongs to the pool whose socket it listens on."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

# <prefix>.<parent pid>.<generation or uUID>.<number of the WSGIDaemonProcess>.sock
SOCKET = re.compile(r"\.([0-9]+)\.(u?[0-9]+)\.([0-9]+)\.sock")

_MEMORY_FILE = "/memfd:"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _stat_fields(pid: int) -> list[str]:
    # The name in parentheses may hold spaces and parentheses itself.
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def parent_pid(pid: int) -> int:
    """Return the parent of a process."""
    return int(_stat_fields(pid)[1])


def started_at(pid: int) -> float:
    """Return when a process started, in seconds since the epoch, to a hundredth."""
    # Not from btime in /proc/stat: that is cut to whole seconds.
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(_stat_fields(pid)[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _executable(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/exe").replace(" (deleted)", "")


def apache_parent(binary: str) -> int | None:
    """Return the pid of the running Apache's parent process; None where there is none."""
    binary = os.path.realpath(binary)
    for pid in _pids():
        try:
            if _executable(pid) == binary and _executable(parent_pid(pid)) != binary:
                return pid
        except (OSError, ValueError):
            continue
    return None


def apache_children(binary: str) -> set[int]:
    """Return the pids of the running Apache's own processes below its parent: workers and daemons."""
    parent = apache_parent(binary)
    children: set[int] = set()
    for pid in _pids() if parent is not None else []:
        # It may have ended meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if parent_pid(pid) == parent:
                children.add(pid)
    return children


def _unix_sockets() -> dict[str, str]:
    """Return the path of each bound unix socket by its inode."""
    rows = (line.split(None, 7) for line in _read("/proc/net/unix").splitlines()[1:])
    return {row[6]: row[7] for row in rows if len(row) == 8}


def _pool_socket(pid: int, parent: int, sockets: Mapping[str, str], shown: str) -> tuple[int, int] | None:
    """Return (generation, number) of the one pool socket that the process holds; -1 for a socket without generation."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        except PermissionError:
            # A container without CAP_SYS_PTRACE hides what a daemon holds even from root: its name in ps is left.
            return (-1, 0) if shown.startswith("(wsgi:") else None
        found = SOCKET.search(sockets.get(target[8:-1], "")) if target.startswith("socket:[") else None
        if found and int(found.group(1)) == parent:
            generation = -1 if found.group(2).startswith("u") else int(found.group(2))
            return generation, int(found.group(3))
    return None


def _name_of_uid(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _name_of_gid(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _working_directory(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except PermissionError:
        return None


def directories_of(accounts: Collection[str]) -> set[str]:
    """Return the working directories of all processes of these accounts."""
    found = set()
    for pid in _pids() if accounts else []:
        with contextlib.suppress(OSError):
            if _name_of_uid(os.stat(f"/proc/{pid}").st_uid) in accounts:
                found.add(os.readlink(f"/proc/{pid}/cwd"))
    return found


def _describe(pid: int) -> dict[str, Any]:
    status = dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines() if ":" in line)
    uid, gid = int(status["Uid"].split()[1]), int(status["Gid"].split()[1])
    return {
        "pid": pid,
        "uid": uid,
        "gid": gid,
        "user": _name_of_uid(uid),
        "group": _name_of_gid(gid),
        "groups": sorted({int(item) for item in status["Groups"].split()}),
        "umask": status.get("Umask", "").strip(),
        "cwd": _working_directory(pid),
        "started": started_at(pid),
    }


def thread_count(pid: int) -> int:
    """Return how many threads a process has; 0 for one that has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def marks(pid: int) -> set[str] | None:
    """Return the names of the memory files that a process holds; None where a container hides them from root.

    By them the entry file of an app says how its import went.
    """
    found: set[str] = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if target.startswith(_MEMORY_FILE):
                    found.add(target[len(_MEMORY_FILE) :].replace(" (deleted)", ""))
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except PermissionError:
        return None
    return found


def live_pools(binary: str, declared: Sequence[Mapping[str, Any]], parent: int | None = None) -> list[dict[str, Any]]:
    """Return the pools that are running, each with its processes of the newest generation.

    parent is the Apache that is meant where several of this binary run.

    declared is in Apache's order, which numbers the sockets. A pool that runs but is no longer declared, or
    not at its place since the configuration changed on disk, has the name it shows in ps, or an empty one.
    """
    parent = apache_parent(binary) if parent is None else parent
    if parent is None:
        return []
    sockets = _unix_sockets()
    found: list[tuple[int, int, str, dict[str, Any]]] = []
    for pid in _pids():
        try:
            if parent_pid(pid) != parent:
                continue
            shown = _read(f"/proc/{pid}/cmdline").split("\0")[0]
            socket = _pool_socket(pid, parent, sockets, shown)
            if socket:
                found.append((*socket, shown, _describe(pid)))
        except (FileNotFoundError, ProcessLookupError):
            # It ended while it was read.
            continue
    newest = max((row[0] for row in found), default=0)
    pools: dict[str, dict[str, Any]] = {}
    for generation, number, shown, process in found:
        if generation in (newest, -1):
            name = _pool_name(number, shown, process["user"], declared)
            pools.setdefault(name, {"name": name, "processes": []})["processes"].append(process)
    return sorted(pools.values(), key=lambda pool: str(pool["name"]))


def _pool_name(number: int, shown: str, user: str, declared: Sequence[Mapping[str, Any]]) -> str:
    # What ps shows is cut to the length of Apache's own name, so it can only confirm.
    label = shown[len("(wsgi:") :].rstrip(" )") if shown.startswith("(wsgi:") else None
    pool: Mapping[str, Any] = declared[number - 1] if 0 < number <= len(declared) else {"name": "", "options": {}}
    name = str(pool["name"])
    # mod_wsgi-express names its pool in another way than display-name= does.
    titled = str(pool["options"].get("display-name", "")).startswith(shown.rstrip())
    if label is None or (name and (name.startswith(label) or titled)):
        return name
    named = [pool for pool in declared if str(pool["name"]).startswith(label)]
    alike = [str(pool["name"]) for pool in named if len(named) == 1 or pool["options"].get("user") == user]
    return alike[0] if len(alike) == 1 else label
