# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to files and directories by root, below paths where a lesser account may have planted links.

Every directory on the way is opened without following links and changed through its descriptor.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import grp
import os
import pwd
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .acl import WRITE, Acl, NoAclsError, change_user, permissions_text, read_acl, write_acl
from .errors import PalisadeError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_UNKNOWN_ID = -1
# Where whoever may change what is root's is root before long: the directories of the system, and those that hold them.
_SYSTEM = re.compile(r"/((bin|boot|dev|etc|lib[^/]*|root|sbin|usr)(/.*)?|[^/]+)")
# Every byte as it is, line ends too.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


def account_id(name: str, check: bool) -> int:
    """Return a uid; in a check run an account that is still to be made has the id -1."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if not check:
            raise PalisadeError(f"account {name!r} does not exist on this host") from None
        return _UNKNOWN_ID


def sync(path: str) -> None:
    """Wait until everything on the file system of a path is on its disk; not on others, which may not answer."""
    # Python has a function for all of the host only.
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.syncfs(descriptor):
            number = ctypes.get_errno()
            raise PalisadeError(f"{path}: cannot be written to the disk: {os.strerror(number)}")
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Attributes:
    """Owner, group and mode that a path is to have, by name as the user wrote them."""

    owner: str
    group: str
    mode: int

    def ids(self, check: bool) -> tuple[int, int]:
        """Return uid and gid; in a check run an account that is still to be made has the id -1."""
        uid = account_id(self.owner, check)
        try:
            gid = grp.getgrnam(self.group).gr_gid
        except KeyError:
            if not check:
                raise PalisadeError(f"group {self.group!r} does not exist on this host") from None
            gid = _UNKNOWN_ID
        return uid, gid


def _refusal(path: str, error: OSError) -> PalisadeError:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        kind = "a symbolic link" if os.path.islink(path) else "no directory"
        return PalisadeError(f"{path}: expected a directory, found {kind}; it was left alone")
    return PalisadeError(f"{path}: {error.strerror}")


@contextlib.contextmanager
def opened_directory(path: str) -> Iterator[int | None]:
    """Give the descriptor of a directory reached without following any link; None where it does not exist."""
    if not path.startswith("/") or ".." in path.split("/"):
        raise PalisadeError(f"{path}: expected an absolute path without '..'")
    descriptor = os.open("/", _DIRECTORY)
    walked = ""
    try:
        for part in (part for part in path.split("/") if part):
            walked += f"/{part}"
            try:
                following = os.open(part, _DIRECTORY, dir_fd=descriptor)
            except FileNotFoundError:
                yield None
                return
            except OSError as error:
                raise _refusal(walked, error) from error
            os.close(descriptor)
            descriptor = following
        yield descriptor
    finally:
        os.close(descriptor)


def _describe(found: os.stat_result | None) -> dict[str, object]:
    if found is None:
        return {"state": "absent"}
    return {"owner": found.st_uid, "group": found.st_gid, "mode": f"{stat.S_IMODE(found.st_mode):04o}"}


def _apply(descriptor: int, wanted: Attributes, uid: int, gid: int) -> None:
    # The owner first: chown clears set-id bits, and a mode must never be wider for a wrong owner.
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, wanted.mode)


def _users_of(accounts: Mapping[str, int], check: bool) -> tuple[dict[int, int], dict[int, str]]:
    """Return permissions and names by uid."""
    users: dict[int, int] = {}
    names: dict[int, str] = {}
    for number, (name, permissions) in enumerate(accounts.items(), 1):
        uid = account_id(name, check)
        # Several accounts that are still to be made are told apart.
        uid = -number if uid == _UNKNOWN_ID else uid
        users[uid], names[uid] = permissions, name
    return users, names


def _found_acl(descriptor: int, path: str, needed: bool) -> Acl:
    try:
        return read_acl(descriptor, path)
    except NoAclsError:
        if needed:
            raise
        return Acl.from_mode(os.fstat(descriptor).st_mode)


def require_root_only(path: str) -> None:
    """Raise PalisadeError where anybody but root may change a directory; one that is not there yet is nobody's."""
    with opened_directory(path) as descriptor:
        if descriptor is None:
            return
        found = os.fstat(descriptor)
        acl = _found_acl(descriptor, path, needed=False)
    # The mode has the mask in the place of the group, so no ACL lets anybody write whom it does not show.
    if found.st_uid == 0 and not acl.mode & 0o022:
        return
    state = _describe(found)
    named = f", ACL {acl.describe({})}" if acl.users or acl.groups else ""
    bare = "setfacl --remove-all {0} && " if named else ""
    raise PalisadeError(
        f"{path}: expected a directory that only root can change, because whoever changes it can replace the apps "
        f"below; found owner {_owner_name(found.st_uid)}, mode {state['mode']}{named}. "
        f"If nothing else needs these rights, run: {bare.format(path)}chown root {path} && chmod go-w {path}"
    )


def _owner_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def ensure_directory(
    path: str, wanted: Attributes, check: bool, accounts: Mapping[str, int] | None = None
) -> dict[str, object] | None:
    """Create or correct one directory. Return the difference {path, before, after}, or None without one.

    The accounts become the only ones that its ACL names; None leaves the ACL as it is.
    """
    uid, gid = wanted.ids(check)
    after: dict[str, object] = {"owner": uid, "group": gid, "mode": f"{wanted.mode:04o}"}
    users, names = _users_of(accounts or {}, check)
    wanted_acl = Acl.from_mode(wanted.mode, users)
    if accounts is not None:
        after["acl"] = wanted_acl.describe(names)
    parent, name = os.path.split(path.rstrip("/"))
    with opened_directory(parent) as above:
        if above is None:
            if check:
                return {"path": path, "before": _describe(None), "after": after}
            raise PalisadeError(f"{path}: the directory {parent} does not exist")
        created = False
        try:
            descriptor = os.open(name, _DIRECTORY, dir_fd=above)
        except FileNotFoundError:
            if check:
                return {"path": path, "before": _describe(None), "after": after}
            os.mkdir(name, 0o700, dir_fd=above)
            created = True
            descriptor = os.open(name, _DIRECTORY, dir_fd=above)
        except OSError as error:
            raise _refusal(path, error) from error
        try:
            found = os.fstat(descriptor)
            before = _describe(None if created else found)
            acl = None if accounts is None else _found_acl(descriptor, path, bool(users))
            if acl and not created:
                before["mode"] = f"{stat.S_IMODE(found.st_mode) & 0o7000 | acl.own_mode:04o}"
                before["acl"] = acl.describe(names)
            if before == after:
                return None
            if not check:
                if acl is None:
                    _apply(descriptor, wanted, uid, gid)
                else:
                    os.fchown(descriptor, uid, gid)
                    # In one step: a mode alone would give effect to the old entries.
                    if acl != wanted_acl and (users or acl.mask is not None):
                        write_acl(descriptor, path, wanted_acl)
                    os.fchmod(descriptor, wanted.mode & 0o7000 | wanted_acl.mode)
            return {"path": path, "before": before, "after": after}
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _opened_path(path: str) -> Iterator[int | None]:
    """Give the descriptor of anything, only to ask and change its attributes; None where it does not exist."""
    parent, name = os.path.split(path)
    with opened_directory(parent) as above:
        if above is None:
            yield None
            return
        try:
            # Not opened, so that a FIFO does not block and a socket works.
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise PalisadeError(f"{path}: {error.strerror}") from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _check_entry(path: str, found: os.stat_result, account: str, uid: int, permissions: int) -> None:
    if stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode):
        raise PalisadeError(f"{path}: expected a file or directory, found a device")
    if found.st_uid == uid:
        raise PalisadeError(
            f"{path}: belongs to account {account!r} itself, so its mode decides; an ACL entry has no effect"
        )
    if permissions & WRITE and found.st_uid == 0 and _SYSTEM.fullmatch(path):
        raise PalisadeError(
            f"{path}: permissions: expected no w for what root owns in a system directory, "
            f"got {permissions_text(permissions)!r}; let the app write elsewhere"
        )


def _closed_way(path: str, uid: int, entries: Mapping[str, int | None]) -> str | None:
    """Return the first directory on the way that a user cannot pass, with these entries and whatever its groups."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        way = "/".join(parts[:length]) or "/"
        with opened_directory(way) as descriptor:
            if descriptor is not None:
                acl = _found_acl(descriptor, way, needed=False)
                acl = acl.with_user(uid, entries[way]) if way in entries else acl
                if not acl.could_search(uid, os.fstat(descriptor).st_uid):
                    return way
    return None


def ensure_entry(path: str, account: str, entries: Mapping[str, int | None], check: bool) -> dict[str, object] | None:
    """Bring an account's ACL entry on a path of somebody else to what the account's entries say; None is no entry.

    Return the difference as ensure_directory does. Owner, mode and what others may stay as they are in effect.
    """
    permissions = entries[path]
    if not re.fullmatch(r"(/[^/]+)+", path) or not path.isprintable() or os.path.normpath(path) != path:
        raise PalisadeError(f"{path!r}: expected an absolute path without '..', such as /srv/media")
    uid = account_id(account, check or permissions is None)
    with _opened_path(path) as descriptor:
        if permissions is None and (uid == _UNKNOWN_ID or descriptor is None):
            return None
        if descriptor is None:
            raise PalisadeError(f"{path}: expected an existing file or directory, found nothing")
        found = os.fstat(descriptor)
        if stat.S_ISLNK(found.st_mode):
            raise PalisadeError(f"{path}: expected a file or directory, found a symbolic link; it was left alone")
        if permissions is not None:
            _check_entry(path, found, account, uid, permissions)
            closed = _closed_way(path, uid, entries)
            if closed:
                raise PalisadeError(
                    f"{path}: account {account!r} cannot enter {closed}, so the entry would have no effect; "
                    f"give it x on {closed} too, or choose another place"
                )
        try:
            before, after = change_user(descriptor, path, uid, permissions, check)
        except NoAclsError as error:
            if permissions is None:
                return None
            raise PalisadeError(f"{error}; or give the app the file's group in supplementary_groups") from error
    if before == after:
        return None
    texts = (permissions_text(acl.users[uid] & acl.limit) if uid in acl.users else "none" for acl in (before, after))
    old, new = ({"acl": f"{account}:{text}"} for text in texts)
    return {"path": path, "before": old, "after": new}


def read_file(above: int, name: str, path: str) -> tuple[str | None, os.stat_result | None]:
    """Return text and attributes of a regular file in an opened directory; (None, None) where there is none."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=above)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PalisadeError(f"{path}: expected a file, found a symbolic link; it was left alone") from error
        raise PalisadeError(f"{path}: {error.strerror}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise PalisadeError(f"{path}: expected a file, found something else; it was left alone")
    with os.fdopen(descriptor, **_TEXT) as file:
        return file.read(), found


def replace_file(above: int, name: str, content: str, wanted: Attributes, uid: int, gid: int) -> None:
    """Put a new file in the place of an old one in one step, never half written and never wider than wanted."""
    temporary = f".{name}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=above)
    try:
        with os.fdopen(descriptor, "w", **_TEXT) as file:
            file.write(content)
            file.flush()
            _apply(file.fileno(), wanted, uid, gid)
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=above, dst_dir_fd=above)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=above)
        raise


def _unfinished(above: int, name: str) -> list[str]:
    """Return what replace_file left beside a file where it was killed: it may hold a secret that is one no longer."""
    named = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}")
    left = sorted(other for other in os.listdir(above) if named.fullmatch(other))
    return [other for other in left if not stat.S_ISDIR(os.stat(other, dir_fd=above, follow_symlinks=False).st_mode)]


def ensure_file(path: str, content: str, wanted: Attributes, secret: bool, check: bool) -> dict[str, object] | None:
    """Create or correct one file. Return the difference as ensure_directory does; a secret's text is left out."""
    uid, gid = wanted.ids(check)
    parent, name = os.path.split(path)
    after = {"owner": uid, "group": gid, "mode": f"{wanted.mode:04o}"}
    with opened_directory(parent) as above:
        text, found = (None, None) if above is None else read_file(above, name, path)
        before = _describe(found)
        left = [] if above is None else _unfinished(above, name)
        if text == content and before == after and not left:
            return None
        if not check:
            if above is None:
                raise PalisadeError(f"{path}: the directory {parent} does not exist")
            replace_file(above, name, content, wanted, uid, gid)
            for other in left:
                os.unlink(other, dir_fd=above)
    if left:
        before["unfinished"] = ", ".join(left)
    if secret:
        before["content"], after["content"] = "(secret)", "(secret, changed)" if text != content else "(secret)"
    else:
        before["content"], after["content"] = text or "", content
    return {"path": path, "before": before, "after": after}


def remove(path: str, check: bool) -> dict[str, object] | None:
    """Remove a file, a link or a whole tree without following links. Return the difference, None without one."""
    parent, name = os.path.split(path.rstrip("/"))
    with opened_directory(parent) as above:
        if above is None:
            return None
        names = _unfinished(above, name)
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=above, follow_symlinks=False)
            names.append(name)
        if not names:
            return None
        for each in names if not check else []:
            if stat.S_ISDIR(os.stat(each, dir_fd=above, follow_symlinks=False).st_mode):
                # rmtree refuses a link as its top and walks by descriptor below it.
                shutil.rmtree(f"/proc/self/fd/{above}/{each}")
            else:
                os.unlink(each, dir_fd=above)
    return {"path": path, "before": {"state": "present"}, "after": {"state": "absent"}}


def switch_link(path: str, target: str, check: bool) -> dict[str, object] | None:
    """Point a symbolic link at a target in one step. Return the difference, None without one."""
    parent, name = os.path.split(path)
    with opened_directory(parent) as above:
        before: str | None = None
        if above is not None:
            try:
                before = os.readlink(name, dir_fd=above)
            except FileNotFoundError:
                before = None
            except OSError as error:
                raise PalisadeError(f"{path}: expected a symbolic link, found something else") from error
        if before == target:
            return None
        if not check:
            if above is None:
                raise PalisadeError(f"{path}: the directory {parent} does not exist")
            temporary = f".{name}.{secrets.token_hex(8)}"
            os.symlink(target, temporary, dir_fd=above)
            try:
                os.rename(temporary, name, src_dir_fd=above, dst_dir_fd=above)
            except BaseException:
                os.unlink(temporary, dir_fd=above)
                raise
    return {"path": path, "before": {"target": before}, "after": {"target": target}}


def diff_of(differences: list[dict[str, object]]) -> dict[str, str]:
    """Return Ansible's diff of several differences as one text before and one after."""
    sides: dict[str, list[str]] = {"before": [], "after": []}
    for difference in differences:
        for side, lines in sides.items():
            state = difference[side]
            lines.append(f"{difference['path']}:")
            if isinstance(state, dict):
                for key, value in state.items():
                    lines.append(f"  {key}: {value}" if "\n" not in str(value) else f"  {key}:")
                    if "\n" in str(value):
                        lines += [f"    {line}" for line in str(value).splitlines()]
    return {side: "\n".join(lines) + "\n" if lines else "" for side, lines in sides.items()}
