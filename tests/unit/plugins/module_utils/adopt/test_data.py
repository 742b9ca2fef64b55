# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an application writes, told from what it is made of."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.adopt import data as adopt_data
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.adopt.data import (
    Account,
    Data,
    account_of,
    find_data,
    open_for_writing,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

pytestmark = needs_root

WWW = 33
HOME = "/var/lib/shop-app"
SETTINGS = """\
SECRET_KEY = "hunter2"
BASE_DIR = Path(__file__).resolve().parent.parent
TEMPLATES = [{"BACKEND": "django", "DIRS": [BASE_DIR / "pages"]}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db" / "db.sqlite3",
    }
}
MEDIA_ROOT = BASE_DIR / "pictures"
STATIC_ROOT = os.path.join(BASE_DIR, "collected")
"""


class Site:
    """Code below a directory as somebody laid it out; all of it belongs to one account unless a test says otherwise."""

    def __init__(self, root: Path) -> None:
        self.code = root / "srv/shop"
        self.account = Account({WWW}, {WWW})
        self.served: dict[str, str] = {}
        self.write("manage.py")
        self.write("shop/__init__.py")
        self.write("shop/settings.py", SETTINGS)

    def write(self, name: str, text: str = "") -> Path:
        path = self.code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def database(self, name: str) -> Path:
        path = self.write(name)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE rows (row)")
        connection.close()
        return path

    def find(self, everything: bool = True) -> Data:
        if everything:
            for path in [self.code, *self.code.rglob("*")]:
                os.chown(path, WWW, WWW, follow_symlinks=False)
        return find_data(str(self.code), HOME, self.account, self.served, str(self.code / "venv"))

    def sources(self, data: Data) -> dict[str, str]:
        return {place: path.replace(f"{self.code}/", "") for place, path in data.sources.items()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_site_as_django_s_guide_has_it(site: Site) -> None:
    site.database("db/db.sqlite3")
    site.write("db/db.sqlite3-wal")
    for name in ("pictures/a.jpg", "collected/a.css", "pages/a.html", "locale/de/a.mo", "shop/__pycache__/a.pyc"):
        site.write(name)
    site.write("venv/pyvenv.cfg")
    site.database("venv/data/x.sqlite3")
    site.served = {str(site.code / "collected"): "/static/"}
    data = site.find()
    assert data.writable == ["db", "pictures"]
    assert site.sources(data) == {"db": "db", "pictures": "pictures"}
    assert data.variables == {
        "DATABASE_PATH": f"{HOME}/data/db/db.sqlite3",
        "PICTURES_DIR": f"{HOME}/data/pictures",
    }
    end = "OLD) there, where OLD is what the line says now"
    assert [hint.replace(f"{site.code}/", "").replace(end, "") for hint in data.hints] == [
        'db/db.sqlite3, named in shop/settings.py line 7 (NAME): write os.environ.get("DATABASE_PATH", ',
        'pictures, named in shop/settings.py line 10 (MEDIA_ROOT): write os.environ.get("PICTURES_DIR", ',
    ]
    assert "hunter2" not in str(data)


def test_a_database_beside_manage_py_gets_a_directory(site: Site) -> None:
    site.database("db.sqlite3")
    site.write("db.sqlite3-journal")
    data = site.find()
    assert (data.writable, site.sources(data)) == (["db"], {"db/db.sqlite3": "db.sqlite3"})
    assert data.variables == {"DATABASE_PATH": f"{HOME}/data/db/db.sqlite3"}
    assert "line 7 (NAME)" in data.hints[0]


def test_two_of_both(site: Site) -> None:
    site.database("db.sqlite3")
    site.database("db/other.sqlite3")
    site.database("shop/inner.sqlite3")
    data = site.find()
    assert site.sources(data) == {
        "db": "db",
        "db-2/db.sqlite3": "db.sqlite3",
        "shop/inner.sqlite3": "shop/inner.sqlite3",
    }
    assert sorted(data.variables) == ["DATABASE_PATH", "DB_2_DB_SQLITE3_PATH", "SHOP_INNER_SQLITE3_PATH"]


def test_an_empty_database_and_a_text_that_is_none(site: Site) -> None:
    site.write("new.sqlite3")
    site.write("notes.sqlite3", "text")
    site.write("plain", "")
    assert site.sources(site.find()) == {"db/new.sqlite3": "new.sqlite3"}


def test_a_directory_of_the_account_s_among_others(site: Site) -> None:
    for name in ("attic/a", "wide/a", "group/a", "own_but_closed/a", "plugins/a.py", "roots/a"):
        site.write(name)
    for name in ("attic", "plugins", "own_but_closed"):
        os.chown(site.code / name, WWW, WWW)
    (site.code / "own_but_closed").chmod(0o555)
    (site.code / "wide").chmod(0o777)
    os.chown(site.code / "group", 0, WWW)
    (site.code / "group").chmod(0o775)
    assert site.find(everything=False).writable == ["attic", "group", "wide"]


def test_what_is_empty_is_written_to_as_well(site: Site) -> None:
    (site.code / "uploads").mkdir()
    assert site.sources(site.find()) == {"uploads": "uploads"}


def test_caches_are_written_and_not_carried(site: Site) -> None:
    for name in ("cache/a", "thumbs/CACHEDIR.TAG", ".cache/a", "node_modules/a/b", ".git/db/x"):
        site.write(name)
    data = site.find()
    assert (data.writable, data.sources, data.variables) == (["cache", "thumbs"], {}, {})


def test_open_and_changed_files_tell(site: Site) -> None:
    site.write("odd/file")
    site.write("fresh/file")
    site.write("stale/file")
    site.write("shop.log")
    site.write("state")
    os.utime(site.code / "stale/file", (1, 1))
    os.utime(site.code / "fresh/file", (3000, 3000))
    opened = {str(site.code / name) for name in ("odd/file", "shop.log", "state")}
    site.account = Account({WWW}, {WWW}, opened, since=2000.0)
    os.utime(site.code / "odd/file", (1, 1))
    for directory in ("shop",):
        for path in (site.code / directory).rglob("*"):
            os.utime(path, (1, 1))
    data = site.find()
    assert data.writable == ["fresh", "odd"]
    assert data.remarks == [
        f"{site.code}/shop.log is written to, but a release is read-only: log to standard error, which is the app's "
        "error log",
        f"{site.code}/state is written to, but a release is read-only: move it to data/",
    ]


def test_data_elsewhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    # The test's own directories are below /tmp, which is no place for data.
    monkeypatch.setattr(adopt_data, "_SYSTEM", re.compile("/(etc|var/log)(/|$)"))
    media, closed = site.code.parent / "media", site.code.parent / "closed"
    for path in (media, closed):
        path.mkdir()
    os.chown(media, WWW, WWW)
    database = site.database("../base.sqlite3").resolve()
    os.chown(database, WWW, WWW)
    site.write("shop/settings.py", f"MEDIA_ROOT = '{media}/'\nX = '{closed}'\nNAME = '{database}'\nY = '/etc'\n")
    data = site.find()
    assert data.sources == {"media": str(media), "db/base.sqlite3": str(database)}
    site.write("shop/settings.py", "")
    site.served = {str(media): "/media/"}
    assert site.find().sources == {"media": str(media)}


def test_code_that_cannot_be_read(site: Site) -> None:
    site.write("shop/settings.py", "this is (no Python")
    (site.code / "shop/config.py").symlink_to("/etc/passwd")
    os.mkfifo(site.code / "shop/local_settings.py")
    os.mkfifo(site.code / "pipe.sqlite3")
    site.database("db.sqlite3")
    (hint,) = site.find().hints
    assert "named somewhere in the code" in hint
    assert find_data("", HOME, site.account, {}, "") == Data()
    assert find_data(str(site.code / "none"), HOME, site.account, {}, "") == Data()


def test_settings_that_are_a_link_are_not_read(site: Site, tmp_path: Path) -> None:
    """Who may write to the code would learn what a file of root's names."""
    (tmp_path / "roots.py").write_text("DATABASE = 'db.sqlite3'\n")
    (site.code / "shop/settings.py").unlink(missing_ok=True)
    (site.code / "shop/settings.py").symlink_to(tmp_path / "roots.py")
    site.database("db.sqlite3")
    (hint,) = site.find().hints
    assert "named somewhere in the code" in hint


def test_bounds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1", "b/2", "uploads/3"):
        site.write(name)
    monkeypatch.setattr(adopt_data, "_ENTRIES", 2)
    assert site.find().writable == []
    monkeypatch.setattr(adopt_data, "_ENTRIES", 100)
    monkeypatch.setattr(adopt_data, "_SOURCES", 0)
    assert "somewhere" in site.find().hints[0]


def test_odd_names_become_plain_ones(site: Site) -> None:
    site.database("my data/.rows.db")
    site.write("my data/x.py")
    assert list(site.find().sources) == ["my-data/rows.db"]


def test_who_writes(tmp_path: Path) -> None:
    with (tmp_path / "written").open("w"), (tmp_path / "written").open():
        assert str(tmp_path / "written") in open_for_writing([os.getpid(), 2**22 + 1])
    process = {"uid": 5, "gid": 6, "groups": [6, 7], "pid": os.getpid()}
    found = account_of([process], 33, 33, [])
    assert (found.uids, found.gids) == ({5}, {6, 7})
    assert found.since > 0
    assert account_of([], 33, 33, []).uids == {33}
    assert account_of([], None, None, []) == Account(set(), set(), set())


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [(0o755, WWW, 0, True), (0o577, WWW, 0, False), (0o775, 0, WWW, True), (0o757, 0, WWW, False), (0o757, 0, 0, True)],
)
def test_owner_group_and_others(mode: int, uid: int, gid: int, may: bool) -> None:
    found = os.stat_result((stat.S_IFDIR | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    assert Account({WWW}, {WWW}).may_write(found) is may


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("A = 'media'", [("media", "A")]),
        ("A = '/srv/media/'", [("/srv/media", "A")]),
        ("A = 'var/media/'", [("media", "A")]),
        ("A: str = 'media'", [("media", "A")]),
        ("A: str", []),
        ("A = B = 'media'", [("media", "B")]),
        ("config['UPLOAD_FOLDER'] = 'up'", [("up", "UPLOAD_FOLDER")]),
        ("config['no name'] = 'up'", [("up", "")]),
        ("config[5] = 'up'", [("up", "")]),
        ("a.b = 'up'", [("up", "")]),
        ("A = {'NAME': 'x', 'lower': 'y', 5: 'z', **more}", [("x", "NAME"), ("y", "A"), ("z", "A")]),
        ("A = os.path.join(B, 'c')", [("c", "A")]),
        ("f('x')", [("x", "")]),
        ("A = '/'", []),
        ("A = ''", []),
        ("A = 5", []),
        ("A = b'x'", []),
        ("A = 'a\\nb'", []),
        (f"A = '{'x' * 255}'", [("x" * 255, "A")]),
        (f"A = '{'x' * 256}'", []),
    ],
)
def test_what_settings_name(text: str, mentions: list[tuple[str, str]], site: Site) -> None:
    path = site.write("shop/settings.py", f"\n{text}\n")
    found = list(adopt_data._mentions(str(site.code), str(site.code / "venv")))
    assert [(one.path, one.setting) for one in found] == mentions
    assert {(one.file, one.line) for one in found} <= {(str(path), 2)}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("config.py", True),
        ("shop/settings/production.py", True),
        ("shop/settings_local.py", True),
        ("shop/local_settings.py", True),
        ("shop/conf.py", True),
        ("shop/views.py", False),
        ("shop/settings.txt", False),
        ("shop/my_settings.py", False),
        ("shop/settings/notes.txt", False),
        (".hidden/settings.py", False),
        ("node_modules/settings.py", False),
        ("venv/settings.py", False),
        ("other/settings.py", True),
        ("virtual/lib/settings.py", False),
    ],
)
def test_which_files_are_settings(name: str, read: bool, site: Site) -> None:
    site.write("shop/settings.py")
    site.write("virtual/pyvenv.cfg")
    site.write(name, "A = 'here'\n")
    found = list(adopt_data._mentions(str(site.code), str(site.code / "venv")))
    assert [one.file for one in found] == ([str(site.code / name)] if read else [])


def test_settings_of_just_the_size_that_is_read(site: Site) -> None:
    text = "A = 'here'\n"
    for size, read in ((1 << 20, True), ((1 << 20) + 1, False)):
        site.write("shop/settings.py", text + "#" * (size - len(text)))
        assert bool(list(adopt_data._mentions(str(site.code), ""))) is read


@pytest.mark.parametrize(
    ("lines", "called", "found"),
    [
        # As Django's own names say; and what is collected for Apache is no data.
        ("MEDIA_ROOT = BASE / 'place'", "place", True),
        ("UPLOAD_FOLDER = BASE / 'place'", "place", True),
        ("STATIC_ROOT = BASE / 'place'", "place", False),
        ("STATIC_ROOT = BASE / 'files'", "files", False),
        ("X = BASE / 'place'", "place", False),
        ("", "Uploads", True),
        ("", "storage", True),
        ("", "place", False),
    ],
)
def test_which_directories_are_data(lines: str, called: str, found: bool, site: Site) -> None:
    site.write("shop/settings.py", f"{lines}\n")
    site.write(f"{called}/file")
    assert site.find().writable == ([called] if found else [])


def test_a_database_makes_data_of_any_directory(site: Site) -> None:
    site.write("shop/settings.py", "STATIC_ROOT = 'place'\n")
    site.database("place/rows")
    data = site.find()
    assert site.sources(data) == {"place": "place"}
    assert data.variables == {"DATABASE_PATH": f"{HOME}/data/place/rows"}


def test_one_open_file_makes_data_of_its_directory(site: Site) -> None:
    site.write("place/inner/file")
    site.write("place-2/file")
    site.account = Account({WWW}, {WWW}, {str(site.code / "place/inner/file")})
    assert site.find().writable == ["place"]


def test_two_databases_are_named_by_their_directory(site: Site) -> None:
    site.write("shop/settings.py", "A = 'one.db'\n\nB = 'one.db'\nC = 'data'\nD = 'two.db'\n")
    site.database("data/one.db")
    site.database("data/two.db")
    data = site.find()
    assert data.variables == {"DATA_DIR": f"{HOME}/data/data"}
    (hint,) = data.hints
    # Three places are enough.
    assert hint.startswith(
        f"{site.code}/data, named in shop/settings.py line 1 (A), in shop/settings.py line 3 (B), in shop/settings.py "
        'line 4 (C): write os.environ.get("DATA_DIR", OLD) there'
    )


def test_directories_with_code_are_looked_through(site: Site) -> None:
    """As deep as code goes, and data in it is found; a package's own directory is none."""
    deep = "/".join("abcdef")
    for name in (deep, f"{deep}/g"):
        site.write(f"{name}/mod.py")
        site.write(f"{name}/uploads/file")
    site.write("uploads/inner/mod.py")
    site.write("media/__pycache__/mod.py")
    data = site.find()
    assert sorted(site.sources(data).values()) == [f"{deep}/uploads", "media"]


def test_the_same_name_twice(site: Site) -> None:
    """Neither place is in the other, and each has its own variable."""
    site.write("data/media/mod.py")
    site.write("data/media/uploads/file")
    site.database("data.db")
    site.database("x/data.db")
    data = site.find()
    places = sorted(data.sources)
    assert len(places) == len(set(data.variables)) == 3
    assert not any(one != other and other.startswith(f"{one}/") for one in data.writable for other in data.writable)


def test_who_writes_without_a_pool() -> None:
    """Apache's account by its own processes, since when the first of them runs."""
    found = account_of([], 33, 34, [os.getpid(), 2**22 + 1])
    assert (found.uids, found.gids) == ({33}, {34})
    assert found.since > 0
    several = [{"uid": 5, "gid": 6, "groups": [], "pid": 2**22 + 1}, {"uid": 7, "gid": 8, "groups": [9], "pid": 1}]
    both = account_of(several, 33, 33, [])
    assert (both.uids, both.gids) == ({5, 7}, {6, 8, 9})
    assert 0 < both.since <= found.since


def test_files_that_are_only_read_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "read").touch()
    with (tmp_path / "read").open(), (tmp_path / "both").open("w+"), (tmp_path / "added").open("a"):
        found = {path for path in open_for_writing([os.getpid()]) if path.startswith(str(tmp_path))}
    assert found == {str(tmp_path / "both"), str(tmp_path / "added")}


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/srv/media", True),
        ("/home/shop/data", True),
        ("/data", False),
        ("/etc/shop", False),
        ("/usr/share/shop", False),
        ("/lib64/shop", False),
        ("/var/log/shop", False),
        ("/var/lib/shop", True),
        ("/var/cache/shop", False),
        ("/tmp/shop", False),
        ("/tmpfs/shop", True),
        ("/memfd:x (deleted)", False),
        ("/srv/a b", False),
    ],
)
def test_places_outside_that_can_be_data(path: str, taken: bool, site: Site) -> None:
    """What is the system's is not, and what a unit of systemd could not name."""
    site.served = {path: "/x"}
    found = adopt_data._Found(str(site.code), site.account, site.served, "")
    assert list(found._outside()) == ([path] if taken else [])


CALLED = "data database databases db files instance media sessions storage upload uploads userfiles var"
CACHES = "CACHE cache caches temp tmp webassets-cache"


def test_every_name_of_data_and_of_caches(site: Site) -> None:
    for name in (*CALLED.split(), *CACHES.split()):
        site.write(f"in/{name}/file")
    data = site.find()
    assert data.writable == sorted(f"in/{name}" for name in (*CALLED.split(), *CACHES.split()))
    assert sorted(data.sources.values()) == [f"{site.code}/in/{name}" for name in CALLED.split()]


@pytest.mark.parametrize(
    "setting", ["STATIC_ROOT", "STATICFILES_DIRS", "STATIC_FOLDER", "DIRS", "LOCALE_PATHS", "FIXTURE_DIRS"]
)
def test_every_setting_of_what_is_no_data(setting: str, site: Site) -> None:
    """Though it is called so, and Apache's account may write it."""
    site.write("shop/settings.py", f"{setting} = [BASE / 'files']\n")
    site.write("files/a")
    assert site.find().writable == []


@pytest.mark.parametrize("end", [".sqlite3", ".sqlite", ".db"])
def test_an_empty_database_by_its_name(end: str, site: Site) -> None:
    site.write(f"new{end}")
    for beside in ("-wal", "-journal", "-shm"):
        site.database(f"new{end}{beside}")
    assert site.sources(site.find()) == {f"db/new{end}": f"new{end}"}


@pytest.mark.parametrize("name", ["__pycache__", "node_modules", "site-packages", ".hidden"])
def test_what_is_not_looked_into(name: str, site: Site) -> None:
    site.write(f"{name}/uploads/a")
    assert site.find().writable == []


@pytest.mark.parametrize(
    "name",
    ["bin", "boot", "dev", "etc", "lib", "libx32", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var/log",
     "var/run", "var/tmp", "var/cache"],
)  # fmt: skip
def test_directories_of_the_system_are_no_data(name: str, site: Site) -> None:
    site.served = {f"/{name}/shop": "/x", "/srv/shop-media": "/y"}
    found = adopt_data._Found(str(site.code), site.account, site.served, "")
    assert list(found._outside()) == ["/srv/shop-media"]


@pytest.mark.parametrize("name", ["shop", "shop/inner", ".", ".."])
def test_a_path_of_the_code_is_not_data_because_it_is_named(name: str, site: Site) -> None:
    """A base directory is named in most settings."""
    site.write("shop/inner/mod.py")
    site.write("shop/settings.py", f"BASE = '{(site.code / name).resolve()}'\n")
    found = adopt_data._Found(str(site.code), site.account, {}, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adopt_data, "_SYSTEM", re.compile("/etc"))
        assert list(found._outside()) == []


def test_a_database_in_data_elsewhere_comes_with_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt_data, "_SYSTEM", re.compile("/etc"))
    place = site.database("../store/base.sqlite3").resolve()
    for path in (place, place.parent):
        os.chown(path, WWW, WWW)
    site.write("shop/settings.py", f"DATA = '{place.parent}'\nNAME = '{place}'\n")
    data = site.find()
    assert data.sources == {"store": str(place.parent)}
    assert data.variables == {"DATABASE_PATH": f"{HOME}/data/store/base.sqlite3"}


def test_a_link_to_a_database_is_none(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "real") as database:
        database.execute("CREATE TABLE a (b)")
    (tmp_path / "link").symlink_to("real")
    assert adopt_data._is_database(str(tmp_path / "real"))
    assert not adopt_data._is_database(str(tmp_path / "link"))
