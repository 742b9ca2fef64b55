# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The task that writes what a host serves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_adopt import ActionModule
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.plugin_utils.adopt.test_text import row

ANSWER = {"apps": [row()], "remarks": [], "changed": False}


def run(directory: Path, answer: Any = None, host: str = "www", check_mode: bool = False) -> dict[str, Any]:
    task: Any = SimpleNamespace(
        args={"directory": str(directory)}, action="wsgi_adopt", async_val=0, check_mode=check_mode
    )
    connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action: Any = ActionModule(task, connection, SimpleNamespace(), None, None, None)

    def execute(module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        assert (module_args, task_vars) == ({"directory": str(directory)}, {"inventory_hostname": host})
        return dict(answer or ANSWER)

    action._execute_module = execute
    found: dict[str, Any] = action.run(task_vars={"inventory_hostname": host})
    return found


def test_the_list_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "www.yml"
    found = run(path.parent)
    assert (found["changed"], found["file"], found["apps"]) == (True, str(path), ANSWER["apps"])
    assert found["diff"] == {"before": "", "after": path.read_text(), "after_header": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text())["wsgi_apps"][0]["name"] == "shop"
    again = run(path.parent)
    assert again["changed"] is False
    assert again["diff"]["before"] == again["diff"]["after"] == path.read_text()


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, check_mode=True)["changed"] is True
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_has_edited_stays(tmp_path: Path) -> None:
    run(tmp_path)
    edited = (tmp_path / "www.yml").read_text() + "# mine\n"
    (tmp_path / "www.yml").write_text(edited)
    with pytest.raises(AnsibleActionFail, match=r"www\.yml exists with other content"):
        run(tmp_path)
    assert (tmp_path / "www.yml").read_text() == edited


@pytest.mark.parametrize(
    ("answer", "host", "words"),
    [
        ({"apps": None}, "www", "expected a list of apps"),
        (None, "../www", "expected a name that can also name a file"),
    ],
)
def test_what_is_refused_leaves_no_file(answer: Any, host: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=words):
        run(tmp_path, answer, host)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "www.yml").mkdir()
    with pytest.raises(AnsibleActionFail, match=r"wsgi_adopt_dir: .* cannot be read"):
        run(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(AnsibleActionFail, match="wsgi_adopt_dir"):
        run(tmp_path / "file")


def test_a_host_that_fails_says_why(tmp_path: Path) -> None:
    found = run(tmp_path, {"failed": True, "msg": "no"})
    assert (found["failed"], found["msg"]) == (True, "no")
    assert list(tmp_path.iterdir()) == []
