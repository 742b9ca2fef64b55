# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates Apache serves on this host, and the reload that makes it serve the ones on disk."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError
from ..host.fs import opened_directory, read_file
from ..host.parallel import in_parallel
from .certificates import Certificate, paths_of, read_certificate
from .layout import ACME_STORE, ApacheLayout
from .processes import apache_parent
from .requests import await_requests
from .transaction import reload_server

_INTERVAL = 0.5
_SERVED_WITHIN = 15.0
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Host:
    """A virtual host with TLS: its names, and the file of its certificate; none where mod_md cares for it."""

    app: str
    names: tuple[str, ...]
    path: str = ""

    @property
    def name(self) -> str:
        return self.names[0]


def hosts_of(self_signed: Iterable[Mapping[str, Any]], given: Iterable[Mapping[str, Any]], acme: Any) -> list[Host]:
    """Return the virtual hosts of the rows."""
    return [
        *(Host(row["app"], tuple(row["server_names"]), paths_of(row["name"])[0]) for row in self_signed),
        *(Host(row["app"], tuple(row["server_names"]), row["certificate"]) for row in given),
        *(Host(row["app"], tuple(row["server_names"])) for row in acme),
    ]


def served_chain(name: str, run: Run) -> list[str]:
    """Return the certificates, each as PEM, that Apache serves on this host for a name; none where nothing answers."""
    program = 'exec openssl s_client -connect 127.0.0.1:443 -servername "$1" -showcerts </dev/null'
    try:
        return _PEM.findall(run(["/bin/sh", "-c", program, "sh", name]))
    except CommandError:
        return []


def read_pem(pem: str, run: Run) -> Certificate:
    """Return what a certificate says."""
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(pem)
        file.flush()
        return read_certificate(file.name, run)


def _chain_of(path: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii", errors="replace") as file:
        return _PEM.findall(file.read())
    return []


def _words(chain: Sequence[str], run: Run) -> str:
    """Describe the first certificate of a chain."""
    if not chain:
        return "none"
    found = read_pem(chain[0], run).as_dict()
    return f"one for {found['names'] or 'no name'} until {found['until']}"


def _equal(served: Sequence[str], wanted: Sequence[str]) -> bool:
    plain = ["".join(pem.split()) for pem in served]
    return bool(wanted) and plain[: len(wanted)] == ["".join(pem.split()) for pem in wanted]


# mod_md


def _stored_chain(host: Host) -> list[str]:
    """Return the certificate that mod_md holds for a host; none before the first."""
    directory = os.path.join(ACME_STORE, "domains", host.name)
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(os.listdir(directory)):
            if entry.startswith("pubcert") and entry.endswith(".pem"):
                return _chain_of(os.path.join(directory, entry))
    return []


def _job(host: Host) -> dict[str, Any]:
    """Return mod_md's account of an order that no reload has taken; Apache's user writes it, so it may be anything."""
    path = os.path.join(ACME_STORE, "staging", host.name)
    with contextlib.suppress(ValueError), opened_directory(path) as directory:
        text = read_file(directory, "job.json", f"{path}/job.json")[0] if directory is not None else None
        job = json.loads(text or "{}")
        return job if isinstance(job, dict) else {}
    return {}


def _staged(host: Host) -> bool:
    return _job(host).get("finished") is True


def _is_stored(host: Host, run: Run) -> bool:
    """Tell whether mod_md holds a certificate for all names of a host; a name may have come since."""
    stored = _stored_chain(host)
    return bool(stored) and set(read_pem(stored[0], run).names).issuperset(host.names)


def _complaint(job: Mapping[str, Any]) -> str:
    """Return what mod_md says of an order that failed."""
    if not job.get("errors"):
        return ""
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        told = str(job["last"].get("detail", ""))
        entries = [str(entry.get("detail", "")) for entry in job["log"]["entries"]]
        # Which name the authority could not reach stands in the log alone.
        why = next((detail for detail in entries if "authorization" in detail and "failed" in detail), "")
        return " ".join(f"{told}; {why}".strip("; ").split())[:600]
    return ""


# Live or not


def _wanted(host: Host) -> list[str]:
    return _chain_of(host.path) if host.path else _stored_chain(host)


def _is_live(host: Host, served: Sequence[str], run: Run) -> bool:
    if not _equal(served, _wanted(host)):
        return False
    return bool(host.path) or (not _staged(host) and _is_stored(host, run))


def _not_live(hosts: Sequence[Host], run: Run) -> dict[Host, list[str]]:
    """Return the hosts for which Apache serves another certificate, each with what it serves."""
    found: dict[Host, list[str]] = {}

    def look(host: Host) -> None:
        served = served_chain(host.name, run)
        if not _is_live(host, served, run):
            found[host] = served

    in_parallel(hosts, look, 8)
    return {host: found[host] for host in hosts if host in found}


def _wait_for_orders(hosts: Sequence[Host], deadline: float, run: Run) -> dict[Host, str]:
    """Wait until mod_md has the certificates of these hosts. Return what it says of those that it has not."""
    told = dict.fromkeys(hosts, "")
    while True:
        waiting = [host for host in hosts if not _staged(host) and not _is_stored(host, run)]
        for host in waiting:
            # A reload empties the account of an order that failed before.
            told[host] = _complaint(_job(host)) or told[host]
        if not waiting or time.monotonic() > deadline:
            return {host: told[host] for host in waiting}
        time.sleep(_INTERVAL)


def _difference(host: Host, served: Sequence[str], live: Sequence[str], run: Run) -> dict[str, object]:
    sides = (_words(served, run), _words(live, run) if live else "from the authority")
    before, after = ({"certificate": words} for words in sides)
    return {"path": f"https://{host.name}/ as Apache serves it", "before": before, "after": after}


def ensure_live(
    layout: ApacheLayout, hosts: Sequence[Host], timeout: int, run: Run, check: bool, wait: float = 0
) -> list[dict[str, object]]:
    """See that Apache serves the certificates on disk and mod_md's; reload it once where not. Return the differences.

    The reload waits for long requests, at most so many seconds.
    PalisadeError names the app, its name, and what is served or why mod_md has nothing to serve.
    """
    if not hosts or apache_parent(layout.binary) is None:
        return []
    deadline = time.monotonic() + timeout
    before = _not_live(hosts, run)
    if not before or check:
        return [_difference(host, served, _wanted(host), run) for host, served in before.items()]
    unready = _wait_for_orders([host for host in before if not host.path], deadline, run)
    if before.keys() - unready.keys():
        await_requests(layout, wait, run)
        reload_server(layout, run, restart=False)
    late = _wait_until_served([host for host in before if host not in unready], run)
    problems = [_explain_order(host, why, timeout) for host, why in unready.items()]
    for host, served in late.items():
        expected = f"expected {_words(_wanted(host), run)} ({host.path or ACME_STORE})"
        problems.append(
            f"app {host.app}: tls: port 443 of this host serves {_words(served, run)} for {host.name}, {expected}; "
            f"another site may have this name; see Apache's log in {layout.log_directory}"
        )
    if problems:
        raise PalisadeError("\n".join(problems))
    return [_difference(host, served, _wanted(host), run) for host, served in before.items()]


def _wait_until_served(hosts: Sequence[Host], run: Run) -> dict[Host, list[str]]:
    deadline = time.monotonic() + _SERVED_WITHIN
    late = _not_live(hosts, run)
    while late and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
        late = _not_live(list(late), run)
    return late


def _explain_order(host: Host, why: str, timeout: int) -> str:
    told = f"mod_md says: {why}" if why else "mod_md has not reported on it yet"
    return (
        f"app {host.app}: tls: acme: no certificate for {', '.join(host.names)} within {timeout} s; {told}; "
        f"make sure that the authority can reach http://{host.name}/ on this host, then run the play again; mod_md "
        "keeps trying meanwhile"
    )
