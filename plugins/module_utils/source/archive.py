# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of somebody else, extracted into a new directory and nowhere else.

Links are made last, so that no member can go through one. What is counted is what comes out, whatever headers say.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ..host.errors import PalisadeError
from .tree import is_left_out, target_outside

_TAR_BLOCK = 512
# More than any path, and than any list of attributes that means well.
_HEADERS = 1 << 20
_LINK = 4096
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
_UNSUPPORTED = (NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold."""

    size: int = 1 << 30
    members: int = 100_000
    # Source code shrinks to a tenth; of little that comes out the ratio says nothing.
    ratio: int = 100
    ratio_counts_from: int = 16 << 20


LIMITS = Limits()


@dataclass
class _Member:
    """One member, of whatever format."""

    name: str
    kind: str
    executable: bool = False
    target: str = ""
    content: IO[bytes] | None = None


class _Counted:
    """A decompressed stream that refuses to become too long."""

    def __init__(self, stream: IO[bytes], packed: int, limits: Limits) -> None:
        self.last = b""
        self._stream, self._total, self._headers = stream, 0, _HEADERS
        # A tar archive has at most two further blocks for each member.
        self._limit = limits.size + 4 * _TAR_BLOCK * limits.members
        self._packed, self._limits = packed, limits

    def at_headers(self) -> None:
        """Expect headers next, which tarfile holds in memory."""
        self._headers = _HEADERS

    def at_content(self, size: int) -> None:
        """Expect so many bytes next."""
        self._headers = size + _HEADERS

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.last = block
        self._total += len(block)
        self._headers -= len(block)
        if self._headers < 0:
            raise PalisadeError(f"its headers take more than {_HEADERS} bytes")
        _check_total(self._total, self._limit, self._packed, self._limits)
        return block


def _check_total(total: int, limit: int, packed: int, limits: Limits) -> None:
    if total > limit:
        raise PalisadeError(f"it unpacks to more than {limits.size} bytes")
    if total > limits.ratio_counts_from and total > packed * limits.ratio:
        raise PalisadeError(f"it unpacks to more than {limits.ratio} times its own size")


@dataclass
class _Extraction:
    """What has come out so far."""

    root: str
    packed: int
    limits: Limits
    total: int = 0
    members: int = 0
    # Kind of each path; a directory that only followed from a longer name is "implied".
    kinds: dict[str, str] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)

    def add(self, member: _Member) -> None:
        self.members += 1
        if self.members > self.limits.members:
            raise PalisadeError(f"expected at most {self.limits.members} members")
        parts = _parts(member.name)
        if any(is_left_out(part) for part in parts):
            self._write(member, None)
            return
        path = "/".join(parts)
        if not path:
            if member.kind != "directory":
                raise PalisadeError("expected a name")
            return
        self._make_way(parts[:-1])
        found = self.kinds.get(path)
        if member.kind == "directory" and found == "implied":
            self.kinds[path] = "directory"
            return
        if found:
            raise PalisadeError("the name occurs twice")
        full = os.path.join(self.root, path)
        if member.kind == "directory":
            os.mkdir(full, 0o755)
        elif member.kind == "link":
            self.links.append((path, member.target))
        elif member.kind == "hard link":
            self._copy(member.target, full)
        else:
            self._write(member, full)
        self.kinds[path] = "file" if member.kind == "hard link" else member.kind

    def _make_way(self, parts: Sequence[str]) -> None:
        for length in range(1, len(parts) + 1):
            path = "/".join(parts[:length])
            kind = self.kinds.get(path)
            if kind is None:
                os.mkdir(os.path.join(self.root, path), 0o755)
                self.kinds[path] = "implied"
            elif kind not in ("directory", "implied"):
                raise PalisadeError(f"{path} is a {kind}, not a directory")

    def _write(self, member: _Member, full: str | None) -> None:
        # What is left out is read and counted all the same.
        mode = 0o755 if member.executable else 0o644
        with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode) if full else os.devnull, "wb") as file:
            while member.content:
                block = member.content.read(io.DEFAULT_BUFFER_SIZE)
                if not block:
                    break
                self._count(len(block))
                file.write(block)
            if full:
                os.fchmod(file.fileno(), mode)

    def _copy(self, target: str, full: str) -> None:
        source = "/".join(_parts(target))
        if self.kinds.get(source) != "file":
            raise PalisadeError(f"a hard link to {target!r}, which is not an earlier file of the archive")
        path = os.path.join(self.root, source)
        self._count(os.path.getsize(path))
        shutil.copy(path, full)

    def _count(self, size: int) -> None:
        self.total += size
        _check_total(self.total, self.limits.size, self.packed, self.limits)


def _parts(name: str) -> list[str]:
    """Return the parts of a member's name; whatever could lead out of the directory is refused."""
    if name.startswith("/"):
        raise PalisadeError("an absolute name")
    if "\0" in name or any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        raise PalisadeError("a name with NUL or not in UTF-8")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PalisadeError("a name with '..'")
    return parts


def _tar_members(tar: tarfile.TarFile, stream: _Counted) -> Iterator[_Member]:
    while True:
        stream.at_headers()
        info = tar.next()
        if info is None:
            break
        stream.at_content(info.size)
        yield _tar_member(tar, info)
    # tarfile takes a broken or missing header for the end of the archive.
    if stream.last != bytes(_TAR_BLOCK):
        raise PalisadeError("it is truncated or damaged")
    while stream.read(io.DEFAULT_BUFFER_SIZE):
        stream.at_headers()


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    if info.isdir():
        return _Member(info.name, "directory")
    if info.issym():
        return _Member(info.name, "link", target=info.linkname)
    if info.islnk():
        return _Member(info.name, "hard link", target=info.linkname)
    if info.isreg() and not info.issparse():
        return _Member(info.name, "file", bool(info.mode & stat.S_IXUSR), content=tar.extractfile(info))
    return _Member(info.name, "a sparse file" if info.issparse() else "a device, a FIFO or something else")


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if info.flag_bits & 0x1:
            yield _Member(info.orig_filename, "an encrypted member")
        elif info.is_dir() or kind == stat.S_IFDIR:
            yield _Member(info.orig_filename, "directory")
        elif kind == stat.S_IFLNK:
            with archive.open(info) as content:
                yield _Member(info.orig_filename, "link", target=os.fsdecode(content.read(_LINK)))
        elif kind in (0, stat.S_IFREG):
            with archive.open(info) as content:
                yield _Member(info.orig_filename, "file", bool(mode & stat.S_IXUSR), content=content)
        else:
            yield _Member(info.orig_filename, "a device, a FIFO or something else")


def _extract_all(members: Iterable[_Member], extraction: _Extraction) -> None:
    for member in members:
        try:
            if member.kind not in ("directory", "link", "hard link", "file"):
                raise PalisadeError(f"{member.kind} is refused")
            extraction.add(member)
        except (PalisadeError, *_BROKEN) as error:
            raise PalisadeError(f"{_shown(member.name)}: {error}") from error
    for path, target in extraction.links:
        try:
            os.symlink(target, os.path.join(extraction.root, path))
        except (OSError, ValueError) as error:
            raise PalisadeError(f"{_shown(path)}: {error}") from error
    # Again, since one may lead through another.
    for path, _target in extraction.links:
        outside = target_outside(extraction.root, path)
        if outside is not None:
            raise PalisadeError(f"{_shown(path)}: a link to {outside!r} leaves the directory")


def _shown(name: str) -> str:
    short = name if len(name) <= 200 else f"{name[:200]}..."
    return short if short.isprintable() else repr(short)


def _decompressed(file: IO[bytes], start: bytes) -> Any:
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if start[257:262] == b"ustar":
        return file
    raise PalisadeError("expected a tar archive (plain, gz, bz2 or xz) or a zip archive, got something else")


def extract(file: IO[bytes], root: str, subject: str, limits: Limits = LIMITS) -> None:
    """Extract an archive into a directory that does not exist yet; PalisadeError names the subject and the member.

    On failure the directory is removed again.
    """
    os.makedirs(root, mode=0o700)
    try:
        start = file.read(_TAR_BLOCK)
        extraction = _Extraction(root, file.seek(0, os.SEEK_END), limits)
        file.seek(0)
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            with zipfile.ZipFile(file) as archive:
                _extract_all(_zip_members(archive), extraction)
        else:
            stream: Any = _Counted(_decompressed(file, start), extraction.packed, limits)
            with tarfile.open(fileobj=stream, mode="r|", bufsize=_TAR_BLOCK) as tar:
                _extract_all(_tar_members(tar, stream), extraction)
    except (PalisadeError, *_BROKEN, *_UNSUPPORTED) as error:
        shutil.rmtree(root, ignore_errors=True)
        told = str(error) or "it is truncated"
        raise PalisadeError(f"{subject}: {told}") from error
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
