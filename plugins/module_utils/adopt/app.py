# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One app that comes into being: fields that the model takes, and words for a person."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from ..app.check import check_app
from ..host.errors import PalisadeError

Row = dict[str, Any]
# What stands where a host does not say what the model needs; a person has to.
TO_DO = "to_do:application"
TO_DO_HOST = "to-do.invalid"
# More of one kind is counted only.
_SHOWN = 40
OURS = "zz-palisade"


class Adopted:
    """One app that comes into being: fields that the model takes, and words for a person."""

    def __init__(self, name: str) -> None:
        self.fields: Row = {"name": name, "application": TO_DO, "server_names": [TO_DO_HOST]}
        self.changes: list[str] = []
        self.remarks: list[str] = []

    def keep(self, key: str, value: Any, quiet: bool = False) -> bool:
        """Set a field if the model takes it with the others; else say why it does not, unless somebody else does."""
        # Ansible would take these for a template.
        if "{{" in json.dumps(value) or "{%" in json.dumps(value) or "{#" in json.dumps(value):
            self.remarks.append(f"{key}: {value!r} is left out: Ansible would take it for a template")
            return False
        try:
            check_app({**self.fields, key: value, "source": {"path": "x"}}, 0, None)
        except PalisadeError as error:
            if not quiet:
                self.remarks.append(f"left out: {error}")
            return False
        self.fields[key] = value
        return True


def some(texts: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(texts))
    return unique[:_SHOWN] + ([f"and {len(unique) - _SHOWN} more"] if len(unique) > _SHOWN else [])


def is_ours(file: str) -> bool:
    return os.path.basename(file).startswith(OURS)
