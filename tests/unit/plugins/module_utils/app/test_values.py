"""Reading what users write: each value of its type, or an error that names the place."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app import values
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError


def refusal(check: Any, *arguments: Any) -> str:
    with pytest.raises(PalisadeError) as caught:
        check(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("check", "good", "missing", "bad", "expected"),
    [
        (values.text, "x", "", [5, True, ["x"]], "a string"),
        (values.flag, True, False, [1, "yes", 0], "true or false"),
        (values.texts, ["a", "b"], [], ["a", [5], {"a": "b"}, [["a"]]], "a list of strings"),
    ],
)
def test_values_of_a_mapping(check: Any, good: Any, missing: Any, bad: list[Any], expected: str) -> None:
    assert check({"key": good}, "key", "app a") == good
    assert check({}, "key", "app a") == check({"key": None}, "key", "app a") == missing
    for value in bad:
        assert refusal(check, {"key": value}, "key", "app a") == f"app a: key: expected {expected}, got {value!r}"


def test_a_default_text_and_other_sequences() -> None:
    assert values.text({}, "key", "app a", "default") == "default"
    assert values.text({"key": ""}, "key", "app a", "default") == ""
    assert values.texts({"key": ("a",)}, "key", "app a") == ["a"]
    assert values.flag({"key": False}, "key", "app a") is False


def test_mappings_are_not_printed() -> None:
    """What was put in the wrong shape may be a secret."""
    given = UserDict({"a": 1})
    assert values.mapping({"key": given}, "key", "app a") is given
    assert values.mapping({"key": None}, "key", "app a") == {}
    for value, name in (("hunter2", "str"), (["hunter2"], "list"), (True, "bool"), (5, "int"), (1.5, "float")):
        assert refusal(values.mapping, {"key": value}, "key", "app a") == (
            f"app a: key: expected a mapping, got {name}"
        )


def test_keys_that_are_not_known() -> None:
    values.known_keys({"path": 1}, ("path", "status", "timeout"), "app a")
    assert refusal(values.known_keys, {"paht": 1}, ("path", "status", "timeout"), "app a") == (
        "app a: expected path, status or timeout, did you mean 'path'?, got 'paht'"
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(1, True), (5, True), (0, False), (6, False), (True, False), ("1", False), (1.0, False)]
)
def test_whole_numbers(value: Any, expected: bool) -> None:
    assert values.is_integer(value, 1, 5) is expected


@pytest.mark.parametrize(
    ("value", "usable"),
    [("/", True), ("/a/b", True), ("/~a.b-c_d", True), ("", False), ("a", False), ("/a/", False), ("/a//b", False),
     ("/.", False), ("/a/..", False), ("/...", True), ("/a?b", False), ("/a%20b", False), (5, False)],
)  # fmt: skip
def test_url_paths(value: Any, usable: bool) -> None:
    if usable:
        assert values.url_path(value, "app a") == value
    else:
        assert refusal(values.url_path, value, "app a") == (
            f"app a: expected a URL path such as / or /shop, got {value!r}"
        )


@pytest.mark.parametrize(
    ("value", "usable"),
    [("a", True), ("a/b.c", True), ("_a/0", True), ("", False), ("/a", False), ("a/", False), ("a//b", False),
     ("../a", False), ("a/../b", False), (".a", False), ("a/.b", False), ("a b", False), ("-a", False), (5, False)],
)  # fmt: skip
def test_relative_paths(value: Any, usable: bool) -> None:
    if usable:
        assert values.relative_path(value, "app a", "a file") == value
    else:
        assert refusal(values.relative_path, value, "app a", "a file") == f"app a: expected a file, got {value!r}"


@pytest.mark.parametrize(
    ("value", "usable"),
    [("/a", True), ("/a/b c", True), ("/", False), ("", False), ("a", False), ("/a/", False), ("/a//b", False),
     ("/./a", False), ("/a/..", False), (5, False)],
)  # fmt: skip
def test_absolute_paths(value: Any, usable: bool) -> None:
    if usable:
        assert values.absolute_path(value, "app a") == value
    else:
        assert refusal(values.absolute_path, value, "app a") == (
            f"app a: expected an absolute path without '..', got {value!r}"
        )
    assert "control character" in refusal(values.absolute_path, "/a\nb", "app a")
