# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_complaint
short_description: Say what is wrong with a list of apps
version_added: 0.1.0
description:
  - Returns as text what P(palisade.mod_wsgi.wsgi_resolve#filter) would raise as an error, so that a play can show it
    without Ansible's words around it.
author:
  - palisade.mod_wsgi contributors (@palisade)
options:
  _input:
    description: The list of apps.
    type: list
    elements: dict
    required: true
  arguments:
    description:
      - Arguments of P(palisade.mod_wsgi.wsgi_resolve#filter), in its order.
      - Without them, judges only what can be known before the host is.
    type: list
    elements: raw
"""

EXAMPLES = r"""
- name: Check the apps
  ansible.builtin.assert:
    that: apps | palisade.mod_wsgi.wsgi_complaint == ''
    fail_msg: "{{ apps | palisade.mod_wsgi.wsgi_complaint }}"
"""

RETURN = r"""
_value:
  description: One line for each app that is wrong; empty if none is.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ..module_utils.host.errors import PalisadeError
from ..module_utils.plan.resolve import check_apps
from ..plugin_utils.model import resolved


def wsgi_complaint(apps: Any, *arguments: Any) -> str:
    """Return what is wrong with a list of apps."""
    try:
        if arguments:
            resolved(apps, *arguments)
        else:
            check_apps(apps)
    except PalisadeError as error:
        return str(error)
    return ""


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filter by its name."""
        return {"wsgi_complaint": wsgi_complaint}
