# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers for browsers, beyond the hardening page (X-HDR)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..config import Directive, VirtualHost
from ..facts import Facts
from ..merge import secure
from ..rule import Evidence, Group, Result, answers, config, http, silences, undecided, verdict, web_hosts
from .tls import GUIDELINE

GROUP = Group()
HSTS = 63072000


def _lines(facts: Facts, host: VirtualHost, header: str) -> list[Directive]:
    """Return the lines of Apache's that set a header for the application's answers."""
    mine = [place for place in facts.places if place.host.name == host.name]
    sections = {id(section): section for place in mine for section in place.sections}
    found = []
    for section in sections.values():
        for line in section.inside:
            words = [word.lower().rstrip(":") for word in line.words]
            rest = words[1:] if words[:1] in (["always"], ["onsuccess"]) else words
            if line.name == "header" and rest[:1] and rest[0] in ("set", "setifempty", "add", "append", "merge"):
                found += [line] if rest[1:2] == [header.lower()] else []
    return found


def _header(
    facts: Facts, host: VirtualHost, names: Sequence[str], expected: str, good: re.Pattern[str]
) -> tuple[list[Evidence], list[str], bool]:
    """Return what is seen of a header, its values, and whether an application was asked."""
    lines = [line for name in names for line in _lines(facts, host, name)]
    pages: list[dict[str, Any]] = [row for row in answers(facts, "page", host) if 200 <= int(row["status"]) < 400]
    sent = {
        name: str(row["headers"][name.lower()]) for row in pages[:1] for name in names if name.lower() in row["headers"]
    }
    said = ", ".join(f"{name}: {value}" for name, value in sent.items()) or f"{names[0]}: not sent"
    seen = [config(line, expected) for line in lines]
    seen += [http(row, said, expected) for row in pages[:1]]
    texts = [line.text for line in lines] + list(sent.values())
    return seen, [text for text in texts if good.search(text)], bool(pages)


def _add_header(identifier: str, names: Sequence[str], severity: str, good: str, **fields: Any) -> None:
    """Make the rule on one header, which Apache or the application may send."""
    expected = fields.pop("expected")
    pattern = re.compile(good, re.IGNORECASE)

    def check(facts: Facts) -> Iterable[Result]:
        for host in web_hosts(facts):
            seen, values, asked = _header(facts, host, names, expected, pattern)
            if values or asked:
                yield verdict(bool(values), "virtual_host", host.name, *seen)
            else:
                yield undecided("virtual_host", host.name, *seen, *silences(facts, "page", host))

    GROUP.add(
        identifier,
        f"Browsers are told {fields.pop('told')}",
        severity,
        "",
        looks_at=f"Header lines that set {' or '.join(names)} for an application; with active: full also a page of it",
        decides="fails where the page has none; unknown where no line sets it and no page was asked, since the "
        "application may send it",
        by_hand=(f'Header always set {names[0]} "{expected}"',),
        **fields,
    )(check)


_add_header(
    "X-HDR-NOSNIFF",
    ["X-Content-Type-Options"],
    "info",
    "nosniff",
    expected="nosniff",
    told="not to guess what a file is",
    remedy="Let the application or Apache send X-Content-Type-Options: nosniff.",
    attack="The browser runs a file that a visitor uploaded as text as a script.",
)


_add_header(
    "X-HDR-FRAME",
    ["X-Frame-Options", "Content-Security-Policy"],
    "info",
    "deny|sameorigin|frame-ancestors",
    expected="DENY",
    told="who may show a page in a frame",
    remedy="Let the application or Apache send X-Frame-Options or a Content-Security-Policy with frame-ancestors.",
    attack="A visitor of another site clicks in a hidden frame of this one.",
)


_add_header(
    "X-HDR-REFERRER",
    ["Referrer-Policy"],
    "info",
    "no-referrer|same-origin|strict-origin|origin",
    expected="strict-origin-when-cross-origin",
    told="not to give URLs away",
    remedy="Let the application or Apache send Referrer-Policy.",
    attack="Links to other sites carry the tokens in a page's URL.",
)


_add_header(
    "X-HDR-CSP",
    ["Content-Security-Policy"],
    "info",
    "(default|script)-src",
    expected="default-src 'self'",
    told="whose scripts to run",
    remedy="Let the application send a Content-Security-Policy that names the sources of its scripts.",
    attack="A script that somebody put into a page runs with the visitor's session.",
)


@GROUP.add(
    "X-HDR-HSTS",
    "Browsers use TLS only",
    "low",
    "",
    looks_at="Header lines that set Strict-Transport-Security for an application with TLS; with active: full also a "
    "page",
    decides=f"fails where the page has none; info for less than {HSTS} seconds ({GUIDELINE}); unknown where no line "
    "sets it and no page was asked, since the application may send it",
    remedy=f"Set Strict-Transport-Security to max-age={HSTS}. Sites of wsgi_app do.",
    variable="wsgi_apps[].tls.hsts",
    by_hand=(f'Header always set Strict-Transport-Security "max-age={HSTS}"',),
    attack="Anyone on the network path answers the first request without TLS, and stays in between.",
)
def hsts(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        if not secure(facts.tree, host):
            continue
        header = "Strict-Transport-Security"
        seen, values, asked = _header(facts, host, [header], f"max-age={HSTS}", re.compile("max-age", re.IGNORECASE))
        ages = [int(age) for value in values for age in re.findall(r"max-age\s*=\s*\"?([0-9]+)", value)[:1]]
        if not ages and not asked:
            yield undecided("virtual_host", host.name, *seen, *silences(facts, "page", host))
        else:
            severity = "info" if ages and min(ages) > 0 else ""
            yield verdict(bool(ages) and min(ages) >= HSTS, "virtual_host", host.name, *seen, severity=severity)
