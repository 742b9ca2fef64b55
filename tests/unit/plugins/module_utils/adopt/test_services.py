"""What starts an app's code by itself, as a user of the collection would write it."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.adopt.app import Adopted
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.adopt.services import on_calendar, services_of
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import facts

CODE = "/var/lib/shop/code"


def job(command: str, **fields: Any) -> dict[str, Any]:
    found = {"source": "/etc/x", "kind": "service", "account": "shop-app", "pools": ["shop"], "capabilities": ""}
    return {**found, "secrets": [], "variables": [], "name": "", "schedule": "", "command": command, **fields}


def found(*jobs: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    host = facts()
    host.host.beside = list(jobs)
    app = Adopted("shop")
    return services_of(app, host, host.pool("shop"), CODE), app.remarks


def test_services_timers_and_crontabs() -> None:
    services, remarks = found(
        job("/var/lib/shop/venv/bin/celery -A shop worker", name="shop-mail", variables=["KEY", "LANG"]),
        job("/usr/bin/tidy", name="tidy", schedule="daily"),
        job(
            f"cd {CODE} && /var/lib/shop/venv/bin/python manage.py report >/dev/null 2>&1",
            kind="crontab",
            schedule="5 3 * * 1",
        ),
        job(f"{CODE}/bin/report.sh", kind="crontab", schedule="@hourly"),
        job("celery beat", kind="supervisor", name="Celery Beat!"),
    )
    assert services == {
        "workers": {
            "mail": {"command": "celery -A shop worker"},
            "celery-beat": {"command": "celery beat"},
        },
        "timers": {
            "tidy": {"command": "/usr/bin/tidy", "schedule": "daily"},
            "report": {"command": "python manage.py report", "schedule": "Mon 03:05"},
            "report-2": {"command": "bin/report.sh", "schedule": "hourly"},
        },
    }
    assert remarks == ["service /etc/x sets KEY, LANG: put them into `environment`"]


def test_our_own_are_read_back() -> None:
    line = ":/usr/local/sbin/wsgi-run --enter /var/lib/shop-app/environment celery -A shop"
    services, _remarks = found(
        job(line.lstrip(":"), name="wsgi-shop-mail@"), job(line.lstrip(":"), name="wsgi-shop-tidy", schedule="daily")
    )
    assert services["workers"] == {"mail": {"command": "celery -A shop"}}
    assert services["timers"] == {"tidy": {"command": "celery -A shop", "schedule": "daily"}}


def test_a_command_that_needs_a_shell_gets_it() -> None:
    services, _remarks = found(
        job(f"cd {CODE}/; ls | wc -l >/tmp/x", kind="crontab", schedule="@daily"), job("it's", name="quote")
    )
    assert services["timers"] == {"x": {"command": ["sh", "-c", "ls | wc -l >/tmp/x"], "schedule": "daily"}}
    assert services["workers"] == {"quote": {"command": ["sh", "-c", "it's"]}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"account": "root"}, "service /etc/x runs its code as root: make it a worker or a timer of the app"),
        (
            {"kind": "crontab", "schedule": "@reboot"},
            "crontab /etc/x runs at '@reboot', for which there is no one OnCalendar expression",
        ),
        ({"name": "tidy", "schedule": "daily\n"}, "service /etc/x could not be written as one of timers"),
    ],
)
def test_what_is_for_a_person(fields: dict[str, Any], told: str) -> None:
    services, remarks = found(job("/x/run", **fields))
    assert (services, remarks) == ({"workers": {}, "timers": {}}, [told])


def test_jobs_of_another_pool() -> None:
    assert found(job("run", pools=["blog"])) == ({"workers": {}, "timers": {}}, [])
    assert services_of(Adopted("shop"), facts(), None, CODE) == {"workers": {}, "timers": {}}


TIMES = [
    ("* * * * *", "*:*"),
    ("*/5 * * * *", "*:0/5"),
    ("0 * * * *", "*:00"),
    ("7,37 9-17 * * *", "9..17:7,37"),
    ("10-50/20 */2 * * *", "0/2:10..50/20"),
    ("30 3 1 * *", "*-*-01 03:30"),
    ("30 3 1-7 jan,jul *", "*-1,7-1..7 03:30"),
    ("0 0 */2 * *", "*-*-1/2 00:00"),
    ("30 3 * * mon-fri", "Mon,Tue,Wed,Thu,Fri 03:30"),
    ("30 3 * * 0,6", "Sat,Sun 03:30"),
    ("30 3 * * 7", "Sun 03:30"),
    ("30 3 * 2 1", "Mon *-02-* 03:30"),
    ("@Daily", "daily"),
    ("@midnight", "daily"),
    ("@annually", "yearly"),
]


@pytest.mark.parametrize(("cron", "calendar"), TIMES)
def test_times(cron: str, calendar: str) -> None:
    assert on_calendar(cron) == calendar


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
@pytest.mark.parametrize("calendar", [calendar for _cron, calendar in TIMES])
def test_systemd_takes_them(calendar: str) -> None:
    subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


@pytest.mark.parametrize(
    "cron",
    [
        "@reboot",
        "30 3 1 * 1",
        "30 3 * * */2",
        "a 3 * * *",
        "30 3 * *",
        "30 3 * * 8",
        "30 3 * * 1-x",
        "30 3 * xyz *",
        "",
    ],
)
def test_times_that_are_for_a_person(cron: str) -> None:
    assert on_calendar(cron) == ""
