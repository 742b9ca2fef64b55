# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on daemon mode, accounts, isolation, names, restarts and limits of pools (groups M, U, I, N and L)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...apache.syntax import parse_options
from ..config import Pool
from ..facts import Facts
from ..merge import EMBEDDED, GLOBAL, Place, Setting
from ..rule import Evidence, Group, Result, config, gap, missing_process, pool_option, running, verdict
from .access import loose_overrides

GROUP = Group()
_DAEMON = "Choose daemon mode"
_USERS = "Run as a dedicated unprivileged user"
_ISOLATION = "Isolate application components from each other"
_PS = "Make daemon processes identifiable"
_RESTART = "Restarting a single application"
_LIMITS = "Resource limits and DoS resistance"
# Which accounts are everybody's.
SHARED = frozenset({"nobody", "nogroup", "daemon", "bin", "www", "http", "nfsnobody"})
_OVERFLOW = 65534


def _setting(place: Place, setting: Setting, what: str, expected: str) -> Evidence:
    said = f"{what} {setting.value}" if setting.value else f"no {what}"
    return Evidence("config", setting.source or place.mapped.source, said, expected)


@GROUP.add(
    "M1",
    "Every application runs in daemon mode",
    "high",
    _DAEMON,
    looks_at="the process group of every URL that mod_wsgi serves, merged by Apache's order of sections",
    decides="fails where it is empty, %{GLOBAL}, or names no WSGIDaemonProcess",
    remedy="Name a WSGIDaemonProcess with WSGIProcessGroup, or with process-group= of the WSGIScriptAlias.",
    variable="wsgi_apps",
    by_hand=("WSGIDaemonProcess shop user=shop-app group=shop-app", "WSGIProcessGroup shop"),
    attack="Code of the application reads the memory of Apache's own process: other sites' requests and TLS sessions.",
)
def daemon_mode(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group
        seen = _setting(place, group, "WSGIProcessGroup", "a declared WSGIDaemonProcess")
        if "%{" in group.value:
            # Which one it is only a request tells; I2 judges that.
            yield Result("unknown", "virtual_host", place.name, (seen,))
        else:
            yield verdict(facts.pool(group.value) is not None, "virtual_host", place.name, seen)


@GROUP.add(
    "M2",
    "Embedded mode is shut off",
    "medium",
    _DAEMON,
    looks_at="WSGIRestrictEmbedded at server level",
    decides="fails unless the last one is On; high where an application already is in embedded mode",
    remedy="Set WSGIRestrictEmbedded On at server level. The role wsgi_server does.",
    by_hand=("WSGIRestrictEmbedded On",),
    attack="A mistyped or removed WSGIProcessGroup makes the application run as Apache's user, and answer as before.",
)
def restrict_embedded(facts: Facts) -> Iterable[Result]:
    if "wsgi" not in facts.instance.modules and not facts.places:
        return
    line = facts.last("wsgirestrictembedded")
    embedded = any(place.process_group.value == EMBEDDED for place in facts.places)
    good = line is not None and line.text.lower() == "on"
    seen = config(line, "WSGIRestrictEmbedded On", "WSGIRestrictEmbedded is not set, so Off")
    yield verdict(good, "server", facts.instance.config_file, seen, severity="high" if embedded else "")


_HIDDEN = ("wsgiaccessscript", "wsgiauthuserscript", "wsgiauthgroupscript", "wsgidispatchscript")
_PROVIDERS = ("authbasicprovider", "authdigestprovider")


@GROUP.add(
    "M3",
    "No Python runs in Apache's own processes by another way",
    "high",
    _DAEMON,
    looks_at="WSGIAccessScript, WSGIAuthUserScript, WSGIAuthGroupScript, WSGIDispatchScript, WSGIImportScript, "
    "the authentication provider wsgi, and directories with AllowOverride AuthConfig that others than root may write",
    decides="fails for each of these; for a WSGIImportScript only without a declared process-group=",
    remedy="Authenticate in the application or with one of Apache's own providers; give WSGIImportScript a "
    "process-group=.",
    attack="Such a script runs as Apache's user, also with WSGIRestrictEmbedded On.",
)
def hidden_embedded(facts: Facts) -> Iterable[Result]:
    found = False
    for line, _around, host in facts.tree.every(*_HIDDEN, *_PROVIDERS, "wsgiimportscript"):
        name = host.name if host else "main server"
        if line.name in _PROVIDERS and "wsgi" not in [word.lower() for word in line.words]:
            continue
        options = parse_options(line.text)[1]
        good = line.name == "wsgiimportscript" and facts.pool(options.get("process-group", "")) is not None
        found = found or not good
        if not good:
            yield verdict(False, "virtual_host", name, config(line, "no such line, or a pool"))
    for host in {place.host.name: place.host for place in facts.places}.values():
        # A .htaccess there may name such a script as well.
        rows = [one for one, how in loose_overrides(facts, host, ("all", "authconfig")) if how == "high"]
        found = found or bool(rows)
        if rows:
            yield verdict(False, "virtual_host", host.name, *dict.fromkeys(rows[:5]))
    if not found and facts.places:
        seen = Evidence("config", facts.instance.config_file, "no such script", "no such script")
        yield verdict(True, "server", facts.instance.config_file, seen)


def of_one_account(facts: Facts) -> bool:
    """Tell whether all of this Apache is one account's, as mod_wsgi-express makes it; U8 judges which one."""
    return facts.instance.express or facts.host.parent.get("uid", 0) != 0


def _live(process: dict[str, Any], observed: str, expected: str) -> Evidence:
    return Evidence("proc", f"/proc/{process['pid']}/status", observed, expected)


@GROUP.add(
    "U1",
    "Every pool names its account",
    "high",
    _USERS,
    looks_at="user= of each WSGIDaemonProcess, and the user ids of its processes",
    decides="fails without user=, where a process has another user id than that account, and in embedded mode; not "
    "without user= where all of Apache is one account's: U8 judges that",
    remedy="Set user= to a service account of this application.",
    variable="wsgi_apps[].account",
    by_hand=("useradd --system --no-create-home --shell /usr/sbin/nologin shop-app",),
    attack="The application reads what Apache's user may read, such as password files and other sites.",
    cis="3.1",
)
def user_explicit(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        if place.process_group.value == EMBEDDED:
            seen = _setting(place, place.process_group, "WSGIProcessGroup", "a pool with an account of its own")
            yield verdict(False, "virtual_host", place.name, seen)
    yield from _explicit(facts, "user", facts.users, "uids")


@GROUP.add(
    "U1b",
    "Every pool names its group",
    "high",
    _USERS,
    looks_at="group= of each WSGIDaemonProcess, and the group ids of its processes",
    decides="fails without group=, or where a process has another group id than that group; not without group= where "
    "all of Apache is one account's",
    remedy="Set group= beside user=: without it the processes keep Apache's group.",
    variable="wsgi_apps[].group",
    attack="The application reads files that Apache's group may read.",
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
    _USERS,
    looks_at="the user ids and the capabilities of each pool's processes, and what sudoers(5) lets its account do",
    decides="fails for user id 0, or an effective or ambient capability, and for what the account, or a group of it, "
    "may run by sudo without a password: high for single commands, medium where NoNewPrivileges keeps it from sudo; "
    "rules in a directory service are not seen",
    remedy="Set user= and group= to a service account without privileges.",
    variable="wsgi_apps[].account",
    attack="The application owns the host.",
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
    _USERS,
    looks_at="user id, group id and supplementary groups of each pool's processes, and Apache's User and Group",
    decides="fails where one of them is Apache's; does not apply where all of Apache is one account's: U8 judges that",
    remedy="Give the pool an account and a group of its own, and take Apache's group off it.",
    variable="wsgi_apps[].account",
    attack="Every pool's socket, and every file kept for Apache, is open to this application.",
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
    _USERS,
    looks_at="the account and the group of each pool's processes",
    decides="fails for nobody, nogroup, daemon, bin, www, http, and the number 65534",
    remedy="Give the pool an account of its own.",
    variable="wsgi_apps[].account",
    attack="Any other service that runs as nobody stops the application and reads its files.",
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
    _USERS,
    looks_at="user and group ids of the processes of pools that serve different scripts",
    decides="fails where two of these pools have the same user id or group id; pools of one script may share",
    remedy="Give each application an account and a group of its own.",
    variable="wsgi_apps[].account",
    attack="One application stops the other's processes and reads its files.",
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


@GROUP.add(
    "I1",
    "Every application has a pool of its own",
    "high",
    _ISOLATION,
    confidence="medium",
    looks_at="the scripts that each pool serves",
    decides="fails for a pool that serves several scripts of different directories",
    remedy="Declare a WSGIDaemonProcess for each application.",
    variable="wsgi_apps",
    attack="One application reads the other's memory, secrets and requests.",
)
def pool_per_component(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        places = facts.served_by(pool.name)
        # Several entry files of one directory are one application's.
        directories = {facts.real(place.path).rpartition("/")[0] for place in places}
        if places:
            observed = f"serves {', '.join(sorted({place.path for place in places}))}"
            seen = Evidence("config", pool.directive.source, observed, "one application")
            yield verdict(len(directories) == 1, "pool", pool.name, seen)


@GROUP.add(
    "I2",
    "No request chooses its pool",
    "high",
    _ISOLATION,
    looks_at="the process group of every URL that mod_wsgi serves",
    decides="fails where it is expanded from %{ENV:...}, %{HOST}, %{SERVER} or %{RESOURCE}",
    remedy="Write the name of the pool in WSGIProcessGroup.",
    variable="wsgi_apps",
    attack="A header, or SetEnv in a .htaccess file, sends a request to another application's account.",
)
def routing_explicit(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group
        if group.value != EMBEDDED:
            seen = _setting(place, group, "WSGIProcessGroup", "a name")
            yield verdict("%{" not in group.value, "virtual_host", place.name, seen)


@GROUP.add(
    "I3",
    "Every application runs in its pool's main interpreter",
    "low",
    _ISOLATION,
    looks_at="the application group of every URL that a pool serves",
    decides="fails unless it is %{GLOBAL}",
    remedy="Set WSGIApplicationGroup %{GLOBAL}.",
    by_hand=("WSGIApplicationGroup %{GLOBAL}",),
    attack="Extensions in C share state between sub-interpreters, or lock up.",
)
def global_application_group(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        if place.process_group.value != EMBEDDED:
            seen = _setting(place, place.application_group, "WSGIApplicationGroup", "%{GLOBAL}")
            yield verdict(place.application_group.value == GLOBAL, "virtual_host", place.name, seen)


@GROUP.add(
    "I4",
    "Every URL can reach its own pool only",
    "high",
    _ISOLATION,
    looks_at="WSGIRestrictProcess of every URL that a pool serves; an inner section's replaces the outer one's",
    decides="fails unless it names this pool and no other",
    remedy="Set WSGIRestrictProcess to the pool's name where WSGIProcessGroup is set.",
    variable="wsgi_apps",
    by_hand=("WSGIRestrictProcess shop",),
    attack="A mistyped or foreign WSGIProcessGroup runs the request as another application's account.",
)
def restrict_process(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group.value
        setting = place.setting("wsgirestrictprocess")
        seen = _setting(place, setting, "WSGIRestrictProcess", group or "a pool")
        good = place.restriction is not None and set(place.restriction) == {group} - {EMBEDDED}
        yield verdict(good, "virtual_host", place.name, seen)


@GROUP.add(
    "I5",
    "No two applications share a virtual environment",
    "medium",
    _ISOLATION,
    looks_at="where python-home= of pools that serve different scripts leads",
    decides="fails where two of these lead to the same directory; pools of one script may share",
    remedy="Make a virtual environment for each application.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv /var/lib/shop-app/venv",),
    attack="Who can change one application's packages changes the other's.",
)
def venv_distinct(facts: Facts) -> Iterable[Result]:
    rows = [
        (pool, facts.real(pool.options["python-home"]), applications(facts, pool.name))
        for pool in facts.pools
        if "python-home" in pool.options
    ]
    for pool, home, scripts in rows:
        alike = [
            other.name for other, theirs, ran in rows if other is not pool and home == theirs and not scripts & ran
        ]
        observed = f"{home}{', as ' + ', '.join(alike) if alike else ''}"
        seen = pool_option(pool, "python-home", "a directory of its own")
        leads = Evidence("stat", pool.options["python-home"], observed, "a directory of its own")
        yield verdict(not alike, "pool", pool.name, seen, leads)


@GROUP.add(
    "I6",
    "Every pool has a virtual environment",
    "medium",
    _ISOLATION,
    looks_at="python-home= of each WSGIDaemonProcess, and pyvenv.cfg in it; WSGIPythonHome of mod_wsgi-express",
    decides="fails without one, or where it is no virtual environment",
    remedy="Make a virtual environment for the application and name it with python-home=.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv /var/lib/shop-app/venv",),
    attack="An update of the system's packages, or another application's, changes this one's code.",
)
def venv_set(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        home = pool.options.get("python-home", "")
        seen = [pool_option(pool, "python-home", "a virtual environment of this application")]
        line = facts.last("wsgipythonhome") if facts.instance.express and not home else None
        if line is not None:
            # It serves this one application.
            home = (line.words or [""])[0]
            seen = [config(line, "a virtual environment of this application")]
        good = bool(home)
        if home:
            good = bool(facts.paths.get(home, {}).get("environment"))
            seen.append(Evidence("stat", f"{home}/pyvenv.cfg", "there" if good else "not there", "there"))
        yield verdict(good, "pool", pool.name, *seen)


@GROUP.add(
    "I6b",
    "Every virtual environment is of mod_wsgi's Python",
    "medium",
    _ISOLATION,
    looks_at="the version in pyvenv.cfg of each python-home=, and the Python that mod_wsgi was built for",
    decides="fails where they differ in major or minor version; unknown where one of them does not tell",
    remedy="Make the virtual environment anew, with the Python that mod_wsgi was built for.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv --upgrade /var/lib/shop-app/venv",),
    attack="None of its packages is found, and the system's, which nobody chose, are imported in their place.",
)
def venv_fits(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        home = pool.options.get("python-home", "")
        row = facts.paths.get(home, {})
        if not row.get("environment"):
            continue
        made, wanted = row.get("python", ""), facts.instance.python
        seen = Evidence(
            "stat", f"{home}/pyvenv.cfg", f"Python {made or 'of no known version'}", f"Python {wanted or 'of mod_wsgi'}"
        )
        if made and wanted:
            yield verdict(made == wanted, "pool", pool.name, seen)
        else:
            yield Result("unknown", "pool", pool.name, (seen,))


@GROUP.add(
    "N1",
    "Every pool has a name of its own in ps",
    "low",
    _PS,
    looks_at="display-name= of each WSGIDaemonProcess, and the names that its processes show",
    decides="fails without display-name=, or where two pools show the same name: it is cut to the length of "
    "Apache's path",
    remedy="Set display-name=%{GROUP}, and names that differ in their first eight characters.",
    variable="wsgi_apps[].name",
    attack="Whoever stops a runaway process takes another application's for it.",
)
def display_name(facts: Facts) -> Iterable[Result]:
    titles = {pool: {one["title"] for one in processes} for pool, processes in facts.live.items()}
    for pool in facts.pools:
        seen = [pool_option(pool, "display-name", "display-name=%{GROUP}")]
        if "display-name" not in pool.options:
            yield verdict(False, "pool", pool.name, *seen)
            continue
        mine = titles.get(pool.name)
        if not mine:
            yield missing_process(pool)
            continue
        alike = [other for other, theirs in titles.items() if other != pool.name and mine & theirs]
        same = f", as {', '.join(sorted(alike))}" if alike else ""
        seen.append(Evidence("proc", "ps", f"{', '.join(sorted(mine))}{same}", "a name of its own"))
        yield verdict(not alike, "pool", pool.name, *seen)


def _seconds(pool: Pool, option: str, default: int) -> int:
    value = pool.options.get(option, "")
    return int(value) if value.isdigit() else default


@GROUP.add(
    "N2",
    "A restarted process may finish its requests, and not for ever",
    "medium",
    _RESTART,
    looks_at="graceful-timeout= and eviction-timeout= of each WSGIDaemonProcess; 15 seconds where unset",
    decides="fails where both are 0",
    remedy="Leave graceful-timeout= out, or set it to more than 0.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("graceful-timeout=15",),
    attack="A request that never ends keeps an old process, and old code, running.",
)
def graceful_timeout(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        good = bool(_seconds(pool, "graceful-timeout", 15) or _seconds(pool, "eviction-timeout", 0))
        yield verdict(good, "pool", pool.name, pool_option(pool, "graceful-timeout", "more than 0, or unset"))


@GROUP.add(
    "N3",
    "A changed entry file restarts nothing that its author should not",
    "low",
    _RESTART,
    looks_at="WSGIScriptReloading of every URL of a pool, what lies beside the script, and who can write both",
    decides="fails where it is On, its default, and code lies beside the script or the pool's account can write there",
    remedy="Set WSGIScriptReloading Off, or keep the script alone in a directory of root's.",
    variable="wsgi_apps",
    by_hand=("WSGIScriptReloading Off",),
    attack="The application touches its own script again and again: every process restarts without end.",
)
def script_reloading(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group.value
        if facts.pool(group) is None:
            continue
        reloads = place.on("wsgiscriptreloading", default=True)
        seen = _setting(place, place.setting("wsgiscriptreloading"), "WSGIScriptReloading", "Off, or a script apart")
        access = facts.access.get(group)
        if not reloads:
            yield verdict(True, "virtual_host", place.name, seen)
        elif access is None:
            yield Result("unknown", "virtual_host", place.name, (seen,))
        else:
            real = facts.real(place.path)
            near = {real, real.rpartition("/")[0] or "/"}
            theirs = [row["path"] for row in [*access.writable, *access.owned] if row["path"] in near]
            beside = facts.paths.get(place.path, {}).get("neighbours", [])
            found = ", ".join(sorted({*theirs, *beside})) or "nothing"
            seen_files = Evidence("stat", place.path, f"beside it, or its account's: {found}", "nothing")
            yield verdict(not theirs and not beside, "virtual_host", place.name, seen, seen_files)


_RECYCLING = ("maximum-requests", "restart-interval", "inactivity-timeout", "cpu-time-limit")


@GROUP.add(
    "L1",
    "Processes are replaced now and then",
    "info",
    "maximum-requests recycles the daemon",
    looks_at="maximum-requests=, restart-interval=, inactivity-timeout= and cpu-time-limit= of each WSGIDaemonProcess",
    decides="fails where none of them is more than 0; info, since only an application that leaks needs it",
    remedy="Set restart-interval=86400, or maximum-requests= where memory grows.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("restart-interval=86400",),
    attack="A leak grows until the host has no memory left.",
)
def recycling(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        used = [name for name in _RECYCLING if _seconds(pool, name, 0) > 0]
        expected = f"one of {', '.join(_RECYCLING)}"
        yield verdict(bool(used), "pool", pool.name, pool_option(pool, (used or _RECYCLING)[0], expected))


@GROUP.add(
    "L2",
    "A request that hangs ends",
    "medium",
    _LIMITS,
    looks_at="request-timeout= and deadlock-timeout= of each WSGIDaemonProcess",
    decides="fails where request-timeout= is 0, its default, or deadlock-timeout=0 switches it off",
    remedy="Set request-timeout=60, and leave deadlock-timeout= alone.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("request-timeout=60",),
    attack="As many slow requests as the pool has threads stop the application.",
)
def request_timeout(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        watched = _seconds(pool, "deadlock-timeout", 300) > 0
        seen = [pool_option(pool, "request-timeout", "more than 0")]
        if not watched:
            seen.append(pool_option(pool, "deadlock-timeout", "more than 0: without it nobody looks"))
        yield verdict(watched and _seconds(pool, "request-timeout", 0) > 0, "pool", pool.name, *seen)


_UNITS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "month": 2629800,
    "y": 31557600,
}


def span(text: str) -> float | None:
    """Return the seconds of a time as systemctl shows it, such as 1min 30s; None for no limit and what is none."""
    parts = [re.fullmatch(r"([0-9.]+)([a-z]+)", word) for word in text.split()]
    if not parts or not all(parts):
        return None
    try:
        return sum(float(part.group(1)) * _UNITS[part.group(2)] for part in parts if part)
    except (KeyError, ValueError):
        return None


@GROUP.add(
    "L3",
    "A pool ends in time",
    "low",
    _LIMITS,
    looks_at="shutdown-timeout=, graceful-timeout= and eviction-timeout= of each WSGIDaemonProcess, and TimeoutStopSec "
    "of Apache's unit",
    decides="fails for more than 30 seconds of the first, or more than 60 of one of the others, and where the time for "
    "a restart and the first together are not less than TimeoutStopSec, as far as systemd runs Apache",
    remedy="Set shutdown-timeout= to at most 30, graceful-timeout= and eviction-timeout= to at most 60.",
    variable="wsgi_apps[].daemon_process",
    attack="Old code serves on long after it was replaced.",
)
def stop_timeouts(facts: Facts) -> Iterable[Result]:
    bounds = (("shutdown-timeout", 5, 30), ("graceful-timeout", 15, 60), ("eviction-timeout", 0, 60))
    for pool in facts.pools:
        over = [
            pool_option(pool, name, f"at most {most}")
            for name, unset, most in bounds
            if _seconds(pool, name, unset) > most
        ]
        waits = _seconds(pool, "eviction-timeout", 0) or _seconds(pool, "graceful-timeout", 15)
        together = waits + _seconds(pool, "shutdown-timeout", 5)
        limit = span(facts.host.unit.get("TimeoutStopUSec", ""))
        if limit is not None and together >= limit:
            told = f"{pool.name} may take {together} s, TimeoutStopSec is {limit:g} s"
            over.append(Evidence("cmd", f"systemctl show {facts.host.unit.get('name', '')}", told, "less"))
        seen = over or [pool_option(pool, "shutdown-timeout", "at most 30")]
        yield verdict(not over, "pool", pool.name, *seen)


@GROUP.add(
    "L3b",
    "A request does not wait for ever",
    "info",
    _LIMITS,
    looks_at="queue-timeout=, connect-timeout= and listen-backlog= of each WSGIDaemonProcess",
    decides="fails where queue-timeout= is 0, its default, connect-timeout= is 0, or listen-backlog= is below 10",
    remedy="Set queue-timeout=45, and leave the others alone.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("queue-timeout=45",),
    attack="Visitors pile up in front of a pool that is busy, and take Apache's own threads from every other site.",
)
def waiting(facts: Facts) -> Iterable[Result]:
    bounds = (("queue-timeout", 0, 1), ("connect-timeout", 15, 1), ("listen-backlog", 100, 10))
    for pool in facts.pools:
        low = [
            pool_option(pool, name, f"at least {least}")
            for name, unset, least in bounds
            if _seconds(pool, name, unset) < least
        ]
        yield verdict(not low, "pool", pool.name, *(low or [pool_option(pool, "queue-timeout", "at least 1")]))
