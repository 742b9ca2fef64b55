# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on what Apache answers, and how: limits, logs, and pages that are nobody's business."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..canary import CANARY
from ..config import Directive, VirtualHost
from ..facts import Facts
from ..merge import (
    Place,
    Setting,
    entry_hosts,
    is_redirected,
    is_taken,
    listens_on,
    place_at,
    read_timeouts,
    sections_of,
    serving_hosts,
    setting_of,
)
from ..require import DENIED, GRANTED, STRANGER, UNKNOWN, admits
from ..rule import (
    Evidence,
    Group,
    Result,
    answers,
    config,
    http,
    silences,
    undecided,
    verdict,
    version_of,
    web_hosts,
)

GROUP = Group()
_LIMITS = "Resource limits and DoS resistance"
_DISCLOSURE = "Information disclosure"
# Since then Apache takes no more than 1 GiB of itself.
_BODY_LIMIT_SINCE = (2, 4, 54)
_MEBIBYTE = 1 << 20


def _number(value: str) -> int | None:
    text = value.strip('"')
    return int(text) if text.isdigit() else None


@GROUP.add(
    "L4",
    "Bodies of requests have a limit",
    "medium",
    _LIMITS,
    looks_at="LimitRequestBody of every URL that mod_wsgi serves; with active: full also Apache's answer to the "
    "announcement of a larger body",
    decides="fails where it is 0, or unset; low where Apache's own limit of 1 GiB holds, which it has from 2.4.54 on; "
    "fails too where a larger body is not refused",
    remedy="Set LimitRequestBody to what the application needs, such as 10485760.",
    variable="wsgi_apps[].limits.request_body",
    by_hand=("LimitRequestBody 10485760",),
    attack="A few clients fill the memory or the disk with bodies that nobody reads.",
    cis="10.4",
)
def request_body(facts: Facts) -> Iterable[Result]:
    own = version_of(facts.instance.apache_version) >= _BODY_LIMIT_SINCE
    for place in facts.places:
        limit = place.setting("limitrequestbody")
        number = _number(limit.value)
        if number is not None:
            said = f"LimitRequestBody {number}"
        else:
            said = "no LimitRequestBody: " + ("Apache's own limit is 1 GiB" if own else "there is no limit")
        seen = [Evidence("config", limit.source or place.mapped.source, said, "more than 0")]
        rows = [row for row in answers(facts, "body", place.host) if row["path"] == place.url]
        taken = [row for row in rows if row["status"] != 413]
        seen += [http(row, f"status {row['status']}", "status 413") for row in (taken or rows)[:1]]
        severity = "low" if number is None and own and not taken else ""
        yield verdict(bool(number) and not taken, "virtual_host", place.name, *seen, severity=severity)


_LINE_LIMITS = {"LimitRequestFields": 100, "LimitRequestFieldSize": 8190, "LimitRequestLine": 8190}


@GROUP.add(
    "L5",
    "Headers of requests have a limit",
    "low",
    _LIMITS,
    looks_at="LimitRequestFields, LimitRequestFieldSize and LimitRequestLine of each virtual host that serves an "
    "application and of the first one of its addresses, which counts before Apache has read the Host header; and the "
    "answer to a header of 9000 bytes",
    decides="fails where one is above Apache's default, or the number of fields is 0: without limit",
    remedy="Leave them at Apache's defaults, or lower.",
    variable="wsgi_server_limit_request_fields",
    by_hand=tuple(f"{name} {most}" for name, most in _LINE_LIMITS.items()),
    attack="Requests with endless headers take memory in every worker.",
    cis="10.1",
)
def request_headers(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        wrong: list[Directive] = []
        for one in entry_hosts(facts.tree, host):
            for name, most in _LINE_LIMITS.items():
                line = facts.last(name.lower(), one)
                number = _number(line.text) if line else most
                if line and (number is None or number > most or (number == 0 and name == "LimitRequestFields")):
                    wrong.append(line)
        seen = list(dict.fromkeys(config(line, "Apache's default, or less") for line in wrong))
        names = {one.name for one in entry_hosts(facts.tree, host)}
        large = [row for row in answers(facts, "large") if row["host"] in names]
        taken = [row for row in large if row["status"] != 400]
        seen += [http(row, f"status {row['status']} to a header of 9000 bytes", "status 400") for row in taken[:1]]
        seen = seen or [Evidence("config", "", "not above Apache's defaults", "Apache's defaults, or less")]
        yield verdict(not wrong and not taken, "virtual_host", host.name, *seen)


def _off(facts: Facts, host: VirtualHost) -> list[str]:
    return [key for key, number in read_timeouts(facts.tree, host).items() if key in ("header", "body") and not number]


def _timeout_line(facts: Facts, host: VirtualHost) -> Evidence:
    expected = "header and body above 0"
    return config(facts.last("requestreadtimeout", host), expected, "not set: the module's own limits hold")


@GROUP.add(
    "L6",
    "Slow requests are ended",
    "high",
    _LIMITS,
    looks_at="mod_reqtimeout and RequestReadTimeout of each virtual host that serves an application, and of the first "
    "one of its addresses; with active: full also what becomes of half a request",
    decides="fails where the module is not loaded, header or body is 0, or half of a request is waited for longer; "
    "without a line the module's own limits hold",
    remedy="Load mod_reqtimeout, and set RequestReadTimeout header=15-30,MinRate=500 body=20,MinRate=500.",
    variable="wsgi_server_request_read_timeout",
    by_hand=("a2enmod reqtimeout",),
    attack="A few hundred connections that send one byte a minute stop the server.",
    cis="9.5",
)
def slow_requests(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        if "reqtimeout" not in facts.instance.modules:
            seen = Evidence("config", facts.instance.config_file, "mod_reqtimeout is not loaded", "loaded")
            yield verdict(False, "virtual_host", host.name, seen)
            continue
        entries = entry_hosts(facts.tree, host)
        off = [one for one in entries if _off(facts, one)]
        evidence = [_timeout_line(facts, (off or entries)[0])]
        slow = [row for row in answers(facts, "slow") if row["host"] in {one.name for one in entries}]
        waiting = [row for row in slow if not row["ended"]]
        evidence += [http(row, "still waited for", "ended in time") for row in waiting[:1]]
        evidence += [http(row, "ended in time", "ended in time") for row in slow[:1] if not waiting]
        yield verdict(not off and not waiting, "virtual_host", host.name, *evidence)


@GROUP.add(
    "L7",
    "A server that mod_wsgi-express made ends slow requests",
    "medium",
    _LIMITS,
    looks_at="RequestReadTimeout in the configuration that mod_wsgi-express generates",
    decides="fails without it, and where header or body is 0; does not apply to another Apache",
    remedy="Leave the options --header-timeout and --body-timeout out, or set them above 0.",
    by_hand=("mod_wsgi-express start-server --header-timeout 15 --body-timeout 15 wsgi.py",),
    attack="A few hundred connections that send one byte a minute stop the server.",
)
def express_timeouts(facts: Facts) -> Iterable[Result]:
    if not facts.instance.express:
        return
    for host in serving_hosts(facts.tree):
        line = facts.last("requestreadtimeout", host)
        seen = config(line, "header and body above 0", "no RequestReadTimeout")
        yield verdict(line is not None and not _off(facts, host), "virtual_host", host.name, seen)


# Which levels tell more than warnings.
_LEVELS = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", *(f"trace{n}" for n in range(1, 9)))
_ALLOWED = {"wsgi": "info"}


def _levels(lines: Sequence[Directive]) -> dict[str, tuple[str, Directive]]:
    """Return the level of each module, that of the others under "", with the line that sets it."""
    found: dict[str, tuple[str, Directive]] = {}
    for line in lines:
        for word in line.text.lower().replace('"', "").split():
            module, colon, level = word.rpartition(":")
            if not colon:
                # It is for all modules, also those that a line before has named.
                found.clear()
            found[re.sub(r"^mod_|_module$|\.c$", "", module)] = (level, line)
    return found


def _telling(levels: Mapping[str, tuple[str, Directive]]) -> list[tuple[str, Directive]]:
    """Return the levels that let too much into the log, with their lines."""
    return [
        (level, line)
        for module, (level, line) in levels.items()
        if level in _LEVELS and _LEVELS.index(level) > _LEVELS.index(_ALLOWED.get(module, "warn"))
    ]


def _log_lines(lines: Sequence[Directive]) -> list[Directive]:
    return [line for line in lines if line.name == "loglevel"]


@GROUP.add(
    "D4",
    "Logs do not tell everything",
    "low",
    _DISCLOSURE,
    looks_at="LogLevel of the server, of each virtual host and of the sections in them, DumpIOInput, DumpIOOutput and "
    "ForensicLog",
    decides="fails for a level above warn, but for wsgi:info; medium for trace, for mod_dumpio and for a forensic log, "
    "which keep what clients send",
    remedy="Set LogLevel warn wsgi:info.",
    variable="wsgi_server_log_level",
    by_hand=("LogLevel warn wsgi:info",),
    attack="Who reads the log finds passwords, cookies and what the application keeps from its users.",
    cis="6.1",
)
def log_level(facts: Facts) -> Iterable[Result]:
    for host in serving_hosts(facts.tree):
        levels = {**_levels(_log_lines(facts.tree.directives)), **_levels(_log_lines(host.directives))}
        outer = {line.source: line for _level, line in levels.values()}.values()
        inner = [line for line, around, where in facts.tree.every("loglevel") if around and where in (None, host)]
        telling = _telling(levels) + [row for line in inner for row in _telling(_levels([line]))]
        kept = [
            line
            for line, _around, where in facts.tree.every("dumpioinput", "dumpiooutput", "forensiclog")
            if where in (None, host) and line.text.lower() not in ("off", "none")
        ]
        trace = any("trace" in level for level, _line in telling)
        seen = [config(line, "warn wsgi:info, or less") for _level, line in telling]
        seen += [config(line, "not used") for line in kept]
        seen = seen or [config(line, "warn wsgi:info, or less") for line in outer]
        seen = seen or [config(None, "warn wsgi:info, or less", "LogLevel is not set, so warn")]
        severity = "medium" if trace or kept else ""
        yield verdict(not telling and not kept, "virtual_host", host.name, *seen, severity=severity)


# What only a debugger or the page of one has in it, and nothing that the request has: an application may repeat that.
_TOOLBARS = {
    "Django's debug toolbar": re.compile(r"djDebugToolbar|id=.djDebug"),
    "Pyramid's debug toolbar": re.compile(r"pDebugToolbar|_debug_toolbar/static"),
}
_ERROR_PAGES = {
    "Django's DEBUG page": re.compile(
        r"You(?:'|&#x27;|&#39;|\u2019)re seeing this error because you have <code>DEBUG = True"
    ),
}
_CONSOLES = {"Werkzeug's debugger": re.compile(r"EVALEX(?:_TRUSTED)? ?=|initPinBox|Werkzeug Debugger")}
_TRACEBACK = {"a traceback": re.compile(r"Traceback \(most recent call last\)")}


def _marks(row: Mapping[str, Any]) -> list[str]:
    """Return the marks of debuggers in an answer; a page may tell of one without having it."""
    marks = dict(_TOOLBARS)
    failed = int(row["status"]) >= 500
    if int(row["status"]) >= 400:
        marks.update(_ERROR_PAGES)
    if failed or row["kind"] == "debug":
        marks.update(_CONSOLES)
    if failed:
        marks.update(_TRACEBACK)
    return [name for name, mark in marks.items() if mark.search(str(row["body"]))]


@GROUP.add(
    "D5",
    "No application shows debug pages",
    "critical",
    _DISCLOSURE,
    looks_at="names of debug switches in the environment of each pool; with active: full also the answers to pages "
    "that are not there and to those of known debuggers",
    decides="fails for the mark of a debugger in an answer, high for a switch that is on, or for a traceback; unknown "
    "where no application was asked",
    confidence="medium",
    remedy="Switch the framework's debug mode off in production: DEBUG = False, no FLASK_DEBUG, no debug toolbar.",
    variable="wsgi_apps[].environment",
    by_hand=("unset FLASK_DEBUG",),
    attack="An error shows settings, keys and source; a debugger's console runs what the visitor types.",
)
def debug_pages(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        pools = {place.process_group.value for place in facts.places if place.host.name == host.name}
        switches = sorted({name for pool in pools for name in facts.web.debug.get(pool, [])})
        rows = answers(facts, "debug", host) + answers(facts, "page", host)
        found = [(row, name) for row in rows for name in _marks(row)]
        seen = [Evidence("proc", "environ", f"{name} is on", "off") for name in switches]
        seen += [http(row, name, "a plain page") for row, name in found[:3]]
        only_high = all(name == "a traceback" for _row, name in found)
        if seen:
            yield verdict(False, "virtual_host", host.name, *seen, severity="high" if only_high else "")
        elif not rows:
            yield undecided("virtual_host", host.name, *silences(facts, "debug", host))
        else:
            yield verdict(True, "virtual_host", host.name, http(rows[0], "no mark of a debugger", "none"))


_STATUS = ("server-status", "server-info", "balancer-manager", "ldap-status")


def _sections(facts: Facts, names: Sequence[str]) -> Iterator[tuple[VirtualHost, Directive]]:
    """Give each such section of each virtual host, those of the server for every one."""
    for host in facts.tree.hosts or [facts.tree.main]:
        for lines in (facts.tree.directives, host.directives):
            yield from ((host, line) for line in lines if line.name in names)


def _status_pages(facts: Facts) -> Iterator[Result]:
    for host, section in _sections(facts, ("location",)):
        url = section.words[0] if section.words else ""
        if not any(line.name == "sethandler" and line.text.strip('"').lower() in _STATUS for line in section.inside):
            continue
        sections = list(sections_of(facts.tree, host, url, ""))
        handler = setting_of(sections, "sethandler")
        hidden = _redirected(sections) or is_taken(facts.tree, host, url)
        if handler.value.strip('"').lower() not in _STATUS or hidden:
            continue
        yield _open_page(host, url, handler, sections)


def _redirected(sections: Sequence[Directive]) -> bool:
    """Tell whether sections have a redirect that counts for every URL in them."""
    return any(line.name == "redirect" for section in sections[2:] for line in section.inside)


def _open_page(host: VirtualHost, url: str, handler: Setting, sections: Sequence[Directive]) -> Result:
    admitted = admits(sections, STRANGER)
    words = {GRANTED: "anybody", DENIED: "nobody from outside", UNKNOWN: "it depends on what the audit cannot see"}
    said = f"{handler.value} at {url}: {words.get(admitted, 'who has a password')} may read it"
    seen = Evidence("config", handler.source, said, "Require local")
    name = f"{host.name} {url}"
    if admitted == UNKNOWN:
        return undecided("virtual_host", name, seen)
    return verdict(admitted != GRANTED, "virtual_host", name, seen)


def _metrics(facts: Facts) -> Iterator[Result]:
    for line, _around, host in facts.tree.every("wsgiservermetrics"):
        if line.text.lower() == "on":
            name = host.name if host else facts.instance.config_file
            yield verdict(False, "virtual_host", name, config(line, "WSGIServerMetrics Off"), severity="low")


def _trace(facts: Facts) -> Iterator[Result]:
    for host in serving_hosts(facts.tree):
        line = facts.last("traceenable", host)
        off = line is not None and line.text.lower() == "off"
        rows = answers(facts, "trace", host)
        echoed = [row for row in rows if row["status"] == 200 and CANARY in str(row["body"])]
        seen = [config(line, "TraceEnable Off", "TraceEnable is not set, so On")]
        seen += [http(row, f"status {row['status']} to TRACE", "status 405") for row in (echoed or rows)[:1]]
        # Where an answer came it counts: the line may stand in another virtual host.
        good = not echoed if rows else off
        yield verdict(good, "virtual_host", host.name, *seen, severity="low")


def _served(facts: Facts, host: VirtualHost) -> Iterator[tuple[str, str]]:
    """Give URL and directory of what a virtual host serves as files, where no application hides it."""
    lines = [*host.directives, *facts.tree.directives]
    found = [("/", line.words[0]) for line in [facts.last("documentroot", host)] if line and line.words]
    found += [(line.words[0], line.words[1]) for line in lines if line.name == "alias" and len(line.words) > 1]
    for url, directory in dict(found).items():
        inner = url.rstrip("/") + "/"
        hidden = place_at(facts.tree, host, inner) if url == "/" else None
        if hidden is None and facts.paths.get(directory, {}).get("exists"):
            yield inner, directory.rstrip("/")


def _options(sections: Sequence[Directive]) -> Setting | None:
    """Return the line that lets Apache list directories; None where none does."""
    on: Setting | None = None
    for section in sections:
        for line in section.inside:
            if line.name != "options":
                continue
            words = [word.lower() for word in line.words]
            if not any(word[:1] in "+-" for word in words):
                on = None
            for word in words:
                if word.lstrip("+-") in ("indexes", "all"):
                    on = None if word.startswith("-") else Setting(line.text, line.source)
    return on


def _files(facts: Facts) -> Iterator[Result]:
    for host in serving_hosts(facts.tree):
        for url, directory in _served(facts, host):
            sections = list(sections_of(facts.tree, host, url, f"{directory}/"))
            if _redirected(sections):
                continue
            listing = _options(sections) if "autoindex" in facts.instance.modules else None
            admitted = admits(sections, STRANGER)
            name = f"{host.name} {url}"
            if listing is not None and admitted in (GRANTED, UNKNOWN):
                seen = Evidence("config", listing.source, f"Options {listing.value} for {directory}", "no Indexes")
                yield verdict(False, "virtual_host", name, seen, severity="low")
            for hidden in facts.web.hidden.get(directory, []):
                inner = list(sections_of(facts.tree, host, url + hidden, f"{directory}/{hidden}"))
                if admits(inner, STRANGER) == GRANTED and not is_redirected(facts.tree, host, url + hidden):
                    seen = Evidence("stat", f"{directory}/{hidden}", f"served as {url}{hidden}", "not served")
                    yield verdict(False, "virtual_host", f"{name}{hidden}", seen, severity="high")


@GROUP.add(
    "D6",
    "Pages about the server are not for everybody",
    "medium",
    _DISCLOSURE,
    looks_at="SetHandler server-status, server-info, balancer-manager and ldap-status with the Require lines that hold "
    "there, WSGIServerMetrics, TraceEnable and the answer to TRACE, Options Indexes and version control in directories "
    "that are served",
    decides="fails where somebody from outside may read such a page, by the configuration alone, since the audit asks "
    "from inside; low for TRACE, WSGIServerMetrics and listings of directories, high for .git and the like; what "
    "no Require line says is unknown",
    remedy="Let Require local stand where such a page is, set TraceEnable Off and Options None. wsgi_server does.",
    by_hand=("TraceEnable Off", "Options -Indexes", "Require local"),
    attack="A stranger reads URLs with session numbers, the names of internal hosts, or the whole source.",
    cis="5.8",
)
def status_pages(facts: Facts) -> Iterable[Result]:
    yield from _status_pages(facts)
    yield from _metrics(facts)
    yield from _trace(facts)
    yield from _files(facts)


# Beyond the hardening page


@GROUP.add(
    "X-DEFAULT-VHOST",
    "A request for a name that no site has reaches no application",
    "medium",
    "",
    looks_at="the first virtual host of each address and port that Apache listens on, but for loopback alone: it "
    "answers every name that no other has",
    decides="fails where it serves an application to which somebody from outside is let in without a password; unknown "
    "where the audit cannot see who is",
    remedy="Put a virtual host first that refuses everything. The role wsgi_server does.",
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


_TOLD = {
    "Authorization": re.compile(r"%[^a-zA-Z{]*\{(?:Proxy-)?Authorization\}i", re.IGNORECASE),
    "Cookie": re.compile(r"%[^a-zA-Z{]*(?:\{(?:Set-)?Cookie\}[io]|\{[^}]*\}C)", re.IGNORECASE),
    "the query string": re.compile(r"%[^a-zA-Z{]*(?:[rq]|\{QUERY_STRING\}e)"),
}
# What Apache takes for a log without a format, and Debian's and Red Hat's files name.
_COMMON = '%h %l %u %t "%r" %>s %b'


def _formats(facts: Facts, host: VirtualHost) -> list[tuple[Directive, str]]:
    """Return each access log that holds for a virtual host, with its format."""
    own = [line for line in host.directives if line.name in ("customlog", "transferlog")]
    everywhere = [line for line in facts.tree.directives if line.name == "globallog"]
    lines = own or [line for line in facts.tree.directives if line.name in ("customlog", "transferlog")]
    nicknames = {"common": _COMMON}
    unnamed = _COMMON
    for line in [*facts.tree.directives, *host.directives]:
        if line.name == "logformat" and len(line.words) > 1:
            nicknames[line.words[1]] = line.words[0]
        elif line.name == "logformat" and line.words:
            unnamed = line.words[0]
    found = []
    for line in [*lines, *everywhere]:
        text = line.words[1] if len(line.words) > 1 and line.name != "transferlog" else unnamed
        found.append((line, nicknames.get(text, text)))
    return found


@GROUP.add(
    "X-LOG-FORMAT",
    "Access logs keep no credentials",
    "low",
    "",
    looks_at="LogFormat, CustomLog and TransferLog of each virtual host that serves an application",
    decides="fails for a format with Authorization, Cookie, or the query string; %r has it in it",
    remedy='Log "%m %U %H" in the place of "%r". Sites of wsgi_app do.',
    by_hand=('CustomLog /var/log/apache2/access.log "%h %l %u %t \\"%m %U %H\\" %>s %O"',),
    attack="Who reads the log takes over sessions, or uses the tokens of links that were sent by mail.",
)
def log_format(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        formats = _formats(facts, host)
        seen = [
            Evidence("config", line.source, f"the log has {', '.join(told)}", "none of it")
            for line, text in formats
            for told in [[name for name, mark in _TOLD.items() if mark.search(text)]]
            if told
        ]
        good = Evidence("config", "", "nothing of it in the formats" if formats else "no access log", "none of it")
        yield verdict(not seen, "virtual_host", host.name, *(seen or [good]))
