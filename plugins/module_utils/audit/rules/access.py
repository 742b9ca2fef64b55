# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may read and write what is a pool's or Apache's (F4, F13, F16, F17, F20, X-LOG-FILES)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .. import page
from ..config import Pool
from ..facts import Facts, Reach
from ..file_evidence import file_evidence, file_rows, name_of, reaches
from ..paths import EVERYBODYS, below_any
from ..rule import SEVERITIES, SHOWN, Evidence, Group, Result, missing_process, unlooked, verdict, worst

GROUP = Group()
_PROJECT = ("home", "python-path", "sys.path of the script")
_EVERYBODY = "everybody"


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
        yield "high", file_evidence(row, "writable for everybody", "for its owner and group only")
    for name, row in rows:
        if row["path"] not in seen:
            seen.add(row["path"])
            yield "high", file_evidence(row, f"writable for {name}", "only for this pool, if at all")


def _secret(row: dict[str, Any], readers: Sequence[str]) -> Iterator[tuple[str, Evidence]]:
    if readers:
        yield (
            "critical",
            file_evidence(row, f"a secret that {', '.join(readers[:SHOWN])} can read", "only for its own pool"),
        )
    elif int(row["mode"], 8) & 0o004:
        # Only a directory above it keeps others out.
        yield "low", file_evidence(row, "a secret that its mode lets everybody read", "mode 0640 or stricter")


def _read_code(rows: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Evidence]]:
    shown: set[str] = set()
    for name, row in rows:
        if row["root"] in _PROJECT and row["path"] not in shown:
            shown.add(row["path"])
            yield "medium", file_evidence(row, f"code that {name} can read", "only for its own pool")


@GROUP.add(
    "F13",
    "What is a pool's is for no other account",
    "high",
    page.FILES,
    looks_at="code, data and secrets of each pool (home=, python-home=, python-path=, the directory of its script if "
    "it holds code, and the home of its account), tried as every other pool and as an account in no group; "
    "the private keys of TLS sites",
    decides="fails if another pool or everybody can write there. Critical if one of them can read a secret: a file "
    "with the name of one, or a configuration that contains a password or key. Medium if one of them can "
    "read the project's code; packages in a virtual environment are no secret. Low for a secret that is "
    "protected only by a directory above it",
    remedy="Give code and data to the pool's group, and remove all permissions for others.",
    variable="wsgi_apps[].environment",
    by_hand=("chown -R root:shop-app /var/lib/shop-app/code", "chmod -R o= /var/lib/shop-app"),
    attack="Another application, or any account on the host, reads the keys that sign this application's sessions.",
)
def no_world_access(facts: Facts) -> Iterable[Result]:
    files, readers = facts.files, _readers(facts)
    writes, reads = _of_pools(facts, "writes"), _of_pools(facts, "reads")
    for pool, reach in reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        found = [*_written(facts, pool.name, writes.get(pool.name, ())), *_read_code(reads.get(pool.name, ()))]
        found += [one for row in _mine(files.secrets, pool.name) for one in _secret(row, _strangers(readers, row))]
        why = [other.unknown for _name, other in _others(facts, []) if other.unknown]
        why += [text for key, text in files.unknown.items() if key in (pool.name, f"data of {pool.name}")]
        if found:
            found.sort(key=lambda one: -SEVERITIES.index(one[0]))
            seen = [one for _severity, one in found[:SHOWN]]
            yield verdict(False, "pool", pool.name, *seen, severity=worst(one for one, _seen in found))
        elif why or files.others is None:
            yield unlooked("pool", pool.name, (why or ["nobody looked"])[0])
        else:
            number = len(_mine(files.secrets, pool.name))
            seen = [Evidence("stat", "", f"nothing is open to others; secrets looked at: {number}", "nothing")]
            yield verdict(True, "pool", pool.name, *seen)
    for row in files.secrets:
        if row["pools"]:
            continue
        names = _strangers(readers, row)
        observed = f"readers: {', '.join(names[:SHOWN]) or 'none'}"
        yield verdict(
            not names, "file", row["path"], file_evidence(row, observed, "for root only"), severity="critical"
        )


@GROUP.add(
    "F20",
    "Apache's own files are out of reach",
    "high",
    page.FILES,
    looks_at="the configuration files, the loaded modules, the logs, and every directory above them, tried as each "
    "pool, as Apache's own account, and as an account in no group",
    decides="fails if the account can write one of them, or owns it",
    remedy="Make root their owner. Keep logs in a directory that only root can write to: Apache opens them as root.",
    by_hand=("chown root:adm /var/log/apache2", "chmod 0750 /var/log/apache2"),
    attack="A log is replaced by a symbolic link, and root appends the attacker's lines to any file on the host.",
    cis="3.4",
)
def path_safety(facts: Facts) -> Iterable[Result]:
    expected = "not writable for this account, and another's"
    for pool, reach in reaches(facts):
        yield missing_process(pool) if reach is None else _safe(reach, "pool", pool.name, expected)
    for name, found in (("Apache's account", facts.files.apache), (_EVERYBODY, facts.files.others)):
        if found is not None:
            yield _safe(found, "server", f"{facts.instance.config_file} for {name}", expected)


def _safe(reach: Reach, kind: str, name: str, expected: str) -> Result:
    if reach.watched:
        return verdict(False, kind, name, *file_rows("acl", reach.watched, expected))
    if reach.unknown:
        return unlooked(kind, name, reach.unknown)
    return verdict(True, kind, name, Evidence("acl", "", "configuration, modules and logs", expected))


@GROUP.add(
    "F17",
    "Only Apache reaches the pools' sockets",
    "high",
    page.SOCKETS,
    looks_at="the socket of each running pool: its place, owner, mode and ACL, the directories above it, and "
    "connections as every other pool and as an account in no group",
    decides="fails for a socket below /tmp, /var/tmp or /dev/shm, and if anybody but root can write a directory "
    "above it. Also fails if its mode lets the group or others in, if an ACL names somebody, if its owner is "
    "not Apache's account (or socket-user=), or if a connection succeeds. With active: none, the rule checks "
    "the permission to connect and makes no connection that could succeed",
    remedy="Leave WSGISocketPrefix out, or name a directory that root owns, such as /run/apache2/wsgi.",
    by_hand=("WSGISocketPrefix /run/apache2/wsgi",),
    attack="Another account puts its own socket there and gets every request of the site, with its cookies.",
)
def socket_directory(facts: Facts) -> Iterable[Result]:
    prefix = facts.last("wsgisocketprefix")
    for pool, reach in reaches(facts):
        sockets = [row for row in facts.files.sockets if row["pool"] == pool.name]
        bad = [seen for row in sockets for seen in _socket(facts, pool, row)]
        if prefix and prefix.words and below_any(prefix.words[0], EVERYBODYS):
            bad.append(Evidence("config", prefix.source, prefix.shown, "a directory of root's"))
        why = [other.unknown for _name, other in _others(facts, [pool.name]) if other.unknown]
        if bad:
            yield verdict(False, "pool", pool.name, *bad[:SHOWN])
        elif reach is None:
            yield missing_process(pool)
        elif not sockets or why:
            yield unlooked("pool", pool.name, (why or ["its socket is not to be seen"])[0])
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


@GROUP.add(
    "F4",
    "Apache reads the entry file and no more",
    "medium",
    page.ENTRY,
    looks_at="the path to each script, and the code, packages and secrets of each pool, tried as Apache's own "
    "account; directories that an Alias serves are left out",
    decides="fails if Apache cannot reach the script, or can read code or a secret of the pool",
    remedy="Remove the read permission for others. Let Apache's account pass through the directories that lead to "
    "the entry file.",
    variable="wsgi_apps",
    by_hand=("chmod -R o= /var/lib/shop-app", "chmod 0755 /var/www/shop"),
    attack="A PHP page of another site, or a mistyped Alias, reads the settings.",
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
        bad += [file_evidence(row, "Apache's account can read it", "for the pool only") for row in rows[:SHOWN]]
        why = apache.unknown or facts.files.unknown.get(pool.name, "")
        if bad:
            yield verdict(False, "pool", pool.name, *bad)
        elif why:
            yield unlooked("pool", pool.name, why)
        else:
            seen = Evidence("stat", "", "scripts can be reached, and nothing of the code is read", "no more than that")
            yield verdict(True, "pool", pool.name, seen)


@GROUP.add(
    "F4b",
    "Apache's account is not in a pool's group",
    "medium",
    page.ENTRY,
    looks_at="the groups of Apache's own processes, and the group of each pool",
    decides="fails if Apache's processes are in the pool's group; U1b and U3 judge a pool that is in Apache's own "
    "group",
    remedy="Remove Apache's account from the group. If it has to read single files, use an ACL.",
    by_hand=("gpasswd -d www-data shop-app",),
    attack="Everything that Apache runs, such as a PHP page of another site, can read the application's code.",
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
    "F16",
    "No ACL opens code",
    "high",
    "For per-file or per-directory grants",
    looks_at="every extended ACL, default ACLs included, in the code, the data and the homes of the pools' accounts",
    decides="fails if an effective entry lets the pool write its code, or lets another pool read or write; other "
    "entries are only listed",
    remedy="Remove the entry.",
    variable="wsgi_apps[].acls",
    by_hand=("setfacl -R -x u:shop-app /var/lib/shop-app/code",),
    attack="ls shows only a plus sign, so nobody notices the write permission.",
)
def acl_inventory(facts: Facts) -> Iterable[Result]:
    for pool, reach in reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        rows = _mine(facts.files.acls, pool.name)
        bad = [_acl(row, gives) for row in rows for gives in [_gives(facts, row)] if gives]
        why = reach.unknown or facts.files.unknown.get(pool.name, "")
        if bad:
            yield verdict(False, "pool", pool.name, *bad[:SHOWN])
        elif why:
            yield unlooked("pool", pool.name, why)
        else:
            seen = [_acl(row, "") for row in rows[:SHOWN]]
            if len(rows) > SHOWN or not rows:
                more = f"{len(rows) - SHOWN} more with an ACL" if rows else "no extended ACL"
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
    "X-LOG-FILES",
    "No pool reads the logs of another",
    "medium",
    "",
    looks_at="every log that the configuration names, tried as each pool and as an account in no group",
    decides="fails if a pool of another virtual host, or everybody, can read a log; a pool may read the logs of its "
    "own virtual host",
    remedy="Keep logs in a directory that root owns, with mode 0750.",
    by_hand=("chmod 0750 /var/log/apache2", "chmod 0640 /var/log/apache2/*.log"),
    attack="One application reads the addresses, session tokens in URLs and tracebacks of another.",
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
            yield unlooked("file", row["path"], why[0])
