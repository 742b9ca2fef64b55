# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for a URL of a virtual host, by Apache's order of sections.

Of the sections that fit, the later one counts: server, virtual host, <Directory> by depth, <DirectoryMatch>, <Files>,
<Location>, <If>. The server's sections come before the virtual host's, and what a section sets replaces what was set.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..apache.syntax import parse_options
from .config import Directive, Tree, VirtualHost

EMBEDDED = ""
GLOBAL = "%{GLOBAL}"
_ALIASES = ("wsgiscriptalias", "wsgiscriptaliasmatch")
_LOCATIONS = ("location", "locationmatch")
_DIRECTORIES = ("directory", "directorymatch")
_FILES = ("files", "filesmatch")
_CONDITIONS = ("if", "elseif", "else")
_HANDLERS = ("sethandler", "addhandler")


@dataclass(frozen=True)
class Setting:
    """A value and the line that sets it."""

    value: str
    source: str
    # The whole line for a report, where the value may be a secret.
    shown: str = ""


UNSET = Setting("", "")


@dataclass(frozen=True)
class Place:
    """A URL of a virtual host that mod_wsgi serves, and what holds for it."""

    host: VirtualHost
    url: str
    # The script, or the directory of scripts.
    path: str
    # The line that hands the URL to mod_wsgi.
    mapped: Directive
    sections: tuple[Directive, ...]
    options: dict[str, str]

    @property
    def name(self) -> str:
        """Return how a report names it."""
        return f"{self.host.name} {self.url}"

    @property
    def aliased(self) -> bool:
        return self.mapped.name in _ALIASES

    def setting(self, name: str) -> Setting:
        """Return the last such directive that holds here."""
        return setting_of(self.sections, name)

    def lines(self, name: str) -> list[Setting]:
        """Return every such directive that fits, the one that counts last."""
        return _lines_of(self.sections, name)

    def _chosen(self, option: str, directive: str) -> Setting:
        if option in self.options:
            return Setting(self.options[option], self.mapped.source)
        found = self.setting(directive)
        return Setting((parse_options(found.value)[0] if found.value else ""), found.source)

    @property
    def process_group(self) -> Setting:
        """Return the pool; an empty value is embedded mode."""
        found = self._chosen("process-group", "wsgiprocessgroup")
        return Setting(EMBEDDED, found.source) if found.value == GLOBAL else found

    @property
    def application_group(self) -> Setting:
        """Return the interpreter; %{GLOBAL} is the main one. Unset is one of the script's own."""
        return self._chosen("application-group", "wsgiapplicationgroup")

    @property
    def restriction(self) -> list[str] | None:
        """Return the only pools that may serve this; None where any may."""
        found = self.setting("wsgirestrictprocess")
        if found is UNSET:
            return None
        return [EMBEDDED if word == GLOBAL else word for word in found.value.split()]

    @property
    def handler(self) -> str:
        """Return what handles the request: a SetHandler that fits counts more than the alias."""
        found = self.setting("sethandler").value.strip('"').lower()
        return "wsgi-script" if found in ("", "none") else found

    def on(self, directive: str, default: bool = False) -> bool:
        """Tell whether a switch is on here."""
        found = self.setting(directive)
        return default if found is UNSET else found.value.lower() == "on"

    @property
    def passes_authorization(self) -> Setting:
        """Return On or Off, and the line that says so."""
        if "pass-authorization" in self.options:
            return Setting(self.options["pass-authorization"], self.mapped.source)
        return self.setting("wsgipassauthorization")


def setting_of(sections: Sequence[Directive], name: str) -> Setting:
    """Return the last such directive of sections in Apache's order."""
    found = _lines_of(sections, name)
    return found[-1] if found else UNSET


def _lines_of(sections: Sequence[Directive], name: str) -> list[Setting]:
    return [
        Setting(item.text, item.source, item.shown)
        for section in sections
        for item in section.inside
        if item.name == name
    ]


def places(tree: Tree) -> list[Place]:
    """Return every URL that mod_wsgi serves, by virtual host; of nested sections each has a URL of its own."""
    found: list[Place] = []
    for host in serving_hosts(tree):
        aliases = script_aliases(tree, host)
        mine = [place for alias in aliases for place in _alias_places(tree, host, alias)]
        found += [*mine, *_handler_places(tree, host, mine)]
    return found


def serving_hosts(tree: Tree) -> list[VirtualHost]:
    """Return the virtual hosts, and the main server where a port has none."""
    covered = {address.rpartition(":")[2] for host in tree.hosts for address in host.addresses}
    ports = {item.words[0].rpartition(":")[2] for item in tree.directives if item.name == "listen" and item.words}
    main = [tree.main] if not tree.hosts or (ports - covered and "*" not in covered) else []
    return main + tree.hosts


def secure(tree: Tree, host: VirtualHost) -> bool:
    """Tell whether a virtual host speaks TLS."""
    line = tree.last("sslengine", host)
    return line is not None and line.text.lower() == "on"


def listens_on(host: VirtualHost, port: int) -> bool:
    """Tell whether a virtual host answers on a port; the main server does on every one."""
    ports = {address.rpartition(":")[2] for address in host.addresses}
    return not ports or bool(ports & {str(port), "*"})


def ciphers(tree: Tree, host: VirtualHost) -> tuple[Directive | None, str]:
    """Return the SSLCipherSuite of a virtual host before TLS 1.3, whose suites are all good, and its text."""
    lines = [item for item in [*tree.directives, *host.directives] if item.name == "sslciphersuite" and item.words]
    # Before a suite may stand what it is for: SSL or TLSv1.3.
    found = [item for item in lines if len(item.words) == 1 or item.words[0].lower() == "ssl"]
    return (found[-1], found[-1].words[-1]) if found else (None, "DEFAULT")


def entry_hosts(tree: Tree, host: VirtualHost) -> list[VirtualHost]:
    """Return the virtual hosts whose limits count before Apache knows which one a request is for.

    It is the first one of an address; with TLS a client may name this one beforehand.
    """
    firsts = [
        next((one for one in tree.hosts if address in one.addresses or _everywhere(one, address)), host)
        for address in host.addresses
    ]
    found = [*firsts, *([host] if secure(tree, host) or not firsts else [])]
    return list({id(one): one for one in found}.values())


def _everywhere(host: VirtualHost, address: str) -> bool:
    return f"*:{address.rpartition(':')[2]}" in host.addresses and address.startswith(("*", "_default_"))


def read_timeouts(tree: Tree, host: VirtualHost) -> dict[str, int]:
    """Return the seconds that RequestReadTimeout gives header and body; the first number, and none that is unset."""
    found: dict[str, int] = {}
    for line in [*tree.directives, *host.directives]:
        if line.name == "requestreadtimeout":
            pairs = (word.partition("=") for word in line.words)
            numbers = ((key.lower(), re.match(r"[0-9]+", value)) for key, _is, value in pairs)
            found.update({key: int(number.group()) for key, number in numbers if number})
    return found


def script_aliases(tree: Tree, host: VirtualHost) -> list[Directive]:
    """Return the script aliases in mod_wsgi's order: the virtual host's first."""
    return [item for item in [*host.directives, *tree.directives] if item.name in _ALIASES]


def place_at(tree: Tree, host: VirtualHost, url: str, is_file: Callable[[str], bool] | None = None) -> Place | None:
    """Return what holds for a URL that a script alias takes; None for one that none takes, or an Alias before it.

    Without is_file the script's path is as far as the configuration says it.
    """
    alias = None if is_taken(tree, host, url) else first_alias(url, script_aliases(tree, host))
    if alias is None:
        return None
    pattern, path, options = _alias_parts(alias)
    if is_file is not None:
        file = _existing(_joined(alias, url), is_file)
    elif len(pattern) > 1 and pattern.endswith("/") and not path.endswith("/") and url != pattern:
        # Apache joins both to the name of a file that is not there.
        file = ""
    else:
        file = path if alias.name.endswith("match") else _target(path, url[len(pattern.rstrip("/")) :])
    if not file:
        return None
    return Place(host, url, file, alias, tuple(sections_of(tree, host, url, file)), options)


def _joined(alias: Directive, url: str) -> str:
    """Return the name that mod_wsgi makes of a URL, with what follows the script in it."""
    pattern, path, _options = _alias_parts(alias)
    if alias.name.endswith("match"):
        found = re.search(pattern, url)
        return re.sub(r"\$([0-9])", lambda number: _group(found, int(number.group(1))), path)
    return path + (url if pattern == "/" else url[len(pattern) :])


def _group(found: re.Match[str] | None, number: int) -> str:
    return (found.group(number) or "") if found and number <= (found.re.groups) else ""


def _existing(path: str, is_file: Callable[[str], bool]) -> str:
    """Return the first part of a path that is a file, empty where none is."""
    parts = path.split("/")
    return next((one for one in ("/".join(parts[:end]) for end in range(2, len(parts) + 1)) if is_file(one)), "")


def _alias_places(tree: Tree, host: VirtualHost, alias: Directive) -> Iterator[Place]:
    pattern = _alias_parts(alias)[0]
    # The URL itself, and each section below it that may say something else.
    urls = [_sample(pattern)] if alias.name.endswith("match") else [pattern, *_inner_urls(tree, host, pattern)]
    for url in dict.fromkeys(urls):
        place = place_at(tree, host, url)
        if place and place.mapped is alias:
            yield from _variants(place)


def _variants(place: Place) -> Iterator[Place]:
    """Give the place, and for each <If> in it the place where that one holds: a reader cannot decide it."""
    yield place
    for level in place.sections:
        for section in _all_sections(level.inside, _CONDITIONS):
            if any(item.name.startswith("wsgi") or item.name in _TELLING for item in section.inside):
                url = f"{place.url} where <{section.name} {section.told}>".replace(" >", ">")
                yield replace(place, url=url, sections=(*place.sections, section))


def outcomes(place: Place) -> list[Place]:
    """Return the place with every choice of the conditions that stand in its sections; of too many, none."""
    chains: list[list[tuple[Directive, ...]]] = []
    for section in place.sections:
        chains += _chains(section.inside)
    if len(chains) > _MOST_CHAINS:
        return []
    return [
        replace(place, sections=(*place.sections, *itertools.chain(*chosen))) for chosen in itertools.product(*chains)
    ]


_MOST_CHAINS = 6


def _chains(lines: Sequence[Directive]) -> list[list[tuple[Directive, ...]]]:
    """Return of each <If> with its <ElseIf> and <Else> what may hold: one of them, or none without an <Else>."""
    found: list[list[tuple[Directive, ...]]] = []
    for line in _all_sections(lines, _CONDITIONS):
        if line.name == "if" or not found:
            found.append([()])
        found[-1].append((line,))
        if line.name == "else":
            found[-1].remove(())
    return found


def _alias_parts(alias: Directive) -> tuple[str, str, dict[str, str]]:
    words = alias.words
    options = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    return words[0] if words else "", words[1] if len(words) > 1 else "", options


def _target(path: str, rest: str) -> str:
    """Return the script: of a directory the first word after the alias names it."""
    if path.endswith("/") and rest.strip("/"):
        return path + rest.strip("/").split("/")[0]
    return path


def first_alias(url: str, aliases: Sequence[Directive]) -> Directive | None:
    """Return the alias that mod_wsgi takes: the first that fits."""
    for alias in aliases:
        pattern = _alias_parts(alias)[0]
        fits = _searched(pattern, url) if alias.name.endswith("match") else below(url, pattern)
        if fits:
            return alias
    return None


def below(url: str, prefix: str) -> bool:
    """Tell whether a URL is a prefix's own or below it; /a/ is not for /a."""
    return url.startswith(prefix) and (prefix.endswith("/") or url[len(prefix) :][:1] in ("", "/"))


def _searched(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _sample(pattern: str) -> str:
    """Return a URL that a simple pattern fits: what is literal at its start."""
    literal = re.match(r"\^?((?:[\w/@%~-]|\\[./-])*)", pattern)
    text = literal.group(1).replace("\\", "") if literal else ""
    return text if text.startswith("/") else "/" + text


def _inner_urls(tree: Tree, host: VirtualHost, url: str) -> list[str]:
    urls: list[str] = []
    for section in _all_sections(tree.directives, _LOCATIONS) + _all_sections(host.directives, _LOCATIONS):
        if not any(item.name.startswith("wsgi") or item.name in _TELLING for item in section.inside):
            continue
        kind, pattern = _section_pattern(section)
        inner = _sample(pattern) if kind == "regex" else re.sub(r"[*?\[].*", "", pattern)
        if below(inner, url) and inner != url:
            urls.append(inner)
    return urls


# What a rule asks of a section; one without any of them has no URL of its own in a report.
_TELLING = frozenset({"limitrequestbody", "authtype", "cgipassauth"})


def is_redirected(tree: Tree, host: VirtualHost, url: str) -> bool:
    """Tell whether a redirect takes a URL before anything else does."""
    lines = [item for item in [*host.directives, *tree.directives] if item.name.startswith("redirect")]
    return any(_takes(item, url) for item in lines if item.name in _TAKING)


def is_taken(tree: Tree, host: VirtualHost, url: str) -> bool:
    """Tell whether mod_alias takes a URL before mod_wsgi sees it."""
    return any(_takes(item, url) for item in [*host.directives, *tree.directives] if item.name in _TAKING)


_TAKING = {"alias": 2, "scriptalias": 2, "aliasmatch": 2, "scriptaliasmatch": 2, "redirect": 1, "redirectmatch": 1}
_REDIRECTS = re.compile(r"permanent|temp|seeother|gone|[0-9]{3}", re.IGNORECASE)


def _takes(line: Directive, url: str) -> bool:
    words = line.words
    if line.name.startswith("redirect") and len(words) > 1 and _REDIRECTS.fullmatch(words[0]):
        words = words[1:]
    if len(words) < _TAKING[line.name]:
        return False
    return _searched(words[0], url) if line.name.endswith("match") else below(url, words[0])


def _all_sections(lines: Sequence[Directive], names: Sequence[str]) -> list[Directive]:
    return [line for line in lines if line.name in names]


def _section_pattern(section: Directive) -> tuple[str, str]:
    """Return regex, glob or prefix, and the pattern."""
    words = section.words
    if section.name.endswith("match"):
        return "regex", words[0] if words else ""
    if words and words[0] == "~":
        return "regex", words[1] if len(words) > 1 else ""
    text = words[0] if words else ""
    return ("glob" if re.search(r"[*?\[]", text) else "prefix"), text


def sections_of(tree: Tree, host: VirtualHost, url: str, path: str) -> Iterator[Directive]:
    """Give the sections that fit a URL and its file, in the order in which Apache merges them."""
    servers, own = tree.directives, host.directives
    yield Directive("server", "", inside=list(servers))
    yield Directive("virtualhost", host.name, inside=list(own))
    directories = _fitting_directories(servers, path) + _fitting_directories(own, path)
    depth = {"prefix": 0, "glob": 0, "regex": 1}
    directories.sort(key=lambda row: (depth[row[0]], row[1].rstrip("/").count("/") if row[0] != "regex" else 0))
    sections = [section for _kind, _pattern, section in directories]
    yield from sections
    files = _all_sections(servers, _FILES) + _all_sections(own, _FILES)
    files += [inner for section in sections for inner in _all_sections(section.inside, _FILES)]
    fitting = [section for section in files if _fits_file(section, os.path.basename(path))]
    yield from fitting
    locations = _all_sections(servers, _LOCATIONS) + _all_sections(own, _LOCATIONS)
    yield from (section for section in locations if fits_location(section, url))


def _fitting_directories(lines: Sequence[Directive], path: str) -> list[tuple[str, str, Directive]]:
    return [
        (*_section_pattern(section), section)
        for section in _all_sections(lines, _DIRECTORIES)
        if fits_directory(section, path)
    ]


def fits_directory(section: Directive, path: str) -> bool:
    """Tell whether a <Directory> or <DirectoryMatch> holds for a file or a directory."""
    kind, pattern = _section_pattern(section)
    if kind == "regex":
        # Of the whole path of the file, so that "/x$" holds for nothing in /x.
        return _searched(pattern, path)
    short = pattern.rstrip("/")
    if kind == "glob":
        return _matches(path, short, len(short.split("/")))
    return below(path, short or "/")


def _matches(text: str, pattern: str, parts: int) -> bool:
    """Tell whether the first parts of a path fit a pattern in which * does not stand for a slash."""
    found, wanted = text.split("/")[:parts], pattern.split("/")
    return len(found) == len(wanted) and all(map(fnmatch.fnmatchcase, found, wanted))


def _fits_file(section: Directive, name: str) -> bool:
    kind, pattern = _section_pattern(section)
    return _searched(pattern, name) if kind == "regex" else fnmatch.fnmatchcase(name, pattern)


def fits_location(section: Directive, url: str) -> bool:
    """Tell whether a <Location> or <LocationMatch> holds for a URL."""
    kind, pattern = _section_pattern(section)
    if kind == "regex":
        return _searched(pattern, url)
    if kind == "glob":
        return _matches(url, pattern, len(url.split("/")))
    return below(url, pattern)


def _handler_places(tree: Tree, host: VirtualHost, aliased: Sequence[Place]) -> Iterator[Place]:
    """Give the sections that hand files to mod_wsgi without an alias."""
    documents = tree.last("documentroot", host)
    root = documents.words[0] if documents and documents.words else ""
    for lines in (tree.directives, host.directives):
        for section in [
            Directive("server", "", inside=list(lines)),
            *_all_sections(lines, (*_DIRECTORIES, *_LOCATIONS)),
        ]:
            mapped = next((item for item in section.inside if _is_wsgi_handler(item)), None)
            if mapped is None or any(section is known for place in aliased for known in place.sections):
                continue
            if section.name in _LOCATIONS:
                url, path = _sample(_section_pattern(section)[1]), root
            else:
                url, path = "", _section_pattern(section)[1] or root
            if section.name == "server":
                path = root
            place = Place(host, url or f"files of {path}", path, mapped, tuple(sections_of(tree, host, url, path)), {})
            # Without ExecCGI mod_wsgi refuses what no alias maps.
            if any(re.search(r"(?<!-)(ExecCGI|\ball\b)", line.value, re.IGNORECASE) for line in place.lines("options")):
                yield from _variants(place)


def _is_wsgi_handler(line: Directive) -> bool:
    return line.name == "wsgihandlerscript" or (
        line.name in _HANDLERS and bool(line.words) and line.words[0].lower() == "wsgi-script"
    )
