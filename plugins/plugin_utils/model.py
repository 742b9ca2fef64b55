# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of the apps for filters: from Ansible's values to plain ones, and once for all references in a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..module_utils.plan.resolve import resolve

# What resolve does not read of a host.
_UNREAD = {"pools_live"}
_last: list[Any] = []


def _plain(value: Any) -> Any:
    """Return a value without Ansible's containers, which look for templates each time that something is read."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def resolved(apps: Any, host: Any, *arguments: Any) -> dict[str, Any]:
    """Return what resolve does, the same object for the same arguments; nobody changes it. PalisadeError as there."""
    facts = {key: item for key, item in host.items() if key not in _UNREAD} if isinstance(host, Mapping) else host
    given = _plain([apps, facts, *arguments])
    if not _last or _last[0] != given:
        _last[:] = [given, resolve(*given)]
    model: dict[str, Any] = _last[1]
    return model
