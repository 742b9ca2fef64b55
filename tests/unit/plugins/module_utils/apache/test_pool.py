"""Rolling restarts of real processes, below a parent that starts them anew as Apache does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import pool as apache_pool
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, ApacheLayout
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.pool import (
    FAILED,
    IMPORTED,
    newest_change,
    release_of,
    report,
    roll,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.processes import live_pools
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.server import Configuration
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import run

# Starts PROCESSES processes of each pool, and another one for each that ends; SIGHUP is its reload.
PARENT = r"""
import os, signal, socket, sys
binary, child, names = sys.argv[1], sys.argv[2], sys.argv[3:]
generation, running = -1, {}
def log(*words):
    with open("log", "a") as file:
        print(*words, file=file)
def start(number):
    pid = os.fork()
    if pid == 0:
        os.execv(binary, [f"(wsgi:{names[number]})", "-c", child, names[number]])
    running[pid] = number
    log("start", names[number], pid)
def begin(*_):
    global generation, held, running
    generation, old, running = generation + 1, running, {}
    held = []
    for number in range(len(names)):
        held.append(socket.socket(socket.AF_UNIX))
        held[number].bind(f"wsgi.{os.getpid()}.{generation}.{number + 1}.sock")
        held[number].listen()
        os.set_inheritable(held[number].fileno(), True)
        for other in held[:number]:
            os.set_inheritable(other.fileno(), False)
        for _process in range(2):
            start(number)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
signal.signal(signal.SIGHUP, begin)
begin()
os.write(1, b"up\n")
while True:
    pid, _status = os.wait()
    if pid in running:
        log("end", names[running[pid]], pid)
        start(running.pop(pid))
"""
CHILD = r"""
import json, os, signal, sys, threading, time
with open(f"{sys.argv[1]}.json") as file:
    is_ = json.load(file)
signal.signal(signal.SIGUSR1, signal.SIG_IGN if is_["stubborn"] else lambda *_: os._exit(0))
os.chdir(is_["home"])
if is_["ends"]:
    sys.exit(1)
for _thread in range(is_["threads"]):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
if is_["mark"]:
    os.memfd_create(is_["mark"])
while True:
    signal.pause()
"""
BEHAVIOUR = {"threads": 2, "mark": IMPORTED, "ends": False, "stubborn": False}
OPTIONS = {"processes": "2", "threads": "2"}


class Lab:
    """A parent with two pools, whose processes behave as told when they start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.binary = directory / "apache2"
        shutil.copy(os.path.realpath(sys.executable), self.binary)
        self.layout: ApacheLayout = replace(DEBIAN, binary=str(self.binary))
        self.pools: list[dict[str, Any]] = [{"name": name, "options": dict(OPTIONS)} for name in ("public", "admin")]
        for release in ("one", "two"):
            (directory / "releases" / release / "code").mkdir(parents=True)
        self.switch("one")
        for pool in self.pools:
            self.behave(pool["name"])
        self.parent = subprocess.Popen(
            [self.binary, "-c", PARENT, self.binary, CHILD, "public", "admin"],
            cwd=directory,
            env={**os.environ, "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}"},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.parent.stdout
        assert self.parent.stdout.readline() == "up\n"
        roll(self.layout, ["public", "admin"], run, since=0.0)

    def behave(self, name: str, **behaviour: Any) -> None:
        text = json.dumps({**BEHAVIOUR, "home": str(self.directory / "current" / "code"), **behaviour})
        # As a whole: a process may be reading it.
        new = self.directory / "new.json"
        new.write_text(text)
        new.rename(self.directory / f"{name}.json")

    def switch(self, release: str) -> str:
        new = self.directory / "new"
        new.symlink_to(f"releases/{release}")
        new.rename(self.directory / "current")
        return str(self.directory / "releases" / release)

    def pids(self, name: str) -> set[int]:
        live = live_pools(str(self.binary), self.pools)
        return next(({process["pid"] for process in pool["processes"]} for pool in live if pool["name"] == name), set())

    def releases(self, name: str) -> set[str]:
        # A process is in the directory of its parent for a moment.
        return {process["release"] for process in report(self.layout, [name], run)[0]["processes"]}

    def log(self) -> list[list[str]]:
        return [line.split() for line in (self.directory / "log").read_text().splitlines()]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    # The name of a socket is short.
    directory = tmp_path / "lab"
    directory.mkdir()
    configuration = Configuration()
    monkeypatch.setattr(server, "read_configuration", lambda *_: configuration)
    with contextlib.ExitStack() as stack:
        pools = [{"name": name, "options": dict(OPTIONS)} for name in ("public", "admin")]
        configuration.pools = pools
        made = Lab(directory)
        configuration.pools = made.pools

        def stop() -> None:
            os.killpg(made.parent.pid, signal.SIGKILL)
            made.parent.communicate()

        stack.callback(stop)
        yield made


def until(condition: Callable[[], bool]) -> None:
    for _turn in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_one_at_a_time_and_nothing_else(lab: Lab) -> None:
    before, others, begun = lab.pids("public"), lab.pids("admin"), len(lab.log())
    (pool,) = roll(lab.layout, ["public"], run)
    events = lab.log()[begun:]
    assert [(word, name) for word, name, _pid in events] == [("end", "public"), ("start", "public")] * 2
    assert {int(pid) for word, _name, pid in events if word == "end"} == before
    assert lab.pids("public") == {process["pid"] for process in pool["processes"]}
    assert {process["pid"]: process["replaced"] for process in pool["processes"]} == {
        int(events[index + 1][2]): int(events[index][2]) for index in (0, 2)
    }
    assert {(process["release"], process["stale"]) for process in pool["processes"]} == {("one", False)}
    assert all(0 <= process["age"] < 60 for process in pool["processes"])
    assert lab.pids("admin") == others


def test_fresh_processes_are_left_alone(lab: Lab) -> None:
    first = roll(lab.layout, ["public"], run, since=time.time())[0]["processes"]
    since = min(process["started"] for process in first) - 0.02
    again = roll(lab.layout, ["public"], run, since=since)[0]["processes"]
    assert [process["replaced"] for process in again] == [None, None]
    assert {process["pid"] for process in again} == {process["pid"] for process in first}


def test_an_interrupted_roll_is_finished(lab: Lab) -> None:
    release = lab.switch("two")
    old = lab.pids("public")
    # One was replaced already.
    os.kill(max(old), signal.SIGUSR1)
    until(lambda: len(lab.pids("public") - old) == 1)
    until(
        lambda: (
            {process["release"] for process in report(lab.layout, ["public"], run)[0]["processes"]} == {"one", "two"}
        )
    )
    (pool,) = report(lab.layout, ["public"], run, {"public": release}, 0.0)
    assert sorted((process["release"], process["stale"]) for process in pool["processes"]) == [
        ("one", True),
        ("two", False),
    ]
    (pool,) = roll(lab.layout, ["public"], run, {"public": release}, 0.0)
    assert [process["release"] for process in pool["processes"]] == ["two", "two"]
    assert [process["replaced"] for process in pool["processes"] if process["replaced"]] == [min(old)]


def test_what_is_not_wanted_goes_first(lab: Lab) -> None:
    lab.switch("two")
    old = lab.pids("public")
    # The younger one is of the release that the way back leads away from.
    os.kill(max(old), signal.SIGUSR1)
    until(lambda: lab.releases("public") == {"one", "two"})
    (broken,) = lab.pids("public") - old
    begun = len(lab.log())
    roll(lab.layout, ["public"], run, {"public": lab.switch("one")})
    assert [int(pid) for word, _name, pid in lab.log()[begun:] if word == "end"] == [broken, min(old)]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"ends": True}, "pool public: [0-9]+ new processes ended during their start; see its error log"),
        ({"mark": FAILED}, "pool public: the application could not be imported in its new process"),
        ({"mark": ""}, "pool public: after 1 s process [0-9]+ has not imported its application"),
        ({"threads": 1}, "pool public: after 1 s process [0-9]+ has 2 threads, expected 2 workers and its main thread"),
    ],
)
def test_a_replacement_that_does_not_come(behaviour: dict[str, Any], message: str, lab: Lab) -> None:
    old = lab.pids("public")
    lab.behave("public", **behaviour)
    with pytest.raises(PalisadeError, match=message) as caught:
        roll(
            lab.layout,
            ["public"],
            run,
            {"public": str(lab.directory / "releases/one")},
            None,
            20 if "ends" in behaviour else 1,
        )
    (left,) = lab.pids("public") & old
    assert str(caught.value).endswith(f"old processes were left running: {left}")
    # What is broken does not keep the way back from being rolled.
    lab.behave("public")
    (pool,) = roll(lab.layout, ["public"], run)
    assert not {process["pid"] for process in pool["processes"]} & old


def test_one_that_does_not_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.behave("public", stubborn=True)
    roll(lab.layout, ["public"], run)
    old = lab.pids("public")
    monkeypatch.setattr(apache_pool, "_MARGIN", 0.1)
    lab.pools[0]["options"].update({"eviction-timeout": "1", "shutdown-timeout": "1"})
    with pytest.raises(
        PalisadeError, match=r"did not end within 2 s of SIGUSR1 \(eviction-timeout=1, graceful-timeout=15"
    ):
        roll(lab.layout, ["public"], run)
    assert lab.pids("public") == old


def test_one_that_hangs_in_its_import(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.behave("public", stubborn=True, threads=0, mark="")
    good = lab.pids("public")
    for pid in good:
        os.kill(pid, signal.SIGUSR1)
    until(lambda: len(lab.pids("public") - good) == 2)
    hanging = lab.pids("public")
    lab.behave("public")
    monkeypatch.setattr(apache_pool, "_MARGIN", 0.5)
    lab.pools[0]["options"].update({"eviction-timeout": "1", "shutdown-timeout": "1"})
    # It never took a request, so none is lost.
    roll(lab.layout, ["public"], run)
    assert not lab.pids("public") & hanging


def test_nothing_to_restart(lab: Lab) -> None:
    before = lab.pids("public") | lab.pids("admin")
    assert roll(lab.layout, [], run) == []
    assert lab.pids("public") | lab.pids("admin") == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 20),
        ({"graceful-timeout": "3", "shutdown-timeout": "2"}, 5),
        ({"graceful-timeout": "3", "eviction-timeout": "7x"}, 12),
        # Without an end of its own.
        ({"graceful-timeout": "0"}, 70),
        ({"graceful-timeout": "1", "shutdown-timeout": "0"}, 66),
    ],
)
def test_how_long_one_may_take_to_end(options: dict[str, str], expected: int) -> None:
    pool = {"name": "public", "options": options}
    assert apache_pool._Pool(DEBIAN, [pool], pool, "", None, 65)._seconds_to_end() == expected


def test_no_other_process_is_signalled(lab: Lab) -> None:
    pool = apache_pool._Pool(lab.layout, lab.pools, lab.pools[0], "", None, 1)
    with subprocess.Popen(["sleep", "600"]) as bystander:
        assert pool._end(bystander.pid) is False
        (theirs, *_others) = lab.pids("admin")
        assert pool._end(theirs) is False
        assert bystander.poll() is None
        bystander.kill()
        bystander.wait()
        assert pool._end(bystander.pid) is False
    assert theirs in lab.pids("admin")


def test_a_reload_of_apache_on_the_way(lab: Lab) -> None:
    lab.behave("public", stubborn=True)
    roll(lab.layout, ["public"], run)
    lab.behave("public")
    old = lab.pids("public")
    reload = threading.Timer(0.5, lambda: lab.parent.send_signal(signal.SIGHUP))
    reload.start()
    # It waits for a process that ends by the reload only.
    (pool,) = roll(lab.layout, ["public"], run)
    reload.join()
    assert {process["pid"] for process in pool["processes"]} == lab.pids("public")
    assert not lab.pids("public") & old


def test_several_pools_at_once(lab: Lab) -> None:
    old = lab.pids("public") | lab.pids("admin")
    threads = [threading.Thread(target=roll, args=(lab.layout, [name], run)) for name in ("public", "admin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    new = lab.pids("public") | lab.pids("admin")
    assert len(new) == 4
    assert not new & old


def test_a_pool_with_an_unknown_name(lab: Lab) -> None:
    with pytest.raises(PalisadeError, match=r"pool 'publik': .* no WSGIDaemonProcess .* did you mean 'public'\?"):
        roll(lab.layout, ["admin", "publik"], run)
    with pytest.raises(PalisadeError, match="pool 'amdin'"):
        roll(lab.layout, ["admin"], run, {"amdin": "/srv"})
    assert [pool["name"] for pool in report(lab.layout, [], run)] == ["public", "admin"]


def test_a_release_that_is_not_served(lab: Lab) -> None:
    with pytest.raises(PalisadeError, match=r"still run in one, expected .*/releases/two"):
        roll(lab.layout, ["public"], run, {"public": str(lab.directory / "releases/two")})


def test_without_apache_or_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = replace(DEBIAN, binary=str(tmp_path / "apache2"))
    with pytest.raises(PalisadeError, match="Apache is not running on this host"):
        roll(layout, ["public"], run)
    monkeypatch.setattr(apache_pool, "apache_parent", lambda _binary: 1)
    monkeypatch.setattr(server, "read_configuration", lambda *_: Configuration(error="Syntax error"))
    with pytest.raises(PalisadeError, match=r"Apache rejects its configuration, .*: Syntax error"):
        roll(layout, ["public"], run)


def test_processes_from_before_there_were_marks(lab: Lab) -> None:
    lab.behave("public", mark="")
    marked = lab.pids("public")
    for pid in marked:
        os.kill(pid, signal.SIGUSR1)
    until(lambda: len(lab.pids("public") - marked) == 2)
    old = lab.pids("public")
    until(lambda: lab.releases("public") == {"one"})
    wanted = {"public": lab.switch("one")}
    # As on the way back of a deploy: they work in the release that is wanted, and nothing shows how they came to it.
    roll(lab.layout, ["public"], run, wanted, 0.0, 5)
    assert lab.pids("public") == old


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/var/lib/public-app/releases/1f3870be/code", "1f3870be"),
        ("/srv/releases/7", "7"),
        ("/srv/shop", "/srv/shop"),
        ("/srv/releases", "/srv/releases"),
        (None, ""),
    ],
)
def test_releases_of_processes(directory: str | None, expected: str) -> None:
    assert release_of(directory) == expected


def test_the_newest_change(tmp_path: Path) -> None:
    assert newest_change([]) == newest_change([str(tmp_path / "missing")]) == 0
    (tmp_path / "link").symlink_to("nowhere")
    link = (tmp_path / "link").lstat().st_ctime
    assert newest_change(["/etc", str(tmp_path / "link")]) == link


class Endless(apache_pool._Pool):
    """A pool whose processes are stale however often they are replaced, as after a clock that was turned."""

    def __init__(self, processes: int) -> None:
        self.name, self.options, self.release, self.since = "public", {"processes": str(processes)}, "", None
        self.seconds, self.ended = 60.0, 0
        self.marked: set[bool] = set()
        self.processes = [{"pid": number, "started": 1.0, "cwd": "/srv"} for number in range(processes)]
        self.first = set(range(processes))

    def live(self) -> Any:
        return self.processes

    def _await_ready(self, marked: bool) -> Any:
        self.marked.add(marked)
        return self.processes

    def _end(self, pid: int) -> bool:
        self.ended += 1
        return True


@pytest.mark.parametrize("processes", [1, 3, 5])
def test_a_roll_ends_whatever_the_clock_says(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apache_pool, "marks", lambda pid: set())
    pool = Endless(processes)
    told = "^pool public: its new processes still run in /srv, expected processes that started"
    with pytest.raises(PalisadeError, match=told):
        pool.roll()
    # Each twice, and some more: a reload on the way brings new ones too.
    assert pool.ended == 2 * processes + 2


@pytest.mark.parametrize(
    ("release", "held", "marked"),
    [("", None, False), ("", set(), False), ("", {IMPORTED}, True), ("/srv", set(), True), ("/srv", None, True)],
)
def test_whether_an_import_leaves_a_mark(
    release: str, held: set[str] | None, marked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our entry files leave one; of a hand-made site its processes of before tell."""
    monkeypatch.setattr(apache_pool, "marks", lambda pid: held)
    pool = Endless(1)
    pool.release = release
    with pytest.raises(PalisadeError, match="still run in"):
        pool.roll()
    assert pool.marked == {marked}


def test_what_is_stale() -> None:
    pool = Endless(2)
    old, new = {"pid": 1, "started": 9.0, "cwd": "/r/2/code"}, {"pid": 7, "started": 5.0, "cwd": "/r/2/code"}
    assert [pool.is_stale(process) for process in (old, new)] == [True, False]
    pool.since = 5.0
    assert [pool.is_stale(process) for process in (old, new, {**new, "started": 4.9})] == [False, False, True]
    pool.release = "/r/2"
    others = ["/r/2", "/r/2/code", "/r/22/code", "/r/1/code", None]
    assert [pool.is_stale({**new, "cwd": where}) for where in others] == [False, False, True, True, False]


def test_what_is_told_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 10.0)
    pool = Endless(1)
    pool.processes = [
        {"pid": 0, "started": 7.499, "cwd": "/x/releases/r1/code"},
        {"pid": 5, "started": 11.0, "cwd": None},
    ]
    assert pool.described({5: 0}) == {
        "name": "public",
        "processes": [
            {"pid": 0, "age": 2.5, "started": 7.5, "release": "r1", "stale": True, "replaced": None},
            {"pid": 5, "age": 0.0, "started": 11.0, "release": "", "stale": False, "replaced": 0},
        ],
    }


@pytest.mark.parametrize(("text", "expected"), [("7", 7), (" 7x", 7), ("x", 0), ("", 0), (None, 15), (7, 7)])
def test_options_as_apache_reads_them(text: Any, expected: int) -> None:
    pool = Endless(1)
    pool.options = {} if text is None else {"threads": text}
    assert pool.option("threads") == expected
    assert {name: pool.option(name) for name in ("processes", "graceful-timeout", "eviction-timeout")} == {
        "processes": 1,
        "graceful-timeout": 15,
        "eviction-timeout": 0,
    }
    assert pool.option("shutdown-timeout") == 5


class Stubborn(Endless):
    """A pool whose processes do not end."""

    _end = apache_pool._Pool._end


@pytest.mark.parametrize(
    ("answers", "waits", "told"),
    [
        (False, [25000, 5000], [signal.SIGUSR1, signal.SIGKILL]),
        (True, [25000], [signal.SIGUSR1]),
    ],
)
def test_how_long_an_end_is_waited_for(
    answers: bool, waits: list[int], told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that answers requests is not killed, however long it takes."""
    waited: list[float] = []
    sent: list[int] = []

    class Poll:
        def register(self, *_what: Any) -> None:
            pass

        def poll(self, milliseconds: float) -> list[Any]:
            waited.append(milliseconds)
            return []

    monkeypatch.setattr(select, "poll", Poll)
    monkeypatch.setattr(os, "pidfd_open", lambda pid: os.open("/dev/null", os.O_RDONLY))
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda _descriptor, number: sent.append(number))
    monkeypatch.setattr(apache_pool, "thread_count", lambda pid: 99 if answers else 1)
    with pytest.raises(PalisadeError, match=r"process 0 did not end within 25 s of SIGUSR1 \(eviction-timeout=0, "):
        Stubborn(1)._end(0)
    assert (waited, sent) == (waits, told)
