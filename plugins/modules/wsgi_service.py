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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.fs import diff_of
from ..module_utils.host.layout import FILE
from ..module_utils.host.turn import held
from ..module_utils.release.services import check_services, remove_services


def _rows(**options: str) -> dict[str, Any]:
    suboptions = {name: {"type": kind, "required": True} for name, kind in options.items()}
    return {"type": "list", "elements": "dict", "default": [], "options": suboptions}


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["checked", "absent"], "required": True},
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "schedules": _rows(app="str", timer="str", schedule="str"),
            "apps": _rows(app="str", home="path"),
        },
        supports_check_mode=True,
    )
    params, run = module.params, runner(module.run_command)
    told: list[str] = []
    changes: list[dict[str, Any]] = []
    try:
        if params["state"] == "checked":
            told = check_services(params["files"], params["schedules"], run)
        else:
            with held(module.check_mode):
                changes = remove_services(params["apps"], run, module.check_mode)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    paths = [change["path"] for change in changes]
    module.exit_json(changed=bool(changes), times=told, paths=paths, diff=diff_of(changes))


if __name__ == "__main__":
    main()
