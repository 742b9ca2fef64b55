"""What is read of processes: real ones where that is possible."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import proc
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import (
    processes as collectors_processes,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.secret_names import secret_names
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.live import (
    ONE,
    OTHER,
    as_root,
    host_of,
    row,
    sleeper,
)


def test_secrets_in_a_command_line() -> None:
    words = ["/usr/sbin/apache2", "-DFOREGROUND", "-DDB_PASSWORD=x", "-c", "SetEnv API_TOKEN 'a b'", "-k", "start"]
    assert secret_names(collectors_processes._pairs(words)) == ["API_TOKEN", "DB_PASSWORD"]


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
    assert collectors_processes.unit_of(cgroup) == unit


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
        assert collectors_processes.loaded(os.getpid(), []) == [2000, 2000]


def test_without_a_socket_it_is_the_start_of_its_processes() -> None:
    with sleeper() as first:
        time.sleep(0.05)
        with sleeper() as second:
            early, late = collectors_processes.loaded(first.pid, [first.pid, second.pid])
            assert time.time() - 60 < early < late < time.time() + 1
            with pytest.raises(OSError, match="no process"):
                collectors_processes.loaded(first.pid, [])


def test_files_that_changed_or_were_linked(tmp_path: Path) -> None:
    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "link"
    for path, at in ((old, 100), (new, 300)):
        path.touch()
        os.utime(path, (at, at))
    link.symlink_to(old)
    os.utime(link, (400, 400), follow_symlinks=False)
    files = [str(old), str(new), str(link), str(tmp_path / "gone")]
    assert collectors_processes.changed(files, 200) == {str(new): 300, str(link): 400}


@as_root
def test_another_parent_of_the_same_command_line() -> None:
    binary = os.path.realpath("/bin/cat")
    with sleeper() as parent, sleeper() as twin, sleeper(0, "-") as other, sleeper(ONE) as account:
        table = proc.process_table()
        found = collectors_processes.twins(parent.pid, binary, table)
        assert twin.pid in found
        assert not {parent.pid, other.pid, account.pid} & set(found)
        # One that it started itself is none.
        table[twin.pid]["parent"] = parent.pid
        assert twin.pid not in collectors_processes.twins(parent.pid, binary, table)


@as_root
def test_interpreters_of_apache_s_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with sleeper(ONE) as process:
        facts = host_of(os.getppid())
        facts.instance.uid = ONE
        monkeypatch.setattr(collectors_processes, "_INTERPRETERS", re.compile("cat$"))
        # Below Apache it is one of its own.
        assert collectors_processes.foreign(facts, proc.process_table()) == []
        facts.instance.pid = process.pid + 1
        assert collectors_processes.foreign(facts, proc.process_table()) == ["cat"]
        monkeypatch.setattr(collectors_processes, "_INTERPRETERS", re.compile("php"))
        assert collectors_processes.foreign(facts, proc.process_table()) == []


@pytest.mark.parametrize(
    ("name", "matches"),
    [("php-fpm8.2", True), ("python3.11", True), ("node", True), ("nginx", False), ("htcacheclean", False)],
)
def test_which_programs_run_what_somebody_wrote(name: str, matches: bool) -> None:
    assert bool(collectors_processes._INTERPRETERS.match(name)) is matches


@as_root
def test_an_account_that_owns_its_files_in_proc_may_look_into_it() -> None:
    with sleeper(ONE) as process:
        assert collectors_processes.dumpable([row(process, ONE)])
    # What became another account, as a daemon does, cannot be looked into.
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(ONE)
        os.write(writing, b"x")
        signal.pause()
    os.read(reading, 1)
    assert not collectors_processes.dumpable([{"pid": child, "uid": ONE}])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not collectors_processes.dumpable([{"pid": child, "uid": ONE}])


@as_root
def test_who_reaches_whom_is_tried_out() -> None:
    with sleeper(ONE) as first, sleeper(ONE) as second, sleeper(OTHER) as third:
        live: dict[str, Any] = {"a": [row(first, ONE)], "b": [row(second, ONE)], "c": [row(third, OTHER)]}
        reach = collectors_processes.reach(host_of(os.getpid(), **live))
        third.kill()
        third.wait()
        after = collectors_processes.reach(host_of(os.getpid(), **live))
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
            one for one in collectors_processes.children(facts, proc.process_table()) if one["pid"] == process.pid
        ]
    assert found["own"]
    assert found["secrets"] == ["DB_PASSWORD"]
    assert "hunter2" not in str(found)


@as_root
def test_a_child_of_root_s_gets_a_moment_to_become_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    # Its own only: what starts the child may wait, too.
    monkeypatch.setattr(collectors_processes, "time", SimpleNamespace(sleep=slept.append))
    with sleeper():
        collectors_processes.children(host_of(os.getpid(), os.path.realpath("/bin/cat")), proc.process_table())
        assert len(slept) == 1
        collectors_processes.children(host_of(os.getpid(), "/usr/sbin/apache2"), proc.process_table())
    with sleeper(ONE):
        collectors_processes.children(host_of(os.getpid(), os.path.realpath("/bin/cat")), proc.process_table())
    assert len(slept) == 1


def test_a_child_whose_program_is_hidden_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_processes, "program_of", lambda pid: "")
    with sleeper() as process:
        binary = os.path.realpath("/bin/cat")
        found = [collectors_processes._child(process.pid, {}, name) for name in (binary, "/usr/sbin/apache2")]
    assert [row["own"] for row in found if row] == [True, False]


def test_a_library_that_was_replaced(tmp_path: Path) -> None:
    library = tmp_path / "lib.so.1.2"
    library.write_bytes(b"\0" * 4096)
    with library.open("rb") as file, mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ):
        processes = [{"pid": os.getpid()}, {"pid": 2**22 + 1}]
        assert str(library) not in collectors_processes.stale(processes)
        library.unlink()
        assert str(library) in collectors_processes.stale(processes)


@as_root
def test_what_the_parent_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_processes, "unit_of", lambda text: text.splitlines()[0][:2])
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "user": ONE, "group": ONE, "extra_groups": []}
    with subprocess.Popen(["/bin/cat"], env={"DB_PASSWORD": "x", "PWD": "/"}, **options) as process:
        # Before exec the environment is the test's own.
        while b"DB_PASSWORD" not in Path(f"/proc/{process.pid}/environ").read_bytes():
            pass
        found = collectors_processes.parent_facts(process.pid)
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

    monkeypatch.setattr(collectors_processes, "read_text", read)
    assert collectors_processes._enforcing() is expected


def test_the_label_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_processes, "read_text", lambda path: f"{path} (enforce)\n\0")
    assert collectors_processes._label(7) == "/proc/7/attr/current (enforce)"

    def refused(_path: str) -> str:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(collectors_processes, "read_text", refused)
    assert collectors_processes._label(7) == ""


def test_a_child_of_apache_s() -> None:
    with sleeper(0, "-", "x" * 300) as process:
        binary = os.path.realpath("/bin/cat")
        found = collectors_processes._child(process.pid, {process.pid: "shop"}, binary)
    assert found
    assert (found["pid"], found["uid"], found["pool"], found["hidden"]) == (process.pid, os.geteuid(), "shop", False)
    assert (found["program"], found["own"], found["secrets"]) == (binary, True, [])
    assert found["command"] == f"/bin/cat - {'x' * 300}"[:200]
    assert collectors_processes._child(2**22 + 1, {}, binary) is None


def test_what_a_container_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not collectors_processes._hidden(os.getpid())

    def refused(_path: str) -> str:
        raise PermissionError

    monkeypatch.setattr(os, "readlink", refused)
    assert collectors_processes._hidden(os.getpid())
    assert proc.program_of(os.getpid()) == ""
    assert not proc.is_ours(os.getpid())
