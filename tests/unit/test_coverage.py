# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/coverage.md has every paragraph of the hardening page once, and names only what exists.

PALISADE_HARDENING_PAGE names the page as text, to compare the fixture with it. PALISADE_WRITE_DOCS=1 writes the
list at the end; as a program this prints it.
"""

from __future__ import annotations

import ast
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import daemon_options
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.sandbox import Settings, drop_in
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app import fields
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import RULES
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.resolve import resolve
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host

ROOT = Path(__file__).parents[2]
COVERAGE = ROOT / "docs/coverage.md"
LIST = "\n## Configuration only\n\n"
PAGE = os.environ.get("PALISADE_HARDENING_PAGE", "")
LEVELS = ("live", "configuration", "not shown")
HOW = re.compile(
    r"(live|configuration)(: \S.*)?|not shown|(page is wrong \((live|configuration|not shown)\)|out of scope): \S.*"
)


class Row(NamedTuple):
    """One row of the table."""

    paragraph: str
    asks: str
    here: str
    shown: str
    rules: str
    attacks: str
    how: str

    @property
    def numbers(self) -> range:
        first, _minus, last = self.paragraph.partition(" ")[0].partition("-")
        return range(int(first), int(last or first) + 1)

    @property
    def words(self) -> str:
        return self.paragraph.partition(" ")[2].strip("`")

    @property
    def level(self) -> str:
        found = re.search(r"\((.*?)\)", self.how) if self.how.startswith("page is wrong") else None
        return found.group(1) if found else self.how.partition(":")[0]

    @property
    def tests(self) -> list[str]:
        return self.shown.split(", ") if self.shown else []


def rows(text: str) -> list[Row]:
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    cells = [re.sub(r"^\| ?| ?\|$", "", line).split("|") for line in lines]
    return [Row(*(cell.strip() for cell in row)) for row in cells]


def configuration_only(found: list[Row]) -> str:
    """Return the list of the rows that no test sees on a running host, and of those that none sees at all."""
    chosen = [row for row in found if row.level in ("configuration", "not shown")]
    marks = {"configuration": "", "not shown": " (not shown)"}
    lines = [f"- {row.paragraph.partition(' ')[0]}: {row.asks}{marks[row.level]}\n" for row in chosen]
    return "".join(lines) or "Nothing.\n"


TEXT = COVERAGE.read_text(encoding="utf-8")
ROWS = rows(TEXT)


def attacks() -> list[tuple[str, int]]:
    """Return the name of each attack, and the paragraph that it is against; 0 for none."""
    text = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \| (?:([0-9]+) `[^|]+`)? \| [^|]*\|$", text, re.MULTILINE)
    return [(name, int(number or 0)) for name, number in found]


def test_each_attack_stands_where_its_paragraph_is() -> None:
    assert len(attacks()) > 30
    for row in ROWS:
        assert row.attacks == ", ".join(name for name, number in attacks() if number in row.numbers), row.paragraph


def test_each_rule_of_the_page_stands_in_a_row() -> None:
    named = {rule for row in ROWS for rule in row.rules.split(", ") if rule}
    known = {rule.id for rule in RULES}
    assert named - known == set()
    assert {rule for rule in known - named if not rule.startswith(("X-", "AUDIT-"))} == set()


def fixture() -> dict[int, str]:
    lines = (ROOT / "tests/fixtures/hardening_page.txt").read_text(encoding="utf-8").splitlines()[1:]
    return {int(number): words for number, _space, words in (line.partition(" ") for line in lines)}


@pytest.mark.skipif(not PAGE, reason="PALISADE_HARDENING_PAGE names no page")
def test_the_fixture_has_the_blocks_of_the_page_in_order() -> None:
    # The typographic marks of the page are not for this repository.
    page = Path(PAGE).read_text(encoding="utf-8").replace("\u2019", "'").replace("\u2022", " ")
    blocks = re.split(r"\n\s*\n", page)
    words = [block.split() for block in blocks if block.strip()]
    known = fixture()
    assert list(known) == list(range(1, len(words) + 1))
    assert [known[number] for number in known] == [
        " ".join(block[: len(known[number].split())]) for number, block in enumerate(words, 1)
    ]
    for number, text in known.items():
        same = [other for other in known if other != number and known[other] == text]
        assert len(text.split()) == 6 or not same, (number, same)
        assert len(text.split()) in range(min(4, len(words[number - 1])), 7)


def test_every_paragraph_has_one_row() -> None:
    known = fixture()
    numbers = [number for row in ROWS for number in row.numbers]
    assert numbers == list(known) == list(range(1, 171))
    assert [(row.numbers[0], row.words) for row in ROWS] == [(row.numbers[0], known[row.numbers[0]]) for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.paragraph.partition(" ")[0])
def test_a_row_says_how(row: Row) -> None:
    assert row.asks
    assert HOW.fullmatch(row.how), row.how
    assert bool(row.here) == (row.level in LEVELS) or row.level == "not shown"
    assert bool(row.tests) == (row.level in ("live", "configuration"))
    in_scenarios = [test for test in row.tests if test.startswith("`molecule/")]
    assert in_scenarios or row.level != "live", "live needs the test of a scenario"


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("test", sorted({test for row in ROWS for test in row.tests}))
def test_a_test_exists(test: str) -> None:
    found = re.fullmatch(r"`((?:molecule|tests)/[a-z_/]+/(test_[a-z_]+)\.py)::(test_[a-z0-9_]+)`", test)
    assert found, test
    assert found.group(3) in functions(found.group(1))


@cache
def variables() -> set[str]:
    files = ROOT.glob("roles/*/defaults/main.yml")
    return {name for file in files for name in yaml.safe_load(file.read_text(encoding="utf-8"))}


@cache
def written() -> str:
    """Return all that the collection writes for apps that use everything, as JSON and as lines."""
    every: dict[str, Any] = {
        "mount": "/",
        "handles_authorization": True,
        "error_override": True,
        "tls": {"certificate": "/etc/ssl/a.crt", "key": "/etc/ssl/a.key"},
        "limits": {"request_body": 5, "request_fields": 10, "request_field_size": 256, "request_line": 256},
        "trusted_proxies": ["192.0.2.1"],
        "trusted_proxy_headers": ["X-Forwarded-For"],
        "writable": ["uploads"],
        "environment": {"KEY": "value"},
    }
    base = ROOT / "examples/three_components/apps"
    listed = [app("public", **every), app("api", server_names=["api.example.org"])]
    model = resolve(listed, host(), "mine", str(base))
    site = "\n".join(row["content"] for row in model["site"])
    templates = (file.read_text(encoding="utf-8") for file in ROOT.glob("roles/wsgi_server/templates/*"))
    return "\n".join([json.dumps(model, indent=0), site, drop_in(DEBIAN, Settings()), *templates])


def is_ours(word: str) -> bool:
    """Tell whether a name in the column of what implements a paragraph is one of ours."""
    if word.startswith(("wsgi_server_", "wsgi_apps_")):
        return word in variables() or (ROOT / f"plugins/modules/{word}.py").exists()
    if re.fullmatch(r"[a-z_./]+\.(py|j2)", word):
        return any(ROOT.glob(f"plugins/module_utils/{word}")) or any(ROOT.glob(f"roles/*/templates/{word}"))
    word = word.replace("<account>", "public-app").replace("<name>", "public")
    if word.startswith("/"):
        return f'"{word}"' in written() or f" {word}\n" in written()
    option = re.fullmatch(r"([a-z-]+)=(.*)", word)
    if option:
        return option.group(1) in daemon_options.OPTIONS and (not option.group(2) or f" {word}" in written())
    if re.match("[A-Z<]", word):
        return bool(re.search(rf"^ *{re.escape(word)}(?![A-Za-z])", written(), re.MULTILINE))
    return word in fields.APP.names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.paragraph.partition(" ")[0])
def test_a_row_names_what_exists(row: Row) -> None:
    assert [word for word in re.findall("`(.*?)`", row.here) if not is_ours(word)] == []


@pytest.mark.parametrize(
    "word",
    [
        "wsgi_server_log_levels",
        "app/modal.py",
        "/var/lib/<account>/dat",
        "umasks=",
        "umask=0022",
        "Alias /x",
        "acl",
        "WSGIRestrict",
    ],
)
def test_what_does_not_exist_is_found(word: str) -> None:
    assert not is_ours(word)


def test_the_list_at_the_end_is_the_table_s() -> None:
    start, _heading, found = TEXT.partition(LIST)
    expected = configuration_only(ROWS)
    if os.environ.get("PALISADE_WRITE_DOCS"):
        COVERAGE.write_text(f"{start}{LIST}{expected}", encoding="utf-8")
        found = expected
    assert found == expected


if __name__ == "__main__":
    print(configuration_only(ROWS), end="")
