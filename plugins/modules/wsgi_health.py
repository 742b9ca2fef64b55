#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_health
short_description: Check that WSGI applications run as their accounts and answer
version_added: 0.1.0
description:
  - Waits until every pool has its processes under its account, then sends a request to each app from the host itself.
  - A failure names the app, the answer, the expected answer and the end of the app's error log.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Does nothing in check mode, because there is no change to check.
    support: full
options:
  pools:
    description: The pools and their health checks.
    type: list
    elements: dict
    required: true
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      name: {description: Name of its pool., type: str, required: true}
      account: {description: Account of its processes., type: str, required: true}
      group: {description: Group of its processes., type: str, required: true}
      processes: {description: Number of processes., type: int, required: true}
      server_name: {description: Host name to request., type: str, required: true}
      tls:
        description:
          - Whether to use TLS on port 443. The certificate must name O(pools[].server_name); it need not be trusted.
        type: bool
        default: false
      path: {description: URL path to request., type: str, default: /}
      status: {description: HTTP statuses that count as healthy., type: list, elements: int, required: true}
      timeout: {description: Seconds to wait., type: int, default: 30}
      error_log: {description: Log to quote from., type: path, required: true}
"""

EXAMPLES = r"""
- name: Check that an app answers
  palisade.mod_wsgi.wsgi_health:
    pools:
      - app: public
        name: public
        account: public-app
        group: public-app
        processes: 2
        server_name: www.example.com
        status: [200]
        error_log: /var/log/apache2/wsgi-public-error.log
"""

RETURN = r"""
answers:
  description: The status that each app answered.
  type: list
  elements: dict
  returned: always
  sample: [{app: public, status: 200}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.health import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
