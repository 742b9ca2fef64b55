# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes no field: lines that are left for a person, and rules that fail."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..apache.proxy_headers import PROXY_HEADERS
from ..audit.config import Directive, Pool
from ..audit.facts import Facts
from .app import Adopted, is_ours
from .groups import Group, lines_of

# What the roles set themselves, or what became a field.
_CARRIED_WORDS = """
servername serveralias serveradmin errorlog errorlogformat customlog transferlog loglevel documentroot alias
wsgidaemonprocess wsgiprocessgroup wsgiapplicationgroup wsgiscriptalias wsgirestrictprocess wsgiscriptreloading
wsgipassauthorization wsgichunkedrequest wsgitrustedproxies wsgitrustedproxyheaders wsgierroroverride
wsgicallableobject setenv passenv
sslengine sslcertificatefile sslcertificatekeyfile sslcertificatechainfile sslprotocol sslciphersuite
sslhonorcipherorder sslsessiontickets sslcompression limitrequestbody limitrequestfields limitrequestfieldsize
limitrequestline options allowoverride order allow deny errordocument timeout keepalive keepalivetimeout
maxkeepaliverequests requestreadtimeout serversignature servertokens usecanonicalname
"""
_CARRIED = frozenset(_CARRIED_WORDS.split())
_PROXY_HEADERS = frozenset(["forwarded", "x-forwarded", "proxy", *(name.lower() for name in PROXY_HEADERS)])


def findings_of(facts: Facts, group: Group, pool: Pool | None, results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the rules that fail for this app."""
    urls = {place.name for place in group.places}
    hosts = {host.name for host in group.hosts}
    files = {group.place.path, facts.real(group.place.path)}
    about = {("pool", pool.name)} if pool else set()
    about |= {("virtual_host", name) for name in urls | hosts} | {("file", path) for path in files}
    found = {}
    for row in results:
        subject = (row["subject"]["kind"], row["subject"]["name"])
        if row["status"] == "fail" and row["instance"] == facts.instance.config_file and subject in about:
            found[row["rule_id"]] = f"{row['rule_id']} {row['title']} ({row['severity']})"
    return list(found.values())


def tell_rest(app: Adopted, facts: Facts, group: Group, code: str) -> None:
    """Say which lines of the virtual hosts became nothing."""
    for place in group.places:
        if place.process_group.value != group.place.process_group.value:
            app.remarks.append(f"{place.url} is served by pool {place.process_group.value or '(embedded)'} today")
    for host in group.hosts:
        lines = [line for line in lines_of(facts, group, host) if not is_ours(line.file)]
        app.remarks += [f"{where}{line.shown} ({line.source})" for where, line in _left(lines, "")]
    if code and os.path.isfile(os.path.join(code, "pyvenv.cfg")):
        app.remarks.append("the code is inside a virtual environment: keep that out of the source")


def _left(lines: Sequence[Directive], where: str) -> Iterable[tuple[str, Directive]]:
    for line in lines:
        if _by_the_roles(line):
            continue
        if line.inside or not line.written:
            yield from _left(line.inside, f"{where}<{line.name} {line.text}> ")
        elif line.name not in _CARRIED:
            yield where, line


def _by_the_roles(line: Directive) -> bool:
    """Tell whether the roles do what a line does by themselves."""
    words = [word.lower() for word in line.words]
    if line.name == "requestheader":
        return words[:1] == ["unset"] and len(words) > 1 and words[1] in _PROXY_HEADERS
    if line.name == "header":
        return "strict-transport-security" in words
    return (line.name, *words) in (("require", "all", "granted"), ("require", "all", "denied"), ("cgipassauth", "off"))
