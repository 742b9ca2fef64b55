"""Prints a table of what the demo's sites answer, and which pool and account serve them.

Reads the output of `ansible --one-line -m palisade.mod_wsgi.wsgi_server_info` from standard input; the argument is the
port.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
from typing import Any

SITES = ("admin", "public", "api")


def ask(name: str, port: int) -> tuple[bool, str]:
    """Whether the site answers well, and the first words of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/", headers={"Host": f"{name}.localhost:{port}"})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return False, str(error)
    finally:
        connection.close()
    words = re.sub(r"<(head|title|style|script).*?</\1>|<[^>]*>", " ", body, flags=re.S).split()
    text = " ".join(words)
    return answer.status < 400, f"{answer.status} {text[:57] + '...' if len(text) > 60 else text}"


def accounts(info: dict[str, Any]) -> dict[str, str]:
    """Pool name to the accounts of its live processes."""
    users = {pool["name"]: {process["user"] for process in pool["processes"]} for pool in info["pools_live"]}
    return {name: ", ".join(sorted(found)) for name, found in users.items()}


def main() -> int:
    port = int(sys.argv[1])
    pools = accounts(json.loads(sys.stdin.read().split("=>", 1)[1]))
    rows = [("NAME", "URL", "POOL", "ACCOUNT", "ANSWER")]
    good = True
    for name in SITES:
        answered, words = ask(name, port)
        good = good and answered and name in pools
        pool = name if name in pools else "-"
        rows.append((name, f"http://{name}.localhost:{port}/", pool, pools.get(name, "-"), words))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
