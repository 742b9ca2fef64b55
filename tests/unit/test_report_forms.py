# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One report in each of its forms, as the files in tests/fixtures/audit/forms have it.

PALISADE_WRITE_DOCS=1 writes them. Read the difference: it is what a user will see.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Callable

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report import html
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report import overview as report_overview
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import Document
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.gate import message, verdict
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.junit import junit
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.sarif import sarif
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.text import text
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.waivers import read_waivers, waived
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import document, example, result
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES

FORMS = FIXTURES / "audit/forms"


def whole() -> Document:
    """Return a report with everything that one may have, of a host with two Apaches."""
    bare = {
        "evidence": [{"kind": "config", "source": "", "observed": "not set", "expected": ""}],
        "remedy": {"text": "", "variable": "", "by_hand": []},
        "attack": "",
        "reference": {"page": "", "cis": "5.8"},
    }
    waiver = {"reason": "Moves", "owner": "jo", "expires": "2027-01-01"}
    found = document(
        *example()["results"],
        result(rule_id="U3", status="waived", waiver=waiver, evidence=[]),
        result(rule_id="U4", baseline="known", severity="critical", **bare),
        result(rule_id="U5", baseline="new", instance="", subject={"kind": "server", "name": ""}),
        result(rule_id="U6", instance="/etc/apache2-b/apache2.conf", title="<b>\u202e[x](y) {0}</b>"),
        result(rule_id="U7", subject={"kind": "virtual_host", "name": "virtual_host:80"}, status="not_applicable"),
    )
    second = {**found["instances"][0], "config_file": "/etc/apache2-b/apache2.conf", "mpm": "", "pools": []}
    found["instances"].append(second)
    return {**found, "absent": [result(rule_id="U9"), result(rule_id="U8", severity="critical")]}


def body(page: str) -> str:
    """Return a page without its style and its script, and what allows these by their hashes; an element a line."""
    plain = re.sub(r"(?s)(<style>|<script>).*?(</style>|</script>)|sha256-[^']*", r"\1\2", page)
    return re.sub(r"(?<=>)(?=<(?!/))", "\n", plain)


def overview(report: Document) -> str:
    found: report_overview.Rows = {}
    reports = {
        "a b": report,
        "good": document(result(status="pass")),
        "open": document(result(status="error"), result(status="waived")),
        "without": {**document(), "instances": []},
    }
    for name, one in reports.items():
        found = report_overview.rows(json.dumps(found), "now", ["late", *reports], name, one)
    earlier = report_overview.rows("", "before", ["gone"], "old", document(result()))
    return body(report_overview.index({**earlier, **found}, "now"))


def fails(report: Document) -> str:
    found = verdict(report, "results[?severity=='critical' || severity=='high']")
    return message("www", report, found or [], ["/srv/www.json"]) + "\n"


def about_waivers(report: Document) -> str:
    """Return what is told of a waiver that has expired, and of one that covers nothing."""
    row = {"rule": "U1", "subject": "*", "reason": "Moves", "owner": "jo", "expires": "2026-01-01"}
    waivers = read_waivers([row, {**row, "rule": "U99", "instance": "/etc/apache2/*"}])
    found = waived({**report, "results": []}, waivers, datetime.date(2026, 1, 1))
    return text(waived({**found, "results": [*found["results"], result()]}, waivers, datetime.date(2026, 1, 2)))


WRITERS: dict[str, Callable[[Document], str]] = {
    "report.txt": text,
    "report.html": lambda report: body(html.page(report)),
    "report.xml": junit,
    "report.sarif": lambda report: json.dumps(sarif(report), indent=1) + "\n",
    "index.html": overview,
    "message.txt": fails,
    "waivers.txt": about_waivers,
}


@pytest.mark.parametrize("name", WRITERS)
def test_forms(name: str) -> None:
    found = WRITERS[name](whole())
    if os.environ.get("PALISADE_WRITE_DOCS"):
        FORMS.mkdir(exist_ok=True)
        (FORMS / name).write_text(found, encoding="utf-8")
    assert (FORMS / name).read_text(encoding="utf-8").splitlines() == found.splitlines()
