"""A program that fails, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError, remembered, runner
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import nearest
from ansible_collections.palisade.mod_wsgi.tests.unit.support import run


def test_output_and_environment() -> None:
    assert run(["/bin/sh", "-c", "echo $LC_ALL $LANG; pwd"], {"LANG": "C"}) == "C.UTF-8 C\n/\n"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo out; echo wrong >&2; exit 3", "wrong"),
        ("echo out; exit 3", "out"),
        ("exit 3", ""),
        ("seq 100; exit 3", "\n".join(str(number) for number in range(1, 101))),
    ],
)
def test_a_failure(script: str, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(["/bin/sh", "-c", script])
    assert caught.value.complaint == complaint
    assert str(caught.value).splitlines() == ["sh failed with 3:", *complaint.splitlines()[-12:]]


def test_path_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/tmp/evil")
    seen: dict[str, Any] = {}

    def run_command(arguments: list[str], **options: Any) -> tuple[int, str, str]:
        seen.update(options)
        return 0, "", ""

    runner(run_command)(["x"])
    assert seen["environ_update"]["PATH"].startswith("/usr/local/sbin:")
    assert seen["cwd"] == "/"


@pytest.mark.parametrize(
    ("word", "expected"),
    [("thread", ", did you mean 'threads'?"), ("THREADS", ", did you mean 'threads'?"), ("xyz", ""), ("", "")],
)
def test_nearest(word: str, expected: str) -> None:
    assert nearest(word, ["threads", "processes"]) == expected


def test_input_arrives_as_it_is() -> None:
    assert run(["cat"], data="a secret\n\nwithout a last line end") == "a secret\n\nwithout a last line end"


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(CommandError) as caught:
        run(["/missing/program", "x"])
    assert caught.value.status == 127
    assert str(caught.value).startswith("program failed with 127:\n")
    assert "No such file or directory" in caught.value.complaint


def test_every_option_of_a_run() -> None:
    """Words as they are, and an error as an error: exit_json in a thread would end that one only."""
    seen: dict[str, Any] = {}

    def run_command(arguments: list[str], **options: Any) -> tuple[int, str, str]:
        seen.update(options, arguments=arguments)
        return 0, "out", "err"

    assert runner(run_command)(("a", "$HOME"), {"LC_ALL": "C"}, "data") == "out"
    assert seen == {
        "arguments": ["a", "$HOME"],
        "environ_update": {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        "cwd": "/",
        "data": "data",
        "binary_data": True,
        "expand_user_and_vars": False,
        "handle_exceptions": False,
    }


def test_no_command_twice() -> None:
    ran: list[Any] = []

    def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        ran.append((arguments, environment, data))
        if arguments[0] == "false":
            raise CommandError("false", 1, "no")
        return str(len(ran))

    again = remembered(run)
    asked: list[Any] = [(["a"],), (["a"], {"K": "v"}), (["a"], None, "in"), (["b"],)]
    assert [again(*given) for given in asked * 2] == ["1", "2", "3", "4"] * 2
    for _time in range(2):
        with pytest.raises(CommandError, match="no"):
            again(["false"])
    assert len(ran) == 5
