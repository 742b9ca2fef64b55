#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_plan
short_description: Find out which steps have work to do
version_added: 0.1.0
description:
  - Used by the role P(palisade.mod_wsgi.wsgi_apps#role). Compares a host with the list of apps in one run, so that the
    role runs only the steps that would change something.
  - Fails if something keeps the play from going on, such as a link that an app planted in one of its directories, or a
    certificate that does not fit its key. Nothing has changed then.
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
  model:
    description:
      - What the role P(palisade.mod_wsgi.wsgi_apps#role) is to make of the host, as the filter
        P(palisade.mod_wsgi.wsgi_resolve#filter) returned it.
      - O(releases), O(secrets) and O(source_secrets) are parts of it. The action plugin takes them out, so that they
        need not be given.
    type: dict
    required: true
  digest:
    description:
      - Digest of the facts that O(model) was made of, as M(palisade.mod_wsgi.wsgi_server_info) returned it.
      - If the host has changed since, or another play has had its turn, nothing is compared and RV(stale) is true.
        So it is with a model that is a complaint.
    type: str
    default: ""
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
    description: Its version, such as V(3.13); part of a release's name.
    type: str
    required: true
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
"""

RETURN = r"""
stale:
  description: Whether O(model) is to be made again, because the host is not the one of O(digest) any more.
  type: bool
  returned: success
parts:
  description:
    - Parts of the role with work to do; V(accounts), V(layout), V(data), V(releases), V(site) and V(removal).
    - With V(site), V(self_signed) and V(certificates) if an app has a certificate of that kind, or any.
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

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.plan import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
