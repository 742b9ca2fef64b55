# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases: fetched first, where a failure changes nothing; then built aside in their own place; then made current."""

from __future__ import annotations

import concurrent.futures
import contextlib
import grp
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._acl import EXECUTE, READ, change_user
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import CommandError, Run
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._fs import (
    Attributes,
    account_id,
    opened_directory,
    replace_file,
    switch_link,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._tree import tree_digest, unpack

# Where sources and wheels of a release wait until it is built; nothing serves from here.
CACHE = "/var/cache/palisade-mod_wsgi"
_COMPLETE = "release.json"


def is_complete(directory: str, release: str) -> bool:
    """Tell whether a release is built to its end: its description is the last file that is written."""
    place = os.path.join(directory, release)
    # In a home that is adopted, the account could put one there.
    ours = os.path.lexists(place) and os.lstat(place).st_uid == os.geteuid()
    return ours and os.path.isfile(os.path.join(place, _COMPLETE))


def _check_names(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a release that is no name: its directory is removed before it is built."""
    for row in rows:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", row["release"]):
            raise PalisadeError(f"app {row['app']}: release: expected a name, got {row['release']!r}")


def check_served(code: str, row: Mapping[str, Any]) -> None:
    """Refuse a served directory that is none, in a source or in a release; a link on the way is not followed."""
    for directory in _served(row):
        reached = code
        for part in directory.split("/"):
            reached = os.path.join(reached, part)
            if part in ("", ".", ".."):
                found = "a path that is not plain"
            elif os.path.islink(reached):
                found = f"a link at {os.path.relpath(reached, code)}"
            elif os.path.isdir(reached):
                continue
            else:
                found = "a file" if os.path.lexists(reached) else f"no {os.path.relpath(reached, code)}"
            raise PalisadeError(
                f"app {row['app']}: static: expected a directory inside the source, got {directory!r}: found {found}"
            )


def _served(row: Mapping[str, Any]) -> list[str]:
    """Return the directories of a release that an account other than the app's may read."""
    return sorted(set((row.get("served") or {}).get("directories") or []))


def _cached(row: Mapping[str, Any]) -> str:
    """Return where a release waits; two apps may have one source, and so the same release."""
    return os.path.join(CACHE, f"{row['app']}-{row['release']}")


def _fetched(row: Mapping[str, Any]) -> bool:
    return os.path.isfile(os.path.join(_cached(row), _COMPLETE))


def missing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the apps whose release is neither built nor fetched on this host."""
    for row in rows:
        current = row["current"]
        # Before anything changes; switch_link would say so later.
        if os.path.lexists(current) and not os.path.islink(current):
            raise PalisadeError(f"app {row['app']}: {current}: expected a link to a release; move it away")
    return [row["app"] for row in rows if not is_complete(row["directory"], row["release"]) and not _fetched(row)]


def in_parallel(rows: Sequence[Any], work: Callable[[Any], None], bound: int) -> None:
    """Do the work for all rows, some at a time; the first error is raised after the others have ended."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=bound) as pool:
        jobs = [pool.submit(work, row) for row in rows]
    for job in jobs:
        job.result()


def fetch(rows: Sequence[Mapping[str, Any]], archive: str, python: str, run: Run, bound: int) -> None:
    """Bring sources and wheels of these releases into the cache. On failure the cache is as it was."""
    _check_names(rows)
    had_cache = os.path.isdir(CACHE)
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    os.chmod(CACHE, 0o700)

    def work(row: Mapping[str, Any]) -> None:
        place = _cached(row)
        code = os.path.join(place, "code")
        shutil.rmtree(place, ignore_errors=True)
        unpack(archive, row["app"], code)
        if tree_digest(code, f"app {row['app']}") != row["digest"]:
            raise PalisadeError(f"app {row['app']}: the source that arrived is not the source that was sent")
        if row["requirements"]:
            _download(row, code, os.path.join(place, "wheels"), python, run)
        with open(os.path.join(place, _COMPLETE), "w", encoding="utf-8") as file:
            json.dump({"app": row["app"]}, file)

    try:
        in_parallel(rows, work, bound)
    except BaseException:
        for row in rows:
            shutil.rmtree(_cached(row), ignore_errors=True)
        if not had_cache:
            shutil.rmtree(CACHE, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(_pip_cache(), ignore_errors=True)


def _pip_cache() -> str:
    """Return what the downloads of one play share, so that ten apps fetch a wheel once; nothing of it stays."""
    return os.path.join(CACHE, ".pip")


def _pip(python: str, *arguments: str) -> list[str]:
    # Isolated from a sitecustomize or user site; pip's own configuration and environment still count.
    return [python, "-I", "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]


def _download(row: Mapping[str, Any], code: str, wheels: str, python: str, run: Run) -> None:
    # Wheels only: building a source distribution would run its code as root.
    options = ["--quiet", "--cache-dir", _pip_cache(), "--only-binary", ":all:", "--dest", wheels]
    try:
        run(_pip(python, "download", *options, "--requirement", os.path.join(code, row["requirements"])))
    except PalisadeError as error:
        raise PalisadeError(
            f"app {row['app']}: {row['requirements']} cannot be installed from wheels for {python}; "
            f"nothing was changed: {error}"
        ) from error


def build(row: Mapping[str, Any], python: str, run: Run) -> None:
    """Build one release from the cache at its final path. On failure it is removed again."""
    place = os.path.join(row["directory"], row["release"])
    cached = _cached(row)
    if not _fetched(row):
        raise PalisadeError(f"app {row['app']}: release {row['release']} was not fetched; wsgi_source comes first")
    check_served(os.path.join(cached, "code"), row)
    try:
        # What a killed build left behind has no description.
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place, 0o700)
        venv = os.path.join(place, "venv")
        shutil.copytree(os.path.join(cached, "code"), os.path.join(place, "code"), symlinks=True)
        run([python, "-I", "-m", "venv", "--without-pip", venv])
        _install(os.path.join(cached, "wheels"), venv, python, run)
        # By the system's interpreter: the venv's own would run .pth files of packages as root. Packages have files
        # that do not compile, templates for instance; what is broken of the application shows when it is imported.
        with contextlib.suppress(CommandError):
            run([python, "-I", "-m", "compileall", "-q", "-q", "--invalidation-mode", "unchecked-hash", place])
        _hand_over(place, row["group"])
        served = _reader(row, check=False)
        if served:
            _give(place, served["uid"], served["directories"])
        _describe(place, {"app": row["app"], "release": row["release"], "python": python, "served": served})
    except (PalisadeError, OSError, KeyError) as error:
        shutil.rmtree(place, ignore_errors=True)
        raise PalisadeError(f"app {row['app']}: release {row['release']} could not be built: {error}") from error
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    shutil.rmtree(cached, ignore_errors=True)


def _install(wheels: str, venv: str, python: str, run: Run) -> None:
    # Exactly what was fetched, so nothing is resolved, and no index asked, a second time.
    files = [os.path.join(wheels, name) for name in sorted(os.listdir(wheels))] if os.path.isdir(wheels) else []
    if files:
        options = ["--quiet", "--no-cache-dir", "--no-compile", "--no-index", "--no-deps"]
        run(_pip(python, "--python", os.path.join(venv, "bin", "python"), "install", *options, *files))


def _hand_over(place: str, group: str) -> None:
    """Make the release root's, readable for the app's group, writable for nobody else, closed to others."""
    gid = grp.getgrnam(group).gr_gid
    for directory, names, files in os.walk(place):
        for path in (directory, *(os.path.join(directory, name) for name in (*names, *files))):
            found = os.lstat(path)
            os.lchown(path, 0, gid)
            if not stat.S_ISLNK(found.st_mode):
                executable = stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR
                os.chmod(path, 0o750 if executable else 0o640)


def _describe(place: str, description: Mapping[str, Any]) -> None:
    # Root's alone: whoever may pass the release's directory could read it otherwise.
    with opened_directory(place) as descriptor:
        if descriptor is not None:
            replace_file(descriptor, _COMPLETE, json.dumps(description), Attributes("root", "root", 0o600), 0, 0)


def _ways(place: str, directories: Sequence[str]) -> dict[str, int]:
    """Return the directories from the release to the top of each served tree, with what its reader needs on them."""
    code = os.path.join(place, "code")
    ways = {place: EXECUTE, code: EXECUTE} if directories else {}
    for directory in directories:
        parts = directory.split("/")
        ways.update({os.path.join(code, *parts[:length]): EXECUTE for length in range(1, len(parts))})
    ways.update({os.path.join(code, directory): READ | EXECUTE for directory in directories})
    return ways


def _entries(place: str, directories: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """Yield everything in a release that can have an entry, with what its reader is to have; None is no entry."""
    ways = _ways(place, directories)
    yield place, ways.get(place)
    inside: set[str] = set()
    for directory, _names, files in os.walk(os.path.join(place, "code")):
        if os.path.dirname(directory) in inside or ways.get(directory, EXECUTE) & READ:
            inside.add(directory)
        yield directory, READ | EXECUTE if directory in inside else ways.get(directory)
        for name in files:
            yield os.path.join(directory, name), READ if directory in inside else None


def _reader(row: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Return who may read which directories of a release, as it is recorded; nothing where there are none."""
    directories = _served(row)
    return {"uid": account_id(row["served"]["account"], check), "directories": directories} if directories else {}


def _give(place: str, uid: int, directories: Sequence[str]) -> None:
    """Let a user read these directories of a release, and nothing else of it."""
    for path, permissions in _entries(place, directories):
        _change(path, uid, permissions, check=False)


def _change(path: str, uid: int, permissions: int | None, check: bool) -> bool:
    """Bring one entry to what it is to be; tell whether it was not. A link never has one."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            return False
        before, after = change_user(descriptor, path, uid, permissions, check)
        return before != after
    finally:
        os.close(descriptor)


def _serve(row: Mapping[str, Any], check: bool) -> dict[str, Any] | None:
    """Bring a finished release to what is served of it. Return the difference, None without one.

    What its description records is believed, except for the top of each served tree and the way to it: a big tree
    is walked only where something changes, and then all of it.
    """
    place = os.path.join(row["directory"], row["release"])
    with open(os.path.join(place, _COMPLETE), encoding="utf-8") as file:
        description = json.load(file)
    recorded, wanted = description.get("served") or {}, _reader(row, check)
    ways = _ways(place, wanted.get("directories", []))
    lost = [path for path, permissions in ways.items() if _change(path, wanted["uid"], permissions, check=True)]
    if recorded == wanted and not lost:
        return None
    steps = [wanted] if wanted else []
    if recorded and recorded["uid"] != wanted.get("uid"):
        steps.insert(0, {"uid": recorded["uid"], "directories": []})
    if not check:
        for step in steps:
            # One that is killed is done again, whatever is wanted by then.
            _describe(place, {**description, "served": {**step, "unfinished": True}})
            _give(place, **step)
        _describe(place, {**description, "served": wanted})
    before, after = (", ".join(served.get("directories", [])) or "nothing" for served in (recorded, wanted))
    before = "incomplete ACLs" if before == after else before
    return {"path": place, "before": {"served": before}, "after": {"served": after}}


def ensure_releases(
    rows: Sequence[Mapping[str, Any]], python: str, run: Run, bound: int, check: bool
) -> list[dict[str, Any]]:
    """Build what is missing and point every app's `current` at its release. Return the differences."""
    _check_names(rows)
    wanted = [row for row in rows if not is_complete(row["directory"], row["release"])]
    built = [row for row in rows if row not in wanted]
    for row in built:
        check_served(os.path.join(row["directory"], row["release"], "code"), row)
    if wanted and not check:
        for row in wanted:
            with opened_directory(row["directory"]) as descriptor:
                if descriptor is None:
                    raise PalisadeError(f"app {row['app']}: the directory {row['directory']} does not exist")
        in_parallel(wanted, lambda row: build(row, python, run), bound)
        _drop_empty_cache()
    differences: list[dict[str, Any]] = []
    for row in built:
        try:
            served = _serve(row, check)
        except PalisadeError as error:
            raise PalisadeError(f"app {row['app']}: static: {error}") from error
        if served:
            differences.append(served)
    for row in rows:
        changed: dict[str, Any] | None = switch_link(row["current"], f"releases/{row['release']}", check)
        if changed:
            differences.append(changed)
    return differences


def _drop_empty_cache() -> None:
    # Another play's releases may wait in it.
    with contextlib.suppress(OSError):
        os.rmdir(CACHE)
