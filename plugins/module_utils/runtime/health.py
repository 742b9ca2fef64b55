# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the pools of a host run as their accounts and answer, asked from the host itself."""

from __future__ import annotations

import grp
import http.client
import json
import os
import pwd
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..apache import server
from ..apache.layout import ApacheLayout
from ..apache.live_certificates import read_pem
from ..apache.processes import live_pools
from ..app.model import DEFAULT_HEALTH_STATUS, DEFAULT_HEALTH_TIMEOUT
from ..host.command import Run
from ..host.errors import PalisadeError
from ..host.parallel import in_parallel

_INTERVAL = 0.2
_LOG_LINES = 20
# A pool that is starting answers these; 500 only for a moment, since a broken application answers it for ever.
_STARTING = (502, 503, 504)
_SECONDS_OF_500 = 3.0
# Time, module, process and client of a line of Apache's error log.
_LOG_PREFIX = re.compile(r"^(\[[^\]]*\] )+")
# A path that YAML takes without quotes, in braces too.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


def check_pools(layout: ApacheLayout, pools: Sequence[Mapping[str, Any]], run: Run) -> list[dict[str, Any]]:
    """Wait until every pool runs as its account and answers its health check. Return {app, status} of each.

    PalisadeError tells for each app that did not what came instead, with the end of its error log.
    """
    # Where each log ended before the latest request, so that an error is quoted once.
    offsets = {pool["app"]: _size(pool["error_log"]) for pool in pools}
    failures = _check_processes(layout, pools, run)
    answers: dict[str, int] = {}

    def ask(pool: Mapping[str, Any]) -> None:
        try:
            answers[pool["app"]] = _answer(pool, offsets, run)
        except PalisadeError as error:
            failures[pool["app"]] = str(error)

    in_parallel([pool for pool in pools if pool["app"] not in failures], ask, 8)
    if failures:
        told = (
            f"app {pool['app']}: {failures[pool['app']]}{_tail(pool['error_log'], offsets[pool['app']])}"
            for pool in pools
            if pool["app"] in failures
        )
        raise PalisadeError("\n".join(told))
    return [{"app": pool["app"], "status": answers[pool["app"]]} for pool in pools]


def _check_processes(layout: ApacheLayout, pools: Sequence[Mapping[str, Any]], run: Run) -> dict[str, str]:
    """Return what is wrong with the processes of each pool that is not as declared after its timeout."""
    started = time.monotonic()
    declared = server.read_configuration(layout, run).pools
    while True:
        live = {str(pool["name"]): pool["processes"] for pool in live_pools(layout.binary, declared)}
        problems = {pool["app"]: _problem(pool, live.get(pool["name"], [])) for pool in pools}
        waiting = [pool for pool in pools if problems[pool["app"]] and time.monotonic() < started + pool["timeout"]]
        if not waiting:
            return {app: problem for app, problem in problems.items() if problem}
        time.sleep(_INTERVAL)


def _problem(pool: Mapping[str, Any], processes: Sequence[Mapping[str, Any]]) -> str:
    if len(processes) < pool["processes"]:
        return f"pool {pool['name']} has {len(processes)} processes, expected {pool['processes']}"
    wanted = (pwd.getpwnam(pool["account"]).pw_uid, grp.getgrnam(pool["group"]).gr_gid)
    for process in processes:
        if (process["uid"], process["gid"]) != wanted:
            return (
                f"pool {pool['name']}: process {process['pid']} runs as {process['user']}:{process['group']}, "
                f"expected {pool['account']}:{pool['group']}"
            )
    return ""


def _answer(pool: Mapping[str, Any], offsets: dict[str, int], run: Run) -> int:
    started = time.monotonic()
    while True:
        elapsed = time.monotonic() - started
        offsets[pool["app"]] = _size(pool["error_log"])
        try:
            status, certificate = _request(pool, max(1.0, pool["timeout"] - elapsed))
        except (OSError, http.client.HTTPException) as error:
            problem, passing = f"failed: {str(error) or type(error).__name__}", True
        else:
            problem, passing = _foreign(pool, certificate, run), False
            if status in pool["status"] and not problem:
                return status
            if not problem:
                problem = f"answered {status}, expected {_ranges(pool['status'])}; {_advice(pool, status)}"
                passing = status in _STARTING or (status == 500 and elapsed < _SECONDS_OF_500)
        if not passing or elapsed > pool["timeout"]:
            raise PalisadeError(f"GET {_url(pool)} on this host {problem}")
        time.sleep(_INTERVAL)


def _url(pool: Mapping[str, Any]) -> str:
    return f"http{'s' if pool['tls'] else ''}://{pool['server_name']}{pool['path']}"


def _request(pool: Mapping[str, Any], timeout: float) -> tuple[int, bytes | None]:
    """Return the status and, where the pool has TLS, the certificate in DER format."""
    port, certificate = 443 if pool["tls"] else 80, None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.sock = socket.create_connection(("127.0.0.1", port), timeout)
    try:
        if pool["tls"]:
            # Whether clients would trust it is not asked: it may be self-signed.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            wrapped = context.wrap_socket(connection.sock, server_hostname=pool["server_name"])
            connection.sock, certificate = wrapped, wrapped.getpeercert(binary_form=True)
        own = {"Host": pool["server_name"], "User-Agent": "palisade"}
        connection.request("GET", pool["path"], headers={**own, **pool.get("headers", {})})
        return connection.getresponse().status, certificate
    finally:
        connection.close()


def _foreign(pool: Mapping[str, Any], certificate: bytes | None, run: Run) -> str:
    """Return what is wrong with the names of the certificate that was served; empty where nothing is."""
    if certificate is None:
        return ""
    found, name = read_pem(ssl.DER_cert_to_PEM_cert(certificate), run), pool["server_name"]
    if found.covers(name):
        return ""
    return f"got a certificate for {', '.join(found.names) or 'no name'}, expected one for {name} (tls)"


def _ranges(statuses: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for status in statuses:
        if runs and status == runs[-1][-1] + 1:
            runs[-1].append(status)
        else:
            runs.append([status])
    texts = ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(status) for status in run] for run in runs)
    return " or ".join(text for run in texts for text in run)


def _advice(pool: Mapping[str, Any], status: int) -> str:
    """Return the whole line that makes a status count, with what the app's health_check says already."""
    path = pool["path"] if _PLAIN.fullmatch(pool["path"]) else json.dumps(pool["path"])
    fields = [] if pool["path"] == "/" else [f"path: {path}"]
    # A list of the app's own is kept; the default one is not for anybody to copy.
    listed = [] if tuple(pool["status"]) == DEFAULT_HEALTH_STATUS else list(pool["status"])
    fields.append(f"status: [{', '.join(str(item) for item in [*listed, status])}]")
    fields += [] if pool["timeout"] == DEFAULT_HEALTH_TIMEOUT else [f"timeout: {pool['timeout']}"]
    return f"if that is the right answer, write in app {pool['app']}: health_check: {{{', '.join(fields)}}}"


def _size(path: str) -> int:
    return os.stat(path).st_size if os.path.exists(path) else 0


def _tail(path: str, offset: int) -> str:
    """Return the last lines that a log got since it had this size, or where it lies if it got none."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as log:
        log.seek(offset if offset <= _size(path) else 0)
        lines = [_LOG_PREFIX.sub("", line) for line in log.read().splitlines()[-_LOG_LINES:]]
    return "".join(["; its error log says:", *(f"\n    {line}" for line in lines)]) if lines else f"; see {path}"
