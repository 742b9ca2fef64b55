# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as JUnit's XML, for CI servers: a test suite a host, a test case a result."""

from __future__ import annotations

from xml.etree import ElementTree

from .document import Document, Result, ordered, state_of, subject_of, visible
from .text import evidence_line

# What has not been decided must not look as if it had passed, and a test that could not be decided is JUnit's error.
_ELEMENTS = {"fail": "failure", "error": "error", "unknown": "error", "waived": "skipped", "not_applicable": "skipped"}


def junit(document: Document) -> str:
    """Return the XML; every character of it is one that XML allows."""
    results = ordered(document["results"])
    elements = [_ELEMENTS.get(result["status"], "") for result in results]
    numbers = {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
    }
    root = ElementTree.Element("testsuites", {"name": "palisade.mod_wsgi audit", **numbers})
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": visible(document["host"]),
            "hostname": visible(document["host"]),
            "timestamp": visible(document["collected_at"]),
            "time": "0",
            **numbers,
        },
    )
    for result, element in zip(results, elements, strict=True):
        _case(suite, result, element)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _case(suite: ElementTree.Element, result: Result, element: str) -> None:
    name = f"{result['rule_id']} {result['title']} [{subject_of(result)}]"
    if result["instance"]:
        name += f" in {result['instance']}"
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": visible(f"wsgi_audit.{result['rule_id']}"), "name": visible(name), "time": "0"}
    )
    if not element:
        return
    child = ElementTree.SubElement(case, element, {"message": visible(_message(result))})
    if element != "skipped":
        child.set("type", result["severity"] if element == "failure" else result["status"])
        child.text = "\n".join(visible(line) for line in _lines(result))


def _message(result: Result) -> str:
    if waiver := result.get("waiver"):
        return f"waived until {waiver['expires']} by {waiver['owner']}: {waiver['reason']}"
    observed = result["evidence"][0]["observed"] if result["evidence"] else ""
    return state_of(result) + (f": {observed}" if observed else "")


def _lines(result: Result) -> list[str]:
    lines = [
        evidence_line(evidence) + (f" (expected: {evidence['expected']})" if evidence["expected"] else "")
        for evidence in result["evidence"]
    ]
    remedy = result["remedy"]
    lines += [f"Remedy: {remedy['text']}"] if remedy["text"] else []
    lines += [f"Variable: {remedy['variable']}"] if remedy["variable"] else []
    lines += [f"By hand: {line}" for line in remedy["by_hand"]]
    return lines + ([f"Attack: {result['attack']}"] if result["attack"] else [])
