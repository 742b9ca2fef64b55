#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_server_plan
short_description: Find out which steps of the server's set-up have work to do
version_added: 0.1.0
description:
  - Used by the role P(palisade.mod_wsgi.wsgi_server#role). Compares a host that has Apache with the role's variables in
    one run, so that the role runs only the steps that would change something.
  - Never changes the host.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: It changes nothing in any mode.
    support: full
options:
  sandbox:
    description:
      - Arguments of M(palisade.mod_wsgi.wsgi_sandbox), with O(sandbox.state).
    type: dict
    required: true
    suboptions:
      state: {description: Whether Apache's unit is to have a sandbox., type: str, required: true}
      protect_home: {description: What it sees of home directories., type: str, required: true}
      memory_deny_write_execute: {description: Whether code is never writable., type: bool, required: true}
      address_families: {description: Families of sockets., type: list, elements: str, required: true}
      writable_paths: {description: Paths that it may write to., type: list, elements: str, required: true}
      apps: {description: Paths of the sites that apps replace., type: list, elements: dict, required: true}
  packages:
    description: Names of the packages that the host needs.
    type: list
    elements: str
    required: true
  package_query:
    description: Command that prints C(installed NAME) for each of the packages whose names follow it.
    type: list
    elements: str
    required: true
  built_module:
    description: Path of mod_wsgi's module if pip builds it; empty for the distribution's.
    type: str
    default: ""
  self_signed:
    description: Certificates, as for O(palisade.mod_wsgi.wsgi_certificate#module:self_signed).
    type: list
    elements: dict
    default: []
  directories:
    description: Directories, as for O(palisade.mod_wsgi.wsgi_layout#module:directories).
    type: list
    elements: dict
    default: []
  files:
    description: Files of Apache's configuration, as for O(palisade.mod_wsgi.wsgi_site#module:files).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Find out what the role wsgi_server would do
  palisade.mod_wsgi.wsgi_server_plan:
    sandbox:
      state: present
      protect_home: "yes"
      memory_deny_write_execute: false
      address_families: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK]
      writable_paths: []
      apps: []
    packages: [apache2, libapache2-mod-wsgi-py3]
    package_query: [dpkg-query, --show, '--showformat=${db:Status-Status} ${Package}\n']
    files:
      - {path: /etc/apache2/conf-available/zz-palisade.conf, content: "ServerTokens Prod"}
  register: plan
"""

RETURN = r"""
parts:
  description:
    - Parts of the role with work to do; V(sandbox), V(packages), V(module), V(configuration) and V(service).
    - All of them if packages or the module are missing.
  type: list
  elements: str
  returned: success
changes:
  description:
    - What differs and what follows from it, for people; a line for Apache.
    - Empty unless the play runs with C(--check) or C(--diff), because it takes a look at everything.
  type: list
  elements: str
  returned: success
  sample: ["Apache: 3 files; reloads"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.server_plan import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
