"""The app's own commands on a release: how they run, what they may not leave, and what is told of one that fails."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.unit import OutOfTime, Unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import completion
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.completion import complete
from ansible_collections.palisade.mod_wsgi.tests.unit.support import acls, needs_root, run

GAMES = pwd.getpwnam("games")


class Sandbox:
    """Runs what it is given in the unit's directory, and nothing more."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.environments: list[Mapping[str, str]] = []
        self.programs: Sequence[str] = ()
        self.error: PalisadeError | None = None

    def __call__(
        self,
        unit: Unit,
        python: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        run: Any,
        programs: Sequence[str],
    ) -> str:
        self.units.append(unit)
        self.environments.append(environment)
        self.programs = programs
        if self.error:
            raise self.error
        done = subprocess.run(command, cwd=unit.directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(command[0], done.returncode, done.stdout + done.stderr)
        return done.stdout


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    found = Sandbox()
    monkeypatch.setattr(completion, "run_with_secrets", found)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "code/inner").mkdir(parents=True)
    (tmp_path / "code/inner/app.py").write_text("application = 1\n")
    (tmp_path / "venv/bin").mkdir(parents=True)
    return tmp_path


def build(place: Path, *commands: list[str], network: bool = False, **environment: str) -> None:
    row = {"app": "shop", "build": list(commands), "build_network": network}
    complete(row, str(place), environment, "games", "/usr/bin/python3", run)


pytestmark = needs_root


def test_the_unit(place: Path, sandbox: Sandbox) -> None:
    build(place, ["touch", "made"], ["mv", "made", "second"], KEY="a secret")
    (unit, other) = sandbox.units
    assert unit.name == "palisade-build-shop"
    assert unit == other
    code, venv = f"{place}/code", f"{place}/venv"
    assert (unit.account, unit.group, unit.groups, unit.directory) == ("games", "games", (), code)
    assert (unit.binds, unit.reads, unit.writable) == ({code: code}, {venv: venv}, ())
    assert (unit.strict, unit.offline, unit.turn, unit.listens) == (True, True, "alone", False)
    assert {"/home", "/root", "/var/www"} < set(unit.hidden)
    assert sandbox.programs == [f"{venv}/bin"]
    assert "secret" not in repr(unit)
    assert sandbox.environments[0]["KEY"] == "a secret"
    assert sandbox.environments[0]["PYTHONDONTWRITEBYTECODE"] == "1"
    assert (place / "code/second").exists()


def test_with_a_network(place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "https://u:hidden@proxy")
    build(place, ["true"])
    build(place, ["true"], network=True)
    assert [unit.offline for unit in sandbox.units] == [True, False]
    assert ["https_proxy" in environment for environment in sandbox.environments] == [False, True]


def test_the_apps_own_variables_count(place: Path, sandbox: Sandbox) -> None:
    build(place, ["true"], HOME="/srv")
    assert sandbox.environments[0]["HOME"] == "/srv"


def test_who_owns_what_meanwhile(place: Path, sandbox: Sandbox) -> None:
    outside = place / "outside"
    outside.write_text("")
    (place / "code/link").symlink_to("inner/app.py")
    build(place, ["true"])
    for path in ("code", "code/inner", "code/inner/app.py", "code/link"):
        assert (place / path).lstat().st_uid == GAMES.pw_uid
    for path in ("venv", "venv/bin"):
        found = (place / path).lstat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, GAMES.pw_gid, 0o750)
    assert outside.stat().st_uid == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["ln", "-s", "/etc/shadow", "inner/x.py"], "a link at inner/x.py to '/etc/shadow', outside"),
        (["ln", "-s", "../venv", "venv"], "a link at venv to '../venv', outside"),
        (["sh", "-c", "mkdir .git; ln -s /etc/shadow .git/x.py"], "a link at .git/x.py to"),
        (["sh", "-c", "mkdir __pycache__; ln -s /etc/shadow __pycache__/x.pyc"], "a link at __pycache__/x.pyc to"),
        (["mkfifo", "inner/pipe"], "inner/pipe, which is neither a file nor a directory nor a link"),
    ],
)
def test_what_a_build_may_not_leave(command: list[str], message: str, place: Path, sandbox: Sandbox) -> None:
    with pytest.raises(PalisadeError, match=rf"^build: it left {message}"):
        build(place, command)


def test_a_link_inside_stays(place: Path, sandbox: Sandbox) -> None:
    build(place, ["ln", "-s", "inner/app.py", "link"])
    assert os.readlink(place / "code/link") == "inner/app.py"


def test_permissions_that_would_outlast_the_owner_go(place: Path, sandbox: Sandbox) -> None:
    give = "setfacl -m d:u:daemon:rwx,u:daemon:rwx inner; touch inner/new; setfacl -m u:daemon:rw inner/app.py"
    build(place, ["sh", "-c", give])
    assert "daemon" not in acls(place)


def test_the_first_that_fails_ends_it(place: Path, sandbox: Sandbox) -> None:
    say = "for number in $(seq 1 50); do echo line $number; done; echo my-secret; exit 3"
    with pytest.raises(PalisadeError) as caught:
        build(place, ["sh", "-c", say], ["touch", "never"], KEY="my-secret")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("build: ")
    assert first.endswith(" failed with 3:")
    assert rest == [*(f"line {number}" for number in range(12, 51)), "***"]
    assert not (place / "code/never").exists()


def test_one_that_takes_too_long(place: Path, sandbox: Sandbox) -> None:
    sandbox.error = OutOfTime("palisade-build-shop: npm was stopped")
    with pytest.raises(PalisadeError, match=r"^build: 'npm ci' was stopped after 1800 seconds$"):
        build(place, ["npm", "ci"])


def test_without_the_account(place: Path) -> None:
    with pytest.raises(PalisadeError, match=r"^build: there is no account no-such$"):
        complete({"app": "shop", "build": [["true"]]}, str(place), {}, "no-such", "/usr/bin/python3", run)
