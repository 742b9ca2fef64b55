# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources and wheels of releases, fetched before anything changes: a failure leaves the host as it was."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import Run
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._parallel import in_parallel
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._release import COMPLETE, check_names, is_complete
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._tree import tree_digest, unpack

# Where sources and wheels of a release wait until it is built; nothing serves from here.
CACHE = "/var/cache/palisade-mod_wsgi"


def cached_place(row: Mapping[str, Any]) -> str:
    """Return where a release waits; two apps may have one source, and so the same release."""
    return os.path.join(CACHE, f"{row['app']}-{row['release']}")


def is_fetched(row: Mapping[str, Any]) -> bool:
    return os.path.isfile(os.path.join(cached_place(row), COMPLETE))


def missing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the apps whose release is neither built nor fetched on this host."""
    for row in rows:
        current = row["current"]
        # Before anything changes; switch_link would say so later.
        if os.path.lexists(current) and not os.path.islink(current):
            raise PalisadeError(f"app {row['app']}: {current}: expected a link to a release; move it away")
    return [row["app"] for row in rows if not is_complete(row["directory"], row["release"]) and not is_fetched(row)]


def fetch(rows: Sequence[Mapping[str, Any]], archive: str, python: str, run: Run, bound: int) -> None:
    """Bring sources and wheels of these releases into the cache. On failure the cache is as it was."""
    check_names(rows)
    had_cache = os.path.isdir(CACHE)
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    os.chmod(CACHE, 0o700)

    def work(row: Mapping[str, Any]) -> None:
        place = cached_place(row)
        code = os.path.join(place, "code")
        shutil.rmtree(place, ignore_errors=True)
        unpack(archive, row["app"], code)
        if tree_digest(code, f"app {row['app']}") != row["digest"]:
            raise PalisadeError(f"app {row['app']}: the source that arrived is not the source that was sent")
        if row["requirements"]:
            _download(row, code, os.path.join(place, "wheels"), python, run)
        with open(os.path.join(place, COMPLETE), "w", encoding="utf-8") as file:
            json.dump({"app": row["app"]}, file)

    try:
        in_parallel(rows, work, bound)
    except BaseException:
        for row in rows:
            shutil.rmtree(cached_place(row), ignore_errors=True)
        if not had_cache:
            shutil.rmtree(CACHE, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(_pip_cache(), ignore_errors=True)


def _pip_cache() -> str:
    """Return what the downloads of one play share, so that ten apps fetch a wheel once; nothing of it stays."""
    return os.path.join(CACHE, ".pip")


def pip(python: str, *arguments: str) -> list[str]:
    # Isolated from a sitecustomize or user site; pip's own configuration and environment still count.
    return [python, "-I", "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]


def _download(row: Mapping[str, Any], code: str, wheels: str, python: str, run: Run) -> None:
    # Wheels only: building a source distribution would run its code as root.
    options = ["--quiet", "--cache-dir", _pip_cache(), "--only-binary", ":all:", "--dest", wheels]
    try:
        run(pip(python, "download", *options, "--requirement", os.path.join(code, row["requirements"])))
    except PalisadeError as error:
        raise PalisadeError(
            f"app {row['app']}: {row['requirements']} cannot be installed from wheels for {python}; "
            f"nothing was changed: {error}"
        ) from error


def drop_empty_cache() -> None:
    # Another play's releases may wait in it.
    with contextlib.suppress(OSError):
        os.rmdir(CACHE)
