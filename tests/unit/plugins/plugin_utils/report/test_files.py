# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a report on the controller."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.files import paths, write, write_overview
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
    with pytest.raises(PalisadeError, match="expected a name that can also name a file"):
        paths("/srv", name)


def test_where_no_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PalisadeError, match=r"wsgi_audit_report_dir: .*/www\.json cannot be written"):
        write(example(), paths(str(tmp_path / "file"), "www"))
    (tmp_path / "www.json").mkdir()
    with pytest.raises(PalisadeError, match="cannot be written"):
        write(example(), paths(str(tmp_path), "www"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "www.json"]


def test_no_host_takes_the_place_of_the_overview() -> None:
    with pytest.raises(PalisadeError, match=r"index\.html is the page over all hosts"):
        paths("/srv", "index")


def _add(arguments: tuple[str, str]) -> None:
    directory, name = arguments
    write(example(), paths(directory, name))
    write_overview(example(), directory, name, "run", ["www0", "gone"])


def test_tasks_of_many_hosts_write_one_overview(tmp_path: Path) -> None:
    names = [f"www{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(_add, [(str(tmp_path), name) for name in names]))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert sorted(re.findall('href="([^"]+)"', page)) == sorted(f"{name}.html" for name in names)
    assert page.count("no report in this run") == 1
    assert (tmp_path / "index.html").stat().st_mode & 0o777 == 0o600


def test_an_overview_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".overview.json").mkdir()
    with pytest.raises(PalisadeError, match=r"wsgi_audit_report_dir: .*/index\.html cannot be written"):
        write_overview(example(), str(tmp_path), "www", "run", [])


def test_a_report_that_was_removed_is_not_linked(tmp_path: Path) -> None:
    _add((str(tmp_path), "www1"))
    (tmp_path / "www1.html").unlink()
    write_overview(example(), str(tmp_path), "www2", "later", [])
    assert "www1" not in (tmp_path / "index.html").read_text(encoding="utf-8")


@given(DOCUMENTS)
def test_any_report_can_be_written(tmp_path: Path, report: object) -> None:
    assert isinstance(report, dict)
    write(report, paths(str(tmp_path), "www"))
    assert json.loads((tmp_path / "www.json").read_text(encoding="ascii")) == report


def test_the_state_of_a_smaller_run_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    for number in range(6):
        _add((str(tmp_path), f"a-rather-long-name-of-a-host-{number}"))
        (tmp_path / f"a-rather-long-name-of-a-host-{number}.html").unlink()
    for name in ("a", "b"):
        write(example(), paths(str(tmp_path), name))
        write_overview(example(), str(tmp_path), name, "later", [])
    assert set(json.loads((tmp_path / ".overview.json").read_text())) == {"a", "b"}


def test_a_state_that_is_no_text_is_one_of_no_host(tmp_path: Path) -> None:
    (tmp_path / ".overview.json").write_bytes(b'{"www": "\xff"}')
    write_overview(example(), str(tmp_path), "www", "run", [])
    assert list(json.loads((tmp_path / ".overview.json").read_text())) == ["www"]


def test_a_report_of_an_earlier_run_stays_as_long_as_its_page(tmp_path: Path) -> None:
    _add((str(tmp_path), "www1"))
    write_overview(example(), str(tmp_path), "www2", "later", ["gone"])
    assert set(json.loads((tmp_path / ".overview.json").read_text())) == {"www1", "www2", "gone"}
