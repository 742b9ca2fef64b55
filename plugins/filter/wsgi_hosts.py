# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_hosts
short_description: Check that a play has hosts
version_added: 0.1.0
description:
  - Returns the pattern of a play's hosts as it is, and fails where it matches no host of the inventory. Ansible itself
    ends such a play without an error.
  - Used in the field C(hosts) of the collection's playbooks.
  - Does not fail where Ansible only checks the syntax or lists hosts, tasks or tags.
author:
  - palisade.mod_wsgi contributors (@palisade)
positional: groups, limit
options:
  _input:
    description: The pattern, or a list of patterns.
    type: raw
    required: true
  groups:
    description: The groups of the inventory with the names of their hosts, as in the variable C(groups).
    type: dict
    required: true
  limit:
    description: What the option C(--limit) says, as in the variable C(ansible_limit).
    type: str
"""

EXAMPLES = r"""
- name: Do something with the hosts of the collection's playbooks
  hosts: "{{ wsgi_hosts | default('wsgi') | palisade.mod_wsgi.wsgi_hosts(groups, ansible_limit | default(none)) }}"
"""

RETURN = r"""
_value:
  description: The patterns.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence

from ansible import context
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

# With these options no play runs.
_LOOKING = ("syntax", "listhosts", "listtasks", "listtags")


def wsgi_hosts(
    pattern: str | Sequence[str], groups: Mapping[str, Sequence[str]], limit: str | None = None
) -> list[str]:
    """Return the patterns; AnsibleFilterError says how to name hosts where these match none."""
    patterns = [pattern] if isinstance(pattern, str) else [str(one) for one in pattern]
    if not any(context.CLIARGS.get(option) for option in _LOOKING) and not _matches(patterns, groups, limit):
        limited = f" within --limit {limit}" if limit else ""
        raise AnsibleFilterError(
            f"no host of the inventory matches '{','.join(patterns)}'{limited}; put your hosts into the group 'wsgi', "
            "or name other ones with the option -e wsgi_hosts=GROUP"
        )
    return patterns


def _matches(patterns: list[str], groups: Mapping[str, Sequence[str]], limit: str | None) -> bool:
    # As the lookup ansible.builtin.inventory_hostnames does it, which knows no limit.
    inventory = InventoryManager(DataLoader(), parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group=group)
    try:
        inventory.subset(limit)
        return bool(inventory.get_hosts(patterns))
    except AnsibleError:
        return False


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filter by its name."""
        return {"wsgi_hosts": wsgi_hosts}
