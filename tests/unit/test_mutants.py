"""What scripts/test mutants changes, and what it leaves alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.tests.mutants.mutate import draw, mutants

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("remove(path)", {"pass"}),
        ("raise Problem('code', 3)", {"pass"}),
        ("total += 1", {"pass", "total += 2"}),
        ("self.x = y", {"pass"}),
        ("x = y", set()),
        ("if ready(): go = x", {"if not (ready()): go = x"}),
        ("x = [y for y in z if y]", {"x = [y for y in z if not (y)]"}),
        ("x = a and b", {"x = ((a) or (b))", "x = ((b))", "x = ((a))"}),
        ("x = not a", {"x = (a)"}),
        ("x = a < b", {"x = (a <= b)"}),
        ("if a not in b: x = y", {"if (a in b): x = y"}),
        ("x = a | b", {"x = (a & b)"}),
        ("x = f(a, b=c)", {"x = f(a)"}),
        ("x = True", {"x = False"}),
        ("x = 7", {"x = 8"}),
        ("x = 'word'", {"x = 'wordx'"}),
        ("def f(x=1): return x", {"def f(x=2): return x", "def f(x=1): return None"}),
        # Wording, documentation and types are no behaviour.
        ("x = 'two words'", set()),
        ("x = f'{1}word'", set()),
        ("'''word'''", set()),
        ("def f(x: 'int | None') -> 'int': 'word'", set()),
        ("x: 'int | None' = y", set()),
        ("@add('id', remedy='word')\ndef f(): 'word'", {"@add('idx', remedy='word')\ndef f(): 'word'"}),
        ("import a", set()),
    ],
)
def test_changes(code: str, expected: set[str]) -> None:
    assert {mutant.apply(code.encode()).decode() for mutant in mutants("x.py", code.encode())} == expected


def test_every_mutant_of_the_collection_is_python_and_another_one() -> None:
    sources = {str(path): path.read_bytes() for path in sorted(PLUGINS.rglob("*.py"))[::10]}
    every = [mutant for path, source in sources.items() for mutant in mutants(path, source)]
    for mutant in draw(every, 40, "seed"):
        source = sources[mutant.path]
        assert ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))


def test_a_draw_has_every_kind_and_does_not_depend_on_code_elsewhere() -> None:
    source = (PLUGINS / "module_utils/release/build.py").read_bytes()
    first = draw(mutants("x.py", source), 40, "seed")
    assert len(first) == 40
    assert len({mutant.kind for mutant in first}) > 8
    moved = draw(mutants("x.py", b"import one\n" * 60 + source), 40, "seed")
    assert [(one.line + 60, one.kind, one.text) for one in first] == [(one.line, one.kind, one.text) for one in moved]
    assert draw(mutants("x.py", source), 40, "other") != first


def test_a_mutant_says_what_it_changes() -> None:
    source = b"def f(x):\n    if x:\n        return 1\n    return 2\n"
    (mutant,) = (one for one in mutants("x.py", source) if one.kind == "condition")
    assert (mutant.line, mutant.diff(source)) == (2, (["-    if x:"], ["+    if not (x):"]))
