# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources and packages of releases, fetched before anything changes: a failure leaves the host as it was.

A release is named after what it consists of. Where it came from is kept beside it as its origin, so that what has
been fetched once is not fetched again to learn its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ..app.source import COMMIT, Source, private_key, read_row
from ..host.command import Run
from ..host.deploy_account import deploy_account_is_there
from ..host.errors import PalisadeError
from ..host.fs import sync
from ..host.parallel import in_parallel
from ..source.archive import extract
from ..source.download import download
from ..source.git import opened, tidy
from ..source.requirements import check_requirements
from ..source.tree import file_digest, subdirectory, tree_digest, unpack
from . import cache
from .cache import cached_place, downloads, drop_empty_cache, known_release, missing, note_origin
from .installer import Installer
from .served import check_source
from .store import COMPLETE, build_of, check_names, is_complete, origin_of, release_name

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Fetching:
    """What fetching takes beside the rows."""

    run: Run
    installer: Installer
    python_version: str
    deploy_account: str = "wsgi-deploy"
    parallel: int = 4
    # Of the sources that lie on the controller: each below its digest.
    archive: str = ""
    # Private keys of repositories, and what follows the '?' of addresses, by app.
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    keep_going: bool = False
    check: bool = False


@dataclass
class Fetched:
    """The rows with the names of their releases, and the apps whose release was neither built nor fetched."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def unsent(rows: Sequence[Row]) -> list[str]:
    """Return the apps whose source lies on the controller and is missing here."""
    check_names([row for row in rows if row["release"]])
    return missing([row for row in rows if row["release"] and _lies_on_controller(row)])


def _lies_on_controller(row: Row) -> bool:
    with contextlib.suppress(PalisadeError):
        return read_row(row["source"], "").is_local
    return False


def needs_deploy_account(rows: Sequence[Row]) -> bool:
    """Tell whether one of these is fetched or built as the account for deployments."""
    return any("git" in row["source"] or row["allow_source_builds"] or row["build"] for row in rows)


def fetch(rows: Sequence[Row], how: Fetching) -> Fetched:
    """Bring sources and packages of missing releases into the cache, and name them.

    On failure the cache is as it was; or, where the rest is to go on, without what failed.
    """
    had_cache = os.path.isdir(cache.CACHE)
    named: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    came: list[dict[str, Any]] = []
    turn = threading.Lock()

    def work(row: Row) -> None:
        try:
            result, is_new = _bring(row, how)
        except (PalisadeError, OSError) as error:
            text = str(error) if isinstance(error, PalisadeError) else f"app {row['app']}: source: {error}"
            with turn:
                failures[row["app"]] = text
            return
        with turn:
            named[row["app"]] = result
            came.extend([result] if is_new else [])

    kept = False
    try:
        # One that may build has the account for itself: it could look into what else runs as it, a key among that.
        builds = [row for row in rows if row.get("allow_source_builds")]
        in_parallel([row for row in rows if row not in builds], work, how.parallel)
        in_parallel(builds, work, 1)
        if failures and not how.keep_going:
            raise PalisadeError("\n".join(failures[app] for app in sorted(failures)))
        kept = True
    finally:
        tidy()
        for row in came if not kept else []:
            if row["release"]:
                shutil.rmtree(cached_place(row), ignore_errors=True)
        if os.path.isdir(cache.CACHE):
            shutil.rmtree(downloads(), ignore_errors=True)
            if not had_cache:
                drop_empty_cache()
    new = {row["app"] for row in came}
    apps = [row["app"] for row in rows]
    return Fetched(
        [named[app] for app in apps if app in named],
        [app for app in apps if app in new],
        {app: failures[app] for app in apps if app in failures},
    )


def _bring(row: Row, how: Fetching) -> tuple[dict[str, Any], bool]:
    """Return the row with the name of its release, and whether that was neither built nor fetched before."""
    subject = f"app {row['app']}: source"
    if os.path.lexists(row["current"]) and not os.path.islink(row["current"]):
        # Before anything changes; switch_link would say so later.
        raise PalisadeError(f"app {row['app']}: {row['current']}: expected a link to a release; move it away")
    if row.get("account") == how.deploy_account:
        raise PalisadeError(f"app {row['app']}: account: {how.deploy_account!r} is reserved for deployments")
    source = read_row(row["source"], subject)
    if source.is_local:
        return _bring_sent(row, how)
    if source.kind == "git":
        key = private_key(how.keys.get(row["app"]), f"{subject}: git: key")
        return _bring_commit(row, replace(source, key=key), how)
    origin = origin_of(row, source, source.checksum or source.lines, how.python_version)
    known = known_release(row, origin)
    if known:
        return known, False
    if source.kind == "package":
        return _stage(row, origin, lambda code: os.makedirs(code, mode=0o700), how, source.lines)
    signed = replace(source, key=how.keys.get(row["app"]) or source.key)
    return _stage(row, origin, lambda code: _from_address(signed, code, subject), how)


def _bring_sent(row: Row, how: Fetching) -> tuple[dict[str, Any], bool]:
    check_names([row])
    if not missing([row]):
        return dict(row), False

    def fill(code: str) -> None:
        if not how.archive:
            raise PalisadeError(f"app {row['app']}: its source was not sent to the host")
        unpack(how.archive, row["digest"], code)
        if tree_digest(code, f"app {row['app']}") != row["digest"]:
            raise PalisadeError(f"app {row['app']}: the source changed on its way to the host")

    return _stage(row, "", fill, how)


def _bring_commit(row: Row, source: Source, how: Fetching) -> tuple[dict[str, Any], bool]:
    subject = f"app {row['app']}: source: git: {source.place}"
    version = source.version
    known = (
        known_release(row, origin_of(row, source, version, how.python_version)) if COMMIT.fullmatch(version) else None
    )
    if known:
        return known, False
    # A check run on a bare host cannot ask what a branch is.
    if how.check and not (deploy_account_is_there(how.deploy_account) and shutil.which("git")):
        return {**row, "release": "", "origin": "", "digest": ""}, True
    with opened(row["app"], source, how.deploy_account, how.run) as repository:
        commit = repository.commit(how.run)
        origin = origin_of(row, source, commit, how.python_version)
        known = known_release(row, origin)
        if known:
            return known, False

        def fill(code: str) -> None:
            repository.export(commit, how.run)
            with repository.archive() as file:
                extract(file, code, subject)

        return _stage(row, origin, fill, how)


def _from_address(source: Source, code: str, subject: str) -> None:
    place = f"{subject}: archive"
    whole = f"{code}.whole"
    with tempfile.TemporaryFile(dir=os.path.dirname(code)) as file:
        download(source.address, source.place, source.checksum, file, place)
        file.seek(0)
        extract(file, whole, f"{place}: {source.place}")
    os.rename(subdirectory(whole, source.directory, place), code)
    shutil.rmtree(whole, ignore_errors=True)


def _stage(
    row: Row, origin: str, fill: Callable[[str], None], how: Fetching, lines: Sequence[str] = ()
) -> tuple[dict[str, Any], bool]:
    """Put a release together beside its place in the cache, and take it there when it is whole."""
    if how.check:
        return {**row, "release": "" if origin else row["release"], "origin": origin}, True
    os.makedirs(cache.CACHE, mode=0o700, exist_ok=True)
    os.chmod(cache.CACHE, 0o700)
    stage = os.path.join(cache.CACHE, f".new-{row['app']}")
    code = os.path.join(stage, "code")
    # What a killed fetch left.
    shutil.rmtree(stage, ignore_errors=True)
    os.mkdir(stage, 0o700)
    try:
        fill(code)
        check_source(code, row)
        digest = tree_digest(code, f"app {row['app']}")
        if lines:
            _packages_of_lines(row, lines, stage, how)
            digest = _packages_digest(stage)
        elif row["requirements"]:
            _packages_of_file(row, stage, how)
        release = release_name(digest, "" if lines else row["requirements"], how.python_version, build_of(row))
        # The controller has named what it sent.
        named = {**row, "digest": digest, "release": row["release"] if not origin else release, "origin": origin}
        check_names([named])
        if is_complete(named["directory"], named["release"]):
            note_origin(named)
            return named, False
        told = {key: named[key] for key in ("app", "release", "digest", "origin")}
        with open(os.path.join(stage, COMPLETE), "w", encoding="utf-8") as file:
            json.dump(told, file)
        # After a loss of power nothing may lie in the cache that is not whole.
        sync(stage)
        shutil.rmtree(cached_place(named), ignore_errors=True)
        os.rename(stage, cached_place(named))
        return named, True
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _packages_of_file(row: Row, stage: str, how: Fetching) -> None:
    code, name = os.path.join(stage, "code"), row["requirements"]
    subject = f"app {row['app']}: requirements"
    if not os.path.isfile(os.path.join(code, name)):
        raise PalisadeError(f"{subject}: expected a file in the source, got {name!r}")
    check_requirements(code, name, subject, bool(row.get("allow_source_builds")))
    _packages(row, name, name, stage, how)


def _packages_of_lines(row: Row, lines: Sequence[str], stage: str, how: Fetching) -> None:
    if row["requirements"]:
        raise PalisadeError(f"app {row['app']}: requirements: expected none beside a package, which has its own")
    name = "requirements.txt"
    path = os.path.join(stage, "code", name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    try:
        _packages(row, name, ", ".join(line.partition(" --hash")[0] for line in lines), stage, how)
    finally:
        os.unlink(path)


def _packages(row: Row, name: str, shown: str, stage: str, how: Fetching) -> None:
    try:
        how.installer.fetch(row, os.path.join(stage, "code", name), stage, downloads(), how.run)
    except PalisadeError as error:
        wheels = "" if row.get("allow_source_builds") else " from wheels"
        raise PalisadeError(
            f"app {row['app']}: {shown} cannot be installed{wheels} for Python {how.python_version}; "
            f"nothing was changed: {_without_retries(str(error))}"
        ) from error


def _without_retries(complaint: str) -> str:
    """Return what pip says of an index that it cannot reach once, and not for each of its tries, with what to do."""
    # One that pip got over says nothing of why it failed.
    if "WARNING: Retrying (Retry(total=0," not in complaint:
        return complaint
    lines = [line for line in complaint.splitlines() if not line.startswith("WARNING: Retrying") or "(total=0," in line]
    hint = "The host cannot reach its package index: see index-url, proxy and cert in /etc/pip.conf on the host"
    return "\n".join([*lines, hint])


def _packages_digest(stage: str) -> str:
    """Return the digest of wheels, or of what was installed of them: names and contents, and not where they lie."""
    wheels = os.path.join(stage, "wheels")
    if os.path.isdir(wheels):
        found = [(name, file_digest(os.path.join(wheels, name))) for name in os.listdir(wheels)]
        return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()
    lines = []
    for directory, _names, _files in os.walk(os.path.join(stage, "venv", "lib")):
        if directory.endswith(".dist-info"):
            with open(os.path.join(directory, "RECORD"), encoding="utf-8") as file:
                records = [line for line in file.read().splitlines() if not line.startswith("../")]
            lines += [os.path.basename(directory), *(line for line in records if ".dist-info/" not in line)]
    return hashlib.sha256(repr(sorted(lines)).encode()).hexdigest()
