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
  - Names each release after the content of its source, its requirements and the Python that it is for.
  - Sends the sources of all releases that a host does not have in one archive, and downloads their wheels into a
    cache that only root can enter.
  - Comes before anything else changes, so that a requirement that cannot be installed leaves the host as it was.
  - Works with an action plugin, since the sources lie on the controller.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Says which releases are missing.
    support: full
options:
  releases:
    description: The apps whose releases a host is to have.
    type: list
    elements: dict
    required: true
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      source: {description: Directory on the controller; taken by the action plugin., type: path, required: true}
      requirements: {description: Requirements file inside the source., type: str, default: ""}
      directory: {description: Directory of the app's releases on the host., type: path, required: true}
      current: {description: Link to the release that is served., type: path, required: true}
      group: {description: Group that may read the releases., type: str, required: true}
      served:
        description: Directories of the source that another account reads too, by POSIX ACLs; Apache's static files.
        type: dict
        suboptions:
          account: {description: Account that serves them., type: str, required: true}
          directories: {description: Paths relative to the source., type: list, elements: str, required: true}
      digest: {description: SHA-256 of the source; set by the action plugin., type: str, default: ""}
      release: {description: Name of the release; set by the action plugin., type: str, default: ""}
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
    description: Number of downloads at a time.
    type: int
    default: 4
"""

EXAMPLES = r"""
- name: Bring a release to the host
  palisade.mod_wsgi.wsgi_source:
    releases:
      - app: public
        source: "{{ playbook_dir }}/apps/public"
        requirements: requirements.txt
        directory: /var/lib/public-app/releases
        current: /var/lib/public-app/current
        group: public-app
    python_version: "3.13"
  register: source
"""

RETURN = r"""
releases:
  description: What came in, with the name of each release; the argument of M(palisade.mod_wsgi.wsgi_release).
  type: list
  elements: dict
  returned: always
missing:
  description: Apps whose release was neither built nor fetched.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import runner
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._source import fetch, missing


def main() -> None:
    served = {
        "account": {"type": "str", "required": True},
        "directories": {"type": "list", "elements": "str", "required": True},
    }
    row = {
        "app": {"type": "str", "required": True},
        "source": {"type": "path", "required": True},
        "requirements": {"type": "str", "default": ""},
        "directory": {"type": "path", "required": True},
        "current": {"type": "path", "required": True},
        "group": {"type": "str", "required": True},
        "served": {"type": "dict", "options": served},
        "digest": {"type": "str", "default": ""},
        "release": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        {
            "releases": {"type": "list", "elements": "dict", "required": True, "options": row},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "python_version": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "parallel": {"type": "int", "default": 4},
        },
        supports_check_mode=True,
    )
    rows, archive = module.params["releases"], module.params["archive"]
    try:
        lacking = missing(rows)
        if lacking and archive and not module.check_mode:
            wanted = [row for row in rows if row["app"] in lacking]
            fetch(wanted, archive, module.params["python"], runner(module.run_command), module.params["parallel"])
        module.exit_json(changed=bool(lacking), missing=lacking, releases=rows)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
