# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of the host around the pools; nothing is changed.

What cannot be read leaves its field empty, and the reason in HostFacts.unknown.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ...host.command import Run
from ...host.errors import PalisadeError
from ..crowd import public_ports
from ..facts import Facts, HostFacts, code_paths
from .accounts import pool_accounts
from .beside import beside, jobs, text_files
from .filters import connection_bounds
from .packages import packages_of_apache
from .proc import process_table, read_text
from .processes import changed, children, dumpable, foreign, loaded, parent_facts, reach, stale, twins
from .tree import way_to
from .unit import bounds, unit_settings

_PKILL = re.compile(r"\b(?:pkill|killall)\b[^;&|\n]*(?:-\w*f|--full)\b[^;&|\n]*wsgi")
_JOBS = (
    "/etc/crontab",
    "/etc/cron.*/*",
    "/var/spool/cron/*",
    "/var/spool/cron/*/*",
    "/etc/logrotate.d/*",
    "/etc/systemd/system/*.service",
    "/etc/systemd/system/*.d/*.conf",
)
# What keeps one account from using what another one does in a directory for everybody.
SYSCTLS = ("fs/protected_symlinks", "fs/protected_hardlinks", "fs/protected_regular", "fs/protected_fifos")


def host_facts(facts: Facts, run: Run) -> HostFacts:
    """Return what the host shows of the accounts and processes around these pools."""
    host = HostFacts()

    def part(name: str, read: Callable[[], Any]) -> None:
        try:
            setattr(host, name, read())
        except (OSError, PalisadeError, ValueError, LookupError) as error:
            host.unknown[name] = str(error) or type(error).__name__

    parent = facts.instance.pid
    table = process_table()
    part("accounts", lambda: pool_accounts(facts, table, host))
    part("owners", lambda: {pool.name: _owners(code_paths(facts, pool)) for pool in facts.pools})
    part("scripts", lambda: _scripts(facts))
    part("beside", lambda: beside({pool.name: code_paths(facts, pool) for pool in facts.pools}, jobs()))
    part("jobs", pkill_jobs)
    part("telemetry", lambda: _telemetry(facts))
    part("packages", lambda: packages_of_apache(facts, run))
    part("sysctls", lambda: {name: _sysctl(name) for name in SYSCTLS})
    part("filters", lambda: connection_bounds(public_ports(facts), run))
    part("ipv6", lambda: has_ipv6(read_text("/proc/net/if_inet6")))
    if parent is None:
        return host
    part("parent", lambda: parent_facts(parent))
    part("children", lambda: children(facts, table))
    part("twins", lambda: twins(parent, facts.instance.binary, table))
    part("foreign", lambda: foreign(facts, table))
    part("loaded", lambda: loaded(parent, [row["pid"] for row in host.children if row["own"]]))
    part("changed", lambda: changed(facts.instance.files, host.loaded[0]))
    part("bounds", lambda: {name: bounds(rows[0]["pid"]) for name, rows in facts.live.items() if rows})
    part("stale", lambda: {name: stale(rows) for name, rows in facts.live.items()})
    part("dumpable", lambda: {name: dumpable(rows) for name, rows in facts.live.items()})
    part("reach", lambda: reach(facts))
    part("unit", lambda: unit_settings(host.parent["unit"], run))
    return host


def _owners(paths: Mapping[str, str]) -> list[int]:
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found.add(os.stat(path).st_uid)
    return sorted(found)


def _scripts(facts: Facts) -> dict[str, bool]:
    """Return, by target of a ScriptAlias, whether there is something to run."""
    found = {}
    for line, _around, _host in facts.tree.every("scriptalias", "scriptaliasmatch"):
        target = line.words[-1] if line.words else ""
        # Of a pattern the part that is the same for all.
        directory = target.partition("$")[0]
        try:
            found[target] = bool(os.listdir(directory)) if os.path.isdir(directory) else os.path.exists(directory)
        except OSError:
            found[target] = True
    return found


def _telemetry(facts: Facts) -> dict[str, list[str]]:
    """Return, by socket of WSGITelemetryService, which paths to it everybody may write."""
    found = {}
    for line, _around, _host in facts.tree.every("wsgitelemetryservice"):
        path = (line.words or [""])[0].partition("unix:")[2]
        if path.startswith("/"):
            found[path] = [one for one in (*way_to(path), path) if _for_everybody(one)]
    return found


def _for_everybody(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & stat.S_IWOTH)
    except OSError:
        return False


def pkill_jobs(patterns: Sequence[str] = _JOBS) -> list[str]:
    """Return the files of cron, logrotate and systemd that look for daemons by their command lines."""
    found = [
        path
        for path, text in text_files(patterns)
        if any(_PKILL.search(line) for line in text.splitlines() if not line.lstrip().startswith("#"))
    ]
    return list(dict.fromkeys(found))


def _sysctl(name: str) -> str:
    try:
        return read_text(f"/proc/sys/{name}", 64).strip()
    except FileNotFoundError:
        return ""


def has_ipv6(addresses: str) -> bool:
    """Tell whether /proc/net/if_inet6 has an address beyond loopback and the link."""
    return any(line.split()[3] == "00" for line in addresses.splitlines())
