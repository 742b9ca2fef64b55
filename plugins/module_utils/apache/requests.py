# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that pools are answering, as the kernel shows them: what a reload of Apache would cut off.

A reload ends every daemon process, and mod_wsgi gives its requests three seconds. Apache connects to a pool's socket
for each request, and closes the connection after the answer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from ..host.command import Run
from . import server
from .layout import ApacheLayout
from .processes import SOCKET, apache_parent

# Option of modules that reload Apache: how many seconds to wait for long requests.
RELOAD_WAIT = {"type": "int", "default": 10}
# Seconds for which a request is not yet a long one.
_LONG = 1.0
_PAUSE = 0.1
# Accepted by a process, or still waiting for one.
_STATES = ("03", "02")


def _connections(parent: int) -> dict[str, int]:
    """Return the number of the pool that each connection is to, by a name that it keeps."""
    found: dict[str, int] = {}
    waiting = Counter[int]()
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as lines:
        for row in (line.split(None, 7) for line in lines):
            socket = SOCKET.search(row[7]) if len(row) == 8 and row[5] in _STATES else None
            if socket and int(socket.group(1)) == parent:
                number = int(socket.group(3))
                name = row[6]
                # One that no process has accepted yet has no inode.
                if name == "0":
                    waiting[number] += 1
                    name = f"{number}, {waiting[number]} waiting"
                found[name] = number
    return found


def _by_pool(connections: Mapping[str, int], layout: ApacheLayout, run: Run) -> dict[str, int]:
    if not connections:
        return {}
    pools = server.read_configuration(layout, run).pools
    names = {number: str(pool["name"]) for number, pool in enumerate(pools, 1)}
    return dict(sorted(Counter(names.get(number, "another pool") for number in connections.values()).items()))


def running_requests(layout: ApacheLayout, run: Run) -> dict[str, int]:
    """Return how many requests each pool has now, those that wait for a thread too; pools without any are not there."""
    parent = apache_parent(layout.binary)
    return {} if parent is None else _by_pool(_connections(parent), layout, run)


def await_requests(layout: ApacheLayout, seconds: float, run: Run) -> dict[str, int]:
    """Wait until no pool has a long request, and at most so many seconds; return the requests that are left, by pool.

    A request is long that has been seen for a second; those that come and go keep nobody waiting.
    """
    parent = apache_parent(layout.binary) if seconds else None
    if parent is None:
        return {}
    seen: dict[str, float] = {}
    began = now = time.monotonic()
    while True:
        connections = _connections(parent)
        seen = {name: seen.get(name, now) for name in connections}
        # Nobody knows for how long those of the first look have been there.
        long = {name: connections[name] for name, first in seen.items() if first <= began or now - first >= _LONG}
        if not long or now - began >= seconds:
            return _by_pool(long, layout, run)
        time.sleep(_PAUSE)
        now = time.monotonic()


def words(requests: Mapping[str, int]) -> str:
    """Return such as "3 requests (blog 2, shop 1)"; empty where there is none."""
    number = sum(requests.values())
    pools = ", ".join(f"{name} {count}" for name, count in requests.items())
    return f"{number} request{'s' if number > 1 else ''} ({pools})" if number else ""


def warning(requests: Mapping[str, int], seconds: float) -> list[str]:
    """Return what to tell the user of requests that a reload did not wait for any longer."""
    told = words(requests)
    if not told:
        return []
    waited = f"Apache reloaded after {seconds:g} s of waiting with {told} still running"
    return [f"{waited}; see wsgi_server_reload_wait"]
