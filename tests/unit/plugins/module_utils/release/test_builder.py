"""What a build is shown of a release, and what it is told of the way to package indexes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.builder import index_environment, show
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root


@needs_root
def test_code_is_shown_to_who_builds_it(tmp_path: Path) -> None:
    """Programs stay programs, and nobody but root can change anything; a link is left where it leads."""
    (tmp_path / "code/inner").mkdir(parents=True)
    for name, mode in (("run", 0o777), ("inner/file", 0o666)):
        (tmp_path / "code" / name).write_text("")
        (tmp_path / "code" / name).chmod(mode)
    (tmp_path / "code/link").symlink_to("/etc/passwd")
    before = os.stat("/etc/passwd")
    show(str(tmp_path / "code"), 12)
    found = {path.name: path.lstat() for path in [tmp_path / "code", *(tmp_path / "code").rglob("*")]}
    assert {name: stat.S_IMODE(one.st_mode) for name, one in found.items() if name != "link"} == {
        "code": 0o750,
        "inner": 0o750,
        "run": 0o750,
        "file": 0o640,
    }
    assert {(one.st_uid, one.st_gid) for one in found.values()} == {(0, 12)}
    assert os.stat("/etc/passwd") == before


def test_only_ways_to_an_index_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = {
        "PIP_INDEX_URL": "a",
        "https_proxy": "b",
        "SSL_CERT_FILE": "c",
        "npm_config_registry": "d",
        "NODE_EXTRA_CA_CERTS": "e",
    }
    monkeypatch.setattr(os, "environ", {**ways, "PATH": "f", "npm_config__auth": "g"})
    assert index_environment() == ways
