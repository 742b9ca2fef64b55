# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of variables and options whose values are likely secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*PASSWO?R?D|PASS|PASSPHRASE|[A-Z0-9]*SECRET|[A-Z0-9]*TOKEN|[A-Z0-9]*KEY|CREDENTIALS?)(?:_|$)",
    re.IGNORECASE,
)
# What looks like one by its name, and is public or only says where it is.
_NO_SECRET = re.compile(r"(?:GPG_KEY|PUBLIC_\w*|PUBLISHABLE_\w*|_FILE|_PATH|_DIR|_NAME|_ID|_ALGORITHM)$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def secret_names(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names, of names with values, whose value is likely a secret."""
    return sorted(
        {
            name
            for name, value in pairs
            if _URL_PASSWORD.search(value) or (value and _SECRET_NAME.search(name) and not _NO_SECRET.search(name))
        }
    )
