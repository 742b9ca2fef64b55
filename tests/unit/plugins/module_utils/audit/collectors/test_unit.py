"""What is read of the unit, and of limits."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import unit as unit_facts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit import facts as audit_facts


def test_limits_of_a_process() -> None:
    command = ["/bin/sh", "-c", "ulimit -v 1000000; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        time.sleep(0.1)
        bounds = unit_facts.bounds(process.pid)
        process.communicate()
    assert bounds["address space"] == str(1000000 * 1024)
    assert bounds["data"] == "unlimited"
    assert {"memory.max", "pids.max"} <= set(bounds)


def test_limits_of_a_cgroup_and_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "system.slice/apache2.service").mkdir(parents=True)
    (tmp_path / "system.slice/memory.max").write_text("500\n", encoding="utf-8")
    (tmp_path / "system.slice/apache2.service/memory.max").write_text("max\n", encoding="utf-8")
    path = "/../../system.slice/apache2.service"
    assert list(unit_facts._limits(str(tmp_path), path, "memory.max")) == ["max", "500"]


def test_limits_of_both_versions_of_cgroups(tmp_path: Path) -> None:
    for path, value in {
        "system.slice/apache2.service/memory.max": "900",
        "system.slice/memory.max": "500",
        "system.slice/pids.max": "max",
        "memory/x/memory.limit_in_bytes": "300",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "pids/pids.max": "77",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{value}\n", encoding="utf-8")

    def bounds(cgroup: str) -> tuple[str, str]:
        found = unit_facts.cgroup_bounds(cgroup, str(tmp_path))
        return found["memory.max"], found["pids.max"]

    assert bounds("0::/system.slice/apache2.service\n") == ("500", "max")
    assert bounds("4:memory:/x/y\n3:pids:/y\n0::/\n") == ("300", "77")
    assert bounds("4:memory:/\n1:name=systemd:/x\n") == ("max", "max")
    assert bounds("") == ("max", "max")


def systemctl(text: str) -> Any:
    return lambda arguments, environment=None, data=None: text


def test_settings_of_the_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unit_facts, "_RUNNING_SYSTEMD", str(tmp_path))
    said = "LoadState=loaded\nUser=\nBindPaths=/a:/b=c\n"
    unit = unit_facts.unit_settings("apache2.service", systemctl(said))
    assert unit == {"name": "apache2.service", "LoadState": "loaded", "User": "", "BindPaths": "/a:/b=c"}
    for name, answer in (("x.service", "LoadState=not-found\n"), ("", said)):
        with pytest.raises(PalisadeError):
            unit_facts.unit_settings(name, systemctl(answer))
    monkeypatch.setattr(unit_facts, "_RUNNING_SYSTEMD", str(tmp_path / "none"))
    with pytest.raises(PalisadeError, match="systemd is not running"):
        unit_facts.unit_settings("apache2.service", systemctl(said))


def test_each_setting_that_a_rule_judges_is_asked_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_facts, "_RUNNING_SYSTEMD", str(tmp_path))
    asked: list[str] = []

    def run(arguments: Sequence[str], environment: Any = None, data: Any = None) -> str:
        asked.extend(arguments)
        return "LoadState=loaded\nodd line\n"

    assert unit_facts.unit_settings("-x.service", run) == {"name": "-x.service", "LoadState": "loaded"}
    properties = asked.pop(3)
    assert asked == ["systemctl", "show", "--no-pager", "--", "-x.service"]
    # Also those that make ProtectHome= harmless.
    judged = {*audit_facts.UNIT, "BindPaths", "BindReadOnlyPaths"} - {"name"}
    assert set(properties[len("--property=") :].split(",")) == judged


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [("", "loaded", "belongs to no systemd unit"), ("x.service", "masked", "does not have x.service")],
)
def test_a_unit_that_is_none(name: str, unit: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_facts, "_RUNNING_SYSTEMD", str(tmp_path))
    with pytest.raises(PalisadeError, match=words):
        unit_facts.unit_settings(name, systemctl(f"LoadState={unit}\n"))
