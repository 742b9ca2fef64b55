# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/audit-report.schema.json says what the controller takes as a report, and what it writes."""

from __future__ import annotations

import datetime
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import report
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report import document as report_document
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.waivers import compared, read_waivers, waived
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import DOCUMENTS, document, example, result
from hypothesis import given

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs/audit-report.schema.json").read_text(encoding="utf-8")
)
jsonschema: Any = importlib.import_module("jsonschema")
VALIDATOR: Any = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(DOCUMENTS)
def test_any_report_fits(found: Document) -> None:
    VALIDATOR.validate(found)


def test_what_the_module_and_the_controller_write_fits() -> None:
    VALIDATOR.validate(report([], "0.1.0"))
    row = {"rule": "U1", "subject": "*", "reason": "Moves", "owner": "jo", "expires": "2099-12-31"}
    waivers = read_waivers([row, {**row, "expires": "2020-01-01"}, {**row, "rule": "U9"}])
    judged = waived(example(), waivers, datetime.date(2026, 11, 22))
    found = compared(judged, document(result(fingerprint="x")))
    assert {"waived", "fail"} <= {item["status"] for item in found["results"]}
    assert found["absent"]
    VALIDATOR.validate(found)


def same(shape: Any, schema: dict[str, Any], where: str) -> None:
    """See that a shape of the controller's check and a part of the schema ask the same."""
    schema = SCHEMA["$defs"]["result"] if "$ref" in schema else schema
    if isinstance(shape, dict):
        assert set(shape) <= set(schema["properties"]), where
        assert set(shape) == set(schema["required"]) - {"summary"}, where
        for name, inner in shape.items():
            same(inner, schema["properties"][name], f"{where}.{name}")
    elif isinstance(shape, list):
        assert schema["type"] == "array", where
        same(shape[0], schema["items"], f"{where}[]")
    elif isinstance(shape, tuple):
        assert set(shape) == set(schema.get("enum") or [schema["const"]]), where
    else:
        kinds = {str: "string", int | None: ["integer", "null"]}
        assert schema["type"] == kinds[shape], where


def test_the_controller_checks_the_same() -> None:
    same(report_document._DOCUMENT, SCHEMA, "report")


@pytest.mark.parametrize("field", sorted(report_document._RESULT))
def test_a_field_that_is_missing_is_refused(field: str) -> None:
    found = example()
    del found["results"][0][field]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)
