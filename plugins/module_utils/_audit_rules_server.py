# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on listeners, headers and what Apache tells of itself (groups E, A and D)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import (
    Directive,
    VirtualHost,
    without_secrets,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_merge import (
    UNSET,
    Place,
    Setting,
    serving_hosts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_probes import CANARY
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rule import (
    Evidence,
    Group,
    Result,
    config,
    verdict,
)

GROUP = Group()
_NETWORK = "Network exposure"
_AUTHENTICATION = "Authentication"
_DISCLOSURE = "Information disclosure"
EXPRESS = re.compile(r"/mod_wsgi-[^/]+/httpd\.conf$|mod_wsgi-express")
_ERRORS = (400, 401, 403, 404, 405, 408, 413, 414, 500, 502, 503, 504)


@GROUP.add(
    "E1",
    "A server behind a proxy listens on loopback only",
    "high",
    _NETWORK,
    looks_at="the listening sockets of an Apache that mod_wsgi-express made",
    decides="fails for an address that is not of loopback; does not apply to another Apache",
    remedy="Start it with --host 127.0.0.1, and let the proxy in front be reached.",
    by_hand=("mod_wsgi-express start-server --host 127.0.0.1 --port 8000 wsgi.py",),
    attack="A client that reaches it directly gets around the proxy's authentication, and forges its headers.",
    needs_configuration=False,
)
def backend_on_loopback(facts: Facts) -> Iterable[Result]:
    if not EXPRESS.search(facts.instance.config_file):
        return
    for listener in facts.listeners:
        address = listener["address"]
        observed = f"{address} port {listener['port']}"
        good = ipaddress.ip_address(address).is_loopback
        yield verdict(good, "listener", observed, Evidence("proc", "/proc/net/tcp", observed, "a loopback address"))


@GROUP.add(
    "E4",
    "No application is served without TLS",
    "info",
    _NETWORK,
    confidence="medium",
    looks_at="SSLEngine of each virtual host that serves an application",
    decides="fails for one without; a proxy in front may have TLS, which the host does not show",
    remedy="Give the application a certificate; port 80 then redirects.",
    variable="wsgi_apps[].tls",
    attack="Whoever is on the way reads sessions and passwords.",
)
def served_with_tls(facts: Facts) -> Iterable[Result]:
    seen: set[str] = set()
    for place in facts.places:
        if place.host.name not in seen:
            seen.add(place.host.name)
            line = facts.last("sslengine", place.host)
            good = line is not None and line.text.lower() == "on"
            yield verdict(good, "virtual_host", place.host.name, config(line, "SSLEngine On", "no SSLEngine"))


def _authenticates(place: Place) -> bool:
    return place.setting("authtype").value.strip('"').lower() not in ("", "none")


_HIDDEN_WAYS = re.compile(r"%\{HTTP:Authorization\}|%\{HTTP_AUTHORIZATION\}|req\('Authorization'\)", re.IGNORECASE)


def _hidden_ways(place: Place) -> list[Setting]:
    """Return the lines that hand the header on beside mod_wsgi's own switch."""
    found = [] if not place.on("cgipassauth") else [place.setting("cgipassauth")]
    for name in ("setenvif", "setenvifnocase"):
        found += [line for line in place.lines(name) if line.value.lower().strip('"').startswith("authorization")]
    for name in ("rewriterule", "requestheader", "setenvifexpr"):
        found += [line for line in place.lines(name) if _HIDDEN_WAYS.search(line.value)]
    return found


@GROUP.add(
    "A1",
    "The Authorization header stays with Apache",
    "high",
    _AUTHENTICATION,
    looks_at="WSGIPassAuthorization, pass-authorization=, CGIPassAuth, and SetEnvIf, RewriteRule and "
    "RequestHeader lines "
    "that copy the header, for every URL that mod_wsgi serves",
    decides="fails where one hands it on: high where Apache authenticates there, medium by another way than "
    "mod_wsgi's, "
    "info where the application is plainly meant to handle it",
    remedy="Leave WSGIPassAuthorization Off unless the application checks the header itself.",
    variable="wsgi_apps[].handles_authorization",
    by_hand=("WSGIPassAuthorization Off", "CGIPassAuth Off"),
    attack="The application, or who breaks into it, collects the passwords of its users.",
)
def authorization_kept(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        switch = place.passes_authorization
        passed = switch.value.lower() == "on"
        hidden = _hidden_ways(place)
        said = (
            f"WSGIPassAuthorization {switch.value}" if switch != UNSET else "WSGIPassAuthorization is not set, so Off"
        )
        seen = [Evidence("config", switch.source or place.mapped.source, said, "Off")]
        seen += [Evidence("config", line.source, without_secrets(line.value), "no such line") for line in hidden]
        severity = "high" if _authenticates(place) else ("medium" if hidden else "info")
        yield verdict(not passed and not hidden, "virtual_host", place.name, *seen, severity=severity)


@GROUP.add(
    "A2",
    "Either Apache or the application authenticates",
    "medium",
    _AUTHENTICATION,
    looks_at="WSGIPassAuthorization and AuthType of every URL that mod_wsgi serves",
    decides="fails where the header is passed and Apache authenticates as well",
    remedy="Let one of them do it.",
    variable="wsgi_apps[].handles_authorization",
    attack="The application sees the passwords that Apache asked for.",
)
def one_authenticates(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        if not _authenticates(place):
            continue
        kind = place.setting("authtype")
        passed = place.passes_authorization
        seen = Evidence("config", kind.source, f"AuthType {kind.value}", "")
        both = Evidence("config", passed.source, f"WSGIPassAuthorization {passed.value or 'is not set, so Off'}", "Off")
        yield verdict(passed.value.lower() != "on", "virtual_host", place.name, seen, both)


def _drops(place: Place, header: str) -> bool:
    for line in place.lines("requestheader"):
        words = line.value.lower().split()
        if words[:2] == ["unset", header.lower()]:
            return True
    return False


@GROUP.add(
    "A3",
    "Only trusted proxies say who the client is",
    "high",
    _AUTHENTICATION,
    looks_at="WSGITrustedProxies, WSGITrustedProxyHeaders, RemoteIPHeader and RequestHeader unset of every URL",
    decides="fails where headers are trusted without proxies; medium where none is set and X-Forwarded-For of "
    "any client "
    "reaches the application",
    remedy="Set WSGITrustedProxies with WSGITrustedProxyHeaders, or drop the headers of clients.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("RequestHeader unset X-Forwarded-For",),
    attack="A client writes an address of its choice into X-Forwarded-For and passes a list of allowed addresses.",
)
def trusted_proxies(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        headers, proxies = place.setting("wsgitrustedproxyheaders"), place.setting("wsgitrustedproxies")
        source = place.mapped.source
        if headers.value and not proxies.value:
            seen = Evidence(
                "config", headers.source, f"WSGITrustedProxyHeaders {headers.value}", "WSGITrustedProxies too"
            )
            yield verdict(False, "virtual_host", place.name, seen)
        elif headers.value:
            seen = Evidence("config", proxies.source, f"WSGITrustedProxies {proxies.value}", "the proxies in front")
            yield verdict(True, "virtual_host", place.name, seen)
        else:
            dropped = _drops(place, "X-Forwarded-For") or bool(place.setting("remoteipheader").value)
            observed = "X-Forwarded-For is dropped" if dropped else "X-Forwarded-For of any client is passed"
            seen = Evidence("config", source, observed, "dropped, or trusted proxies")
            yield verdict(dropped, "virtual_host", place.name, seen, severity="medium")


@GROUP.add(
    "A4",
    "Not everybody is a trusted proxy",
    "high",
    _AUTHENTICATION,
    looks_at="the networks of WSGITrustedProxies of every URL",
    decides="fails for a network that is everything: a prefix of 0",
    remedy="Name the addresses of the proxies.",
    variable="wsgi_apps[].trusted_proxies",
    attack="Any client writes an address of its choice into X-Forwarded-For.",
)
def not_everybody(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        proxies = place.setting("wsgitrustedproxies")
        if proxies.value:
            wide = [word for word in proxies.value.split() if word.endswith("/0")]
            seen = Evidence("config", proxies.source, f"WSGITrustedProxies {proxies.value}", "addresses of proxies")
            yield verdict(not wide, "virtual_host", place.name, seen)


def _answers(facts: Facts, host: VirtualHost | None = None) -> list[dict[str, object]]:
    return [row for row in facts.probes if row["status"] and (host is None or row["host"] == host.name)]


@GROUP.add(
    "D1",
    "Apache does not tell what it is made of",
    "low",
    _DISCLOSURE,
    looks_at="ServerTokens, and the Server header of answers over loopback",
    decides="fails where an answer shows a version or a module; without an answer, where ServerTokens is not Prod",
    remedy="Set ServerTokens Prod. The role wsgi_server does.",
    by_hand=("ServerTokens Prod",),
    attack="A scanner picks the hosts that a known hole fits.",
    cis="8.1",
)
def server_tokens(facts: Facts) -> Iterable[Result]:
    line = facts.last("servertokens")
    good = line is not None and line.text.lower() in ("prod", "productonly")
    seen = [config(line, "ServerTokens Prod", "ServerTokens is not set, so Full")]
    answers = _answers(facts)
    telling = [row for row in answers if re.search(r"[/(]|mod_", str(row["server"]))]
    for row in (telling or answers)[:1]:
        seen.append(Evidence("http", str(row["request"]), f"Server: {row['server']}", "Server: Apache"))
    yield verdict(not telling if answers else good, "server", facts.instance.config_file, *seen)


@GROUP.add(
    "D2",
    "Pages of Apache's own are not signed",
    "low",
    _DISCLOSURE,
    looks_at="ServerSignature of each virtual host and of the sections in it, and the page of an error over loopback",
    decides="fails where it is On or EMail, or where a page has the signature",
    remedy="Set ServerSignature Off. The role wsgi_server does.",
    by_hand=("ServerSignature Off",),
    attack="An error page shows version, name and port.",
    cis="8.2",
)
def server_signature(facts: Facts) -> Iterable[Result]:
    inner = [row for row in facts.tree.every("serversignature") if row[1]]
    for host in serving_hosts(facts.tree):
        lines: list[Directive | None] = [facts.last("serversignature", host)]
        lines += [line for line, _around, where in inner if where is None or where is host]
        on = [line for line in lines if line is not None and line.text.lower() != "off"]
        signed = [row for row in _answers(facts, host) if "<address>" in str(row["body"]).lower()]
        seen = [config(line, "ServerSignature Off", "not set, so Off") for line in (on or lines)[:1]]
        seen += [Evidence("http", str(row["request"]), "a page with <address>", "none") for row in signed[:1]]
        yield verdict(not on and not signed, "virtual_host", host.name, *seen)


def _pages(facts: Facts, host: VirtualHost) -> dict[int, Directive]:
    lines = [line for line in [*facts.tree.directives, *host.directives] if line.name == "errordocument"]
    return {int(line.words[0]): line for line in lines if len(line.words) > 1 and line.words[0].isdigit()}


def _foreign(line: Directive) -> bool:
    text = line.words[1]
    return bool(re.match(r"[a-z]+://", text)) or "%{" in text or text == "default"


@GROUP.add(
    "D3",
    "Error pages say nothing of the server",
    "low",
    _DISCLOSURE,
    looks_at=f"ErrorDocument of each virtual host for {', '.join(map(str, _ERRORS))}, and the page of a 404 over "
    "loopback",
    decides="fails for a status without one, for one that leads elsewhere or is expanded; medium where the page "
    "repeats "
    "what the client sent",
    remedy="Give each of them a fixed text or a static file. The role wsgi_server does.",
    by_hand=('ErrorDocument 404 "Not found"',),
    attack="An error page shows names of modules and hosts, or carries a forged text to a visitor.",
)
def error_documents(facts: Facts) -> Iterable[Result]:
    for host in serving_hosts(facts.tree):
        pages = _pages(facts, host)
        missing = [str(status) for status in _ERRORS if status not in pages]
        wrong = [pages[status] for status in _ERRORS if status in pages and _foreign(pages[status])]
        echoed = [row for row in _answers(facts, host) if CANARY in str(row["body"])]
        seen = [config(line, "a fixed text or a local file") for line in wrong]
        if missing or not wrong:
            observed = f"none for {', '.join(missing)}" if missing else "one for each"
            seen.append(Evidence("config", "", f"ErrorDocument: {observed}", "one for each"))
        seen += [
            Evidence("http", str(row["request"]), "the page repeats the path", "a fixed text") for row in echoed[:1]
        ]
        good = not missing and not wrong and not echoed
        yield verdict(good, "virtual_host", host.name, *seen, severity="medium" if echoed else "")
