# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one file or directory lets others do, and what a tree of them holds."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import tree as collectors_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.tree import (
    Disk,
    Row,
    Tree,
    _lets,
    acls_of,
    holds_code,
    look_at,
    loose,
    walk_served,
    walk_tree,
    walk_wide,
    way_to,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.disk import (
    BLOG,
    SHOP,
    put,
    write_acl_of,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

ONE, OTHER = 54321, 54331


def row(mode: int, uid: int = 0, gid: int = 0, path: str = "/nonexistent", kind: int = stat.S_IFDIR) -> Row:
    return Row(path, kind | mode, uid, gid, 0, (0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "expected"),
    [
        (0o755, 0, 0, False),
        (0o775, 0, 0, False),
        (0o750, 0, ONE, False),
        (0o754, 0, ONE, False),
        (0o755, ONE, 0, True),
        (0o500, ONE, 0, True),
        (0o770, 0, ONE, True),
        (0o757, 0, 0, True),
        (0o702, 0, 0, True),
    ],
)
def test_anybody_but_root_may_write_it(mode: int, uid: int, gid: int, expected: bool) -> None:
    assert loose(row(mode, uid, gid)) is expected


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "write", "enter"),
    [
        (0o700, 0, 0, False, False),
        (0o700, ONE, 0, True, True),
        (0o770, 0, OTHER, True, True),
        (0o770, 0, ONE, False, False),
        (0o720, 0, OTHER, True, False),
        (0o710, 0, OTHER, False, True),
        (0o702, 0, 0, True, False),
        (0o701, 0, 0, False, True),
        (0o754, 0, OTHER, False, True),
    ],
)
def test_an_account_or_its_group_may_do_it(mode: int, uid: int, gid: int, write: bool, enter: bool) -> None:
    found = row(mode, uid, gid)
    assert [_lets(found, bit, {ONE}, {OTHER}) for bit in (2, 1)] == [write, enter]


@needs_root
def test_an_acl_lets_somebody_in_as_well(tmp_path: Path) -> None:
    os.setxattr(tmp_path, "system.posix_acl_access", Acl(7, 5, 0, {ONE: 7}, {}, 7).encode())
    found = look_at(str(tmp_path))
    assert found
    assert stat.S_IMODE(found.mode) == 0o770
    assert loose(found)
    assert _lets(found, 2, {OTHER}, {OTHER})
    os.removexattr(tmp_path, "system.posix_acl_access")
    assert not loose(found)


@needs_root
def test_only_a_directory_hands_an_acl_down(tmp_path: Path) -> None:
    default = Acl(7, 5, 0, {ONE: 7}, {OTHER: 4}, 5).encode()
    os.setxattr(tmp_path, "system.posix_acl_default", default)
    tmp_path.chmod(0o700)
    found = look_at(str(tmp_path))
    assert found
    wanted = {"users": {str(ONE): 5}, "groups": {str(OTHER): 4}, "default": True, "unread": False}
    assert list(acls_of(found)) == [wanted]
    # Nobody asks a file for one.
    assert list(acls_of(found._replace(mode=stat.S_IFREG | 0o600))) == []


@needs_root
def test_an_acl_of_another_format_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getxattr", lambda *_path, **_fields: b"\x03\0\0\0")
    assert list(acls_of(row(0o755, path=str(tmp_path)))) == [
        {"users": {}, "groups": {}, "default": default, "unread": True} for default in (False, True)
    ]


def names(tree: Tree, kind: str) -> list[str]:
    return sorted(os.path.relpath(row.path, tree.top) for row in tree.rows if row.kind == kind)


def walked(top: Path, kind: str, *others: Path) -> Tree:
    tree = Tree(str(top), kind)
    walk_tree(Disk(), tree, map(str, others))
    assert tree.unknown == ""
    return tree


def test_a_directory_with_a_module_in_it_is_code_and_one_of_uploads_is_none(tmp_path: Path) -> None:
    for name in ("shop/views.py", "media/in/a.png", "venv/lib/site-packages/x/data.txt"):
        put(tmp_path / name)
    put(tmp_path / "media/open.png", mode=0o666)
    tree = walked(tmp_path, "home")
    assert names(tree, "root") == ["."]
    assert names(tree, "code") == ["shop", "shop/views.py", "venv/lib/site-packages"]
    # Of other files only what somebody else may write.
    assert names(tree, "data") == [
        "media",
        "media/in",
        "media/open.png",
        "venv",
        "venv/lib",
        "venv/lib/site-packages/x",
    ]
    assert {row.root for row in tree.rows} == {"home"}
    assert [os.path.basename(row.path) for row in tree.loose] == ["open.png"]
    # Whatever lies in a virtual environment is code.
    assert names(walked(tmp_path / "venv", "python-home"), "data") == []


def test_a_home_holds_data_and_no_environment_of_its_own(tmp_path: Path) -> None:
    for name in ("notes.py", "venv/pyvenv.cfg", "venv/x/a.py", "up/a.py", "code/b.py", "id_rsa"):
        put(tmp_path / name)
    tree = walked(tmp_path, "account", tmp_path / "code")
    assert names(tree, "code") == []
    assert names(tree, "data") == ["up", "venv"]
    assert names(tree, "secret") == ["id_rsa"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.py", True),
        ("shop.so", True),
        ("x.pth", True),
        ("shop.wsgi", True),
        ("x.egg-link", True),
        (".env.local", True),
        (".git", True),
        ("requirements.txt", True),
        ("package/a.pyc", True),
        ("package/a.pyi", True),
        ("static/a.css", False),
        ("robots.txt", False),
        ("__pycache__/a.pyc", False),
        ("wsgi.py", False),
    ],
)
def test_what_is_code_beside_a_script(tmp_path: Path, name: str, expected: bool) -> None:
    put(tmp_path / name)
    assert holds_code(str(tmp_path), ["wsgi.py"]) == ([name.partition("/")[0]] if expected else [])
    assert holds_code(str(tmp_path / "missing"), []) == []


def test_what_is_served_and_what_leads_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "html/.htaccess")
    put(tmp_path / "html/in/.htaccess")
    put(tmp_path / "html/in/other")
    (tmp_path / "html/open").mkdir()
    (tmp_path / "up").mkdir()
    for name in ("html/open", "up"):
        (tmp_path / name).chmod(0o757)
    for name, target in (("up", "../up"), ("in2", "in"), ("file", "in/other"), ("gone", "nowhere")):
        (tmp_path / "html" / name).symlink_to(target)
    top = f"{tmp_path}/html"
    found = walk_served(Disk(), top, [".htaccess"])
    mine = {row.path for row in found.directories if row.uid or row.mode & 0o002}
    assert {f"{top}/open", f"{top}/up"} <= mine
    assert sorted(row.path for row in found.files) == [f"{top}/.htaccess", f"{top}/in/.htaccess"]
    assert sorted(found.links) == [f"{top}/in2", f"{top}/up"]
    assert found.unknown == ""
    assert walk_served(Disk(), f"{top}/missing", []).directories == []
    # A file may be named where a directory should.
    assert walk_served(Disk(), f"{top}/in/other", ["other"]).files == []


@needs_root
def test_what_an_account_may_write_of_the_whole_host(tmp_path: Path) -> None:
    for name, mode in (("open/in", 0o777), ("closed/in", 0o777), ("tmp/in", 0o777), ("skipped/in", 0o777)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name).chmod(mode)
    (tmp_path / "closed").chmod(0o700)
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "link").symlink_to("open")
    identities = {"users": {ONE}, "groups": {OTHER}}
    tops = [str(tmp_path), str(tmp_path / "link"), str(tmp_path / "missing")]
    found, unknown = walk_wide(Disk(), tops, [f"{tmp_path}/skipped"], identities)
    assert sorted(row.path for row in found) == [f"{tmp_path}/open/in", f"{tmp_path}/tmp/in"]
    assert unknown == ""


def test_every_directory_on_the_way_through_links(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c/link").symlink_to("../a/b")
    (tmp_path / "loop").symlink_to("loop")
    top = str(tmp_path)
    above = ["/", *(str(one) for one in [*tmp_path.parents][-2::-1])]
    assert way_to(f"{top}/c/link/x") == [*above, top, f"{top}/c", f"{top}/a", f"{top}/a/b"]
    assert way_to(f"{top}/loop/x") == [*above, top]
    assert way_to("/x") == ["/"]


def test_a_row_tells_what_it_is() -> None:
    found = row(0o1777, ONE, OTHER, "/srv/\udcff")._replace(kind="data", root="home")
    shown = {"path": "/srv/\\xff", "kind": "data", "root": "home", "owner": ONE, "group": OTHER, "mode": "1777"}
    assert found.shown() == shown
    assert [found.is_directory, found.is_file, found.shared] == [True, False, True]
    # The bit says nothing of a file.
    assert not row(0o1777, kind=stat.S_IFREG).shared
    assert not row(0o777).shared


@pytest.mark.parametrize(("until", "number", "unknown"), [(1.0, 1000, "it took too long"), (9.0, 1500, "")])
def test_a_large_directory_is_left_when_it_takes_too_long(
    until: float, number: int, unknown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in range(1500):
        (tmp_path / str(one)).touch()
    clock = iter([0.0, 0.5, 5.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    rows, why = Disk(until).entries(str(tmp_path))
    assert (len(rows), why) == (number, unknown)


def any_walk(top: Path, kind: str = "home") -> Tree:
    tree = Tree(str(top), kind)
    walk_tree(Disk(), tree, [])
    return tree


def test_links_pipes_and_sockets_are_passed_by(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "settings.py").symlink_to("/etc/passwd")
    (tmp_path / "away").symlink_to("/")
    os.mkfifo(tmp_path / ".env")
    os.mkfifo(tmp_path / "config.ini")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "local.key"))
        tree = any_walk(tmp_path)
    assert [row.path for row in tree.rows] == [str(tmp_path)]
    assert tree.unknown == ""
    assert collectors_tree.read_start(str(tmp_path / "config.ini"), 9) == b""
    assert collectors_tree.read_start(str(tmp_path / "settings.py"), 9) == b""


def test_names_of_any_bytes_are_told_as_text(tmp_path: Path) -> None:
    names = [b"<script>.py", b"a\nb.py", b"\x1b[31m.py", b"\xff\xfe.py", "\u202e.py".encode()]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    told = [row.shown()["path"] for row in any_walk(tmp_path).rows[1:]]
    assert sorted(path[len(str(tmp_path)) + 1 :] for path in told) == sorted(
        ["<script>.py", "a\nb.py", "\x1b[31m.py", "\\xff\\xfe.py", "\u202e.py"]
    )
    for path in told:
        path.encode()


def test_a_directory_with_more_than_can_be_looked_at_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (tmp_path / f"{number}.py").touch()
    monkeypatch.setattr(collectors_tree, "IN_ONE_DIRECTORY", 10)
    assert "holds more files than the audit looks at" in any_walk(tmp_path).unknown
    found = collectors_tree.walk_served(Disk(), str(tmp_path), [".htaccess"]).unknown
    assert "holds more files than the audit looks at" in found
    identities: dict[str, set[int]] = {"users": {SHOP}, "groups": {SHOP}}
    assert collectors_tree.walk_wide(Disk(), [str(tmp_path)], [], identities)[1]


def test_many_small_directories_are_bounded_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        put(tmp_path / str(number) / "a.py")
    for bound in ("ENTRIES", "SMALL_ENTRIES"):
        monkeypatch.setattr(collectors_tree, bound, 12)
    assert "holds more files than the audit looks at" in any_walk(tmp_path).unknown
    assert "holds more files than the audit looks at" in any_walk(tmp_path, "account").unknown
    assert "holds more files than the audit looks at" in collectors_tree.walk_served(Disk(), str(tmp_path), []).unknown
    identities: dict[str, set[int]] = {"users": {SHOP}, "groups": {SHOP}}
    assert collectors_tree.walk_wide(Disk(), [str(tmp_path)], [], identities) == (
        [],
        "there are more files than the audit looks at",
    )


def test_what_takes_too_long_is_unknown(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path), "home")
    walk_tree(Disk(seconds=-1), tree, [])
    assert tree.unknown == "it took too long"


def test_a_very_deep_directory_is_unknown(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _number in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert "File name too long" in any_walk(tmp_path).unknown


def test_a_directory_that_goes_or_becomes_a_link_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gone", "link", "file"):
        put(tmp_path / name / "a.py")
    really = os.open

    def raced(path: str, *arguments: Any, **more: Any) -> int:
        name = os.path.basename(str(path))
        if name in ("gone", "link", "file") and os.path.isdir(path) and not os.path.islink(path):
            os.rename(path, f"{path}.before")
            if name == "link":
                os.symlink("/etc", path)
            elif name == "file":
                Path(path).touch()
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", raced)
    tree = any_walk(tmp_path)
    assert tree.unknown == ""
    assert not [row for row in tree.rows if row.path.endswith(("a.py", "passwd"))]


def test_a_directory_that_cannot_be_read_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "closed/a.py")
    really = os.open

    def refused(path: str, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refused)
    assert any_walk(tmp_path).unknown.endswith("closed: Permission denied")


def test_each_directory_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a/b.py")
    reads: list[str] = []
    really = os.scandir

    def counted(where: str) -> Any:
        reads.append(where)
        return really(where)

    monkeypatch.setattr(os, "scandir", counted)
    disk = Disk()
    walk_tree(disk, Tree(str(tmp_path), "home"), [])
    collectors_tree.walk_served(disk, str(tmp_path), [])
    assert len(reads) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "A=b"),
        (".env.production", "A=b"),
        ("id_ed25519", "x"),
        ("site.key", "x"),
        ("db.sqlite3", "x"),
        ("environment", "{}"),
        ("settings.py", 'SECRET_KEY = "squirrel"\n'),
        ("local_settings.py", "DATABASES = {'PASSWORD': 'squirrel'}"),
        ("config.json", '{"api_key": "squirrel"}'),
        ("app.ini", "[db]\npassword = squirrel\n"),
        ("config.yml", "token: squirrel\n"),
        ("server.pem", "-----BEGIN PRIVATE KEY-----\n"),
    ],
)
def test_secrets_are_known_by_name_or_text(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    assert [row.path for row in any_walk(tmp_path).rows if row.kind == "secret"] == [str(tmp_path / name)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env.example", "SECRET_KEY=change-me"),
        (".env", ""),
        ("id_ed25519.pub", "x"),
        ("fullchain.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("settings.py", 'SECRET_KEY = os.environ["SECRET_KEY"]\nPASSWORD_HASHERS = ["a.b"]\n'),
        ("settings.py", "TOKEN = get('x')\n"),
        ("app.ini", "password = ${DB_PASSWORD}\n"),
        ("setup.cfg", "[metadata]\nname = shop\n"),
        ("locale.json", '{"password": "Passwort"}'),
        ("views.py", 'PASSWORD = "squirrel"'),
    ],
)
def test_what_only_looks_like_one_is_none(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    assert [row.path for row in any_walk(tmp_path).rows if row.kind == "secret"] == []


def test_packages_hold_no_secrets_of_the_project(tmp_path: Path) -> None:
    put(tmp_path / "venv/lib/python3.13/site-packages/tests/site.key")
    put(tmp_path / "node_modules/x/.env", "A=b")
    assert [row.path for row in any_walk(tmp_path).rows if row.kind == "secret"] == []
    assert [row.path for row in any_walk(tmp_path / "venv", "python-home").rows if row.kind == "secret"] == []


def test_a_path_that_no_file_can_have() -> None:
    assert look_at("/srv/\0") is None


@needs_root
def test_what_a_mask_leaves_of_an_acl(tmp_path: Path) -> None:
    def writers(acl: Acl) -> tuple[list[int], list[int], bool]:
        write_acl_of(tmp_path, acl)
        row = collectors_tree.look_at(str(tmp_path))
        assert row is not None
        found = collectors_tree.writers_of(row)
        return found["users"], found["groups"], found["everybody"]

    assert writers(Acl(7, 5, 5, {SHOP: 7}, {BLOG: 7}, 5)) == ([0], [], False)
    assert writers(Acl(7, 5, 5, {SHOP: 7}, {BLOG: 7}, 7)) == ([0, SHOP], [BLOG], False)
    assert writers(Acl(7, 7, 5, {SHOP: 5}, {}, 7)) == ([0], [0], False)
    assert writers(Acl(7, 5, 7, {SHOP: 5}, {}, 5)) == ([0], [], True)
