"""Transient units: what systemd is asked for, and what is told of a program that fails."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import unit as host_unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.confinement import CONFINEMENT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.unit import Unit, run_in_unit, run_with_secrets
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, acls, allowed, needs_root, run

UNIT = Unit("palisade-git-public", ME, MY_GROUP)


class Systemd:
    """Runs what it is asked for, without any sandbox."""

    def __init__(self, holds: bool = True) -> None:
        self.holds = holds
        self.asked: list[list[str]] = []
        self.input: list[str | None] = []

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        self.asked.append(list(arguments))
        if arguments[0] == "systemctl":
            raise CommandError("systemctl", 5, "not loaded")
        if "test -w /etc || test -w /run || echo read-only" in arguments:
            return "read-only\n" if self.holds else "\n"
        self.input.append(data)
        words = arguments[arguments.index("--") + 1 :]
        return run([word.replace("$$", "$") for word in words], environment, data)

    @property
    def settings(self) -> list[str]:
        return [word.partition("=")[2] for word in self.asked[-1] if word.startswith("--property=")]


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Systemd:
    monkeypatch.setattr(host_unit, "_RUNNING_SYSTEMD", str(tmp_path))
    # Whatever the tests run in.
    monkeypatch.setattr(host_unit, "may_confine", lambda: True)
    monkeypatch.setattr(host_unit, "_LOCKS", str(tmp_path))
    return Systemd()


def test_what_systemd_is_asked_for(systemd: Systemd, tmp_path: Path) -> None:
    data = str(tmp_path)
    unit = dataclasses.replace(
        UNIT, groups=["daemon", "man"], writable=[data], hidden=["/srv"], seconds=7, environment={"A": "x y"}
    )
    run_in_unit(unit, ["true"], systemd)
    stop, asked = systemd.asked
    assert stop == ["systemctl", "stop", "palisade-git-public.service"]
    assert {"--wait", "--pipe", "--collect", "--service-type=exec", "--setenv=A=x y"} < set(asked)
    expected = {f"User={ME}", f"Group={MY_GROUP}", "SupplementaryGroups=daemon man", "RuntimeMaxSec=7"}
    expected |= {f"ReadWritePaths=-{data}", "InaccessiblePaths=-/srv", "SystemCallFilter=~listen"}
    assert expected | {"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} < set(systemd.settings)


def test_one_that_listens(systemd: Systemd) -> None:
    run_in_unit(dataclasses.replace(UNIT, listens=True), ["true"], systemd)
    assert not [setting for setting in systemd.settings if setting.startswith("SystemCall")]


def test_where_system_calls_cannot_be_filtered(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_unit, "may_confine", lambda: False)
    run_in_unit(UNIT, ["true"], systemd)
    names = {setting.partition("=")[0] for setting in systemd.settings}
    assert {"User", "NoNewPrivileges", "CapabilityBoundingSet", "RuntimeMaxSec"} < names
    assert not {"SystemCallFilter", "RestrictNamespaces", "ProtectSystem"} & names


def test_secrets_are_no_words(systemd: Systemd, tmp_path: Path) -> None:
    say = ["sh", "-c", "echo $KEY; which program; umask; cat; echo error >&2"]
    (tmp_path / "program").write_text("")
    (tmp_path / "program").chmod(0o755)
    unit = dataclasses.replace(UNIT, directory=str(tmp_path))
    said = run_with_secrets(unit, "/usr/bin/python3", say, {"KEY": "hidden $x"}, systemd, 0o077, [str(tmp_path)])
    assert said == f"hidden $x\n{tmp_path}/program\n0077\nerror\n"
    assert "hidden" not in str(systemd.asked)
    with pytest.raises(CommandError) as caught:
        run_with_secrets(unit, "/usr/bin/python3", ["sh", "-c", "echo out; echo err >&2; exit 3"], {}, systemd)
    assert str(caught.value) == "sh failed with 3:\nout\nerr"


@pytest.mark.parametrize("has_systemd", [True, False])
def test_words_arrive_as_they_are(has_systemd: bool, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_systemd and os.geteuid() != 0:
        pytest.skip("only root may change accounts")
    if not has_systemd:
        monkeypatch.setattr(host_unit, "_RUNNING_SYSTEMD", "/missing")
    words = ["a b", "$HOME", "${A}", "%n", "", "'", '"', "a\nb", "\\x41", "*"]
    said = run_in_unit(UNIT, ["printf", "%s|", *words], systemd if has_systemd else run)
    assert said == "".join(f"{word}|" for word in words)
    if has_systemd:
        assert all("$" not in word.replace("$$", "") for word in systemd.asked[-1])


def test_input_and_none(systemd: Systemd, tmp_path: Path) -> None:
    assert run_in_unit(UNIT, ["cat"], systemd, "a secret") == "a secret"
    assert run_in_unit(UNIT, ["cat"], systemd) == ""
    assert "a secret" not in str(systemd.asked)
    assert run_in_unit(dataclasses.replace(UNIT, directory=str(tmp_path)), ["pwd"], systemd) == f"{tmp_path}\n"


@pytest.mark.parametrize(
    ("script", "status", "complaint"),
    [
        ("seq 100 >&2; exit 3", 3, "\n".join(str(number) for number in range(1, 101))),
        ("kill -TERM $$", 143, "Terminated"),
        ("exec /missing", 127, "sh: 1: exec: /missing: not found"),
    ],
)
def test_a_failure(script: str, status: int, complaint: str, systemd: Systemd) -> None:
    with pytest.raises(CommandError) as caught:
        run_in_unit(UNIT, ["sh", "-c", script], systemd)
    assert (caught.value.status, caught.value.complaint) == (status, complaint)
    assert str(caught.value).startswith(f"sh failed with {status}:\n")


def test_a_directory_that_is_missing(systemd: Systemd) -> None:
    with pytest.raises(CommandError, match="can't cd to /missing"):
        run_in_unit(dataclasses.replace(UNIT, directory="/missing"), ["true"], systemd)


def test_one_that_takes_too_long(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 600.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with pytest.raises(PalisadeError, match=r"^palisade-git-public: git was stopped after 600 seconds$"):
        run_in_unit(UNIT, ["git", "fetch"], systemd)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"account": "no-such"}, "there is no account no-such"),
        ({"group": "no-such"}, "there is no group no-such"),
        ({"groups": ["no-such"]}, "there is no group no-such"),
        ({"writable": ["/a b"]}, "expected an absolute path"),
        ({"directory": "relative"}, "expected an absolute path"),
        ({"binds": {"/a": "/b/../c"}}, "expected an absolute path"),
        ({"reads": {"/a b": "/b"}}, "expected an absolute path"),
        ({"hidden": ["/a/."]}, "expected an absolute path"),
    ],
)
def test_bad_units(fields: dict[str, Any], message: str, systemd: Systemd) -> None:
    with pytest.raises(PalisadeError, match=f"^palisade-git-public: {message}"):
        run_in_unit(dataclasses.replace(UNIT, **fields), ["true"], systemd)
    assert systemd.asked == []


def test_strict(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = dataclasses.replace(UNIT, strict=True)
    assert run_in_unit(strict, ["echo", "held"], systemd) == "held\n"
    systemd.holds = False
    with pytest.raises(PalisadeError, match="cannot run it in a sandbox: /etc stays writable"):
        run_in_unit(strict, ["true"], systemd)
    monkeypatch.setattr(host_unit, "_RUNNING_SYSTEMD", "/missing")
    with pytest.raises(PalisadeError, match="systemd is not running here"):
        run_in_unit(strict, ["true"], systemd)


def test_nothing_is_left_for_the_accounts_next_unit(systemd: Systemd) -> None:
    run_in_unit(dataclasses.replace(UNIT, strict=True), ["true"], systemd)
    assert {"RemoveIPC=yes", "PrivateTmp=yes", "TemporaryFileSystem=/dev/shm:mode=1777"} < set(systemd.settings)


def test_without_a_network(systemd: Systemd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """systemd goes on where it cannot make a network of its own: the program then does not start."""
    offline = dataclasses.replace(UNIT, strict=True, offline=True)
    touch = ["touch", str(tmp_path / "started")]
    with pytest.raises(PalisadeError, match="touch failed with 1:\nsystemd cannot keep it off the network here"):
        run_with_secrets(offline, "/usr/bin/python3", touch, {}, systemd)
    assert "PrivateNetwork=yes" in systemd.settings
    assert not (tmp_path / "started").exists()
    run_with_secrets(dataclasses.replace(offline, offline=False), "/usr/bin/python3", touch, {}, systemd)
    assert "PrivateNetwork=yes" not in systemd.settings
    (tmp_path / "started").unlink()
    (tmp_path / "network").symlink_to("net:[1]")
    monkeypatch.setattr(host_unit, "_OWN_NETWORK", str(tmp_path / "network"))
    run_with_secrets(offline, "/usr/bin/python3", touch, {}, systemd)
    assert (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("turn", "beside_one", "beside_many"), [("alone", False, False), ("together", False, True), ("", True, True)]
)
def test_turns(turn: str, beside_one: bool, beside_many: bool, systemd: Systemd, tmp_path: Path) -> None:
    """What runs while another unit of the account does, which is alone or one of many."""
    lock = tmp_path / f"palisade-{ME}.lock"
    unit = dataclasses.replace(UNIT, turn=turn)
    for held, at_once in ((fcntl.LOCK_EX, beside_one), (fcntl.LOCK_SH, beside_many)):
        told: list[str] = []
        thread = threading.Thread(target=lambda told=told: told.append(run_in_unit(unit, ["echo", "ran"], systemd)))
        with lock.open("w") as file:
            fcntl.flock(file, held)
            thread.start()
            thread.join(5 if at_once else 0.3)
            assert bool(told) == at_once
        thread.join(5)
        assert told == ["ran\n"]


@pytest.mark.parametrize(
    ("turn", "left"), [("alone", ["palisade-build-*", "palisade-git-*"]), ("together", ["palisade-build-*"]), ("", [])]
)
def test_what_a_killed_play_left_of_the_account_is_stopped(turn: str, left: list[str], systemd: Systemd) -> None:
    run_in_unit(dataclasses.replace(UNIT, turn=turn), ["true"], systemd)
    assert systemd.asked[0] == [
        "systemctl",
        "stop",
        "palisade-git-public.service",
        *(f"{name}.service" for name in left),
    ]


def test_nobody_else_may_hold_the_lock(systemd: Systemd, tmp_path: Path) -> None:
    run_in_unit(dataclasses.replace(UNIT, turn="together"), ["true"], systemd)
    assert (tmp_path / f"palisade-{ME}.lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_is_no_link(systemd: Systemd, tmp_path: Path) -> None:
    (tmp_path / f"palisade-{ME}.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        run_in_unit(dataclasses.replace(UNIT, turn="alone"), ["true"], systemd)
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_below_a_closed_directory(systemd: Systemd, tmp_path: Path) -> None:
    place = tmp_path / "closed/work"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    # Above it are directories of pytest that are closed too.
    unit = dataclasses.replace(UNIT, binds={str(place): str(place)})
    run_in_unit(unit, ["true"], systemd)
    hidden = [setting.partition("=")[2] for setting in systemd.settings if setting.startswith("Temporary")]
    assert len(hidden) == 1
    assert f"{place}/".startswith(f"{hidden[0]}/")
    assert f"BindPaths={place}:{place}" in systemd.settings


@needs_root
def test_where_nothing_can_be_bound(systemd: Systemd, tmp_path: Path) -> None:
    systemd.holds = False
    place = tmp_path / "closed/work"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    unit = dataclasses.replace(UNIT, account="daemon", group="daemon", binds={str(place): str(place)})
    run_in_unit(unit, ["true"], systemd)
    assert not [setting for setting in systemd.settings if setting.startswith(("Temporary", "Bind"))]
    assert "closed access" in acls(tmp_path)
    with pytest.raises(PalisadeError, match=f"this host cannot show {place} as /work"):
        run_in_unit(dataclasses.replace(unit, binds={"/work": str(place)}), ["true"], systemd)


@needs_root
def test_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_unit, "_RUNNING_SYSTEMD", "/missing")
    unit = dataclasses.replace(UNIT, account="daemon", group="daemon", groups=["man"])
    said = run_in_unit(unit, ["sh", "-c", "id -un; id -Gn; umask; grep -E 'NoNew|CapBnd' /proc/self/status"], run)
    assert said.split() == ["daemon", "daemon", "man", "0027", "CapBnd:", "0000000000000000", "NoNewPrivs:", "1"]
    with pytest.raises(PalisadeError, match="sleep was stopped after 1 seconds"):
        run_in_unit(dataclasses.replace(unit, seconds=1), ["sleep", "9"], run)


@pytest.fixture
def ways() -> Iterator[Path]:
    """A directory that everybody may pass, all the way from the top; pytest's own are closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        os.chmod(top, 0o755)
        (Path(top) / "open/closed/below/work").mkdir(parents=True)
        (Path(top) / "open/closed/below").chmod(0o700)
        (Path(top) / "open/closed").chmod(0o700)
        yield Path(top)


@pytest.mark.parametrize(
    ("inside", "covered"),
    [
        ("open/work", []),
        ("open/closed", []),
        ("open/closed/work", ["open/closed"]),
        ("open/closed/below/work", ["open/closed"]),
        # It is not on the host, so nobody has closed it.
        ("missing/work", []),
    ],
)
@pytest.mark.parametrize("kind", ["binds", "reads"])
def test_only_what_is_in_the_way_is_covered(
    kind: str, inside: str, covered: list[str], systemd: Systemd, ways: Path
) -> None:
    fields: dict[str, Any] = {kind: {f"{ways}/{inside}": "/srv/place"}}
    run_in_unit(dataclasses.replace(UNIT, **fields), ["true"], systemd)
    settings = [setting.partition("=") for setting in systemd.settings]
    assert [value for name, _equals, value in settings if name == "TemporaryFileSystem"] == [
        f"{ways}/{path}" for path in covered
    ]
    word = {"binds": "BindPaths", "reads": "BindReadOnlyPaths"}[kind]
    assert [(name, value) for name, _equals, value in settings if name.startswith("Bind")] == [
        (word, f"/srv/place:{ways}/{inside}")
    ]


@needs_root
def test_an_account_is_let_through_closed_directories_only(systemd: Systemd, ways: Path) -> None:
    """Where the host cannot bind; and through those above the place, not into it."""
    systemd.holds = False
    place = f"{ways}/open/closed/below/work"
    unit = dataclasses.replace(UNIT, account="daemon", group="daemon", reads={place: place})
    assert run_in_unit(unit, ["true"], systemd) == ""
    assert set(acls(ways)) == {"open/closed access", "open/closed/below access"}
    assert allowed("daemon", ways, os.X_OK) == {"open", "open/closed", "open/closed/below", "open/closed/below/work"}
    assert "open/closed" not in allowed("daemon", ways)


def test_every_word_for_systemd(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing that was not asked for."""
    monkeypatch.setattr(host_unit, "may_confine", lambda: False)
    run_in_unit(dataclasses.replace(UNIT, name="palisade trial", strict=True), ["true", "$A"], systemd)
    probe, stop, asked = systemd.asked
    assert [word for word in probe if word.startswith("--property=")] == [
        f"--property={setting}" for setting in ("NoNewPrivileges=yes", "CapabilityBoundingSet=", *CONFINEMENT)
    ]
    common = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--service-type=exec"]
    assert probe[:6] == asked[:6] == common
    assert stop[2] == "palisade\\x20trial.service"
    assert asked[6:-8] == [
        "--unit=palisade\\x20trial.service",
        "--description=palisade.mod_wsgi: palisade trial",
        f"--property=User={ME}",
        f"--property=Group={MY_GROUP}",
        "--property=SupplementaryGroups=",
        "--property=RuntimeMaxSec=600",
        "--property=TimeoutStopSec=5",
        "--property=NoNewPrivileges=yes",
        "--property=CapabilityBoundingSet=",
        "--property=TemporaryFileSystem=/dev/shm:mode=1777",
        "--property=RemoveIPC=yes",
        "--setenv=LC_ALL=C.UTF-8",
    ]
    assert asked[-8:-5] == ["--", "/bin/sh", "-c"]
    assert asked[-4:] == ["sh", "/", "true", "$$A"]


@pytest.mark.parametrize(
    ("status", "complaint", "told"),
    [
        (226, "", "git failed with 226:\nsystemd could not set up its sandbox"),
        (226, "its own words", "git failed with 226:\nits own words"),
        (1, "", "git failed with 1:"),
    ],
)
def test_a_sandbox_that_systemd_could_not_set_up(status: int, complaint: str, told: str, systemd: Systemd) -> None:
    def failing(arguments: Sequence[str], environment: Any = None, data: str | None = None) -> str:
        raise CommandError(arguments[0], status, complaint)

    with pytest.raises(CommandError) as caught:
        run_in_unit(UNIT, ["/usr/bin/git"], failing)
    assert str(caught.value) == told


def test_a_sandbox_that_cannot_be_tried(systemd: Systemd) -> None:
    def failing(arguments: Sequence[str], environment: Any = None, data: str | None = None) -> str:
        raise CommandError("systemd-run", 1, "Failed to connect\nto bus")

    with pytest.raises(PalisadeError, match="in a sandbox: systemd-run failed with 1: Failed to connect to bus"):
        run_in_unit(dataclasses.replace(UNIT, strict=True), ["true"], failing)


def test_a_umask_unless_somebody_gives_another(systemd: Systemd) -> None:
    assert run_with_secrets(UNIT, "/usr/bin/python3", ["sh", "-c", "umask"], {}, systemd) == "0027\n"


@pytest.mark.parametrize(
    ("name", "unit"),
    [("palisade-try-a.b_c", "palisade-try-a.b_c"), ("a/ü", "a\\x2f\\xc3\\xbc"), ("a@b:c", "a\\x40b\\x3ac")],
)
def test_names_of_units(name: str, unit: str, systemd: Systemd) -> None:
    """Whatever is in them, it is one unit's name and no path."""
    run_in_unit(dataclasses.replace(UNIT, name=name), ["true"], systemd)
    assert systemd.asked[0] == ["systemctl", "stop", f"{unit}.service"]
    assert f"--unit={unit}.service" in systemd.asked[1]
