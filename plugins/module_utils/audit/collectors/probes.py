# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of the audit, over loopback alone and within a budget.

Safe ones are answered by Apache itself; the others may reach an application, or take long.
"""

from __future__ import annotations

import re
import shlex
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...host.parallel import in_parallel
from ..canary import CANARY, FORGED
from ..config import Tree, VirtualHost
from ..facts import Facts
from ..merge import Place, listens_on, read_timeouts, secure

# Apache refuses an encoded slash with 404 before it looks for a handler.
PATH = f"/{CANARY}%2F{CANARY}"
_DEBUGGERS = ("/console", "/__debug__/", "/_debug_toolbar/", "/?__debugger__=yes&cmd=resource&f=debugger.js")
# Larger than what Apache takes of one header by default.
_LARGE = 9000
_SECONDS = 5.0
# Beyond what Apache says that it waits.
_PATIENCE = 3.0
_SIZE = 65536
_AT_ONCE = 8
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (where the server listens, not we)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# As much of a ServerHello as tells the version.
_HELLO = 11
_LEGACY = "older than TLS 1.2"
_SPENT = "not sent: the audit has reached its limit of requests"
_SEEN = "not sent: with AllowEncodedSlashes an application would see it"


@dataclass
class Budget:
    """How many requests may be sent, and how long all of them may take together."""

    requests: int
    seconds: float
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds that are left; none where a request more is too many."""
        return max(0.0, self.started + self.seconds - time.monotonic()) if self.requests > 0 else 0.0


_BUDGETS = {"safe": (1000, 30.0), "full": (3000, 120.0)}


@dataclass(frozen=True)
class Target:
    """A virtual host on a listener that loopback reaches."""

    host: VirtualHost
    address: str
    port: int
    name: str
    secure: bool

    def curl(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Return the command that sends the same request."""
        scheme = "https" if self.secure else "http"
        words = ["curl", "-sik", "--max-time", "5", "--path-as-is", "-X", method]
        words += ["--resolve", f"{self.name}:{self.port}:{self.address}"]
        words += [word for key, value in headers.items() for word in ("-H", f"{key}: {value}")]
        return shlex.join([*words, f"{scheme}://{self.name}:{self.port}{path}"])


def probe(facts: Facts, active: str) -> list[dict[str, Any]]:
    """Return the answer to each request; what the budget does not allow has an error that says so."""
    budget = Budget(*_BUDGETS[active])
    found: list[dict[str, Any]] = []
    reached = list(targets(facts.listeners, facts.tree))
    for target in reached:
        found += _safe(target, facts, budget)
    for target in _one_each(reached):
        found.append(_ask(target, "large", "GET", PATH, budget, {"X-Large": "x" * _LARGE}))
    if active == "full":
        # An application is the same on every address.
        for target in {(target.port, target.host.name): target for target in reached}.values():
            found += _full(target, facts.places, budget)
        found += _all_slow(_one_each(reached), facts.tree, budget)
    return found


def targets(listeners: Sequence[Mapping[str, Any]], tree: Tree) -> Iterator[Target]:
    """Give each virtual host on each listener that loopback reaches; of an address and port each once."""
    seen = set()
    for listener in listeners:
        address, port = _LOOPBACK.get(listener["address"], listener["address"]), int(listener["port"])
        if not (address.startswith("127.") or address == "::1"):
            continue
        for host in tree.hosts or [tree.main]:
            if not listens_on(host, port):
                continue
            names = [name.rpartition("//")[2].partition(":")[0] for name in host.server_names]
            name = next((name for name in names if _NAME.fullmatch(name)), "localhost")
            target = Target(host, address, port, name, secure(tree, host))
            if (address, port, host.name) not in seen:
                seen.add((address, port, host.name))
                yield target


def _one_each(reached: Sequence[Target]) -> list[Target]:
    """Return the first virtual host of each listener: what comes before the Host header is for that one."""
    return list({(target.address, target.port): target for target in reversed(reached)}.values())[::-1]


def _safe(target: Target, facts: Facts, budget: Budget) -> Iterator[dict[str, Any]]:
    slashes = facts.tree.last("allowencodedslashes", target.host)
    if slashes is not None and slashes.text.lower() != "off":
        yield _row(target, "canary", "GET", PATH, {}, answer={"error": _SEEN})
    else:
        yield _ask(target, "canary", "GET", PATH, budget, {})
    # Apache answers it itself, but for what it hands on to another server.
    if not any(True for _line in facts.tree.every("proxypass", "proxypassmatch", "rewriterule")):
        yield _ask(target, "trace", "TRACE", "/", budget, {"X-Canary": CANARY})
    if target.secure:
        yield _legacy(target, budget)


def _full(target: Target, places: Sequence[Place], budget: Budget) -> Iterator[dict[str, Any]]:
    mounts = {place.url: place for place in places if place.host.name == target.host.name and _asked(place)}
    for url, place in mounts.items():
        base = url.rstrip("/")
        yield _ask(target, "page", "GET", url, budget, FORGED)
        for path in (f"/{CANARY}", *_DEBUGGERS):
            yield _ask(target, "debug", "GET", base + path, budget, {})
        limit = place.setting("limitrequestbody").value.strip('"')
        if limit.isdigit() and int(limit) > 0:
            headers = {"Content-Length": str(int(limit) + 1), "Expect": "100-continue"}
            yield {**_ask(target, "body", "POST", url, budget, headers), "limit": int(limit)}


def _asked(place: Place) -> bool:
    return place.aliased and bool(re.fullmatch(r"/[\w/.~-]*", place.url))


def _ask(
    target: Target, kind: str, method: str, path: str, budget: Budget, headers: Mapping[str, str]
) -> dict[str, Any]:
    """Return status, headers and the start of the page; status 0 and why where none came."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {target.name}", "User-Agent: palisade-audit", "Connection: close"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode("ascii", "replace")
    seconds = min(_SECONDS, budget.left())
    if not seconds:
        return _row(target, kind, method, path, headers, answer={"error": _SPENT})
    budget.requests -= 1
    try:
        with _connected(target, seconds) as connection:
            connection.sendall(request)
            answer = _received(connection, time.monotonic() + seconds)
    except OSError as error:
        return _row(target, kind, method, path, headers, answer={"error": str(error) or type(error).__name__})
    return _row(target, kind, method, path, headers, answer=parsed(answer))


def _row(
    target: Target,
    kind: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    answer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    request = target.curl(method, path, headers).replace("x" * _LARGE, f"$(printf %{_LARGE}s)")
    said = {"status": 0, "server": "", "headers": {}, "body": "", "error": ""}
    found = {"host": target.host.name, "kind": kind, "path": path, "port": target.port, "request": request}
    return {**found, **said, **(answer or {})}


def _connected(target: Target, seconds: float) -> socket.socket:
    plain = socket.create_connection((target.address, target.port), seconds)
    plain.settimeout(seconds)
    if not target.secure:
        return plain
    context = ssl.create_default_context()
    # What it shows of itself is asked for, not whether it is trusted.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=target.name)
    except (OSError, ValueError):
        plain.close()
        raise


def _received(connection: socket.socket, until: float, enough: int = 0) -> bytes:
    """Return what comes until it is enough, or the end of the answer, of the time, or of the room."""
    answer = b""
    while len(answer) < (enough or _SIZE):
        seconds = until - time.monotonic()
        if seconds <= 0:
            break
        connection.settimeout(seconds)
        try:
            part = connection.recv(4096)
        except OSError:
            # What came before counts.
            if answer:
                break
            raise
        if not part:
            break
        answer += part
    return answer


def parsed(answer: bytes) -> dict[str, Any]:
    """Return what an answer says; it may be anything."""
    head, _empty, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    lines = head.split("\r\n")
    status = re.match(r"HTTP/[0-9.]+ ([0-9]{3})(?![0-9])", lines[0])
    if status is None:
        return {"error": "the answer is not HTTP" if answer else "closed without an answer"}
    pairs = (line.partition(":") for line in lines[1:])
    headers = {key.strip().lower(): value.strip() for key, _colon, value in pairs}
    return {"status": int(status.group(1)), "server": headers.get("server", ""), "headers": headers, "body": body}


# Beyond one request and its answer


def _all_slow(reached: Sequence[Target], tree: Tree, budget: Budget) -> list[dict[str, Any]]:
    """Send half a request to each at the same time: there is nothing to do but wait."""
    found: dict[int, dict[str, Any]] = {}

    def work(numbered: tuple[int, Target]) -> None:
        found[numbered[0]] = _slow(numbered[1], tree, budget)

    in_parallel(list(enumerate(reached)), work, _AT_ONCE)
    return [found[number] for number in sorted(found)]


def _slow(target: Target, tree: Tree, budget: Budget) -> dict[str, Any]:
    """Send half a request and see whether Apache waits for the rest longer than it says."""
    allowed = read_timeouts(tree, target.host).get("header", 20)
    seconds = float(allowed) + _PATIENCE
    row = _row(target, "slow", "GET", "/", {})
    row["request"] = f"half of a request to {target.address} port {target.port}"
    if not allowed or budget.left() < seconds:
        return {
            **row,
            "error": "not sent: there is no limit to wait for, or the audit has reached its limit of requests",
        }
    budget.requests -= 1
    try:
        with _connected(target, _SECONDS) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {target.name}\r\n".encode("ascii", "replace"))
            connection.settimeout(seconds)
            # A 408, or the end of the connection.
            connection.recv(4096)
    except (TimeoutError, socket.timeout):
        return {**row, "ended": False}
    except OSError as error:
        return {**row, "error": str(error)}
    return {**row, "ended": True}


def _legacy(target: Target, budget: Budget) -> dict[str, Any]:
    """Offer nothing newer than TLS 1.1, by hand: the library here may refuse to."""
    row = _row(target, "legacy", "GET", "/", {})
    where = shlex.quote(f"{target.address}:{target.port}")
    row["request"] = f"openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -servername {target.name} -connect {where}"
    seconds = min(_SECONDS, budget.left())
    if not seconds:
        return {**row, "error": _SPENT}
    budget.requests -= 1
    try:
        with socket.create_connection((target.address, target.port), seconds) as connection:
            connection.sendall(hello(target.name))
            answer = _received(connection, time.monotonic() + seconds, _HELLO)
    except (TimeoutError, socket.timeout) as error:
        return {**row, "error": f"no answer to a handshake: {error}"}
    except OSError:
        # Closed at once, as some do.
        return {**row, "accepted": ""}
    # A handshake record with a ServerHello in it, and the version that it chose.
    accepted = (
        len(answer) >= _HELLO and answer[0] == 22 and answer[5] == 2 and answer[9:11] in (b"\x03\x01", b"\x03\x02")
    )
    return {**row, "accepted": _LEGACY if accepted else ""}


def hello(name: str) -> bytes:
    """Return a ClientHello of TLS 1.1."""

    def sized(data: bytes, width: int) -> bytes:
        return len(data).to_bytes(width, "big") + data

    suites = b"".join(number.to_bytes(2, "big") for number in (0xC013, 0xC014, 0xC009, 0xC00A, 0x2F, 0x35, 0x0A))
    names = sized(b"\0" + sized(name.encode("ascii", "replace"), 2), 2)
    groups = sized(b"\x00\x17\x00\x18\x00\x1d", 2)
    extensions = b"\0\0" + sized(names, 2) + b"\0\x0a" + sized(groups, 2) + b"\0\x0b" + sized(b"\x01\0", 2)
    body = b"\x03\x02" + b"palisade-audit".ljust(32, b"\0") + b"\0" + sized(suites, 2) + b"\x01\0"
    body += sized(extensions, 2)
    return b"\x16\x03\x01" + sized(b"\x01" + sized(body, 3), 2)


def served_certificate(facts: Facts, host: VirtualHost) -> str:
    """Return the certificate that a virtual host shows over loopback, as PEM; empty where none comes."""
    for target in targets(facts.listeners, facts.tree):
        if target.secure and target.host.name == host.name:
            try:
                with _connected(target, _SECONDS) as connection:
                    shown = connection.getpeercert(True) if isinstance(connection, ssl.SSLSocket) else None
            except OSError:
                continue
            if shown:
                return ssl.DER_cert_to_PEM_cert(shown)
    return ""
