# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_resolve
short_description: Check a list of apps against a host and derive everything that the roles make of it
version_added: 0.1.0
description:
  - Used by the role P(palisade.mod_wsgi.wsgi_apps#role). Every error is raised here, before anything changes.
author:
  - palisade.mod_wsgi contributors (@palisade)
options:
  _input:
    description: The list of apps.
    type: list
    elements: dict
    required: true
  host:
    description: What M(palisade.mod_wsgi.wsgi_server_info) returned.
    type: dict
    required: true
  owner:
    description: Name of this list among the lists that manage apps on the host.
    type: str
    required: true
  base_directory:
    description: Directory on the controller where relative sources start.
    type: path
    required: true
  server_required:
    description: Whether a host without mod_wsgi is an error. False in check mode.
    type: bool
    default: true
  deployed:
    description:
      - Names of apps that the host serves already; the result is then narrowed to what a deployment of their releases
        takes. All apps where it is an empty list.
    type: list
    elements: str
  first:
    description:
      - Whether the host is the first of its play, which alone gets the timers that are to run once.
      - V(null) if the play was limited to some hosts. The host then keeps such timers if it has them.
    type: bool
    default: true
  strict:
    description:
      - Whether an error stops the task. If not, the result is a C(complaint) and nothing else, which
        M(palisade.mod_wsgi.wsgi_plan) takes for a host that has changed.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show the directories of the apps
  ansible.builtin.debug:
    msg: "{{ (apps | palisade.mod_wsgi.wsgi_resolve(server, 'shop', playbook_dir)).directories }}"
"""

RETURN = r"""
_value:
  description: Accounts, directories, releases, files, certificates, sites, pools, what is to be removed, and warnings.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ..module_utils.host.errors import PalisadeError
from ..plugin_utils.model import resolved


def wsgi_resolve(
    apps: Any,
    host: Mapping[str, Any],
    owner: str,
    base_directory: str,
    server_required: bool = True,
    deployed: Sequence[str] | None = None,
    first: bool | None = True,
    strict: bool = True,
) -> dict[str, Any]:
    """Return the resolved model; AnsibleFilterError names the app, the field, what was expected and what came."""
    try:
        model = resolved(apps, host, owner, base_directory, server_required, deployed, first)
    except PalisadeError as error:
        if not strict:
            return {"complaint": str(error)}
        raise AnsibleFilterError(str(error)) from error
    for text in model["warnings"]:
        # Each text is shown once, however often the model is evaluated.
        Display().warning(text)
    return model


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the filter by its name."""
        return {"wsgi_resolve": wsgi_resolve}
