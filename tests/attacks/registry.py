"""What an attack is, what can come of it, and the table of all attacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment


class UnclearError(Exception):
    """An attack neither succeeded nor was refused, so it proves nothing."""


@dataclass(frozen=True)
class Outcome:
    """Whether an attack succeeded, and in one line what shows it. No value differs from run to run."""

    succeeded: bool
    proof: str

    def __str__(self) -> str:
        return f"{'succeeds' if self.succeeded else 'refused'}: {self.proof}"


def succeeded(proof: str) -> Outcome:
    return Outcome(True, proof)


def refused(proof: str) -> Outcome:
    return Outcome(False, proof)


@dataclass(frozen=True)
class Attack:
    """One attack: its place in the table, and the program, whose docstring is the sentence in the table."""

    group: str
    name: str
    does: str
    page: int
    rules: tuple[str, ...]
    variant: str
    run: Callable[[Deployment], Outcome]


ATTACKS: list[Attack] = []
_Program = Callable[["Deployment"], Outcome]


def attack(group: str, page: int, *rules: str, variant: str = "plain") -> Callable[[_Program], _Program]:
    """Enter a program: its group, the hardening page's paragraph (0: none), rules of the audit, tutorial's variant."""

    def enter(program: _Program) -> _Program:
        does = re.sub(r"\s+", " ", program.__doc__ or "").strip()
        name = program.__name__.replace("_", " ")
        ATTACKS.append(Attack(group, name, does, page, rules, variant, program))
        return program

    return enter
