"""Interrupts plays at every task and inside each module, and compares what the next play makes of it.

One host goes back and forth between two lists of apps, so that every play changes code, variables, processes, a
certificate, and sets an app up or removes it with its account; or between two sandboxes, which restarts Apache; or it
starts bare each time. A play is ended by SIGKILL to Ansible, by SIGKILL to the module on the host, or by the end of the
connection: when a task starts, or while its module runs. After each:

- a client that asks two sites all the time has lost nothing but what a reload or restart of Apache costs by itself
  (docs/architecture.md), which is counted apart,
- Apache's configuration is valid,
- the next play passes and leaves what an undisturbed one leaves: files, owners, modes, ACLs, accounts, daemons, units,
- the play after it changes nothing.

With --disk, the host's file system is also filled at such moments, so that the play fails; then it gets its room back.
With --pairs, two plays also run at the same time, and the host has to be what one of them makes of it.

The exit code says whether all of that was so.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import DEBIANS, RIGHTS, ROOT, Container

HERE = Path(__file__).parent
WORK = ROOT / ".cache" / "interruptions"
# In memory, so that a full disk is none of the client's business.
CLIENT = "/run/client.json"
WAYS = ("ansible", "module", "connection")
# Where a file system of its own holds the host, with --disk.
DISK = WORK / "disk"
# Modules that take less are only met at their start.
LONG = 0.4
GIVEN = "/etc/ssl/given"
# So does a client that is told to wait.
REFUSED = {"ConnectionRefusedError", "RemoteDisconnected", "ConnectionResetError"}


@dataclass(frozen=True)
class Point:
    """Where a play is interrupted: number of the task, seconds after its start, and what ends."""

    number: int
    after: float
    what: str
    task: str


@dataclass
class Trial:
    """What came of an interruption."""

    situation: str
    point: Point
    died: bool = False
    lost: dict[str, int] = field(default_factory=dict)
    reloads: int = 0
    asked: int = 0
    complaint: str = ""
    failed: str = ""
    differences: list[str] = field(default_factory=list)
    changed: int = 0

    def problems(self) -> list[str]:
        found = [f"lost {self.lost}"] if self.lost else []
        found += [f"configuration: {self.complaint}"] if self.complaint else []
        found += [f"the next play failed: {self.failed}"] if self.failed else []
        found += self.differences
        return found + ([f"the play after it changed {self.changed}"] if self.changed else [])


@dataclass
class Pair:
    """What came of two plays at once; the second one's seconds after the first."""

    playbooks: tuple[str, str]
    sides: tuple[int, int]
    after: float
    waited: int = 0
    gave_up: int = 0
    failed: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        return [f"failed: {text}" for text in self.failed] + [f"a mixture: {text}" for text in self.differences]


class Host(Container):
    """The host whose plays are interrupted."""

    def __init__(self, options: argparse.Namespace) -> None:
        ssh = {"ansible_connection": "ssh", "ansible_ssh_args": f"-F {os.environ['PALISADE_SSH_CONFIG']}"}
        more = {"ansible_ssh_use_tty": False, "ansible_ssh_retries": 0, "lab_options": RIGHTS}
        super().__init__(options.container, options.debian, {**ssh, **more})

    def interrupted(
        self, variables: dict[str, Any], point: Point | None, word: str = "play", playbook: str = "site"
    ) -> tuple[int, str, list[dict[str, Any]]]:
        """Run a playbook, up to a point; return its status, what it said, and its tasks."""
        tasks, output = WORK / f"{word}.json", WORK / f"{word}.log"
        plan: dict[str, Any] = {"tasks": str(tasks), "host": self.name, "disk": str(DISK)}
        if point is not None:
            plan.update({"task": point.number, "after": point.after, "what": point.what})
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "interrupt",
            "PALISADE_INTERRUPT": json.dumps(plan),
        }
        command = ["ansible-playbook", str(ROOT / f"playbooks/{playbook}.yml"), "--inventory", str(self.inventory)]
        with output.open("w") as log:
            done = subprocess.run(
                [*command, "--extra-vars", json.dumps(variables)],
                env=environment,
                stdout=log,
                stderr=log,
                check=False,
                start_new_session=True,
            )
        (DISK / "filler").unlink(missing_ok=True)
        return done.returncode, output.read_text(), json.loads(tasks.read_text())

    def state(self) -> dict[str, str]:
        """Return what the host is, one entry for each file, pool and unit."""
        told = json.loads(self.run("python3", "-", script=(HERE / "state.py").read_text()))
        pools = {f"pool {name}": str(number) for name, number in told["daemons"].items()}
        return {**told["files"], **pools, "units": "; ".join(told["units"])}

    def complaint(self) -> str:
        done = subprocess.run(
            ["podman", "exec", self.name, "apache2ctl", "configtest"], text=True, check=False, capture_output=True
        )
        return "" if done.returncode == 0 else done.stderr.strip()

    def start_client(self) -> None:
        self.copy(HERE / "client.py", "/run/client.py")
        sites = ["https", "shop.test", "http", "other.test"]
        command = ["podman", "exec", "--detach", self.name, "python3", "/run/client.py", CLIENT, *sites]
        subprocess.run(command, check=True, capture_output=True)

    def cut_by_reloads(self) -> int:
        """Return how many requests met a reload, while the old sockets of mod_wsgi are gone and the new not there."""
        script = (
            "cat /var/log/apache2/*error.log | grep -cE '^.*No such file.* Unable to connect to WSGI daemon' || true"
        )
        return int(self.run(script=script))

    def answers(self) -> dict[str, int]:
        said: dict[str, int] = json.loads(self.run("cat", CLIENT))
        return said


def app(name: str, code: Path, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "application": "shop:application",
        "server_names": [f"{name}.test"],
        "source": {"path": str(code)},
        **fields,
    }


def sources() -> tuple[Path, Path]:
    """Return two versions of the application."""
    paths = (WORK / "one", WORK / "two")
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(HERE / "app", path)
        (path / "version").write_text(f"{path.name}\n")
    return paths


def lists() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the variables of the two sides."""
    one, two = sources()
    given = {"tls": {"certificate": f"{GIVEN}/shop.pem", "key": f"{GIVEN}/shop.key"}}
    beside = {
        "workers": {"mail": {"command": "sleep infinity"}},
        "timers": {"tidy": {"command": "true", "schedule": "daily"}},
    }
    other = app("other", one, writable=["uploads"])
    first = app("shop", one, environment={"STEP": "one"}, processes=1, **given, **beside)
    second = app("shop", two, environment={"STEP": "two"}, processes=2, writable=["files"], **given)
    extra = app("extra", one, tls={"self_signed": True}, environment={"STEP": "extra"}, **beside)
    return (
        {"wsgi_apps": [other, first, extra], "wsgi_server_tls": True},
        {"wsgi_apps": [other, second, {**extra, "state": "absent", "purge": True}], "wsgi_server_tls": True},
    )


_CERTIFICATES = f"""
mkdir -p /root/given {GIVEN}
for side in 0 1; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 300 -subj /CN=shop.test -addext subjectAltName=DNS:shop.test \\
    -keyout /root/given/$side.key -out /root/given/$side.pem 2>/dev/null
done
chmod 600 /root/given/*
"""


# The apps that both sides have.
_DEPLOY = {"wsgi_apps_only": ["other", "shop"]}


class Situation:
    """A host between two sides."""

    def __init__(self, name: str, host: Host, sides: tuple[dict[str, Any], dict[str, Any]]) -> None:
        self.name, self.host, self.sides = name, host, sides
        self.at = 0
        self.expected: list[dict[str, str]] = [{}, {}]
        self.tasks: list[list[dict[str, Any]]] = [[], []]
        self.deployed: dict[tuple[int, int], dict[str, str]] = {}

    def _play(self, side: int, point: Point | None = None) -> tuple[int, str, list[dict[str, Any]]]:
        self.host.run(script=f"install -m 644 /root/given/{side}.pem {GIVEN}/shop.pem\n")
        self.host.run(script=f"install -m 600 /root/given/{side}.key {GIVEN}/shop.key\n")
        return self.host.interrupted(self.sides[side], point)

    def learn(self) -> None:
        """Play both sides undisturbed, and keep what each leaves and how long its tasks take."""
        for side in (0, 1, 0):
            status, said, tasks = self._play(side)
            if status:
                sys.exit(f"{self.name}: an undisturbed play failed:\n{said[-3000:]}")
            self.expected[side], self.tasks[side] = self.host.state(), tasks
        self.at = 0

    def points(self, side: int, chance: random.Random, inside: int, ways: Sequence[str] = WAYS) -> Iterator[Point]:
        """Yield where a play to a side can be interrupted; the first way also meets the start of each task."""
        tasks = self.tasks[side]
        for number, (task, after) in enumerate(itertools.pairwise(tasks), 1):
            yield Point(number, 0, ways[0], task["task"])
            took = after["at"] - task["at"]
            if took >= LONG:
                for what in ways:
                    for _ in range(inside):
                        yield Point(number, round(chance.uniform(0.1, took), 2), what, task["task"])

    def attempt(self, side: int, point: Point) -> Trial:
        """Interrupt the play to a side, and return what the next ones make of it."""
        trial = Trial(f"{self.name}, to {'AB'[side]}", point)
        before, cut = self.host.answers(), self.host.cut_by_reloads()
        status, _said, _tasks = self._play(side, point)
        trial.died = status != 0
        trial.complaint = self.host.complaint()
        status, said, _tasks = self._play(side)
        if status:
            trial.failed = "\n".join(re.findall(r"fatal: .*|\[ERROR\]: .*", said))[:2000]
            status, said, _tasks = self._play(side)
        expected = self.expected[side]
        found = self._settled([expected])
        trial.differences = [
            f"{path}: expected {expected.get(path)}, found {found.get(path)}"
            for path in sorted({*expected, *found})
            if expected.get(path) != found.get(path)
        ]
        _status, said, _tasks = self._play(side)
        trial.changed = sum(map(int, re.findall(r" changed=(\d+)", said)))
        trial.reloads = self.host.cut_by_reloads() - cut
        self._count(trial, before, self.host.answers())
        self.at = side
        return trial

    def _settled(self, expected: list[dict[str, str]]) -> dict[str, str]:
        """Return the host's state; processes that are about to end have a moment for it."""
        for _try in range(5):
            found = self.host.state()
            if found in expected:
                break
            time.sleep(1)
        return found

    def _count(self, trial: Trial, before: dict[str, int], after: dict[str, int]) -> None:
        new = {said: count - before.get(said, 0) for said, count in after.items() if count > before.get(said, 0)}
        trial.asked = sum(new.values())
        allowed = REFUSED if self.name == "sandbox" else set()
        failed = {said: count for said, count in new.items() if said.split()[1] not in {"200", *allowed}}
        unavailable = sum(count for said, count in failed.items() if said.endswith(" 503"))
        trial.lost = {} if sum(failed.values()) == unavailable <= trial.reloads else failed

    def pair(self, chance: random.Random) -> Pair:
        """Start two plays, the second while the first runs, and return what they leave."""
        playbooks = ("site", chance.choice(["site", "site", "deploy", "audit"]))
        sides = (1 - self.at, chance.choice([0, 1]))
        allowed = [self._deployed(*sides)] if playbooks[1] == "deploy" else self.expected
        found = Pair(playbooks, sides, round(chance.uniform(0, 12), 2))
        ends: list[tuple[int, str, Any]] = [(0, "", None), (0, "", None)]

        def play(number: int) -> None:
            more = {"wsgi_audit_report_directory": str(WORK / "audit")} if playbooks[number] == "audit" else {}
            more = _DEPLOY if playbooks[number] == "deploy" else more
            variables = {**self.sides[sides[number]], **more}
            ends[number] = self.host.interrupted(variables, None, f"pair-{number}", playbooks[number])

        threads = [threading.Thread(target=play, args=(number,)) for number in (0, 1)]
        threads[0].start()
        time.sleep(found.after)
        threads[1].start()
        for thread in threads:
            thread.join()
        for number, (status, said, _tasks) in enumerate(ends):
            found.waited += said.count(": waiting; another play")
            if playbooks[number] != "audit" and status:
                found.gave_up += "another play " in said
                found.failed += [] if "another play " in said else re.findall(r"fatal: .*|\[ERROR\]: .*", said)
        allowed = [*allowed, self.expected[sides[0]]]
        state = self._settled(allowed)
        found.differences = [] if state in allowed else sorted(self._nearest(state, allowed))
        wanted = [side for side in (0, 1) if self.expected[side] == state]
        if not wanted:
            self._play(sides[0])
        self.at = wanted[0] if wanted else sides[0]
        return found

    def _deployed(self, side: int, code: int) -> dict[str, str]:
        """Return what a play to a side leaves where a deployment of the other's code follows it."""
        if side == code:
            return self.expected[side]
        if (side, code) not in self.deployed:
            self._play(side)
            status, said, _tasks = self.host.interrupted({**self.sides[code], **_DEPLOY}, None, playbook="deploy")
            if status:
                sys.exit(f"{self.name}: an undisturbed deployment failed:\n{said[-3000:]}")
            self.deployed[side, code] = self.host.state()
            self._play(self.at)
        return self.deployed[side, code]

    def _nearest(self, state: dict[str, str], allowed: list[dict[str, str]]) -> list[str]:
        """Return what differs from the state that differs least."""
        each = [
            [f"{path}: {state.get(path)}" for path in {*one, *state} if one.get(path) != state.get(path)]
            for one in allowed
        ]
        return min(each, key=len)


def situation(name: str, host: Host) -> Situation:
    """Make the host, with what its apps need, and return it between its sides."""
    host.remove()
    host.start()
    host.install("openssl", "acl", "procps")
    host.run(script=_CERTIFICATES)
    sides = lists()
    if name == "sandbox":
        strict = {"wsgi_server_sandbox_memory_deny_write_execute": True}
        sides = (sides[0], {**sides[0], **strict})
    found = Situation(name, host, sides)
    found.learn()
    host.start_client()
    time.sleep(1)
    return found


def first_runs(host: Host, options: argparse.Namespace) -> Iterator[Trial]:
    """Interrupt the first play of a bare host."""
    side = lists()[0]

    def bare() -> Situation:
        host.remove()
        host.start()
        host.install("openssl", "procps")
        host.run(script=_CERTIFICATES)
        return Situation("first run", host, (side, side))

    reference = bare()
    status, said, tasks = reference._play(0)
    if status:
        sys.exit(f"an undisturbed first play failed:\n{said[-3000:]}")
    expected = host.state()
    reference.tasks[0] = tasks
    chance = random.Random(options.seed)
    points = list(reference.points(0, chance, options.inside))
    for point in chance.sample(points, min(options.first, len(points))):
        one = bare()
        one.expected[0] = expected
        host.run(script=f"echo '{{}}' >{CLIENT}\n")
        yield one.attempt(0, point)


@contextlib.contextmanager
def small_disk(debian: str) -> Iterator[None]:
    """Let podman keep its containers in a file system of their own, with the image of the host."""
    DISK.mkdir(parents=True, exist_ok=True)
    image = f"localhost/palisade-lab:{DEBIANS[debian]}"
    archive = subprocess.run(["podman", "save", image], check=True, capture_output=True).stdout
    backing, configuration = WORK / "disk.img", WORK / "storage.conf"
    with backing.open("wb") as file:
        file.truncate(3 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", backing], check=True)
    subprocess.run(["mount", "-o", "loop", backing, DISK], check=True)
    configuration.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{DISK}/storage"\nrunroot = "/run/palisade-{WORK.name}"\n'
    )
    os.environ["CONTAINERS_STORAGE_CONF"] = str(configuration)
    try:
        subprocess.run(["podman", "load", "--quiet"], check=True, capture_output=True, input=archive)
        yield
    finally:
        del os.environ["CONTAINERS_STORAGE_CONF"]
        subprocess.run(["umount", "--lazy", DISK], check=False)
        backing.unlink()


def trials(host: Host, options: argparse.Namespace) -> Iterator[Trial | Pair]:
    """Yield all that is asked for, back and forth."""
    chance = random.Random(options.seed)
    for name in options.situations:
        here = situation(name, host)
        ways = ("disk",) if options.disk else WAYS
        waiting = [list(here.points(side, chance, options.inside, ways)) for side in (0, 1)]
        if options.count is not None:
            waiting = [chance.sample(points, min(options.count, len(points))) for points in waiting]
        while any(waiting):
            side = 1 - here.at
            # Back, where there is nothing left to try on the way.
            points = waiting[side]
            if not points:
                here._play(side)
                here.at = side
                continue
            yield here.attempt(side, points.pop(0))
        for _number in range(options.pairs if name == "apps" else 0):
            yield here.pair(chance)
    if options.first:
        yield from first_runs(host, options)


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="13")
    parser.add_argument("--container", default="palisade-interruptions", help="name of the container")
    parser.add_argument("--keep", action="store_true", help="leave the container running")
    parser.add_argument("--situations", nargs="*", choices=["apps", "sandbox"], default=["apps", "sandbox"])
    parser.add_argument("--count", type=int, help="draw so many of each direction instead of all")
    parser.add_argument("--inside", type=int, default=1, help="moments inside each module, for each way to end it")
    parser.add_argument("--first", type=int, default=0, help="so many first runs of a bare host as well")
    parser.add_argument("--pairs", type=int, default=0, help="so many pairs of plays at the same time as well")
    parser.add_argument("--disk", action="store_true", help="fill the host's disk instead of ending the play")
    parser.add_argument("--seed", default="1", help="what is drawn follows from it")
    return parser.parse_args(arguments)


def told(found: Trial | Pair) -> str:
    """Return a line on what was tried and what came of it."""
    good = "; ".join(found.problems())
    if isinstance(found, Pair):
        words = " and ".join(f"{name} to {'AB'[side]}" for name, side in zip(found.playbooks, found.sides, strict=True))
        return f"{words} after {found.after} s: {good or f'as of one of them, {found.waited} waited'}"
    moment = f"{found.point.after} s into" if found.point.after else "at the start of"
    what = f"{found.situation}: {found.point.what} ended {moment} {found.point.task!r}"
    return f"{what}: {good or f'as if undisturbed, {found.asked} requests'}"


def main() -> None:
    options = options_of(sys.argv[1:])
    WORK.mkdir(parents=True, exist_ok=True)
    host = Host(options)
    done: list[Trial | Pair] = []
    with small_disk(options.debian) if options.disk else contextlib.nullcontext():
        try:
            for found in trials(host, options):
                done.append(found)
                (WORK / "outcomes.json").write_text(json.dumps([asdict(one) for one in done], indent=1))
                print(told(found), flush=True)
        finally:
            if not options.keep:
                host.remove()
    ended = [one for one in done if isinstance(one, Trial)]
    pairs = [one for one in done if isinstance(one, Pair)]
    asked, lost = sum(one.asked for one in ended), sum(sum(one.lost.values()) for one in ended)
    print(
        f"\n{len(ended)} interruptions, {sum(one.died for one in ended)} of which ended the play: "
        f"{sum(bool(one.problems()) for one in ended)} with a difference; {lost} of {asked} requests lost, "
        f"{sum(one.reloads for one in ended)} more met a reload of Apache."
    )
    if pairs:
        waited, gave_up = sum(one.waited for one in pairs), sum(one.gave_up for one in pairs)
        mixed = sum(bool(one.problems()) for one in pairs)
        print(f"{len(pairs)} pairs of plays, {waited} waited, {gave_up} gave up: {mixed} left a mixture or failed.")
    sys.exit(1 if any(one.problems() for one in done) else 0)


if __name__ == "__main__":
    main()
