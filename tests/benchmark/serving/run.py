"""Compares what our default site serves with a plain mod_wsgi site, and with nginx and gunicorn.

Each has a container of its own, with the same application, processes and threads. wrk asks on the container's loopback,
over kept connections (of which Apache ends each after MaxKeepAliveRequests), one site after the other in many short
rounds, so that what else the machine does meets all of them. The servers start anew before each round: one start of the
same server may serve a tenth more than the next, for as long as it runs. Prints a table in Markdown; the exit code says
whether ours serves at least the bound of what the plain site serves.

With --requests it asks our site alone for so many, and the exit code says whether all got 200, as the client and as the
access log count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import (
    DEBIANS,
    RIGHTS,
    Container,
    Load,
    read_wrk,
    wrk,
)

HERE = Path(__file__).parent
APP = HERE / "app"
NAME = "hello.test"
LOG = "/var/log/apache2/wsgi-hello-access.log"
PLAIN, OURS, CHECKED, NGINX = "plain mod_wsgi", "ours", "ours with script-user", "nginx and gunicorn"
# Of --requests, at a time.
PIECE = 30


class Site(Container):
    """A container with one of the servers."""

    def __init__(self, title: str, options: argparse.Namespace) -> None:
        self.title = title
        self.mpm = options.mpm
        app = {
            "name": "hello",
            "application": "hello:application",
            "server_names": [NAME],
            "source": {"path": str(APP)},
        }
        if title == CHECKED:
            app["daemon_process"] = {"script-user": "root"}
        variables = {"wsgi_apps": [app], "lab_options": RIGHTS}
        word = title.replace(" ", "-").removeprefix("plain-")
        super().__init__(f"{options.container}-{word}", options.debian, variables)

    def make(self) -> None:
        self.start()
        if self.title in (OURS, CHECKED):
            self.play("playbooks/site.yml")
            self.install("wrk")
        else:
            self.copy(APP / "hello.py", "/root/hello.py")
            apache = ("apache2", "libapache2-mod-wsgi-py3", "python3-venv")
            self.install("wrk", *(apache if self.title == PLAIN else ("nginx", "gunicorn")))
            script = HERE / ("plain.sh" if self.title == PLAIN else "nginx.sh")
            self.run(script=script.read_text())
        if self.title != NGINX:
            modules = f"a2dismod -q mpm_event\na2enmod -q mpm_{self.mpm}\n" if self.mpm != "event" else ""
            self.run(script=f"{modules}systemctl restart apache2\n")

    def restart(self) -> None:
        services = ("nginx", "hello") if self.title == NGINX else ("apache2",)
        self.run("systemctl", "restart", *services)

    def load(self, seconds: float, connections: int) -> Load:
        return read_wrk(self.run(*wrk(NAME, seconds, connections)))


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="13")
    parser.add_argument("--container", default="palisade-serving", help="start of the containers' names")
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    parser.add_argument("--made", action="store_true", help="the containers are there from an earlier run")
    parser.add_argument("--make", action="store_true", help="only make them, for a later run with --made")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=3, help="length of a run")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--bound", type=float, default=0.97, help="of what the plain site serves")
    parser.add_argument("--script-user", action="store_true", help="ours with script-user=root as well")
    parser.add_argument("--mpm", choices=["event", "worker", "prefork"], default="event")
    parser.add_argument("--requests", type=int, default=0, help="ask our site alone for so many")
    return parser.parse_args(arguments)


def compare(sites: list[Site], options: argparse.Namespace) -> bool:
    """Ask all sites in rounds, print the table, and return whether ours is fast enough."""
    loads: dict[str, list[Load]] = {site.title: [] for site in sites}
    for number in range(options.rounds):
        for site in sites:
            site.restart()
            site.load(1, options.connections)
        # There and back, so that none is always the first.
        for site in sites[:: -1 if number % 2 else 1]:
            loads[site.title].append(site.load(options.seconds, options.connections))
        rates = ", ".join(f"{title} {found[-1].rate:.0f}" for title, found in loads.items())
        print(f"round {number + 1}: {rates}", flush=True)
    print(f"\n{options.connections} kept connections, {options.rounds} rounds of {options.seconds:.0f} s, medians\n")
    print("| site | requests a second | of the plain site | p99 | requests | not answered with 2xx |")
    print("|---|---|---|---|---|---|")
    ratios = {}
    for title, found in loads.items():
        pairs = zip(found, loads[PLAIN], strict=True)
        ratios[title] = statistics.median(one.rate / plain.rate for one, plain in pairs)
        middle = sorted(found, key=lambda load: load.rate)[len(found) // 2]
        total, bad = sum(load.requests for load in found), sum(load.bad for load in found)
        print(f"| {title} | {middle.rate:.0f} | {ratios[title]:.3f} | {middle.p99} | {total} | {bad} |")
    lost = sum(load.bad for load in loads[OURS])
    good = ratios[OURS] >= options.bound and not lost
    print(f"\n{'As' if good else 'NOT as'} promised: {ratios[OURS]:.3f} of at least {options.bound}, {lost} lost.")
    return good


def statuses(site: Site) -> Counter[str]:
    """Return how often each status is in the site's access log."""
    said = site.run("awk", "{ seen[$9]++ } END { for (one in seen) print one, seen[one] }", LOG)
    return Counter({line.split()[0]: int(line.split()[1]) for line in said.splitlines()})


def exhaust(site: Site, options: argparse.Namespace) -> bool:
    """Ask for very many, and return whether every answer was 200."""
    site.run("truncate", "--size=0", LOG)
    total = bad = 0
    began = time.monotonic()
    while total < options.requests:
        load = site.load(PIECE, options.connections)
        total, bad = total + load.requests, bad + load.bad
        print(f"{total} requests, {bad} bad, {load.rate:.0f} a second", flush=True)
    seen = statuses(site)
    site.run("truncate", "--size=0", LOG)
    # wrk ends with a request on each connection that it does not count.
    good = not bad and set(seen) == {"200"} and seen["200"] >= total
    said = ", ".join(f"{count} times {status}" for status, count in sorted(seen.items()))
    print(
        f"\n{total} requests in {time.monotonic() - began:.0f} s: "
        f"the client got {bad} that were not 2xx; the log says {said}."
    )
    print("As promised: nothing but 200." if good else "NOT as promised: nothing but 200.")
    return good


def main() -> None:
    options = options_of(sys.argv[1:])
    titles = [OURS] if options.requests else [PLAIN, OURS, *([CHECKED] if options.script_user else []), NGINX]
    sites = [Site(title, options) for title in titles]
    try:
        if not options.made:
            for site in sites:
                site.make()
        good = options.make or (exhaust(sites[0], options) if options.requests else compare(sites, options))
    finally:
        if not options.keep and not options.make:
            for site in sites:
                site.remove()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
