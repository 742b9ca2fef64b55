"""What the modules hand to the core, and what they make of what it says, with Ansible's own AnsibleModule."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import requests, sandbox
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.certificates import Outsiders
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.transaction import ConfigurationFile
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import turn
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.parts import Plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.server_differences import Server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.server_info import digest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.summary import Summary
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import data_switch, fetch
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.activation import Files, Outcome
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.build import Built
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import run_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.steps import step

PLUGINS = "ansible_collections.palisade.mod_wsgi.plugins"
Answer = dict[str, Any]
Ask = Callable[..., Answer]
NO_DIFF = {"before": "", "after": ""}
CHANGE = {"path": "/etc/a", "before": {}, "after": {"mode": "0644"}}
RUN = object()


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    return Core(monkeypatch)


class Core:
    """Stands for the functions that a module calls: notes with what, and returns or raises what a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.asked: list[tuple[Any, ...]] = []

    def module(self, name: str) -> ModuleType:
        """Return the module of the core that calls what the others have; the module's own where it is no step."""
        step = f"{PLUGINS}.module_utils.steps.{name[len('wsgi_') :]}"
        return importlib.import_module(step if importlib.util.find_spec(step) else f"{PLUGINS}.modules.{name}")

    def says(self, module: str, function: str, *answers: Any) -> None:
        left = list(answers)

        def call(*arguments: Any, **named: Any) -> Any:
            self.asked.append((function, *arguments, *([named] if named else [])))
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.patch.setattr(self.module(module), function, call)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], core: Core) -> Ask:
    monkeypatch.setattr(turn, "FILE", str(tmp_path / "turn"))
    monkeypatch.delenv(turn.VARIABLE, raising=False)

    def asked(name: str, check: bool = False, diff: bool = True, **arguments: Any) -> Answer:
        module = core.module(name)
        whole = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": whole}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        warned: list[str] = []
        # How an answer carries them is another matter in each version of Ansible.
        monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _self, text: warned.append(text))
        monkeypatch.setattr(step, "runner", lambda run_command: RUN)
        monkeypatch.setattr(module, "runner", lambda run_command: RUN, raising=False)
        monkeypatch.setattr(module, "remembered", lambda run: run, raising=False)
        monkeypatch.setattr(module, "host_layout", lambda: DEBIAN, raising=False)
        monkeypatch.setattr(module, "data_of_served_apps", lambda layout: {"blog": "/d"}, raising=False)
        core.asked.clear()
        with pytest.raises(SystemExit) as caught:
            importlib.import_module(f"{PLUGINS}.modules.{name}").main()
        answer: Answer = json.loads(capsys.readouterr().out)
        assert bool(caught.value.code) == bool(answer.pop("failed", False))
        answer.pop("invocation", None)
        return {**answer, **({"warnings": warned} if warned else {})}

    return asked


UNIT = {
    "state": "present",
    "protect_home": "tmpfs",
    "memory_deny_write_execute": True,
    "address_families": ["AF_UNIX"],
    "writable_paths": ["/srv"],
    "apps": [{"app": "shop", "path": "/old"}],
}
SERVER: Answer = {"sandbox": UNIT, "packages": ["apache2"], "package_query": ["dpkg-query"]}

REFUSED = [
    ("wsgi_account", "ensure_accounts", {"accounts": []}),
    ("wsgi_adopt", "collect", {"directory": "/x"}),
    ("wsgi_audit", "collect", {}),
    ("wsgi_certificate", "ensure_certificates", {}),
    ("wsgi_certificate", "ensure_live", {"state": "ready"}),
    ("wsgi_data", "copy_ahead", {"state": "copied", "data": []}),
    ("wsgi_health", "check_pools", {"pools": []}),
    ("wsgi_layout", "ensure_layout", {}),
    ("wsgi_plan", "installer", {"model": {}, "releases": [], "python_version": "3.13"}),
    ("wsgi_pool", "roll", {"names": ["shop"]}),
    ("wsgi_release", "ensure_built", {"state": "built", "releases": []}),
    ("wsgi_sandbox", "ensure_apps", {"apps": []}),
    ("wsgi_sandbox", "ensure_sandbox", {"state": "present"}),
    ("wsgi_server_info", "server_info", {}),
    ("wsgi_server_plan", "plan_server", {**SERVER, "files": []}),
    ("wsgi_site", "apply", {"files": []}),
    ("wsgi_source", "unsent", {"releases": [], "python_version": "3.13"}),
]


@pytest.mark.parametrize("error", [PalisadeError("app shop: no"), OSError(28, "No space left on device", "/x")])
@pytest.mark.parametrize(("name", "function", "arguments"), REFUSED)
def test_an_error_is_an_answer(
    name: str, function: str, arguments: Answer, error: Exception, ask: Ask, core: Core
) -> None:
    core.says(name, function, error)
    if name == "wsgi_certificate":
        core.says(name, "apache_parent", None)
    assert ask(name, **arguments) == {"msg": str(error)}


@pytest.mark.parametrize(("state", "function"), [("present", "ensure_accounts"), ("absent", "remove_accounts")])
@pytest.mark.parametrize("check", [True, False])
def test_accounts(state: str, function: str, check: bool, ask: Ask, core: Core) -> None:
    for name in ("ensure_accounts", "remove_accounts"):
        core.says("wsgi_account", name, [CHANGE], [])
    core.says("wsgi_account", "left_in_homes", ["app shop: more is there"], [])
    given = {"app": "shop", "name": "shop-app", "group": "shop-app"}
    row = {**given, "home": None, "adopt": False, "sysusers": None}
    answer = ask("wsgi_account", check, accounts=[given], state=state)
    assert core.asked == [("left_in_homes", [row]), (function, [row], RUN, check)]
    assert answer.pop("diff") != NO_DIFF
    assert answer.pop("warnings") == ["app shop: more is there"]
    assert answer == {"changed": True, "changes": [CHANGE]}
    assert ask("wsgi_account", check, accounts=[given], state=state) == {
        "changed": False,
        "changes": [],
        "diff": NO_DIFF,
    }


def test_what_a_host_serves(ask: Ask, core: Core) -> None:
    core.says("wsgi_adopt", "collect", ["facts"])
    core.says("wsgi_adopt", "adopt_host", (["row"], ["remark"]))
    assert ask("wsgi_adopt", directory="/x") == {"changed": False, "apps": ["row"], "remarks": ["remark"]}
    assert core.asked == [("collect", RUN, "none"), ("adopt_host", ["facts"])]


@pytest.mark.parametrize("parent", [None, 7])
def test_certificates(parent: int | None, ask: Ask, core: Core) -> None:
    core.says("wsgi_certificate", "apache_parent", parent)
    core.says("wsgi_certificate", "ensure_certificates", [CHANGE], [])
    own = {"app": "shop", "name": "shop", "server_names": ["shop.test"]}
    given = {"app": "a", "certificate": "/c", "key": "/k", "server_names": ["a.test"]}
    absent = [{"app": "b", "name": "b"}]
    rows = {"self_signed": [own], "given": [given], "absent": absent}
    answer = ask("wsgi_certificate", True, **rows, accounts=["shop-app"], groups=["shop-app"])
    outsiders = Outsiders(frozenset(["shop-app", "www-data"]), frozenset(["shop-app"]))
    root = "/proc/7/root" if parent else ""
    assert core.asked[1:] == [("ensure_certificates", [own], [given], absent, outsiders, root, RUN, True)]
    assert answer.pop("diff") != NO_DIFF
    assert answer == {"changed": True, "paths": ["/etc/a"]}
    assert ask("wsgi_certificate") == {"changed": False, "paths": [], "diff": NO_DIFF}
    core.says("wsgi_certificate", "ensure_live", [CHANGE])
    acme = {"app": "c", "server_names": ["c.test"]}
    assert ask("wsgi_certificate", state="ready", self_signed=[own], given=[given], acme=[acme])["changed"]
    hosts = core.module("wsgi_certificate").hosts_of([own], [given], [acme])
    assert core.asked == [("ensure_live", DEBIAN, hosts, 90, RUN, False, 10)]


OLD: Answer = {
    "app": "shop",
    "owner": "shop-app",
    "group": "shop-app",
    "marker": "/m",
    "copies": [{"path": "/new", "source": "/old"}],
    "site": {"path": "/s", "closed": "text"},
}


def test_data_of_old_sites(ask: Ask, core: Core) -> None:
    outcome = data_switch.Outcome(differences=[CHANGE], warnings=["a warning"], closed=1.5, hooks=[{"app": "shop"}])
    core.says("wsgi_data", "copy_ahead", outcome, data_switch.Outcome())
    answer = ask("wsgi_data", True, state="copied", data=[OLD])
    ((_name, (row,), check),) = core.asked
    assert (row["copies"], row["replaced"], check) == ([{**OLD["copies"][0], "directory": False}], [], True)
    assert answer.pop("diff") != NO_DIFF
    assert answer == {
        "changed": True,
        "paths": ["/etc/a"],
        "closed": 1.5,
        "hooks": [{"app": "shop"}],
        "warnings": ["a warning"],
    }
    nothing = {"changed": False, "paths": [], "closed": 0.0, "hooks": [], "diff": NO_DIFF}
    assert ask("wsgi_data", state="copied", data=[OLD]) == nothing


def test_a_switch_of_data(ask: Ask, core: Core) -> None:
    class Switch:
        def __init__(self, *arguments: Any) -> None:
            core.asked.append(arguments)

        def carry_out(self, *arguments: Any) -> data_switch.Outcome:
            core.asked.append(arguments)
            return data_switch.Outcome()

    core.patch.setattr(core.module("wsgi_data"), "Switch", Switch)
    site = {"path": "/s", "content": "text", "link": "/l", "app": "shop"}
    file = {"app": "shop", "path": "/f", "owner": "root", "group": "root", "mode": "0644", "content": "x"}
    more = {"releases": [{"app": "shop"}], "files": [file], "secrets": {"/f": "y"}, "pools": [{"app": "shop"}]}
    assert ask("wsgi_data", state="switched", data=[OLD], site=[site], **more)["changed"] is False
    (layout, (row,), files, run, check), (releases, own, pools) = core.asked
    assert (layout, row["app"], run, check) == (DEBIAN, "shop", RUN, False)
    assert files == [ConfigurationFile("/s", content="text", link="/l", app="shop")]
    assert (releases, pools) == (more["releases"], more["pools"])
    assert (own.present, own.absent, own.secrets) == ([file], (), {"/f": "y"})


def test_health(ask: Ask, core: Core) -> None:
    core.says("wsgi_health", "check_pools", [{"app": "shop", "status": 200}])
    names = ("app", "name", "account", "group", "server_name")
    given = {**dict.fromkeys(names, "shop"), "processes": 2, "status": [200], "error_log": "/log"}
    assert ask("wsgi_health", True, pools=[given]) == {"changed": False, "answers": []}
    assert core.asked == []
    answer = ask("wsgi_health", pools=[given])
    assert answer == {"changed": False, "answers": [{"app": "shop", "status": 200}]}
    assert core.asked == [("check_pools", DEBIAN, [{**given, "tls": False, "path": "/", "timeout": 30}], RUN)]


def test_layouts(ask: Ask, core: Core) -> None:
    core.says("wsgi_layout", "ensure_layout", [CHANGE], [])
    owned = {"app": "shop", "path": "/a", "owner": "root", "group": "root", "mode": "0750"}
    place = {"app": "shop", "path": "/a"}
    entry = {**place, "account": "x"}
    rows = {"directories": [owned], "files": [owned], "absent": [place], "root_only": [place], "revoked": [entry]}
    answer = ask("wsgi_layout", True, **rows, grants=[{**entry, "permissions": "r"}], secrets={"/a": "hunter2"})
    ((_name, directories, files, absent, check, grants, revoked, root_only),) = core.asked
    assert (directories, files) == (
        [{**owned, "acl": None}],
        [{**owned, "content": None, "secret_content": "hunter2"}],
    )
    assert (absent, check, grants) == ([place], True, [{**entry, "permissions": "r"}])
    assert (revoked, root_only) == ([entry], [place])
    assert answer.pop("diff") != NO_DIFF
    assert answer == {"changed": True, "paths": ["/etc/a"]}
    assert ask("wsgi_layout") == {"changed": False, "paths": [], "diff": NO_DIFF}


def pools(**process: Any) -> list[Answer]:
    return [{"name": "a", "processes": []}, {"name": "b", "processes": [process]}]


@pytest.mark.parametrize("given", [{}, {"loads": ["/etc"]}, {"releases": {"b": "r1"}}])
@pytest.mark.parametrize("news", [True, False])
def test_pools(given: Answer, news: bool, ask: Ask, core: Core) -> None:
    """Restarted, or in a check run looked at; and a report changes nothing."""
    core.says("wsgi_pool", "newest_change", 5.0)
    core.says("wsgi_pool", "roll", pools(replaced=news))
    core.says("wsgi_pool", "report", pools(stale=news))
    since = 5.0 if given else None
    looks = [("newest_change", given.get("loads", []))] if given else []
    what = (DEBIAN, ["b"], RUN, given.get("releases", {}), since)
    assert ask("wsgi_pool", names=["b"], **given) == {"changed": news, "pools": pools(replaced=news)}
    assert core.asked == [*looks, ("roll", *what, 60)]
    assert ask("wsgi_pool", True, names=["b"], **given) == {"changed": news, "pools": pools(stale=news)}
    assert core.asked == [*looks, ("report", *what)]
    assert ask("wsgi_pool", names=["b"], state="reported", **given) == {"changed": False, "pools": pools(stale=news)}


def test_a_check_run_restarts_for_files_that_are_still_to_come(ask: Ask, core: Core) -> None:
    core.says("wsgi_pool", "newest_change", 5.0)
    core.says("wsgi_pool", "report", [])
    assert ask("wsgi_pool", True, names=["b"], loads=["/missing"])["pools"] == []
    assert "found no /missing" in ask("wsgi_pool", state="reported", loads=["/missing"])["msg"]
    assert ask("wsgi_pool", state="reported", timeout=1)["pools"] == []


def release(tmp_path: Path, app: str) -> Answer:
    (tmp_path / app).mkdir(exist_ok=True)
    return {"app": app, "directory": f"{tmp_path}/{app}", "current": f"{tmp_path}/{app}/current", "group": "g"}


class Activation:
    """Notes what it is asked for."""

    core: Core
    outcome: Outcome

    def __init__(self, layout: Any, files: Any, pools: Any, run: Any, check: bool, services: Any) -> None:
        self.core.asked.append((layout, files.present, files.absent, files.secrets, pools, run, check, services))

    def begin(self, rows: Any, built: Any) -> Outcome:
        self.core.asked.append(("begin", [row["app"] for row in rows], built))
        return self.outcome

    def activate(self, rows: Any, bound: int) -> Outcome:
        self.core.asked.append(("activate", [row["app"] for row in rows], bound))
        return self.outcome

    def roll_back(self, rows: Any, wanted: str, bound: int) -> Outcome:
        self.core.asked.append(("roll_back", [row["app"] for row in rows], wanted, bound))
        return self.outcome


@pytest.fixture
def activation(core: Core) -> type[Activation]:
    class Noted(Activation):
        pass

    Noted.core, Noted.outcome = core, Outcome()
    core.patch.setattr(core.module("wsgi_release"), "Activation", Noted)
    return Noted


def test_releases_are_built(tmp_path: Path, ask: Ask, core: Core, activation: type[Activation]) -> None:
    core.says("wsgi_release", "ensure_built", Built())
    core.says("wsgi_release", "installer", "pip")
    rows = [{**release(tmp_path, "a"), "release": "r1"}, release(tmp_path, "b")]
    file = {"app": "a", "path": "/f", "owner": "root", "group": "root", "mode": "0644", "content": None}
    more = {"files": [file], "secrets": {"/f": '{"KEY": "v"}'}, "absent": [{"app": "b", "path": "/g"}]}
    (tmp_path / "a/current").symlink_to("releases/r0")
    activation.outcome.failures["b"] = "app b: no"
    more["deploy_account"] = "wsgi-builds"
    answer = ask("wsgi_release", state="built", releases=rows, pools=[{"app": "a"}], parallel=2, **more)
    assert core.asked[0] == (DEBIAN, [file], more["absent"], more["secrets"], [{"app": "a"}], RUN, False, [])
    assert core.asked[1] == ("installer", "pip", "/usr/bin/python3", "wsgi-builds", "")
    _name, named, environments, *others = core.asked[2]
    assert ([row["app"] for row in named], environments) == (["a", "b"], {"a": {"KEY": "v"}, "b": {}})
    assert others == ["pip", RUN, 2, False]
    assert core.asked[3] == ("begin", ["a", "b"], Built())
    # What could not be built is told at the end.
    assert [row["app"] for row in answer.pop("releases")] == ["a"]
    assert answer == {
        "changed": False,
        "diff": NO_DIFF,
        "current": {"a": "r0"},
        "failures": {"b": "app b: no"},
        "hooks": [],
        "processes": [],
        "services": [],
    }
    # Of what is still to be fetched, a check run knows no name.
    ask("wsgi_release", True, state="built", releases=rows, installer="uv", uv="/opt/uv")
    assert core.asked[1] == ("installer", "uv", "/usr/bin/python3", "wsgi-deploy", "/opt/uv")
    assert [row["app"] for row in core.asked[2][1]] == ["a"]
    assert core.asked[2][-1] is True


def test_releases_become_active(tmp_path: Path, ask: Ask, core: Core, activation: type[Activation]) -> None:
    core.says("wsgi_release", "prune", [CHANGE], [])
    rows = [release(tmp_path, "a"), release(tmp_path, "b")]
    answer = ask("wsgi_release", state="active", releases=rows, keep=2)
    assert core.asked[1] == ("activate", ["a", "b"], 4)
    name, pruned, *others = core.asked[2]
    assert (name, [row["app"] for row in pruned], others) == ("prune", ["a", "b"], [2, DEBIAN, False])
    assert (answer["changed"], answer["diff"] != NO_DIFF) == (True, True)
    activation.outcome.differences.clear()
    assert ask("wsgi_release", state="active", releases=rows)["changed"] is False
    activation.outcome.processes.append({"pid": 5})
    assert ask("wsgi_release", state="active", releases=rows)["changed"] is True
    activation.outcome.processes.clear()
    activation.outcome.services.append({"unit": "wsgi-a-b@1.service", "action": "started"})
    assert ask("wsgi_release", state="active", releases=rows)["changed"] is True


def test_failures_of_releases_are_told_together(
    tmp_path: Path, ask: Ask, core: Core, activation: type[Activation]
) -> None:
    core.says("wsgi_release", "prune", [])
    activation.outcome.failures["b"] = "app b: now"
    rows = [release(tmp_path, name) for name in ("a", "b", "c")]
    answer = ask("wsgi_release", state="active", releases=rows, failures={"a": "app a: before", "b": "app b: before"})
    assert answer["msg"] == "app a: before\napp b: now"
    assert answer["failures"] == {"a": "app a: before", "b": "app b: now"}
    assert [row["app"] for row in answer["releases"]] == ["c"]


def test_releases_go_back(tmp_path: Path, ask: Ask, core: Core, activation: type[Activation]) -> None:
    answer = ask("wsgi_release", True, state="rolled_back", releases=[release(tmp_path, "a")], release="r0")
    assert core.asked[1:] == [("roll_back", ["a"], "r0", 4)]
    assert (answer["changed"], core.asked[0][-2]) == (False, True)
    activation.outcome.failures["a"] = "app a: no"
    answer = ask("wsgi_release", state="rolled_back", releases=[release(tmp_path, "a")])
    assert (core.asked[1:], answer["msg"]) == ([("roll_back", ["a"], "", 4)], "app a: no")


def test_services_are_checked_and_removed(ask: Ask, core: Core) -> None:
    file = {"app": "a", "path": "/f", "owner": "root", "group": "root", "mode": "0644", "content": "x"}
    schedule = {"app": "a", "timer": "t", "schedule": "daily"}
    core.says("wsgi_service", "check_services", ["app a: timer t runs next at 3:30"])
    core.says("wsgi_service", "remove_services", [CHANGE])
    answer = ask("wsgi_service", state="checked", files=[file], schedules=[schedule])
    assert core.asked == [("check_services", [file], [schedule], RUN)]
    assert answer == {"changed": False, "diff": NO_DIFF, "paths": [], "times": ["app a: timer t runs next at 3:30"]}
    app = {"app": "a", "home": "/var/lib/a-app"}
    answer = ask("wsgi_service", True, state="absent", apps=[app])
    assert core.asked == [("remove_services", [app], RUN, True)]
    assert (answer["changed"], answer["paths"], answer["times"]) == (True, ["/etc/a"], [])
    core.says("wsgi_service", "check_services", PalisadeError("app a: no"))
    assert ask("wsgi_service", state="checked")["msg"] == "app a: no"


def test_a_command_of_an_app(ask: Ask, core: Core) -> None:
    core.says("wsgi_run", "run_app", run_app.Outcome(0, "out\n", "err\n", True), PalisadeError("app a: no"))
    answer = ask("wsgi_run", app="a", command="ls 'x y'", stdin="in", changed="out")
    ((_name, *given, _run_command),) = core.asked
    assert given == ["a", ("ls", "x y"), "in", "out"]
    assert answer == {"changed": True, "rc": 0, "stdout": "out\n", "stderr": "err\n"}
    assert ask("wsgi_run", app="a", command=["ls"])["msg"] == "app a: no"
    assert core.asked[0][2:5] == (("ls",), None, "")
    assert ask("wsgi_run", app="a", command="")["msg"].startswith("command: expected commands such as")
    # Nothing is run in check mode.
    assert ask("wsgi_run", True, app="a", command="ls")["skipped"] is True
    assert core.asked == []


def test_the_sandbox(ask: Ask, core: Core) -> None:
    outcomes = [
        sandbox.Outcome([CHANGE], True, ["/o"], ["a warning"]),
        sandbox.Outcome(),
        sandbox.Outcome(restarted=True),
        sandbox.Outcome(opened=["/o"]),
    ]
    core.says("wsgi_sandbox", "ensure_sandbox", *outcomes)
    core.says("wsgi_sandbox", "ensure_apps", sandbox.Outcome())
    apps = [{"app": "shop", "path": "/p"}]
    given = {"protect_home": "no", "memory_deny_write_execute": True, "address_families": ["AF_UNIX"]}
    answer = ask("wsgi_sandbox", True, state="required", writable_paths=["/w"], apps=apps, reload_wait=3, **given)
    settings = sandbox.Settings("no", True, ("AF_UNIX",), ("/w",))
    assert core.asked == [("ensure_sandbox", DEBIAN, "required", settings, RUN, True, {"blog": "/d"}, apps, 3)]
    assert answer.pop("diff") != NO_DIFF
    assert answer == {
        "changed": True,
        "paths": ["/etc/a"],
        "restarted": True,
        "opened": ["/o"],
        "warnings": ["a warning"],
    }
    answer = ask("wsgi_sandbox", state="present")
    assert core.asked == [("ensure_sandbox", DEBIAN, "present", sandbox.Settings(), RUN, False, {"blog": "/d"}, (), 10)]
    assert answer == {"changed": False, "paths": [], "restarted": False, "opened": [], "diff": NO_DIFF}
    assert [ask("wsgi_sandbox", state="present")["changed"] for _outcome in outcomes[2:]] == [True, True]
    assert ask("wsgi_sandbox", apps=apps)["changed"] is False
    assert core.asked == [("ensure_apps", DEBIAN, apps, RUN, False)]
    assert ask("wsgi_sandbox")["msg"] == "one of the following is required: state, apps"


def test_facts(ask: Ask, core: Core) -> None:
    facts: Answer = {"apps": [], "apache": None}
    core.says("wsgi_server_info", "server_info", facts)
    assert ask("wsgi_server_info") == {"changed": False, **facts, "turn": "", "digest": digest(facts)}
    assert core.asked == [("server_info", "/usr/bin/python3", RUN)]


def test_facts_under_a_turn(ask: Ask, core: Core) -> None:
    core.says("wsgi_server_info", "server_info", {"apps": [], "apache": None})
    given = {"holder": "alice@ops", "process": "ops 7", "past": "t0", "wait": 3}
    assert ask("wsgi_server_info", True, turn=True, **given)["turn"] == ""
    taken = ask("wsgi_server_info", turn=True, **given)["turn"]
    assert len(taken) == 16
    busy = ask("wsgi_server_info", turn=True, holder="bob@ops", process="ops 8", wait=0)
    assert (busy["busy"]["id"], busy["busy"]["holder"]) == (taken, "alice@ops")
    assert busy["msg"].startswith("another play is changing this host: alice@ops started it at ")
    assert ask("wsgi_server_info", turn=True, process="ops 8", past=taken, wait=0)["turn"] not in ("", taken)


TURNS = [
    ("wsgi_account", "ensure_accounts", {"accounts": []}, []),
    ("wsgi_certificate", "ensure_certificates", {}, []),
    ("wsgi_data", "copy_ahead", {"state": "copied", "data": []}, data_switch.Outcome()),
    ("wsgi_health", "check_pools", {"pools": []}, []),
    ("wsgi_layout", "ensure_layout", {}, []),
    ("wsgi_server_plan", "plan_server", {**SERVER, "files": []}, Plan(["sandbox"])),
    ("wsgi_pool", "roll", {"names": ["shop"]}, []),
    ("wsgi_release", "ensure_built", {"state": "built", "releases": []}, Built()),
    ("wsgi_sandbox", "ensure_apps", {"apps": []}, sandbox.Outcome()),
    ("wsgi_service", "remove_services", {"state": "absent"}, []),
    ("wsgi_site", "apply", {"files": []}, {"differences": [], "reload": "none", "stale": [], "requests": {}}),
    ("wsgi_source", "fetch", {"releases": [], "python_version": "3.13"}, fetch.Fetched()),
]


@pytest.mark.parametrize(("name", "function", "arguments", "result"), TURNS)
def test_a_step_runs_in_its_play_s_turn(
    name: str,
    function: str,
    arguments: Answer,
    result: Any,
    ask: Ask,
    core: Core,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = turn.take("alice@ops", "ops 7", 0)
    monkeypatch.setenv(turn.VARIABLE, mine)
    seen: list[str] = []

    def call(*_arguments: Any, **_named: Any) -> Any:
        # Locked: another play does not get in while it runs.
        with pytest.raises(turn.BusyError):
            turn.take("bob@ops", "ops 8", 0)
        seen.append(name)
        return result

    monkeypatch.setattr(core.module(name), function, call)
    monkeypatch.setattr(core.module(name), "apache_parent", lambda _binary: None, raising=False)
    assert "msg" not in ask(name, **arguments)
    monkeypatch.setenv(turn.VARIABLE, "another")
    refused = ask(name, **arguments)
    assert refused["msg"].startswith("another play has begun on this host")
    assert seen == [name]


@pytest.mark.parametrize("parts", [["site"], []])
def test_apps_without_work_end_the_turn(
    parts: list[str], ask: Ask, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(turn.VARIABLE, turn.take("alice@ops", "ops 7", 0))
    core.says("wsgi_plan", "_plan", Plan(parts))
    ask("wsgi_plan", model={"a": "b"}, releases=[], python_version="3.13")
    monkeypatch.delenv(turn.VARIABLE)
    if parts:
        with pytest.raises(turn.BusyError):
            turn.take("bob@ops", "ops 8", 0)
    else:
        assert turn.take("bob@ops", "ops 8", 0)


def test_sites(ask: Ask, core: Core) -> None:
    results = [
        {"differences": [CHANGE], "reload": "graceful", "stale": [], "requests": {"shop": 1}},
        {"differences": [], "reload": "", "stale": ["shop"], "requests": {}},
        {"differences": [], "reload": "", "stale": [], "requests": {}},
    ]
    core.says("wsgi_site", "apply", *results)
    file: Answer = {"path": "/a", "content": "x", "target": "/t", "link": "/l", "app": "shop", "restart": True}
    pool = {"name": "shop", "loads": ["/f"]}
    answer = ask("wsgi_site", True, files=[file, {"path": "/b"}], pools=[pool], reload_wait=3)
    files = [ConfigurationFile(**file), ConfigurationFile("/b", content=None)]
    assert core.asked == [("apply", DEBIAN, files, [pool], RUN, True, 3)]
    assert answer.pop("diff") != NO_DIFF
    assert answer.pop("warnings") == requests.warning({"shop": 1}, 3)
    assert answer == {"changed": True, "paths": ["/etc/a"], "reload": "graceful", "stale": []}
    assert ask("wsgi_site", files=[]) == {
        "changed": True,
        "paths": [],
        "reload": "",
        "stale": ["shop"],
        "diff": NO_DIFF,
    }
    assert ask("wsgi_site", files=[])["changed"] is False


GIT = {"source": {"git": "/srv/shop", "version": "main"}}


@pytest.mark.parametrize(
    ("fields", "has_account"),
    [({}, False), (GIT, True), ({"allow_source_builds": True}, True), ({"build": [["npm", "ci"]]}, True)],
)
@pytest.mark.parametrize("check", [True, False])
def test_sources(fields: Answer, has_account: bool, check: bool, tmp_path: Path, ask: Ask, core: Core) -> None:
    """The account for deployments is there for what is run as it, and for nothing else."""
    found = fetch.Fetched([{"app": "a", "release": "r1"}], ["a"], {"b": "app b: no"})
    core.says("wsgi_source", "unsent", [])
    core.says("wsgi_source", "ensure_deploy_account", [CHANGE], [])
    core.says("wsgi_source", "fetch", found, found, fetch.Fetched())
    core.says("wsgi_source", "installer", "pip")
    rows = [{**release(tmp_path, "a"), **fields}]
    given = {"deploy_account": "deployer", "archive": "/tmp/a", "source_secrets": {"a": "hunter2"}}
    answer = ask("wsgi_source", check, releases=rows, python_version="3.13", keep_going=True, parallel=2, **given)
    asked = {one[0]: one[1:] for one in core.asked}
    assert asked["installer"] == ("pip", "/usr/bin/python3", "deployer", "")
    assert asked.get("ensure_deploy_account") == (("deployer", RUN, check) if has_account else None)
    run: Any = RUN
    pip: Any = "pip"
    how = fetch.Fetching(run, pip, "3.13", "deployer", 2, "/tmp/a", {"a": "hunter2"}, True, check)
    assert asked["fetch"][1] == how
    assert [row["app"] for row in asked["fetch"][0]] == ["a"]
    assert (answer["changed"], answer["diff"] != NO_DIFF) == (True, has_account)
    assert (answer["missing"], answer["releases"]) == (["a"], found.rows)
    assert answer["failures"] == {"b": "app b: no"}
    assert ask("wsgi_source", check, releases=rows, python_version="3.13")["changed"]
    assert ask("wsgi_source", check, releases=rows, python_version="3.13")["changed"] is False


def test_what_is_to_be_sent_is_asked_for(tmp_path: Path, ask: Ask, core: Core) -> None:
    core.says("wsgi_source", "unsent", ["a"])
    core.says("wsgi_source", "fetch", fetch.Fetched())
    rows = [release(tmp_path, "a")]
    answer = ask("wsgi_source", releases=rows, python_version="3.13")
    assert [row["app"] for row in answer.pop("releases")] == ["a"]
    assert answer == {"changed": False, "missing": ["a"], "unsent": ["a"], "failures": {}}
    for check, given in ((True, {}), (False, {"archive": "/tmp/a"})):
        assert "unsent" not in ask("wsgi_source", check, releases=rows, python_version="3.13", **given)
        assert core.asked[-1][0] == "fetch"


@pytest.mark.parametrize(("check", "diff"), [(True, False), (False, True), (False, False)])
def test_the_plan_of_apps(check: bool, diff: bool, tmp_path: Path, ask: Ask, core: Core) -> None:
    summary = Summary()
    summary.add("a", "new release")
    plan = Plan(["site"], ["a key lies there"], ["tidy runs next at noon"], summary)
    core.says("wsgi_plan", "plan_apps", plan, Plan())
    core.says("wsgi_plan", "installer", "pip")
    model = {"files": ["f"], "unused_files": ["u"], "service_files": ["s"], "pools": ["p"], "accounts": ["a"]}
    given = {"secrets": {"/e": "hunter2"}, "source_secrets": {"a": "hunter3"}, "deploy_account": "deployer"}
    more = {"python_version": "3.13", "parallel": 2, "keep": 3}
    answer = ask("wsgi_plan", check, diff, model=model, releases=[release(tmp_path, "a")], **given, **more)
    assert answer == {
        "changed": False,
        "stale": False,
        "parts": ["site"],
        "times": ["tidy runs next at noon"],
        "changes": ["a: new release"],
        "warnings": ["a key lies there"],
    }
    run: Any = RUN
    pip: Any = "pip"
    how = fetch.Fetching(run, pip, "3.13", "deployer", 2, "", {"a": "hunter3"}, check=True)
    (asked, called) = core.asked
    assert asked == ("installer", "pip", "/usr/bin/python3", "deployer", "")
    name, shown, releases, *rest = called
    assert (name, shown, rest) == ("plan_apps", model, [DEBIAN, RUN, not check, check or diff])
    assert [row["app"] for row in releases.rows] == ["a"]
    files = Files(["f"], ["u"], {"/e": "hunter2"})  # type: ignore[list-item]
    assert (releases.files, releases.service_files, releases.pools) == (files, ["s"], ["p"])
    assert (releases.fetching, releases.keep) == (how, 3)


@pytest.mark.parametrize("check", [True, False])
def test_a_plan_for_another_host_than_this_one(
    check: bool, tmp_path: Path, ask: Ask, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has changed since, or another play has had its turn: then nothing is compared."""
    facts: Answer = {"apps": [], "apache": None}
    core.says("wsgi_plan", "_plan", Plan(["site"]))
    core.says("wsgi_plan", "server_info", facts)
    given: Answer = {"model": {}, "releases": [], "python_version": "3.13", "python": "/p"}
    monkeypatch.setenv(turn.VARIABLE, turn.take("alice@ops", "ops 7", 0))
    assert ask("wsgi_plan", check, **given, digest=digest(facts))["parts"] == ["site"]
    assert core.asked[0] == ("server_info", "/p", RUN)
    stale = {"changed": False, "stale": True, "parts": [], "times": [], "changes": []}
    assert ask("wsgi_plan", check, **given, digest=digest({**facts, "apps": ["a"]})) == stale
    assert [call[0] for call in core.asked] == ["server_info"]
    # In check mode there is no turn.
    monkeypatch.setenv(turn.VARIABLE, "another")
    answer = ask("wsgi_plan", check, **given, digest=digest(facts))
    assert answer["stale"] is not check


def test_the_plan_of_a_server(ask: Ask, core: Core) -> None:
    core.says("wsgi_server_plan", "plan_server", Plan(["sandbox"], ["no sandbox here"]))
    file: Answer = {"path": "/etc/apache2/a.conf", "content": "x"}
    more = {"built_module": "/m.so", "self_signed": [{"name": "default"}], "directories": [{"path": "/acme"}]}
    answer = ask("wsgi_server_plan", diff=False, **SERVER, **more, files=[file])
    assert answer == {
        "changed": False,
        "parts": ["sandbox"],
        "changes": [],
        "warnings": ["no sandbox here"],
    }
    wanted = Server(
        sandbox="present",
        settings=sandbox.Settings("tmpfs", True, ("AF_UNIX",), ("/srv",)),
        old_data=[{"app": "shop", "path": "/old"}],
        data={"blog": "/d"},
        packages=["apache2"],
        package_query=["dpkg-query"],
        module="/m.so",
        certificates=[{"name": "default"}],
        directories=[{"path": "/acme"}],
        files=[ConfigurationFile(**file)],
    )
    assert core.asked == [("plan_server", wanted, DEBIAN, RUN, False)]
