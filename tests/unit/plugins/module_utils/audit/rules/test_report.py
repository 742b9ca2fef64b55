"""Every rule has hosts on which it fails and hosts on which it does not, as plain facts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Access, Facts, FileFacts, Reach
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rule import SEVERITIES, STATUSES, Rule, judge
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules import report
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit import (
    cases_access,
    cases_bounds,
    cases_host,
    cases_page,
    cases_web,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    APACHE,
    Case,
    facts,
    process,
    running,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES

RULES = {rule.id: rule for rule in report.RULES}

FILES = (cases_page, cases_host, cases_access, cases_web, cases_bounds)
BAD = [case for file in FILES for case in file.BAD]
UNKNOWN = [case for file in FILES for case in getattr(file, "UNKNOWN", [])]
# The rule passes, on hosts that a careless rule would flag.
GOOD = [case for file in FILES for case in file.GOOD]


def found(case: Case) -> list[dict[str, Any]]:
    rows = judge(RULES[case.rule], case.host)
    mine = [one for one in rows if one["subject"]["name"] == case.subject]
    assert mine, [one["subject"]["name"] for one in rows]
    return mine


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case.rule}-{case.subject}")
def test_fails(case: Case) -> None:
    failed = [one for one in found(case) if one["status"] == "fail"]
    assert failed
    assert failed[0]["severity"] == (case.severity or RULES[case.rule].severity)
    assert failed[0]["evidence"]


def test_a_file_is_shown_once_however_many_accounts_write_it() -> None:
    writes = cases_bounds.MANY[:2]
    host = cases_access.seen(
        cases_access.TWO, "shop", "blog", blog=Reach(writes=writes), others=Reach(writes=writes), wide=writes[:1]
    )
    (one,) = (one for one in judge(RULES["F13"], host) if one["subject"]["name"] == "shop")
    assert [found["source"] for found in one["evidence"]] == [row["path"] for row in writes]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: f"{case.rule}-{case.subject}")
def test_passes(case: Case) -> None:
    rows = found(case)
    assert {one["status"] for one in rows} == {"pass"}
    assert all(one["evidence"] for one in rows)


@pytest.mark.parametrize("case", UNKNOWN, ids=lambda case: f"{case.rule}-{case.subject}")
def test_is_unknown(case: Case) -> None:
    assert {one["status"] for one in found(case)} == {"unknown"}


@pytest.mark.parametrize("case", cases_bounds.NOT_APPLICABLE, ids=lambda case: f"{case.rule}-{case.subject}")
def test_does_not_apply(case: Case) -> None:
    assert [one["status"] for one in found(case)] == ["not_applicable"]


def test_every_rule_has_a_host_where_it_fails_and_one_where_it_passes() -> None:
    assert {case.rule for case in BAD} == {case.rule for case in GOOD} == set(RULES)


def test_nothing_fails_on_a_good_host() -> None:
    document = report.report([facts(None, "shop", "blog")], "1")
    assert [one for one in document["results"] if one["status"] not in ("pass", "not_applicable")] == []


# They need no process of a pool.
_WITHOUT_A_PROCESS = ("F1", "F2", "F3", "F5", "F9", "F14", "F19", "U6", "U7", "U8")


@pytest.mark.parametrize("rule", [name for name in RULES if name[0] in "UF" and name not in _WITHOUT_A_PROCESS])
def test_a_pool_that_does_not_run_is_unknown(rule: str) -> None:
    rows = judge(RULES[rule], facts(live={}, access={}, files=FileFacts()))
    assert {one["status"] for one in rows} <= {"unknown", "not_applicable"}


def test_a_tree_that_was_not_walked_to_its_end_is_unknown() -> None:
    host = facts(access={"shop": Access(unknown="too large")})
    assert [judge(RULES[rule], host)[0]["status"] for rule in ("F6", "F7")] == ["unknown", "unknown"]


def test_a_configuration_that_apache_refuses_makes_everything_unknown() -> None:
    host = facts("")
    host.instance.error = "AH00526: Syntax error on line 3"
    rows = report.report([host], "1")["results"]
    assert {one["status"] for one in rows if RULES[one["rule_id"]].needs_configuration} == {"unknown"}


def test_a_rule_with_a_defect_is_an_error_and_hides_no_other() -> None:
    def broken(host: Facts) -> list[Any]:
        raise KeyError("uid")

    rule = Rule("X1", "t", "low", "high", "l", "d", "r", "", (), "a", "p", broken)
    assert judge(rule, facts())[0]["status"] == "error"


def test_the_document_keeps_its_form() -> None:
    # One bad host of each rule is enough for the form.
    document = report.report([case.host for case in {case.rule: case for case in BAD}.values()], "1.2.3")
    assert set(document) == {"schema", "host", "collected_at", "collection_version", "instances", "results", "summary"}
    for one in document["results"]:
        assert set(one) == {
            "rule_id",
            "title",
            "severity",
            "confidence",
            "status",
            "subject",
            "instance",
            "evidence",
            "remedy",
            "attack",
            "reference",
            "fingerprint",
        }
        assert one["severity"] in SEVERITIES
        assert one["status"] in STATUSES
        assert one["confidence"] in ("high", "medium", "low")
        assert one["subject"]["kind"] in ("pool", "virtual_host", "file", "process", "listener", "server")
        for seen in one["evidence"]:
            assert set(seen) == {"kind", "source", "observed", "expected"}
            assert seen["kind"] in ("config", "proc", "stat", "acl", "http", "cmd")
    summary = document["summary"]
    assert sum(summary[status] for status in STATUSES) == len(document["results"])
    assert sum(summary["by_severity"].values()) == summary["fail"]
    json.dumps(document)


def test_a_finding_is_the_same_after_a_restart() -> None:
    before = [facts(**running(groups=[990, APACHE]))]
    after = [facts(live={"shop": [process(pid=4711), process(pid=4712, groups=[990, APACHE])]})]
    prints = [[one["fingerprint"] for one in report.report(hosts, "1")["results"]] for hosts in (before, after)]
    assert prints[0] == prints[1]


def test_rules_are_complete_and_their_pages_are_paragraphs_of_the_page() -> None:
    assert len(RULES) == len(report.RULES)
    for rule in RULES.values():
        assert all((rule.title, rule.looks_at, rule.decides, rule.remedy, rule.attack)), rule.id
        # The page says nothing of what goes beyond it.
        assert rule.page or rule.id.startswith(("X-", "AUDIT-"))
        assert rule.severity in SEVERITIES


def test_the_version_is_the_collection_s() -> None:
    galaxy = FIXTURES.parents[1] / "galaxy.yml"
    assert yaml.safe_load(galaxy.read_text(encoding="utf-8"))["version"] == report.VERSION


def test_who_else_has_an_account_is_told() -> None:
    shared = facts(
        None,
        "shop",
        "blog",
        "wiki",
        live={"shop": [process(uid=990)], "blog": [process("blog", 991, gid=990)], "wiki": [process("wiki", 992)]},
    )
    told = {one["subject"]["name"]: one["evidence"][0]["observed"] for one in judge(RULES["U5"], shared)}
    assert told == {
        "shop": "shop-app and group shop-app, as blog",
        "blog": "blog-app and group blog-app, as shop",
        "wiki": "wiki-app and group wiki-app",
    }


def test_every_file_with_rules_is_in_the_report() -> None:
    files = (FIXTURES.parents[1] / "plugins/module_utils/audit/rules").glob("*.py")
    assert {file.stem for file in files} - {"__init__", "report"} == {
        module.__name__.rpartition(".")[2] for module in report._FILES
    }
