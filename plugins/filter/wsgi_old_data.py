# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_old_data
short_description: Name what sites write to that apps of a list are to replace
version_added: 0.1.0
description:
  - Used by the role P(palisade.mod_wsgi.wsgi_server#role), whose sandbox leaves these paths writable.
  - A list that is not right gives less; the role P(palisade.mod_wsgi.wsgi_apps#role) refuses it.
author:
  - palisade.mod_wsgi contributors (@palisade)
options:
  _input:
    description: The list of apps.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Let the old sites write
  palisade.mod_wsgi.wsgi_sandbox:
    state: present
    apps: "{{ wsgi_apps | palisade.mod_wsgi.wsgi_old_data }}"
"""

RETURN = r"""
_value:
  description: Rows of C(app) and C(path), as O(palisade.mod_wsgi.wsgi_sandbox#module:apps).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ..module_utils.app.check import check_app
from ..module_utils.host.errors import PalisadeError
from ..module_utils.plan.resolve import old_places


def wsgi_old_data(apps: Any) -> list[dict[str, str]]:
    """Return what the sites write to that the apps are to replace."""
    rows = []
    for number, raw in enumerate(apps if isinstance(apps, (list, tuple)) else []):
        try:
            app = check_app(raw, number, None)
        except PalisadeError:
            continue
        rows += [{"app": app.name, "path": path} for path in old_places(app)]
    return rows


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        """Return the filter by its name."""
        return {"wsgi_old_data": wsgi_old_data}
