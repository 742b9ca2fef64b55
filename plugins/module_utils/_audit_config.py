# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's own dump of its configuration, as the tree that Apache read: sections kept, file and line of each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._apache_syntax import next_word, parse_options

_LINE = re.compile(r"#\s+([0-9]+):")
_FILE = "# In file: "
# Directives whose values are secrets, or may hold one; their names are shown, their values never.
_SECRET = re.compile(
    r"password|passwd|passphrase|secret|token|key(?!s?file|.?alive)|dbdparams|credential", re.IGNORECASE
)
# How many words before the value name what directives such as SetEnv set.
_NAMED_VALUES = {"setenv": 1, "define": 1, "requestheader": 2, "header": 2, "setenvif": 2, "setenvifnocase": 2}
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
        words, name = self.words, self.written or self.name
        kept = _NAMED_VALUES.get(self.name, 0)
        if kept and any(_SECRET.search(word) for word in words[:kept]):
            return f"{name} {' '.join(words[:kept])} {HIDDEN}"
        if _SECRET.search(self.name) and self.name not in _NO_SECRETS:
            return f"{name} {HIDDEN}"
        return f"{name} {without_secrets(self.text)}".strip()


def without_secrets(text: str) -> str:
    """Return a value without the passwords of URLs and of NAME=VALUE in it."""
    text = re.sub(r"(://[^/\s:@]*:)[^/\s@]+@", rf"\1{HIDDEN}@", text)
    return re.sub(rf"((?:{_SECRET.pattern})[\w.-]*\s*=\s*)[^\s\"';&]+", rf"\1{HIDDEN}", text, flags=re.IGNORECASE)


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


def read_tree(dump: str) -> Tree:
    """Return the tree of a DUMP_CONFIG; a plain configuration file is read as well."""
    top: list[Directive] = []
    stack = [top]
    file, number = "", 0
    # At the line feed only: a value may hold what Python takes for another end of a line.
    for text in dump.split("\n"):
        plain = text.strip()
        marked = _LINE.fullmatch(plain)
        if plain.startswith(_FILE):
            file = plain[len(_FILE) :]
        elif marked:
            number = int(marked.group(1))
        elif plain.startswith("</"):
            if len(stack) > 1:
                stack.pop()
        elif plain.startswith("<"):
            name, _space, arguments = plain[1:].removesuffix(">").partition(" ")
            section = Directive(name.lower(), arguments.strip(), file, number)
            stack[-1].append(section)
            stack.append(section.inside)
        elif plain and not plain.startswith("#"):
            name, _space, arguments = plain.partition(" ")
            stack[-1].append(Directive(name.lower(), arguments.strip(), file, number, written=name))
    return _tree(top)


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
