# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_document import (
    SEVERITIES,
    STATUSES,
    Document,
    Result,
    is_known,
    ordered,
    state_of,
    subject_of,
    visible,
)
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_page import SCRIPT, STYLE

# These are open at first, and all that the page shows without being asked.
_UNSETTLED = ("fail", "error", "unknown")


def page(document: Document) -> str:
    """Return the page. Whatever came from the host is text in it and nothing else."""
    title = f"Audit of {_text(document['host'])}"
    results = "".join(_finding(result) for result in ordered(document["results"]))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="quiet">{_text(document["collected_at"])}, palisade.mod_wsgi {_text(document["collection_version"])}</p>
</header>
<main>
{_overview(document["summary"])}
{_instances(document["instances"])}
<h2>Results</h2>
{_form()}
{results}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _text(text: str) -> str:
    return html.escape(visible(text))


def _policy() -> str:
    def allowed(text: str) -> str:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return f"'sha256-{digest}'"

    rules = [
        "default-src 'none'",
        f"script-src {allowed(SCRIPT)}",
        f"style-src {allowed(STYLE)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return html.escape("; ".join(rules), quote=False)


def _overview(summary: dict[str, Any]) -> str:
    severities = "".join(_tile(name, name, summary["by_severity"][name]) for name in SEVERITIES)
    others = [name for name in STATUSES if name != "fail"]
    states = "".join(_tile(name, name.replace("_", " "), summary[name]) for name in others)
    return (
        f'<h2>Failures by severity</h2>\n<ul class="tiles">{severities}</ul>\n'
        f'<h2>Other results</h2>\n<ul class="tiles">{states}</ul>'
    )


def _tile(name: str, label: str, number: int) -> str:
    return f'<li class="{name}{"" if number else " none"}"><b>{number}</b>{label}</li>'


def _instances(instances: list[dict[str, Any]]) -> str:
    if not instances:
        return "<h2>Apache</h2>\n<p>No Apache with mod_wsgi was found.</p>"
    cards = "".join(
        '<div class="card"><dl>'
        + "".join(_part(head, [f'<span class="value">{_text(_cell(instance[name]))}</span>']) for name, head in _HEADS)
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
    statuses = {"unsettled": "fail, error, unknown", "all": "every status"}
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


def _finding(result: Result) -> str:
    status, severity = result["status"], result["severity"]
    mark = severity if status == "fail" else status
    opened = " open" if status == "fail" and severity in ("critical", "high") and not is_known(result) else ""
    parts = [
        _part("Evidence", [_evidence(evidence) for evidence in result["evidence"]]),
        _part("Waiver", [_waiver(result["waiver"])] if "waiver" in result else []),
        _part("Attack", [_text(result["attack"])] if result["attack"] else []),
        _remedy(result["remedy"]) if status != "pass" else "",
        _part("Reference", [_text(text) for text in _references(result)]),
        _part("Apache", [f'<span class="value">{_text(result["instance"])}</span>'] if result["instance"] else []),
        _part("Certainty", [f"severity {severity}, confidence {result['confidence']}"]),
    ]
    return (
        f'<details class="{mark}" data-status="{status}" data-severity="{severity}"{opened}>\n'
        f'<summary><span class="badge">{state_of(result)}</span>'
        f'<span class="title">{_text(result["rule_id"])}: {_text(result["title"])}</span>'
        f'<span class="subject">{_text(subject_of(result))}</span>'
        f"</summary>\n<dl>{''.join(parts)}</dl>\n</details>\n"
    )


def _part(term: str, items: list[str]) -> str:
    if not items:
        return ""
    body = items[0] if len(items) == 1 else "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
    return f"<dt>{term}</dt><dd>{body}</dd>"


def _evidence(evidence: dict[str, str]) -> str:
    lines = [
        f'<p class="quiet">{_text(evidence["kind"])} <span class="value">{_text(evidence["source"])}</span></p>',
        f'<p>observed: <span class="value">{_text(evidence["observed"])}</span></p>',
    ]
    if evidence["expected"]:
        lines.append(f'<p>expected: <span class="value">{_text(evidence["expected"])}</span></p>')
    return "".join(lines)


def _waiver(waiver: dict[str, str]) -> str:
    return f"{_text(waiver['reason'])} ({_text(waiver['owner'])}, until {_text(waiver['expires'])})"


def _remedy(remedy: dict[str, Any]) -> str:
    items = [f"<p>{_text(remedy['text'])}</p>"] if remedy["text"] else []
    items += [f'<p>Variable: <span class="value">{_text(remedy["variable"])}</span></p>'] if remedy["variable"] else []
    steps = "".join(f'<li class="step"><span class="value">{_text(step)}</span></li>' for step in remedy["by_hand"])
    items += [f"<p>By hand:</p><ul>{steps}</ul>"] if steps else []
    return _part("Remedy", ["".join(items)] if items else [])


def _references(result: Result) -> list[str]:
    reference = result["reference"]
    return [
        *([f"Hardening page: {reference['page']}"] if reference["page"] else []),
        *([f"CIS Apache: {reference['cis']}"] if reference["cis"] else []),
    ]
