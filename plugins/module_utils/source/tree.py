# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of source code: what counts of it, its digest, and the archive it travels in."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator

from ..host.errors import PalisadeError

_LEFT_OUT = frozenset((".git", ".hg", ".svn", "__pycache__"))


def is_left_out(name: str) -> bool:
    """Tell whether a file or directory of this name is no part of a source."""
    return name in _LEFT_OUT or name.endswith(".pyc")


def _entries(root: str, subject: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (relative path, lstat) of everything that belongs to the source, in a fixed order."""

    def walk(relative: str) -> Iterator[tuple[str, os.stat_result]]:
        for entry in sorted(os.scandir(os.path.join(root, relative)), key=lambda entry: entry.name):
            if is_left_out(entry.name):
                continue
            path = os.path.join(relative, entry.name)
            found = entry.stat(follow_symlinks=False)
            # Before anybody opens it: a FIFO would block.
            if stat.S_ISLNK(found.st_mode):
                target = target_outside(root, path)
                if target is not None:
                    raise PalisadeError(f"{subject}: {path}: a link to {target!r} leaves the source")
            elif not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
                raise PalisadeError(f"{subject}: {path}: expected a file, a directory or a link")
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                yield from walk(path)

    return walk("")


def target_outside(root: str, path: str) -> str | None:
    """Return the target of a link that leaves the directory, None for one that stays inside."""
    target = os.readlink(os.path.join(root, path))
    top = os.path.realpath(root)
    reached = os.path.realpath(os.path.join(root, path))
    # Not word for word: the target may lead through another link.
    return target if target.startswith("/") or os.path.commonpath((top, reached)) != top else None


def tree_digest(root: str, subject: str) -> str:
    """Return the SHA-256 of names, kinds, execute bits and contents: equal on every host for equal sources."""
    total = hashlib.sha256()
    for path, found in _entries(root, subject):
        full = os.path.join(root, path)
        if stat.S_ISDIR(found.st_mode):
            kind, content = "directory", ""
        elif stat.S_ISLNK(found.st_mode):
            kind, content = "link", os.readlink(full)
        else:
            kind = "program" if found.st_mode & stat.S_IXUSR else "file"
            content = file_digest(full)
        total.update(repr((path, kind, content)).encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file's content."""
    content = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(io.DEFAULT_BUFFER_SIZE), b""):
            content.update(block)
    return content.hexdigest()


def subdirectory(root: str, directory: str, subject: str) -> str:
    """Return the path of a directory inside, reached without a link; the whole where none is named."""
    reached = root
    for part in directory.split("/") if directory else []:
        reached = os.path.join(reached, part)
        if os.path.islink(reached) or not os.path.isdir(reached):
            found = ", ".join(ascii(name)[1:-1] for name in sorted(os.listdir(root))[:10]) or "nothing"
            raise PalisadeError(
                f"{subject}: directory: expected a directory in it, got {directory!r}; it holds {found}"
            )
    return reached


def pack(trees: list[tuple[str, str]], archive: str) -> None:
    """Write the (name, directory) trees into one compressed archive, each below its name."""

    def neutral(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & stat.S_IXUSR else 0o644
        return member

    with tarfile.open(archive, "w:gz", compresslevel=3) as tar:
        for name, root in trees:
            for path, found in _entries(root, name):
                member = neutral(tar.gettarinfo(os.path.join(root, path), f"{name}/{path}"))
                if not stat.S_ISREG(found.st_mode):
                    tar.addfile(member)
                    continue
                # Whole, also where a hard link to it is in the archive already.
                member.type, member.linkname, member.size = tarfile.REGTYPE, "", found.st_size
                with open(os.path.join(root, path), "rb") as file:
                    tar.addfile(member, file)


def unpack(archive: str, name: str, directory: str) -> None:
    """Extract one of the packed trees into a directory that does not exist yet."""
    os.makedirs(directory, mode=0o700)
    with tarfile.open(archive) as tar:
        for member in tar:
            first, _slash, path = member.name.partition("/")
            if first != name or not path:
                continue
            full = os.path.join(directory, path)
            if member.isdir():
                os.mkdir(full, 0o755)
            elif member.issym():
                os.symlink(member.linkname, full)
            elif member.isreg():
                source = tar.extractfile(member)
                with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
                    if source:
                        shutil.copyfileobj(source, file)
                    os.fchmod(file.fileno(), member.mode)
