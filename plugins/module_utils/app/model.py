# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One WSGI application of a host: its paths and identities, derived here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import APP
from .source import Source
from .web import Tls

# What counts as an answer. An application that wants a login answers 401; 403 and 404 may as well be a mistake.
DEFAULT_HEALTH_STATUS = (*range(200, 400), 401)
DEFAULT_HEALTH_TIMEOUT: int = APP["health_check"]["timeout"].default
# All that is above the entry files and the homes of apps: who may change one of these could replace an app.
DIRECTORIES_ABOVE = ("/", "/var", "/var/www", "/var/lib")
# Of an app that is to be removed.
_NO_SOURCE = Source("path")


@dataclass(frozen=True)
class Service:
    """A worker or a timer: what runs beside the pool, in the same surroundings."""

    app: str
    name: str
    command: tuple[str, ...]
    # On top of the app's.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    memory_max: str = ""
    # What of its sandbox it does without.
    allow: tuple[str, ...] = ()
    # Seconds to end in, for a worker after SIGTERM and for a timer's command after its start.
    timeout: int = 0

    @property
    def unit(self) -> str:
        """Return the start of the names of its units."""
        return f"wsgi-{self.app}-{self.name}"


@dataclass(frozen=True)
class Worker(Service):
    """A command that runs on and on, as any number of processes."""

    processes: int = 1
    ready_after: int = 0
    notify: bool = False


@dataclass(frozen=True)
class Timer(Service):
    """A command that runs at certain times."""

    schedule: str = ""
    random_delay: int = 0
    once: bool = False
    on_failure: str = ""


@dataclass(frozen=True)
class App:
    """A checked application; every path and identity that later steps need is derived here and nowhere else."""

    name: str
    account: str
    group: str
    present: bool = True
    purge: bool = False
    module: str = ""
    callable: str = ""
    server_names: tuple[str, ...] = ()
    mount: str = "/"
    source: Source = _NO_SOURCE
    requirements: str = ""
    allow_source_builds: bool = False
    # Commands that complete a new release, as lists of words, and whether they may use the network.
    build: tuple[tuple[str, ...], ...] = ()
    build_network: bool = False
    # Commands of a new release, as lists of words, before it serves.
    before_switch: tuple[tuple[str, ...], ...] = ()
    workers: tuple[Worker, ...] = ()
    timers: tuple[Timer, ...] = ()
    daemon_options: Mapping[str, Any] = field(default_factory=dict)
    writable: tuple[str, ...] = ()
    # Where the data of a site that is to be replaced lies, by its place below data/, as (place, path).
    data_from: tuple[tuple[str, str], ...] = ()
    # Secrets: kept out of what errors and tracebacks would print.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Directories of the release by their URL paths.
    static: Mapping[str, str] = field(default_factory=dict)
    tls: Tls | None = None
    trusted_proxies: tuple[str, ...] = ()
    trusted_proxy_headers: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    # Permissions on files of others, as (path, permissions).
    acls: tuple[tuple[str, str], ...] = ()
    handles_authorization: bool = False
    chunked_requests: bool = False
    error_override: bool = False
    # What is on the host already, made by hand: the account and directories, and the live sites that the app replaces.
    adopt: bool = False
    replaces: tuple[str, ...] = ()
    health_path: str = "/"
    health_status: tuple[int, ...] = DEFAULT_HEALTH_STATUS
    health_timeout: int = DEFAULT_HEALTH_TIMEOUT
    # Accepted, and to be told.
    warnings: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        return f"/var/lib/{self.account}"

    @property
    def data(self) -> str:
        return f"{self.home}/data"

    @property
    def releases(self) -> str:
        return f"{self.home}/releases"

    @property
    def current(self) -> str:
        return f"{self.home}/current"

    @property
    def environment_file(self) -> str:
        return f"{self.home}/environment"

    def environment_of(self, service: Service) -> str:
        """Return the file with the variables of a worker or timer; empty where it has none."""
        if service.environment:
            return f"{self.home}/environment-{service.name}"
        return self.environment_file if self.environment else ""

    @property
    def data_marker(self) -> str:
        """Return the file that is there while data of an old site is on its way."""
        return f"{self.home}/data-on-its-way"

    @property
    def entry_directory(self) -> str:
        return f"/var/www/{self.name}"

    @property
    def entry_file(self) -> str:
        return f"{self.entry_directory}/wsgi.py"
