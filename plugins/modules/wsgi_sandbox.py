#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_sandbox
short_description: Put Apache's unit into a sandbox of systemd
version_added: 0.1.0
description:
  - Writes a drop-in for Apache's unit that leaves its daemons a read-only host, no home directories, no other
    accounts' processes and no way to more privileges, and restarts a running Apache into it.
  - A new start that does not bring every pool back, in the sandbox and as its account, is undone; the error has the
    last lines of the unit's journal and of Apache's log.
  - Whether systemd can do so on this host is tried out with a program first. Where it cannot, as in many containers,
    the unit goes without and a warning says why.
  - With O(apps) it lets apps write to their own paths, without a restart where Apache runs.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Runs the trial program, which changes nothing, and says what would change.
    support: full
  diff_mode:
    description: Shows each drop-in before and after.
    support: full
options:
  state:
    description:
      - V(present) gives the unit a sandbox if systemd can do so, V(required) fails if it cannot, and V(absent) takes it
        away. Without it only O(apps) are looked at.
    type: str
    choices: [present, required, absent]
  protect_home:
    description: What C(/home), C(/root) and C(/run/user) are to Apache, as systemd's C(ProtectHome).
    type: str
    choices: ["yes", read-only, tmpfs, "no"]
    default: "yes"
  memory_deny_write_execute:
    description:
      - Refuses memory that is both writable and executable. Breaks apps with a compiler of their own, and some that use
        C(ctypes) or C(cffi).
    type: bool
    default: false
  address_families:
    description: Families of sockets that Apache and its daemons may open.
    type: list
    elements: str
    default: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK]
  writable_paths:
    description:
      - Further paths that Apache and its daemons may write to, where owners and modes let them.
      - One that does not exist is passed over.
    type: list
    elements: str
    default: []
  apps:
    description:
      - Paths that apps may write to, as far as owners and modes let them. Passed over without a sandbox.
      - With O(state), what the sites write to that apps are to replace, so that these serve until then. An app that has
        a drop-in keeps it.
    type: list
    elements: dict
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      path:
        description: Absolute path. An app whose only path is empty may write nowhere.
        type: str
        default: ""
"""

EXAMPLES = r"""
- name: Put Apache into a sandbox
  palisade.mod_wsgi.wsgi_sandbox:
    state: present
    writable_paths: [/srv/wiki/uploads]

- name: Let an app write to its data
  palisade.mod_wsgi.wsgi_sandbox:
    apps:
      - app: public
        path: /var/lib/public-app/data
"""

RETURN = r"""
paths:
  description: Drop-ins that changed.
  type: list
  elements: str
  returned: always
restarted:
  description: Whether Apache was restarted.
  type: bool
  returned: always
opened:
  description: Paths that the running Apache may write to from now on.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.sandbox import Settings, ensure_apps, ensure_sandbox
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.fs import diff_of
from ..module_utils.plan.managed_apps import data_of_served_apps


def main() -> None:
    families = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]
    app = {"app": {"type": "str", "required": True}, "path": {"type": "str", "default": ""}}
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["present", "required", "absent"]},
            "protect_home": {"type": "str", "choices": ["yes", "read-only", "tmpfs", "no"], "default": "yes"},
            "memory_deny_write_execute": {"type": "bool", "default": False},
            "address_families": {"type": "list", "elements": "str", "default": families},
            "writable_paths": {"type": "list", "elements": "str", "default": []},
            "apps": {"type": "list", "elements": "dict", "options": app},
        },
        required_one_of=[("state", "apps")],
        supports_check_mode=True,
    )
    options, run = module.params, runner(module.run_command)
    settings = Settings(
        options["protect_home"],
        options["memory_deny_write_execute"],
        tuple(options["address_families"]),
        tuple(options["writable_paths"]),
    )
    try:
        if options["state"]:
            data, apps = data_of_served_apps(host_layout()), options["apps"] or ()
            outcome = ensure_sandbox(host_layout(), options["state"], settings, run, module.check_mode, data, apps)
        else:
            outcome = ensure_apps(host_layout(), options["apps"], run, module.check_mode)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(
        changed=bool(outcome.differences or outcome.restarted or outcome.opened),
        paths=[row["path"] for row in outcome.differences],
        restarted=outcome.restarted,
        opened=outcome.opened,
        diff=diff_of(outcome.differences),
    )


if __name__ == "__main__":
    main()
