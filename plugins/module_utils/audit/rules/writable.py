# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pool writes, and where (F10, F12, F18, U9, X-NOEXEC)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import page
from ..config import Pool
from ..facts import Facts
from ..file_evidence import file_rows, reaches
from ..paths import EVERYBODYS, below_any
from ..rule import SHOWN, Evidence, Group, Result, config, missing_process, pool_option, running, unlooked, verdict

GROUP = Group()
_UMASK = 0o027


@GROUP.add(
    "F18",
    "What a pool writes is not for everybody",
    "medium",
    page.FILES,
    looks_at="the umask of each pool's processes",
    decides="fails unless it removes the write permission for the group and all permissions for others: 0027 or "
    "stricter",
    remedy="Set umask=0027.",
    variable="wsgi_apps[].daemon_process",
    by_hand=("umask=0027",),
    attack="Another account on the host reads session files and uploads.",
)
def umask(facts: Facts) -> Iterable[Result]:
    def judged(pool: Pool, processes: Sequence[dict[str, Any]]) -> Result:
        masks = sorted({str(one["umask"]) for one in processes})
        # Kernels before 4.7 do not tell.
        if not all(masks):
            return Result("unknown", "pool", pool.name, (Evidence("proc", "/proc", "no umask", "a umask"),))
        good = all(int(mask, 8) & _UMASK == _UMASK for mask in masks)
        return verdict(
            good, "pool", pool.name, Evidence("proc", "/proc", f"umask {', '.join(masks)}", "0027 or stricter")
        )

    yield from running(facts, judged)


@GROUP.add(
    "F12",
    "No pool keeps anything in /tmp",
    "medium",
    "Not under /tmp. /tmp is world-writable",
    looks_at="home=, python-eggs= and WSGISocketPrefix, logs of the virtual host, TMPDIR of each pool's process, and "
    "the files that it holds open",
    decides="fails for paths below /tmp, /var/tmp and /dev/shm. Open files without a name do not count. A private "
    "/tmp of the unit is mentioned but does not help: all pools share it",
    remedy="Use a directory of the application's own. If the application needs TMPDIR, set it to that directory.",
    variable="wsgi_apps[].writable",
    by_hand=("install -d -o shop-app -g shop-app -m 0750 /var/lib/shop-app/data/tmp",),
    attack="Another application creates the file or a link first, and this application writes where the link leads.",
)
def not_in_tmp(facts: Facts) -> Iterable[Result]:
    private = "; /tmp is the unit's own, and all its pools'" if facts.files.private_tmp else ""
    prefix = facts.last("wsgisocketprefix")
    for pool in facts.pools:
        seen = [
            pool_option(pool, option, "a directory of its own")
            for option in ("home", "python-eggs")
            if below_any(facts.real(pool.options.get(option, "")), EVERYBODYS)
        ]
        if prefix and prefix.words and below_any(prefix.words[0], EVERYBODYS):
            seen.append(config(prefix, "a directory of root's"))
        for row in facts.files.logs:
            if pool.name in row["pools"] and below_any(row["path"], EVERYBODYS):
                seen.append(Evidence("config", row["path"], f"log {row['path']}", "in a directory of root's"))
        held = facts.files.temporary.get(pool.name)
        for row in (held or [])[:SHOWN]:
            seen.append(Evidence("proc", row["what"], f"{row['path']}{private}", "a directory of its own"))
        if seen:
            yield verdict(False, "pool", pool.name, *seen)
        elif held is None:
            yield missing_process(pool)
        else:
            yield verdict(
                True, "pool", pool.name, Evidence("proc", "/proc", f"nothing there{private}", "nothing there")
            )


@GROUP.add(
    "X-NOEXEC",
    "Programs cannot run from where a pool can write",
    "info",
    "",
    looks_at="the mount options of each pool's writable directories",
    decides="fails for one on a file system without noexec",
    remedy="Put data on a file system of its own, mounted with noexec, nosuid and nodev.",
    by_hand=("mount -o remount,noexec,nosuid,nodev /var/lib/shop-app/data",),
    attack="An uploaded program or library is run or loaded. A Python module would run anyway.",
)
def no_exec(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        reach = facts.files.pools.get(pool.name)
        if reach is None or not reach.data:
            continue
        paths = facts.files.executable.get(pool.name, [])
        seen = [Evidence("proc", path, f"{path} without noexec", "noexec") for path in paths[:SHOWN]]
        yield verdict(not paths, "pool", pool.name, *(seen or [Evidence("proc", "", "noexec", "noexec")]))


@GROUP.add(
    "F10",
    "A pool owns its writable directories",
    "low",
    "Owned by and writable by the daemon user",
    looks_at="the topmost directories without code that each pool may write, below its code and the home of its "
    "account",
    decides="fails if another account owns one, if others can enter or read it, or if a group other than the pool's "
    "own can write to it",
    remedy="Make the account the owner of its directories, with mode 0750, or 2770 for its own group.",
    variable="wsgi_apps[].writable",
    by_hand=("chown shop-app:shop-app /var/lib/shop-app/data", "chmod 0750 /var/lib/shop-app/data"),
    attack="Another account on the host reads uploads, or plants its own.",
)
def writable_directories(facts: Facts) -> Iterable[Result]:
    for pool, reach in reaches(facts):
        processes = facts.live.get(pool.name, [])
        if reach is None or not processes:
            yield missing_process(pool)
            continue
        uid, gid = processes[0]["uid"], processes[0]["gid"]
        bad = [row for row in reach.data if not _own_directory(row, uid, gid)]
        why = reach.unknown or facts.files.unknown.get(f"data of {pool.name}", "")
        if bad:
            yield verdict(False, "pool", pool.name, *file_rows("stat", bad, "the account's, 0750 or stricter"))
        elif why:
            yield unlooked("pool", pool.name, why)
        else:
            seen = file_rows("stat", reach.data, "0750 or stricter") or [
                Evidence("stat", "", "none", "0750 or stricter")
            ]
            yield verdict(True, "pool", pool.name, *seen)


def _own_directory(row: dict[str, Any], uid: int, gid: int) -> bool:
    mode = int(row["mode"], 8)
    return row["owner"] == uid and not mode & 0o007 and (not mode & 0o020 or row["group"] == gid)


@GROUP.add(
    "U9",
    "A pool writes nothing but its own",
    "medium",
    "The daemon process should have read access to the application code",
    looks_at="what each pool can write below /etc, /var, /opt, /srv and /home, tried as its account, and whether it "
    "can read /etc/shadow, /etc/ssl/private and the like",
    decides="fails for anything that belongs to another account or lies below /etc, and for such a secret. "
    "Directories such as /tmp, where nobody can touch what another account owns, do not count, nor does what "
    "F6, F7, F13 and F20 judge",
    remedy="Remove the write permission for others, and remove the account from groups that it does not need.",
    by_hand=("chmod o-w /var/spool/shop",),
    attack="The attacker changes another program's data, and that program's account does what the attacker wants.",
)
def minimal_write_access(facts: Facts) -> Iterable[Result]:
    for pool, reach in reaches(facts):
        if reach is None:
            yield missing_process(pool)
            continue
        seen = file_rows("acl", reach.foreign, "not writable for this account")
        seen += [Evidence("acl", path, f"{path} can be read", "not for this account") for path in reach.private[:SHOWN]]
        why = reach.unknown or facts.files.unknown.get("wide", "")
        if seen:
            yield verdict(False, "pool", pool.name, *seen)
        elif why:
            yield unlooked("pool", pool.name, why)
        else:
            yield verdict(True, "pool", pool.name, Evidence("acl", "", "nothing of others", "nothing of others"))
