#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_run
short_description: Run a command in the surroundings of a WSGI application
version_added: 0.1.0
description:
  - Runs a command as an app of the host would run it, by the program C(wsgi-run) that the role
    P(palisade.mod_wsgi.wsgi_apps#role) installs. The command runs in the code of the current release, as the app's
    account, with its virtual environment, environment variables, umask, locale, sandbox and limits.
  - Values of the app's C(environment) are masked in everything that is returned.
  - If the command fails, the task fails and shows its last lines.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Runs nothing in check mode.
    support: none
  diff_mode:
    description: A command has no difference to show.
    support: none
options:
  app:
    description: Name of the app.
    type: str
    required: true
  command:
    description:
      - The command, as a string or as a list of words. A string is split into words as a shell would, but no shell runs
        it.
      - Others on the host can read it while it runs, so put secrets into O(stdin) or into the app's C(environment).
    type: raw
    required: true
  stdin:
    description: Text that the command reads as its input.
    type: str
  changed:
    description:
      - Regular expression that the output contains if the command changed something, such as V(Applying .+ OK).
      - If it is empty, the task never reports a change.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Apply the migrations
  palisade.mod_wsgi.wsgi_run:
    app: shop
    command: python manage.py migrate
    changed: Applying
"""

RETURN = r"""
rc:
  description: Exit status of the command.
  type: int
  returned: success
stdout:
  description: What the command printed.
  type: str
  returned: success
stderr:
  description: What it printed as errors.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.app.values import command
from ..module_utils.host.errors import PalisadeError
from ..module_utils.runtime.run_app import run_app


def main() -> None:
    module = AnsibleModule(
        {
            "app": {"type": "str", "required": True},
            "command": {"type": "raw", "required": True},
            "stdin": {"type": "str", "no_log": True},
            "changed": {"type": "str", "default": ""},
        },
        supports_check_mode=False,
    )
    params = module.params
    try:
        words = command(params["command"], "command")
        found = run_app(params["app"], words, params["stdin"], params["changed"], module.run_command)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=found.changed, rc=found.status, stdout=found.output, stderr=found.complaint)


if __name__ == "__main__":
    main()
