#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_plan
short_description: Find out which steps of a role have work to do
version_added: 0.1.0
description:
  - Used by the roles. Compares a host with its list of apps, or with the variables of the server, in one run, so that
    the role runs only the steps that would change something.
  - With O(model), fails if something keeps the play from going on, such as a link that an app planted in one of its
    directories, or a certificate that does not fit its key. Nothing has changed then.
  - If no step has work to do, asks each app for an answer, as M(palisade.mod_wsgi.wsgi_health) does.
  - Never changes the host.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Does not ask the apps for an answer.
    support: full
extends_documentation_fragment:
  - palisade.mod_wsgi.release_row
options:
  server:
    description: What the role P(palisade.mod_wsgi.wsgi_server#role) is to make of a host that has Apache.
    type: dict
    suboptions:
      sandbox:
        description:
          - Arguments of M(palisade.mod_wsgi.wsgi_sandbox), with O(server.sandbox.state).
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
  model:
    description:
      - What the role P(palisade.mod_wsgi.wsgi_apps#role) is to make of the host, as the filter
        P(palisade.mod_wsgi.wsgi_resolve#filter) returned it.
      - O(releases), O(secrets) and O(source_secrets) are parts of it. The action plugin takes them out, so that they
        need not be given.
    type: dict
  secrets:
    description: Texts of files by their paths, for texts that are never shown.
    type: dict
    default: {}
  source_secrets:
    description: Keys of sources, by app.
    type: dict
    default: {}
  deploy_account:
    description: Account that reads repositories and builds packages and releases.
    type: str
    default: wsgi-deploy
  installer:
    description: Program that installs packages.
    type: str
    choices: [pip, uv]
    default: pip
  python:
    description: Interpreter on the host that runs the releases.
    type: path
    default: /usr/bin/python3
  python_version:
    description: Its version, such as V(3.13); part of a release's name. Required with O(model).
    type: str
  parallel:
    description: Number of apps at a time.
    type: int
    default: 4
  keep:
    description: Number of releases of each app to keep on the host.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Find out what the role wsgi_apps would do
  palisade.mod_wsgi.wsgi_plan:
    model: "{{ apps | palisade.mod_wsgi.wsgi_resolve(server, 'shop', playbook_dir) }}"
    python_version: "{{ server.python.version }}"
  register: plan

- name: Find out what the role wsgi_server would do
  palisade.mod_wsgi.wsgi_plan:
    server:
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
    - Parts of the role with work to do; with O(model) V(accounts), V(layout), V(data), V(releases), V(site) and
      V(removal).
    - With O(server) V(sandbox), V(packages), V(module), V(configuration) and V(service); all of them if packages or the
      module are missing.
    - V(verify) if there is nothing to do and an app does not answer.
  type: list
  elements: str
  returned: success
times:
  description: When timers run next, one line for each.
  type: list
  elements: str
  returned: success
changes:
  description:
    - What differs and what follows from it, for people; a line for each app that changes, then those of the host.
    - Empty unless the play runs with C(--check) or C(--diff), because it takes a look at everything.
  type: list
  elements: str
  returned: success
  sample: ["shop: new release, 2 files; pool restarts"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.sandbox import Settings
from ..module_utils.apache.transaction import ConfigurationFile
from ..module_utils.host.command import Run, runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.turn import held, leave
from ..module_utils.plan.differences import Plan, Releases, Server, plan_apps, plan_server
from ..module_utils.plan.managed_apps import data_of_served_apps
from ..module_utils.release.activation import Files
from ..module_utils.release.fetch import Fetching
from ..module_utils.release.installer import installer
from ..module_utils.release.row import RELEASES

_TEXT = {"type": "str", "required": True}
_TEXTS = {"type": "list", "elements": "str", "required": True}
_ROWS = {"type": "list", "elements": "dict", "default": []}
_SANDBOX = {
    "state": _TEXT,
    "protect_home": _TEXT,
    "memory_deny_write_execute": {"type": "bool", "required": True},
    "address_families": _TEXTS,
    "writable_paths": _TEXTS,
    "apps": {"type": "list", "elements": "dict", "required": True},
}
_SERVER = {
    "sandbox": {"type": "dict", "required": True, "options": _SANDBOX},
    "packages": _TEXTS,
    "package_query": _TEXTS,
    "built_module": {"type": "str", "default": ""},
    "self_signed": _ROWS,
    "directories": _ROWS,
    "files": {"type": "list", "elements": "dict", "required": True},
}


def _server(given: dict[str, Any], run: Run, describe: bool) -> Plan:
    layout, unit = host_layout(), given["sandbox"]
    settings = Settings(
        unit["protect_home"],
        unit["memory_deny_write_execute"],
        tuple(unit["address_families"]),
        tuple(unit["writable_paths"]),
    )
    wanted = Server(
        sandbox=unit["state"],
        settings=settings,
        old_data=unit["apps"],
        data=data_of_served_apps(layout),
        packages=given["packages"],
        package_query=given["package_query"],
        module=given["built_module"],
        certificates=given["self_signed"],
        directories=given["directories"],
        files=[ConfigurationFile(**row) for row in given["files"]],
    )
    return plan_server(wanted, layout, run, describe)


def _apps(given: dict[str, Any], run: Run, ask: bool, describe: bool) -> Plan:
    model = given["model"]
    how = Fetching(
        run=run,
        installer=installer(given["installer"], given["python"], given["deploy_account"], ""),
        python_version=given["python_version"],
        deploy_account=given["deploy_account"],
        parallel=given["parallel"],
        keys=given["source_secrets"],
        check=True,
    )
    files = Files(model["files"], model["unused_files"], given["secrets"])
    releases = Releases(given["releases"], files, model["service_files"], model["pools"], how, given["keep"])
    return plan_apps(model, releases, host_layout(), run, ask, describe)


def main() -> None:
    module = AnsibleModule(
        {
            "server": {"type": "dict", "options": _SERVER},
            "model": {"type": "dict"},
            "releases": RELEASES,
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "source_secrets": {"type": "dict", "default": {}, "no_log": True},
            "deploy_account": {"type": "str", "default": "wsgi-deploy"},
            "installer": {"type": "str", "choices": ["pip", "uv"], "default": "pip"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "python_version": {"type": "str"},
            "parallel": {"type": "int", "default": 4},
            "keep": {"type": "int", "default": 5},
        },
        required_one_of=[("server", "model")],
        mutually_exclusive=[("server", "model")],
        required_by={"model": ["python_version"]},
        supports_check_mode=True,
        # The steps log what they are to do; all of it here would fill the system log.
        no_log=True,
    )
    given, run = module.params, runner(module.run_command)
    # Ansible tells a module so whether the user asked for differences.
    describe = module.check_mode or module._diff
    try:
        with held(module.check_mode):
            if given["server"]:
                plan = _server(given["server"], run, describe)
            else:
                plan = _apps(given, run, not module.check_mode, describe)
        # Of the apps the last step, where no other has work.
        if given["model"] and not plan.parts and not module.check_mode:
            leave()
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    for text in plan.warnings:
        module.warn(text)
    changes = plan.summary.lines() if plan.summary else []
    module.exit_json(changed=False, parts=plan.parts, times=plan.times, changes=changes)


if __name__ == "__main__":
    main()
