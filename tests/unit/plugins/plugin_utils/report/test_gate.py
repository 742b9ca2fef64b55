# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a play fails on its report."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document, read
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.gate import message, verdict
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import document, example, result
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES

_DEFAULTS = FIXTURES.parents[1] / "roles/wsgi_audit/defaults/main.yml"
DEFAULT = yaml.safe_load(_DEFAULTS.read_text(encoding="utf-8"))["wsgi_audit_fail_when"]


def ids(report: Document, expression: str = DEFAULT) -> list[str] | None:
    found = verdict(report, expression)
    return None if found is None else [item["rule_id"] for item in found]


def test_the_default_is_any_high_or_critical_failure() -> None:
    assert ids(example()) == ["F1", "U1"]
    mild = [result(severity=severity) for severity in ("medium", "low", "info")]
    settled = [result(status=status) for status in ("pass", "waived", "not_applicable", "unknown", "error")]
    assert ids(document(*mild, *settled)) is None
    assert ids(document()) is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", None),
        ("  ", None),
        ("`true`", ["F1", "U1", "M2", "N1", "F2"]),
        ("`false`", None),
        ("summary.fail > `4`", ["F1", "U1", "M2", "N1", "F2"]),
        ("summary.fail > `5`", None),
        ("summary.by_severity.critical > `1`", None),
        ("results[?status=='unknown' || status=='error']", ["D1", "I4"]),
        ("results[?status=='fail'].rule_id", ["F1", "U1", "M2", "N1", "F2"]),
        ("results[?status=='fail' && rule_id=='Z9']", None),
        ("no_such_field", None),
        ("contains(results[?status=='fail'].rule_id, 'M2')", ["F1", "U1", "M2", "N1", "F2"]),
    ],
)
def test_an_expression_decides(expression: str, expected: list[str] | None) -> None:
    assert ids(example(), expression) == expected


@pytest.mark.parametrize("expression", ["summary.fail", "length(results[?rule_id=='Z9'])", "host", "summary"])
def test_what_only_looks_like_an_answer_is_refused(expression: str) -> None:
    """JMESPath takes the number 0 as true, so such a gate would never open."""
    with pytest.raises(PalisadeError, match="wsgi_audit_fail_when: expected true, false or a list"):
        verdict(example(), expression)


@pytest.mark.parametrize("expression", ["results[?", "nonsense(results)", "length(`5`)"])
def test_an_expression_that_is_none(expression: str) -> None:
    with pytest.raises(PalisadeError, match="wsgi_audit_fail_when: expected a JMESPath expression, got"):
        verdict(example(), expression)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("jmespath")
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(PalisadeError, match="pip install jmespath"):
        verdict(example(), DEFAULT)
    assert verdict(example(), "") is None


def test_what_the_baseline_knows_is_out_of_sight() -> None:
    known: Any = {"baseline": "known"}
    report = document(result(**known), result(rule_id="U2", baseline="new"))
    assert ids(report) == ["U2"]
    assert ids(report, "summary.fail > `1`") is None
    assert ids(document(result(**known)), "results[?status=='fail']") is None


def test_the_message_is_short_and_names_the_findings() -> None:
    found = verdict(example(), DEFAULT) or []
    assert message("www", example(), found, ["/srv/www.json", "/srv/www.html"]).splitlines() == [
        "The audit of www fails:",
        "- fail: critical F1 virtual host www.example.org:80: Code lies outside what Apache serves"
        " [200, the file's own bytes]",
        "- fail: high U1 pool shop: A pool names its user [WSGIDaemonProcess shop processes=2]",
        "Reports: /srv/www.json, /srv/www.html",
    ]
    lines = message("www", example(), [result(title="a\n- b", evidence=[])] * 30, []).splitlines()
    assert lines[1:] == ["- fail: high U1 pool shop: a\\n- b"] * 20 + ["- and 10 more"]
    assert message("www", example(), [], []).endswith("wsgi_audit_fail_when is true for the report")


GUIDE = (FIXTURES.parents[1] / "docs" / "audit.md").read_text(encoding="utf-8")
GATE = GUIDE.partition("## The gate")[2].partition("\n## ")[0]


@pytest.mark.parametrize("row", [line for line in GATE.splitlines() if line.startswith("| ")][1:])
def test_the_expressions_of_the_guide_decide(row: str) -> None:
    expression = row.split(" | ")[1].strip(" |").replace("\\|", "|")
    plain = expression.strip("`").strip() if not expression.startswith("``") else expression[2:-2].strip()
    passing = document(result(status="pass"))
    failing = document(*[result(rule_id="U2", severity="medium")] * 6)
    failing["instances"] = []
    assert verdict(passing, plain.replace('""', "")) is None
    assert (verdict(failing, plain.replace('""', "")) is None) == (plain == '""')


def test_the_guide_has_the_default() -> None:
    assert f"\n    {DEFAULT}\n" in GATE


def test_the_document_of_the_guide_is_one() -> None:
    text = GUIDE.partition("## The document\n")[2].partition("\n`kind`")[0]
    written = json.loads(text)
    assert read(written)["summary"] == written["summary"]
