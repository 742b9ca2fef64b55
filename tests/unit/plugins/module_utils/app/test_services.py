"""Workers and timers as users write them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import Timer, Worker
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app


def refusal(**fields: Any) -> str:
    with pytest.raises(PalisadeError) as caught:
        check_app(app("shop", **fields), 0, None)
    return str(caught.value)


def test_what_is_left_out() -> None:
    shop = check_app(
        app("shop", workers={"a": {"command": "x"}}, timers={"b": {"command": "y", "schedule": "daily"}}), 0, None
    )
    assert shop.workers == (
        Worker(app="shop", name="a", command=("x",), timeout=60, processes=1, ready_after=5, notify=False),
    )
    assert shop.timers == (Timer(app="shop", name="b", command=("y",), timeout=3600, schedule="daily"),)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"command": ""}, "workers: a: command: expected commands such as"),
        ({"command": []}, "workers: a: command: expected commands such as"),
        ({"command": "x\ny"}, ""),
        ({"command": ["x\ny"]}, "workers: a: command: expected commands such as"),
        ({"command": "x 'y"}, 'workers: a: command: "x \'y": No closing quotation'),
        ({}, "workers: a: command is required"),
        ({"command": "x", "comand": 1}, "workers: a: unknown field 'comand', did you mean 'command'?"),
        ({"command": "x", "memory_max": "lots"}, "workers: a: memory_max: expected an amount such as 512M or 2G"),
        ({"command": "x", "memory_max": "0"}, "workers: a: memory_max: expected"),
        ({"command": "x", "memory_max": "1G\nUser=root"}, "workers: a: memory_max: expected"),
        ({"command": "x", "environment": {"A=B": 1}}, "workers: a: environment: expected names such as"),
        ({"command": "x", "environment": {"A": ["s3cret"]}}, "workers: a: environment: A: expected text"),
        ({"command": "x", "allow": ["everything"]}, "workers: a: allow: expected jit or devices or namespaces"),
    ],
)
def test_bad_workers(fields: dict[str, Any], told: str) -> None:
    if not told:
        # A shell, too, takes the end of a line for a space.
        assert check_app(app("shop", workers={"a": fields}), 0, None).workers[0].command == ("x", "y")
        return
    said = refusal(workers={"a": fields})
    assert said.startswith(f"app shop: {told}")
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"schedule": "daily\nOnBootSec=1"}, "schedule: expected an OnCalendar expression"),
        ({"schedule": "%i"}, "schedule: expected an OnCalendar expression"),
        ({"schedule": ""}, "schedule: expected an OnCalendar expression"),
        ({"schedule": None}, "schedule is required"),
        ({"on_failure": "mail root"}, "on_failure: expected a unit such as"),
        ({"on_failure": "a.service b.service"}, "on_failure: expected a unit such as"),
        ({"on_failure": "%H.service"}, "on_failure: expected a unit such as"),
    ],
)
def test_bad_timers(fields: dict[str, Any], told: str) -> None:
    timer = {"command": "x", "schedule": "daily", **fields}
    assert refusal(timers={"a": timer}).startswith(f"app shop: timers: a: {told}")


@pytest.mark.parametrize("name", ["", "Mail", "a b", "a/b", "a@1", "-a", "ä", 5, "a" * 42])
def test_bad_names(name: Any) -> None:
    assert refusal(workers={name: {"command": "x"}}).startswith("app shop: workers: expected names of [a-z][a-z0-9-]*")


def test_a_name_twice() -> None:
    said = refusal(workers={"a": {"command": "x"}}, timers={"a": {"command": "x", "schedule": "daily"}})
    assert said == "app shop: timers: a: a worker has this name too; their units need different ones"


def test_a_secret_in_the_wrong_shape() -> None:
    assert refusal(workers={"a": "hunter2"}) == "app shop: workers: a: expected a mapping with command, got str"
