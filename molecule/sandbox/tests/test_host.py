"""Apache and every daemon of it are in the sandbox, and do in it what they did outside."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.molecule.sandbox.attacks import APPS, attacks, daemons
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import attempt, request
from testinfra.host import Host

REFUSALS = ("EACCES", "EPERM", "EROFS", "ENOENT")


def parent(host: Host) -> int:
    return int(host.file("/run/apache2/apache2.pid").content_string)


def wait_for(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def assert_all_answer(host: Host) -> None:
    for app in APPS:
        status, _headers, body = request(host, f"{app}.test")
        assert (status, "Hello world!" in body) == (200, True)
        assert_inside(host, *daemons(host, app))


def assert_inside(host: Host, *pids: int) -> None:
    assert pids
    for pid in pids:
        status = dict(line.split(":\t", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines())
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        # CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID, NET_BIND_SERVICE
        assert int(status["CapBnd"], 16) == 0x4E3


def test_figure(host: Host) -> None:
    found = host.check_output("systemd-analyze security --no-pager apache2").splitlines()[-1]
    print(found)
    level = re.search(r"apache2\.service: ([0-9.]+) ", found)
    assert level
    assert float(level.group(1)) <= 2.7


def test_apache_is_inside(host: Host) -> None:
    assert host.service("apache2").is_running
    assert host.check_output("systemctl is-system-running") == "running"
    assert_inside(host, parent(host), *map(int, host.check_output("pgrep -u www-data -x apache2").split()))


def test_every_pool_is_inside_and_answers(host: Host) -> None:
    assert [len(daemons(host, app)) for app in APPS] == [2, 2, 2]
    assert_all_answer(host)


@pytest.mark.parametrize("app", APPS)
def test_attacks_fail(host: Host, app: str) -> None:
    answers = attempt(host, f"{app}.test", *attacks(host, app))
    assert {action: answer for action, answer in answers.items() if answer.get("errno") not in REFUSALS} == {}


@pytest.mark.parametrize("app", APPS)
def test_what_an_app_needs_works(host: Host, app: str) -> None:
    data = f"/var/lib/{app}-app/data"
    actions = [("write", f"{path}/written") for path in (data, "/tmp", "/var/tmp", "/dev/shm")]
    actions += [("resolve", "localhost"), ("interfaces",)]
    actions += [("write", f"{data}/uploads/written")] if app == "two" else []
    answers = attempt(host, f"{app}.test", *actions)
    assert {action: answer for action, answer in answers.items() if not answer["ok"]} == {}


@pytest.mark.parametrize("app", APPS)
def test_it_sees_its_own_processes_only(host: Host, app: str) -> None:
    names = attempt(host, f"{app}.test", ("list", "/proc"))[("list", "/proc")]["result"]
    seen = {int(name) for name in names if name.isdigit()}
    # The other daemons of its own pool may be out of sight as well.
    assert seen
    assert seen <= set(daemons(host, app))


def test_the_whole_disk_offers_an_account_only_its_data(host: Host) -> None:
    inside = "nsenter --mount --target %s setpriv --reuid=one-app --regid=one-app --clear-groups"
    find = "find / -regex '/\\(proc\\|dev\\|sys\\)' -prune -o -writable -not -type l -not -type s -print"
    found = host.run(f"{inside} {find}", str(daemons(host, "one")[0])).stdout.split()
    assert sorted(path for path in found if not path.startswith("/var/lib/one-app/data/")) == [
        "/tmp",
        "/var/lib/one-app/data",
        "/var/tmp",
    ]


def test_limits_of_a_pool_work(host: Host) -> None:
    for pid in daemons(host, "one"):
        assert host.check_output("ps --no-headers -o nice -p %s", str(pid)).strip() == "5"
        limits = host.file(f"/proc/{pid}/limits").content_string
        assert re.search(r"^Max data size +800000000 ", limits, re.MULTILINE)
        assert re.search(r"^Max cpu time +600 ", limits, re.MULTILINE)


def test_the_trial_left_nothing(host: Host) -> None:
    assert host.check_output("systemctl list-units --all --no-legend 'run-*.service'") == ""


def test_a_graceful_reload_replaces_every_daemon(host: Host) -> None:
    before, apache = {pid for app in APPS for pid in daemons(host, app)}, parent(host)
    host.check_output("systemctl reload apache2")
    wait_for(lambda: not before & {pid for app in APPS for pid in map(int, pgrep(host, app))})
    wait_for(lambda: all(len(pgrep(host, app)) == 2 for app in APPS))
    assert parent(host) == apache
    assert_all_answer(host)


def pgrep(host: Host, app: str) -> list[str]:
    return host.run("pgrep -u %s", f"{app}-app").stdout.split()


def test_daemons_are_replaced_one_by_one(host: Host) -> None:
    first, second = daemons(host, "one")
    for old, other in ((first, second), (second, None)):
        host.check_output("kill -USR1 %s", str(old))
        wait_for(lambda old=old: str(old) not in pgrep(host, "one") and len(pgrep(host, "one")) == 2)
        assert other is None or other in daemons(host, "one")
    assert_all_answer(host)


def test_a_boot_without_runtime_directories(host: Host) -> None:
    host.check_output("systemctl stop apache2 && rm -r /run/apache2 /run/lock/apache2 && systemctl start apache2")
    for path, owner in (
        ("/run/apache2", "root"),
        ("/run/apache2/socks", "www-data"),
        ("/run/lock/apache2", "www-data"),
    ):
        assert (host.file(path).user, host.file(path).mode) == (owner, 0o755)
    wait_for(lambda: all(len(pgrep(host, app)) == 2 for app in APPS))
    assert_all_answer(host)
