"""What is slow, long or large on purpose is cut at the bound that is set, and everybody else is served meanwhile."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import PROGRAM, attack, content
from testinfra.host import Host

Pieces = list[Any]


def request(name: str, *headers: str, line: str = "GET / HTTP/1.1") -> str:
    return "\r\n".join([line, f"Host: {name}", "Connection: close", *headers, "", ""])


def slow_header(name: str) -> Pieces:
    return [f"GET / HTTP/1.1\r\nHost: {name}\r\n", *[0.5, "X-Slow: 1\r\n"] * 30]


def half_a_header(name: str) -> Pieces:
    return [f"GET / HTTP/1.1\r\nHost: {name}\r\nX-Half"]


def slow_body(name: str) -> Pieces:
    return [request(name, "Content-Length: 1000", line="POST / HTTP/1.1"), *[0.5, "x"] * 30]


def large_body(name: str, size: int, path: str = "/") -> Pieces:
    return [request(name, f"Content-Length: {size}", line=f"POST {path} HTTP/1.1"), ["x", size]]


def chunked_body(name: str, size: int) -> Pieces:
    head = request(name, "Transfer-Encoding: chunked", line="POST / HTTP/1.1")
    return [head, f"{size:x}\r\n", ["x", size], "\r\n0\r\n\r\n"]


def many_headers(name: str, number: int) -> Pieces:
    # Host and Connection count, too.
    return [request(name, *(f"X-{index}: 1" for index in range(number - 2)))]


def large_header(name: str, size: int) -> Pieces:
    return [request(name)[:-2] + "X-Large: ", ["x", size - len("X-Large: ")], "\r\n\r\n"]


def long_line(name: str, size: int) -> Pieces:
    return ["GET /?", ["x", size - len("GET /? HTTP/1.1")], request(name, line=" HTTP/1.1")]


def sent(host: Host, attacks: dict[str, Pieces], **told: Any) -> dict[str, dict[str, Any]]:
    answers = attack(host, list(attacks.values()), **told)["answers"]
    return dict(zip(attacks, answers, strict=True))


def attacks(name: str) -> dict[str, Pieces]:
    return {
        "slow header": slow_header(name),
        "half a header": half_a_header(name),
        "slow body": slow_body(name),
        "large body": large_body(name, 300000),
        "chunked body": chunked_body(name, 300000),
        "many headers": many_headers(name, 300),
        "large header": large_header(name, 20000),
        "long line": long_line(name, 20000),
    }


def test_bare_site_lets_everything_through(host: Host) -> None:
    answers = sent(host, attacks("bare.test"), port=8080, seconds=7)
    assert {name: answer["status"] for name, answer in answers.items()} == {
        # Still waited for.
        "slow header": None,
        "half a header": None,
        "slow body": None,
        "large body": 200,
        "chunked body": 200,
        "many headers": 200,
        "large header": 200,
        "long line": 200,
    }
    assert {content(answers[name]["text"])["size"] for name in ("large body", "chunked body")} == {300000}


def test_the_same_is_cut(host: Host) -> None:
    names = ("first.test", "large.test", "unknown.test")
    answers = sent(host, {f"{name} {kind}": pieces for name in names for kind, pieces in attacks(name).items()})
    for name in names:
        found = {kind: answers[f"{name} {kind}"] for kind in attacks(name)}
        assert {kind: answer["status"] for kind, answer in found.items()} == {
            "slow header": 408,
            "half a header": 408,
            "slow body": 408,
            "large body": 413,
            # The closed default host has no mod_wsgi that asks for a length.
            "chunked body": 413 if name == "unknown.test" else 411,
            "many headers": 400,
            "large header": 400,
            "long line": 414,
        }
        for kind in ("slow header", "half a header", "slow body"):
            assert 1.9 <= found[kind]["seconds"] < 6, kind


def test_bounds_are_those_that_were_set(host: Host) -> None:
    rows: dict[str, tuple[Pieces, int]] = {
        "fields": (many_headers("first.test", 30), 200),
        "a field more": (many_headers("first.test", 31), 400),
        "field": (large_header("first.test", 990), 200),
        "larger field": (large_header("first.test", 1010), 400),
        "line": (long_line("first.test", 1990), 200),
        "longer line": (long_line("first.test", 2010), 414),
        "body": (large_body("first.test", 50000), 200),
        "a byte more": (large_body("first.test", 50001), 413),
        "body of small": (large_body("first.test", 1000, "/small"), 200),
        "a byte more for small": (large_body("first.test", 1001, "/small"), 413),
        "in a way": (large_body("first.test", 1001, "//%73mall/x"), 413),
        "beside small": (large_body("first.test", 50000, "/smaller"), 200),
        "body of large": (large_body("large.test", 200000), 200),
        "a byte more for large": (large_body("large.test", 200001), 413),
    }
    answers = sent(host, {name: pieces for name, (pieces, _status) in rows.items()})
    assert {name: answer["status"] for name, answer in answers.items()} == {
        name: status for name, (_pieces, status) in rows.items()
    }
    sizes = {name: content(answers[name]["text"])["size"] for name in ("body", "body of small", "body of large")}
    assert sizes == {"body": 50000, "body of small": 1000, "body of large": 200000}


def test_slow_clients_take_a_host_without_limits(host: Host) -> None:
    # For longer than Apache takes to start its last child and a bystander to give up.
    found = attack(host, [slow_header("bare.test")], times=300, port=8080, seconds=14, bystander="large.test")
    assert {answer["status"] for answer in found["answers"]} == {None}
    # Nobody had time for it.
    assert None in found["bystander"]["statuses"]


def test_slow_clients_are_got_rid_of(host: Host) -> None:
    found = attack(host, [slow_header("first.test")], times=200, bystander="large.test")
    assert {answer["status"] for answer in found["answers"]} == {408}
    assert max(answer["seconds"] for answer in found["answers"]) < 9
    assert set(found["bystander"]["statuses"]) == {200}


@pytest.mark.parametrize(
    ("kinds", "times"),
    # Thirty is what the pool that is attacked has threads for.
    [(("slow header", "half a header"), 50), (("slow body",), 30), (("large body", "many headers", "long line"), 40)],
)
def test_others_are_served_meanwhile(host: Host, kinds: tuple[str, ...], times: int) -> None:
    pieces = [attacks("first.test")[kind] for kind in kinds]
    found = attack(host, pieces, times=times, bystander="large.test")
    assert {answer["status"] for answer in found["answers"]} <= {0, 400, 408, 413, 414}
    assert set(found["bystander"]["statuses"]) == {200}


def test_slowhttptest_says_the_same(host: Host) -> None:
    runs = {
        (option, url): f"/root/slow{number}"
        for number, (option, url) in enumerate(
            product(("-H -c 40 -r 40", "-B -c 20 -r 20"), ("http://bare.test:8080/", "http://first.test/"))
        )
    }
    commands = [
        f"slowhttptest {option} -i 1 -l 7 -x 8 -p 3 -u {url} >{log} 2>&1" for (option, url), log in runs.items()
    ]
    bystander = {"connections": [[6]], "seconds": 6, "bystander": "large.test"}
    command = f"{' & '.join(commands)} & python3 -c %s %s; wait"
    found = json.loads(host.check_output(command, PROGRAM, json.dumps(bystander)))
    assert set(found["bystander"]["statuses"]) == {200}
    for (_option, url), log in runs.items():
        text = host.file(log).content_string
        assert ("Hit test time limit" if "bare" in url else "No open connections left") in text, text


def test_a_connection_carries_a_thousand_requests(host: Host) -> None:
    program = """
import http.client

connection = http.client.HTTPConnection("127.0.0.1", timeout=30)
for number in range(1, 2000):
    connection.request("GET", "/", headers={"Host": "first.test"})
    answer = connection.getresponse()
    answer.read()
    if answer.will_close:
        break
print(number)
"""
    assert host.check_output("python3 -c %s", program) == "1001"


def test_the_kernel_keeps_the_connections_of_a_crowd(host: Host) -> None:
    most = int(host.file("/proc/sys/net/core/somaxconn").content_string)
    (socket,) = host.check_output("ss -Hltn 'sport = :80'").splitlines()
    assert int(socket.split()[2]) == min(4096, most)
