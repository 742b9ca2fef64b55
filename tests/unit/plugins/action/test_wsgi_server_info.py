"""The action plugin of wsgi_server_info: what it loads before Ansible forks, and for whom a play waits."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.action import wsgi_server_info
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_server_info import ActionModule
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import ROOT

PLUGINS = "ansible_collections.palisade.mod_wsgi.plugins"
PROGRAM = f"""
import sys
import {PLUGINS}.action.wsgi_server_info
before = set(sys.modules)
import {PLUGINS}.filter.wsgi_resolve, {PLUGINS}.filter.wsgi_old_data
print(sorted(name for name in set(sys.modules) - before if ".module_utils." in name))
"""


def test_filters_find_all_of_their_core_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT / ".collections", text=True, capture_output=True, check=True
    )
    assert done.stdout == "[]\n"


def run(sent: list[dict[str, Any]], answers: list[dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    task: Any = SimpleNamespace(args=arguments, action="wsgi_server_info", async_val=0, check_mode=False)
    action: Any = ActionModule(
        task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), SimpleNamespace(), None, None, None
    )

    def step(arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        sent.append(arguments)
        return answers.pop(0)

    action.step = step
    result: dict[str, Any] = action.run(None, {"inventory_hostname": "web1"})
    return result


def test_facts_take_no_turn() -> None:
    sent: list[dict[str, Any]] = []
    assert run(sent, [{"apps": []}], python="/p")["apps"] == []
    assert sent == [{"python": "/p"}]


def test_a_turn_is_this_process_s() -> None:
    sent: list[dict[str, Any]] = []
    assert run(sent, [{"turn": "t"}], turn=True, python="/p")["turn"] == "t"
    (given,) = sent
    assert (given["python"], given["wait"]) == ("/p", 0)
    assert given["process"] == wsgi_server_info._process(os.getppid())
    assert given["holder"].endswith(f"@{socket.gethostname()}")


def test_who_waits_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[dict[str, Any]] = []
    process = wsgi_server_info._process(os.getpid())
    busy = {"msg": "another play is changing this host", "failed": True, "busy": {"id": "t0", "process": process}}
    assert run(sent, [busy, {"turn": "t"}], turn=True)["turn"] == "t"
    assert "web1: waiting; another play is changing this host" in capsys.readouterr().out
    assert ("wait" in sent[1], "past" in sent[1]) == (False, False)


def test_a_play_that_was_killed_here_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[dict[str, Any]] = []
    child = subprocess.Popen(["sleep", "60"])
    process = wsgi_server_info._process(child.pid)
    assert not wsgi_server_info._has_ended(process)
    child.kill()
    child.wait()
    busy = {"msg": "another play", "failed": True, "busy": {"id": "t0", "process": process}}
    assert run(sent, [busy, {"turn": "t"}], turn=True)["turn"] == "t"
    assert sent[1]["past"] == "t0"
    assert "waiting" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "process", ["", "another-machine 1 Mon", f"{socket.gethostname()} x Mon", socket.gethostname()]
)
def test_of_other_processes_nothing_is_known(process: str) -> None:
    assert not wsgi_server_info._has_ended(process)


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no name")])
def test_a_container_without_ps_and_without_a_name(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise error

    process = wsgi_server_info._process(os.getpid())
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(getpass, "getuser", nobody)
    sent: list[dict[str, Any]] = []
    assert run(sent, [{"turn": "t"}], turn=True)["turn"] == "t"
    assert sent[0]["process"] == ""
    assert sent[0]["holder"] == f"{os.getuid()}@{socket.gethostname()}"
    assert not wsgi_server_info._has_ended(f"{process} and other words")
