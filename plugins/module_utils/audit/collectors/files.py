# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of files for the audit, as the accounts that could reach them; nothing is changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..facts import Access, Facts, FileFacts, Reach
from ..paths import EVERYBODYS, below_any
from .access import in_mounts
from .look import look
from .plan import APACHE, OTHERS, key_of, make_plan
from .proc import read_paths
from .tree import shown


def file_facts(facts: Facts, active: str = "none") -> FileFacts:
    """Return what the files around these pools are, and who may reach them; fills in facts.access."""
    plan = make_plan(facts)
    plan.really = active != "none"
    found = FileFacts()
    try:
        seen = in_mounts(facts.instance.pid, lambda: look(plan))
    except OSError as error:
        why = f"could not read files: {error}"
        found.unknown["everything"] = why
        facts.access.update({pool: Access(unknown=why) for pool in plan.code})
        found.pools = {pool: Reach(unknown=why) for pool in plan.code}
        return found
    for key in ("secrets", "wide", "acls", "served", "scripts", "sockets", "packages", "unknown"):
        setattr(found, key, seen[key])
    found.logs = [{"path": shown(path), "pools": sorted(pools)} for path, pools in plan.logs.items()]
    for pool in plan.code:
        answer = seen["accounts"][key_of(pool)]
        facts.access[pool] = Access(
            **answer.get("access", {}), unknown=answer["unknown"] or seen["unknown"].get(pool, "")
        )
        found.pools[pool] = Reach(**answer.get("reach", {}), unknown=answer["unknown"])
    for name in (APACHE, OTHERS):
        if name in plan.accounts:
            answer = seen["accounts"][name]
            setattr(found, name, Reach(**answer.get("reach", {}), unknown=answer["unknown"]))
    for pool in facts.live.keys() - plan.code.keys():
        why = "chroot= is set, so its files were not looked at"
        facts.access[pool], found.pools[pool] = Access(unknown=why), Reach(unknown=why)
    found.apache_uid = plan.accounts.get(APACHE, {}).get("uid")
    found.apache_groups = plan.accounts.get(APACHE, {}).get("groups", [])
    for pool, processes in facts.live.items():
        rows = [row for process in processes for row in _temporary(int(process["pid"]))]
        found.temporary[pool] = [row for number, row in enumerate(rows) if row not in rows[:number]]
    mounts = _mounts(facts.instance.pid or os.getpid())
    for pool, reach in found.pools.items():
        found.executable[pool] = [row["path"] for row in reach.data if not _noexec(mounts, row["path"])]
    found.private_tmp = any(point == "/tmp" and "systemd-private-" in root for point, root, _said in mounts)  # noqa: S108
    return found


def _temporary(pid: int) -> Iterator[dict[str, str]]:
    """Give what a process has in directories that everybody writes; a file without a name is in nobody's way."""
    with contextlib.suppress(OSError):
        for pair in read_paths(f"/proc/{pid}/environ").split("\0"):
            name, _equals, value = pair.partition("=")
            if name in ("TMPDIR", "TEMP", "TMP") and below_any(value, EVERYBODYS):
                yield {"what": name, "path": shown(value)}
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if below_any(target, EVERYBODYS) and not target.endswith(" (deleted)"):
                    yield {"what": "open file", "path": shown(target)}


def _mounts(pid: int) -> list[tuple[str, str, str]]:
    """Return where each file system is mounted for a process, what of it, and its options; the last one counts."""
    try:
        rows = [line.split() for line in read_paths(f"/proc/{pid}/mountinfo").splitlines()]
    except OSError:
        return []
    return [(row[4].replace("\\040", " "), row[3], row[5]) for row in rows if len(row) > 5]


def _noexec(mounts: list[tuple[str, str, str]], path: str) -> bool:
    around = [
        (point, said) for point, _root, said in mounts if path == point or path.startswith(point.rstrip("/") + "/")
    ]
    # Of two on the same directory the later one hides the other.
    said = max(enumerate(around), key=lambda one: (len(one[1][0]), one[0]))[1][1] if around else ""
    return "noexec" in said.split(",")
