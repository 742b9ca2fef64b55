# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions with known holes, and libraries that were replaced (B1, B5, X-STALE)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .. import page
from ..facts import Facts
from ..rule import SHOWN, Evidence, Group, Result, gap, missing_process, verdict, worst

GROUP = Group()
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
    "mod_wsgi has no known vulnerability",
    "high",
    page.BUILT_IN,
    looks_at="the version of the module in Apache's memory, the distribution's package that it is of, and the "
    "changelog of that package",
    decides="fails for a version with a known vulnerability, unless the package's changelog says that it is fixed "
    "(critical before 4.2.4, otherwise high). Medium for a module that was replaced on disk. Version 4.x, "
    "which its author no longer maintains, is low, or info if it is a distribution's package, which gets "
    "fixes as long as the release is supported",
    remedy="Install the distribution's updates, or mod_wsgi 6 from PyPI; then restart Apache.",
    variable="wsgi_server_mod_wsgi_version",
    attack="CVE-2022-2255: a client gets X-Client-IP past WSGITrustedProxies. CVE-2014-8583: root's groups are kept.",
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
            reason = f"{told}: no changelog that says which vulnerabilities are fixed"
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
    page.BUILT_IN,
    looks_at="Apache's version, the package that its program belongs to, and whether the program was replaced since "
    "it started",
    decides="fails if the program belongs to no package, or if an update waits for a restart; the rule does not look "
    "up whether an update is available",
    remedy="Install Apache from the distribution, and restart it after updates.",
    by_hand=("systemctl restart apache2",),
    attack="A published vulnerability of Apache that was fixed long ago stays open here.",
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
    "X-STALE",
    "Pools run the installed versions of libraries",
    "medium",
    "",
    looks_at="the shared libraries and modules in the memory of each pool's processes",
    decides="fails if the file of one was replaced or removed since then",
    remedy="Restart the pool after an update. A new release does this, and wsgi_pool does it without a release.",
    variable="wsgi_pool",
    by_hand=("systemctl restart apache2",),
    attack="An update closed a hole on disk, but it stays open in memory.",
)
def no_stale_libraries(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        if "stale" in facts.host.unknown:
            yield gap("pool", pool.name, "proc", "/proc/PID/maps", facts.host.unknown["stale"])
        elif not facts.live.get(pool.name):
            yield missing_process(pool)
        else:
            stale = facts.host.stale.get(pool.name, [])
            shown = ", ".join(stale[:SHOWN]) or "none that was replaced"
            seen = Evidence("proc", "/proc/PID/maps", shown, "libraries that are on the disk")
            yield verdict(not stale, "pool", pool.name, seen)
