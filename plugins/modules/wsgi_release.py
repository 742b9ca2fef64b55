#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_release
short_description: Build, activate, roll back and prune releases of WSGI applications
version_added: 0.1.0
description:
  - With O(state=built), builds each missing release from what M(palisade.mod_wsgi.wsgi_source) fetched, and tries it in
    a directory that nothing serves. If an app has no current release yet, the new one becomes current at once.
  - A release contains C(code), a virtual environment C(venv) without pip, and compiled bytecode. Root owns it, and only
    the app's group can read it, except for what O(releases[].served) lists. The commands in O(releases[].build)
    complete it in a sandbox. C(pip check) must pass. The trial imports the application as the service account, with its
    environment and without a listener.
  - With O(state=active), points C(current) at the release, writes the files in O(files), restarts the workers and then
    the pool one process at a time, and runs its health check. If that fails, the previous release and files are
    restored, and workers and pool are restarted with them.
  - With O(state=rolled_back), does the same with an earlier release.
  - If one app fails, the others are still done. The task reports the failures at its end.
  - A build that failed or was killed never counts as a release. If O(releases[].served) has changed, releases that are
    already built are corrected.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Says which releases are missing, which links would move and which files would change.
    support: full
  diff_mode:
    description: Shows the target of each link, the files and the served directories before and after, without secrets.
    support: full
extends_documentation_fragment: [palisade.mod_wsgi.release_row]
options:
  state:
    description: How far to go.
    type: str
    choices: [built, active, rolled_back]
    required: true
  release:
    description:
      - Release to go back to with O(state=rolled_back). If it is empty, each app goes back to the last release before
        its current one that was not rolled back itself.
    type: str
    default: ""
  files:
    description: Files that change together with an app's release.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      owner: {description: Owner., type: str, required: true}
      group: {description: Group., type: str, required: true}
      mode: {description: Octal mode., type: str, required: true}
      content: {description: Text. Without it the text is in O(secrets)., type: str}
  secrets:
    description: Secret texts of O(files) by path; the app's variables as JSON.
    type: dict
    default: {}
  absent:
    description: Files that the app no longer has.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
  pools:
    description: The pools and their health checks, as O(palisade.mod_wsgi.wsgi_health#module:pools).
    type: list
    elements: dict
    default: []
  service_files:
    description:
      - Unit files of the apps' workers and timers, and the files of their variables.
      - With O(state=active) and O(state=rolled_back), the services follow. Unit files of an app that are not in the
        list are removed, after what they describe has ended.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      owner: {description: Owner., type: str, required: true}
      group: {description: Group., type: str, required: true}
      mode: {description: Octal mode., type: str, required: true}
      content: {description: Text. Without it the text is in O(secrets)., type: str}
  keep:
    description: Number of releases to keep for each app with O(state=active), including the current one.
    type: int
    default: 5
  failures:
    description: Failures of an earlier step by the app's name; reported with those of O(state=active).
    type: dict
    default: {}
  deploy_account:
    description: Account that runs the commands in O(releases[].build).
    type: str
    default: wsgi-deploy
  installer:
    description: Program that installs packages.
    type: str
    choices: [pip, uv]
    default: pip
  uv:
    description: Path of uv on the host for O(installer=uv), if it is not in one of the usual places.
    type: path
  python:
    description: Interpreter for the virtual environments.
    type: path
    default: /usr/bin/python3
  parallel:
    description: Number of apps at a time.
    type: int
    default: 4
"""

EXAMPLES = r"""
- name: Build what was fetched
  palisade.mod_wsgi.wsgi_release:
    state: built
    releases: "{{ source.releases }}"
  register: built

- name: Switch to it
  palisade.mod_wsgi.wsgi_release:
    state: active
    releases: "{{ built.releases }}"
    failures: "{{ built.failures }}"
"""

RETURN = r"""
releases:
  description: The given rows, without those of apps that failed.
  type: list
  elements: dict
  returned: always
current:
  description: Name of the current release of each app.
  type: dict
  returned: always
  sample: {public: 0f3b6c1a9d2e4f57}
failures:
  description: What failed, by the app's name.
  type: dict
  returned: always
hooks:
  description: Output of the C(before_switch) commands.
  type: list
  elements: dict
  returned: always
  sample: [{app: public, command: [python, manage.py, migrate], output: "No migrations to apply."}]
services:
  description: Units of workers and timers that were, or in check mode would be, started or stopped.
  type: list
  elements: dict
  returned: always
  sample: [{unit: wsgi-shop-mail@1.service, action: started}]
processes:
  description:
    - Processes that replaced others, as RV(palisade.mod_wsgi.wsgi_pool#module:pools), with the pool.
    - In check mode, each pool whose processes would be replaced.
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.release import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
