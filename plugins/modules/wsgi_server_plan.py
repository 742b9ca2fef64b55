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

from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.sandbox import Settings
from ..module_utils.apache.transaction import ConfigurationFile
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.plan.differences import Server, plan_server
from ..module_utils.plan.managed_apps import data_of_served_apps


def main() -> None:
    text = {"type": "str", "required": True}
    texts = {"type": "list", "elements": "str", "required": True}
    rows = {"type": "list", "elements": "dict", "default": []}
    sandbox = {
        "state": text,
        "protect_home": text,
        "memory_deny_write_execute": {"type": "bool", "required": True},
        "address_families": texts,
        "writable_paths": texts,
        "apps": {"type": "list", "elements": "dict", "required": True},
    }
    module = AnsibleModule(
        {
            "sandbox": {"type": "dict", "required": True, "options": sandbox},
            "packages": texts,
            "package_query": texts,
            "built_module": {"type": "str", "default": ""},
            "self_signed": rows,
            "directories": rows,
            "files": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    params, run, layout = module.params, runner(module.run_command), host_layout()
    unit = params["sandbox"]
    try:
        wanted = Server(
            sandbox=unit["state"],
            settings=Settings(
                unit["protect_home"],
                unit["memory_deny_write_execute"],
                tuple(unit["address_families"]),
                tuple(unit["writable_paths"]),
            ),
            old_data=unit["apps"],
            data=data_of_served_apps(layout),
            packages=params["packages"],
            package_query=params["package_query"],
            module=params["built_module"],
            certificates=params["self_signed"],
            directories=params["directories"],
            files=[ConfigurationFile(**row) for row in params["files"]],
        )
        plan = plan_server(wanted, layout, run, describe=module.check_mode or module._diff)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    for warning in plan.warnings:
        module.warn(warning)
    changes = plan.summary.lines() if plan.summary else []
    module.exit_json(changed=False, parts=plan.parts, changes=changes)


if __name__ == "__main__":
    main()
