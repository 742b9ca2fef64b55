# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Code of others, run as an account without privileges in a transient unit of systemd."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import os
import pwd
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .acl import EXECUTE, change_user
from .command import CommandError, Run
from .confinement import CONFINEMENT, check_path, may_confine
from .errors import PalisadeError

_RUNNING_SYSTEMD = "/run/systemd/system"
_READ_ONLY = "/etc"
_OWN_NETWORK = "/proc/self/ns/net"
_LOCKS = "/run"
# What nothing may run beside, by turn: a killed play may have left such a unit, which holds no lock any more.
_LEFT = {
    "alone": ("palisade-build-*.service", "palisade-git-*.service"),
    "together": ("palisade-build-*.service",),
}
# Between the signal that asks a program to end and the one that ends it.
_GRACE = 5
_NO_NAMESPACE = 226
_PRIVILEGES = ("NoNewPrivileges=yes", "CapabilityBoundingSet=")
# The program is no main process: systemd would take one that ends by SIGTERM for a success. What it says of a directory
# that it cannot enter, or a program that it cannot find, systemd would say in the journal only.
_PROGRAM = 'umask 0027 && cd "$1" && shift && trap : HUP INT TERM && "$@"; exit $?'
_WITHOUT_INPUT = f"exec </dev/null; {_PROGRAM}"


# Sets what came by its input, which nobody else can read, and becomes a program with one stream of output.
_BECOME = """
import json, os, sys
order = json.load(sys.stdin)
if os.readlink("/proc/self/ns/net") == order["without"]:
    sys.exit("systemd cannot keep it off the network here; in a container, that takes CAP_NET_ADMIN")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(1, 2)
os.umask(order["umask"])
os.environ.update(order["environment"])
os.environ["PATH"] = os.pathsep.join([*order["programs"], os.environ["PATH"]])
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error.strerror}")
"""


class OutOfTime(PalisadeError):
    """A program that was ended since it took too long."""


@dataclass(frozen=True)
class Unit:
    """Who runs something, and what it may reach."""

    name: str  # One of this name that a killed play left is stopped before.
    account: str
    group: str
    groups: Sequence[str] = ()
    directory: str = "/"
    writable: Sequence[str] = ()
    hidden: Sequence[str] = ()  # Out of sight, where the host can hold the sandbox.
    # Path inside -> directory of the host, writable: for places below a directory that the account cannot pass. Where
    # the host cannot bind, both have to be the same, and the account is let through by ACL.
    binds: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)  # The same, not writable.
    seconds: int = 600
    listens: bool = False  # Without, listen(2) is refused.
    environment: Mapping[str, str] = field(default_factory=dict)  # Never secrets: anybody may read it.
    strict: bool = False  # Refused where the host cannot hold the sandbox.
    offline: bool = False  # No network but a loopback of its own; for run_with_secrets, and with strict.
    # An account that several units share: its processes could look into each other. "alone" waits until no other such
    # unit of it runs, "together" until none that is alone does.
    turn: str = ""


def run_in_unit(unit: Unit, command: Sequence[str], run: Run, data: str | None = None) -> str:
    """Run a program as the unit's account and return what it printed. data is its input; the rest is public."""
    _check(unit)
    obstacle = _obstacle(run) if unit.strict or unit.binds or unit.reads else ""
    if unit.strict and obstacle:
        raise PalisadeError(f"{unit.name}: this host cannot run it in a sandbox: {obstacle}")
    if obstacle:
        _let_pass(unit)
    with _turn(unit):
        return _run(unit, command, run, data, not obstacle)


def _run(unit: Unit, command: Sequence[str], run: Run, data: str | None, sees_places: bool) -> str:
    words = _plain(unit)
    if _has_systemd():
        words = _transient(unit, sees_places)
        with contextlib.suppress(CommandError):
            run(["systemctl", "stop", _name(unit), *_LEFT.get(unit.turn, ())])
    script = _PROGRAM if data else _WITHOUT_INPUT
    # systemd expands variables in the words of a command.
    program = ["/bin/sh", "-c", script, "sh", unit.directory, *command]
    program = [word.replace("$", "$$") for word in program] if _has_systemd() else program
    began = time.monotonic()
    try:
        return run([*words, *program], data=data)
    except CommandError as error:
        if time.monotonic() - began >= unit.seconds:
            raise OutOfTime(
                f"{unit.name}: {os.path.basename(command[0])} was stopped after {unit.seconds} seconds"
            ) from error
        complaint = error.complaint
        if not complaint and error.status == _NO_NAMESPACE:
            complaint = "systemd could not set up its sandbox"
        raise CommandError(command[0], error.status, complaint) from error


def run_with_secrets(
    unit: Unit,
    python: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    run: Run,
    umask: int = 0o027,
    programs: Sequence[str] = (),
) -> str:
    """Run a program with variables that nobody else may read, and further directories of programs.

    What it says of errors is part of what it printed. The interpreter runs nothing of packages.
    """
    without = os.readlink(_OWN_NETWORK) if unit.offline else ""
    order = {"environment": dict(environment), "umask": umask, "programs": list(programs), "without": without}
    try:
        return run_in_unit(unit, [python, "-I", "-S", "-c", _BECOME, *command], run, json.dumps(order))
    except CommandError as error:
        raise CommandError(command[0], error.status, error.complaint) from error


@contextlib.contextmanager
def _turn(unit: Unit) -> Iterator[None]:
    if not unit.turn:
        yield
        return
    # Only root may open it: another account could hold it for ever.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(os.path.join(_LOCKS, f"palisade-{unit.account}.lock"), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if unit.turn == "alone" else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _check(unit: Unit) -> None:
    places = {**unit.binds, **unit.reads}
    for path in (unit.directory, *unit.writable, *unit.hidden, *places, *places.values()):
        if path != "/":
            check_path(path, unit.name)
    _account(unit)
    for name in (unit.group, *unit.groups):
        try:
            grp.getgrnam(name)
        except KeyError as error:
            raise PalisadeError(f"{unit.name}: there is no group {name}") from error


def _has_systemd() -> bool:
    return os.path.isdir(_RUNNING_SYSTEMD)


def _name(unit: Unit) -> str:
    escaped = re.sub(
        r"[^A-Za-z0-9._-]", lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), unit.name
    )
    return f"{escaped}.service"


def _transient(unit: Unit, sees_places: bool) -> list[str]:
    settings = [
        f"User={unit.account}",
        f"Group={unit.group}",
        f"SupplementaryGroups={' '.join(unit.groups)}",
        f"RuntimeMaxSec={unit.seconds}",
        f"TimeoutStopSec={_GRACE}",
        *_PRIVILEGES,
        *(CONFINEMENT if may_confine() else ()),
        *(f"ReadWritePaths=-{path}" for path in unit.writable),
        *(f"InaccessiblePaths=-{path}" for path in unit.hidden),
    ]
    if not unit.listens and may_confine():
        settings += ["SystemCallFilter=~listen", "SystemCallErrorNumber=EPERM"]
    if unit.strict:
        # What would be left of it for the account's next unit, beside files.
        settings += ["TemporaryFileSystem=/dev/shm:mode=1777", "RemoveIPC=yes"]
    if unit.offline:
        settings.append("PrivateNetwork=yes")
    if sees_places:
        settings += [f"TemporaryFileSystem={path}" for path in _closed_ways(unit)]
        settings += [f"BindPaths={path}:{inside}" for inside, path in unit.binds.items()]
        settings += [f"BindReadOnlyPaths={path}:{inside}" for inside, path in unit.reads.items()]
    words = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--service-type=exec", f"--unit={_name(unit)}"]
    words.append(f"--description=palisade.mod_wsgi: {unit.name}")
    words += [f"--property={setting}" for setting in settings]
    words += [f"--setenv={name}={value}" for name, value in _environment(unit).items()]
    return [*words, "--"]


def _environment(unit: Unit) -> dict[str, str]:
    return {"LC_ALL": "C.UTF-8", **unit.environment}


def _closed_ways(unit: Unit) -> list[str]:
    """Return the topmost directory above each place inside that is not open to everybody."""
    found = set()
    for inside in (*unit.binds, *unit.reads):
        above = _above(inside)
        closed = [path for path in above if os.path.isdir(path) and not os.stat(path).st_mode & stat.S_IXOTH]
        found.update(closed[:1])
    return sorted(found)


def _above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _let_pass(unit: Unit) -> None:
    """Let the account pass the directories above its places. For good: another unit of it may be on its way."""
    uid = _account(unit).pw_uid
    for inside, place in {**unit.binds, **unit.reads}.items():
        if inside != place:
            raise PalisadeError(f"{unit.name}: this host cannot show {place} as {inside}")
        for path in _above(place):
            descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if not os.fstat(descriptor).st_mode & stat.S_IXOTH:
                    change_user(descriptor, path, uid, EXECUTE, False)
            finally:
                os.close(descriptor)


def _account(unit: Unit) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(unit.account)
    except KeyError as error:
        raise PalisadeError(f"{unit.name}: there is no account {unit.account}") from error


def _plain(unit: Unit) -> list[str]:
    """Return the words that drop privileges, and do nothing more, where no systemd runs."""
    account = _account(unit)
    own = {"HOME": account.pw_dir, "USER": unit.account, "LOGNAME": unit.account, "PATH": os.defpath}
    groups = f"--groups={','.join(unit.groups)}" if unit.groups else "--clear-groups"
    return [
        *("timeout", f"--kill-after={_GRACE}", str(unit.seconds)),
        *("setpriv", f"--reuid={unit.account}", f"--regid={unit.group}", groups, "--no-new-privs"),
        *("--inh-caps=-all", "--bounding-set=-all"),
        *("env", "--ignore-environment"),
        *(f"{name}={value}" for name, value in {**own, **_environment(unit)}.items()),
    ]


def _obstacle(run: Run) -> str:
    """Return why this host cannot have the sandbox; empty where a trial program really was held by it."""
    if not _has_systemd():
        return "systemd is not running here"
    trial = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--service-type=exec"]
    trial += [f"--property={setting}" for setting in (*_PRIVILEGES, *CONFINEMENT)]
    try:
        # As root, who could write otherwise.
        said = run([*trial, "/bin/sh", "-c", f"test -w {_READ_ONLY} || test -w /run || echo read-only"], data="\n")
    except CommandError as error:
        return " ".join(str(error).split())
    return "" if said.strip() == "read-only" else f"{_READ_ONLY} stays writable under ProtectSystem=strict"
