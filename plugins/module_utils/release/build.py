# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases, built complete in a directory that nothing serves."""

from __future__ import annotations

import contextlib
import grp
import os
import re
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError
from ..host.fs import opened_directory, sync
from ..host.parallel import in_parallel
from ..host.unit import run_with_secrets
from .cache import cached_place, drop_empty_cache, is_fetched
from .completion import complete
from .installer import Installer
from .served import check_served, check_source, give, reader, serve
from .store import check_names, describe, is_complete
from .trial import try_release, unit_of

# Less than this is full: what is left when a file did not fit.
_FULL = 1 << 20


@dataclass
class Built:
    """What came of the releases of a host."""

    differences: list[dict[str, Any]] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def build(row: Mapping[str, Any], installer: Installer, run: Run, environment: Mapping[str, str] | None = None) -> None:
    """Build one release from the cache at its final path, and try it. On failure it is removed again."""
    place = os.path.join(row["directory"], row["release"])
    cached = cached_place(row)
    if not is_fetched(row):
        raise PalisadeError(f"app {row['app']}: release {row['release']} was not fetched; run wsgi_source first")
    check_source(os.path.join(cached, "code"), row)
    try:
        # What a killed build left behind has no description.
        _drop(place)
        os.mkdir(place, 0o700)
        shutil.copytree(os.path.join(cached, "code"), os.path.join(place, "code"), symlinks=True)
        has_packages = installer.install(cached, os.path.join(place, "venv"), run)
        if row.get("build"):
            complete(row, place, environment or {}, installer.deploy_account, installer.python, run)
            check_served(os.path.join(place, "code"), row)
        # By the system's interpreter: the venv's own would run .pth files of packages as root. Packages have files
        # that do not compile, templates for instance; what is broken of the application shows when it is imported.
        with contextlib.suppress(CommandError):
            run(
                [installer.python, "-I", "-m", "compileall", "-q", "-q", "--invalidation-mode", "unchecked-hash", place]
            )
        _hand_over(place, row["group"])
        # Rows of a play without a trial name no application.
        if row.get("application"):
            if has_packages:
                _check_packages(row, place, installer, run)
            try_release(row, place, environment or {}, run)
        served = reader(row, check=False)
        if served:
            give(place, served["uid"], served["directories"])
        told = {key: row.get(key, "") for key in ("app", "release", "origin", "digest")}
        # After a loss of power no release may call itself complete whose files are not.
        sync(place)
        describe(place, {**told, "python": installer.python, "served": served, "built": int(time.time())})
    except (PalisadeError, OSError, KeyError, shutil.Error) as error:
        complaint = _explained(error, place).removeprefix(f"app {row['app']}: ")
        _drop(place)
        # It would fail again.
        _drop(cached)
        raise PalisadeError(f"app {row['app']}: release {row['release']} could not be built: {complaint}") from error
    except BaseException:
        _drop(place)
        raise
    _drop(cached)


def _drop(path: str) -> None:
    """Remove a directory as far as that is possible: what stays is no release, and goes before the next build."""
    shutil.rmtree(path, ignore_errors=True)


def _check_packages(row: Mapping[str, Any], place: str, installer: Installer, run: Run) -> None:
    unit = unit_of({**row, "writable": ()}, place, "check", 120)
    try:
        run_with_secrets(unit, installer.python, installer.check(os.path.join(place, "venv"), run), {}, run)
    except CommandError as error:
        raise PalisadeError(f"its packages do not work together:\n{error.complaint}") from error


def _explained(error: Exception, place: str) -> str:
    """Return an error, and of a full file system where it is: programs name it seldom, and shutil names every file."""
    text = str(error)
    if not re.search(r"No space left on device|Disk quota exceeded", text):
        return text
    mounts = {_mount(place), _mount(tempfile.gettempdir())}
    free = {mount: os.statvfs(mount) for mount in sorted(mounts)}
    full = [mount for mount, found in free.items() if found.f_bavail * found.f_frsize < _FULL or not found.f_favail]
    places = " and ".join(full or [_mount(place)])
    return f"no space left on the file system at {places}, for {place}"


def _mount(path: str) -> str:
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _hand_over(place: str, group: str) -> None:
    """Make the release root's, readable for the app's group, writable for nobody else, closed to others.

    The release itself comes last: until then it is closed to the group, which could write to what a build left open.
    """
    gid = grp.getgrnam(group).gr_gid
    for directory, names, files in os.walk(place, topdown=False):
        for path in (*(os.path.join(directory, name) for name in (*names, *files)), directory):
            found = os.lstat(path)
            os.lchown(path, 0, gid)
            if not stat.S_ISLNK(found.st_mode):
                executable = stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR
                os.chmod(path, 0o750 if executable else 0o640)


def ensure_built(
    rows: Sequence[Mapping[str, Any]],
    environments: Mapping[str, Mapping[str, str]],
    installer: Installer,
    run: Run,
    bound: int,
    check: bool,
) -> Built:
    """Build and try what is missing, and bring what is served of the rest up to date, all that can be; no link moves.

    An app that fails keeps nobody from the rest: it is among the failures, with the reason, and has no new release.
    """
    check_names(rows)
    result = Built()
    turn = threading.Lock()

    def work(row: Mapping[str, Any]) -> None:
        try:
            changed = _ensure(row, environments.get(row["app"], {}), installer, run, check)
        except PalisadeError as error:
            with turn:
                result.failures[row["app"]] = str(error)
            return
        with turn:
            result.differences += [changed] if changed else []
            result.built += [row["app"]] if changed and "release" in changed["after"] else []

    in_parallel(rows, work, bound)
    if not check:
        drop_empty_cache()
    result.differences.sort(key=lambda difference: str(difference["path"]))
    result.built.sort()
    return result


def _ensure(
    row: Mapping[str, Any],
    environment: Mapping[str, str],
    installer: Installer,
    run: Run,
    check: bool,
) -> dict[str, Any] | None:
    place = os.path.join(row["directory"], row["release"])
    if is_complete(row["directory"], row["release"]):
        check_served(os.path.join(place, "code"), row)
        try:
            return serve(row, check)
        except PalisadeError as error:
            raise PalisadeError(f"app {row['app']}: static: {error}") from error
    if not check:
        with opened_directory(row["directory"]) as descriptor:
            if descriptor is None:
                raise PalisadeError(f"app {row['app']}: the directory {row['directory']} does not exist")
        build(row, installer, run, environment)
    return {"path": place, "before": {"release": "missing"}, "after": {"release": "built"}}
