# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on the audit's own grounds (what runs is what is declared), the unit, limits, versions and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..config import Pool, without_secrets
from ..crowd import held, public_ports, threads
from ..facts import NO_DUMP, Facts, code_paths
from ..rule import Evidence, Group, Result, config, gap, missing_process, pool_option, undecided, verdict, worst
from ..secret_names import secret_names

GROUP = Group()
_RESTART = "Restarting a single application"
_LIMITS = "Resource limits and DoS resistance"
_BUILT_IN = "What the code already"
_SHOWN = 20


@GROUP.add(
    "AUDIT-CONFIG",
    "Apache takes the configuration on disk",
    "medium",
    "",
    looks_at="Apache's check of its configuration, with the arguments and the environment that it was started with",
    decides="fails where Apache refuses it; unknown where it cannot show it",
    remedy="Correct the line that Apache names.",
    by_hand=("apache2ctl configtest",),
    attack="The next restart, such as that of an update, leaves the host without its sites.",
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
    decides="fails for a pool without a process while Apache runs; unknown where a container hides what processes hold",
    remedy="Look into the error log; where the configuration is newer than Apache's processes, reload it.",
    by_hand=("systemctl reload apache2",),
    attack="The application does not answer, and what the other rules say of a pool is not known of this one.",
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
    "What runs is what the configuration on disk says",
    "medium",
    "",
    looks_at="the times of all files of the configuration, and when Apache read them: pools' sockets are made anew "
    "then, without pools it is the start of Apache's processes; the account, umask and directory of each pool's "
    "processes; pools that run and are not declared",
    decides="fails for a file that is newer, for another user or group id than declared, and for a pool that is not "
    "declared; info where only umask or directory differ, which an application may change itself; unknown where the "
    "start of processes does not tell",
    remedy="Reload Apache, or take the change back.",
    by_hand=("systemctl reload apache2",),
    attack="The host is judged, and secured, by a configuration that does not run.",
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


# --- Limits

_LEAST_MEMORY = 32 << 20
_UNLIMITED = ("unlimited", "max", "")


@GROUP.add(
    "L8",
    "Memory and processes of a pool are bounded",
    "info",
    _LIMITS,
    looks_at="memory-limit= and virtual-memory-limit= of each WSGIDaemonProcess, the limits of its processes, and "
    "memory.max and pids.max of their cgroups",
    decides="fails where nothing bounds the memory, or nothing the number of processes: info, since the bound depends "
    "on the application; low for a limit of less than 32 MiB, such as memory-limit=512M, which is 512 bytes",
    remedy="Set MemoryMax= and TasksMax= for Apache's unit, or memory-limit= in bytes.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("memory-limit=536870912", "systemctl set-property apache2 MemoryMax=2G"),
    attack="One request that needs much memory makes the kernel end other services.",
)
def bounded(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        processes, bounds = facts.live.get(pool.name, []), facts.host.bounds.get(pool.name)
        small = [
            pool_option(pool, name, "bytes, at least 33554432")
            for name in ("memory-limit", "virtual-memory-limit")
            if 0 < _leading_number(pool.options.get(name, "")) < _LEAST_MEMORY
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


def _leading_number(text: str) -> int:
    # As C reads it: what follows the digits is ignored.
    found = re.match(r"\s*([0-9]+)", text)
    return int(found.group(1)) if found else 0


_TIMES = (("timeout", 60, 60), ("keepalivetimeout", 5, 15))


@GROUP.add(
    "L9",
    "Apache does not wait long for clients",
    "info",
    _LIMITS,
    looks_at="Timeout and KeepAliveTimeout of the server and of each virtual host, and MaxRequestWorkers",
    decides="fails for a Timeout of more than 60 seconds or a KeepAliveTimeout of more than 15",
    remedy="Set Timeout 60 and KeepAliveTimeout 5.",
    by_hand=("Timeout 60", "KeepAliveTimeout 5"),
    attack="Fewer clients than the server has workers keep it busy.",
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
    _LIMITS,
    looks_at="MaxRequestWorkers as it is in effect, with the MPM's own numbers where nothing is set; "
    "QS_SrvMaxConnPerIP of mod_qos; rules of nftables and iptables that count the connections of an address (ct count, "
    "connlimit) on Apache's ports",
    decides="fails where one address may hold more than three quarters of the threads, or nothing bounds it. The "
    "second number of QS_SrvMaxConnPerIP counts too: one address may hold that many before the bound starts. Unknown "
    "where a rule of a packet filter, or a line of another module, may bound it but does not tell. Does not apply to "
    "an Apache that listens on loopback only",
    remedy="Load mod_qos, and bound the connections of an address. The role wsgi_server does, with 20.",
    variable="wsgi_server_address_connections",
    by_hand=("a2enmod qos", "QS_SrvMaxConnPerIP 20"),
    attack="One laptop with some hundred slow connections leaves no thread to anybody else, on any site.",
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


# --- Versions

# The first version without the hole, and how bad it is.
_HOLES = (
    ("CVE-2014-0242", (3, 4), "critical"),
    ("CVE-2014-0240", (3, 5), "critical"),
    ("CVE-2014-8583", (4, 2, 4), "critical"),
    ("CVE-2022-2255", (4, 9, 3), "high"),
)
_MAINTAINED = 5


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)*)", version)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


@GROUP.add(
    "B1",
    "mod_wsgi has no known hole",
    "high",
    _BUILT_IN,
    looks_at="the version of the module in Apache's memory, the distribution's package that it is of, and the "
    "changelog of that package",
    decides="fails for a version with a known hole that the package does not say to have mended (critical before "
    "4.2.4, else high), for one that was replaced on disk (medium), and for 4.x, which its author maintains no more: "
    "low, info for a distribution's package, which gets mended as long as the release is",
    remedy="Install the distribution's updates, or mod_wsgi 6 from PyPI; then restart Apache.",
    variable="wsgi_server_mod_wsgi_version",
    attack="CVE-2022-2255: a client gets X-Client-IP past WSGITrustedProxies; CVE-2014-8583: root's groups are kept.",
    needs_configuration=False,
)
def module_version(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None or (not facts.pools and "wsgi" not in facts.instance.modules):
        return
    name, package = facts.instance.config_file, facts.host.packages.get("module", {})
    version = facts.instance.mod_wsgi_version
    numbers = _numbers(version) or _numbers(package.get("version", ""))
    if "packages" in facts.host.unknown or not numbers:
        reason = facts.host.unknown.get("packages", "the module does not tell its version")
        yield gap("server", name, "proc", f"/proc/{facts.instance.pid}/maps", reason)
        return
    holes = [(hole, severity) for hole, mended, severity in _HOLES if numbers < mended]
    source, of_package = str(package.get("path", "")), package.get("package")
    told = f"mod_wsgi {version}, {_origin(package)}"
    if holes and of_package != "":
        if package.get("mended") is None:
            reason = f"{told}: no changelog that says which holes are mended"
            yield gap("server", name, "stat", source, reason)
            return
        holes = [(hole, severity) for hole, severity in holes if hole not in package["mended"]]
    found = [(severity, f"{told}: {hole}") for hole, severity in holes]
    if package.get("replaced"):
        found.append(("medium", f"{told}: another file is in its place, so an update waits for a restart"))
    if numbers[0] < _MAINTAINED and not holes:
        found.append(("info" if of_package else "low", f"{told}: 4.x is maintained by distributions only"))
    evidence = [Evidence("proc", source, text, "no known hole") for _level, text in found]
    good = Evidence("proc", source, told, "no known hole")
    yield verdict(not found, "server", name, *(evidence or [good]), severity=worst(level for level, _text in found))


def _origin(package: dict[str, Any]) -> str:
    if package.get("package"):
        return f"package {package['package']} {package['version']}"
    return "of no package" if package.get("package") == "" else "of a package that is not known here"


@GROUP.add(
    "B5",
    "Apache gets the distribution's updates",
    "info",
    _BUILT_IN,
    looks_at="Apache's version, the package that its program is of, and whether that was replaced since it started",
    decides="fails where the program is of no package, or an update waits for a restart; whether an update is there to "
    "install is not looked up",
    remedy="Install Apache from the distribution, and restart it after updates.",
    by_hand=("systemctl restart apache2",),
    attack="A hole of Apache that was made known, and mended, stays open here.",
    needs_configuration=False,
)
def apache_version(facts: Facts) -> Iterable[Result]:
    name, package = facts.instance.config_file, facts.host.packages.get("apache", {})
    if "packages" in facts.host.unknown or package.get("package") is None:
        reason = facts.host.unknown.get("packages", "the packages of this host are not known")
        yield gap("server", name, "stat", facts.instance.binary, reason)
        return
    waits_for = "; another file is in its place, so an update waits for a restart" if package.get("replaced") else ""
    observed = f"Apache {facts.instance.apache_version}, {_origin(package)}{waits_for}"
    seen = Evidence("stat", facts.instance.binary, observed, "the program of a package, as installed")
    yield verdict(bool(package["package"]) and not waits_for, "server", name, seen)


@GROUP.add(
    "D7",
    "Telemetry goes where nobody else listens",
    "low",
    "Information disclosure",
    looks_at="the path of WSGITelemetryService (mod_wsgi 6), and who may write there",
    decides="fails where everybody may write the socket or a directory on the way to it",
    remedy="Put the socket into a directory of root's, such as /run/mod_wsgi-telemetry.",
    by_hand=("WSGITelemetryService unix:/run/mod_wsgi-telemetry/telemetry.sock",),
    attack="Another account makes the socket first and reads what visitors asked for, or sends forged records.",
)
def telemetry(facts: Facts) -> Iterable[Result]:
    for line, _around, _host in facts.tree.every("wsgitelemetryservice"):
        path = (line.words or [""])[0].partition("unix:")[2]
        seen = config(line, "a socket that only its service can make")
        if path not in facts.host.telemetry:
            yield gap("file", path or line.text, "config", line.source, facts.host.unknown.get("telemetry", "no path"))
            continue
        bad = [Evidence("stat", one, "everybody may write", "not") for one in facts.host.telemetry[path]]
        yield verdict(not bad, "file", path, seen, *bad)


# --- Secrets


@GROUP.add(
    "X-ENV-SECRETS",
    "No secrets in Apache's environment and configuration",
    "high",
    "",
    looks_at="names of variables in the environment of Apache's parent, and of SetEnv, and whether a value has a "
    "password of an address in it; values are not kept",
    decides="fails for a name such as DB_PASSWORD or API_KEY in the environment, which every pool inherits; medium "
    "where there is one pool at most, and for SetEnv, whose values reach debug pages and readers of the configuration",
    remedy="Keep secrets in a file that only the application's account can read.",
    variable="wsgi_apps[].environment",
    by_hand=("install -m 0640 -o root -g shop-app environment /etc/shop/environment",),
    attack="Every other application of this Apache reads the secret in its own os.environ.",
)
def environment_secrets(facts: Facts) -> Iterable[Result]:
    name, found = facts.instance.config_file, []
    for told in facts.host.parent.get("environment", []):
        level = "high" if len(facts.pools) > 1 else "medium"
        found.append((level, Evidence("proc", "/proc/PID/environ", f"{told} in the environment", "no secrets")))
    for line, _around, _host in facts.tree.every("setenv"):
        words = line.words
        for told in secret_names([(words[0], words[1])] if len(words) > 1 else []):
            found.append(("medium", Evidence("config", line.source, f"SetEnv {told}", "no secrets")))
    if not found and facts.instance.pid is not None and "parent" in facts.host.unknown:
        yield gap("server", name, "proc", f"/proc/{facts.instance.pid}/environ", facts.host.unknown["parent"])
        return
    good = Evidence("config", name, "no name of a secret", "no secrets")
    severity = worst(level for level, _seen in found)
    yield verdict(not found, "server", name, *([seen for _level, seen in found] or [good]), severity=severity)


# --- The unit

_CAPABILITIES = {
    "cap_setuid": "pools do not get their accounts",
    "cap_setgid": "pools do not get their groups",
    "cap_chown": "no pool gets its socket",
    "cap_kill": "old processes survive a reload",
}
# What a pool's start needs of the kernel, and by which of these names it may come.
_CALLS = {"setuid": ("setuid",), "setgid": ("setgid",), "setgroups": ("setgroups",), "chown": ("chown", "fchownat")}
_BY_SETRLIMIT = ("memory-limit", "virtual-memory-limit", "cpu-time-limit")
_HOMES = re.compile(r"/(?:home|root|run/user)(?:/|$)")


def _allows(setting: str, names: Iterable[str]) -> bool:
    """Return whether a list as systemctl shows it, after ~ one of what is refused, lets through one of these."""
    listed = {word.partition(":")[0] for word in setting.lstrip("~").split()}
    if setting.startswith("~"):
        return any(name not in listed for name in names)
    return not setting or any(name in listed for name in names)


def _threads(pool: Pool) -> int:
    counts = [_leading_number(pool.options.get(name, "")) for name in ("processes", "threads")]
    return (counts[0] or 1) * (counts[1] or 15)


def _contradictions(facts: Facts) -> Iterable[tuple[str, str]]:
    """Give each setting of the unit with what it breaks."""
    unit = facts.host.unit
    if unit.get("User", "") not in ("", "root", "0"):
        yield f"User={unit['User']}", "user= and group= of pools are ignored"
    elif unit.get("DynamicUser") == "yes":
        yield "DynamicUser=yes", "user= and group= of pools are ignored"
    if unit.get("PrivateUsers") not in (None, "no"):
        yield f"PrivateUsers={unit['PrivateUsers']}", "the accounts of pools are not there"
    capabilities = unit.get("CapabilityBoundingSet", "").lower().split()
    needed = dict(_CAPABILITIES)
    if any("chroot" in pool.options for pool in facts.pools):
        needed["cap_sys_chroot"] = "chroot= fails"
    if "CapabilityBoundingSet" in unit:
        for capability, broken in needed.items():
            if capability not in capabilities:
                yield f"CapabilityBoundingSet without {capability.upper()}", broken
    for call, names in _CALLS.items():
        if not _allows(unit.get("SystemCallFilter", ""), names):
            yield f"SystemCallFilter without {call}", "pools do not start as their accounts"
    limited = any(name in pool.options for pool in facts.pools for name in _BY_SETRLIMIT)
    if limited and not _allows(unit.get("SystemCallFilter", ""), ("setrlimit", "prlimit64")):
        yield "SystemCallFilter without setrlimit", "limits of pools have no effect"
    if not _allows(unit.get("RestrictAddressFamilies", ""), ("AF_UNIX",)):
        yield "RestrictAddressFamilies without AF_UNIX", "Apache does not reach its pools"
    if unit.get("ProtectHome") in ("yes", "tmpfs") and not (unit.get("BindPaths") or unit.get("BindReadOnlyPaths")):
        for pool in facts.pools:
            for path in code_paths(facts, pool):
                if _HOMES.match(path):
                    yield f"ProtectHome={unit['ProtectHome']}", f"{path} of {pool.name} is out of sight"
    most = unit.get("LimitNPROC", "")
    for pool in facts.pools:
        if most.isdigit() and int(most) < _threads(pool):
            yield f"LimitNPROC={most}", f"{pool.name} has {_threads(pool)} threads"
    if unit.get("NoNewPrivileges") == "yes" and next(facts.tree.every("suexecusergroup"), None):
        yield "NoNewPrivileges=yes", "suexec does not get its accounts"


@GROUP.add(
    "X-SYSTEMD-BREAKS",
    "The unit's sandbox leaves the pools what they need",
    "medium",
    "",
    looks_at="the settings of the unit that Apache's parent belongs to, as systemctl shows them, and declared pools",
    decides="fails for User=, DynamicUser= or PrivateUsers=, for a bounding set without SETUID, SETGID, CHOWN or KILL, "
    "for a filter of system calls without setuid, setgid, setgroups or chown, or setrlimit where a pool needs it, for "
    "RestrictAddressFamilies= without AF_UNIX, ProtectHome= over a pool's code, LimitNPROC= below a pool's threads, "
    "and NoNewPrivileges= beside suexec",
    remedy="Take the setting out of the unit's drop-in.",
    variable="wsgi_server_sandbox",
    by_hand=("systemctl edit apache2",),
    attack="Pools run as Apache's account, or old code runs on, while the configuration says otherwise.",
)
def unit_fits(facts: Facts) -> Iterable[Result]:
    named = [pool for pool in facts.pools if "user" in pool.options]
    if facts.instance.pid is None or not named:
        return
    if "unit" in facts.host.unknown:
        # Without a unit there is nothing that it could break.
        return
    unit = facts.host.unit.get("name", "")
    source = f"systemctl show {unit}"
    seen = [Evidence("cmd", source, f"{setting}: {broken}", "not so") for setting, broken in _contradictions(facts)]
    yield verdict(
        not seen, "server", unit, *(seen or [Evidence("cmd", source, "nothing against the pools", "nothing")])
    )


# Of each setting the values that count.
_SANDBOX = {
    "NoNewPrivileges": ("yes",),
    "ProtectSystem": ("yes", "full", "strict"),
    "ProtectHome": ("yes", "read-only", "tmpfs"),
    "PrivateTmp": ("yes", "disconnected"),
    "PrivateDevices": ("yes",),
    "ProtectKernelModules": ("yes",),
    "ProtectKernelTunables": ("yes",),
    "RestrictSUIDSGID": ("yes",),
}


@GROUP.add(
    "X-SYSTEMD",
    "Apache's unit has a sandbox",
    "info",
    "",
    looks_at=f"{', '.join(_SANDBOX)} and CapabilityBoundingSet of the unit that Apache's parent belongs to",
    decides="fails where one of them is off, or CAP_SYS_ADMIN is in the bounding set; unknown without systemd",
    remedy="Let the role wsgi_server write its drop-in.",
    variable="wsgi_server_sandbox",
    by_hand=("systemd-analyze security apache2",),
    attack="A hole in Apache or in an application reaches all of the host that its account may reach.",
)
def unit_sandboxed(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None:
        return
    if "unit" in facts.host.unknown:
        name = facts.instance.config_file
        yield gap("server", name, "cmd", "systemctl show", facts.host.unknown["unit"])
        return
    unit = facts.host.unit
    off = [f"{name}={unit.get(name, '')}" for name, good in _SANDBOX.items() if unit.get(name) not in good]
    if "cap_sys_admin" in unit.get("CapabilityBoundingSet", "cap_sys_admin").lower().split():
        off.append("CAP_SYS_ADMIN")
    seen = Evidence("cmd", f"systemctl show {unit.get('name', '')}", ", ".join(off) or "all of them", "all of them")
    yield verdict(not off, "server", unit.get("name", ""), seen)


@GROUP.add(
    "X-MAC",
    "A profile of AppArmor or SELinux confines Apache",
    "info",
    "",
    looks_at="/proc/PID/attr/current of Apache's parent, and whether SELinux enforces",
    decides="fails for no label, unconfined, a profile that only complains, and SELinux that does not enforce",
    remedy="Load a profile for Apache, or set SELinux to enforcing.",
    by_hand=("getenforce", "aa-status"),
    attack="A hole in Apache reaches all that its account may reach.",
    cis="11.1",
)
def confined(facts: Facts) -> Iterable[Result]:
    if facts.instance.pid is None:
        return
    name = facts.instance.config_file
    if "parent" in facts.host.unknown:
        yield gap("server", name, "proc", "/proc", facts.host.unknown["parent"])
        return
    label, enforcing = facts.host.parent["label"], facts.host.parent["enforcing"]
    good = bool(label) and "unconfined" not in label and "(complain)" not in label and enforcing is not False
    shown = (label or "no label") + ("" if enforcing is not False else ", not enforced")
    yield verdict(good, "server", name, Evidence("proc", "/proc/PID/attr/current", shown, "a profile that is enforced"))


@GROUP.add(
    "X-STALE",
    "Pools run the libraries that are installed",
    "medium",
    "",
    looks_at="the shared libraries and modules in the memory of each pool's processes",
    decides="fails where the file of one was replaced or removed since",
    remedy="Restart the pool after an update: a new release does, and wsgi_pool without one.",
    variable="wsgi_pool",
    by_hand=("systemctl restart apache2",),
    attack="A hole that an update closed on the disk stays open in the memory.",
)
def no_stale_libraries(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        if "stale" in facts.host.unknown:
            yield gap("pool", pool.name, "proc", "/proc/PID/maps", facts.host.unknown["stale"])
        elif not facts.live.get(pool.name):
            yield missing_process(pool)
        else:
            stale = facts.host.stale.get(pool.name, [])
            shown = ", ".join(stale[:_SHOWN]) or "none that was replaced"
            seen = Evidence("proc", "/proc/PID/maps", shown, "libraries that are on the disk")
            yield verdict(not stale, "pool", pool.name, seen)


@GROUP.add(
    "X-SYSCTL",
    "The kernel guards links in directories for everybody",
    "info",
    "",
    looks_at="fs.protected_symlinks, protected_hardlinks, protected_regular and protected_fifos",
    decides="fails where one is 0, or the kernel has it not",
    remedy="Set them to 1 or 2, as systemd and Debian do.",
    by_hand=("sysctl -w fs.protected_regular=2",),
    attack="A link that one application puts into /tmp leads another one's writing to a file of its choice.",
)
def guarded_links(facts: Facts) -> Iterable[Result]:
    name = facts.instance.config_file
    if not facts.pools:
        return
    if "sysctls" in facts.host.unknown:
        yield gap("server", name, "proc", "/proc/sys/fs", facts.host.unknown["sysctls"])
        return
    loose = [key for key, value in facts.host.sysctls.items() if not value.isdigit() or int(value) < 1]
    seen = [
        Evidence("proc", f"/proc/sys/{key}", f"{key} is {value or 'not there'}", "1 or 2")
        for key, value in facts.host.sysctls.items()
        if key in loose or not loose
    ]
    yield verdict(not loose, "server", name, *seen)


@GROUP.add(
    "N1b",
    "Nothing looks for daemons by their command lines",
    "info",
    _RESTART,
    confidence="medium",
    looks_at="files of cron, logrotate and units in /etc/systemd, the first thousand of them",
    decides="fails for each one that calls pkill or killall with -f and wsgi",
    remedy="Send the signal to the processes that hold the pool's socket, as the module wsgi_pool does.",
    variable="wsgi_pool",
    by_hand=("ss -lxp",),
    attack="It ends processes that only have the word in their arguments, and misses a pool whose name ps cuts.",
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
