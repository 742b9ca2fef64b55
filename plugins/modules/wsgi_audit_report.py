#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_audit_report
short_description: Write the reports of an audit on the controller and fail on its findings
version_added: 0.1.0
description:
  - Writes what M(palisade.mod_wsgi.wsgi_audit) found as JSON, SARIF 2.1.0, JUnit and one self-contained HTML page,
    called by the host's name in the inventory, and C(index.html), a page over all hosts.
  - Waives failures that somebody answers for, and fails if an expression over the report is true. The files are written
    before that.
  - Runs on the controller as the account that runs Ansible. Nothing is sent to the host.
author:
  - palisade.mod_wsgi contributors (@palisade)
requirements:
  - jmespath on the controller, unless O(fail_when) is empty
attributes:
  check_mode:
    description: Decides and shows, but writes no file.
    support: full
options:
  report:
    description: What the module found.
    type: dict
    required: true
  directory:
    description: Directory on the controller; made where it is missing.
    type: path
    required: true
  waivers:
    description: Failures that somebody answers for.
    type: list
    elements: dict
    default: []
    suboptions:
      rule: {description: Id of the rule., type: str, required: true}
      subject:
        description: Name of the subject; V(*), V(?) and V([abc]) stand for others.
        type: str
        required: true
      instance:
        description: Configuration file of the Apache, for a host with several; a pattern as well. Every one by default.
        type: str
      reason: {description: Why the failure is accepted., type: str, required: true}
      owner: {description: Who answers for it., type: str, required: true}
      expires:
        description: Last day on which it holds, such as V(2027-12-31), by the controller's clock in UTC.
        type: str
        required: true
  baseline:
    description: An earlier report as JSON. O(fail_when) does not see the failures that it has.
    type: path
    default: ""
  fail_when:
    description:
      - JMESPath expression over the report; true, or a list with something in it, fails. Of a list of results those are
        named in the message.
    type: str
    default: ""
  show:
    description: Whether the report is shown as text as well.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Audit
  palisade.mod_wsgi.wsgi_audit:
  register: audit

- name: Report
  palisade.mod_wsgi.wsgi_audit_report:
    report: "{{ audit.report }}"
    directory: reports
    fail_when: results[?status=='fail' && severity=='critical']
"""

RETURN = r"""
files:
  description: The files that were written.
  type: list
  elements: str
  returned: always
  sample: [/srv/audit/reports/www.json]
summary:
  description: Number of results by status, and of failures by severity.
  type: dict
  returned: always
  sample: {fail: 1, by_severity: {high: 1}}
msg:
  description: The counts, or the findings for which the task fails.
  type: str
  returned: always
  sample: 0 fail
"""
