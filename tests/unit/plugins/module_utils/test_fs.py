"""Root's changes below paths where a daemon may have planted something: nothing outside is ever touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._fs import (
    Attributes,
    diff_of,
    ensure_directory,
    ensure_file,
    opened_directory,
    remove,
    switch_link,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, needs_root, snapshot
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
    with pytest.raises(PalisadeError, match=r"planted: expected a (directory|file), found a symbolic link; nothing"):
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
    with pytest.raises(PalisadeError, match="planted: expected a directory, found a symbolic link; nothing"):
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
    with pytest.raises(PalisadeError, match=r"planted: .*nothing was changed"):
        action(data / "planted", False)
    assert snapshot(tmp_path) == before


def test_a_directory_in_place_of_a_file_is_refused(data: Path) -> None:
    (data / "planted").mkdir()
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(PalisadeError, match="planted: expected a file, found something else; nothing was changed"):
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
