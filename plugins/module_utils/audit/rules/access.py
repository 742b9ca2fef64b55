# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on who may read and write what around the pools."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..config import Directive, Pool, VirtualHost
from ..facts import Facts, Reach
from ..merge import first_alias, script_aliases, sections_of, serving_hosts
from ..paths import EVERYBODYS, below_any
from ..rule import SEVERITIES, Evidence, Group, Result, missing_process, verdict
from .files import SCRIPTS, denied, file_rows, name_of, served

GROUP = Group()
_CODE = "Application code ownership and permissions"
_ENTRY = "Separate the WSGI script file from the project code"
_FILES = "Filesystem hardening"
_SOCKETS = "The WSGI daemon socket directory"
_WRITABLE = "Writable directories (uploads, caches, session files, application logs)"
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


def _strangers(readers: dict[str, list[str]], row: dict[str, Any]) -> list[str]:
    return [name for name in readers.get(row["path"], []) if name.partition(" ")[2] not in row["pools"]]


def _readers(facts: Facts) -> dict[str, list[str]]:
    """Return which accounts can read each secret."""
    found: dict[str, list[str]] = {}
    for name, reach in _others(facts, []):
        for row in reach.secrets:
            found.setdefault(row["path"], []).append(name)
    return found


def _file(row: dict[str, Any], observed: str, expected: str) -> Evidence:
    owner = f"owner {name_of(row['owner'])}, mode {row['mode']}"
    return Evidence("stat", row["path"], f"{row['path']}: {observed}; {owner}", expected)


def _mine(rows: Sequence[dict[str, Any]], pool: str) -> list[dict[str, Any]]:
    return [row for row in rows if pool in row["pools"]]


def _of_pools(facts: Facts, field: str) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return by pool what other accounts have of it in this field of their reach."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, reach in _others(facts, []):
        for row in getattr(reach, field):
            for pool in row["pools"]:
                found.setdefault(pool, []).append((name, row))
    return found


def _written(facts: Facts, pool: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Evidence]]:
    seen: set[str] = set()
    for row in _mine(facts.files.wide, pool):
        seen.add(row["path"])
        yield "high", _file(row, "writable for everybody", "for its owner and group only")
    for name, row in rows:
        if row["path"] not in seen:
            seen.add(row["path"])
            yield "high", _file(row, f"writable for {name}", "only for this pool, if at all")


def _secret(row: dict[str, Any], readers: Sequence[str]) -> Iterator[tuple[str, Evidence]]:
    if readers:
        yield "critical", _file(row, f"a secret that {', '.join(readers[:_SHOWN])} can read", "only for its own pool")
    elif int(row["mode"], 8) & 0o004:
        # Only a directory above it keeps others out.
        yield "low", _file(row, "a secret that its mode lets everybody read", "mode 0640 or stricter")


def _read_code(rows: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Evidence]]:
    shown: set[str] = set()
    for name, row in rows:
        if row["root"] in _PROJECT and row["path"] not in shown:
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
    files, readers = facts.files, _readers(facts)
    writes, reads = _of_pools(facts, "writes"), _of_pools(facts, "reads")
    for pool, reach in _reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        found = [*_written(facts, pool.name, writes.get(pool.name, ())), *_read_code(reads.get(pool.name, ()))]
        found += [one for row in _mine(files.secrets, pool.name) for one in _secret(row, _strangers(readers, row))]
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
        names = _strangers(readers, row)
        observed = f"readers: {', '.join(names[:_SHOWN]) or 'none'}"
        yield verdict(not names, "file", row["path"], _file(row, observed, "for root only"), severity="critical")


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
    apache = {facts.instance.uid, facts.files.apache_uid, None}
    for one in row["way"]:
        if one["owner"] == facts.files.apache_uid != facts.instance.uid and not int(one["mode"], 8) & 0o022:
            # Nobody but the account that started it.
            continue
        owner = f"owner {name_of(one['owner'])}, mode {one['mode']}"
        yield Evidence("stat", one["path"], f"{one['path']} above it: {owner}", "root's, writable for root only")
    if int(row["mode"], 8) & 0o077:
        yield Evidence("stat", directory, f"a socket with mode {row['mode']}", "0700 or stricter")
    if row["named"]:
        yield Evidence("acl", directory, "a socket with an extended ACL", "none")
    if "socket-user" not in pool.options and row["owner"] not in apache:
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
    rows = [(host, *row) for host in serving_hosts(facts.tree) for row in served(facts, host, SCRIPTS)]
    for pool, reach in _reaches(facts):
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
            seen = list(dict.fromkeys(one for _severity, one in bad))[:_SHOWN]
            yield verdict(False, "pool", pool.name, *seen, severity=_worst(one for one, _seen in bad))
        elif reach.unknown or whys:
            yield _unknown("pool", pool.name, reach.unknown or whys[0])
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
    "Isolate application components from each other",
    looks_at="AllowOverride and AllowOverrideList in every directory from / to what the virtual hosts of applications "
    "serve and below, who may write these directories, and the .htaccess files in them",
    decides="fails where FileInfo, AuthConfig, Options or All holds in a directory, or for a file, that others than "
    "root may write; medium for a file of root's that sets a handler, the process group's variable or what the "
    "application is told. A DocumentRoot that a WSGIScriptAlias for / hides is not read by Apache, and not judged",
    remedy="Set AllowOverride None, and write what the files say into Apache's configuration.",
    by_hand=("AllowOverride None",),
    attack="An uploaded .htaccess sends requests to another application's pool, or makes a picture a program.",
    cis="4.3",
)
def htaccess_cannot_reroute(facts: Facts) -> Iterable[Result]:
    hosts = {place.host.name: place.host for place in facts.places}
    for name, host in hosts.items():
        found = list(dict.fromkeys(loose_overrides(facts, host)))
        bad = [(severity, seen) for seen, severity in found if severity != "unknown"]
        if bad:
            bad.sort(key=lambda one: -SEVERITIES.index(one[0]))
            seen = [one for _severity, one in bad[:_SHOWN]]
            yield verdict(False, "virtual_host", name, *seen, severity=_worst(one for one, _seen in bad))
        elif found or "everything" in facts.files.unknown:
            yield _unknown("virtual_host", name, found[0][0].observed if found else facts.files.unknown["everything"])
        else:
            seen = [Evidence("config", "", "no .htaccess of others counts", "AllowOverride None")]
            yield verdict(True, "virtual_host", name, *seen)


@GROUP.add(
    "F4",
    "Apache reads the entry file and no more",
    "medium",
    _ENTRY,
    looks_at="as Apache's own account: the way to each script, and the code, packages and secrets of each pool. "
    "Directories that an Alias serves are left out",
    decides="fails where the script cannot be reached, or code or a secret of the pool can be read",
    remedy="Take the right to read from others; give Apache's account the right to pass the directories on the way to "
    "the entry file.",
    variable="wsgi_apps",
    by_hand=("chmod -R o= /var/lib/shop-app", "chmod 0755 /var/www/shop"),
    attack="Another site's PHP page, or a mistyped Alias, reads the settings.",
)
def apache_traverses(facts: Facts) -> Iterable[Result]:
    apache = facts.files.apache
    for pool in facts.pools:
        scripts = [place.path for place in facts.served_by(pool.name)]
        if apache is None or pool.name not in facts.files.pools:
            yield missing_process(pool)
            continue
        bad = [
            Evidence("stat", path, "out of Apache's reach", "every directory on its way may be passed")
            for path in dict.fromkeys(scripts)
            if path in apache.unreached
        ]
        # Those are for Apache.
        entries = {facts.real(place.path) for place in facts.places}
        rows = [row for row in _mine([*apache.secrets, *apache.reads], pool.name) if row["path"] not in entries]
        bad += [_file(row, "Apache's account can read it", "for the pool only") for row in rows[:_SHOWN]]
        why = apache.unknown or facts.files.unknown.get(pool.name, "")
        if bad:
            yield verdict(False, "pool", pool.name, *bad)
        elif why:
            yield _unknown("pool", pool.name, why)
        else:
            seen = Evidence("stat", "", "scripts can be reached, and nothing of the code is read", "no more than that")
            yield verdict(True, "pool", pool.name, seen)


@GROUP.add(
    "F4b",
    "Apache's account is not in a pool's group",
    "medium",
    _ENTRY,
    looks_at="the groups of Apache's own processes, and the group of each pool's",
    decides="fails where Apache's are in the pool's; a pool in Apache's own group is for U1b and U3",
    remedy="Take Apache's account out of the group; let it read single files by an ACL.",
    by_hand=("gpasswd -d www-data shop-app",),
    attack="Everything that Apache runs, such as a PHP page of another site, reads the application's code.",
)
def apache_not_in_group(facts: Facts) -> Iterable[Result]:
    own = facts.instance.gid
    for pool in facts.pools:
        processes = facts.live.get(pool.name, [])
        if not processes or not facts.files.apache_groups:
            yield missing_process(pool)
            continue
        shared = sorted({row["gid"] for row in processes} & set(facts.files.apache_groups) - {own})
        observed = f"Apache's groups: {', '.join(map(str, facts.files.apache_groups))}"
        yield verdict(
            not shared, "pool", pool.name, Evidence("proc", "/proc", observed, f"without {processes[0]['gid']}")
        )


@GROUP.add(
    "F8",
    "Every pool can read its code",
    "info",
    _CODE,
    looks_at="the files and directories of its code, tried as the pool's own account",
    decides="fails for one that it cannot read; the application may do without it",
    remedy="Give the pool's group the right to read.",
    variable="wsgi_apps",
    by_hand=("chgrp -R shop-app /var/lib/shop-app/code", "chmod -R g+rX /var/lib/shop-app/code"),
    attack="None: a module that cannot be read is missing at the next start.",
)
def code_readable(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        access = facts.access.get(pool.name)
        if access is None:
            yield missing_process(pool)
        elif access.unreadable:
            yield verdict(False, "pool", pool.name, *file_rows("stat", access.unreadable, "readable for the account"))
        elif access.unknown:
            yield _unknown("pool", pool.name, access.unknown)
        else:
            yield verdict(True, "pool", pool.name, Evidence("stat", "", "all of its code", "readable for the account"))


@GROUP.add(
    "F10",
    "What a pool writes is its own",
    "low",
    "Owned by and writable by the daemon user",
    looks_at="the topmost directories without code that each pool may write, below its code and the home of its "
    "account",
    decides="fails where the owner is another one, where others may enter or read, or a group may write that is not "
    "its own",
    remedy="Let the account own its directories, with mode 0750, or 2770 for its own group.",
    variable="wsgi_apps[].writable",
    by_hand=("chown shop-app:shop-app /var/lib/shop-app/data", "chmod 0750 /var/lib/shop-app/data"),
    attack="Another account of the host reads uploads, or plants some.",
)
def writable_directories(facts: Facts) -> Iterable[Result]:
    for pool, reach in _reaches(facts):
        processes = facts.live.get(pool.name, [])
        if reach is None or not processes:
            yield missing_process(pool)
            continue
        uid, gid = processes[0]["uid"], processes[0]["gid"]
        bad = [row for row in reach.data if not _own_directory(row, uid, gid)]
        why = reach.unknown or facts.files.unknown.get(f"data of {pool.name}", "")
        if bad:
            yield verdict(False, "pool", pool.name, *file_rows("stat", bad, "the account's, 0750 or stricter"))
        elif why:
            yield _unknown("pool", pool.name, why)
        else:
            seen = file_rows("stat", reach.data, "0750 or stricter") or [
                Evidence("stat", "", "none", "0750 or stricter")
            ]
            yield verdict(True, "pool", pool.name, *seen)


def _own_directory(row: dict[str, Any], uid: int, gid: int) -> bool:
    mode = int(row["mode"], 8)
    return row["owner"] == uid and not mode & 0o007 and (not mode & 0o020 or row["group"] == gid)


@GROUP.add(
    "F16",
    "No ACL opens code",
    "high",
    "For per-file or per-directory grants",
    looks_at="every extended ACL, default ones as well, in the code, the data and the homes of the pools' accounts",
    decides="fails where one in effect lets the pool write its code, or lets another pool read or write; others are "
    "listed",
    remedy="Remove the entry.",
    variable="wsgi_apps[].acls",
    by_hand=("setfacl -R -x u:shop-app /var/lib/shop-app/code",),
    attack="ls shows a plus sign and no more: the right to write goes unnoticed.",
)
def acl_inventory(facts: Facts) -> Iterable[Result]:
    for pool, reach in _reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        rows = _mine(facts.files.acls, pool.name)
        bad = [_acl(row, gives) for row in rows for gives in [_gives(facts, row)] if gives]
        why = reach.unknown or facts.files.unknown.get(pool.name, "")
        if bad:
            yield verdict(False, "pool", pool.name, *bad[:_SHOWN])
        elif why:
            yield _unknown("pool", pool.name, why)
        else:
            seen = [_acl(row, "") for row in rows[:_SHOWN]]
            if len(rows) > _SHOWN or not rows:
                more = f"{len(rows) - _SHOWN} more with an ACL" if rows else "no extended ACL"
                seen.append(Evidence("acl", "", more, "none that opens code"))
            yield verdict(True, "pool", pool.name, *seen)


def _gives(facts: Facts, row: dict[str, Any]) -> str:
    """Return what an ACL gives a pool that it should not have."""
    code = row["root"] != "account" and row["kind"] in ("root", "code", "entry", "secret")
    for pool, processes in facts.live.items():
        given = 0
        for process in processes:
            given |= row["users"].get(str(process["uid"]), 0)
            for gid in process["groups"]:
                given |= row["groups"].get(str(gid), 0)
        own = pool in row["pools"] or any(_same(facts, pool, other) for other in row["pools"])
        if given & 2 and (code or not own):
            return f"pool {pool} may write"
        if given & 4 and not own:
            return f"pool {pool} may read"
    return ""


def _same(facts: Facts, pool: str, other: str) -> bool:
    uids = [{process["uid"] for process in facts.live.get(name, [])} for name in (pool, other)]
    return bool(uids[0] & uids[1])


def _acl(row: dict[str, Any], gives: str) -> Evidence:
    named = [f"user {name_of(int(uid))}:{_letters(bits)}" for uid, bits in sorted(row["users"].items())]
    named += [f"group {gid}:{_letters(bits)}" for gid, bits in sorted(row["groups"].items())]
    said = "of an unknown format" if row["unread"] else ", ".join(named)
    kind = "default ACL" if row["default"] else "ACL"
    seen = f"{row['path']}: {kind} {said}" + (f"; {gives}" if gives else "")
    return Evidence("acl", row["path"], seen, "none that opens code")


def _letters(bits: int) -> str:
    return "".join(letter for letter, bit in (("r", 4), ("w", 2), ("x", 1)) if bits & bit) or "-"


@GROUP.add(
    "U9",
    "A pool writes nothing but its own",
    "medium",
    "The daemon process should have read access to the application code",
    looks_at="what each pool may write below /etc, /var, /opt, /srv and /home, tried as its account, and whether it "
    "reads /etc/shadow, /etc/ssl/private and the like",
    decides="fails for what belongs to another account, or lies below /etc, and for such a secret. Directories such as "
    "/tmp, where nobody touches what another one owns, do not count; nor does what F6, F7, F13 and F20 judge",
    remedy="Take the right to write from everybody, and the account out of groups that it does not need.",
    by_hand=("chmod o-w /var/spool/shop",),
    attack="Data of another program of the host is changed, and its account does what the attacker wants.",
)
def minimal_write_access(facts: Facts) -> Iterable[Result]:
    for pool, reach in _reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        seen = file_rows("acl", reach.foreign, "not writable for this account")
        seen += [
            Evidence("acl", path, f"{path} can be read", "not for this account") for path in reach.private[:_SHOWN]
        ]
        why = reach.unknown or facts.files.unknown.get("wide", "")
        if seen:
            yield verdict(False, "pool", pool.name, *seen)
        elif why:
            yield _unknown("pool", pool.name, why)
        else:
            yield verdict(True, "pool", pool.name, Evidence("acl", "", "nothing of others", "nothing of others"))


@GROUP.add(
    "X-LOG-FILES",
    "No pool reads the logs of another",
    "medium",
    "",
    looks_at="every log that the configuration names, as each pool and as an account in no group",
    decides="fails where a pool of another virtual host, or everybody, can read one. A pool may read those of its own "
    "virtual host",
    remedy="Keep logs in a directory of root's with mode 0750.",
    by_hand=("chmod 0750 /var/log/apache2", "chmod 0640 /var/log/apache2/*.log"),
    attack="Addresses, session tokens in URLs and tracebacks of one application are read by another.",
)
def log_files(facts: Facts) -> Iterable[Result]:
    for row in facts.files.logs:
        accounts = list(_others(facts, row["pools"]))
        readers = [name for name, reach in accounts if row["path"] in reach.logs]
        why = [reach.unknown for _name, reach in accounts if reach.unknown]
        if readers or not why:
            seen = Evidence("stat", row["path"], f"readers: {', '.join(readers) or 'none'}", "no other pool")
            yield verdict(not readers, "file", row["path"], seen)
        else:
            yield _unknown("file", row["path"], why[0])
