"""A .htaccess file."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.htaccess import (
    directives,
    read_htaccess,
)
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(), st.binary())
def test_a_htaccess_of_anything_is_read_to_its_end(text: str, raw: bytes) -> None:
    for one in (text, raw.decode("utf-8", "backslashreplace")):
        for line in directives(one):
            assert isinstance(line.shown, str)


@given(st.sampled_from(["SetHandler wsgi-script", "CGIPassAuth On", "Options +ExecCGI"]), st.integers(0, 3))
def test_a_directive_in_sections_is_found(line: str, depth: int) -> None:
    text = "<Files x>\n" * depth + line + "\n" + "</Files>\n" * depth
    assert [one.shown for one in directives(text)] == [line]


def test_a_htaccess_that_is_no_file_says_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".htaccess")
    assert read_htaccess(str(tmp_path / ".htaccess")) == []


def test_a_htaccess_need_not_be_text(tmp_path: Path) -> None:
    (tmp_path / ".htaccess").write_bytes(b"AddHandler x .\xff\n")
    assert read_htaccess(str(tmp_path / ".htaccess")) == ["AddHandler x .\\xff"]


def test_a_htaccess_is_read_to_a_bound(tmp_path: Path) -> None:
    file = tmp_path / ".htaccess"
    file.write_text("AcceptPathInfo On\n" * 201)
    assert read_htaccess(str(file)) == ["AcceptPathInfo On"] * 200
    file.write_text("AcceptPathInfo On".rjust(65536) + "ly")
    assert read_htaccess(str(file)) == ["AcceptPathInfo On"]


def test_a_section_of_a_htaccess_file_is_no_directive_of_its_own() -> None:
    text = (
        "<Files a>\n</Files>\n<IfModule mod_x.c>\n<Files b>\nRequire all denied\n</Files>\n</IfModule>\nOptions None\n"
    )
    assert [line.shown for line in directives(text)] == ["Require all denied", "Options None"]
