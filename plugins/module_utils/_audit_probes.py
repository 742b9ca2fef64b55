# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests over loopback that Apache answers itself: no application sees them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import Tree

# Apache refuses an encoded slash with 404 before it looks for a handler.
CANARY = "palisade-audit-canary"
PATH = f"/{CANARY}%2F{CANARY}"
_SECONDS = 3.0
_SIZE = 16384
_REQUESTS = 120
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (where the server listens, not we)


def probe(listeners: Sequence[Mapping[str, Any]], tree: Tree) -> list[dict[str, Any]]:
    """Return the answer of each virtual host on each listener that loopback reaches."""
    found: list[dict[str, Any]] = []
    for listener in listeners:
        address = _LOOPBACK.get(listener["address"], listener["address"])
        if not (address.startswith("127.") or address == "::1"):
            continue
        secure = False
        for host in tree.hosts or [tree.main]:
            ports = {one.rpartition(":")[2] for one in host.addresses}
            if host.addresses and not ports & {str(listener["port"]), "*"}:
                continue
            name = host.server_names[0].rpartition("//")[2].partition(":")[0] if host.server_names else "localhost"
            if len(found) >= _REQUESTS:
                return found
            secure = any(item.name == "sslengine" and item.text.lower() == "on" for item in host.directives)
            found.append({"host": host.name, **ask(address, int(listener["port"]), name, secure)})
    return found


def ask(address: str, port: int, name: str, secure: bool) -> dict[str, Any]:
    """Return status, Server header and the start of the page; status 0 and why where none came."""
    said = {"request": f"GET {PATH} on {address} port {port}, Host: {name}", "status": 0, "server": "", "body": ""}
    request = f"GET {PATH} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: palisade-audit\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((address, port), _SECONDS) as plain:
            plain.settimeout(_SECONDS)
            connection = _secured(plain, name) if secure else plain
            connection.sendall(request.encode("ascii", "replace"))
            answer = b""
            while len(answer) < _SIZE:
                part = connection.recv(4096)
                if not part:
                    break
                answer += part
    except OSError as error:
        return {**said, "error": str(error)}
    head, _empty, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    words = head.split(None, 2)
    headers = {
        key.strip().lower(): value.strip() for key, _c, value in (r.partition(":") for r in head.split("\r\n")[1:])
    }
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return {**said, "status": status, "server": headers.get("server", ""), "body": body}


def _secured(plain: socket.socket, name: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    # What it shows of itself is asked for, not whether it is trusted.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=name)
