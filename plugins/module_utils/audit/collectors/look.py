# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the accounts of a plan may read and write, looked at in Apache's mounts; nothing is changed."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .access import as_account, connects, may_write, others_trees, own_code, own_data, reachable
from .environment import BYTES, FILES, Budget, packages_of
from .htaccess import read_htaccess
from .plan import APACHE, OTHERS, Plan, key_of
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
# Homes that are no application's own.
_COMMON = re.compile(
    r"/|/(var/)?(lib|www|tmp|run|spool|mail|cache)|/var/www/html|/(var|home|srv|opt|root|nonexistent)|/(usr|bin|sbin|dev|proc|etc)(/.*)?"
)
_ROWS = 200


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
        return {self.plan.accounts[key_of(pool)]["uid"] for pool in tree.pools}


def look(plan: Plan) -> dict[str, Any]:
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
                unknown[pool] = "home=/ was not searched"
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
