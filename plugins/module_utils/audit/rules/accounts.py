# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which account a pool runs as (U1 to U5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import page
from ..config import Pool
from ..facts import Facts
from ..merge import EMBEDDED
from ..rule import Evidence, Group, Result, gap, merged_setting, missing_process, pool_option, running, verdict

GROUP = Group()
# Which accounts are everybody's.
SHARED = frozenset({"nobody", "nogroup", "daemon", "bin", "www", "http", "nfsnobody"})
_OVERFLOW = 65534


def of_one_account(facts: Facts) -> bool:
    """Tell whether all of this Apache is one account's, as mod_wsgi-express makes it; U8 judges which one."""
    return facts.instance.express or facts.host.parent.get("uid", 0) != 0


def _live(process: dict[str, Any], observed: str, expected: str) -> Evidence:
    return Evidence("proc", f"/proc/{process['pid']}/status", observed, expected)


@GROUP.add(
    "U1",
    "Every pool names its account",
    "high",
    page.USERS,
    looks_at="user= of each WSGIDaemonProcess, and the user ids of its processes",
    decides="fails without user=, if a process has another user id than that account, and in embedded mode. If all "
    "of Apache runs as one account, a missing user= does not fail: U8 judges that",
    remedy="Set user= to a service account of this application.",
    variable="wsgi_apps[].account",
    by_hand=("useradd --system --no-create-home --shell /usr/sbin/nologin shop-app",),
    attack="The application reads what Apache's user can read, such as password files and other sites.",
    cis="3.1",
)
def user_explicit(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        if place.process_group.value == EMBEDDED:
            seen = merged_setting(place, place.process_group, "WSGIProcessGroup", "a pool with an account of its own")
            yield verdict(False, "virtual_host", place.name, seen)
    yield from _explicit(facts, "user", facts.users, "uids")


@GROUP.add(
    "U1b",
    "Every pool names its group",
    "high",
    page.USERS,
    looks_at="group= of each WSGIDaemonProcess, and the group ids of its processes",
    decides="fails without group=, or if a process has another group id than that group. If all of Apache runs as "
    "one account, a missing group= does not fail",
    remedy="Set group= beside user=. Without it, the processes keep Apache's group.",
    variable="wsgi_apps[].group",
    attack="The application reads files that Apache's group can read.",
    cis="3.1",
)
def group_explicit(facts: Facts) -> Iterable[Result]:
    yield from _explicit(facts, "group", facts.groups, "gids")


def _explicit(facts: Facts, option: str, known: dict[str, int | None], ids: str) -> Iterable[Result]:
    for pool in facts.pools:
        name = pool.options.get(option)
        seen = pool_option(pool, option, f"{option}= an account of its own")
        if name is None:
            whole = Evidence("proc", "/proc", f"all of this Apache runs as {facts.instance.user}", "one account")
            one = of_one_account(facts)
            yield verdict(one, "pool", pool.name, seen, *([whole] if one else []))
            continue
        processes = facts.live.get(pool.name, [])
        if not processes:
            yield missing_process(pool)
            continue
        wanted = known.get(name)
        others = sorted({one for process in processes for one in process[ids] if one != wanted})
        observed = f"{ids} {', '.join(map(str, others or [wanted]))}"
        yield verdict(not others, "pool", pool.name, seen, _live(processes[0], observed, f"{wanted} ({name})"))


@GROUP.add(
    "U2",
    "No pool runs as root",
    "critical",
    page.USERS,
    looks_at="the user ids and the capabilities of each pool's processes, and what sudoers(5) allows its account",
    decides="fails for user id 0, for an effective or ambient capability, and for what the account or one of its "
    "groups can run with sudo without a password: high for single commands, medium if NoNewPrivileges blocks "
    "sudo. Rules in a directory service are not seen",
    remedy="Set user= and group= to a service account without privileges.",
    variable="wsgi_apps[].account",
    attack="The application controls the host.",
    cis="3.1",
)
def not_root(facts: Facts) -> Iterable[Result]:
    def judged(pool: Pool, processes: Sequence[dict[str, Any]]) -> Result:
        bad = [process for process in processes if 0 in process["uids"] or process["capabilities"]]
        shown = (bad or list(processes))[0]
        observed = f"uids {shown['uids']}, capabilities {shown['capabilities']:#x}"
        seen = _live(shown, observed, "another uid, and no capability")
        if bad:
            return verdict(False, "pool", pool.name, seen)
        if "sudoers" in facts.host.unknown:
            return gap("pool", pool.name, "stat", "/etc/sudoers", facts.host.unknown["sudoers"])
        granted = facts.host.accounts.get(pool.name, {}).get("sudo", [])
        evidence = [_granted(row) for row in granted]
        severity = "critical" if any(row["everything"] and row["root"] for row in granted) else "high"
        if all(one.get("no_new_privileges") for one in processes):
            severity = "medium"
        return verdict(not granted, "pool", pool.name, seen, *evidence, severity=severity)

    yield from running(facts, judged)


def _granted(row: dict[str, Any]) -> Evidence:
    whose = "as root" if row["root"] else "as another account"
    return Evidence("stat", row["source"], f"{row['command']} {whose} without a password", "nothing without one")


@GROUP.add(
    "U3",
    "No pool shares Apache's account or group",
    "high",
    page.USERS,
    looks_at="user id, group id and supplementary groups of each pool's processes, and Apache's User and Group",
    decides="fails if one of them is Apache's; does not apply if all of Apache runs as one account: U8 judges that",
    remedy="Give the pool its own account and group, and remove it from Apache's group.",
    variable="wsgi_apps[].account",
    attack="The application can open every pool's socket, and every file that is meant for Apache.",
)
def not_apache(facts: Facts) -> Iterable[Result]:
    uid, gid = facts.instance.uid, facts.instance.gid

    def judged(pool: Pool, processes: Sequence[dict[str, Any]]) -> Result:
        if uid is None or gid is None:
            return Result("unknown", "pool", pool.name, (Evidence("cmd", "DUMP_RUN_CFG", "no User or Group", "both"),))
        if of_one_account(facts):
            return Result("not_applicable", "pool", pool.name)
        bad = [one for one in processes if uid in one["uids"] or gid in one["gids"] or gid in one["groups"]]
        shown = (bad or list(processes))[0]
        observed = f"uid {shown['uid']}, gid {shown['gid']}, groups {shown['groups']}"
        return verdict(not bad, "pool", pool.name, _live(shown, observed, f"neither uid {uid} nor gid {gid} of Apache"))

    yield from running(facts, judged)


@GROUP.add(
    "U4",
    "No pool runs as nobody",
    "high",
    page.USERS,
    looks_at="the account and the group of each pool's processes",
    decides="fails for nobody, nogroup, daemon, bin, www, http, and the number 65534",
    remedy="Give the pool its own account.",
    variable="wsgi_apps[].account",
    attack="Any other service that runs as nobody can stop the application and read its files.",
)
def not_nobody(facts: Facts) -> Iterable[Result]:
    def judged(pool: Pool, processes: Sequence[dict[str, Any]]) -> Result:
        bad = [
            one for one in processes if {one["user"], one["group"]} & SHARED or _OVERFLOW in (one["uid"], one["gid"])
        ]
        shown = (bad or list(processes))[0]
        observed = f"{shown['user']} and group {shown['group']}"
        return verdict(not bad, "pool", pool.name, _live(shown, observed, "an account of this application"))

    yield from running(facts, judged)


def applications(facts: Facts, pool: str) -> frozenset[str]:
    """Return the scripts that a pool serves: pools of one script belong together."""
    return frozenset(facts.real(place.path) for place in facts.served_by(pool))


@GROUP.add(
    "U5",
    "No two applications share an account",
    "high",
    page.USERS,
    looks_at="user and group ids of the processes of pools that serve different scripts",
    decides="fails if two of these pools have the same user id or group id; pools of one script may share",
    remedy="Give each application its own account and group.",
    variable="wsgi_apps[].account",
    attack="One application can stop the other's processes and read its files.",
)
def account_per_app(facts: Facts) -> Iterable[Result]:
    rows = [
        (pool, {one["uid"] for one in processes}, {one["gid"] for one in processes}, applications(facts, pool.name))
        for pool in facts.pools
        if (processes := facts.live.get(pool.name))
    ]
    for pool, uids, gids, scripts in rows:
        alike = [
            other.name
            for other, other_uids, other_gids, theirs in rows
            if other is not pool and (uids & other_uids or gids & other_gids) and not scripts & theirs
        ]
        shown = facts.live[pool.name][0]
        shared = f", as {', '.join(alike)}" if alike else ""
        observed = f"{shown['user']} and group {shown['group']}{shared}"
        yield verdict(not alike, "pool", pool.name, _live(shown, observed, "an account that no other application has"))
