"""The life of a pool's processes."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.processes import span
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1min 30s", 90),
        ("infinity", None),
        ("", None),
        ("500ms", 0.5),
        ("2us", 2e-6),
        ("1h", 3600),
        ("2d", 172800),
        ("1w 1s", 604801),
        ("1month", 2629800),
        ("1y", 31557600),
        ("1.5.s", None),
        ("5x", None),
        ("nonsense", None),
    ],
)
def test_spans(text: str, seconds: float | None) -> None:
    assert span(text) == seconds


@given(st.text())
def test_any_text_is_a_span_or_none(text: str) -> None:
    assert (span(text) or 0) >= 0
