"""Processes as /proc shows them."""

from __future__ import annotations

import os

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import proc


def test_the_table_has_this_process() -> None:
    table = proc.process_table()
    assert table[os.getpid()] == {"parent": os.getppid(), "uid": os.geteuid()}
    assert os.getpid() in proc.descendants(os.getppid(), table)
    assert proc.is_ours(os.getpid())


def test_a_file_without_an_end_is_read_to_a_bound() -> None:
    assert len(proc.read_text("/dev/zero")) == 1 << 20
