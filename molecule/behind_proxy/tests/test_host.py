"""An app learns of its client from the proxy that it trusts, and from nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask, content
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name, reach
from testinfra.host import Host

APPS = ("trusting", "signing", "plain")
# What a client could tell of itself, and where an app would find it.
SPOOFED = {
    "X-Forwarded-For": "6.6.6.1",
    "X-Client-IP": "6.6.6.2",
    "X-Real-IP": "6.6.6.3",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-HTTPS": "on",
    "X-Forwarded-SSL": "on",
    "X-Scheme": "https",
    "X-HTTPS": "on",
    "X-Forwarded-Host": "spoofed.test",
    "X-Host": "spoofed.test",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Server": "spoofed.test",
    "X-Forwarded-Script-Name": "/spoofed",
    "X-Script-Name": "/spoofed",
    "X-Forwarded": "for=6.6.6.6",
    "Forwarded": "for=6.6.6.6;host=spoofed.test;proto=https",
}
# Other ways of writing the same.
DISGUISED = (
    "X_Forwarded_For: 6.6.6.1",
    "x-FORWARDED-for: 6.6.6.1",
    "X-Forwarded-For: 6.6.6.1",
    "X-Forwarded-For: 6.6.6.1, 6.6.6.6",
    "X.Forwarded.For: 6.6.6.1",
    "X_Real_IP: 6.6.6.1",
    "X-Forwarded_Proto: https",
    "x_forwarded_host: spoofed.test",
    "FORWARDED: for=6.6.6.6",
)
CREDENTIALS = ("Authorization: Basic c3Bvb2ZlZDo=", "Proxy-Authorization: Basic c3Bvb2ZlZDo=")
HEADERS = tuple(f"{name}: {value}" for name, value in SPOOFED.items())


def variable(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def named(name: str) -> Host:
    return reach(f"palisade-behind_proxy-{name}")


@cache
def address(name: str) -> str:
    return str(named(name).check_output("hostname -I").split()[0])


@pytest.fixture
def backend(host: Host) -> str:
    return inventory_name(host)


@pytest.fixture
def elsewhere(backend: str) -> str:
    """A host that is neither the proxy nor the one that is asked."""
    return {"debian12": "debian13", "debian13": "debian12"}[backend]


def environ(client: str, server: str, name: str, *headers: str) -> dict[str, Any]:
    status, text = ask(named(client), name, "/", *headers, address=address(server))
    assert status == 200, text
    return dict(content(text)["environ"])


def told(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the environment has of forwarding headers or of their values."""
    names = {variable(header) for header in SPOOFED}
    return {key: value for key, value in found.items() if key in names or "6.6.6." in value or "spoofed" in value}


def test_unhardened_sites_hand_on_or_believe_everything(backend: str, elsewhere: str) -> None:
    found = environ(elsewhere, backend, "bare.test", *HEADERS, *CREDENTIALS, "Proxy: http://spoofed.test")
    assert found["REMOTE_ADDR"] == address(elsewhere)
    assert {header: found.get(variable(header)) for header in SPOOFED} == SPOOFED
    found = environ(elsewhere, backend, "believing.test", *HEADERS)
    assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"]) == ("6.6.6.1", "https")
    assert found["HTTP_HOST"] == "spoofed.test"


@pytest.mark.parametrize("headers", [(), HEADERS, DISGUISED], ids=["honest", "spoofed", "disguised"])
def test_client_of_the_proxy_is_known(backend: str, elsewhere: str, headers: tuple[str, ...]) -> None:
    found = environ(elsewhere, "proxy", f"trusting.{backend}.public", *headers)
    assert found["REMOTE_ADDR"] == address(elsewhere)
    assert found["wsgi.url_scheme"] == "https"
    assert found["HTTP_HOST"] == f"trusting.{backend}.public"
    assert set(told(found)) <= {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"}
    assert "6.6.6" not in str(found)
    assert "spoofed" not in str(found)


@pytest.mark.parametrize("headers", [(), HEADERS, DISGUISED], ids=["honest", "spoofed", "disguised"])
def test_only_the_declared_header_counts(backend: str, elsewhere: str, headers: tuple[str, ...]) -> None:
    found = environ(elsewhere, "proxy", f"signing.{backend}.public", *headers)
    assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"]) == (address(elsewhere), "http")
    assert found["HTTP_HOST"] == f"signing.{backend}.internal"
    assert told(found) == {"HTTP_X_REAL_IP": address(elsewhere)}


@pytest.mark.parametrize("headers", [HEADERS, DISGUISED], ids=["spoofed", "disguised"])
@pytest.mark.parametrize("app", APPS)
def test_nobody_else_is_believed(backend: str, elsewhere: str, app: str, headers: tuple[str, ...]) -> None:
    for client in (elsewhere, backend):
        found = environ(client, backend, f"{app}.test", *headers, "Proxy: http://spoofed.test")
        assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"]) == (address(client), "http")
        assert (found["HTTP_HOST"], found["SERVER_NAME"], found["SERVER_PORT"]) == (f"{app}.test", f"{app}.test", "80")
        assert found["SCRIPT_NAME"] == ""
        assert told(found) == {}


def test_app_without_proxies_sees_none_of_their_headers(backend: str, elsewhere: str) -> None:
    found = environ(elsewhere, "proxy", f"plain.{backend}.public", *HEADERS)
    assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"]) == (address("proxy"), "http")
    assert told(found) == {}


def test_access_log_has_the_client_that_the_proxy_tells(host: Host, backend: str, elsewhere: str) -> None:
    log = host.file("/var/log/apache2/wsgi-trusting-access.log")
    environ(elsewhere, "proxy", f"trusting.{backend}.public", *HEADERS)
    line = log.content_string.splitlines()[-1]
    assert line.startswith(f"{address('proxy')} ")
    assert address(elsewhere) in line
    environ(elsewhere, backend, "trusting.test", *HEADERS)
    line = log.content_string.splitlines()[-1]
    assert line.startswith(f"{address(elsewhere)} ")
    assert "6.6.6" not in line


# Credentials


@contextmanager
def server_wide(host: Host, text: str) -> Iterator[None]:
    path = "/etc/apache2/conf-enabled/zzz-mistake.conf"
    restart = "systemctl reset-failed apache2 && systemctl restart apache2"
    try:
        host.check_output("printf %s >%s && " + restart, text, path)
        yield
    finally:
        host.check_output("rm %s && " + restart, path)


def credentials(backend: str, client: str, name: str) -> set[str]:
    found = environ(client, backend, name, *CREDENTIALS, "Proxy: http://spoofed.test")
    return {key for key in found if key in ("HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "HTTP_PROXY")}


def test_authorization_reaches_only_an_app_that_handles_it(backend: str, elsewhere: str) -> None:
    assert credentials(backend, elsewhere, "signing.test") == {"HTTP_AUTHORIZATION"}
    assert credentials("proxy", elsewhere, f"signing.{backend}.public") == {"HTTP_AUTHORIZATION"}
    for app in ("trusting", "plain"):
        assert credentials(backend, elsewhere, f"{app}.test") == set()
        assert credentials("proxy", elsewhere, f"{app}.{backend}.public") == set()


@pytest.mark.parametrize("section", ["Location /", "Directory /"])
def test_no_other_door_hands_on_authorization(host: Host, backend: str, elsewhere: str, section: str) -> None:
    assert credentials(backend, elsewhere, "bare.test") == set()
    with server_wide(host, f"<{section}>\nCGIPassAuth On\n</{section.split()[0]}>\n"):
        assert credentials(backend, elsewhere, "bare.test") == {"HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"}
        assert credentials(backend, elsewhere, "trusting.test") == set()
        assert credentials(backend, elsewhere, "plain.test") == set()
