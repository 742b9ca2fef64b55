"""What is told of pools that are not as declared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _health
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        ([200], "200"),
        ([200, 201], "200 or 201"),
        (list(range(200, 400)), "200 to 399"),
        ([200, 204, 301], "200 or 204 or 301"),
    ],
)
def test_ranges(statuses: list[int], text: str) -> None:
    assert _health._ranges(statuses) == text


def test_problems_of_processes() -> None:
    pool = {"name": "public", "processes": 2, "account": ME, "group": MY_GROUP}
    good = {"pid": 5, "uid": os.getuid(), "gid": os.getgid(), "user": ME, "group": MY_GROUP}
    assert _health._problem(pool, [good, good]) == ""
    assert _health._problem(pool, [good]) == "pool public has 1 processes, expected 2"
    other = {**good, "uid": 12345, "user": "daemon"}
    assert f"process 5 runs as daemon:{MY_GROUP}, expected {ME}:{MY_GROUP}" in _health._problem(pool, [good, other])


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    assert _health._size(str(log)) == 0
    assert _health._tail(str(log), 0) == ""
    log.write_text("old\n")
    size = _health._size(str(log))
    assert _health._tail(str(log), size) == f"; see {log}"
    log.write_bytes(b"old\nnew \xff\n")
    told = _health._tail(str(log), size)
    assert "new \ufffd" in told
    assert "old" not in told
