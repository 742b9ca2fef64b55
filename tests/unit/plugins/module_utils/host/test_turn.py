"""One play at a time: who gets the turn, who waits, who is told to stop, and when a turn is over."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import turn
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.turn import ABANDONED, BusyError, held, leave, take

ALICE, BOB = ("alice@ops", "ops 7 Mon"), ("bob@web", "web 8 Tue")


class Clock:
    """Stands for the clock; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(turn, "FILE", str(tmp_path / "turn"))
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.delenv(turn.VARIABLE, raising=False)
    return clock


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., str]:
    def began(who: tuple[str, str] = ALICE, **fields: Any) -> str:
        monkeypatch.delenv(turn.VARIABLE, raising=False)
        taken = take(*who, **{"wait": 0, **fields})
        monkeypatch.setenv(turn.VARIABLE, taken)
        return taken

    return began


def test_a_free_turn_is_taken_by_root_alone(clock: Clock) -> None:
    first = take(*ALICE, wait=0)
    assert len(first) == 16
    assert os.stat(turn.FILE).st_mode & 0o777 == 0o600
    assert turn.FILE.startswith("/run/") or turn.FILE.endswith("turn")


def test_the_second_waits_and_is_told_for_whom(clock: Clock) -> None:
    first = take(*ALICE, wait=0)
    with pytest.raises(
        BusyError, match=r"^another play is changing this host: alice@ops started it at 20.* has ended$"
    ) as caught:
        take(*BOB, wait=ABANDONED - 1)
    assert (caught.value.turn.id, caught.value.turn.process) == (first, ALICE[1])
    assert ABANDONED - 1 <= clock.now - 1000 < ABANDONED


def test_a_turn_without_steps_is_over(clock: Clock) -> None:
    first = take(*ALICE, wait=0)
    second = take(*BOB, wait=ABANDONED + 1)
    assert second != first
    assert ABANDONED < clock.now - 1000 <= ABANDONED + 1


def test_each_step_keeps_the_turn(clock: Clock, begin: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    mine = begin()
    for _step in range(3):
        clock.now += ABANDONED - 1
        with held(check=False):
            # However long it takes.
            clock.now += 5000
    clock.now += ABANDONED
    monkeypatch.delenv(turn.VARIABLE)
    with pytest.raises(BusyError):
        take(*BOB, wait=0)
    monkeypatch.setenv(turn.VARIABLE, mine)
    assert take(*ALICE, wait=0) == mine


def test_plays_of_one_process_follow_one_another(clock: Clock) -> None:
    first = take(*ALICE, wait=0)
    assert take("alice@ops", ALICE[1], wait=0) != first
    # Nobody knows the process of a turn without one.
    take("somebody", "", wait=0, past=turn._read(os.open(turn.FILE, os.O_RDONLY)).id)
    with pytest.raises(BusyError):
        take("somebody", "", wait=0)


def test_a_play_that_has_ended_leaves_its_turn(clock: Clock) -> None:
    first = take(*ALICE, wait=0)
    with pytest.raises(BusyError):
        take(*BOB, wait=0, past="another")
    assert take(*BOB, wait=0, past=first) != first


@pytest.mark.parametrize("end", ["last", "failure", "leave"])
def test_the_end_of_a_turn(end: str, clock: Clock, begin: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    if end == "last":
        with held(check=False, last=True):
            pass
    elif end == "leave":
        leave()
    else:
        with pytest.raises(PalisadeError, match="no space"), held(check=False):
            raise PalisadeError("no space")
    monkeypatch.delenv(turn.VARIABLE)
    assert take(*BOB, wait=0)


def test_a_module_that_ends_in_a_step_keeps_the_turn(
    clock: Clock, begin: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    with pytest.raises(SystemExit), held(check=False):
        raise SystemExit(0)
    monkeypatch.delenv(turn.VARIABLE)
    with pytest.raises(BusyError):
        take(*BOB, wait=0)


def test_who_has_lost_the_turn_stops(clock: Clock, begin: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    mine = begin()
    clock.now += ABANDONED + 1
    other = begin(BOB)
    monkeypatch.setenv(turn.VARIABLE, mine)
    told = r"another play has begun on this host after 30 s .*: bob@web started it"
    with pytest.raises(PalisadeError, match=told), held(check=False):
        pytest.fail("the step ran")
    # That has not ended the other's.
    monkeypatch.setenv(turn.VARIABLE, other)
    with held(check=False):
        pass
    # Its next role begins anew, when the other has ended.
    monkeypatch.setenv(turn.VARIABLE, mine)
    with pytest.raises(BusyError):
        take(*ALICE, wait=0)


def test_whether_the_turn_is_lost(clock: Clock, begin: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    # A module of no play has none to lose.
    assert not turn.lost()
    begin()
    assert not turn.lost()
    monkeypatch.setenv(turn.VARIABLE, "another")
    assert turn.lost()


def test_check_mode_holds_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(turn.VARIABLE, "lost")
    with held(check=True):
        assert not Path(turn.FILE).exists()


def test_a_module_of_no_play_leaves_the_turn_as_it_is(clock: Clock) -> None:
    take(*ALICE, wait=0)
    before = Path(turn.FILE).read_bytes()
    clock.now += 1
    with held(check=False, last=True):
        pass
    assert Path(turn.FILE).read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "a"', '{"unknown": 1}', "\0" * 100])
def test_what_is_half_written_is_nobody_s(text: str, clock: Clock) -> None:
    Path(turn.FILE).write_text(text)
    assert take(*BOB, wait=0)


def test_a_link_in_its_place_is_not_followed(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "turn").symlink_to(tmp_path / "else")
    with pytest.raises(OSError, match="turn"):
        take(*BOB, wait=0)
    assert not (tmp_path / "else").exists()


def _step(path: str, ready: Any, wait: Any) -> None:
    turn.FILE = path
    with held(check=False):
        ready.set()
        wait.wait(20)


def test_a_killed_step_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "FILE", str(tmp_path / "turn"))
    monkeypatch.delenv(turn.VARIABLE, raising=False)
    context = multiprocessing.get_context("fork")
    ready, wait = context.Event(), context.Event()
    process = context.Process(target=_step, args=(turn.FILE, ready, wait))
    process.start()
    assert ready.wait(20)
    with pytest.raises(BusyError, match="somebody started it at an unknown time"):
        take(*BOB, wait=0)
    process.kill()
    process.join()
    assert take(*BOB, wait=0)
