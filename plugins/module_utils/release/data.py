# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of a site that an app replaces: copied to the app's own place, where nothing but the copy is written.

Both sides may belong to accounts that plant links, so every name is opened below its directory's descriptor.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..host.errors import PalisadeError
from ..host.fs import Attributes, ensure_file, opened_directory, read_file, remove, sync

Row = Mapping[str, Any]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEPTH = 100
# What SQLite keeps beside a database. The last one is shared memory, which it makes anew.
_BESIDE = ("-wal", "-journal", "-shm")
# The kernel's clock for files goes in steps: a file that is younger can change again without a newer time.
_SETTLED_NS = 2 * 10**9
_SHOWN = 20
_MARKER = Attributes("root", "root", 0o600)


@dataclass
class Copied:
    """What one pass did, and what it left out."""

    files: int = 0
    bytes: int = 0
    removed: int = 0
    left_out: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.files or self.removed)

    def warnings(self, app: str) -> list[str]:
        """Return a text for what is no file of the site's own."""
        if not self.left_out:
            return []
        shown = [path if path.isprintable() else repr(path) for path in self.left_out[:_SHOWN]]
        more = [f"and {len(self.left_out) - _SHOWN} more"] if len(self.left_out) > _SHOWN else []
        return [f"app {app}: data_from: not copied, because these are not regular files: {', '.join([*shown, *more])}"]


def is_pending(row: Row) -> bool:
    """Tell whether an app's data is still to come; PalisadeError where it would take the place of the app's own."""
    if not row["copies"]:
        return False
    if _is_served(row):
        return False
    if os.path.lexists(row["marker"]):
        return True
    for copy in row["copies"]:
        if _has_content(copy["path"]):
            raise PalisadeError(
                f"app {row['app']}: data_from: {copy['path']} already holds data, but the app is not served; move "
                f"that data away to copy {copy['source']} again, or remove the entry from data_from to keep it"
            )
    return True


def _is_served(row: Row) -> bool:
    """Tell whether the app's site is live, and not closed as an interrupted play leaves it."""
    site = row["site"]
    if not os.path.lexists(site["link"] or site["path"]):
        return False
    try:
        with open(site["path"], encoding="utf-8", errors="replace") as file:
            return "WSGIDaemonProcess" in file.read()
    except FileNotFoundError:
        return False


def forgotten(row: Row) -> list[str]:
    """Return a warning for each place that stayed empty because the app was served before the list named its data."""
    found = []
    for copy in row["copies"]:
        # The old place may be gone by now, or be anything.
        with contextlib.suppress(PalisadeError, OSError):
            if not _has_content(copy["path"]) and _has_content(copy["source"]):
                found.append(
                    f"app {row['app']}: data_from: {copy['source']} is not copied to the empty {copy['path']}, "
                    "because the app is already served"
                )
    return found


def _has_content(path: str) -> bool:
    parent, name = os.path.split(path)
    with opened_directory(parent) as above:
        if above is None:
            return False
        try:
            found = os.stat(name, dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(found.st_mode):
            return True
        with _opened(name, above) as directory:
            return bool(os.listdir(directory))


def begin(row: Row) -> None:
    """Note that an app's data is on its way, so that a play which is interrupted is gone on with."""
    if not os.path.lexists(row["marker"]):
        note(row, {})


def note(row: Row, links: Mapping[str, str]) -> None:
    """Note beside it which links of the old site to put back."""
    ensure_file(row["marker"], json.dumps({"links": links}) + "\n", _MARKER, secret=False, check=False)


def noted(row: Row) -> dict[str, str]:
    """Return the links of the old site, by path."""
    parent, name = os.path.split(row["marker"])
    with opened_directory(parent) as above:
        text = read_file(above, name, row["marker"])[0] if above is not None else None
    return dict(json.loads(text)["links"]) if text else {}


def finish(row: Row) -> None:
    """Note that the data is the app's own from now on."""
    remove(row["marker"], check=False)


def check_sources(row: Row) -> None:
    """Refuse what could not be copied, before anything is changed."""
    needed = 0
    for copy in row["copies"]:
        with _source(row, copy) as (above, name, found):
            if copy["directory"] and not stat.S_ISDIR(found.st_mode):
                raise PalisadeError(
                    f"{_subject(row, copy)}: expected a directory, found a file; give it a path below an entry of "
                    f"writable, such as {os.path.basename(copy['path'])}/{name}"
                )
            needed += _size(above, name)
    place = row["copies"][0]["path"]
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    room = os.statvfs(place)
    if needed > room.f_bavail * room.f_frsize and not any(_has_content(copy["path"]) for copy in row["copies"]):
        raise PalisadeError(
            f"app {row['app']}: data_from: needs {needed >> 20} MiB in {place}, which has "
            f"{room.f_bavail * room.f_frsize >> 20} MiB free"
        )


def copy_data(row: Row, closed: bool) -> Copied:
    """Make the app's places equal to the old ones. Closed says that nobody writes to those any more."""
    identity = Attributes(row["owner"], row["group"], 0).ids(check=False)
    done = Copied()
    for copy in row["copies"]:
        with _source(row, copy) as (above, name, found):
            mirror = _Mirror(identity, closed, found.st_uid, done)
            parent, own = os.path.split(copy["path"])
            with opened_directory(parent) as target:
                if target is None:
                    raise PalisadeError(f"{_subject(row, copy)}: {parent} does not exist")
                if stat.S_ISDIR(found.st_mode):
                    mirror.directory(above, name, target, own, copy["source"])
                else:
                    mirror.database(above, name, target, own, copy["source"])
    # Not a sync for each file while the site is still up.
    if done.files and not closed:
        sync(os.path.dirname(row["copies"][0]["path"]))
    return done


def writers(row: Row) -> list[str]:
    """Return the processes that have a file of the old places open to write."""
    sources = [copy["source"] for copy in row["copies"]]
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        # It may end meanwhile, and a container may hide what it holds.
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    path = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                    inside = any(f"{path}/".startswith(f"{source}/") for source in sources)
                    if inside and _writes(pid, descriptor):
                        found.append(f"process {pid} ({_program(pid)}) writes to {path}")
    return found


def _writes(pid: str, descriptor: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="utf-8") as lines:
        flags = next(int(line.split()[1], 8) for line in lines if line.startswith("flags:"))
    return flags & os.O_ACCMODE != os.O_RDONLY


def _program(pid: str) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def _subject(row: Row, copy: Row) -> str:
    return f"app {row['app']}: data_from: {copy['source']}"


@contextlib.contextmanager
def _source(row: Row, copy: Row) -> Iterator[tuple[int, str, os.stat_result]]:
    """Give the directory of an old place, its name there and what it is; no link is followed on the way."""
    parent, name = os.path.split(copy["source"])
    try:
        with contextlib.ExitStack() as stack:
            above = stack.enter_context(opened_directory(parent))
            found = None
            if above is not None:
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(name, dir_fd=above, follow_symlinks=False)
            if above is None or found is None:
                raise PalisadeError(
                    "expected the old site's data on this host, found nothing; copy it there first, or remove the "
                    "entry from data_from"
                )
            if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
                raise PalisadeError("expected a directory or a file, found a link or something else")
            yield above, name, found
    except PalisadeError as error:
        subject = _subject(row, copy)
        raise PalisadeError(str(error) if str(error).startswith("app ") else f"{subject}: {error}") from error


@contextlib.contextmanager
def _opened(name: str, above: int) -> Iterator[int]:
    descriptor = os.open(name, _DIRECTORY, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _size(above: int, name: str, depth: int = 0) -> int:
    try:
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or depth > _DEPTH:
            return found.st_size
        with _opened(name, above) as directory:
            return sum(_size(directory, inner, depth + 1) for inner in os.listdir(directory))
    except OSError:
        return 0


class _Mirror:
    """Makes one place equal to another, with owner and modes of its own."""

    def __init__(self, identity: tuple[int, int], closed: bool, owner: int, done: Copied) -> None:
        self.identity = identity
        self.closed = closed
        self.owner = owner
        self.done = done

    def directory(self, source: int, name: str, target: int, own: str, shown: str, depth: int = 0) -> None:
        if depth > _DEPTH:
            raise PalisadeError(f"{shown}: expected directories nested at most {_DEPTH} deep")
        with contextlib.ExitStack() as stack:
            try:
                inside = stack.enter_context(_opened(name, source))
            except OSError as error:
                self._gone_or_link(error, shown)
                return
            names = os.listdir(inside)
            place = stack.enter_context(self._made(target, own))
            kept = {name for name in names if not self._is_shared_memory(name, names)}
            for name in sorted(kept):
                if not self._entry(inside, name, place, name, f"{shown}/{name}", depth):
                    kept.discard(name)
            for name in set(os.listdir(place)) - kept:
                self._remove(place, name)

    def database(self, source: int, name: str, target: int, own: str, shown: str) -> None:
        """Copy a file, and what SQLite keeps beside it."""
        for end in ("", *_BESIDE):
            there = end != _BESIDE[-1] and self._entry(source, name + end, target, own + end, shown + end, 0)
            if not there:
                self._remove(target, own + end)

    def _is_shared_memory(self, name: str, names: Sequence[str]) -> bool:
        return name.endswith(_BESIDE[-1]) and name[: -len(_BESIDE[-1])] in names

    def _entry(self, source: int, name: str, target: int, own: str, shown: str, depth: int) -> bool:
        """Copy one thing; tell whether it is one to keep."""
        try:
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(found.st_mode):
            self.directory(source, name, target, own, shown, depth + 1)
            return True
        # A hard link to what is another account's would give it away.
        planted = found.st_nlink > 1 and found.st_uid != self.owner
        if not stat.S_ISREG(found.st_mode) or planted:
            self.done.left_out.append(shown)
            return False
        return self._file(source, name, target, own, shown)

    def _file(self, source: int, name: str, target: int, own: str, shown: str) -> bool:
        try:
            descriptor = os.open(name, _FILE, dir_fd=source)
        except OSError as error:
            self._gone_or_link(error, shown)
            return False
        with open(descriptor, "rb") as reader:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or (found.st_nlink > 1 and found.st_uid != self.owner):
                self.done.left_out.append(shown)
                return False
            there = self._there(target, own)
            if there and stat.S_ISREG(there.st_mode):
                if (there.st_size, there.st_mtime_ns) == (found.st_size, found.st_mtime_ns):
                    return True
            elif there:
                self._remove(target, own)
            self._write(reader, found, target, own)
        return True

    def _write(self, reader: Any, found: os.stat_result, target: int, own: str) -> None:
        temporary = f".{secrets.token_hex(16)}"
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target
        )
        try:
            with open(descriptor, "wb", buffering=0) as writer:
                shutil.copyfileobj(reader, writer)
                after = os.fstat(reader.fileno())
                os.fchown(descriptor, *self.identity)
                os.fchmod(descriptor, 0o640)
                # One that may have changed while it was read is to look different to the next pass.
                settled = self.closed or (
                    (found.st_size, found.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
                    and time.time_ns() - found.st_mtime_ns > _SETTLED_NS
                )
                os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns if settled else 0))
                if self.closed:
                    os.fsync(descriptor)
            os.rename(temporary, own, src_dir_fd=target, dst_dir_fd=target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=target)
            raise
        self.done.files += 1
        self.done.bytes += found.st_size

    @contextlib.contextmanager
    def _made(self, target: int, own: str) -> Iterator[int]:
        there = self._there(target, own)
        if there and not stat.S_ISDIR(there.st_mode):
            self._remove(target, own)
            there = None
        if not there:
            os.mkdir(own, 0o700, dir_fd=target)
        with _opened(own, target) as place:
            os.fchown(place, *self.identity)
            os.fchmod(place, 0o750)
            yield place

    @staticmethod
    def _there(target: int, own: str) -> os.stat_result | None:
        try:
            return os.stat(own, dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _remove(self, target: int, own: str) -> None:
        there = self._there(target, own)
        if there is None:
            return
        if stat.S_ISDIR(there.st_mode):
            # By descriptor, and never through a link.
            shutil.rmtree(f"/proc/self/fd/{target}/{own}")
        else:
            os.unlink(own, dir_fd=target)
        self.done.removed += 1

    def _gone_or_link(self, error: OSError, shown: str) -> None:
        """Pass over what went away, or became a link, since it was looked at."""
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            self.done.left_out.append(shown)
        elif error.errno != errno.ENOENT:
            raise error
