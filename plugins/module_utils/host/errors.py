# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception that the core raises, and the words that errors share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PalisadeError(Exception):
    """What a user has to change; modules turn it into fail_json, filters into AnsibleFilterError."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ', did you mean X?' for the known word nearest to the given one, or nothing."""
    # Ansible's own strings are a subclass that difflib's cache would keep alive.
    found = difflib.get_close_matches(str(word).lower(), [str(item) for item in known], n=1, cutoff=0.5)
    return f", did you mean '{found[0]}'?" if found else ""
