# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument specification, docs/fields.md and the table in README.md are written from the table of fields.

PALISADE_WRITE_DOCS=1 writes them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.fields import APP, Field

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "roles/wsgi_apps/meta/argument_specs.yml"
PAGE = ROOT / "docs/fields.md"
README = ROOT / "README.md"

# docs/daemon-process-options.md has the options of mod_wsgi.
FIELDS = [(path, field) for path, field in APP.walk() if path[0] != "daemon_process" or len(path) == 1]


def sentences(field: Field) -> list[str]:
    texts = [field.meaning, *field.more]
    if field.maximum == 2**31 - 1:
        texts += [f"At least {field.minimum}."] * bool(field.minimum)
    elif field.maximum:
        texts.append(f"From {field.minimum} to {field.maximum}.")
    return texts


class Flow(list[Any]):
    """A list that goes into one line."""


class Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


Dumper.add_representer(
    Flow, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)


def option(field: Field) -> dict[str, Any]:
    """Return a field as an argument specification has it."""
    texts = sentences(field)
    if field.otherwise not in ("", "required", "none"):
        texts.append(f"Default: {field.otherwise}.")
    if field.page:
        texts.append(f"More in `docs/{field.page.partition('#')[0]}` of the collection.")
    spec: dict[str, Any] = {
        "description": [re.sub("`([^`]+)`", r"C(\1)", text) for text in texts],
        "type": field.type,
    }
    if field.elements:
        spec["elements"] = field.elements
    if field.required:
        spec["required"] = True
    if field.choices:
        spec["choices"] = Flow(field.choices)
    if field.default is not None:
        spec["default"] = field.default
    if field.secret:
        spec["no_log"] = True
    for rule, rows in field.rules.items():
        spec[rule] = [Flow(Flow(item) if isinstance(item, list) else item for item in row) for row in rows]
    if field.fields:
        spec["options"] = {inner.name: option(inner) for inner in field.fields}
    return spec


def written_spec() -> str:
    text = yaml.dump(option(APP)["options"], Dumper=Dumper, sort_keys=False, width=112, allow_unicode=True)
    lines = "".join(f"          {line}\n" for line in text.splitlines())
    return re.sub(
        r"(?<=        options:\n          name:\n).*?(?=      wsgi_apps_owner:)",
        lambda _found: lines.partition("\n")[2],
        SPEC.read_text(encoding="utf-8"),
        count=1,
        flags=re.DOTALL,
    )


def default(field: Field) -> str:
    if field.otherwise or field.required:
        return field.otherwise or "required"
    if field.default is None:
        return ""
    return f"`{field.default if isinstance(field.default, str) else json.dumps(field.default)}`"


def dotted(path: tuple[str, ...]) -> str:
    listed = APP[path[0]].elements == "dict"
    return ".".join(path).replace(".", "[]." if listed else ".", 1)


def rows(short: bool) -> str:
    lines = []
    for path, field in FIELDS:
        if short and len(path) > 1:
            continue
        text = field.meaning if short else " ".join(sentences(field))
        if field.page:
            text += f" See [{field.page.partition('#')[0]}]({'docs/' if short else ''}{field.page})."
        kind = "" if short else f" {field.type}{' of ' + field.elements if field.elements else ''} |"
        lines.append(f"| `{dotted(path)}` |{kind} {default(field)} | {text} |\n")
    return "".join(lines)


def written_page() -> str:
    return f"""# Fields of an app

Generated from the table in `plugins/module_utils/app/fields.py`, which the checks use too. `ansible-doc -t role
palisade.mod_wsgi.wsgi_apps` shows the same fields. A field with a dot is inside the field before the dot.

An unknown field or a bad value is refused before anything changes, with a message that names the app and the field. The
options of `daemon_process` have [their own page](daemon-process-options.md).

| field | type | default | meaning |
|---|---|---|---|
{rows(short=False)}"""


def written_readme() -> str:
    head = "| field | default | meaning |\n|---|---|---|\n"
    text = README.read_text(encoding="utf-8")
    return re.sub(rf"(?<={re.escape(head)})(\|.*\n)*", lambda _found: rows(short=True), text, count=1)


@pytest.mark.parametrize(
    ("path", "text"),
    [(SPEC, written_spec), (PAGE, written_page), (README, written_readme)],
    ids=["spec", "page", "readme"],
)
def test_what_is_written_from_the_table(path: Path, text: Callable[[], str]) -> None:
    if os.environ.get("PALISADE_WRITE_DOCS"):
        path.write_text(text(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text()


def test_every_entry_point_has_all_fields() -> None:
    specs = yaml.safe_load(SPEC.read_text(encoding="utf-8"))["argument_specs"]
    for entry in ("main", "deploy", "rollback"):
        apps = specs[entry]["options"]["wsgi_apps"]
        assert apps["options"] == json.loads(json.dumps(option(APP)["options"]))
        assert (apps["type"], apps["required"], apps["required_if"]) == ("list", True, APP.rules["required_if"])


def ansible_doc(*arguments: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-doc"), "-t", "role", "palisade.mod_wsgi.wsgi_apps", *arguments],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("entry", ["main", "deploy", "rollback"])
def test_ansible_doc_knows_every_field(entry: str) -> None:
    role = json.loads(ansible_doc("--json", "--entry-point", entry))["palisade.mod_wsgi.wsgi_apps"]
    shown = role["entry_points"][entry]["options"]["wsgi_apps"]
    for path, field in APP.walk():
        found = shown
        for part in path:
            found = found["options"][part]
        told = {key: value for key, value in found.items() if key != "options"}
        assert told == {key: value for key, value in option(field).items() if key != "options"}, path
    assert len(re.findall('"description"', json.dumps(shown))) == len(list(APP.walk())) + 1


def test_ansible_doc_shows_every_field() -> None:
    text = " ".join(ansible_doc("--entry-point", "main").split())
    for _path, field in APP.walk():
        meaning = re.sub("`([^`]+)`", r"`\1'", field.meaning)
        assert re.search(rf" [-=] {re.escape(field.name)} {re.escape(meaning)}.* type: {field.type} ", text), field.name
