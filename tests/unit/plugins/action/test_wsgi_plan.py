"""The action plugin of wsgi_plan: sources that lie here are named, and what is secret goes apart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_plan import ActionModule
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_source import Sources


def run(sent: list[dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    task: Any = SimpleNamespace(args=arguments, action="wsgi_plan", async_val=0, check_mode=False)
    shell = SimpleNamespace(tmpdir=None)
    action: Any = ActionModule(task, SimpleNamespace(_shell=shell), SimpleNamespace(), None, None, None)

    def step(arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert task_vars == {"some": "variable"}
        sent.append(arguments)
        return {"parts": ["site"]}

    action.step = step
    result: dict[str, Any] = action.run(None, {"some": "variable"})
    return result


def row(source: Path) -> dict[str, Any]:
    return {"app": "shop", "source": {"path": str(source)}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "app.py").write_text("application = 1\n")
    return tmp_path / "source"


def test_what_is_sent(source: Path, tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    model = {"pools": ["p"], "releases": [row(source)], "secrets": {"/e": "hunter2"}, "source_secrets": {"shop": "k"}}
    assert run(sent, model=model, python_version="3.13", keep=3)["parts"] == ["site"]
    named = Sources(str(tmp_path), "3.13").named([row(source)])
    assert named[0]["release"]
    assert sent == [
        {
            "model": {"pools": ["p"]},
            "releases": named,
            "secrets": {"/e": "hunter2"},
            "source_secrets": {"shop": "k"},
            "python_version": "3.13",
            "keep": 3,
        }
    ]
    # The task's own arguments are still whole for the next host.
    assert "releases" in model


def test_a_source_that_is_missing_stops_the_play(source: Path) -> None:
    sent: list[dict[str, Any]] = []
    missing = [{**row(source / "none"), "app": name} for name in ("shop", "blog")]
    with pytest.raises(AnsibleActionFail) as caught:
        run(sent, model={"releases": missing}, python_version="3.13")
    assert [line.partition(": source")[0] for line in str(caught.value).splitlines()] == ["app blog", "app shop"]
    assert sent == []


@pytest.mark.parametrize("model", [None, "a text"])
def test_another_shape_is_the_module_s_to_refuse(model: Any) -> None:
    sent: list[dict[str, Any]] = []
    run(sent, model=model, python_version="3.13")
    assert sent == [{"model": model, "python_version": "3.13", "releases": []}]


def test_a_complaint_is_for_the_role_to_repeat() -> None:
    sent: list[dict[str, Any]] = []
    answer = run(sent, model={"complaint": "app shop: no"}, python_version="3.13")
    assert (answer["stale"], answer["parts"], sent) == (True, [], [])
