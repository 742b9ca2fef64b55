# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scenario audit has every deployment, and a mutation or a reason for every rule."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import RULES

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = sorted(path.parent for path in (ROOT / "tests/fixtures/deployments").glob("*/build.sh"))
RULE_IDS = {rule.id for rule in RULES}


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_every_rule_has_a_mutation_or_a_reason_why_there_is_none() -> None:
    table = read("tests/mutations/mutations.yml")
    mutated, excused = {row["rule"] for row in table["mutations"]}, set(table["without"])
    assert mutated | excused == RULE_IDS
    assert mutated & excused == set()
    seen = {rule.rstrip("?") for row in table["mutations"] for rule in row.get("flips", [])}
    assert seen - {"*"} <= RULE_IDS
    assert [row for row in table["mutations"] if row["rule"] not in row.get("flips", [row["rule"]])] == []


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda path: path.name)
def test_a_deployment_says_what_it_is_and_what_fails(deployment: Path) -> None:
    said = read(f"tests/fixtures/deployments/{deployment.name}/expected.yml")
    good = bool(said.get("good"))
    assert set(said) == ({"what", "good", "except"} if good else {"what", "fails", "also"})
    assert {*said.get("fails", {}), *said.get("also", []), *said.get("except", {})} <= RULE_IDS
    assert good or said["fails"]
    assert os.access(deployment / "build.sh", os.X_OK)


def test_the_scenario_has_every_deployment() -> None:
    platforms = read("molecule/audit/molecule.yml")["platforms"]
    names = {row["name"].partition("-")[2]: row["groups"] for row in platforms if "deployments" in row["groups"]}
    assert sorted(names) == [path.name for path in DEPLOYMENTS]
    good = {path.name for path in DEPLOYMENTS if read(f"{path.relative_to(ROOT)}/expected.yml").get("good")}
    assert {name for name, groups in names.items() if "bad" not in groups} == good
