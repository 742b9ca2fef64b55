"""A host's directories with releases that wait to be built, as fetching leaves them."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import Run
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.fs import switch_link
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.build import ensure_built
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.cache import cached_place
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.installer import Pip
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.tree import tree_digest
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP

RELEASE = "0123456789abcdef"
PYTHON = sys.executable


class Host:
    """Apps below one directory; their cache is to be there too."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"

    def source(self, app: str = "public", /, release: str = RELEASE, **files: str) -> dict[str, Any]:
        """Return the row of an app with these modules beside its own."""
        source = self.root / "sources" / app
        source.mkdir(parents=True)
        for name, text in {"app": "application = 1\n", **files}.items():
            (source / f"{name}.py").write_text(text)
        releases = self.root / app / "releases"
        releases.mkdir(parents=True)
        return {
            "app": app,
            "release": release,
            "digest": tree_digest(str(source), app),
            "origin": "",
            "requirements": "",
            "directory": str(releases),
            "current": str(self.root / app / "current"),
            "group": MY_GROUP,
            "account": ME,
        }

    def stage(self, *rows: dict[str, Any]) -> None:
        """Put releases where fetching leaves them."""
        self.cache.mkdir(mode=0o700, exist_ok=True)
        for row in rows:
            place = Path(cached_place(row))
            shutil.copytree(self.root / "sources" / row["app"], place / "code", symlinks=True)
            (place / "release.json").write_text(json.dumps({"app": row["app"]}))

    def release(self, app: str = "public", release: str = RELEASE) -> Path:
        return self.root / app / "releases" / release


def write_wheel(directory: Path, name: str, version: str = "1.0", requires: str = "") -> Path:
    """Write a wheel with one module, whose value is 5."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "value = 5\n")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", f"{name}.py,,\n")
    return path


def ensure_releases(
    rows: Sequence[Mapping[str, Any]], python: str, run: Run, bound: int, check: bool
) -> list[dict[str, Any]]:
    """Build what is missing by pip and make it current, without a pool. Return the differences."""
    result = ensure_built(rows, {}, Pip(python), run, bound, check)
    for app in sorted(result.failures):
        raise PalisadeError(result.failures[app])
    links = (switch_link(row["current"], f"releases/{row['release']}", check) for row in rows)
    return [*result.differences, *(changed for changed in links if changed)]
