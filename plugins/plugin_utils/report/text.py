# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as text for people at a terminal."""

from __future__ import annotations

from typing import Any

from .document import SEVERITIES, STATUSES, Document, Result, ordered, visible
from .gate import one_line


def text(document: Document) -> str:
    """Return all that is not settled, the worst first, with its evidence and its remedy, and the counts at the end."""
    lines = [visible(f"Audit of {document['host']}, {document['collected_at']}")]
    lines += [f"  {visible(instance_line(instance))}" for instance in document["instances"]]
    if not document["instances"]:
        lines.append("  no Apache with mod_wsgi was found")
    for result in ordered(document["results"]):
        if result["status"] not in ("pass", "not_applicable"):
            lines += ["", *_finding(result, document)]
    gone = [f"gone since the baseline: {one_line(result, document)}" for result in ordered(document.get("absent", []))]
    return "\n".join([*lines, "", *gone, counts(document), ""])


def instance_line(instance: dict[str, Any]) -> str:
    """Return an Apache in one line."""
    pools = ", ".join(instance["pools"]) or "none"
    known = {
        "Apache ": instance["apache_version"],
        "mod_wsgi ": instance["mod_wsgi_version"],
        "": instance["mpm"],
        "pools: ": pools,
    }
    return f"{instance['config_file']}: " + ", ".join(f"{word}{value}" for word, value in known.items() if value)


def evidence_line(evidence: dict[str, str]) -> str:
    """Return what was seen and where; what is missing has no place."""
    return f"{evidence['source']}: {evidence['observed']}" if evidence["source"] else evidence["observed"]


def counts(document: Document) -> str:
    """Return the numbers of each status, and of each severity among the failures."""
    summary = document["summary"]
    severities = ", ".join(f"{summary['by_severity'][name]} {name}" for name in SEVERITIES)
    others = ", ".join(f"{summary[name]} {name.replace('_', ' ')}" for name in STATUSES if name != "fail")
    return f"{summary['fail']} fail ({severities}), {others}"


def _finding(result: Result, document: Document) -> list[str]:
    lines = [one_line(result, document)]
    for evidence in result["evidence"]:
        lines.append(f"    {visible(evidence_line(evidence))}")
        if evidence["expected"]:
            lines.append(f"      expected: {visible(evidence['expected'])}")
    if waiver := result.get("waiver"):
        lines.append(f"    waived until {waiver['expires']} by {visible(waiver['owner'])}: {visible(waiver['reason'])}")
    elif result["status"] == "fail" and result["remedy"]["text"]:
        lines.append(f"    remedy: {visible(result['remedy']['text'])}")
    return lines
