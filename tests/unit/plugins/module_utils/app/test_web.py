"""What an app says of its virtual host: refused before Apache would take it in another sense."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.proxy_headers import PROXY_HEADERS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.web import LIMITS, below
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app
from hypothesis import given
from hypothesis import strategies as st


def checked(**fields: Any) -> App:
    return check_app(app(**fields), 0, None)


def refusal(**fields: Any) -> str:
    with pytest.raises(PalisadeError) as caught:
        checked(**fields)
    return str(caught.value)


FILES = {"certificate": "/etc/ssl/a.pem", "key": "/etc/ssl/a.key"}
PROXY = {"trusted_proxies": ["192.0.2.1"], "trusted_proxy_headers": ["X-Forwarded-For"]}

BAD: list[tuple[dict[str, Any], str]] = [
    ({"tls": {}}, "tls: expected certificate and key, acme: true or self_signed: true, got {}"),
    ({"tls": "yes"}, "tls: expected a mapping, got str"),
    ({"tls": {"acem": True}}, "tls: expected certificate, key, acme, self_signed or hsts, did you mean 'acme'?"),
    ({"tls": {"acme": True, "self_signed": True}}, "tls: expected one of certificate with key"),
    ({"tls": {"acme": False}}, "tls: expected one of certificate with key"),
    ({"tls": {"acme": "yes"}}, "tls: acme: expected true or false, got 'yes'"),
    ({"tls": {**FILES, "acme": True}}, "tls: expected one of certificate with key"),
    ({"tls": {"certificate": "/a"}}, "tls: key: expected an absolute path without '..', got None"),
    ({"tls": {**FILES, "key": "a.key"}}, "tls: key: expected an absolute path without '..', got 'a.key'"),
    ({"tls": {**FILES, "key": "/etc/../a"}}, "tls: key: expected an absolute path without '..'"),
    ({"tls": {**FILES, "key": "/a\nSSLEngine off"}}, "tls: key: control character"),
    ({"tls": {**FILES, "key": "/a${HOME}"}}, "tls: key: '${' is refused"),
    ({"tls": {"acme": True, "hsts": -1}}, "tls: hsts: expected seconds, 0 for none, got -1"),
    ({"tls": {"acme": True, "hsts": True}}, "tls: hsts: expected seconds, 0 for none, got True"),
    (
        {"tls": {"acme": True}, "server_names": ["a.org", "*.a.org"]},
        "tls: acme: *.a.org needs DNS, give certificate and key instead",
    ),
    ({"trusted_proxies": ["192.0.2.1"]}, "trusted_proxy_headers: expected the headers"),
    ({"trusted_proxy_headers": ["X-Forwarded-For"]}, "mod_wsgi would then trust every client"),
    ({**PROXY, "trusted_proxies": ["FE80::1"]}, "expected an IPv6 address in lower case, got 'FE80::1'"),
    ({**PROXY, "trusted_proxies": ["proxy.example.org"]}, "expected an address or network such as 192.0.2.0/24"),
    ({**PROXY, "trusted_proxies": ["192.0.2.1/24"]}, "expected an address or network such as 192.0.2.0/24"),
    ({**PROXY, "trusted_proxies": ["0.0.0.0/0"]}, "expected the proxies and not every address, got '0.0.0.0/0'"),
    ({**PROXY, "trusted_proxies": ["::/0"]}, "expected the proxies and not every address, got '::/0'"),
    ({**PROXY, "trusted_proxy_headers": ["X-Forwarded-Protoo"]}, "did you mean 'X-Forwarded-Proto'?"),
    (
        {**PROXY, "trusted_proxy_headers": ["X-Forwarded-For", "X-Real-IP"]},
        "X-Forwarded-For and X-Real-IP both give the client address",
    ),
    (
        {**PROXY, "trusted_proxy_headers": ["X-Scheme", "X-Forwarded-Proto"]},
        "X-Scheme and X-Forwarded-Proto both give the scheme",
    ),
    ({"limits": {"request_bdy": 1}}, "did you mean 'request_body'?"),
    ({"limits": {"request_body": 0}}, "limits: request_body: expected 1 to 2147483647 bytes, got 0"),
    ({"limits": {"request_body": "10M"}}, "limits: request_body: expected 1 to 2147483647 bytes, got '10M'"),
    ({"limits": {"request_fields": 0}}, "limits: request_fields: expected 10 to 32767 fields, got 0"),
    ({"limits": {"request_line": True}}, "limits: request_line: expected 256 to 65536 bytes, got True"),
    ({"static": {"/": "static"}}, "static: expected a URL path inside the mount /, got '/'"),
    ({"static": {"/static": "static"}, "mount": "/shop"}, "static: expected a URL path inside the mount /shop"),
    ({"static": {"/shopping": "static"}, "mount": "/shop"}, "static: expected a URL path inside the mount /shop"),
    ({"static": {"/a b": "static"}}, "static: expected a URL path such as / or /shop, got '/a b'"),
    ({"static": {"/../x": "static"}}, "static: expected a URL path such as / or /shop, got '/../x'"),
    ({"static": {"/static": "../venv"}}, "static: /static: expected a directory inside the source"),
    ({"static": {"/static": "/etc"}}, "static: /static: expected a directory inside the source"),
    ({"static": {"/static": "."}}, "static: /static: expected a directory inside the source"),
    ({"static": {"/static": ".git"}}, "static: /static: expected a directory inside the source"),
    ({"static": {"/s": "a", "/s/t": "b"}}, "static: /s/t is inside /s"),
    ({"acls": {"path": "/srv"}}, "acls: expected a list of path and permissions"),
    ({"acls": ["/srv"]}, "acls: expected path and permissions, got '/srv'"),
    ({"acls": [{"path": "srv", "permissions": "r"}]}, "acls: path: expected an absolute path without '..', got 'srv'"),
    ({"acls": [{"path": "/srv/..", "permissions": "r"}]}, "acls: path: expected an absolute path"),
    ({"acls": [{"path": "/srv", "permissions": ""}]}, "acls: /srv: permissions: expected some of r, w and x"),
    ({"acls": [{"path": "/srv", "permissions": "rs"}]}, "acls: /srv: permissions: expected some of r, w and x"),
    ({"acls": [{"path": "/srv", "permissions": 5}]}, "acls: /srv: permissions: expected text such as 'rx', got 5"),
    ({"acls": [{"path": "/srv", "permissions": "rr"}]}, "acls: /srv: permissions: expected some of r, w and x"),
    ({"acls": [{"path": "/srv", "permission": "r"}]}, "did you mean 'permissions'?"),
    ({"acls": [{"path": "/a", "permissions": "r"}, {"path": "/a", "permissions": "w"}]}, "acls: /a: listed twice"),
    ({"replaces": ["../shop.conf"]}, "replaces: expected names of enabled site files such as shop.conf"),
    ({"replaces": ["zz-palisade-shop.conf"]}, "replaces: expected names of enabled site files"),
    ({"error_override": "yes"}, "error_override: expected true or false, got 'yes'"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_bad_input(fields: dict[str, Any], words: str) -> None:
    message = refusal(**fields)
    assert message.startswith("app public: ")
    assert words in message


def test_tls() -> None:
    names = ["a.org", "b.org"]
    given_tls = checked(tls=FILES).tls
    own = checked(tls={"self_signed": True, "hsts": 0}, server_names=names).tls
    acme = checked(tls={"acme": True}).tls
    assert given_tls
    assert own
    assert acme
    assert (given_tls.kind, given_tls.certificate, given_tls.hsts) == ("certificate", "/etc/ssl/a.pem", 63072000)
    assert (own.kind, own.certificate, own.hsts) == ("self_signed", "/etc/palisade-mod_wsgi/tls/a.org.crt", 0)
    assert (acme.kind, acme.certificate) == ("acme", "")
    assert checked().tls is None


def test_proxies_are_taken_as_they_are_written() -> None:
    networks = ["192.0.2.0/24", "2001:db8::/32", "::1"]
    public = checked(trusted_proxies=networks, trusted_proxy_headers=["x-forwarded-for", "X-FORWARDED-PROTO"])
    assert public.trusted_proxies == tuple(networks)
    assert public.trusted_proxy_headers == ("X-Forwarded-For", "X-Forwarded-Proto")


@given(st.one_of(st.ip_addresses(), st.ip_addresses(v=6)), st.sampled_from(sorted(PROXY_HEADERS)))
def test_every_address_and_header(address: Any, header: str) -> None:
    public = checked(trusted_proxies=[str(address)], trusted_proxy_headers=[header])
    assert ipaddress.ip_address(public.trusted_proxies[0]) == address
    assert public.trusted_proxy_headers == (header,)


@given(st.sampled_from(sorted(LIMITS)), st.integers())
def test_limits(key: str, value: int) -> None:
    _directive, low, high = LIMITS[key]
    if low <= value <= high:
        public = checked(limits={key: value})
        assert public.limits == {key: value}
        # Apache applies only this one where it knows the virtual host.
        assert [f"limits: {key}" in text for text in public.warnings] == ([] if key == "request_body" else [True])
    else:
        assert f"limits: {key}: expected {low} to {high}" in refusal(limits={key: value})


PATHS = st.sampled_from(["/", "/a", "/a/b", "/ab", "/a/bc", "/b"])


@given(PATHS, PATHS)
def test_below(path: str, above: str) -> None:
    parts, prefix = ([part for part in url.split("/") if part] for url in (path, above))
    assert below(path, above) == (parts[: len(prefix)] == prefix)


def test_permissions_have_one_order() -> None:
    assert checked(acls=[{"path": "/srv/media", "permissions": "xr"}]).acls == (("/srv/media", "rx"),)


@pytest.mark.parametrize(
    ("key", "low", "high", "unit"),
    [
        ("request_body", 1, 2147483647, "bytes"),
        ("request_fields", 10, 32767, "fields"),
        ("request_field_size", 256, 65536, "bytes"),
        ("request_line", 256, 65536, "bytes"),
        ("uploads", 1, 65533, "requests"),
    ],
)
def test_bounds_of_limits(key: str, low: int, high: int, unit: str) -> None:
    for value in (low, high):
        assert checked(limits={key: value}).limits == {key: value}
    for value in (low - 1, high + 1):
        told = refusal(limits={key: value})
        assert told == f"app public: limits: {key}: expected {low} to {high} {unit}, got {value}"
    first = f"app public: limits: {key}: Apache takes it from the first virtual host of the address, so "
    expected = [] if key in ("request_body", "uploads") else [f"{first}only wsgi_server_limit_{key} has an effect"]
    assert list(checked(limits={key: low}).warnings) == expected


TOLD = {
    "client address": ["X-Forwarded-For", "X-Client-IP", "X-Real-IP"],
    "scheme": [
        "X-Forwarded-Proto",
        "X-Forwarded-Scheme",
        "X-Forwarded-HTTPS",
        "X-Forwarded-SSL",
        "X-Scheme",
        "X-HTTPS",
    ],
    "host": ["X-Forwarded-Host", "X-Host"],
    "port": ["X-Forwarded-Port"],
    "server": ["X-Forwarded-Server"],
    "mount": ["X-Forwarded-Script-Name", "X-Script-Name"],
}


def test_headers_that_tell_the_same() -> None:
    """A client could send the one that the proxy does not set."""
    headers = [(what, header) for what, group in TOLD.items() for header in group]
    assert [header for _what, header in headers] == list(PROXY_HEADERS)
    for what, header in headers:
        for other_what, other in headers:
            fields = {**PROXY, "trusted_proxy_headers": [header, other]}
            if what == other_what and header != other:
                assert refusal(**fields).startswith(
                    f"app public: trusted_proxy_headers: {header} and {other} both give the {what}: list only the"
                )
            else:
                assert checked(**fields).trusted_proxy_headers == tuple(dict.fromkeys([header, other]))


@pytest.mark.parametrize(("hsts", "taken"), [(0, True), (2**31 - 1, True), (2**31, False), ("60", False)])
def test_hsts(hsts: Any, taken: bool) -> None:
    for kind in ({"acme": True}, {"self_signed": True}, FILES):
        if taken:
            found = checked(tls={**kind, "hsts": hsts}).tls
            assert found
            assert found.hsts == hsts
        else:
            assert f"tls: hsts: expected seconds, 0 for none, got {hsts!r}" in refusal(tls={**kind, "hsts": hsts})


def test_static_directories_beside_each_other() -> None:
    given_static = {"/s": "a", "/st": "b/c", "/t": "a"}
    assert checked(static=given_static).static == given_static
    assert checked(mount="/shop", static={"/shop/s": "a"}).static == {"/shop/s": "a"}
    assert checked(acls=None).acls == ()
