# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POSIX access ACLs in the kernel's own format, so that a host needs neither getfacl nor setfacl.

Default ACLs, which only say what new files begin with, are never touched.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import PalisadeError

READ, WRITE, EXECUTE = 4, 2, 1

_ATTRIBUTE = "system.posix_acl_access"
# linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id, sorted by tag and id.
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_VERSION = 2
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF


class NoAclsError(PalisadeError):
    """A file system that keeps no ACLs."""


def parse_permissions(text: str) -> int:
    """Return the bits of permissions such as 'rx'."""
    if not text or len(set(text)) != len(text) or not set(text) <= set("rwx"):
        raise PalisadeError(f"permissions: expected some of r, w and x such as 'rx', got {text!r}")
    return sum(bit for letter, bit in (("r", READ), ("w", WRITE), ("x", EXECUTE)) if letter in text)


def permissions_text(permissions: int) -> str:
    """Return permissions as parse_permissions takes them; '-' for none at all."""
    return "".join(letter for letter, bit in (("r", READ), ("w", WRITE), ("x", EXECUTE)) if permissions & bit) or "-"


def _union(*permissions: int) -> int:
    result = 0
    for one in permissions:
        result |= one
    return result


@dataclass(frozen=True)
class Acl:
    """An access ACL; without a mask it says no more than a mode does."""

    owner: int
    group: int
    other: int
    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)
    mask: int | None = None

    @classmethod
    def from_mode(cls, mode: int, users: Mapping[int, int] | None = None) -> Acl:
        """Return what a mode says, with these users as the only named ones; the mask takes nothing from anybody."""
        owner, group, other = (mode >> shift & 7 for shift in (6, 3, 0))
        if not users:
            return cls(owner, group, other)
        return cls(owner, group, other, dict(users), {}, _union(group, *users.values()))

    @classmethod
    def decode(cls, data: bytes) -> Acl:
        """Return the ACL of an extended attribute."""
        single: dict[int, int] = {}
        named: dict[int, dict[int, int]] = {_USER: {}, _NAMED_GROUP: {}}
        body = data[_HEADER.size :]
        sound = data[: _HEADER.size] == _HEADER.pack(_VERSION) and len(body) % _ENTRY.size == 0
        for tag, permissions, identifier in _ENTRY.iter_unpack(body) if sound else ():
            sound = sound and permissions <= 7
            if tag in named:
                # Of two entries of one user the kernel takes the first.
                named[tag].setdefault(identifier, permissions)
            else:
                single[tag] = permissions
        required = {_OWNER, _GROUP, _OTHER} | ({_MASK} if any(named.values()) else set())
        if not sound or not required <= set(single) <= required | {_MASK}:
            raise PalisadeError(f"an ACL of an unknown format: {data.hex()}")
        return cls(single[_OWNER], single[_GROUP], single[_OTHER], named[_USER], named[_NAMED_GROUP], single.get(_MASK))

    def encode(self) -> bytes:
        """Return the extended attribute."""
        entries = [
            (_OWNER, self.owner, _NO_ID),
            *((_USER, permissions, uid) for uid, permissions in sorted(self.users.items())),
            (_GROUP, self.group, _NO_ID),
            *((_NAMED_GROUP, permissions, gid) for gid, permissions in sorted(self.groups.items())),
            *([] if self.mask is None else [(_MASK, self.mask, _NO_ID)]),
            (_OTHER, self.other, _NO_ID),
        ]
        return _HEADER.pack(_VERSION) + b"".join(_ENTRY.pack(*entry) for entry in entries)

    @property
    def limit(self) -> int:
        """Return what named users, named groups and the group can have at most."""
        return self.group if self.mask is None else self.mask

    @property
    def mode(self) -> int:
        """Return the mode that a path with this ACL shows; its group part is the mask."""
        return self.owner << 6 | self.limit << 3 | self.other

    @property
    def own_mode(self) -> int:
        """Return the mode without the mask, which the other one shows in the place of the group."""
        return self.owner << 6 | self.group << 3 | self.other

    def with_user(self, uid: int, permissions: int | None) -> Acl:
        """Return the ACL with this entry of a user, or without one; nobody else's rights change in effect."""
        old, mask = self.users.get(uid), self.limit
        if old == permissions and not (permissions or 0) & ~mask:
            return self
        group, groups = self.group, self.groups
        users = {other: entry for other, entry in self.users.items() if other != uid}
        if permissions is not None:
            if permissions & ~mask:
                # A wider mask would give effect to what it has taken from the others.
                group &= mask
                users = {other: entry & mask for other, entry in users.items()}
                groups = {other: entry & mask for other, entry in groups.items()}
            users[uid] = permissions
        if not users and not groups:
            return Acl(self.owner, group & mask, self.other)
        unused = (old or 0) & ~_union(group, *users.values(), *groups.values())
        return Acl(self.owner, group, self.other, users, groups, (mask | (permissions or 0)) & ~unused)

    def could_search(self, uid: int, owner: int) -> bool:
        """Tell whether a user may pass a directory with this ACL and owner, if it is in the right groups."""
        if uid == owner:
            return bool(self.owner & EXECUTE)
        if uid in self.users:
            return bool(self.users[uid] & self.limit & EXECUTE)
        return bool((_union(self.group, *self.groups.values()) & self.limit | self.other) & EXECUTE)

    def describe(self, names: Mapping[int, str]) -> str:
        """Return what this ACL says beyond a mode; names are the users that the reader knows."""
        parts = sorted(
            f"{names.get(uid) or _name(uid, 'user')}:{permissions_text(entry)}" for uid, entry in self.users.items()
        )
        parts += sorted(f"group {_name(gid, 'group')}:{permissions_text(entry)}" for gid, entry in self.groups.items())
        if self.mask not in (None, _union(self.group, *self.users.values(), *self.groups.values())):
            parts.append(f"mask:{permissions_text(self.limit)}")
        return ", ".join(parts) or "none"


def _name(identifier: int, kind: str) -> str:
    try:
        return pwd.getpwuid(identifier).pw_name if kind == "user" else grp.getgrgid(identifier).gr_name
    except KeyError:
        return str(identifier)


def read_acl(descriptor: int, path: str) -> Acl:
    """Return the ACL of what is opened, if only as a path; where it has none, what its mode says."""
    try:
        return Acl.decode(os.getxattr(f"/proc/self/fd/{descriptor}", _ATTRIBUTE))
    except OSError as error:
        if error.errno == errno.ENODATA:
            return Acl.from_mode(os.fstat(descriptor).st_mode)
        raise _refusal(descriptor, path, error) from error


def write_acl(descriptor: int, path: str, acl: Acl) -> None:
    """Give what is opened this ACL, and with it the mode that follows from it."""
    try:
        # One that says no more than the mode is dropped by the kernel.
        os.setxattr(f"/proc/self/fd/{descriptor}", _ATTRIBUTE, acl.encode())
    except OSError as error:
        raise _refusal(descriptor, path, error) from error


def change_user(descriptor: int, path: str, uid: int, permissions: int | None, check: bool) -> tuple[Acl, Acl]:
    """Give a user this entry, or none, on what is opened. Return the ACL before and after; equal if nothing changed."""
    before = read_acl(descriptor, path)
    after = before.with_user(uid, permissions)
    if before != after and not check:
        write_acl(descriptor, path, after)
    return before, after


def _refusal(descriptor: int, path: str, error: OSError) -> PalisadeError:
    if error.errno != errno.ENOTSUP:
        return PalisadeError(f"{path}: its ACL: {error.strerror}")
    kind = _file_system(descriptor)
    return NoAclsError(
        f"{path}: its file system ({kind}) has no POSIX ACLs; mount it with the option acl if there is one"
    )


def _file_system(descriptor: int) -> str:
    """Return the type of the file system of what is opened."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="utf-8") as lines:
        mount = [line.split()[1] for line in lines if line.startswith("mnt_id:")]
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.split(" ", 1)[0] in mount:
                return line.partition(" - ")[2].split(" ", 1)[0]
    return "of an unknown type"
