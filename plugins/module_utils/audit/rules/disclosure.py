# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache tells of itself, and where its secrets are seen (D1 to D3, D7, X-ENV-SECRETS)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .. import page
from ..canary import CANARY
from ..config import Directive, VirtualHost
from ..facts import Facts
from ..merge import serving_hosts
from ..rule import Evidence, Group, Result, answers, config, gap, verdict, worst
from ..secret_names import secret_names

GROUP = Group()
_ERRORS = (400, 401, 403, 404, 405, 408, 413, 414, 500, 502, 503, 504)


@GROUP.add(
    "D1",
    "Apache does not reveal its version and modules",
    "low",
    page.DISCLOSURE,
    looks_at="ServerTokens, and the Server header of answers over loopback",
    decides="fails if an answer shows a version or a module; without an answer, fails if ServerTokens is not Prod",
    remedy="Set ServerTokens Prod. The role wsgi_server does this.",
    by_hand=("ServerTokens Prod",),
    attack="A scanner picks the hosts that have a known hole.",
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
    "Apache's own pages have no signature",
    "low",
    page.DISCLOSURE,
    looks_at="ServerSignature of each virtual host and of the sections in it, and the page of an error over loopback",
    decides="fails if it is On or EMail, or if a page has the signature",
    remedy="Set ServerSignature Off. The role wsgi_server does this.",
    by_hand=("ServerSignature Off",),
    attack="An error page shows the version, host name and port.",
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
    "Error pages reveal nothing about the server",
    "low",
    page.DISCLOSURE,
    looks_at=f"ErrorDocument of each virtual host for {', '.join(map(str, _ERRORS))}, and the page of a 404 over "
    "loopback",
    decides="fails for a status without one, or with one that leads elsewhere or contains a variable; medium if the "
    "page repeats what the client sent",
    remedy="Give each status a fixed text or a static file. The role wsgi_server does this.",
    by_hand=('ErrorDocument 404 "Not found"',),
    attack="An error page shows names of modules and hosts, or shows a forged text to a visitor.",
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


@GROUP.add(
    "D7",
    "Nobody else can read the telemetry",
    "low",
    page.DISCLOSURE,
    looks_at="the path of WSGITelemetryService (mod_wsgi 6), and who may write there",
    decides="fails if everybody can write to the socket or to a directory on the path to it",
    remedy="Put the socket into a directory that root owns, such as /run/mod_wsgi-telemetry.",
    by_hand=("WSGITelemetryService unix:/run/mod_wsgi-telemetry/telemetry.sock",),
    attack="Another account creates the socket first and reads what visitors asked for, or sends forged records.",
)
def telemetry(facts: Facts) -> Iterable[Result]:
    for line, _around, _host in facts.tree.every("wsgitelemetryservice"):
        path = (line.words or [""])[0].partition("unix:")[2]
        seen = config(line, "a socket that only its service can make")
        if path not in facts.host.telemetry:
            yield gap("file", path or line.text, "config", line.source, facts.host.unknown.get("telemetry", "no path"))
            continue
        bad = [Evidence("stat", one, "everybody may write", "not") for one in facts.host.telemetry[path]]
        yield verdict(not bad, "file", path, seen, *bad)


@GROUP.add(
    "X-ENV-SECRETS",
    "No secrets in Apache's environment and configuration",
    "high",
    "",
    looks_at="the names of variables in the environment of Apache's parent and of SetEnv, and whether a value is a "
    "URL with a password; values are not kept",
    decides="fails for a name such as DB_PASSWORD or API_KEY in the environment, which every pool inherits. Medium "
    "if there is at most one pool, and for SetEnv, whose values appear on debug pages and to anybody who "
    "reads the configuration",
    remedy="Keep secrets in a file that only the application's account can read.",
    variable="wsgi_apps[].environment",
    by_hand=("install -m 0640 -o root -g shop-app environment /etc/shop/environment",),
    attack="Every other application of this Apache reads the secret in its own os.environ.",
)
def environment_secrets(facts: Facts) -> Iterable[Result]:
    name, found = facts.instance.config_file, []
    for told in facts.host.parent.get("environment", []):
        level = "high" if len(facts.pools) > 1 else "medium"
        found.append((level, Evidence("proc", "/proc/PID/environ", f"{told} in the environment", "no secrets")))
    for line, _around, _host in facts.tree.every("setenv"):
        words = line.words
        for told in secret_names([(words[0], words[1])] if len(words) > 1 else []):
            found.append(("medium", Evidence("config", line.source, f"SetEnv {told}", "no secrets")))
    if not found and facts.instance.pid is not None and "parent" in facts.host.unknown:
        yield gap("server", name, "proc", f"/proc/{facts.instance.pid}/environ", facts.host.unknown["parent"])
        return
    good = Evidence("config", name, "no name that suggests a secret", "no secrets")
    severity = worst(level for level, _seen in found)
    yield verdict(not found, "server", name, *([seen for _level, seen in found] or [good]), severity=severity)
