#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_source
short_description: Bring the source and the wheels of missing releases to a host
version_added: 0.1.0
description:
  - Names each release after the content of its source, its requirements and the Python that it is for, and brings
    sources and packages of those that a host does not have into a cache that only root can enter.
  - Comes before anything else changes, so that a source that cannot be had leaves the host as it was.
  - Directories and archives on the controller are sent by an action plugin, all in one archive and each once.
    Addresses, repositories and packages are fetched by the host itself, and not again while they are what they were;
    a branch or a tag takes one question to its server.
  - Repositories are read by an account of their own in a transient unit of systemd, with submodules refused and
    without hooks, filters and attributes. Files of Git LFS stay the pointers that are committed.
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
      - Private keys of repositories, and what follows the C(?) of addresses, by the names of their apps.
      - A key goes from here into an agent, and on the host to no file and no command line. Without pipelining Ansible
        itself puts a module's options into a file for a moment.
    type: dict
    default: {}
  deploy_account:
    description: Account that reads repositories and builds packages from source; made where it is needed.
    type: str
    default: wsgi-deploy
  installer:
    description: What fetches packages.
    type: str
    choices: [pip, uv]
    default: pip
  uv:
    description: Where O(installer=uv) is, other than in C(/usr/local/bin) or C(/usr/bin).
    type: path
  python:
    description: Interpreter on the host that the releases are for.
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
      - Whether the other apps are fetched where one fails. Otherwise any failure fails the task, and the cache is as it
        was before.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Bring a release to the host
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

- name: Bring a release from a repository
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
    - Without the apps among RV(failures). In check mode a release that is still to be fetched has no name.
  type: list
  elements: dict
  returned: always
missing:
  description: Apps whose release was neither built nor fetched.
  type: list
  elements: str
  returned: always
failures:
  description: Why an app's source could not be had, by app.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.command import runner
from ..module_utils.host.deploy_account import ensure_deploy_account
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.fs import diff_of
from ..module_utils.release.fetch import Fetching, fetch, unsent
from ..module_utils.release.installer import installer
from ..module_utils.release.row import RELEASES


def main() -> None:
    module = AnsibleModule(
        {
            "releases": RELEASES,
            "source_secrets": {"type": "dict", "default": {}, "no_log": True},
            "deploy_account": {"type": "str", "default": "wsgi-deploy"},
            "installer": {"type": "str", "choices": ["pip", "uv"], "default": "pip"},
            "uv": {"type": "path"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "python_version": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "parallel": {"type": "int", "default": 4},
            "keep_going": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given, check = module.params, module.check_mode
    rows, account, run = given["releases"], given["deploy_account"], runner(module.run_command)
    try:
        lacking = unsent(rows)
        if lacking and not given["archive"] and not check:
            module.exit_json(changed=False, missing=lacking, unsent=lacking, releases=rows, failures={})
        changes = []
        if any("git" in row["source"] or row["allow_source_builds"] for row in rows):
            changes = ensure_deploy_account(account, run, check)
        how = Fetching(
            run=run,
            installer=installer(given["installer"], given["python"], account, given["uv"] or ""),
            python_version=given["python_version"],
            deploy_account=account,
            parallel=given["parallel"],
            archive=given["archive"] or "",
            keys=given["source_secrets"],
            keep_going=given["keep_going"],
            check=check,
        )
        found = fetch(rows, how)
        module.exit_json(
            changed=bool(found.missing or changes),
            diff=diff_of(changes),
            missing=found.missing,
            releases=found.rows,
            failures=found.failures,
        )
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
