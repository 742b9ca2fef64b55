"""Asks a site for answers that take a while, with as long a pause after each; writes how many it got.

It ends when FILE.stop exists.

Usage: client.py FILE NAME SECONDS
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time


def ask(name: str, seconds: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", timeout=60)
    try:
        connection.request("GET", f"/?{seconds}", headers={"Host": name})
        return connection.getresponse().read() == b"ok\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    path, name, seconds = sys.argv[1:]
    told = {"answered": 0, "lost": 0}
    while not os.path.exists(f"{path}.stop"):
        told["answered" if ask(name, seconds) else "lost"] += 1
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(told, file)
        os.replace(f"{path}.new", path)
        time.sleep(float(seconds))


if __name__ == "__main__":
    main()
