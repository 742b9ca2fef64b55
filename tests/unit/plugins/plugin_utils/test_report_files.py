# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a report on the controller."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils._report_files import paths, write
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import DOCUMENTS, example
from hypothesis import given


def test_four_files_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "reports" / "today"
    for _time in range(2):
        write(example(), paths(str(directory), "www"))
    assert sorted(path.name for path in directory.iterdir()) == ["www.html", "www.json", "www.sarif", "www.xml"]
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert json.loads((directory / "www.json").read_text()) == example()
    assert json.loads((directory / "www.sarif").read_text())["version"] == "2.1.0"
    assert ElementTree.parse(directory / "www.xml").getroot().tag == "testsuites"
    assert (directory / "www.html").read_text().startswith("<!DOCTYPE html>")


def test_a_link_in_the_way_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "www.json").symlink_to("other")
    write(example(), paths(str(tmp_path), "www"))
    assert (tmp_path / "other").read_text() == "theirs"
    assert not (tmp_path / "www.json").is_symlink()


@pytest.mark.parametrize("name", ["", ".", "..", "../www", "a/b", ".www", "a\0b"])
def test_names_that_are_none_of_a_file(name: str) -> None:
    with pytest.raises(PalisadeError, match="expected a name that can be a file's"):
        paths("/srv", name)


def test_where_no_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PalisadeError, match=r"wsgi_audit_report_dir: .*/www\.json cannot be written"):
        write(example(), paths(str(tmp_path / "file"), "www"))
    (tmp_path / "www.json").mkdir()
    with pytest.raises(PalisadeError, match="cannot be written"):
        write(example(), paths(str(tmp_path), "www"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "www.json"]


@given(DOCUMENTS)
def test_any_report_can_be_written(tmp_path: Path, report: object) -> None:
    assert isinstance(report, dict)
    write(report, paths(str(tmp_path), "www"))
    assert json.loads((tmp_path / "www.json").read_text(encoding="ascii")) == report
