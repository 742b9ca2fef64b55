"""Releases: a failure leaves no trace, and what is built has its owners, modes and compiled files."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _source
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._acl import Acl
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._build import build, ensure_releases
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._parallel import in_parallel
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._release import is_complete
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._source import fetch, missing
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._tree import pack, tree_digest
from ansible_collections.palisade.mod_wsgi.tests.unit.support import MY_GROUP, acls, allowed, needs_root, run, snapshot

RELEASE = "0123456789abcdef"
PYTHON = sys.executable


class Host:
    """A host's directories, and sources for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        self.archive = str(root / "sources.tar.gz")
        self.rows: list[dict[str, str]] = []

    def source(self, app: str, release: str = RELEASE, requirements: str = "", **files: str) -> dict[str, str]:
        source = self.root / "sources" / app
        source.mkdir(parents=True)
        for name, text in {"app": "application = 1\n", **files}.items():
            (source / f"{name}.py").write_text(text)
        if requirements:
            (source / "requirements.txt").write_text(requirements)
        releases = self.root / app / "releases"
        releases.mkdir(parents=True)
        row = {
            "app": app,
            "release": release,
            "digest": tree_digest(str(source), app),
            "requirements": "requirements.txt" if requirements else "",
            "directory": str(releases),
            "current": str(self.root / app / "current"),
            "group": MY_GROUP,
        }
        self.rows.append(row)
        pack([(row["app"], str(self.root / "sources" / row["app"])) for row in self.rows], self.archive)
        return row

    def fetch(self, runs: Any = run) -> None:
        fetch(self.rows, self.archive, PYTHON, runs, 4)

    def release(self, app: str = "public", release: str = RELEASE) -> Path:
        return self.root / app / "releases" / release


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(_source, "CACHE", str(tmp_path / "cache"))
    return Host(tmp_path)


def failing(part: str) -> Any:
    """Return a Run that fails where an argument has this part, and else does nothing."""

    def fails(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        if any(part in argument for argument in arguments):
            raise PalisadeError("program failed with 1:\nno matching distribution")
        return ""

    return fails


def test_fetched_and_missing(target: Host) -> None:
    row = target.source("public")
    assert missing([row]) == ["public"]
    target.fetch(failing("nothing"))
    assert missing([row]) == []
    assert stat.S_IMODE(target.cache.stat().st_mode) == 0o700


def test_wheels_only(target: Host) -> None:
    target.source("public", requirements="demo==1\n")
    asked: list[list[str]] = []

    def record(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        asked.append(list(arguments))
        return ""

    target.fetch(record)
    ((program, isolated, *arguments),) = asked
    assert (program, isolated) == (PYTHON, "-I")
    assert " ".join(arguments).startswith("-m pip --no-input")
    assert arguments[arguments.index("--only-binary") + 1] == ":all:"


@pytest.mark.parametrize("had_cache", [True, False])
def test_a_failing_fetch_leaves_no_trace(had_cache: bool, target: Host) -> None:
    target.source("admin")
    target.source("public", requirements="demo==1\n")
    if had_cache:
        (target.cache / "other-list").mkdir(parents=True, mode=0o700)
        target.cache.chmod(0o700)
    before = {path: value for path, value in snapshot(target.root).items() if path != "."}
    with pytest.raises(PalisadeError) as caught:
        target.fetch(failing("download"))
    for part in ("app public: requirements.txt cannot be installed", "nothing was changed", "no matching distribution"):
        assert part in str(caught.value)
    assert {path: value for path, value in snapshot(target.root).items() if path not in (".", "cache")} == {
        path: value for path, value in before.items() if path != "cache"
    }
    assert target.cache.exists() == had_cache


def test_another_source_than_the_one_sent_is_refused(target: Host) -> None:
    row = target.source("public")
    row["digest"] = "0" * 64
    with pytest.raises(PalisadeError, match="app public: the source that arrived is not the source that was sent"):
        target.fetch()
    assert not target.cache.exists()


def test_a_release_that_was_not_fetched(target: Host) -> None:
    row = target.source("public")
    with pytest.raises(PalisadeError, match="app public: release 0123456789abcdef was not fetched"):
        build(row, PYTHON, run)
    with pytest.raises(PalisadeError, match="was not fetched"):
        ensure_releases([row], PYTHON, run, 1, check=False)
    assert os.listdir(target.root / "public") == ["releases"]
    assert os.listdir(target.root / "public" / "releases") == []


@pytest.mark.parametrize("release", ["", ".", "..", "../../x", "a/b"])
def test_a_release_has_a_name(release: str, target: Host) -> None:
    row = target.source("public", release=release)
    (target.root / "public" / "releases" / "older").mkdir()
    before = snapshot(target.root)
    for action in (
        target.fetch,
        lambda: ensure_releases([row], PYTHON, run, 1, check=False),
        lambda: ensure_releases([row], PYTHON, run, 1, check=True),
    ):
        with pytest.raises(PalisadeError, match="app public: release: expected"):
            action()
    assert snapshot(target.root) == before


@pytest.mark.parametrize("step", ["venv", "compileall"])
def test_a_failing_build_leaves_nothing(step: str, target: Host) -> None:
    row = target.source("public")
    target.fetch()
    (target.root / "public" / "current").symlink_to("releases/older")
    before = snapshot(target.root / "public")

    def fails(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        if step in arguments:
            raise KeyboardInterrupt
        return run(arguments, environment)

    with pytest.raises(KeyboardInterrupt):
        ensure_releases([row], PYTHON, fails, 1, check=False)
    after = snapshot(target.root / "public")
    # Only the time of the directory that it was built in.
    assert after.keys() == before.keys()
    assert after["current"] == before["current"]
    # The sources still wait, so that the next run need not send them.
    assert missing([row]) == []


def test_errors_of_a_build_name_the_app(target: Host) -> None:
    row = target.source("public")
    target.fetch()
    with pytest.raises(PalisadeError, match="app public: release 0123456789abcdef could not be built: program failed"):
        build(row, PYTHON, failing("venv"))
    assert not target.release().exists()


@needs_root
def test_a_release_is_built_and_becomes_current(target: Host) -> None:
    row = target.source("public", inner="x = 1\n", broken="def (\n")
    (target.root / "sources" / "public" / "run").write_text("#!/bin/sh\n")
    (target.root / "sources" / "public" / "run").chmod(0o755)
    (target.root / "sources" / "public" / "link").symlink_to("app.py")
    row["digest"] = tree_digest(str(target.root / "sources" / "public"), "public")
    row["group"] = "games"
    pack([("public", str(target.root / "sources" / "public"))], target.archive)
    target.fetch()
    # What a killed build left behind.
    (target.release() / "code").mkdir(parents=True)
    (target.release() / "code" / "leftover.py").write_text("")
    assert not is_complete(row["directory"], row["release"])

    before = snapshot(target.root)
    planned = ensure_releases([row], PYTHON, run, 2, check=True)
    assert snapshot(target.root) == before
    assert ensure_releases([row], PYTHON, run, 2, check=False) == planned
    assert os.readlink(row["current"]) == f"releases/{RELEASE}"
    assert is_complete(row["directory"], row["release"])
    assert not target.cache.exists()

    code = target.release() / "code"
    assert not (code / "leftover.py").exists()
    # A file that does not compile is the application's own affair, and packages have such files too.
    assert {path.name.split(".")[0] for path in (code / "__pycache__").iterdir()} == {"app", "inner"}
    gid = grp.getgrnam("games").gr_gid
    for path in (target.release(), *target.release().rglob("*")):
        found = path.lstat()
        if path.name == "release.json":
            continue
        assert (found.st_uid, found.st_gid) == (0, gid), path
        if not stat.S_ISLNK(found.st_mode):
            runs = stat.S_ISDIR(found.st_mode) or os.access(path, os.X_OK)
            assert stat.S_IMODE(found.st_mode) == (0o750 if runs else 0o640), path
    assert stat.S_IMODE((code / "run").stat().st_mode) == 0o750
    assert os.readlink(code / "link") == "app.py"

    python = target.release() / "venv" / "bin" / "python"
    program = "import sys, importlib.util as u; print(sys.prefix, u.find_spec('pip'))"
    assert subprocess.check_output([python, "-I", "-c", program], text=True).split() == [
        str(target.release() / "venv"),
        "None",
    ]
    after = snapshot(target.root)
    assert ensure_releases([row], PYTHON, run, 2, check=False) == []
    assert snapshot(target.root) == after


@needs_root
def test_wheels_are_installed_from_the_cache(target: Host) -> None:
    """The fetch stands for pip's download; the installation is pip's own, without an index."""
    row = target.source("public", requirements="demo==1.0\n")

    def download(
        arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        wheels = Path(arguments[list(arguments).index("--dest") + 1])
        wheels.mkdir()
        with zipfile.ZipFile(wheels / "demo-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("demo.py", "value = 5\n")
            wheel.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
            wheel.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr("demo-1.0.dist-info/RECORD", "demo.py,,\n")
        return ""

    target.fetch(download)
    base = os.path.realpath(PYTHON)
    ensure_releases([row], base, run, 1, check=False)
    python = target.release() / "venv" / "bin" / "python"
    assert subprocess.check_output([python, "-I", "-c", "import demo; print(demo.value)"], text=True) == "5\n"
    assert list(target.release().glob("venv/lib/python*/site-packages/__pycache__/demo.*.pyc"))


@needs_root
def test_two_apps_may_have_one_source(target: Host) -> None:
    rows = [target.source(name) for name in ("admin", "public")]
    target.fetch()
    assert missing(rows) == []
    ensure_releases(rows, PYTHON, run, 2, check=False)
    assert [os.readlink(row["current"]) for row in rows] == [f"releases/{RELEASE}"] * 2
    assert not target.cache.exists()


@needs_root
def test_one_that_fails_leaves_the_others_as_they_were(target: Host) -> None:
    """No app becomes current before all are built."""
    rows = [target.source("admin"), {**target.source("public"), "group": "no-such-group"}]
    target.fetch()
    with pytest.raises(PalisadeError, match=r"app public: release .* could not be built: .*no-such-group"):
        ensure_releases(rows, PYTHON, run, 2, check=False)
    assert not any(os.path.lexists(row["current"]) for row in rows)
    assert missing(rows) == []


@needs_root
def test_what_an_account_put_in_the_place_of_a_release_is_built_anew(target: Host) -> None:
    row = target.source("public")
    planted = target.release() / "code" / "app.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("application = 'planted'\n")
    (target.release() / "release.json").write_text("{}")
    assert missing([row]) == []
    os.chown(target.release(), 61990, 61990)
    assert missing([row]) == ["public"]
    target.fetch()
    ensure_releases([row], PYTHON, run, 1, check=False)
    assert planted.read_text() == "application = 1\n"


def test_a_directory_is_no_current_release(target: Host) -> None:
    row = target.source("public")
    Path(row["current"]).mkdir()
    with pytest.raises(PalisadeError, match=r"app public: .*/public/current: expected a link to a release"):
        missing([row])


def test_the_directory_must_be_there(target: Host) -> None:
    row = target.source("public")
    target.fetch()
    shutil.rmtree(row["directory"])
    with pytest.raises(PalisadeError, match=r"app public: the directory .*/public/releases does not exist"):
        ensure_releases([row], PYTHON, run, 1, check=False)
    (target.root / "elsewhere").mkdir()
    os.symlink(target.root / "elsewhere", row["directory"])
    with pytest.raises(PalisadeError, match="found a symbolic link"):
        ensure_releases([row], PYTHON, run, 1, check=False)


def test_the_first_error_is_raised_after_the_others_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number in (1, 3):
            raise PalisadeError(f"number {number}")
        ended.append(number)

    with pytest.raises(PalisadeError, match="number 1"):
        in_parallel(range(6), work, 2)
    assert sorted(ended) == [0, 2, 4, 5]


def served(*directories: str, account: str = "daemon") -> dict[str, Any]:
    return {"account": account, "directories": list(directories)}


@pytest.fixture
def site(target: Host) -> dict[str, Any]:
    """An app with static files in two places, fetched; the fast half of a build."""
    row: dict[str, Any] = target.source("public")
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
    pack([("public", str(source))], target.archive)
    target.fetch()
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
    assert [change["path"] for change in ensure(site)] == [site["current"]]
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
    monkeypatch.setattr(_source, "CACHE", str(target.cache))
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
        ("../code", "not plain"),
        ("/etc", "not plain"),
        ("static/", "not plain"),
        (".", "not plain"),
        ("", "not plain"),
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
