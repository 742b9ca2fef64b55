"""Names of releases: the same for the same content, wherever it lies and whoever asks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_source import ActionModule
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError

PYTHON = {"python_version": "3.13"}


def named(row: Any, arguments: dict[str, Any] | None = None) -> Any:
    # Naming needs neither task nor connection.
    return ActionModule.__new__(ActionModule)._named(row, PYTHON if arguments is None else arguments)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "app.py").write_text("application = 1\n")
    (tmp_path / "source" / "requirements.txt").write_text("")
    return tmp_path / "source"


def test_the_same_content_has_the_same_name(source: Path, tmp_path: Path) -> None:
    row = {"app": "public", "source": str(source)}
    result = named(row)
    assert {"app": result["app"], "source": result["source"]} == row
    assert len(result["release"]) == 16
    assert int(result["release"], 16) >= 0
    assert len(result["digest"]) == 64
    shutil.copytree(source, tmp_path / "copy")
    (source / ".git").mkdir()
    assert named({"app": "admin", "source": str(tmp_path / "copy")})["release"] == result["release"]
    assert named(row)["release"] == result["release"]


def test_what_makes_another_release(source: Path) -> None:
    row = {"app": "public", "source": str(source)}
    names = {
        named(row)["release"],
        named({**row, "requirements": "requirements.txt"})["release"],
        named(row, {"python_version": "3.14"})["release"],
    }
    (source / "app.py").write_text("application = 2\n")
    names.add(named(row)["release"])
    assert len(names) == 4


def test_a_release_of_the_user_is_not_taken(source: Path) -> None:
    assert named({"app": "public", "source": str(source), "release": "../..", "digest": "x"})["release"] != "../.."


@pytest.mark.parametrize("row", ["public", None, {"app": "public"}, {"app": "public", "source": 5}])
def test_other_shapes_are_the_modules(row: Any) -> None:
    assert named(row) == row


@pytest.mark.parametrize("place", ["", "missing", "source/app.py"])
def test_a_source_is_a_directory(place: str, source: Path) -> None:
    path = str(source.parent / place) if place else ""
    with pytest.raises(PalisadeError, match="app public: source: expected a directory on the controller"):
        named({"app": "public", "source": path})


def test_a_source_that_is_refused(source: Path) -> None:
    (source / "out").symlink_to("/etc")
    with pytest.raises(PalisadeError, match="app public: out: a link to '/etc' leaves the source"):
        named({"app": "public", "source": str(source)})


def test_what_is_served_is_no_part_of_the_name(source: Path) -> None:
    (source / "static").mkdir()
    row = {"app": "public", "source": str(source)}
    name = named(row)["release"]
    for served in (
        None,
        {"account": "www-data", "directories": []},
        {"account": "www-data", "directories": ["static"]},
    ):
        result = named({**row, "served": served})
        assert (result["release"], result["served"]) == (name, served)


@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("assets", "found no assets"),
        ("app.py", "found a file"),
        ("link", "found a link at link"),
        ("link/inner", "found a link at link"),
        ("../source", "found a path that is not plain"),
        (".", "found a path that is not plain"),
    ],
)
def test_what_is_served_is_in_the_source(directory: str, words: str, source: Path) -> None:
    """Before anything is sent."""
    (source / "static" / "inner").mkdir(parents=True)
    (source / "link").symlink_to("static")
    served = {"account": "www-data", "directories": ["static", directory]}
    with pytest.raises(PalisadeError) as caught:
        named({"app": "public", "source": str(source), "served": served})
    assert str(caught.value) == (
        f"app public: static: expected a directory inside the source, got {directory!r}: {words}"
    )


@pytest.mark.parametrize("served", ["static", ["static"], {"directories": "static"}, {}, {"account": "www-data"}])
def test_other_shapes_of_served_are_the_modules(served: Any, source: Path) -> None:
    assert named({"app": "public", "source": str(source), "served": served})["served"] == served
