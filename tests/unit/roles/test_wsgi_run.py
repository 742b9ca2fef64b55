"""The program wsgi-run, as people call it: a file of its own, run by the system's Python; systemd is played."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.surroundings import program_files
from ansible_collections.palisade.mod_wsgi.roles.wsgi_apps.files import wsgi_run
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

pytestmark = needs_root

# Runs what stands after -- in the directory that it is given, as systemd would, and notes its own words.
SYSTEMD_RUN = """
import json, os, subprocess, sys
words = sys.argv[1:]
json.dump(words, open(os.environ["NOTED"], "w"))
cut = words.index("--")
start = "--property=WorkingDirectory="
place = next(word[len(start) :] for word in words if word.startswith(start))
inside = [word.replace("$$", "$") for word in words[cut + 1 :]]
sys.exit(subprocess.run(inside, cwd=place).returncode)
"""


class Host:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.apps, self.bin, self.current = root / "apps", root / "bin", root / "current"
        for path in (self.apps, self.bin, root / "releases/r1/code", root / "releases/r1/venv/bin"):
            path.mkdir(parents=True)
        self.current.symlink_to("releases/r1")
        (root / "environment").write_text('{"KEY": "hunter2", "TEXT": "$HOME ${x}"}')
        self.program = root / "wsgi-run"
        content = program_files()[0]["content"]
        assert content.startswith(
            "#!/usr/bin/python3 -IS\n# Managed by palisade.mod_wsgi: a change made here is lost.\n"
        )
        content = content.replace(wsgi_run.DESCRIPTIONS, str(self.apps)).replace(
            '_BIN = "/usr/bin"', f'_BIN = "{self.bin}"'
        )
        self.program.write_text(content)
        self.program.chmod(0o755)
        self.tool("systemd-run", SYSTEMD_RUN)
        self.app("shop")

    def tool(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
        (self.bin / name).chmod(0o755)

    def app(self, name: str, **fields: Any) -> None:
        told: dict[str, Any] = {
            "app": name,
            "account": f"{name}-app",
            "current": str(self.current),
            "environment": str(self.root / "environment"),
            "error_log": str(self.root / "error.log"),
            "properties": ["User=x", "ReadWritePaths=-/a"],
            "workers": {},
            "timers": {},
        }
        (self.apps / f"{name}.json").write_text(json.dumps({**told, **fields}))

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "NOTED": str(self.root / "noted")}
        return subprocess.run(
            [str(self.program), *words], capture_output=True, text=True, check=False, env=environment, **options
        )

    def noted(self) -> list[str]:
        return list(json.loads((self.root / "noted").read_text()))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_command_in_the_surroundings(host: Host) -> None:
    say = "import os; print(os.getcwd(), os.environ['KEY'], os.environ['TEXT'], os.environ['PATH'].split(':')[0])"
    done = host.run("shop", sys.executable, "-c", say)
    place = f"{host.root}/releases/r1"
    assert done.stdout == f"{place}/code hunter2 $HOME ${{x}} {place}/venv/bin\n"
    assert (done.stderr, done.returncode) == ("", 0)
    words = host.noted()
    assert {"--wait", "--pipe", "--property=User=x", "--property=ReadWritePaths=-/a"} <= set(words)
    # Not the words of the command, which systemd would write into the journal.
    assert "--description=wsgi-run shop" in words
    assert "hunter2" not in str(words)


@pytest.mark.parametrize(
    "words", [["$HOME", "$$", "${A}"], ["--list"], ["--", "x"], ["-f"], ["a b", ""]], ids=lambda words: str(words)
)
def test_words_arrive_as_they_are(host: Host, words: list[str]) -> None:
    echo = [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]
    assert host.run("shop", *echo).stdout == f"{words}\n"
    assert host.run("shop", "--", *echo).stdout == f"{words}\n"


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -USR1 $$", 138)]
)
def test_the_status_is_passed_on(host: Host, script: str, status: int) -> None:
    assert host.run("shop", "sh", "-c", script).returncode == status


def test_input_and_errors_pass(host: Host) -> None:
    done = host.run("shop", "sh", "-c", "cat; echo wrong >&2", input="in\nput")
    assert (done.stdout, done.stderr) == ("in\nput", "wrong\n")


def test_a_program_that_is_not_there(host: Host) -> None:
    done = host.run("shop", "no-such-program")
    assert (done.returncode, done.stderr) == (127, "wsgi-run: no-such-program: No such file or directory\n")


def test_the_programs_of_the_release_come_first(host: Host) -> None:
    tool = host.root / "releases/r1/venv/bin/ls"
    tool.write_text("#!/bin/sh\necho own\n")
    tool.chmod(0o755)
    assert host.run("shop", "ls").stdout == "own\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shap", "ls"], "there is no app 'shap' on this host, did you mean 'shop'?"),
        (["other", "ls"], "there is no app 'other' on this host; there are api, shop"),
        (["../apps/shop", "ls"], "there is no app '../apps/shop' on this host"),
        (["shop"], "expected the name of an app and a command\nusage: wsgi-run NAME COMMAND"),
        (["--lst"], "expected the name of an app and a command\nusage: "),
        ([], "expected the name of an app and a command\nusage: "),
        (["--logs"], "--logs takes the name of one app\nusage: "),
        (["--logs", "-x", "shop"], "unknown option -x\nusage: "),
        (["--logs", "-n", "many", "shop"], "unknown option -n\nusage: "),
        (["--list", "shap"], "there is no app 'shap' on this host"),
    ],
)
def test_refusals(host: Host, words: list[str], told: str) -> None:
    host.app("api")
    done = host.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"wsgi-run: {told}")
    assert not (host.root / "noted").exists()


def test_a_host_without_apps(host: Host) -> None:
    (host.apps / "shop.json").unlink()
    assert "; there are none\n" in host.run("shop", "ls").stderr
    assert host.run("--list").stdout == ""


def test_an_app_without_a_release(host: Host) -> None:
    host.current.unlink()
    done = host.run("shop", "ls")
    assert (done.returncode, done.stderr) == (
        2,
        f"wsgi-run: app shop has no release yet: {host.current}/code does not exist\n",
    )
    assert host.run("--list").stdout == "shop: account shop-app, release none\n"


def test_roots_alone(host: Host) -> None:
    for path in (host.root, *host.root.parents):
        if path.owner() == "root" and path.is_relative_to(tempfile.gettempdir()) and path.parent != Path("/"):
            path.chmod(0o755)
    done = host.run("shop", "ls", user=65534, group=65534)
    assert (done.returncode, done.stderr) == (2, "wsgi-run: only root may use it; try sudo\n")
    assert host.run("--help", user=65534, group=65534).stdout == wsgi_run.USAGE


def test_the_unit_ends_with_the_program(host: Host) -> None:
    host.tool("systemctl", f"import sys; open({str(host.root / 'stopped')!r}, 'w').write(' '.join(sys.argv[1:]))")
    words = [str(host.program), "shop", "sh", "-c", f"touch {host.root}/runs; sleep 60"]
    with subprocess.Popen(words, env={"PATH": os.environ["PATH"], "NOTED": str(host.root / "noted")}) as process:
        while not (host.root / "runs").exists():
            assert process.poll() is None
        process.terminate()
        assert process.wait() == 130
    assert (host.root / "stopped").read_text() == f"stop palisade-run-shop-{process.pid}.service"


def test_a_terminal_of_ours_is_not_handed_on(host: Host) -> None:
    master, slave = os.openpty()
    say = "import os; print([os.isatty(number) for number in (0, 1, 2)])"
    environment = {"PATH": os.environ["PATH"], "NOTED": str(host.root / "noted")}
    words = [str(host.program), "shop", sys.executable, "-c", say]
    done = subprocess.run(
        words, stdin=slave, stderr=slave, stdout=subprocess.PIPE, text=True, env=environment, check=True
    )
    assert done.stdout == "[False, False, False]\n"
    assert "--pipe" in host.noted()
    # Both are one: systemd makes a terminal of its own and passes on what is typed.
    subprocess.run(words, stdin=slave, stderr=slave, stdout=slave, env=environment, check=True)
    assert "--pty" in host.noted()
    os.close(master)
    os.close(slave)


SYSTEMCTL = """
import sys
at = "ExecMainExitTimestamp=Fri 3:30"
print(*{
    "wsgi-shop-mail@1.service": ["SubState=running", "NRestarts=2", "ActiveState=active"],
    "wsgi-shop-mail@2.service": ["SubState=auto-restart", "NRestarts=1", "ActiveState=activating"],
    "wsgi-shop-good.service": ["ActiveState=inactive", "Result=success", "ExecMainStatus=0", at],
    "wsgi-shop-bad.service": ["ActiveState=failed", "Result=exit-code", "ExecMainStatus=3", at],
    "wsgi-shop-now.service": ["ActiveState=activating", at],
    "wsgi-shop-never.service": ["ActiveState=inactive"],
    "wsgi-shop-good.timer": ["ActiveState=active", "NextElapseUSecRealtime=Mon 3:30"],
    "wsgi-shop-bad.timer": ["ActiveState=inactive"],
    "wsgi-shop-now.timer": ["ActiveState=active", "NextElapseUSecRealtime="],
    "wsgi-shop-never.timer": ["ActiveState=active", "NextElapseUSecRealtime=Mon 3:30"],
}[sys.argv[-1]], sep="\\n")
"""


def test_the_list(host: Host) -> None:
    host.tool("systemctl", SYSTEMCTL)
    timers = {name: f"wsgi-shop-{name}" for name in ("good", "bad", "now", "never")}
    host.app("shop", workers={"mail": ["wsgi-shop-mail@1.service", "wsgi-shop-mail@2.service"]}, timers=timers)
    host.app("api")
    told = """\
shop: account shop-app, release r1
  worker mail: 1 of 2 running, wsgi-shop-mail@2.service auto-restart, restarted 3 times
  timer good: succeeded at Fri 3:30, next Mon 3:30
  timer bad: FAILED at Fri 3:30 (exit-code, status 3), is not scheduled
  timer now: runs now, next as soon as it has ended
  timer never: has not run since the host started, next Mon 3:30
"""
    assert host.run("--list").stdout == f"api: account api-app, release r1\n{told}"
    assert host.run("--list", "shop").stdout == told


def test_the_logs_of_all_parts_by_their_time(host: Host) -> None:
    (host.root / "error.log").write_text(
        "[Fri Nov 27 13:00:01.123456 2026] [wsgi:error] first\n"
        "a line of its own\n"
        "[Fri Nov 27 13:00:05.000000 2026] [wsgi:error] last \x1b[2J\n"
    )
    moment = wsgi_run._entry("[Fri Nov 27 13:00:03 2026] x", None)[0]
    journal = f"""
        import sys
        assert {{"--unit=wsgi-shop-mail@1.service", "--unit=wsgi-shop-tidy.service", "--lines=7"}} <= set(sys.argv)
        print("{moment} wsgi-shop-mail[123]: packs: 5")
        print("    more of it")
    """
    host.tool("journalctl", journal)
    (host.bin / "tail").symlink_to("/usr/bin/tail")
    host.app("shop", workers={"mail": ["wsgi-shop-mail@1.service"]}, timers={"tidy": "wsgi-shop-tidy"})
    assert host.run("--logs", "-n", "7", "shop").stdout.splitlines() == [
        "2026-11-27 13:00:01 pool: [wsgi:error] first",
        "2026-11-27 13:00:01 pool: a line of its own",
        "2026-11-27 13:00:03 wsgi-shop-mail: packs: 5",
        "2026-11-27 13:00:03 wsgi-shop-mail:     more of it",
        "2026-11-27 13:00:05 pool: [wsgi:error] last ?[2J",
    ]


def test_logs_that_are_followed(host: Host) -> None:
    (host.root / "error.log").write_text("[Fri Nov 27 13:00:01 2026] first\n")
    (host.bin / "tail").symlink_to("/usr/bin/tail")
    words = [str(host.program), "--logs", "--follow", "shop"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "2026-11-27 13:00:01 pool: first\n"
        with (host.root / "error.log").open("a") as log:
            log.write("[Fri Nov 27 13:00:02 2026] second\n")
        assert process.stdout.readline() == "2026-11-27 13:00:02 pool: second\n"
        process.send_signal(2)
        assert process.wait() == 130
