"""Processes as /proc shows them."""

from __future__ import annotations

import locale
import os
from pathlib import Path

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import proc


def test_the_table_has_this_process() -> None:
    table = proc.process_table()
    assert table[os.getpid()] == {"parent": os.getppid(), "uid": os.geteuid()}
    assert os.getpid() in proc.descendants(os.getppid(), table)
    assert proc.is_ours(os.getpid())


def test_text_is_the_same_whatever_the_language_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xc3\xbc\xff")
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    try:
        assert proc.read_text(str(tmp_path / "x")) == "\xfc\ufffd"
        assert proc.read_paths(str(tmp_path / "x")) == "\xfc\udcff"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def test_a_file_without_an_end_is_read_to_a_bound() -> None:
    assert len(proc.read_text("/dev/zero")) == 1 << 20
