"""A release is imported as its daemon would; what fails is told without the secrets of the app."""

from __future__ import annotations

import functools
import json
import os
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import unit as host_unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.unit import OutOfTime, Unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import trial
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.trial import run_hooks, try_release
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, needs_root, run

SECRET = "pä$$ 'quoted' \"word\"\nand a second line"
ENVIRONMENT = {"SECRET": SECRET, "SHORT": "abc", "URL": "postgres://u:hidden@db/shop"}
CALLABLE = "def application(environ, start_response): pass\n"


class Release:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.code = place / "code"
        (self.code / "shop").mkdir(parents=True)
        (self.code / "shop/__init__.py").write_text("")
        self.row: dict[str, Any] = {
            "app": "public",
            "account": ME,
            "group": MY_GROUP,
            "groups": [MY_GROUP],
            "application": "shop.wsgi:application",
            "umask": "0027",
            "writable": [],
        }

    def imports(self, text: str, **modules: str) -> None:
        for name, content in {"wsgi": text, **modules}.items():
            (self.code / f"shop/{name}.py").write_text(content)
        try_release(self.row, str(self.place), ENVIRONMENT, run)

    def complaint(self, text: str, **modules: str) -> str:
        with pytest.raises(PalisadeError) as caught:
            self.imports(text, **modules)
        assert str(caught.value).startswith("app public: application: ")
        return str(caught.value).partition("application: ")[2]

    def hooks(self, *commands: list[str]) -> list[dict[str, Any]]:
        return run_hooks({**self.row, "hooks": list(commands)}, str(self.place), ENVIRONMENT, run)


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    # As the account alone, without a sandbox; the live tests have one.
    monkeypatch.setattr(host_unit, "_RUNNING_SYSTEMD", "/missing")
    venv.create(tmp_path / "venv", symlinks=True)
    return Release(tmp_path)


pytestmark = needs_root


@pytest.mark.parametrize("line", ["version = 2.7.18", "home = /usr/bin\nversion_info = 2.7.18.final.0"])
def test_a_release_of_another_python(release: Release, line: str) -> None:
    (release.place / "venv/pyvenv.cfg").write_text(f"{line}\n")
    now = f"3.{sys.version_info.minor}"
    python = release.place / f"python{now}"
    python.touch()
    (release.place / "venv/bin/python").unlink()
    (release.place / "venv/bin/python").symlink_to(python)
    message = (
        f"^app public: release {release.place.name} was built for Python 2.7, and the host has Python {now} now; "
        "run site.yml, which builds a new one$"
    )
    with pytest.raises(PalisadeError, match=message):
        release.imports(CALLABLE)


def test_as_a_daemon_imports_it(release: Release) -> None:
    expected = {
        "directory": str(release.code),
        "first": str(release.code),
        "prefix": str(release.place / "venv"),
        "umask": 0o027,
        "environment": [SECRET, "abc"],
        "main": [],
    }
    checks = (
        "import json, mod_wsgi, os, sys\n"
        "umask = os.umask(0)\n"
        "found = {'directory': os.getcwd(), 'first': sys.path[0], 'prefix': sys.prefix, 'umask': umask,"
        " 'environment': [os.environ['SECRET'], os.environ['SHORT']], 'main': sys.argv[1:]}\n"
        f"assert found == {expected!r}, found\n"
        "assert mod_wsgi.process_group == 'public'\n"
        "assert sys.stdin.read() == ''\n"
    )
    release.imports(checks + CALLABLE)
    assert not list(release.code.rglob("*.pyc"))


def test_what_is_printed_is_no_answer(release: Release) -> None:
    answer = json.dumps({"kind": "good"})
    noise = f"import os, sys\nprint({answer!r}, flush=True)\nos.write(1, b'noise')\nsys.stdout.close()\n"
    release.imports(noise + CALLABLE)
    assert release.complaint(noise) == "expected a callable 'application' in shop.wsgi, there is none"


def test_a_module_of_the_application_takes_no_part(release: Release) -> None:
    for name in ("json", "traceback", "threading"):
        (release.code / f"{name}.py").write_text("raise SystemExit(0)\n")
    release.imports(CALLABLE)


def test_a_thread_that_goes_on(release: Release) -> None:
    release.imports("import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\n" + CALLABLE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def aplication(): pass\n", "there is none, did you mean 'aplication'?"),
        ("application = 'text'\n", "it is of type str"),
        ("", "there is none"),
        # Neither classes nor what comes from elsewhere.
        (
            "import os\nfrom os.path import join\nclass Shop:\n    def __call__(self): pass\n"
            "app, _hidden = Shop(), Shop()\ndef make(): pass\n",
            "there is none; it has app, make",
        ),
        ("a = b = c = d = e = f = lambda: 0\n", "there is none; it has a, b, c, d, e"),
    ],
)
def test_no_callable(text: str, expected: str, release: Release) -> None:
    assert release.complaint(text) == f"expected a callable 'application' in shop.wsgi, {expected}"


def test_a_traceback_of_the_application_only(release: Release) -> None:
    helper = (
        "import os\n"
        "def connect():\n"
        "    try:\n"
        "        int(os.environ['SECRET'])\n"
        "    except ValueError as error:\n"
        "        raise RuntimeError(os.environ['URL'] + os.environ['SHORT']) from error\n"
        "connect()\n"
    )
    told = release.complaint("from shop import helper\n", helper=helper)
    places = [line.strip() for line in told.splitlines() if line.strip().startswith("File ")]
    assert places == [
        f'File "{release.code}/shop/helper.py", line 4, in connect',
        f'File "{release.code}/shop/wsgi.py", line 1, in <module>',
        f'File "{release.code}/shop/helper.py", line 7, in <module>',
        f'File "{release.code}/shop/helper.py", line 6, in connect',
    ]
    assert told.startswith("importing shop.wsgi failed:\nTraceback (most recent call last):\n")
    assert "ValueError: invalid literal for int() with base 10: " in told
    assert told.endswith("RuntimeError: ***abc")
    for part in ("hidden", "quoted", "second line"):
        assert part not in told


def test_a_long_traceback_is_cut_at_its_begin(release: Release) -> None:
    text = "".join(f"def f{number}(): f{number + 1}()\n" for number in range(60)) + "f0()\n"
    told = release.complaint(text)
    assert len(told.splitlines()) == 41
    assert told.splitlines()[0] == "importing shop.wsgi failed:"
    assert "NameError: name 'f60' is not defined" in told.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import sys\nsys.exit('bye')\n", "importing shop.wsgi called sys.exit('bye')\n"),
        ("import os\nos._exit(0)\n", "importing shop.wsgi ended the process with exit status 0"),
        (
            "import os, sys\nsys.stderr.write(os.environ['URL'])\nsys.stderr.flush()\nos._exit(7)\n",
            "importing shop.wsgi ended the process with exit status 7\n***",
        ),
        ("import os\nos.kill(os.getpid(), 9)\n", "importing shop.wsgi ended the process with signal 9\nKilled"),
        ("def broken(:\n", "importing shop.wsgi failed:\n"),
    ],
)
def test_other_ends(text: str, expected: str, release: Release) -> None:
    assert release.complaint(text + CALLABLE).startswith(expected)


def test_one_that_hangs(release: Release) -> None:
    (release.code / "shop/wsgi.py").write_text("import time\ndef wait():\n    time.sleep(99)\nwait()\n")
    with pytest.raises(PalisadeError) as caught:
        try_release(release.row, str(release.place), ENVIRONMENT, run, seconds=1)
    told = str(caught.value).splitlines()
    assert told[0] == "app public: application: importing shop.wsgi did not end within 1 seconds"
    assert told[-1].strip() == "time.sleep(99)"


def test_one_that_cannot_even_tell(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_arguments: Any) -> str:
        raise OutOfTime("ended")

    monkeypatch.setattr(trial, "run_in_unit", ended)
    assert release.complaint("") == "importing shop.wsgi did not end within 60 seconds"


def test_one_that_may_not_listen(release: Release) -> None:
    listens = "class Server:\n    def listen(self):\n        raise PermissionError(1, 'Operation not permitted')\n"
    told = release.complaint(f"{listens}Server().listen()\n")
    assert told.startswith("importing shop.wsgi failed; it is not allowed to listen on the network:\n")


def test_values_are_no_arguments(release: Release) -> None:
    asked: list[Sequence[str]] = []

    def record(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        asked.append([*arguments, *(environment or {}).values()])
        return '{"kind": "good"}'

    try_release(release.row, str(release.place), ENVIRONMENT, record)
    run_hooks({**release.row, "hooks": [["true"]]}, str(release.place), ENVIRONMENT, record)
    assert len(asked) == 2
    assert "hidden" not in str(asked)


def test_hooks(release: Release) -> None:
    (release.code / "manage.py").write_text("import os, sys\nprint(sys.prefix, sys.argv[1:], os.environ['URL'])\n")
    say = "pwd; umask; cat; echo $SHORT >&2"
    assert release.hooks(["python", "manage.py", "migrate", "$HOME *"], ["sh", "-c", say]) == [
        {
            "command": ["python", "manage.py", "migrate", "$HOME *"],
            "output": f"{release.place}/venv ['migrate', '$HOME *'] ***",
        },
        {"command": ["sh", "-c", say], "output": f"{release.code}\n0027\nabc"},
    ]
    assert run_hooks(release.row, str(release.place), {}, run) == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sh", "-c", "echo out; echo $URL >&2; exit 3"], "failed with 3:\nout\n***"),
        (["no-such-program"], "failed with 1:\nno-such-program: No such file or directory"),
    ],
)
def test_a_hook_that_fails_ends_them(command: list[str], expected: str, release: Release) -> None:
    with pytest.raises(PalisadeError) as caught:
        release.hooks(command, ["touch", "never"])
    assert str(caught.value).startswith("app public: hook ")
    assert str(caught.value).endswith(expected)
    assert not (release.code / "never").exists()


def test_a_hook_that_takes_too_long(release: Release) -> None:
    with pytest.raises(PalisadeError, match=r"^app public: hook 'sleep 99' was stopped after 1 seconds$"):
        run_hooks({**release.row, "hooks": [["sleep", "99"]]}, str(release.place), {}, run, seconds=1)


def test_the_programs_are_python() -> None:
    compile(trial._IMPORT, "import", "exec")
    compile(host_unit._BECOME, "become", "exec")
    assert os.access(sys.executable, os.X_OK)


def test_only_commands_of_the_app_may_listen(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def noted(ran: Any, unit: Unit, *rest: Any) -> Any:
        asked.append((unit.name, unit.listens))
        return ran(unit, *rest)

    for name in ("run_in_unit", "run_with_secrets"):
        monkeypatch.setattr(trial, name, functools.partial(noted, getattr(trial, name)))
    release.imports(CALLABLE)
    release.hooks(["true"])
    assert asked == [("palisade-try-public", False), ("palisade-hook-public", True)]


def test_where_code_of_a_release_runs(release: Release) -> None:
    """As its app would, and it may write where the app may."""
    row = {**release.row, "groups": ["certs"], "writable": ["/data"]}
    assert trial.unit_of(row, "/r/1", "try", 7, listens=True) == Unit(
        name="palisade-try-public",
        account=ME,
        group=MY_GROUP,
        groups=["certs"],
        directory="/r/1/code",
        writable=["/data"],
        seconds=7,
        listens=True,
    )
    bare = trial.unit_of({"app": "a", "account": "b", "group": "c"}, "/r/1", "check", 7)
    assert bare == Unit("palisade-check-a", "b", "c", directory="/r/1/code", seconds=7)
    assert [trial._umask(one) for one in ({}, {"umask": ""}, {"umask": "0077"})] == [0o027, 0o027, 0o077]


def test_how_long_an_import_may_take(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program ends itself first, and says where it was."""
    asked: list[tuple[int, dict[str, Any]]] = []

    def noted(unit: Unit, command: Sequence[str], ran: Any, data: str) -> str:
        asked.append((unit.seconds, json.loads(data)))
        assert command[:3] == [f"{release.place}/venv/bin/python", "-B", "-c"]
        return '{"kind": "good"}'

    monkeypatch.setattr(trial, "run_in_unit", noted)
    try_release(release.row, str(release.place), {"A": "b"}, run)
    ((seconds, order),) = asked
    assert order == {
        "environment": {"A": "b"},
        "umask": 0o027,
        "app": "public",
        "module": "shop.wsgi",
        "callable": "application",
        "seconds": 60,
    }
    assert seconds == order["seconds"] + trial._RESERVE > order["seconds"]


def test_what_a_hook_printed_is_cut_at_its_begin(release: Release) -> None:
    lines = trial._OUTPUT_LINES
    (told,) = release.hooks(["sh", "-c", f"seq {lines + 5}"])
    assert told["output"].splitlines() == [str(number) for number in range(6, lines + 6)]


@pytest.mark.parametrize(
    "text",
    [
        "raise PermissionError(1, 'Operation not permitted')\n",
        "raise ValueError('listen')\n",
        "raise PermissionError(13, 'Permission denied: listen')\n",
    ],
)
def test_other_errors_are_not_taken_for_the_network(text: str, release: Release) -> None:
    assert release.complaint(text).startswith("importing shop.wsgi failed:\n")
