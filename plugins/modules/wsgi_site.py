#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_site
short_description: Change Apache's configuration as one transaction
version_added: 0.1.0
description:
  - Lets Apache check a copy of its whole configuration with the new files in it, then puts the files in place, checks
    again and reloads Apache.
  - On failure, restores the old files and runs Apache with them. The error names the app and the file, and quotes
    Apache.
  - Also reloads Apache if a pool in O(pools) is older than the files that declare it, for instance after an interrupted
    play.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Also checks the copy, if Apache and the accounts named in the files exist.
    support: full
  diff_mode:
    description: Shows each file and link before and after.
    support: full
options:
  files:
    description: Files inside Apache's configuration.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Absolute path., type: str, required: true}
      content:
        description: Text. Without it and without O(files[].target), the file and its link are removed.
        type: str
      target:
        description: Target, if O(files[].path) should be a symbolic link.
        type: str
        default: ""
      link: {description: Symbolic link that makes the file live., type: str, default: ""}
      app: {description: App that the file is for; errors name it., type: str, default: ""}
      restart:
        description: Whether a change needs a restart. Loading a module does.
        type: bool
        default: false
  pools:
    description: Pools that must not be older than the configuration that declares them.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the pool., type: str, required: true}
      loads: {description: Files of the configuration that declare it., type: list, elements: str, required: true}
  reload_wait:
    description:
      - Seconds to wait before Apache is reloaded for requests that have been running for a second. The reload
        ends those that take over three seconds more.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Put a site in place
  palisade.mod_wsgi.wsgi_site:
    files:
      - path: /etc/apache2/sites-available/status.conf
        link: /etc/apache2/sites-enabled/status.conf
        content: |
          <VirtualHost *:80>
              ServerName status.example.com
          </VirtualHost>
"""

RETURN = r"""
paths:
  description: Files and links that changed.
  type: list
  elements: str
  returned: always
reload:
  description: What was done to Apache; V(none), V(reload) or V(restart).
  type: str
  returned: always
stale:
  description: Pools that did not run, or were older than the configuration that declares them.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.site import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
