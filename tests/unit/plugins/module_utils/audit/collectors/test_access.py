"""What an account may write, tried as that account on real files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import files
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import tree as collectors_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.access import in_mounts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.tree import holds_code
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Access
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl, write_acl
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

UID, GID = 54321, 54322
pytestmark = needs_root


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
    plan = files.Plan(code={"shop": roots}, accounts={"pool shop": account})
    seen = in_mounts(process["pid"], lambda: files._look(plan))
    answer = seen["accounts"]["pool shop"]
    return Access(**answer["access"], unknown=answer["unknown"] or seen["unknown"].get("shop", ""))


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own directories are not for these tests."""
    monkeypatch.setattr(files, "_WIDE", ())


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


def test_root_s_files_are_not_writable(tree: Path) -> None:
    assert look(tree) == NOTHING


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


def test_what_the_account_owns_is_found_though_its_mode_forbids_writing(tree: Path) -> None:
    (tree / "code/shop/views.py").chmod(0o444)
    os.chown(tree / "code/shop/views.py", UID, GID)
    assert look(tree) == {"writable": [], "owned": ["code/shop/views.py"]}


def test_a_group_s_right_counts(tree: Path) -> None:
    os.chown(tree / "code", 0, GID)
    (tree / "code").chmod(0o775)
    assert look(tree)["writable"] == ["code"]
    assert look(tree, gid=GID + 1, groups=[GID + 1]) == NOTHING
    assert look(tree, gid=GID + 1, groups=[GID])["writable"] == ["code"]


def test_an_acl_counts(tree: Path) -> None:
    descriptor = os.open(tree / "code/shop", os.O_RDONLY)
    try:
        write_acl(descriptor, "shop", Acl.from_mode(0o755, {UID: 7}))
    finally:
        os.close(descriptor)
    assert look(tree)["writable"] == ["code/shop"]


def test_uploads_below_the_code_are_no_code(tree: Path) -> None:
    (tree / "code/media").chmod(0o777)
    os.chown(tree / "code/media", UID, GID)
    assert look(tree) == NOTHING
    # With a module in it they are.
    (tree / "code/media/x.py").write_text("", encoding="utf-8")
    assert look(tree) == {"writable": ["code/media"], "owned": ["code/media"]}


def test_the_cache_of_python_is_code(tree: Path) -> None:
    cache = tree / "code/shop/__pycache__"
    cache.mkdir()
    os.chown(cache, UID, GID)
    assert look(tree)["owned"] == ["code/shop/__pycache__"]


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


def test_a_hostile_tree_is_walked_to_an_end(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "code/loop").symlink_to("..")
    os.mkfifo(tree / "code/pipe.py")
    (tree / "code/\x1b[31m<script>\n.py").write_text("", encoding="utf-8")
    os.mkfifo(tree / "code/shop/fifo")
    assert look(tree) == NOTHING
    monkeypatch.setattr(collectors_tree, "IN_ONE_DIRECTORY", 2)
    process = {"pid": os.getpid(), "uid": UID, "gid": GID, "groups": [GID]}
    assert "more than could be looked at" in access_of(process, {str(tree / "code"): "home"}).unknown


def test_a_process_that_has_ended_is_unknown(tree: Path) -> None:
    process = {"pid": 2**22 + 1, "uid": UID, "gid": GID, "groups": [GID]}
    with pytest.raises(OSError, match="No such file"):
        access_of(process, {str(tree): "home"})


def test_what_lies_beside_a_script(tree: Path) -> None:
    assert holds_code(str(tree / "www"), ["wsgi.py"]) == []
    (tree / "www/__pycache__").mkdir()
    (tree / "www/robots.txt").write_text("", encoding="utf-8")
    assert holds_code(str(tree / "www"), ["wsgi.py"]) == []
    (tree / "www/.env").write_text("", encoding="utf-8")
    (tree / "www/shop").mkdir()
    (tree / "www/shop/__init__.py").write_text("", encoding="utf-8")
    assert holds_code(str(tree / "www"), ["wsgi.py"]) == [".env", "shop"]


def test_nothing_is_changed(tree: Path) -> None:
    before = {path: path.stat() for path in tree.rglob("*")}
    look(tree)
    assert {path: path.stat() for path in tree.rglob("*")}.keys() == before.keys()
    assert all(path.stat().st_mtime_ns == seen.st_mtime_ns for path, seen in before.items())
