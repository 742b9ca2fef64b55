# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page over all hosts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import visible
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.overview import Rows, index, rows
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import NASTY, TEXT, document, result
from hypothesis import given
from hypothesis import strategies as st


def reported(
    found: Rows, name: str, *results: dict[str, Any], run: str = "now", expected: tuple[str, ...] = ()
) -> Rows:
    return rows(json.dumps(found), run, expected, name, document(*results))


def order(page: str) -> list[tuple[str, str]]:
    """Return the hosts with what each counts as."""
    found: list[tuple[str, str]] = re.findall(r'<li class="card (\w+)"><span class="title">(?:<a [^>]*>)?([^<]*)', page)
    return found


def tiles(page: str) -> dict[str, int]:
    found = re.findall(r'<li class="(\w+)[ a-z]*"><b>([0-9]+)</b>', page)
    return {name: int(number) for name, number in found if number != "0"}


def test_the_worst_host_comes_first() -> None:
    found: Rows = {}
    found = reported(found, "good", result(status="pass"), expected=("good", "gone"))
    found = reported(found, "open", result(status="unknown"))
    found = reported(found, "two", result(), result(fingerprint="x"))
    found = reported(found, "bad", result(severity="critical"), result(severity="low"))
    found = reported(found, "one", result(), result(status="waived"))
    page = index(found, "now")
    expected = [("critical", "bad"), ("high", "two"), ("high", "one"), ("unknown", "open"), ("pass", "good")]
    assert order(page) == [*expected, ("waived", "gone")]
    assert tiles(page) == {"critical": 1, "high": 2, "unknown": 1, "pass": 1, "waived": 1}
    assert "5 failures, 1 unknown, 0 errors, 1 waived" in page
    assert ">6 hosts<" in page


def test_earlier_runs_count_for_nothing() -> None:
    found = reported({}, "old", result(severity="critical"), run="before")
    found = reported(found, "both", result(severity="critical"), run="before")
    found = reported(found, "late", result(), run="before")
    found = reported(found, "both", result(status="pass"), expected=("both", "late"))
    page = index(found, "now")
    assert tiles(page) == {"pass": 1, "waived": 1}
    assert "0 failures" in page
    # Whoever was to be audited and was not is shown with the report that there is.
    assert order(page) == [("pass", "both"), ("waived", "late"), ("waived", "old")]
    assert page.count("no report in this run") == 1
    assert page.count("not in this run") == 1
    assert page.count('href="late.html"') == 1


def test_a_host_without_an_apache_is_no_good_one_in_silence() -> None:
    found = rows("", "now", (), "www", {**document(), "instances": []})
    assert "no Apache with mod_wsgi" in index(found, "now")


@pytest.mark.parametrize("state", ["", "{", "[]", '{"www": 1}', '{"www": {}}', "7"])
def test_a_state_that_is_none(state: str) -> None:
    assert list(rows(state, "now", (), "new", document())) == ["new"]


@given(st.lists(TEXT.filter(lambda text: "\0" not in text), min_size=1, max_size=3))
def test_names_of_hosts_are_text_and_nothing_else(names: list[str]) -> None:
    found: Rows = {}
    for name in names:
        found = rows(json.dumps(found), "now", ("".join(NASTY), *names), name, {**document(), "collected_at": name})
    page = index(found, "now")
    assert "<script" not in page
    assert "script-src 'none'" in page
    tags = "html head meta title style body header h1 h2 p main ul li b span a"
    assert set(re.findall(r"<([a-z0-9]+)", page)) <= set(tags.split())
    links = re.findall('href="([^"]*)"', page)
    assert all(re.fullmatch("[A-Za-z0-9%._~-]+", link) for link in links)
    assert "".join(NASTY) not in page
    assert visible("\x1b[2J") in page
