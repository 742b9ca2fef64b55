# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What README.md and docs/ name is what the code has.

PALISADE_WRITE_DOCS=1 writes the generated tables.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import daemon_options
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.fields import APP, DEFAULT_DAEMON_OPTIONS

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("plugins/module_utils/*/__init__.py"))
REFERENCE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *ROOT.glob("roles/*/*.md")]
LINK = re.compile(r"\]\((?![a-z]+:)([^)#]*)#?([^)]*)\)")


def anchors(path: Path) -> list[str]:
    """Return the anchors that GitHub and Galaxy make of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^a-z0-9_ -]", "", head.lower()).replace(" ", "-") for head in heads]


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path: Path) -> None:
    for page, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        target = path.parent / page if page else path
        assert target.exists(), page
        assert not anchor or anchor in anchors(target), (page, anchor)


def test_every_page_is_linked_to() -> None:
    linked = {
        (path.parent / page).resolve()
        for path in PAGES
        for page, _anchor in LINK.findall(path.read_text(encoding="utf-8"))
        if page and (path.parent / page).resolve() != path
    }
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path not in linked] == []


def test_the_readme_stays_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") < 200


@pytest.mark.parametrize("path", PAGES)
def test_named_files_and_variables_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("roles/*/*/*.yml"))
    for variable in set(re.findall(r"`(_*wsgi_(?:server|apps|audit)_[a-z_]+)\b", text)):
        assert variable in code or (ROOT / f"plugins/modules/{variable}.py").exists(), variable
    for name in set(re.findall(rf"`((?:{'|'.join(PACKAGES)})/[a-z_/*]+\.py)`", text)):
        assert any((ROOT / "plugins/module_utils").glob(name)), name


def test_every_module_and_filter_is_named() -> None:
    for file in [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/filter/*.py")]:
        assert f"`{file.stem}`" in REFERENCE


def options_table() -> str:
    def dotted(version: tuple[int, ...]) -> str:
        return ".".join(str(part) for part in version)

    def said_by(option: daemon_options.Option) -> str:
        if option.set_by:
            return f"the field `{option.set_by}`"
        if option.only:
            return f"`daemon_process`, to `{option.only}`, {option.only_because}; see [the cost](mod_wsgi-defects.md)"
        return f"no: {option.refused.removeprefix('is not set here: ')}" if option.refused else "`daemon_process`"

    def here(option: daemon_options.Option) -> Any:
        value = DEFAULT_DAEMON_OPTIONS.get(option.name)
        field = APP[option.set_by].default if option.set_by in ("processes", "threads") else None
        return next((known for known in (value, field) if known is not None), "")

    lines = [
        "# Options of WSGIDaemonProcess",
        "",
        "Generated from the table in `plugins/module_utils/apache/daemon_options.py`, which also checks, writes and",
        "reads the options. A number is plain, in the option's own unit: `512M` and `5s` are refused. `default` is",
        "mod_wsgi's, `here` what an app gets if it does not set the option. The last column says where an app sets it.",
        "The filter `wsgi_daemon_process` accepts all of them.",
        "",
        "| option | type | range | default | here | versions | meaning | set by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for option in daemon_options.OPTIONS.values():
        zero = "0 or " if option.zero_is_off else ""
        limit = f"{zero}{option.minimum} to {option.maximum}" if option.kind == "integer" else ""
        until = f" to before {dotted(option.until)}" if option.until else ""
        kind = f"{option.kind}, {option.unit}" if option.unit else option.kind
        lines.append(
            f"| `{option.name}` | {kind} | {limit} | {option.default} | {here(option)} | {dotted(option.since)}{until} "
            f"| {option.meaning} | {said_by(option)} |"
        )
    return "\n".join(lines) + "\n"


def test_the_table_of_options_is_the_one_that_checks_them() -> None:
    path = ROOT / "docs" / "daemon-process-options.md"
    if os.environ.get("PALISADE_WRITE_DOCS"):
        path.write_text(options_table(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == options_table()
