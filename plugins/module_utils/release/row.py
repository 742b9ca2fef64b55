# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The row of a release, which one module gives to the next; the fragment release_row documents it."""

from __future__ import annotations

from typing import Any

_SERVED: dict[str, Any] = {
    "account": {"type": "str", "required": True},
    "directories": {"type": "list", "elements": "str", "required": True},
}
ROW: dict[str, Any] = {
    "app": {"type": "str", "required": True},
    "source": {"type": "dict", "default": {}},
    "requirements": {"type": "str", "default": ""},
    "allow_source_builds": {"type": "bool", "default": False},
    "build": {"type": "list", "elements": "list", "default": []},
    "build_network": {"type": "bool", "default": False},
    "directory": {"type": "path", "required": True},
    "current": {"type": "path", "required": True},
    "group": {"type": "str", "required": True},
    "account": {"type": "str", "default": ""},
    "groups": {"type": "list", "elements": "str", "default": []},
    "application": {"type": "str", "default": ""},
    "umask": {"type": "str", "default": "0027"},
    "hooks": {"type": "list", "elements": "list", "default": []},
    "services": {"type": "list", "elements": "dict", "default": []},
    "writable": {"type": "list", "elements": "path", "default": []},
    "data_marker": {"type": "path", "default": ""},
    "served": {"type": "dict", "options": _SERVED},
    "digest": {"type": "str", "default": ""},
    "release": {"type": "str", "default": ""},
    "origin": {"type": "str", "default": ""},
}
RELEASES: dict[str, Any] = {"type": "list", "elements": "dict", "required": True, "options": ROW}
