# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as one HTML page that needs no other file and no network."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from .document import SEVERITIES, STATUSES, Document, Result, is_known, ordered, state_of, subject_of
from .page import SCRIPT, text, tile, whole


def page(document: Document) -> str:
    """Return the page. Whatever came from the host is text in it and nothing else."""
    body = f"""{_overview(document["summary"])}
{_instances(document["instances"])}
<h2>Results</h2>
{_form()}
{_groups(document)}{_gone(document)}"""
    said = f"{document['collected_at']}, palisade.mod_wsgi {document['collection_version']}"
    return whole(f"Audit of {document['host']}", said, body, SCRIPT)


def _overview(summary: dict[str, Any]) -> str:
    severities = "".join(tile(name, name, summary["by_severity"][name]) for name in SEVERITIES)
    others = [name for name in STATUSES if name != "fail"]
    states = "".join(tile(name, name.replace("_", " "), summary[name]) for name in others)
    return (
        f'<h2>Failures by severity</h2>\n<ul class="tiles">{severities}</ul>\n'
        f'<h2>Other results</h2>\n<ul class="tiles">{states}</ul>'
    )


def _instances(instances: list[dict[str, Any]]) -> str:
    if not instances:
        return "<h2>Apache</h2>\n<p>No Apache with mod_wsgi was found.</p>"
    cards = "".join(
        '<div class="card"><dl>'
        + "".join(
            _part(head, [f'<span class="value">{text(_cell(instance[name]))}</span>'])
            for name, head in _HEADS
            if instance[name] != ""
        )
        + "</dl></div>"
        for instance in instances
    )
    return f"<h2>Apache</h2>\n{cards}"


_HEADS = (
    ("config_file", "Configuration"),
    ("apache_version", "Apache"),
    ("mod_wsgi_version", "mod_wsgi"),
    ("mpm", "MPM"),
    ("pools", "Pools"),
)


def _cell(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"


def _form() -> str:
    statuses = {"unsettled": "not settled", "all": "every status"}
    statuses |= {name: name.replace("_", " ") for name in STATUSES}
    severities = {"all": "every severity"} | {name: name for name in SEVERITIES}
    # Without a script all results are there, and no form that would do nothing.
    return (
        '<form hidden><input type="search" name="search" aria-label="Search" placeholder="Search">'
        f"{_select('status', 'Status', statuses)}{_select('severity', 'Severity', severities)}<output></output></form>"
    )


def _select(name: str, label: str, choices: dict[str, str]) -> str:
    options = "".join(f'<option value="{value}">{words}</option>' for value, words in choices.items())
    return f'<select name="{name}" aria-label="{label}">{options}</select>'


def _groups(document: Document) -> str:
    """Return the results by Apache, and in each the worst first."""
    results = ordered(document["results"])
    # What is about no Apache, such as waivers, comes last.
    files = dict.fromkeys([instance["config_file"] for instance in document["instances"]])
    files |= dict.fromkeys([*sorted({result["instance"] for result in results if result["instance"]}), ""])
    several = len({result["instance"] for result in results}) > 1
    parts = []
    for file in files:
        mine = [result for result in results if result["instance"] == file]
        head = f'<h3><span class="value">{text(file) or "The audit itself"}</span></h3>\n' if several else ""
        groups = "".join(_group(name, list(found)) for name, found in groupby(mine, _mark))
        parts.append(f"<section>\n{head}{groups}</section>\n" if mine else "")
    return "".join(parts)


def _gone(document: Document) -> str:
    items = "".join(
        f"<li>{text(result['rule_id'])}: {text(result['title'])} ({text(subject_of(result))})</li>"
        for result in ordered(document.get("absent", []))
    )
    return f"<h2>Gone since the baseline</h2>\n<ul>{items}</ul>\n" if items else ""


def _mark(result: Result) -> str:
    """Return the severity of a failure, the status of anything else."""
    return str(result["severity"] if result["status"] == "fail" else result["status"])


def _group(name: str, results: list[Result]) -> str:
    head = f"{len(results)} {name.replace('_', ' ')}"
    return f'<section class="group">\n<h4>{head}</h4>\n{"".join(map(_finding, results))}</section>\n'


def _finding(result: Result) -> str:
    status, severity = result["status"], result["severity"]
    opened = " open" if status == "fail" and severity in ("critical", "high") and not is_known(result) else ""
    parts = [
        _part("Evidence", [_evidence(evidence) for evidence in result["evidence"]]),
        _part("Waiver", [_waiver(result["waiver"])] if "waiver" in result else []),
        _part("Attack", [text(result["attack"])] if result["attack"] else []),
        _remedy(result["remedy"]) if status != "pass" else "",
        _part("Reference", [text(words) for words in _references(result)]),
        _part("Certainty", [f"severity {severity}, confidence {result['confidence']}"]),
    ]
    return (
        f'<details class="{_mark(result)}" data-status="{status}" data-severity="{severity}"{opened}>\n'
        f'<summary><span class="badge">{state_of(result)}</span>'
        f'<span class="title">{text(result["rule_id"])}: {text(result["title"])}</span>'
        f'<span class="subject">{text(subject_of(result))}</span>'
        f"</summary>\n<dl>{''.join(parts)}</dl>\n</details>\n"
    )


def _part(term: str, items: list[str]) -> str:
    if not items:
        return ""
    body = items[0] if len(items) == 1 else "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
    return f"<dt>{term}</dt><dd>{body}</dd>"


def _evidence(evidence: dict[str, str]) -> str:
    lines = [
        f'<p class="quiet">{text(evidence["kind"])} <span class="value">{text(evidence["source"])}</span></p>',
        f'<p>observed: <span class="value">{text(evidence["observed"])}</span></p>',
    ]
    if evidence["expected"]:
        lines.append(f'<p>expected: <span class="value">{text(evidence["expected"])}</span></p>')
    return "".join(lines)


def _waiver(waiver: dict[str, str]) -> str:
    return f"{text(waiver['reason'])} ({text(waiver['owner'])}, until {text(waiver['expires'])})"


def _remedy(remedy: dict[str, Any]) -> str:
    items = [f"<p>{text(remedy['text'])}</p>"] if remedy["text"] else []
    items += [f'<p>Variable: <span class="value">{text(remedy["variable"])}</span></p>'] if remedy["variable"] else []
    steps = "".join(f'<li class="step"><span class="value">{text(step)}</span></li>' for step in remedy["by_hand"])
    items += [f"<p>By hand:</p><ul>{steps}</ul>"] if steps else []
    return _part("Remedy", ["".join(items)] if items else [])


def _references(result: Result) -> list[str]:
    reference = result["reference"]
    return [
        *([f"Hardening page: {reference['page']}"] if reference["page"] else []),
        *([f"CIS Apache: {reference['cis']}"] if reference["cis"] else []),
    ]
