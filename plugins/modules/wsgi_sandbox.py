#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_sandbox
short_description: Run Apache's unit in a systemd sandbox
version_added: 0.1.0
description:
  - Writes a drop-in for Apache's unit and restarts a running Apache with it. For Apache and its daemons the host is
    then read-only, home directories and processes of other accounts are hidden, and no process can gain privileges.
  - If a pool does not come back in the sandbox under its account, the change is undone. The error then quotes the last
    lines of the unit's journal and of Apache's log.
  - First runs a trial program, to find out whether systemd can sandbox a unit on this host. In many containers it
    cannot. Apache then runs without a sandbox, and a warning says why.
  - With O(apps), lets apps write to their own paths. A running Apache is not restarted for that.
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
      - V(present) gives the unit a sandbox if systemd can do so, V(required) fails if it cannot, and V(absent)
        removes the sandbox. Without O(state), only O(apps) is used.
    type: str
    choices: [present, required, absent]
  protect_home:
    description: How much Apache sees of C(/home), C(/root) and C(/run/user); the values of systemd's C(ProtectHome).
    type: str
    choices: ["yes", read-only, tmpfs, "no"]
    default: "yes"
  memory_deny_write_execute:
    description:
      - Refuses memory that is both writable and executable. This breaks apps that compile code at run time, and some
        that use C(ctypes) or C(cffi).
    type: bool
    default: false
  address_families:
    description: Families of sockets that Apache and its daemons may open.
    type: list
    elements: str
    default: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK]
  writable_paths:
    description:
      - Further paths that Apache and its daemons may write to, where owners and modes allow it.
      - A path that does not exist is ignored.
    type: list
    elements: str
    default: []
  apps:
    description:
      - Paths that apps may write to, where owners and modes allow it. Ignored without a sandbox.
      - With O(state), paths that old sites write to until apps replace them. An app with a drop-in keeps it.
    type: list
    elements: dict
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      path:
        description: Absolute path. An app whose only path is empty may write nowhere.
        type: str
        default: ""
  reload_wait:
    description:
      - Seconds to wait before Apache is restarted for requests that have been running for a second. The restart
        ends those that take over three seconds more.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Run Apache in a sandbox
  palisade.mod_wsgi.wsgi_sandbox:
    state: present
    writable_paths: [/srv/wiki/uploads]

- name: Allow an app to write to its data
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

from ..module_utils.steps.sandbox import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
