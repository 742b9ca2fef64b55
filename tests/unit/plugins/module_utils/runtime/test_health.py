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
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import certificates
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server as apache_server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import DEFAULT_HEALTH_STATUS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import health
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
    assert health._ranges(statuses) == text


def test_problems_of_processes() -> None:
    pool = {"name": "public", "processes": 2, "account": ME, "group": MY_GROUP}
    good = {"pid": 5, "uid": os.getuid(), "gid": os.getgid(), "user": ME, "group": MY_GROUP}
    assert health._problem(pool, [good, good]) == ""
    assert health._problem(pool, [good]) == "pool public has 1 processes, expected 2"
    other = {**good, "uid": 12345, "user": "daemon"}
    assert f"process 5 runs as daemon:{MY_GROUP}, expected {ME}:{MY_GROUP}" in health._problem(pool, [good, other])


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    assert health._size(str(log)) == 0
    assert health._tail(str(log), 0) == ""
    log.write_text("old\n")
    size = health._size(str(log))
    assert health._tail(str(log), size) == f"; see {log}"
    log.write_bytes(b"old\nnew \xff\n")
    told = health._tail(str(log), size)
    assert "new \ufffd" in told
    assert "old" not in told


class Server:
    """Answers with one status, by TLS where it has a certificate."""

    def __init__(self, certificate: str = "") -> None:
        self.status = 200
        self.log: Path | None = None
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
                    if self.log:
                        self.log.write_text("old\n[now] [wsgi:error] [pid 5] KeyError\n")
                    client.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
                    client.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with a certificate for the names that a test gives, or without TLS."""
    names = getattr(request, "param", None)
    if names:
        monkeypatch.setattr(certificates, "TLS_DIRECTORY", f"{tmp_path}/palisade/tls")
        monkeypatch.setattr(certificates, "_OWNER", (ME, MY_GROUP))
        rows = [{"app": "shop", "name": "shop", "server_names": names}]
        nobody = certificates.Outsiders(frozenset(), frozenset())
        certificates.ensure_certificates(rows, [], [], nobody, "", run, False)
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
    assert health._answer(pool(), {}, run) == 200
    assert server.asked[0].startswith("GET /up HTTP/1.1\r\n")
    assert "\r\nHost: shop.test\r\n" in server.asked[0]
    server.status = 404
    with pytest.raises(PalisadeError, match=r"^GET http://shop\.test/up on this host answered 404, expected 200;"):
        health._answer(pool(), {}, run)


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
    told = health._advice(asked, status)
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
        assert health._answer(asked, {}, run) == 401
        return
    with pytest.raises(PalisadeError, match=rf"answered {status}, expected 200 to 399 or 401; if that is the right"):
        health._answer(asked, {}, run)


@pytest.mark.parametrize("server", [["shop.test"], ["*.test"]], indirect=True)
def test_a_request_by_tls(server: Server) -> None:
    assert health._answer(pool(tls=True), {}, run) == 200
    assert server.names == ["shop.test"]
    assert server.asked[0].startswith("GET /up HTTP/1.1\r\n")
    assert "\r\nHost: shop.test\r\n" in server.asked[0]
    server.status = 404
    with pytest.raises(PalisadeError, match=r"^GET https://shop\.test/up on this host answered 404"):
        health._answer(pool(tls=True), {}, run)


@pytest.mark.parametrize("server", [["default.invalid", "x.test"]], indirect=True)
@pytest.mark.parametrize("status", [200, 404])
def test_the_certificate_of_another_host(status: int, server: Server) -> None:
    server.status = status
    with pytest.raises(PalisadeError) as caught:
        health._answer(pool(tls=True), {}, run)
    assert str(caught.value) == (
        "GET https://shop.test/up on this host got a certificate for default.invalid, x.test, expected one for "
        "shop.test (tls)"
    )


def test_no_tls_where_it_is_expected(server: Server) -> None:
    with pytest.raises(PalisadeError, match=r"^GET https://shop\.test/up on this host failed: .*SSL"):
        health._answer(pool(tls=True), {}, run)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_app_that_is_starting_is_asked_again(status: int, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = status
    monkeypatch.setattr(time, "sleep", lambda _seconds: setattr(server, "status", 200))
    assert health._answer(pool(timeout=30), {}, run) == 200
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [403, 404, 501, 505])
def test_a_final_answer_is_not_waited_for(status: int, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = status
    monkeypatch.setattr(time, "sleep", lambda _seconds: setattr(server, "status", 200))
    with pytest.raises(PalisadeError, match=f"answered {status}"):
        health._answer(pool(timeout=30), {}, run)


class Clock:
    """Time that passes while somebody sleeps, and a second with each look where that is wanted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tick: float = 0.0) -> None:
        self.now, self.tick, self.slept = 0.0, tick, 0
        monkeypatch.setattr(time, "monotonic", self.look)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def look(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += seconds


Live = list[dict[str, Any]]


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    """The pools that run, in the order in which they are looked at; the last look counts for ever."""
    looks: Live = []
    configuration = apache_server.Configuration(pools=[{"name": "declared"}])
    monkeypatch.setattr(apache_server, "read_configuration", lambda layout, run: configuration)

    def look(binary: str, declared: Any) -> Any:
        assert (binary, declared) == (DEBIAN.binary, configuration.pools)
        found = looks.pop(0) if len(looks) > 1 else looks[0]
        return [{"name": name, "processes": processes} for name, processes in found.items()]

    monkeypatch.setattr(health, "live_pools", look)
    return looks


PROCESS = {"pid": 5, "uid": os.getuid(), "gid": os.getgid(), "user": ME, "group": MY_GROUP}
WHOLE: dict[str, Any] = {"name": "shop", "account": ME, "group": MY_GROUP, "processes": 1}


def test_pools_that_are_as_declared_are_not_waited_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.append({"shop": [PROCESS]})
    clock = Clock(monkeypatch)
    assert health._check_processes(DEBIAN, [pool(**WHOLE, timeout=30)], run) == {}
    assert clock.slept == 0


def test_a_pool_that_starts_has_its_timeout(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live += [{}, {"shop": []}, {"shop": [PROCESS]}]
    clock = Clock(monkeypatch)
    assert health._check_processes(DEBIAN, [pool(**WHOLE, timeout=30)], run) == {}
    assert clock.slept == 2


def test_a_pool_that_never_comes(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other pool has to wait for its timeout."""
    live.append({"blog": [PROCESS]})
    clock = Clock(monkeypatch)
    pools = [pool(**WHOLE, timeout=2), pool(**{**WHOLE, "app": "blog", "name": "blog"}, timeout=60)]
    told = {"shop": "pool shop has 0 processes, expected 1"}
    assert health._check_processes(DEBIAN, pools, run) == told
    assert 2 <= clock.now < 3


def test_an_answer_is_waited_for_as_long_as_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second at least, since an answer takes its time."""
    waits: list[float] = []
    Clock(monkeypatch, tick=4.0)

    def silent(_pool: Any, timeout: float) -> Any:
        waits.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(health, "_request", silent)
    with pytest.raises(PalisadeError, match=r"^GET http://shop\.test/up on this host failed: TimeoutError$"):
        health._answer(pool(timeout=10), {}, run)
    assert [round(wait) for wait in waits] == [6, 2, 1]


@pytest.mark.parametrize(("seconds", "final"), [(2.0, False), (4.0, True)])
def test_an_error_of_the_application_may_pass(
    seconds: float, final: bool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment only: a broken application answers 500 for ever."""
    server.status = 500
    clock = Clock(monkeypatch, tick=seconds)
    monkeypatch.setattr(time, "sleep", lambda _seconds: setattr(server, "status", 200))
    if final:
        with pytest.raises(PalisadeError, match="answered 500, expected 200"):
            health._answer(pool(timeout=30), {}, run)
    else:
        assert health._answer(pool(timeout=30), {}, run) == 200
    assert clock.now > 0


def test_own_headers_and_who_asks(server: Server) -> None:
    health._answer(pool(headers={"X-Token": "5", "Host": "other.test"}), {}, run)
    lines = server.asked[0].splitlines()
    assert {"Host: other.test", "User-Agent: palisade", "X-Token: 5"} <= set(lines)
    assert "Host: shop.test" not in lines


def test_what_is_told_of_pools(server: Server, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that failed, each with what its own log says since it was asked."""
    Clock(monkeypatch)
    live.append({"shop": [PROCESS], "blog": []})
    pools = [pool(**WHOLE)]
    assert health.check_pools(DEBIAN, pools, run) == [{"app": "shop", "status": 200}]
    logs = [tmp_path / "shop.log", tmp_path / "blog.log"]
    for log in logs:
        log.write_text("old\n")
    server.status = 404
    server.log = logs[0]
    pools = [
        pool(**WHOLE, error_log=str(logs[0])),
        pool(**{**WHOLE, "app": "blog", "name": "blog"}, error_log=str(logs[1])),
    ]
    with pytest.raises(PalisadeError) as caught:
        health.check_pools(DEBIAN, pools, run)
    first, quoted, *rest = str(caught.value).splitlines()
    assert first.startswith("app shop: GET http://shop.test/up on this host answered 404, expected 200; ")
    assert first.endswith("; its error log says:")
    assert quoted == "    KeyError"
    assert rest == [f"app blog: pool blog has 0 processes, expected 1; see {logs[1]}"]


def test_a_log_that_began_anew(tmp_path: Path) -> None:
    """As after a rotation; and of a long one the end is enough."""
    log = tmp_path / "error.log"
    log.write_text("".join(f"[time] [wsgi:error] [pid 5] line {number}\n" for number in range(30)))
    told = health._tail(str(log), 10**6).splitlines()
    assert told == ["; its error log says:", *(f"    line {number}" for number in range(10, 30))]
