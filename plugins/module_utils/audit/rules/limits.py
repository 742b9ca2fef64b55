# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits of requests, connections, memory and processes (L4 to L10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import page
from ..config import Directive, VirtualHost
from ..crowd import held, public_ports, threads
from ..facts import Facts
from ..merge import entry_hosts, read_timeouts, serving_hosts
from ..rule import (
    Evidence,
    Group,
    Result,
    answers,
    config,
    gap,
    http,
    leading_number,
    missing_process,
    pool_option,
    undecided,
    verdict,
    version_of,
    web_hosts,
)

GROUP = Group()
_LEAST_MEMORY = 32 << 20
_UNLIMITED = ("unlimited", "max", "")


@GROUP.add(
    "L8",
    "A pool's memory and number of processes are limited",
    "info",
    page.LIMITS,
    looks_at="memory-limit= and virtual-memory-limit= of each WSGIDaemonProcess, the limits of its processes, and "
    "memory.max and pids.max of their cgroups",
    decides="fails if nothing limits the memory or the number of processes; only info, because the right limit "
    "depends on the application. Low for a limit of less than 32 MiB, such as memory-limit=512M, which means "
    "512 bytes",
    remedy="Set MemoryMax= and TasksMax= for Apache's unit, or memory-limit= in bytes.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("memory-limit=536870912", "systemctl set-property apache2 MemoryMax=2G"),
    attack="One request that needs much memory makes the kernel kill other services.",
)
def bounded(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        processes, bounds = facts.live.get(pool.name, []), facts.host.bounds.get(pool.name)
        small = [
            pool_option(pool, name, "bytes, at least 33554432")
            for name in ("memory-limit", "virtual-memory-limit")
            if 0 < leading_number(pool.options.get(name, "")) < _LEAST_MEMORY
        ]
        if small:
            yield verdict(False, "pool", pool.name, *small, severity="low")
        elif not processes:
            yield missing_process(pool)
        elif bounds is None:
            reason = facts.host.unknown.get("bounds", "its processes ended")
            yield gap("pool", pool.name, "proc", f"/proc/{processes[0]['pid']}/limits", reason)
        else:
            memory = [key for key in ("address space", "data", "memory.max") if bounds.get(key, "") not in _UNLIMITED]
            tasks = bounds.get("pids.max", "") not in _UNLIMITED
            shown = f"memory: {', '.join(memory) or 'no limit'}; processes: {'pids.max' if tasks else 'no limit'}"
            seen = Evidence("proc", f"/proc/{processes[0]['pid']}/limits", shown, "a limit of both")
            line = pool_option(pool, "memory-limit", "a limit, or one of the unit")
            yield verdict(bool(memory) and tasks, "pool", pool.name, line, seen)


_TIMES = (("timeout", 60, 60), ("keepalivetimeout", 5, 15))


@GROUP.add(
    "L9",
    "Apache does not wait long for clients",
    "info",
    page.LIMITS,
    looks_at="Timeout and KeepAliveTimeout of the server and of each virtual host, and MaxRequestWorkers",
    decides="fails for a Timeout of more than 60 seconds or a KeepAliveTimeout of more than 15",
    remedy="Set Timeout 60 and KeepAliveTimeout 5.",
    by_hand=("Timeout 60", "KeepAliveTimeout 5"),
    attack="A few clients, fewer than the server has workers, keep it busy.",
    cis="9.1",
)
def waits(facts: Facts) -> Iterable[Result]:
    seen: list[Evidence] = []
    over: list[Evidence] = []
    for name, unset, most in _TIMES:
        # Of several the last one counts, and a virtual host's own before the server's.
        found = [facts.last(name, host) for host in (None, *facts.tree.hosts)]
        lines = [line for number, line in enumerate(found) if line is not None and line not in found[:number]]
        for line in lines:
            words = line.words
            # Milliseconds are less than any bound.
            long = bool(words) and words[0].isdigit() and int(words[0]) > most
            (over if long else seen).append(config(line, f"at most {most}"))
        if not lines:
            shown = {"timeout": "Timeout", "keepalivetimeout": "KeepAliveTimeout"}[name]
            seen.append(Evidence("config", "", f"{shown} is not set, so {unset}", f"at most {most}"))
    workers = facts.last("maxrequestworkers") or facts.last("maxclients")
    told = config(workers, "", "MaxRequestWorkers is not set")
    yield verdict(not over, "server", facts.instance.config_file, *(over or seen), told)


# Of another module that may bound them in its own way.
_OTHER_BOUNDS = ("secconnreadstatelimit", "secconnwritestatelimit", "ipreadlimit", "iptotallimit", "maxconnperip")


@GROUP.add(
    "L10",
    "One address cannot hold all of Apache's threads",
    "medium",
    page.LIMITS,
    looks_at="MaxRequestWorkers as it is in effect, with the MPM's own numbers where nothing is set; "
    "QS_SrvMaxConnPerIP of mod_qos; rules of nftables and iptables that count the connections of an address (ct count, "
    "connlimit) on Apache's ports",
    decides="fails if one address can hold more than three quarters of the threads, or if nothing limits it. The "
    "second number of QS_SrvMaxConnPerIP counts too: one address can hold that many connections before the "
    "limit applies. Unknown if a rule of a packet filter, or a line of another module, may limit it but does "
    "not say so. Does not apply to an Apache that listens on loopback only",
    remedy="Load mod_qos, and limit the connections of each address. The role wsgi_server does this, with 20.",
    variable="wsgi_server_address_connections",
    by_hand=("a2enmod qos", "QS_SrvMaxConnPerIP 20"),
    attack="One laptop with a few hundred slow connections leaves no thread for anybody else, on any site.",
)
def crowd(facts: Facts) -> Iterable[Result]:
    ports, name = public_ports(facts), facts.instance.config_file
    if not ports:
        return
    count, source, told = threads(facts)
    seen = Evidence("config", source or name, told, "")
    if count is None:
        yield undecided("server", name, seen)
        return
    most = count * 3 // 4
    wanted = f"at most {most} connections of an address"
    here, source, told = held(facts, set(ports))
    by_apache = Evidence("config", source or name, told, wanted)
    if here is not None and here <= most:
        yield verdict(True, "server", name, seen, by_apache)
        return
    good, filters = _filtered(facts, ports, most)
    unsure = [row for row in facts.host.filters if row["most"] is None]
    shown = [Evidence("cmd", row["source"], row["rule"], wanted) for row in (filters if good else [*filters, *unsure])]
    others = [line for line, _around, _host in facts.tree.every(*_OTHER_BOUNDS)]
    reason = facts.host.unknown.get("filters")
    if good:
        yield verdict(True, "server", name, seen, *shown)
    elif unsure or others or reason:
        lines = [config(line, wanted) for line in others]
        failed = [Evidence("cmd", "nft list ruleset", reason, "to be read")] if reason else []
        yield undecided("server", name, seen, by_apache, *shown, *lines, *failed)
    else:
        yield verdict(False, "server", name, seen, by_apache, *shown)


def _filtered(facts: Facts, ports: dict[int, set[int]], most: int) -> tuple[bool, list[dict[str, Any]]]:
    """Tell whether rules of a packet filter bound what one address may hold of all ports, with those rules."""
    known = [row for row in facts.host.filters if row["most"] is not None]
    versions = (4, 6) if facts.host.ipv6 else (4,)
    good, used = True, []
    for version in versions:
        bounds: dict[int, int] = {}
        open_ports = [port for port, taken in ports.items() if version in taken]
        for port in open_ports:
            mine = [row for row in known if port in row["ports"] and version in row["families"]]
            if not mine:
                good = False
                continue
            least = min(mine, key=lambda row: int(row["most"]))
            # A rule counts the connections to all of its ports together.
            bounds[id(least)] = int(least["most"])
            used.append(least)
        good = good and sum(bounds.values()) <= most
    return good and bool(used), list({id(row): row for row in used}.values())


# Since then Apache takes no more than 1 GiB of itself.
_BODY_LIMIT_SINCE = (2, 4, 54)
_MEBIBYTE = 1 << 20


def _number(value: str) -> int | None:
    text = value.strip('"')
    return int(text) if text.isdigit() else None


@GROUP.add(
    "L4",
    "Request bodies have a limit",
    "medium",
    page.LIMITS,
    looks_at="LimitRequestBody of every URL that mod_wsgi serves; with active: full also Apache's answer to the "
    "announcement of a larger body",
    decides="fails if it is 0 or unset; low if Apache's own limit of 1 GiB applies, which exists since 2.4.54; also "
    "fails if a larger body is not refused",
    remedy="Set LimitRequestBody to what the application needs, such as 10485760.",
    variable="wsgi_apps[].limits.request_body",
    by_hand=("LimitRequestBody 10485760",),
    attack="A few clients fill the memory or the disk with request bodies that nobody reads.",
    cis="10.4",
)
def request_body(facts: Facts) -> Iterable[Result]:
    own = version_of(facts.instance.apache_version) >= _BODY_LIMIT_SINCE
    for place in facts.places:
        limit = place.setting("limitrequestbody")
        number = _number(limit.value)
        if number is not None:
            said = f"LimitRequestBody {number}"
        else:
            said = "no LimitRequestBody: " + ("Apache's own limit is 1 GiB" if own else "there is no limit")
        seen = [Evidence("config", limit.source or place.mapped.source, said, "more than 0")]
        rows = [row for row in answers(facts, "body", place.host) if row["path"] == place.url]
        taken = [row for row in rows if row["status"] != 413]
        seen += [http(row, f"status {row['status']}", "status 413") for row in (taken or rows)[:1]]
        severity = "low" if number is None and own and not taken else ""
        yield verdict(bool(number) and not taken, "virtual_host", place.name, *seen, severity=severity)


_LINE_LIMITS = {"LimitRequestFields": 100, "LimitRequestFieldSize": 8190, "LimitRequestLine": 8190}


@GROUP.add(
    "L5",
    "Request headers have a limit",
    "low",
    page.LIMITS,
    looks_at="LimitRequestFields, LimitRequestFieldSize and LimitRequestLine of each virtual host that serves an "
    "application and of the first one of its addresses, which counts before Apache has read the Host header; and the "
    "answer to a header of 9000 bytes",
    decides="fails if one is above Apache's default, or if the number of fields is 0, which means no limit",
    remedy="Leave them at Apache's defaults, or lower.",
    variable="wsgi_server_limit_request_fields",
    by_hand=tuple(f"{name} {most}" for name, most in _LINE_LIMITS.items()),
    attack="Requests with endless headers use up memory in every worker.",
    cis="10.1",
)
def request_headers(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        wrong: list[Directive] = []
        for one in entry_hosts(facts.tree, host):
            for name, most in _LINE_LIMITS.items():
                line = facts.last(name.lower(), one)
                number = _number(line.text) if line else most
                if line and (number is None or number > most or (number == 0 and name == "LimitRequestFields")):
                    wrong.append(line)
        seen = list(dict.fromkeys(config(line, "Apache's default, or less") for line in wrong))
        names = {one.name for one in entry_hosts(facts.tree, host)}
        large = [row for row in answers(facts, "large") if row["host"] in names]
        taken = [row for row in large if row["status"] != 400]
        seen += [http(row, f"status {row['status']} to a header of 9000 bytes", "status 400") for row in taken[:1]]
        seen = seen or [Evidence("config", "", "not above Apache's defaults", "Apache's defaults, or less")]
        yield verdict(not wrong and not taken, "virtual_host", host.name, *seen)


def _off(facts: Facts, host: VirtualHost) -> list[str]:
    return [key for key, number in read_timeouts(facts.tree, host).items() if key in ("header", "body") and not number]


def _timeout_line(facts: Facts, host: VirtualHost) -> Evidence:
    expected = "header and body above 0"
    return config(facts.last("requestreadtimeout", host), expected, "not set: the module's own limits hold")


@GROUP.add(
    "L6",
    "Slow requests are ended",
    "high",
    page.LIMITS,
    looks_at="mod_reqtimeout and RequestReadTimeout of each virtual host that serves an application, and of the first "
    "one of its addresses; with active: full also what becomes of half a request",
    decides="fails if the module is not loaded, if header or body is 0, or if Apache waits longer for the rest of "
    "half a request; without a line, the module's own limits apply",
    remedy="Load mod_reqtimeout, and set RequestReadTimeout header=15-30,MinRate=500 body=20,MinRate=500.",
    variable="wsgi_server_request_read_timeout",
    by_hand=("a2enmod reqtimeout",),
    attack="A few hundred connections that send one byte a minute block the server.",
    cis="9.5",
)
def slow_requests(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        if "reqtimeout" not in facts.instance.modules:
            seen = Evidence("config", facts.instance.config_file, "mod_reqtimeout is not loaded", "loaded")
            yield verdict(False, "virtual_host", host.name, seen)
            continue
        entries = entry_hosts(facts.tree, host)
        off = [one for one in entries if _off(facts, one)]
        evidence = [_timeout_line(facts, (off or entries)[0])]
        slow = [row for row in answers(facts, "slow") if row["host"] in {one.name for one in entries}]
        waiting = [row for row in slow if not row["ended"]]
        evidence += [http(row, "still waited for", "ended in time") for row in waiting[:1]]
        evidence += [http(row, "ended in time", "ended in time") for row in slow[:1] if not waiting]
        yield verdict(not off and not waiting, "virtual_host", host.name, *evidence)


@GROUP.add(
    "L7",
    "A server that mod_wsgi-express made ends slow requests",
    "medium",
    page.LIMITS,
    looks_at="RequestReadTimeout in the configuration that mod_wsgi-express generates",
    decides="fails without it, and if header or body is 0; does not apply to another Apache",
    remedy="Leave out the options --header-timeout and --body-timeout, or set them above 0.",
    by_hand=("mod_wsgi-express start-server --header-timeout 15 --body-timeout 15 wsgi.py",),
    attack="A few hundred connections that send one byte a minute block the server.",
)
def express_timeouts(facts: Facts) -> Iterable[Result]:
    if not facts.instance.express:
        return
    for host in serving_hosts(facts.tree):
        line = facts.last("requestreadtimeout", host)
        seen = config(line, "header and body above 0", "no RequestReadTimeout")
        yield verdict(line is not None and not _off(facts, host), "virtual_host", host.name, seen)
