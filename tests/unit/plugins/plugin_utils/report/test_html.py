# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a page. The tests with a browser need Debian's chromium, or another one that PALISADE_BROWSER names."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document, visible
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.html import page
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import DOCUMENTS, NASTY, document, example, result
from hypothesis import given

BROWSER = os.environ.get("PALISADE_BROWSER") or shutil.which("chromium") or ""
needs_browser = pytest.mark.skipif(not BROWSER, reason="no chromium is installed")


class Page(HTMLParser):
    """The elements, their attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.cdata_elem:
            self.inside[self.cdata_elem] = self.inside.get(self.cdata_elem, "") + data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def number(self, tag: str) -> int:
        return sum(name == tag for name, _attributes in self.elements)


def test_a_host_without_apache_says_so() -> None:
    assert "<p>No Apache with mod_wsgi was found.</p>" in page({**document(), "instances": []})


def test_every_result_is_on_it() -> None:
    found = Page(page(example()))
    statuses = [attributes["data-status"] for tag, attributes in found.elements if tag == "details"]
    assert statuses == ["fail"] * 5 + ["error", "unknown", "pass", "pass", "not_applicable"]
    opened = [attributes["data-severity"] for tag, attributes in found.elements if "open" in attributes]
    assert opened == ["critical", "high"]
    words = " ".join(found.texts)
    for expected in (
        "U1: A pool names its user",
        "WSGIDaemonProcess shop processes=2",
        "adduser --system --group shop-app",
        "Code of the app reads every file",
        "Hardening page: Run as a dedicated unprivileged user",
    ):
        assert expected in words


def test_what_was_accepted_is_marked() -> None:
    waiver = {"reason": "Moves", "owner": "jo", "expires": "2027-01-01"}
    text = page(document(result(status="waived", waiver=waiver), result(baseline="known")))
    assert "Moves (jo, until 2027-01-01)" in text
    assert '<span class="badge">fail: high, known</span>' in text
    assert " open>" not in text


def test_its_policy_allows_its_own_style_and_script_only() -> None:
    found = Page(page(example()))
    policy = next(row["content"] for tag, row in found.elements if row.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(found.inside[name].encode()).digest()).decode()
        assert rules.pop(f"{name}-src") == f"'sha256-{digest}'"
        assert found.number(name) == 1
    assert rules == {}


def test_it_needs_no_other_file() -> None:
    text = page(example())
    assert "://" not in text
    assert not re.search(r"url\(|@import|fetch\(|innerHTML|eval\(", text)
    allowed = {"class", "data-status", "data-severity", "open", "name", "value", "aria-label", "hidden"}
    allowed |= {"lang", "charset", "http-equiv", "content", "type", "placeholder"}
    assert {name for _tag, attributes in Page(text).elements for name in attributes} <= allowed


@given(DOCUMENTS)
def test_text_of_the_host_is_text_and_nothing_else(report: Document) -> None:
    whole = page(report)
    whole.encode("utf-8")
    found = Page(whole)
    assert found.number("script") == found.number("style") == 1
    assert found.number("details") == len(report["results"])
    known = {tag for tag, _attributes in Page(page(example())).elements}
    assert {tag for tag, _attributes in found.elements} <= known | {"h3"}
    names = {name for _tag, attributes in found.elements for name in attributes}
    assert not any(name.startswith(("on", "style", "src", "href")) for name in names)
    words = "".join(found.texts)
    for item in report["results"]:
        assert visible(item["title"]) in words
        assert all(visible(evidence["observed"]) in words for evidence in item["evidence"])


def test_results_are_grouped_by_apache_and_severity() -> None:
    rows = [result(instance=f"/etc/{name}.conf", severity=level) for name in "ba" for level in ("low", "high")]
    whole = page(document(*rows, result(status="pass", instance="/etc/a.conf"), result(instance="")))
    heads = re.findall(r"<h[34]>(?:<span[^>]*>)?([^<]+)", whole)
    assert heads == [
        "/etc/a.conf",
        "1 high",
        "1 low",
        "1 pass",
        "/etc/b.conf",
        "1 high",
        "1 low",
        "The audit itself",
        "1 high",
    ]
    # With one Apache its name would be said for nothing.
    assert re.findall("<h3>", page(document(rows[0]))) == []


def test_what_is_gone_since_the_baseline_is_said() -> None:
    words = "".join(Page(page({**document(), "absent": [result(title="<b>gone</b>")]})).texts)
    assert "Gone since the baseline" in words
    assert "U1: <b>gone</b> (pool shop)" in words
    assert "Gone since" not in page(example())


def opened(text: str, directory: Path) -> Page:
    """Return the page as a browser has it after its scripts have run."""
    path = directory / "page.html"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return Page(done.stdout)


def shown(found: Page) -> list[bool]:
    return ["hidden" not in attributes for tag, attributes in found.elements if tag == "details"]


@needs_browser
def test_a_browser_runs_its_script_and_no_other(tmp_path: Path) -> None:
    evil = "".join(NASTY) + "<img src=x onerror=\"document.title='owned'\">"
    whole = page(document(result(title=evil, attack=evil), result(status="pass")))
    # As if the escaping had failed: the policy holds alone.
    planted = whole.replace("<main>", "<main><script>document.title = 'owned'</script><p onclick='x()'>", 1)
    for text in (whole, planted):
        found = opened(text, tmp_path)
        assert shown(found) == [True, False]
        assert "Audit of www" in found.texts
        assert "owned" not in found.texts
        assert found.number("img") == 0


@needs_browser
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [True] * 7 + [False] * 3),
        ({"status": "all"}, [True] * 10),
        ({"status": "pass"}, [False] * 7 + [True, True, False]),
        ({"severity": "high"}, [False, True, False, False, False, False, True, False, False, False]),
        ({"search": "SHOP-APP  adduser"}, [False, True] + [False] * 8),
        ({"search": "no such words", "status": "all"}, [False] * 10),
    ],
)
def test_the_form_filters(fields: dict[str, str], expected: list[bool], tmp_path: Path) -> None:
    entered = "".join(f"document.querySelector('form').{name}.value = '{value}';" for name, value in fields.items())
    script = f"<script>{entered}document.querySelector('form').dispatchEvent(new Event('input'))</script></body>"
    # A script of the test is none that the policy allows.
    text = page(example()).replace("Content-Security-Policy", "x-none", 1).replace("</body>", script, 1)
    found = opened(text, tmp_path)
    assert shown(found) == expected
    groups = [row for tag, row in found.elements if tag == "section" and row.get("class") == "group"]
    assert all("hidden" in row for row in groups) == (not any(expected))
