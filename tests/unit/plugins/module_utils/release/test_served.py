"""What Apache's account reads of a release, when it is built and when that changes later."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import cache as release_cache
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import served as release_served
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.tree import tree_digest
from ansible_collections.palisade.mod_wsgi.tests.unit.releases import PYTHON, Host, ensure_releases
from ansible_collections.palisade.mod_wsgi.tests.unit.support import acls, allowed, needs_root, snapshot


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(release_cache, "CACHE", str(tmp_path / "cache"))
    return Host(tmp_path)


def served(*directories: str, account: str = "daemon") -> dict[str, Any]:
    return {"account": account, "directories": list(directories)}


@pytest.fixture
def site(target: Host) -> dict[str, Any]:
    """An app with static files in two places, fetched; the fast half of a build."""
    row = target.source("public")
    source = target.root / "sources" / "public"
    siblings = [f"static{number}/secret" for number in range(9)]
    for path in ("static/css/site.css", "static/run", "shop/media/logo", "shop/settings.py", *siblings):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text("x\n")
    (source / "static" / "run").chmod(0o755)
    (source / "static" / "inside").symlink_to("css")
    (source / "shop" / "media" / "outside").symlink_to("../settings.py")
    (source / "shop" / "media" / "up").symlink_to("..")
    row["digest"] = tree_digest(str(source), "public")
    row["group"] = "games"
    target.stage(row)
    return row


def quick(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
    """Stand for the virtual environment, which takes seconds."""
    if "venv" in arguments:
        os.makedirs(os.path.join(arguments[-1], "bin"))
        Path(arguments[-1], "pyvenv.cfg").write_text("")
    return ""


def ensure(row: dict[str, Any], check: bool = False) -> list[dict[str, Any]]:
    return ensure_releases([row], PYTHON, quick, 1, check)


STATIC = {"code/static", "code/static/css", "code/static/css/site.css", "code/static/run", "code/static/inside"}
SHOP = {"code/shop/media", "code/shop/media/logo"}


@needs_root
def test_what_is_served_is_read_and_nothing_else(target: Host, site: dict[str, Any]) -> None:
    site["served"] = served("static", "shop/media", "static")
    assert [change["path"] for change in ensure(site)] == [str(target.release()), site["current"]]
    release = target.release()
    everything = {str(path.relative_to(release)) for path in release.rglob("*")}
    assert allowed("daemon", release) == STATIC | SHOP
    assert allowed("daemon", release, os.W_OK) == set()
    assert allowed("man", release) == set()
    # A program among the files is read, not run.
    searched = {"code", "code/shop", "code/shop/media", "code/static", "code/static/css"}
    links = {"code/static/inside", "code/shop/media/up"}
    assert allowed("daemon", release, os.X_OK) == searched | links
    assert set(acls(release)) == {
        f"{path} access" for path in {".", "code", "code/shop"} | STATIC - {"code/static/inside"} | SHOP
    }
    # What the group has is what it has without.
    for path in everything - {"release.json"}:
        found = (release / path).lstat()
        assert found.st_gid == grp.getgrnam("games").gr_gid
        if not stat.S_ISLNK(found.st_mode):
            runs = stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR
            assert stat.S_IMODE(found.st_mode) == (0o750 if runs else 0o640), path
    assert stat.S_IMODE((release / "release.json").stat().st_mode) == 0o600
    before = snapshot(target.root), acls(target.root)
    assert ensure(site) == []
    assert (snapshot(target.root), acls(target.root)) == before


@needs_root
def test_another_list_of_served_directories_is_a_correction(target: Host, site: dict[str, Any]) -> None:
    """In place and without a new release; what is no longer listed is closed."""
    ensure(site)
    release = target.release()
    built = release.stat().st_ino
    assert acls(release) == {}
    # As releases were before there was anything to serve.
    (release / "release.json").write_text('{"app": "public"}')
    (release / "release.json").chmod(0o644)
    before = "nothing"
    for directories, paths in (
        (["static"], STATIC),
        (["shop/media", "static"], STATIC | SHOP),
        (["shop/media"], SHOP),
        ([], set()),
        (["static", "static/css"], STATIC),
    ):
        site["served"] = served(*directories)
        state = snapshot(target.root), acls(target.root)
        planned = ensure(site, check=True)
        assert (snapshot(target.root), acls(target.root)) == state
        after = ", ".join(directories) or "nothing"
        assert planned == [{"path": str(release), "before": {"served": before}, "after": {"served": after}}]
        assert ensure(site) == planned
        assert allowed("daemon", release) == paths
        assert ensure(site) == []
        before = after
    site["served"] = None
    assert ensure(site)
    assert acls(release) == {}
    assert release.stat().st_ino == built
    assert stat.S_IMODE((release / "release.json").stat().st_mode) == 0o600


@needs_root
def test_another_account_takes_the_place_of_the_first(target: Host, site: dict[str, Any]) -> None:
    site["served"] = served("static")
    ensure(site)
    site["served"] = served("shop/media", account="man")
    assert ensure(site)
    assert (allowed("daemon", target.release()), allowed("man", target.release())) == (set(), SHOP)
    assert allowed("daemon", target.release(), os.X_OK) == set()


@needs_root
def test_an_account_that_is_still_to_be_made(site: dict[str, Any]) -> None:
    ensure(site)
    site["served"] = served("static", account="no-such-account")
    assert ensure(site, check=True)
    with pytest.raises(PalisadeError, match="app public: static: account 'no-such-account' does not exist"):
        ensure(site)


@needs_root
@pytest.mark.parametrize("lost", [".", "code", "code/shop", "code/shop/media"])
def test_an_acl_that_was_lost_comes_back(lost: str, target: Host, site: dict[str, Any]) -> None:
    """As after a copy by a tool that keeps no ACLs: the way is looked at, and then the whole tree set."""
    site["served"] = served("static", "shop/media")
    ensure(site)
    os.removexattr(target.release() / lost, "system.posix_acl_access")
    os.removexattr(target.release() / "code/static/css", "system.posix_acl_access")
    assert ensure(site, check=True) == ensure(site) != []
    assert allowed("daemon", target.release()) == STATIC | SHOP


@needs_root
def test_nothing_is_walked_where_nothing_changes(site: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    site["served"] = served("static")
    ensure(site)
    monkeypatch.setattr(os, "walk", lambda top: pytest.fail(f"walks {top}"))
    assert ensure(site) == []


@needs_root
@pytest.mark.parametrize("then", [[], ["shop/media"], ["shop/media", "static"]])
def test_a_correction_that_was_killed_is_finished(
    then: list[str], target: Host, site: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the list is what it was before, or what the killed one had begun."""
    site["served"] = served("shop/media")
    ensure(site)
    site["served"] = served("shop/media", "static")
    setxattr = os.setxattr
    seen: list[str] = []

    def killed(path: str, *arguments: Any) -> None:
        seen.append(path)
        if len(seen) == 3:
            raise KeyboardInterrupt
        setxattr(path, *arguments)

    monkeypatch.setattr(os, "setxattr", killed)
    with pytest.raises(KeyboardInterrupt):
        ensure(site)
    monkeypatch.undo()
    monkeypatch.setattr(release_cache, "CACHE", str(target.cache))
    assert "code/static access" in acls(target.release())
    site["served"] = served(*then)
    assert ensure(site)
    assert allowed("daemon", target.release()) == (STATIC if "static" in then else set()) | (SHOP if then else set())
    assert ensure(site) == []


@needs_root
@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("missing", "found no missing"),
        ("static/css/missing", "found no static/css/missing"),
        ("static/css/site.css", "found a file"),
        ("static/inside", "found a link at static/inside"),
        ("static/inside/x", "found a link at static/inside"),
        ("../code", "empty parts"),
        ("/etc", "empty parts"),
        ("static/", "empty parts"),
        (".", "empty parts"),
        ("", "empty parts"),
    ],
)
def test_a_served_directory_is_one(directory: str, words: str, built: bool, target: Host, site: dict[str, Any]) -> None:
    if built:
        ensure(site)
    site["served"] = served("static", directory)
    before = snapshot(target.root), acls(target.root)
    with pytest.raises(PalisadeError) as caught:
        ensure(site)
    expected = f"app public: static: expected a directory inside the source, got {directory!r}: "
    assert str(caught.value).startswith(expected)
    assert words in str(caught.value)
    assert (snapshot(target.root), acls(target.root)) == before


@needs_root
def test_entries_of_others_stay(target: Host, site: dict[str, Any]) -> None:
    """A default ACL, for a backup for instance, is inherited by what is built, and its mask narrows nothing."""
    inherited = Acl.from_mode(0o750, {pwd.getpwnam("man").pw_uid: 5}).encode()
    os.setxattr(site["directory"], "system.posix_acl_default", inherited)
    site["served"] = served("static")
    ensure(site)
    assert allowed("daemon", target.release()) == STATIC
    assert allowed("man", target.release()) > STATIC


def test_a_link_has_no_entry(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    assert not release_served._change(str(tmp_path / "link"), 1, 4, check=False)
    assert acls(tmp_path) == {}
    assert release_served._change(str(tmp_path / "file"), 1, 4, check=True)
    assert acls(tmp_path) == {}
    assert release_served._change(str(tmp_path / "file"), 1, 4, check=False)
    assert not release_served._change(str(tmp_path / "file"), 1, 4, check=False)
    assert list(acls(tmp_path)) == ["file access"]
