"""Changes a good host in one point at a time, and looks which rules of the audit see it.

Usage: run.py TABLE [RULE...]      TABLE is mutations.yml as JSON; runs as root on the host.
Prints each mutation whose rules differ from the table, and the counts; the exit code says whether one does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "fixtures"))

from audit_here import audit, collect, rules, run  # noqa: E402

SECONDS = 15
# In the table: any number of rules that do not know any more.
UNKNOWN = "*?"


def seen() -> dict[str, set[tuple[str, ...]]]:
    """Return subjects and severities of the failures, and subjects of what is unknown, by rule."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in audit()["results"]:
        if row["status"] in ("fail", "unknown", "error"):
            severity = row["severity"] if row["status"] == "fail" else ""
            found.setdefault(row["rule_id"], set()).add((row["status"], row["subject"]["name"], severity))
    return found


def differing(before: Mapping[str, set[tuple[str, ...]]], after: Mapping[str, set[tuple[str, ...]]]) -> list[str]:
    """Return the rules that fail where they did not before; with a question mark those that do not know any more."""
    found = []
    for rule, rows in after.items():
        new = rows - before.get(rule, set())
        if new:
            found.append(rule if any(row[0] == "fail" for row in new) else f"{rule}?")
    return sorted(found)


def shell(command: str) -> None:
    subprocess.run(["bash", "-c", f". {HERE}/lib.sh\n{command}"], check=True)


def pools() -> dict[str, tuple[int, set[int]]]:
    """Return how many processes each pool is to have, and which it has."""
    return {
        pool.name: (
            int(pool.options.get("processes", "1")),
            {process["pid"] for process in facts.live.get(pool.name, [])},
        )
        for facts in collect(run, "none")
        for pool in facts.pools
    }


def reload(how: str) -> None:
    """Let Apache read its configuration, and wait until every pool has new processes."""
    old = {pid for _wanted, pids in pools().values() for pid in pids}
    run(["systemctl", how, "apache2"])
    until = time.monotonic() + SECONDS
    last = None
    while time.monotonic() < until:
        time.sleep(0.2)
        now = pools()
        # Twice the same: a process that cannot start is followed by another one.
        if now == last and all(len(pids) == wanted and not pids & old for wanted, pids in now.values()):
            return
        last = now


def mutate(row: Mapping[str, Any], good: Mapping[str, set[tuple[str, ...]]]) -> list[str]:
    """Change the host, and change it back; return the rules that saw it."""
    how = row.get("apache", "")
    shell(row["apply"])
    if how:
        reload(how)
    flips = differing(good, seen())
    shell(row.get("undo", "restore"))
    if how:
        reload(how)
    left = differing(good, seen())
    if left:
        sys.exit(f"{row['rule']}: {row['apply']}: still seen when it was undone: {', '.join(left)}")
    return flips


def main() -> int:
    table = json.loads(Path(sys.argv[1]).read_text())
    asked = sys.argv[2:]
    good = seen()
    bad = [f"{rule}: {row}" for rule, rows in good.items() for row in rows if row[-1] not in ("", "info")]
    if bad:
        sys.exit("this is no good host:\n" + "\n".join(sorted(bad)))
    rows = [row for row in table["mutations"] if not asked or row["rule"] in asked]
    detected = differences = 0
    for row in rows:
        began = time.monotonic()
        flips = mutate(row, good)
        detected += row["rule"] in flips
        expected = sorted(row.get("flips", [row["rule"]]))
        if UNKNOWN in expected:
            flips = sorted({UNKNOWN, *(rule for rule in flips if not rule.endswith("?"))})
        if flips != expected or asked:
            print(f"{row['rule']}: {row['apply']}: expected {', '.join(expected)}, got {', '.join(flips) or 'none'}")
            print(f"    {time.monotonic() - began:.1f} s", flush=True)
        differences += flips != expected
    without = set(rules()) - {row["rule"] for row in table["mutations"]}
    silent = sorted(without - set(table["without"]))
    print(
        f"{len(rows)} mutations, {detected} detected; {len(without)} rules without one; {differences} not as expected"
    )
    if silent:
        print(f"neither a mutation nor a reason why there is none: {', '.join(silent)}")
    return 1 if differences or silent else 0


if __name__ == "__main__":
    sys.exit(main())
