"""What the audit says of our own hosts and of the deployments."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.expectations import missed, names, unexpected
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import ansible, inventory_name
from testinfra.host import Host

REPORTS = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "reports"
DEPLOYED = sorted(path.stem for path in REPORTS.glob("debian1[23]-*.json"))
SECRETS = ("value-that-no-report-may-have", "not-so-secret")


def report(name: str) -> dict[str, Any]:
    return dict(json.loads((REPORTS / f"{name}.json").read_text()))


def fingerprints(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return sorted((row["rule_id"], row["status"], row["fingerprint"]) for row in found["results"])


def audit(host: Host, *options: str) -> dict[str, Any]:
    """Run the module again."""
    module = [
        "ansible",
        inventory_name(host),
        "--become",
        "--one-line",
        "--module-name",
        "palisade.mod_wsgi.wsgi_audit",
    ]
    answer = json.loads(ansible(*module, *options).partition("=>")[2])
    assert not answer["changed"]
    return dict(answer["report"])


def findings(found: dict[str, Any], *statuses: str) -> list[dict[str, Any]]:
    """Return the failures above info, and results of these statuses."""
    rows = found["results"]
    return [row for row in rows if row["status"] in statuses or (row["status"] == "fail" and row["severity"] != "info")]


def test_our_own_host_has_no_finding(host: Host) -> None:
    full = report(inventory_name(host))
    assert findings(full, "unknown", "error", "waived") == []
    assert full["summary"]["pass"] > 150


def test_a_safe_audit_finds_nothing_and_is_the_same_in_check_mode(host: Host) -> None:
    first = audit(host)
    assert findings(first, "error", "waived") == []
    assert fingerprints(audit(host, "--check")) == fingerprints(first)


def test_every_report_is_written() -> None:
    hosts = ["debian12", "debian13", *DEPLOYED]
    assert {path.name for path in REPORTS.iterdir() if path.stem in hosts} == {
        f"{name}.{kind}" for name in hosts for kind in ("json", "sarif", "xml", "html")
    }
    assert {name.partition("-")[2] for name in DEPLOYED} == set(names())


def test_no_report_has_a_secret() -> None:
    files = [path for path in REPORTS.iterdir() if any(secret in path.read_text() for secret in SECRETS)]
    assert files == []


@pytest.mark.parametrize("name", DEPLOYED)
def test_deployment(name: str) -> None:
    found = report(name)
    kind = name.partition("-")[2]
    assert (missed(kind, found), unexpected(kind, found)) == ([], [])
