"""Asks sites of this host all the time, and writes what it got to a file, until that file's name with .stop exists.

Usage: client.py FILE URL NAME [URL NAME...]
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import time


def ask(address: str, name: str) -> str:
    """Return the status, or what went wrong."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPConnection("127.0.0.1", 443 if address == "https" else 80, timeout=20)
    try:
        connection.connect()
        if address == "https":
            connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def main() -> None:
    path, *words = sys.argv[1:]
    sites = list(zip(words[::2], words[1::2], strict=True))
    seen: dict[str, int] = {}
    while not os.path.exists(f"{path}.stop"):
        for address, name in sites:
            said = f"{name} {ask(address, name)}"
            seen[said] = seen.get(said, 0) + 1
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(seen, file)
        os.replace(f"{path}.new", path)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
