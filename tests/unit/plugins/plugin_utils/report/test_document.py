# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller takes from a host as a report, and how it shows text of the host."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import (
    from_host,
    ordered,
    read,
    subject_of,
    summary,
    visible,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import document, example, result
from hypothesis import given
from hypothesis import strategies as st


class Tagged(str):
    """As ansible-core's own strings are."""


def test_a_report_is_taken_in_plain_types() -> None:
    taken = read({**example(), "host": Tagged("www"), "more": datetime.date(2026, 1, 2)})
    assert not isinstance(taken["host"], Tagged)
    assert taken["more"] == "2026-01-02"


def change(*keys: Any, to: Any) -> Callable[[Any], None]:
    def changed(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return changed


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (change("schema", to="palisade.mod_wsgi/audit/2"), "report.schema: expected palisade.mod_wsgi/audit/1, got"),
        (change("results", 1, "status", to="fine"), r"report.results\[1\].status: expected fail or .*, got 'fine'"),
        (change("results", 1, "severity", to=["x"]), r"report.results\[1\].severity: expected critical or"),
        (change("results", 0, "evidence", 0, "observed", to=5), r"evidence\[0\].observed: expected text, got 5"),
        (change("results", to="none"), "report.results: expected a list, got 'none'"),
        (change("results", 0, "remedy", to={}), "remedy: expected a field 'text'"),
        (change("instances", 0, "pid", to="1"), r"instances\[0\].pid: expected a number, got '1'"),
        (change("host", to="\x1b" * 500 + "\u202e"), None),
        (change("results", 0, "title", to={"\x1b": 1}), r"title: expected text, got \{'\\x1b': 1\}"),
    ],
)
def test_another_shape_is_refused(changed: Callable[[Any], None], words: str | None) -> None:
    spoilt = example()
    changed(spoilt)
    if words is None:
        assert read(spoilt)
        return
    with pytest.raises(PalisadeError, match=words):
        read(spoilt)


@pytest.mark.parametrize("report", [None, [], "report", {}])
def test_no_report(report: Any) -> None:
    with pytest.raises(PalisadeError, match=r"^report: expected "):
        read(report)


def test_the_summary_is_counted_and_not_believed() -> None:
    counted = read({**example(), "summary": {"fail": 0}})
    assert counted["summary"] == summary(counted["results"])
    assert (counted["summary"]["fail"], counted["summary"]["unknown"]) == (5, 1)
    assert counted["summary"]["by_severity"] == {"critical": 1, "high": 1, "medium": 1, "low": 1, "info": 1}


def test_the_worst_comes_first() -> None:
    rows = [
        result(rule_id="U10"),
        result(rule_id="U2"),
        result(rule_id="U2b"),
        result(rule_id="A1", status="pass"),
        result(rule_id="A1", status="unknown"),
        result(rule_id="N1", severity="low"),
        result(rule_id="Z1", severity="critical"),
    ]
    order = [(row["rule_id"], row["status"]) for row in ordered(rows)]
    assert order == [
        ("Z1", "fail"),
        ("U2", "fail"),
        ("U2b", "fail"),
        ("U10", "fail"),
        ("N1", "fail"),
        ("A1", "unknown"),
        ("A1", "pass"),
    ]


def test_rules_stand_in_the_page_s_order() -> None:
    expected = ["M1", "U1", "U1b", "I2", "I10", "F1", "N1", "E1", "A1", "L1", "D1", "B1"]
    expected += ["X-TLS-CERT", "X-TLS-PROTO", "AUDIT-POOL-DOWN", "AUDIT-WAIVER-STALE", "", "\u0661", "Q1"]
    rows = [result(rule_id=rule_id) for rule_id in sorted(expected)]
    assert [row["rule_id"] for row in ordered(rows)] == expected


def test_an_apache_that_does_not_run_has_no_pid() -> None:
    found = example()
    found["instances"][0]["pid"] = None
    assert read(found)["instances"][0]["pid"] is None


def test_a_host_does_not_say_what_is_accepted() -> None:
    waiver = {"reason": "x", "owner": "x", "expires": "2099-01-01"}
    found = from_host({**document(result(waiver=waiver, baseline="known")), "absent": "x"})
    assert "absent" not in found
    assert not {"waiver", "baseline"} & set(found["results"][0])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe שלום 名", "größe שלום 名"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m\x9b", "\\x1b[31m\\x9b"),
        ("\u202e\u2066\u200f\u200b\ufeff", "\\u202e\\u2066\\u200f\\u200b\\ufeff"),
        ("\u2028\u2029\xa0", "\\u2028\\u2029\\xa0"),
        ("\udc80\ufffe\U000e0041", "\\udc80\\ufffe\\U000e0041"),
    ],
)
def test_text_of_the_host_is_shown_as_it_is(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_nothing_acts(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(character)[0] != "C" for character in shown)
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


def test_a_server_has_no_name() -> None:
    assert subject_of(result(subject={"kind": "server", "name": ""})) == "server"
    assert subject_of(result(subject={"kind": "virtual_host", "name": "a:80"})) == "virtual host a:80"
