"""All paths in one call: looked at first, changed afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.layout import ensure_layout
from ansible_collections.palisade.mod_wsgi.tests.unit.support import (
    ME,
    MY_GROUP,
    acls,
    allowed,
    needs_root,
    snapshot,
)


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
        ("0757", "let every account on the host write"),
        ("777", "let every account on the host write"),
        ("rwx", "an octal mode such as 0750, got 'rwx'"),
        ("0850", "an octal mode"),
        ("-1", "an octal mode"),
        ("10000", "an octal mode"),
        ("0o750", "an octal mode"),
        (" 750", "an octal mode"),
        ("7_5_0", "an octal mode"),
        ("00750", "an octal mode"),
        ("", "an octal mode"),
    ],
)
def test_modes_refused(mode: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match=words):
        ensure_layout([row(tmp_path / "new", mode)], [], [], check=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("text", ["", "rwxt", "5", "rr", "r-x", True, None])
def test_permissions_refused(text: Any, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match=r"^app public: .*/new: permissions: expected some of r, w and x such as"):
        ensure_layout([row(tmp_path / "new", acl={ME: text}, app="public")], [], [], check=False)
    assert not (tmp_path / "new").exists()


def grant(path: Path, permissions: str | None = None, account: str = "daemon") -> dict[str, str]:
    whole = {"app": "public", "path": str(path), "account": account, "permissions": permissions}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.fixture
def media() -> Iterator[Path]:
    """A directory of somebody else that others can reach, unlike those of tests."""
    with tempfile.TemporaryDirectory(prefix="palisade-", dir="/var/tmp") as place:
        media = Path(place) / "media"
        Path(place).chmod(0o755)
        media.mkdir(0o700)
        (media / "file").write_text("theirs")
        (media / "file").chmod(0o600)
        yield media


@needs_root
def test_grants_come_and_go(media: Path) -> None:
    original = snapshot(media)
    # Not in the order of the way.
    grants = [grant(media / "file", "r"), grant(media, "x")]
    planned = ensure_layout([], [], [], True, grants)
    assert snapshot(media) == original
    assert ensure_layout([], [], [], False, grants) == planned
    assert [change["path"] for change in planned] == [f"{media}/file", f"{media}"]
    assert allowed("daemon", media.parent) == {"media/file"}
    assert ensure_layout([], [], [], False, grants) == []
    revoked = [grant(media), grant(media / "file"), grant(media / "gone")]
    assert len(ensure_layout([], [], [], False, (), revoked)) == 2
    assert ensure_layout([], [], [], False, (), revoked) == []
    assert snapshot(media) == original
    assert acls(media) == {}


@needs_root
def test_a_refused_grant_leaves_everything(media: Path) -> None:
    before = snapshot(media), acls(media)
    rows = [grant(media, "x"), grant(media / "missing", "r")]
    with pytest.raises(PalisadeError, match=f"^app public: {media}/missing: expected an existing file or directory"):
        ensure_layout([row(media / "new")], [], [], False, rows)
    with pytest.raises(PalisadeError, match=f"^app public: {media}/file: account 'daemon' cannot enter {media}, so"):
        ensure_layout([row(media / "new")], [], [], False, [grant(media / "file", "r")])
    assert (snapshot(media), acls(media)) == before


@pytest.mark.parametrize("revoked", [[], [grant(Path("/srv/media"))]])
def test_a_path_is_listed_once(revoked: list[dict[str, str]]) -> None:
    rows = [grant(Path("/srv/media"), "r")] * (2 - len(revoked))
    with pytest.raises(PalisadeError, match=r"^app public: /srv/media: listed twice for account 'daemon'$"):
        ensure_layout([], [], [], True, rows, revoked)


@needs_root
def test_what_only_root_may_change_is_looked_at_first(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(0o755)
    only = [{"app": "", "path": str(path)} for path in (above, above / "not-there")]
    assert ensure_layout([row(above / "shop")], [], [], True, root_only=only) != []
    above.chmod(0o775)
    for check in (True, False):
        with pytest.raises(PalisadeError, match=f"^{above}: expected a directory that only root can change"):
            ensure_layout([row(above / "shop")], [], [], check, root_only=only)
    assert not (above / "shop").exists()
