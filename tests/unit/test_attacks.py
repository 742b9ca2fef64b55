# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of attacks, and what counts as wrong in it; scripts/test attacks carries them out.

PALISADE_WRITE_DOCS=1 writes what each does into docs/attacks.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

pytest.importorskip("testinfra", reason="the attacks need it")

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import RULES
from ansible_collections.palisade.mod_wsgi.tests.attacks import run, table
from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import VARIANTS, Answer, Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    ATTACKS,
    Attack,
    Outcome,
    UnclearError,
    refused,
    succeeded,
)

GOOD: dict[str, Outcome | str] = {"tutorial": succeeded("a"), "debian12": refused("b"), "debian13": refused("c|d")}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_says_what_it_is(attack: Attack) -> None:
    assert attack.does.endswith(".")
    assert attack.page in {0, *table.paragraphs()}
    assert attack.variant in VARIANTS
    assert set(attack.rules) <= {rule.id for rule in RULES}


def test_names_are_unique_and_every_variant_is_used() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert {attack.variant for attack in ATTACKS} == set(VARIANTS)


def test_the_page_has_a_row_for_each_attack_and_no_wrong_one() -> None:
    rows = table.recorded()
    assert list(rows) == ["attack", *(attack.name for attack in ATTACKS)]
    for attack in ATTACKS:
        name, tutorial, *ours = rows[attack.name].strip("| \n").split(" | ")
        assert name == attack.name
        assert tutorial.startswith("succeeds: ")
        assert [cell.startswith("refused: ") for cell in ours] == [True, True]


def test_the_page_says_what_each_does() -> None:
    if os.environ.get("PALISADE_WRITE_DOCS"):
        table.write({})
    assert table.DOCS.read_text(encoding="utf-8").endswith(table.catalogue())


def test_success_is_wanted_on_the_tutorial_s_host_only() -> None:
    assert table.wrong({"one": GOOD}) == []


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        ("tutorial", refused("no")),
        ("debian12", succeeded("yes")),
        ("debian13", succeeded("yes")),
        *((host, "UnclearError forum does not answer") for host in table.HOSTS),
    ],
)
def test_anything_else_is_wrong(host: str, outcome: Outcome | str) -> None:
    (line,) = table.wrong({"one": {**GOOD, host: outcome}})
    assert line.startswith(f"one, {table.HOSTS[host]}: ")


def test_another_row_than_the_page_s_is_found() -> None:
    first = ATTACKS[0]
    assert table.differences({first.name: GOOD}) == [f"| {first.name} | succeeds: a | refused: b | refused: c\\|d |\n"]


class Host(Deployment):
    """Stands in for a host."""

    def __init__(self, answers: bool = True) -> None:
        self.container, self.answers = "palisade-attacks-x", answers

    def prepare(self, variant: str) -> None:
        """Have nothing to do."""

    def wait(self) -> None:
        if not self.answers:
            raise UnclearError("forum does not answer")


def carried_out(there: Host, *programs: Callable[[Deployment], Outcome]) -> list[Outcome | str]:
    attacks = [Attack("", str(number), "", 0, (), "plain", program) for number, program in enumerate(programs)]
    return list(run.carry_out(there, attacks).values())


def test_what_breaks_is_an_error_and_the_next_one_is_carried_out() -> None:
    def breaks(there: Deployment) -> Outcome:
        raise KeyError(there.container)

    good = refused("no")
    assert carried_out(Host(), breaks, lambda _there: good) == ["KeyError: 'palisade-attacks-x'", good]


def test_a_refusal_counts_only_while_the_apps_answer() -> None:
    error = "UnclearError: forum does not answer"
    assert carried_out(Host(answers=False), lambda _there: refused("no")) == [error]


@pytest.mark.parametrize("errno", ["EACCES", "EPERM", "EROFS"])
def test_a_refusal_of_the_kernel_is_one(errno: str) -> None:
    assert Answer(errno=errno).judge("done") == Answer(errno=errno).refusal()
    assert not Answer(errno=errno).judge("done").succeeded
    assert errno in Answer(errno=errno).judge("done").proof


@pytest.mark.parametrize("errno", ["ENOENT", "ECONNREFUSED", "ESRCH"])
def test_any_other_error_proves_nothing(errno: str) -> None:
    with pytest.raises(UnclearError, match=errno):
        Answer(errno=errno).judge("done")
    with pytest.raises(UnclearError, match="no error"):
        Answer("a value").refusal()
