"""A pool's timeouts cut what takes too long, and its processes end when they have done enough."""

from __future__ import annotations

import time
from collections import Counter

from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import attack, body
from testinfra.host import Host

Answer = tuple[int, str]


def answers(host: Host, *asked: tuple[str, str]) -> list[Answer]:
    """Ask apps for paths, all at once; return each status and what came with it."""
    connections = [[f"GET {path} HTTP/1.1\r\nHost: {app}.test\r\nConnection: close\r\n\r\n"] for app, path in asked]
    found = attack(host, connections, seconds=30)["answers"]
    return [(answer["status"], body(answer["text"])) for answer in found]


def process(host: Host, app: str) -> str:
    """Return the number of the process that answers now."""
    [(status, number)] = answers(host, (app, "/"))
    assert (status, number.isdigit()) == (200, True)
    return number


def wait_for_end(host: Host, app: str, number: str) -> None:
    """Wait for the end of a process, without a request to its pool."""
    deadline = time.monotonic() + 30
    while number in host.run("pgrep -u %s", f"{app}-app").stdout.split():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_pool_options_take_effect(host: Host) -> None:
    before = process(host, "recycled")
    # The other pool has the usual deadlock-timeout. Its request-timeout is a second for the average of ten threads.
    (cut, _page), (status, _number) = answers(host, ("recycled", "/hold/60"), ("bounded", "/hold/5"))
    assert (cut, status) == (500, 200)
    assert process(host, "recycled") != before


def test_process_ends_after_its_requests(host: Host) -> None:
    found = answers(host, *[("recycled", "/")] * 25)
    assert {status for status, _number in found} == {200}
    numbers = Counter(number for _status, number in found)
    # The first one had answered before.
    assert len(numbers) >= 3
    assert max(numbers.values()) == 10


def test_idle_and_busy_processes_are_replaced(host: Host) -> None:
    busy = process(host, "recycled")
    (status, idle), (cut, _page) = answers(host, ("bounded", "/"), ("recycled", "/compute/60"))
    assert (status, idle.isdigit(), cut) == (200, True, 500)
    wait_for_end(host, "bounded", idle)
    assert process(host, "bounded") != idle
    assert process(host, "recycled") != busy


def test_a_request_has_a_bound(host: Host) -> None:
    before = process(host, "bounded")
    assert {status for status, _page in answers(host, *[("bounded", "/sleep/60")] * 10)} == {500}
    assert process(host, "bounded") != before
