# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where code and entry files lie, and who can change them (F1 to F9, F19)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .. import page
from ..config import Pool
from ..facts import Facts, all_pools, code_paths
from ..file_evidence import file_rows, name_of
from ..merge import Place, first_alias, script_aliases, serving_hosts
from ..paths import EVERYBODYS, directory_of
from ..rule import SHOWN, Evidence, Group, Result, config, missing_process, pool_option, unlooked, verdict, worst
from ..served import denied, served

GROUP = Group()
# Of these only one is the page's; the others are where people look for code as well.
_UNUSUAL = ("/srv", "/var/www", "/home", "/root", "/tmp", "/var/tmp")  # noqa: S108


def _code(facts: Facts) -> dict[str, str]:
    """Return every path that holds code of an application, with what it is; a script that stands alone is none."""
    found: dict[str, str] = {}
    for pool in facts.pools:
        found.update(code_paths(facts, pool))
    for place in facts.places:
        if place.path.startswith("/") and "$" not in place.path:
            found.setdefault(place.path.rstrip("/"), "entry")
    code = {}
    for path, kind in found.items():
        if kind != "entry":
            code[path] = kind
            continue
        if facts.paths.get(path, {}).get("neighbours"):
            # Then its directory is the application's.
            code[os.path.dirname(path)] = "directory of the script"
        elif facts.paths.get(path, {}).get("defines"):
            code[path] = "script with the application in it"
    return code


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


@GROUP.add(
    "F1",
    "No code lies where Apache serves files",
    "high",
    page.FILES,
    looks_at="the directories of code, compared with each DocumentRoot, Alias and ScriptAlias, and who can read there",
    decides="fails if code lies below one that is not denied, even if a WSGIScriptAlias hides it for now; critical "
    "if Apache already serves it. A script alone in its directory that only imports the application is not "
    "code",
    remedy="Move the code to /var/lib/ACCOUNT, and leave the entry file alone in its directory.",
    variable="wsgi_apps",
    by_hand=("mv /var/www/shop /var/lib/shop-app/code",),
    attack="If the alias goes away, or on a URL beside it, Apache sends settings and secrets as text.",
)
def code_outside_documents(facts: Facts) -> Iterable[Result]:
    code = _code(facts)
    for path, kind in sorted(code.items()):
        bad: list[Evidence] = []
        severity = ""
        for host in serving_hosts(facts.tree):
            for url, root, line in served(facts, host):
                top, real = facts.real(root), facts.real(path)
                if not _inside(real, top):
                    continue
                rest = os.path.relpath(real, top)
                below_root = root.rstrip("/") if rest == "." else f"{root.rstrip('/')}/{rest}"
                file = "" if kind.startswith("script") else "/settings.py"
                address = url.rstrip("/") + ("" if rest == "." else f"/{rest}") + file
                if denied(facts, host, address, below_root + file):
                    continue
                if line.name != "documentroot" or first_alias(address, script_aliases(facts.tree, host)) is None:
                    severity = "critical"
                bad.append(config(line, f"{path} ({kind}) elsewhere, or denied"))
        yield verdict(
            not bad, "file", path, *(bad or [Evidence("config", "", "below nothing that is served")]), severity=severity
        )


@GROUP.add(
    "F2",
    "Code lies where people expect it",
    "info",
    page.FILES,
    looks_at="the directories of code",
    decides="fails below /srv, /var/www, /home, /root, /tmp and /var/tmp",
    remedy="Use /var/lib/ACCOUNT or /opt/NAME.",
    variable="wsgi_apps",
    attack="Rules and habits for documents and home directories are applied to the code.",
)
def conventional_location(facts: Facts) -> Iterable[Result]:
    for path, kind in sorted(_code(facts).items()):
        unusual = [top for top in _UNUSUAL if _inside(facts.real(path), top)]
        observed = f"{kind} below {unusual[0]}" if unusual else f"{kind} at {facts.real(path)}"
        yield verdict(not unusual, "file", path, Evidence("stat", path, observed, "/var/lib or /opt"))


@GROUP.add(
    "F3",
    "The entry file is separate from the code",
    "medium",
    page.FILES,
    looks_at="what lies beside each script, and the pool's home=, python-home= and python-path=",
    decides="fails if its directory holds other Python code, or if it lies in one of those directories",
    remedy="Put a file that only imports the application into its own directory, which Apache can read.",
    variable="wsgi_apps",
    by_hand=("install -D -m 0644 wsgi.py /var/www/shop/wsgi.py",),
    attack="Apache has to be let into the code to read the entry file, and so is everything else that Apache runs.",
)
def entry_apart(facts: Facts) -> Iterable[Result]:
    known = {os.path.basename(place.path) for place in facts.places}
    for place in facts.places:
        row = facts.paths.get(place.path)
        if not row or not row.get("exists") or row.get("directory"):
            continue
        beside = [name for name in row.get("neighbours", []) if name not in known]
        pool = facts.pool(place.process_group.value)
        trees = [path for path, kind in code_paths(facts, pool).items() if kind != "entry"] if pool else []
        around = [tree for tree in trees if _inside(facts.real(place.path), facts.real(tree))]
        seen = [Evidence("stat", place.path, f"beside it: {', '.join(beside[:SHOWN]) or 'nothing'}", "nothing")]
        seen += [
            Evidence("config", pool.directive.source, f"it lies in {tree}", "not in it") for tree in around if pool
        ]
        yield verdict(not beside and not around, "file", place.path, *seen)


@GROUP.add(
    "F5",
    "Every pool starts in a directory of its own",
    "medium",
    page.FILES,
    looks_at="home= of each WSGIDaemonProcess",
    decides="fails without home=, if the directory does not exist, for /, and for directories that everybody can write",
    remedy="Set home= to the application's code, which its account cannot write.",
    variable="wsgi_apps",
    by_hand=("home=/var/lib/shop-app/code",),
    attack="home= comes first in sys.path, so a file that somebody puts there is imported instead of the right one.",
)
def home_set(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        home = pool.options.get("home", "")
        seen = [pool_option(pool, "home", "a directory of this application")]
        real = facts.real(home)
        good = home.startswith("/") and real != "/" and not any(_inside(real, top) for top in EVERYBODYS)
        if good and not facts.paths.get(home, {}).get("exists"):
            good = False
            seen.append(Evidence("stat", home, "not there", "a directory"))
        yield verdict(good, "pool", pool.name, *seen)


def _judged(facts: Facts, kind: str, bad: Any, expected: str, worst: Any = None) -> Iterator[Result]:
    """Give the result of each pool from the rows that bad returns of what its account may do."""
    for pool in all_pools(facts):
        access = facts.access.get(pool.name)
        if access is None:
            yield missing_process(pool)
            continue
        rows = bad(access)
        if rows:
            severity = worst(rows) if worst else ""
            yield verdict(False, "pool", pool.name, *file_rows(kind, rows, expected), severity=severity)
        elif access.unknown:
            yield unlooked("pool", pool.name, access.unknown)
        else:
            yield verdict(True, "pool", pool.name, Evidence(kind, "", "all paths of its code", expected))


@GROUP.add(
    "F6",
    "No pool's account owns its code",
    "high",
    page.FILES,
    looks_at="the owner of the entry file, of its directory, and of everything in home=, python-home= and "
    "python-path=; in embedded mode for Apache's account",
    decides="fails if the owner is the pool's account, because an owner can give itself every permission. "
    "Directories without code, such as uploads, do not count",
    remedy="Make root or a deployment account the owner of the code.",
    variable="wsgi_apps_deploy_account",
    by_hand=("chown -R root:shop-app /var/lib/shop-app/code", "chmod -R u=rwX,g=rX,o= /var/lib/shop-app/code"),
    attack="A bug in the application lets an attacker install code that stays.",
)
def code_owner(facts: Facts) -> Iterable[Result]:
    yield from _judged(
        facts, "stat", lambda access: [row for row in access.owned if row["kind"] != "ancestor"], "another owner"
    )


@GROUP.add(
    "F7",
    "No pool can change its code",
    "high",
    page.FILES,
    looks_at="write access to the same files, and to every directory above them, tried as the pool's own account; in "
    "embedded mode as Apache's account",
    decides="fails if one of them can be written, or if the account owns a directory above; critical for the entry "
    "file, home=, the virtual environment and .pth files",
    remedy="Remove the write permission of the account and of its groups.",
    variable="wsgi_apps_deploy_account",
    by_hand=("setfacl -R -x u:shop-app /var/lib/shop-app/code",),
    attack="The application writes a .pth file or a module that runs at the next start, or moves the whole tree aside.",
)
def code_not_writable(facts: Facts) -> Iterable[Result]:
    def bad(access: Any) -> list[dict[str, Any]]:
        paths = {row["path"]: row for row in access.writable}
        paths.update({row["path"]: row for row in access.owned if row["kind"] == "ancestor"})
        return list(paths.values())

    def worst(rows: Sequence[dict[str, Any]]) -> str:
        roots = ("entry", "python-home", "home")
        severe = any(row["root"] in roots or row["path"].endswith(".pth") for row in rows)
        return "critical" if severe else ""

    yield from _judged(facts, "acl", bad, "not writable for the account", worst)


@GROUP.add(
    "F9",
    "A script alias names one file",
    "high",
    page.FILES,
    looks_at="the target of each WSGIScriptAlias, and handlers that run files as scripts: AddHandler and SetHandler "
    "wsgi-script or WSGIHandlerScript with ExecCGI",
    decides="fails for a directory, for a part of the URL in the path, and for such a handler outside of an alias; "
    "critical if a pool, Apache's account or everybody can write there; unknown if the file does not exist",
    remedy="Name the entry file itself, with one alias for each application.",
    variable="wsgi_apps",
    by_hand=("WSGIScriptAlias / /var/www/shop/wsgi.py",),
    attack="Apache runs an uploaded picture that contains Python when somebody requests it.",
)
def alias_to_file(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        row = facts.paths.get(place.path, {})
        seen = config(place.mapped, "one regular file")
        if place.aliased and "$" not in place.path and not row.get("directory"):
            there = Evidence("stat", place.path, "a file" if row.get("exists") else "not there", "a regular file")
            status = "pass" if row.get("exists") else "unknown"
            yield Result(status, "virtual_host", place.name, (seen, there))
            continue
        writers = sorted(_writers(facts, place))
        observed = f"{place.path}: {', '.join(writers)} may write there" if writers else f"{place.path} is not one file"
        there = Evidence("acl", place.path, observed, "one regular file")
        yield verdict(False, "virtual_host", place.name, seen, there, severity="critical" if writers else "")


def _writers(facts: Facts, place: Place) -> Iterator[str]:
    """Give who may write in a directory of scripts."""
    tops = {place.path, directory_of(place.path), directory_of(os.path.dirname(place.path))}
    reaches = {f"pool {pool}": reach for pool, reach in facts.files.pools.items()}
    for name, found in (("Apache's account", facts.files.apache), ("everybody", facts.files.others)):
        if found is not None:
            reaches[name] = found
    for name, reach in reaches.items():
        if any(reach.served.get(top) for top in tops):
            yield name


# MPMs whose children answer one request at a time.
_WITHOUT_THREADS = frozenset({"prefork", "itk"})


@GROUP.add(
    "F19",
    "Only root can replace the script",
    "medium",
    "Optional script-file ownership validation:",
    looks_at="owner, mode and ACL of each script and of every directory on the way to it; script-user= and "
    "script-group= of each WSGIDaemonProcess, and Apache's MPM",
    decides="fails where anybody but root and one deployment account, which owns the script, may change one of them; "
    "low unless that is everybody, Apache's account or a pool's. Low for script-user= and script-group= where Apache "
    "has threads, for both of them, and for the pool's own account or group",
    remedy="Make root the owner of the script and all directories above it, and let nobody else write to them. Leave "
    "script-user= out: with threads it denies requests by mistake, and it costs a fifth of the speed.",
    variable="wsgi_apps",
    by_hand=("chown root:root /var/www /var/www/shop /var/www/shop/wsgi.py", "chmod go-w /var/www /var/www/shop"),
    attack="Apache runs the attacker's script at the next request.",
)
def script_replaced(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        found = list(_owner_checks(facts, pool))
        scripts = sorted({place.path for place in facts.served_by(pool.name)})
        missing = [path for path in scripts if path not in facts.files.scripts]
        for path in scripts:
            found += _replaceable(facts, facts.files.scripts.get(path, []))
        evidence = [seen for _level, seen in found]
        if found:
            severity = worst(level for level, _seen in found)
            yield verdict(False, "pool", pool.name, *evidence[:SHOWN], severity=severity)
        elif missing:
            why = facts.files.unknown.get("everything", "not there")
            seen = [Evidence("stat", path, why, "a script of root's") for path in missing]
            yield Result("unknown", "pool", pool.name, tuple(seen))
        else:
            said = f"only root, or its owner, can change {', '.join(scripts)}" if scripts else "it serves no script"
            yield verdict(True, "pool", pool.name, Evidence("stat", "", said, "nobody else can change the script"))


def _owner_checks(facts: Facts, pool: Pool) -> Iterator[tuple[str, Evidence]]:
    """Give what is wrong with the options by which mod_wsgi checks owners itself."""
    own = {"script-user": _identities(facts, pool, "user"), "script-group": _identities(facts, pool, "group")}
    given = [option for option in own if option in pool.options]
    for option in given:
        if len(given) > 1:
            yield "low", pool_option(pool, option, "not both: Apache does not start")
        elif facts.instance.mpm not in _WITHOUT_THREADS:
            mpm = facts.instance.mpm or "its MPM"
            yield "low", pool_option(pool, option, f"none, for false 403s under the threads of {mpm}")
        elif pool.options[option] in own[option]:
            yield "low", pool_option(pool, option, "not the pool's own")


def _replaceable(facts: Facts, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Evidence]]:
    """Give each of these paths that more than root and the script's owner may change; the script's own is the first."""
    live = [process for processes in facts.live.values() for process in processes]
    exposed_users = {process["uid"] for process in live} | {facts.files.apache_uid}
    exposed_groups = {gid for process in live for gid in (process["gid"], *process["groups"])}
    exposed_groups.update(facts.files.apache_groups)
    trusted = {0, *(row["owner"] for row in rows[:1])} - exposed_users
    for row in rows:
        users, groups = set(row["users"]) - trusted, set(row["groups"]) - {0}
        who = [name_of(uid) for uid in sorted(users)]
        who += [f"group {facts.host.group_names.get(gid, str(gid))}" for gid in sorted(groups)]
        who += ["everybody"] if row["everybody"] else []
        if who:
            exposed = row["everybody"] or users & exposed_users or groups & exposed_groups
            said = f"{row['path']}, owner {name_of(row['owner'])}, mode {row['mode']}: {', '.join(who)} may change it"
            yield "medium" if exposed else "low", Evidence("acl", row["path"], said, "only root")


def _identities(facts: Facts, pool: Pool, option: str) -> set[str]:
    """Return how the pool's own account or group could be named."""
    said = pool.options.get(option, "")
    known = facts.users if option == "user" else facts.groups
    live = {f"#{one['uid' if option == 'user' else 'gid']}" for one in facts.live.get(pool.name, [])}
    names = {str(one[option]) for one in facts.live.get(pool.name, [])}
    return {said, f"#{known.get(said)}"} | live | names


@GROUP.add(
    "F8",
    "Every pool can read its code",
    "info",
    page.CODE,
    looks_at="the files and directories of its code, tried as the pool's own account",
    decides="fails for anything that it cannot read, although the application may not need it",
    remedy="Give the pool's group read permission.",
    variable="wsgi_apps",
    by_hand=("chgrp -R shop-app /var/lib/shop-app/code", "chmod -R g+rX /var/lib/shop-app/code"),
    attack="None. A module that cannot be read is missing at the next start.",
)
def code_readable(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        access = facts.access.get(pool.name)
        if access is None:
            yield missing_process(pool)
        elif access.unreadable:
            yield verdict(False, "pool", pool.name, *file_rows("stat", access.unreadable, "readable for the account"))
        elif access.unknown:
            yield unlooked("pool", pool.name, access.unknown)
        else:
            yield verdict(True, "pool", pool.name, Evidence("stat", "", "all of its code", "readable for the account"))
