"""Which parts of wsgi_server have work to do: each step's check is heard, and one that fails counts as work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import sandbox
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.certificates import Outsiders
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.sandbox import Settings
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.transaction import ConfigurationFile
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan import parts, server_differences
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.parts import Plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.server_differences import (
    PARTS,
    Server,
    plan_server,
)

CHANGE = {"path": "/etc/a", "before": {}, "after": {}}
NOTHING = {"differences": [], "stale": [], "reload": "none"}


class Core:
    """Stands for the checks of all steps, which find nothing until a test says otherwise."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.asked: dict[str, list[tuple[Any, ...]]] = {}
        self.programs: dict[str, str | Exception] = {
            "dpkg-query": "installed apache2\ninstalled openssl\n",
            "is-enabled": "enabled\n",
            "is-active": "active\n",
        }
        self.says("ensure_sandbox", sandbox.Outcome([], False, []))
        self.says("apply", NOTHING)
        self.says("ensure_certificates", [])
        self.says("ensure_layout", [])

    def says(self, name: str, answer: Any) -> None:
        def call(*arguments: Any, check: bool = False) -> Any:
            # Every check is a check.
            assert check or True in arguments
            self.asked.setdefault(name, []).append(arguments)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.patch.setattr(server_differences, name, call)

    def run(self, arguments: Any, *_more: Any, **_named: Any) -> str:
        answer = self.programs[arguments[1] if arguments[0] == "systemctl" else arguments[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    return Core(monkeypatch)


SERVER = Server(
    sandbox="present",
    settings=Settings("yes", False, ("AF_UNIX",), ()),
    old_data=[{"app": "shop", "path": "/srv/old"}],
    data={"blog": "/d"},
    packages=["apache2", "openssl"],
    package_query=["dpkg-query"],
    module="",
    certificates=[{"name": "default", "server_names": ["default.invalid"]}],
    directories=[{"path": "/acme"}],
    files=[ConfigurationFile("/etc/apache2/a.conf")],
)


def server(core: Core, describe: bool = False, **fields: Any) -> Plan:
    return plan_server(replace(SERVER, **fields), DEBIAN, core.run, describe)


def test_a_server_without_work(core: Core) -> None:
    assert server(core) == Plan()
    assert core.asked["ensure_sandbox"] == [
        (DEBIAN, "present", SERVER.settings, core.run, True, {"blog": "/d"}, ({"app": "shop", "path": "/srv/old"},))
    ]
    outsiders = Outsiders(frozenset(["www-data"]), frozenset())
    assert core.asked["ensure_certificates"] == [(SERVER.certificates, (), (), outsiders, "", core.run, True)]
    assert core.asked["ensure_layout"] == [(SERVER.directories, (), ())]
    assert core.asked["apply"] == [(DEBIAN, SERVER.files, (), core.run, True)]


@pytest.mark.parametrize(
    ("name", "answer", "parts"),
    [
        ("ensure_sandbox", sandbox.Outcome([CHANGE], False, []), ["sandbox"]),
        ("ensure_sandbox", sandbox.Outcome([], True, []), ["sandbox"]),
        ("ensure_sandbox", sandbox.Outcome([], False, ["/d"]), ["sandbox"]),
        ("ensure_sandbox", PalisadeError("required"), ["sandbox"]),
        ("ensure_certificates", [CHANGE], ["configuration"]),
        ("ensure_layout", [CHANGE], ["configuration"]),
        ("apply", {**NOTHING, "differences": [CHANGE]}, ["configuration"]),
        ("apply", OSError(13, "no"), ["configuration"]),
    ],
)
def test_a_part_of_a_server_with_work(name: str, answer: Any, parts: list[str], core: Core) -> None:
    core.says(name, answer)
    assert server(core).parts == parts


@pytest.mark.parametrize(
    ("program", "said", "parts"),
    [
        ("dpkg-query", "installed apache2\n", list(PARTS)),
        ("dpkg-query", "installed apache2\nconfig-files openssl\n", list(PARTS)),
        ("dpkg-query", CommandError("dpkg-query", 1, "no packages found"), list(PARTS)),
        ("is-enabled", "enabled-runtime\n", ["service"]),
        ("is-enabled", CommandError("systemctl", 1, "disabled"), ["service"]),
        ("is-active", CommandError("systemctl", 3, "inactive"), ["service"]),
    ],
)
def test_packages_and_the_service(program: str, said: str | Exception, parts: list[str], core: Core) -> None:
    core.programs[program] = said
    assert server(core).parts == parts


def test_a_module_that_pip_has_not_built_yet(core: Core, tmp_path: Any) -> None:
    module = tmp_path / "mod_wsgi.so"
    assert server(core, module=str(module)).parts == list(PARTS)
    module.write_text("")
    assert server(core, module=str(module)).parts == []


def test_a_server_s_warnings(core: Core) -> None:
    core.says("ensure_sandbox", sandbox.Outcome([], False, [], ["no sandbox here"]))
    assert server(core) == Plan([], ["no sandbox here"])


def lines(plan: Plan) -> list[str]:
    assert plan.summary is not None
    return plan.summary.lines()


def test_nothing_to_tell(core: Core) -> None:
    assert lines(server(core, True)) == []
    assert server(core).summary is None


def test_a_server_s_line_has_all_that_differs(core: Core) -> None:
    core.says("ensure_sandbox", sandbox.Outcome([CHANGE], True, []))
    core.says("ensure_certificates", [CHANGE])
    core.says("apply", {**NOTHING, "differences": [CHANGE, CHANGE], "reload": "reload"})
    core.programs["is-enabled"] = "disabled\n"
    plan = server(core, True)
    assert plan.parts == ["sandbox", "configuration", "service"]
    assert lines(plan) == ["Apache: sandbox, 3 files; restarts, reloads, is started and enabled"]


def test_a_server_that_lacks_packages(core: Core) -> None:
    core.programs["dpkg-query"] = "installed apache2\n"
    plan = server(core, True, module="/no/mod_wsgi.so")
    assert plan.parts == list(PARTS)
    assert lines(plan) == ["Apache: package openssl, mod_wsgi from pip"]


def test_requests_that_a_reload_would_meet(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "running_requests", lambda layout, _run: {"shop": 2} if layout == DEBIAN else {})
    core.says("apply", {**NOTHING, "differences": [CHANGE], "reload": "restart"})
    assert lines(server(core, True)) == ["Apache: 1 file; restarts, now with 2 requests (shop 2)"]
    core.says("apply", {**NOTHING, "differences": [CHANGE]})
    assert lines(server(core, True)) == ["Apache: 1 file"]
