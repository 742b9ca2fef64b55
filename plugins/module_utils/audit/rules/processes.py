# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of a pool's processes: their names, restarts and timeouts (N, L1 to L3)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .. import page
from ..config import Pool
from ..facts import Facts
from ..rule import Evidence, Group, Result, gap, merged_setting, missing_process, pool_option, verdict

GROUP = Group()


@GROUP.add(
    "N1",
    "Every pool has a name of its own in ps",
    "low",
    page.PS,
    looks_at="display-name= of each WSGIDaemonProcess, and the names that its processes show",
    decides="fails without display-name=, or if two pools show the same name, which is cut to the length of Apache's "
    "path",
    remedy="Set display-name=%{GROUP}, and use names that differ in their first eight characters.",
    variable="wsgi_apps[].name",
    attack="An administrator who wants to stop a runaway process stops another application's process.",
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
    "A restarted process can finish its requests, but has a time limit",
    "medium",
    page.RESTART,
    looks_at="graceful-timeout= and eviction-timeout= of each WSGIDaemonProcess; 15 seconds where unset",
    decides="fails if both are 0",
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
    page.RESTART,
    looks_at="WSGIScriptReloading of every URL of a pool, the files beside the script, and who can write to both",
    decides="fails if it is On, which is the default, and code lies beside the script or the pool's account can "
    "write there",
    remedy="Set WSGIScriptReloading Off, or keep the script alone in a directory that root owns.",
    variable="wsgi_apps",
    by_hand=("WSGIScriptReloading Off",),
    attack="The application touches its own script again and again, so that every process restarts without end.",
)
def script_reloading(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group.value
        if facts.pool(group) is None:
            continue
        reloads = place.on("wsgiscriptreloading", default=True)
        seen = merged_setting(
            place, place.setting("wsgiscriptreloading"), "WSGIScriptReloading", "Off, or a script apart"
        )
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
    decides="fails if none of them is more than 0; only info, because only an application that leaks memory needs it",
    remedy="Set restart-interval=86400, or maximum-requests= if memory grows.",
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
    "A request that hangs is ended",
    "medium",
    page.LIMITS,
    looks_at="request-timeout= and deadlock-timeout= of each WSGIDaemonProcess",
    decides="fails if request-timeout= is 0, which is the default, or if deadlock-timeout=0 switches it off",
    remedy="Set request-timeout=60, and leave deadlock-timeout= alone.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("request-timeout=60",),
    attack="A few slow requests, as many as the pool has threads, block the application.",
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
    "A pool stops in time",
    "low",
    page.LIMITS,
    looks_at="shutdown-timeout=, graceful-timeout= and eviction-timeout= of each WSGIDaemonProcess, and TimeoutStopSec "
    "of Apache's unit",
    decides="fails if the first is more than 30 seconds or one of the others more than 60. If systemd runs Apache, "
    "also fails if the time for a restart plus the first is not less than TimeoutStopSec",
    remedy="Set shutdown-timeout= to at most 30, graceful-timeout= and eviction-timeout= to at most 60.",
    variable="wsgi_apps[].daemon_process",
    attack="Old code keeps serving long after it was replaced.",
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
    "No request waits forever",
    "info",
    page.LIMITS,
    looks_at="queue-timeout=, connect-timeout= and listen-backlog= of each WSGIDaemonProcess",
    decides="fails if queue-timeout= is 0, which is the default, if connect-timeout= is 0, or if listen-backlog= is "
    "below 10",
    remedy="Set queue-timeout=45, and leave the others alone.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("queue-timeout=45",),
    attack="Visitors queue for a busy pool and use up Apache's own threads, which every other site needs.",
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


@GROUP.add(
    "N1b",
    "Nothing looks for daemons by their command lines",
    "info",
    page.RESTART,
    confidence="medium",
    looks_at="the first thousand files of cron, logrotate and units in /etc/systemd",
    decides="fails for each file that calls pkill or killall with -f and wsgi",
    remedy="Send the signal to the processes that hold the pool's socket, as the module wsgi_pool does.",
    variable="wsgi_pool",
    by_hand=("ss -lxp",),
    attack="The command ends processes that only have the word in their arguments, and misses a pool whose name ps "
    "cuts.",
)
def no_pkill(facts: Facts) -> Iterable[Result]:
    if not facts.pools:
        return
    if "jobs" in facts.host.unknown:
        yield gap("server", facts.instance.config_file, "stat", "/etc/cron.d", facts.host.unknown["jobs"])
        return
    for path in facts.host.jobs:
        yield verdict(False, "file", path, Evidence("stat", path, "pkill -f with wsgi", "no such line"))
    if not facts.host.jobs:
        seen = Evidence("stat", "/etc/cron.d", "no such line", "no such line")
        yield verdict(True, "server", facts.instance.config_file, seen)
