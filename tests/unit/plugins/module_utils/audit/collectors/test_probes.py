"""Requests of the audit, to servers of this test's on loopback: good ones and hostile ones."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.canary import CANARY
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import probes
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.probes import (
    Budget,
    Target,
    hello,
    parsed,
    probe,
    targets,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, Instance
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
    monkeypatch.setattr(probes, "_slow", lambda *_all: {"kind": "slow"})
    config = PLAIN.format("LimitRequestBody 10\nWSGIScriptAlias /app /srv/wsgi.py")
    port = serve(saying(NOT_FOUND))
    found = probe(facts(config, port), "full")
    assert [row["path"] for row in found if row["kind"] == "debug"][:2] == [f"/app/{CANARY}", "/app/console"]
    page = kind(found, "page")
    assert page["request"].endswith(f"http://a.test:{port}/app")
    assert f"--resolve a.test:{port}:127.0.0.1" in page["request"]
    assert "Authorization: Bearer palisade-audit-canary" in page["request"]
    assert any(b"Content-Length: 11\r\nExpect: 100-continue" in request for request in asked)


TLS = PLAIN.format("SSLEngine on")


def only(config: str, *listeners: dict[str, Any]) -> Target:
    (target,) = targets(listeners, read_tree(config))
    return target


def test_the_command_asks_the_same_again() -> None:
    target = only(TLS.replace("*:80", "*:443"), {"address": "0.0.0.0", "port": 443})
    assert target.curl("TRACE", "/a b", {"X-Canary": CANARY}) == (
        "curl -sik --max-time 5 --path-as-is -X TRACE --resolve a.test:443:127.0.0.1 "
        f"-H 'X-Canary: {CANARY}' 'https://a.test:443/a b'"
    )
    plain = only(PLAIN, {"address": "::", "port": 80})
    assert plain.curl("GET", "/", {}).endswith("-X GET --resolve a.test:80:::1 http://a.test:80/")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ServerName https://a.test:8443", "a.test"),
        ("ServerName a.test:80\nServerAlias b.test", "a.test"),
        ("ServerAlias *.test b.test", "b.test"),
        ("ServerAlias *.test", "localhost"),
        ("", "localhost"),
    ],
)
def test_the_name_that_a_virtual_host_is_asked_by(names: str, expected: str) -> None:
    assert only(f"<VirtualHost *:80>\n{names}\n</VirtualHost>", {"address": "::", "port": 80}).name == expected


def test_of_an_address_each_virtual_host_once() -> None:
    tree = read_tree(PLAIN + "\n" + PLAIN.replace("a.test", "b.test"))
    rows = [{"address": address, "port": 80} for address in ("0.0.0.0", "127.0.0.1", "127.0.0.2", "::")]
    found = [(target.address, target.name) for target in targets(rows, tree)]
    assert found == [(address, name) for address in ("127.0.0.1", "127.0.0.2", "::1") for name in ("a.test", "b.test")]
    # Before the Host header has been read it is the first one.
    firsts = probes._one_each(list(targets(rows, tree)))
    assert [(target.address, target.name) for target in firsts] == [
        (address, "a.test") for address in ("127.0.0.1", "127.0.0.2", "::1")
    ]
    # Without virtual hosts it is the server itself.
    assert [target.host.name for target in targets(rows[:1], read_tree(""))] == ["main server"]


def test_only_tls_is_offered_an_old_version(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_SECONDS", 0.5)
    port = serve(saying(b""))
    assert [row["kind"] for row in probe(facts(TLS, port), "safe")] == ["canary", "trace", "legacy", "large"]
    assert [row["kind"] for row in probe(facts(PLAIN, port), "safe")] == ["canary", "trace", "large"]


def test_each_kind_of_request_says_what_was_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_slow", lambda *_all: {"kind": "slow"})
    lines = "LimitRequestBody 10\nWSGIScriptAlias /app/ /srv/wsgi.py\nWSGIScriptAlias /zero /srv/wsgi.py"
    lines += "\n<Location /zero>\nLimitRequestBody 0\n</Location>\nWSGIScriptAliasMatch ^/m(?=$) /srv/wsgi.py"
    port = serve(saying(NOT_FOUND))
    found = probe(facts(PLAIN.format(lines), port), "full")
    said = [(row["kind"], row.get("path", "")) for row in found if row["kind"] != "debug"]
    pages = [("page", "/app/"), ("body", "/app/"), ("page", "/zero"), ("page", "/m"), ("body", "/m")]
    assert said == [("canary", probes.PATH), ("trace", "/"), ("large", probes.PATH), *pages, ("slow", "")]
    debuggers = ["/console", "/__debug__/", "/_debug_toolbar/", "/?__debugger__=yes&cmd=resource&f=debugger.js"]
    paths = [row["path"] for row in found if row["kind"] == "debug"]
    assert paths[:5] == [f"/app/{CANARY}", *(f"/app{path}" for path in debuggers)]
    assert kind(found, "large")["request"].count("$(printf %9000s)") == 1
    assert [row["limit"] for row in found if row["kind"] == "body"] == [10, 10]
    sent = {request.split(b" ")[0]: request for request in asked}
    assert b"\r\nX-Canary: palisade-audit-canary\r\n" in sent[b"TRACE"]
    assert sent[b"POST"].split(b"\r\n")[1:4] == [b"Host: a.test", b"User-Agent: palisade-audit", b"Connection: close"]
    forged = next(request for request in asked if b"X-Forwarded-For" in request)
    assert b"Authorization: Bearer palisade-audit-canary-authorization" in forged
    assert b"Proxy: http://palisade-audit-canary-proxy.invalid" in forged
    assert any(len(request) > 9000 for request in asked)


def test_an_application_is_asked_once_however_many_addresses_it_has(serve: Serve) -> None:
    config = PLAIN.format("RequestReadTimeout header=0\nWSGIScriptAlias / /srv/wsgi.py")
    found = probe(facts(config, serve(saying(NOT_FOUND)), "127.0.0.1", "127.0.0.2"), "full")
    assert [row["kind"] for row in found].count("page") == 1
    assert [row["kind"] for row in found].count("slow") == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nServer:  Apache \r\nA: b:c\r\n\r\nx\r\n\r\ny", (200, "Apache", "x\r\n\r\ny", "")),
        (b"HTTP/1.0 404\r\n\r\n", (404, "", "", "")),
        (b"HTTP/1.1 2000 OK\r\n\r\n", (None, None, None, "the answer is not HTTP")),
        (b"x HTTP/1.1 200", (None, None, None, "the answer is not HTTP")),
        (b"", (None, None, None, "closed without an answer")),
    ],
)
def test_what_an_answer_says(answer: bytes, expected: tuple[Any, ...]) -> None:
    said = parsed(answer)
    assert (said.get("status"), said.get("server"), said.get("body"), said.get("error", "")) == expected
    if b"A: b" in answer:
        assert said["headers"] == {"server": "Apache", "a": "b:c"}


def test_why_no_answer_came_is_always_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_target: Target, _seconds: float) -> Any:
        raise TimeoutError

    monkeypatch.setattr(probes, "_connected", refused)
    assert {row["error"] for row in probe(facts(), "safe")} == {"TimeoutError"}


def test_a_budget_is_of_requests_and_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    assert Budget(1, 30.0, started=80.0).left() == 10.0
    assert Budget(1, 30.0, started=60.0).left() == 0.0
    assert Budget(0, 30.0, started=80.0).left() == Budget(-1, 30.0, started=80.0).left() == 0.0


def test_every_request_costs_one(serve: Serve) -> None:
    port = serve(saying(NOT_FOUND))
    host = facts(PLAIN.format("RequestReadTimeout header=1"), port)
    (target,) = targets(host.listeners, host.tree)
    budget = Budget(3, 60.0)
    probes._ask(target, "canary", "GET", "/", budget, {})
    probes._legacy(target, budget)
    probes._slow(target, host.tree, budget)
    assert budget.requests == 0
    assert "has reached its limit of requests" in probes._legacy(target, budget)["error"]
    assert "has reached its limit of requests" in probes._slow(target, host.tree, budget)["error"]
    assert "has reached its limit of requests" in probes._slow(target, host.tree, Budget(3, 3.5))["error"]


def test_the_rows_of_what_is_no_request_of_curl_s(serve: Serve) -> None:
    host = facts(PLAIN.format("RequestReadTimeout header=1"), serve(saying(b"")))
    (target,) = targets(host.listeners, host.tree)
    legacy = probes._legacy(target, Budget(3, 60.0))
    where = f"127.0.0.1:{target.port}"
    assert legacy["request"] == (
        f"openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -servername a.test -connect {where}"
    )
    slow = probes._slow(target, host.tree, Budget(3, 60.0))
    assert slow["request"] == f"half of a request to 127.0.0.1 port {target.port}"
    kept = ("host", "kind", "path", "status", "server", "headers", "body", "error")
    assert [[row[key] for key in kept] for row in (legacy, slow)] == [
        [target.host.name, name, "/", 0, "", {}, "", ""] for name in ("legacy", "slow")
    ]


def test_what_came_before_the_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"a" * 20)
        assert probes._received(ours, time.monotonic() + 5, 11) == b"a" * 20
        theirs.sendall(b"b")
        assert probes._received(ours, time.monotonic() + 0.2) == b"b"
        with pytest.raises(OSError, match="timed out"):
            probes._received(ours, time.monotonic() + 0.1)
        assert probes._received(ours, time.monotonic() - 1) == b""
        theirs.close()
        assert probes._received(ours, time.monotonic() + 5) == b""


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (b"\x16\x03\x01\x00\x10\x02\x00\x00\x0c\x03\x01", True),
        (b"\x16\x03\x01\x00\x10\x02\x00\x00\x0c\x03\x02", True),
        (b"\x16\x03\x01\x00\x10\x02\x00\x00\x0c\x03\x03", False),
        (b"\x15\x03\x01\x00\x10\x02\x00\x00\x0c\x03\x01", False),
        (b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x01", False),
        (b"\x16\x03\x01\x00\x10\x02\x00\x00\x0c\x03", False),
    ],
)
def test_which_handshakes_are_of_an_old_version(answer: bytes, accepted: bool, serve: Serve) -> None:
    host = facts(TLS, serve(saying(answer)))
    (target,) = targets(host.listeners, host.tree)
    found = probes._legacy(target, Budget(5, 60.0))
    assert (found["accepted"], found["error"]) == ("older than TLS 1.2" if accepted else "", "")
    assert asked == [hello("a.test")]


def test_a_certificate_that_only_the_server_shows(tmp_path: Path) -> None:
    pair = [str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")]
    request = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", pair[0]]
    subprocess.run([*request, "-out", pair[1]], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair[1], pair[0])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            with contextlib.suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as one:
                one.recv(1)

        thread = threading.Thread(target=once)
        thread.start()
        host = facts(TLS, listener.getsockname()[1])
        text = probes.served_certificate(host, host.tree.hosts[0])
        thread.join(20)
    assert text.split() == (tmp_path / "cert.pem").read_text(encoding="ascii").split()
    # Neither where nobody listens any more, nor without TLS.
    assert probes.served_certificate(host, host.tree.hosts[0]) == ""
    plain = facts(PLAIN)
    assert probes.served_certificate(plain, plain.tree.hosts[0]) == ""


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
    monkeypatch.setattr(probes, "_SECONDS", 0.2)
    monkeypatch.setattr(probes, "_BUDGETS", {"full": (10, 1.0)})
    config = PLAIN.format("LimitRequestBody 10\nWSGIScriptAlias / /srv/wsgi.py" + ("\nSSLEngine on" if secure else ""))
    began = time.monotonic()
    found = probe(facts(config, serve(HOSTILE[name])), "full")
    # Generous: how long it may take is a matter of the machine; without a bound it would never end.
    assert time.monotonic() - began < 30
    assert all(row["error"] or row["status"] or row["kind"] in ("slow", "legacy") for row in found)
    assert all(len(row["body"]) <= probes._SIZE + 4096 for row in found)


def test_what_the_budget_does_not_allow_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_BUDGETS", {"safe": (1, 30.0)})
    found = probe(facts(port=serve(saying(NOT_FOUND))), "safe")
    assert [bool(row["error"]) for row in found] == [False, True, True]
    assert "has reached its limit of requests" in found[1]["error"]
    assert Budget(0, 10.0).left() == 0.0


def test_a_closed_port_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert all(row["status"] == 0 and row["error"] for row in probe(facts(port=port), "safe"))


def test_half_a_request_is_ended_or_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(play: Play, seconds: int) -> dict[str, Any]:
        host = facts(PLAIN.format(f"RequestReadTimeout header={seconds}"), serve(play))
        (target,) = targets(host.listeners, host.tree)
        return probes._slow(target, host.tree, Budget(5, 60.0))

    assert slow(saying(b"HTTP/1.1 408 Request Timeout\r\n\r\n"), 1)["ended"] is True
    monkeypatch.setattr(probes, "_PATIENCE", -0.5)
    assert slow(lambda _connection: time.sleep(2), 1)["ended"] is False
    assert "no limit" in slow(saying(b""), 0)["error"]


def test_what_is_older_than_tls_1_2_is_offered_by_hand(serve: Serve) -> None:
    def legacy(answer: bytes) -> dict[str, Any]:
        host = facts(PLAIN.format("SSLEngine on"), serve(saying(answer)))
        (target,) = targets(host.listeners, host.tree)
        return probes._legacy(target, Budget(5, 60.0))

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
