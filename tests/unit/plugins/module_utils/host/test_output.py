"""What programs print is shown without secrets, and its end alone."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.output import last_lines, masked
from hypothesis import given
from hypothesis import strategies as st


@given(st.dictionaries(st.sampled_from("ABC"), st.text()), st.text(), st.text())
def test_no_long_value_is_left(environment: dict[str, str], before: str, after: str) -> None:
    for value in environment.values():
        told = masked(f"{before}{value}{after}{value!r}", environment)
        if len(value) >= 6:
            assert value not in told
            assert repr(value)[1:-1] not in told


def test_each_line_of_a_value_by_itself() -> None:
    told = masked("  | first of it\n  | second of it\n  | own", {"KEY": "first of it\nsecond of it\nown"})
    assert told == "  | ***\n  | ***\n  | own"


@pytest.mark.parametrize(("value", "told"), [("abcdef", "***"), ("abcde", "abcde")])
def test_short_values_are_left_since_they_are_everywhere(value: str, told: str) -> None:
    assert masked(f"<{value}>", {"KEY": value}) == f"<{told}>"


def test_the_longest_value_goes_first() -> None:
    assert masked("secret-and-more", {"A": "secret", "B": "secret-and-more"}) == "***"


def test_the_end_of_it() -> None:
    assert last_lines("\na\nb\nc\n\n", 2) == "b\nc"
