"""Reloads an application under load, in every way that there is, and compares what its clients got.

Pairs of equal runs, one with a rolling deploy and one without, come first; then one run for each other way.
Prints a table in Markdown; the exit code says whether the rolling deploy lost nothing and kept its bound.

With --deploys it deploys so many releases, each under as many requests as wrk can send, and the exit code says whether
none of at least --requests was lost and each was answered by one release. It can be done in parts, which are counted
together: --deploys 10 --keep, then --deploys 10 --made.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import DEBIANS, WORK, Container, wrk

HERE = Path(__file__).parent
HOME = "/var/lib/reload-app"
SITE = "/etc/apache2/sites-available/zz-palisade-reload.conf"
# Seconds of load before and after each deploy of --deploys.
AROUND = 2
HEAD_OF_DEPLOYS = """
| deploy | requests | failed | not of one release | by the old one | by the new one | slowest, ms |
|---|---|---|---|---|---|---|"""
# The slowest request with a deploy, by the slowest without.
BOUND = 2.0
# Prints the processes of a pool that take requests; those that load their application have one thread.
_READY = r"""
import os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            if file.read().startswith(f"(wsgi:{sys.argv[1]}") and len(os.listdir(f"/proc/{pid}/task")) > 15:
                print(pid)
    except OSError:
        pass
"""


@dataclass
class Outcome:
    """What the clients of one run got; times are seconds, from the start of the deploy where it has one."""

    requests: int
    failed: int
    slowest: float
    long_ones: int
    long_failed: int
    long_slowest: float
    mixed: int
    first_new: float | None = None
    last_old: float | None = None
    bystander: bool = False


class Host(Container):
    """A container with the two apps, and both releases of the first."""

    def __init__(self, debian: str, container: str) -> None:
        apps = [
            {"name": "reload", "source": {"path": "{{ source }}"}},
            {"name": "bystander", "source": {"path": str(HERE / "app")}},
        ]
        common = {"application": "slow:application"}
        rows = [{**app, **common, "server_names": [f"{app['name']}.localhost"]} for app in apps]
        super().__init__(container, debian, {"wsgi_apps": rows})
        # What several runs of --deploys counted together.
        self.tally = WORK / f"{self.name}.tally.json"

    def make(self) -> None:
        self.tally.unlink(missing_ok=True)
        self.start()
        self.play("playbooks/site.yml", source=str(self.source()[1]))
        self.deploy()
        self.copy(HERE / "load.py", "/root/load.py")
        self.settle()

    def source(self) -> tuple[str, Path]:
        """Make a source that differs from all others; return what it answers, and where it is."""
        name, source = f"release-{time.time_ns()}", WORK / f"{self.name}-source"
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(HERE / "app", source)
        (source / "release.txt").write_text(name)
        return name, source

    def deploy(self) -> str:
        """Deploy a release that the host has never seen, and return what it answers."""
        name, source = self.source()
        self.play("playbooks/deploy.yml", source=str(source), wsgi_apps_only=["reload"])
        return name

    def releases(self) -> dict[str, str]:
        """Return the id of each release by what it answers."""
        said = self.run("sh", "-c", f"cd {HOME}/releases && grep -H . */code/release.txt")
        return {line.partition(":")[2]: line.partition("/")[0] for line in said.splitlines()}

    def other_release(self) -> str:
        current = os.path.basename(self.run("readlink", f"{HOME}/current").strip())
        return next(release for release in self.releases().values() if release != current)

    def processes(self, pool: str) -> set[str]:
        return set(self.run("python3", "-c", _READY, pool).split())

    def settle(self) -> None:
        """Wait until both pools take requests, and those that were on the way out are gone."""
        for _turn in range(60):
            if len(self.processes("reload")) == 2 and len(self.processes("bystander")) == 2:
                time.sleep(1)
                return
            time.sleep(0.5)
        sys.exit("the pools do not come up")

    def switch(self) -> str:
        """Point the link at another release, and return what that answers."""
        release = self.other_release()
        self.run("sh", "-c", f"ln -s releases/{release} {HOME}/new && mv -T {HOME}/new {HOME}/current")
        return next(name for name, found in self.releases().items() if found == release)

    def script_reloading(self, value: str) -> None:
        self.run(
            "sh", "-c", f"sed -i 's/WSGIScriptReloading .*/WSGIScriptReloading {value}/' {SITE} && apache2ctl graceful"
        )
        time.sleep(4)
        self.settle()


def switched(*command: str) -> Callable[[Host], str]:
    def deploy(host: Host) -> str:
        name = host.switch()
        host.run(*command)
        return name

    return deploy


# The first letter is quoted so that the pattern does not find the shell that it is in.
_ALL_AT_ONCE = "kill -USR1 $(pgrep -f '^[(]wsgi:reload')"
OTHERS: dict[str, Callable[[Host], str]] = {
    "USR1 to all processes at once": switched("sh", "-c", _ALL_AT_ONCE),
    "`apache2ctl graceful`": switched("apache2ctl", "graceful"),
    "touching the entry file, as the role sets it up": switched("touch", "/var/www/reload/wsgi.py"),
    "touching the entry file, with `WSGIScriptReloading On`": switched("touch", "/var/www/reload/wsgi.py"),
    "`systemctl restart apache2`": switched("systemctl", "restart", "apache2"),
}


def measure(host: Host, options: argparse.Namespace, deploy: Callable[[Host], str] | None) -> Outcome:
    """Let the clients ask, with a deploy on the way if there is one."""
    bystanders, new = host.processes("bystander"), ""
    command = [
        "python3",
        "/root/load.py",
        "reload.localhost",
        f"--seconds={options.seconds}",
        f"--takes={options.takes}",
    ]
    command += [f"--clients={options.clients}", f"--slow-clients={options.slow_clients}"]
    command += ["--keep-alive"] if options.keep_alive else []
    begun = time.monotonic()
    with subprocess.Popen(["podman", "exec", host.name, *command], stdout=subprocess.PIPE, text=True) as load:
        # Read at the end only; it writes when it has ended.
        time.sleep(options.seconds / 6)
        after = time.monotonic() - begun
        if deploy:
            new = deploy(host)
        said, _errors = load.communicate()
    outcome = judge([json.loads(line) for line in said.splitlines()], new, after)
    host.settle()
    outcome.bystander = host.processes("bystander") != bystanders
    return outcome


def judge(rows: Sequence[Sequence[str]], new: str, after: float) -> Outcome:
    def is_bad(row: Sequence[str]) -> bool:
        return row[3] != "200"

    long_ones = [row for row in rows if row[2] == "/2"]
    short = [row for row in rows if row[2] != "/2"]
    well = [(float(row[0]), float(row[1]), *row[4].split()[:2]) for row in rows if not is_bad(row)]
    outcome = Outcome(
        requests=len(short),
        failed=sum(map(is_bad, short)),
        slowest=max(float(row[1]) for row in short),
        long_ones=len(long_ones),
        long_failed=sum(map(is_bad, long_ones)),
        long_slowest=max((float(row[1]) for row in long_ones), default=0.0),
        mixed=sum(started != ended for _asked, _took, started, ended in well),
    )
    if new:
        outcome.first_new = min((asked + took - after for asked, took, name, _end in well if name == new), default=None)
        outcome.last_old = max((asked + took - after for asked, took, name, _end in well if name != new), default=None)
    return outcome


def line(title: str, outcome: Outcome) -> str:
    def seconds(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f} s"

    new = seconds(outcome.first_new) if outcome.last_old is not None else ""
    cells = [
        title,
        str(outcome.requests),
        str(outcome.failed),
        f"{outcome.slowest:.3f} s",
        f"{outcome.long_failed} of {outcome.long_ones}",
        f"{outcome.long_slowest:.2f} s",
        str(outcome.mixed),
        new,
        seconds(outcome.last_old) if outcome.first_new is not None else "",
        "restarted" if outcome.bystander else "untouched",
    ]
    return f"| {' | '.join(cells)} |"


COLUMNS = [
    "way",
    "requests",
    "failed",
    "slowest",
    "of 2 s: failed",
    "slowest",
    "of two releases",
    "first new",
    "last old",
]
COLUMNS += ["other pool"]
HEAD = f"\n| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="12")
    parser.add_argument("--container", help="its name; it is made, and removed at the end")
    parser.add_argument("--keep", action="store_true", help="leave the container running")
    parser.add_argument("--made", action="store_true", help="the container is there from an earlier run")
    parser.add_argument("--pairs", type=int, default=5, help="runs with and without a deploy")
    parser.add_argument("--seconds", type=float, default=30, help="length of a run")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--slow-clients", type=int, default=2, help="further clients, whose requests take 2 s")
    parser.add_argument("--takes", type=float, default=0.05, help="seconds that the others' requests take")
    parser.add_argument("--keep-alive", action="store_true", help="one connection for each client")
    parser.add_argument("--deploys", type=int, default=0, help="only deploy so many releases, under full load")
    parser.add_argument("--requests", type=int, default=25_000, help="of --deploys, the least for each of them")
    parser.add_argument("--rolling-only", action="store_true", help="leave the other ways out")
    options = parser.parse_args(arguments)
    options.container = options.container or f"palisade-benchmark{options.debian}"
    return options


def compare(host: Host, options: argparse.Namespace) -> bool:
    """Run the pairs and the other ways, print what came, and return whether the rolling deploy kept its promise."""
    ratios, lines, lost = [], [], 0
    for pair in range(1, options.pairs + 1):
        without, with_one = measure(host, options, None), measure(host, options, Host.deploy)
        ratios.append(with_one.slowest / without.slowest)
        lost += with_one.failed + with_one.long_failed + with_one.mixed
        lines += [line(f"no deploy ({pair})", without), line(f"rolling deploy ({pair}), {ratios[-1]:.2f}", with_one)]
        print(*lines[-2:], sep="\n", flush=True)
    for title, deploy in {}.items() if options.rolling_only else OTHERS.items():
        reloads = title.endswith("On`")
        if reloads:
            host.script_reloading("On")
        lines.append(line(title, measure(host, options, deploy)))
        print(lines[-1], flush=True)
        if reloads:
            host.script_reloading("Off")
    print(HEAD, *lines, sep="\n")
    ratio = statistics.median(ratios)
    kept = lost == 0 and ratio <= BOUND
    print(f"\nRolling deploy: {lost} requests lost; slowest request {ratio:.2f} times that without (median).")
    print("As promised." if kept else f"Promised were 0, and at most {BOUND:.0f} times.")
    return kept


def hammer(host: Host, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Let wrk ask as fast as it can, with a deploy on the way; return what it got, and what the release answers."""
    command = wrk("reload.localhost", 600, options.clients, "--script=/root/answers.lua")
    with subprocess.Popen(["podman", "exec", host.name, *command], stdout=subprocess.PIPE, text=True) as load:
        time.sleep(AROUND)
        new = host.deploy()
        time.sleep(AROUND)
        # It then ends as it would when its time is over.
        host.run("pkill", "--signal=INT", "--exact", "wrk")
        said, _errors = load.communicate()
    return dict(json.loads(said.splitlines()[-1])), new


def repeat(host: Host, options: argparse.Namespace) -> bool:
    """Deploy again and again, print what came, and return whether nothing was lost."""
    host.install("wrk")
    host.copy(HERE / "answers.lua", "/root/answers.lua")
    sums = json.loads(host.tally.read_text()) if host.tally.exists() else [0, 0, 0, 0]
    old = host.deploy()
    host.settle()
    print(HEAD_OF_DEPLOYS)
    for number in range(1, options.deploys + 1):
        found, new = hammer(host, options)
        host.settle()
        bad, both = found["failed"] + found["broken"], found["mixed"]
        releases = {name: int(count) for name, count in found["releases"].items()}
        # Nothing but the release of before and the new one.
        both += sum(count for name, count in releases.items() if name not in (old, new)) + (new not in releases)
        sums = [one + more for one, more in zip(sums, (1, found["requests"], bad, both), strict=True)]
        host.tally.write_text(json.dumps(sums))
        cells = [number, found["requests"], bad, both, releases.get(old, 0), releases.get(new, 0), found["slowest"]]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        old = new
    deploys, total, lost, mixed = sums
    print(f"\n{deploys} deploys, {total} requests: {lost} lost, {mixed} not of exactly one release.")
    good = total >= options.requests * deploys and not lost and not mixed
    print("As promised." if good else f"Promised were 0 and 0 of at least {options.requests * deploys}.")
    return good


def main() -> None:
    options = options_of(sys.argv[1:])
    host = Host(options.debian, options.container)
    try:
        if not options.made:
            host.make()
        kept = repeat(host, options) if options.deploys else compare(host, options)
    finally:
        if not options.keep:
            host.remove()
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
