# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of files for the audit, as the accounts that could reach them; nothing is changed."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...apache.processes import parent_pid
from ..facts import Access, Facts, FileFacts, Reach, all_pools, code_paths
from ..merge import serving_hosts
from ..paths import EVERYBODYS, below_any, directory_of
from .access import (
    NOBODIES,
    as_account,
    connects,
    in_mounts,
    may_write,
    others_trees,
    own_code,
    own_data,
    reachable,
)
from .environment import BYTES, FILES, Budget, packages_of
from .htaccess import read_htaccess
from .tree import (
    Disk,
    Row,
    Served,
    Tree,
    acls_of,
    holds_code,
    look_at,
    loose,
    shown,
    walk_served,
    walk_tree,
    walk_wide,
    way_to,
    writers_of,
)

_WIDE = ("/etc", "/var", "/opt", "/srv", "/home")
_PRIVATE = ("/etc/shadow", "/etc/gshadow", "/etc/sudoers")
_PRIVATE_DIRECTORIES = ("/etc/ssl/private", "/root")
_LOGS = ("errorlog", "customlog", "transferlog", "globallog", "forensiclog", "scriptlog", "rewritelog")
# Homes that are no application's own.
_COMMON = re.compile(
    r"/|/(var/)?(lib|www|tmp|run|spool|mail|cache)|/var/www/html|/(var|home|srv|opt|root|nonexistent)|/(usr|bin|sbin|dev|proc|etc)(/.*)?"
)
_ROWS = 200


@dataclass
class Plan:
    """What to look at: paths as they are configured, and the accounts to look as."""

    code: dict[str, dict[str, str]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    # What each of Apache's own files is.
    watched: dict[str, str] = field(default_factory=dict)
    logs: dict[str, set[str]] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    sockets: dict[str, str] = field(default_factory=dict)
    really: bool = False


APACHE, OTHERS = "apache", "others"


def _key(pool: str) -> str:
    return f"pool {pool}"


def file_facts(facts: Facts, active: str = "none") -> FileFacts:
    """Return what the files around these pools are, and who may reach them; fills in facts.access."""
    plan = _plan(facts)
    plan.really = active != "none"
    found = FileFacts()
    try:
        seen = in_mounts(facts.instance.pid, lambda: _look(plan))
    except OSError as error:
        why = f"could not look at files: {error}"
        found.unknown["everything"] = why
        facts.access.update({pool: Access(unknown=why) for pool in plan.code})
        found.pools = {pool: Reach(unknown=why) for pool in plan.code}
        return found
    for key in ("secrets", "wide", "acls", "served", "scripts", "sockets", "packages", "unknown"):
        setattr(found, key, seen[key])
    found.logs = [{"path": shown(path), "pools": sorted(pools)} for path, pools in plan.logs.items()]
    for pool in plan.code:
        answer = seen["accounts"][_key(pool)]
        facts.access[pool] = Access(
            **answer.get("access", {}), unknown=answer["unknown"] or seen["unknown"].get(pool, "")
        )
        found.pools[pool] = Reach(**answer.get("reach", {}), unknown=answer["unknown"])
    for name in (APACHE, OTHERS):
        if name in plan.accounts:
            answer = seen["accounts"][name]
            setattr(found, name, Reach(**answer.get("reach", {}), unknown=answer["unknown"]))
    for pool in facts.live.keys() - plan.code.keys():
        why = "chroot= is set, so its files were not looked at"
        facts.access[pool], found.pools[pool] = Access(unknown=why), Reach(unknown=why)
    found.apache_uid = plan.accounts.get(APACHE, {}).get("uid")
    found.apache_groups = plan.accounts.get(APACHE, {}).get("groups", [])
    for pool, processes in facts.live.items():
        rows = [row for process in processes for row in _temporary(int(process["pid"]))]
        found.temporary[pool] = [row for number, row in enumerate(rows) if row not in rows[:number]]
    mounts = _mounts(facts.instance.pid or os.getpid())
    for pool, reach in found.pools.items():
        found.executable[pool] = [row["path"] for row in reach.data if not _noexec(mounts, row["path"])]
    found.private_tmp = any(point == "/tmp" and "systemd-private-" in root for point, root, _said in mounts)  # noqa: S108
    return found


def _plan(facts: Facts) -> Plan:
    plan = Plan()
    for pool in facts.pools:
        process = next(iter(facts.live.get(pool.name, [])), None)
        # With chroot= its paths are not those of the host.
        if process is None or "chroot" in pool.options:
            continue
        plan.code[pool.name] = code_paths(facts, pool)
        plan.accounts[_key(pool.name)] = {key: process[key] for key in ("uid", "gid", "groups")}
        with contextlib.suppress(KeyError):
            plan.homes[pool.name] = pwd.getpwuid(process["uid"]).pw_dir
    uids = {account["uid"] for account in plan.accounts.values()}
    apache = _apache_account(facts)
    if apache:
        plan.accounts[APACHE] = apache
        for pool in all_pools(facts)[len(facts.pools) :]:
            plan.code[pool.name], plan.accounts[_key(pool.name)] = code_paths(facts, pool), apache
    nobody = next(uid for uid in NOBODIES if uid not in uids)
    plan.accounts[OTHERS] = {"uid": nobody, "gid": nobody, "groups": []}
    _plan_apache(facts, plan)
    _plan_served(facts, plan)
    return plan


def _plan_apache(facts: Facts, plan: Plan) -> None:
    instance, tree = facts.instance, facts.tree
    files = [instance.config_file, *_files(facts)]
    plan.watched = {path: "configuration" for path in files if path.startswith("/")}
    if instance.pid is not None:
        plan.watched.update(dict.fromkeys(_modules(instance.pid), "module"))
        plan.sockets = _sockets(instance.pid, [pool.name for pool in facts.pools])
    for line, _around, host in tree.every(*_LOGS):
        path = line.words[0] if line.words else ""
        if not path or path.startswith(("|", "syslog")) or "%" in path:
            continue
        path = os.path.join(instance.root or "/", path)
        plan.watched[path] = "log"
        theirs = {place.process_group.value for place in facts.places if host and place.host is host}
        plan.logs.setdefault(path, set()).update(theirs)
    for line, _around, _host in tree.every("sslcertificatekeyfile"):
        plan.keys += [os.path.join(instance.root or "/", word) for word in line.words[:1]]
    if any(tree.every("mdomain", "mdomainset")):
        store = facts.last("mdstoredir")
        top = os.path.join(instance.root or "/", store.words[0] if store and store.words else "md")
        plan.watched[top] = "certificate store"
        plan.keys += glob.glob(f"{glob.escape(top)}/domains/*/privkey*.pem")
        plan.keys += glob.glob(f"{glob.escape(top)}/accounts/*/account.pem")


def _files(facts: Facts) -> list[str]:
    named = [getattr(host, "file", "") for host in facts.tree.hosts]
    lines = [line.file for line in facts.tree.directives]
    return [*facts.instance.files, *dict.fromkeys([*named, *lines])]


def _plan_served(facts: Facts, plan: Plan) -> None:
    found: list[str] = []
    for host in serving_hosts(facts.tree):
        for line in [*facts.tree.directives, *host.directives]:
            if line.name == "documentroot":
                found += line.words[:1]
            elif line.name in ("alias", "scriptalias", "aliasmatch", "scriptaliasmatch"):
                found += line.words[1:2]
    for place in facts.places:
        plan.scripts.append(place.path)
        # The directory of scripts, or of the one script.
        found.append(place.path if os.path.isdir(place.path) else os.path.dirname(place.path))
    plan.served = [path for path in dict.fromkeys(map(directory_of, found)) if path.startswith("/")]
    named = facts.last("accessfilename")
    plan.overrides = named.words if named else [".htaccess"]
    plan.scripts = [path for path in dict.fromkeys(plan.scripts) if path.startswith("/") and "$" not in path]


def _apache_account(facts: Facts) -> dict[str, Any] | None:
    """Return what Apache's own children are; what the configuration says where none can be seen."""
    instance = facts.instance
    if instance.pid is not None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            parent = _identity(instance.pid)
            if parent["uid"] != 0:
                # Not started by root, it stays who it is.
                return parent
    if instance.uid is None or instance.gid is None:
        return None
    daemons = {process["pid"] for processes in facts.live.values() for process in processes}
    for name in os.listdir("/proc") if instance.pid is not None else []:
        with contextlib.suppress(OSError, ValueError, KeyError):
            pid = int(name)
            if parent_pid(pid) == instance.pid and pid not in daemons:
                found = _identity(pid)
                if found["uid"] == instance.uid:
                    return found
    try:
        groups = os.getgrouplist(instance.user or pwd.getpwuid(instance.uid).pw_name, instance.gid)
    except (KeyError, OSError):
        groups = [instance.gid]
    return {"uid": instance.uid, "gid": instance.gid, "groups": groups}


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _status(pid: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines() if ":" in line)


def _identity(pid: int) -> dict[str, Any]:
    status = _status(pid)
    uid, gid = int(status["Uid"].split()[1]), int(status["Gid"].split()[1])
    return {"uid": uid, "gid": gid, "groups": [int(word) for word in status["Groups"].split()]}


def _modules(pid: int) -> list[str]:
    """Return the files of the modules that Apache has loaded."""
    try:
        maps = _read(f"/proc/{pid}/maps")
    except OSError:
        return []
    return sorted(set(re.findall(r" (/\S*/mod_[^/\n]*\.so)$", maps, re.MULTILINE)))


def _sockets(pid: int, pools: list[str]) -> dict[str, str]:
    """Return the pool of each socket that an Apache has bound."""
    try:
        lines = _read(f"/proc/{pid}/net/unix").splitlines()[1:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        path = line.split(None, 7)[7] if len(line.split(None, 7)) == 8 else ""
        number = re.search(rf"\.{pid}\.u?[0-9]+\.([0-9]+)\.sock$", path)
        if number and 0 < int(number.group(1)) <= len(pools):
            found[path] = pools[int(number.group(1)) - 1]
    return found


def _temporary(pid: int) -> Iterator[dict[str, str]]:
    """Give what a process has in directories that everybody writes; a file without a name is in nobody's way."""
    with contextlib.suppress(OSError):
        for pair in _read(f"/proc/{pid}/environ").split("\0"):
            name, _equals, value = pair.partition("=")
            if name in ("TMPDIR", "TEMP", "TMP") and below_any(value, EVERYBODYS):
                yield {"what": name, "path": shown(value)}
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if below_any(target, EVERYBODYS) and not target.endswith(" (deleted)"):
                    yield {"what": "open file", "path": shown(target)}


def _mounts(pid: int) -> list[tuple[str, str, str]]:
    """Return where each file system is mounted for a process, what of it, and its options; the last one counts."""
    try:
        rows = [line.split() for line in _read(f"/proc/{pid}/mountinfo").splitlines()]
    except OSError:
        return []
    return [(row[4].replace("\\040", " "), row[3], row[5]) for row in rows if len(row) > 5]


def _noexec(mounts: list[tuple[str, str, str]], path: str) -> bool:
    around = [
        (point, said) for point, _root, said in mounts if path == point or path.startswith(point.rstrip("/") + "/")
    ]
    # Of two on the same directory the later one hides the other.
    said = max(enumerate(around), key=lambda one: (len(one[1][0]), one[0]))[1][1] if around else ""
    return "noexec" in said.split(",")


@dataclass
class Seen:
    """What root sees, once, before the accounts look at it."""

    plan: Plan
    trees: list[Tree]
    ways: dict[str, list[Row]]
    watched: list[Row]
    served: dict[str, Served]
    wide: list[Row]
    sockets: list[tuple[Row, list[Row]]]
    # Those that are there.
    scripts: list[str]
    packages: dict[str, dict[str, Any]]
    unknown: dict[str, str]

    def uids(self, tree: Tree) -> set[int]:
        return {self.plan.accounts[_key(pool)]["uid"] for pool in tree.pools}


def _look(plan: Plan) -> dict[str, Any]:
    """Return what root sees and what each account may do; runs in a child, in Apache's mounts."""
    disk = Disk()
    unknown: dict[str, str] = {}
    trees = _trees(plan, unknown)
    tops = [tree.top for tree in trees]
    for tree in trees:
        if tree.kind == "TLS key":
            continue
        if tree.kind == "entry" and not holds_code(tree.top, map(os.path.basename, tree.scripts)):
            _scripts_alone(tree)
        else:
            walk_tree(disk, tree, tops)
        for pool in tree.pools if tree.unknown else ():
            unknown.setdefault(f"data of {pool}" if tree.kind == "account" else pool, tree.unknown)
    ways = {
        pool: [row for path in paths for above in _way(path) for row in _rows(above, "ancestor", paths[path])]
        for pool, paths in plan.code.items()
    }
    watched = [row for path, what in plan.watched.items() for row in _rows(path, what, what)]
    above = {above: what for path, what in plan.watched.items() for above in _way(path)}
    watched += [row for path, what in above.items() for row in _rows(path, "ancestor", what)]
    pools = [account for key, account in plan.accounts.items() if key not in (APACHE, OTHERS)]
    identities = {
        "users": {account["uid"] for account in pools},
        "groups": {group for account in pools for group in (account["gid"], *account["groups"])},
    }
    wide, unknown_wide = walk_wide(disk, _WIDE if pools else (), tops, identities)
    if unknown_wide:
        unknown["wide"] = unknown_wide
    served = {path: walk_served(disk, os.path.realpath(path), plan.overrides) for path in plan.served}
    sockets = [
        (row, [one for path in _way(row.path) for one in _rows(path, "ancestor", "socket")])
        for path in plan.sockets
        for row in _rows(path, "socket", "")
    ]
    venvs = [tree.top for tree in trees if tree.kind == "python-home"]
    # Each has its share, so that what is said of one does not depend on the others.
    shares = [Budget(BYTES // len(venvs), FILES // len(venvs)) for _venv in venvs]
    packages = {shown(top): packages_of(disk, top, share) for top, share in zip(venvs, shares)}
    scripts = [path for path in plan.scripts if os.path.exists(path)]
    seen = Seen(plan, trees, ways, watched, served, wide, sockets, scripts, packages, unknown)
    return {"accounts": dict(_accounts(seen)), **_told(seen)}


def _rows(path: str, kind: str, root: str) -> list[Row]:
    row = look_at(path, kind, root)
    return [row] if row else []


def _with_way(path: str) -> list[Row]:
    """Return the row of a path, and of every directory on the way to it."""
    above = [row for one in _way(path) for row in _rows(one, "ancestor", "entry")]
    return [*_rows(path, "entry", "entry"), *above]


def _way(path: str) -> list[str]:
    try:
        return way_to(path)
    except (OSError, ValueError):
        return []


def _trees(plan: Plan, unknown: dict[str, str]) -> list[Tree]:
    """Return every directory to walk, with the pools whose code it is in."""
    found: dict[str, Tree] = {}
    for pool, paths in plan.code.items():
        for path, kind in paths.items():
            real = os.path.realpath(path)
            if kind == "home" and real == "/":
                unknown[pool] = "home=/ was not walked"
                continue
            if not os.path.exists(real):
                unknown[pool] = f"{shown(path)} is not there"
                continue
            script = "" if os.path.isdir(real) else real
            top = os.path.dirname(real) if script else real
            tree = found.setdefault(top, Tree(top, kind))
            tree.pools.add(pool)
            tree.scripts |= {script} - {""}
    code = list(found.values())
    for tree in code:
        # What lies in a pool's directory of code is its code as well.
        tree.pools.update(*(other.pools for other in code if tree.top.startswith(other.top.rstrip("/") + "/")))
    for pool, home in plan.homes.items():
        real = os.path.realpath(home)
        mine = {tree.top for tree in code if pool in tree.pools}
        strangers = [tree for tree in code if pool not in tree.pools and (tree.top + "/").startswith(real + "/")]
        if _COMMON.fullmatch(real) or not os.path.isdir(real) or real in mine or strangers:
            continue
        found.setdefault(real, Tree(real, "account")).pools.add(pool)
    for path in plan.keys:
        for row in _rows(path, "secret", "TLS key"):
            keys = found.setdefault(f"{path}\0", Tree(os.path.dirname(path), "TLS key"))
            keys.add(row)
    return list(found.values())


def _scripts_alone(tree: Tree) -> None:
    for row in [
        *_rows(tree.top, "root", "entry"),
        *(one for path in sorted(tree.scripts) for one in _rows(path, "entry", "entry")),
    ]:
        tree.add(row)
    tree.acls += [{**row.shown(), **acl} for row in tree.rows for acl in acls_of(row)]


def _accounts(seen: Seen) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what each account may do, from a process of its own."""
    for name, account in seen.plan.accounts.items():
        try:
            answer = as_account(account, functools.partial(_judge, seen, name, account["uid"]))
        except OSError as error:
            answer = {"unknown": f"could not look as uid {account['uid']}: {error}"}
        yield name, {"unknown": "", **answer}


def _judge(seen: Seen, name: str, uid: int) -> dict[str, Any]:
    """Return what this account may do; runs as it."""
    plan = seen.plan
    pool = name.partition(" ")[2]
    own = [tree for tree in seen.trees if pool and pool in tree.pools]
    others = [tree for tree in seen.trees if tree not in own and uid not in seen.uids(tree)]
    static = [os.path.realpath(path) for path in plan.served] if name == APACHE else []
    scripts = {path for tree in seen.trees for path in tree.scripts}
    found: dict[str, Any] = {"reach": others_trees(others, [path for path in static if not _scripts_in(path, scripts)])}
    reach = found["reach"]
    reach["watched"] = [row.shown() for row in seen.watched if may_write(row)]
    reach["served"] = {
        shown(path): _topmost([shown(row.path) for row in there.directories if may_write(row)])
        for path, there in seen.served.items()
    }
    reach["logs"] = [shown(path) for path in plan.logs if os.access(path, os.R_OK)]
    reach["unreached"] = [shown(path) for path in seen.scripts if not reachable(path)]
    theirs = [row for row, _way in seen.sockets if plan.sockets[row.path] != pool]
    reach["connects"] = [shown(row.path) for row in theirs if connects(row.path, plan.really)]
    if pool:
        found["access"] = own_code(own, seen.ways[pool])
        reach["data"] = own_data(own)
        watched = {row.path for row in seen.watched}
        reach["foreign"] = [
            row.shown()
            for row in seen.wide
            if row.path not in watched
            and (row.uid != uid or row.path.startswith("/etc/"))
            and os.access(row.path, os.W_OK)
        ][:_ROWS]
        reach["private"] = list(_readable_secrets())
    return found


def _topmost(paths: list[str]) -> list[str]:
    kept = set(paths)
    return [path for path in paths if os.path.dirname(path) not in kept or path == "/"][:_ROWS]


def _scripts_in(directory: str, scripts: set[str]) -> bool:
    return any(os.path.dirname(path) == directory for path in scripts)


def _readable_secrets() -> Iterator[str]:
    yield from (path for path in _PRIVATE if os.access(path, os.R_OK))
    for directory in _PRIVATE_DIRECTORIES:
        with contextlib.suppress(OSError):
            names = sorted(os.listdir(directory))[:_ROWS]
            yield from (os.path.join(directory, name) for name in names if os.access(f"{directory}/{name}", os.R_OK))


def _told(seen: Seen) -> dict[str, Any]:
    """Return what the rules need of what root saw."""
    plan = seen.plan
    secrets: list[dict[str, Any]] = []
    wide: list[dict[str, Any]] = []
    for tree in seen.trees:
        of = {"pools": sorted(tree.pools)}
        secrets += [{**row.shown(), **of} for row in tree.secrets[:_ROWS]]
        wide += [{**row.shown(), **of} for row in tree.loose if row.mode & 0o002][:_ROWS]
    return {
        "secrets": secrets,
        "wide": wide,
        "acls": [{**acl, "pools": sorted(tree.pools)} for tree in seen.trees for acl in tree.acls],
        "served": {shown(path): _served(path, found, plan) for path, found in seen.served.items()},
        "scripts": {
            shown(path): [{**row.shown(), **writers_of(row)} for row in _with_way(path)] for path in seen.scripts
        },
        "sockets": [
            {
                **row.shown(),
                "pool": plan.sockets[row.path],
                "named": any(acls_of(row)),
                "way": [one.shown() for one in way if loose(one) and not one.shared],
                "stickies": [one.shown() for one in way if one.shared],
            }
            for row, way in seen.sockets
        ],
        "packages": seen.packages,
        "unknown": seen.unknown,
    }


def _served(path: str, found: Served, plan: Plan) -> dict[str, Any]:
    rows, files = found.directories, found.files
    for above in _way(path):
        # Apache reads those of every directory on the way as well.
        rows = rows + [row for row in _rows(above, "ancestor", "") if loose(row) and not row.shared]
        files = files + [row for name in plan.overrides for row in _rows(os.path.join(above, name), "", "")]
    overrides = [
        {"path": shown(row.path), "loose": loose(row), "lines": read_htaccess(row.path)}
        for row in {row.path: row for row in files}.values()
    ]
    links = [shown(link) for link in found.links][: _ROWS * 5]
    shown_rows = list({row.path: row.shown() for row in rows}.values())
    return {"loose": shown_rows[: _ROWS * 5], "overrides": overrides[:_ROWS], "links": links, "unknown": found.unknown}
