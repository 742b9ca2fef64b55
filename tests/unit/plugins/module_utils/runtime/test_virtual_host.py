"""The configuration of a virtual host, as text; the scenarios ask Apache what it makes of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, REDHAT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.proxy_headers import PROXY_HEADERS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.web import below
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import read_records
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import virtual_host as runtime_virtual_host
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.virtual_host import (
    error_log,
    main_app,
    virtual_host,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES, app
from hypothesis import given
from hypothesis import strategies as st

LAYOUT = DEBIAN.as_dict()


def checked(name: str = "public", **fields: Any) -> App:
    return check_app(app(name, **fields), 0, None)


def lines_of(*apps: App) -> list[str]:
    return [line.strip() for line in virtual_host(apps, "5.0.2", LAYOUT).splitlines()]


def section(lines: list[str], head: str, after: int = 0) -> list[str]:
    start = lines.index(head, after)
    return lines[start + 1 : lines.index(f"</{head[1:].split()[0]}>", start)]


def test_one_app() -> None:
    names = ["www.example.org", "*.example.org"]
    lines = lines_of(checked(server_names=names, mount="/shop", handles_authorization=True))
    hosts = [line for line in lines if "VirtualHost" in line]
    assert hosts == ["<VirtualHost *:80>", "</VirtualHost>"]
    for line in (
        "ServerName www.example.org",
        "ServerAlias *.example.org",
        "ErrorLog /var/log/apache2/wsgi-public-error.log",
        "WSGIDaemonProcess public user=public-app group=public-app supplementary-groups=public-app processes=2 "
        "threads=15 umask=0027 home=/var/lib/public-app/current/code python-home=/var/lib/public-app/current/venv "
        "display-name=%{GROUP} lang=C.UTF-8 locale=C.UTF-8 startup-timeout=15 connect-timeout=15 "
        "queue-timeout=45 socket-timeout=60 request-timeout=60 deadlock-timeout=60 graceful-timeout=15 "
        "eviction-timeout=1 shutdown-timeout=15",
        "WSGIScriptAlias /shop /var/www/public/wsgi.py",
        "WSGIImportScript /var/www/public/wsgi.py process-group=public application-group=%{GLOBAL}",
    ):
        assert lines.count(line) == 1, line
    assert {
        "WSGIProcessGroup public",
        "WSGIApplicationGroup %{GLOBAL}",
        "WSGIRestrictProcess public",
        "WSGIScriptReloading Off",
        "WSGIPassAuthorization On",
        "CGIPassAuth Off",
        "WSGIErrorOverride Off",
    } <= set(section(lines, "<Location /shop>"))
    assert section(lines, "<Directory /var/www/public>")[:3] == [
        "AllowOverride None",
        "Options None",
        "Require all denied",
    ]
    assert read_records("\n".join(lines)) == [
        {"name": "public", "server_names": names, "mount": "/shop", "tls": "", "acls": []}
    ]


@pytest.mark.parametrize(
    ("version", "timeout", "expected"),
    [
        ("6.0.0", 0, "On"),
        ("6.0.4", 0, "On"),
        ("6.0.4", 45, "Off"),
        ("6.0.5", 0, "Off"),
        ("5.0.2", 0, "Off"),
        (None, 0, "Off"),
    ],
)
def test_scripts_are_reloaded_where_bodies_would_be_cut(version: str | None, timeout: int, expected: str) -> None:
    text = virtual_host([checked(daemon_process={"queue-timeout": timeout})], version, LAYOUT)
    assert re.findall(r"WSGIScriptReloading (\w+)", text) == [expected]


def test_no_secret_and_no_authorization() -> None:
    text = virtual_host([checked(environment={"KEY": "hunter2"})], None, LAYOUT)
    assert "hunter2" not in text
    assert "KEY" not in text
    assert "WSGIPassAuthorization Off" in text
    assert "pass-authorization" not in text


def test_several_apps() -> None:
    names = ["a.org"]
    apps = [
        checked("shop", server_names=names, mount="/shop"),
        checked("admin", server_names=names, mount="/shop/admin"),
        checked("front", server_names=names, error_override=True, limits={"request_body": 5}),
    ]
    lines = lines_of(*apps)
    # The first alias that fits counts, and the last section.
    aliases = [line.split()[1] for line in lines if line.startswith("WSGIScriptAlias")]
    assert aliases == ["/shop/admin", "/shop", "/"]
    heads = [line for line in lines if line.startswith("<Location")]
    assert heads[-1] == "<Location /shop/admin>"
    for head, name in zip(heads, ("front", "shop", "admin"), strict=True):
        assert {f"WSGIProcessGroup {name}", f"WSGIRestrictProcess {name}"} <= set(section(lines, head))
    assert [line for line in lines if line.startswith(("LimitRequestBody", "WSGIErrorOverride On"))] == [
        "LimitRequestBody 5",
        "WSGIErrorOverride On",
    ]
    assert sum(line.startswith("ErrorLog ") for line in lines) == 1
    assert error_log(apps, LAYOUT) == "/var/log/apache2/wsgi-front-error.log"
    assert [row["name"] for row in read_records("\n".join(lines))] == ["admin", "shop", "front"]


MOUNTS = ["/", "/a", "/a.b", "/a/b", "/ab", "/a/b/c", "/x-y"]
TAILS = ["", "/", "/b", "/b/c/d", "b", "xb", "/c", "/z"]


@given(st.sets(st.sampled_from(MOUNTS), min_size=1), st.sampled_from(MOUNTS), st.sampled_from(TAILS))
def test_a_url_has_one_section_and_one_access_log(mounts: set[str], start: str, tail: str) -> None:
    """By Apache's rules a Location is a prefix of whole parts; the app with the longest such mount has the URL."""
    url = re.sub("/+", "/", start + tail)
    apps = {mount: checked(f"app-{index}", server_names=["a.org"], mount=mount) for index, mount in enumerate(MOUNTS)}
    chosen = [apps[mount] for mount in mounts]
    owner = max((app for app in chosen if below(url, app.mount)), key=lambda app: len(app.mount), default=None)
    lines = lines_of(*chosen)

    def fits(head: str) -> bool:
        kind, _space, argument = head.strip("<>").partition(" ")
        return bool(re.search(argument.strip('"'), url)) if kind == "LocationMatch" else below(url, argument)

    heads = [line for line in lines if line.startswith("<Location") and fits(line)]
    # What an app alone in its host says stands outside its section.
    groups = [
        [line for line in [*section(lines, head), *lines] if line.startswith("WSGIProcessGroup")] for head in heads
    ]
    found = [group[0].split()[1] for group in groups]
    assert found == ([owner.name] if owner else [])
    logged = []
    for line in lines:
        log = re.match(r'CustomLog \S+/wsgi-(\S+)-access.log "(?:[^"\\]|\\.)*"(?: "expr=(.*)")?$', line)
        if log:
            terms = re.findall(r"(!?)\(?%{REQUEST_URI} =~ m#(.*?)#", log.group(2) or "")
            if all(bool(re.search(pattern, url)) != bool(negated) for negated, pattern in terms):
                logged.append(log.group(1))
    assert logged == [(owner or main_app(chosen)).name]
    closed = [line for line in lines if line.startswith("RedirectMatch 404")]
    assert bool(closed) == ("/" not in mounts)
    if closed:
        assert bool(re.search(closed[0].split()[2].strip('"'), url)) == (owner is None)


def test_tls() -> None:
    files = {"certificate": "/etc/ssl/a b.pem", "key": "/etc/ssl/a.key"}
    lines = lines_of(checked(server_names=["a.org", "b.org"], tls=files))
    first, second = ("\n".join(part) for part in (lines[: lines.index("</VirtualHost>")], lines))
    assert "<VirtualHost *:80>" in first
    assert 'Redirect permanent "https://%{SERVER_NAME}%{REQUEST_URI}"' in first
    # Not a word of WSGI on the plain port, and HSTS would mean nothing there.
    assert "WSGI" not in first
    assert "Strict-Transport" not in first
    plain = second[len(first) :]
    for line in (
        "<VirtualHost *:443>",
        "SSLEngine On",
        "Include conf-available/zz-palisade-tls.inc",
        'SSLCertificateFile "/etc/ssl/a b.pem"',
        "SSLCertificateKeyFile /etc/ssl/a.key",
        'Header always set Strict-Transport-Security "max-age=63072000"',
        "WSGIScriptAlias / /var/www/public/wsgi.py",
    ):
        assert plain.count(line) == 1, line
    assert plain.count("ServerAlias b.org") == 1
    assert plain.count("SetEnv no-gzip 1") == 1
    assert "SetEnv no-gzip 1" not in lines_of(checked())


def test_tls_from_an_authority() -> None:
    lines = lines_of(checked(server_names=["a.org", "b.org"], tls={"acme": True, "hsts": 0}))
    assert lines.count("MDomain a.org b.org manual") == 1
    assert lines.index("MDomain a.org b.org manual") < lines.index("<VirtualHost *:80>")
    assert not [line for line in lines if line.startswith(("SSLCertificate", "Header"))]


def test_the_profile_is_beside_the_other_settings() -> None:
    text = virtual_host([checked(tls={"self_signed": True})], None, REDHAT.as_dict())
    assert "Include conf.d/zz-palisade-tls.inc" in text


def test_static() -> None:
    lines = lines_of(checked(mount="/shop", static={"/shop/static": "assets/out"}))
    path = "/var/lib/public-app/current/code/assets/out"
    assert f"Alias /shop/static {path}" in lines
    assert section(lines, f"<Directory {path}>") == ["Options None", "Require all granted"]
    assert "Require all denied" in section(lines, "<Directory /var/lib/public-app>")
    assert "SetHandler default-handler" in section(lines, "<Location /shop/static>")
    # After the application's own section, which it overrides.
    assert lines.index("<Location /shop/static>") > lines.index("<Location /shop>")


def test_an_app_alone_in_its_host_leaves_the_handler_to_a_section() -> None:
    """A section of another's, such as /server-status, must not win."""
    alone = lines_of(checked(limits={"request_body": 5}))
    assert section(alone, "<Location />") == ["SetHandler wsgi-script", "CGIPassAuth Off", "LimitRequestBody 5"]
    assert alone.index("WSGIProcessGroup public") < alone.index("<Location />")
    two = lines_of(checked(server_names=["a.org"]), checked("api", server_names=["a.org"], mount="/api"))
    first = two.index(next(line for line in two if line.startswith("<Location")))
    assert not [line for line in two[:first] if line.startswith(("WSGIProcessGroup", "RequestHeader", "SetEnvIf"))]


def test_headers_of_proxies() -> None:
    without = lines_of(checked())
    every = {"Forwarded", "X-Forwarded", *PROXY_HEADERS}
    assert {line for line in without if line.startswith("RequestHeader")} == {
        f"RequestHeader unset {header}" for header in every
    }
    assert not [line for line in without if line.startswith("WSGITrusted")]
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    lines = lines_of(checked(trusted_proxies=networks, trusted_proxy_headers=["X-Forwarded-For"]))
    assert "WSGITrustedProxies 192.0.2.0/24 2001:db8::/32" in lines
    assert "WSGITrustedProxyHeaders X-Forwarded-For" in lines
    trusted = "\"expr=!(-R '192.0.2.0/24' || -R '2001:db8::/32')\""
    assert f"RequestHeader unset X-Forwarded-For {trusted}" in lines
    assert "RequestHeader unset X-Real-IP" in lines
    assert next(line for line in lines if line.startswith("CustomLog")).endswith(r'\"%{X-Forwarded-For}i\""')


@pytest.mark.parametrize("words", ["{Referer}", "{Cookie}", "{Authorization}", "%r", "%q", "%{QUERY"])
def test_logs_name_nothing_that_carries_credentials(words: str) -> None:
    logs = [line for line in lines_of(checked()) if line.startswith(("CustomLog", "ErrorLogFormat"))]
    assert len(logs) == 2
    assert words not in "".join(logs)


def test_every_line_of_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that a site can have; the lines against crowds have tests of their own."""
    for name in ("server_lines", "host_lines", "section_lines"):
        monkeypatch.setattr(runtime_virtual_host, name, lambda _what: [])
    both: dict[str, Any] = {
        "server_names": ["a.org", "*.a.org"],
        "tls": {"certificate": "/etc/ssl/a.pem", "key": "/etc/ssl/a.key", "hsts": 60},
    }
    apps = [
        checked(
            "shop",
            static={"/static": "assets"},
            limits={"request_body": 5000, "request_fields": 50},
            error_override=True,
            acls=[{"path": "/srv/x", "permissions": "r"}],
            **both,
        ),
        checked(
            "blog",
            mount="/blog",
            limits={"request_fields": 50},
            trusted_proxies=["192.0.2.1"],
            trusted_proxy_headers=["X-Forwarded-For"],
            handles_authorization=True,
            **both,
        ),
    ]
    whole = (FIXTURES / "sites/shop.conf").read_text()
    assert virtual_host(apps, "5.0.2", LAYOUT) == whole
    # Closed, it says that only, in the same logs; the plain port redirects as ever.
    head, _pools, _rest = whole.partition("    LimitRequestFields 50\n")
    closed = virtual_host(apps, "5.0.2", LAYOUT, closed=True)
    assert closed == f"{head}    Redirect 503 /\n    Header always set Retry-After 5\n</VirtualHost>\n"


def test_requests_without_a_length_are_for_who_asks_for_them() -> None:
    both: dict[str, Any] = {"server_names": ["a.org"]}
    lines = lines_of(checked(chunked_requests=True, **both), checked("other", mount="/c", **both))
    (line,) = (number for number, text in enumerate(lines) if text.strip() == "WSGIChunkedRequest On")
    assert "WSGIProcessGroup public" in [text.strip() for text in lines[line - 6 : line]]


def test_urls_below_no_mount_have_no_answer() -> None:
    lines = lines_of(checked(mount="/a.b"), checked("other", mount="/c", server_names=["public.example.org"]))
    assert r'RedirectMatch 404 "^(?!(?:/a\.b|/c)(?:/|$))"' in lines
