# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a managed file says of itself, and what a later play reads back of it."""

from __future__ import annotations

import json
from typing import Any

NOTICE = "# Managed by palisade.mod_wsgi: a change made here is lost."
# What a later play, perhaps another repository's, reads back of the apps on a host.
RECORD = "# palisade.mod_wsgi: "


def record(**fields: Any) -> str:
    """Return the comment that keeps these fields in a managed file."""
    return RECORD + json.dumps(fields, sort_keys=True)


def read_records(text: str) -> list[dict[str, Any]]:
    """Return the fields of every record() in the text."""
    found = []
    for line in text.splitlines():
        if line.startswith(RECORD):
            try:
                fields = json.loads(line[len(RECORD) :])
            except ValueError:
                continue
            if isinstance(fields, dict):
                found.append(fields)
    return found
