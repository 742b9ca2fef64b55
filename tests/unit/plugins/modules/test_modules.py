"""The modules as Ansible runs them: a process of their own, that answers in JSON whatever it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.modules.wsgi_step import STEPS
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, needs_root, snapshot

COLLECTIONS = Path(__file__).parents[4] / ".collections"


def call(module: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
    arguments |= {"_ansible_check_mode": check, "_ansible_diff": True}
    name = f"ansible_collections.palisade.mod_wsgi.plugins.modules.{module}"
    # Newer cores name the serialization of their arguments apart.
    program = (
        "import runpy, sys\n"
        "from ansible.module_utils import basic\n"
        "basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), 'legacy'\n"
        f"runpy.run_module({name!r}, run_name='__main__')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(result.stdout)
    assert bool(answer.get("failed")) == bool(result.returncode), result.stderr
    return answer


def test_layout(tmp_path: Path) -> None:
    rows: dict[str, Any] = {
        "directories": [{"path": f"{tmp_path}/a", "owner": ME, "group": MY_GROUP, "mode": "0750"}],
        "files": [{"path": f"{tmp_path}/a/b", "owner": ME, "group": MY_GROUP, "mode": "0640"}],
        "secrets": {f"{tmp_path}/a/b": '{\n  "KEY": "hunter2"\n}\n'},
    }
    before = snapshot(tmp_path)
    planned = call("wsgi_layout", check=True, **rows)
    assert snapshot(tmp_path) == before
    done = call("wsgi_layout", **rows)
    assert (done["changed"], done["paths"]) == (True, [f"{tmp_path}/a", f"{tmp_path}/a/b"])
    assert (planned["changed"], planned["paths"], planned["diff"]) == (True, done["paths"], done["diff"])
    assert (tmp_path / "a/b").read_text() == rows["secrets"][f"{tmp_path}/a/b"]
    assert "hunter2" not in json.dumps(done)
    again = call("wsgi_layout", **rows)
    assert (again["changed"], again["paths"]) == (False, [])


def test_a_file_without_a_text(tmp_path: Path) -> None:
    row = {"path": f"{tmp_path}/b", "owner": ME, "group": MY_GROUP, "mode": "0640"}
    assert call("wsgi_layout", files=[row])["msg"] == f"{tmp_path}/b: expected content, got none"


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/etc")
    row = {"path": f"{tmp_path}/a", "owner": ME, "group": MY_GROUP, "mode": "0750"}
    answer = call("wsgi_layout", directories=[row])
    assert answer["failed"]
    assert answer["msg"].startswith(f"{tmp_path}/a: expected a directory, found a symbolic link")


@pytest.mark.parametrize("release", ["", ".."])
def test_a_release_without_a_name(release: str, tmp_path: Path) -> None:
    (tmp_path / "releases" / "older").mkdir(parents=True)
    row = {
        "app": "public",
        "directory": f"{tmp_path}/releases",
        "current": f"{tmp_path}/current",
        "group": MY_GROUP,
        "release": release,
    }
    answer = call("wsgi_release", state="built", releases=[row])
    assert answer["msg"].startswith("app public: release: expected a name")
    assert (tmp_path / "releases" / "older").is_dir()


@needs_root
def test_acls_of_directories_and_of_others(tmp_path: Path) -> None:
    row = {"path": f"{tmp_path}/a", "owner": "root", "group": "games", "mode": "0750", "acl": {"daemon": "x"}}
    for changed in (True, False):
        answer = call("wsgi_layout", directories=[row])
        assert (answer["changed"], answer["paths"]) == (changed, [f"{tmp_path}/a"] if changed else [])
    entry = {"app": "public", "path": "/etc/passwd", "account": "daemon"}
    answer = call("wsgi_layout", grants=[{**entry, "permissions": "rw"}])
    assert answer["msg"].startswith("app public: /etc/passwd: permissions: expected no w for what root owns")
    assert call("wsgi_layout", revoked=[entry])["changed"] is False


def test_sources_are_asked_for_before_anything_is_fetched(tmp_path: Path) -> None:
    row = {"directory": f"{tmp_path}/releases", "current": f"{tmp_path}/current", "group": MY_GROUP}
    local = {**row, "app": "unit-a", "source": {"path": "/x"}, "digest": "0" * 64, "release": "0" * 16}
    package = {**row, "app": "unit-b", "source": {"package": ["demo==1"]}}
    answer = call("wsgi_source", releases=[local, package], python_version="3.13")
    assert (answer["changed"], answer["unsent"], answer["missing"]) == (False, ["unit-a"], ["unit-a"])
    answer = call("wsgi_source", check=True, releases=[local, package], python_version="3.13")
    assert (answer["changed"], answer["missing"], answer["failures"]) == (True, ["unit-a", "unit-b"], {})
    assert [found["release"] for found in answer["releases"]] == ["0" * 16, ""]
    assert os.listdir(tmp_path) == []


def test_sources_that_are_refused(tmp_path: Path) -> None:
    row = {"directory": f"{tmp_path}/releases", "current": f"{tmp_path}/current", "group": MY_GROUP}
    rows: list[dict[str, Any]] = [
        {**row, "app": "unit-a", "source": {"git": "https://hunter2@example.org/x", "version": "main"}},
        {**row, "app": "unit-b", "source": {"package": ["demo"]}},
    ]
    given = {"releases": rows, "python_version": "3.13", "source_secrets": {"unit-a": "hunter2"}}
    answer = call("wsgi_source", check=True, **given)
    assert answer["msg"].startswith("app unit-a: source: git: repo: an address with credentials is refused")
    assert "\napp unit-b: source: package: expected a pinned requirement" in answer["msg"]
    answer = call("wsgi_source", check=True, keep_going=True, **given)
    assert (list(answer["failures"]), answer["releases"]) == (["unit-a", "unit-b"], [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "names: expected at least one pool to restart, got none"),
        ({"names": ["public"], "timeout": 0}, "timeout: expected seconds from 1, got 0"),
        (
            {"names": ["public"], "loads": ["/etc", "/srv/misspelt"]},
            "loads: expected files and directories of this host, found no /srv/misspelt",
        ),
    ],
)
def test_a_restart_of_what_is_not_there(arguments: dict[str, Any], message: str) -> None:
    assert call("wsgi_pool", **arguments)["msg"] == message


def test_a_step_is_its_module(tmp_path: Path) -> None:
    row = {"path": f"{tmp_path}/b", "owner": ME, "group": MY_GROUP, "mode": "0640"}
    given: dict[str, Any] = {"files": [row], "directories": [{**row, "path": f"{tmp_path}/a", "mode": "0750"}]}
    texts = {f"{tmp_path}/b": "hunter2\n"}
    done = call("wsgi_step", step="wsgi_layout", arguments=given, secrets=texts)
    assert (done["changed"], done["paths"]) == (True, [f"{tmp_path}/a", f"{tmp_path}/b"])
    assert "hunter2" not in json.dumps(done)
    assert (tmp_path / "b").read_text() == "hunter2\n"
    again = call("wsgi_layout", **given, secrets=texts)
    assert (again["changed"], again["paths"]) == (False, [])
    row["mode"] = "0600"
    assert call("wsgi_step", check=True, step="wsgi_layout", arguments=given, secrets=texts)["changed"] is True
    assert call("wsgi_layout", check=True, **given, secrets=texts)["changed"] is True


@pytest.mark.parametrize(
    ("step", "arguments", "message"),
    [
        ("wsgi_layout", {"file": []}, "wsgi_layout: unsupported option file. Supported parameters include: absent, "),
        (
            "wsgi_layout",
            {"files": [{}]},
            "wsgi_layout: missing required arguments: group, mode, owner, path found in files",
        ),
        ("wsgi_sandbox", {}, "wsgi_sandbox: one of the following is required: state, apps"),
        ("wsgi_run", {}, "value of step must be one of: wsgi_account, "),
    ],
)
def test_a_step_refuses_what_its_module_refuses(step: str, arguments: dict[str, Any], message: str) -> None:
    assert call("wsgi_step", step=step, arguments=arguments)["msg"].startswith(message)


def test_a_step_knows_which_values_are_secret() -> None:
    answer = call(
        "wsgi_step", step="wsgi_layout", arguments={"absent": [{"path": "/hunter2"}]}, secrets={"/a": "hunter2"}
    )
    assert "hunter2" not in json.dumps(answer)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_there(name: str) -> None:
    answer = call("wsgi_step", step=name, arguments={"no": 1})
    assert answer["msg"].startswith(f"{name}: ")
    assert "unsupported option no. Supported parameters include: " in answer["msg"]
