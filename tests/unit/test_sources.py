"""What holds for all of the code."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def opens(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]


def test_every_text_is_opened_with_its_encoding() -> None:
    """Without it the locale counts, and a host, or a play from cron, may have any."""
    missing, count = [], 0
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for call in opens(ast.parse(path.read_text())):
            count += 1
            mode = call.args[1].value if len(call.args) > 1 and isinstance(call.args[1], ast.Constant) else "r"
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            # _TEXT of apache/transaction.py has one.
            if "b" not in str(mode) and named.get("encoding") not in ("'utf-8'", "'ascii'") and None not in named:
                missing.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert count > 50
    assert missing == []


# Written by the kernel, by this collection or for a package manager; all else may hold any byte.
STRICT = {
    "adopt/code.py": 1,
    "adopt/data.py": 1,
    "apache/layout.py": 1,
    "host/acl.py": 1,
    "host/confinement.py": 1,
    "plan/server_info.py": 1,
    "release/data.py": 1,
    "release/fetch.py": 1,
    "release/installer.py": 1,
    "release/store.py": 1,
    "runtime/run_app.py": 2,
    "runtime/surroundings.py": 1,
    "source/requirements.py": 1,
}


def test_a_byte_that_is_no_text_ends_nothing() -> None:
    """A host's files are other people's: one name in Latin-1 is no reason to fail."""
    found = Counter[str]()
    core = ROOT / "plugins/module_utils"
    for path in sorted(core.rglob("*.py")):
        if path.is_relative_to(core / "audit"):
            continue
        for call in opens(ast.parse(path.read_text())):
            mode = call.args[1].value if len(call.args) > 1 and isinstance(call.args[1], ast.Constant) else "r"
            if mode == "r" and not {keyword.arg for keyword in call.keywords} & {"errors", None}:
                found[str(path.relative_to(core))] += 1
    assert found == STRICT
