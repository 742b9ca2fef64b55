# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of Apache's unit, and the limits that hold for a process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ...host.command import Run
from ...host.errors import PalisadeError
from .proc import read_text

_RUNNING_SYSTEMD = "/run/systemd/system"
UNIT_SETTINGS = (
    "LoadState",
    "TimeoutStopUSec",
    "User",
    "DynamicUser",
    "PrivateUsers",
    "CapabilityBoundingSet",
    "SystemCallFilter",
    "RestrictAddressFamilies",
    "LimitNPROC",
    "NoNewPrivileges",
    "ProtectSystem",
    "ProtectHome",
    "BindPaths",
    "BindReadOnlyPaths",
    "PrivateTmp",
    "PrivateDevices",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictSUIDSGID",
)
# A limit of cgroups that is none: nearly the largest number.
_UNLIMITED = 1 << 60


def bounds(pid: int) -> dict[str, str]:
    """Return the limits of memory and processes that hold for a process; 'max' and 'unlimited' are none."""
    found = cgroup_bounds(read_text(f"/proc/{pid}/cgroup"))
    for line in read_text(f"/proc/{pid}/limits").splitlines():
        for name, shown in (("Max data size", "data"), ("Max address space", "address space")):
            if line.startswith(name):
                found[shown] = line[len(name) :].split()[0]
    return found


def cgroup_bounds(cgroup: str, top: str = "/sys/fs/cgroup") -> dict[str, str]:
    """Return memory.max and pids.max of /proc/PID/cgroup, whichever version of cgroups has them."""
    files = {
        ("", "memory.max"): (top, "memory.max"),
        ("", "pids.max"): (top, "pids.max"),
        ("memory", "memory.max"): (f"{top}/memory", "memory.limit_in_bytes"),
        ("pids", "pids.max"): (f"{top}/pids", "pids.max"),
    }
    numbers: dict[str, list[int]] = {"memory.max": [], "pids.max": []}
    for line in cgroup.splitlines():
        _number, controllers, path = line.split(":", 2)
        for (controller, name), (directory, file) in files.items():
            if controller == controllers:
                limits = [limit for limit in _limits(directory, path, file) if limit.isdigit()]
                numbers[name] += [int(limit) for limit in limits if int(limit) < _UNLIMITED]
    return {name: str(min(limits)) if limits else "max" for name, limits in numbers.items()}


def _limits(top: str, path: str, file: str) -> Iterator[str]:
    """Give the limits of a cgroup and of those above it, as far as they can be seen from here."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        with contextlib.suppress(OSError):
            yield read_text("/".join([top, *parts[:length], file])).strip()


def unit_settings(name: str, run: Run) -> dict[str, str]:
    if not name:
        raise PalisadeError("Apache belongs to no systemd unit")
    if not os.path.isdir(_RUNNING_SYSTEMD):
        raise PalisadeError("systemd is not running here")
    said = run(["systemctl", "show", "--no-pager", f"--property={','.join(UNIT_SETTINGS)}", "--", name])
    found = dict(line.partition("=")[::2] for line in said.splitlines() if "=" in line)
    if found.get("LoadState") != "loaded":
        raise PalisadeError(f"systemd does not have {name}")
    return {"name": name, **found}
