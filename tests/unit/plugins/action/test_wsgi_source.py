"""Names of releases: the same for the same content, wherever it lies and whoever asks."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_source import Sources
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._tree import file_digest

PYTHON = "3.13"


def sources(python: str = PYTHON) -> Sources:
    return Sources(tempfile.mkdtemp(), python)


def named(row: Any, python: str = PYTHON) -> Any:
    return sources(python)._named(row)


def path(source: Path | str, **fields: Any) -> dict[str, Any]:
    return {"app": "public", "source": {"path": str(source)}, **fields}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "app.py").write_text("application = 1\n")
    (tmp_path / "source" / "requirements.txt").write_text("")
    return tmp_path / "source"


def test_the_same_content_has_the_same_name(source: Path, tmp_path: Path) -> None:
    row = path(source)
    result = named(row)
    assert {"app": result["app"], "source": result["source"]} == row
    assert len(result["release"]) == 16
    assert int(result["release"], 16) >= 0
    assert len(result["digest"]) == 64
    shutil.copytree(source, tmp_path / "copy")
    (source / ".git").mkdir()
    assert named(path(tmp_path / "copy", app="admin"))["release"] == result["release"]
    assert named(row)["release"] == result["release"]


def test_what_makes_another_release(source: Path) -> None:
    row = path(source)
    names = {
        named(row)["release"],
        named({**row, "requirements": "requirements.txt"})["release"],
        named(row, "3.14")["release"],
    }
    (source / "app.py").write_text("application = 2\n")
    names.add(named(row)["release"])
    assert len(names) == 4


def test_an_archive_is_the_tree_in_it(source: Path, tmp_path: Path) -> None:
    expected = named(path(source))
    with tarfile.open(tmp_path / "shop.tar.gz", "w:gz") as tar:
        tar.add(source, "shop-1.2")
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        for file in source.iterdir():
            archive.write(file, file.name)
    checksum = "sha256:" + file_digest(str(tmp_path / "shop.zip"))
    rows = [
        {"archive": str(tmp_path / "shop.tar.gz"), "directory": "shop-1.2"},
        {"archive": str(tmp_path / "shop.zip"), "checksum": checksum},
    ]
    for row in rows:
        result = named({"app": "public", "source": row})
        assert (result["release"], result["digest"]) == (expected["release"], expected["digest"])


def test_archives_that_are_refused(source: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "shop.tar")
    with tarfile.open(place, "w") as tar:
        tar.add(source, "shop-1.2")
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO(b""))
    cases = {
        "expected a file on the controller": {"archive": f"{place}.gz"},
        "checksum: expected sha256:" + "0" * 64 + ", got sha256:" + file_digest(place): {
            "archive": place,
            "checksum": "sha256:" + "0" * 64,
        },
        "../outside: a name with '..'": {"archive": place},
    }
    for words, row in cases.items():
        with pytest.raises(PalisadeError) as caught:
            named({"app": "public", "source": row})
        assert str(caught.value).startswith(f"app public: source: archive: {place}")
        assert words in str(caught.value)
    with tarfile.open(place, "w") as tar:
        tar.add(source, "shop-1.2")
    with pytest.raises(PalisadeError, match=r"got 'shop-1\.3'; it holds shop-1\.2"):
        named({"app": "public", "source": {"archive": place, "directory": "shop-1.3"}})


def test_a_tree_is_sent_once(source: Path, tmp_path: Path) -> None:
    """Whoever has it as a source, and however."""
    with tarfile.open(tmp_path / "shop.tar", "w") as tar:
        tar.add(source, ".")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    here = sources()
    rows = here.named(
        [
            path(source, app="a"),
            path(source, app="b", requirements="requirements.txt"),
            {"app": "c", "source": {"archive": str(tmp_path / "shop.tar")}},
            path(tmp_path / "other", app="d"),
            {"app": "e", "source": {"package": ["demo==1"]}},
        ]
    )
    here.pack(rows[:3], str(tmp_path / "sources"))
    with tarfile.open(tmp_path / "sources") as tar:
        names = sorted(tar.getnames())
    assert names == [f"{rows[0]['digest']}/{name}" for name in ("app.py", "requirements.txt")]
    assert "release" not in rows[4]


def test_failures_are_kept_by_app(source: Path) -> None:
    here = sources()
    rows = here.named([path("/missing"), path(source, app="b"), {"app": "c", "source": {"path": "x", "git": "y"}}])
    assert [row["app"] for row in rows] == ["b"]
    assert set(here.failures) == {"public", "c"}
    assert here.failures["public"].startswith("app public: source: expected a directory on the controller")


def test_a_release_of_the_user_is_not_taken(source: Path) -> None:
    assert named(path(source, release="../..", digest="x"))["release"] != "../.."


@pytest.mark.parametrize("row", ["public", None, {"app": "public"}, {"app": "public", "source": 5}])
def test_other_shapes_are_the_modules(row: Any) -> None:
    assert named(row) == row


@pytest.mark.parametrize("place", ["missing", "source/app.py"])
def test_a_source_is_a_directory(place: str, source: Path) -> None:
    with pytest.raises(PalisadeError, match="app public: source: expected a directory on the controller"):
        named(path(source.parent / place))


def test_a_source_that_is_refused(source: Path) -> None:
    (source / "out").symlink_to("/etc")
    with pytest.raises(PalisadeError, match="app public: out: a link to '/etc' leaves the source"):
        named(path(source))


def test_what_is_served_is_no_part_of_the_name(source: Path) -> None:
    (source / "static").mkdir()
    row = path(source)
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
        named(path(source, served=served))
    assert str(caught.value) == (
        f"app public: static: expected a directory inside the source, got {directory!r}: {words}"
    )


@pytest.mark.parametrize("served", ["static", ["static"], {"directories": "static"}, {}, {"account": "www-data"}])
def test_other_shapes_of_served_are_the_modules(served: Any, source: Path) -> None:
    assert named(path(source, served=served))["served"] == served
