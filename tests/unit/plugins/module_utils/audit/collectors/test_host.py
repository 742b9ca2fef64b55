"""What is read of accounts, processes and the unit: with real processes and files where that is possible."""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import gzip
import mmap
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import host as collectors_host
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import packages
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.access import as_account
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.sudoers import read_sudoers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, HostFacts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.processes import span
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import report
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.secret_names import secret_names
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit import facts as audit_facts
from ansible_collections.palisade.mod_wsgi.tests.unit.support import noting
from hypothesis import given
from hypothesis import strategies as st

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ONE, OTHER = 61001, 61002


def no_run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
    raise CommandError(arguments[0], 1, "not here")


@contextlib.contextmanager
def sleeper(uid: int = 0, *extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of an account; its standard input keeps it alive."""
    options: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []} if uid else {}
    process = subprocess.Popen(["/bin/cat", *extra], stdin=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def row(process: Any, uid: int) -> dict[str, Any]:
    return audit_facts.process(pid=process.pid, uid=uid)


def host_of(pid: int | None, binary: str = "/bin/cat", **live: Any) -> Facts:
    tree = read_tree(
        "WSGIDaemonProcess shop user=nobody\nScriptAlias /cgi /none\nWSGITelemetryService unix:/tmp/t.sock\n"
    )
    return Facts(Instance(binary, "/etc/apache2/apache2.conf", pid, uid=33), tree, live=live)


def test_the_table_has_this_process() -> None:
    table = collectors_host.process_table()
    assert table[os.getpid()] == {"parent": os.getppid(), "uid": os.geteuid()}
    assert os.getpid() in collectors_host._below(os.getppid(), table)
    assert collectors_host._ours(os.getpid())


@pytest.mark.parametrize(
    ("field", "locked"),
    [("!", True), ("*", True), ("!!", True), ("!$6$x$y", True), ("", False), ("$y$j9T$a$b", False), ("x" * 13, False)],
)
def test_passwords(field: str, locked: bool) -> None:
    shadow = f"root:*:1::::::\nshop-app:{field}:1::::::\nshop:$6$a$b:1::::::\n"
    assert collectors_host.password_locked("shop-app", shadow) is locked
    assert collectors_host.password_locked("other", shadow) is None


@given(st.text(), st.text())
def test_any_shadow_can_be_read(name: str, shadow: str) -> None:
    assert collectors_host.password_locked(name, shadow) in (True, False, None)


def test_secrets_in_a_command_line() -> None:
    words = ["/usr/sbin/apache2", "-DFOREGROUND", "-DDB_PASSWORD=x", "-c", "SetEnv API_TOKEN abc", "-k", "start"]
    assert secret_names(collectors_host._pairs(words)) == ["API_TOKEN", "DB_PASSWORD"]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/apache2.service\n", "apache2.service"),
        ("12:pids:/x\n1:name=systemd:/system.slice/httpd.service\n0::/\n", "httpd.service"),
        ("0::/system.slice/system-apache2.slice/apache2@shop.service\n", "apache2@shop.service"),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/x.service\n", "x.service"),
        ("0::/machine.slice/libpod-1.scope\n", ""),
        ("0::/\n", ""),
        ("", ""),
    ],
)
def test_units(cgroup: str, unit: str) -> None:
    assert collectors_host.unit_of(cgroup) == unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1min 30s", 90),
        ("infinity", None),
        ("", None),
        ("500ms", 0.5),
        ("2us", 2e-6),
        ("1h", 3600),
        ("2d", 172800),
        ("1w 1s", 604801),
        ("1month", 2629800),
        ("1y", 31557600),
        ("1.5.s", None),
        ("5x", None),
        ("nonsense", None),
    ],
)
def test_spans(text: str, seconds: float | None) -> None:
    assert span(text) == seconds


@given(st.text())
def test_any_text_is_a_span_or_none(text: str) -> None:
    assert (span(text) or 0) >= 0


def test_when_a_socket_was_made_is_when_apache_read_its_configuration(tmp_path: Path) -> None:
    with contextlib.ExitStack() as sockets:
        plain = sockets.enter_context(socket.socket(socket.AF_UNIX))
        other = sockets.enter_context(socket.socket(socket.AF_UNIX))
        for number, one in enumerate((plain, other), 1):
            path = tmp_path / f"wsgi.{os.getpid()}.{number}.1.sock"
            one.bind(str(path))
            one.listen()
            os.utime(path, (number * 1000, number * 1000))
        # The newer generation counts.
        assert collectors_host.loaded(os.getpid(), []) == [2000, 2000]


def test_without_a_socket_it_is_the_start_of_its_processes() -> None:
    with sleeper() as first:
        time.sleep(0.05)
        with sleeper() as second:
            early, late = collectors_host.loaded(first.pid, [first.pid, second.pid])
            assert time.time() - 60 < early < late < time.time() + 1
            with pytest.raises(OSError, match="no process"):
                collectors_host.loaded(first.pid, [])


def test_files_that_changed_or_were_linked(tmp_path: Path) -> None:
    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "link"
    for path, at in ((old, 100), (new, 300)):
        path.touch()
        os.utime(path, (at, at))
    link.symlink_to(old)
    os.utime(link, (400, 400), follow_symlinks=False)
    files = [str(old), str(new), str(link), str(tmp_path / "gone")]
    assert collectors_host.changed(files, 200) == {str(new): 300, str(link): 400}


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


def test_limits_of_a_process() -> None:
    command = ["/bin/sh", "-c", "ulimit -v 1000000; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        time.sleep(0.1)
        bounds = collectors_host._bounds(process.pid)
        process.communicate()
    assert bounds["address space"] == str(1000000 * 1024)
    assert bounds["data"] == "unlimited"
    assert {"memory.max", "pids.max"} <= set(bounds)


def test_limits_of_a_cgroup_and_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "system.slice/apache2.service").mkdir(parents=True)
    (tmp_path / "system.slice/memory.max").write_text("500\n", encoding="utf-8")
    (tmp_path / "system.slice/apache2.service/memory.max").write_text("max\n", encoding="utf-8")
    path = "/../../system.slice/apache2.service"
    assert list(collectors_host._limits(str(tmp_path), path, "memory.max")) == ["max", "500"]


def test_limits_of_both_versions_of_cgroups(tmp_path: Path) -> None:
    for path, value in {
        "system.slice/apache2.service/memory.max": "900",
        "system.slice/memory.max": "500",
        "system.slice/pids.max": "max",
        "memory/x/memory.limit_in_bytes": "300",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "pids/pids.max": "77",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{value}\n", encoding="utf-8")

    def bounds(cgroup: str) -> tuple[str, str]:
        found = collectors_host.cgroup_bounds(cgroup, str(tmp_path))
        return found["memory.max"], found["pids.max"]

    assert bounds("0::/system.slice/apache2.service\n") == ("500", "max")
    assert bounds("4:memory:/x/y\n3:pids:/y\n0::/\n") == ("300", "77")
    assert bounds("4:memory:/\n1:name=systemd:/x\n") == ("max", "max")
    assert bounds("") == ("max", "max")


@as_root
def test_another_parent_of_the_same_command_line() -> None:
    binary = os.path.realpath("/bin/cat")
    with sleeper() as parent, sleeper() as twin, sleeper(0, "-") as other, sleeper(ONE) as account:
        table = collectors_host.process_table()
        found = collectors_host._twins(parent.pid, binary, table)
        assert twin.pid in found
        assert not {parent.pid, other.pid, account.pid} & set(found)
        # One that it started itself is none.
        table[twin.pid]["parent"] = parent.pid
        assert twin.pid not in collectors_host._twins(parent.pid, binary, table)


@as_root
def test_interpreters_of_apache_s_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with sleeper(ONE) as process:
        facts = host_of(os.getppid())
        facts.instance.uid = ONE
        monkeypatch.setattr(collectors_host, "_INTERPRETERS", re.compile("cat$"))
        # Below Apache it is one of its own.
        assert collectors_host._foreign(facts, collectors_host.process_table()) == []
        facts.instance.pid = process.pid + 1
        assert collectors_host._foreign(facts, collectors_host.process_table()) == ["cat"]
        monkeypatch.setattr(collectors_host, "_INTERPRETERS", re.compile("php"))
        assert collectors_host._foreign(facts, collectors_host.process_table()) == []


@pytest.mark.parametrize(
    ("name", "matches"),
    [("php-fpm8.2", True), ("python3.11", True), ("node", True), ("nginx", False), ("htcacheclean", False)],
)
def test_which_programs_run_what_somebody_wrote(name: str, matches: bool) -> None:
    assert bool(collectors_host._INTERPRETERS.match(name)) is matches


def test_what_sudoers_say_of_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sudoers"
    file.write_text("nobody ALL=NOPASSWD: ALL\n", encoding="utf-8")
    monkeypatch.setattr(collectors_host, "read_sudoers", lambda: read_sudoers(str(file)))
    assert [row["source"] for row in collectors_host.host_facts(host_of(None), no_run).accounts["shop"]["sudo"]] == [
        f"{file}:1"
    ]
    file.unlink()
    assert collectors_host.host_facts(host_of(None), no_run).accounts["shop"]["sudo"] == []
    file.mkdir()
    assert "sudoers" in collectors_host.host_facts(host_of(None), no_run).unknown


@as_root
def test_an_account_that_owns_its_files_in_proc_may_look_into_it() -> None:
    with sleeper(ONE) as process:
        assert collectors_host._dumpable([row(process, ONE)])
    # What became another account, as a daemon does, cannot be looked into.
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(ONE)
        os.write(writing, b"x")
        signal.pause()
    os.read(reading, 1)
    assert not collectors_host._dumpable([{"pid": child, "uid": ONE}])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not collectors_host._dumpable([{"pid": child, "uid": ONE}])


@as_root
def test_who_reaches_whom_is_tried_out() -> None:
    with sleeper(ONE) as first, sleeper(ONE) as second, sleeper(OTHER) as third:
        live: dict[str, Any] = {"a": [row(first, ONE)], "b": [row(second, ONE)], "c": [row(third, OTHER)]}
        reach = collectors_host._reach(host_of(os.getpid(), **live))
        third.kill()
        third.wait()
        after = collectors_host._reach(host_of(os.getpid(), **live))
    assert reach == {
        "a": {"signal": ["b"], "environment": ["b"]},
        "b": {"signal": ["a"], "environment": ["a"]},
        "c": {"signal": [], "environment": []},
    }
    assert after == reach


def test_children_and_their_command_lines() -> None:
    with sleeper(0, "-", "DB_PASSWORD=hunter2") as process:
        facts = host_of(os.getpid(), os.path.realpath("/bin/cat"))
        (found,) = [
            one
            for one in collectors_host._children(facts, collectors_host.process_table())
            if one["pid"] == process.pid
        ]
    assert found["own"]
    assert found["secrets"] == ["DB_PASSWORD"]
    assert "hunter2" not in str(found)


@as_root
def test_a_child_of_root_s_gets_a_moment_to_become_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with sleeper():
        collectors_host._children(host_of(os.getpid(), os.path.realpath("/bin/cat")), collectors_host.process_table())
        assert len(slept) == 1
        collectors_host._children(host_of(os.getpid(), "/usr/sbin/apache2"), collectors_host.process_table())
    with sleeper(ONE):
        collectors_host._children(host_of(os.getpid(), os.path.realpath("/bin/cat")), collectors_host.process_table())
    assert len(slept) == 1


def test_script_aliases_with_something_to_run(tmp_path: Path) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full/x.cgi").touch()
    lines = [f"ScriptAlias /{name} {tmp_path}/{name}" for name in ("full", "empty", "none", "full/x.cgi")]
    lines.append(f"ScriptAliasMatch ^/m/(.*) {tmp_path}/full/$1")
    found = collectors_host._scripts(Facts(Instance("", ""), read_tree("\n".join(lines))))
    names = {path[len(str(tmp_path)) + 1 :]: runs for path, runs in found.items()}
    assert names == {"full": True, "empty": False, "none": False, "full/x.cgi": True, "full/$1": True}


def test_a_child_whose_program_is_hidden_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "_program", lambda pid: "")
    with sleeper() as process:
        binary = os.path.realpath("/bin/cat")
        found = [collectors_host._child(process.pid, {}, name) for name in (binary, "/usr/sbin/apache2")]
    assert [row["own"] for row in found if row] == [True, False]


def test_an_account_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    home.chmod(0o755)
    (home / ".ssh/authorized_keys").write_text("ssh-ed25519 A\n", encoding="utf-8")
    (home / ".ssh/authorized_keys2").touch()
    nobody = pwd.getpwnam("nobody")
    values = [*nobody[:5], str(home), "/bin/sh"]
    host = HostFacts()
    with sleeper(nobody.pw_uid if os.geteuid() == 0 else 0):
        account = collectors_host._account(pwd.struct_passwd(values), collectors_host.process_table(), set(), host)
    assert account["home_mode"] == 0o755
    assert account["keys"] == [f"{home}/.ssh/authorized_keys"]
    assert account["jobs"] == []
    assert nobody.pw_gid in account["groups"]
    assert set(account["groups"]) <= set(host.group_names)
    if os.geteuid() == 0:
        assert (account["locked"], account["shadow"]) == (True, "")
        assert not [name for name in account["others"] if name.startswith("python")]
        assert "cat" in account["others"]


@as_root
def test_homes_are_looked_into_where_their_mode_lets_everybody(tmp_path: Path) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        if above.stat().st_uid == 0 and above != Path("/tmp"):
            above.chmod(0o755)
    rows = []
    for name, mode in (("open", 0o755), ("shut", 0o750), ("passed", 0o711)):
        home = tmp_path / name
        (home / "static").mkdir(parents=True)
        for file in (home / "notes", home / "static/a.css"):
            file.write_text("x", encoding="utf-8")
        home.chmod(mode)
        rows.append({"uid": 990, "home": str(home), "home_mode": mode})
    config = f"<VirtualHost *:80>\nAlias /static {tmp_path}/open/static\n</VirtualHost>"
    collectors_host._look_into_homes(Facts(Instance("", ""), read_tree(config)), rows)
    assert [row["home_files"] for row in rows] == [[f"{tmp_path}/open/notes"], [], []]


@pytest.mark.parametrize("path", ["/", "/nonexistent", "/usr/games", "/var/www", "/tmp"])
def test_places_that_are_nobody_s_home(path: str) -> None:
    assert collectors_host._home_mode(path) is None


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


def test_an_apache_that_does_not_run_has_accounts_all_the_same() -> None:
    facts = host_of(None)
    host = collectors_host.host_facts(facts, no_run)
    assert host.accounts["shop"]["name"] == "nobody"
    assert host.scripts == {"/none": False}
    assert "/tmp" in host.telemetry["/tmp/t.sock"]
    assert host.children == []


def systemctl(text: str) -> Any:
    return lambda arguments, environment=None, data=None: text


def test_settings_of_the_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(collectors_host, "_RUNNING_SYSTEMD", str(tmp_path))
    said = "LoadState=loaded\nUser=\nBindPaths=/a:/b=c\n"
    unit = collectors_host._unit("apache2.service", systemctl(said))
    assert unit == {"name": "apache2.service", "LoadState": "loaded", "User": "", "BindPaths": "/a:/b=c"}
    for name, answer in (("x.service", "LoadState=not-found\n"), ("", said)):
        with pytest.raises(PalisadeError):
            collectors_host._unit(name, systemctl(answer))
    monkeypatch.setattr(collectors_host, "_RUNNING_SYSTEMD", str(tmp_path / "none"))
    with pytest.raises(PalisadeError, match="no systemd"):
        collectors_host._unit("apache2.service", systemctl(said))


# --- Packages

MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libc.so.6
7f02-7f03 r-xp 00000000 08:01 2                          /usr/lib/apache2/modules/mod_wsgi.so-3.11{}
7f04-7f05 rw-p 00000000 00:00 0
"""


@pytest.mark.parametrize("end", ["", " (deleted)"])
def test_the_module_in_memory(end: str) -> None:
    assert packages.module_file(MAPS.format(end)) == f"/usr/lib/apache2/modules/mod_wsgi.so-3.11{end}"
    assert packages.module_file("") == ""


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of dpkg with one package of mod_wsgi."""
    info = tmp_path / "dpkg/info"
    info.mkdir(parents=True)
    (info / "libapache2-mod-wsgi-py3:amd64.list").write_text("/.\n/usr/lib/mod_wsgi.so\n", encoding="utf-8")
    (tmp_path / "dpkg/status").write_text(
        "Package: libapache2-mod-wsgi-py3-dev\nVersion: 1\n\nPackage: libapache2-mod-wsgi-py3\nStatus: install ok\n"
        "Version: 4.7.1-3+deb11u1\n\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(packages, "_DPKG", str(tmp_path / "dpkg"))
    monkeypatch.setattr(packages, "_DOCUMENTS", str(tmp_path / "doc"))
    return tmp_path


def test_a_package_of_debian(dpkg: Path) -> None:
    found = packages.package_of("/usr/lib/mod_wsgi.so", no_run)
    assert (found["package"], found["version"], found["mended"]) == ("libapache2-mod-wsgi-py3", "4.7.1-3+deb11u1", None)
    documents = dpkg / "doc/libapache2-mod-wsgi-py3"
    documents.mkdir(parents=True)
    with gzip.open(documents / "changelog.Debian.gz", "wt") as text:
        text.write("  * Fix X-Client-IP (CVE-2022-2255)\n")
    assert packages.package_of("/usr/lib/mod_wsgi.so", no_run)["mended"] == ["CVE-2022-2255"]
    (documents / "changelog.Debian.gz").write_bytes(b"no gzip")
    assert packages.package_of("/usr/lib/mod_wsgi.so", no_run)["mended"] is None


def test_a_file_of_no_package(dpkg: Path) -> None:
    assert packages.package_of("/opt/mod_wsgi.so", no_run)["package"] == ""


def test_a_package_of_redhat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "_DPKG", str(tmp_path))
    monkeypatch.setattr(packages, "_RPM", "/bin/true")

    def rpm(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        return "- fix CVE-2014-0240\n" if "--changelog" in arguments else "mod_wsgi 3.4-18.el7\n"

    found = packages.package_of("/usr/lib64/httpd/modules/mod_wsgi.so", rpm)
    assert (found["package"], found["version"], found["mended"]) == ("mod_wsgi", "3.4-18.el7", ["CVE-2014-0240"])
    assert packages.package_of("/opt/mod_wsgi.so", no_run)["package"] == ""
    monkeypatch.setattr(packages, "_RPM", str(tmp_path / "none"))
    assert packages.package_of("/opt/mod_wsgi.so", no_run)["package"] is None


def test_sockets_of_telemetry_and_what_everybody_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(stat.S_IRWXU | stat.S_IWOTH)
    tree = read_tree(f"WSGITelemetryService unix:{place}/t.sock\nWSGITelemetryService unix:{tmp_path}/t.sock\n")
    found = collectors_host._telemetry(Facts(Instance("", ""), tree))
    assert str(place) in found[f"{place}/t.sock"]
    assert str(tmp_path) not in found[f"{tmp_path}/t.sock"]


def test_a_library_that_was_replaced(tmp_path: Path) -> None:
    library = tmp_path / "lib.so.1.2"
    library.write_bytes(b"\0" * 4096)
    with library.open("rb") as file, mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ):
        processes = [{"pid": os.getpid()}, {"pid": 2**22 + 1}]
        assert str(library) not in collectors_host._stale(processes)
        library.unlink()
        assert str(library) in collectors_host._stale(processes)


# --- The edges


@pytest.mark.parametrize(
    ("uid", "regular"),
    [(999, False), (1000, True), (61183, True), (61184, False), (65519, False), (65520, True)],
)
def test_numbers_of_persons(uid: int, regular: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "_highest_system_uid", lambda: 999)
    nobody = pwd.getpwnam("nobody")
    entry = pwd.struct_passwd(("shop-app", "x", uid, nobody.pw_gid, "", "/nonexistent", "/bin/false"))
    apache, other = 2**22 + 1, 2**22 + 2
    table = {pid: {"parent": 1, "uid": uid} for pid in (apache, os.getpid())} | {other: {"parent": 1, "uid": uid + 1}}
    # Those of Apache's are no others.
    found = collectors_host._account(entry, table, {apache}, HostFacts())
    assert (found["name"], found["uid"], found["gid"]) == ("shop-app", uid, nobody.pw_gid)
    assert (found["shell"], found["home"], found["home_mode"]) == ("/bin/false", "/nonexistent", None)
    assert (found["home_files"], found["sudo"], found["keys"], found["jobs"]) == ([], [], [], [])
    assert found["regular"] is regular
    assert found["others"] == [os.path.basename(os.readlink("/proc/self/exe"))]


def test_a_shadow_that_does_not_tell_is_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.getpwnam("nobody")
    monkeypatch.setattr(collectors_host, "password_locked", lambda _name, _text: None)
    found = collectors_host._account(entry, {}, set(), HostFacts())
    assert (found["locked"], found["shadow"]) == (None, "not in /etc/shadow")

    def refused(_path: str, _size: int = 0) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(collectors_host, "_key_files", lambda _entry: [])
    monkeypatch.setattr(collectors_host, "_highest_system_uid", lambda: 999)
    monkeypatch.setattr(collectors_host, "_read", refused)
    found = collectors_host._account(entry, {}, set(), HostFacts())
    assert (found["locked"], found["shadow"]) == (None, "[Errno 13] Permission denied")


@pytest.mark.parametrize(
    ("text", "highest"),
    [("SYS_UID_MAX 499\n", 499), ("#SYS_UID_MAX 499\n", 999), ("  SYS_UID_MAX\t\t200\n", 200), ("UID_MIN 1000\n", 999)],
)
def test_the_highest_number_of_the_system(text: str, highest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "_read", lambda _path: text)
    assert collectors_host._highest_system_uid() == highest


def test_without_login_defs_it_is_999(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_path: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(collectors_host, "_read", gone)
    assert collectors_host._highest_system_uid() == 999


def test_where_sshd_looks_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/ssh/sshd_config": "Port 22\n  authorizedkeysfile=/etc/keys/%u %h/more\n#AuthorizedKeysFile /no\n",
        "/etc/ssh/sshd_config.d/a.conf": "AuthorizedKeysFile .ssh/authorized_keys .ssh/b\n",
    }
    monkeypatch.setattr(collectors_host, "_read", files.__getitem__)
    asked: list[str] = []
    monkeypatch.setattr("glob.glob", noting(asked, list(files)[1:]))
    entry = pwd.struct_passwd(("shop-app", "x", 990, 990, "", "/srv/shop", "/bin/false"))
    assert collectors_host._key_files(entry) == [
        "/srv/shop/.ssh/authorized_keys",
        "/srv/shop/.ssh/authorized_keys2",
        "/etc/keys/shop-app",
        "/srv/shop/more",
        "/srv/shop/.ssh/b",
    ]
    assert asked == ["/etc/ssh/sshd_config.d/*.conf"]


def test_where_crontabs_of_an_account_are() -> None:
    assert collectors_host._spools("shop-app") == [
        f"/var/spool/cron/{name}" for name in ("crontabs/shop-app", "tabs/shop-app", "shop-app")
    ]


def test_an_empty_file_and_a_directory_are_no_crontab(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("x", encoding="utf-8")
    found = [collectors_host._filled(str(tmp_path / name)) for name in ("empty", "full", "gone", ".")]
    assert found == [False, True, False, False]


def test_the_mode_of_a_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o1757)
    assert collectors_host._home_mode(str(tmp_path)) == 0o1757
    (tmp_path / "file").touch()
    assert collectors_host._home_mode(str(tmp_path / "file")) is None


def test_which_account_a_pool_has() -> None:
    root, nobody = pwd.getpwuid(0), pwd.getpwnam("nobody")
    assert collectors_host._entry("nobody", []) == nobody
    assert collectors_host._entry(f"#{nobody.pw_uid}", []) == nobody
    # What runs counts more than what is declared.
    assert collectors_host._entry("nobody", [{"uid": 0}]) == root
    assert [collectors_host._entry(name, []) for name in ("", "#", "#x", "no-such-account")] == [None] * 4
    assert collectors_host._entry("nobody", [{"uid": ONE}]) is None


def test_names_of_the_groups_that_are_declared_and_those_that_processes_have() -> None:
    host = HostFacts()
    collectors_host._name_groups("root,#77,#x,no-such-group,", [{"groups": [0, ONE], "gids": [0, 1]}], host)
    assert host.group_ids == {"root": 0, "#77": 77}
    assert host.group_names == {0: "root", 1: grp.getgrgid(1).gr_name, ONE: str(ONE)}


def test_who_owns_the_code(tmp_path: Path) -> None:
    assert collectors_host._owners({str(tmp_path): "home", "/": "home", str(tmp_path / "gone"): "entry"}) == sorted(
        {0, os.geteuid()}
    )


@as_root
def test_what_the_parent_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "unit_of", lambda text: text.splitlines()[0][:2])
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "user": ONE, "group": ONE, "extra_groups": []}
    with subprocess.Popen(["/bin/cat"], env={"DB_PASSWORD": "x", "PWD": "/"}, **options) as process:
        # Before exec the environment is the test's own.
        while b"DB_PASSWORD" not in Path(f"/proc/{process.pid}/environ").read_bytes():
            pass
        found = collectors_host._parent(process.pid)
        process.communicate()
    assert (found["uid"], found["environment"]) == (ONE, ["DB_PASSWORD"])
    whole = Path("/proc/self/uid_map").read_text(encoding="ascii").split() == ["0", "0", "4294967295"]
    assert found["mapped"] is not whole
    assert found["unit"] == Path("/proc/self/cgroup").read_text(encoding="ascii")[:2]


@pytest.mark.parametrize(("text", "expected"), [("1\n", True), ("0\n", False), (None, None)])
def test_whether_selinux_enforces(text: str | None, expected: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: str) -> str:
        assert path == "/sys/fs/selinux/enforce"
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr(collectors_host, "_read", read)
    assert collectors_host._enforcing() is expected


def test_the_label_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "_read", lambda path: f"{path} (enforce)\n\0")
    assert collectors_host._label(7) == "/proc/7/attr/current (enforce)"

    def refused(_path: str) -> str:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(collectors_host, "_read", refused)
    assert collectors_host._label(7) == ""


def test_a_child_of_apache_s() -> None:
    with sleeper(0, "-", "x" * 300) as process:
        binary = os.path.realpath("/bin/cat")
        found = collectors_host._child(process.pid, {process.pid: "shop"}, binary)
    assert found
    assert (found["pid"], found["uid"], found["pool"], found["hidden"]) == (process.pid, os.geteuid(), "shop", False)
    assert (found["program"], found["own"], found["secrets"]) == (binary, True, [])
    assert found["command"] == f"/bin/cat - {'x' * 300}"[:200]
    assert collectors_host._child(2**22 + 1, {}, binary) is None


def test_what_a_container_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not collectors_host._hidden(os.getpid())

    def refused(_path: str) -> str:
        raise PermissionError

    monkeypatch.setattr(os, "readlink", refused)
    assert collectors_host._hidden(os.getpid())
    assert collectors_host._program(os.getpid()) == ""
    assert not collectors_host._ours(os.getpid())


def test_each_setting_that_a_rule_judges_is_asked_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "_RUNNING_SYSTEMD", str(tmp_path))
    asked: list[str] = []

    def run(arguments: Sequence[str], environment: Any = None, data: Any = None) -> str:
        asked.extend(arguments)
        return "LoadState=loaded\nodd line\n"

    assert collectors_host._unit("-x.service", run) == {"name": "-x.service", "LoadState": "loaded"}
    properties = asked.pop(3)
    assert asked == ["systemctl", "show", "--no-pager", "--", "-x.service"]
    # Also those that make ProtectHome= harmless.
    judged = {*audit_facts.UNIT, "BindPaths", "BindReadOnlyPaths"} - {"name"}
    assert set(properties[len("--property=") :].split(",")) == judged


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [("", "loaded", "belongs to no unit"), ("x.service", "masked", "does not have x.service")],
)
def test_a_unit_that_is_none(name: str, unit: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "_RUNNING_SYSTEMD", str(tmp_path))
    with pytest.raises(PalisadeError, match=words):
        collectors_host._unit(name, systemctl(f"LoadState={unit}\n"))


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


def test_the_packages_of_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_host, "package_of", lambda path, _run: {"path": path})
    facts = host_of(None)
    assert collectors_host._packages(facts, no_run) == {"apache": {"path": "/bin/cat"}}
    facts.instance.pid = os.getpid()
    for end in ("", " (deleted)"):
        monkeypatch.setattr(collectors_host, "module_file", lambda _maps, end=end: f"/x/mod_wsgi.so{end}")
        assert collectors_host._packages(facts, no_run) == {
            "apache": {"path": "/bin/cat", "replaced": False},
            "module": {"path": "/x/mod_wsgi.so", "replaced": bool(end)},
        }
    monkeypatch.setattr(collectors_host, "module_file", lambda _maps: "")
    assert list(collectors_host._packages(facts, no_run)) == ["apache"]
    really = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: f"{really(path)} (deleted)")
    assert collectors_host._packages(facts, no_run)["apache"]["replaced"] is True
    assert collectors_host._program(os.getpid()) == really("/proc/self/exe")


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
