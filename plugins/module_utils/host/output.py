# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a program printed, made fit to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Shorter values are words that a message may well have by itself.
_SECRET = 6


def last_lines(text: str, lines: int) -> str:
    """Return the end of what a program printed."""
    return "\n".join(text.strip("\n").splitlines()[-lines:])


def masked(text: str, environment: Mapping[str, str] | Iterable[str]) -> str:
    """Return a text without the values of an environment, or these values, also as a traceback quotes them."""
    secrets = environment.values() if isinstance(environment, Mapping) else environment
    values = {form for value in secrets for form in (value, repr(value)[1:-1], *value.splitlines())}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SECRET:
            text = text.replace(value, "***")
    return text
