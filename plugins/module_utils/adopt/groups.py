# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which scripts, mounts and virtual hosts are one app, and what it is called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..audit.config import Directive, VirtualHost
from ..audit.facts import Facts
from ..audit.merge import Place
from .app import OURS


@dataclass
class Group:
    """A script at a mount in a pool, with every virtual host that has it."""

    place: Place
    hosts: list[VirtualHost] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)


def groups_of(facts: Facts) -> tuple[list[Group], list[str]]:
    found: dict[tuple[str, str, str], Group] = {}
    elsewhere = []
    for place in facts.places:
        why = _why_not(facts, place)
        if why:
            elsewhere.append(f"{place.name}: {why} ({place.mapped.shown}, {place.mapped.source})")
            continue
        mount = place.mapped.words[0]
        key = (place.path, mount, "")
        if place.url == mount:
            key = (place.path, mount, place.process_group.value)
        else:
            # A section inside the app; what it says otherwise is for a person.
            key = next((key for key in found if key[:2] == (place.path, mount)), key)
        group = found.setdefault(key, Group(place))
        group.places.append(place)
        if place.host not in group.hosts:
            group.hosts.append(place.host)
    return list(found.values()), list(dict.fromkeys(elsewhere))


def _why_not(facts: Facts, place: Place) -> str:
    if not place.aliased:
        return "mod_wsgi gets files by their names, so every file is an application; name each script"
    if len(place.mapped.words) < 2:
        return "it names no script"
    if place.mapped.name.endswith("match") or "$" in place.path:
        return "it matches URLs by a pattern; name each script"
    if place.path.endswith("/") or facts.paths.get(place.path, {}).get("directory"):
        return "a directory in which each file is an application; name each script"
    return ""


def name_of(facts: Facts, group: Group, groups: Sequence[Group], taken: Sequence[str]) -> str:
    pool = group.place.process_group.value
    alone = sum(other.place.process_group.value == pool for other in groups) == 1
    names = [name for host in group.hosts for name in host.server_names]
    words = os.path.basename(os.path.dirname(group.place.path)) if group.place.url == "/" else group.place.url
    raw = (
        pool if facts.pool(pool) and alone else (names[0].split(".")[0] if names and group.place.url == "/" else words)
    )
    plain = re.sub(r"[^a-z0-9-]+", "-", raw.lower()).strip("-")
    name = re.sub(r"^[^a-z]+", "", plain)[:27].strip("-") or "app"
    # An account that another app keeps is not to be this one's.
    mine = {place.process_group.value for place in group.places}
    users = [pool.options.get("user") for pool in facts.pools if pool.name not in mine]
    number, unique = 1, name
    while unique in taken or users.count(f"{unique}-app") == 1:
        number += 1
        unique = f"{name[: 26 - len(str(number))]}-{number}"
    return unique


def names_of(facts: Facts, host: VirtualHost) -> list[str]:
    """Return the names of a virtual host, without scheme and port."""
    main = facts.last("servername")
    names = host.server_names if host.addresses else main.words[:1] if main else []
    return list(dict.fromkeys(name.rpartition("//")[2].partition(":")[0].lower() for name in names))


def lines_of(facts: Facts, group: Group, host: VirtualHost) -> Sequence[Directive]:
    """Return the lines of a virtual host; of the main server those beside the alias."""
    if host.addresses:
        return host.directives
    return [line for line in facts.tree.directives if line.file == group.place.mapped.file]


def site_files(group: Group) -> list[str]:
    files = dict.fromkeys(os.path.basename(host.file) for host in group.hosts if host.addresses)
    return [file for file in files if file.endswith(".conf") and not file.startswith(OURS)]
