# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from .document import Document, Result, ordered, subject_of, visible
from .text import evidence_line

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# What has not been decided is open, never a pass.
_KINDS = {
    "fail": "fail",
    "waived": "fail",
    "pass": "pass",
    "not_applicable": "notApplicable",
    "unknown": "open",
    "error": "open",
}
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
_STATES = {"known": "unchanged", "new": "new", "absent": "absent"}
# As GitHub reads them.
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0", "info": "0.0"}
_PRECISIONS = {"high": "high", "medium": "medium", "low": "low"}


def sarif(document: Document) -> dict[str, Any]:
    """Return the log with one run."""
    absent = [{**result, "baseline": "absent"} for result in document.get("absent", [])]
    results = [*ordered(document["results"]), *ordered(absent)]
    rules = {result["rule_id"]: _rule(result) for result in results}
    numbers = {rule_id: number for number, rule_id in enumerate(rules)}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "palisade.mod_wsgi.wsgi_audit",
                        "version": visible(document["collection_version"]),
                        "rules": list(rules.values()),
                    }
                },
                "automationDetails": {"id": f"wsgi_audit/{visible(document['host'])}/"},
                "columnKind": "unicodeCodePoints",
                "results": [_result(result, numbers[result["rule_id"]]) for result in results],
                "properties": {
                    "host": visible(document["host"]),
                    "collectedAt": visible(document["collected_at"]),
                    "summary": document["summary"],
                },
            }
        ],
    }


def _rule(result: Result) -> dict[str, Any]:
    rule_id, title = visible(result["rule_id"]), visible(result["title"])
    return {
        "id": rule_id,
        "name": rule_id,
        "shortDescription": {"text": title or rule_id},
        "fullDescription": {"text": visible(result["attack"]) or title or rule_id},
        "help": {"text": visible(result["remedy"]["text"]) or title or rule_id},
        "defaultConfiguration": {"level": _LEVELS[result["severity"]]},
        "properties": {
            "tags": ["security"],
            "precision": _PRECISIONS[result["confidence"]],
            "security-severity": _SCORES[result["severity"]],
            "page": visible(result["reference"]["page"]),
            "cis": visible(result["reference"]["cis"]),
        },
    }


def _result(result: Result, number: int) -> dict[str, Any]:
    kind = _KINDS[result["status"]]
    entry: dict[str, Any] = {
        "ruleId": visible(result["rule_id"]),
        "ruleIndex": number,
        "kind": kind,
        # The standard's own rule: a level only for a failure.
        "level": _LEVELS[result["severity"]] if kind == "fail" else "none",
        "message": {"text": _message(result)},
        "locations": _locations(result),
        "partialFingerprints": {"palisadeAudit/v1": visible(result["fingerprint"])},
        "properties": {
            **{name: result[name] for name in ("status", "severity", "confidence")},
            "instance": visible(result["instance"]),
        },
    }
    if waiver := result.get("waiver"):
        words = f"{waiver['reason']} ({waiver['owner']}, until {waiver['expires']})"
        entry["suppressions"] = [{"kind": "external", "status": "accepted", "justification": visible(words)}]
    if "baseline" in result:
        entry["baselineState"] = _STATES[result["baseline"]]
    return entry


def _message(result: Result) -> str:
    lines = [f"{result['title']}: {subject_of(result)}"]
    for evidence in result["evidence"]:
        expected = f", expected {evidence['expected']}" if evidence["expected"] else ""
        lines.append(f"{evidence_line(evidence)}{expected}")
    # A message may hold placeholders; a brace or a bracket from the host is to be none.
    return re.sub(r"[\[\]{}\\]", _escaped, "\n".join(visible(line) for line in lines))


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return character * 2 if character in "{}" else f"\\{character}"


def _locations(result: Result) -> list[dict[str, Any]]:
    subject = result["subject"]
    logical = {
        "name": visible(subject["name"]),
        "kind": visible(subject["kind"]),
        "fullyQualifiedName": visible(f"{subject['kind']}:{subject['name']}"),
    }
    files = [place for place in map(_file, result["evidence"]) if place]
    if not files:
        return [{"logicalLocations": [logical]}]
    return [{"physicalLocation": place, "logicalLocations": [logical]} for place in files]


def _file(evidence: dict[str, str]) -> dict[str, Any] | None:
    if evidence["kind"] not in ("config", "stat", "acl") or not evidence["source"].startswith("/"):
        return None
    path, line = evidence["source"], 0
    found = re.fullmatch(r"(.+):([0-9]{1,9})", path, re.DOTALL) if evidence["kind"] == "config" else None
    if found:
        path, line = found.group(1), int(found.group(2))
    place: dict[str, Any] = {"artifactLocation": {"uri": "file://" + quote(path, errors="backslashreplace")}}
    if line:
        place["region"] = {"startLine": line}
    return place
