# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data of an old site, copied: whole, ours, through no link, and never over data of the app's own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import data
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import data as data_module
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.data import (
    Copied,
    begin,
    check_sources,
    copy_data,
    finish,
    forgotten,
    is_pending,
    note,
    noted,
    writers,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, needs_root, snapshot

OLD = 1_600_000_000


class Host:
    """An old site's data, and the app's place for it."""

    def __init__(self, root: Path) -> None:
        self.old = root / "srv"
        self.ours = root / "home/data"
        self.ours.mkdir(parents=True)
        (self.old / "db/inner").mkdir(parents=True)
        self.write("db/rows", "1")
        self.write("db/inner/more", "2")
        self.site = root / "zz-palisade-shop.conf"
        self.row: dict[str, Any] = {
            "app": "shop",
            "owner": ME,
            "group": MY_GROUP,
            "marker": str(root / "home/data-on-its-way"),
            "copies": [{"path": str(self.ours / "db"), "source": str(self.old / "db"), "directory": True}],
            "site": {"path": str(self.site), "link": "", "closed": "closed"},
            "replaced": [],
        }

    def write(self, name: str, text: str, at: float = OLD) -> Path:
        path = self.old / name
        path.write_text(text)
        os.utime(path, (at, at))
        return path

    def files(self) -> dict[str, str]:
        return {str(path.relative_to(self.ours)): path.read_text() for path in self.ours.rglob("*") if path.is_file()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_copy_is_whole_and_ours_and_the_old_place_is_as_it_was(host: Host) -> None:
    (host.old / "db/rows").chmod(0o4777)
    before = snapshot(host.old)
    umask = os.umask(0o077)
    assert copy_data(host.row, closed=False).files == 2
    os.umask(umask)
    assert host.files() == {"db/rows": "1", "db/inner/more": "2"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in host.ours.rglob("*")}
    assert modes == {"db": 0o750, "inner": 0o750, "rows": 0o640, "more": 0o640}
    assert (host.ours / "db/rows").stat().st_mtime == OLD
    after = snapshot(host.old)
    assert {path: row[:-1] for path, row in after.items()} == {path: row[:-1] for path, row in before.items()}
    assert not copy_data(host.row, closed=False).changed


def test_a_second_pass_brings_what_changed_and_takes_away_what_went(host: Host) -> None:
    host.write("db/gone", "x")
    copy_data(host.row, closed=False)
    (host.old / "db/gone").unlink()
    host.write("db/rows", "3", OLD + 1)
    host.write("db/new", "4")
    (host.ours / "db/own").mkdir()
    done = copy_data(host.row, closed=True)
    assert (done.files, done.removed) == (2, 2)
    assert host.files() == {"db/rows": "3", "db/inner/more": "2", "db/new": "4"}


def test_a_file_that_may_still_change_without_a_newer_time_is_copied_again(host: Host) -> None:
    now = time.time()
    host.write("db/rows", "a", now)
    copy_data(host.row, closed=False)
    # Within one step of the kernel's clock, and of the same length.
    host.write("db/rows", "b", now)
    assert copy_data(host.row, closed=True).files == 1
    assert host.files()["db/rows"] == "b"
    assert not copy_data(host.row, closed=True).changed


def test_kinds_that_changed(host: Host) -> None:
    copy_data(host.row, closed=False)
    (host.old / "db/rows").unlink()
    (host.old / "db/rows").mkdir()
    (host.old / "db/inner/more").unlink()
    (host.old / "db/inner").rmdir()
    host.write("db/inner", "5")
    copy_data(host.row, closed=True)
    assert host.files() == {"db/inner": "5"}
    assert (host.ours / "db/rows").is_dir()


def test_links_and_what_is_no_file_are_left_out_and_told(host: Host, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    (host.old / "db/file").symlink_to(secret)
    (host.old / "db/directory").symlink_to(tmp_path)
    os.mkfifo(host.old / "db/pipe")
    done = copy_data(host.row, closed=False)
    assert sorted(os.path.basename(path) for path in done.left_out) == ["directory", "file", "pipe"]
    assert set(host.files()) == {"db/rows", "db/inner/more"}
    (told,) = done.warnings("shop")
    assert "not copied" in told
    assert str(host.old / "db/pipe") in told


@needs_root
def test_a_hard_link_to_a_file_of_another_account_is_left_out(host: Host, tmp_path: Path) -> None:
    for path in (host.old / "db", host.old / "db/rows"):
        os.chown(path, 33, 33)
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    os.link(secret, host.old / "db/planted")
    os.link(host.old / "db/rows", host.old / "db/twice")
    done = copy_data(host.row, closed=False)
    assert done.left_out == [str(host.old / "db/planted")]
    assert {"db/rows", "db/twice"} <= set(host.files())


def test_a_link_planted_at_our_side_is_not_written_through(host: Host, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/rows").write_text("theirs")
    (host.ours / "db").symlink_to(tmp_path / "elsewhere")
    copy_data(host.row, closed=False)
    assert (tmp_path / "elsewhere/rows").read_text() == "theirs"
    assert not (host.ours / "db").is_symlink()
    (host.ours / "db/rows").unlink()
    (host.ours / "db/rows").symlink_to(tmp_path / "elsewhere/rows")
    copy_data(host.row, closed=False)
    assert (tmp_path / "elsewhere/rows").read_text() == "theirs"
    assert host.files()["db/rows"] == "1"


@pytest.mark.parametrize("where", ["srv", "srv/db"])
def test_a_link_on_the_way_to_the_old_place(where: str, host: Host, tmp_path: Path) -> None:
    (tmp_path / where).rename(tmp_path / "moved")
    (tmp_path / where).symlink_to(tmp_path / "moved")
    with pytest.raises(PalisadeError, match=r"^app shop: data_from: .*link"):
        check_sources(host.row)
    with pytest.raises(PalisadeError, match=r"^app shop: data_from: .*link"):
        copy_data(host.row, closed=False)


def test_what_cannot_be_copied(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = host.row["copies"][0]
    host.row["copies"] = [{**copy, "source": str(host.old / "db/rows")}]
    with pytest.raises(PalisadeError, match=r"expected a directory, found a file; give it a path below .*db/rows"):
        check_sources(host.row)
    for missing in ("none", "none/none"):
        host.row["copies"] = [{**copy, "source": str(host.old / missing)}]
        with pytest.raises(PalisadeError, match=r"app shop: data_from: .*found nothing; copy it there first"):
            check_sources(host.row)
    host.row["copies"] = [copy]
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((1, 1, 1, 1, 0, 1, 1, 1, 1, 1)))
    with pytest.raises(PalisadeError, match=r"app shop: data_from: needs 0 MiB in .*, which has 0 MiB free"):
        check_sources(host.row)


def test_directories_that_never_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_DEPTH", 1)
    (host.old / "db/inner/inner/inner").mkdir(parents=True)
    with pytest.raises(PalisadeError, match="expected directories nested at most 1 deep"):
        copy_data(host.row, closed=False)


@pytest.fixture
def database(host: Host) -> sqlite3.Connection:
    """Return a database beside manage.py whose latest rows are in its log only."""
    connection = sqlite3.connect(host.old / "db.sqlite3")
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("CREATE TABLE orders (number)")
    connection.execute("INSERT INTO orders VALUES (1)")
    connection.commit()
    (host.ours / "db").mkdir()
    source, path = str(host.old / "db.sqlite3"), str(host.ours / "db/db.sqlite3")
    host.row["copies"] = [{"path": path, "source": source, "directory": False}]
    return connection


def test_a_database_comes_with_its_log(host: Host, database: sqlite3.Connection) -> None:
    check_sources(host.row)
    # What an earlier pass, and a program that looked at its copy, left.
    (host.ours / "db/db.sqlite3-journal").write_text("old")
    (host.ours / "db/db.sqlite3-shm").write_text("old")
    copy_data(host.row, closed=True)
    assert set(os.listdir(host.ours / "db")) == {"db.sqlite3", "db.sqlite3-wal"}
    with sqlite3.connect(host.ours / "db/db.sqlite3") as copied:
        assert copied.execute("SELECT number FROM orders").fetchall() == [(1,)]
    database.close()


def test_a_log_that_was_written_back_is_none_of_the_copy_s(host: Host, database: sqlite3.Connection) -> None:
    copy_data(host.row, closed=False)
    database.close()
    copy_data(host.row, closed=True)
    assert os.listdir(host.ours / "db") == ["db.sqlite3"]


def test_shared_memory_in_a_directory_is_made_anew(host: Host) -> None:
    for name in ("db/rows-shm", "db/rows-wal", "db/alone-shm"):
        host.write(name, "x")
    copy_data(host.row, closed=True)
    assert set(host.files()) == {"db/rows", "db/rows-wal", "db/alone-shm", "db/inner/more"}


def test_who_still_writes(host: Host) -> None:
    program = "import sys, time; files = [open(sys.argv[1], 'a'), open(sys.argv[2])]; print(flush=True); time.sleep(60)"
    arguments = [sys.executable, "-c", program, str(host.old / "db/rows"), str(host.old / "db/inner/more")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        (told,) = writers(host.row)
        process.kill()
    assert told.startswith(f"process {process.pid} (")
    assert told.endswith(f") writes to {host.old / 'db/rows'}")
    assert writers(host.row) == []


# What is pending


def test_data_is_pending_until_the_app_serves(host: Host) -> None:
    assert is_pending(host.row)
    (host.ours / "db").mkdir()
    assert is_pending(host.row)
    assert not is_pending({**host.row, "copies": []})
    host.site.write_text("WSGIDaemonProcess shop")
    assert not is_pending(host.row)
    (told,) = forgotten(host.row)
    assert "is not copied" in told
    (host.ours / "db/rows").write_text("ours")
    assert forgotten(host.row) == []
    # Nobody has to keep the old place.
    (host.ours / "db/rows").unlink()
    host.old.rename(host.old.parent / "gone")
    assert forgotten(host.row) == []
    host.old.symlink_to("gone")
    assert forgotten(host.row) == []


def test_data_of_our_own_is_never_written_over(host: Host) -> None:
    (host.ours / "db").mkdir()
    (host.ours / "db/rows").write_text("ours")
    with pytest.raises(
        PalisadeError, match=r"app shop: data_from: .*/db already holds data, but the app is not served"
    ):
        is_pending(host.row)


@needs_root
def test_what_was_interrupted_is_gone_on_with(host: Host) -> None:
    begin(host.row)
    copy_data(host.row, closed=False)
    host.site.write_text("closed")
    assert is_pending(host.row)
    assert noted(host.row) == {}
    note(host.row, {"/etc/x": "../y"})
    begin(host.row)
    assert noted(host.row) == {"/etc/x": "../y"}
    assert stat.S_IMODE(os.stat(host.row["marker"]).st_mode) == 0o600
    # Killed after the switch: what is there is the app's by now.
    host.site.write_text("WSGIDaemonProcess shop")
    assert not is_pending(host.row)
    host.site.write_text("closed")
    finish(host.row)
    assert noted(host.row) == {}


def test_what_is_left_out_is_told_so_that_it_can_be_read() -> None:
    """A name can hold what moves a terminal's cursor, and there can be thousands."""
    assert Copied().warnings("shop") == []
    start = "app shop: data_from: not copied, because these are not regular files: "
    assert Copied(left_out=["/a", "/b\x1b[2J"]).warnings("shop") == [f"{start}/a, '/b\\x1b[2J'"]
    names = [f"/{number}" for number in range(23)]
    assert Copied(left_out=names).warnings("shop") == [f"{start}{', '.join(names[:20])}, and 3 more"]
    assert Copied(left_out=names[:20]).warnings("shop") == [f"{start}{', '.join(names[:20])}"]


@pytest.mark.parametrize(
    ("site", "link", "text", "pending"),
    [
        (False, "", "", True),
        (True, "", "WSGIDaemonProcess shop", False),
        (True, "", "closed", True),
        (True, "link", "WSGIDaemonProcess shop", False),
        # A site whose link is gone serves nothing.
        (True, "missing", "WSGIDaemonProcess shop", True),
        # The link is there, and leads nowhere.
        (False, "link", "", True),
    ],
)
def test_whether_an_app_is_served(site: bool, link: str, text: str, pending: bool, host: Host) -> None:
    if site:
        host.site.write_text(text)
    if link:
        place = host.site.with_name(link)
        host.row["site"]["link"] = str(place)
        if link == "link":
            place.symlink_to(host.site)
    assert is_pending(host.row) is pending


def test_a_file_of_our_own_is_data_too(host: Host) -> None:
    source, place = host.old / "db/rows", host.ours / "rows"
    host.row["copies"] = [{"path": str(place), "source": str(source), "directory": False}]
    assert is_pending(host.row)
    place.write_text("ours")
    with pytest.raises(PalisadeError, match=f"{place} already holds data.* move that data away to copy {source} again"):
        is_pending(host.row)


def test_what_cannot_be_copied_for_want_of_a_home(host: Host) -> None:
    host.ours.rmdir()
    with pytest.raises(PalisadeError, match=rf"^app shop: data_from: .*/srv/db: {host.ours} does not exist$"):
        copy_data(host.row, closed=False)
    # Nothing is there yet, so there is room as far up as there is a directory.
    check_sources(host.row)
    assert not is_pending({**host.row, "copies": []})
    assert is_pending(host.row)


def test_room_is_needed_for_what_is_not_there_yet(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    # A link is as long as what it says.
    (host.old / "large").write_bytes(b"x" * 9000)
    link = host.old / "db/link"
    link.symlink_to("../large")
    needed = sum(path.lstat().st_size for path in (host.old / "db").rglob("*") if path.is_file())
    for free, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(
            os, "statvfs", lambda _path, free=free: os.statvfs_result((9, 1, 9, free, free, 1, 1, 1, 1, 1))
        )
        if fits:
            check_sources(host.row)
        else:
            with pytest.raises(PalisadeError, match="needs 0 MiB in"):
                check_sources(host.row)
    link.unlink()
    # A second pass writes over what the first one brought.
    copy_data(host.row, closed=False)
    check_sources(host.row)


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_source_of_another_kind(kind: str, host: Host) -> None:
    place = host.old / kind
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("db")
    host.row["copies"][0]["source"] = str(place)
    for refuse in (check_sources, lambda row: copy_data(row, closed=False)):
        with pytest.raises(
            PalisadeError, match=rf"^app shop: data_from: {place}: expected a directory or a file, found"
        ):
            refuse(host.row)


class Race:
    """Does something between the look at a name and its opening."""

    def __init__(self, name: str, change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
        opened = os.open

        def slow(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if path == name and not flags & os.O_WRONLY:
                monkeypatch.setattr(os, "open", opened)
                change()
            return opened(path, flags, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", slow)


@pytest.mark.parametrize(
    ("name", "becomes", "told"),
    [
        ("rows", "", False),
        ("rows", "link", True),
        ("rows", "pipe", True),
        ("inner", "", False),
        ("inner", "link", True),
        ("inner", "file", True),
    ],
)
def test_what_is_changed_under_our_hands(
    name: str, becomes: str, told: bool, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the account whose data it is, which would have root read another file for it."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("hunter2")
    place = host.old / "db" / name

    def change() -> None:
        place.rename(tmp_path / "away")
        if becomes == "link":
            place.symlink_to(tmp_path / "secret" if name == "inner" else tmp_path / "secret/key")
        elif becomes == "pipe":
            os.mkfifo(place)
        elif becomes == "file":
            place.write_text("x")

    copy_data(host.row, closed=False)
    Race(name, change, monkeypatch)
    done = copy_data(host.row, closed=False)
    assert done.left_out == ([str(place)] if told else [])
    assert "hunter2" not in host.files().values()
    # What was copied before is no longer there either.
    assert ("db/rows" in host.files()) == (name != "rows")


@needs_root
def test_a_hard_link_that_is_planted_under_our_hands(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (host.old / "db", host.old / "db/rows"):
        os.chown(path, 33, 33)
    (tmp_path / "secret").write_text("hunter2")

    def change() -> None:
        (host.old / "db/rows").unlink()
        os.link(tmp_path / "secret", host.old / "db/rows")

    Race("rows", change, monkeypatch)
    assert copy_data(host.row, closed=False).left_out == [str(host.old / "db/rows")]
    assert "hunter2" not in host.files().values()


@pytest.mark.parametrize("name", ["rows", "inner"])
def test_what_cannot_be_read_ends_the_copy(name: str, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no copy where something is missing."""

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    Race(name, refuse, monkeypatch)
    with pytest.raises(PermissionError):
        copy_data(host.row, closed=False)


def test_a_copy_that_is_interrupted_leaves_no_half_of_a_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        copy_data(host.row, closed=False)
    assert host.files() == {}


def test_what_is_on_the_disk_when_the_site_opens(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync is enough while the old site is up; then it is each file, and only what was copied."""
    synced: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(data_module, "sync", lambda _path: synced.append("all"))

    def noted_sync(descriptor: int) -> None:
        synced.append("file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted_sync)
    assert copy_data(host.row, closed=False).bytes == 2
    assert synced == ["all"]
    copy_data(host.row, closed=False)
    assert synced == ["all"]
    host.write("db/rows", "3", OLD + 1)
    assert copy_data(host.row, closed=True).bytes == 1
    assert synced == ["all", "file"]


def test_a_file_that_grows_while_it_is_read(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is brought again by the next pass, whatever its time says."""
    copy = shutil.copyfileobj

    def grown(reader: Any, writer: Any) -> None:
        copy(reader, writer)
        host.write("db/rows", "12", OLD)

    host.row["copies"][0] = {**host.row["copies"][0], "source": str(host.old / "db/rows"), "directory": False}
    monkeypatch.setattr(shutil, "copyfileobj", grown)
    copy_data(host.row, closed=False)
    monkeypatch.undo()
    assert copy_data(host.row, closed=False).files == 1
    assert host.files() == {"db": "12"}


def test_a_file_of_some_age_is_copied_once(host: Host) -> None:
    host.write("db/rows", "a", time.time() - 3)
    assert copy_data(host.row, closed=False).files == 2
    assert copy_data(host.row, closed=False).files == 0


def test_sources_that_only_begin_alike(host: Host) -> None:
    """A process that writes to db-old has nothing to do with db."""
    (host.old / "db-old").write_text("")
    with (host.old / "db-old").open("a"):
        assert writers(host.row) == []
    host.row["copies"][0]["source"] = str(host.old / "db-old")
    with (host.old / "db-old").open("r+"):
        (told,) = writers(host.row)
    assert told.endswith(f"writes to {host.old}/db-old")


def test_what_is_no_file_is_not_even_opened(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a device can do something."""
    os.mkfifo(host.old / "db/pipe")
    (host.old / "db/link").symlink_to("rows")
    opened: list[Any] = []
    real = os.open

    def noted(path: Any, *more: Any, **named: Any) -> int:
        opened.append(path)
        return real(path, *more, **named)

    monkeypatch.setattr(os, "open", noted)
    copy_data(host.row, closed=False)
    assert "rows" in opened
    assert not {"pipe", "link"} & set(opened)


@pytest.mark.parametrize(("depth", "taken"), [(2, True), (1, False)])
def test_as_many_directories_in_each_other_as_may_be(
    depth: int, taken: bool, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host.old / "db/inner/inner").mkdir()
    host.write("db/inner/inner/deep", "x")
    monkeypatch.setattr(data, "_DEPTH", depth)
    if taken:
        copy_data(host.row, closed=False)
        assert host.files()["db/inner/inner/deep"] == "x"
    else:
        with pytest.raises(PalisadeError, match="expected directories nested at most 1 deep"):
            copy_data(host.row, closed=False)
