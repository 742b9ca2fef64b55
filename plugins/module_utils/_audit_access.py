# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an account may write, found out by really becoming it in a process of its own; nothing is changed or made."""

from __future__ import annotations

import ctypes
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Access

# Where a tree is larger, or takes longer, the rest is unknown.
ENTRIES = 150_000
SECONDS = 15.0
_CLONE_NEWNS = 0x00020000
_CODE = (".py", ".pyc", ".so", ".pth", ".wsgi", ".pyi", ".egg-link")
_CODE_NAMES = frozenset({"pyvenv.cfg", "__pycache__", "site-packages", "bin"})


def access_of(process: Mapping[str, Any], roots: Mapping[str, str]) -> Access:
    """Return what the account of a daemon may write of these roots and the directories above them."""
    try:
        found = as_process(process, lambda: _walk(roots), _judge)
    except (OSError, ValueError) as error:
        return Access(unknown=f"could not look as uid {process['uid']}: {error}")
    return Access(**found)


def as_process(process: Mapping[str, Any], before: Callable[[], Any], after: Callable[[Any, int], Any]) -> Any:
    """Return after(before()): before runs as root in the mounts of a process, after as its account."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            _enter_mounts(int(process["pid"]))
            seen = before()
            os.setgroups(process["groups"])
            os.setresgid(process["gid"], process["gid"], process["gid"])
            os.setresuid(process["uid"], process["uid"], process["uid"])
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                json.dump(after(seen, int(process["uid"])), pipe)
            status = 0
        except BaseException as error:  # the child must end here, whatever happens
            with os.fdopen(2, "w", closefd=False) as complaint:
                complaint.write(f"{error}\n")
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def _enter_mounts(pid: int) -> None:
    # A unit's PrivateTmp and ProtectSystem hold for the daemon, and for nobody else.
    ours, theirs = "/proc/self/ns/mnt", f"/proc/{pid}/ns/mnt"
    if os.readlink(ours) == os.readlink(theirs):
        return
    descriptor = os.open(theirs, os.O_RDONLY | os.O_CLOEXEC)
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "its mounts cannot be entered")
    os.chdir("/")


def _way_to(path: str) -> list[str]:
    """Return every directory on the way to a path, through each link on it."""
    found: list[str] = []
    waiting = [path]
    seen: set[str] = set()
    while waiting and len(seen) < 100:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        parts = [part for part in one.split("/") if part]
        for number in range(len(parts)):
            above, this = "/" + "/".join(parts[:number]), "/" + "/".join(parts[: number + 1])
            found.append(above)
            if os.path.islink(this):
                target = os.path.join(above, os.readlink(this))
                waiting.append(os.path.normpath(os.path.join(target, *parts[number + 1 :])))
                break
    return list(dict.fromkeys(found))


def _row(path: str, kind: str, root: str, found: os.stat_result, sticky: bool = False) -> list[Any]:
    return [path, kind, root, found.st_uid, found.st_mode, sticky]


def _walk(roots: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of every path to judge; read by root, without following a link."""
    rows: dict[str, list[Any]] = {}
    state = {"left": ENTRIES, "until": time.monotonic() + SECONDS, "unknown": ""}
    for path, kind in roots.items():
        real = os.path.realpath(path)
        if kind == "entry" and os.path.isfile(real):
            # Scripts lie beside it, or its cache.
            _add(rows, real, "entry", kind)
            real = os.path.dirname(real)
            _add(rows, real, "root", kind)
            if holds_code(real, os.path.basename(path)):
                _walk_into(real, kind, rows, state)
        elif kind == "home" and real == "/":
            state["unknown"] = "home=/ was not walked"
        elif os.path.isdir(real):
            _add(rows, real, "root", kind)
            _walk_into(real, kind, rows, state)
        else:
            state["unknown"] = f"{path} is not there"
        for above in _way_to(path):
            if above not in rows:
                _add(rows, above, "ancestor", kind)
    return {"rows": list(rows.values()), "unknown": state["unknown"]}


def holds_code(directory: str, script: str) -> list[str]:
    """Return what else of Python there is in the directory of a script."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return []
    return [entry.name for entry in entries if entry.name not in (script, "__pycache__") and _is_code(entry)]


def _is_code(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):
        try:
            return any(name.endswith(_CODE) for name in os.listdir(entry.path))
        except OSError:
            return False
    return entry.name.endswith(_CODE) or entry.name.startswith((".env", ".git", "requirements"))


def _add(rows: dict[str, list[Any]], path: str, kind: str, root: str) -> None:
    if path not in rows or rows[path][1] == "ancestor":
        try:
            found = os.stat(path)
        except OSError:
            return
        rows[path] = _row(path, kind, root, found, bool(found.st_mode & stat.S_ISVTX))


def _walk_into(top: str, root: str, rows: dict[str, list[Any]], state: dict[str, Any]) -> None:
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError:
            continue
        if any(entry.name.endswith(_CODE) for entry in entries) and rows.get(directory, ["", ""])[1] == "data":
            rows[directory][1] = "code"
        for entry in entries:
            state["left"] -= 1
            if state["left"] < 0 or time.monotonic() > state["until"]:
                state["unknown"] = f"{top} holds more than could be looked at"
                return
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.path in rows:
                continue
            code = root == "python-home" or entry.name in _CODE_NAMES or entry.name.endswith(_CODE)
            if stat.S_ISDIR(found.st_mode):
                rows[entry.path] = _row(entry.path, "code" if code else "data", root, found)
                waiting.append(entry.path)
            elif stat.S_ISREG(found.st_mode) and code:
                rows[entry.path] = _row(entry.path, "code", root, found)


def _judge(seen: dict[str, Any], uid: int) -> dict[str, Any]:
    """Return the fields of Access; runs as the account."""
    writable: list[dict[str, Any]] = []
    owned: list[dict[str, Any]] = []
    for path, kind, root, owner, mode, sticky in seen["rows"]:
        # Such as uploads: no code comes from there.
        if kind == "data":
            continue
        row = {"path": path, "kind": kind, "root": root, "owner": owner, "mode": f"{stat.S_IMODE(mode):04o}"}
        if owner == uid:
            # Its owner can give himself what its mode takes from him.
            owned.append(row)
        # In a directory with the sticky bit nobody renames what another one owns.
        elif kind == "ancestor" and sticky:
            continue
        if os.access(path, os.W_OK):
            writable.append(row)
    return {"writable": writable, "owned": owned, "checked": len(seen["rows"]), "unknown": seen["unknown"]}
