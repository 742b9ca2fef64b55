# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What accounts may read and write, found out by really becoming them in processes of their own; nothing is changed."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from .tree import Row, Tree, shown

# A process that takes longer, as on a network file system that hangs, is ended.
SECONDS, ACCOUNT_SECONDS = 60.0, 20.0
_GRACE = 2.0
_CLONE_NEWNS = 0x00020000
# Of a tree of somebody else's, so many files are enough, and so many secrets.
_FEW, _MANY = 3, 50
# One of them is in no group and owns nothing, whatever accounts the pools have.
NOBODIES = (65534, 65533, 65532)
# Names in all homes together that are looked at.
_LOOKED_AT = 20_000


def in_mounts(pid: int | None, look: Callable[[], Any]) -> Any:
    """Return what look() says as root in the mounts of a process; a JSON value."""

    def inside() -> Any:
        if pid is not None:
            _enter_mounts(pid)
        return look()

    return _in_child(inside, SECONDS)


def as_account(account: Mapping[str, Any], look: Callable[[], Any]) -> Any:
    """Return what look() says as an account with uid, gid and groups; a JSON value."""

    def inside() -> Any:
        os.setgroups(account["groups"])
        os.setresgid(account["gid"], account["gid"], account["gid"])
        os.setresuid(account["uid"], account["uid"], account["uid"])
        return look()

    return _in_child(inside, ACCOUNT_SECONDS)


def _in_child(work: Callable[[], Any], seconds: float) -> Any:
    """Return what work() returns in a process of its own; OSError where it fails or takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(work, writing, seconds)
    os.close(writing)
    try:
        said = _everything(reading, time.monotonic() + seconds + _GRACE)
    finally:
        os.close(reading)
        _end(child)
    try:
        answer = json.loads(said)
    except ValueError:
        raise OSError("the look at the files was stopped, or took too long") from None
    if "error" in answer:
        raise OSError(answer["error"])
    return answer["value"]


def _answer(work: Callable[[], Any], writing: int, seconds: float) -> NoReturn:
    """Write the answer and end; runs in the child, which must not come back to what forked it."""
    status = 1
    try:
        # Its memory is shared with the parent until something touches it.
        gc.disable()
        # The kernel ends it, also where it hangs in a file system.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            answer = {"value": work()}
        except Exception as error:  # whatever it is, only the parent can tell it
            answer = {"error": str(error) or type(error).__name__}
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writing, data) :]
        status = 0
    finally:
        os._exit(status)


def _everything(descriptor: int, until: float) -> bytes:
    """Return what comes until the end of the pipe, or until the time is over."""
    parts: list[bytes] = []
    while True:
        ready = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]
        part = os.read(descriptor, 1 << 20) if ready else b""
        if not part:
            return b"".join(parts)
        parts.append(part)


def _end(child: int) -> None:
    """Reap a child; one that hangs is killed, and left to the end of this process where even that does not help."""
    until = time.monotonic() + _GRACE
    with contextlib.suppress(OSError):
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                return
            if time.monotonic() > until - _GRACE / 2:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.001)


def _enter_mounts(pid: int) -> None:
    # A unit's PrivateTmp and ProtectSystem hold for the daemon, and for nobody else.
    ours, theirs = "/proc/self/ns/mnt", f"/proc/{pid}/ns/mnt"
    if os.readlink(ours) == os.readlink(theirs):
        return
    descriptor = os.open(theirs, os.O_RDONLY | os.O_CLOEXEC)
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "the audit cannot enter its mounts")
    os.chdir("/")


def may_write(row: Row) -> bool:
    """Tell whether this account may write, or give itself the right to; in a shared directory only what is its own."""
    if row.uid == os.geteuid():
        return True
    return not (row.kind == "ancestor" and row.shared) and os.access(row.path, os.W_OK)


def own_code(trees: Iterable[Tree], ways: Iterable[Row]) -> dict[str, Any]:
    """Return what this account could write, owns and cannot read of its own code; runs as the account."""
    found: dict[str, Any] = {"writable": [], "owned": [], "unreadable": [], "checked": 0}
    uid = os.geteuid()
    rows: dict[str, Row] = {row.path: row for row in ways}
    rows.update((row.path, row) for tree in trees if tree.kind != "account" for row in tree.rows)
    for path, row in rows.items():
        # Such as uploads: no code comes from there.
        if row.kind in ("data", "secret"):
            continue
        found["checked"] += 1
        if row.uid == uid:
            # Its owner can give himself what its mode takes from him.
            found["owned"].append(row.shown())
        elif row.kind == "ancestor" and row.shared:
            # Nobody renames there what another one owns.
            continue
        if os.access(path, os.W_OK):
            found["writable"].append(row.shown())
        if row.kind != "ancestor" and not os.access(path, _needed(row)):
            found["unreadable"].append(row.shown())
    return found


def _needed(row: Row) -> int:
    # Python lists the directories that it imports from; a script is opened by its name.
    listed = os.R_OK | os.X_OK if row.root != "entry" else os.X_OK
    return listed if row.is_directory else os.R_OK


def own_data(trees: Iterable[Tree]) -> list[dict[str, Any]]:
    """Return the topmost directories without code in these trees that this account may write."""
    found: list[dict[str, Any]] = []
    inside: set[str] = set()
    for tree in trees:
        for row in tree.rows:
            home = row.kind == "root" and tree.kind == "account"
            if not row.is_directory or not (row.kind == "data" or home):
                continue
            # A repository's own.
            if row.path.endswith("/.git") or os.path.dirname(row.path) in inside:
                inside.add(row.path)
            elif os.access(row.path, os.W_OK):
                inside.add(row.path)
                found.append(row.shown())
    return found


def others_trees(trees: Iterable[Tree], served: Iterable[str] = ()) -> dict[str, Any]:
    """Return what this account may read and write of trees that are not its own; served ones may be read."""
    found: dict[str, list[dict[str, Any]]] = {"reads": [], "writes": [], "secrets": []}
    below = tuple(top.rstrip("/") + "/" for top in served)
    for tree in trees:
        if not os.access(tree.top, os.X_OK):
            continue
        code = (row for row in tree.rows if row.kind == "code" and row.is_file)
        for what, rows, bits in (
            ("writes", tree.loose, os.W_OK),
            ("secrets", tree.secrets, os.R_OK),
            ("reads", code, os.R_OK),
        ):
            mine = (row for row in rows if not (row.path + "/").startswith(below) and os.access(row.path, bits))
            few = itertools.islice(mine, _MANY if what == "secrets" else _FEW)
            found[what] += [{**row.shown(), "pools": sorted(tree.pools)} for row in few]
    return found


def readable_files(homes: Iterable[str], skipped: Iterable[str]) -> dict[str, list[str]]:
    """Return some files that this account may read in each of these directories, but not in the skipped ones."""
    skipped, left = set(skipped), _LOOKED_AT
    # What every new home begins with tells nothing of this one.
    try:
        usual = set(os.listdir("/etc/skel"))
    except OSError:
        usual = set()
    found: dict[str, list[str]] = {}
    for home in homes:
        found[home], waiting = [], [home]
        while waiting and left > 0 and len(found[home]) < _FEW:
            directory = waiting.pop()
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                for entry in itertools.islice(entries, left):
                    left -= 1
                    if entry.is_dir(follow_symlinks=False) and os.path.realpath(entry.path) not in skipped:
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False) and os.access(entry.path, os.R_OK):
                        found[home] += [shown(entry.path)] if directory != home or entry.name not in usual else []
        found[home] = sorted(found[home])[:_FEW]
    return found


def reachable(path: str) -> bool:
    """Tell whether this account may pass every directory on the way to what is there."""
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True


def connects(path: str, really: bool) -> bool:
    """Tell whether this account may connect to a socket; where the mode lets it, only really where that is allowed."""
    # A longer path is not for connect().
    if (not really and os.access(path, os.W_OK)) or len(os.fsencode(path)) > 107:
        return os.access(path, os.W_OK)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as plain:
        try:
            plain.connect(path)
        except BlockingIOError:
            # It is let in, but the queue is full.
            return True
        except OSError:
            return False
    return True
