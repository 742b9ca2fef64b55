"""What a managed file says of itself, written and read back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import RECORD, read_records, record
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = st.text(st.one_of(st.sampled_from('\n\r\x85\u2028"\\#:'), st.characters()), max_size=20)


@given(st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(TEXTS), st.none()), min_size=1), TEXTS)
@example({"name": "a\nb"}, "")
@example({"name": "a\u2028b"}, "# x")
def test_records_come_back(fields: dict[str, Any], after: str) -> None:
    line = record(**fields)
    assert line.startswith("# ")
    assert line.isascii()
    assert line.isprintable()
    assert read_records(f"# Notice\n{line}\n{after}\n{line}\n") == [fields, fields]


@pytest.mark.parametrize("text", ["", "# x", RECORD, RECORD + "{", RECORD + "[1]", RECORD + '"x"', "x" + RECORD + "{}"])
def test_no_record(text: str) -> None:
    assert read_records(text) == []
