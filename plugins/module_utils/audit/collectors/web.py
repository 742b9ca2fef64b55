# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read for the rules on what Apache answers: ciphers, certificates, back ends, debug switches."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ...host.command import CommandError, Run
from ..facts import Facts, WebFacts
from ..merge import ciphers, secure
from .probes import probe, served_certificate
from .proc import read_text

_DEBUG = ("FLASK_DEBUG", "DJANGO_DEBUG", "WERKZEUG_DEBUG")
_OFF = ("", "0", "false", "no", "off")
_HIDDEN = (".git/HEAD", ".svn/entries", ".hg/requires", ".env")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_PROXIES = ("proxypass", "proxypassmatch", "balancermember", "rewriterule")
_BACKEND = re.compile(
    r"\b(?:https?|h2c?|wss?)://(?:[^\s/@]*@)?(\[[0-9a-fA-F:]+\]|[^\s/:\"']+)(?::([0-9]+))?", re.IGNORECASE
)
_PLAIN = ("http:", "h2c:", "ws:")


def web_facts(facts: Facts, run: Run, active: str) -> WebFacts:
    """Return what this Apache shows; the back ends are for add_backends."""
    found = WebFacts(active=active)
    hosts = [host for host in facts.tree.hosts if secure(facts.tree, host)]
    for host in hosts:
        text = ciphers(facts.tree, host)[1]
        found.ciphers[text] = offered(text)
        named = facts.last("sslcertificatefile", host)
        path = os.path.join(facts.instance.root, named.words[0]) if named and named.words else ""
        shown = "" if path or active == "none" else served_certificate(facts, host)
        found.certificates[host.name] = {"path": path, **certificate(_text(path) if path else shown, run)}
    for pool, processes in facts.live.items():
        found.debug[pool] = sorted({name for one in processes for name in _switches(int(one["pid"]))})
    for path, row in facts.paths.items():
        if row.get("exists") and os.path.isdir(path):
            found.hidden[path] = [name for name in _HIDDEN if os.path.lexists(os.path.join(path, name))]
    if active != "none" and facts.instance.pid is not None:
        facts.probes = probe(facts, active)
    return found


def offered(text: str) -> list[str]:
    """Return the ciphers before TLS 1.3 that a cipher string stands for with this host's OpenSSL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Otherwise the library's own level would hide what Apache's could let in.
        context.set_ciphers(text)
    except ssl.SSLError:
        return []
    return [one["name"] for one in context.get_ciphers() if not one["name"].startswith("TLS_")]


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return read_text(path)
    return ""


def certificate(text: str, run: Run) -> dict[str, Any]:
    """Return until when the first certificate of a text holds, the days that are left, and the size of its key."""
    found = _PEM.search(text)
    if found is None:
        return {"error": "no certificate to read"}
    try:
        said = run(["openssl", "x509", "-noout", "-enddate", "-text"], data=found.group())
    except CommandError as error:
        return {"error": f"openssl cannot read it: {error.complaint.splitlines()[-1:]}"}
    ends = re.search(r"^notAfter=(.*)$", said, re.MULTILINE)
    size = re.search(r"Public-Key: \(([0-9]+) bit\)", said)
    kind = re.search(r"Public Key Algorithm: (\S+)", said)
    if ends is None:
        return {"error": "openssl shows no end date"}
    seconds = ssl.cert_time_to_seconds(ends.group(1)) - time.time()
    return {
        "until": ends.group(1),
        "days": int(seconds // 86400),
        "bits": int(size.group(1)) if size else 0,
        "rsa": bool(kind and "rsa" in kind.group(1).lower()),
        "error": "",
    }


def _switches(pid: int) -> Iterator[str]:
    """Give the names of the debug switches that are on in a process's environment; not their values."""
    with contextlib.suppress(OSError):
        for pair in read_text(f"/proc/{pid}/environ").split("\0"):
            name, _equals, value = pair.partition("=")
            if (name in _DEBUG and value.lower() not in _OFF) or (name, value) == ("FLASK_ENV", "development"):
                yield name


def add_backends(found: Sequence[Facts]) -> None:
    """Note in each Apache which of its listeners a proxy of this host hands requests to."""
    here = {"localhost", "127.0.0.1", "::1", socket.gethostname()}
    targets = [(name, port, source, text) for facts in found for name, port, source, text in _proxied(facts)]
    for facts in found:
        for listener in facts.listeners:
            for name, port, source, text in targets:
                local = name in here or name.startswith("127.") or name == listener["address"]
                if port == listener["port"] and local:
                    row = {**listener, "source": source, "line": text}
                    if facts.web.active == "full":
                        row["reached"] = _reached(listener["address"], listener["port"])
                    facts.web.backends.append(row)


def _proxied(facts: Facts) -> Iterator[tuple[str, int, str, str]]:
    for line, _around, _host in facts.tree.every(*_PROXIES):
        for match in _BACKEND.finditer(line.text):
            if line.name == "rewriterule" and not re.search(r"\[[^\]]*\bP\b", line.text):
                continue
            port = int(match.group(2) or (80 if match.group(0).lower().startswith(_PLAIN) else 443))
            yield match.group(1).strip("[]").lower(), port, line.source, line.shown


# Sends nothing: the kernel only says which of its addresses it would take.
_ELSEWHERE = ((socket.AF_INET, "203.0.113.77"), (socket.AF_INET6, "2001:db8::77"))


def _own_addresses() -> Iterator[str]:
    for family, elsewhere in _ELSEWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((elsewhere, 9))
            yield str(asked.getsockname()[0])


def _reached(address: str, port: int) -> bool | None:
    """Tell whether this host's own address takes a connection; None where it has none but loopback."""
    everywhere = ipaddress.ip_address(address).is_unspecified
    tried = [
        one for one in (_own_addresses() if everywhere else [address]) if not ipaddress.ip_address(one).is_loopback
    ]
    for one in tried:
        with contextlib.suppress(OSError), socket.create_connection((one, port), 2.0):
            return True
    return False if tried else None
