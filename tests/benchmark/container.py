"""A container of the lab, and the load on it, for every benchmark."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".cache" / "benchmark"
DEBIANS = {"12": "bookworm", "13": "trixie"}
# What the sandbox of Apache's unit needs of a container.
RIGHTS = ["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"]


class Container:
    """A host that the roles can be played into."""

    def __init__(self, name: str, debian: str, variables: Mapping[str, Any] | None = None) -> None:
        self.name = name
        WORK.mkdir(parents=True, exist_ok=True)
        self.inventory = WORK / f"{name}.yml"
        common = {
            "ansible_connection": "containers.podman.podman",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        host = {"ansible_host": name, "lab_release": DEBIANS[debian]}
        whole = {"wsgi": {"vars": {**common, **(variables or {})}, "hosts": {name.removeprefix("palisade-"): host}}}
        self.inventory.write_text(json.dumps(whole))

    def ansible(self, *command: object) -> str:
        # On a machine of its own, Ansible would take no time from the host.
        done = subprocess.run(
            ["nice", *map(str, command), "--inventory", str(self.inventory)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{command} failed:\n{done.stdout}")
        return done.stdout

    def play(self, playbook: str, **variables: object) -> None:
        """Play one of the repository's playbooks."""
        self.ansible("ansible-playbook", ROOT / playbook, "--extra-vars", json.dumps(variables))

    def start(self) -> None:
        self.play("tests/lab/create.yml")

    def run(self, *command: str, script: str | None = None) -> str:
        """Run a command, or bash with a script, and return what it says."""
        words = ["podman", "exec", "--interactive", self.name, *(command or ("bash", "-eus"))]
        done = subprocess.run(words, text=True, check=False, capture_output=True, input=script or "")
        if done.returncode:
            sys.exit(f"{self.name}: {' '.join(command) or script} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def copy(self, source: Path, target: str) -> None:
        subprocess.run(["podman", "cp", source, f"{self.name}:{target}"], check=True)

    def install(self, *packages: str) -> None:
        """Install packages of Debian; its lists may be older than the mirror."""
        wanted = " ".join(packages)
        how = f"apt-get install --yes --no-install-recommends {wanted}"
        self.run(script=f"export DEBIAN_FRONTEND=noninteractive\n{how} || (apt-get update && {how})\n")

    def remove(self) -> None:
        command = ["podman", "rm", "--force", "--time=1", self.name]
        subprocess.run(command, check=False, capture_output=True)


@dataclass
class Load:
    """What wrk says that it got."""

    requests: int
    bad: int
    seconds: float
    p99: str

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def wrk(name: str, seconds: float, connections: int, *more: str) -> list[str]:
    """Return the command of a client with kept connections, which asks for the site of a name."""
    command = ["wrk", "--threads=2", f"--connections={connections}", f"--duration={seconds:.0f}s", "--timeout=30s"]
    return [*command, "--latency", f"--header=Host: {name}", *more, "http://127.0.0.1/"]


def read_wrk(text: str) -> Load:
    """Return the figures of wrk's report; connections that broke are bad, as are answers that are not 2xx or 3xx."""
    total = re.search(r"([0-9]+) requests in ([0-9.]+)(s|m)", text)
    if total is None:
        sys.exit(f"wrk says no figures:\n{text}")
    bad = sum(map(int, re.findall(r"Non-2xx or 3xx responses: ([0-9]+)", text)))
    for errors in re.findall(r"Socket errors: (.*)", text):
        bad += sum(map(int, re.findall(r"[0-9]+", errors)))
    latency = re.search(r"99%\s+(\S+)", text)
    unit = 60 if total.group(3) == "m" else 1
    return Load(int(total.group(1)), bad, float(total.group(2)) * unit, latency.group(1) if latency else "")
