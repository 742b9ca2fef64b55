"""Live pools, read from real processes that hold sockets named as mod_wsgi names them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import processes
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.processes import (
    _pool_name,
    apache_children,
    apache_parent,
    live_pools,
    marks,
    parent_pid,
    started_at,
    thread_count,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP

# Each argument is a child's title, and the parent, generation and number in its socket's name; or it holds none.
PARENT = r"""
import os, socket, sys
os.umask(0o027)
for argument in sys.argv[2:]:
    title, _space, place = argument.partition(" ")
    held = socket.socket(socket.AF_UNIX)
    if place:
        held.bind(f"wsgi.{place.replace('PARENT', str(os.getpid()))}.sock")
        held.listen()
        os.set_inheritable(held.fileno(), True)
    if os.fork() == 0:
        # One write, since all of them share the pipe.
        child = "import os, time; os.write(1, b'up\\n'); time.sleep(600)"
        os.execv(sys.argv[1], [title, "-c", child])
    held.close()
os.write(1, b"up\n")
os.wait()
"""

Start = Callable[..., int]


@pytest.fixture
def binary(tmp_path: Path) -> str:
    """A program of its own file, as Apache is: the interpreter under another name."""
    copy = tmp_path / "apache2"
    shutil.copy(os.path.realpath(sys.executable), copy)
    return str(copy)


@pytest.fixture
def start(binary: str, tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(*children: str) -> int:
        process = subprocess.Popen(
            [binary, "-c", PARENT, binary, *children],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}"},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout
        assert [process.stdout.readline() for _child in (*children, "parent")] == ["up\n"] * (len(children) + 1)
        return process.pid

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def declared(*names: str, **users: str) -> list[dict[str, Any]]:
    return [{"name": name, "options": {"user": users.get(name, ME)}} for name in names]


def names_of(pools: list[dict[str, Any]]) -> dict[str, int]:
    return {pool["name"]: len(pool["processes"]) for pool in pools}


def test_nothing_runs(binary: str) -> None:
    assert apache_parent(binary) is None
    assert apache_children(binary) == set()
    assert live_pools(binary, declared("public")) == []


def test_pools_by_their_sockets(binary: str, start: Start, tmp_path: Path) -> None:
    began = time.time()
    parent = start("(wsgi:admin) PARENT.0.1", "(wsgi:publi PARENT.0.2", "apache2")
    assert apache_parent(binary) == parent
    children = apache_children(binary)
    assert len(children) == 3
    assert {parent_pid(pid) for pid in children} == {parent}
    pools = live_pools(binary, declared("admin", "public"))
    # A worker holds no pool's socket.
    assert names_of(pools) == {"admin": 1, "public": 1}
    (process,) = pools[1]["processes"]
    assert process["pid"] in children
    assert process | {"pid": 0, "started": 0.0} == {
        "pid": 0,
        "uid": os.getuid(),
        "gid": os.getgid(),
        "user": ME,
        "group": MY_GROUP,
        "groups": sorted(set(os.getgroups())),
        "umask": "0027",
        "cwd": str(tmp_path),
        "started": 0.0,
    }
    # To the second: clocks may be set meanwhile.
    assert began - 1 <= process["started"] <= time.time() + 1
    assert process["started"] == pytest.approx(started_at(process["pid"]), abs=1)


def test_the_newest_generation_counts(binary: str, start: Start) -> None:
    start("(wsgi:public) PARENT.0.1", "(wsgi:public) PARENT.1.1", "(wsgi:admin) PARENT.0.2")
    assert names_of(live_pools(binary, declared("public", "admin"))) == {"public": 1}


def test_another_apaches_socket_is_none_of_ours(binary: str, start: Start) -> None:
    start("(wsgi:public) PARENT.0.1", "(wsgi:admin) 1.0.2")
    assert names_of(live_pools(binary, declared("public", "admin"))) == {"public": 1}


def test_sockets_without_a_generation(binary: str, start: Start) -> None:
    start("(wsgi:public) PARENT.u1000.1", "(wsgi:admin) PARENT.u1001.2")
    assert names_of(live_pools(binary, declared("public", "admin"))) == {"public": 1, "admin": 1}


def test_one_whose_generation_is_unknown_counts_beside_others(binary: str, start: Start) -> None:
    start("(wsgi:public) PARENT.3.1", "(wsgi:admin) PARENT.u1001.2")
    assert names_of(live_pools(binary, declared("public", "admin"))) == {"public": 1, "admin": 1}


def test_a_pool_that_is_no_longer_declared(binary: str, start: Start) -> None:
    start("(wsgi:gone) PARENT.0.1", "(wsgi:public) PARENT.0.2")
    # On disk the first is removed already, so the second has another number.
    assert names_of(live_pools(binary, declared("public"))) == {"gone": 1, "public": 1}


def test_threads_and_marks_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, threading, time; os.memfd_create('a mark'); threading.Thread(target=input).start(); print()"
    with subprocess.Popen(
        [sys.executable, "-c", program + "; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        assert (thread_count(process.pid), marks(process.pid)) == (2, {"a mark"})
        process.kill()
    assert (thread_count(process.pid), marks(process.pid)) == (0, set())

    def hide(_path: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "readlink", hide)
    assert marks(os.getpid()) is None


@pytest.mark.parametrize(
    ("number", "shown", "user", "expected"),
    [
        (1, "/usr/sbin/apache2", "a", "public-one"),
        (1, "(wsgi:public-one)", "a", "public-one"),
        # Cut to the length of Apache's own name.
        (1, "(wsgi:public-on", "a", "public-one"),
        (2, "(wsgi:publi", "b", "public-two"),
        (1, "(wsgi:p", "a", "public-one"),
        (1, "(wsgi:", "a", "public-one"),
        # The number says another pool, or none: the label and the account decide.
        (1, "(wsgi:admi", "c", "admin"),
        (3, "(wsgi:publi", "b", "public-two"),
        (9, "(wsgi:public-t", "x", "public-two"),
        (0, "(wsgi:publi", "a", "public-one"),
        (9, "(wsgi:publi", "x", "publi"),
        (9, "(wsgi:other)", "a", "other"),
        (9, "/usr/sbin/apache2", "a", ""),
        (0, "apache2", "a", ""),
    ],
)
def test_names_of_pools(number: int, shown: str, user: str, expected: str) -> None:
    pools = declared("public-one", "public-two", "admin", **{"public-one": "a", "public-two": "b", "admin": "c"})
    assert _pool_name(number, shown, user, pools) == expected


@pytest.mark.parametrize("shown", ["(wsgi:127.0.0.1:8000:995)  ", "(wsgi:127.0.0.1:8", "(wsgi:127.0.0.1"])
def test_a_pool_that_shows_another_name_as_mod_wsgi_express_does(shown: str) -> None:
    pools = [{"name": "127.0.0.1:8000", "options": {"display-name": "(wsgi:127.0.0.1:8000:995)"}}]
    assert _pool_name(1, shown, "a", pools) == "127.0.0.1:8000"


def test_sockets_that_a_container_hides(binary: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ps shows is left; a worker of Apache is none."""
    start("(wsgi:public) PARENT.0.1", "worker PARENT.0.2")
    readlink = os.readlink

    def hide(path: str) -> str:
        if "/fd/" in path or path.endswith("/cwd"):
            raise PermissionError(13, "Permission denied", path)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", hide)
    (pool,) = live_pools(binary, declared("public", "admin"))
    assert (pool["name"], [process["cwd"] for process in pool["processes"]]) == ("public", [None])


def test_accounts_without_a_name() -> None:
    assert (processes._name_of_uid(2**31 - 9), processes._name_of_gid(2**31 - 9)) == ("2147483639", "2147483639")
    assert (processes._name_of_uid(0), processes._name_of_gid(0)) == ("root", "root")


def test_a_process_that_ends_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    readlink = os.readlink

    def closed(path: str) -> str:
        if "/fd/" in path:
            raise FileNotFoundError(path)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", closed)
    assert marks(os.getpid()) == set()
    assert processes._pool_socket(os.getpid(), 1, {}, "(wsgi:a)") is None


def test_where_the_processes_of_accounts_work(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as process:
        try:
            assert str(tmp_path) in processes.directories_of({ME})
            assert str(tmp_path) not in processes.directories_of({"nobody"})
            assert processes.directories_of(set()) == set()
        finally:
            process.kill()
