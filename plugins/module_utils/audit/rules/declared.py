# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what runs is what the configuration declares, which the other rules judge (AUDIT)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..config import Pool, without_secrets
from ..facts import NO_DUMP, Facts
from ..rule import Evidence, Group, Result, gap, verdict, worst

GROUP = Group()


@GROUP.add(
    "AUDIT-CONFIG",
    "Apache accepts the configuration on disk",
    "medium",
    "",
    looks_at="Apache's check of its configuration, with the arguments and the environment that it was started with",
    decides="fails if Apache refuses it; unknown if it cannot show it",
    remedy="Fix the line that Apache names.",
    by_hand=("apache2ctl configtest",),
    attack="The next restart, for example after an update, takes all sites of the host down.",
    needs_configuration=False,
)
def configuration_valid(facts: Facts) -> Iterable[Result]:
    instance = facts.instance
    name, source = instance.config_file, f"{instance.binary} -t"
    complaint = without_secrets(instance.error.strip().splitlines()[-1]) if instance.error.strip() else ""
    if instance.error == NO_DUMP:
        yield gap("server", name, "cmd", source, complaint)
    else:
        yield verdict(not complaint, "server", name, Evidence("cmd", source, complaint or "Syntax OK", "Syntax OK"))


@GROUP.add(
    "AUDIT-POOL-DOWN",
    "Every declared pool runs",
    "medium",
    "",
    looks_at="the socket that each of Apache's processes listens on, and the declared pools",
    decides="fails for a pool without a process while Apache runs; unknown if a container hides which sockets the "
    "processes hold",
    remedy="Look into the error log. If the configuration is newer than Apache's processes, reload Apache.",
    by_hand=("systemctl reload apache2",),
    attack="The application does not answer, and the other rules know less about this pool.",
)
def pool_runs(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None:
        return
    hidden = any(row["hidden"] and row["own"] and not row["pool"] for row in facts.host.children)
    for pool in facts.pools:
        found = facts.live.get(pool.name, [])
        if not found and (hidden or "children" in facts.host.unknown):
            reason = facts.host.unknown.get("children", "this container hides what Apache's processes hold")
            yield gap("pool", pool.name, "proc", "/proc/PID/fd", reason)
        else:
            observed = f"{pool.name}: a process" if found else f"{pool.name}: no process listens on its socket"
            yield verdict(bool(found), "pool", pool.name, Evidence("proc", "/proc/PID/fd", observed, "a process"))


@GROUP.add(
    "AUDIT-DRIFT",
    "The running configuration is the one on disk",
    "medium",
    "",
    looks_at="the times of all files of the configuration, and when Apache read them: pools' sockets are made anew "
    "then, without pools it is the start of Apache's processes; the account, umask and directory of each pool's "
    "processes; pools that run and are not declared",
    decides="fails for a file that is newer, for another user or group id than declared, and for a pool that is not "
    "declared; info where only umask or directory differ, which an application may change itself; unknown where the "
    "start of processes does not tell",
    remedy="Reload Apache, or undo the change.",
    by_hand=("systemctl reload apache2",),
    attack="You judge and secure the host by a configuration that is not running.",
)
def drift(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None:
        return
    name, host = facts.instance.config_file, facts.host
    reason = host.unknown.get("loaded") or host.unknown.get("changed")
    newer = sorted(path for path, time in host.changed.items() if host.loaded and time > host.loaded[1])
    if reason:
        yield gap("server", name, "proc", "/proc", reason)
    elif host.changed and not newer:
        told = "Apache may have been reloaded after the last change, or only have replaced processes"
        yield gap("server", name, "stat", min(host.changed), told)
    else:
        seen = [Evidence("stat", path, "newer than what Apache runs", "older") for path in newer]
        good = Evidence("stat", name, "nothing is newer than what Apache runs", "nothing")
        yield verdict(not newer, "server", name, *(seen or [good]))
    for pool in facts.pools:
        if facts.live.get(pool.name):
            found = [one for process in facts.live[pool.name] for one in _differences(facts, pool, process)]
            evidence = list(dict.fromkeys(seen for _level, seen in found))
            good = Evidence("proc", "/proc", f"{pool.name} runs as it is declared", "as declared")
            yield verdict(
                not found, "pool", pool.name, *(evidence or [good]), severity=worst(level for level, _seen in found)
            )
    for label in sorted(set(facts.live) - {pool.name for pool in facts.pools}):
        seen_pool = Evidence("proc", "/proc", f"{label or 'a pool without a name'} runs", "a declared pool")
        yield verdict(False, "pool", label or "(unnamed)", seen_pool)


def _differences(facts: Facts, pool: Pool, process: dict[str, Any]) -> Iterable[tuple[str, Evidence]]:
    for option, known, key in (("user", facts.users, "uid"), ("group", facts.groups, "gid")):
        declared = pool.options.get(option)
        if declared is not None and known.get(declared) != process[key]:
            wanted = f"{option}={declared}, which is {known.get(declared)}"
            yield "medium", Evidence("proc", "/proc/PID/status", f"{pool.name}: {key} {process[key]}", wanted)
    umask = pool.options.get("umask", "")
    if re.fullmatch("[0-7]+", umask) and process["umask"] and int(umask, 8) & 0o777 != int(process["umask"], 8):
        yield "info", Evidence("proc", "/proc/PID/status", f"{pool.name}: umask {process['umask']}", f"umask={umask}")
    home = pool.options.get("home", "")
    elsewhere = (process["cwd"] or home).rstrip("/") not in (facts.real(home), home.rstrip("/"))
    if home.startswith("/") and elsewhere and "chroot" not in pool.options:
        yield "info", Evidence("proc", "/proc/PID/cwd", f"{pool.name}: in {process['cwd']}", f"home={home}")
