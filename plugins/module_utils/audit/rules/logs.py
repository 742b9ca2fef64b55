# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What logs keep (D4, X-LOG-FORMAT)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .. import page
from ..config import Directive, VirtualHost
from ..facts import Facts
from ..merge import serving_hosts
from ..rule import Evidence, Group, Result, config, verdict, web_hosts

GROUP = Group()
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
    "Logs do not record too much",
    "low",
    page.DISCLOSURE,
    looks_at="LogLevel of the server, of each virtual host and of the sections in them, DumpIOInput, DumpIOOutput and "
    "ForensicLog",
    decides="fails for a level above warn, except wsgi:info; medium for trace, mod_dumpio and a forensic log, which "
    "record what clients send",
    remedy="Set LogLevel warn wsgi:info.",
    variable="wsgi_server_log_level",
    by_hand=("LogLevel warn wsgi:info",),
    attack="Whoever reads the log finds passwords, cookies and internals of the application.",
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
    decides="fails for a format with Authorization, Cookie or the query string, which %r contains",
    remedy='Log "%m %U %H" instead of "%r". Sites of this collection do this.',
    by_hand=('CustomLog /var/log/apache2/access.log "%h %l %u %t \\"%m %U %H\\" %>s %O"',),
    attack="Whoever reads the log takes over sessions, or uses tokens from links that were sent by mail.",
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
        good = Evidence("config", "", "the formats contain none of these" if formats else "no access log", "none of it")
        yield verdict(not seen, "virtual_host", host.name, *(seen or [good]))
