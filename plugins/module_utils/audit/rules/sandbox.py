# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps Apache as a whole in bounds: its unit, security modules, the kernel (X-SYSTEMD, X-MAC, X-SYSCTL)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..config import Pool
from ..facts import Facts, code_paths
from ..rule import Evidence, Group, Result, gap, leading_number, verdict

GROUP = Group()
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
    counts = [leading_number(pool.options.get(name, "")) for name in ("processes", "threads")]
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
    "The unit's sandbox allows what the pools need",
    "medium",
    "",
    looks_at="the settings of the unit that Apache's parent belongs to, as systemctl shows them, and declared pools",
    decides="fails for User=, DynamicUser= or PrivateUsers=, for a bounding set without SETUID, SETGID, CHOWN or KILL, "
    "for a filter of system calls without setuid, setgid, setgroups or chown, or setrlimit where a pool needs it, for "
    "RestrictAddressFamilies= without AF_UNIX, ProtectHome= over a pool's code, LimitNPROC= below a pool's threads, "
    "and NoNewPrivileges= beside suexec",
    remedy="Remove the setting from the unit's drop-in.",
    variable="wsgi_server_sandbox",
    by_hand=("systemctl edit apache2",),
    attack="Pools run as Apache's account, or old code keeps running, although the configuration says otherwise.",
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
    decides="fails if one of them is off, or if CAP_SYS_ADMIN is in the bounding set; unknown without systemd",
    remedy="Let the role wsgi_server write its drop-in.",
    variable="wsgi_server_sandbox",
    by_hand=("systemd-analyze security apache2",),
    attack="A hole in Apache or in an application reaches everything on the host that its account can reach.",
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
    "AppArmor or SELinux confines Apache",
    "info",
    "",
    looks_at="/proc/PID/attr/current of Apache's parent, and whether SELinux enforces",
    decides="fails for no label, unconfined, a profile that only complains, and SELinux that does not enforce",
    remedy="Load a profile for Apache, or set SELinux to enforcing.",
    by_hand=("getenforce", "aa-status"),
    attack="A hole in Apache reaches everything that its account can reach.",
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
    "X-SYSCTL",
    "The kernel protects links in world-writable directories",
    "info",
    "",
    looks_at="fs.protected_symlinks, protected_hardlinks, protected_regular and protected_fifos",
    decides="fails if one is 0, or if the kernel does not have it",
    remedy="Set them to 1 or 2, as systemd and Debian do.",
    by_hand=("sysctl -w fs.protected_regular=2",),
    attack="One application puts a link into /tmp, and another application writes to a file of the attacker's choice.",
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
