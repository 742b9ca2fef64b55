"""What is read of the host around the pools."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import host as collectors_host
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.access import as_account
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.beside import Job
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import report
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.live import (
    ONE,
    OTHER,
    as_root,
    host_of,
    no_run,
    row,
    sleeper,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import noting


def test_jobs_with_pkill(tmp_path: Path) -> None:
    for name, line in {
        "bad": "0 3 * * * root pkill -USR1 -f wsgi:shop",
        "long": "pkill --full '(wsgi:shop)'",
        "comment": "# pkill -f wsgi",
        "name": "pkill apache2",
        "other": "pkill -f celery; logger wsgi",
    }.items():
        (tmp_path / name).write_text(line + "\n", encoding="utf-8")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    assert collectors_host.pkill_jobs([f"{tmp_path}/*"]) == [f"{tmp_path}/bad", f"{tmp_path}/long"]


def test_script_aliases_with_something_to_run(tmp_path: Path) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full/x.cgi").touch()
    lines = [f"ScriptAlias /{name} {tmp_path}/{name}" for name in ("full", "empty", "none", "full/x.cgi")]
    lines.append(f"ScriptAliasMatch ^/m/(.*) {tmp_path}/full/$1")
    found = collectors_host._scripts(Facts(Instance("", ""), read_tree("\n".join(lines))))
    names = {path[len(str(tmp_path)) + 1 :]: runs for path, runs in found.items()}
    assert names == {"full": True, "empty": False, "none": False, "full/x.cgi": True, "full/$1": True}


def test_an_apache_that_vanished_makes_everything_unknown() -> None:
    with sleeper() as process:
        pass
    facts = host_of(process.pid, shop=[row(process, ONE)])
    facts.host = collectors_host.host_facts(facts, no_run)
    assert {"parent", "loaded", "twins", "bounds", "reach", "unit"} <= set(facts.host.unknown)
    assert not [one for one in report([facts], "1")["results"] if one["status"] == "error"]


@as_root
def test_without_root_it_says_what_it_could_not_read() -> None:
    with sleeper(OTHER) as process:
        facts = host_of(process.pid, shop=[row(process, OTHER)])
        account = {"uid": ONE, "gid": ONE, "groups": [ONE]}
        seen = as_account(account, lambda: dataclasses.asdict(collectors_host.host_facts(facts, no_run)))
    assert {"parent", "loaded", "reach"} <= set(seen["unknown"])


def test_a_directory_of_scripts_that_cannot_be_read_may_hold_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(path)

    facts = Facts(Instance("", ""), read_tree(f"ScriptAlias /cgi {tmp_path}"))
    assert collectors_host._scripts(facts) == {str(tmp_path): False}
    monkeypatch.setattr("os.listdir", refuse)
    assert collectors_host._scripts(facts) == {str(tmp_path): True}


def test_an_apache_that_does_not_run_has_accounts_all_the_same() -> None:
    facts = host_of(None)
    host = collectors_host.host_facts(facts, no_run)
    assert host.accounts["shop"]["name"] == "nobody"
    assert host.scripts == {"/none": False}
    assert "/tmp" in host.telemetry["/tmp/t.sock"]
    assert host.children == []


def test_what_starts_the_code_of_a_pool_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job("/etc/cron.d/shop", "crontab", "root", "/srv/shop/venv/bin/python -m shop")
    monkeypatch.setattr(collectors_host, "jobs", lambda: [job, Job("/etc/crontab", "crontab", "root", "/bin/true")])
    facts = Facts(Instance("", ""), read_tree("WSGIDaemonProcess shop python-home=/srv/shop/venv"))
    (found,) = collectors_host.host_facts(facts, no_run).beside
    assert (found["source"], found["pools"]) == (job.source, ["shop"])


def test_sockets_of_telemetry_and_what_everybody_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(stat.S_IRWXU | stat.S_IWOTH)
    tree = read_tree(f"WSGITelemetryService unix:{place}/t.sock\nWSGITelemetryService unix:{tmp_path}/t.sock\n")
    found = collectors_host._telemetry(Facts(Instance("", ""), tree))
    assert str(place) in found[f"{place}/t.sock"]
    assert str(tmp_path) not in found[f"{tmp_path}/t.sock"]


def test_who_owns_the_code(tmp_path: Path) -> None:
    assert collectors_host._owners({str(tmp_path): "home", "/": "home", str(tmp_path / "gone"): "entry"}) == sorted(
        {0, os.geteuid()}
    )


def test_where_jobs_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("glob.glob", noting(asked, []))
    assert collectors_host.pkill_jobs() == []
    assert asked == [
        "/etc/crontab",
        "/etc/cron.*/*",
        "/var/spool/cron/*",
        "/var/spool/cron/*/*",
        "/etc/logrotate.d/*",
        "/etc/systemd/system/*.service",
        "/etc/systemd/system/*.d/*.conf",
    ]


def test_a_setting_of_the_kernel() -> None:
    assert collectors_host._sysctl("kernel/ostype") == "Linux"
    assert collectors_host._sysctl("fs/no_such_setting") == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("20010db8000000000000000000000001 02 40 00 80     eth0", True),
        ("fe800000000000000000000000000001 02 40 20 80     eth0", False),
        ("00000000000000000000000000000001 01 80 10 80       lo", False),
        ("", False),
    ],
)
def test_an_address_of_ipv6_that_others_reach(line: str, expected: bool) -> None:
    loopback = "00000000000000000000000000000001 01 80 10 80       lo\n"
    assert collectors_host.has_ipv6(f"{loopback}{line}\n" if line else "") is expected


def test_a_telemetry_service_elsewhere_has_no_socket() -> None:
    tree = read_tree(
        "WSGITelemetryService tcp:9000\nWSGITelemetryService unix:t.sock\nWSGITelemetryService unix:/x/t\n"
    )
    assert list(collectors_host._telemetry(Facts(Instance("", ""), tree))) == ["/x/t"]


def test_everything_of_a_host_with_a_running_apache(tmp_path: Path) -> None:
    """Whatever cannot be read here has a reason, and nothing else is missing."""
    with sleeper() as process:
        facts = host_of(os.getpid(), os.path.realpath("/bin/cat"), shop=[row(process, os.geteuid())], idle=[])
        facts.instance.files = [str(tmp_path)]
        os.utime(tmp_path, (2**33, 2**33))
        facts.host = collectors_host.host_facts(facts, no_run)
        mine = {one["pid"]: one for one in facts.host.children}[process.pid]
    assert (mine["pool"], mine["own"]) == ("shop", True)
    assert set(facts.host.unknown) <= {"unit", "filters", "packages"}
    assert facts.host.parent["uid"] == os.geteuid()
    assert list(facts.host.bounds) == ["shop"]
    assert facts.host.owners == {"shop": []}
    assert set(facts.host.stale) == set(facts.host.dumpable) == {"shop", "idle"}
    assert list(facts.host.changed) == [str(tmp_path)]
    assert set(facts.host.sysctls) == set(collectors_host.SYSCTLS)
