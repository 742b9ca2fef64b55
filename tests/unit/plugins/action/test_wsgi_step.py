"""The action plugin of the modules that are steps: all of them reach the host as one module."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_step import ActionModule
from ansible_collections.palisade.mod_wsgi.plugins.modules.wsgi_step import STEPS
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.step import StepAction


def run(action: str, **arguments: Any) -> list[dict[str, Any]]:
    task: Any = SimpleNamespace(args=arguments, action=action, async_val=0, check_mode=False)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    plugin: Any = ActionModule(task, connection, SimpleNamespace(), None, None, None)
    sent: list[dict[str, Any]] = []

    def execute(**given: Any) -> dict[str, Any]:
        assert given.pop("task_vars") == {"a": 1}
        sent.append(given)
        return {"changed": True}

    plugin._execute_module = execute
    assert plugin.run(None, {"a": 1})["changed"] is True
    return sent


@pytest.mark.parametrize("prefix", ["", "palisade.mod_wsgi."])
def test_a_module_is_a_step(prefix: str) -> None:
    """And what is secret is an argument of its own, which Ansible knows to be secret."""
    given = {"files": [], "secrets": {"/a": "hunter2"}, "source_secrets": {"shop": "key"}}
    (sent,) = run(f"{prefix}wsgi_layout", **given)
    assert sent == {
        "module_name": "palisade.mod_wsgi.wsgi_step",
        "module_args": {
            "step": "wsgi_layout",
            "arguments": {"files": []},
            "secrets": {"/a": "hunter2"},
            "source_secrets": {"shop": "key"},
        },
    }
    # The task's own arguments are still whole for the next host.
    assert "secrets" in given


def test_the_module_itself() -> None:
    assert run("palisade.mod_wsgi.wsgi_step", step="wsgi_server_info") == [{}]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_an_action_plugin(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.palisade.mod_wsgi.plugins.action.{name}")
    assert issubclass(plugin.ActionModule, StepAction)
