"""Sources: equal digests for what is equal, and an archive that brings them over whole."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.tree import (
    pack,
    subdirectory,
    tree_digest,
    unpack,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root
from hypothesis import given
from hypothesis import strategies as st


def digest(root: Path) -> str:
    return tree_digest(str(root), "app public")


def plant(root: Path) -> Path:
    (root / "package").mkdir(parents=True)
    (root / "app.py").write_text("print(1)\n")
    (root / "package" / "__init__.py").write_text("")
    (root / "package" / "run").write_text("#!/bin/sh\n")
    (root / "package" / "run").chmod(0o755)
    (root / "link").symlink_to("package/run")
    (root / "package" / "up").symlink_to("../app.py")
    (root / "dangling").symlink_to("not-there")
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plant(tmp_path / "tree")


CHANGES: dict[str, Any] = {
    "content": lambda tree: (tree / "app.py").write_text("print(2)\n"),
    "name": lambda tree: (tree / "app.py").rename(tree / "app2.py"),
    "place": lambda tree: (tree / "app.py").rename(tree / "package" / "app.py"),
    "execute bit": lambda tree: (tree / "app.py").chmod(0o755),
    "link target": lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("app.py")),
    "link to file": lambda tree: ((tree / "link").unlink(), shutil.copy(tree / "package" / "run", tree / "link")),
    "new file": lambda tree: (tree / "new").touch(),
    "new directory": lambda tree: (tree / "new").mkdir(),
    "file to directory": lambda tree: ((tree / "app.py").unlink(), (tree / "app.py").mkdir()),
    "removed": lambda tree: (tree / "app.py").unlink(),
}
NO_CHANGES: dict[str, Any] = {
    "times": lambda tree: os.utime(tree / "app.py", (1, 1)),
    "mode": lambda tree: (tree / "app.py").chmod(0o600),
    "git": lambda tree: (tree / ".git").mkdir(),
    "compiled": lambda tree: ((tree / "package" / "__pycache__").mkdir(), (tree / "app.pyc").touch()),
    "left out FIFO": lambda tree: subprocess.run(["mkfifo", tree / "fifo.pyc"], check=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_digest(change: str, tree: Path) -> None:
    before = digest(tree)
    CHANGES[change](tree)
    assert digest(tree) != before


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_does_not_change_the_digest(change: str, tree: Path) -> None:
    before = digest(tree)
    NO_CHANGES[change](tree)
    assert digest(tree) == before


@needs_root
def test_owners_do_not_change_the_digest(tree: Path) -> None:
    before = digest(tree)
    os.chown(tree / "app.py", 1, 1)
    assert digest(tree) == before


def test_copies_are_equal(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "elsewhere" / "copy", symlinks=True)
    assert digest(tmp_path / "elsewhere" / "copy") == digest(tree) == digest(plant(tmp_path / "again"))


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "/etc/passwd"),
        ("link", ".."),
        ("link", "../outside"),
        ("link", "package/../../outside"),
        ("package/link", "../../outside"),
        ("package/link", "../.."),
    ],
)
def test_links_that_leave_are_refused(path: str, target: str, tree: Path) -> None:
    (tree / path).unlink(missing_ok=True)
    (tree / path).symlink_to(target)
    with pytest.raises(PalisadeError) as caught:
        digest(tree)
    assert str(caught.value) == f"app public: {path}: a link to {target!r} leaves the source"
    with pytest.raises(PalisadeError, match="leaves the source"):
        pack([("public", str(tree))], str(tree.parent / "archive"))


def test_links_that_leave_through_another_are_refused(tree: Path) -> None:
    # Word for word it stays inside: package/up-one/../.. is the source itself.
    (tree / "package" / "up-one").symlink_to("..")
    (tree / "package" / "out").symlink_to("up-one/../../etc/passwd")
    with pytest.raises(PalisadeError, match=r"package/out: a link to 'up-one/\.\./\.\./etc/passwd' leaves the source"):
        digest(tree)


def test_a_source_may_be_reached_by_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("tree")
    assert digest(tmp_path / "current") == digest(tree)


def test_a_fifo_is_refused(tree: Path) -> None:
    os.mkfifo(tree / "package" / "fifo")
    with pytest.raises(PalisadeError, match="app public: package/fifo: expected a file, a directory or a link"):
        digest(tree)


def test_archives_bring_the_tree_over(tree: Path, tmp_path: Path) -> None:
    NO_CHANGES["compiled"](tree)
    (tree / ".git").mkdir()
    # What the controller's modes are is nothing to a host.
    (tree / "app.py").chmod(0o606)
    (tree / "package" / "run").chmod(0o4777)
    pack([("public", str(tree))], str(tmp_path / "archive"))
    before = os.umask(0o022)
    try:
        unpack(str(tmp_path / "archive"), "public", str(tmp_path / "new"))
    finally:
        os.umask(before)
    assert digest(tmp_path / "new") == digest(tree)
    assert sorted(str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*")) == [
        "app.py",
        "dangling",
        "link",
        "package",
        "package/__init__.py",
        "package/run",
        "package/up",
    ]
    modes = {name: stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) for name in ("app.py", "package/run")}
    assert modes == {"app.py": 0o644, "package/run": 0o755}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_each_tree_comes_out_by_its_name(tmp_path: Path) -> None:
    for name in ("public", "public2", "admin"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    pack([(name, str(tmp_path / name)) for name in ("public", "public2", "admin")], str(tmp_path / "archive"))
    unpack(str(tmp_path / "archive"), "public2", str(tmp_path / "new"))
    assert (tmp_path / "new" / "file").read_text() == "public2"
    with pytest.raises(FileExistsError):
        unpack(str(tmp_path / "archive"), "public2", str(tmp_path / "new"))


def test_hard_links_come_over_as_files(tmp_path: Path) -> None:
    """As cp -l and some build tools leave them, in one source and between two."""
    for name in ("public", "admin"):
        (tmp_path / name).mkdir()
    (tmp_path / "public" / "a").write_text("same\n")
    for other in ("public/b", "admin/a"):
        os.link(tmp_path / "public" / "a", tmp_path / other)
    pack([(name, str(tmp_path / name)) for name in ("public", "admin")], str(tmp_path / "archive"))
    for name in ("public", "admin"):
        unpack(str(tmp_path / "archive"), name, str(tmp_path / "new" / name))
        assert digest(tmp_path / "new" / name) == digest(tmp_path / name)


NAMES = st.one_of(
    st.sampled_from([b"a", b"b.py", b" ", b"-x", b"\\", b"a\nb", b"\xff\xfe", b"x" * 150, "ä\u2028".encode(), b"c.py"]),
    st.binary(min_size=1, max_size=6).filter(lambda name: not set(b"/\0") & set(name) and name not in (b".", b"..")),
)
TREES = st.recursive(
    st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"#!x"])),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def build(place: bytes, tree: Any, depth: int = 0) -> None:
    os.mkdir(place)
    for name, content in tree.items():
        path = place + b"/" + name
        if isinstance(content, dict):
            build(path, content, depth + 1)
        elif content.startswith(b"l"):
            os.symlink(b"../" * depth + b"target" + content.replace(b"\0", b"").replace(b"/", b""), path)
        else:
            Path(os.fsdecode(path)).write_bytes(content)
            os.chmod(path, 0o700 if content.startswith(b"#!") else 0o600)


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_any_tree_comes_over(tmp_path_factory: pytest.TempPathFactory, tree: dict[bytes, Any]) -> None:
    place = tmp_path_factory.mktemp("any")
    build(os.fsencode(place / "tree"), tree)
    pack([("public", str(place / "tree"))], str(place / "archive"))
    unpack(str(place / "archive"), "public", str(place / "new"))
    assert digest(place / "new") == digest(place / "tree")
    shutil.rmtree(place)


def test_a_directory_that_is_not_there_is_told_with_the_first_ten_that_are(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"part{number:02}").mkdir()
    assert subdirectory(str(tmp_path), "", "app x") == str(tmp_path)
    assert subdirectory(str(tmp_path), "part03", "app x") == str(tmp_path / "part03")
    with pytest.raises(PalisadeError, match=r"got 'src'; it holds part00, part01, .*, part09$"):
        subdirectory(str(tmp_path), "src", "app x")
