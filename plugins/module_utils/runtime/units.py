# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units of systemd of an app's workers and timers, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..app.fields import ALLOWED
from ..app.model import App, Service, Timer, Worker
from ..host.confinement import UNITS
from ..host.records import NOTICE, record
from .surroundings import PROGRAM, properties

_PLAIN = re.compile(r"[A-Za-z0-9_@./:=+,-]+")
# What often is on the same host, and should be there first.
_AFTER = "network.target postgresql.service mariadb.service redis-server.service rabbitmq-server.service"
# Beside what Apache's unit has: a daemon is a child of Apache, which needs more.
_CLOSED = (
    "AmbientCapabilities=",
    "KeyringMode=private",
    "MemoryDenyWriteExecute=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)


def quoted(words: Iterable[str], numbered: bool = False) -> str:
    """Return words as systemd reads them back, where no variable is expanded; numbered keeps %i, its specifier."""
    return " ".join(_quoted(word, "%(?!i)" if numbered else "%") for word in words)


def _quoted(word: str, special: str) -> str:
    escaped = re.sub(special, "%%", word.replace("\\", "\\\\").replace('"', '\\"'))
    return word if _PLAIN.fullmatch(word) else f'"{escaped}"'


def _command(app: App, service: Service, numbered: bool) -> str:
    # The colon keeps systemd from expanding variables.
    return f"ExecStart=:{quoted([PROGRAM, '--enter', app.environment_of(service), *service.command], numbered)}"


def _sandbox(app: App, service: Service, confined: bool) -> list[str]:
    lines = [*properties(app, confined), *(_CLOSED if confined else ())]
    freed = {setting for item in service.allow for setting in ALLOWED[item]}
    lines = [line for line in lines if line.partition("=")[0] not in freed]
    return [*lines, *([f"MemoryMax={service.memory_max}"] if service.memory_max else [])]


def _service_lines(app: App, service: Service, confined: bool, numbered: bool = False) -> list[str]:
    return [
        f"WorkingDirectory={app.current}/code",
        _command(app, service, numbered),
        f"SyslogIdentifier={service.unit}",
        *_sandbox(app, service, confined),
    ]


def worker_unit(app: App, worker: Worker, confined: bool) -> str:
    """Return the template unit of a worker; its instances are its processes."""
    told = {"app": app.name, "worker": worker.name, "processes": worker.processes}
    return _text(
        record(**told, ready_after=0 if worker.notify else worker.ready_after),
        Unit=[
            f"Description=WSGI application {app.name}: worker {worker.name}, process %i",
            f"After={_AFTER}",
            # A broker may be away for longer than systemd tries by itself.
            "StartLimitIntervalSec=0",
        ],
        Service=[
            f"Type={'notify' if worker.notify else 'exec'}",
            *_service_lines(app, worker, confined, numbered=True),
            "Restart=always",
            "RestartSec=2",
            # The processes of a job end with the one that has it.
            "KillMode=mixed",
            f"TimeoutStopSec={worker.timeout}",
        ],
        Install=["WantedBy=multi-user.target"],
    )


def timer_units(app: App, timer: Timer, confined: bool) -> tuple[str, str]:
    """Return the service of a timer and the timer itself."""
    told = record(app=app.name, timer=timer.name)
    hook = [f"OnFailure={timer.on_failure}"] if timer.on_failure else []
    service = _text(
        told,
        Unit=[f"Description=WSGI application {app.name}: {timer.name}", f"After={_AFTER}", *hook],
        Service=[
            "Type=oneshot",
            *_service_lines(app, timer, confined),
            f"TimeoutStartSec={timer.timeout}",
        ],
    )
    delay = [f"RandomizedDelaySec={timer.random_delay}"] if timer.random_delay else []
    clock = _text(
        told,
        Unit=[f"Description=WSGI application {app.name}: times of {timer.name}"],
        Timer=[f"OnCalendar={timer.schedule}", "AccuracySec=1s", *delay],
        Install=["WantedBy=timers.target"],
    )
    return service, clock


def _text(told: str, **sections: Sequence[str]) -> str:
    lines = [NOTICE, told]
    for name, settings in sections.items():
        lines += ["", f"[{name}]", *settings]
    return "\n".join(lines) + "\n"


def service_files(app: App, timers: Sequence[Timer], confined: bool) -> list[dict[str, Any]]:
    """Return the files of an app's workers and timers; those without content are in service_secrets."""
    rows = []
    identity = {"app": app.name, "owner": "root", "group": "root", "mode": "0644"}
    for worker in app.workers:
        rows.append((f"{worker.unit}@.service", worker_unit(app, worker, confined)))
    for timer in timers:
        service, clock = timer_units(app, timer, confined)
        rows += [(f"{timer.unit}.service", service), (f"{timer.unit}.timer", clock)]
    files = [{**identity, "path": f"{UNITS}/{name}", "content": content} for name, content in rows]
    secret = {**identity, "group": app.group, "mode": "0640"}
    return [*({**secret, "path": path} for path in service_secrets(app, timers)), *files]


def service_secrets(app: App, timers: Sequence[Timer]) -> dict[str, str]:
    """Return the files of variables of an app's workers and timers by their paths, as JSON."""
    return {
        app.environment_of(service): json.dumps({**app.environment, **service.environment}, indent=2, sort_keys=True)
        + "\n"
        for service in (*app.workers, *timers)
        if service.environment
    }
