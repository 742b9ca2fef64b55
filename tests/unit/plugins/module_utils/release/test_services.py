"""Workers and timers of an app are started, followed and removed; systemd is played."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.layout import ensure_layout
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import services as release_services
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.services import (
    Services,
    check_commands,
    check_services,
    remove_services,
    units_of_host,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import units as runtime_units
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.units import service_files
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, needs_root

pytestmark = needs_root


class Systemd:
    """Units that run, as far as these tests ask: enabled links, a state, a process and when it started."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units = root / "units"
        self.home = root / "home"
        (self.units / "multi-user.target.wants").mkdir(parents=True)
        (self.units / "timers.target.wants").mkdir()
        self.home.mkdir()
        self.told: list[str] = []
        self.running: dict[str, float] = {}
        self.ill: set[str] = set()
        self.dies: set[str] = set()
        for module in (release_services, runtime_units):
            monkeypatch.setattr(module, "UNITS", str(self.units))
        monkeypatch.setattr(release_services, "_started", lambda pid: self._by_pid(pid))
        monkeypatch.setattr(release_services, "_INTERVAL", 0.001)

    def _by_pid(self, pid: int) -> float:
        return list(self.running.values())[pid - 1]

    def _link(self, name: str) -> Path:
        return self.units / f"{'timers' if name.endswith('.timer') else 'multi-user'}.target.wants" / name

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        program, verb, *words = arguments
        names = [word for word in words if not word.startswith("--")]
        if program == "journalctl":
            return "Traceback\nno broker for hunter2-of-the-app\n"
        if verb == "show":
            (name,) = names
            active = name in self.running
            if name in self.dies and active:
                del self.running[name]
            started = self.running.get(name, 0.0) - time.time() + time.monotonic()
            return (
                f"ActiveState={'active' if active else 'inactive'}\nSubState=x\nExecMainStatus=3\nResult=success\n"
                f"MainPID={list(self.running).index(name) + 1 if name in self.running else 0}\n"
                f"ActiveEnterTimestampMonotonic={int(started * 1e6) if active else 0}\n"
            )
        self.told.append(" ".join([verb, *names]))
        if verb == "enable" and not self._link(names[0]).is_symlink():
            self._link(names[0]).symlink_to("../x")
        if verb == "restart":
            if names[0] in self.ill:
                raise CommandError("systemctl", 1, "job failed")
            self.running[names[0]] = time.time() + 0.01
        if verb == "disable":
            for name in names:
                self.running.pop(name, None)
                self._link(name).unlink(missing_ok=True)
        return ""

    def services(self, name: str = "shop", **fields: Any) -> Services:
        shop = check_app(app(name, **fields), 0, None)
        rows = [row for row in service_files(shop, shop.timers, confined=True) if "content" in row]
        return Services(name, str(self.home), rows, self, ["hunter2-of-the-app"])

    def took(self) -> list[str]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    return Systemd(tmp_path, monkeypatch)


def worker(**fields: Any) -> dict[str, Any]:
    return {"command": "celery", "ready_after": 1, "notify": True, **fields}


TIMER = {"command": "tidy", "schedule": "daily"}


def test_workers_start_one_after_the_other_and_stay(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(processes=2)}, timers={"tidy": TIMER})
    assert len(services.changes()) == 3
    services.put()
    assert systemd.took() == ["daemon-reload"]
    assert services.due(0.0)
    services.bring(0.0)
    assert systemd.took() == [
        "enable wsgi-shop-mail@1.service",
        "restart wsgi-shop-mail@1.service",
        "enable wsgi-shop-mail@2.service",
        "restart wsgi-shop-mail@2.service",
        "enable wsgi-shop-tidy.timer",
        "restart wsgi-shop-tidy.timer",
    ]
    assert [row["unit"] for row in services.done] == [
        "wsgi-shop-mail@1.service",
        "wsgi-shop-mail@2.service",
        "wsgi-shop-tidy.timer",
    ]
    again = systemd.services(workers={"mail": worker(processes=2)}, timers={"tidy": TIMER})
    again.put()
    again.bring(0.0)
    assert (again.changes(), again.due(0.0), again.done, systemd.took()) == ([], [], [], [])


def test_a_new_release_replaces_workers_and_leaves_timers(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(processes=2)}, timers={"tidy": TIMER})
    services.put()
    services.bring(0.0)
    systemd.took()
    later = time.time() + 1
    assert services.due(later)
    services.bring(later)
    assert [told for told in systemd.took() if told.startswith("restart")] == [
        "restart wsgi-shop-mail@1.service",
        "restart wsgi-shop-mail@2.service",
    ]


@pytest.mark.parametrize("lost", ["process", "link"])
def test_what_does_not_run_or_would_not_after_a_start_of_the_host(systemd: Systemd, lost: str) -> None:
    services = systemd.services(workers={"mail": worker()}, timers={"tidy": TIMER})
    services.put()
    services.bring(0.0)
    systemd.took()
    for name in ("wsgi-shop-mail@1.service", "wsgi-shop-tidy.timer"):
        if lost == "process":
            systemd.running.pop(name)
        else:
            systemd._link(name).unlink()
        assert services.due(0.0) == [{"unit": name, "action": "started"}]
        services.bring(0.0)
        assert systemd.took() == [f"enable {name}", f"restart {name}"]


def test_fewer_processes(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(processes=3)})
    services.put()
    services.bring(0.0)
    fewer = systemd.services(workers={"mail": worker(processes=1)})
    fewer.put()
    systemd.took()
    # The unit file is written anew, so what stays is older than it.
    systemd.running = {name: started - 60 for name, started in systemd.running.items()}
    due = [("2", "stopped"), ("3", "stopped"), ("1", "started")]
    expected = [{"unit": f"wsgi-shop-mail@{number}.service", "action": action} for number, action in due]
    assert fewer.due(0.0) == expected
    fewer.bring(0.0)
    gone = "wsgi-shop-mail@2.service wsgi-shop-mail@3.service"
    assert systemd.took()[:2] == [f"disable {gone}", f"reset-failed {gone}"]
    assert fewer.done == expected


def test_what_leaves_the_list(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(), "beat": worker()}, timers={"tidy": TIMER})
    services.put()
    services.bring(0.0)
    (systemd.home / "environment-mail").write_text("{}")
    (systemd.home / "environment-own").write_text("{}")
    os.chown(systemd.home / "environment-own", 1, 1)
    (systemd.home / "environment").write_text("{}")
    systemd.took()
    left = systemd.services(workers={"beat": worker()})
    assert len(left.changes()) == 4
    left.put()
    assert [told for told in systemd.took() if told.startswith("disable")] == [
        # A timer first: it could start its service again.
        "disable wsgi-shop-tidy.timer wsgi-shop-mail@1.service wsgi-shop-tidy.service",
    ]
    assert sorted(path.name for path in systemd.units.glob("wsgi-*")) == ["wsgi-shop-beat@.service"]
    # The second is the account's own, in a home that was adopted.
    assert sorted(path.name for path in systemd.home.iterdir()) == ["environment", "environment-own"]


def test_apps_whose_names_begin_alike(systemd: Systemd) -> None:
    systemd.services("shop-a", workers={"b": worker()}).put()
    shop = systemd.services("shop", workers={"c": worker()})
    shop.put()
    remove_services([{"app": "shop", "home": str(systemd.home)}], systemd, check=True)
    assert len(units_of_host()) == 2
    changes = remove_services([{"app": "shop", "home": str(systemd.home)}], systemd, check=False)
    assert [change["path"] for change in changes] == [f"{systemd.units}/wsgi-shop-c@.service"]
    assert [unit.app for unit in units_of_host()] == ["shop-a"]


def test_units_of_others_are_no_apps(systemd: Systemd) -> None:
    (systemd.units / "wsgi-by-hand.service").write_text("[Service]\n")
    (systemd.units / "wsgi-latin.service").write_bytes(b"\xff")
    (systemd.units / "other.service").write_text('# palisade.mod_wsgi: {"app": "shop", "worker": "x"}\n')
    (systemd.units / "wsgi-list.service").write_text('# palisade.mod_wsgi: {"app": ["shop"], "worker": "x"}\n')
    (systemd.units / "wsgi-link.service").symlink_to("other.service")
    assert units_of_host() == []


def test_a_worker_that_does_not_start(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker()})
    services.put()
    systemd.ill.add("wsgi-shop-mail@1.service")
    with pytest.raises(PalisadeError) as caught:
        services.bring(0.0)
    assert str(caught.value) == (
        "app shop: worker mail: wsgi-shop-mail@1.service did not start:\nTraceback\nno broker for ***"
    )


def test_a_worker_that_ends_too_soon(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(notify=False, processes=2)})
    services.put()
    systemd.dies.add("wsgi-shop-mail@1.service")
    with pytest.raises(PalisadeError) as caught:
        services.bring(0.0)
    told = "app shop: worker mail: wsgi-shop-mail@1.service ended with status 3 within 1 s (ready_after):\nTraceback"
    assert str(caught.value).startswith(told)
    # The next one stays with what it has.
    assert "restart wsgi-shop-mail@2.service" not in systemd.took()


def test_a_worker_that_stays_long_enough(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(notify=False)})
    services.put()
    began = time.monotonic()
    services.bring(0.0)
    assert time.monotonic() - began >= 1


def test_what_is_about_to_go_is_stopped_first(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker(), "beat": worker()})
    services.put()
    services.bring(0.0)
    systemd.took()
    services.forget([f"{systemd.units}/wsgi-shop-mail@.service"])
    assert systemd.took()[0] == "disable wsgi-shop-mail@1.service"
    assert list(systemd.running) == ["wsgi-shop-beat@1.service"]


def test_variables_that_changed(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker()})
    path = systemd.home / "environment-mail"
    row = {"app": "shop", "path": str(path), "owner": "root", "group": "root", "mode": "0640"}
    services.files = [{**row, "secret_content": "{}"}, *services.files]
    services.put()
    services.bring(0.0)
    assert services.due(0.0) == []
    time.sleep(0.02)
    services.files = [{**row, "secret_content": '{"A": "b"}'}, *services.files[1:]]
    assert [change["path"] for change in services.changes()] == [str(path)]
    services.put()
    assert services.due(0.0)


# Before anything changes


def release(tmp_path: Path, program: str) -> dict[str, Any]:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/celery").write_text("#!/bin/sh\n")
    (tmp_path / "venv/bin/celery").chmod(0o755)
    (tmp_path / "code/bin").mkdir(parents=True)
    (tmp_path / "code/bin/run").touch()
    return {"app": "shop", "services": [{"title": "workers: mail", "program": program}]}


@pytest.mark.parametrize("program", ["celery", "sh", "bin/run", "./bin/run", "/bin/sh"])
def test_programs_that_are_there(tmp_path: Path, program: str) -> None:
    check_commands(release(tmp_path, program), str(tmp_path))


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("celary", "there is no 'celary' in the release's venv/bin or on the host, did you mean 'celery'?"),
        ("bin/ran", "there is no 'bin/ran' in the release's code"),
        ("/no/such", "there is no '/no/such' in the release's code"),
    ],
)
def test_programs_that_are_not(tmp_path: Path, program: str, told: str) -> None:
    with pytest.raises(PalisadeError, match=f"^app shop: workers: mail: command: {re.escape(told)}$"):
        check_commands(release(tmp_path, program), str(tmp_path))


def test_when_timers_run(systemd: Systemd) -> None:
    def run(arguments: Sequence[str], environment: Any = None, data: str | None = None) -> str:
        if arguments[-1] == "hourley":
            raise CommandError(
                "systemd-analyze", 1, "Failed to parse calendar specification 'hourley': Invalid argument"
            )
        assert list(arguments) == ["systemd-analyze", "calendar", "--iterations=3", "daily"]
        return (
            "  Original form: daily\nNormalized form: *-*-* 00:00:00\n    Next elapse: Sat 2026-11-28 00:00:00 UTC\n"
            "       From now: 10h left\n   Iteration #2: Sun 2026-11-29 00:00:00 UTC\n       From now: 1 day\n"
        )

    row = {"app": "shop", "timer": "tidy", "schedule": "daily"}
    assert check_services([], [row], run) == [
        "app shop: timer tidy runs next at Sat 2026-11-28 00:00:00 UTC, Sun 2026-11-29 00:00:00 UTC"
    ]
    with pytest.raises(PalisadeError) as caught:
        check_services([], [{**row, "schedule": "hourley"}], run)
    assert str(caught.value) == (
        "app shop: timers: tidy: schedule: expected an OnCalendar expression such as daily or 'Mon 03:30', got "
        "'hourley': Failed to parse calendar specification 'hourley': Invalid argument"
    )


def test_a_unit_of_somebody_else_in_the_way(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker()})
    check_services(services.files, [], systemd)
    services.put()
    check_services(services.files, [], systemd)
    path = systemd.units / "wsgi-shop-mail@.service"
    path.write_text("[Service]\n")
    with pytest.raises(PalisadeError) as caught:
        check_services(services.files, [], systemd)
    assert str(caught.value) == f"app shop: {path} exists and is not this app's; rename the worker or timer"


def test_the_rows_are_those_of_a_layout(systemd: Systemd) -> None:
    services = systemd.services(workers={"mail": worker()})
    assert len(ensure_layout((), services.files, (), check=True)) == 1
