"""Measures how long a play takes with 1, 10, 50 and 200 apps, beside the same layout written by hand.

Ours is playbooks/site.yml; the yardstick is by_hand.yml, which makes the same accounts, directories, environments and
sites with Ansible's own modules and loops. Each has a container of its own, reached by SSH, and the plays alternate:
first run, re-run, one app added, one option changed, one app removed. The connection is closed before each play. The
floor is a play that runs as many modules as ours does in a re-run, each a ping.

Prints a table in Markdown, and writes all figures to .cache/benchmark/converge.json. With --write, docs/performance.md
and its plot get the table. The exit code says whether the re-runs are as fast as promised.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import DEBIANS, RIGHTS, ROOT, WORK, Container
from ansible_collections.palisade.mod_wsgi.tests.benchmark.converge import report

HERE = Path(__file__).parent
OURS, BY_HAND = "ours", "by hand"
PLAYBOOKS = {OURS: ROOT / "playbooks/site.yml", BY_HAND: HERE / "by_hand.yml"}
# What runs on the controller alone.
LOCAL = {
    f"ansible.builtin.{name}"
    for name in ("assert", "debug", "fail", "include_tasks", "include_vars", "meta", "validate_argument_spec")
}


def app(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"app{number:03}",
        "application": "hello:application",
        "server_names": [f"app{number:03}.test"],
        "source": {"path": str(HERE / "app")},
        "processes": 1,
        **fields,
    }


class Host(Container):
    """A host of one of the two, and what its plays took."""

    def __init__(self, title: str, count: int, pipelining: bool, options: argparse.Namespace) -> None:
        self.title, self.count, self.pipelining = title, count, pipelining
        ssh = {"ansible_connection": "ssh", "ansible_ssh_args": f"-F {os.environ['PALISADE_SSH_CONFIG']}"}
        variables = {**ssh, "ansible_ssh_use_tty": False, "lab_options": RIGHTS}
        super().__init__(f"{options.container}-{title.replace(' ', '-')}", options.debian, variables)

    def make(self) -> None:
        self.remove()
        self.start()
        command = ["podman", "inspect", "--format", "{{.State.CgroupPath}}", self.name]
        path = subprocess.run(command, text=True, check=True, capture_output=True).stdout.strip()
        self.processor = Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage")

    def _processor(self) -> float | None:
        return int(self.processor.read_text()) / 1e9 if self.processor.exists() else None

    def _close(self) -> None:
        command = ["ssh", "-F", os.environ["PALISADE_SSH_CONFIG"], "-O", "exit", self.name]
        subprocess.run(command, check=False, capture_output=True)

    def measure(self, play: str, playbook: Path, **variables: Any) -> dict[str, Any]:
        """Run a play and return what it took."""
        times, output = WORK / "times.json", WORK / f"{self.name}.log"
        self._close()
        environment = {
            **os.environ,
            "ANSIBLE_PIPELINING": str(self.pipelining),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "timed",
            "PALISADE_TIMES": str(times),
        }
        command = ["ansible-playbook", str(playbook), "--inventory", str(self.inventory)]
        before, began = self._processor(), time.monotonic()
        with output.open("w") as log:
            process = subprocess.Popen(
                [*command, "--extra-vars", json.dumps(variables)], env=environment, stdout=log, stderr=log
            )
            _pid, status, usage = os.wait4(process.pid, 0)
        seconds, after = time.monotonic() - began, self._processor()
        if status:
            sys.exit(f"{self.title}: {play} with {self.count} apps failed:\n{output.read_text()[-4000:]}")
        rows = json.loads(times.read_text())
        return {
            "who": self.title,
            "apps": self.count,
            "pipelining": self.pipelining,
            "play": play,
            "seconds": seconds,
            "tasks": len(rows),
            "modules": sum(row["runs"] for row in rows if row["action"] not in LOCAL),
            "target": None if before is None or after is None else after - before,
            "controller": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss // 1024,
            "rows": rows,
        }


def lists(count: int) -> dict[str, list[dict[str, Any]]]:
    """Return the list of apps of each play."""
    apps = [app(number + 1) for number in range(count)]
    changed = [app(1, processes=2), *apps[1:]]
    added, removed = app(count + 1), {**app(count + 1), "state": "absent"}
    return {
        "first run": apps,
        "re-run": apps,
        "one added": [*apps, added],
        "one option changed": [*changed, added],
        "one removed": [*changed, removed],
    }


def measure(count: int, pipelining: bool, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    """Yield the figures of all plays with so many apps."""
    titles = [OURS, *([BY_HAND] if count <= options.by_hand else [])]
    hosts = [Host(title, count, pipelining, options) for title in titles]
    try:
        for host in hosts:
            host.make()
        for play, apps in lists(count).items():
            for number in range(options.repeat if play == "re-run" else 1):
                # There and back, so that none is always the first.
                for host in hosts[:: -1 if number % 2 else 1]:
                    row = host.measure(play, PLAYBOOKS[host.title], wsgi_apps=apps)
                    yield row
                    if play == "re-run" and host.title == OURS:
                        yield host.measure("floor", floor(row["modules"]))
    finally:
        if not options.keep:
            for host in hosts:
                host.remove()


def floor(modules: int) -> Path:
    """Return a play of so many pings."""
    path = WORK / "floor.yml"
    tasks = [{"name": f"Ping {number + 1}", "ansible.builtin.ping": {}} for number in range(modules)]
    play = {"name": "Ping", "hosts": "wsgi", "become": True, "gather_facts": False, "tasks": tasks}
    path.write_text(json.dumps([play]))
    return path


def middle(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each kind of play, the middle one of those that were repeated."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in figures:
        groups.setdefault((row["apps"], row["pipelining"], row["play"], row["who"]), []).append(row)
    return [
        next(row for row in rows if row["seconds"] == statistics.median_low([one["seconds"] for one in rows]))
        for rows in groups.values()
    ]


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="13")
    parser.add_argument("--container", default="palisade-converge", help="start of the containers' names")
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    parser.add_argument("--apps", type=int, nargs="+", default=[1, 10, 50, 200])
    parser.add_argument("--by-hand", type=int, default=50, help="most apps that the yardstick is measured with")
    parser.add_argument("--pipelining", choices=["off", "on", "both"], default="both")
    parser.add_argument("--repeat", type=int, default=3, help="number of re-runs, of which the middle one counts")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plot")
    return parser.parse_args(arguments)


def main() -> None:
    options = options_of(sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    figures: list[dict[str, Any]] = []
    for pipelining in {"off": [False], "on": [True], "both": [False, True]}[options.pipelining]:
        for count in options.apps:
            for row in measure(count, pipelining, options):
                figures.append(row)
                (WORK / "converge.json").write_text(json.dumps(figures))
                print(f"{row['play']}, {count} apps, {row['who']}: {row['seconds']:.1f} s", flush=True)
    rows = middle(figures)
    text = report.tables(rows)
    print("\n" + text)
    if options.write:
        report.write(rows, ROOT / "docs")
    good = True
    for promise, kept in report.promises(rows):
        good = good and kept
        print(f"{'As' if kept else 'NOT as'} promised: {promise}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
