# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests reach an application at all (E, X-DEFAULT-VHOST)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from .. import page
from ..config import VirtualHost
from ..facts import Facts
from ..merge import Place, listens_on, secure
from ..require import GRANTED, STRANGER, UNKNOWN, admits
from ..rule import Evidence, Group, Result, config, undecided, verdict, web_hosts
from .headers import client_address

GROUP = Group()


def _backends(facts: Facts) -> list[tuple[dict[str, Any], Evidence]]:
    """Return the listeners that are for a proxy alone, with what says so."""
    if facts.instance.express:
        why = Evidence("config", facts.instance.config_file, "made by mod_wsgi-express", "")
        return [(listener, why) for listener in facts.listeners]
    return [(row, Evidence("config", row["source"], row["line"], "")) for row in facts.web.backends]


def _listener(row: Mapping[str, Any]) -> str:
    return f"{row['address']} port {row['port']}"


def _everybodys(row: Mapping[str, Any]) -> str:
    """Return info for a port that clients use as well, which is then not for the proxy alone."""
    return "info" if row["port"] in (80, 443) else ""


def _on_loopback(row: Mapping[str, Any]) -> bool:
    return ipaddress.ip_address(row["address"]).is_loopback


@GROUP.add(
    "E1",
    "A server behind a proxy listens on loopback only",
    "high",
    page.NETWORK,
    looks_at="the listening sockets of an Apache that mod_wsgi-express made, and those to which ProxyPass, "
    "BalancerMember or RewriteRule of an Apache on this host send requests",
    decides="fails for an address other than loopback; info for port 80 or 443, which clients use as well; does not "
    "apply to other listeners",
    remedy="Start it with --host 127.0.0.1, or use Listen 127.0.0.1:PORT. Clients then reach only the proxy in front.",
    by_hand=("mod_wsgi-express start-server --host 127.0.0.1 --port 8000 wsgi.py",),
    attack="A client that connects directly bypasses the proxy's authentication and forges its headers.",
    needs_configuration=False,
)
def backend_on_loopback(facts: Facts) -> Iterable[Result]:
    for row, why in _backends(facts):
        observed = _listener(row)
        seen = Evidence("proc", "/proc/net/tcp", observed, "a loopback address")
        yield verdict(_on_loopback(row), "listener", observed, seen, why, severity=_everybodys(row))


@GROUP.add(
    "E2",
    "A server behind a proxy cannot be reached from outside",
    "high",
    page.NETWORK,
    confidence="medium",
    looks_at="the listeners of E1; with active: full also a connection to this host's own address, which does not "
    "leave the host",
    decides="fails if a connection to the host's own address succeeds; info for port 80 or 443; unknown if this was "
    "not tried. A packet filter may still block outsiders, but the rule does not look at it",
    remedy="Let it listen on 127.0.0.1.",
    by_hand=("Listen 127.0.0.1:8000",),
    attack="curl http://HOST:8000/ with forged headers bypasses the TLS and the authentication of the proxy.",
    needs_configuration=False,
)
def backend_out_of_reach(facts: Facts) -> Iterable[Result]:
    for row, why in _backends(facts):
        name, reached = _listener(row), row.get("reached")
        if _on_loopback(row):
            yield verdict(True, "listener", name, Evidence("proc", "/proc/net/tcp", name, "a loopback address"), why)
        elif reached is None:
            tried = Evidence("http", "", f"no connection was tried, with active: {facts.web.active}", "refused")
            yield undecided("listener", name, tried, why)
        else:
            said = "taken" if reached else "refused"
            seen = Evidence("cmd", f"a connection to the host's own address, port {row['port']}", said, "refused")
            yield verdict(not reached, "listener", name, seen, why, severity=_everybodys(row))


@GROUP.add(
    "E3",
    "A server behind a proxy trusts only the proxy",
    "high",
    page.NETWORK,
    looks_at="the listeners of E1 on addresses other than loopback, and WSGITrustedProxies, RemoteIPInternalProxy "
    "and RequestHeader unset of every URL behind them",
    decides="fails if X-Forwarded-For from any client reaches the application or is trusted; info for port 80 or 443",
    remedy="Name the proxy in WSGITrustedProxies, and let the server listen on loopback.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("WSGITrustedProxyHeaders X-Forwarded-For", "WSGITrustedProxies 127.0.0.1"),
    attack="A client forges X-Forwarded-For and passes a list of allowed addresses.",
)
def backend_believes_proxy(facts: Facts) -> Iterable[Result]:
    for row, why in _backends(facts):
        name = _listener(row)
        if _on_loopback(row):
            yield verdict(True, "listener", name, Evidence("proc", "/proc/net/tcp", name, "a loopback address"), why)
            continue
        for place in facts.places:
            if not listens_on(place.host, row["port"]):
                continue
            good, seen, _severity = client_address(place)
            wide = any(word.endswith("/0") for word in place.setting("wsgitrustedproxies").value.split())
            severity = _everybodys(row)
            yield verdict(good and not wide, "virtual_host", f"{place.name} on {name}", seen, why, severity=severity)


def _redirects(place: Place) -> bool:
    lines = [*place.lines("redirect"), *place.lines("redirectmatch"), *place.lines("rewriterule")]
    return any("https://" in line.value.lower() for line in lines)


@GROUP.add(
    "E4",
    "No application is served without TLS",
    "info",
    page.NETWORK,
    confidence="medium",
    looks_at="SSLEngine of each virtual host that serves an application, and a redirect to https there",
    decides="fails if it has neither; only info, because a proxy in front may provide TLS, which the host does not "
    "show",
    remedy="Give the application a certificate; port 80 then redirects.",
    variable="wsgi_apps[].tls",
    attack="Anyone on the network path reads sessions and passwords.",
)
def served_with_tls(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        line = facts.last("sslengine", host)
        mine = [place for place in facts.places if place.host.name == host.name]
        redirected = all(_redirects(place) for place in mine)
        seen = config(line, "SSLEngine On", "no SSLEngine" + (", but a redirect to https" if redirected else ""))
        yield verdict(secure(facts.tree, host) or redirected, "virtual_host", host.name, seen)


@GROUP.add(
    "X-DEFAULT-VHOST",
    "A request for an unknown host name reaches no application",
    "medium",
    "",
    looks_at="the first virtual host of each address and port that Apache listens on, except loopback; it answers "
    "every name that no other virtual host has",
    decides="fails if it serves an application that outsiders can reach without a password; unknown if the audit "
    "cannot see who is let in",
    remedy="Put a virtual host first that refuses everything. The role wsgi_server does this.",
    by_hand=("<VirtualHost *:80>", "ServerName default.invalid", "Redirect 404 /", "</VirtualHost>"),
    attack="A forged Host header reaches the application, which may put it into links and mails.",
)
def default_host(facts: Facts) -> Iterable[Result]:
    for name, host in _defaults(facts).items():
        if _only_local(facts, host):
            seen = Evidence(
                "proc", "/proc/net/tcp", "it listens on loopback only", "the names are its proxy's to check"
            )
            yield verdict(True, "virtual_host", name, seen)
            continue
        mine = [place for place in facts.places if place.host.name == host.name and place.handler == "wsgi-script"]
        found = {admits(place.sections, STRANGER): place for place in mine}
        place: Place | None = found.get(GRANTED) or found.get(UNKNOWN)
        if place is None:
            seen = Evidence("config", f"{host.file}:{host.line}", f"{host.name} serves no application to it", "none")
            yield verdict(True, "virtual_host", name, seen)
            continue
        seen = Evidence("config", place.mapped.source, f"{place.name} answers", "a virtual host without application")
        if GRANTED in found:
            yield verdict(False, "virtual_host", name, seen)
        else:
            yield undecided("virtual_host", name, seen)


def _only_local(facts: Facts, host: VirtualHost) -> bool:
    """Tell whether a virtual host is reached over loopback alone."""
    addresses = [row["address"] for row in facts.listeners if listens_on(host, int(row["port"]))]
    return bool(addresses) and all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _defaults(facts: Facts) -> dict[str, VirtualHost]:
    """Return the first virtual host of each address that one has, by that address."""
    found: dict[str, VirtualHost] = {}
    for host in facts.tree.hosts:
        for address in host.addresses:
            found.setdefault(f"any other name on {address}", host)
    return found or ({"any name": facts.tree.main} if facts.places else {})
