# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What starts the code of pools beside them: services of systemd, lines of crontabs, programs of supervisor."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...host.records import read_records
from ..secret_names import secret_names
from .proc import read_text

UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system")
# Directories of crontabs, and whether their lines name the account.
_CRONTABS = {"/etc/crontab": True, "/etc/cron.d/*": True, "/var/spool/cron/*": False, "/var/spool/cron/*/*": False}
_SUPERVISOR = ("/etc/supervisor/conf.d/*.conf", "/etc/supervisor.d/*.ini", "/etc/supervisord.d/*.ini")
_FILES, _SIZE = 1000, 1 << 16
_PATH = re.compile(r"(?<![\w./-])/[\w.@+/-]+")
_ASSIGNED = re.compile(r"""(?<![\w%])([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s,;&|"']*)""")
_TIMES = re.compile(r"\s*(?:@\w+|(?:\S+\s+){4}\S+)\s+(.+)")


@dataclass
class Job:
    """One thing that starts a command by itself: a service, a line of a crontab, a program of supervisor."""

    source: str
    kind: str
    account: str
    command: str
    name: str = ""
    # As it is written: OnCalendar of its timer, or the fields of a crontab.
    schedule: str = ""
    directory: str = ""
    capabilities: str = ""
    variables: list[tuple[str, str]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Return the absolute paths that it names."""
        return [path for text in (self.command, self.directory) for path in _PATH.findall(text)]


def jobs() -> list[Job]:
    """Return what starts commands on this host, apart from what the distribution's packages bring."""
    return [*_services(), *_cron_lines(), *_programs()]


def beside(code: Mapping[str, Iterable[str]], found: Sequence[Job]) -> list[dict[str, Any]]:
    """Return the jobs that start code of pools, as HostFacts.beside has them.

    code has the paths of each pool's code.
    """
    rows = []
    for job in found:
        named = {place for path in job.paths() for place in _places(path)}
        pools = [
            pool
            for pool, paths in code.items()
            if any(_within(path, os.path.realpath(place)) for place in paths for path in named)
        ]
        if pools:
            rows.append(
                {
                    "source": job.source,
                    "kind": job.kind,
                    "account": job.account,
                    "pools": pools,
                    "capabilities": job.capabilities,
                    "secrets": secret_names(job.variables),
                    "name": job.name,
                    "command": _without(job.command, secret_names(job.variables)),
                    "schedule": job.schedule,
                    "variables": sorted({name for name, _value in job.variables}),
                }
            )
    return rows


def _without(command: str, secrets: Sequence[str]) -> str:
    """Return a command without the values of likely secrets."""
    return _ASSIGNED.sub(lambda found: f"{found[1]}=***" if found[1] in secrets else found[0], command)


def is_of_the_collection(unit: str) -> bool:
    """Tell whether a unit is an app's own: its worker or timer, or a command that wsgi-run started."""
    if unit.startswith("palisade-"):
        return True
    with contextlib.suppress(OSError):
        text = read_text(f"{UNITS[0]}/{re.sub('@[^.]*', '@', unit)}", _SIZE)
        return any("worker" in told or "timer" in told for told in read_records(text))
    return False


def _places(path: str) -> tuple[str, str]:
    """Return where a path is, and where it leads: the interpreter of a virtual environment is a link out of it."""
    above, name = os.path.split(path.rstrip("/"))
    return os.path.join(os.path.realpath(above), name), os.path.realpath(path)


def _within(path: str, place: str) -> bool:
    return place != "/" and (path == place or path.startswith(f"{place}/"))


def text_files(patterns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give path and text of the files that fit these patterns, as far as a host has any of use."""
    paths = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    for path in paths[:_FILES]:
        with contextlib.suppress(OSError):
            if os.path.isfile(path):
                yield path, read_text(path, _SIZE)


def _settings(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", text)
    pairs = (line.strip().partition("=") for line in joined.splitlines() if not line.lstrip().startswith(("#", ";")))
    return [(key.strip(), value.strip()) for key, equals, value in pairs if equals]


def _last(settings: Sequence[tuple[str, str]], name: str) -> str:
    return next((value for key, value in reversed(settings) if key == name), "")


def _services() -> Iterator[Job]:
    for directory in UNITS:
        for path, text in text_files([f"{directory}/*.service"]):
            name = os.path.basename(path)[: -len(".service")]
            whole = "\n".join([text, *(more for _path, more in text_files([f"{path}.d/*.conf"]))])
            settings = _settings(whole)
            commands = [value.lstrip("-@:+!|") for key, value in settings if key == "ExecStart" and value]
            if os.path.islink(path) or not commands:
                continue
            timer = next((_settings(more) for _path, more in text_files([f"{directory}/{name}.timer"])), [])
            dynamic = _last(settings, "DynamicUser").lower() in ("yes", "true", "on", "1")
            yield Job(
                source=path,
                kind="service",
                name=name,
                account=_last(settings, "User") or ("an account of its own" if dynamic else "root"),
                command=commands[-1],
                schedule=_last(timer, "OnCalendar"),
                directory=_last(settings, "WorkingDirectory").lstrip("-"),
                capabilities=_last(settings, "AmbientCapabilities"),
                variables=[pair for key, value in settings if key == "Environment" for pair in _assigned(value)],
            )


def _assigned(text: str) -> list[tuple[str, str]]:
    # A whole assignment may be quoted, as systemd has it.
    plain = re.sub(r"""(["'])(\w+=)(.*?)\1""", r"\2\1\3\1", text)
    return [(name, value.strip("\"'")) for name, value in _ASSIGNED.findall(plain)]


def _cron_lines() -> Iterator[Job]:
    for pattern, names_account in _CRONTABS.items():
        for path, text in text_files([pattern]):
            variables: list[tuple[str, str]] = []
            for line in text.splitlines():
                if line.lstrip().startswith("#"):
                    continue
                if re.match(r"\s*[A-Za-z_]\w*\s*=", line):
                    name, _equals, value = line.partition("=")
                    variables.append((name.strip(), value.strip().strip("\"'")))
                    continue
                found = _TIMES.fullmatch(line)
                if found is None:
                    continue
                rest, account = found.group(1), os.path.basename(path)
                if names_account:
                    account, _space, rest = rest.partition(" ")
                yield Job(
                    source=path,
                    kind="crontab",
                    account=account.strip(),
                    command=rest.strip(),
                    schedule=line[: found.start(1)].strip(),
                    variables=[*variables, *_assigned(rest)],
                )


def _programs() -> Iterator[Job]:
    for path, text in text_files(_SUPERVISOR):
        for part in re.split(r"(?m)^\s*\[", text)[1:]:
            head, _bracket, body = part.partition("]")
            settings = _settings(body)
            command = _last(settings, "command")
            if head.startswith("program:") and command:
                yield Job(
                    source=path,
                    kind="supervisor",
                    name=head.partition(":")[2].strip(),
                    account=_last(settings, "user") or "root",
                    command=command,
                    directory=_last(settings, "directory"),
                    variables=_assigned(_last(settings, "environment")),
                )
