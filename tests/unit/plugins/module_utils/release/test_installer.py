"""pip and uv: wheels only, offline from what was fetched; builds from source keep to one place of a sandbox."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.unit import Unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import installer as release_installer
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.installer import (
    Pip,
    Uv,
    has_hashes,
    installer,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.releases import PYTHON, write_wheel
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root, run

ROW = {"app": "public", "allow_source_builds": False}


class Recorder:
    """Runs nothing, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        self.asked.append(list(arguments))
        return ""


def after(words: Sequence[str], option: str) -> str:
    return words[list(words).index(option) + 1]


@pytest.fixture
def uv(tmp_path: Path) -> str:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program)


def test_pip_fetches_wheels_only(tmp_path: Path) -> None:
    runs = Recorder()
    Pip(PYTHON).fetch(ROW, "/some/requirements.txt", str(tmp_path), "/downloads", runs)
    ((program, isolated, *words),) = runs.asked
    assert (program, isolated, words[:2]) == (PYTHON, "-I", ["-m", "pip"])
    assert "download" in words
    assert after(words, "--only-binary") == ":all:"
    assert after(words, "--dest") == f"{tmp_path}/wheels"
    assert after(words, "--cache-dir") == "/downloads"
    assert after(words, "--requirement") == "/some/requirements.txt"


def test_pip_installs_what_was_fetched_and_asks_nobody(tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "demo")
    venv = str(tmp_path / "venv")
    # Pip's own interpreter, where that of the tests has none.
    pip = Pip(os.path.realpath(PYTHON))
    assert pip.install(str(tmp_path), venv, run)
    program = f"{venv}/bin/python"
    said = subprocess.check_output([program, "-I", "-c", "import demo, sys; print(demo.value, sys.prefix)"], text=True)
    assert said == f"5 {venv}\n"
    assert subprocess.run([program, "-I", "-c", "import pip"], capture_output=True, check=False).returncode
    run(pip.check(venv, run))
    (tmp_path / "more").mkdir()
    write_wheel(tmp_path / "more/wheels", "needs", requires="demo>1")
    assert pip.install(str(tmp_path / "more"), venv, run)
    with pytest.raises(CommandError) as caught:
        run(pip.check(venv, run))
    assert "needs 1.0 has requirement demo>1, but you have demo 1.0." in caught.value.complaint


def test_nothing_to_install(tmp_path: Path, uv: str) -> None:
    runs = Recorder()
    assert not Pip(PYTHON).install(str(tmp_path), "/venv", runs)
    assert not Uv(PYTHON, uv=uv).install(str(tmp_path), "/venv", runs)
    assert [[word for word in words if word in ("venv", "pip")] for words in runs.asked] == [["venv"], ["venv"]]


@pytest.mark.parametrize(("text", "hashed"), [("a==1\n", False), ("a==1 --hash=sha256:0\n", True)])
def test_uv_fetches_into_a_virtual_environment(text: str, hashed: bool, tmp_path: Path, uv: str) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(text)
    runs = Recorder()
    made = installer("uv", PYTHON, uv=uv)
    made.fetch(ROW, str(requirements), str(tmp_path), "/downloads", runs)
    new, install = runs.asked
    assert new[:2] == [uv, "venv"]
    assert "--relocatable" in new
    assert new[-1] == f"{tmp_path}/venv"
    assert install[:3] == [uv, "pip", "install"]
    assert after(install, "--only-binary") == ":all:"
    assert after(install, "--link-mode") == "copy"
    assert ("--require-hashes" in install) == hashed
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/python").symlink_to("/usr/bin/python3")
    assert made.install(str(tmp_path), str(tmp_path / "release"), runs)
    assert os.readlink(tmp_path / "release/python") == "/usr/bin/python3"
    assert len(runs.asked) == 2


def test_uv_is_missing() -> None:
    with pytest.raises(PalisadeError, match="uv: expected the program at /missing/uv, found none; install it"):
        Uv(PYTHON, uv="/missing/uv")
    assert not isinstance(installer("pip", PYTHON), Uv)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.txt": "one==1\n"}, False),
        ({"a.txt": "one==1 \\\n    --hash=sha256:00\n"}, True),
        (
            {"a.txt": "-r inner/b.txt\n", "inner/b.txt": "--requirement=c.txt\n", "inner/c.txt": "x --hash sha256:0"},
            True,
        ),
        ({"a.txt": "-rb.txt\n", "b.txt": "-r a.txt\n-c missing.txt\n"}, False),
        ({"a.txt": "one==1 # --hashes are for others\n"}, False),
    ],
)
def test_hashes(files: Mapping[str, str], expected: bool, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert has_hashes(str(tmp_path / "a.txt")) == expected


class Builder:
    """Stands for a build in its unit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *steps: Any) -> None:
        self.steps = steps
        self.units: list[Unit] = []
        self.environment: Mapping[str, str] = {}
        self.command: Sequence[str] = ()
        monkeypatch.setattr(release_installer, "run_with_secrets", self)

    def __call__(
        self, unit: Unit, python: str, command: Sequence[str], environment: Mapping[str, str], run: Any
    ) -> str:
        self.units.append(unit)
        self.command, self.environment = command, environment
        (work,) = unit.binds
        assert Path(work).stat().st_uid == pwd.getpwnam("games").pw_uid
        wheels = Path(after(command, "--wheel-dir"))
        wheels.mkdir()
        for step in self.steps:
            step(wheels)
        return ""


def build(place: Path, kind: str = "pip", uv: str = "") -> None:
    (place / "code/inner").mkdir(parents=True)
    (place / "code/requirements.txt").write_text("demo\n")
    (place / "code/requirements.txt").chmod(0o600)
    (place / "code").chmod(0o700)
    row = {**ROW, "allow_source_builds": True}
    made = installer(kind, PYTHON, "games", uv)
    made.fetch(row, str(place / "code/requirements.txt"), str(place), "/downloads", Recorder())


@needs_root
@pytest.mark.parametrize("kind", ["pip", "uv"])
def test_a_build_from_source(kind: str, tmp_path: Path, uv: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://u:hidden@index/simple")
    monkeypatch.setenv("HTTPS_PROXY", "proxy")
    monkeypatch.setenv("ANYTHING", "else")
    builder = Builder(monkeypatch, lambda wheels: write_wheel(wheels, "demo"))
    place = tmp_path / "place"
    build(place, kind, uv)
    (unit,) = builder.units
    assert (unit.account, unit.strict, unit.listens, unit.groups, unit.writable) == ("games", True, False, (), ())
    assert unit.turn == "alone"
    assert unit.binds == {f"{place}/build": f"{place}/build"}
    assert unit.reads == {f"{place}/code": f"{place}/code"}
    assert builder.command[:5] == [PYTHON, "-I", "-m", "pip", "--no-input"]
    assert {"wheel", "--quiet", "--no-cache-dir"} < set(builder.command)
    assert "u:hidden" not in str(builder.command) + str(unit)
    assert builder.environment["PIP_INDEX_URL"] == "https://u:hidden@index/simple"
    assert {"HTTPS_PROXY", "HOME", "TMPDIR"} < set(builder.environment)
    assert "ANYTHING" not in builder.environment
    assert sorted(os.listdir(place)) == ["code", "wheels"]
    assert os.listdir(place / "wheels") == ["demo-1.0-py3-none-any.whl"]
    assert (place / "wheels").stat().st_uid == 0
    gid = grp.getgrnam("games").gr_gid
    for path, mode in {"code": 0o750, "code/inner": 0o750, "code/requirements.txt": 0o640}.items():
        found = (place / path).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, gid, mode)


@needs_root
@pytest.mark.parametrize(
    "step",
    [
        lambda wheels: (wheels / "x-1.0-py3-none-any.whl").symlink_to("/etc/shadow"),
        lambda wheels: os.mkfifo(wheels / "x-1.0-py3-none-any.whl"),
        lambda wheels: (wheels / "x-1.0-py3-none-any.whl").mkdir(),
        lambda wheels: (wheels / "x.txt").write_text(""),
    ],
)
def test_what_a_build_may_not_leave(step: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Builder(monkeypatch, step)
    with pytest.raises(PalisadeError, match="the build left 'x"):
        build(tmp_path / "place")


@needs_root
def test_a_link_in_the_place_of_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    write_wheel(elsewhere, "demo")

    def swap(wheels: Path) -> None:
        wheels.rmdir()
        wheels.symlink_to(elsewhere)

    Builder(monkeypatch, swap)
    build(tmp_path / "place")
    assert os.listdir(tmp_path / "place/wheels") == []
    assert len(os.listdir(elsewhere)) == 1


@needs_root
def test_a_build_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_wheels: Path) -> None:
        raise CommandError("pip", 1, "\n".join(f"line {number}" for number in range(90)))

    Builder(monkeypatch, fails)
    with pytest.raises(PalisadeError, match="a build from source failed with 1:\nline 50\n"):
        build(tmp_path / "place")
    assert (tmp_path / "place/build").stat().st_uid == 0


def test_no_account_for_builds(tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match="allow_source_builds: there is no account no-such"):
        Pip(PYTHON, "no-such").fetch({**ROW, "allow_source_builds": True}, "/x", str(tmp_path), "/d", Recorder())


@pytest.mark.parametrize("kind", ["missing", "file", "link"])
def test_a_build_without_wheels(kind: str, tmp_path: Path) -> None:
    built = tmp_path / "built"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x.whl").write_text("")
    if kind == "file":
        built.write_text("")
    elif kind == "link":
        built.symlink_to("elsewhere")
    release_installer._take(str(built), str(tmp_path / "wheels"))
    assert os.listdir(tmp_path / "wheels") == []
    assert os.listdir(tmp_path / "elsewhere") == ["x.whl"]
