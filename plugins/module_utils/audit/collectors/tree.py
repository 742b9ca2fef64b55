# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees of files as root sees them: bounded, each directory read once, no link followed, hardly anything opened."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...host.acl import WRITE, Acl
from ...host.errors import PalisadeError

# Where a tree is larger, or all of them take longer, the rest is unknown.
ENTRIES, SMALL_ENTRIES, IN_ONE_DIRECTORY = 150_000, 50_000, 20_000
SECONDS = 10.0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CODE = (".py", ".pyc", ".so", ".pth", ".wsgi", ".pyi", ".egg-link")
_CODE_NAMES = frozenset({"pyvenv.cfg", "__pycache__", "site-packages", "bin"})
# Of others' making: what looks like a secret there is a test's or an example's.
_PACKAGES = frozenset({"site-packages", "dist-packages", "node_modules", ".git"})
_SECRET_NAME = re.compile(
    r"\.env(\.(?!example|sample|template|dist|defaults)[\w-]+)*|environment|[^/]*\.(key|sqlite3?|db)"
    r"|id_(rsa|dsa|ecdsa|ed25519)|\.(netrc|pgpass|my\.cnf|htpasswd)|credentials(\.\w+)?"
)
_SECRET_SUSPECT = re.compile(
    r"[^/]*(settings|config|secret|credential|(local|prod(uction)?)(?=[_.-]))[^/]*\.(py|ini|cfg|conf|toml|ya?ml|json|env|properties)"
    r"|[^/]*\.(ini|cfg|conf|toml|env|pem)",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    rb"PRIVATE KEY-----|(secret|secret_?key|passw(or)?d|token|api_?key|private_?key|access_?key|dsn|database_url)"
    rb"[\"']?\s*[:=]\s*[rbuf]?(?P<quote>[\"'])[^\s\"'${%<][^\"'\n]{3,}(?P=quote)",
    re.IGNORECASE,
)
_SECRET_LINE = re.compile(
    rb"^\s*[\w.-]*(secret|secret_?key|passw(or)?d|token|api_?key|private_?key|access_?key|dsn|database_url)"
    rb"\s*[:=]\s*[^\s\"'${%<\[(][^\s(\[]{3,}\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_SECRET_SIZE = 32768
_ALIKE = 20
_ATTRIBUTES = ("system.posix_acl_access", "system.posix_acl_default")


class Row(NamedTuple):
    """One file or directory: what lstat says, what it is, and of which tree."""

    path: str
    mode: int
    uid: int
    gid: int
    size: int
    inode: tuple[int, int]
    kind: str = ""
    root: str = ""

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def shared(self) -> bool:
        """Tell whether it is a directory such as /tmp, in which nobody touches what another one owns."""
        return self.is_directory and bool(self.mode & stat.S_ISVTX)

    def shown(self) -> dict[str, Any]:
        """Return the row as facts have it."""
        mode = f"{stat.S_IMODE(self.mode):04o}"
        found = {"path": shown(self.path), "kind": self.kind, "root": self.root}
        return {**found, "owner": self.uid, "group": self.gid, "mode": mode}


def shown(path: str) -> str:
    """Return a path as text that every report can carry: bytes that are no UTF-8 as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def row_of(path: str, found: os.stat_result, kind: str = "", root: str = "") -> Row:
    inode = (found.st_dev, found.st_ino)
    return Row(path, found.st_mode, found.st_uid, found.st_gid, found.st_size, inode, kind, root)


def look_at(path: str, kind: str = "", root: str = "") -> Row | None:
    """Return the row of what a path leads to; None where there is nothing."""
    try:
        return row_of(path, os.stat(path), kind, root)
    except (OSError, ValueError):
        return None


class Disk:
    """Directories, each of which is read once however many walks pass it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._read: dict[str, tuple[list[Row], str]] = {}
        self._until = time.monotonic() + (SECONDS if seconds is None else seconds)

    def entries(self, directory: str) -> tuple[list[Row], str]:
        """Return the rows of a directory, and why they are not all of them."""
        if directory not in self._read:
            self._read[directory] = self._list(directory)
        return self._read[directory]

    def _list(self, directory: str) -> tuple[list[Row], str]:
        rows: list[Row] = []
        if time.monotonic() > self._until:
            return rows, "it took too long"
        try:
            descriptor = os.open(directory, _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            # Gone, or made something else, since its own row was read.
            return rows, ""
        except OSError as error:
            gone = error.errno == errno.ELOOP
            return rows, "" if gone else f"{shown(directory)[:200]}: {error.strerror}"
        try:
            with os.scandir(descriptor) as entries:
                # One directory is not to hide what is beside it.
                for entry in itertools.islice(entries, IN_ONE_DIRECTORY):
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    rows.append(row_of(os.path.join(directory, entry.name), found))
                    if not len(rows) % 1000 and time.monotonic() > self._until:
                        return rows, "it took too long"
                cut = next(entries, None) is not None
        except OSError as error:
            return rows, f"{shown(directory)[:200]}: {error.strerror}"
        finally:
            os.close(descriptor)
        return rows, f"{shown(directory)} holds more files than the audit looks at" if cut else ""


@dataclass
class Tree:
    """A directory of the pools that name it."""

    top: str
    kind: str
    pools: set[str] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    # With an extended ACL.
    acls: list[dict[str, Any]] = field(default_factory=list)
    alike: dict[tuple[str, str], int] = field(default_factory=dict)
    # The scripts in it, where it is walked for nothing else.
    scripts: set[str] = field(default_factory=set)
    unknown: str = ""

    # Of the rows, the secrets and what others than the owner may write.
    secrets: list[Row] = field(default_factory=list)
    loose: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Take in a row."""
        self.rows.append(row)
        if row.kind == "secret":
            self.secrets.append(row)
        if row.mode & 0o022 and not row.shared:
            self.loose.append(row)


def holds_code(directory: str, scripts: Iterable[str]) -> list[str]:
    """Return what else of Python there is in the directory of scripts."""
    kept = {*scripts, "__pycache__"}
    try:
        with os.scandir(directory) as entries:
            found = [entry for entry in itertools.islice(entries, IN_ONE_DIRECTORY) if entry.name not in kept]
            return sorted(entry.name for entry in found if _is_code(entry))
    except OSError:
        return []


def _is_code(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):
        try:
            with os.scandir(entry.path) as inside:
                return any(one.name.endswith(_CODE) for one in itertools.islice(inside, IN_ONE_DIRECTORY))
        except OSError:
            return False
    return entry.name.endswith(_CODE) or entry.name.startswith((".env", ".git", "requirements"))


def walk_tree(disk: Disk, tree: Tree, others: Iterable[str]) -> None:
    """Fill in the rows of a tree, without what other trees have."""
    stop = set(others) - {tree.top}
    left = SMALL_ENTRIES if tree.kind == "account" else ENTRIES
    top = look_at(tree.top, "root", tree.kind)
    if top is None:
        tree.unknown = f"{shown(tree.top)} is not there"
        return
    _keep(tree, top)
    known: dict[str, int] = {tree.top: 0}
    waiting = [(tree.top, tree.kind != "python-home")]
    while waiting:
        directory, ours = waiting.pop()
        entries, why = disk.entries(directory)
        tree.unknown = tree.unknown or why
        if tree.kind == "account" and directory != tree.top and _has(entries, "pyvenv.cfg"):
            continue
        if tree.kind != "account" and any(entry.path.endswith(_CODE) for entry in entries):
            number = known[directory]
            if tree.rows[number].kind == "data":
                tree.rows[number] = tree.rows[number]._replace(kind="code")
        left -= len(entries)
        if left < 0:
            tree.unknown = f"{shown(tree.top)} holds more files than the audit looks at"
            left += len(entries)
            continue
        for entry in entries:
            name = entry.path.rpartition("/")[2]
            if entry.is_directory and entry.path not in stop:
                known[entry.path] = len(tree.rows)
                _keep(tree, Row(*entry[:6], _kind(tree, name), tree.kind))
                waiting.append((entry.path, ours and name not in _PACKAGES))
            elif entry.is_file:
                kind = _kind(tree, name)
                if ours and _is_secret(entry, name):
                    kind = "secret"
                _keep(tree, Row(*entry[:6], kind, tree.kind))


def _has(entries: Sequence[Row], name: str) -> bool:
    return any(entry.path.endswith("/" + name) for entry in entries)


def _kind(tree: Tree, name: str) -> str:
    if tree.kind == "account":
        return "data"
    code = tree.kind == "python-home" or name in _CODE_NAMES or name.endswith(_CODE)
    return "code" if code else "data"


def _keep(tree: Tree, row: Row) -> None:
    """Add a row, and its ACL; of files that are neither code nor secret only what somebody else may write."""
    for acl in acls_of(row):
        # Of many that say the same, some.
        alike = (str(acl), row.kind)
        tree.alike[alike] = tree.alike.get(alike, 0) + 1
        if tree.alike[alike] <= _ALIKE:
            tree.acls.append({**row.shown(), **acl})
    if row.is_directory or row.kind != "data" or row.mode & 0o022:
        tree.add(row)


def acls_of(row: Row) -> Iterator[dict[str, Any]]:
    """Give the extended ACLs of a file or directory; one whose mask leaves nothing is none."""
    # A mask shows as the group's part of the mode.
    names = _ATTRIBUTES[: 1 if row.mode & 0o070 else 0] + _ATTRIBUTES[1 : 2 if row.is_directory else 1]
    for name in names:
        try:
            raw = os.getxattr(row.path, name, follow_symlinks=False)
            acl = Acl.decode(raw)
        except OSError:
            continue
        except PalisadeError:
            yield {"users": {}, "groups": {}, "default": name == _ATTRIBUTES[1], "unread": True}
            continue
        if acl.users or acl.groups:
            users = {str(uid): entry & acl.limit for uid, entry in acl.users.items()}
            groups = {str(gid): entry & acl.limit for gid, entry in acl.groups.items()}
            yield {"users": users, "groups": groups, "default": name == _ATTRIBUTES[1], "unread": False}


def writers_of(row: Row) -> dict[str, Any]:
    """Return who may change a file, or what is in a directory: {users, groups, everybody}. Its owner always may."""
    users, groups, everybody = {row.uid}, set(), False
    if not row.shared:
        acl = Acl.from_mode(row.mode)
        with contextlib.suppress(OSError, PalisadeError):
            acl = Acl.decode(os.getxattr(row.path, _ATTRIBUTES[0]))
        users |= {uid for uid, entry in acl.users.items() if entry & acl.limit & WRITE}
        members = {**acl.groups, row.gid: acl.group | acl.groups.get(row.gid, 0)}
        groups = {gid for gid, entry in members.items() if entry & acl.limit & WRITE}
        everybody = bool(acl.other & WRITE)
    return {"users": sorted(users), "groups": sorted(groups), "everybody": everybody}


def _is_secret(row: Row, name: str) -> bool:
    if _SECRET_NAME.fullmatch(name):
        return row.size > 0
    if not _SECRET_SUSPECT.fullmatch(name):
        return False
    text = read_start(row.path, _SECRET_SIZE)
    if _SECRET_TEXT.search(text):
        return True
    return not name.endswith((".py", ".json", ".pem")) and bool(_SECRET_LINE.search(text))


def read_start(path: str, size: int) -> bytes:
    """Return the start of a regular file; nothing of anything else, which is not opened for long."""
    try:
        descriptor = _opened(path)
    except (OSError, ValueError):
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.read(descriptor, size)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _opened(path: str) -> int:
    try:
        # Only the owner and root may leave the time of the last access alone.
        return os.open(path, _FILE | os.O_NOATIME)
    except PermissionError:
        return os.open(path, _FILE)


def way_to(path: str) -> list[str]:
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


def loose(row: Row) -> bool:
    """Tell whether anybody but root may write it, as far as owner, mode and ACL say."""
    if row.uid != 0 or row.mode & 0o002:
        return True
    return bool(row.mode & 0o020) and (row.gid != 0 or any(acls_of(row)))


@dataclass
class Served:
    """What Apache serves from a directory: what others than root may write there, and files of some names."""

    directories: list[Row] = field(default_factory=list)
    files: list[Row] = field(default_factory=list)
    # Links that lead to directories; of these only the directory itself was looked at.
    links: list[str] = field(default_factory=list)
    unknown: str = ""


def walk_served(disk: Disk, top: str, names: Sequence[str]) -> Served:
    """Return what there is in a served directory."""
    found = Served()
    first = look_at(top)
    if first is None:
        return found
    found.directories += [first] if loose(first) else []
    left, waiting = SMALL_ENTRIES, [top] if first.is_directory else []
    while waiting:
        entries, why = disk.entries(waiting.pop())
        found.unknown = found.unknown or why
        left -= len(entries)
        if left < 0:
            found.unknown = f"{shown(top)} holds more files than the audit looks at"
            left += len(entries)
            continue
        for entry in entries:
            if entry.is_directory:
                waiting.append(entry.path)
                found.directories += [entry] if loose(entry) else []
            elif stat.S_ISLNK(entry.mode):
                target = look_at(os.path.realpath(entry.path))
                if target is not None and target.is_directory:
                    found.links.append(entry.path)
                    found.directories += [target._replace(path=entry.path)] if loose(target) else []
            elif entry.path.rpartition("/")[2] in names:
                found.files.append(entry)
    return found


def walk_wide(
    disk: Disk, tops: Sequence[str], skipped: Iterable[str], identities: Mapping[str, set[int]]
) -> tuple[list[Row], str]:
    """Return what these users and groups may perhaps write below these directories; closed ones are not entered."""
    skipped = set(skipped)
    users, groups = identities["users"], identities["groups"]
    found: list[Row] = []
    unknown, left = "", SMALL_ENTRIES
    waiting = [top for top in tops if not os.path.islink(top)]
    while waiting:
        directory = waiting.pop()
        entries, why = disk.entries(directory)
        unknown = unknown or why
        left -= len(entries)
        if left < 0:
            unknown = "there are more files than the audit looks at"
            left += len(entries)
            continue
        for entry in entries:
            if entry.path in skipped or stat.S_ISLNK(entry.mode):
                continue
            if not entry.shared and _lets(entry, 0o2, users, groups):
                found.append(entry)
                # Whoever may write it has what is in it.
                continue
            if entry.is_directory and _lets(entry, 0o1, users, groups):
                waiting.append(entry.path)
    return found, unknown


def _lets(row: Row, bit: int, users: set[int], groups: set[int]) -> bool:
    """Tell whether a mode or an ACL could let one of these do it."""
    if row.mode & bit or row.uid in users:
        return True
    return bool(row.mode & bit << 3) and (row.gid in groups or any(acls_of(row)))
