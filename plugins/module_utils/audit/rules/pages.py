# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debug pages and pages about the server, which are nobody's business (D5, D6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .. import page
from ..canary import CANARY
from ..config import Directive, VirtualHost
from ..facts import Facts
from ..merge import Setting, is_redirected, is_taken, place_at, sections_of, serving_hosts, setting_of
from ..require import DENIED, GRANTED, STRANGER, UNKNOWN, admits
from ..rule import Evidence, Group, Result, answers, config, http, silences, undecided, verdict, web_hosts

GROUP = Group()
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
    page.DISCLOSURE,
    looks_at="names of debug switches in the environment of each pool; with active: full also the answers to pages "
    "that are not there and to those of known debuggers",
    decides="critical if an answer shows the mark of a debugger; high for a switch that is on, or for a traceback; "
    "unknown if no application was asked",
    confidence="medium",
    remedy="Turn off the framework's debug mode in production: DEBUG = False, no FLASK_DEBUG, no debug toolbar.",
    variable="wsgi_apps[].environment",
    by_hand=("unset FLASK_DEBUG",),
    attack="An error page shows settings, keys and source code. A debugger's console runs whatever the visitor types.",
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
        if place_at(facts.tree, host, inner) is None and facts.paths.get(directory, {}).get("exists"):
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
    "Pages about the server are not public",
    "medium",
    page.DISCLOSURE,
    looks_at="SetHandler server-status, server-info, balancer-manager and ldap-status with the Require lines that hold "
    "there, WSGIServerMetrics, TraceEnable and the answer to TRACE, Options Indexes and version control in directories "
    "that are served",
    decides="fails if somebody from outside can read such a page. The configuration alone decides, because the audit "
    "asks from inside. Low for TRACE, WSGIServerMetrics and directory listings, high for .git and the like; "
    "unknown if no Require line says who is let in",
    remedy="Protect such a page with Require local, and set TraceEnable Off and Options None. The role wsgi_server "
    "does this.",
    by_hand=("TraceEnable Off", "Options -Indexes", "Require local"),
    attack="A stranger reads URLs with session ids, the names of internal hosts, or the whole source code.",
    cis="5.8",
)
def status_pages(facts: Facts) -> Iterable[Result]:
    yield from _status_pages(facts)
    yield from _metrics(facts)
    yield from _trace(facts)
    yield from _files(facts)
