"""Requests of the audit, to a server of this test's on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _audit_probes
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_probes import CANARY, ask, probe

TREE = read_tree("<VirtualHost *:80>\nServerName a.test\n</VirtualHost>")
Serve = Callable[[bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with one answer and return its port."""
    sockets: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def run() -> None:
            try:
                while True:
                    connection, _address = listener.accept()
                    with connection:
                        asked.append(connection.recv(4096))
                        connection.sendall(answer)
            except OSError:
                pass

        threading.Thread(target=run, daemon=True).start()
        return int(listener.getsockname()[1])

    asked.clear()
    yield start
    for one in sockets:
        one.close()


asked: list[bytes] = []


def test_the_answer_is_read_and_the_host_is_named(serve: Serve) -> None:
    port = serve(b"HTTP/1.1 404 Not Found\r\nServer: Apache\r\nX: y\r\n\r\nSorry")
    said = ask("127.0.0.1", port, "shop.test", False)
    assert (said["status"], said["server"], said["body"]) == (404, "Apache", "Sorry")
    assert b"Host: shop.test\r\n" in asked[0]
    # Apache refuses an encoded slash before any application sees the request.
    assert asked[0].startswith(f"GET /{CANARY}%2F".encode())


@pytest.mark.parametrize(
    "answer", [b"", b"\xff\xfe", b"HTTP/1.1\r\n\r\n", b"x" * 100_000, b"HTTP/1.1 200 OK\r\n:\r\n\r\n"]
)
def test_a_hostile_answer_is_read_to_a_bound(serve: Serve, answer: bytes) -> None:
    said = ask("127.0.0.1", serve(answer), "a.test", False)
    assert len(said["body"]) <= _audit_probes._SIZE + 4096


def test_a_closed_port_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask("127.0.0.1", port, "a.test", False)["status"] == 0


def test_only_loopback_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str] = []

    def record(address: str, *_more: Any) -> dict[str, Any]:
        addresses.append(address)
        return {}

    monkeypatch.setattr(_audit_probes, "ask", record)
    listeners = [{"address": one, "port": 80} for one in ("0.0.0.0", "::", "127.0.0.1", "192.0.2.1", "fe80::1")]
    probe(listeners, TREE)
    assert addresses == ["127.0.0.1", "::1", "127.0.0.1"]


def test_a_virtual_host_is_asked_on_its_own_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_probes, "ask", lambda *_arguments: {"status": 404})
    tree = read_tree("<VirtualHost *:443>\nServerName b.test\n</VirtualHost>\n<VirtualHost *>\n</VirtualHost>")
    assert [row["host"] for row in probe([{"address": "::", "port": 80}], tree)] == ["_default_ *"]
