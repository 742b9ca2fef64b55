# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of Apache's own processes and of its pools': who started them, what they hold and reach."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...apache.processes import started_at
from ..config import without_secrets
from ..facts import Facts
from ..secret_names import secret_names
from .access import as_account, in_mounts
from .proc import descendants, is_ours, program_of, read_text, status_of, words_of

# Programs that run what somebody wrote.
_INTERPRETERS = re.compile(r"(?:php|perl|python|ruby|node|uwsgi|lua|java|tclsh)[\w.-]*$")
_REPLACED = re.compile(r" (/\S+\.so(?:\.[0-9.]+)?) \(deleted\)$", re.MULTILINE)
_FORK_SETTLES = 0.1


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give what a command line sets: NAME=VALUE, and directives such as -c 'SetEnv NAME VALUE'."""
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        if equals:
            yield name[word.startswith("-D") :], value
        directive = word.split(None, 2)
        if len(directive) == 3:
            yield directive[1], directive[2]


def parent_facts(pid: int) -> dict[str, Any]:
    environment = (pair.partition("=") for pair in read_text(f"/proc/{pid}/environ").split("\0") if pair)
    status = status_of(pid)
    return {
        "uid": int(status["Uid"].split()[1]),
        "mapped": read_text(f"/proc/{pid}/uid_map").split() != ["0", "0", "4294967295"],
        "environment": secret_names((name, value) for name, _equals, value in environment),
        "label": _label(pid),
        "enforcing": _enforcing(),
        "unit": unit_of(read_text(f"/proc/{pid}/cgroup")),
    }


def _label(pid: int) -> str:
    try:
        return read_text(f"/proc/{pid}/attr/current").strip("\0\n ")
    except OSError:
        # EINVAL: no such module of the kernel is there.
        return ""


def _enforcing() -> bool | None:
    """Return whether SELinux enforces; None where there is none."""
    try:
        return read_text("/sys/fs/selinux/enforce").strip() == "1"
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


def children(facts: Facts, table: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
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
        words, status, program = words_of(pid), status_of(pid), program_of(pid)
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


def twins(parent: int, binary: str, table: Mapping[int, Mapping[str, Any]]) -> list[int]:
    """Return other parents of Apache that were started in the same way."""
    words = words_of(parent)
    found = []
    for pid, row in table.items():
        if row["uid"] != 0 or pid == parent or row["parent"] == parent or program_of(pid) != binary:
            continue
        with contextlib.suppress(OSError):
            if program_of(row["parent"]) != binary and words_of(pid) == words and is_ours(pid):
                found.append(pid)
    return found


def foreign(facts: Facts, table: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return the interpreters that run as Apache's account beside this Apache."""
    uid, parent = facts.instance.uid, facts.instance.pid
    if uid is None or parent is None:
        return []
    apache = descendants(parent, table)
    found = set()
    for pid, row in table.items():
        name = os.path.basename(program_of(pid)) if row["uid"] == uid and pid not in apache else ""
        if _INTERPRETERS.match(name) and is_ours(pid):
            found.add(name)
    return sorted(found)


def loaded(parent: int, children: Sequence[int]) -> list[float]:
    """Return the earliest and the latest time at which Apache may have read its configuration.

    A pool's socket is made whenever it is read; a process may be new because another one ended.
    """
    times = []
    for path in re.findall(
        rf"\s(/\S.*\.{parent}\.u?[0-9]+\.[0-9]+\.sock)$", read_text(f"/proc/{parent}/net/unix"), re.M
    ):
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


def dumpable(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether other processes of the account may look into one of these: it owns their files in /proc then."""
    found = False
    for row in rows:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = found or (row["uid"] != 0 and os.stat(f"/proc/{row['pid']}/environ").st_uid == row["uid"])
    return found


def reach(facts: Facts) -> dict[str, dict[str, Any]]:
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


def stale(processes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the libraries that processes have in their memory, and that are not on the disk any more."""
    found: set[str] = set()
    for process in processes:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= set(_REPLACED.findall(read_text(f"/proc/{process['pid']}/maps", 1 << 24)))
    return sorted(found)
