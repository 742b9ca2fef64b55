"""Compare the audit's model of Apache's configuration with what a real Apache in a container answers.

    tests/differential/run.py [--first SEED] [--seeds N] [--sites N] CONTAINER...

asks in each container, which has Apache and mod_wsgi as wsgi_server installs them, every URL of N random
configurations, and ends with 1 where an answer is not one that the model foresees.
The short version, for a scenario, takes a few seconds:

    tests/differential/run.py --seeds 5 --sites 15 CONTAINER

The same seed gives the same configuration; --show prints the virtual host of each difference.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def _collection() -> None:
    """Make the collection importable where it is not installed: the clone has it under .collections."""
    sys.path.insert(0, str(HERE.parents[1] / ".collections"))


_collection()

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import (  # noqa: E402
    Directive,
    VirtualHost,
    read_tree,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.merge import (  # noqa: E402
    GLOBAL,
    Place,
    outcomes,
    place_at,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.require import (  # noqa: E402
    GRANTED,
    LOCAL,
    USER,
    admits,
)

# An interpreter of the script's own, whose name the host and the path make.
OWN = "*"
NOTHING = "no application"


def expected(place: Place, pools: set[str], method: str, size: int) -> str:
    """Return what Apache answers for a place: a status, or what the canary sees."""
    admitted = admits(place.sections, replace(LOCAL, method=method))
    if admitted == USER and place.setting("authtype").value.lower() != "basic":
        return "500"
    limit = int(place.setting("limitrequestbody").value or 0)
    if size > limit > 0 and (place.handler == "wsgi-script" or admitted != GRANTED):
        # Also where Apache refuses for another reason: it reads the body before it says so.
        return "413"
    if admitted == USER:
        return "401"
    if admitted != GRANTED:
        return "403"
    if place.handler != "wsgi-script":
        return NOTHING
    group, interpreter = place.process_group.value, place.application_group.value
    if group not in pools or (place.restriction is not None and group not in place.restriction):
        return "500"
    sees = place.passes_authorization.value.lower() == "on" or place.on("cgipassauth")
    return _canary(group, "" if interpreter == GLOBAL else interpreter or OWN, place.path, sees)


def _canary(group: str, interpreter: str, path: str, sees: bool) -> str:
    return f"{group}|{interpreter}|{path}|{'Authorization' if sees else ''}"


def differences(said: dict[str, Any], case: dict[str, Any], kinds: Counter[str]) -> list[tuple[str, str, set[str]]]:
    """Return each request whose answer the model does not foresee, with the answer and what it foresees."""
    tree = read_tree(case["dump"])
    hosts = {host.server_names[0]: host for host in tree.hosts}
    scripts = {f"{said['root']}/{name}" for name in said["scripts"]}
    pools = {"", *(pool.name for pool in tree.pools)}
    found = []
    for key, (status, seen) in case["answers"].items():
        method, name, url = key.split(" ")
        place = place_at(tree, hosts[name], url.partition("?")[0], scripts.__contains__)
        size = said["size"] if method == "POST" else 0
        # A request's path alone is the model's; what no alias takes is no application's.
        wanted = {expected(one, pools, method, size) for one in outcomes(place)} if place else {NOTHING}
        got = str(status) if seen is None else _canary(*seen)
        kinds["an application" if seen else got] += 1
        kinds["conditional"] += len(wanted) > 1
        own = "" if seen is None else _canary(seen[0], OWN, *seen[2:])
        if got not in wanted and own not in wanted and not (seen is None and NOTHING in wanted):
            found.append((key, got, wanted))
    return found


def shown(line: Directive | VirtualHost, depth: int = 0) -> str:
    """Return a part of the configuration as text."""
    inside = line.directives if isinstance(line, VirtualHost) else line.inside
    head = line.name if isinstance(line, VirtualHost) else f"{line.name} {line.text}"
    return "\n".join([" " * depth + head, *(shown(one, depth + 2) for one in inside)])


def compare(container: str, options: argparse.Namespace) -> int:
    """Ask in one container, print the figures, and return the number of differences."""
    arguments = [f"--{name}={getattr(options, name)}" for name in ("first", "seeds", "sites")]
    command = ["podman", "exec", "-i", container, "python3", "-", *arguments]
    done = subprocess.run(command, input=(HERE / "ask.py").read_bytes(), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{container} cannot be asked")
    said = json.loads(done.stdout)
    kinds: Counter[str] = Counter()
    wrong = 0
    for case in said["cases"]:
        for key, got, wanted in differences(said, case, kinds):
            wrong += 1
            if wrong <= options.most:
                print(f"seed {case['seed']} {key}: Apache {got}, model {' or '.join(sorted(wanted))}")
            if wrong <= options.most and options.show:
                tree = read_tree(case["dump"])
                print("\n".join(shown(line) for line in tree.directives if line.name in _TOLD or line.inside))
                print(next(shown(host) for host in tree.hosts if host.server_names[0] == key.split(" ")[1]))
    answers = sum(len(case["answers"]) for case in said["cases"])
    of_each = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    print(f"{container}: {answers} answers compared, {wrong} different ({of_each})")
    return wrong


_TOLD = ("wsgiscriptalias", "wsgiscriptaliasmatch", "wsgiprocessgroup", "alias", "redirect")


def main() -> None:
    """Compare in each container."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("container", nargs="+")
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds: configurations")
    parser.add_argument("--sites", type=int, default=20, help="virtual hosts of each")
    parser.add_argument("--most", type=int, default=10, help="differences that are printed")
    parser.add_argument("--show", action="store_true", help="print the virtual host of each of them")
    options = parser.parse_args()
    sys.exit(1 if sum([compare(container, options) for container in options.container]) else 0)


if __name__ == "__main__":
    main()
