"""Root's changes below paths where a daemon may have planted something: nothing outside is ever touched."""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.fs import (
    Attributes,
    diff_of,
    ensure_directory,
    ensure_entry,
    ensure_file,
    opened_directory,
    remove,
    require_root_only,
    switch_link,
    sync,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import (
    ME,
    MY_GROUP,
    acls,
    allowed,
    needs_root,
    snapshot,
)
from hypothesis import given
from hypothesis import strategies as st

MINE = Attributes(ME, MY_GROUP, 0o750)
FILE = Attributes(ME, MY_GROUP, 0o640)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that nothing may touch, with a file in it."""
    directory = tmp_path / "outside"
    directory.mkdir(mode=0o755)
    (directory / "file").write_text("theirs\n")
    (directory / "file").chmod(0o604)
    return directory


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def directory(path: Path, check: bool = False) -> Any:
    return ensure_directory(str(path), MINE, check)


def file(path: Path, check: bool = False) -> Any:
    return ensure_file(str(path), "ours\n", FILE, secret=False, check=check)


def gone(path: Path, check: bool = False) -> Any:
    return remove(str(path), check)


def link(path: Path, check: bool = False) -> Any:
    return switch_link(str(path), "releases/new", check)


ACTIONS: list[Callable[[Path, bool], Any]] = [directory, file, gone, link]
CREATING = [directory, file, link]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("action", [directory, file])
@pytest.mark.parametrize("target", ["directory", "file", "missing", "loop", "relative"])
def test_a_planted_link_is_refused(
    action: Callable[[Path, bool], Any], target: str, check: bool, outside: Path, data: Path, tmp_path: Path
) -> None:
    targets = {
        "directory": outside,
        "file": outside / "file",
        "missing": outside / "new",
        "loop": data / "planted",
        "relative": Path("../outside"),
    }
    (data / "planted").symlink_to(targets[target])
    before = snapshot(tmp_path)
    with pytest.raises(
        PalisadeError, match=r"planted: expected a (directory|file), found a symbolic link; it was left alone"
    ):
        action(data / "planted", check)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("below", ["file", "new", "a/b"])
def test_a_link_on_the_way_is_refused(
    action: Callable[[Path, bool], Any], below: str, check: bool, outside: Path, data: Path, tmp_path: Path
) -> None:
    (data / "planted").symlink_to(outside)
    before = snapshot(tmp_path)
    with pytest.raises(PalisadeError, match="planted: expected a directory, found a symbolic link; it was left alone"):
        action(data / "planted" / below, check)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_file_on_the_way_is_refused(action: Callable[[Path, bool], Any], data: Path) -> None:
    (data / "planted").write_text("x")
    with pytest.raises(PalisadeError, match="planted: expected a directory, found no directory"):
        action(data / "planted" / "x", False)


@pytest.mark.parametrize("action", [directory, file])
def test_a_fifo_is_refused_and_does_not_block(action: Callable[[Path, bool], Any], data: Path, tmp_path: Path) -> None:
    os.mkfifo(data / "planted")
    before = snapshot(tmp_path)
    with pytest.raises(PalisadeError, match=r"planted: .*it was left alone"):
        action(data / "planted", False)
    assert snapshot(tmp_path) == before


def test_a_directory_in_place_of_a_file_is_refused(data: Path) -> None:
    (data / "planted").mkdir()
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(PalisadeError, match="planted: expected a file, found something else; it was left alone"):
        file(data / "planted")
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_file_in_place_of_a_link_is_refused(data: Path) -> None:
    (data / "current").mkdir()
    with pytest.raises(PalisadeError, match="current: expected a symbolic link, found something else"):
        link(data / "current")


@pytest.mark.parametrize("path", ["data", "", "/tmp/../etc", "/a/.."])
def test_paths_are_absolute_and_plain(path: str) -> None:
    with pytest.raises(PalisadeError, match=r"expected an absolute path without '\.\.'"), opened_directory(path):
        pass


@pytest.mark.parametrize("action", CREATING)
def test_a_check_changes_nothing(action: Callable[[Path, bool], Any], data: Path, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    assert action(data / "new", True)
    # What an earlier step would have made is not there in a check.
    assert action(data / "not" / "yet" / "there", True)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("action", CREATING)
def test_the_second_time_changes_nothing(action: Callable[[Path, bool], Any], data: Path, tmp_path: Path) -> None:
    planned = action(data / "new", True)
    assert action(data / "new", False) == planned
    before = snapshot(tmp_path)
    assert action(data / "new", False) is None
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("action", CREATING)
def test_a_missing_parent_is_an_error(action: Callable[[Path, bool], Any], data: Path) -> None:
    with pytest.raises(PalisadeError, match=f"the directory {data}/not does not exist"):
        action(data / "not" / "there", False)


def test_a_directory_is_created(data: Path) -> None:
    # No umask is in between.
    before = os.umask(0o077)
    try:
        directory(data / "new")
    finally:
        os.umask(before)
    assert mode_of(data / "new") == 0o750


def test_modes_are_repaired(data: Path) -> None:
    directory(data / "new")
    file(data / "new" / "file")
    for path, mode, wanted, action in (
        (data / "new", 0o2777, 0o750, directory),
        (data / "new" / "file", 0o666, 0o640, file),
    ):
        path.chmod(mode)
        change = action(path)
        assert (change["before"]["mode"], change["after"]["mode"]) == (f"{mode:04o}", f"{wanted:04o}")
        assert mode_of(path) == wanted


@needs_root
def test_owners_are_repaired(data: Path) -> None:
    wanted = Attributes("daemon", "games", 0o750)
    uid, gid = wanted.ids(check=False)
    (data / "new").mkdir()
    (data / "file").write_text("x")
    assert ensure_directory(str(data / "new"), wanted, False)
    assert ensure_file(str(data / "file"), "x", wanted, secret=False, check=False)
    for path in (data / "new", data / "file"):
        assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (uid, gid, 0o750)
    assert ensure_directory(str(data / "new"), wanted, False) is None
    assert ensure_file(str(data / "file"), "x", wanted, secret=False, check=False) is None


@pytest.mark.parametrize("wanted", [Attributes("no-such-account", MY_GROUP, 0o750), Attributes(ME, "no-such-group", 0)])
def test_accounts_that_are_missing(wanted: Attributes, data: Path) -> None:
    assert ensure_directory(str(data), wanted, check=True)
    with pytest.raises(PalisadeError, match=r"no-such-.* does not exist on this host"):
        ensure_directory(str(data), wanted, check=False)


def test_a_file_is_replaced_and_not_written_through(data: Path, outside: Path) -> None:
    """A hard link that a daemon planted keeps its content."""
    os.link(outside / "file", data / "planted")
    os.utime(outside / "file", ns=(1, 1))
    change = file(data / "planted")
    assert change["before"]["content"] == "theirs\n"
    assert (data / "planted").read_text() == "ours\n"
    assert ((outside / "file").read_text(), mode_of(outside / "file")) == ("theirs\n", 0o604)
    assert (outside / "file").stat().st_mtime_ns == 1


@pytest.mark.parametrize("text", ["a\r\nb\r\n", "a\rb", "\n", "", "ä\u2028", "\udcff"])
def test_content_is_kept_to_the_byte(text: str, data: Path) -> None:
    for _time in range(2):
        change = ensure_file(str(data / "file"), text, FILE, secret=False, check=False)
    assert change is None
    assert (data / "file").read_bytes() == text.encode("utf-8", "surrogateescape")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_content(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "any"
    for text in (before, after):
        ensure_file(str(path), text, FILE, secret=False, check=False)
        assert path.read_bytes() == text.encode()
        assert ensure_file(str(path), text, FILE, secret=False, check=True) is None


def test_other_line_ends_are_a_difference(data: Path) -> None:
    (data / "file").write_bytes(b"ours\r\n")
    assert file(data / "file")
    assert (data / "file").read_bytes() == b"ours\n"


@pytest.mark.parametrize("step", ["rename", "fchown", "fsync"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    step: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file(data / "file")
    (data / "file").write_text("old\n")
    before = snapshot(data / "file")

    def fails(*arguments: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(OSError, match="No space left"):
        file(data / "file")
    monkeypatch.undo()
    assert snapshot(data / "file") == before
    assert os.listdir(data) == ["file"]


@pytest.mark.parametrize("step", ["rename"])
def test_a_link_that_fails_leaves_nothing(step: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(OSError, match="No space left"):
        link(data / "current")
    monkeypatch.undo()
    assert os.listdir(data) == []


def test_a_new_file_is_never_wider_than_wanted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    fchown = os.fchown

    def spy(descriptor: int, uid: int, gid: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fchown(descriptor, uid, gid)

    monkeypatch.setattr(os, "fchown", spy)
    ensure_file(str(data / "file"), "x", Attributes(ME, MY_GROUP, 0o644), secret=False, check=False)
    assert seen == [0o600]


@pytest.mark.parametrize("gone", [False, True])
def test_what_a_killed_run_left_goes(gone: bool, data: Path) -> None:
    left, other = data / ".secret.0123456789abcdef", data / ".secrets.0123456789abcdef"
    (data / ".secret.fedcba9876543210").mkdir()

    def bring(check: bool) -> dict[str, object] | None:
        if gone:
            return remove(str(data / "secret"), check)
        return ensure_file(str(data / "secret"), "new", Attributes(ME, MY_GROUP, 0o600), secret=True, check=check)

    bring(False)
    left.write_text("old")
    other.write_text("of others")
    planned = bring(True)
    assert left.exists()
    assert planned == bring(False)
    assert planned is not None
    assert (left.exists(), other.exists(), bring(False)) == (False, True, None)


def test_a_secret_is_not_in_the_difference(data: Path) -> None:
    for text in ("hunter2\n", "hunter3\n"):
        change = ensure_file(str(data / "file"), text, FILE, secret=True, check=False)
        assert change
        assert "hunter" not in repr(change) + repr(diff_of([change]))
        assert "(secret, changed)" in diff_of([change])["after"]
    (data / "file").chmod(0o600)
    change = ensure_file(str(data / "file"), "hunter3\n", FILE, secret=True, check=False)
    assert change
    assert "changed" not in repr(change)


@pytest.mark.parametrize("check", [True, False])
def test_remove_does_not_follow(check: bool, data: Path, outside: Path) -> None:
    tree = data / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "file").write_text("x")
    (tree / "link").symlink_to(outside)
    (tree / "deep" / "link").symlink_to(outside / "file")
    os.mkfifo(tree / "fifo")
    before, theirs = snapshot(data), snapshot(outside)
    assert gone(tree, check) == {
        "path": str(tree),
        "before": {"state": "present"},
        "after": {"state": "absent"},
    }
    assert snapshot(outside) == theirs
    if check:
        assert snapshot(data) == before
    else:
        assert not tree.exists()
        assert gone(tree) is None


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_link_is_removed_itself(slash: str, data: Path, outside: Path) -> None:
    (data / "planted").symlink_to(outside)
    theirs = snapshot(outside)
    assert remove(f"{data}/planted{slash}", check=False)
    assert snapshot(outside) == theirs
    assert os.listdir(data) == []


def test_what_is_not_there_is_not_removed(data: Path) -> None:
    assert gone(data / "x") is None
    assert gone(data / "x" / "y" / "z") is None


def test_a_link_is_switched_in_one_step(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link(data / "current")
    rename, seen = os.rename, []

    def spy(*arguments: Any, **keywords: Any) -> None:
        seen.append(os.readlink(data / "current"))
        rename(*arguments, **keywords)

    monkeypatch.setattr(os, "rename", spy)
    change = switch_link(str(data / "current"), "releases/newer", check=False)
    assert change == {
        "path": f"{data}/current",
        "before": {"target": "releases/new"},
        "after": {"target": "releases/newer"},
    }
    # The old one was there until the new one took its place.
    assert seen == ["releases/new"]
    assert os.listdir(data) == ["current"]


def test_no_descriptor_is_left_open(data: Path, outside: Path) -> None:
    (data / "planted").symlink_to(outside)
    descriptors = sorted(os.listdir("/proc/self/fd"))
    for action in ACTIONS:
        for path in (data / "planted" / "x", data / "not" / "there", data / "new"):
            try:
                action(path, False)
            except PalisadeError:
                continue
    assert sorted(os.listdir("/proc/self/fd")) == descriptors


def test_diff_of() -> None:
    changes: list[dict[str, object]] = [
        {"path": "/a", "before": {"state": "absent"}, "after": {"mode": "0640", "content": "x\ny\n"}},
        {"path": "/b", "before": {"mode": "0777"}, "after": {"mode": "0750"}},
    ]
    assert diff_of(changes) == {
        "before": "/a:\n  state: absent\n/b:\n  mode: 0777\n",
        "after": "/a:\n  mode: 0640\n  content:\n    x\n    y\n/b:\n  mode: 0750\n",
    }
    assert diff_of([]) == {"before": "", "after": ""}


DAEMON, MAN = (pwd.getpwnam(name).pw_uid for name in ("daemon", "man"))
ROOTS = Attributes("root", "games", 0o750)
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def acl_of(path: Path) -> Acl | None:
    try:
        return Acl.decode(os.getxattr(path, ACCESS))
    except OSError:
        return None


def put_acl(path: Path, acl: Acl, name: str = ACCESS) -> None:
    os.setxattr(path, name, acl.encode())


def with_accounts(path: Path, accounts: dict[str, int] | None, check: bool = False, mode: int = 0o750) -> Any:
    return ensure_directory(str(path), Attributes("root", "games", mode), check, accounts)


@needs_root
def test_a_directory_names_these_accounts_and_no_other(data: Path) -> None:
    new = data / "new"
    for mode, accounts, shown in (
        (0o750, {"daemon": 1}, 0o750),
        (0o700, {"daemon": 1}, 0o710),
        (0o2750, {"daemon": 7, "man": 1}, 0o2770),
        (0o2751, {"man": 5}, 0o2751),
        (0o750, {}, 0o750),
    ):
        state = snapshot(data), acls(data)
        planned = with_accounts(new, accounts, check=True, mode=mode)
        assert (snapshot(data), acls(data)) == state
        assert with_accounts(new, accounts, mode=mode) == planned
        assert planned["after"]["mode"] == f"{mode:04o}"
        assert mode_of(new) == shown
        users = {pwd.getpwnam(name).pw_uid: permissions for name, permissions in accounts.items()}
        assert acl_of(new) == (Acl.from_mode(mode, users) if users else None)
        state = snapshot(data), acls(data)
        assert with_accounts(new, accounts, mode=mode) is None
        assert with_accounts(new, accounts, check=True, mode=mode) is None
        assert (snapshot(data), acls(data)) == state


@needs_root
@pytest.mark.parametrize(
    ("found", "described"),
    [
        (Acl(7, 5, 0, {DAEMON: 1, MAN: 7}, {}, 7), {"mode": "0750", "acl": "daemon:x, man:rwx"}),
        (Acl(7, 5, 0, {DAEMON: 1}, {0: 7}, 7), {"mode": "0750", "acl": "daemon:x, group root:rwx"}),
        # As a chmod leaves it: the group has less, or the account nothing.
        (Acl(7, 5, 0, {DAEMON: 1}, {}, 4), {"mode": "0750", "acl": "daemon:x, mask:r"}),
        (Acl(7, 5, 0, {DAEMON: 1}, {}, 7), {"mode": "0750", "acl": "daemon:x, mask:rwx"}),
        (Acl(7, 7, 0, {DAEMON: 1}, {}, 7), {"mode": "0770", "acl": "daemon:x"}),
        (Acl(7, 5, 0, {DAEMON: 5}, {}, 5), {"mode": "0750", "acl": "daemon:rx"}),
        (Acl(7, 5, 0), {"mode": "0750", "acl": "none"}),
    ],
)
def test_acls_are_repaired(found: Acl, described: dict[str, str], data: Path) -> None:
    os.chown(data, 0, 60)
    put_acl(data, found)
    change = with_accounts(data, {"daemon": 1})
    assert change["before"] == {"owner": 0, "group": 60, **described}
    assert change["after"] == {"owner": 0, "group": 60, "mode": "0750", "acl": "daemon:x"}
    assert acl_of(data) == Acl.from_mode(0o750, {DAEMON: 1})
    assert with_accounts(data, {"daemon": 1}) is None


@needs_root
def test_another_owner_keeps_the_accounts(data: Path) -> None:
    with_accounts(data, {"daemon": 1}, mode=0o700)
    os.chown(data, MAN, 0)
    assert with_accounts(data, {"daemon": 1}, mode=0o700)
    assert acl_of(data) == Acl.from_mode(0o700, {DAEMON: 1})
    assert with_accounts(data, {"daemon": 1}, mode=0o700) is None


@needs_root
def test_without_accounts_an_acl_stays(data: Path) -> None:
    os.chown(data, 0, 60)
    found = Acl(7, 5, 0, {MAN: 1}, {}, 5)
    put_acl(data, found)
    assert with_accounts(data, None) is None
    os.chown(data, 0, 0)
    assert with_accounts(data, None)
    assert acl_of(data) == found


@needs_root
def test_old_entries_never_have_effect_on_the_way(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that a mask holds back is not let loose by a mode that comes before the new ACL."""
    put_acl(data, Acl(7, 0, 0, {MAN: 7}, {}, 0))
    seen: list[set[str]] = []
    (data / "file").touch()

    def spy(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> None:
            step(*arguments)
            acl = acl_of(data)
            seen.append(set() if acl is None else {str(uid) for uid, entry in acl.users.items() if entry & acl.limit})

        return call

    for name in ("fchown", "fchmod", "setxattr"):
        monkeypatch.setattr(os, name, spy(getattr(os, name)))
    with_accounts(data, {"daemon": 1}, mode=0o770)
    assert seen
    assert all(str(MAN) not in entries for entries in seen)


@needs_root
def test_a_new_directory_does_not_keep_what_it_inherits(data: Path) -> None:
    put_acl(data, Acl.from_mode(0o770, {MAN: 7}), DEFAULT)
    with_accounts(data / "new", {"daemon": 1})
    assert acl_of(data / "new") == Acl.from_mode(0o750, {DAEMON: 1})
    # What files begin with is the administrator's affair.
    assert os.getxattr(data / "new", DEFAULT) == os.getxattr(data, DEFAULT)
    with_accounts(data / "plain", {})
    assert acl_of(data / "plain") is None


@needs_root
def test_accounts_that_are_still_to_be_made(data: Path) -> None:
    accounts = {"no-such-account": 1, "nor-this-one": 5, "daemon": 1}
    for path in (data, data / "new"):
        change = with_accounts(path, accounts, check=True)
        assert change["after"]["acl"] == "daemon:x, no-such-account:x, nor-this-one:rx"
    with pytest.raises(PalisadeError, match="account 'no-such-account' does not exist on this host"):
        with_accounts(data, accounts)
    assert acls(data) == {}


@pytest.fixture
def without_acls(tmp_path: Path) -> Any:
    """A file system that keeps none."""
    place = tmp_path / "ramfs"
    place.mkdir()
    if subprocess.run(["mount", "-t", "ramfs", "none", place], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


@needs_root
def test_directories_where_there_are_no_acls(without_acls: Path) -> None:
    new = without_acls / "new"
    for _time in range(2):
        change = with_accounts(new, {})
    assert change is None
    assert mode_of(new) == 0o750
    for check in (True, False):
        with pytest.raises(PalisadeError, match=rf"^{new}: its file system \(ramfs\) has no POSIX ACLs; mount"):
            with_accounts(new, {"daemon": 1}, check)


@needs_root
def test_entries_where_there_are_no_acls(without_acls: Path) -> None:
    (without_acls / "file").touch()
    without_acls.chmod(0o755)
    for check in (True, False):
        with pytest.raises(PalisadeError, match=r"file: its file system \(ramfs\) .*mount it .*supplementary_groups"):
            grant(without_acls / "file", 4, check=check)
        assert grant(without_acls / "file", None, check=check) is None


def ways(path: Path) -> dict[str, int | None]:
    return {str(way): 1 for way in path.parents}


def grant(path: Path, permissions: int | None, account: str = "daemon", check: bool = False) -> Any:
    """Give an entry; the directories of tests are closed, and so have to be in the list too."""
    return ensure_entry(str(path), account, {**ways(path), str(path): permissions}, check)


@pytest.fixture
def theirs(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is somebody else's, of every kind."""
    (data / "file").write_text("theirs\n")
    (data / "file").chmod(0o640)
    (data / "directory").mkdir()
    (data / "directory").chmod(0o2750)
    os.mkfifo(data / "fifo", 0o600)
    # Its address may not be long.
    monkeypatch.chdir(data)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    (data / "socket").chmod(0o660)
    for path in data.iterdir():
        os.chown(path, MAN, 60)
    return data


KINDS = ["file", "directory", "fifo", "socket"]


@needs_root
@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_comes_and_goes(kind: str, theirs: Path) -> None:
    path = theirs / kind
    original = snapshot(theirs)
    before = "none"
    for permissions, after in ((4, "r"), (6, "rw"), (1, "x"), (None, "none")):
        state = snapshot(theirs), acls(theirs)
        planned = grant(path, permissions, check=True)
        assert (snapshot(theirs), acls(theirs)) == state
        assert grant(path, permissions) == planned
        assert planned == {
            "path": str(path),
            "before": {"acl": f"daemon:{before}"},
            "after": {"acl": f"daemon:{after}"},
        }
        assert (path.lstat().st_uid, path.lstat().st_gid) == (MAN, 60)
        assert grant(path, permissions) is None
        assert (kind in allowed("daemon", theirs, os.R_OK)) == ("r" in after)
        assert (kind in allowed("daemon", theirs, os.W_OK)) == ("w" in after)
        assert set(acls(theirs)) == ({f"{kind} access"} if permissions else set())
        before = after
    assert snapshot(theirs) == original


@needs_root
def test_only_the_one_entry_is_touched(theirs: Path) -> None:
    path = theirs / "directory"
    put_acl(path, Acl(7, 5, 0, {0: 7}, {0: 4}, 7))
    put_acl(path, Acl.from_mode(0o770, {0: 7}), DEFAULT)
    state = snapshot(theirs), acls(theirs)
    grant(path, 5)
    assert acl_of(path) == Acl(7, 5, 0, {0: 7, DAEMON: 5}, {0: 4}, 7)
    grant(path, None)
    assert (snapshot(theirs), acls(theirs)) == state


@needs_root
def test_an_entry_that_a_chmod_cut_comes_back(theirs: Path) -> None:
    grant(theirs / "file", 6)
    (theirs / "file").chmod(0o640)
    change = grant(theirs / "file", 6)
    assert (change["before"], change["after"]) == ({"acl": "daemon:r"}, {"acl": "daemon:rw"})
    assert allowed("daemon", theirs, os.W_OK) == {"file"}


@needs_root
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("permissions", [4, None])
@pytest.mark.parametrize("path", ["planted", "planted/file", "way/planted", "way/planted/file"])
def test_an_entry_is_not_given_through_a_link(
    path: str, permissions: int | None, check: bool, outside: Path, data: Path, tmp_path: Path
) -> None:
    (data / "way").mkdir()
    (data / "planted").symlink_to(outside)
    (data / "way" / "planted").symlink_to(outside)
    before = snapshot(tmp_path), acls(tmp_path)
    with pytest.raises(PalisadeError, match=r"planted: expected .*, found a symbolic link; it was left alone"):
        grant(data / path, permissions, check=check)
    assert (snapshot(tmp_path), acls(tmp_path)) == before


@needs_root
def test_a_path_that_is_not_there(data: Path, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    for check in (True, False):
        for path in (data / "missing", data / "missing" / "too"):
            with pytest.raises(PalisadeError, match=f"^{path}: expected an existing file or directory, found nothing$"):
                grant(path, 4, check=check)
            assert grant(path, None, check=check) is None
    assert snapshot(tmp_path) == before


@needs_root
def test_entries_of_an_account_that_is_not_there(theirs: Path) -> None:
    path = theirs / "file"
    assert grant(path, 4, "no-such-account", check=True)["after"] == {"acl": "no-such-account:r"}
    with pytest.raises(PalisadeError, match="account 'no-such-account' does not exist on this host"):
        grant(path, 4, "no-such-account")
    for check in (True, False):
        assert grant(path, None, "no-such-account", check=check) is None
    assert acls(theirs) == {}


@pytest.mark.parametrize("permissions", [4, None])
@pytest.mark.parametrize(
    "path", ["", "/", "//", "srv", "/srv/../etc/shadow", "/srv/", "//srv", "/srv//a", "/srv/.", "/a\0b", "/a\nb"]
)
def test_entries_have_plain_paths(path: str, permissions: int | None) -> None:
    with pytest.raises(PalisadeError, match=r"expected an absolute path without '\.\.'"):
        ensure_entry(path, "daemon", {path: permissions}, check=True)


@pytest.mark.parametrize(
    "path", ["/etc", "/etc/passwd", "/usr/bin/env", "/usr/local", "/boot", "/root", "/srv", "/var", "/dev"]
)
def test_root_is_not_given_away(path: str) -> None:
    for permissions in (2, 6, 7):
        with pytest.raises(PalisadeError, match=rf"^{path}: permissions: expected no w for what root owns .*'r?wx?'"):
            ensure_entry(path, "daemon", {path: permissions}, check=True)


def test_what_is_read_only_or_elsewhere_is_given() -> None:
    for path, permissions in (("/etc/passwd", 4), ("/usr/bin/env", 5), ("/var/lib/dpkg", 7)):
        assert ensure_entry(path, "daemon", {path: permissions}, check=True)


def test_a_device_is_refused() -> None:
    with pytest.raises(PalisadeError, match=r"^/dev/null: expected a file or directory, found a device$"):
        ensure_entry("/dev/null", "daemon", {"/dev/null": 4}, check=True)


@needs_root
def test_what_is_the_accounts_own_is_refused(theirs: Path) -> None:
    with pytest.raises(PalisadeError, match="file: belongs to account 'man' itself"):
        grant(theirs / "file", 4, "man")


@needs_root
def test_a_way_that_is_closed(theirs: Path) -> None:
    """Found before the entry is given; unless the account is given the way as well."""
    (theirs / "directory" / "deep").mkdir()
    path, closed = theirs / "directory" / "deep", str(theirs / "directory")
    for mode, others, refused in (
        (0o700, {}, True),
        (0o711, {}, False),
        # One of its groups may open it.
        (0o710, {}, False),
        (0o700, {closed: 1}, False),
        (0o711, {closed: 4}, True),
    ):
        os.chmod(closed, mode)
        entries = {**ways(Path(closed)), **others, str(path): 4}
        if refused:
            with pytest.raises(PalisadeError, match=f"{path}: account 'daemon' cannot enter {closed}, .* give it x on"):
                ensure_entry(str(path), "daemon", entries, check=True)
        else:
            assert ensure_entry(str(path), "daemon", entries, check=True)
    os.chmod(closed, 0o700)
    put_acl(Path(closed), Acl.from_mode(0o700, {DAEMON: 1}))
    assert ensure_entry(str(path), "daemon", {**ways(Path(closed)), str(path): 4}, check=True)
    # An entry that is about to go opens nothing.
    with pytest.raises(PalisadeError, match=f"cannot enter {closed}"):
        ensure_entry(str(path), "daemon", {**ways(Path(closed)), closed: None, str(path): 4}, check=True)


@needs_root
def test_descriptors_are_closed(theirs: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    (theirs / "planted").symlink_to("/etc")
    grant(theirs / "file", 4)
    grant(theirs / "missing", None)
    with pytest.raises(PalisadeError):
        grant(theirs / "planted", 4)
    assert len(os.listdir("/proc/self/fd")) == before


@needs_root
@pytest.mark.parametrize(
    ("owner", "found", "said"),
    [
        (0, Acl(7, 5, 5), ""),
        (0, Acl(7, 5, 5, {DAEMON: 5}, {}, 5), ""),
        # The mask takes it away.
        (0, Acl(7, 5, 5, {DAEMON: 7}, {}, 5), ""),
        (DAEMON, Acl(7, 5, 5), "found owner daemon, mode 0755. "),
        (61999, Acl(7, 5, 5), "found owner 61999, mode 0755. "),
        (0, Acl(7, 7, 5), "found owner root, mode 0775. "),
        (0, Acl(7, 5, 7), "found owner root, mode 0757. "),
        (0, Acl(7, 5, 5, {DAEMON: 7}, {}, 7), "found owner root, mode 0775, ACL daemon:rwx. "),
        (0, Acl(7, 5, 5, {}, {DAEMON: 6}, 7), "mode 0775, ACL group daemon:rw"),
    ],
)
def test_who_may_change_a_directory(owner: int, found: Acl, said: str, data: Path) -> None:
    os.chown(data, owner, 0)
    data.chmod(found.mode)
    if found.users or found.groups:
        put_acl(data, found)
    before = snapshot(data), acls(data)
    if said:
        with pytest.raises(PalisadeError) as caught:
            require_root_only(str(data))
        assert said in str(caught.value)
        # What it says to do is enough.
        mend = str(caught.value).partition("needs these rights, run: ")[2]
        assert (snapshot(data), acls(data)) == before
        subprocess.run(mend, shell=True, check=True)
    require_root_only(str(data))
    require_root_only(str(data / "missing"))


@needs_root
@pytest.mark.parametrize(
    "drift",
    [
        "chown daemon {0}",
        "chgrp games {0}",
        "chmod g+w {0}",
        "chmod o+w {0}",
        "setfacl -m u:daemon:rwx {0}",
        "setfacl -m g:games:rwx {0}",
        "chown daemon {0}/wsgi.py",
        "chmod g+w {0}/wsgi.py",
        "setfacl -m u:daemon:rw {0}/wsgi.py",
        "setfacl -m d:u:daemon:rwx {0}; setfacl -m u:daemon:rw {0}/wsgi.py",
        "echo x >>{0}/wsgi.py",
        "rm {0}/wsgi.py",
    ],
)
def test_an_entry_file_drifts_and_is_put_right(drift: str, data: Path) -> None:
    entry = data / "shop"

    def play(check: bool) -> list[Any]:
        seen = ensure_directory(str(entry), Attributes("root", "root", 0o755), check, {})
        file = ensure_file(str(entry / "wsgi.py"), "import shop\n", Attributes("root", "root", 0o644), False, check)
        return [change for change in (seen, file) if change]

    play(check=False)
    data.chmod(0o755)
    subprocess.run(drift.format(entry), shell=True, check=True)
    before = snapshot(data), acls(data)
    planned = play(check=True)
    assert planned
    assert (snapshot(data), acls(data)) == before
    assert play(check=False) == planned
    assert play(check=False) == []
    for path, mode in ((entry, 0o755), (entry / "wsgi.py", 0o644)):
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, mode)
    assert allowed("daemon", data, os.W_OK) == set()
    assert (entry / "wsgi.py").read_text() == "import shop\n"


@pytest.mark.parametrize("target", ["/missing", "/etc", "/etc/passwd"])
def test_a_link_with_the_name_of_what_is_left_goes_itself(target: str, data: Path) -> None:
    planted = data / ".secret.0123456789abcdef"
    planted.symlink_to(target)
    ensure_file(str(data / "secret"), "new", Attributes(ME, MY_GROUP, 0o600), secret=True, check=False)
    assert not planted.is_symlink()


@pytest.mark.parametrize("target", ["/missing", "current", "/etc"])
def test_a_link_to_nowhere_is_removed_too(target: str, data: Path) -> None:
    (data / "current").symlink_to(target)
    planned = remove(str(data / "current"), check=True)
    assert planned
    assert remove(str(data / "current"), check=False) == planned
    assert os.listdir(data) == []


def test_a_file_system_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(str(tmp_path))
    synced: list[os.stat_result] = []

    def fails(descriptor: int) -> int:
        synced.append(os.fstat(descriptor))
        ctypes.set_errno(errno.EIO)
        return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda _name, use_errno: SimpleNamespace(syncfs=fails))
    with pytest.raises(PalisadeError, match=f"{tmp_path}: cannot be written to the disk: Input/output error"):
        sync(str(tmp_path))
    assert [found.st_ino for found in synced] == [tmp_path.stat().st_ino]
