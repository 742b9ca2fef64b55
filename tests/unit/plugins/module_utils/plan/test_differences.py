"""Which parts of wsgi_apps have work to do: each step's check is heard, and one that fails counts as work."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import sandbox
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.certificates import Outsiders
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.live_certificates import Host
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.transaction import ConfigurationFile
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan import differences, parts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.differences import (
    Releases,
    plan_apps,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.parts import Plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.activation import Files, Outcome
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.build import Built
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.data_switch import Outcome as DataOutcome
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.fetch import Fetched, Fetching

CHANGE = {"path": "/etc/a", "before": {}, "after": {}}
NOTHING = {"differences": [], "stale": [], "reload": "none"}


# What changes nothing in any mode.
READERS = {"left_in_homes", "check_services", "unsent", "fetch", "apache_parent", "check_pools"}


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
        answers: dict[str, Any] = {
            "ensure_apps": sandbox.Outcome([], False, []),
            "apply": NOTHING,
            "copy_ahead": DataOutcome(),
            "ensure_built": Built(),
            "fetch": Fetched([{"app": "shop", "release": "r1"}]),
            "apache_parent": 7,
            "check_pools": [],
        }
        for name in (
            *("ensure_certificates", "ensure_live", "ensure_accounts", "left_in_homes", "remove_accounts"),
            *("ensure_deploy_account", "ensure_layout", "prune", "ensure_built", "unsent", "check_services"),
            *("remove_services", *answers),
        ):
            self.says(name, answers.get(name, []))
        self.says_activation(Outcome())

    def says(self, name: str, answer: Any, when: Callable[..., bool] = lambda *_arguments: True) -> None:
        before = getattr(differences, name)

        def call(*arguments: Any, check: bool | None = None, **named: Any) -> Any:
            # Every check is a check, and asked for one: no function looks only unless told.
            assert check or (check is None and (True in arguments or name in READERS))
            if not when(*arguments):
                return before(*arguments, check=check, **named)
            self.asked.setdefault(name, []).append(arguments)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.patch.setattr(differences, name, call)

    def says_activation(self, outcome: Outcome | Exception) -> None:
        def activate(rows: Any, bound: int) -> Outcome:
            self.asked.setdefault("activate", []).append((rows, bound))
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        def activation(*arguments: Any) -> SimpleNamespace:
            self.asked.setdefault("Activation", []).append(arguments)
            return SimpleNamespace(begin=lambda rows, built: None, activate=activate)

        self.patch.setattr(differences, "Activation", activation)

    def run(self, arguments: Any, *_more: Any, **_named: Any) -> str:
        answer = self.programs[arguments[1] if arguments[0] == "systemctl" else arguments[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    return Core(monkeypatch)


SITE_PARTS = ["site", "self_signed", "certificates"]
# Of apps without data to come.
EVERY = ["accounts", "layout", "releases", "site", "removal", "self_signed", "certificates"]
NAMES = (
    *("warnings", "accounts", "directories", "program_directories", "program_files", "root_only", "files"),
    *("service_files", "schedules", "removed_services", "unused_files", "data", "grants", "revoked", "site"),
    *("pools", "loaded", "writable_paths", "removed_paths", "removed_accounts"),
)
MODEL: dict[str, Any] = {
    **{name: [{"app": "shop", "name": name, "path": f"/{name}"}] for name in NAMES},
    "files": [{"app": "shop", "path": "/v/environment"}],
    "site": [{"path": "/etc/apache2/sites-available/a.conf", "content": "x", "link": "", "app": "shop"}],
    "data": [],
    "certificates": {
        "self_signed": [{"app": "shop", "name": "a.example", "server_names": ["a.example"]}],
        "given": [{"app": "blog", "certificate": "/c", "key": "/k", "server_names": ["b.example"]}],
        "acme": [{"app": "wiki", "server_names": ["c.example"]}],
        "absent": [{"app": "old", "name": "old.example"}],
        "accounts": ["shop-app"],
        "groups": ["shop-group"],
    },
}
ROW = {
    "app": "shop",
    "release": "r1",
    "source": {"path": "/a"},
    "allow_source_builds": False,
    "build": [],
    "directory": "/v/releases",
    "current": "/v/current",
    "services": [{"title": "workers: mail", "program": "celery"}],
}


def releases(core: Core, **fields: Any) -> Releases:
    how = Fetching(run=core.run, installer=SimpleNamespace(), python_version="3.13", check=True)
    files = Files(MODEL["files"], [], {"/v/environment": '{"A": "b"}'})
    return Releases([{**ROW, **fields}], files, [], [{"app": "shop"}], how, 3)


def apps(
    core: Core, ask: bool = False, row: dict[str, Any] | None = None, describe: bool = False, **model: Any
) -> Plan:
    return plan_apps({**MODEL, **model}, releases(core, **(row or {})), DEBIAN, core.run, ask, describe)


def test_apps_without_work(core: Core) -> None:
    core.says("check_services", ["app shop: timer tidy runs next at noon"])
    assert apps(core) == Plan([], [], ["app shop: timer tidy runs next at noon"])
    assert core.asked["check_services"] == [(MODEL["service_files"], MODEL["schedules"], core.run)]
    directories = [*MODEL["directories"], *MODEL["program_directories"]]
    secret = [{**MODEL["files"][0], "secret_content": '{"A": "b"}'}]
    assert core.asked["ensure_layout"] == [
        (MODEL["directories"], secret, (), True, MODEL["grants"], (), MODEL["root_only"]),
        (directories, MODEL["program_files"], (), True, MODEL["grants"], MODEL["revoked"], MODEL["root_only"]),
        ((), (), MODEL["removed_paths"]),
    ]
    made, given, absent = (MODEL["certificates"][kind] for kind in ("self_signed", "given", "absent"))
    outsiders = Outsiders(frozenset(["shop-app", "www-data"]), frozenset(["shop-group"]))
    rest = (outsiders, "/proc/7/root", core.run, True)
    assert core.asked["ensure_certificates"] == [
        ((), given, (), *rest),
        (made, (), (), *rest),
        ((), (), absent, *rest),
    ]
    hosts = [
        Host("shop", ("a.example",), "/etc/palisade-mod_wsgi/tls/a.example/certificate.pem"),
        Host("blog", ("b.example",), "/c"),
        Host("wiki", ("c.example",)),
    ]
    ((layout, live, timeout, run, check),) = core.asked["ensure_live"]
    assert (layout, [(host.app, host.names) for host in live], timeout, run, check) == (
        *(DEBIAN, [(host.app, host.names) for host in hosts], 90),
        *(core.run, True),
    )
    assert core.asked["apply"] == [(DEBIAN, [ConfigurationFile(**MODEL["site"][0])], MODEL["loaded"], core.run, True)]
    assert core.asked["ensure_accounts"] == [(MODEL["accounts"], core.run, True)]
    assert core.asked["ensure_apps"] == [(DEBIAN, MODEL["writable_paths"], core.run, True)]
    assert core.asked["remove_services"] == [(MODEL["removed_services"], core.run, True)]
    assert core.asked["remove_accounts"] == [(MODEL["removed_accounts"], core.run, True)]
    assert "check_pools" not in core.asked


def test_releases_without_work(core: Core) -> None:
    wanted = releases(core)
    assert not wanted.have_work(DEBIAN)
    how = wanted.fetching
    rows = [{"app": "shop", "release": "r1"}]
    assert core.asked["fetch"] == [(wanted.rows, how)]
    assert core.asked["ensure_built"] == [(rows, {"shop": {"A": "b"}}, how.installer, how.run, how.parallel)]
    assert core.asked["Activation"] == [(DEBIAN, wanted.files, wanted.pools, how.run, True, wanted.service_files)]
    assert core.asked["activate"] == [(rows, how.parallel)]
    assert core.asked["prune"] == [(rows, 3, DEBIAN)]
    assert "ensure_deploy_account" not in core.asked


@pytest.mark.parametrize(
    ("name", "answer", "row"),
    [
        ("unsent", ["shop"], {}),
        ("ensure_deploy_account", [CHANGE], {"build": [["make"]]}),
        ("fetch", Fetched([], ["shop"]), {}),
        ("prune", [CHANGE], {}),
        ("says_activation", Outcome(differences=[CHANGE]), {}),
        ("says_activation", Outcome(processes=[{"pool": "shop"}]), {}),
        ("says_activation", Outcome(services=[{"unit": "wsgi-shop-tidy.timer", "action": "started"}]), {}),
        ("says_activation", Outcome(failures={"shop": "no"}), {}),
        ("says_activation", PalisadeError("app shop: no"), {}),
        ("fetch", PalisadeError("app shop: source: no answer"), {}),
    ],
)
def test_releases_with_work(name: str, answer: Any, row: dict[str, Any], core: Core) -> None:
    if name == "says_activation":
        core.says_activation(answer)
    else:
        core.says(name, answer)
    assert apps(core, row=row).parts == ["releases"]


SITE = {**NOTHING, "differences": [CHANGE]}


@pytest.mark.parametrize(
    ("name", "answer", "when", "parts"),
    [
        ("ensure_accounts", [CHANGE], None, EVERY),
        ("ensure_accounts", PalisadeError("no"), None, EVERY),
        ("ensure_layout", [CHANGE], lambda *given: bool(given[5:6] and given[5]), ["layout"]),
        ("ensure_layout", PalisadeError("no"), lambda *given: bool(given[5:6] and given[5]), ["layout"]),
        ("ensure_apps", sandbox.Outcome([], False, ["/d"]), None, ["layout"]),
        ("ensure_certificates", [CHANGE], lambda *given: bool(given[0]), SITE_PARTS),
        ("apply", SITE, None, SITE_PARTS),
        ("apply", {**NOTHING, "stale": ["shop"]}, None, SITE_PARTS),
        ("ensure_live", [CHANGE], None, SITE_PARTS),
        ("remove_services", [CHANGE], None, ["removal"]),
        ("remove_accounts", [CHANGE], None, ["removal"]),
        ("ensure_layout", [CHANGE], lambda *given: bool(given[2]), ["removal"]),
        ("ensure_certificates", [CHANGE], lambda *given: bool(given[2]), ["removal"]),
    ],
)
def test_a_part_of_the_apps_with_work(name: str, answer: Any, when: Any, parts: list[str], core: Core) -> None:
    core.says(name, answer, when or (lambda *_given: True))
    assert apps(core, ask=True).parts == parts
    assert "check_pools" not in core.asked


def test_an_app_with_data_to_come_runs_every_step(core: Core) -> None:
    assert apps(core, data=[{"app": "shop"}]).parts == [*EVERY[:2], "data", *EVERY[2:]]


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("check_services", lambda *_given: True),
        ("ensure_layout", lambda *given: bool(given[1]) and "secret_content" in given[1][0]),
        ("copy_ahead", lambda *_given: True),
        ("ensure_certificates", lambda *given: bool(given[1])),
    ],
)
def test_what_stops_the_play_before_anything_changes(name: str, when: Any, core: Core) -> None:
    core.says(name, PalisadeError("app shop: a planted link"), when)
    with pytest.raises(PalisadeError, match="app shop: a planted link"):
        apps(core)


def test_apps_that_have_no_work_are_asked_for_an_answer(core: Core) -> None:
    assert apps(core, ask=True).parts == []
    assert core.asked["check_pools"] == [(DEBIAN, MODEL["pools"], core.run)]
    core.says("check_pools", PalisadeError("app shop: 500"))
    assert apps(core, ask=True).parts == ["verify"]
    assert apps(core, ask=False).parts == []


def test_warnings_of_apps(core: Core) -> None:
    core.says("left_in_homes", ["a key lies there"])
    core.says("copy_ahead", DataOutcome(warnings=["data is forgotten"]))
    assert apps(core).warnings == ["a key lies there", "data is forgotten"]


def test_a_host_without_apache(core: Core) -> None:
    core.says("apache_parent", None)
    apps(core)
    assert {given[4] for given in core.asked["ensure_certificates"]} == {""}


# What people read of it


def lines(plan: Plan) -> list[str]:
    assert plan.summary is not None
    return plan.summary.lines()


def change(path: str, before: str = "file") -> dict[str, Any]:
    return {"path": path, "before": {"state": before}, "after": {}}


def test_nothing_to_tell(core: Core) -> None:
    assert lines(apps(core, describe=True)) == []
    assert apps(core).summary is None


def test_a_new_app_s_line(core: Core) -> None:
    core.says("ensure_accounts", [change("account shop-app", "absent")])
    core.says("unsent", ["shop"])
    core.says("ensure_layout", [change("/directories")], lambda *given: bool(given[5:6] and given[5]))
    core.says("apply", {**SITE, "differences": [change(MODEL["site"][0]["path"])], "reload": "reload"})
    plan = apps(core, describe=True, accounts=[{"app": "shop", "name": "shop-app"}])
    assert plan.parts == EVERY
    assert lines(plan) == ["shop: new account, 1 directory, new release, 1 virtual host", "Apache: reloads"]


def test_the_line_of_an_app_that_serves(core: Core, tmp_path: Any) -> None:
    current = tmp_path / "current"
    current.symlink_to("releases/r0")
    core.says("unsent", ["shop"])
    core.says("prune", [change("/v/releases/r-1")])
    core.says_activation(
        Outcome([change("/v/environment")], [], [], [{"unit": "wsgi-shop-a.timer", "action": "stopped"}])
    )
    plan = apps(core, describe=True, row={"current": str(current)})
    assert lines(plan) == [
        "shop: new release, 1 file; pool restarts, workers restart, 1 old release removed, wsgi-shop-a.timer is stopped"
    ]


def test_another_release_and_one_that_is_mended(core: Core) -> None:
    core.says_activation(Outcome([change("/v/current")], [], [{"pool": "shop"}]))
    assert lines(apps(core, describe=True)) == ["shop: another release; pool restarts"]
    core.says_activation(Outcome([change("/v/releases/r1/code/static")]))
    assert lines(apps(core, describe=True)) == ["shop: release"]
    core.says("ensure_built", Built([change("/v/releases/r1")], ["shop"]))
    core.says_activation(Outcome([change("/v/current")]))
    assert lines(apps(core, describe=True)) == ["shop: new release"]


def test_what_goes(core: Core) -> None:
    core.says("ensure_layout", [change("/var/old"), change("/bin/run")], lambda *given: bool(given[2]))
    tls = "/etc/palisade-mod_wsgi/tls/old.example"
    core.says("ensure_certificates", [change(f"{tls}.crt"), change(f"{tls}.key")], lambda *given: bool(given[2]))
    removed = [{"app": "gone", "path": "/var/old"}, {"path": "/bin/run"}]
    assert lines(apps(core, describe=True, removed_paths=removed)) == [
        "gone: removed",
        "old: certificate removed",
        "host: wsgi-run removed",
    ]


def test_a_check_that_fails_hides_no_other(core: Core) -> None:
    core.says("fetch", PalisadeError("app shop: source: no answer"))
    core.says("ensure_live", [CHANGE])
    plan = apps(core, describe=True)
    assert (plan.parts, lines(plan)) == (["releases", *SITE_PARTS], ["Apache: reloads"])


def test_requests_that_a_reload_would_meet(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "running_requests", lambda layout, _run: {"blog": 1} if layout == DEBIAN else {})
    core.says("ensure_live", [CHANGE])
    assert lines(apps(core, describe=True)) == ["Apache: reloads, now with 1 request (blog 1)"]
    core.says("ensure_live", [])
    assert lines(apps(core, describe=True)) == []
