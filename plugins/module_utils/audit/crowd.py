# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many threads an Apache has, and how many connections its configuration lets one address hold."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .config import Directive, VirtualHost
from .facts import Facts

# What an MPM with threads takes where nothing is set: MaxRequestWorkers does not follow the other two.
_WORKERS, _SERVERS, _PER_CHILD, _PER_CHILD_MOST = 400, 16, 25, 64
_PROCESSES = 256
# Each of these gives a virtual host counters of its own.
_COUNTERS = ("qs_srvmaxconnperip", "qs_srvmaxconn", "qs_srvmaxconnclose")


def public_ports(facts: Facts) -> dict[int, set[int]]:
    """Return by port, of those that others than this host reach, the IP versions that Apache takes there."""
    found: dict[int, set[int]] = {}
    for address, port in _listened(facts):
        try:
            one = ipaddress.ip_address(address)
        except ValueError:
            found.setdefault(port, set()).update((4, 6))
            continue
        if not one.is_loopback:
            # The unspecified address of IPv6 takes IPv4 as well.
            versions = (4, 6) if one.version == 6 and one.is_unspecified else (one.version,)
            found.setdefault(port, set()).update(versions)
    return found


def _listened(facts: Facts) -> Iterator[tuple[str, int]]:
    if facts.listeners:
        yield from ((str(row["address"]), int(row["port"])) for row in facts.listeners)
        return
    # Apache does not run, or its sockets are out of sight.
    for line in facts.tree.directives:
        if line.name == "listen" and line.words:
            address, _colon, port = line.words[0].rpartition(":")
            if port.isdigit():
                yield address.strip("[]") or "::", int(port)


def threads(facts: Facts) -> tuple[int | None, str, str]:
    """Return how many requests Apache serves at once, None for an unknown MPM; where that is said, and how."""
    mpm = facts.instance.mpm
    line = _last(facts, "maxrequestworkers", "maxclients")
    source = line.source if line else ""
    set_to = _number(line)
    if mpm == "prefork":
        limit = _number(facts.last("serverlimit")) or _PROCESSES
        found, told = min(set_to or _PROCESSES, limit), f"ServerLimit {limit}"
    elif mpm in ("event", "worker"):
        most = _number(facts.last("threadlimit")) or _PER_CHILD_MOST
        each = min(_number(facts.last("threadsperchild")) or _PER_CHILD, most)
        servers = _number(facts.last("serverlimit")) or _SERVERS
        found = min(max(set_to or _WORKERS, each) // each, servers) * each
        told = f"at most {servers} processes with {each} threads each"
    else:
        return None, source, f"the threads of the MPM '{mpm}' are not known"
    wanted = line.shown if line else "MaxRequestWorkers is not set"
    shown = f"{found} threads of the MPM {mpm}: {wanted}"
    return found, source, shown if set_to == found else f"{shown}, {told}"


def _last(facts: Facts, *names: str) -> Directive | None:
    return next((line for line in reversed(facts.tree.directives) if line.name in names), None)


def _number(line: Directive | None) -> int:
    found = re.match(r"[0-9]+", line.words[0]) if line and line.words else None
    return int(found.group()) if found else 0


def held(facts: Facts, ports: set[int]) -> tuple[int | None, str, str]:
    """Return how many connections mod_qos lets one address hold, where that is said, and how; None for no bound."""
    if "qos" not in facts.instance.modules:
        return None, "", "mod_qos is not loaded"
    log_only = facts.last("qs_logonly")
    if log_only is not None and log_only.text.lower() == "on":
        return None, log_only.source, log_only.shown
    total, lines = 0, []
    for host in _counting(facts, ports):
        line = facts.last("qs_srvmaxconnperip", host)
        if line is None:
            return None, "", f"QS_SrvMaxConnPerIP is not set for {host.name if host else 'the server'}"
        # The second number: how many connections there are before the first one is asked for.
        total += max(int(word) for word in [*line.words, "0"] if word.isdigit())
        lines.append(line)
    shown = ", ".join(dict.fromkeys(line.shown for line in lines))
    return total, lines[0].source if lines else "", shown + (f", counted {len(lines)} times" if lines[1:] else "")


def _counting(facts: Facts, ports: set[int]) -> list[VirtualHost | None]:
    """Return the servers that count the connections to these ports, None for the main one.

    It is the first virtual host of an address; all that have no such line of their own share the server's counters.
    """
    first: dict[str, VirtualHost] = {}
    for host in facts.tree.hosts:
        for address in host.addresses:
            first.setdefault(address, host)
    found: dict[int, VirtualHost | None] = {}
    served: set[str] = set()
    for address, host in first.items():
        port = address.rpartition(":")[2]
        served.add(port)
        if port in ("*", *map(str, ports)):
            own = any(line.name in _COUNTERS for line in host.directives)
            found[id(host) if own else 0] = host if own else None
    if not found or ("*" not in served and {str(port) for port in ports} - served):
        found[0] = None
    return list(found.values())
