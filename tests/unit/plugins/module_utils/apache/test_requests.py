"""Requests that pools are answering, counted on real sockets named as mod_wsgi names them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import requests, server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.requests import (
    await_requests,
    running_requests,
    warning,
    words,
)

Ask = Callable[..., socket.socket]


def run(*_command: Any, **_more: Any) -> str:
    return ""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Return a function that sends a request to the pool of a number, which a process has accepted."""
    monkeypatch.setattr(requests, "apache_parent", lambda _binary: os.getpid())
    pools = [{"name": "blog"}, {"name": "shop"}]
    monkeypatch.setattr(server, "read_configuration", lambda _layout, _run: SimpleNamespace(pools=pools))
    # A path of a socket is short.
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as opened:
        places = {}
        for number in (1, 2, 3):
            places[number] = opened.enter_context(socket.socket(socket.AF_UNIX))
            places[number].bind(f"wsgi.{os.getpid()}.0.{number}.sock")
            places[number].listen()

        def asked(number: int, accept: bool = True) -> socket.socket:
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(f"wsgi.{os.getpid()}.0.{number}.sock")
            if accept:
                opened.enter_context(places[number].accept()[0])
            return client

        yield asked


def test_nothing_runs(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (running_requests(DEBIAN, run), await_requests(DEBIAN, 5, run)) == ({}, {})
    ask(1)
    monkeypatch.setattr(requests, "apache_parent", lambda _binary: None)
    assert (running_requests(DEBIAN, run), await_requests(DEBIAN, 5, run)) == ({}, {})


def test_requests_are_counted_by_pool(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait for a thread too; and a pool that is not in the configuration any more."""
    for number in (2, 2, 1, 3):
        ask(number)
    ask(1, accept=False)
    assert running_requests(DEBIAN, run) == {"another pool": 1, "blog": 2, "shop": 2}
    # Of another Apache.
    monkeypatch.setattr(requests, "apache_parent", lambda _binary: 1)
    assert running_requests(DEBIAN, run) == {}


class Clock:
    """Stands for time, which passes while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(requests, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize("accept", [True, False])
def test_a_request_that_does_not_end(accept: bool, ask: Ask, clock: Clock) -> None:
    ask(2, accept)
    assert await_requests(DEBIAN, 5, run) == {"shop": 1}
    assert clock.now == 105
    assert await_requests(DEBIAN, 0, run) == {}
    assert clock.now == 105


def test_a_request_that_ends(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = connections(monkeypatch, clock, {"a": (0, 3), "b": (0, 1)})
    assert await_requests(DEBIAN, 5, run) == {}
    assert clock.now == 103
    assert looks[0] == {"a": 1, "b": 1}


def connections(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, spans: dict[str, tuple[float, float]]
) -> list[dict[str, int]]:
    """Let requests be there from one second to another, and return what was seen."""
    looks: list[dict[str, int]] = []

    def look(parent: int) -> dict[str, int]:
        assert parent == 7
        looks.append({name: 1 for name, (first, last) in spans.items() if first <= round(clock.now - 100, 3) < last})
        return looks[-1]

    monkeypatch.setattr(requests, "apache_parent", lambda _binary: 7)
    monkeypatch.setattr(requests, "_connections", look)
    pools = [{"name": "blog"}]
    monkeypatch.setattr(server, "read_configuration", lambda _layout, _run: SimpleNamespace(pools=pools))
    return looks


def test_short_requests_keep_nobody_waiting(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is always one, and none is there for longer than half a second.
    connections(monkeypatch, clock, {str(number): (number / 4, number / 4 + 0.5) for number in range(-1, 40)})
    assert await_requests(DEBIAN, 5, run) == {}
    assert clock.now < 101


def test_a_request_that_begins_while_another_is_waited_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    connections(monkeypatch, clock, {"a": (-1, 2), "b": (0.5, 4), "c": (3.5, 4.2)})
    assert await_requests(DEBIAN, 9, run) == {}
    assert clock.now == 104
    clock.now = 100
    assert await_requests(DEBIAN, 3, run) == {"blog": 1}
    assert clock.now == 103


def test_words() -> None:
    assert [words({}), words({"shop": 1})] == ["", "1 request (shop 1)"]
    assert words({"blog": 2, "shop": 1}) == "3 requests (blog 2, shop 1)"
    assert warning({}, 10) == []
    assert warning({"shop": 1}, 10) == [
        "Apache reloaded after 10 s of waiting with 1 request (shop 1) still running; see wsgi_server_reload_wait"
    ]
