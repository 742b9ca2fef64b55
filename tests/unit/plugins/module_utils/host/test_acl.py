"""ACLs as the kernel and Debian's own programs have them; what one account gets, nobody else gains or loses."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import acl as host_acl
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import (
    Acl,
    NoAclsError,
    change_user,
    parse_permissions,
    permissions_text,
    read_acl,
    write_acl,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import acls, needs_root
from hypothesis import example, given
from hypothesis import strategies as st

needs_setfacl = pytest.mark.skipif(not shutil.which("setfacl"), reason="the package acl is not installed")

PERMISSIONS = st.integers(0, 7)
# Few, so that examples name the same ones.
IDS = st.sampled_from([0, 33, 1000, 0xFFFFFFFE])
NAMED = st.dictionaries(IDS, PERMISSIONS, max_size=3)


@st.composite
def acl_of_any_kind(draw: Any) -> Acl:
    users, groups = draw(NAMED), draw(NAMED)
    mask = draw(PERMISSIONS if users or groups else st.none() | PERMISSIONS)
    return Acl(draw(PERMISSIONS), draw(PERMISSIONS), draw(PERMISSIONS), users, groups, mask)


ACLS = acl_of_any_kind()


def in_effect(acl: Acl, leave_out: int | None = None) -> Any:
    """Return what everybody can do."""
    users = {uid: entry & acl.limit for uid, entry in acl.users.items() if uid != leave_out}
    groups = {gid: entry & acl.limit for gid, entry in acl.groups.items()}
    return acl.owner, acl.group & acl.limit, acl.other, users, groups


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path) -> Acl:
    with opened(path) as descriptor:
        return read_acl(descriptor, str(path))


def write(path: Path, acl: Acl) -> None:
    with opened(path) as descriptor:
        write_acl(descriptor, str(path), acl)


def setfacl(path: Path, *arguments: str) -> None:
    subprocess.run(["setfacl", *arguments, "--", path], check=True)


def getfacl(path: Path) -> set[str]:
    command = ["getfacl", "--omit-header", "--absolute-names", "--numeric", "--no-effective", "--", str(path)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def as_getfacl(acl: Acl) -> set[str]:
    def entry(kind: str, who: object, permissions: int) -> str:
        letters = "".join(letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        return f"{kind}:{who}:{letters}"

    lines = {entry("user", "", acl.owner), entry("group", "", acl.group), entry("other", "", acl.other)}
    lines |= {entry("user", uid, permissions) for uid, permissions in acl.users.items()}
    lines |= {entry("group", gid, permissions) for gid, permissions in acl.groups.items()}
    return lines | ({entry("mask", "", acl.mask)} if acl.mask is not None else set())


@given(ACLS)
def test_what_is_encoded_is_decoded(acl: Acl) -> None:
    data = acl.encode()
    assert Acl.decode(data) == acl
    assert Acl.decode(data).encode() == data


def test_the_format_is_the_kernels() -> None:
    """linux/posix_acl_xattr.h, byte by byte."""
    acl = Acl(7, 5, 0, {1000: 4, 33: 1}, {60: 5}, 5)
    assert acl.encode().hex(" ", -4) == (
        "02000000 01000700 ffffffff 02000100 21000000 02000400 e8030000 "
        "04000500 ffffffff 08000500 3c000000 10000500 ffffffff 20000000 ffffffff"
    )
    assert Acl.from_mode(0o750).encode().hex(" ", -4) == (
        "02000000 01000700 ffffffff 04000500 ffffffff 20000000 ffffffff"
    )


MINIMAL = Acl.from_mode(0o750).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\2\0\0\0",
        b"\1" + MINIMAL[1:],
        MINIMAL + b"\0",
        MINIMAL[:-8],
        MINIMAL + bytes.fromhex("40000700ffffffff"),
        # A named entry without a mask, and permissions that are none.
        MINIMAL + bytes.fromhex("0200070001000000"),
        Acl(7, 5, 0, {}, {}, 0xF7).encode(),
    ],
)
def test_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(PalisadeError, match=f"an ACL of an unknown format: {data.hex()}$"):
        Acl.decode(data)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda body: b"\2\0\0\0" + body))
def test_any_bytes_are_an_acl_or_refused(data: bytes) -> None:
    with suppress(PalisadeError):
        assert len(Acl.decode(data).encode()) <= len(data)


@needs_root
@given(ACLS)
def test_the_kernel_takes_and_gives_any(tmp_path: Path, acl: Acl) -> None:
    path = tmp_path / "file"
    path.touch()
    write(path, acl)
    assert read(path) == acl
    assert path.stat().st_mode & 0o777 == acl.mode
    # A mode says the same as an ACL without named entries and mask.
    assert ("file access" in acls(tmp_path)) == (acl.mask is not None)


@needs_root
@needs_setfacl
@given(ACLS)
def test_getfacl_shows_the_same(tmp_path: Path, acl: Acl) -> None:
    path = tmp_path / "file"
    path.touch()
    write(path, acl)
    assert getfacl(path) == as_getfacl(acl)


@needs_root
@needs_setfacl
@given(ACLS, IDS, PERMISSIONS)
def test_an_entry_is_the_one_of_setfacl(tmp_path: Path, acl: Acl, uid: int, permissions: int) -> None:
    """Where the mask takes nothing from anybody; setfacl gives such entries effect, and here they stay without."""
    mask = acl.group
    for entry in (*acl.users.values(), *acl.groups.values()):
        mask |= entry
    acl = Acl(acl.owner, acl.group, acl.other, acl.users, acl.groups, None if acl.mask is None else mask)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.touch()
        write(path, acl)
    with opened(ours) as descriptor:
        change_user(descriptor, str(ours), uid, permissions, check=False)
    setfacl(theirs, "-m", f"u:{uid}:{permissions}")
    assert (read(ours), ours.stat().st_mode) == (read(theirs), theirs.stat().st_mode)
    with opened(ours) as descriptor:
        change_user(descriptor, str(ours), uid, None, check=False)
    setfacl(theirs, "-x", f"u:{uid}")
    left = read(theirs)
    # What setfacl leaves is a mask that limits nobody.
    assert in_effect(read(ours)) == in_effect(left)
    assert read(ours).mask is None or left.users or left.groups


@given(ACLS, IDS, st.none() | PERMISSIONS)
@example(Acl(6, 4, 0), 33, 2)
@example(Acl(7, 7, 0, {}, {}, 1), 33, 4)
@example(Acl(7, 5, 0, {33: 7}, {}, 7), 33, None)
@example(Acl(7, 7, 0, {33: 1}, {}, 1), 33, None)
@example(Acl(7, 5, 0, {33: 7}, {}, 7), 33, 1)
@example(Acl(7, 5, 0, {33: 7, 34: 7}, {60: 7}, 4), 33, 2)
def test_nobody_else_gains_or_loses(acl: Acl, uid: int, permissions: int | None) -> None:
    changed = acl.with_user(uid, permissions)
    assert in_effect(changed, uid) == in_effect(acl, uid)
    if permissions is None:
        assert uid not in changed.users
    else:
        assert changed.users[uid] & changed.limit == permissions == changed.users[uid]
    assert changed.with_user(uid, permissions) == changed
    # Others keep what is written of them as long as the mask need not be wider.
    if not (permissions or 0) & ~acl.limit and (changed.users or changed.groups):
        others = {other: entry for other, entry in acl.users.items() if other != uid}
        assert {**changed.users, uid: 0} == {**others, uid: 0}
        assert (changed.group, changed.groups) == (acl.group, acl.groups)
    assert Acl.decode(changed.encode()) == changed


@given(ACLS, IDS, PERMISSIONS)
def test_there_and_back(acl: Acl, uid: int, permissions: int) -> None:
    acl = acl.with_user(uid, None)
    back = acl.with_user(uid, permissions).with_user(uid, None)
    assert in_effect(back) == in_effect(acl)
    if acl.mask is None:
        assert back == acl


@given(st.integers(0, 0o777), st.dictionaries(IDS, PERMISSIONS, max_size=3))
def test_a_mode_with_accounts(mode: int, users: dict[int, int]) -> None:
    acl = Acl.from_mode(mode, users)
    assert in_effect(acl) == (mode >> 6, mode >> 3 & 7, mode & 7, users, {})
    assert acl.own_mode == mode
    if not users:
        assert (acl.mask, acl.mode) == (None, mode)


@needs_root
def test_a_default_acl_stays(tmp_path: Path) -> None:
    default = Acl.from_mode(0o770, {5: 7}).encode()
    os.setxattr(tmp_path, "system.posix_acl_default", default)
    for permissions in (5, None):
        with opened(tmp_path) as descriptor:
            before, after = change_user(descriptor, str(tmp_path), 33, permissions, check=False)
        assert before != after
        assert os.getxattr(tmp_path, "system.posix_acl_default") == default
    assert acls(tmp_path) == {". default": default}


@needs_root
def test_a_check_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as descriptor:
        before, after = change_user(descriptor, str(tmp_path), 33, 1, check=True)
    assert after == before.with_user(33, 1) != before
    assert acls(tmp_path) == {}


def test_a_file_system_without_acls_is_named() -> None:
    with opened(Path("/proc/version")) as descriptor:
        for action in (
            lambda: read_acl(descriptor, "/proc/version"),
            lambda: write_acl(descriptor, "/p", Acl(6, 4, 0)),
        ):
            with pytest.raises(NoAclsError, match=r"its file system \(proc\) has no POSIX ACLs; mount it with"):
                action()


@pytest.mark.parametrize(
    ("acl", "uid", "owner", "answer"),
    [
        (Acl(7, 0, 0), 33, 33, True),
        (Acl(6, 7, 7), 33, 33, False),
        (Acl(7, 0, 0), 33, 0, False),
        (Acl(7, 0, 1), 33, 0, True),
        # It may be in the group.
        (Acl(7, 5, 0), 33, 0, True),
        (Acl(7, 0, 0, {}, {60: 1}, 1), 33, 0, True),
        (Acl(7, 5, 0, {}, {60: 1}, 4), 33, 0, False),
        (Acl(7, 0, 0, {33: 1}, {}, 1), 33, 0, True),
        (Acl(7, 0, 0, {33: 1}, {}, 0), 33, 0, False),
        (Acl(7, 0, 0, {34: 1}, {}, 1), 33, 0, False),
        # An entry of its own is all that it has.
        (Acl(7, 5, 5, {33: 4}, {}, 5), 33, 0, False),
    ],
)
def test_who_could_pass(acl: Acl, uid: int, owner: int, answer: bool) -> None:
    assert acl.could_search(uid, owner) is answer


@pytest.mark.parametrize(("text", "bits"), [("r", 4), ("w", 2), ("x", 1), ("rx", 5), ("xr", 5), ("rwx", 7)])
def test_permissions(text: str, bits: int) -> None:
    assert parse_permissions(text) == bits
    assert parse_permissions(permissions_text(bits)) == bits


@pytest.mark.parametrize("text", ["", "-", "r-x", "rr", "X", "s", "5", "r x", "True"])
def test_other_permissions(text: str) -> None:
    with pytest.raises(PalisadeError, match=f"permissions: expected some of r, w and x such as 'rx', got {text!r}"):
        parse_permissions(text)


def test_descriptions() -> None:
    assert Acl(7, 5, 0).describe({}) == "none"
    assert Acl(7, 5, 0, {0: 1, 4000000: 0}, {0: 5}, 5).describe({}) == "4000000:-, root:x, group root:rx"
    assert Acl(7, 5, 0, {0: 1}, {}, 4).describe({0: "toor"}) == "toor:x, mask:r"


def test_errors_of_an_acl_name_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as descriptor:
        other = host_acl._refusal(descriptor, "/x", PermissionError(errno.EPERM, "Operation not permitted"))
        assert (type(other), str(other)) == (PalisadeError, "/x: its ACL: Operation not permitted")
        told = host_acl._refusal(descriptor, "/x", OSError(errno.ENOTSUP, "Not supported"))
        assert isinstance(told, NoAclsError)
        kind = host_acl._file_system(descriptor)
        assert re.fullmatch("[a-z0-9.]+", kind)
        assert (
            str(told) == f"/x: its file system ({kind}) has no POSIX ACLs; mount it with the option acl if there is one"
        )


@pytest.mark.parametrize(("mount", "kind"), [("7", "ext4"), ("77", "tmpfs"), ("8", "of an unknown type")])
def test_the_file_system_of_what_is_opened(mount: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/proc/self/fdinfo/5": f"pos:\t0\nflags:\t0\nmnt_id:\t{mount}\nino:\t1\n",
        "/proc/self/mountinfo": "77 1 0:1 / /a rw shared:1 - tmpfs none rw\n7 1 0:2 / /b rw - ext4 /dev/x rw\n",
    }
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", lambda path, **how: io.StringIO(texts[path]))
        found = host_acl._file_system(5)
    assert found == kind
