#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_audit
short_description: Audit a host's Apache and mod_wsgi against the hardening page
version_added: 0.1.0
description:
  - Checks the running processes, Apache's own dump of its configuration, files, and answers over loopback. It works on
    any host, whoever set it up.
  - Needs root, because only root can see the daemons' processes and look at files as their accounts.
  - Changes nothing on the host. No code of an application runs. Values that may be secrets are left out.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: The module changes nothing, so check mode makes no difference.
    support: full
options:
  active:
    description:
      - Requests that the audit may send over loopback.
      - V(none) sends no requests. A rule that needs an answer is then unknown.
      - V(safe) sends a few requests to each virtual host. Apache answers them itself, so no application sees them. It
        also tries to connect to the sockets of pools as other accounts, which has to fail.
      - V(full) also sends requests that applications may see, and half a request to each listener. They change nothing
        in an application that follows HTTP. This takes up to two minutes.
    type: str
    choices: [none, safe, full]
    default: safe
"""

EXAMPLES = r"""
- name: Audit the host
  palisade.mod_wsgi.wsgi_audit:
  register: audit

- name: Show what failed
  ansible.builtin.debug:
    msg: "{{ audit.report.results | selectattr('status', 'equalto', 'fail') | map(attribute='title') | unique }}"
"""

RETURN = r"""
report:
  description: The report. docs/audit.md describes all of its fields.
  type: dict
  returned: always
  contains:
    schema: {description: Name and version of the report's format., type: str, sample: palisade.mod_wsgi/audit/1}
    host: {description: Name of the host., type: str, sample: www1}
    collected_at: {description: "When the audit looked at the host, in UTC.", type: str, sample: "2026-01-31T12:00:00Z"}
    collection_version: {description: Version of this collection., type: str, sample: 0.1.0}
    instances:
      description: Every Apache that runs on the host, or the installed one if none runs.
      type: list
      elements: dict
      sample: [{binary: /usr/sbin/apache2, pid: 812, config_file: /etc/apache2/apache2.conf, pools: [shop]}]
    results:
      description: The result of every rule for each of its subjects.
      type: list
      elements: dict
      contains:
        rule_id: {description: The rule., type: str, sample: U1}
        title: {description: What the rule requires., type: str}
        severity: {description: How bad a failure is., type: str, sample: high}
        confidence: {description: How sure the rule is of its result., type: str, sample: high}
        status: {description: The result., type: str, sample: fail}
        subject: {description: Kind and name of what was judged., type: dict}
        instance: {description: Configuration file of the Apache that was judged., type: str}
        evidence: {description: "What was seen: kind, source, observed and expected.", type: list, elements: dict}
        remedy: {description: "What to do: text, variable and by_hand.", type: dict}
        attack: {description: What an attacker gains from a failure., type: str}
        reference: {description: Paragraph of the hardening page and number of the CIS benchmark., type: dict}
        fingerprint: {description: Identifies the finding. It is the same in every run., type: str}
    summary: {description: Number of results by status and of failures by severity., type: dict}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.audit.collectors.collect import collect
from ..module_utils.audit.rules.report import VERSION, report
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError


def main() -> None:
    module = AnsibleModule(
        {"active": {"type": "str", "choices": ["none", "safe", "full"], "default": "safe"}}, supports_check_mode=True
    )
    try:
        facts = collect(runner(module.run_command), module.params["active"])
        module.exit_json(changed=False, report=report(facts, VERSION))
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
