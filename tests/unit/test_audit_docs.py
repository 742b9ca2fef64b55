# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/audit-rules.md is generated from the rules, and each of them leads to a paragraph of the hardening page.

PALISADE_WRITE_DOCS=1 writes it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import RULES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/audit-rules.md"


def text() -> str:
    lines = [
        "# Rules of the audit",
        "",
        "Generated from the rules in `plugins/module_utils/audit/rules/`. The severity is that of a failure, unless",
        "the rule says otherwise.",
    ]
    for rule in RULES:
        lines += [
            "",
            f"## {rule.id}: {rule.title}",
            "",
            f"- Severity {rule.severity}, confidence {rule.confidence}"
            + (f"; paragraph '{rule.page}'" if rule.page else "")
            + (f"; CIS {rule.cis}" if rule.cis else ""),
            f"- Looks at {rule.looks_at}",
            f"- {rule.decides[0].upper()}{rule.decides[1:]}",
            f"- Attack: {rule.attack}",
            f"- Remedy: {rule.remedy}" + (f" With this collection: `{rule.variable}`." if rule.variable else ""),
        ]
        lines += [f"  `{line}`" for line in rule.by_hand]
    return "\n".join(lines) + "\n"


def test_the_page_of_rules_is_the_table() -> None:
    if os.environ.get("PALISADE_WRITE_DOCS"):
        PAGE.write_text(text(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text()


def test_each_rule_s_paragraph_is_on_the_hardening_page() -> None:
    page = (ROOT / "tests/fixtures/hardening_page.txt").read_text(encoding="utf-8").splitlines()
    # It has the number and the first words of each paragraph.
    heads = {" ".join(line.split()[1:]) for line in page}
    for rule in RULES:
        if rule.id.startswith(("X-", "AUDIT-")):
            continue
        assert any(head and rule.page.startswith(head) for head in heads), (rule.id, rule.page)
