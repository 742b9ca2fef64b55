# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's configuration as a transaction: checked whole aside, swapped in, reloaded, and put back on failure."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..host.command import Run
from ..host.errors import PalisadeError
from . import server
from .layout import ApacheLayout
from .processes import apache_children, apache_parent, live_pools
from .requests import await_requests

# Every byte as it is, line ends too.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


@dataclass(frozen=True)
class ConfigurationFile:
    """One file of Apache's configuration and the link that makes it live, or a link to a target of its own.

    Without content and target, path and link are removed.
    """

    path: str
    content: str | None = None
    target: str = ""
    link: str = ""
    app: str = ""
    restart: bool = False


@dataclass(frozen=True)
class State:
    """What stands at a path: None, a file's text or a link's target; of a file that was found, owner and mode too."""

    kind: str = ""
    value: str = ""
    found: os.stat_result | None = field(default=None, compare=False)


def _state(path: str) -> State:
    if os.path.islink(path):
        return State("link", os.readlink(path))
    if not os.path.lexists(path):
        return State()
    if not os.path.isfile(path):
        raise PalisadeError(f"{path}: expected a file, found something else; nothing was changed")
    with open(path, **_TEXT) as file:
        return State("file", file.read(), os.fstat(file.fileno()))


def _put(path: str, state: State) -> None:
    """Bring a path into a state in one step; a new file is root's and readable for all, as Apache's own files are."""
    if not state.kind:
        if os.path.lexists(path):
            os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{secrets.token_hex(8)}")
    try:
        if state.kind == "link":
            os.symlink(state.value, temporary)
        else:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", **_TEXT) as file:
                file.write(state.value)
                if state.found:
                    os.fchown(file.fileno(), state.found.st_uid, state.found.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(state.found.st_mode) if state.found else 0o644)
                file.flush()
                os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _wanted(files: Sequence[ConfigurationFile]) -> dict[str, State]:
    wanted: dict[str, State] = {}
    for file in files:
        if file.target:
            wanted[file.path] = State("link", file.target)
            continue
        wanted[file.path] = State() if file.content is None else State("file", file.content)
        if file.link:
            target = os.path.relpath(file.path, os.path.dirname(file.link))
            wanted[file.link] = State() if file.content is None else State("link", target)
    return wanted


class Transaction:
    """The set of files that differ from what is wanted, and the way there and back."""

    def __init__(self, layout: ApacheLayout, files: Sequence[ConfigurationFile]) -> None:
        self.layout = layout
        self.files = files
        for file in files:
            for path in filter(None, (file.path, file.link)):
                if not path.startswith(layout.root + "/") or ".." in path.split("/"):
                    raise PalisadeError(f"{path}: expected a path inside {layout.root}")
        wanted = _wanted(files)
        self.before = {path: _state(path) for path in wanted}
        self.after = {path: state for path, state in wanted.items() if self.before[path] != state}
        self.needs_restart = any(file.restart and {file.path, file.link} & self.after.keys() for file in files)

    def differences(self) -> list[dict[str, Any]]:
        """Return {path, before, after} of every path that is not as wanted."""

        def shown(state: State) -> dict[str, str]:
            return {state.kind: state.value} if state.kind else {"state": "absent"}

        return [
            {"path": path, "before": shown(self.before[path]), "after": shown(state)}
            for path, state in self.after.items()
        ]

    def check_aside(self, run: Run) -> None:
        """Let Apache check a copy of its whole configuration with the change in it; PalisadeError if it refuses."""
        if not os.path.exists(self.layout.binary):
            return
        with tempfile.TemporaryDirectory(prefix="palisade-") as directory:
            copy = os.path.join(directory, "root")
            shutil.copytree(self.layout.root, copy, symlinks=True)
            for path, state in self.after.items():
                _put(copy + path[len(self.layout.root) :], state)
            self._point_server_root(copy)
            complaint = server.check(self.layout, run, copy)
        if complaint:
            raise PalisadeError(self._explain(complaint.replace(copy, self.layout.root)) + "; nothing was changed")

    def _point_server_root(self, copy: str) -> None:
        # Where the main file names its ServerRoot, -d alone would read the live tree.
        main_file = copy + self.layout.main_file[len(self.layout.root) :]
        with open(main_file, **_TEXT) as file:
            text = file.read()
        moved = re.sub(r"(?mi)^(\s*ServerRoot\s+).*$", lambda found: f'{found.group(1)}"{copy}"', text)
        if moved != text:
            with open(main_file, "w", **_TEXT) as file:
                file.write(moved)

    def _explain(self, complaint: str) -> str:
        """Name the app and the file beside Apache's message."""
        suspects = [file for file in self.files if file.path in complaint or (file.link and file.link in complaint)]
        if not suspects:
            # AH00543 and its like name an account, and no file.
            quoted = re.findall(r"bad (?:user|group) name (\S+)", complaint)
            named = re.compile("|".join(rf'="?{re.escape(name)}(?![^\s"])' for name in quoted) or r"(?!)")
            suspects = [file for file in self.files if named.search(file.content or "")]
        where = "".join(f"app {file.app}: {file.path}: " if file.app else f"{file.path}: " for file in suspects[:1])
        return f"{where}Apache rejects the configuration: {complaint}"

    def named(self) -> str:
        """Return the files that changed, each with its app."""
        changed = [file for file in self.files if {file.path, file.link} & self.after.keys()]
        return ", ".join(f"app {file.app}: {file.path}" if file.app else file.path for file in changed)

    def swap_in(self) -> None:
        """Put every file in its place; files before the links that make them live."""
        for path in sorted(self.after, key=lambda path: self.after[path].kind == "link"):
            _put(path, self.after[path])

    def put_back(self) -> None:
        """Undo swap_in."""
        put_back(self.before)


def put_back(before: Mapping[str, State]) -> None:
    """Bring paths back into the states that they had."""
    for path, state in before.items():
        if _state(path) != state:
            _put(path, state)


def undo(layout: ApacheLayout, before: Mapping[str, State], run: Run, ran: bool = True, action: str = "reload") -> None:
    """Bring paths back into the states that they had, and Apache to them if it ran."""
    put_back(before)
    if ran:
        # One that has ended takes no reload. The error that led here is the one to tell.
        ended = apache_parent(layout.binary) is None
        with contextlib.suppress(PalisadeError):
            run(_service_command(layout, "restart" if ended else action))


def _service_command(layout: ApacheLayout, action: str) -> list[str]:
    if os.path.isdir("/run/systemd/system"):
        return ["systemctl", action, layout.unit]
    # No systemd, as in an image build or a plain container.
    return [layout.control, "graceful" if action == "reload" else "restart"]


def reload_server(layout: ApacheLayout, run: Run, restart: bool) -> bool:
    """Reload, or restart, Apache if it runs. Return whether it did."""
    if apache_parent(layout.binary) is None:
        return False
    run(_service_command(layout, "restart" if restart else "reload"))
    return True


def stale_pools(layout: ApacheLayout, pools: Sequence[Mapping[str, Any]], run: Run) -> list[str]:
    """Return the pools with a process older than something that it loads: a change that no reload followed."""
    if not pools or apache_parent(layout.binary) is None:
        return []
    declared = server.read_configuration(layout, run).pools
    live = {str(pool["name"]): pool["processes"] for pool in live_pools(layout.binary, declared)}
    stale: set[str] = set()
    for pool in pools:
        changes = [os.lstat(path).st_ctime for path in pool["loads"] if os.path.lexists(path)]
        processes = live.get(str(pool["name"]), [])
        if not processes or min(process["started"] for process in processes) < max(changes, default=0.0):
            stale.add(str(pool["name"]))
    return sorted(stale)


def apply(
    layout: ApacheLayout,
    files: Sequence[ConfigurationFile],
    pools: Sequence[Mapping[str, Any]],
    run: Run,
    check: bool,
    wait: float = 0,
) -> dict[str, Any]:
    """Bring the files into Apache's configuration. Return {differences, reload, stale, requests}.

    The reload waits for long requests, at most so many seconds; requests is how many each pool still has after that.
    On failure the files are as they were and Apache runs with them; PalisadeError names app, file and message.
    """
    transaction = Transaction(layout, files)
    stale = stale_pools(layout, pools, run)
    result = {"differences": transaction.differences(), "stale": stale, "reload": "none", "requests": {}}
    if not transaction.after and not stale:
        return result
    action = "restart" if transaction.needs_restart else "reload"
    if transaction.after and not (check and _incomplete(layout, files, run)):
        transaction.check_aside(run)
    if check:
        return {**result, "reload": action}
    # Before anything is in place that another reload could take.
    result["requests"] = await_requests(layout, wait, run)
    ran = apache_parent(layout.binary) is not None
    try:
        transaction.swap_in()
        # The copy was valid, so a refusal now comes from a path that names the live tree.
        complaint = server.check(layout, run) if os.path.exists(layout.binary) else ""
        if complaint:
            raise PalisadeError(transaction._explain(complaint))
        before, children = _pool_processes(layout), apache_children(layout.binary)
        log = ServerLog(layout)
        done = reload_server(layout, run, transaction.needs_restart)
        if done:
            _wait_for_processes_after(layout, before, children, transaction, log)
    except Exception as error:
        undo(layout, transaction.before, run, ran, action)
        raise PalisadeError(f"{error}; the previous configuration was put back") from error
    return {**result, "reload": action if done else "none"}


# What an app's site needs of the modules that the role wsgi_server enables.
_NEEDED = {"RequestHeader": "headers", "SSLEngine": "ssl", "MDomain": "md"}


def _incomplete(layout: ApacheLayout, files: Sequence[ConfigurationFile], run: Run) -> bool:
    """Tell whether a file names what this check run has not made, so that Apache could not judge it."""
    text = "\n".join(file.content or "" for file in files)
    accounts = {entry.pw_name for entry in pwd.getpwall()} | {entry.gr_name for entry in grp.getgrall()}
    if not set(re.findall(r" (?:user|group)=(\S+)", text)) <= accounts:
        return True
    ours = {file.path for file in files}
    named = re.findall(r"^\s*(?:SSLCertificateFile|Include) \"?([^\"\s]+)", text, re.MULTILINE)
    if any(
        path not in ours and not os.path.exists(path) for path in (os.path.join(layout.root, name) for name in named)
    ):
        return True
    targets = {os.path.basename(file.target).partition(".")[0] for file in files}
    needed = {module for word, module in _NEEDED.items() if re.search(rf"^\s*{word} ", text, re.MULTILINE)} - targets
    return bool(needed) and not needed <= set(server.read_configuration(layout, run).modules)


def _pool_processes(layout: ApacheLayout) -> set[int]:
    return {int(process["pid"]) for pool in live_pools(layout.binary, []) for process in pool["processes"]}


class ServerLog:
    """What Apache writes to its own log from now on."""

    def __init__(self, layout: ApacheLayout) -> None:
        names = (os.path.join(layout.log_directory, name) for name in ("error.log", "error_log"))
        self.path = next((path for path in names if os.path.exists(path)), "")
        self.offset = os.path.getsize(self.path) if self.path else 0

    def lines(self) -> list[str]:
        if not self.path:
            return []
        with open(self.path, encoding="utf-8", errors="replace") as file:
            file.seek(self.offset)
            # Every reload says goodbye to every daemon.
            return [line for line in file.read().splitlines() if "[wsgi:info]" not in line][-8:]


def _wait_for_processes_after(
    layout: ApacheLayout,
    before: set[int],
    children: set[int],
    transaction: Transaction,
    log: ServerLog,
    seconds: float = 15.0,
) -> None:
    """Wait until Apache runs and none of its newest daemons is from before: a reload returns when it has begun."""
    deadline = time.monotonic() + seconds
    while True:
        running = apache_parent(layout.binary) is not None
        # Without daemons, the first new worker shows that the parent has come through.
        if running and not before & _pool_processes(layout) and apache_children(layout.binary) - children:
            return
        # Apache's check opens no socket and no log, so it can still end here.
        if not running and not transaction.needs_restart:
            raise PalisadeError("\n".join([f"Apache ended at the reload with {transaction.named()}:", *log.lines()]))
        if time.monotonic() > deadline:
            raise PalisadeError(f"Apache did not replace its daemons within {seconds:.0f} s of the reload")
        time.sleep(0.05)
