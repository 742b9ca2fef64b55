# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the accounts of pools and of Apache's other processes may do beside (U6 to U8, F14, F15)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .. import page
from ..config import Pool, without_secrets
from ..facts import Facts
from ..rule import Evidence, Group, Result, gap, pool_option, running, verdict, worst
from .accounts import SHARED

GROUP = Group()
# Their members become root, or read what is kept from everybody.
_POWERFUL = frozenset(
    {"root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "disk", "shadow", "adm", "systemd-journal"}
) | {"libvirt"}
_NO_SHELL = re.compile(r"/(?:\S*/)?(?:nologin|false)$")
_PRIVILEGED_PORT = 1024
_INIT = 1


def _account(facts: Facts, pool: Pool) -> tuple[dict[str, Any], Result | None]:
    """Return what is known of a pool's account, or the result that it is unknown."""
    if "accounts" in facts.host.unknown:
        return {}, gap("pool", pool.name, "proc", "/etc/passwd", facts.host.unknown["accounts"])
    account = facts.host.accounts.get(pool.name)
    if account is None:
        return {}, gap("pool", pool.name, "proc", "/etc/passwd", "no process, and no account of that name")
    return account, None


def _names(facts: Facts, gids: Iterable[int]) -> str:
    return ", ".join(sorted(facts.host.group_names.get(gid, str(gid)) for gid in gids)) or "none"


@GROUP.add(
    "U6",
    "The account of a pool is good for nothing else",
    "medium",
    page.USERS,
    looks_at="shell, password, home, SSH keys, crontab, other processes and user id of each pool's account",
    decides="fails for a shell that allows logins, a password that is not locked, keys, or a crontab. Also fails for "
    "a home of its own that is world-writable or has world-readable files, apart from files that Apache "
    "serves. Low for only a home that everybody can list or the user id of a person; info for only processes "
    "outside Apache",
    remedy="Lock the password, set the shell to nologin, remove keys and crontab, and close the home to others.",
    variable="wsgi_apps[].account",
    by_hand=("usermod --lock --shell /usr/sbin/nologin shop-app", "chmod o= /var/lib/shop-app"),
    attack="An attacker who took over the application logs in again later, or leaves a job that survives every new "
    "release.",
    cis="3.2",
)
def account_hygiene(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        account, unknown = _account(facts, pool)
        if unknown:
            yield unknown
            continue
        name, found = account["name"], []
        if not _NO_SHELL.match(account["shell"]):
            found.append(("medium", Evidence("stat", "/etc/passwd", f"{name}: shell {account['shell']}", "nologin")))
        if account["locked"] is False:
            found.append(("medium", Evidence("stat", "/etc/shadow", f"{name}: a usable password", "a locked one")))
        for path in account["keys"]:
            found.append(("medium", Evidence("stat", path, "keys for SSH", "none")))
        for path in account["jobs"]:
            found.append(("medium", Evidence("stat", path, "a crontab", "none")))
        found += _open_home(account)
        if account["regular"]:
            seen = f"{name}: uid {account['uid']}, a person's"
            found.append(("low", Evidence("stat", "/etc/passwd", seen, "a system account")))
        if account["others"]:
            seen = f"{name} also runs {', '.join(account['others'])}"
            found.append(("info", Evidence("proc", "/proc", seen, "only processes of Apache's")))
        if not found and account["locked"] is None:
            yield gap("pool", pool.name, "stat", "/etc/shadow", f"{name}: {account['shadow']}")
            continue
        good = Evidence("stat", "/etc/passwd", f"{name}: locked, {account['shell']}", "locked, nologin")
        severity = worst(level for level, _seen in found)
        evidence = [seen for _level, seen in found] or [good]
        yield verdict(not found, "pool", pool.name, *evidence, severity=severity)


def _open_home(account: dict[str, Any]) -> list[tuple[str, Evidence]]:
    """Return what everybody may do in the home of an account: a mode alone opens nothing that is closed itself."""
    mode = account["home_mode"] or 0
    if not mode & 0o006:
        return []
    files = account["home_files"]
    inside = f", everybody may read {', '.join(files)}" if files else ""
    seen = Evidence("stat", account["home"], f"mode {mode:04o}{inside}", "nothing for others")
    return [("medium" if files or mode & 0o002 else "low", seen)]


@GROUP.add(
    "U7",
    "Apache's own processes are not root's",
    "high",
    page.USERS,
    looks_at="all processes that Apache's parent started, and other parents with the same command line",
    decides="fails for a process of Apache's binary that stays root, for a program that runs as root and is not a "
    "log program of the configuration, and for a second parent",
    remedy="Set User and Group, run mod_rewrite's map programs as another account, and end leftover processes.",
    variable="",
    by_hand=("RewriteMap names prg:/usr/local/bin/names nobody:nogroup", "systemctl restart apache2"),
    attack="A hole in a module, or in that program, gives root at once.",
    cis="3.1",
)
def children_unprivileged(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None:
        return
    name = facts.instance.config_file
    reason = facts.host.unknown.get("children") or facts.host.unknown.get("twins")
    if reason:
        yield gap("server", name, "proc", "/proc", reason)
        return
    pipes = _pipes(facts)
    bad = [row for row in facts.host.children if row["uid"] == 0 and (row["own"] or not _piped(row, pipes))]
    if facts.instance.pid == _INIT:
        # As the first process of a container it is given whatever lost its parent.
        bad = [row for row in bad if row["own"]]
    # Of a command line no more than the program and its script: what follows may be a secret.
    seen = [
        Evidence("proc", f"/proc/{row['pid']}", f"uid 0: {' '.join(row['command'].split()[:2])}", "another account")
        for row in bad
    ]
    seen += [Evidence("proc", f"/proc/{pid}", f"pid {pid}: another parent", "one") for pid in facts.host.twins]
    uids = sorted({row["uid"] for row in facts.host.children if row["own"]})
    good = Evidence("proc", "/proc", f"processes of uid {', '.join(map(str, uids))}", "none of uid 0")
    yield verdict(not seen, "server", name, *(seen or [good]))


def _pipes(facts: Facts) -> list[str]:
    """Return the programs that the configuration logs to."""
    lines = facts.tree.every("errorlog", "customlog", "transferlog", "globallog", "forensiclog")
    words = (line.words[0] for line, _around, _host in lines if line.words)
    return [word.lstrip("|$ ") for word in words if word.startswith("|")]


def _piped(row: dict[str, Any], pipes: Sequence[str]) -> bool:
    # A shell around it has the whole command in its own.
    command = str(row["command"])
    return any(without_secrets(pipe)[:150] in command for pipe in pipes if pipe)


@GROUP.add(
    "U8",
    "mod_wsgi-express runs as an account of its own",
    "high",
    "With mod_wsgi-express the recommended",
    looks_at="the user id of the parent of an Apache that mod_wsgi-express made, its User, and its ports",
    decides="fails for root, unless it needs root for a port below 1024 and its User is an account of its own, and "
    "for an account that others use; low if it is root only inside a user namespace; does not apply to "
    "another Apache",
    remedy="Start it as the application's account, behind a proxy. For a port below 1024, use --user and --group.",
    by_hand=("sudo -u shop-app mod_wsgi-express start-server wsgi.py --host 127.0.0.1 --port 8000",),
    attack="The application, or a module of Apache, controls the host or the container.",
    needs_configuration=False,
)
def express_account(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None or not facts.instance.express:
        return
    name = facts.instance.config_file
    if "parent" in facts.host.unknown:
        yield gap("server", name, "proc", "/proc", facts.host.unknown["parent"])
        return
    uid, user = facts.host.parent["uid"], facts.instance.user
    shared = user in SHARED or user in ("root", "www-data", "apache", "")
    privileged = any(0 < row["port"] < _PRIVILEGED_PORT for row in facts.listeners)
    good = not shared and (uid != 0 or privileged)
    observed = (
        f"parent of uid {uid}{' in a namespace' if facts.host.parent['mapped'] else ''}, User {user or 'unknown'}"
    )
    seen = Evidence("proc", f"/proc/{facts.instance.pid}/status", observed, "an account of this application")
    yield verdict(good, "server", name, seen, severity="low" if uid == 0 and facts.host.parent["mapped"] else "")


@GROUP.add(
    "F14",
    "The account of a pool is a member of no other group",
    "medium",
    "Do not add the",
    looks_at="the groups that the host's databases give to each pool's account",
    decides="fails for a group other than its primary group and the pool's group=",
    remedy="Remove the account from the group, and name the group in supplementary-groups=.",
    variable="wsgi_apps[].supplementary_groups",
    by_hand=("gpasswd --delete shop-app adm",),
    attack="Every process of the account has the group's rights, even a cron job that an attacker left behind.",
)
def no_permanent_groups(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        account, unknown = _account(facts, pool)
        if unknown:
            yield unknown
            continue
        own = {account["gid"], facts.groups.get(pool.options.get("group", ""))}
        others = [gid for gid in account["groups"] if gid not in own]
        observed = f"{account['name']} is a member of {_names(facts, others)}"
        seen = Evidence("stat", "/etc/group", observed, "of its primary group only")
        yield verdict(not others, "pool", pool.name, seen)


@GROUP.add(
    "F15",
    "A pool has the groups that it declares, and no powerful one",
    "medium",
    "Use the supplementary-groups= option",
    looks_at="the groups of each pool's processes, and supplementary-groups=",
    decides="fails where they are not the primary group and the declared ones; critical for one of "
    f"{', '.join(sorted(_POWERFUL))}, declared or not",
    remedy="Set supplementary-groups= to the groups that the application needs, or to the pool's own group if it "
    "needs none.",
    variable="wsgi_apps[].supplementary_groups",
    by_hand=("supplementary-groups=shop-app",),
    attack="The application reads the host's logs or passwords, or becomes root through such a group.",
)
def supplementary_groups(facts: Facts) -> Iterable[Result]:
    def judged(pool: Pool, processes: Sequence[dict[str, Any]]) -> Result:
        option = pool.options.get("supplementary-groups", "")
        names = [name for name in option.split(",") if name]
        declared = {facts.host.group_ids.get(name) for name in names}
        if None in declared:
            return gap("pool", pool.name, "stat", "/etc/group", f"not every group of {option} is on this host")
        live = [{*one["groups"], *one["gids"]} - {one["gid"]} for one in processes]
        wrong = {gid for groups, one in zip(live, processes) for gid in groups ^ (declared - {one["gid"]})}
        every = {gid for one in processes for gid in (*one["groups"], *one["gids"])}
        powerful = {gid for gid in every if facts.host.group_names.get(gid) in _POWERFUL}
        observed = f"beside its own: {_names(facts, set().union(*live))}"
        seen = Evidence("proc", f"/proc/{processes[0]['pid']}/status", observed, f"declared: {option or 'none'}")
        line = pool_option(pool, "supplementary-groups", "the groups that the application needs")
        return verdict(
            not wrong and not powerful, "pool", pool.name, line, seen, severity="critical" if powerful else ""
        )

    yield from running(facts, judged)
