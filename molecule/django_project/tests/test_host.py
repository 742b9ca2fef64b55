"""A project of Django on both hosts: customers ordered, workers packed, timers ticked, through a release and back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name
from testinfra.host import Host

SECRETS = ("of-the-shop-alone", "of-the-probe")


def read(host: Host, name: str) -> str:
    return str(host.file(f"/root/{name}").content_string)


@pytest.fixture(scope="module")
def orders(host: Host) -> list[tuple[int, int, str]]:
    """What customers were told: number, status, and the release that took the order."""
    rows = [json.loads(line) for line in read(host, "orders").splitlines()]
    return [(number, status, text.partition(" ")[0]) for number, status, text in rows]


@pytest.fixture(scope="module")
def jobs(host: Host) -> dict[int, str]:
    """Which release's worker packed an order; empty where none did."""
    rows = (line.split("|") for line in read(host, "jobs").splitlines())
    return {int(number): done.partition(" ")[0] for number, done in rows}


@pytest.fixture(scope="module")
def probe(host: Host) -> dict[str, Any]:
    return dict(json.loads(read(host, "probe")))


# People


def test_a_superuser_made_at_a_terminal_logs_in(host: Host) -> None:
    assert "Superuser created successfully." in read(host, "superuser")
    assert "logged in as boss" in read(host, "logged-in")


def test_an_upload_arrived(host: Host, jobs: dict[int, str]) -> None:
    assert read(host, "uploaded").strip() == "one 3000000"
    assert host.file("/var/lib/shop-app/data/media/1.jpg").size == 3000000
    assert jobs[1] == "one"


def test_no_order_is_lost(orders: list[tuple[int, int, str]]) -> None:
    assert len(orders) > 50
    assert [row for row in orders if row[1] != 200] == []
    # There and back, and never to the one whose worker cannot start.
    seen = [release for _number, _status, release in orders]
    assert (seen[0], set(seen), seen[-1]) == ("one", {"one", "two"}, "one")


def test_no_job_is_lost(orders: list[tuple[int, int, str]], jobs: dict[int, str]) -> None:
    taken = {number for number, status, _release in orders if status == 200}
    assert taken - {number for number, done in jobs.items() if done} == set()
    assert set(jobs.values()) == {"one", "two"}


def test_mail_arrives(host: Host) -> None:
    mail = read(host, "journal")
    assert "To: boss@shop.test" in mail
    assert "Subject: Test email from" in mail


# Workers


def test_what_a_worker_may_do(probe: dict[str, Any]) -> None:
    done = {what for what, told in probe["tried"].items() if told == "done"}
    assert done == {"its data", "port 8123", "a program", "tmp"}


def test_what_opens_the_sandbox(host: Host) -> None:
    tried = json.loads(read(host, "open"))["tried"]
    done = {what for what, told in tried.items() if told == "done"}
    assert done == {"its data", "port 8123", "a program", "tmp", "code at run time", "a namespace", "a device"}


def test_a_worker_is_as_its_pool(host: Host, probe: dict[str, Any]) -> None:
    ids = host.check_output("stat -c '%u %g' /var/lib/shop-app/data").split()
    assert set(probe["who"]) == {int(text) for text in ids}
    assert oct(probe["umask"]) == "0o27"
    assert re.fullmatch(r"/var/lib/shop-app/releases/[0-9a-f]{16}/code", probe["cwd"])
    # Of its own release by name, whatever the link leads to later.
    assert probe["prefix"] == probe["variables"]["VIRTUAL_ENV"] == probe["cwd"].replace("/code", "/venv")
    assert probe["secret"] == "of-the-probe"
    assert probe["variables"]["SECRET_KEY"] == "of-the-shop-alone"
    assert probe["variables"]["LC_ALL"] == "C.UTF-8"
    assert probe["neighbours"] == []


def test_the_units_are_closed(host: Host) -> None:
    rated = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", read(host, "rated"))
    assert len(rated) == 2
    assert all(float(text) <= 1.5 for text in rated)


def test_secrets_are_in_no_unit_no_journal_and_no_list_of_processes(host: Host) -> None:
    assert "\nsleep 5\n" in read(host, "processes")
    for name in ("units", "journal", "logs", "processes"):
        text = read(host, name)
        assert len(text) > 500
        assert [secret for secret in SECRETS if secret in text] == []


# Timers


def test_timers_ticked(host: Host) -> None:
    ticks = dict(line.split("|") for line in read(host, "ticks").splitlines())
    assert int(ticks["tidy"]) > 3
    # The first of the play alone.
    assert ("single" in ticks) == (inventory_name(host) == "debian12")


def test_a_failure_is_seen_and_told(host: Host) -> None:
    assert "wsgi-shop-failing.service" in read(host, "told-failing")
    assert re.search(r"timer failing: (FAILED at .* \(exit-code, status 3\)|runs now)", read(host, "listed-fewer"))


def test_never_two_at_a_time(host: Host) -> None:
    lines = read(host, "slow").split()
    assert len(lines) >= 4
    assert lines == (["start", "end"] * len(lines))[: len(lines)]


def test_one_that_hangs_is_stopped(host: Host) -> None:
    assert re.search(r"timer stuck: FAILED at .* \(timeout", read(host, "listed-fewer"))


def test_a_time_is_spread(host: Host) -> None:
    assert read(host, "spread").strip() == "RandomizedDelayUSec=1h"


# What there is


def test_the_list(host: Host) -> None:
    told = read(host, "listed")
    assert re.search(r"^shop: account shop-app, release [0-9a-f]{16}$", told, re.MULTILINE)
    assert "  worker jobs: 2 of 2 running\n" in told
    assert re.search(r"  timer tidy: (succeeded at .*|runs now), next ", told)


def test_the_logs_of_all_parts(host: Host) -> None:
    rows = [line.split(" ", 3)[:3] for line in read(host, "logs").splitlines()]
    assert {"pool:", "wsgi-shop-jobs:", "systemd:"} <= {source for _day, _time, source in rows}
    assert rows == sorted(rows, key=lambda row: row[:2])


def test_what_leaves_the_list_goes(host: Host) -> None:
    units = {line.split()[0] for line in read(host, "units-fewer").splitlines()}
    timers = {f"wsgi-shop-{name}" for name in ("failing", "slow", "spread", "stuck")}
    # A service that has not run yet is not loaded.
    services = {"wsgi-shop-jobs@1.service", "wsgi-shop-open@1.service", *(f"{name}.service" for name in timers)}
    assert {f"{name}.timer" for name in timers} <= units <= services | {f"{name}.timer" for name in timers}


def test_all_is_back_after_a_restart_of_the_host(host: Host) -> None:
    assert read(host, "uploaded-again").strip() == "one 1000"
    assert read(host, "packed-again").startswith("one ")
    told = read(host, "listed-again")
    assert "  worker jobs: 1 of 1 running\n" in told
    assert "  worker open: 1 of 1 running\n" in told
    assert "timer spread: " in told
    assert set(re.findall(r"\S+\.\w+", read(host, "failed-again"))) <= {
        "wsgi-shop-failing.service",
        "wsgi-shop-stuck.service",
    }


def test_a_removal_leaves_nothing_but_data(host: Host) -> None:
    assert host.file("/var/lib/shop-app").listdir() == ["data"]
    assert "1.jpg" in host.file("/var/lib/shop-app/data/media").listdir()
    left = "find /etc/systemd /run/systemd/system /etc/palisade-mod_wsgi -name '*shop*'"
    assert host.check_output(left) == ""
    assert host.check_output("systemctl list-units --all --no-legend 'wsgi-shop-*'") == ""
    assert read(host, "left-child").strip()
    assert host.run("pgrep -u shop-app").stdout == ""
    assert host.run("wsgi-run --list").stdout.startswith("rival: account rival-app")
