#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_account
short_description: Create service accounts of WSGI applications with systemd-sysusers
version_added: 0.1.0
description:
  - Declares each account in C(/etc/sysusers.d) and lets systemd-sysusers create it, locked and without a shell.
  - Repairs and reports drift of an account. This covers its shell, a usable password, memberships in other groups, its
    home, its primary group, and other members of the app's group.
  - Refuses an account that a person or another service uses, unless it should be adopted. Root is always refused.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Reports what would be created, repaired or removed.
    support: full
  diff_mode:
    description: Shows each difference of each account.
    support: full
options:
  accounts:
    description: The accounts.
    type: list
    elements: dict
    required: true
    suboptions:
      app: {description: App that uses the account., type: str, required: true}
      name: {description: Name of the account., type: str, required: true}
      group: {description: Name of its primary group., type: str, required: true}
      home: {description: Home directory in passwd; not created here., type: path}
      adopt:
        description: Whether to take over and repair an existing account or group of this name.
        type: bool
        default: false
      sysusers: {description: Content of its sysusers.d file., type: str}
  state:
    description:
      - V(absent) removes the accounts, once the last of their processes has ended.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Create an account
  palisade.mod_wsgi.wsgi_account:
    accounts:
      - app: public
        name: public-app
        group: public-app
        home: /var/lib/public-app
        sysusers: |
          u public-app - "WSGI application public" /var/lib/public-app /usr/sbin/nologin
"""

RETURN = r"""
changes:
  description: What was created, repaired or removed.
  type: list
  elements: dict
  returned: always
  sample: [{path: account public-app, before: {state: "shell: /bin/bash"}, after: {state: "shell: /usr/sbin/nologin"}}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.account import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
