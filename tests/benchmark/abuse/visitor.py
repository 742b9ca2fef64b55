"""Asks sites for a page all the time as a visitor would, each request on a connection of its own.

Usage: visitor.py JSON, a mapping with address, source, seconds, patience, pause, and sites (name, path, body, tls)

Prints for each site the seconds that each answer took, and what the others got, as JSON.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from typing import Any


class Secure(http.client.HTTPConnection):
    """Speaks TLS to a site by its name, at whatever address, and takes any certificate."""

    name = ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def connect(self) -> None:
        super().connect()
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)


def visit(told: dict[str, Any], site: dict[str, Any], rows: dict[str, Any]) -> None:
    until = time.monotonic() + told["seconds"]
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            source = (told["source"], 0)
            connection: http.client.HTTPConnection
            if site.get("tls"):
                connection = Secure(told["address"], 443, timeout=told["patience"], source_address=source)
                connection.name = site["name"]
            else:
                connection = http.client.HTTPConnection(
                    told["address"], 80, timeout=told["patience"], source_address=source
                )
            body = b"x" * site.get("body", 0)
            connection.request(
                "POST" if body else "GET", site.get("path", "/"), body or None, headers={"Host": site["name"]}
            )
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                rows["answers"].append(round(time.monotonic() - began, 4))
            else:
                rows["other"].append(answer.status)
        except (OSError, http.client.HTTPException) as error:
            rows["other"].append(type(error).__name__)
        finally:
            connection.close()
        time.sleep(told["pause"])


def main() -> None:
    told = json.loads(sys.argv[1])
    results = []
    threads = []
    for site in told["sites"]:
        rows: dict[str, Any] = {"answers": [], "other": []}
        results.append(rows)
        threads.append(threading.Thread(target=visit, args=(told, site, rows)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
