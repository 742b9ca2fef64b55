# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work for many rows, some at a time."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence
from typing import Any, Callable


def in_parallel(rows: Sequence[Any], work: Callable[[Any], None], bound: int) -> None:
    """Do the work for all rows, some at a time; the first error is raised after the others have ended."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=bound) as pool:
        jobs = [pool.submit(work, row) for row in rows]
    for job in jobs:
        job.result()
