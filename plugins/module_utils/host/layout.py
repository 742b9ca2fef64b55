# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories and files of all apps, brought to their owners and modes in one call."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable, Optional

from .acl import parse_permissions
from .errors import PalisadeError
from .fs import Attributes, ensure_directory, ensure_entry, ensure_file, remove, require_root_only

Rows = Sequence[Mapping[str, Any]]
Difference = Optional[dict[str, object]]

# Argument specifications that modules share.
_TEXT = {"type": "str", "required": True}
PATH: dict[str, Any] = {"app": {"type": "str", "default": ""}, "path": _TEXT}
OWNED: dict[str, Any] = {**PATH, **dict.fromkeys(("owner", "group", "mode"), _TEXT)}
FILE: dict[str, Any] = {**OWNED, "content": {"type": "str"}}


def _attributes(row: Mapping[str, Any]) -> Attributes:
    mode = str(row["mode"])
    if not re.fullmatch("[0-7]{1,4}", mode):
        raise PalisadeError(f"{row['path']}: mode: expected an octal mode such as 0750, got {mode!r}")
    number = int(mode, 8)
    if number & 0o002:
        raise PalisadeError(f"{row['path']}: mode: {mode} would let every account on the host write")
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
        raise PalisadeError(f"{row['path']}: expected content, got none")
    return ensure_file(row["path"], content, _attributes(row), secret, check)


def _root_only(row: Mapping[str, Any], check: bool) -> Difference:
    require_root_only(row["path"])
    return None


def _absent(row: Mapping[str, Any], check: bool) -> Difference:
    return remove(row["path"], check)


@contextlib.contextmanager
def _named(row: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except PalisadeError as error:
        raise PalisadeError(f"app {row['app']}: {error}" if row.get("app") else str(error)) from error


def _entries(grants: Rows, revoked: Rows) -> dict[str, dict[str, int | None]]:
    """Return what each account is to have on which path; None is no entry."""
    entries: dict[str, dict[str, int | None]] = {}
    for row in (*revoked, *grants):
        paths = entries.setdefault(row["account"], {})
        with _named(row):
            if row["path"] in paths:
                raise PalisadeError(f"{row['path']}: listed twice for account {row['account']!r}")
            permissions = row.get("permissions")
            paths[row["path"]] = None if permissions is None else _permissions(row, permissions)
    return entries


def ensure_layout(
    directories: Rows,
    files: Rows,
    absent: Rows,
    check: bool,
    grants: Rows = (),
    revoked: Rows = (),
    root_only: Rows = (),
) -> list[dict[str, object]]:
    """Create, correct, remove; return the differences. PalisadeError, before the first change, where one is refused."""
    entries = _entries(grants, revoked)

    def entry(row: Mapping[str, Any], check: bool) -> Difference:
        return ensure_entry(row["path"], row["account"], entries[row["account"]], check)

    steps: list[tuple[Rows, Callable[[Mapping[str, Any], bool], Difference]]] = [
        (root_only, _root_only),
        (directories, _directory),
        (files, _file),
        (revoked, entry),
        (grants, entry),
        (absent, _absent),
    ]

    def all_steps(check: bool) -> list[dict[str, object]]:
        changes: list[Difference] = []
        for rows, change in steps:
            for row in rows:
                with _named(row):
                    changes.append(change(row, check))
        return [change for change in changes if change]

    # A look at everything first: a link planted at the last path must not leave the first ones changed.
    planned = all_steps(check=True)
    return all_steps(check=False) if planned and not check else planned
