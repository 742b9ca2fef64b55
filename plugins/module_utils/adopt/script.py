# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the application of a WSGI script comes from, read from its text; nothing of it runs."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

_SIZE = 1 << 20
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Module and name in it; None is the script's own.
_Binding = Optional[tuple[str, str]]


@dataclass
class Script:
    """What a script says of its application."""

    # Both empty where the script makes the application itself.
    module: str = ""
    callable: str = ""
    # Names of variables that it sets in its environment.
    environment: list[str] = field(default_factory=list)
    # What it adds to sys.path.
    inserts: list[str] = field(default_factory=list)
    # Whether it does more than to import.
    more: bool = False
    # Why nothing is known.
    problem: str = ""


def read_script(path: str, name: str = "application") -> Script:
    """Return where the name comes from that mod_wsgi looks for."""
    try:
        # Never a FIFO or a device, and without waiting for one that took the file's place.
        if not os.path.isfile(path) or os.path.getsize(path) > _SIZE:
            return Script(problem="is not a file of at most 1 MiB")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            parsed = ast.parse(file.read(_SIZE))
    except OSError as error:
        return Script(problem=f"cannot be read: {error.strerror}")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return Script(problem="is not valid for this host's version of Python")
    return _script(parsed, name)


def _script(parsed: ast.Module, name: str) -> Script:
    names: dict[str, _Binding] = {}
    modules: set[str] = set()
    starred = ""
    found = Script()
    for node in _statements(parsed.body):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                # A relative import names no package that is known here.
                names[alias.asname or alias.name] = None if node.level else (node.module or "", alias.name)
                starred = (node.module or "") if alias.name == "*" and not node.level else starred
        elif isinstance(node, ast.Import):
            for alias in node.names:
                modules.add(alias.name)
                top = alias.name.split(".")[0]
                names[alias.asname or top] = (alias.name if alias.asname else top, "")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names[node.name] = None
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    names[target.id] = _resolved(node.value, names)
        found.more = found.more or (not isinstance(node, (ast.Import, ast.ImportFrom)) and not _is_text(node))
        found.environment += _environment(node)
        found.inserts += _inserts(node)
    if name in names:
        binding = names[name]
        if binding and binding[0] and binding[1]:
            found.module, found.callable = binding
    elif starred:
        found.module, found.callable = starred, name
    else:
        found.problem = f"has no {name} that shows without running it"
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        for inner in ("body", "handlers", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                for part in getattr(node, inner, []):
                    yield from _statements(part.body if isinstance(part, ast.ExceptHandler) else [part])


def _resolved(value: ast.expr, names: dict[str, _Binding]) -> _Binding:
    """Return where a value comes from, of a name or of a chain such as shop.wsgi.application."""
    chain: list[str] = []
    while isinstance(value, ast.Attribute):
        chain.insert(0, value.attr)
        value = value.value
    if not isinstance(value, ast.Name):
        return None
    base = names.get(value.id)
    if base is None or not chain:
        return base
    return ".".join([part for part in base if part] + chain[:-1]), chain[-1]


def _environment(node: ast.stmt) -> list[str]:
    """Return the variable of os.environ[...] = ... and os.environ.setdefault(...)."""
    key: ast.expr | None = None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        place = node.targets[0]
        key = place.slice if _is(place.value, "os.environ", "environ") else None
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
        setters = ("os.environ.setdefault", "environ.setdefault", "os.putenv")
        key = node.value.args[0] if _is(node.value.func, *setters) else None
    if isinstance(key, ast.Constant) and isinstance(key.value, str) and _VARIABLE.fullmatch(key.value):
        return [key.value]
    return []


def _inserts(node: ast.stmt) -> list[str]:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not _is(call.func, "sys.path.insert", "sys.path.append", "site.addsitedir"):
        return []
    texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return [text for text in texts if text.startswith("/")]


def _is(value: ast.expr, *names: str) -> bool:
    return isinstance(value, (ast.Name, ast.Attribute)) and ast.unparse(value) in names
