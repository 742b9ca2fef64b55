# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule of the audit is, and the results that it gives."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from .config import Directive, Pool, VirtualHost
from .facts import Facts
from .merge import Place, Setting

STATUSES = ("pass", "fail", "not_applicable", "unknown", "waived", "error")
SEVERITIES = ("info", "low", "medium", "high", "critical")
# So much evidence of one kind a result shows.
SHOWN = 20
# The page's order; then the built-in ones, those beyond the page, and the audit's own.
_LETTERS = ("M", "U", "I", "F", "N", "E", "A", "L", "D", "B", "X", "AUDIT")


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen: where, what, and what was expected."""

    kind: str
    source: str
    observed: str
    expected: str = ""


@dataclass(frozen=True)
class Result:
    """What a rule says of one subject; severity only where it is not the rule's own."""

    status: str
    kind: str
    name: str
    evidence: tuple[Evidence, ...] = ()
    severity: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule; check gives a result for each subject, and none where there is nothing to judge."""

    id: str
    title: str
    severity: str
    confidence: str
    looks_at: str
    decides: str
    remedy: str
    variable: str
    by_hand: tuple[str, ...]
    attack: str
    page: str
    check: Callable[[Facts], Iterable[Result]]
    cis: str = ""
    # Cannot be judged where Apache does not show its configuration.
    needs_configuration: bool = True


def place_of(identifier: str) -> tuple[int, int, str]:
    """Return what a rule sorts by: the page's order, and U2 before U10."""
    letters = re.split(r"[^A-Z]", identifier)[0]
    digits = re.split(r"[^0-9]", identifier[len(letters) :])[0][:9]
    place = _LETTERS.index(letters) if letters in _LETTERS else len(_LETTERS)
    return place, int(digits or 0), identifier


def judge(rule: Rule, facts: Facts) -> list[dict[str, Any]]:
    """Return a rule's results as they stand in the report."""
    instance = facts.instance
    nothing = Result("not_applicable", "server", instance.config_file)
    if rule.needs_configuration and instance.error:
        seen = Evidence("cmd", f"{instance.binary} -t", instance.error.splitlines()[-1], "a configuration to read")
        results = [replace(nothing, status="unknown", evidence=(seen,))]
    else:
        try:
            results = list(rule.check(facts)) or [nothing]
        except Exception as error:  # one rule's defect must not hide what the others found
            seen = Evidence("cmd", f"rule {rule.id}", f"{type(error).__name__}: {error}", "a result")
            results = [replace(nothing, status="error", evidence=(seen,))]
    return [_row(rule, result, instance.config_file) for result in _unique(results)]


def _unique(results: Sequence[Result]) -> list[Result]:
    return list(dict.fromkeys(results))


def _row(rule: Rule, result: Result, instance: str) -> dict[str, Any]:
    return {
        "rule_id": rule.id,
        "title": rule.title,
        "severity": result.severity or rule.severity,
        "confidence": rule.confidence,
        "status": result.status,
        "subject": {"kind": result.kind, "name": result.name},
        "instance": instance,
        "evidence": [vars(seen).copy() for seen in result.evidence],
        "remedy": {"text": rule.remedy, "variable": rule.variable, "by_hand": list(rule.by_hand)},
        "attack": rule.attack,
        "reference": {"page": rule.page, "cis": rule.cis},
        "fingerprint": _fingerprint(rule.id, result, instance),
    }


def _fingerprint(rule: str, result: Result, instance: str) -> str:
    """Return what is the same for the same finding in another run: no process ids, no times."""
    observed = [re.sub(r"\bpid [0-9]+", "pid", seen.observed) for seen in result.evidence]
    return hashlib.sha256(
        "\0".join([rule, instance, result.kind, result.name, *observed]).encode("utf-8", "replace")
    ).hexdigest()


def config(line: Directive | None, expected: str, absent: str = "not set") -> Evidence:
    """Return a line of the configuration as evidence, or that there is none."""
    if line is None:
        return Evidence("config", "", absent, expected)
    return Evidence("config", line.source, line.shown, expected)


def verdict(good: bool, kind: str, name: str, *evidence: Evidence, severity: str = "") -> Result:
    """Return pass or fail."""
    return Result("pass" if good else "fail", kind, name, evidence, "" if good else severity)


def version_of(text: str) -> tuple[int, ...]:
    """Return a version's numbers; none of an unknown one."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", text)[:3])


def leading_number(text: str) -> int:
    # As C reads it: what follows the digits is ignored.
    found = re.match(r"\s*([0-9]+)", text)
    return int(found.group(1)) if found else 0


def undecided(kind: str, name: str, *evidence: Evidence) -> Result:
    """Return that something cannot be known."""
    return Result("unknown", kind, name, evidence)


def http(answer: Mapping[str, Any], observed: str, expected: str) -> Evidence:
    """Return an answer to a request of the audit as evidence, or why none came."""
    return Evidence("http", str(answer["request"]), str(answer.get("error") or observed), expected)


def answers(facts: Facts, kind: str = "canary", host: VirtualHost | None = None) -> list[dict[str, Any]]:
    """Return the answers that came to one kind of request."""
    rows = [row for row in facts.probes if row.get("kind", "canary") == kind and not row.get("error")]
    return [row for row in rows if host is None or row["host"] == host.name]


def silences(facts: Facts, kind: str, host: VirtualHost | None = None) -> list[Evidence]:
    """Return why there is no good answer to a kind of request: one reason."""
    rows = [row for row in facts.probes if row.get("kind", "canary") == kind]
    rows = [row for row in rows if host is None or row["host"] == host.name]
    for row in sorted(rows, key=lambda row: not row.get("error"))[:1]:
        return [http(row, f"status {row['status']}", "an answer")]
    return [Evidence("http", "", f"not asked with active: {facts.web.active}", "an answer")]


def web_hosts(facts: Facts) -> list[VirtualHost]:
    """Return the virtual hosts that serve an application."""
    return list({place.host.name: place.host for place in facts.places}.values())


def merged_setting(place: Place, setting: Setting, what: str, expected: str) -> Evidence:
    """Return what holds for a URL of one setting as evidence."""
    said = f"{what} {setting.value}" if setting.value else f"no {what}"
    return Evidence("config", setting.source or place.mapped.source, said, expected)


def pool_option(pool: Pool, option: str, expected: str) -> Evidence:
    """Return one option of a WSGIDaemonProcess as evidence."""
    value = pool.options.get(option)
    said = f"{option}={value}" if value is not None else f"no {option}="
    return Evidence("config", pool.directive.source, f"WSGIDaemonProcess {pool.name}: {said}", expected)


def missing_process(pool: Pool) -> Result:
    """Return that a pool has no process to judge."""
    return Result("unknown", "pool", pool.name, (Evidence("proc", "", "no running process", "a running process"),))


def gap(kind: str, name: str, way: str, source: str, reason: str) -> Result:
    """Return that something is unknown, and why; way is the kind of evidence."""
    return Result("unknown", kind, name, (Evidence(way, source, reason, "to be read"),))


def unlooked(kind: str, name: str, why: str) -> Result:
    """Return that not all files could be looked at, and why."""
    return Result("unknown", kind, name, (Evidence("stat", "", why, "all of it looked at"),))


def worst(severities: Iterable[str]) -> str:
    """Return the worst of some severities; empty for none."""
    return max(severities, key=SEVERITIES.index, default="")


def running(facts: Facts, judged: Callable[[Pool, Sequence[dict[str, Any]]], Result]) -> Iterable[Result]:
    """Give the result of each pool, unknown for one without processes."""
    for pool in facts.pools:
        processes = facts.live.get(pool.name, [])
        yield judged(pool, processes) if processes else missing_process(pool)


@dataclass
class Group:
    """The rules of one file."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, identifier: str, title: str, severity: str, page: str, **fields: Any) -> Callable[..., Any]:
        """Return a decorator that makes a rule of a function; fields are the rest of Rule."""

        def known(check: Callable[[Facts], Iterable[Result]]) -> Callable[[Facts], Iterable[Result]]:
            values = {"confidence": "high", "variable": "", "by_hand": (), **fields}
            self.rules.append(Rule(identifier, title, severity, page=page, check=check, **values))
            return check

        return known
