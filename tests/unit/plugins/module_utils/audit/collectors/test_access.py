"""What an account may write, tried as that account on real files."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import access as collectors_access
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import look as collectors_look
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import tree as collectors_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.access import (
    as_account,
    in_mounts,
    readable_files,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.plan import Plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.tree import (
    Row,
    Tree,
    holds_code,
    look_at,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Access
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl, write_acl
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.disk import (
    BLOG,
    SHOP,
    WWW,
    put,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

UID, GID = 54321, 54322


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A venv, code and an entry file of root's; everybody may pass the directories of pytest."""
    for above in [tmp_path, *tmp_path.parents][:-1]:
        if above.stat().st_uid == 0 and above not in (Path("/"), Path("/tmp")):
            above.chmod(0o755)
    for path in (
        "venv/lib/site-packages/x.py",
        "venv/pyvenv.cfg",
        "code/shop/views.py",
        "code/media/a.png",
        "www/wsgi.py",
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", encoding="utf-8")
    return tmp_path


def access_of(process: dict[str, Any], roots: dict[str, str]) -> Access:
    """Return what the account of a process may do with the code in these directories."""
    account = {key: process[key] for key in ("uid", "gid", "groups")}
    plan = Plan(code={"shop": roots}, accounts={"pool shop": account})
    seen = in_mounts(process["pid"], lambda: collectors_look.look(plan))
    answer = seen["accounts"]["pool shop"]
    return Access(**answer["access"], unknown=answer["unknown"] or seen["unknown"].get("shop", ""))


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own directories are not for these tests."""
    monkeypatch.setattr(collectors_look, "_WIDE", ())


def look(tree: Path, roots: dict[str, str] | None = None, **fields: Any) -> dict[str, list[str]]:
    """Return the paths that the account could write and those that it owns, from the tree."""
    process = {"pid": os.getpid(), "uid": UID, "gid": GID, "groups": [GID], **fields}
    kinds = {"venv": "python-home", "code": "home", "www/wsgi.py": "entry"}
    wanted = roots or {str(tree / path): kind for path, kind in kinds.items()}
    found = access_of(process, wanted)
    assert found.unknown == ""
    rows = {"writable": found.writable, "owned": found.owned}
    return {key: [os.path.relpath(row["path"], tree) for row in value] for key, value in rows.items()}


NOTHING: dict[str, list[str]] = {"writable": [], "owned": []}


@needs_root
def test_root_s_files_are_not_writable(tree: Path) -> None:
    assert look(tree) == NOTHING


@needs_root
@pytest.mark.parametrize(
    "path",
    [
        "venv",
        "venv/lib/site-packages",
        "venv/lib/site-packages/x.py",
        "venv/pyvenv.cfg",
        "code",
        "code/shop",
        "code/shop/views.py",
        "www",
        "www/wsgi.py",
        ".",
    ],
)
def test_what_others_may_write_is_found(tree: Path, path: str) -> None:
    target = tree / path
    target.chmod(target.stat().st_mode | stat.S_IWOTH)
    assert look(tree)["writable"] == [path]


@needs_root
def test_what_the_account_owns_is_found_though_its_mode_forbids_writing(tree: Path) -> None:
    (tree / "code/shop/views.py").chmod(0o444)
    os.chown(tree / "code/shop/views.py", UID, GID)
    assert look(tree) == {"writable": [], "owned": ["code/shop/views.py"]}


@needs_root
def test_a_group_s_right_counts(tree: Path) -> None:
    os.chown(tree / "code", 0, GID)
    (tree / "code").chmod(0o775)
    assert look(tree)["writable"] == ["code"]
    assert look(tree, gid=GID + 1, groups=[GID + 1]) == NOTHING
    assert look(tree, gid=GID + 1, groups=[GID])["writable"] == ["code"]


@needs_root
def test_an_acl_counts(tree: Path) -> None:
    descriptor = os.open(tree / "code/shop", os.O_RDONLY)
    try:
        write_acl(descriptor, "shop", Acl.from_mode(0o755, {UID: 7}))
    finally:
        os.close(descriptor)
    assert look(tree)["writable"] == ["code/shop"]


@needs_root
def test_uploads_below_the_code_are_no_code(tree: Path) -> None:
    (tree / "code/media").chmod(0o777)
    os.chown(tree / "code/media", UID, GID)
    assert look(tree) == NOTHING
    # With a module in it they are.
    (tree / "code/media/x.py").write_text("", encoding="utf-8")
    assert look(tree) == {"writable": ["code/media"], "owned": ["code/media"]}


@needs_root
def test_the_cache_of_python_is_code(tree: Path) -> None:
    cache = tree / "code/shop/__pycache__"
    cache.mkdir()
    os.chown(cache, UID, GID)
    assert look(tree)["owned"] == ["code/shop/__pycache__"]


@needs_root
def test_a_directory_above_a_link_counts_and_one_above_its_target(tree: Path) -> None:
    for name in ("links", "releases"):
        (tree / name).mkdir()
    (tree / "code").rename(tree / "releases/one")
    (tree / "links/current").symlink_to("../releases/one")
    roots = {str(tree / "links/current/shop"): "home"}
    assert look(tree, roots) == NOTHING
    for name in ("links", "releases"):
        (tree / name).chmod(0o777)
        assert look(tree, roots)["writable"] == [name]
        # Nobody renames what is root's there.
        (tree / name).chmod(0o1777)
        assert look(tree, roots) == NOTHING
        (tree / name).chmod(0o755)


@needs_root
def test_a_hostile_tree_is_walked_to_an_end(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "code/loop").symlink_to("..")
    os.mkfifo(tree / "code/pipe.py")
    (tree / "code/\x1b[31m<script>\n.py").write_text("", encoding="utf-8")
    os.mkfifo(tree / "code/shop/fifo")
    assert look(tree) == NOTHING
    monkeypatch.setattr(collectors_tree, "IN_ONE_DIRECTORY", 2)
    process = {"pid": os.getpid(), "uid": UID, "gid": GID, "groups": [GID]}
    assert "more files than the audit looks at" in access_of(process, {str(tree / "code"): "home"}).unknown


@needs_root
def test_a_process_that_has_ended_is_unknown(tree: Path) -> None:
    process = {"pid": 2**22 + 1, "uid": UID, "gid": GID, "groups": [GID]}
    with pytest.raises(OSError, match="No such file"):
        access_of(process, {str(tree): "home"})


@needs_root
def test_what_lies_beside_a_script(tree: Path) -> None:
    assert holds_code(str(tree / "www"), ["wsgi.py"]) == []
    (tree / "www/__pycache__").mkdir()
    (tree / "www/robots.txt").write_text("", encoding="utf-8")
    assert holds_code(str(tree / "www"), ["wsgi.py"]) == []
    (tree / "www/.env").write_text("", encoding="utf-8")
    (tree / "www/shop").mkdir()
    (tree / "www/shop/__init__.py").write_text("", encoding="utf-8")
    assert holds_code(str(tree / "www"), ["wsgi.py"]) == [".env", "shop"]


@needs_root
def test_nothing_is_changed(tree: Path) -> None:
    before = {path: path.stat() for path in tree.rglob("*")}
    look(tree)
    assert {path: path.stat() for path in tree.rglob("*")}.keys() == before.keys()
    assert all(path.stat().st_mtime_ns == seen.st_mtime_ns for path, seen in before.items())


def test_a_child_says_what_went_wrong() -> None:
    with pytest.raises(OSError, match="nothing there"):
        in_mounts(None, lambda: {"a": 1}["nothing there"])


def test_why_mounts_cannot_be_entered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open
    monkeypatch.setattr(os, "readlink", lambda path: path)
    monkeypatch.setattr(os, "open", lambda _path, flags: really("/dev/null", flags))
    with pytest.raises(OSError, match="cannot enter its mounts") as refused:
        collectors_access._enter_mounts(7)
    assert refused.value.errno == errno.EINVAL


def test_a_child_that_dies_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="took too long"):
        in_mounts(None, lambda: os.kill(os.getpid(), 9))
    monkeypatch.setattr(collectors_access, "SECONDS", 0.2)
    with pytest.raises(OSError, match="took too long"):
        in_mounts(None, lambda: time.sleep(60))


def test_much_does_not_block_the_pipe() -> None:
    assert len(in_mounts(None, lambda: "x" * 3_000_000)) == 3_000_000


@needs_root
def test_a_child_becomes_the_account_and_nothing_comes_back() -> None:
    account = {"uid": SHOP, "gid": BLOG, "groups": [WWW]}
    wanted = [SHOP, SHOP, BLOG, [WWW]]
    assert as_account(account, lambda: [os.getuid(), os.geteuid(), os.getegid(), os.getgroups()]) == wanted
    assert os.geteuid() == 0


def test_a_child_ends_itself_whatever_its_parent_does_with_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        handler, left = in_mounts(
            None, lambda: [signal.getsignal(signal.SIGALRM) == signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL)[0]]
        )
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handler is True
    assert 0 < left <= collectors_access.SECONDS
    account = {"uid": os.geteuid(), "gid": os.getegid(), "groups": os.getgroups()}
    left = as_account(account, lambda: signal.getitimer(signal.ITIMER_REAL)[0])
    assert 0 < left <= collectors_access.ACCOUNT_SECONDS < collectors_access.SECONDS


def test_an_error_without_words_is_told_by_its_name() -> None:
    def fail() -> None:
        raise ValueError

    with pytest.raises(OSError, match="ValueError"):
        in_mounts(None, fail)
    with pytest.raises(OSError, match="took too long"):
        in_mounts(None, lambda: {1, 2})


def test_a_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_access, "_GRACE", 0.4)
    child = subprocess.Popen(["sleep", "60"])
    began = time.monotonic()
    collectors_access._end(child.pid)
    # It had half of the time to end by itself.
    assert time.monotonic() - began >= 0.2
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)
    child.returncode = -9


def test_mounts_that_are_not_to_be_entered_are_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        collectors_access._enter_mounts(2**22 + 1)


def row_at(path: Path, kind: str = "code", root: str = "home") -> Row:
    found = look_at(str(path), kind, root)
    assert found
    return found


@needs_root
def test_what_an_account_may_change_of_its_code(tmp_path: Path) -> None:
    """Runs as the account itself, which may pass all directories above."""
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    files = {}
    for name, mode, owner in (
        ("mine", 0o400, SHOP),
        ("closed", 0o600, 0),
        ("open", 0o606, 0),
        ("secret", 0o606, 0),
        ("data", 0o606, 0),
    ):
        files[name] = put(tmp_path / name, mode=mode, uid=owner)
    for name, mode, owner in (
        ("shared", 0o1777, 0),
        ("above", 0o777, 0),
        ("above-mine", 0o1555, SHOP),
        ("uploads", 0o1777, 0),
    ):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, owner, 0)
        (tmp_path / name).chmod(mode)
    tree = Tree(str(tmp_path), "home")
    tree.rows = [row_at(files[name], name if name in ("secret", "data") else "code") for name in files]
    tree.rows.append(row_at(tmp_path / "uploads"))
    ways = [row_at(tmp_path / name, "ancestor") for name in ("shared", "above", "above-mine")]
    account = {"uid": SHOP, "gid": SHOP, "groups": []}
    found = as_account(account, lambda: collectors_access.own_code([tree, Tree("/x", "account", rows=tree.rows)], ways))
    named = {key: sorted(os.path.basename(row["path"]) for row in found[key]) for key in found if key != "checked"}
    assert named == {
        "writable": ["above", "open", "uploads"],
        "owned": ["above-mine", "mine"],
        "unreadable": ["closed"],
    }
    assert found["checked"] == 7
    said = as_account(account, lambda: [collectors_access.may_write(row) for row in (*ways, *tree.rows)])
    assert said == [False, True, True, True, False, True, True, True, True]


@needs_root
@pytest.mark.parametrize(
    ("root", "mode", "readable"),
    [("entry", 0o711, True), ("home", 0o711, False), ("home", 0o755, True), ("entry", 0o744, False)],
)
def test_python_lists_the_directories_that_it_imports_from(
    root: str, mode: int, readable: bool, tmp_path: Path
) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    (tmp_path / "code").mkdir()
    (tmp_path / "code").chmod(mode)
    tree = Tree(str(tmp_path / "code"), root, rows=[row_at(tmp_path / "code", "root", root)])
    account = {"uid": SHOP, "gid": SHOP, "groups": []}
    found = as_account(account, lambda: collectors_access.own_code([tree], []))
    assert [row["path"] for row in found["unreadable"]] == ([] if readable else [str(tmp_path / "code")])


@needs_root
def test_who_may_not_leave_the_time_of_access_alone_reads_all_the_same(tmp_path: Path) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    path = str(put(tmp_path / "open", "squirrel", mode=0o644))
    account = {"uid": SHOP, "gid": SHOP, "groups": []}
    assert as_account(account, lambda: collectors_tree.read_start(path, 5).decode()) == "squir"


def test_whose_own_data_they_are(tmp_path: Path) -> None:
    for name in ("data/in", "code", ".git/objects", "file"):
        (tmp_path / name).mkdir(parents=True)
    home = Tree(str(tmp_path), "account", rows=[row_at(tmp_path, "root", "account")])
    names = ("data", "data/in", ".git", ".git/objects")
    tree = Tree(str(tmp_path), "home", rows=[row_at(tmp_path, "root")])
    tree.rows += [row_at(tmp_path / name, "data") for name in names] + [row_at(tmp_path / "code")]
    found = [row["path"] for row in collectors_access.own_data([tree])]
    assert found == [str(tmp_path / "data")]
    # A home that it may write is its data, with all that is in it.
    assert [row["path"] for row in collectors_access.own_data([home, tree])] == [str(tmp_path)]


@needs_root
def test_a_socket_that_is_full_or_far_away(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, contextlib.ExitStack() as clients:
        server.bind(path)
        assert collectors_access.connects(path, True) is False
        server.listen(0)
        for _number in range(3):
            assert collectors_access.connects(path, True) is True
            client = clients.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(path)
    assert collectors_access.connects(path, False) is True
    assert collectors_access.connects(str(tmp_path / "none"), False) is False
    long = put(tmp_path / ("x" * 120))
    assert collectors_access.connects(str(long), True) is True


@needs_root
def test_what_everybody_may_read_in_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        if above.stat().st_uid == 0 and above != Path("/tmp"):
            above.chmod(0o755)
    closed, public, plain = (tmp_path / name for name in ("closed", "public", "plain"))
    put(closed / "code/a.py", mode=0o644)
    (closed / "code").chmod(0o750)
    put(closed / "b", mode=0o640)
    put(closed / ".bashrc", mode=0o644)
    (closed / "link").symlink_to("/etc/passwd")
    put(public / "static/style.css", mode=0o644)
    put(public / "a/b/notes", mode=0o644)
    put(public / "a/.bashrc", mode=0o644)
    for name in "123456789":
        put(plain / name, mode=0o644)
    nobody = {"uid": 65534, "gid": 65534, "groups": []}
    homes = [str(home) for home in (closed, public, plain, tmp_path / "missing")]

    def read() -> Any:
        return as_account(nobody, lambda: readable_files(homes, [str(public / "static")]))

    found = read()
    assert found[homes[0]] == found[homes[3]] == []
    assert found[homes[1]] == [f"{public}/a/.bashrc", f"{public}/a/b/notes"]
    assert len(found[homes[2]]) == 3
    monkeypatch.setattr(collectors_access, "_LOOKED_AT", 4)
    assert read()[homes[2]] == []
