# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page over all hosts of a run.

It is made from one row a host, which the hosts' tasks add one after the other. Nothing waits for the last host:
Ansible ends a playbook without another task where every host of a play has failed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from .document import SEVERITIES, Document
from .page import text, tile, whole

Rows = dict[str, dict[str, Any]]

# What a host counts as, the worst first: its worst failure, or that something is not known, or neither.
_STANDINGS = {name: f"worst is {name}" for name in SEVERITIES}
_STANDINGS |= {"unknown": "undecided", "pass": "no finding", "waived": "no report"}
_NUMBERS = ("unknown", "error", "waived")


def rows(state: str, run: str, expected: Iterable[str], name: str, document: Document) -> Rows:
    """Return the rows of the state before with this host's; expected are the hosts of the play."""
    found = _read(state)
    for host in expected:
        found.setdefault(host, {})["run"] = run
    report = {"at": document["collected_at"], "apaches": len(document["instances"]), "summary": document["summary"]}
    found[name] = {"run": run, "reported": run, "report": report}
    return found


def _read(state: str) -> Rows:
    """Return the rows; a state that was cut off, or that somebody else wrote, has none."""
    try:
        found = json.loads(state or "{}")
        return {str(host): dict(row) for host, row in found.items() if {"run"} <= set(row)}
    except (ValueError, TypeError, AttributeError):
        return {}


def index(found: Rows, run: str) -> str:
    """Return the page; a report of an earlier run is on it, and counts for nothing."""
    mine = {host: row for host, row in found.items() if row["run"] == run}
    others = {host: row for host, row in found.items() if row["run"] != run}
    standings = {host: _standing(row, run) for host, row in mine.items()}
    summaries = [row["report"]["summary"] for row in mine.values() if row.get("reported") == run]
    numbers = ", ".join(
        f"{sum(summary[status] for summary in summaries)} {words}"
        for status, words in (("fail", "failures"), ("unknown", "unknown"), ("error", "errors"), ("waived", "waived"))
    )
    tiles = "".join(tile(name, words, list(standings.values()).count(name)) for name, words in _STANDINGS.items())
    order = list(_STANDINGS)
    ordered = sorted(mine, key=lambda host: (order.index(standings[host]), *_failures(mine[host]), host))
    cards = "".join(_card(host, mine[host], standings[host], "") for host in ordered)
    body = f'<h2>Hosts by their worst finding</h2>\n<ul class="tiles">{tiles}</ul>\n<p>{numbers}</p>\n'
    body += f'<h2>Hosts</h2>\n<ul class="hosts">{cards}</ul>'
    if others:
        cards = "".join(_card(host, row, "waived", "not in this run") for host, row in sorted(others.items()))
        body += f'\n<h2>Reports of earlier runs</h2>\n<ul class="hosts">{cards}</ul>'
    return whole("Audit of all hosts", f"{len(mine)} {'host' if len(mine) == 1 else 'hosts'}", body)


def _standing(row: dict[str, Any], run: str) -> str:
    if row.get("reported") != run:
        return "waived"
    summary = row["report"]["summary"]
    worst = next((name for name in SEVERITIES if summary["by_severity"][name]), "")
    return worst or ("unknown" if summary["unknown"] or summary["error"] else "pass")


def _failures(row: dict[str, Any]) -> list[int]:
    severities = row.get("report", {}).get("summary", {}).get("by_severity", {})
    return [-severities.get(name, 0) for name in SEVERITIES]


def _card(host: str, row: dict[str, Any], standing: str, why: str) -> str:
    report = row.get("report")
    notes = [why or "no report in this run: host unreachable, or audit failed"] if standing == "waived" else []
    name, badges = text(host), ""
    if report:
        # As bytes: the name of a file need not be UTF-8.
        name = f'<a href="{quote(os.fsencode(f"{host}.html"), safe="")}">{name}</a>'
        notes += [*([] if report["apaches"] else ["no Apache with mod_wsgi"]), report["at"]]
        summary = report["summary"]
        numbers = {**summary["by_severity"], **{status: summary[status] for status in _NUMBERS}}
        badges = " ".join(
            f'<span class="{word} badge">{number} {word}</span>' for word, number in numbers.items() if number
        )
    words = f'<span class="title">{name}</span> {badges}<p class="quiet">{text(", ".join(notes))}</p>'
    return f'<li class="card {standing}">{words}</li>\n'
