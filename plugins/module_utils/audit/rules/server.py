# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on listeners, headers and what Apache tells of itself (groups E, A, B and D)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...apache.proxy_headers import PROXY_HEADERS
from ..canary import CANARY, FORGED
from ..config import Directive, VirtualHost
from ..facts import Facts
from ..merge import UNSET, Place, Setting, listens_on, secure, serving_hosts
from ..rule import Evidence, Group, Result, answers, config, http, undecided, verdict, version_of, web_hosts

GROUP = Group()
_NETWORK = "Network exposure"
_AUTHENTICATION = "Authentication"
_DISCLOSURE = "Information disclosure"
_BUILT_IN = "What the code already handles"
_ERRORS = (400, 401, 403, 404, 405, 408, 413, 414, 500, 502, 503, 504)


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
    _NETWORK,
    looks_at="the listening sockets of an Apache that mod_wsgi-express made, and those that ProxyPass, BalancerMember "
    "or RewriteRule of an Apache on this host hand requests to",
    decides="fails for an address that is not of loopback, info for port 80 or 443, which clients use as well; does "
    "not apply to another listener",
    remedy="Start it with --host 127.0.0.1, or Listen 127.0.0.1:PORT, and let the proxy in front be reached.",
    by_hand=("mod_wsgi-express start-server --host 127.0.0.1 --port 8000 wsgi.py",),
    attack="A client that reaches it directly gets around the proxy's authentication, and forges its headers.",
    needs_configuration=False,
)
def backend_on_loopback(facts: Facts) -> Iterable[Result]:
    for row, why in _backends(facts):
        observed = _listener(row)
        seen = Evidence("proc", "/proc/net/tcp", observed, "a loopback address")
        yield verdict(_on_loopback(row), "listener", observed, seen, why, severity=_everybodys(row))


@GROUP.add(
    "E2",
    "A server behind a proxy is not reached from outside",
    "high",
    _NETWORK,
    confidence="medium",
    looks_at="the listeners of E1; with active: full also a connection to this host's own address, which does not "
    "leave the host",
    decides="fails where the own address takes a connection to one, info for port 80 or 443; unknown where that was "
    "not tried. A packet filter may still keep others out, which is not looked at",
    remedy="Let it listen on 127.0.0.1.",
    by_hand=("Listen 127.0.0.1:8000",),
    attack="curl http://HOST:8000/ with forged headers gets around TLS and authentication in front.",
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
    "A server behind a proxy believes the proxy alone",
    "high",
    _NETWORK,
    looks_at="the listeners of E1 that are not of loopback, WSGITrustedProxies, RemoteIPInternalProxy and "
    "RequestHeader unset of every URL behind them",
    decides="fails where X-Forwarded-For of whoever connects reaches the application or is believed; info for port 80 "
    "or 443",
    remedy="Name the proxy in WSGITrustedProxies, and let the server listen on loopback.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("WSGITrustedProxyHeaders X-Forwarded-For", "WSGITrustedProxies 127.0.0.1"),
    attack="A forged X-Forwarded-For passes a list of allowed addresses.",
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
            good, seen, _severity = _client_address(place)
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
    _NETWORK,
    confidence="medium",
    looks_at="SSLEngine of each virtual host that serves an application, and a redirect to https there",
    decides="fails for one without both; info only, since a proxy in front may have TLS, which the host does not show",
    remedy="Give the application a certificate; port 80 then redirects.",
    variable="wsgi_apps[].tls",
    attack="Whoever is on the way reads sessions and passwords.",
)
def served_with_tls(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        line = facts.last("sslengine", host)
        mine = [place for place in facts.places if place.host.name == host.name]
        redirected = all(_redirects(place) for place in mine)
        seen = config(line, "SSLEngine On", "no SSLEngine" + (", but a redirect to https" if redirected else ""))
        yield verdict(secure(facts.tree, host) or redirected, "virtual_host", host.name, seen)


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
    looks_at="WSGIPassAuthorization, pass-authorization=, CGIPassAuth, and SetEnvIf, RewriteRule and RequestHeader "
    "lines that copy the header, for every URL that mod_wsgi serves; with active: full also whether a page repeats it",
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
        seen += [Evidence("config", line.source, line.shown, "no such line") for line in hidden]
        severity = "high" if _authenticates(place) else ("medium" if hidden else "info")
        shown = _echoed(facts, place, "Authorization")
        seen += [http(row, "the page repeats an Authorization header", "not in it") for row in shown[:1]]
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
    looks_at="WSGITrustedProxies, WSGITrustedProxyHeaders, RemoteIPHeader and RequestHeader unset of every URL; with "
    "active: full also whether a page repeats a forged X-Forwarded-For",
    decides="fails where headers are trusted without proxies; medium where none is set and X-Forwarded-For of any "
    "client reaches the application",
    remedy="Set WSGITrustedProxies with WSGITrustedProxyHeaders, or drop the headers of clients.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("RequestHeader unset X-Forwarded-For",),
    attack="A client writes an address of its choice into X-Forwarded-For and passes a list of allowed addresses.",
)
def trusted_proxies(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        good, seen, severity = _client_address(place)
        echoed = _echoed(facts, place, "X-Forwarded-For")
        shown = [http(row, "the page repeats a forged X-Forwarded-For", "not in it") for row in echoed[:1]]
        yield verdict(good and not echoed, "virtual_host", place.name, seen, *shown, severity=severity)


def _echoed(facts: Facts, place: Place, header: str) -> list[dict[str, Any]]:
    """Return the answers in which an application repeats what the audit forged; no such answer proves nothing."""
    rows = [row for row in answers(facts, "page", place.host) if row["path"] == place.url]
    return [row for row in rows if FORGED[header] in str(row["body"])]


def _client_address(place: Place) -> tuple[bool, Evidence, str]:
    """Tell whether only proxies say who the client is, with the evidence and the severity."""
    headers, proxies = place.setting("wsgitrustedproxyheaders"), place.setting("wsgitrustedproxies")
    if headers.value and not proxies.value:
        said = f"WSGITrustedProxyHeaders {headers.value}"
        return False, Evidence("config", headers.source, said, "WSGITrustedProxies too"), ""
    if headers.value:
        said = f"WSGITrustedProxies {proxies.value}"
        return True, Evidence("config", proxies.source, said, "the proxies in front"), ""
    dropped = _drops(place, "X-Forwarded-For") or bool(place.setting("remoteipheader").value)
    said = "X-Forwarded-For is dropped" if dropped else "X-Forwarded-For of any client is passed"
    return dropped, Evidence("config", place.mapped.source, said, "dropped, or trusted proxies"), "medium"


def _width(text: str) -> int:
    """Return 0 for a network that may hold a site's proxies only, 1 for an organisation's, 2 for a larger one."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return 0
    everybody, organisation = (8, 8) if network.version == 4 else (16, 32)
    return 2 if network.prefixlen < everybody else int(network.prefixlen <= organisation)


@GROUP.add(
    "A4",
    "Not everybody is a trusted proxy",
    "high",
    _AUTHENTICATION,
    looks_at="the networks of WSGITrustedProxies of every URL",
    decides="fails for a network of whole parts of the Internet: IPv4 shorter than /8, IPv6 shorter than /16; medium "
    "for one that holds a whole organisation: IPv4 /8, IPv6 /32 or shorter",
    remedy="Name the addresses of the proxies.",
    variable="wsgi_apps[].trusted_proxies",
    attack="Any client writes an address of its choice into X-Forwarded-For.",
)
def not_everybody(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        proxies = place.setting("wsgitrustedproxies")
        if proxies.value:
            width = max(_width(word.strip('"')) for word in proxies.value.split())
            seen = Evidence("config", proxies.source, f"WSGITrustedProxies {proxies.value}", "addresses of proxies")
            yield verdict(not width, "virtual_host", place.name, seen, severity="medium" if width == 1 else "")


@GROUP.add(
    "A5",
    "A proxy says each thing in one header",
    "medium",
    _AUTHENTICATION,
    looks_at="WSGITrustedProxyHeaders of every URL",
    decides="fails for two headers that tell the same, such as X-Forwarded-For and X-Real-IP",
    remedy="Name the one that the proxy sets.",
    variable="wsgi_apps[].trusted_proxy_headers",
    by_hand=("WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto",),
    attack="A client sends the header that the proxy does not set, and it is believed.",
)
def one_header_each(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        headers = place.setting("wsgitrustedproxyheaders")
        if not headers.value:
            continue
        told: dict[str, list[str]] = {}
        for word in headers.value.split():
            told.setdefault(_TOLD.get(word.strip('"').lower(), word), []).append(word)
        twice = [f"{' and '.join(words)} tell the {what}" for what, words in told.items() if len(words) > 1]
        said = "; ".join(twice) or f"WSGITrustedProxyHeaders {headers.value}"
        seen = Evidence("config", headers.source, said, "one header for each")
        yield verdict(not twice, "virtual_host", place.name, seen)


_TOLD = {name.lower(): what for name, what in PROXY_HEADERS.items()}
# Of these mod_wsgi hands on what an untrusted client sends although it is told which to trust, before 6.0.
_LATE = ("port", "server")
_PROXY_GONE_SINCE = (2, 4, 25)


@GROUP.add(
    "B2",
    "A Proxy header becomes no HTTP_PROXY",
    "high",
    _BUILT_IN,
    looks_at="Apache's version, RequestHeader unset Proxy, and with active: full pages of the applications",
    decides="passes from Apache 2.4.25 on, which drops it, and where a line drops it; fails where a page repeats it; "
    "unknown for an older Apache, which a distributor may have mended (CVE-2016-5387)",
    remedy="Set RequestHeader unset Proxy early.",
    by_hand=("RequestHeader unset Proxy early",),
    attack="An application that asks another server lets a client's proxy read along (httpoxy).",
)
def httpoxy(facts: Facts) -> Iterable[Result]:
    instance = facts.instance
    version = version_of(instance.apache_version)
    for place in facts.places:
        seen = Evidence(
            "cmd", f"{instance.binary} -V", f"Apache {instance.apache_version or 'of no known version'}", "2.4.25"
        )
        echoed = _echoed(facts, place, "Proxy")
        if echoed:
            shown = http(echoed[0], "the page repeats a Proxy header", "not in it")
            yield verdict(False, "virtual_host", place.name, seen, shown)
        elif version >= _PROXY_GONE_SINCE or _drops(place, "Proxy"):
            yield verdict(True, "virtual_host", place.name, seen)
        else:
            yield undecided("virtual_host", place.name, seen)


@GROUP.add(
    "B3",
    "mod_wsgi keeps Authorization from the application",
    "high",
    _BUILT_IN,
    looks_at="mod_wsgi's version, and with active: full pages of the applications that A1 has nothing against",
    decides="passes for a known version, since all of them do; fails where a page repeats the header nevertheless",
    remedy="Find the line or the module that copies the header.",
    by_hand=("WSGIPassAuthorization Off", "CGIPassAuth Off"),
    attack="The application, or who breaks into it, collects the passwords of its users.",
)
def authorization_stripped(facts: Facts) -> Iterable[Result]:
    version = facts.instance.mod_wsgi_version
    for place in facts.places:
        if place.passes_authorization.value.lower() == "on" or _hidden_ways(place):
            continue
        seen = Evidence("proc", "mod_wsgi.so", f"mod_wsgi {version or 'of no known version'}", "a known version")
        echoed = _echoed(facts, place, "Authorization")
        if echoed:
            shown = http(echoed[0], "the page repeats an Authorization header", "not in it")
            yield verdict(False, "virtual_host", place.name, seen, shown)
        elif version:
            yield verdict(True, "virtual_host", place.name, seen)
        else:
            yield undecided("virtual_host", place.name, seen)


@GROUP.add(
    "B4",
    "Headers of a proxy that nobody asked for are dropped",
    "low",
    _BUILT_IN,
    looks_at="WSGITrustedProxyHeaders and RequestHeader unset of every URL with trusted proxies, and mod_wsgi's "
    "version",
    decides="fails where a header of a kind that is not declared, such as X-Forwarded-Host, reaches the application "
    "from any client; before mod_wsgi 6.0 X-Forwarded-Port and X-Forwarded-Server do, declared or not",
    remedy="Drop them: RequestHeader unset X-Forwarded-Host, and so on. Sites of wsgi_app do.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("RequestHeader unset X-Forwarded-Host",),
    attack="A framework that believes X-Forwarded-Host writes a forged name into links and mails.",
)
def others_dropped(facts: Facts) -> Iterable[Result]:
    late = version_of(facts.instance.mod_wsgi_version) < (6,)
    for place in facts.places:
        headers = place.setting("wsgitrustedproxyheaders")
        if not headers.value or not place.setting("wsgitrustedproxies").value:
            continue
        declared = {_TOLD.get(word.strip('"').lower(), word) for word in headers.value.split()}
        safe = declared - set(_LATE) if late else declared
        arrive = [name for name, what in PROXY_HEADERS.items() if what not in safe and not _drops(place, name)]
        said = f"{', '.join(arrive)} arrive from any client" if arrive else "the others are dropped"
        seen = Evidence("config", headers.source, said, "dropped")
        yield verdict(not arrive, "virtual_host", place.name, seen)


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
    rows = answers(facts)
    telling = [row for row in rows if re.search(r"[/(]|mod_", str(row["server"]))]
    for row in (telling or rows)[:1]:
        seen.append(Evidence("http", str(row["request"]), f"Server: {row['server']}", "Server: Apache"))
    yield verdict(not telling if rows else good, "server", facts.instance.config_file, *seen)


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
        signed = [row for row in answers(facts, "canary", host) if "<address>" in str(row["body"]).lower()]
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
        echoed = [row for row in answers(facts, "canary", host) if CANARY in str(row["body"])]
        seen = [config(line, "a fixed text or a local file") for line in wrong]
        if missing or not wrong:
            observed = f"none for {', '.join(missing)}" if missing else "one for each"
            seen.append(Evidence("config", "", f"ErrorDocument: {observed}", "one for each"))
        seen += [
            Evidence("http", str(row["request"]), "the page repeats the path", "a fixed text") for row in echoed[:1]
        ]
        good = not missing and not wrong and not echoed
        yield verdict(good, "virtual_host", host.name, *seen, severity="medium" if echoed else "")
