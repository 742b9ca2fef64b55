"""Audits a host with many apps, and measures how long that takes and what it leaves behind.

The apps are deployed by the roles. Each run is one of the module's core, on the host; the last one is of the module, by
Ansible. The exit code says whether all took less than the bound, and left no trace but lines in Apache's logs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import DEBIANS, RIGHTS, ROOT, Container

MOUNT = "/opt/ansible_collections/palisade/mod_wsgi"
LOGS = "/var/log/apache2/"


class Host(Container):
    """A container with the apps."""

    def __init__(self, options: argparse.Namespace) -> None:
        names = [f"app{number:02}" for number in range(options.apps)]
        app = {"application": "hello:application", "source": {"path": "hello"}, "processes": 1, "threads": 5}
        variables = {
            "lab_options": [
                *RIGHTS,
                *(f"--volume={ROOT}/{part}:{MOUNT}/{part}:ro" for part in ("plugins", "tests")),
            ],
            "wsgi_apps_base_directory": str(ROOT / "tests/fixtures/apps"),
            "wsgi_apps": [{"name": name, "server_names": [f"{name}.test"], **app} for name in names],
        }
        super().__init__(options.container, options.debian, variables)

    def make(self) -> None:
        self.start()
        self.play("playbooks/site.yml")

    def seen(self) -> dict[str, Any]:
        return dict(json.loads(self.run("python3", f"{MOUNT}/tests/benchmark/audit/seen.py")))

    def audit(self, active: str) -> tuple[float, dict[str, Any]]:
        began = time.monotonic()
        found = json.loads(self.run("python3", f"{MOUNT}/tests/fixtures/audit_here.py", active))
        return time.monotonic() - began, found["summary"]

    def module(self, active: str) -> float:
        began = time.monotonic()
        command = ["ansible", "wsgi", "--module-name", "palisade.mod_wsgi.wsgi_audit", "--args", f"active={active}"]
        self.ansible(*command, "--extra-vars", "ansible_pipelining=true")
        return time.monotonic() - began


def traces(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what is there, gone or changed, but what Apache itself logs of a request."""
    paths = {*before["written"], *after["written"]}
    changed = [path for path in paths if before["written"].get(path) != after["written"].get(path)]
    found = [f"file {path}" for path in sorted(changed) if not path.startswith(LOGS)]
    return found + [f"process {row}" for row in sorted({*before["processes"]} ^ {*after["processes"]})]


def compare(host: Host, options: argparse.Namespace) -> bool:
    """Run, print the table, and return whether it is as promised."""
    print("| active | run | seconds | results |\n|---|---|---|---|")
    good = True
    for active in options.active:
        before = host.seen()
        for number in range(options.runs):
            seconds, summary = host.audit(active)
            good = good and seconds < options.bound
            counts = ", ".join(f"{count} {status}" for status, count in summary.items() if isinstance(count, int))
            print(f"| {active} | {number + 1} | {seconds:.2f} | {counts} |")
        # Ansible keeps its own files in /tmp for as long as a module runs.
        after = host.seen()
        print(f"| {active} | as a module, with Ansible's start | {host.module(active):.2f} | |", flush=True)
        left = traces(before, after)
        logs = [path for path in after["written"] if path.startswith(LOGS)]
        written = [path for path in logs if before["written"].get(path) != after["written"][path]]
        read = [path for path in after["read"] if before["read"].get(path, 0) != after["read"][path]]
        good = good and not left and (active != "none" or not written)
        print(f"\nLeft behind by {active}: {len(left)} traces, {len(written)} of Apache's logs longer, ", end="")
        print(f"{len(read)} files with another time of reading.", *left, sep="\n  ")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="12")
    parser.add_argument("--container", default="palisade-benchmark-audit", help="its name")
    parser.add_argument("--keep", action="store_true", help="leave the container running")
    parser.add_argument("--made", action="store_true", help="the container is there from an earlier run")
    parser.add_argument("--apps", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--active", nargs="+", default=["none", "safe"])
    parser.add_argument("--bound", type=float, default=5.0, help="seconds that a run may take")
    options = parser.parse_args()
    host = Host(options)
    try:
        if not options.made:
            host.make()
        good = compare(host, options)
    finally:
        if not options.keep:
            host.remove()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
