"""Clients that are slow, long or large on purpose."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import attack as send
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import content

GROUP = "Using up the server's time and memory"
HOST = "Host: forum.test\r\n"
CLOSE = f"{HOST}Connection: close\r\n"
# The default bound is 15 s, with a byte a second.
SECONDS = 20
SLOW = {
    "header": [f"GET / HTTP/1.1\r\n{HOST}X-Slow: ", *[1, "x"] * SECONDS],
    "body": [f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1000\r\n\r\n", *[1, "x"] * SECONDS],
}
SIZE = 20_000_000
CROWD, VISITOR = (
    (Path(__file__).parents[1] / "benchmark/abuse" / name).read_text() for name in ("crowd.py", "visitor.py")
)


@cache
def slow(there: Deployment) -> dict[str, dict[str, Any]]:
    """Send both at once."""
    answers = send(there.host, list(SLOW.values()), seconds=SECONDS)["answers"]
    return dict(zip(SLOW, answers, strict=True))


def held(answer: dict[str, Any]) -> Outcome:
    if answer["status"] is None:
        return succeeded(f"the connection still holds a thread after {SECONDS} s")
    if answer["status"] == 408 and 14 < answer["seconds"] < SECONDS:
        return refused("408 after 15 s")
    raise UnclearError(f"status {answer['status']} after {answer['seconds']} s")


def large(there: Deployment, pieces: list[Any], *statuses: int) -> Outcome:
    (answer,) = send(there.host, [pieces])["answers"]
    arrived = content(answer["text"])
    if answer["status"] == 200 and arrived.get("account") == there.account("forum"):
        bytes_of_headers = sum(len(value) for name, value in arrived["environ"].items() if name.startswith("HTTP_X"))
        return succeeded(f"the app gets {arrived['size'] + bytes_of_headers} bytes")
    if answer["status"] in statuses:
        return refused(f"{answer['status']}")
    raise UnclearError(f"status {answer['status']}")


@attack(GROUP, 141, "L6", variant="no-limits")
def send_a_header_slowly(there: Deployment) -> Outcome:
    """Sends a byte of a header a second, and never ends."""
    return held(slow(there)["header"])


@attack(GROUP, 144, "L6", variant="no-limits")
def send_a_body_slowly(there: Deployment) -> Outcome:
    """Sends a byte of a body a second."""
    return held(slow(there)["body"])


@attack(GROUP, 139, "L4")
def send_a_large_body(there: Deployment) -> Outcome:
    """Sends 20 MB."""
    head = f"POST / HTTP/1.1\r\n{CLOSE}Content-Length: {SIZE}\r\n\r\n"
    return large(there, [head, ["x", SIZE]], 413)


@attack(GROUP, 139, "L4", variant="no-limits")
def send_a_large_body_in_chunks(there: Deployment) -> Outcome:
    """Sends 20 MB in pieces, without saying how much it will be."""
    head = f"POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n"
    return large(there, [head, f"{SIZE:x}\r\n", ["x", SIZE], "\r\n0\r\n\r\n"], 411, 413)


@attack(GROUP, 140, "L5", variant="no-limits")
def send_a_large_header(there: Deployment) -> Outcome:
    """Sends one header of 100 kB."""
    return large(there, [f"GET / HTTP/1.1\r\n{CLOSE}X-Large: ", ["x", 100_000], "\r\n\r\n"], 400)


@attack(GROUP, 140, "L5", variant="no-limits")
def send_many_headers(there: Deployment) -> Outcome:
    """Sends 2000 headers."""
    headers = "".join(f"X-{number}: {'x' * 50}\r\n" for number in range(2000))
    return large(there, [f"GET / HTTP/1.1\r\n{CLOSE}{headers}\r\n"], 400)


def crowded(there: Deployment, connections: int, addresses: int) -> Outcome:
    """Hold the connections to forum, and let a visitor from another address ask both sites meanwhile."""
    crowd = {
        "way": "slow_header+slow_body",
        "address": "127.0.0.1",
        "port": 80,
        "name": "forum.test",
        "connections": connections,
        "sources": [f"127.0.1.{number}" for number in range(1, addresses + 1)],
        "seconds": 15,
        "pause": 1,
    }
    sites = [{"name": "forum.test"}, {"name": "shop.test"}]
    visitor = {
        "address": "127.0.0.1",
        "source": "127.0.0.1",
        "seconds": 10,
        "patience": 5,
        "pause": 0.2,
        "sites": sites,
    }
    said = there.run(
        "python3 -c %s %s >/dev/null 2>&1 & sleep 3; python3 -c %s %s; wait",
        CROWD,
        json.dumps(crowd),
        VISITOR,
        json.dumps(visitor),
    )
    rows = json.loads(said)
    if all(row["answers"] and not row["other"] for row in rows):
        return refused("a visitor of both sites gets every answer")
    if all(row["other"] for row in rows):
        return succeeded("a visitor of both sites waits in vain")
    raise UnclearError(f"answers and failures: {[(len(row['answers']), row['other']) for row in rows]}")


@attack(GROUP, 141, "L6", "L10")
def hold_four_hundred_slow_connections(there: Deployment) -> Outcome:
    """Holds 400 connections to forum from one address, half with a slow header and half with a slow body."""
    return crowded(there, 400, 1)


@attack(GROUP, 141, "L6", "L10")
def hold_two_thousand_slow_connections(there: Deployment) -> Outcome:
    """Holds 2,000 such connections from 40 addresses, 50 each."""
    return crowded(there, 2000, 40)
