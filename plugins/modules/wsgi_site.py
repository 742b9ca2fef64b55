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

from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.transaction import ConfigurationFile, apply
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.fs import diff_of
from ..module_utils.host.turn import held


def main() -> None:
    file = {
        "path": {"type": "str", "required": True},
        "content": {"type": "str"},
        "target": {"type": "str", "default": ""},
        "link": {"type": "str", "default": ""},
        "app": {"type": "str", "default": ""},
        "restart": {"type": "bool", "default": False},
    }
    pool = {
        "name": {"type": "str", "required": True},
        "loads": {"type": "list", "elements": "str", "required": True},
    }
    module = AnsibleModule(
        {
            "files": {"type": "list", "elements": "dict", "required": True, "options": file},
            "pools": {"type": "list", "elements": "dict", "default": [], "options": pool},
        },
        supports_check_mode=True,
    )
    files = [ConfigurationFile(**row) for row in module.params["files"]]
    try:
        with held(module.check_mode):
            result = apply(host_layout(), files, module.params["pools"], runner(module.run_command), module.check_mode)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    changes = result["differences"]
    module.exit_json(
        changed=bool(changes or result["stale"]),
        paths=[change["path"] for change in changes],
        reload=result["reload"],
        stale=result["stale"],
        diff=diff_of(changes),
    )


if __name__ == "__main__":
    main()
