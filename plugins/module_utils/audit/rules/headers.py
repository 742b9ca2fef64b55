# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers of requests that an application sees or believes (A, B2 to B4)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from ...apache.proxy_headers import PROXY_HEADERS
from .. import page
from ..canary import FORGED
from ..facts import Facts
from ..merge import UNSET, Place, Setting
from ..rule import Evidence, Group, Result, answers, http, undecided, verdict, version_of

GROUP = Group()


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
    page.AUTHENTICATION,
    looks_at="WSGIPassAuthorization, pass-authorization=, CGIPassAuth, and SetEnvIf, RewriteRule and RequestHeader "
    "lines that copy the header, for every URL that mod_wsgi serves; with active: full also whether a page repeats it",
    decides="fails if one passes the header on: high if Apache authenticates there, medium if another setting than "
    "mod_wsgi's does it, info if the application is clearly meant to handle it",
    remedy="Leave WSGIPassAuthorization Off unless the application checks the header itself.",
    variable="wsgi_apps[].handles_authorization",
    by_hand=("WSGIPassAuthorization Off", "CGIPassAuth Off"),
    attack="The application, or an attacker who breaks into it, collects the passwords of its users.",
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
    page.AUTHENTICATION,
    looks_at="WSGIPassAuthorization and AuthType of every URL that mod_wsgi serves",
    decides="fails if the header is passed on and Apache authenticates too",
    remedy="Let only one of them authenticate: remove AuthType, or set WSGIPassAuthorization Off.",
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
    page.AUTHENTICATION,
    looks_at="WSGITrustedProxies, WSGITrustedProxyHeaders, RemoteIPHeader and RequestHeader unset of every URL; with "
    "active: full also whether a page repeats a forged X-Forwarded-For",
    decides="fails if headers are trusted without proxies; medium if neither is set and X-Forwarded-For from any "
    "client reaches the application",
    remedy="Set WSGITrustedProxies with WSGITrustedProxyHeaders, or remove the headers that clients send.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("RequestHeader unset X-Forwarded-For",),
    attack="A client writes an address of its choice into X-Forwarded-For and passes a list of allowed addresses.",
)
def trusted_proxies(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        good, seen, severity = client_address(place)
        echoed = _echoed(facts, place, "X-Forwarded-For")
        shown = [http(row, "the page repeats a forged X-Forwarded-For", "not in it") for row in echoed[:1]]
        yield verdict(good and not echoed, "virtual_host", place.name, seen, *shown, severity=severity)


def _echoed(facts: Facts, place: Place, header: str) -> list[dict[str, Any]]:
    """Return the answers in which an application repeats what the audit forged; no such answer proves nothing."""
    rows = [row for row in answers(facts, "page", place.host) if row["path"] == place.url]
    return [row for row in rows if FORGED[header] in str(row["body"])]


def client_address(place: Place) -> tuple[bool, Evidence, str]:
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
    page.AUTHENTICATION,
    looks_at="the networks of WSGITrustedProxies of every URL",
    decides="fails for a network that covers large parts of the Internet: IPv4 shorter than /8, IPv6 shorter than "
    "/16; medium for one as large as a whole organisation: IPv4 /8, IPv6 /32 or shorter",
    remedy="Name the addresses of the proxies.",
    variable="wsgi_apps[].trusted_proxies",
    attack="Any client can write any address into X-Forwarded-For.",
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
    "A proxy sends each piece of information in one header",
    "medium",
    page.AUTHENTICATION,
    looks_at="WSGITrustedProxyHeaders of every URL",
    decides="fails for two headers with the same information, such as X-Forwarded-For and X-Real-IP",
    remedy="Name only the header that the proxy sets.",
    variable="wsgi_apps[].trusted_proxy_headers",
    by_hand=("WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto",),
    attack="A client sends the header that the proxy does not set, and it is trusted.",
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
    "A Proxy header does not become HTTP_PROXY",
    "high",
    page.BUILT_IN,
    looks_at="Apache's version, RequestHeader unset Proxy, and with active: full pages of the applications",
    decides="passes from Apache 2.4.25 on, which drops the header, and if a line drops it; fails if a page repeats "
    "it; unknown for an older Apache, which a distributor may have fixed (CVE-2016-5387)",
    remedy="Set RequestHeader unset Proxy early.",
    by_hand=("RequestHeader unset Proxy early",),
    attack="If the application sends requests to another server, a client can route them through its own proxy "
    "(httpoxy).",
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
    page.BUILT_IN,
    looks_at="mod_wsgi's version, and with active: full pages of the applications for which A1 found nothing",
    decides="passes for a known version, because all of them do this; fails if a page repeats the header anyway",
    remedy="Find the line or the module that copies the header.",
    by_hand=("WSGIPassAuthorization Off", "CGIPassAuth Off"),
    attack="The application, or an attacker who breaks into it, collects the passwords of its users.",
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
    "Undeclared proxy headers are dropped",
    "low",
    page.BUILT_IN,
    looks_at="WSGITrustedProxyHeaders and RequestHeader unset of every URL with trusted proxies, and mod_wsgi's "
    "version",
    decides="fails where a header of a kind that is not declared, such as X-Forwarded-Host, reaches the application "
    "from any client; before mod_wsgi 6.0 X-Forwarded-Port and X-Forwarded-Server do, declared or not",
    remedy="Drop them: RequestHeader unset X-Forwarded-Host, and so on. Sites of this collection do this.",
    variable="wsgi_apps[].trusted_proxies",
    by_hand=("RequestHeader unset X-Forwarded-Host",),
    attack="A framework that trusts X-Forwarded-Host writes a forged name into links and mails.",
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
