"""Floods our default host with slow connections, and measures what its visitors still get.

The crowd is in a container of its own, with as many addresses as it needs, and the visitor is in another one. The crowd
gets a fiftieth of the processor's shares: on a machine of its own, it would take no time from the host. The visitor
asks the attacked site by GET and by POST, another site, and one with TLS. Prints a table in Markdown. The exit code
says whether every GET was answered, and soon enough: 99 of 100 within 0.1 s or twice the time of a quiet host, and
within 1 s where the crowd has 40 addresses.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import DEBIANS, RIGHTS, Container

HERE = Path(__file__).parent
SITES: tuple[dict[str, Any], ...] = (
    {"name": "attacked.test"},
    {"name": "attacked.test", "body": 2000},
    {"name": "other.test"},
    {"name": "tls.test", "tls": True},
)
TITLES = ("attacked", "attacked, POST", "other", "other, TLS")
# POST is told, and not judged: uploads of a crowd and of visitors look the same.
JUDGED = (0, 2, 3)
STATIC, SMALL = "/static/large.bin", "/?80000"


@dataclass(frozen=True)
class Flood:
    """One way to hold connections, from how many addresses, and what a slow reader asks for."""

    way: str
    connections: int
    addresses: int
    path: str = "/"

    def __str__(self) -> str:
        asked = "" if self.path == "/" else f" of {self.path}"
        return f"{self.way.replace('_', ' ')}{asked}"


_ONE = ("slow_header", "slow_body", "idle_handshake", "idle_keep_alive")
FLOODS = [
    *(Flood(way, connections, 1) for connections in (400, 2000) for way in _ONE),
    *(Flood("slow_reader", connections, 1, path) for connections in (400, 2000) for path in (STATIC, SMALL)),
    *(Flood(way, 2000, 40) for way in _ONE),
    *(Flood("slow_reader", 2000, 40, path) for path in (STATIC, SMALL)),
    Flood("slow_header+slow_body", 400, 1),
    Flood("slow_header+slow_body", 2000, 40),
]


class Visitor(Container):
    """The machine of somebody who only wants the pages."""

    def make(self) -> None:
        self.start()
        self.address = self.run(script="hostname -I").split()[0]
        self.copy(HERE / "visitor.py", "/root/visitor.py")

    def visit(self, address: str, seconds: float) -> list[dict[str, Any]]:
        told = {"address": address, "source": self.address, "seconds": seconds, "patience": 5, "pause": 0.05}
        return list(json.loads(self.run("python3", "/root/visitor.py", json.dumps({**told, "sites": SITES}))))


class Crowd(Container):
    """The attackers' machine."""

    def make(self, addresses: int) -> None:
        self.start()
        start = ".".join(self.run(script="hostname -I").split()[0].split(".")[:2])
        self.sources = [f"{start}.200.{number}" for number in range(1, addresses + 1)]
        self.run(script="".join(f"ip address add {source}/16 dev eth0\n" for source in self.sources))
        self.copy(HERE / "crowd.py", "/root/crowd.py")

    def hold(self, flood: Flood, address: str, seconds: float) -> subprocess.Popen[str]:
        told = {
            "way": flood.way,
            "address": address,
            "port": 443 if flood.way == "idle_handshake" else 80,
            "name": "attacked.test",
            "path": flood.path,
            "connections": flood.connections,
            "sources": self.sources[: flood.addresses],
            "seconds": seconds,
        }
        words = ["podman", "exec", self.name, "python3", "/root/crowd.py", json.dumps(told)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def p99(answers: list[float]) -> float:
    return sorted(answers)[math.ceil(len(answers) * 0.99) - 1] if answers else math.inf


def make_host(options: argparse.Namespace) -> Container:
    common = {"application": "flood:application", "source": {"path": str(HERE / "app")}}
    apps = [
        {"name": "attacked", "server_names": ["attacked.test"], "static": {"/static": "static"}, **common},
        {"name": "other", "server_names": ["other.test"], **common},
        {"name": "tls", "server_names": ["tls.test"], "tls": {"self_signed": True}, **common},
    ]
    host = Container(f"{options.container}-host", options.debian, {"wsgi_apps": apps, "lab_options": RIGHTS})
    large = HERE / "app/static/large.bin"
    large.parent.mkdir(exist_ok=True)
    large.write_bytes(bytes(5_000_000))
    host.start()
    host.play("playbooks/site.yml")
    return host


def memory(host: Container) -> int:
    """Return the megabytes of Apache and its daemons, shared ones once."""
    script = (
        "cat /proc/[0-9]*/comm >/dev/null; for pid in $(pgrep -x apache2); do cat /proc/$pid/smaps_rollup || true; done"
    )
    rows = [line.split() for line in host.run(script=script).splitlines() if line.startswith("Pss:")]
    return sum(int(row[1]) for row in rows) // 1024


def judge(flood: Flood, rows: list[dict[str, Any]], quiet: list[float]) -> bool:
    answered = all(not rows[index]["other"] for index in JUDGED)
    bound = 1.0 if flood.addresses > 1 else 0.0
    soon = all(p99(rows[index]["answers"]) <= max(0.1, 2 * quiet[index], bound) for index in JUDGED)
    return answered and soon


def cells(rows: list[dict[str, Any]]) -> list[str]:
    shown = []
    for row in rows:
        lost = ", ".join(f"{count} {what}" for what, count in Counter(map(str, row["other"])).items())
        shown.append(f"{len(row['answers'])}, {1000 * p99(row['answers']):.0f} ms" + (f"; {lost}" if lost else ""))
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="13")
    parser.add_argument("--container", default="palisade-abuse", help="start of the containers' names")
    parser.add_argument("--seconds", type=float, default=20, help="that the visitor asks during each flood")
    parser.add_argument("--only", default="", help="floods with this in their name")
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    options = parser.parse_args()
    rights = ["--cap-add=NET_ADMIN", "--cpu-shares=20"]
    crowd = Crowd(f"{options.container}-crowd", options.debian, {"lab_options": rights})
    visitor = Visitor(f"{options.container}-visitor", options.debian)
    failed = 0
    host = None
    try:
        crowd.make(40)
        visitor.make()
        host = make_host(options)
        address = host.run(script="hostname -I").split()[0]
        rows = visitor.visit(address, options.seconds)
        quiet = [p99(row["answers"]) for row in rows]
        print(f"| connections | opened a second | {' | '.join(TITLES)} | memory | held |\n|{'---|' * 8}")
        print(f"| none | | {' | '.join(cells(rows))} | {memory(host)} MB | |", flush=True)
        for flood in (each for each in FLOODS if options.only in str(each)):
            holding = crowd.hold(flood, address, options.seconds + 5)
            time.sleep(3)
            rows = visitor.visit(address, options.seconds)
            used = memory(host)
            opened = json.loads(holding.communicate()[0])["opened"] / (options.seconds + 5)
            held = judge(flood, rows, quiet)
            failed += not held
            what = f"{flood.connections} {flood}, {flood.addresses} address{'es' if flood.addresses > 1 else ''}"
            told = " | ".join([what, f"{opened:.0f}", *cells(rows), f"{used} MB", "yes" if held else "NO"])
            print(f"| {told} |", flush=True)
    finally:
        if not options.keep:
            for container in (crowd, visitor, host):
                if container:
                    container.remove()
    print(f"{failed} floods were not held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
