# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every rule says of every host of the rules' tests, word for word: tests/fixtures/audit/findings.txt.

PALISADE_WRITE_DOCS=1 writes it. Read the difference: it is what a user will be told.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rule import judge
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.cases_bounds import NOT_APPLICABLE
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import APACHE
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.rules.test_report import (
    BAD,
    GOOD,
    RULES,
    UNKNOWN,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES

FINDINGS = FIXTURES / "audit/findings.txt"


def told() -> Iterator[str]:
    cases = [*BAD, *GOOD, *UNKNOWN, *NOT_APPLICABLE]
    for rule in RULES.values():
        rows = {text(row) for case in cases if case.rule == rule.id for row in judge(rule, case.host)}
        yield f"# {rule.id}: {rule.title}\n{''.join(sorted(rows))}"


def text(row: dict[str, Any]) -> str:
    severity = f" {row['severity']}" if row["status"] == "fail" else ""
    lines = [f"{row['status']}{severity}: {row['subject']['kind']} {row['subject']['name']}"]
    for seen in row["evidence"]:
        # A line more in the configuration of all hosts makes no other finding.
        source = re.sub(r":[0-9]+$", "", seen["source"])
        wanted = f" (expected: {seen['expected']})" if seen["expected"] else ""
        lines.append(f"  {' '.join([seen['kind'], source]).strip()}: {seen['observed']}{wanted}")
    return "\n".join([*lines, ""])


def account(uid: int) -> SimpleNamespace:
    return SimpleNamespace(pw_name={0: "root", APACHE: "www-data"}[uid])


def test_what_is_told_of_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", account)
    found = "\n".join(told())
    if os.environ.get("PALISADE_WRITE_DOCS"):
        FINDINGS.write_text(found, encoding="utf-8")
    assert FINDINGS.read_text(encoding="utf-8").splitlines() == found.splitlines()
