"""Releases: a failure leaves no trace, and what is built has its owners, modes and compiled files."""

from __future__ import annotations

import errno
import grp
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import unit as host_unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.parallel import in_parallel
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import build as build_module
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import build as release_build
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import cache as release_cache
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.build import Built, build, ensure_built
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.cache import cached_place, missing
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.installer import Pip
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.store import is_complete
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.tree import tree_digest
from ansible_collections.palisade.mod_wsgi.tests.unit.releases import (
    PYTHON,
    RELEASE,
    Host,
    ensure_releases,
    write_wheel,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import allowed, needs_root, run, snapshot

PIP = Pip(PYTHON)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(release_cache, "CACHE", str(tmp_path / "cache"))
    # Trials run as the account, without a sandbox.
    monkeypatch.setattr(host_unit, "_RUNNING_SYSTEMD", "/missing")
    return Host(tmp_path)


def failing(part: str) -> Any:
    """Return a Run that fails where an argument has this part, and else does nothing."""

    def fails(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        if any(part in argument for argument in arguments):
            raise PalisadeError("program failed with 1:\nno matching distribution")
        return ""

    return fails


def test_a_release_that_was_not_fetched(target: Host) -> None:
    row = target.source("public")
    with pytest.raises(PalisadeError, match="app public: release 0123456789abcdef was not fetched"):
        build(row, PIP, run)
    with pytest.raises(PalisadeError, match="was not fetched"):
        ensure_releases([row], PYTHON, run, 1, check=False)
    assert os.listdir(target.root / "public") == ["releases"]
    assert os.listdir(target.root / "public" / "releases") == []


@pytest.mark.parametrize("release", ["", ".", "..", "../../x", "a/b"])
def test_a_release_has_a_name(release: str, target: Host) -> None:
    row = target.source("public", release=release)
    (target.root / "public" / "releases" / "older").mkdir()
    before = snapshot(target.root)
    for check in (False, True):
        with pytest.raises(PalisadeError, match="app public: release: expected"):
            ensure_releases([row], PYTHON, run, 1, check=check)
    assert snapshot(target.root) == before


@pytest.mark.parametrize("step", ["venv", "compileall"])
def test_a_failing_build_leaves_nothing(step: str, target: Host) -> None:
    row = target.source("public")
    target.stage(row)
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
    target.stage(row)
    with pytest.raises(PalisadeError, match="app public: release 0123456789abcdef could not be built: program failed"):
        build(row, PIP, failing("venv"))
    assert not target.release().exists()


@needs_root
def test_a_release_is_built_and_becomes_current(target: Host) -> None:
    row = target.source("public", inner="x = 1\n", broken="def (\n")
    (target.root / "sources" / "public" / "run").write_text("#!/bin/sh\n")
    (target.root / "sources" / "public" / "run").chmod(0o755)
    (target.root / "sources" / "public" / "link").symlink_to("app.py")
    row["digest"] = tree_digest(str(target.root / "sources" / "public"), "public")
    row["group"] = "games"
    target.stage(row)
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
    """The installation is pip's own, without an index."""
    row = target.source("public")
    target.stage(row)
    write_wheel(Path(cached_place(row)) / "wheels", "demo")
    ensure_releases([row], os.path.realpath(PYTHON), run, 1, check=False)
    python = target.release() / "venv" / "bin" / "python"
    assert subprocess.check_output([python, "-I", "-c", "import demo; print(demo.value)"], text=True) == "5\n"
    assert list(target.release().glob("venv/lib/python*/site-packages/__pycache__/demo.*.pyc"))


@needs_root
def test_two_apps_may_have_one_source(target: Host) -> None:
    rows = [target.source(name) for name in ("admin", "public")]
    target.stage(*rows)
    assert missing(rows) == []
    ensure_releases(rows, PYTHON, run, 2, check=False)
    assert [os.readlink(row["current"]) for row in rows] == [f"releases/{RELEASE}"] * 2
    assert not target.cache.exists()


@needs_root
def test_one_that_fails_leaves_the_others_as_they_were(target: Host) -> None:
    """No app becomes current before all are built."""
    rows = [target.source("admin"), {**target.source("public"), "group": "no-such-group"}]
    target.stage(*rows)
    with pytest.raises(PalisadeError, match=r"app public: release .* could not be built: .*no-such-group"):
        ensure_releases(rows, PYTHON, run, 2, check=False)
    assert not any(os.path.lexists(row["current"]) for row in rows)
    # What would fail again does not stay.
    assert missing(rows) == ["public"]


class Making:
    """Stands for the sandbox of builds: writes a module and a directory into the code, as the deployment account."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def __call__(
        self, row: Mapping[str, Any], place: str, environment: Mapping[str, str], account: str, python: str, run: Any
    ) -> None:
        self.asked.append((account, python, dict(environment)))
        made = Path(place, "code", "made")
        made.mkdir(mode=0o777)
        (made / "more.py").write_text("value = 7\n")
        (made / "more.py").chmod(0o666)
        for path in (made, made / "more.py"):
            shutil.chown(path, "games", "games")
        if self.fails:
            raise PalisadeError("build: 'npm ci' failed with 1:\nno")


def with_build(
    target: Host, monkeypatch: pytest.MonkeyPatch, making: Making, directory: str = "made"
) -> dict[str, Any]:
    monkeypatch.setattr(release_build, "complete", making)
    row = target.source("public")
    target.stage(row)
    return {**row, "build": [["npm", "ci"]], "served": {"account": "daemon", "directories": [directory]}}


@needs_root
def test_what_a_build_made_is_sealed_compiled_and_served(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making()
    row = with_build(target, monkeypatch, making)
    build(row, Pip(PYTHON, "games"), run, {"KEY": "value"})
    assert making.asked == [("games", PYTHON, {"KEY": "value"})]
    made = target.release() / "code" / "made"
    for path, mode in ((made, 0o750), (made / "more.py", 0o640)):
        found = path.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o707) == (0, mode & 0o707)
    assert list((made / "__pycache__").iterdir())
    assert {"code/made", "code/made/more.py"} < allowed("daemon", target.release())
    assert allowed("daemon", target.release(), os.W_OK) == set()


@needs_root
def test_nobody_gets_at_a_build_before_it_is_sealed(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a build left open to all would be the app's to change, if it could come to it."""
    release, opened = target.release(), []
    row = with_build(target, monkeypatch, Making())
    change = os.chmod

    def chmod(path: Any, mode: int, **words: Any) -> None:
        if str(path) == str(release):
            opened.append((release / "code" / "made" / "more.py").stat())
        assert stat.S_IMODE(release.stat().st_mode) == 0o700 or opened
        change(path, mode, **words)

    monkeypatch.setattr(os, "chmod", chmod)
    build(row, PIP, run)
    (found,) = opened
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o640)


@needs_root
@pytest.mark.parametrize(
    ("fails", "directory", "words"),
    [
        (True, "made", "build: 'npm ci' failed with 1:\nno"),
        (False, "none", "static: expected a directory inside the source or made by build, got 'none': found no none"),
    ],
)
def test_a_build_that_fails_leaves_nothing(
    fails: bool, directory: str, words: str, target: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = with_build(target, monkeypatch, Making(fails), directory)
    with pytest.raises(PalisadeError) as caught:
        build(row, PIP, run)
    assert str(caught.value) == f"app public: release {RELEASE} could not be built: {words}"
    assert not target.release().exists()


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
    target.stage(row)
    ensure_releases([row], PYTHON, run, 1, check=False)
    assert planted.read_text() == "application = 1\n"


def test_the_directory_must_be_there(target: Host) -> None:
    row = target.source("public")
    target.stage(row)
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


def tried(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose release is tried before it is complete, as an account that reads the directories of pytest."""
    return {**row, "application": "app:application"}


def ensure(rows: list[dict[str, Any]], check: bool = False, runs: Any = run, **environments: dict[str, str]) -> Built:
    return ensure_built(rows, environments, PIP, runs, 2, check)


GOOD = "import os\nassert os.environ['KEY'] == 'value'\ndef application(environ, start_response): pass\n"


@needs_root
def test_each_app_for_itself(target: Host) -> None:
    """What fails is told with its app, and the rest is built; no link moves."""
    rows = [
        tried(target.source("good", app=GOOD)),
        tried(target.source("broken", app="import missing_module\n")),
        tried(target.source("silent")),
        {**target.source("nowhere"), "directory": str(target.root / "missing")},
        target.source("unfetched"),
    ]
    target.stage(*rows[:4])
    before = snapshot(target.root)
    assert ensure(rows, check=True, good={"KEY": "value"}).built == sorted(row["app"] for row in rows)
    assert snapshot(target.root) == before
    result = ensure(rows, good={"KEY": "value"})
    assert result.built == ["good"]
    assert [difference["path"] for difference in result.differences] == [str(target.release("good"))]
    assert sorted(result.failures) == ["broken", "nowhere", "silent", "unfetched"]
    for app, words in {
        "broken": "ModuleNotFoundError: No module named 'missing_module'",
        "silent": "expected a callable 'application' in app, it is of type int",
        "nowhere": "the directory",
        "unfetched": "was not fetched",
    }.items():
        assert words in result.failures[app]
        assert result.failures[app].count(f"app {app}: ") == 1
        assert not target.release(app).exists()
    assert not any(os.path.lexists(row["current"]) for row in rows)
    assert ensure(rows[:1]) == Built()


def test_what_a_release_says_of_itself(target: Host) -> None:
    row = {**target.source("public"), "origin": "git abc"}
    target.stage(row)
    build(row, PIP, run)
    told = json.loads((target.release() / "release.json").read_text())
    assert told.pop("built") > 0
    assert told == {
        "app": "public",
        "release": RELEASE,
        "origin": "git abc",
        "digest": row["digest"],
        "python": PYTHON,
        "served": {},
    }


@needs_root
def test_a_release_is_on_the_disk_before_it_is_complete(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = target.source("public")
    target.stage(row)
    synced: list[list[str]] = []
    monkeypatch.setattr(build_module, "sync", lambda _path: synced.append(sorted(os.listdir(target.release()))))
    build(row, PIP, run)
    assert synced == [["code", "venv"]]
    assert sorted(os.listdir(target.release())) == ["code", "release.json", "venv"]


@needs_root
def test_packages_that_do_not_fit(target: Host) -> None:
    row = tried(target.source("public", app=GOOD))
    target.stage(row)
    wheels = Path(cached_place(row)) / "wheels"
    write_wheel(wheels, "demo", "2.0")
    write_wheel(wheels, "needs", requires="demo<2")
    result = ensure_built([row], {"public": {"KEY": "value"}}, Pip(os.path.realpath(PYTHON)), run, 1, check=False)
    assert "could not be built: its packages do not work together:" in result.failures["public"]
    assert "needs 1.0 has requirement demo<2, but you have demo 2.0." in result.failures["public"]
    assert not target.release().exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/some/file"),
        shutil.Error([("a", "b", f"[Errno 28] No space left on device: '{number}'") for number in range(999)]),
        CommandError("pip", 1, "OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_full_file_system(error: Exception, target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = target.source("public")
    target.stage(row)
    monkeypatch.setattr(
        release_build, "_mount", lambda path: str(target.root) if path.startswith(str(target.root)) else "/"
    )
    monkeypatch.setattr(release_build, "_FULL", 0)

    def fails(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        raise error

    result = ensure([row], runs=fails)
    assert result.failures == {
        "public": f"app public: release {RELEASE} could not be built: no space left on the file system at "
        f"{target.root}, for {target.release()}"
    }
    assert not target.release().exists()


def test_a_release_without_a_place_names_the_app(target: Host) -> None:
    row = target.source("public")
    target.stage(row)
    (target.root / "public" / "releases").rmdir()
    with pytest.raises(PalisadeError, match="app public: release 0123456789abcdef could not be built: "):
        build(row, PIP, run)


@pytest.mark.parametrize(
    ("free", "inodes", "expected"), [(1 << 20, 5, "/b"), ((1 << 20) - 1, 5, "/a and /b"), (1 << 30, 0, "/a and /b")]
)
def test_which_file_system_is_full(free: int, inodes: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the releases, that of the temporary directory, or both; a program says neither."""
    monkeypatch.setattr(release_build, "_mount", lambda path: "/a" if path == "/place" else "/b")
    found = {
        "/a": os.statvfs_result((1, 1, 9, 9, free, 9, 9, inodes, 0, 255)),
        "/b": os.statvfs_result((1, 1, 9, 9, 0, 9, 9, 9, 0, 255)),
    }
    monkeypatch.setattr(os, "statvfs", lambda path: found[path])
    told = release_build._explained(PalisadeError("pip: Disk quota exceeded"), "/place")
    assert told == f"no space left on the file system at {expected}, for /place"
    assert release_build._explained(PalisadeError("pip: no"), "/place") == "pip: no"


def test_the_mount_of_a_path(tmp_path: Path) -> None:
    assert release_build._mount("/proc/self/status") == "/proc"
    assert os.path.ismount(release_build._mount(str(tmp_path / "not/there")))


def test_packages_are_looked_at_as_the_app_that_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(release_build, "run_with_secrets", lambda *arguments: asked.append(arguments))
    row = {"app": "shop", "account": "shop-app", "group": "shop-app", "writable": ["/data"]}
    pip = Pip("/usr/bin/python3")
    monkeypatch.setattr(pip, "check", lambda venv, run: ["check", venv])
    release_build._check_packages(row, "/r/1", pip, run)
    unit = host_unit.Unit("palisade-check-shop", "shop-app", "shop-app", directory="/r/1/code", seconds=120)
    assert asked == [(unit, "/usr/bin/python3", ["check", "/r/1/venv"], {}, run)]
