#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_service
short_description: Check and remove the workers and timers of WSGI applications
version_added: 0.1.0
description:
  - With O(state=checked), checks the schedules of timers with C(systemd-analyze), and that no unit of somebody else is
    in the way. Nothing is changed.
  - With O(state=absent), stops the workers and timers of apps, and removes their unit files.
  - M(palisade.mod_wsgi.wsgi_release) starts them, since they follow the app's release.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Says which files would be removed.
    support: full
  diff_mode:
    description: Shows the files that are removed.
    support: full
options:
  state:
    description: What to do.
    type: str
    choices: [checked, absent]
    required: true
  files:
    description: Unit files to come, for O(state=checked).
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      owner: {description: Owner., type: str, required: true}
      group: {description: Group., type: str, required: true}
      mode: {description: Octal mode., type: str, required: true}
      content: {description: Text., type: str}
  schedules:
    description: Schedules to check.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      timer: {description: Name of its timer., type: str, required: true}
      schedule: {description: Expression as C(OnCalendar) of systemd.timer(5)., type: str, required: true}
  apps:
    description: Apps whose workers and timers go, for O(state=absent).
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      home: {description: Its home directory., type: path, required: true}
"""

EXAMPLES = r"""
- name: Check a schedule
  palisade.mod_wsgi.wsgi_service:
    state: checked
    schedules:
      - {app: shop, timer: cleanup, schedule: "Mon 03:30"}
"""

RETURN = r"""
times:
  description: A sentence for each schedule, with its next three times.
  type: list
  elements: str
  returned: always
  sample: ["app shop: timer cleanup runs next at Mon 2026-11-30 03:30:00 UTC, Mon 2026-12-07 03:30:00 UTC"]
paths:
  description: Files that were removed.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.service import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
