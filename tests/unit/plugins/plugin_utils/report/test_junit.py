# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as JUnit's XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.junit import junit
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import DOCUMENTS, document, example, result
from hypothesis import given


def suite(report: Document) -> ElementTree.Element:
    found = ElementTree.fromstring(junit(report).encode("utf-8")).find("testsuite")
    assert found is not None
    return found


def test_a_host_is_a_suite_and_a_result_a_case() -> None:
    found = suite(example())
    assert {name: found.get(name) for name in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "www",
        "tests": "10",
        "failures": "5",
        "errors": "2",
        "skipped": "1",
    }
    case = found.find("testcase[@classname='wsgi_audit.U1']")
    assert case is not None
    assert case.get("name") == "U1 A pool names its user [pool shop] in /etc/apache2/apache2.conf"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "high"
    assert failure.get("message") == "fail: high: WSGIDaemonProcess shop processes=2"
    assert "By hand: adduser --system --group shop-app" in (failure.text or "").splitlines()


@pytest.mark.parametrize(
    ("status", "element"),
    [
        ("pass", None),
        ("fail", "failure"),
        ("waived", "skipped"),
        ("not_applicable", "skipped"),
        ("unknown", "error"),
        ("error", "error"),
    ],
)
def test_what_is_not_known_has_not_passed(status: str, element: str | None) -> None:
    case = suite(document(result(status=status)))[0]
    assert [child.tag for child in case] == ([element] if element else [])


def test_a_waiver_and_the_baseline_are_named() -> None:
    waiver = {"reason": "Moves", "owner": "jo", "expires": "2027-01-01"}
    found = suite(document(result(status="waived", waiver=waiver), result(baseline="known")))
    messages = [case[0].get("message") for case in found]
    assert messages == [
        "fail: high, known: WSGIDaemonProcess shop processes=2",
        "waived until 2027-01-01 by jo: Moves",
    ]


@given(DOCUMENTS)
def test_any_text_makes_sound_xml(report: Document) -> None:
    found = suite(report)
    assert len(found) == len(report["results"])
    assert {child.tag for child in found.iter()} <= {"testsuite", "testcase", "failure", "error", "skipped"}
