"""The packages of module_utils: which may import which, and that no import runs in a circle."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "plugins/module_utils"
PAGE = Path(__file__).parents[2] / "docs/architecture.md"
NAME = "ansible_collections.palisade.mod_wsgi.plugins.module_utils"

# What each package may import beside itself. Modules, filters and action plugins may import any.
ARROWS = {
    "host": [],
    "apache": ["host"],
    "app": ["host", "apache"],
    "source": ["host", "app"],
    "runtime": ["host", "apache", "app"],
    "release": ["host", "apache", "app", "source", "runtime"],
    "plan": ["host", "apache", "app", "source", "runtime", "release"],
    "steps": ["host", "apache", "app", "source", "runtime", "release", "plan"],
    "audit": ["apache"],
    "audit.collectors": ["host", "apache", "audit"],
    "audit.rules": ["apache", "audit"],
    "adopt": ["host", "apache", "app", "audit", "audit.rules"],
}

Imports = Mapping[str, set[str]]


def package_of(module: str) -> str:
    return module.rpartition(".")[0]


def modules(core: Path) -> dict[str, Path]:
    """Return every module by its name, such as host.fs; a package is one as well."""
    names = {path: path.relative_to(core).with_suffix("").as_posix().replace("/", ".") for path in core.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def imported(name: str, path: Path, known: Iterable[str]) -> Iterator[str]:
    """Yield the modules of the core that a module imports, wherever in it."""
    package = f"{NAME}.{name}" if path.name == "__init__.py" else package_of(f"{NAME}.{name}")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            wanted = [f"{origin}.{alias.name}" for alias in node.names]
            wanted = [one if one.removeprefix(f"{NAME}.") in known else origin for one in wanted]
        else:
            continue
        yield from (one.removeprefix(f"{NAME}.") for one in wanted if one.startswith(f"{NAME}."))


def imports(core: Path) -> dict[str, set[str]]:
    found = modules(core)
    return {name: set(imported(name, path, found)) for name, path in found.items()}


def against(rows: Imports) -> list[str]:
    """Return the imports that no arrow allows."""
    return [
        f"{name} imports {other}"
        for name, others in sorted(rows.items())
        for other in sorted(others)
        if package_of(name) != package_of(other) and package_of(other) not in ARROWS[package_of(name)]
    ]


def circle(rows: Imports) -> list[str]:
    """Return the modules of a circle, of which each imports the one before it; empty where there is none."""
    try:
        TopologicalSorter(rows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_import_follows_an_arrow() -> None:
    rows = imports(CORE)
    assert sum(map(len, rows.values())) > 200
    assert against(rows) == []


def test_no_import_runs_in_a_circle() -> None:
    assert circle(imports(CORE)) == []
    assert circle({name: set(others) for name, others in ARROWS.items()}) == []


def words_of(package: str) -> tuple[str, str]:
    """Return what a package's docstring says of what belongs there, and of its arrows."""
    tree = ast.parse((CORE / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    assert [type(node) for node in tree.body] == [ast.Expr, ast.ImportFrom]
    what, _blank, arrows = (ast.get_docstring(tree) or "").partition("\n\n")
    return what, " ".join(arrows.split())


def test_every_file_is_in_a_package_that_says_what_belongs_there() -> None:
    assert {package_of(name) for name, path in modules(CORE).items() if path.name != "__init__.py"} == set(ARROWS)
    for package, others in ARROWS.items():
        above = [one for one, below in ARROWS.items() if package in below]
        expected = f"May import {', '.join(others) or 'no other package'}. "
        expected += f"May be imported by {', '.join(above) or 'no other package'}."
        assert words_of(package)[1] == expected


def test_the_page_on_the_architecture_has_the_packages() -> None:
    rows = ["| package | what belongs there | may import |", "|---|---|---|"]
    rows += [f"| `{name}` | {words_of(name)[0]} | {', '.join(ARROWS[name])} |" for name in ARROWS]
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("PALISADE_WRITE_DOCS"):
        start, _header, rest = text.partition(rows[0] + "\n")
        text = start + "\n".join(rows) + "\n\n" + rest.partition("\n\n")[2]
        PAGE.write_text(text, encoding="utf-8")
    assert "\n".join(["", *rows, ""]) in text


def test_imports_are_relative_and_at_the_top() -> None:
    for name, path in modules(CORE).items():
        text = path.read_text(encoding="utf-8")
        assert NAME not in text, name
        tree = ast.parse(text)
        inner = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert [node for node in inner if node not in tree.body] == [], name


def test_unit_tests_mirror_the_packages() -> None:
    tests = Path(__file__).parent / "plugins/module_utils"
    for path in tests.rglob("test_*.py"):
        assert path.relative_to(tests).parent.as_posix().replace("/", ".") in ARROWS


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from .command import Run", []),
        ("from . import command", []),
        ("from ..apache.layout import DEBIAN", ["host.errors imports apache.layout"]),
        ("from ..apache import layout", ["host.errors imports apache.layout"]),
        ("def look():\n    from ..app import fields", ["host.errors imports app.fields"]),
        (f"import {NAME}.audit.facts", ["host.errors imports audit.facts"]),
        (f"from {NAME}.audit.rules import web", ["host.errors imports audit.rules.web"]),
    ],
)
def test_an_import_against_an_arrow_is_seen(line: str, found: list[str], tmp_path: Path) -> None:
    names = ["host.errors", "host.command", "apache.layout", "app.fields", "audit.facts", "audit.rules.web"]
    for name in names:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line if name == "host.errors" else "")
    assert against(imports(tmp_path)) == found


def test_a_circle_is_seen(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/fs.py").write_text("from .acl import change_user")
    (tmp_path / "host/acl.py").write_text("from . import fs")
    assert sorted(set(circle(imports(tmp_path)))) == ["host.acl", "host.fs"]
