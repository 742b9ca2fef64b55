# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom Apache lets in without a password: Require and its sections, and the older Order, Allow and Deny."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .config import Directive

GRANTED, DENIED, NEUTRAL = "granted", "denied", "neutral"
# Whether a password would help, and what only a running Apache knows.
USER, UNKNOWN = "user", "unknown"
_REQUIRES = ("require", "requireall", "requireany", "requirenone", "limit", "limitexcept")
_OLD = ("order", "allow", "deny", "satisfy")
_USERS = ("valid-user", "user", "group", "file-owner", "file-group", "dbm-group", "dbd-group", "unix-group")
# More terms than that, each of which may hold or not, are not tried out.
_MOST_UNKNOWN = 6


@dataclass(frozen=True)
class Request:
    """Who asks, and how."""

    client: str
    method: str = "GET"


def admits(sections: Sequence[Directive], request: Request) -> str:
    """Return granted, denied, user or unknown for a request, of the sections that fit in Apache's order."""
    terms = sorted({line.text for section in sections for line in _unknown(section.inside, request)})
    if len(terms) > _MOST_UNKNOWN or any(_merging(section) for section in sections):
        return UNKNOWN
    found = {
        _admits(sections, request, dict(zip(terms, values)))
        for values in itertools.product((GRANTED, DENIED), repeat=len(terms))
    }
    return found.pop() if len(found) == 1 else UNKNOWN


# A client of the internet; the address is for documentation, so that nobody means it.
STRANGER = Request("203.0.113.77")
LOCAL = Request("127.0.0.1")


def _admits(sections: Sequence[Directive], request: Request, known: Mapping[str, str]) -> str:
    older = _last(sections, _OLD)
    allowed = _allowed(older, request, known)
    lines = [line for line in _last(sections, _REQUIRES) if line.name in _REQUIRES]
    required = _together(lines, "requireany", request, known) if lines else GRANTED
    required = DENIED if required == NEUTRAL else required
    if any(line.name == "satisfy" and line.text.lower() == "any" for line in older):
        return GRANTED if allowed or required == GRANTED else required
    return required if allowed else DENIED


def _last(sections: Sequence[Directive], names: Sequence[str]) -> list[Directive]:
    """Return the lines of the last section that has one of these: it replaces all before it."""
    for section in reversed(sections):
        if any(line.name in names for line in section.inside):
            return section.inside
    return []


def _merging(section: Directive) -> bool:
    return any(line.name == "authmerging" and line.text.lower() != "off" for line in section.inside)


def _together(lines: Sequence[Directive], kind: str, request: Request, known: Mapping[str, str]) -> str:
    """Return what mod_authz_core makes of the lines in a <RequireAll>, <RequireAny> or <RequireNone>."""
    found = NEUTRAL
    decisive, weaker = (DENIED, GRANTED) if kind == "requireall" else (GRANTED, DENIED)
    for line in lines:
        one = _one(line, request, known)
        if one == decisive:
            found = one
            break
        if one != NEUTRAL and (found == NEUTRAL or (one == USER and found == weaker)):
            found = one
    return _negated(found) if kind == "requirenone" else found


def _negated(found: str) -> str:
    return DENIED if found == GRANTED else NEUTRAL


def _one(line: Directive, request: Request, known: Mapping[str, str]) -> str:
    if line.name in ("limit", "limitexcept"):
        named = request.method in line.text.upper().split()
        return _together(line.inside, "requireany", request, known) if named == (line.name == "limit") else NEUTRAL
    if line.name != "require":
        return _together(line.inside, line.name, request, known) if line.name in _REQUIRES else NEUTRAL
    words = line.words
    negated = bool(words) and words[0].lower() == "not"
    found = known.get(line.text) or _term(words[negated:], request)
    return _negated(found) if negated else found


def _term(words: Sequence[str], request: Request) -> str:
    kind, rest = (words[0].lower() if words else ""), words[1:]
    if kind == "all":
        return GRANTED if [word.lower() for word in rest] == [GRANTED] else DENIED
    if kind in _USERS or kind.startswith("ldap-"):
        return USER
    loopback = ipaddress.ip_address(request.client).is_loopback
    if kind in ("host", "forward-dns") and not loopback:
        # A stranger has no name that a configuration would have.
        return DENIED
    good = {
        "ip": any(_in_network(request.client, word) for word in rest),
        "local": loopback,
        "method": request.method in (word.upper() for word in rest),
    }
    return UNKNOWN if kind not in good else (GRANTED if good[kind] else DENIED)


def _unknown(lines: Sequence[Directive], request: Request) -> Iterator[Directive]:
    """Give the lines that only a running Apache can judge."""
    for line in lines:
        if line.name == "require":
            words = line.words
            negated = bool(words) and words[0].lower() == "not"
            if _term(words[negated:], request) == UNKNOWN:
                yield line
        elif line.name in _REQUIRES:
            yield from _unknown(line.inside, request)
        elif line.name in ("allow", "deny") and "env=" in line.text.lower():
            yield line


def _in_network(client: str, text: str) -> bool:
    """Tell whether an address is in a network: Apache takes 10.1, 10.1.0.0/16 or 10.1.0.0/255.255.0.0."""
    address, slash, mask = text.partition("/")
    parts = address.rstrip(".").split(".")
    if ":" not in address and len(parts) < 4:
        mask = mask or str(8 * len(parts))
        address, slash = ".".join([*parts, *["0"] * (4 - len(parts))]), "/"
    try:
        return ipaddress.ip_address(client) in ipaddress.ip_network(address + slash + mask, strict=False)
    except ValueError:
        # A name of a host: not the client's.
        return False


def _allowed(lines: Sequence[Directive], request: Request, known: Mapping[str, str]) -> bool:
    """Tell what mod_access_compat says; without its directives everybody is allowed."""

    def named(kind: str) -> bool:
        fitting = (line for line in lines if line.name == kind)
        return any(_from(line, request, known) for line in fitting)

    order = next((line.text.lower().replace(" ", "") for line in reversed(lines) if line.name == "order"), "")
    if order in ("allow,deny", "mutual-failure"):
        return named("allow") and not named("deny")
    return named("allow") or not named("deny")


def _from(line: Directive, request: Request, known: Mapping[str, str]) -> bool:
    if line.text in known:
        return known[line.text] == GRANTED
    return any(word.lower() == "all" or _in_network(request.client, word) for word in line.words[1:])
