#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_source
short_description: Copy the sources and wheels of new releases to a host
version_added: 0.1.0
description:
  - Names each release after the content of its source, its requirements and its Python version. Fetches the sources and
    packages of releases that the host does not have, into a cache that only root can enter.
  - Runs before anything else changes. If a source cannot be fetched, the host stays as it was.
  - Directories and archives on the controller are sent by an action plugin, all in one archive and each once.
    The host itself fetches URLs, repositories and packages, and fetches them again only if they changed. A branch or a
    tag costs one request to its server.
  - A separate account clones repositories in a transient systemd unit, without hooks, filters and attributes.
    Submodules are refused. Git LFS files stay pointers.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Says which releases are missing.
    support: full
extends_documentation_fragment:
  - palisade.mod_wsgi.release_row
options:
  source_secrets:
    description:
      - Private keys of repositories, and the part of a URL after C(?), by the names of their apps.
      - The module passes a key to an SSH agent, and never writes it to a file or a command line of the host. Without
        pipelining, Ansible itself writes a module's options to a temporary file.
    type: dict
    default: {}
  deploy_account:
    description: Account that reads repositories and builds packages and releases; created if it is needed.
    type: str
    default: wsgi-deploy
  installer:
    description: Program that fetches packages.
    type: str
    choices: [pip, uv]
    default: pip
  uv:
    description: Path of uv for O(installer=uv), if it is not in C(/usr/local/bin) or C(/usr/bin).
    type: path
  python:
    description: Interpreter on the host that runs the releases.
    type: path
    default: /usr/bin/python3
  python_version:
    description: Its version, such as V(3.13); part of a release's name.
    type: str
    required: true
  archive:
    description: The sources on the host; set by the action plugin.
    type: path
  parallel:
    description: Number of apps at a time.
    type: int
    default: 4
  keep_going:
    description:
      - Whether to fetch the other apps if one fails. Otherwise any failure fails the task, and the cache is as it was
        before.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Fetch a release
  palisade.mod_wsgi.wsgi_source:
    releases:
      - app: public
        source: {path: "{{ playbook_dir }}/apps/public"}
        requirements: requirements.txt
        directory: /var/lib/public-app/releases
        current: /var/lib/public-app/current
        group: public-app
    python_version: "3.13"
  register: source

- name: Fetch a release from a repository
  palisade.mod_wsgi.wsgi_source:
    releases:
      - app: shop
        source:
          git: git@git.example.org:shop.git
          version: v1.2
          known_hosts: "{{ lookup('ansible.builtin.file', 'known_hosts') }}"
        directory: /var/lib/shop-app/releases
        current: /var/lib/shop-app/current
        group: shop-app
    source_secrets: {shop: "{{ vault_shop_deploy_key }}"}
    python_version: "3.13"
  register: source
"""

RETURN = r"""
releases:
  description:
    - What came in, with the name of each release; the argument of M(palisade.mod_wsgi.wsgi_release).
    - Apps in RV(failures) are left out. In check mode, a release that is not fetched yet has no name.
  type: list
  elements: dict
  returned: always
missing:
  description: Apps whose release was neither built nor fetched.
  type: list
  elements: str
  returned: always
failures:
  description: Why the source of an app could not be fetched, by app.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.source import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
