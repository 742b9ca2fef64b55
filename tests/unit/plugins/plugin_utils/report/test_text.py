# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as text."""

from __future__ import annotations

import datetime
import re

from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.gate import message
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.text import counts, text
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.waivers import compared, read_waivers, waived
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import DOCUMENTS, document, example, result
from hypothesis import given


def test_it_has_what_is_not_settled_with_the_worst_first() -> None:
    lines = text(example()).splitlines()
    assert lines[:2] == [
        "Audit of www, 2026-11-22T08:00:00Z",
        "  /etc/apache2/apache2.conf: Apache 2.4.71, mod_wsgi 4.9.4, event, pools: shop, wiki",
    ]
    heads = [line for line in lines[2:] if line and not line.startswith(" ")]
    assert [re.findall(r" ([A-Z][0-9]) ", line) for line in heads[:-1]] == [
        [rule_id] for rule_id in ("F1", "U1", "M2", "N1", "F2", "D1", "I4")
    ]
    assert lines[-1] == counts(example())
    assert lines[-1] == (
        "5 fail (1 critical, 1 high, 1 medium, 1 low, 1 info), 1 error, 1 unknown, 0 waived, 2 pass, 1 not applicable"
    )


def test_it_says_what_was_accepted() -> None:
    rows = [{"rule": "U1", "subject": "*", "reason": "Moves", "owner": "jo", "expires": "2027-01-01"}]
    report = waived(document(result()), read_waivers(rows), datetime.date(2026, 1, 1))
    assert "    waived until 2027-01-01 by jo: Moves" in text(report).splitlines()
    known = compared(document(result()), document(result()))
    assert "fail: high, known U1 pool shop: A pool names its user" in text(known).splitlines()


def test_it_says_what_is_gone() -> None:
    found = text(compared(document(), document(result()))).splitlines()
    assert "gone since the baseline: fail: high U1 pool shop: A pool names its user" in found


def test_one_of_several_apaches_is_named() -> None:
    report = document(result())
    report["instances"] *= 2
    assert "fail: high U1 pool shop in /etc/apache2/apache2.conf: A pool names its user" in text(report)
    assert "U1 pool shop in /etc/apache2/apache2.conf" in message("www", report, report["results"], [])


def test_it_says_that_nothing_was_found() -> None:
    assert "no Apache with mod_wsgi was found" in text({**document(), "instances": []})


@given(DOCUMENTS)
def test_the_host_adds_no_line_and_no_control(report: object) -> None:
    assert isinstance(report, dict)
    whole = text(report)
    rows = [row for row in report["results"] if row["status"] not in ("pass", "not_applicable")]
    lines = 2 + len(report["instances"]) + 2 * len(rows)
    for row in rows:
        lines += sum(1 + bool(evidence["expected"]) for evidence in row["evidence"])
        lines += "waiver" in row or (row["status"] == "fail" and bool(row["remedy"]["text"]))
    assert whole.count("\n") == len(whole.splitlines()) == lines + 1
    assert "\x1b" not in whole
