# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories and files of all apps, brought to their owners and modes in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._acl import parse_permissions
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._fs import (
    Attributes,
    ensure_directory,
    ensure_file,
    remove,
)

Rows = Sequence[Mapping[str, Any]]
Difference = Optional[dict[str, object]]


def _attributes(row: Mapping[str, Any]) -> Attributes:
    mode = str(row["mode"])
    try:
        number = int(mode, 8)
    except ValueError:
        number = -1
    if not 0 <= number <= 0o7777:
        raise PalisadeError(f"{row['path']}: mode: expected an octal mode such as 0750, got {mode!r}")
    if number & 0o002:
        raise PalisadeError(f"{row['path']}: mode: {mode} would let every account of the host write")
    return Attributes(str(row["owner"]), str(row["group"]), number)


def _permissions(row: Mapping[str, Any], text: object) -> int:
    try:
        return parse_permissions(str(text))
    except PalisadeError as error:
        raise PalisadeError(f"{row['path']}: {error}") from error


def _directory(row: Mapping[str, Any], check: bool) -> Difference:
    acl = row.get("acl")
    accounts = None if acl is None else {account: _permissions(row, text) for account, text in acl.items()}
    return ensure_directory(row["path"], _attributes(row), check, accounts)


def _file(row: Mapping[str, Any], check: bool) -> Difference:
    secret = row.get("secret_content") is not None
    content = row["secret_content"] if secret else row["content"]
    if content is None:
        raise PalisadeError(f"{row['path']}: expected a content, got none")
    return ensure_file(row["path"], content, _attributes(row), secret, check)


def _absent(row: Mapping[str, Any], check: bool) -> Difference:
    return remove(row["path"], check)


def _pass(directories: Rows, files: Rows, absent: Rows, check: bool) -> list[dict[str, object]]:
    changes: list[Difference] = []
    for rows, change in ((directories, _directory), (files, _file), (absent, _absent)):
        for row in rows:
            try:
                changes.append(change(row, check))
            except PalisadeError as error:
                raise PalisadeError(f"app {row['app']}: {error}" if row.get("app") else str(error)) from error
    return [change for change in changes if change]


def ensure_layout(directories: Rows, files: Rows, absent: Rows, check: bool) -> list[dict[str, object]]:
    """Create, correct, remove; return the differences. PalisadeError, before the first change, where one is refused."""
    # A look at everything first: a link planted at the last path must not leave the first ones changed.
    planned = _pass(directories, files, absent, check=True)
    return _pass(directories, files, absent, check=False) if planned and not check else planned
