"""A command in an app's surroundings, for Ansible: what it printed is masked, and a failure is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import run_app as runtime_run_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.run_app import Outcome, run_app

SECRET = "hunter2-of-the-app"


class Host:
    """Stands for a host: its wsgi-run is a shell that runs what it is given."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program, self.told = root / "wsgi-run", root / "shop.json"
        (root / "environment").write_text(json.dumps({"KEY": SECRET}))
        self.told.write_text(json.dumps({"environment": str(root / "environment")}))
        self.program.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
        self.program.chmod(0o755)
        monkeypatch.setattr(runtime_run_app, "PROGRAM", str(self.program))
        monkeypatch.setattr(runtime_run_app, "description_path", lambda name: str(root / f"{name}.json"))

    def command(self, words: list[str], data: str | None, **options: Any) -> tuple[int, str, str]:
        assert options == {"cwd": "/", "binary_data": True, "expand_user_and_vars": False}
        assert words[:3] == [str(self.program), "shop", "--"]
        done = subprocess.run(words, input=data, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def run(self, script: str, stdin: str | None = None, changed: str = "") -> Outcome:
        return run_app("shop", ["sh", "-c", script], stdin, changed, self.command)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_what_it_printed(host: Host) -> None:
    assert host.run(f"cat; echo {SECRET}; echo no {SECRET} >&2", "in\n") == Outcome(0, "in\n***\n", "no ***\n", False)


@pytest.mark.parametrize(
    ("pattern", "changed"), [("", False), ("Applying", True), ("^Applied", False), ("wrong", True), ("hunter2", False)]
)
def test_a_change_is_what_the_output_says(host: Host, pattern: str, changed: bool) -> None:
    assert host.run(f"echo Applying {SECRET}; echo wrong >&2", changed=pattern).changed == changed


def test_a_failure(host: Host) -> None:
    with pytest.raises(PalisadeError) as caught:
        host.run(f"seq 50; echo {SECRET} >&2; exit 3")
    first, *lines = str(caught.value).splitlines()
    assert first == "app shop: \"sh -c 'seq 50; echo *** >&2; exit 3'\" failed with 3:"
    # The end of it.
    assert (len(lines), lines[-1], SECRET in str(caught.value)) == (40, "***", False)


def test_a_refusal_of_the_program_itself(host: Host) -> None:
    with pytest.raises(PalisadeError, match=r"^there is no app 'shop' on this host$"):
        host.run("echo \"wsgi-run: there is no app 'shop' on this host\" >&2; exit 2")
    with pytest.raises(PalisadeError, match=r"^app shop: .* failed with 2:\nusage: it$"):
        host.run("echo usage: it >&2; exit 2")


def test_an_app_without_variables(host: Host) -> None:
    host.told.write_text('{"environment": ""}')
    assert host.run("echo x").output == "x\n"


def test_a_host_without_the_program(host: Host) -> None:
    host.program.unlink()
    with pytest.raises(PalisadeError, match=r"^app shop: this host has no app yet; run site.yml first$"):
        host.run("true")


def test_an_expression_that_is_none(host: Host) -> None:
    with pytest.raises(PalisadeError, match=r"^changed: expected a regular expression, got '\('"):
        host.run("echo ran >&2", changed="(")
