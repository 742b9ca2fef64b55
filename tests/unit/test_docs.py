# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What README.md and docs/ name is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group(1)


def test_the_table_of_fields_is_the_model_s() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+) \|", section("An app").partition("\nPaths of")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == _app._FIELDS


def test_the_fields_to_come_are_the_ones_that_are_refused() -> None:
    refused = re.search(r"^`static`.*?are refused for now", section("An app"), re.MULTILINE | re.DOTALL)
    assert refused
    assert set(re.findall(r"`([a-z_]+)`", refused.group(0))) - {"archive", "git", "package"} == _app._LATER_FIELDS


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *ROOT.glob("roles/*/*.md")]
)
def test_named_files_and_variables_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("roles/*/*/*.yml"))
    for variable in set(re.findall(r"`(_*wsgi_(?:server|apps)_[a-z_]+)\b", text)):
        assert variable in code or (ROOT / f"plugins/modules/{variable}.py").exists(), variable
    for name in set(re.findall(r"`(_[a-z_]+\.py)`", text)):
        assert (ROOT / "plugins/module_utils" / name).exists(), name
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).exists(), link


def test_every_module_and_filter_is_named() -> None:
    for file in [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/filter/*.py")]:
        assert f"`{file.stem}`" in README
