"""What is told of pools that are not as declared."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _certificate, _health
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._app import DEFAULT_HEALTH_STATUS, check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, app, run


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        ([200], "200"),
        ([200, 201], "200 or 201"),
        (list(range(200, 400)), "200 to 399"),
        ([200, 204, 301], "200 or 204 or 301"),
        ((*range(200, 400), 401), "200 to 399 or 401"),
        ([404, 200, 201, 202], "404 or 200 to 202"),
    ],
)
def test_ranges(statuses: list[int], text: str) -> None:
    assert _health._ranges(statuses) == text


def test_problems_of_processes() -> None:
    pool = {"name": "public", "processes": 2, "account": ME, "group": MY_GROUP}
    good = {"pid": 5, "uid": os.getuid(), "gid": os.getgid(), "user": ME, "group": MY_GROUP}
    assert _health._problem(pool, [good, good]) == ""
    assert _health._problem(pool, [good]) == "pool public has 1 processes, expected 2"
    other = {**good, "uid": 12345, "user": "daemon"}
    assert f"process 5 runs as daemon:{MY_GROUP}, expected {ME}:{MY_GROUP}" in _health._problem(pool, [good, other])


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    assert _health._size(str(log)) == 0
    assert _health._tail(str(log), 0) == ""
    log.write_text("old\n")
    size = _health._size(str(log))
    assert _health._tail(str(log), size) == f"; see {log}"
    log.write_bytes(b"old\nnew \xff\n")
    told = _health._tail(str(log), size)
    assert "new \ufffd" in told
    assert "old" not in told


class Server:
    """Answers with one status, by TLS where it has a certificate."""

    def __init__(self, certificate: str = "") -> None:
        self.status = 200
        self.asked: list[str] = []
        self.names: list[str | None] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self.context:
            self.context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
            self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client: socket.socket = self.listener.accept()[0]
                with contextlib.closing(client):
                    if self.context:
                        client = self.context.wrap_socket(client, server_side=True)
                    self.asked.append(client.recv(4096).decode(errors="replace"))
                    client.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
                    client.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with a certificate for the names that a test gives, or without TLS."""
    names = getattr(request, "param", None)
    if names:
        monkeypatch.setattr(_certificate, "TLS_DIRECTORY", f"{tmp_path}/palisade/tls")
        monkeypatch.setattr(_certificate, "_OWNER", (ME, MY_GROUP))
        rows = [{"app": "shop", "name": "shop", "server_names": names}]
        nobody = _certificate.Outsiders(frozenset(), frozenset())
        _certificate.ensure_certificates(rows, [], [], nobody, "", run, False)
    server = Server(f"{tmp_path}/palisade/tls/shop" if names else "")
    connect = socket.create_connection
    monkeypatch.setattr(
        socket,
        "create_connection",
        lambda address, timeout: connect(
            server.listener.getsockname() if address[1] in (80, 443) else address, timeout
        ),
    )
    yield server
    server.listener.close()


def pool(**fields: Any) -> dict[str, Any]:
    whole = {"app": "shop", "server_name": "shop.test", "path": "/up", "status": [200], "timeout": 0, "tls": False}
    return {**whole, "error_log": "/nonexistent", **fields}


def test_a_request(server: Server) -> None:
    assert _health._answer(pool(), {}, run) == 200
    assert server.asked[0].startswith("GET /up HTTP/1.1\r\n")
    assert "\r\nHost: shop.test\r\n" in server.asked[0]
    server.status = 404
    with pytest.raises(PalisadeError, match=r"^GET http://shop\.test/up on this host answered 404, expected 200;"):
        _health._answer(pool(), {}, run)


DEFAULTS = {"path": "/", "status": DEFAULT_HEALTH_STATUS, "timeout": 30}


@pytest.mark.parametrize(
    ("fields", "status", "line"),
    [
        ({}, 403, "{status: [403]}"),
        # As it comes from the module's arguments.
        ({"status": list(DEFAULT_HEALTH_STATUS)}, 404, "{status: [404]}"),
        ({"status": [200, 204]}, 403, "{status: [200, 204, 403]}"),
        ({"path": "/a-b/c_d.e"}, 403, "{path: /a-b/c_d.e, status: [403]}"),
        ({"path": "/up?a={1,2}#"}, 403, '{path: "/up?a={1,2}#", status: [403]}'),
        ({"timeout": 5}, 403, "{status: [403], timeout: 5}"),
    ],
)
def test_the_line_that_makes_a_status_count(fields: dict[str, Any], status: int, line: str) -> None:
    """It replaces the app's own health_check, so it holds what that says, and the model takes it."""
    asked = pool(**{**DEFAULTS, **fields})
    told = _health._advice(asked, status)
    assert told == f"if that is the right answer, write in app shop: health_check: {line}"
    written = yaml.safe_load(told.partition("shop: ")[2])
    checked = check_app(app("shop", **written), 0, None)
    assert (checked.health_path, checked.health_timeout) == (asked["path"], asked["timeout"])
    assert status in checked.health_status


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_login_counts_as_an_answer(server: Server, status: int) -> None:
    server.status = status
    asked = pool(status=list(check_app(app("shop"), 0, None).health_status))
    if status == 401:
        assert _health._answer(asked, {}, run) == 401
        return
    with pytest.raises(PalisadeError, match=rf"answered {status}, expected 200 to 399 or 401; if that is the right"):
        _health._answer(asked, {}, run)


@pytest.mark.parametrize("server", [["shop.test"], ["*.test"]], indirect=True)
def test_a_request_by_tls(server: Server) -> None:
    assert _health._answer(pool(tls=True), {}, run) == 200
    assert server.names == ["shop.test"]
    assert server.asked[0].startswith("GET /up HTTP/1.1\r\n")
    assert "\r\nHost: shop.test\r\n" in server.asked[0]
    server.status = 404
    with pytest.raises(PalisadeError, match=r"^GET https://shop\.test/up on this host answered 404"):
        _health._answer(pool(tls=True), {}, run)


@pytest.mark.parametrize("server", [["default.invalid", "x.test"]], indirect=True)
@pytest.mark.parametrize("status", [200, 404])
def test_the_certificate_of_another_host(status: int, server: Server) -> None:
    server.status = status
    with pytest.raises(PalisadeError) as caught:
        _health._answer(pool(tls=True), {}, run)
    assert str(caught.value) == (
        "GET https://shop.test/up on this host came with a certificate for default.invalid, x.test, expected one for "
        "shop.test (tls)"
    )


def test_no_tls_where_it_is_expected(server: Server) -> None:
    with pytest.raises(PalisadeError, match=r"^GET https://shop\.test/up on this host failed: .*SSL"):
        _health._answer(pool(tls=True), {}, run)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_app_that_is_starting_is_asked_again(status: int, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = status
    monkeypatch.setattr(time, "sleep", lambda _seconds: setattr(server, "status", 200))
    assert _health._answer(pool(timeout=30), {}, run) == 200
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [403, 404, 501, 505])
def test_a_final_answer_is_not_waited_for(status: int, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = status
    monkeypatch.setattr(time, "sleep", lambda _seconds: setattr(server, "status", 200))
    with pytest.raises(PalisadeError, match=f"answered {status}"):
        _health._answer(pool(timeout=30), {}, run)
