# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as evidence, and what each pool reaches of them."""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Sequence
from typing import Any

from .config import Pool
from .facts import Facts, Reach
from .rule import SHOWN, Evidence


def name_of(uid: int) -> str:
    """Return the name of an account, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def file_rows(kind: str, rows: Sequence[dict[str, Any]], expected: str) -> list[Evidence]:
    """Return the first of these rows as evidence."""
    seen = []
    for row in rows[:SHOWN]:
        what = f" ({row['root']})" if row["root"] else ""
        observed = f"{row['path']}{what}, owner {name_of(row['owner'])}, mode {row['mode']}"
        seen.append(Evidence(kind, row["path"], observed, expected))
    if len(rows) > SHOWN:
        seen.append(Evidence(kind, "", f"{len(rows) - SHOWN} more", expected))
    return seen


def reaches(facts: Facts) -> Iterator[tuple[Pool, Reach | None]]:
    for pool in facts.pools:
        yield pool, facts.files.pools.get(pool.name)


def file_evidence(row: dict[str, Any], observed: str, expected: str) -> Evidence:
    owner = f"owner {name_of(row['owner'])}, mode {row['mode']}"
    return Evidence("stat", row["path"], f"{row['path']}: {observed}; {owner}", expected)
