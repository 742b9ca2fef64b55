# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accepted failures: by waivers and by a baseline."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document, read
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.waivers import (
    compared,
    read_baseline,
    read_waivers,
    waived,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import document, example, result

TODAY = datetime.date(2026, 11, 22)


def row(**fields: Any) -> dict[str, Any]:
    return {"rule": "U1", "subject": "shop", "reason": "Moves soon", "owner": "jo", "expires": "2026-12-31", **fields}


def judged(report: Document, *rows: dict[str, Any]) -> Document:
    return waived(report, read_waivers(list(rows)), TODAY)


def states(report: Document) -> list[tuple[str, str]]:
    return [(found["rule_id"], found["status"]) for found in report["results"]]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("shop", "waived"), ("sh*", "waived"), ("s?op", "waived"), ("*", "waived"), ("SHOP", "fail"), ("sho", "fail")],
)
def test_a_waiver_covers_a_rule_and_a_subject(subject: str, expected: str) -> None:
    found = judged(document(result(), result(rule_id="U2")), row(subject=subject))
    assert states(found)[:2] == [("U1", expected), ("U2", "fail")]
    assert found["summary"]["waived"] == (expected == "waived")
    if expected == "waived":
        assert found["results"][0]["waiver"] == {"reason": "Moves soon", "owner": "jo", "expires": "2026-12-31"}
        assert len(found["results"]) == 2


@pytest.mark.parametrize(
    ("expires", "expected"),
    [("2026-11-22", ["waived"]), (datetime.date(2026, 11, 22), ["waived"]), ("2026-11-21", ["fail", "fail"])],
)
def test_a_waiver_holds_to_the_end_of_its_day(expires: Any, expected: list[str]) -> None:
    found = judged(document(result()), row(expires=expires))
    assert [status for _rule, status in states(found)] == expected
    if len(expected) == 2:
        finding = found["results"][1]
        assert (finding["rule_id"], finding["severity"]) == ("AUDIT-WAIVER-EXPIRED", "low")
        assert "jo" in finding["evidence"][0]["observed"]
        assert found["summary"]["by_severity"]["low"] == 1


def test_a_name_that_looks_like_a_pattern_is_covered_by_itself() -> None:
    report = document(result(subject={"kind": "virtual_host", "name": "shop.test [::1]:80 /"}))
    assert states(judged(report, row(subject="shop.test [::1]:80 /"))) == [("U1", "waived")]


def test_a_waiver_can_be_for_one_apache_of_several() -> None:
    rows = [result(instance=f"/etc/{name}/apache2.conf", fingerprint=name) for name in ("apache2", "apache2-b")]
    found = judged(document(*rows), row(instance="/etc/apache2/*"))
    assert states(found) == [("U1", "waived"), ("U1", "fail")]
    assert [status for _rule, status in states(judged(document(*rows), row()))] == ["waived", "waived"]
    elsewhere = judged(document(rows[0]), row(instance="/etc/apache2-c/apache2.conf"))
    assert elsewhere["results"][1]["subject"]["name"] == "U1 shop in /etc/apache2-c/apache2.conf"


def test_a_rule_that_could_not_decide_makes_no_waiver_stale() -> None:
    # Where Apache shows no configuration, nothing is said of the pool.
    report = document(result(status="unknown", subject={"kind": "server", "name": "/etc/apache2/apache2.conf"}))
    assert states(judged(report, row())) == [("U1", "unknown")]


def test_another_waiver_takes_the_place_of_an_expired_one() -> None:
    found = judged(document(result()), row(expires="2026-01-01"), row(subject="*"))
    assert states(found) == [("U1", "waived"), ("AUDIT-WAIVER-EXPIRED", "fail")]


@pytest.mark.parametrize("expires", ["2026-01-01", "2027-01-01"])
@pytest.mark.parametrize("status", ["pass", "not_applicable"])
def test_a_waiver_of_nothing_is_stale(status: str, expires: str) -> None:
    found = judged(document(result(status=status)), row(expires=expires))
    assert states(found) == [("U1", status), ("AUDIT-WAIVER-STALE", "fail")]
    assert found["results"][1]["severity"] == "info"


@pytest.mark.parametrize("status", ["unknown", "error"])
def test_what_is_not_known_is_neither_waived_nor_stale(status: str) -> None:
    assert states(judged(document(result(status=status)), row())) == [("U1", status)]


def test_findings_about_waivers_cannot_be_waived() -> None:
    found = judged(document(), row(), row(rule="AUDIT-WAIVER-STALE", subject="*"))
    assert [rule for rule, _status in states(found)] == ["AUDIT-WAIVER-STALE"] * 2


def test_findings_about_waivers_fit_the_contract() -> None:
    found = judged(document(result()), row(expires="2026-01-01"), row(rule="U2"))
    assert read(found)["results"] == found["results"]
    assert len({finding["fingerprint"] for finding in found["results"]}) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("U1", "wsgi_audit_waivers: expected a list, got 'U1'"),
        (["U1"], r"wsgi_audit_waivers\[0\]: expected a mapping, got 'U1'"),
        ([row(), row(owner=None)], r"wsgi_audit_waivers\[1\]: owner: expected some text, got nothing"),
        ([row(reason=" ")], "reason: expected some text"),
        ([row(expiry="x")], "unknown field 'expiry', did you mean 'expires'"),
        ([row(expires="soon")], "expires: expected a date such as 2027-12-31, got 'soon'"),
        ([row(expires="2026-02-30")], "expires: expected a date"),
    ],
)
def test_waivers_that_are_refused(rows: Any, words: str) -> None:
    with pytest.raises(PalisadeError, match=words):
        read_waivers(rows)


def marks(report: Document, baseline: Document) -> list[Any]:
    return [found.get("baseline") for found in compared(report, baseline)["results"]]


def test_only_new_failures_are_new() -> None:
    report = document(result(), result(fingerprint="other"), result(status="pass"))
    assert marks(report, document(result())) == ["known", "new", None]
    assert marks(report, document()) == ["new", "new", None]


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ({"severity": "medium"}, "new"),
        ({"severity": "critical"}, "known"),
        ({"status": "waived"}, "new"),
        ({"status": "pass"}, "new"),
        ({"title": "Said otherwise"}, "known"),
    ],
)
def test_a_baseline_has_failures_only_and_no_worse_ones(earlier: dict[str, str], expected: str) -> None:
    assert marks(document(result()), document(result(**earlier))) == [expected]


def test_what_is_gone_since_the_baseline_is_absent() -> None:
    gone = result(fingerprint="gone")
    undecided = result(rule_id="U2", fingerprint="undecided")
    baseline = document(result(), gone, undecided, result(fingerprint="x", status="pass"))
    now = document(result(status="waived"), result(rule_id="U2", status="unknown"))
    assert compared(now, baseline)["absent"] == [gone]


def test_the_worst_of_a_baseline_counts() -> None:
    baseline = document(result(severity="high"), result(severity="low"))
    assert marks(document(result(severity="high")), baseline) == ["known"]


def test_a_baseline_is_a_report(tmp_path: Path) -> None:
    path = tmp_path / "www.json"
    path.write_text(json.dumps(example()), encoding="utf-8")
    assert read_baseline(str(path)) == example()
    for text in ("{", "{}", "[]"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PalisadeError, match=r"www\.json"):
            read_baseline(str(path))
    with pytest.raises(PalisadeError, match=r"wsgi_audit_baseline: .*missing\.json: expected an earlier report"):
        read_baseline(str(tmp_path / "missing.json"))
