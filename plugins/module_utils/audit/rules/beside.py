# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs beside pools with their code: services, crontabs, supervisor (X-BESIDE, X-BESIDE-SECRETS)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..facts import Facts
from ..rule import SHOWN, Evidence, Group, Result, gap, verdict, worst

GROUP = Group()
_ROOT = frozenset({"root", "0"})


@GROUP.add(
    "X-BESIDE",
    "What runs beside a pool has no more rights than the pool",
    "high",
    "",
    looks_at="services in /etc/systemd/system, crontabs and programs of supervisor whose command or working directory "
    "is code of a pool: their account and their ambient capabilities",
    decides="fails for ambient capabilities, and for another account than the pool's: high if the pool's account can "
    "write to its code, else medium for root and low for any other account",
    remedy="Run the worker or the job as the pool's account. With this collection it is one of the app's workers or "
    "timers.",
    variable="wsgi_apps[].workers",
    by_hand=("systemctl edit shop-worker   # [Service] User=shop-app", "crontab -u shop-app -e"),
    attack="Whoever takes over the application changes its code, and the worker or the job runs that as root.",
)
def beside(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        if "beside" in facts.host.unknown:
            yield gap("pool", pool.name, "stat", "/etc/systemd/system", facts.host.unknown["beside"])
            continue
        rows = [row for row in facts.host.beside if pool.name in row["pools"]]
        own = facts.host.accounts.get(pool.name, {}).get("name", "")
        if not rows or not own:
            continue
        access = facts.access.get(pool.name)
        found = [(level, row) for row in rows if (level := _level(row, own, bool(access and access.writable)))]
        seen = [_evidence(row, own) for _level_of, row in found] or [_evidence(row, own) for row in rows]
        yield verdict(not found, "pool", pool.name, *seen[:SHOWN], severity=worst(level for level, _row in found))


def _level(row: dict[str, Any], own: str, writable: bool) -> str:
    """Return how bad it is that a job runs as it does; empty for one that is as its pool."""
    if row["account"] == own:
        return "high" if row["capabilities"] else ""
    if writable:
        return "high"
    return "medium" if row["account"] in _ROOT or row["capabilities"] else "low"


def _evidence(row: dict[str, Any], own: str) -> Evidence:
    more = f" with {row['capabilities']}" if row["capabilities"] else ""
    return Evidence("stat", row["source"], f"{row['kind']}: runs as {row['account']}{more}", f"as {own}")


@GROUP.add(
    "X-BESIDE-SECRETS",
    "No secret stands in a unit or a crontab",
    "medium",
    "",
    confidence="medium",
    looks_at="the names of likely secrets in Environment= of services, in crontabs, and in environment= of supervisor, "
    "where the command or the working directory is code of a pool",
    decides="fails for each that has a value",
    remedy="Keep the values in a file that only the account can read, such as EnvironmentFile= names. With this "
    "collection they are in the app's environment.",
    variable="wsgi_apps[].environment",
    by_hand=("EnvironmentFile=/etc/shop/environment   # root:shop-app, 0640",),
    attack="Every account on the host reads the values with systemctl show, or in the file.",
)
def beside_secrets(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        rows = [row for row in facts.host.beside if pool.name in row["pools"]]
        if not rows:
            continue
        told = [
            Evidence("stat", row["source"], f"{', '.join(row['secrets'])} with a value", "no secrets")
            for row in rows
            if row["secrets"]
        ]
        good = [Evidence("stat", row["source"], "no secrets", "no secrets") for row in rows]
        yield verdict(not told, "pool", pool.name, *(told or good)[:SHOWN])
