# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of the web, bounded, and taken only if it is the one that was asked for."""

from __future__ import annotations

import hashlib
import io
import time
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urljoin

from ansible.module_utils.urls import open_url

from ..host.errors import PalisadeError
from .archive import LIMITS

_REDIRECTS = 5
# Without an answer, and altogether.
_SILENCE = 30
_SECONDS = 600
SIZE = LIMITS.size


def download(address: str, shown: str, checksum: str, file: IO[bytes], subject: str) -> None:
    """Write what an address holds to a file; PalisadeError unless it has the checksum. Only shown is printed."""
    place = f"{subject}: {shown}"
    total, deadline, found = 0, time.monotonic() + _SECONDS, hashlib.sha256()
    try:
        answer = _open(address, place)
        while True:
            block = answer.read(io.DEFAULT_BUFFER_SIZE)
            if not block:
                break
            total += len(block)
            if total > SIZE:
                raise PalisadeError(f"{place}: more than {SIZE} bytes")
            if time.monotonic() > deadline:
                raise PalisadeError(f"{place}: not complete after {_SECONDS} seconds")
            found.update(block)
            file.write(block)
    except PalisadeError:
        raise
    # Each of its ways to fail has a class of its own, also of http.client.
    except Exception as error:
        raise PalisadeError(f"{place}: {_reason(error, address)}") from error
    require_checksum(checksum, found.hexdigest(), place)


def require_checksum(expected: str, found: str, subject: str) -> None:
    """Refuse content with another SHA-256."""
    if expected != f"sha256:{found}":
        raise PalisadeError(f"{subject}: checksum: expected {expected}, got sha256:{found}")


def _open(address: str, place: str) -> Any:
    for _redirect in range(_REDIRECTS + 1):
        try:
            # Not decompressed: the checksum is that of the archive.
            return open_url(address, timeout=_SILENCE, follow_redirects="none", decompress=False)
        except HTTPError as error:
            target = error.headers.get("Location") if 300 <= error.code < 400 else None
            if not target:
                raise
            address = urljoin(address, target)
            if not address.startswith("https://"):
                raise PalisadeError(
                    f"{place}: redirects to {address.partition('://')[0]}://, expected https://"
                ) from error
    raise PalisadeError(f"{place}: more than {_REDIRECTS} redirects")


def _reason(error: Exception, address: str) -> str:
    # An error may quote the whole address.
    text = " ".join(str(error).split()) or type(error).__name__
    query = address.partition("?")[2]
    return text.replace(query, "...") if query else text
