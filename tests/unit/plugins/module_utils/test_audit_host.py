"""What is read of accounts, processes and the unit: with real processes and files where that is possible."""

from __future__ import annotations

import contextlib
import dataclasses
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
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _audit_host, _audit_packages
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_access import as_account
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, HostFacts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rules import report
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rules_pools import span
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_sudoers import read_sudoers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils import audit_facts
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
    table = _audit_host.process_table()
    assert table[os.getpid()] == {"parent": os.getppid(), "uid": os.geteuid()}
    assert os.getpid() in _audit_host._below(os.getppid(), table)
    assert _audit_host._ours(os.getpid())


@pytest.mark.parametrize(
    ("field", "locked"),
    [("!", True), ("*", True), ("!!", True), ("!$6$x$y", True), ("", False), ("$y$j9T$a$b", False), ("x" * 13, False)],
)
def test_passwords(field: str, locked: bool) -> None:
    shadow = f"root:*:1::::::\nshop-app:{field}:1::::::\nshop:$6$a$b:1::::::\n"
    assert _audit_host.password_locked("shop-app", shadow) is locked
    assert _audit_host.password_locked("other", shadow) is None


@given(st.text(), st.text())
def test_any_shadow_can_be_read(name: str, shadow: str) -> None:
    assert _audit_host.password_locked(name, shadow) in (True, False, None)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "x", True),
        ("dbPassword", "x", True),
        ("API_KEY", "x", True),
        ("SECRET_KEY", "x", True),
        ("AWS_SECRET_ACCESS_KEY", "x", True),
        ("GITHUB_TOKEN", "x", True),
        ("DATABASE_URL", "postgres://shop:pw@db/shop", True),
        ("DATABASE_URL", "postgres://db/shop", False),
        ("DB_PASSWORD", "", False),
        ("DB_PASSWORD_FILE", "/run/secrets/db", False),
        ("GPG_KEY", "A035C8", False),
        ("STRIPE_PUBLIC_KEY", "pk", False),
        ("PWD", "/", False),
        ("APACHE_RUN_USER", "www-data", False),
        ("APACHE_ULIMIT_MAX_FILES", "x", False),
        ("KEYBOARD", "x", False),
        ("nokeepalive", "1", False),
        ("force-response-1.0", "1", False),
    ],
)
def test_names_of_secrets(name: str, value: str, secret: bool) -> None:
    assert _audit_host.secret_names([(name, value)]) == ([name] if secret else [])


def test_secrets_in_a_command_line() -> None:
    words = ["/usr/sbin/apache2", "-DFOREGROUND", "-DDB_PASSWORD=x", "-c", "SetEnv API_TOKEN abc", "-k", "start"]
    assert _audit_host.secret_names(_audit_host._pairs(words)) == ["API_TOKEN", "DB_PASSWORD"]


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
    assert _audit_host.unit_of(cgroup) == unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1min 30s", 90), ("infinity", None), ("", None), ("500ms", 0.5), ("1h", 3600), ("nonsense", None)],
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
        assert _audit_host.loaded(os.getpid(), []) == [2000, 2000]


def test_without_a_socket_it_is_the_start_of_its_processes() -> None:
    with sleeper() as first:
        time.sleep(0.05)
        with sleeper() as second:
            early, late = _audit_host.loaded(first.pid, [first.pid, second.pid])
            assert time.time() - 60 < early < late < time.time() + 1
            with pytest.raises(OSError, match="no process"):
                _audit_host.loaded(first.pid, [])


def test_files_that_changed_or_were_linked(tmp_path: Path) -> None:
    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "link"
    for path, at in ((old, 100), (new, 300)):
        path.touch()
        os.utime(path, (at, at))
    link.symlink_to(old)
    os.utime(link, (400, 400), follow_symlinks=False)
    files = [str(old), str(new), str(link), str(tmp_path / "gone")]
    assert _audit_host.changed(files, 200) == {str(new): 300, str(link): 400}


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
    assert _audit_host.pkill_jobs([f"{tmp_path}/*"]) == [f"{tmp_path}/bad", f"{tmp_path}/long"]


def test_limits_of_a_process() -> None:
    command = ["/bin/sh", "-c", "ulimit -v 1000000; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        time.sleep(0.1)
        bounds = _audit_host._bounds(process.pid)
        process.communicate()
    assert bounds["address space"] == str(1000000 * 1024)
    assert bounds["data"] == "unlimited"
    assert {"memory.max", "pids.max"} <= set(bounds)


def test_limits_of_a_cgroup_and_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "system.slice/apache2.service").mkdir(parents=True)
    (tmp_path / "system.slice/memory.max").write_text("500\n", encoding="utf-8")
    (tmp_path / "system.slice/apache2.service/memory.max").write_text("max\n", encoding="utf-8")
    path = "/../../system.slice/apache2.service"
    assert list(_audit_host._limits(str(tmp_path), path, "memory.max")) == ["max", "500"]


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
        found = _audit_host.cgroup_bounds(cgroup, str(tmp_path))
        return found["memory.max"], found["pids.max"]

    assert bounds("0::/system.slice/apache2.service\n") == ("500", "max")
    assert bounds("4:memory:/x/y\n3:pids:/y\n0::/\n") == ("300", "77")
    assert bounds("4:memory:/\n1:name=systemd:/x\n") == ("max", "max")
    assert bounds("") == ("max", "max")


@as_root
def test_another_parent_of_the_same_command_line() -> None:
    binary = os.path.realpath("/bin/cat")
    with sleeper() as parent, sleeper() as twin, sleeper(0, "-") as other, sleeper(ONE) as account:
        table = _audit_host.process_table()
        found = _audit_host._twins(parent.pid, binary, table)
        assert twin.pid in found
        assert not {parent.pid, other.pid, account.pid} & set(found)
        # One that it started itself is none.
        table[twin.pid]["parent"] = parent.pid
        assert twin.pid not in _audit_host._twins(parent.pid, binary, table)


@as_root
def test_interpreters_of_apache_s_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with sleeper(ONE) as process:
        facts = host_of(os.getppid())
        facts.instance.uid = ONE
        monkeypatch.setattr(_audit_host, "_INTERPRETERS", re.compile("cat$"))
        # Below Apache it is one of its own.
        assert _audit_host._foreign(facts, _audit_host.process_table()) == []
        facts.instance.pid = process.pid + 1
        assert _audit_host._foreign(facts, _audit_host.process_table()) == ["cat"]
        monkeypatch.setattr(_audit_host, "_INTERPRETERS", re.compile("php"))
        assert _audit_host._foreign(facts, _audit_host.process_table()) == []


@pytest.mark.parametrize(
    ("name", "matches"),
    [("php-fpm8.2", True), ("python3.11", True), ("node", True), ("nginx", False), ("htcacheclean", False)],
)
def test_which_programs_run_what_somebody_wrote(name: str, matches: bool) -> None:
    assert bool(_audit_host._INTERPRETERS.match(name)) is matches


def test_what_sudoers_say_of_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sudoers"
    file.write_text("nobody ALL=NOPASSWD: ALL\n", encoding="utf-8")
    monkeypatch.setattr(_audit_host, "read_sudoers", lambda: read_sudoers(str(file)))
    assert [row["source"] for row in _audit_host.host_facts(host_of(None), no_run).accounts["shop"]["sudo"]] == [
        f"{file}:1"
    ]
    file.unlink()
    assert _audit_host.host_facts(host_of(None), no_run).accounts["shop"]["sudo"] == []
    file.mkdir()
    assert "sudoers" in _audit_host.host_facts(host_of(None), no_run).unknown


@as_root
def test_an_account_that_owns_its_files_in_proc_may_look_into_it() -> None:
    with sleeper(ONE) as process:
        assert _audit_host._dumpable([row(process, ONE)])
    # What became another account, as a daemon does, cannot be looked into.
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(ONE)
        os.write(writing, b"x")
        signal.pause()
    os.read(reading, 1)
    assert not _audit_host._dumpable([{"pid": child, "uid": ONE}])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not _audit_host._dumpable([{"pid": child, "uid": ONE}])


@as_root
def test_who_reaches_whom_is_tried_out() -> None:
    with sleeper(ONE) as first, sleeper(ONE) as second, sleeper(OTHER) as third:
        live: dict[str, Any] = {"a": [row(first, ONE)], "b": [row(second, ONE)], "c": [row(third, OTHER)]}
        reach = _audit_host._reach(host_of(os.getpid(), **live))
        third.kill()
        third.wait()
        after = _audit_host._reach(host_of(os.getpid(), **live))
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
            one for one in _audit_host._children(facts, _audit_host.process_table()) if one["pid"] == process.pid
        ]
    assert found["own"]
    assert found["secrets"] == ["DB_PASSWORD"]
    assert "hunter2" not in str(found)


@as_root
def test_a_child_of_root_s_gets_a_moment_to_become_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with sleeper():
        _audit_host._children(host_of(os.getpid(), os.path.realpath("/bin/cat")), _audit_host.process_table())
        assert len(slept) == 1
        _audit_host._children(host_of(os.getpid(), "/usr/sbin/apache2"), _audit_host.process_table())
    with sleeper(ONE):
        _audit_host._children(host_of(os.getpid(), os.path.realpath("/bin/cat")), _audit_host.process_table())
    assert len(slept) == 1


def test_script_aliases_with_something_to_run(tmp_path: Path) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full/x.cgi").touch()
    lines = [f"ScriptAlias /{name} {tmp_path}/{name}" for name in ("full", "empty", "none", "full/x.cgi")]
    lines.append(f"ScriptAliasMatch ^/m/(.*) {tmp_path}/full/$1")
    found = _audit_host._scripts(Facts(Instance("", ""), read_tree("\n".join(lines))))
    names = {path[len(str(tmp_path)) + 1 :]: runs for path, runs in found.items()}
    assert names == {"full": True, "empty": False, "none": False, "full/x.cgi": True, "full/$1": True}


def test_a_child_whose_program_is_hidden_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_host, "_program", lambda pid: "")
    with sleeper() as process:
        binary = os.path.realpath("/bin/cat")
        found = [_audit_host._child(process.pid, {}, name) for name in (binary, "/usr/sbin/apache2")]
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
        account = _audit_host._account(pwd.struct_passwd(values), _audit_host.process_table(), set(), host)
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
    for above in [tmp_path, *tmp_path.parents]:
        if above.stat().st_uid == 0 and above not in (Path("/"), Path("/tmp")):
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
    _audit_host._look_into_homes(Facts(Instance("", ""), read_tree(config)), rows)
    assert [row["home_files"] for row in rows] == [[f"{tmp_path}/open/notes"], [], []]


@pytest.mark.parametrize("path", ["/", "/nonexistent", "/usr/games", "/var/www", "/tmp"])
def test_places_that_are_nobody_s_home(path: str) -> None:
    assert _audit_host._home_mode(path) is None


def test_an_apache_that_vanished_makes_everything_unknown() -> None:
    with sleeper() as process:
        pass
    facts = host_of(process.pid, shop=[row(process, ONE)])
    facts.host = _audit_host.host_facts(facts, no_run)
    assert {"parent", "loaded", "twins", "bounds", "reach", "unit"} <= set(facts.host.unknown)
    assert not [one for one in report([facts], "1")["results"] if one["status"] == "error"]


@as_root
def test_without_root_it_says_what_it_could_not_read() -> None:
    with sleeper(OTHER) as process:
        facts = host_of(process.pid, shop=[row(process, OTHER)])
        account = {"uid": ONE, "gid": ONE, "groups": [ONE]}
        seen = as_account(account, lambda: dataclasses.asdict(_audit_host.host_facts(facts, no_run)))
    assert {"parent", "loaded", "reach"} <= set(seen["unknown"])


def test_an_apache_that_does_not_run_has_accounts_all_the_same() -> None:
    facts = host_of(None)
    host = _audit_host.host_facts(facts, no_run)
    assert host.accounts["shop"]["name"] == "nobody"
    assert host.scripts == {"/none": False}
    assert "/tmp" in host.telemetry["/tmp/t.sock"]
    assert host.children == []


def systemctl(text: str) -> Any:
    return lambda arguments, environment=None, data=None: text


def test_settings_of_the_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_audit_host, "_RUNNING_SYSTEMD", str(tmp_path))
    said = "LoadState=loaded\nUser=\nBindPaths=/a:/b=c\n"
    unit = _audit_host._unit("apache2.service", systemctl(said))
    assert unit == {"name": "apache2.service", "LoadState": "loaded", "User": "", "BindPaths": "/a:/b=c"}
    for name, answer in (("x.service", "LoadState=not-found\n"), ("", said)):
        with pytest.raises(PalisadeError):
            _audit_host._unit(name, systemctl(answer))
    monkeypatch.setattr(_audit_host, "_RUNNING_SYSTEMD", str(tmp_path / "none"))
    with pytest.raises(PalisadeError, match="no systemd"):
        _audit_host._unit("apache2.service", systemctl(said))


# --- Packages

MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libc.so.6
7f02-7f03 r-xp 00000000 08:01 2                          /usr/lib/apache2/modules/mod_wsgi.so-3.11{}
7f04-7f05 rw-p 00000000 00:00 0
"""


@pytest.mark.parametrize("end", ["", " (deleted)"])
def test_the_module_in_memory(end: str) -> None:
    assert _audit_packages.module_file(MAPS.format(end)) == f"/usr/lib/apache2/modules/mod_wsgi.so-3.11{end}"
    assert _audit_packages.module_file("") == ""


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
    monkeypatch.setattr(_audit_packages, "_DPKG", str(tmp_path / "dpkg"))
    monkeypatch.setattr(_audit_packages, "_DOCUMENTS", str(tmp_path / "doc"))
    return tmp_path


def test_a_package_of_debian(dpkg: Path) -> None:
    found = _audit_packages.package_of("/usr/lib/mod_wsgi.so", no_run)
    assert (found["package"], found["version"], found["mended"]) == ("libapache2-mod-wsgi-py3", "4.7.1-3+deb11u1", None)
    documents = dpkg / "doc/libapache2-mod-wsgi-py3"
    documents.mkdir(parents=True)
    with gzip.open(documents / "changelog.Debian.gz", "wt") as text:
        text.write("  * Fix X-Client-IP (CVE-2022-2255)\n")
    assert _audit_packages.package_of("/usr/lib/mod_wsgi.so", no_run)["mended"] == ["CVE-2022-2255"]
    (documents / "changelog.Debian.gz").write_bytes(b"no gzip")
    assert _audit_packages.package_of("/usr/lib/mod_wsgi.so", no_run)["mended"] is None


def test_a_file_of_no_package(dpkg: Path) -> None:
    assert _audit_packages.package_of("/opt/mod_wsgi.so", no_run)["package"] == ""


def test_a_package_of_redhat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_audit_packages, "_DPKG", str(tmp_path))
    monkeypatch.setattr(_audit_packages, "_RPM", "/bin/true")

    def rpm(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        return "- fix CVE-2014-0240\n" if "--changelog" in arguments else "mod_wsgi 3.4-18.el7\n"

    found = _audit_packages.package_of("/usr/lib64/httpd/modules/mod_wsgi.so", rpm)
    assert (found["package"], found["version"], found["mended"]) == ("mod_wsgi", "3.4-18.el7", ["CVE-2014-0240"])
    assert _audit_packages.package_of("/opt/mod_wsgi.so", no_run)["package"] == ""
    monkeypatch.setattr(_audit_packages, "_RPM", str(tmp_path / "none"))
    assert _audit_packages.package_of("/opt/mod_wsgi.so", no_run)["package"] is None


def test_sockets_of_telemetry_and_what_everybody_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(stat.S_IRWXU | stat.S_IWOTH)
    tree = read_tree(f"WSGITelemetryService unix:{place}/t.sock\nWSGITelemetryService unix:{tmp_path}/t.sock\n")
    found = _audit_host._telemetry(Facts(Instance("", ""), tree))
    assert str(place) in found[f"{place}/t.sock"]
    assert str(tmp_path) not in found[f"{tmp_path}/t.sock"]


def test_a_library_that_was_replaced(tmp_path: Path) -> None:
    library = tmp_path / "lib.so.1.2"
    library.write_bytes(b"\0" * 4096)
    with library.open("rb") as file, mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ):
        processes = [{"pid": os.getpid()}, {"pid": 2**22 + 1}]
        assert str(library) not in _audit_host._stale(processes)
        library.unlink()
        assert str(library) in _audit_host._stale(processes)
