# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's own dump of its configuration, as the tree that Apache read: sections kept, file and line of each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..apache.syntax import next_word, parse_options

_LINE = re.compile(r"#\s+([0-9]+):")
_FILE = "# In file: "
# What names a secret; names are shown, their values never.
_SECRET = re.compile(
    r"password|passwd|passphrase|secret|token|key(?!s?file|.?alive)|dbdparams|credential|externalaccount|basicfake",
    re.IGNORECASE,
)
# In conditions these as well: what they are compared with lets somebody in.
_COMPARED = re.compile(rf"{_SECRET.pattern}|authorization|cookie", re.IGNORECASE)
# Directives with a name and then its value, or with conditions: nothing that follows the name of a secret is shown.
_NAMED_VALUES = re.compile(
    r"setenv(if(nocase|expr)?)?|define|(request)?header|rewrite(cond|rule)|require|(else)?if|browsermatch(nocase)?"
    r"|proxyset|substitute"
)
_NO_SECRETS = frozenset({"servertokens", "sslcertificatekeyfile"})
HIDDEN = "(hidden)"


@dataclass
class Directive:
    """One line of the configuration; a section has the lines in it."""

    # In lower case.
    name: str
    text: str
    file: str = ""
    line: int = 0
    inside: list[Directive] = field(default_factory=list)
    written: str = ""

    @property
    def words(self) -> list[str]:
        """Return the arguments as Apache splits them."""
        words, rest = [], self.text.strip()
        while rest:
            word, rest = next_word(rest)
            words.append(word)
        return words

    @property
    def source(self) -> str:
        """Return file:line."""
        return f"{self.file}:{self.line}" if self.file else ""

    @property
    def shown(self) -> str:
        """Return the line for a report, without what may be a secret."""
        name = self.written or self.name
        if _SECRET.search(self.name) and self.name not in _NO_SECRETS:
            return f"{name} {HIDDEN}"
        return f"{name} {self.told}".strip()

    @property
    def told(self) -> str:
        """Return the arguments for a report, without what may be a secret."""
        if _NAMED_VALUES.fullmatch(self.name):
            return _cut(self.text)
        return without_secrets(self.text)


def _cut(text: str) -> str:
    """Return a text as far as the word that names a secret."""
    named = _COMPARED.search(text)
    if named is None:
        return without_secrets(text)
    end = re.compile(r"[\w.-]*").match(text, named.end())
    return f"{without_secrets(text[: end.end() if end else named.end()])} {HIDDEN}"


def without_secrets(text: str) -> str:
    """Return a value without the passwords of URLs and of NAME=VALUE in it."""
    text = re.sub(r"(://[^/\s:@]*:)[^/\s]+@", rf"\1{HIDDEN}@", text)
    # A value in quotes may hold spaces, and one without may hold quotes.
    value = r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s&;]+)"""
    return re.sub(rf"((?:{_SECRET.pattern})[\w.-]*\s*=\s*){value}", rf"\1{HIDDEN}", text, flags=re.IGNORECASE)


@dataclass
class Pool:
    """One WSGIDaemonProcess, in Apache's order."""

    name: str
    options: dict[str, str]
    directive: Directive
    # None at server level.
    host: VirtualHost | None = None


@dataclass
class VirtualHost:
    """One virtual host, or the main server, whose addresses are empty."""

    addresses: list[str]
    directives: list[Directive]
    file: str = ""
    line: int = 0

    @property
    def server_names(self) -> list[str]:
        """Return the name and the aliases."""
        names: list[str] = []
        for directive in self.directives:
            if directive.name == "servername":
                names[:0] = directive.words[:1]
            elif directive.name == "serveralias":
                names += directive.words
        return names

    @property
    def name(self) -> str:
        """Return how a report names it."""
        if not self.addresses:
            return "main server"
        name = self.server_names[0] if self.server_names else "_default_"
        # Of scheme://name:port the name counts.
        host = name.rpartition("//")[2].partition(":")[0]
        return f"{host} {self.addresses[0]}"


@dataclass
class Tree:
    """The configuration: what is said at server level, and the virtual hosts in Apache's order."""

    directives: list[Directive]
    hosts: list[VirtualHost]
    pools: list[Pool]

    @property
    def main(self) -> VirtualHost:
        """Return the main server as a virtual host without addresses."""
        return VirtualHost([], [])

    def last(self, name: str, host: VirtualHost | None = None) -> Directive | None:
        """Return the line that counts of a directive that Apache merges from server to virtual host."""
        found = [item for item in self.directives if item.name == name]
        found += [item for item in host.directives if item.name == name] if host else []
        return found[-1] if found else None

    def every(self, *names: str) -> Iterator[tuple[Directive, list[Directive], VirtualHost | None]]:
        """Give each such directive wherever it stands, with the sections around it and its virtual host."""
        yield from _every(self.directives, set(names), [], None)
        for host in self.hosts:
            yield from _every(host.directives, set(names), [], host)


def _every(
    lines: list[Directive], names: set[str], around: list[Directive], host: VirtualHost | None
) -> Iterator[tuple[Directive, list[Directive], VirtualHost | None]]:
    for line in lines:
        if line.name in names:
            yield line, around, host
        yield from _every(line.inside, names, [*around, line], host)


class _Section(NamedTuple):
    """One that is open while a dump is read."""

    name: str
    indent: int
    inside: list[Directive]


def read_tree(dump: str) -> Tree:
    """Return the tree of a DUMP_CONFIG; a plain configuration file is read as well.

    In a dump a marker stands before each line of the configuration, so that a value with a line feed in it is no line.
    """
    top: list[Directive] = []
    stack = [_Section("", -1, top)]
    last: Directive | None = None
    file, number, marked = "", 0, False
    # At the line feed only: a value may hold what Python takes for another end of a line.
    lines = dump.split("\n")
    is_dump = any(_LINE.fullmatch(text.strip()) for text in lines)
    for text in lines:
        plain, indent = text.strip(), len(text) - len(text.lstrip(" "))
        marker = _LINE.fullmatch(plain)
        if plain.startswith(_FILE):
            file = plain[len(_FILE) :]
        elif marker:
            number, marked = int(marker.group(1)), True
        elif plain.startswith("</") and (depth := _depth(plain, stack)):
            # Of a dump the indent says what is inside: it ends no section that is empty.
            del stack[len(stack) if is_dump else depth :]
        elif is_dump and not marked:
            if last is not None and plain:
                last.text = f"{last.text} {plain}"
        elif plain and not plain.startswith(("#", "</")):
            while file and indent <= stack[-1].indent:
                stack.pop()
            last, marked = _directive(plain, file, number), False
            stack[-1].inside.append(last)
            if plain.startswith("<"):
                stack.append(_Section(last.name, indent, last.inside))
    return _tree(top)


def _depth(plain: str, stack: list[_Section]) -> int:
    """Return the depth of the innermost section that a line ends; 0 where it ends none."""
    name = plain[2:].rstrip("> ").lower()
    return next((depth for depth in range(len(stack) - 1, 0, -1) if stack[depth].name == name), 0)


def _directive(plain: str, file: str, number: int) -> Directive:
    section = plain.startswith("<")
    word, _space, arguments = plain.removesuffix(">" if section else "").partition(" ")
    return Directive(word.lstrip("<").lower(), arguments.strip(), file, number, written="" if section else word)


def _tree(top: list[Directive]) -> Tree:
    directives: list[Directive] = []
    hosts: list[VirtualHost] = []
    pools: list[Pool] = []
    for item in top:
        if item.name == "virtualhost":
            host = VirtualHost(item.words or ["*"], item.inside, item.file, item.line)
            hosts.append(host)
            pools += _pools(item.inside, host)
        else:
            directives.append(item)
            pools += _pools([item], None)
    return Tree(directives, hosts, pools)


def _pools(lines: list[Directive], host: VirtualHost | None) -> list[Pool]:
    return [Pool(*parse_options(line.text), line, host) for line in lines if line.name == "wsgidaemonprocess"]
