# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox of Apache's unit: drop-ins for systemd as one transaction, and what the live server has of them."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..host.command import Run
from ..host.confinement import CONFINEMENT, HOMES, UNITS, check_path
from ..host.errors import PalisadeError
from ..host.records import NOTICE
from . import server as apache_server
from .layout import ACME_STORE, ApacheLayout
from .processes import apache_parent, live_pools, started_at
from .requests import await_requests
from .transaction import ConfigurationFile, ServerLog, Transaction

_RUNNING_SYSTEMD = "/run/systemd/system"
# A daemon that cannot enter its directory stays for a while before it ends.
_SETTLED = 1.0
_PATIENCE = 15.0

Pools = dict[str, set[tuple[str, str]]]


@dataclass(frozen=True)
class Settings:
    """What a site may set of the sandbox, as the module's options of the same names."""

    protect_home: str = "yes"
    memory_deny_write_execute: bool = False
    address_families: Sequence[str] = ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK")
    writable_paths: Sequence[str] = ()

    def check(self) -> None:
        """Refuse what would break Apache, or would be read by systemd as something else."""
        families = set(self.address_families)
        wrong = sorted(name for name in families if not re.fullmatch(r"AF_[A-Z0-9]+", name))
        if wrong or "AF_UNIX" not in families or not families & {"AF_INET", "AF_INET6"}:
            raise PalisadeError(
                "wsgi_server_sandbox_address_families: expected names such as AF_INET, among them AF_UNIX, over which "
                f"Apache reaches its daemons, and AF_INET or AF_INET6, got {list(self.address_families)!r}"
            )
        for path in self.writable_paths:
            check_path(path, "wsgi_server_sandbox_writable_paths")
            if self.protect_home in ("yes", "tmpfs"):
                _check_sight(path, "wsgi_server_sandbox_writable_paths")


@dataclass
class Outcome:
    """What was, or in check mode would be, done."""

    differences: list[dict[str, Any]] = field(default_factory=list)
    restarted: bool = False
    opened: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _check_sight(path: str, subject: str) -> None:
    if HOMES.match(path):
        raise PalisadeError(
            f"{subject}: {path} is hidden from Apache; set wsgi_server_sandbox_protect_home to read-only or no"
        )


def drop_in(layout: ApacheLayout, settings: Settings) -> str:
    """Return the drop-in of the whole server."""
    settings.check()
    own = [layout.runtime_directory.replace("/var/run/", "/run/"), layout.log_directory]
    own += [f"{parent}/{layout.unit}" for parent in ("/run/lock", "/var/cache", "/var/lib")]
    lines = [NOTICE, "[Service]"]
    if layout.family == "Debian":
        lines += [
            "# Makes the runtime and lock directories of this boot, which nothing inside the sandbox could.",
            f'ExecStartPre=+/bin/sh -c "umask 0022 && exec {layout.control} -v >/dev/null"',
        ]
    lines += [
        *CONFINEMENT,
        *(f"ReadWritePaths=-{path}" for path in (*own, os.path.dirname(ACME_STORE), *settings.writable_paths)),
        f"ProtectHome={settings.protect_home}",
        "NoNewPrivileges=yes",
        "# For the parent, which starts daemons as other accounts, gives Apache their sockets and ends them.",
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_CHOWN CAP_KILL CAP_NET_BIND_SERVICE",
        "# The socket of mod_cgid and file mutexes lie in directories of Apache's account.",
        "CapabilityBoundingSet=CAP_DAC_OVERRIDE",
        f"MemoryDenyWriteExecute={'yes' if settings.memory_deny_write_execute else 'no'}",
        f"RestrictAddressFamilies={' '.join(settings.address_families)}",
        "SystemCallArchitectures=native",
        "# Not less: the parent needs @setuid and @chown, cpu-priority and memory-limit need @resources.",
        "SystemCallFilter=@system-service",
        "# What is refused is an error to a program, and not its end.",
        "SystemCallErrorNumber=EPERM",
        "UMask=0027",
    ]
    return "\n".join(lines) + "\n"


def app_drop_in(paths: Sequence[str]) -> str:
    """Return the drop-in that lets one app write."""
    return "\n".join([NOTICE, "[Service]", *(f"ReadWritePaths=-{path}" for path in paths)]) + "\n"


def obstacle(text: str, run: Run) -> str:
    """Return why this host cannot have a drop-in's sandbox; empty where a trial program really was held by it."""
    if not os.path.isdir(_RUNNING_SYSTEMD):
        return "systemd is not running here"
    settings = [line for line in text.splitlines() if re.match(r"(?!ExecStartPre)\w+=", line)]
    trial = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--service-type=exec"]
    trial += [f"--property={line}" for line in settings]
    try:
        said = run([*trial, "/bin/sh", "-c", 'test -w "$1" || test -w /run || echo read-only', "sh", UNITS])
    except PalisadeError as error:
        return " ".join(str(error).split())
    return "" if said.strip() == "read-only" else f"{UNITS} stays writable under ProtectSystem=strict"


def _directory(layout: ApacheLayout) -> str:
    return f"{UNITS}/{layout.unit}.service.d"


def _server_file(layout: ApacheLayout) -> str:
    return f"{_directory(layout)}/palisade.conf"


def _app_file(layout: ApacheLayout, app: str) -> str:
    return f"{_directory(layout)}/palisade-{app}.conf"


def _present(layout: ApacheLayout) -> dict[str, str]:
    """Return the text of each drop-in of ours."""
    found: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(_directory(layout))):
            if re.fullmatch(r"palisade(-.+)?\.conf", name):
                with open(f"{_directory(layout)}/{name}", encoding="utf-8", errors="surrogateescape") as file:
                    found[file.name] = file.read()
    return found


# The live server


def _read_proc(pid: int | str, name: str) -> str:
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _mounts(pid: int | str) -> list[tuple[str, bool]]:
    """Return the mount points that a process sees, and whether each is writable."""
    rows = (line.split(" ", 6) for line in _read_proc(pid, "mountinfo").splitlines())
    return [
        (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), row[4]), "rw" in row[5].split(",")) for row in rows
    ]


def _may_write(path: str, mounts: Sequence[tuple[str, bool]]) -> bool:
    # Of two mounts in one place the later one counts.
    above = [
        (len(point), place)
        for place, (point, _writable) in enumerate(mounts)
        if f"{path}/".startswith(f"{point.rstrip('/')}/")
    ]
    return mounts[max(above)[1]][1]


def _no_new_privileges(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "\nNoNewPrivs:\t1\n" in _read_proc(pid, "status")
    return False


def _is_sandboxed(parent: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return _no_new_privileges(parent) and not _may_write(UNITS, _mounts(parent))
    return False


def _closed(parent: int, paths: Collection[str]) -> list[str]:
    """Return the paths that are there and writable on the host, and not to Apache."""
    inside, outside = _mounts(parent), _mounts("self")
    real = sorted({os.path.realpath(path) for path in paths if os.path.exists(path)})
    return [path for path in real if _may_write(path, outside) and not _may_write(path, inside)]


def _open(path: str, parent: int, run: Run) -> None:
    """Let the running Apache write to a path, as a new start would.

    Not with `systemctl bind`: that of systemd 252 needs a root file system that is mounted shared.
    """
    inside = ["nsenter", f"--target={parent}", "--mount", "mount"]
    run([*inside, "--rbind", path, path])
    run([*inside, "--options", "remount,bind,rw", path])


def _pools(layout: ApacheLayout, run: Run, age: float = 0.0, sandboxed: bool = False) -> Pools:
    """Return the accounts and directories of each pool's processes, of those of an age and in the sandbox."""
    found: Pools = {}
    for pool in live_pools(layout.binary, apache_server.read_configuration(layout, run).pools):
        for process in pool["processes"]:
            old = time.time() - process["started"] >= age
            if old and (not sandboxed or _no_new_privileges(process["pid"])):
                found.setdefault(str(pool["name"]), set()).add((process["user"], process["cwd"] or ""))
    return found


def _lame(layout: ApacheLayout, run: Run, before: Pools, sandboxed: bool) -> str:
    """Return what is not as it was before the restart; empty where all is."""
    parent = apache_parent(layout.binary)
    if parent is None:
        return "Apache does not run"
    if sandboxed and not _is_sandboxed(parent):
        return "Apache is running, but not in the sandbox"
    now = _pools(layout, run, _SETTLED, sandboxed)
    for name, identities in before.items():
        users = {user for user, _cwd in identities}
        # One that cannot enter its directory waits in Apache's for its end.
        up = {user for user, cwd in now.get(name, set()) if cwd != "/" or (user, "/") in identities}
        if not users <= up:
            return f"pool {name} does not start again as {', '.join(sorted(users))}"
    return ""


def _restart(layout: ApacheLayout, run: Run, before: Pools, sandboxed: bool) -> None:
    run(["systemctl", "restart", layout.unit])
    deadline = time.monotonic() + _PATIENCE
    while True:
        lame = _lame(layout, run, before, sandboxed)
        if not lame:
            return
        if time.monotonic() > deadline:
            raise PalisadeError(lame)
        time.sleep(0.1)


def _carry_out(
    layout: ApacheLayout, files: Mapping[str, str | None], restart: bool, run: Run, check: bool, wait: float
) -> Outcome:
    """Bring the drop-ins into place and the running server under them; on failure, back.

    A restart waits for long requests, at most so many seconds.
    """
    transaction = Transaction(
        replace(layout, root=UNITS), [ConfigurationFile(path, content=text) for path, text in files.items()]
    )
    after = {path: text for path, text in {**_present(layout), **files}.items() if text is not None}
    writable = {path for text in after.values() for path in re.findall(r"^ReadWritePaths=-(.*)$", text, re.MULTILINE)}
    parent, sandboxed = apache_parent(layout.binary), _server_file(layout) in after
    restart = restart and parent is not None
    closed = _closed(parent, writable) if parent is not None and sandboxed and not restart else []
    outcome = Outcome(transaction.differences(), restart, closed)
    if check or not (transaction.after or restart or closed):
        return outcome
    complaint = apache_server.check(layout, run) if restart else ""
    if complaint:
        raise PalisadeError(
            f"Apache could not restart with its present configuration: {complaint}; nothing was changed"
        )
    before = _pools(layout, run) if parent is not None else {}
    if restart:
        await_requests(layout, wait, run)
    log, began = ServerLog(layout), time.time()
    try:
        transaction.swap_in()
        if transaction.after:
            _reload_systemd(run)
        if parent is not None and closed:
            # A new start opens them as well.
            with contextlib.suppress(PalisadeError):
                for path in closed:
                    _open(path, parent, run)
            outcome.restarted = bool(_closed(parent, writable))
        if outcome.restarted:
            _restart(layout, run, before, sandboxed)
            parent = apache_parent(layout.binary)
            still = _closed(parent, writable) if parent is not None and sandboxed else []
            if still:
                raise PalisadeError(f"Apache cannot write to {', '.join(still)}")
    except Exception as error:
        told = [*_journal(layout, run, began), *log.lines()]
        transaction.put_back()
        _tidy(layout)
        # The first error is the one to tell.
        with contextlib.suppress(PalisadeError):
            _reload_systemd(run)
            if outcome.restarted:
                run(["systemctl", "restart", layout.unit])
        advice = "; variables wsgi_server_sandbox_* relax the sandbox" if sandboxed else ""
        raise PalisadeError("\n".join([f"{error}; the unit was put back as it was{advice}", *told])) from error
    _tidy(layout)
    return outcome


def _tidy(layout: ApacheLayout) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(_directory(layout))


def _reload_systemd(run: Run) -> None:
    run(["systemctl", "daemon-reload"])


def _journal(layout: ApacheLayout, run: Run, began: float) -> list[str]:
    since = f"--since=@{int(began)}"
    with contextlib.suppress(PalisadeError):
        return run(["journalctl", f"--unit={layout.unit}", since, "--output=cat", "--no-pager"]).splitlines()[-8:]
    return []


def _is_stale(layout: ApacheLayout) -> bool:
    """Tell whether Apache runs, and without what the drop-in of the server says."""
    parent = apache_parent(layout.binary)
    if parent is None:
        return False
    return not _is_sandboxed(parent) or started_at(parent) < os.stat(_server_file(layout)).st_ctime <= time.time()


def _sites_of_others(layout: ApacheLayout, run: Run) -> list[str]:
    configuration = apache_server.read_configuration(layout, run)
    files = {str(row["file"]) for row in (*configuration.pools, *configuration.virtual_hosts)}
    ours = ("zz-palisade", "000-default.conf", "default-ssl.conf")
    return sorted(path for path in files if not os.path.basename(path).startswith(ours))


def ensure_sandbox(
    layout: ApacheLayout,
    state: str,
    settings: Settings,
    run: Run,
    check: bool,
    data: Mapping[str, str],
    apps: Sequence[Mapping[str, str]] = (),
    wait: float = 0,
) -> Outcome:
    """Give Apache's unit its sandbox or take it away; state is present, required or absent.

    data says where each app that is served has its data, apps what sites write to that apps are to replace: they have
    to serve until then. A restart waits for long requests, at most so many seconds.
    """
    text = drop_in(layout, settings)
    hindered = obstacle(text, run) if state != "absent" else ""
    if hindered and state == "required":
        raise PalisadeError(
            f"wsgi_server_sandbox: it is required, but systemd on this host cannot sandbox Apache's unit: {hindered}; "
            "nothing was changed"
        )
    server, present = _server_file(layout), _present(layout)
    if state == "absent" or hindered:
        outcome = _carry_out(layout, dict.fromkeys(present), server in present, run, check, wait)
        if hindered:
            outcome.warnings.append(
                f"Apache's unit gets no sandbox, because systemd on this host cannot provide one: {hindered} (set "
                "wsgi_server_sandbox to required to stop here, or to false to hide this warning)"
            )
        return outcome
    files: dict[str, str | None] = {server: text}
    for name, place in data.items():
        path = _app_file(layout, name)
        # Only until the next play of its list, which knows all that it writes.
        if path not in present:
            files[path] = app_drop_in([place])
    for name, paths in _paths_of(apps).items():
        if _app_file(layout, name) not in {*present, *files}:
            files[_app_file(layout, name)] = app_drop_in(paths)
    fresh = present.get(server) != text
    others = _sites_of_others(layout, run) if server not in present and apache_parent(layout.binary) is not None else []
    outcome = _carry_out(layout, files, fresh or _is_stale(layout), run, check, wait)
    if others:
        outcome.warnings.append(
            "Apache's unit now runs in a sandbox; list what these sites write to in "
            f"wsgi_server_sandbox_writable_paths: {', '.join(others)}"
        )
    return outcome


def _paths_of(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    for row in rows:
        own = paths.setdefault(row["app"], [])
        if row["path"]:
            check_path(row["path"], f"app {row['app']}: path")
            own.append(row["path"])
    return paths


def ensure_apps(layout: ApacheLayout, rows: Sequence[Mapping[str, str]], run: Run, check: bool) -> Outcome:
    """Let the apps write to their paths where Apache's unit has our sandbox; an app with an empty path leaves it."""
    paths = _paths_of(rows)
    server = _present(layout).get(_server_file(layout))
    if server is None:
        return Outcome()
    if re.search("^ProtectHome=(?:yes|tmpfs)$", server, re.MULTILINE):
        for row in rows:
            _check_sight(row["path"], f"app {row['app']}: path")
    files = {_app_file(layout, app): app_drop_in(own) if own else None for app, own in paths.items()}
    return _carry_out(layout, files, False, run, check, 0)
