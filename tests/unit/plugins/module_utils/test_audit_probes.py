"""Requests of the audit, to servers of this test's on loopback: good ones and hostile ones."""

from __future__ import annotations

import itertools
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _audit_probes
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_probes import (
    CANARY,
    Budget,
    Target,
    hello,
    parsed,
    probe,
    targets,
)
from hypothesis import given
from hypothesis import strategies as st

PLAIN = "<VirtualHost *:80>\nServerName a.test\n{}\n</VirtualHost>"
Play = Callable[[socket.socket], None]
Serve = Callable[[Play], int]
asked: list[bytes] = []


def facts(config: str = PLAIN.format(""), port: int = 80, *addresses: str) -> Facts:
    config = config.replace("*:80", f"*:{port}")
    rows = [{"address": address, "port": port} for address in addresses or ("127.0.0.1",)]
    return Facts(Instance("/usr/sbin/apache2", "x.conf", 1), read_tree(config), listeners=rows)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that plays a part in each connection, and return its port."""
    sockets: list[socket.socket] = []

    def start(play: Play) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def run() -> None:
            try:
                while True:
                    connection, _address = listener.accept()
                    with connection:
                        play(connection)
            except OSError:
                pass

        threading.Thread(target=run, daemon=True).start()
        return int(listener.getsockname()[1])

    asked.clear()
    yield start
    for one in sockets:
        one.close()


def saying(answer: bytes) -> Play:
    def play(connection: socket.socket) -> None:
        asked.append(connection.recv(16384))
        connection.sendall(answer)

    return play


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nServer: Apache\r\nX: y\r\n\r\nSorry"


def kind(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (row,) = [row for row in rows if row["kind"] == name]
    return row


def test_the_answer_is_read_and_the_host_is_named(serve: Serve) -> None:
    found = kind(probe(facts(port=serve(saying(NOT_FOUND))), "safe"), "canary")
    assert (found["host"].split()[0], found["status"], found["server"]) == ("a.test", 404, "Apache")
    assert (found["body"], found["headers"]["x"], found["error"]) == ("Sorry", "y", "")
    assert b"Host: a.test\r\n" in asked[0]
    # Apache refuses an encoded slash before any application sees the request.
    assert asked[0].startswith(f"GET /{CANARY}%2F".encode())


def test_safe_requests_are_none_that_an_application_sees(serve: Serve) -> None:
    config = PLAIN.format("LimitRequestBody 10\nWSGIScriptAlias / /srv/wsgi.py")
    port = serve(saying(NOT_FOUND))
    assert {row["kind"] for row in probe(facts(config, port), "safe")} == {"canary", "trace", "large"}
    assert {request.split(b" ")[0] for request in asked} == {b"GET", b"TRACE"}
    assert all(b"%2F" in request or request.startswith(b"TRACE") for request in asked)


@pytest.mark.parametrize("line", ["AllowEncodedSlashes On", "AllowEncodedSlashes NoDecode"])
def test_where_encoded_slashes_are_allowed_the_canary_is_not_sent(line: str, serve: Serve) -> None:
    found = probe(facts(PLAIN.format(line), serve(saying(NOT_FOUND))), "safe")
    assert "AllowEncodedSlashes" in kind(found, "canary")["error"]
    assert not any(request.startswith(b"GET") and b"X-Large" not in request for request in asked)


def test_trace_is_not_sent_where_a_proxy_might_hand_it_on(serve: Serve) -> None:
    found = probe(facts(PLAIN.format("ProxyPass / http://127.0.0.1:9/"), serve(saying(NOT_FOUND))), "safe")
    assert {row["kind"] for row in found} == {"canary", "large"}


def test_full_asks_applications_and_tells_how_to_ask_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_probes, "_slow", lambda *_all: {"kind": "slow"})
    config = PLAIN.format("LimitRequestBody 10\nWSGIScriptAlias /app /srv/wsgi.py")
    port = serve(saying(NOT_FOUND))
    found = probe(facts(config, port), "full")
    assert [row["path"] for row in found if row["kind"] == "debug"][:2] == [f"/app/{CANARY}", "/app/console"]
    page = kind(found, "page")
    assert page["request"].endswith(f"http://a.test:{port}/app")
    assert f"--resolve a.test:{port}:127.0.0.1" in page["request"]
    assert "Authorization: Bearer palisade-audit-canary" in page["request"]
    assert any(b"Content-Length: 11\r\nExpect: 100-continue" in request for request in asked)


# Hostile servers


def endless(start: bytes, part: bytes, pause: float = 0.0) -> Play:
    def play(connection: socket.socket) -> None:
        connection.sendall(start)
        for _turn in itertools.count():
            connection.sendall(part)
            time.sleep(pause)

    return play


HOSTILE = {
    "an endless page": endless(NOT_FOUND, b"x" * 4096),
    "endless headers": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n" * 100),
    "one byte at a time": endless(b"", b"H", 0.05),
    "garbage": saying(b"\xff\xfe\x00garbage"),
    "nothing": saying(b""),
    "closed at once": lambda connection: connection.close(),
    "no answer": lambda connection: time.sleep(1),
    "a status without a number": saying(b"HTTP/1.1 abc\r\n\r\n"),
    "not for TLS": saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("secure", [False, True])
def test_a_hostile_server_costs_no_more_than_the_budget(
    name: str, secure: bool, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_audit_probes, "_SECONDS", 0.2)
    monkeypatch.setattr(_audit_probes, "_BUDGETS", {"full": (10, 1.0)})
    config = PLAIN.format("LimitRequestBody 10\nWSGIScriptAlias / /srv/wsgi.py" + ("\nSSLEngine on" if secure else ""))
    began = time.monotonic()
    found = probe(facts(config, serve(HOSTILE[name])), "full")
    # Generous: how long it may take is a matter of the machine; without a bound it would never end.
    assert time.monotonic() - began < 30
    assert all(row["error"] or row["status"] or row["kind"] in ("slow", "legacy") for row in found)
    assert all(len(row["body"]) <= _audit_probes._SIZE + 4096 for row in found)


def test_what_the_budget_does_not_allow_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_probes, "_BUDGETS", {"safe": (1, 30.0)})
    found = probe(facts(port=serve(saying(NOT_FOUND))), "safe")
    assert [bool(row["error"]) for row in found] == [False, True, True]
    assert "budget" in found[1]["error"]
    assert Budget(0, 10.0).left() == 0.0


def test_a_closed_port_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert all(row["status"] == 0 and row["error"] for row in probe(facts(port=port), "safe"))


def test_half_a_request_is_ended_or_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(play: Play, seconds: int) -> dict[str, Any]:
        host = facts(PLAIN.format(f"RequestReadTimeout header={seconds}"), serve(play))
        (target,) = targets(host.listeners, host.tree)
        return _audit_probes._slow(target, host.tree, Budget(5, 60.0))

    assert slow(saying(b"HTTP/1.1 408 Request Timeout\r\n\r\n"), 1)["ended"] is True
    monkeypatch.setattr(_audit_probes, "_PATIENCE", -0.5)
    assert slow(lambda _connection: time.sleep(2), 1)["ended"] is False
    assert "no limit" in slow(saying(b""), 0)["error"]


def test_what_is_older_than_tls_1_2_is_offered_by_hand(serve: Serve) -> None:
    def legacy(answer: bytes) -> dict[str, Any]:
        host = facts(PLAIN.format("SSLEngine on"), serve(saying(answer)))
        (target,) = targets(host.listeners, host.tree)
        return _audit_probes._legacy(target, Budget(5, 60.0))

    server_hello = b"\x16\x03\x02\x00\x10\x02\x00\x00\x0c\x03\x02" + b"\0" * 10
    assert legacy(server_hello)["accepted"]
    assert legacy(b"\x15\x03\x01\x00\x02\x02\x46")["accepted"] == ""
    assert legacy(b"")["accepted"] == ""


def test_a_real_server_understands_the_handshake(tmp_path: Path) -> None:
    """openssl takes it, or says that the version is too old; what is no ClientHello it would call a decode error."""
    pair = [str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", pair[0]]
    subprocess.run([*request, "-out", pair[1]], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["openssl", "s_server", "-key", pair[0], "-cert", pair[1], "-accept", f"127.0.0.1:{port}", "-cipher"]
    with subprocess.Popen([*command, "ALL:@SECLEVEL=0"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        try:
            for _turn in range(100):
                try:
                    connection = socket.create_connection(("127.0.0.1", port), 5)
                    break
                except OSError:
                    time.sleep(0.05)
            with connection:
                connection.sendall(hello("a.test"))
                answer = connection.recv(4096)
        finally:
            server.kill()
    # A ServerHello of TLS 1.1, or the alert protocol_version.
    assert (answer[0] == 22 and answer[9:11] == b"\x03\x02") or (answer[0] == 21 and answer[6] == 70), answer


def test_only_loopback_is_asked() -> None:
    host = facts(PLAIN.format(""), 80, "0.0.0.0", "::", "127.0.0.1", "192.0.2.1", "fe80::1")
    assert [target.address for target in targets(host.listeners, host.tree)] == ["127.0.0.1", "::1"]


def test_a_virtual_host_is_asked_on_its_own_ports() -> None:
    tree = read_tree("<VirtualHost *:443>\nServerName b.test\n</VirtualHost>\n<VirtualHost *>\n</VirtualHost>")
    found = targets([{"address": "::", "port": 80}], tree)
    assert [(target.host.name, target.name) for target in found] == [("_default_ *", "localhost")]


@given(st.binary())
def test_any_answer_is_read(answer: bytes) -> None:
    said = parsed(answer)
    assert said.get("status", 0) or said["error"]


@given(st.text(max_size=30))
def test_no_name_forges_a_request_or_a_command(name: str) -> None:
    tree = read_tree(f'<VirtualHost *:80>\nServerName "{name}"\n</VirtualHost>')
    for target in targets([{"address": "::", "port": 80}], tree):
        assert isinstance(target, Target)
        assert "\n" not in target.curl("GET", "/", {})
