# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache serves and runs of files that a pool or a .htaccess brings in (F11, I8)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from .. import page
from ..config import Directive, VirtualHost
from ..facts import Facts
from ..file_evidence import name_of, reaches
from ..merge import first_alias, script_aliases, sections_of, serving_hosts
from ..rule import SEVERITIES, SHOWN, Evidence, Group, Result, missing_process, unlooked, verdict, worst
from ..served import SCRIPTS, denied, served

GROUP = Group()


def merged(sections: Sequence[Directive], name: str) -> Directive | None:
    """Return the last such line of the sections that fit."""
    lines = [line for section in sections for line in section.inside if line.name == name]
    return lines[-1] if lines else None


def options_of(sections: Sequence[Directive]) -> set[str]:
    """Return Apache's options as they are merged, in lower case."""
    found = {"followsymlinks"}
    for section in sections:
        for line in section.inside:
            if line.name != "options":
                continue
            words = [word.lower() for word in line.words]
            if not all(word[:1] in "+-" for word in words):
                found = set()
            for word in words:
                found = found - {word[1:]} if word[:1] == "-" else found | {word.lstrip("+")}
    return found - {"none"}


# What lets a .htaccess change handlers, run programs or scripts.
_STRONG = ("all", "fileinfo", "authconfig", "options")


def _is_strong(line: Directive, strong: Sequence[str] = _STRONG) -> bool:
    words = {word.lower().partition("=")[0] for word in line.words}
    return bool(words & set(strong)) if line.name == "allowoverride" else words != {"none"}


def override_of(sections: Sequence[Directive]) -> Directive | None:
    """Return the line that lets a .htaccess change how files are handled; None where nothing does."""
    directories = [section for section in sections if section.name == "directory"]
    line, listed = merged(directories, "allowoverride"), merged(directories, "allowoverridelist")
    return next((one for one in (line, listed) if one and _is_strong(one)), None)


def _runs(facts: Facts, host: VirtualHost, line: Directive, sections: Sequence[Directive]) -> str:
    """Return why something put there would run; empty where it would not."""
    if line.name in ("wsgiscriptalias", "wsgiscriptaliasmatch", "scriptalias", "scriptaliasmatch"):
        return f"{line.written} makes a program of every file"
    if {"execcgi", "all"} & options_of(sections):
        return "Options ExecCGI"
    override = override_of(sections)
    return f"{override.shown}: a .htaccess there names the handler" if override else ""


_SAFE_HEADERS = ("x-content-type-options", "content-disposition")


def _neutral(sections: Sequence[Directive]) -> bool:
    handler = merged(sections, "sethandler")
    headers = [line.text.lower() for section in sections for line in section.inside if line.name == "header"]
    forced = handler is not None and handler.text.strip('"').lower() == "default-handler"
    return forced and any(name in text for text in headers for name in _SAFE_HEADERS)


@GROUP.add(
    "F11",
    "Apache neither serves nor runs what a pool writes",
    "critical",
    page.WRITABLE,
    looks_at="the directories that each pool may write, tried as its account, below every DocumentRoot, Alias, "
    "ScriptAlias and directory of a WSGIScriptAlias that is not denied; handlers, options and AllowOverride that hold "
    "there",
    decides="fails for each; critical where a file put there runs (a directory of scripts, ExecCGI, or AllowOverride "
    "that lets a .htaccess name the handler), high where it is served, medium where SetHandler default-handler holds "
    "with nosniff or Content-Disposition, and for a DocumentRoot that a WSGIScriptAlias hides for now",
    remedy="Keep uploads outside of what Apache serves, and let the application send them. Or force the handler: "
    "SetHandler default-handler, AllowOverride None, Options None, X-Content-Type-Options nosniff.",
    variable="wsgi_apps[].writable",
    by_hand=("mv /var/www/shop/uploads /var/lib/shop-app/data/uploads",),
    attack="An uploaded page with a script runs in the visitors' browsers, and an uploaded .htaccess in the server.",
)
def writable_not_served(facts: Facts) -> Iterable[Result]:
    rows = [(host, *row) for host in serving_hosts(facts.tree) for row in served(facts, host, SCRIPTS)]
    for pool, reach in reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        bad: list[tuple[str, Evidence]] = []
        for host, url, root, line in rows:
            for directory in reach.served.get(root, []):
                bad += _judged_directory(facts, host, url, root, line, directory)
        whys = [row["unknown"] for row in facts.files.served.values() if row["unknown"]]
        if bad:
            bad.sort(key=lambda one: -SEVERITIES.index(one[0]))
            seen = list(dict.fromkeys(one for _severity, one in bad))[:SHOWN]
            yield verdict(False, "pool", pool.name, *seen, severity=worst(one for one, _seen in bad))
        elif reach.unknown or whys:
            yield unlooked("pool", pool.name, reach.unknown or whys[0])
        else:
            yield verdict(True, "pool", pool.name, Evidence("acl", "", "it writes nothing that is served", "nothing"))


def _stopped_at_link(facts: Facts, root: str, directory: str, sections: Sequence[Directive]) -> bool:
    """Tell whether Apache follows no link here, and there is one on the way."""
    links = facts.files.served.get(root, {}).get("links", [])
    return directory in links and not {"followsymlinks", "symlinksifownermatch", "all"} & options_of(sections)


def _judged_directory(
    facts: Facts, host: VirtualHost, url: str, root: str, line: Directive, directory: str
) -> Iterator[tuple[str, Evidence]]:
    rest = os.path.relpath(directory, facts.real(root))
    if rest.startswith(".."):
        # Above what is served, or elsewhere through a link.
        return
    inside = "" if rest == "." else f"/{rest}"
    address, path = f"{url.rstrip('/')}{inside}/x", f"{root.rstrip('/')}{inside}/x"
    sections = list(sections_of(facts.tree, host, address, path))
    if denied(facts, host, address, path) or _stopped_at_link(facts, root, directory, sections):
        return
    runs = _runs(facts, host, line, sections)
    hidden = line.name == "documentroot" and first_alias(address, script_aliases(facts.tree, host)) is not None
    severity = "critical" if runs else "high"
    if hidden or (not runs and _neutral(sections)):
        severity = "medium"
    seen = f"{directory} is writable, below {line.shown}" + (f"; {runs}" if runs else "")
    yield severity, Evidence("acl", directory, seen, "not writable, or not served")


def loose_overrides(facts: Facts, host: VirtualHost, strong: Sequence[str] = _STRONG) -> Iterator[tuple[Evidence, str]]:
    """Give where a .htaccess counts and another one than root may write it, and what such a file says already."""
    lines = facts.tree.every("allowoverride", "allowoverridelist")
    if not any(_is_strong(line, strong) for line, _around, _host in lines):
        return
    for url, root in _roots(facts, host):
        found = facts.files.served.get(root, {"loose": [], "overrides": [], "unknown": ""})
        line = _override(facts, host, url, root, strong)
        if found["unknown"] and line:
            yield Evidence("stat", root, found["unknown"], "all of it looked at"), "unknown"
        for row in found["loose"]:
            path = _configured(facts, root, row["path"])
            line = _override(facts, host, url, path, strong)
            if line:
                seen = f"{row['path']}: {line.shown}; owner {name_of(row['owner'])}, mode {row['mode']}"
                yield Evidence("stat", row["path"], seen, "AllowOverride None, or root's alone to write"), "high"
        for file in found["overrides"]:
            line = _override(facts, host, url, _configured(facts, root, os.path.dirname(file["path"])), strong)
            if line and file["loose"]:
                seen = f"{file['path']} counts by {line.shown}"
                yield Evidence("stat", file["path"], seen, "root's alone to write"), "high"
            for text in _telling(facts, file["lines"]) if line else ():
                yield Evidence("config", file["path"], text, "in Apache's own configuration"), "medium"


def _roots(facts: Facts, host: VirtualHost) -> list[tuple[str, str]]:
    """Return URL and directory of all that this virtual host serves, but for a DocumentRoot that an alias hides."""
    aliases = script_aliases(facts.tree, host)
    found = [
        (url, root)
        for url, root, line in served(facts, host, SCRIPTS)
        if line.name != "documentroot" or first_alias("/x", aliases) is None
    ]
    # The directory of a script as well.
    found += [(place.url, os.path.dirname(place.path)) for place in facts.places if place.host is host]
    return list(dict.fromkeys(row for row in found if row[1] in facts.files.served))


def _configured(facts: Facts, root: str, path: str) -> str:
    """Return the path by which Apache comes to a directory: its sections are not for where links lead."""
    rest = os.path.relpath(path, facts.real(root))
    return path if rest.startswith("..") else os.path.normpath(os.path.join(root, rest))


def _override(facts: Facts, host: VirtualHost, url: str, path: str, strong: Sequence[str]) -> Directive | None:
    line = override_of(list(sections_of(facts.tree, host, url, path)))
    return line if line and _is_strong(line, strong) else None


_TELLING = ("sethandler", "addhandler", "action", "cgipassauth", "wsgi", "authbasicprovider")
_VARIABLES = ("setenv", "setenvif", "setenvifnocase", "rewriterule", "browsermatch")


def _telling(facts: Facts, lines: Sequence[str]) -> list[str]:
    """Return the lines of a .htaccess that change which code runs, or what it is told."""
    routed = any("%{" in place.process_group.value for place in facts.places)
    words = (*_TELLING, *_VARIABLES) if routed else _TELLING
    found = []
    for line in lines:
        name, _space, rest = line.lower().partition(" ")
        if name.startswith(words) or (name == "options" and "execcgi" in rest.replace("-execcgi", "")):
            found.append(line)
    return found


@GROUP.add(
    "I8",
    "No .htaccess changes which code runs",
    "high",
    page.ISOLATION,
    looks_at="AllowOverride and AllowOverrideList in every directory from / to what the virtual hosts of "
    "applications serve, and below it; who can write these directories; and the .htaccess files in them",
    decides="fails if FileInfo, AuthConfig, Options or All applies to a directory, or to a file, that others than "
    "root can write. Medium for a file of root's that sets a handler, the variable of the process group, or "
    "what the application is told. Apache does not read a DocumentRoot that a WSGIScriptAlias for / hides, "
    "so it is not judged",
    remedy="Set AllowOverride None, and move what the files say to Apache's configuration.",
    by_hand=("AllowOverride None",),
    attack="An uploaded .htaccess sends requests to another application's pool, or makes Apache run a picture as a "
    "program.",
    cis="4.3",
)
def htaccess_cannot_reroute(facts: Facts) -> Iterable[Result]:
    hosts = {place.host.name: place.host for place in facts.places}
    for name, host in hosts.items():
        found = list(dict.fromkeys(loose_overrides(facts, host)))
        bad = [(severity, seen) for seen, severity in found if severity != "unknown"]
        if bad:
            bad.sort(key=lambda one: -SEVERITIES.index(one[0]))
            seen = [one for _severity, one in bad[:SHOWN]]
            yield verdict(False, "virtual_host", name, *seen, severity=worst(one for one, _seen in bad))
        elif found or "everything" in facts.files.unknown:
            yield unlooked("virtual_host", name, found[0][0].observed if found else facts.files.unknown["everything"])
        else:
            seen = [Evidence("config", "", "no .htaccess of others counts", "AllowOverride None")]
            yield verdict(True, "virtual_host", name, *seen)
