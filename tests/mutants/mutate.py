"""Small changes of Python code, each of which a test ought to see."""

from __future__ import annotations

import ast
import difflib
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Add(),
    ast.BitOr: ast.BitAnd(),
    ast.BitAnd: ast.BitOr(),
    ast.LShift: ast.RShift(),
}

NOWHERE = (0, 0)


@dataclass(frozen=True)
class Mutant:
    """One change of one file: what to put between two offsets."""

    path: str
    function: str
    # First and last line of the outermost function around it.
    body: tuple[int, int]
    line: int
    kind: str
    start: int
    end: int
    text: str
    # Neighbouring code, by which it is drawn: no change elsewhere in the file moves it.
    around: bytes

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]

    def diff(self, source: bytes) -> tuple[list[str], list[str]]:
        """Return the lines that go and those that come."""
        pair = source.decode().splitlines(), self.apply(source).decode().splitlines()
        lines = [line for line in difflib.unified_diff(*pair, n=0, lineterm="") if line[:2] not in ("--", "++", "@@")]
        return [line for line in lines if line[0] == "-"], [line for line in lines if line[0] == "+"]

    def rank(self, seed: str) -> str:
        named = (seed, self.path, self.function, self.kind, self.around, self.text)
        return hashlib.sha256(repr(named).encode()).hexdigest()


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Return every change of a file."""
    return list(_File(path, source).of(ast.parse(source)))


def draw(found: Iterable[Mutant], count: int, seed: str) -> list[Mutant]:
    """Choose some mutants, of each kind as many as of the others."""
    kinds: dict[str, list[Mutant]] = {}
    for mutant in sorted(found, key=lambda one: one.rank(seed)):
        kinds.setdefault(mutant.kind, []).append(mutant)
    turns = itertools.zip_longest(*(kinds[kind] for kind in sorted(kinds)))
    return [mutant for turn in turns for mutant in turn if mutant is not None][:count]


class _File:
    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.source = source
        lengths = [len(line) for line in source.splitlines(keepends=True)]
        self.starts = [sum(lengths[:number]) for number in range(len(lengths))]

    def of(self, node: ast.AST, function: str = "", body: tuple[int, int] = NOWHERE) -> Iterator[Mutant]:
        """Give the mutants of a node and of what is in it; function is the outermost one around."""
        if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom)):
            return
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and body == NOWHERE:
            function = f"{function}.{node.name}".strip(".")
            if isinstance(node, ast.FunctionDef):
                body = (node.lineno, node.end_lineno or node.lineno)
        for start, end, kind, text in self._changes(node):
            line = self.source[:start].count(b"\n") + 1
            around = self.source[max(0, start - 40) : end + 40]
            yield Mutant(self.path, function, body, line, kind, start, end, text, around)
        for name, field in ast.iter_fields(node):
            if name in ("annotation", "returns", "exc"):
                continue
            for child in field if isinstance(field, list) else [field]:
                if name == "decorator_list" and isinstance(child, ast.Call):
                    # The rest is a rule's documentation.
                    for argument in child.args:
                        yield from self.of(argument, function, body)
                elif isinstance(child, ast.AST) and not self._is_documentation(child):
                    yield from self.of(child, function, body)

    @staticmethod
    def _is_documentation(node: ast.AST) -> bool:
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

    def _place(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def _text(self, node: ast.expr) -> str:
        start, end = self._place(node)
        return self.source[start:end].decode()

    def _changes(self, node: ast.AST) -> Iterator[tuple[int, int, str, str]]:
        """Give start, end, kind and the new text of each change of a node itself."""
        tests = node.ifs if isinstance(node, ast.comprehension) else [getattr(node, "test", None)]
        for test in tests:
            # Of a comparison or a negation it would be the same mutant as below.
            if isinstance(test, ast.expr) and not isinstance(test, (ast.Compare, ast.UnaryOp)):
                yield *self._place(test), "condition", f"not ({self._text(test)})"
        if not isinstance(node, (ast.expr, ast.stmt)):
            return
        for kind, text in self._replacements(node):
            yield *self._place(node), kind, text

    def _replacements(self, node: ast.expr | ast.stmt) -> Iterator[tuple[str, str]]:
        stores = isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript))
        if stores or isinstance(node, (ast.Expr, ast.Raise, ast.AugAssign, ast.Continue, ast.Break)):
            yield "statement", "pass"
        elif isinstance(node, ast.Return) and node.value is not None and self._text(node.value) != "None":
            yield "return", "return None"
        elif isinstance(node, ast.BoolOp):
            parts = [f"({self._text(one)})" for one in node.values]
            word, other = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
            yield "and, or", f"({other.join(parts)})"
            for number in range(len(parts)):
                yield "operand", f"({word.join(parts[:number] + parts[number + 1 :])})"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield "not", f"({self._text(node.operand)})"
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            word = _COMPARISONS[type(node.ops[0])]
            yield "comparison", f"({self._text(node.left)} {word} {self._text(node.comparators[0])})"
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            yield "operator", f"({ast.unparse(ast.BinOp(node.left, _OPERATORS[type(node.op)], node.right))})"
        elif isinstance(node, ast.Call):
            for number, keyword in enumerate(node.keywords):
                if keyword.arg is not None:
                    rest = [*node.keywords[:number], *node.keywords[number + 1 :]]
                    yield "keyword", ast.unparse(ast.Call(node.func, node.args, rest))
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, int):
                yield "constant", repr(not node.value if isinstance(node.value, bool) else node.value + 1)
            elif isinstance(node.value, str) and not any(letter.isspace() for letter in node.value):
                # With a space it is a message's wording.
                yield "string", repr(node.value + "x")
