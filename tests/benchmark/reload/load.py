"""Clients that ask one host again and again; what each request got goes out as JSON, one line a request.

Runs on the host that is asked, with its own Python: standard library only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
import time

# When it was asked, how long it took, path, status and answer.
Row = tuple[float, float, str, str, str]


def ask(connection: http.client.HTTPConnection, arguments: argparse.Namespace, path: str) -> tuple[str, str]:
    """Return status and answer; what went wrong is a status as well."""
    try:
        connection.request("GET", path, headers={"Host": arguments.name})
        answer = connection.getresponse()
        return str(answer.status), answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__, str(error)


def client(arguments: argparse.Namespace, path: str, begun: float, first: float, rows: list[Row]) -> None:
    """Ask from the moment first on; what came of each request is a row."""
    # Spread, so that the server is not idle between rounds.
    time.sleep(first)
    connection = http.client.HTTPConnection("127.0.0.1", arguments.port, timeout=arguments.timeout)
    while time.monotonic() < begun + arguments.seconds:
        asked = time.monotonic()
        status, text = ask(connection, arguments, path)
        rows.append((asked - begun, time.monotonic() - asked, path, status, text))
        if not arguments.keep_alive:
            connection.close()
        time.sleep(arguments.pause)
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", help="host name to ask for")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument(
        "--takes", type=float, default=0.05, help="seconds that the application takes for their requests"
    )
    parser.add_argument("--slow-clients", type=int, default=2, help="further clients whose requests take 2 s")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between an answer and the next request")
    parser.add_argument("--keep-alive", action="store_true")
    parser.add_argument("--timeout", type=float, default=60)
    arguments = parser.parse_args()
    rows: list[Row] = []
    begun = time.monotonic()
    paths = [f"/{arguments.takes}"] * arguments.clients + ["/2"] * arguments.slow_clients
    threads = [
        threading.Thread(target=client, args=(arguments, path, begun, 2 * index / len(paths), rows))
        for index, path in enumerate(paths)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in sorted(rows):
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
