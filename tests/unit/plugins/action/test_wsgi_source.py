"""Names of releases: the same for the same content, wherever it lies and whoever asks."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.palisade.mod_wsgi.plugins.action import wsgi_source
from ansible_collections.palisade.mod_wsgi.plugins.action.wsgi_source import ActionModule, Sources
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.store import build_of, release_name
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.archive import extract
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.tree import file_digest, tree_digest

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
        ("../source", "found a path with '.', '..' or empty parts"),
        (".", "found a path with '.', '..' or empty parts"),
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


def test_what_a_build_may_make_is_not_looked_for(source: Path) -> None:
    row = path(source, served={"account": "www-data", "directories": ["made"]}, build=[["npm", "ci"]])
    assert named(row)["release"] == release_name(tree_digest(str(source), ""), "", PYTHON, build_of(row))
    assert named(row)["release"] != named(path(source))["release"]


@pytest.mark.parametrize("served", ["static", ["static"], {"directories": "static"}, {}, {"account": "www-data"}])
def test_other_shapes_of_served_are_the_modules(served: Any, source: Path) -> None:
    assert named(path(source, served=served))["served"] == served


@pytest.mark.parametrize("requirements", [None, ""])
def test_a_row_without_requirements_names_the_same_release(requirements: Any, source: Path) -> None:
    """Not every row has the field, and the host's half fills it with nothing."""
    assert named(path(source, requirements=requirements))["release"] == named(path(source))["release"]
    assert named(path(source))["release"] == release_name(tree_digest(str(source), ""), "", PYTHON)


class Host:
    """The far side of a task: what the module was called with, and what came over."""

    def __init__(self, *answers: dict[str, Any], tmpdir: str | None = "/remote/tmp") -> None:
        self.answers = list(answers)
        self.tmpdir = tmpdir
        self.called: list[dict[str, Any]] = []
        self.told: list[tuple[Any, ...]] = []
        self.sent: list[list[str]] = []
        self.local = ""

    def run(self, **arguments: Any) -> dict[str, Any]:
        task: Any = SimpleNamespace(args=arguments, action="wsgi_source", async_val=0, check_mode=False)
        shell = SimpleNamespace(tmpdir=self.tmpdir, join_path=lambda *parts: "/".join(parts))
        action: Any = ActionModule(task, SimpleNamespace(_shell=shell), SimpleNamespace(), None, None, None)

        def step(arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
            assert task_vars == {"a": 1}
            self.called.append(arguments)
            return self.answers.pop(0)

        def transfer(local: str, remote: str) -> None:
            self.local = local
            with tarfile.open(local) as tar:
                self.sent.append(sorted({name.partition("/")[0] for name in tar.getnames()}))
            self.told.append(("transfer", remote))

        def make() -> None:
            shell.tmpdir = "/made/tmp"

        action.step = step
        action._transfer_file = transfer
        action._make_tmp_path = make
        action._fixup_perms2 = lambda paths: self.told.append(("readable", *paths))
        action._remove_tmp_path = lambda place: self.told.append(("removed", place))
        found: dict[str, Any] = action.run(task_vars={"a": 1})
        return found


MISSING = {"changed": False, "unsent": ["a"], "failures": {}}
DONE = {"changed": True, "missing": ["a"], "failures": {}}


def test_what_the_host_has_is_not_sent(source: Path) -> None:
    host = Host(DONE)
    assert host.run(releases=[path(source)], python_version=3.13) == DONE
    assert [call["releases"] for call in host.called] == [[named(path(source))]]
    assert (host.sent, host.told) == ([], [("removed", "/remote/tmp")])


@pytest.mark.parametrize(("tmpdir", "place"), [("/remote/tmp", "/remote/tmp"), (None, "/made/tmp")])
def test_what_the_host_lacks_is_sent_once(tmpdir: str | None, place: str, source: Path, tmp_path: Path) -> None:
    """And nothing else; with pipelining there is no directory for it yet. Nothing stays on the controller."""
    (tmp_path / "other").mkdir()
    host = Host(MISSING, DONE, tmpdir=tmpdir)
    rows = [path(source, app="a"), path(tmp_path / "other", app="b")]
    assert host.run(releases=rows, python_version=PYTHON, parallel=2)["changed"] is True
    first, second = host.called
    assert second == {**first, "archive": f"{place}/sources.tar.gz"}
    assert (first["parallel"], "archive" in first) == (2, False)
    assert host.sent == [[named(rows[0])["digest"]]]
    remote = f"{place}/sources.tar.gz"
    assert host.told == [("transfer", remote), ("readable", place, remote), ("removed", place)]
    assert not Path(host.local).parent.exists()


def test_a_host_that_fails_gets_nothing(source: Path) -> None:
    host = Host({**MISSING, "failed": True, "msg": "no"})
    assert host.run(releases=[path(source, app="a")], python_version=PYTHON)["msg"] == "no"
    assert host.sent == []


@pytest.mark.parametrize("keep_going", [None, False, "no"])
def test_a_bad_source_here_stops_before_the_host_is_asked(keep_going: Any, source: Path) -> None:
    """And every one is told."""
    host = Host()
    rows = [path("/missing", app="z"), path(source), path("/missing", app="a")]
    given = {} if keep_going is None else {"keep_going": keep_going}
    with pytest.raises(AnsibleActionFail) as caught:
        host.run(releases=rows, python_version=PYTHON, **given)
    told = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert told == ["app a", "app z"]
    assert (host.called, host.told) == ([], [("removed", "/remote/tmp")])


def test_the_others_go_on_if_they_may(source: Path) -> None:
    host = Host({**DONE, "failures": {"c": "app c: no"}})
    found = host.run(
        releases=[path("/missing", app="b"), path(source, app="a")], python_version=PYTHON, keep_going=True
    )
    assert [row["app"] for row in host.called[0]["releases"]] == ["a"]
    assert {app: text.partition(":")[0] for app, text in found["failures"].items()} == {"b": "app b", "c": "app c"}


@pytest.mark.parametrize("rows", [None, []])
def test_no_list_is_the_modules_to_refuse(rows: Any) -> None:
    host = Host({"failed": True, "msg": "missing required arguments: releases"})
    assert host.run(releases=rows) == {"failed": True, "msg": "missing required arguments: releases"}
    assert host.called == [{"releases": []}]


def test_a_source_that_cannot_be_read_names_its_app(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wsgi_source, "tree_digest", full)
    here = sources()
    assert here.named([path(source)]) == []
    assert here.failures == {"public": "app public: source: [Errno 28] No space left on device"}


def test_an_archive_is_extracted_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two apps lie in it; and two archives do not mix."""
    count: list[str] = []

    def noted(file: Any, root: str, subject: str) -> None:
        count.append(subject)
        extract(file, root, subject)

    monkeypatch.setattr(wsgi_source, "extract", noted)
    for name in ("one", "two"):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            tar.add(source, f"{name}/shop")
            tar.add(source / "app.py", f"{name}/blog/app.py")
    here = sources()
    rows = [
        {"app": f"{name}-{inner}", "source": {"archive": f"{tmp_path}/{name}.tar", "directory": f"{name}/{inner}"}}
        for name in ("one", "two")
        for inner in ("shop", "blog")
    ]
    found = here.named(rows)
    assert here.failures == {}
    assert count == [f"app {name}-shop: source: archive: {tmp_path}/{name}.tar" for name in ("one", "two")]
    assert [row["digest"] for row in found[:2]] == [row["digest"] for row in found[2:]]
    assert found[0]["digest"] != found[1]["digest"]
