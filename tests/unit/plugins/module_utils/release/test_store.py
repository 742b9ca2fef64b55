"""What the releases of an app say of themselves, and which one served before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.source import Source
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.store import (
    build_of,
    check_names,
    describe,
    description,
    is_complete,
    note,
    origin_of,
    previous_release,
    release_name,
    releases_of,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root


def test_a_build_is_part_of_the_name() -> None:
    """Of a release without one, the name is what it was before there were builds."""
    source = Source("archive", "https://example.org/a.tar")
    builds: list[dict[str, Any]] = [
        {},
        {"build": [["npm", "ci"]]},
        {"build": [["npm", "ci"]], "build_network": True},
        {"build": [["npm ci"]]},
        {"build": [["npm"], ["ci"]]},
    ]
    names = [release_name("digest", "", "3.13", build_of(build)) for build in builds]
    origins = [origin_of({"requirements": "", **build}, source, "sum", "3.13") for build in builds]
    assert len(set(names)) == len(set(origins)) == len(builds)
    assert names[0] == release_name("digest", "", "3.13") == release_name("digest", "", "3.13", build_of({"build": []}))
    assert build_of({"build": [["npm", "ci"]]}) == build_of({"build": [("npm", "ci")], "build_network": False})


def release(root: Path, name: str, age: float = 1.0, **told: Any) -> Path:
    place = root / name
    place.mkdir()
    (place / "release.json").write_text(json.dumps({"release": name, **told}))
    os.utime(place / "release.json", (age, age))
    return place


def test_the_last_file_makes_it_complete(tmp_path: Path) -> None:
    assert not is_complete(str(tmp_path), "r1")
    place = release(tmp_path, "r1")
    assert is_complete(str(tmp_path), "r1") is True
    (place / "release.json").unlink()
    assert is_complete(str(tmp_path), "r1") is False


@needs_root
def test_what_an_account_put_there_is_none(tmp_path: Path) -> None:
    place = release(tmp_path, "r1")
    os.chown(place, 33, 33)
    assert not is_complete(str(tmp_path), "r1")
    (tmp_path / "link").symlink_to("r1")
    os.chown(tmp_path / "link", 33, 33, follow_symlinks=False)
    assert not is_complete(str(tmp_path), "link")


@pytest.mark.parametrize("name", ["0a1b", "A", "1.2-3_4"])
def test_names(name: str) -> None:
    check_names([{"app": "shop", "release": name}])


@pytest.mark.parametrize("name", ["", ".", "..", ".new", "a/b", "a\n", "-a", "a b"])
def test_names_that_are_paths_or_worse(name: str) -> None:
    with pytest.raises(PalisadeError, match=r"^app shop: release: expected a name, got"):
        check_names([{"app": "blog", "release": "x"}, {"app": "shop", "release": name}])


def test_the_one_that_served_last_is_first(tmp_path: Path) -> None:
    """Where it is not noted, when it was built counts, and then the time of its file."""
    release(tmp_path, "old", age=5.0)
    release(tmp_path, "built", age=99.0, built=6)
    release(tmp_path, "served", age=99.0, built=1, activated=7.5)
    release(tmp_path, "new", age=8.0)
    (tmp_path / "unfinished").mkdir()
    assert releases_of(str(tmp_path)) == ["new", "served", "built", "old"]
    assert releases_of(str(tmp_path / "none")) == []


def test_the_one_before(tmp_path: Path) -> None:
    release(tmp_path, "current", activated=9.0)
    release(tmp_path, "taken-back", activated=8.0, failed=True)
    release(tmp_path, "never-served", built=7.0)
    assert previous_release(str(tmp_path), "current") == ""
    release(tmp_path, "first", activated=5.0, failed=False)
    release(tmp_path, "second", activated=6.0)
    assert previous_release(str(tmp_path), "current") == "second"
    assert previous_release(str(tmp_path), "second") == "current"


@needs_root
def test_a_description_is_root_s_and_grows(tmp_path: Path) -> None:
    place = tmp_path / "r1"
    place.mkdir()
    describe(str(place), {"app": "shop"})
    note(str(place), activated=1.5, failed=False)
    assert description(str(place)) == {"app": "shop", "activated": 1.5, "failed": False}
    found = (place / "release.json").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o600, 0, 0)
    # One that is gone is not made again.
    describe(str(tmp_path / "gone"), {"app": "shop"})
    assert not (tmp_path / "gone").exists()
