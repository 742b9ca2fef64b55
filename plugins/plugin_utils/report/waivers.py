# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures that somebody has accepted: waivers, one by one and for a time, and a baseline, all of an earlier report."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ...module_utils.host.errors import PalisadeError, nearest
from .document import SEVERITIES, Document, Result, finding, read, summary

FIELDS = ("rule", "subject", "reason", "owner", "expires")
# Of a host with two Apaches, where pools and virtual hosts may have the same names.
OPTIONAL = ("instance",)


@dataclass(frozen=True)
class Waiver:
    """One failure that somebody answers for, up to and including a day."""

    rule: str
    subject: str
    reason: str
    owner: str
    expires: datetime.date
    # Configuration file of the Apache; empty for every one.
    instance: str = ""

    @property
    def name(self) -> str:
        """Return how a finding about it names it."""
        return f"{self.rule} {self.subject}" + (f" in {self.instance}" if self.instance else "")

    def covers(self, result: Result) -> bool:
        """Return whether it is about this rule, this subject and this Apache."""
        return (
            self.rule == result["rule_id"]
            and _fits(result["subject"]["name"], self.subject)
            and (not self.instance or _fits(result["instance"], self.instance))
        )


def _fits(name: str, pattern: str) -> bool:
    # An address such as [::1]:80 is a pattern of other names.
    return name == pattern or fnmatchcase(name, pattern)


def read_waivers(rows: Any) -> list[Waiver]:
    """Return the waivers; PalisadeError names the row, the field, what was expected and what came."""
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise PalisadeError(f"wsgi_audit_waivers: expected a list, got {rows!r}")
    return [_read_waiver(row, f"wsgi_audit_waivers[{number}]") for number, row in enumerate(rows)]


def _read_waiver(row: Any, where: str) -> Waiver:
    if not isinstance(row, dict):
        raise PalisadeError(f"{where}: expected a mapping, got {row!r}")
    for name in row:
        if name not in (*FIELDS, *OPTIONAL):
            raise PalisadeError(f"{where}: unknown field {str(name)!r}{nearest(name, FIELDS)}")
    # YAML reads a date as one.
    texts = {name: str(row[name]).strip() if row.get(name) is not None else "" for name in (*FIELDS, *OPTIONAL)}
    for name in FIELDS:
        if not texts[name]:
            raise PalisadeError(f"{where}: {name}: expected some text, got nothing")
    try:
        day = datetime.date.fromisoformat(texts.pop("expires"))
    except ValueError:
        raise PalisadeError(f"{where}: expires: expected a date such as 2027-12-31, got {row['expires']!r}") from None
    return Waiver(**texts, expires=day)


def waived(document: Document, waivers: Sequence[Waiver], today: datetime.date) -> Document:
    """Return the document with the failures waived that a waiver covers, and with what is wrong with the waivers."""
    holding = [waiver for waiver in waivers if waiver.expires >= today]
    results = [_waived(result, holding) for result in document["results"]]
    for waiver in waivers:
        if not any(_speaks_for(result, waiver) for result in document["results"]):
            results.append(_stale(waiver))
        elif waiver.expires < today:
            results.append(_expired(waiver, today))
    return {**document, "results": results, "summary": summary(results)}


_UNDECIDED = ("unknown", "error")


def _speaks_for(result: Result, waiver: Waiver) -> bool:
    # A rule that could not decide this time, of whatever subject, says nothing against its waiver.
    if result["status"] in _UNDECIDED:
        return bool(result["rule_id"] == waiver.rule)
    return waiver.covers(result) if result["status"] == "fail" else False


def _waived(result: Result, waivers: Sequence[Waiver]) -> Result:
    waiver = next((waiver for waiver in waivers if waiver.covers(result)), None)
    if result["status"] != "fail" or waiver is None:
        return result
    words = {"reason": waiver.reason, "owner": waiver.owner, "expires": waiver.expires.isoformat()}
    return {**result, "status": "waived", "waiver": words}


def _expired(waiver: Waiver, today: datetime.date) -> Result:
    return finding(
        "AUDIT-WAIVER-EXPIRED",
        "No waiver has expired",
        "low",
        {"kind": "waiver", "name": waiver.name},
        {
            "kind": "config",
            "source": "wsgi_audit_waivers",
            "observed": f"expired on {waiver.expires}, owner {waiver.owner}: {waiver.reason}",
            "expected": f"a date of today ({today}) or later, or no waiver",
        },
        "Fix the finding and remove the waiver, or let its owner decide again and set a new date.",
    )


def _stale(waiver: Waiver) -> Result:
    return finding(
        "AUDIT-WAIVER-STALE",
        "Every waiver covers a failure",
        "info",
        {"kind": "waiver", "name": waiver.name},
        {
            "kind": "config",
            "source": "wsgi_audit_waivers",
            "observed": f"no failure that {waiver.name} matches",
            "expected": "a failure that the waiver covers",
        },
        "Remove the waiver: the finding is fixed, or the waiver never matched.",
    )


def read_baseline(path: str) -> Document:
    """Return an earlier report; PalisadeError where the file is not one."""
    try:
        with open(path, encoding="utf-8") as file:
            return read(json.load(file), path)
    except (OSError, ValueError) as error:
        raise PalisadeError(f"wsgi_audit_baseline: {path}: expected an earlier report as JSON: {error}") from error


def compared(document: Document, baseline: Document) -> Document:
    """Return the document with every failure marked: known where the baseline has it, no milder; new otherwise.

    Failures of the baseline that are none any more are the document's `absent`.
    """
    # What was waived then has to be judged again once its waiver is gone.
    earlier = [result for result in baseline["results"] if result["status"] == "fail"]
    worst: dict[str, int] = {}
    for result in earlier:
        rank = SEVERITIES.index(result["severity"])
        worst[result["fingerprint"]] = min(rank, worst.get(result["fingerprint"], rank))

    def marked(result: Result) -> Result:
        if result["status"] != "fail":
            return result
        known = worst.get(result["fingerprint"], len(SEVERITIES)) <= SEVERITIES.index(result["severity"])
        return {**result, "baseline": "known" if known else "new"}

    here = {result["fingerprint"] for result in document["results"] if result["status"] in ("fail", "waived")}
    # What a rule could not decide this time may be there still.
    undecided = {_rule(result) for result in document["results"] if result["status"] in _UNDECIDED}
    absent = [result for result in earlier if result["fingerprint"] not in here and _rule(result) not in undecided]
    return {**document, "results": [marked(result) for result in document["results"]], "absent": absent}


def _rule(result: Result) -> tuple[str, str]:
    return result["rule_id"], result["instance"]
