"""The table of attacks and what came of them, as it is in docs/attacks.md, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.palisade.mod_wsgi.tests.attacks import (
    disclosure,
    headers,
    limits,
    planted,
    processes,
    reading,
    routing,
    uploads,
    workers,
    writing,
)
from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import VARIANTS
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import ATTACKS, Outcome

GROUPS = (reading, writing, workers, processes, uploads, routing, headers, limits, disclosure, planted)
ATTACKS.sort(key=lambda attack: [group.GROUP for group in GROUPS].index(attack.group))
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/attacks.md"
START = "## Results\n"
# The inventory's names, with the heads of their columns.
HOSTS = {"tutorial": "tutorial", "debian12": "ours on Debian 12", "debian13": "ours on Debian 13"}
# What came of an attack on each host; text is an error.
Outcomes = Mapping[str, Outcome | str]


def cell(outcome: Outcome | str) -> str:
    said = f"ERROR: {outcome}" if isinstance(outcome, str) else str(outcome)
    return " ".join(said.replace("|", "\\|").split())


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def head(*cells: str) -> str:
    return row(cells) + "|---" * len(cells) + "|\n"


HEAD = head("attack", *HOSTS.values())


def result(name: str, outcomes: Outcomes) -> str:
    return row([name, *(cell(outcomes[host]) for host in HOSTS)])


def results(found: Mapping[str, Outcomes]) -> list[str]:
    """Return the rows of these attacks."""
    return [result(attack.name, found[attack.name]) for attack in ATTACKS if attack.name in found]


def wrong(found: Mapping[str, Outcomes]) -> list[str]:
    """Return what is not as it has to be: success on the tutorial's host, refusal on ours."""
    return [
        f"{name}, {HOSTS[host]}: {cell(outcome)}"
        for name, outcomes in found.items()
        for host, outcome in outcomes.items()
        if isinstance(outcome, str) or outcome.succeeded != (host == "tutorial")
    ]


def paragraphs() -> dict[int, str]:
    lines = (ROOT / "tests/fixtures/hardening_page.txt").read_text(encoding="utf-8").splitlines()[1:]
    return {int(number): words for number, _space, words in (line.partition(" ") for line in lines)}


def catalogue() -> str:
    """Return what each attack does, where the page speaks of it, and the rules that see it coming."""
    known, text, group = paragraphs(), "", ""
    for attack in ATTACKS:
        if attack.group != group:
            group = attack.group
            text += f"\n### {group}\n\n{head('attack', 'what it does', 'tutorial', 'paragraph', 'rules')}"
        page = f"{attack.page} `{known[attack.page]}`" if attack.page else ""
        text += row([attack.name, attack.does, attack.variant, page, ", ".join(attack.rules)])
    variants = "".join(f"- {name}: {what}\n" for name, what in VARIANTS.items())
    return f"\n## What each does\n{text}\n## Variants of the tutorial's host\n\n{variants}"


def recorded() -> dict[str, str]:
    """Return the rows of the results in docs/attacks.md by the attack's name."""
    text = DOCS.read_text(encoding="utf-8").partition(START)[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines(keepends=True) if line.startswith("| ")]
    return {line.split(" | ")[0].removeprefix("| "): line for line in rows}


def differences(found: Mapping[str, Outcomes]) -> list[str]:
    """Return the rows that docs/attacks.md has in another way."""
    return [line for line in results(found) if line not in recorded().values()]


def write(found: Mapping[str, Outcomes]) -> None:
    """Write docs/attacks.md but for its beginning; rows of attacks that were not carried out stay."""
    rows = {**recorded(), **{name: result(name, outcomes) for name, outcomes in found.items()}}
    before = DOCS.read_text(encoding="utf-8").partition(START)[0]
    table = HEAD + "".join(rows.get(attack.name, "") for attack in ATTACKS)
    DOCS.write_text(f"{before}{START}\n{table}{catalogue()}", encoding="utf-8")
