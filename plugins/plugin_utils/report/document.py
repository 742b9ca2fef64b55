# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of an audit as the controller takes it from a host: checked, since the host may be anybody's by now."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils.audit.rule import place_of
from ...module_utils.host.errors import PalisadeError

Document = dict[str, Any]
Result = dict[str, Any]

SCHEMA = "palisade.mod_wsgi/audit/1"
STATUSES = ("fail", "error", "unknown", "waived", "pass", "not_applicable")
SEVERITIES = ("critical", "high", "medium", "low", "info")
CONFIDENCES = ("high", "medium", "low")

_RESULT: dict[str, Any] = {
    "rule_id": str,
    "title": str,
    "severity": SEVERITIES,
    "confidence": CONFIDENCES,
    "status": STATUSES,
    "subject": {"kind": str, "name": str},
    "instance": str,
    "evidence": [{"kind": str, "source": str, "observed": str, "expected": str}],
    "remedy": {"text": str, "variable": str, "by_hand": [str]},
    "attack": str,
    "reference": {"page": str, "cis": str},
    "fingerprint": str,
}
_INSTANCE: dict[str, Any] = {
    "binary": str,
    # None where it does not run.
    "pid": int | None,
    "config_file": str,
    "apache_version": str,
    "mod_wsgi_version": str,
    "mpm": str,
    "pools": [str],
}
_DOCUMENT: dict[str, Any] = {
    "schema": (SCHEMA,),
    "host": str,
    "collected_at": str,
    "collection_version": str,
    "instances": [_INSTANCE],
    "results": [_RESULT],
}


def read(report: Any, subject: str = "report") -> Document:
    """Return a checked copy in plain types; PalisadeError names the field, what was expected and what came."""
    # Ansible's own strings and mappings are subclasses, which jmespath does not know by their types.
    document: Document = json.loads(json.dumps(report, default=str))
    _check(document, _DOCUMENT, subject)
    document["summary"] = summary(document["results"])
    return document


def from_host(report: Any) -> Document:
    """Return what a host says of itself; what has been accepted only the controller says."""
    document = read(report)
    document.pop("absent", None)
    for result in document["results"]:
        result.pop("waiver", None)
        result.pop("baseline", None)
    return document


def _check(value: Any, shape: Any, where: str) -> None:
    if isinstance(shape, dict):
        _expect(isinstance(value, dict), where, "a mapping", value)
        for key, inner in shape.items():
            _expect(key in value, where, f"a field {key!r}", sorted(value))
            _check(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        _expect(isinstance(value, list), where, "a list", value)
        for number, item in enumerate(value):
            _check(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, tuple):
        _expect(value in shape, where, " or ".join(shape), value)
    else:
        _expect(isinstance(value, shape), where, "text" if shape is str else "a number", value)


def _expect(true: bool, where: str, expected: str, got: Any) -> None:
    if not true:
        raise PalisadeError(f"{where}: expected {expected}, got {ascii(got)[:200]}")


def summary(results: Iterable[Result]) -> dict[str, Any]:
    """Return how many results have each status, and how many failures each severity."""
    results = list(results)
    count: dict[str, Any] = {status: sum(result["status"] == status for result in results) for status in STATUSES}
    count["by_severity"] = {
        severity: sum(result["status"] == "fail" and result["severity"] == severity for result in results)
        for severity in SEVERITIES
    }
    return count


def finding(
    rule_id: str,
    title: str,
    severity: str,
    subject: Mapping[str, str],
    evidence: Mapping[str, str],
    remedy: str,
) -> Result:
    """Return a failure that the controller itself has found."""
    identity = "\0".join([rule_id, subject["kind"], subject["name"]])
    return {
        "rule_id": rule_id,
        "title": title,
        "severity": severity,
        "confidence": "high",
        "status": "fail",
        "subject": dict(subject),
        "instance": "",
        "evidence": [dict(evidence)],
        "remedy": {"text": remedy, "variable": "wsgi_audit_waivers", "by_hand": []},
        "attack": "",
        "reference": {"page": "", "cis": ""},
        "fingerprint": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest(),
    }


def ordered(results: Iterable[Result]) -> list[Result]:
    """Return the results with the worst first: failures by severity, then what is not known, and what passed last."""

    def rank(result: Result) -> tuple[int, int, tuple[int, int, str], str, str]:
        status, severity = STATUSES.index(result["status"]), SEVERITIES.index(result["severity"])
        return status, severity, place_of(result["rule_id"]), result["subject"]["name"], result["instance"]

    return sorted(results, key=rank)


def is_known(result: Result) -> bool:
    """Return whether the baseline has this failure."""
    return result.get("baseline") == "known"


def state_of(result: Result) -> str:
    """Return how it stands with the rule, whose title says what it asks; a failure with its severity."""
    known = ", known" if is_known(result) else ""
    words: str = result["status"].replace("_", " ")
    return f"{words}: {result['severity']}{known}" if result["status"] == "fail" else words


def subject_of(result: Result) -> str:
    """Return what the result is about; a whole server has no name."""
    return f"{result['subject']['kind']} {result['subject']['name']}".strip().replace("virtual_host", "virtual host", 1)


def visible(text: str) -> str:
    """Return the text in one line, with what a terminal, a browser or XML would act on written as an escape."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    # Other: controls, formats such as marks of direction, halves of surrogate pairs, what no version assigns.
    # Separators but the plain space: of lines and paragraphs, and spaces that look like another.
    category = unicodedata.category(character)
    if category[0] == "C" or (category[0] == "Z" and character != " "):
        return character.encode("unicode_escape").decode("ascii")
    return character
