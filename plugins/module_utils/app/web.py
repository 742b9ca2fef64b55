# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an app says of its virtual host: TLS, proxies, limits, static files."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..apache.layout import TLS_DIRECTORY
from ..apache.proxy_headers import PROXY_HEADERS
from ..host.acl import parse_permissions, permissions_text
from ..host.errors import PalisadeError, nearest
from .fields import APP
from .values import absolute_path, flag, is_integer, known_keys, mapping, relative_path, require, texts, url_path

_DIRECTIVES = {
    "request_body": "LimitRequestBody",
    "request_fields": "LimitRequestFields",
    "request_field_size": "LimitRequestFieldSize",
    "request_line": "LimitRequestLine",
}
# Key of `limits`: Apache's directive, the lowest and the highest value; 0 would mean no limit.
LIMITS = {
    key: (directive, APP["limits"][key].minimum, APP["limits"][key].maximum) for key, directive in _DIRECTIVES.items()
}


@dataclass(frozen=True)
class Tls:
    """Where a virtual host's certificate comes from."""

    kind: str
    certificate: str = ""
    key: str = ""
    hsts: int = APP["tls"]["hsts"].default


def check_tls(app: Mapping[str, Any], server_names: list[str], subject: str) -> Tls | None:
    """Return the app's TLS; None where it has none."""
    given = mapping(app, "tls", subject)
    subject = f"{subject}: tls"
    if not given:
        require(app.get("tls") is None, subject, "certificate and key, acme: true or self_signed: true", {})
        return None
    known_keys(given, APP["tls"].names, subject)
    kinds = [kind for kind in ("acme", "self_signed") if flag(given, kind, subject)]
    if "certificate" in given or "key" in given:
        kinds.append("certificate")
    expected = "one of certificate with key, acme: true and self_signed: true"
    require(len(kinds) == 1, subject, expected, sorted(str(key) for key in given))
    hsts = given.get("hsts", APP["tls"]["hsts"].default)
    require(is_integer(hsts, 0, APP["tls"]["hsts"].maximum), f"{subject}: hsts", "seconds, 0 for none", hsts)
    if kinds == ["certificate"]:
        certificate, key = (absolute_path(given.get(part), f"{subject}: {part}") for part in ("certificate", "key"))
        return Tls("certificate", certificate, key, hsts)
    if kinds == ["acme"]:
        wild = [host for host in server_names if host.startswith("*.")]
        if wild:
            raise PalisadeError(f"{subject}: acme: {wild[0]} needs DNS, give certificate and key instead")
        return Tls("acme", hsts=hsts)
    name = f"{TLS_DIRECTORY}/{server_names[0]}"
    return Tls("self_signed", f"{name}.crt", f"{name}.key", hsts)


def _network(value: str, subject: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise PalisadeError(f"{subject}: expected an address or network such as 192.0.2.0/24, got {value!r}") from error
    # mod_wsgi's parser knows no upper case.
    require(value == value.lower(), subject, "an IPv6 address in lower case", value)
    require(network.prefixlen > 0, subject, "the proxies and not every address", value)
    return value


def check_proxies(app: Mapping[str, Any], subject: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the trusted proxies and the headers that are taken from them."""
    proxies = texts(app, "trusted_proxies", subject)
    headers = texts(app, "trusted_proxy_headers", subject)
    if headers and not proxies:
        raise PalisadeError(
            f"{subject}: trusted_proxies: expected the addresses of the proxies for trusted_proxy_headers, got none: "
            "mod_wsgi would then trust every client"
        )
    if proxies and not headers:
        raise PalisadeError(
            f"{subject}: trusted_proxy_headers: expected the headers that the trusted_proxies set, such as "
            "X-Forwarded-For, got none"
        )
    names = {name.lower(): name for name in PROXY_HEADERS}
    told: dict[str, str] = {}
    for header in headers:
        place = f"{subject}: trusted_proxy_headers"
        name = names.get(header.lower())
        if name is None:
            raise PalisadeError(f"{place}: mod_wsgi takes no {header!r}{nearest(header, PROXY_HEADERS)}")
        other = told.setdefault(PROXY_HEADERS[name], name)
        if other != name or list(told.values()).count(name) > 1:
            raise PalisadeError(
                f"{place}: {other} and {name} both give the {PROXY_HEADERS[name]}: list only the one that your proxy "
                "sets, because clients can send the other"
            )
    networks = [_network(proxy, f"{subject}: trusted_proxies") for proxy in proxies]
    return tuple(networks), tuple(told.values())


def excluded_addresses(network: str) -> list[str]:
    """Return a network as mod_qos compares it with an address: as text, whole or from the start.

    Empty where text cannot tell it, as an IPv6 network that ends inside a group.
    """
    parsed = ipaddress.ip_network(network)
    if parsed.prefixlen == parsed.max_prefixlen:
        return [str(parsed.network_address)]
    if isinstance(parsed, ipaddress.IPv4Network):
        whole = -(-parsed.prefixlen // 8) * 8
        starts = [str(each.network_address).split(".") for each in parsed.subnets(new_prefix=whole)]
        return [".".join(start[: whole // 8]) + ("." if whole < 32 else "") for start in starts]
    groups = parsed.network_address.exploded.split(":")[: parsed.prefixlen // 16]
    if parsed.prefixlen % 16 or any(int(group, 16) == 0 for group in groups):
        return []
    return ["".join(f"{int(group, 16):x}:" for group in groups)]


def proxy_warnings(networks: Iterable[str]) -> list[str]:
    """Return a warning for each network of proxies that mod_qos cannot be told."""
    return [
        f"trusted_proxies: {network}: mod_qos cannot match this network, so wsgi_server_address_connections limits "
        "each of its proxies; list the proxies one by one"
        for network in networks
        if not excluded_addresses(network)
    ]


def check_limits(app: Mapping[str, Any], subject: str) -> dict[str, int]:
    """Return the limits that the app sets itself."""
    given = mapping(app, "limits", subject)
    subject = f"{subject}: limits"
    known_keys(given, APP["limits"].names, subject)
    for key, value in given.items():
        low, high = APP["limits"][key].minimum, APP["limits"][key].maximum
        unit = {"request_fields": "fields", "uploads": "requests"}.get(key, "bytes")
        require(is_integer(value, low, high), f"{subject}: {key}", f"{low} to {high} {unit}", value)
    return dict(given)


def limit_warnings(limits: Mapping[str, int]) -> list[str]:
    """Return a warning for each limit that Apache applies before it knows the virtual host."""
    return [
        f"{key}: Apache takes it from the first virtual host of the address, so only wsgi_server_limit_{key} has an "
        "effect"
        for key in limits
        if key not in ("request_body", "uploads")
    ]


def below(path: str, above: str) -> bool:
    """Tell whether a URL path is another one or inside it."""
    return path == above or path.startswith(above.rstrip("/") + "/")


def check_static(app: Mapping[str, Any], mount: str, subject: str) -> dict[str, str]:
    """Return the app's static directories by their URL paths."""
    given = mapping(app, "static", subject)
    subject = f"{subject}: static"
    result: dict[str, str] = {}
    for url, directory in given.items():
        path = url_path(url, subject)
        usable = path != mount and below(path, mount)
        require(usable, subject, f"a URL path inside the mount {mount}", path)
        result[path] = relative_path(directory, f"{subject}: {path}", "a directory inside the source such as static")
    for path in result:
        inner = [other for other in result if other != path and below(other, path)]
        if inner:
            raise PalisadeError(f"{subject}: {inner[0]} is inside {path}, give one of them")
    return result


def check_acls(app: Mapping[str, Any], subject: str) -> tuple[tuple[str, str], ...]:
    """Return what the app's account is to get on files of others, as (path, permissions)."""
    subject = f"{subject}: acls"
    given = app.get("acls")
    if given is None:
        return ()
    require(isinstance(given, (list, tuple)), subject, "a list of path and permissions", given)
    result: dict[str, str] = {}
    for row in given:
        require(isinstance(row, Mapping), subject, "path and permissions", row)
        known_keys(row, APP["acls"].names, subject)
        path = absolute_path(row.get("path"), f"{subject}: path")
        permissions = row.get("permissions")
        require(isinstance(permissions, str), f"{subject}: {path}: permissions", "text such as 'rx'", permissions)
        if path in result:
            raise PalisadeError(f"{subject}: {path}: listed twice")
        try:
            result[path] = permissions_text(parse_permissions(str(permissions)))
        except PalisadeError as error:
            raise PalisadeError(f"{subject}: {path}: {error}") from error
    return tuple(result.items())
