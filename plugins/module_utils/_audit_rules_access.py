# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on who may read and write what around the pools."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import Directive, Pool, VirtualHost
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, Reach
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_files import EVERYBODYS, below_any
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_merge import (
    first_alias,
    script_aliases,
    sections_of,
    serving_hosts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rule import (
    SEVERITIES,
    Evidence,
    Group,
    Result,
    missing_process,
    verdict,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rules_files import (
    SCRIPTS,
    denied,
    file_rows,
    name_of,
    served,
)

GROUP = Group()
_CODE = "Code ownership and"
_FILES = "Filesystem hardening"
_FOREIGN = "Granting access to files"
_SOCKETS = "The WSGI daemon socket"
_WRITABLE = "Writable directories (uploads, caches,"
_PROJECT = ("home", "python-path", "sys.path of the script")
_EVERYBODY = "everybody"
_SHOWN = 20


def _unknown(kind: str, name: str, why: str) -> Result:
    return Result("unknown", kind, name, (Evidence("stat", "", why, "all of it looked at"),))


def _reaches(facts: Facts) -> Iterator[tuple[Pool, Reach | None]]:
    for pool in facts.pools:
        yield pool, facts.files.pools.get(pool.name)


def _worst(severities: Iterable[str]) -> str:
    return max(severities, key=SEVERITIES.index, default="")


def _others(facts: Facts, owners: Sequence[str]) -> Iterator[tuple[str, Reach]]:
    """Give every account that is none of these pools', but for Apache's own."""
    for pool, reach in facts.files.pools.items():
        if pool not in owners:
            yield f"pool {pool}", reach
    if facts.files.others is not None:
        yield _EVERYBODY, facts.files.others


def _who(facts: Facts, field: str, row: dict[str, Any]) -> list[str]:
    """Return which accounts have this path in this field of their reach."""
    return [
        name
        for name, reach in _others(facts, row["pools"])
        if any(one["path"] == row["path"] for one in getattr(reach, field))
    ]


def _file(row: dict[str, Any], observed: str, expected: str) -> Evidence:
    owner = f"owner {name_of(row['owner'])}, mode {row['mode']}"
    return Evidence("stat", row["path"], f"{row['path']}: {observed}; {owner}", expected)


def _mine(rows: Sequence[dict[str, Any]], pool: str) -> list[dict[str, Any]]:
    return [row for row in rows if pool in row["pools"]]


def _written(facts: Facts, pool: str) -> Iterator[tuple[str, Evidence]]:
    seen: set[str] = set()
    for row in _mine(facts.files.wide, pool):
        seen.add(row["path"])
        yield "high", _file(row, "writable for everybody", "for its owner and group only")
    for name, reach in _others(facts, [pool]):
        for row in _mine(reach.writes, pool):
            if row["path"] not in seen and not row["pools"].count(name.partition(" ")[2]):
                seen.add(row["path"])
                yield "high", _file(row, f"writable for {name}", "only for this pool, if at all")


def _secret(facts: Facts, row: dict[str, Any]) -> Iterator[tuple[str, Evidence]]:
    readers = _who(facts, "secrets", row)
    if readers:
        yield "critical", _file(row, f"a secret that {', '.join(readers[:_SHOWN])} can read", "only for its own pool")
    elif int(row["mode"], 8) & 0o004:
        # Only a directory above it keeps others out.
        yield "low", _file(row, "a secret that its mode lets everybody read", "mode 0640 or stricter")


def _read_code(facts: Facts, pool: str) -> Iterator[tuple[str, Evidence]]:
    shown: set[str] = set()
    for name, reach in _others(facts, [pool]):
        for row in _mine(reach.reads, pool):
            if row["root"] in _PROJECT and row["path"] not in shown and name.partition(" ")[2] not in row["pools"]:
                shown.add(row["path"])
                yield "medium", _file(row, f"code that {name} can read", "only for its own pool")


@GROUP.add(
    "F13",
    "What is a pool's is for no other account",
    "high",
    _FILES,
    looks_at="code, data and secrets of each pool (home=, python-home=, python-path=, the directory of its script "
    "where code lies in it, the home of its account) as every other pool and as an account in no group; "
    "the private keys of TLS sites",
    decides="fails where another pool or everybody may write; critical where one can read a secret: a file with the "
    "name of one, or a configuration with a password or key in it; medium where one can read code of the project "
    "(packages in a virtual environment are no secret); low for a secret that only a directory above protects",
    remedy="Give code and data to the pool's group, and nothing to others.",
    variable="wsgi_apps[].environment",
    by_hand=("chown -R root:shop-app /var/lib/shop-app/code", "chmod -R o= /var/lib/shop-app"),
    attack="Another application, or any account of the host, reads the keys that sign this one's sessions.",
)
def no_world_access(facts: Facts) -> Iterable[Result]:
    files = facts.files
    for pool, reach in _reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        found = [*_written(facts, pool.name), *_read_code(facts, pool.name)]
        found += [one for row in _mine(files.secrets, pool.name) for one in _secret(facts, row)]
        why = [other.unknown for _name, other in _others(facts, []) if other.unknown]
        why += [text for key, text in files.unknown.items() if key in (pool.name, f"data of {pool.name}")]
        if found:
            found.sort(key=lambda one: -SEVERITIES.index(one[0]))
            seen = [one for _severity, one in found[:_SHOWN]]
            yield verdict(False, "pool", pool.name, *seen, severity=_worst(one for one, _seen in found))
        elif why or files.others is None:
            yield _unknown("pool", pool.name, (why or ["nobody looked"])[0])
        else:
            number = len(_mine(files.secrets, pool.name))
            seen = [Evidence("stat", "", f"nothing is open to others; secrets looked at: {number}", "nothing")]
            yield verdict(True, "pool", pool.name, *seen)
    for row in files.secrets:
        if row["pools"]:
            continue
        readers = _who(facts, "secrets", row)
        observed = f"readers: {', '.join(readers) or 'none'}"
        yield verdict(not readers, "file", row["path"], _file(row, observed, "for root only"), severity="critical")


@GROUP.add(
    "F20",
    "Apache's own files are out of reach",
    "high",
    _FILES,
    looks_at="the files of the configuration, the loaded modules, the logs, and every directory above them, as each "
    "pool, as Apache's own account, and as one in no group",
    decides="fails where one of them can be written, or belongs to that account",
    remedy="Let root own them. Logs belong into a directory of root's: Apache opens them as root.",
    by_hand=("chown root:adm /var/log/apache2", "chmod 0750 /var/log/apache2"),
    attack="A log that became a symbolic link makes root append the attacker's lines to any file of the host.",
    cis="3.4",
)
def path_safety(facts: Facts) -> Iterable[Result]:
    expected = "not writable for this account, and another's"
    for pool, reach in _reaches(facts):
        yield missing_process(pool) if reach is None else _safe(reach, "pool", pool.name, expected)
    for name, found in (("Apache's account", facts.files.apache), (_EVERYBODY, facts.files.others)):
        if found is not None:
            yield _safe(found, "server", f"{facts.instance.config_file} for {name}", expected)


def _safe(reach: Reach, kind: str, name: str, expected: str) -> Result:
    if reach.watched:
        return verdict(False, kind, name, *file_rows("acl", reach.watched, expected))
    if reach.unknown:
        return _unknown(kind, name, reach.unknown)
    return verdict(True, kind, name, Evidence("acl", "", "configuration, modules and logs", expected))


@GROUP.add(
    "F17",
    "Only Apache reaches the pools' sockets",
    "high",
    _SOCKETS,
    looks_at="the socket of each running pool: where it lies, owner, mode and ACL, the directories above it, and "
    "connections as every other pool and as an account in no group",
    decides="fails below /tmp, /var/tmp and /dev/shm, where a directory above is not root's alone to write, where its "
    "mode lets the group or others in, an ACL names somebody, its owner is not Apache's account (or socket-user=), or "
    "a connection succeeds. With active: none the right to connect is looked at, and no connection made that could "
    "succeed",
    remedy="Leave WSGISocketPrefix alone, or name a directory of root's such as /run/apache2/wsgi.",
    by_hand=("WSGISocketPrefix /run/apache2/wsgi",),
    attack="Another account takes the socket's place and gets every request of the site with its cookies.",
)
def socket_directory(facts: Facts) -> Iterable[Result]:
    prefix = facts.last("wsgisocketprefix")
    for pool, reach in _reaches(facts):
        sockets = [row for row in facts.files.sockets if row["pool"] == pool.name]
        bad = [seen for row in sockets for seen in _socket(facts, pool, row)]
        if prefix and prefix.words and below_any(prefix.words[0], EVERYBODYS):
            bad.append(Evidence("config", prefix.source, prefix.shown, "a directory of root's"))
        why = [other.unknown for _name, other in _others(facts, [pool.name]) if other.unknown]
        if bad:
            yield verdict(False, "pool", pool.name, *bad[:_SHOWN])
        elif reach is None:
            yield missing_process(pool)
        elif not sockets or why:
            yield _unknown("pool", pool.name, (why or ["its socket is not to be seen"])[0])
        else:
            where = sorted({os.path.dirname(row["path"]) for row in sockets})
            seen = f"mode {sockets[0]['mode']}, nobody else connects"
            yield verdict(True, "pool", pool.name, Evidence("stat", ", ".join(where), seen, "only for Apache"))


def _socket(facts: Facts, pool: Pool, row: dict[str, Any]) -> Iterator[Evidence]:
    directory = os.path.dirname(row["path"])
    if below_any(directory, EVERYBODYS) or row["stickies"]:
        yield Evidence("stat", directory, f"{directory} is for everybody", "a directory of root's")
    for one in row["way"]:
        owner = f"owner {name_of(one['owner'])}, mode {one['mode']}"
        yield Evidence("stat", one["path"], f"{one['path']} above it: {owner}", "root's, writable for root only")
    if int(row["mode"], 8) & 0o077:
        yield Evidence("stat", directory, f"a socket with mode {row['mode']}", "0700 or stricter")
    if row["named"]:
        yield Evidence("acl", directory, "a socket with an extended ACL", "none")
    if "socket-user" not in pool.options and row["owner"] not in (facts.instance.uid, None):
        yield Evidence("stat", directory, f"a socket of {name_of(row['owner'])}", "Apache's account")
    for name, reach in _others(facts, [pool.name]):
        if row["path"] in reach.connects:
            yield Evidence("acl", directory, f"{name} can connect", "refused")


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


def override_of(sections: Sequence[Directive]) -> Directive | None:
    """Return the line that lets a .htaccess change how files are handled; None where nothing does."""
    directories = [section for section in sections if section.name == "directory"]
    line, listed = merged(directories, "allowoverride"), merged(directories, "allowoverridelist")
    if line and any(word.lower().partition("=")[0] in _STRONG for word in line.words):
        return line
    return listed if listed and [word.lower() for word in listed.words] != ["none"] else None


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
    "Nothing that a pool writes is served or run",
    "critical",
    _WRITABLE,
    looks_at="the directories that each pool may write, tried as its account, below every DocumentRoot, Alias, "
    "ScriptAlias and directory of a WSGIScriptAlias that is not denied; handlers, options and AllowOverride that hold "
    "there",
    decides="fails for each; critical where a file put there runs (a directory of scripts, ExecCGI, or AllowOverride "
    "that lets a .htaccess name the handler), high where it is served, medium where SetHandler default-handler holds "
    "with nosniff or Content-Disposition, and for a DocumentRoot that a WSGIScriptAlias hides for now",
    remedy="Keep uploads outside of what Apache serves, and let the application send them; or force the handler: "
    "SetHandler default-handler, AllowOverride None, Options None, X-Content-Type-Options nosniff.",
    variable="wsgi_apps[].writable",
    by_hand=("mv /var/www/shop/uploads /var/lib/shop-app/data/uploads",),
    attack="An uploaded page with a script runs in the visitors' browsers, an uploaded .htaccess in the server.",
)
def writable_not_served(facts: Facts) -> Iterable[Result]:
    for pool, reach in _reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        bad: list[tuple[str, Evidence]] = []
        for host in serving_hosts(facts.tree):
            for url, root, line in served(facts, host, SCRIPTS):
                for directory in reach.served.get(root, []):
                    bad += _judged_directory(facts, host, url, root, line, directory)
        whys = [row["unknown"] for row in facts.files.served.values() if row["unknown"]]
        if bad:
            bad.sort(key=lambda one: -SEVERITIES.index(one[0]))
            seen = list(dict.fromkeys(one for _severity, one in bad))[:_SHOWN]
            yield verdict(False, "pool", pool.name, *seen, severity=_worst(one for one, _seen in bad))
        elif reach.unknown or whys:
            yield _unknown("pool", pool.name, reach.unknown or whys[0])
        else:
            yield verdict(True, "pool", pool.name, Evidence("acl", "", "it writes nothing that is served", "nothing"))


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
    if denied(facts, host, address, path):
        return
    runs = _runs(facts, host, line, sections)
    hidden = line.name == "documentroot" and first_alias(address, script_aliases(facts.tree, host)) is not None
    severity = "critical" if runs else "high"
    if hidden or (not runs and _neutral(sections)):
        severity = "medium"
    seen = f"{directory} is writable, below {line.shown}" + (f"; {runs}" if runs else "")
    yield severity, Evidence("acl", directory, seen, "not writable, or not served")
