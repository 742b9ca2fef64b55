# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases, built complete in a directory that nothing serves."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import CommandError, Run
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._fs import opened_directory, switch_link
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._parallel import in_parallel
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._release import check_names, describe, is_complete
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._served import check_served, give, reader, serve
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._source import (
    cached_place,
    drop_empty_cache,
    is_fetched,
    pip,
)


def build(row: Mapping[str, Any], python: str, run: Run) -> None:
    """Build one release from the cache at its final path. On failure it is removed again."""
    place = os.path.join(row["directory"], row["release"])
    cached = cached_place(row)
    if not is_fetched(row):
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
        served = reader(row, check=False)
        if served:
            give(place, served["uid"], served["directories"])
        describe(place, {"app": row["app"], "release": row["release"], "python": python, "served": served})
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
        run(pip(python, "--python", os.path.join(venv, "bin", "python"), "install", *options, *files))


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


def ensure_releases(
    rows: Sequence[Mapping[str, Any]], python: str, run: Run, bound: int, check: bool
) -> list[dict[str, Any]]:
    """Build what is missing and point every app's `current` at its release. Return the differences."""
    check_names(rows)
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
        drop_empty_cache()
    differences: list[dict[str, Any]] = []
    for row in built:
        try:
            served = serve(row, check)
        except PalisadeError as error:
            raise PalisadeError(f"app {row['app']}: static: {error}") from error
        if served:
            differences.append(served)
    for row in rows:
        changed: dict[str, Any] | None = switch_link(row["current"], f"releases/{row['release']}", check)
        if changed:
            differences.append(changed)
    return differences
