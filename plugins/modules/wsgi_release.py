#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_release
short_description: Build releases of WSGI applications and make them current
version_added: 0.1.0
description:
  - Builds each release that is missing from what M(palisade.mod_wsgi.wsgi_source) fetched, in a directory that
    nothing serves, and then points the app's C(current) link at it in one step.
  - A release has C(code), a virtual environment C(venv) of its own without pip, from wheels only, and compiled
    bytecode. All of it is root's and readable for the app's group only, except for what O(releases[].served) lists.
  - A release that is built already is corrected where O(releases[].served) has changed. Where it has not, only the
    top of each served directory and the way to it are looked at, so that a run without changes stays fast; an ACL
    that was removed deeper in the tree comes back when one of those is missing, or with the next release.
  - A build that fails or is killed is never taken for a release.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Says which links would move, and which releases would get other ACLs.
    support: full
  diff_mode:
    description: Shows the target of each link and the served directories before and after.
    support: full
extends_documentation_fragment:
  - palisade.mod_wsgi.release_row
options:
  python:
    description: Interpreter that the virtual environments are made with.
    type: path
    default: /usr/bin/python3
  parallel:
    description: Number of builds at a time.
    type: int
    default: 4
"""

EXAMPLES = r"""
- name: Build and activate what was fetched
  palisade.mod_wsgi.wsgi_release:
    releases: "{{ source.releases }}"
"""

RETURN = r"""
releases:
  description: Name of the current release of each app.
  type: dict
  returned: always
  sample: {public: 0f3b6c1a9d2e4f57}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._build import ensure_releases
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import runner
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._fs import diff_of
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._release_row import RELEASES


def main() -> None:
    module = AnsibleModule(
        {
            "releases": RELEASES,
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "parallel": {"type": "int", "default": 4},
        },
        supports_check_mode=True,
    )
    rows = module.params["releases"]
    try:
        changes = ensure_releases(
            rows, module.params["python"], runner(module.run_command), module.params["parallel"], module.check_mode
        )
        module.exit_json(
            changed=bool(changes), diff=diff_of(changes), releases={row["app"]: row["release"] for row in rows}
        )
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
