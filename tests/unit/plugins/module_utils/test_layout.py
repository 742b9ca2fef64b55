"""All paths in one call: looked at first, changed afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._layout import ensure_layout
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, snapshot


def row(path: Path, mode: str = "0750", **fields: Any) -> dict[str, Any]:
    return {"path": str(path), "owner": ME, "group": MY_GROUP, "mode": mode, **fields}


def call(root: Path, check: bool) -> list[dict[str, object]]:
    # As a module gives it: the content that was not set is None.
    files = [
        row(root / "a/plain", "0644", content="plain\n", secret_content=None),
        row(root / "a/secret", "0640", content=None, secret_content="hunter2\n"),
        row(root / "a/empty", "0640", content=None, secret_content=""),
    ]
    return ensure_layout([row(root / "a"), row(root / "a/b")], files, [{"path": str(root / "old")}], check)


def test_a_check_foretells_what_is_done(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    before = snapshot(tmp_path)
    planned = call(tmp_path, check=True)
    assert snapshot(tmp_path) == before
    assert call(tmp_path, check=False) == planned
    assert [change["path"] for change in planned] == [
        f"{tmp_path}/{name}" for name in ("a", "a/b", "a/plain", "a/secret", "a/empty", "old")
    ]
    assert "hunter2" not in repr(planned)
    assert (tmp_path / "a/secret").read_text() == "hunter2\n"
    assert not (tmp_path / "old").exists()
    after = snapshot(tmp_path)
    assert call(tmp_path, check=False) == []
    assert snapshot(tmp_path) == after


def test_a_link_at_the_end_leaves_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(0o755)
    (tmp_path / "outside").mkdir()
    (tmp_path / "a/b").symlink_to(tmp_path / "outside")
    before = snapshot(tmp_path)
    with pytest.raises(PalisadeError, match="a/b: expected a directory, found a symbolic link"):
        call(tmp_path, check=False)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("0757", "let every account of the host write"),
        ("777", "let every account of the host write"),
        ("rwx", "an octal mode such as 0750, got 'rwx'"),
        ("0850", "an octal mode"),
        ("-1", "an octal mode"),
        ("10000", "an octal mode"),
        ("", "an octal mode"),
    ],
)
def test_modes_refused(mode: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match=words):
        ensure_layout([row(tmp_path / "new", mode)], [], [], check=False)
    assert not (tmp_path / "new").exists()
