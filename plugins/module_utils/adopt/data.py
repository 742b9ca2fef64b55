# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an application writes, found by owners, modes, open files and the names in its settings; nothing of it runs."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..apache.processes import started_at

_SQLITE = b"SQLite format 3\0"
_BESIDE = ("-wal", "-journal", "-shm")
_DATABASES = (".sqlite3", ".sqlite", ".db")
# Bounds of what is looked at.
_ENTRIES = 20000
_DEPTH = 6
_SOURCES = 200
_SIZE = 1 << 20
_CACHES = frozenset(["cache", "caches", "tmp", "temp", "CACHE", "webassets-cache"])
_PASSED_OVER = frozenset(["__pycache__", "node_modules", "site-packages"])
# What applications call a place of data, where owners and modes tell nothing.
_CALLED = frozenset(
    [
        "data",
        "database",
        "databases",
        "db",
        "files",
        "instance",
        "media",
        "sessions",
        "storage",
        "upload",
        "uploads",
        "userfiles",
        "var",
    ]
)
_SETTINGS = re.compile(r"(settings|config|configuration|local_settings|conf)[A-Za-z0-9_]*\.py")
_STATIC = frozenset(["STATIC_ROOT", "STATICFILES_DIRS", "STATIC_FOLDER", "DIRS", "LOCALE_PATHS", "FIXTURE_DIRS"])
_MEDIA = frozenset(["MEDIA_ROOT", "UPLOAD_FOLDER"])
_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|lib[^/]*|memfd:.*|proc|root|run|sbin|sys|tmp|usr|var/(log|run|tmp|cache))(/|$)"
)
_PLAIN = re.compile(r"(/[A-Za-z0-9._@:+,~=-]+){2,}")


@dataclass
class Mention:
    """A line of the application's settings that names a path."""

    # Its last component, or the whole of an absolute one.
    path: str
    file: str
    line: int
    # The setting that it is the value of, such as NAME or MEDIA_ROOT.
    setting: str = ""


@dataclass
class Data:
    """Directories below data/, with what fills them, and words for a person."""

    writable: list[str] = field(default_factory=list)
    # Place below data/ to path on the host.
    sources: dict[str, str] = field(default_factory=dict)
    # Variable to path on the host of ours, below data/.
    variables: dict[str, str] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass
class Account:
    """Who writes: the ids of an application's processes, what they hold open, and since when they run."""

    uids: Collection[int]
    gids: Collection[int]
    opened: Collection[str] = ()
    since: float = 0.0

    def owns(self, found: os.stat_result) -> bool:
        return found.st_uid in self.uids

    def may_write(self, found: os.stat_result) -> bool:
        if found.st_uid in self.uids:
            return bool(found.st_mode & stat.S_IWUSR)
        return bool(found.st_mode & (stat.S_IWGRP if found.st_gid in self.gids else stat.S_IWOTH))


def open_for_writing(pids: Iterable[int]) -> set[str]:
    """Return the files that processes have open to write."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError, StopIteration):
                    path = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                    with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="utf-8") as lines:
                        flags = next(int(line.split()[1], 8) for line in lines if line.startswith("flags:"))
                    if path.startswith("/") and flags & os.O_ACCMODE != os.O_RDONLY:
                        found.add(path)
    return found


def find_data(code: str, home: str, account: Account, served: Mapping[str, str], environment: str) -> Data:
    """Return what the application in this directory writes.

    home is where its data is to be, served has directories that Apache serves, each with its URL, environment is the
    directory of a virtual environment.
    """
    found = _Found(code, account, served, environment)
    data = Data(remarks=found.remarks)
    for path in sorted(found.directories):
        _add(data, code, home, path, found)
    for path in sorted(found.files):
        _add(data, code, home, path, found)
    return data


class _Found:
    """The directories and files of data, each as high as it goes."""

    def __init__(self, code: str, account: Account, served: Mapping[str, str], environment: str) -> None:
        self.code = code
        self.account = account
        self.served = served
        self.environment = environment
        self.directories: set[str] = set()
        self.caches: set[str] = set()
        self.files: set[str] = set()
        self.remarks: list[str] = []
        self.left = _ENTRIES
        self.mentions = list(_mentions(code, environment)) if code else []
        if code:
            with contextlib.suppress(OSError):
                self._look(code, os.lstat(code), 0)
        for path in self._outside():
            with contextlib.suppress(OSError):
                top = os.lstat(path)
                if stat.S_ISDIR(top.st_mode) and account.may_write(top):
                    self.directories.add(path)
                elif stat.S_ISREG(top.st_mode) and account.may_write(top) and _is_database(path):
                    self.files.add(path)
        self.directories = {one for one in self.directories if not _inside_of_one(one, self.directories)}
        self.files = {one for one in self.files if not _inside_of_one(one, self.directories)}

    def _look(self, directory: str, found: os.stat_result, depth: int) -> None:
        for entry in _entries(directory):
            self.left -= 1
            if self.left <= 0:
                return
            with contextlib.suppress(OSError):
                inner = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(inner.st_mode):
                    self._file(entry.path, inner)
                elif stat.S_ISDIR(inner.st_mode) and not self._is_passed_over(entry.path):
                    self._directory(entry.path, inner, found, depth)

    def _directory(self, path: str, inner: os.stat_result, above: os.stat_result, depth: int) -> None:
        name = os.path.basename(path)
        has_code = _has_code(path)
        if self.account.may_write(inner) and not has_code:
            if name in _CACHES or os.path.lexists(f"{path}/CACHEDIR.TAG"):
                self.caches.add(path)
                self.directories.add(path)
                return
            if self._is_data(path, name, inner, above):
                self.directories.add(path)
                return
        if depth < _DEPTH:
            self._look(path, inner, depth + 1)

    def _is_data(self, path: str, name: str, inner: os.stat_result, above: os.stat_result) -> bool:
        settings = {mention.setting for mention in self.mentions if _means(mention, path)}
        if any(one.startswith(f"{path}/") for one in self.account.opened) or settings & _MEDIA or _holds_database(path):
            return True
        if settings & _STATIC:
            return False
        # A directory of its own among what it may not change says it by itself.
        if name.lower() in _CALLED or not self.account.may_write(above):
            return True
        return path not in self.served and self._changed(path)

    def _changed(self, path: str) -> bool:
        """Tell whether files came or changed since the application runs."""
        if not self.account.since:
            return False
        for entry in _entries(path):
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and self.account.owns(found) and found.st_mtime > self.account.since:
                    return True
        return False

    def _file(self, path: str, found: os.stat_result) -> None:
        if not self.account.may_write(found) or path.endswith(_BESIDE):
            return
        if _is_database(path):
            self.files.add(path)
        elif path in self.account.opened:
            what = (
                "log to standard error, which is the app's error log" if path.endswith(".log") else "move it to data/"
            )
            self.remarks.append(f"{path} is written to, but a release is read-only: {what}")

    def _is_passed_over(self, path: str) -> bool:
        name = os.path.basename(path)
        virtual = path == self.environment or os.path.lexists(f"{path}/pyvenv.cfg")
        return name in _PASSED_OVER or name.startswith(".") or virtual

    def _outside(self) -> Iterator[str]:
        """Yield what may be data of the application elsewhere on the host."""
        named = {mention.path for mention in self.mentions if mention.path.startswith("/")}
        opened = {os.path.dirname(path) for path in self.account.opened}
        for path in sorted({*named, *opened, *self.served}):
            path = os.path.realpath(path)
            inside = f"{path}/".startswith(f"{self.code}/") or f"{self.code}/".startswith(f"{path}/")
            if _PLAIN.fullmatch(path) and not _SYSTEM.match(path) and not (self.code and inside):
                yield path


def _add(data: Data, code: str, home: str, path: str, found: _Found) -> None:
    """Give a place of data its place of ours, and say how the application finds it."""
    relative = path[len(code) + 1 :] if code and path.startswith(f"{code}/") else os.path.basename(path)
    plain = "/".join(re.sub(r"[^A-Za-z0-9._-]", "-", part).lstrip(".-") or "data" for part in relative.split("/"))
    is_file = path in found.files
    directory = _free(data, "db" if is_file and "/" not in plain else os.path.dirname(plain) if is_file else plain)
    data.writable.append(directory)
    place = f"{directory}/{os.path.basename(plain)}" if is_file else directory
    if path in found.caches:
        return
    data.sources[place] = path
    databases = [path] if is_file else [one.path for one in _entries(path) if _is_database(one.path)]
    if len(databases) == 1:
        variable = "DATABASE_PATH"
        target = place if is_file else f"{place}/{os.path.basename(databases[0])}"
    else:
        variable, target = f"{re.sub('[^A-Z0-9]', '_', plain.upper())}_DIR", place
    variable = variable if variable not in data.variables else f"{re.sub('[^A-Z0-9]', '_', place.upper())}_PATH"
    data.variables[variable] = f"{home}/data/{target}"
    named = [
        mention for mention in found.mentions if _means(mention, path) or any(_means(mention, d) for d in databases)
    ]
    where = ", ".join(
        f"in {os.path.relpath(one.file, code)} line {one.line}" + (f" ({one.setting})" if one.setting else "")
        for one in _last_of_each(named)[:3]
    )
    data.hints.append(
        f"{databases[0] if len(databases) == 1 else path}, named {where or 'somewhere in the code'}: write "
        f'os.environ.get("{variable}", OLD) there, where OLD is what the line says now'
    )


def _last_of_each(mentions: Sequence[Mention]) -> list[Mention]:
    return list({(one.file, one.line): one for one in mentions}.values())


def _free(data: Data, wanted: str) -> str:
    """Return a directory that is in none of the others, and has none of them in it."""
    number, name = 1, wanted
    while any(f"{name}/".startswith(f"{one}/") or f"{one}/".startswith(f"{name}/") for one in data.writable):
        number += 1
        name = f"{wanted}-{number}"
    return name


def _inside_of_one(path: str, directories: Collection[str]) -> bool:
    return any(path.startswith(f"{one}/") for one in directories)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return sorted((entry for entry, _number in zip(found, range(_ENTRIES))), key=lambda entry: entry.name)
    except OSError:
        return []


def _has_code(directory: str) -> bool:
    """Tell whether Python would find something of its own in a directory, or a level below."""
    below = []
    for entry in _entries(directory):
        if entry.name.endswith(".py") and entry.is_file(follow_symlinks=False):
            return True
        if entry.is_dir(follow_symlinks=False) and entry.name not in _PASSED_OVER:
            below.append(entry.path)
    return any(entry.name.endswith(".py") for path in below for entry in _entries(path))


def _holds_database(directory: str) -> bool:
    return any(_is_database(entry.path) for entry in _entries(directory))


def _is_database(path: str) -> bool:
    """Tell whether a regular file is SQLite's, also a new one that is empty."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return False
        return os.read(descriptor, len(_SQLITE)) == _SQLITE if found.st_size else path.endswith(_DATABASES)
    finally:
        os.close(descriptor)


def _means(mention: Mention, path: str) -> bool:
    return mention.path == path if mention.path.startswith("/") else mention.path == os.path.basename(path)


def _mentions(code: str, environment: str) -> Iterator[Mention]:
    """Yield the texts in the application's settings that may be names of files; only names and lines, and no values."""
    count = 0
    for directory, names, files in os.walk(code):
        names[:] = [
            name
            for name in sorted(names)
            if name not in _PASSED_OVER
            and not name.startswith(".")
            and f"{directory}/{name}" != environment
            and not os.path.lexists(f"{directory}/{name}/pyvenv.cfg")
        ]
        for name in sorted(files):
            if not (_SETTINGS.fullmatch(name) or (os.path.basename(directory) == "settings" and name.endswith(".py"))):
                continue
            count += 1
            if count > _SOURCES:
                return
            yield from _of_file(f"{directory}/{name}")


def _of_file(path: str) -> Iterator[Mention]:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _SIZE:
                return
            parsed = ast.parse(file.read(_SIZE))
        yield from _in_node(parsed, path, "")
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return


def _in_node(node: ast.AST, file: str, setting: str) -> Iterator[Mention]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and node.value.isprintable() and len(node.value) < 256:
            path = node.value.rstrip("/")
            name = path if path.startswith("/") else os.path.basename(path)
            if name:
                yield Mention(name, file, node.lineno, setting)
        return
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        last = targets[-1]
        name = last.id if isinstance(last, ast.Name) else ""
        if isinstance(last, ast.Subscript) and isinstance(last.slice, ast.Constant):
            name = str(last.slice.value)
        if node.value is not None:
            yield from _in_node(node.value, file, name if name.isidentifier() else setting)
        return
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values):
            name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
            yield from _in_node(value, file, name if name.isidentifier() and name.isupper() else setting)
        return
    for child in ast.iter_child_nodes(node):
        yield from _in_node(child, file, setting)


def account_of(
    processes: Sequence[Mapping[str, Any]], uid: int | None, gid: int | None, pids: Iterable[int]
) -> Account:
    """Return who writes: a pool's processes, or Apache's account with its own where there is no pool."""
    uids = {int(process["uid"]) for process in processes} or ({uid} if uid is not None else set())
    gids = {int(group) for process in processes for group in (process["gid"], *process["groups"])}
    gids = gids or ({gid} if gid is not None else set())
    numbers = [int(process["pid"]) for process in processes] or list(pids)
    started = []
    for pid in numbers:
        with contextlib.suppress(OSError, ValueError, IndexError):
            started.append(started_at(pid))
    return Account(uids, gids, open_for_writing(numbers), min(started, default=0.0))
