# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The task that writes the reports and fails on findings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_audit_report import ActionModule
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report import waivers
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import document, example, result
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES

ROOT = FIXTURES.parents[1]
HIGH = "results[?status=='fail' && severity=='high']"


def run(
    directory: Path, host: str = "www", check_mode: bool = False, hosts: Sequence[str] = (), **arguments: Any
) -> dict[str, Any]:
    arguments = {"report": example(), "directory": str(directory), "show": False, **arguments}
    task: Any = SimpleNamespace(args=arguments, action="wsgi_audit_report", async_val=0, check_mode=check_mode)
    connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = ActionModule(task, connection, SimpleNamespace(), None, None, None)
    found: dict[str, Any] = action.run(task_vars={"inventory_hostname": host, "ansible_play_hosts_all": list(hosts)})
    return found


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_reports_are_written_before_the_play_fails(tmp_path: Path) -> None:
    found = run(tmp_path, fail_when=HIGH)
    assert found["failed"] is True
    assert "high U1 pool shop" in found["msg"]
    assert names(tmp_path) == [".overview.json", "index.html", "www.html", "www.json", "www.sarif", "www.xml"]
    written = [f"www.{kind}" for kind in ("json", "sarif", "xml", "html")]
    assert found["files"] == [str(tmp_path / name) for name in [*written, "index.html"]]


def test_the_overview_has_every_host_of_the_play(tmp_path: Path) -> None:
    for host in ("a", "b"):
        run(tmp_path, host, hosts=["a", "b", "c"], fail_when=HIGH)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [f'href="{host}.html"' in page for host in "abc"] == [True, True, False]
    assert "no report in this run" in page


def test_a_gate_that_cannot_be_read_costs_no_report(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="wsgi_audit_fail_when"):
        run(tmp_path, fail_when="results[?")
    assert len(names(tmp_path)) == 6


def test_a_report_that_passes(tmp_path: Path) -> None:
    found = run(tmp_path, report=document(result(status="pass")), fail_when=HIGH)
    assert found["changed"] is False
    assert "failed" not in found
    assert found["summary"]["pass"] == 1
    assert "failed" not in run(tmp_path)


def test_check_mode_writes_nothing_and_decides_the_same(tmp_path: Path) -> None:
    found = run(tmp_path / "reports", check_mode=True, fail_when=HIGH)
    assert found["failed"] is True
    assert found["files"] == []
    assert names(tmp_path) == []


def test_waivers_and_the_baseline_open_the_gate(tmp_path: Path) -> None:
    waiver = {"rule": "U1", "subject": "shop", "reason": "Moves", "owner": "jo", "expires": "9999-12-31"}
    assert "failed" not in run(tmp_path, waivers=[waiver], fail_when=HIGH)
    written = json.loads((tmp_path / "www.json").read_text())
    assert [row["status"] for row in written["results"] if row["rule_id"] == "U1"] == ["waived"]
    assert run(tmp_path, waivers=[{**waiver, "expires": "2020-01-01"}], fail_when=HIGH)["failed"] is True

    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(example()))
    assert "failed" not in run(tmp_path, baseline=str(earlier), fail_when=HIGH)
    written = json.loads((tmp_path / "www.json").read_text())
    assert {row.get("baseline") for row in written["results"]} == {"known", None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"waivers": [{"rule": "U1"}]}, "wsgi_audit_waivers"),
        ({"baseline": "/missing.json"}, "wsgi_audit_baseline: /missing.json"),
        ({"report": {"schema": "x"}}, r"report\.schema: expected"),
        ({"host": "../www"}, "expected a name that can also name a file"),
    ],
)
def test_what_is_refused_leaves_no_file(arguments: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=words):
        run(tmp_path, **arguments)
    assert names(tmp_path) == []


def test_the_text_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, show=True)
    assert "Audit of www" in capsys.readouterr().out


def test_the_role_says_the_same_of_a_waiver() -> None:
    specification = yaml.safe_load((ROOT / "roles/wsgi_audit/meta/argument_specs.yml").read_text(encoding="utf-8"))
    fields = specification["argument_specs"]["main"]["options"]["wsgi_audit_waivers"]["options"]
    assert set(fields) == {*waivers.FIELDS, *waivers.OPTIONAL}
    assert {name for name, field in fields.items() if field.get("required")} == set(waivers.FIELDS)
