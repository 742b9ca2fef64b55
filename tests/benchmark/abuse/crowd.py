"""Holds many connections to a host in one of the ways that cost it most, and opens each again when it is cut.

Usage: crowd.py JSON, a mapping with
  way          keys of WAYS, joined by +; the connections take turns
  address      of the host
  port         80, or 443
  name         host name to ask for
  path         what a slow reader asks for
  connections  how many are held
  sources      own addresses, over which the connections are spread
  seconds      how long
  pause        seconds before a connection is opened again, 0.1

Prints how often connections were opened, and what they were told, as JSON.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import socket
import sys
import time
from typing import Any

_HELLO = bytes.fromhex("16030100c8010000c40303")


def _head(method: str, told: dict[str, Any], *headers: str) -> bytes:
    lines = [f"{method} {told.get('path', '/')} HTTP/1.1", f"Host: {told['name']}", *headers]
    return "\r\n".join([*lines, ""]).encode()


async def slow_header(loop: Any, sock: socket.socket, told: dict[str, Any]) -> None:
    await loop.sock_sendall(sock, _head("GET", told) + b"X-Slow: ")
    await _drip(loop, sock)


async def slow_body(loop: Any, sock: socket.socket, told: dict[str, Any]) -> None:
    await loop.sock_sendall(sock, _head("POST", told, "Content-Length: 100000") + b"\r\n")
    await _drip(loop, sock)


async def slow_reader(loop: Any, sock: socket.socket, told: dict[str, Any]) -> None:
    await loop.sock_sendall(sock, _head("GET", told) + b"\r\n")
    while await loop.sock_recv(sock, 1):
        await asyncio.sleep(1)


async def idle_handshake(loop: Any, sock: socket.socket, _told: dict[str, Any]) -> None:
    # The first bytes of a ClientHello, so that the kernel hands the connection on.
    await loop.sock_sendall(sock, _HELLO)
    await _until_closed(loop, sock)


async def idle_keep_alive(loop: Any, sock: socket.socket, told: dict[str, Any]) -> None:
    await loop.sock_sendall(sock, _head("GET", told) + b"\r\n")
    await _until_closed(loop, sock)


WAYS = {each.__name__: each for each in (slow_header, slow_body, slow_reader, idle_handshake, idle_keep_alive)}


async def _until_closed(loop: Any, sock: socket.socket) -> None:
    while await loop.sock_recv(sock, 65536):
        pass


async def _drip(loop: Any, sock: socket.socket) -> None:
    reading = asyncio.ensure_future(_until_closed(loop, sock))
    try:
        while not reading.done():
            await loop.sock_sendall(sock, b"x")
            await asyncio.wait([reading], timeout=1)
    finally:
        reading.cancel()


async def hold(number: int, told: dict[str, Any], until: float, counts: collections.Counter[str]) -> None:
    """Keep one connection open, as often as it takes."""
    loop = asyncio.get_running_loop()
    ways = told["way"].split("+")
    way = WAYS[ways[number % len(ways)]]
    source = told["sources"][number % len(told["sources"])]
    while time.monotonic() < until:
        with socket.socket() as sock:
            sock.setblocking(False)
            if way is slow_reader:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            counts["opened"] += 1
            try:
                sock.bind((source, 0))
                async with asyncio.timeout(10):
                    await loop.sock_connect(sock, (told["address"], told["port"]))
                await way(loop, sock, told)
                counts["closed"] += 1
            except (OSError, TimeoutError) as error:
                counts[type(error).__name__] += 1
        await asyncio.sleep(told.get("pause", 0.1))


async def main(told: dict[str, Any]) -> None:
    counts: collections.Counter[str] = collections.Counter()
    until = time.monotonic() + told["seconds"]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(told["seconds"] + 1):
            await asyncio.gather(*(hold(number, told, until, counts) for number in range(told["connections"])))
    print(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
