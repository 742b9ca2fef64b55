"""Fetching: each kind of source ends in the cache, named after its content, and a failure leaves no trace."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.source import Source
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import cache as release_cache
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import fetch as fetch_module
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import fetch as release_fetch
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.cache import cached_place, missing
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.fetch import (
    Fetched,
    Fetching,
    fetch,
    unsent,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.store import build_of, describe, release_name
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.tree import pack, tree_digest
from ansible_collections.palisade.mod_wsgi.tests.unit.releases import PYTHON, Host
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root, run, snapshot

VERSION = "3.13"
SUM = "sha256:" + "0" * 64
URL = "https://example.org/shop.tar"
COMMITS = {"main": "a" * 40, "v1": "b" * 40}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"


class Installer:
    """Stands for pip: notes what it is asked for, and leaves a wheel for each line."""

    def __init__(self, failing: str = "") -> None:
        self.python, self.deploy_account = PYTHON, "wsgi-deploy"
        self.asked: list[tuple[str, str]] = []
        self.failing = failing

    def fetch(self, row: Any, requirements: str, place: str, downloads: str, run: Any) -> None:
        text = Path(requirements).read_text()
        self.asked.append((row["app"], text))
        Path(downloads).mkdir(exist_ok=True)
        for line in text.splitlines():
            name, _equals, version = line.split()[0].partition("==")
            Path(place, "wheels").mkdir(exist_ok=True)
            Path(place, "wheels", f"{name}-{version}-py3-none-any.whl").write_text(name)
        if row["app"] == self.failing:
            raise PalisadeError("pip failed with 1:\nno matching distribution")

    def install(self, place: str, venv: str, run: Any) -> bool:
        raise NotImplementedError

    def check(self, venv: str, run: Any) -> list[str]:
        raise NotImplementedError


class Web:
    """Addresses and repositories with one tree; counts who asks."""

    def __init__(self, root: Path) -> None:
        self.tree = root / "theirs"
        (self.tree / "apps" / "shop").mkdir(parents=True)
        (self.tree / "apps" / "shop" / "shop.py").write_text("application = 1\n")
        (self.tree / "apps" / "shop" / "requirements.txt").write_text("demo==1\n")
        self.asked: list[str] = []
        self.keys: list[str] = []

    def write(self, file: IO[bytes], below: str = "") -> None:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path in sorted((self.tree / below).rglob("*")):
                tar.add(path, str(path.relative_to(self.tree / below)), recursive=False)

    def download(self, address: str, shown: str, checksum: str, file: IO[bytes], subject: str) -> None:
        self.asked.append(address)
        self.write(file)

    @contextlib.contextmanager
    def opened(self, app: str, source: Source, account: str, run: Any) -> Iterator[Any]:
        web = self
        web.keys.append(source.key)

        class Repository:
            def commit(self, run: Any) -> str:
                web.asked.append(f"look {source.version}")
                return COMMITS[source.version]

            def export(self, commit: str, run: Any) -> None:
                web.asked.append(f"fetch {commit[0]}")

            @contextlib.contextmanager
            def archive(self) -> Iterator[IO[bytes]]:
                file = io.BytesIO()
                web.write(file, source.directory)
                file.seek(0)
                yield file

        yield Repository()


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(release_cache, "CACHE", str(tmp_path / "cache"))
    return Host(tmp_path)


@pytest.fixture
def web(target: Host, monkeypatch: pytest.MonkeyPatch) -> Web:
    found = Web(target.root)
    monkeypatch.setattr(release_fetch, "download", found.download)
    monkeypatch.setattr(release_fetch, "opened", found.opened)
    return found


@pytest.fixture
def pip() -> Installer:
    return Installer()


@pytest.fixture
def how(target: Host, pip: Installer) -> Fetching:
    return Fetching(run, pip, VERSION, archive=str(target.root / "sources.tar.gz"))


def sent(target: Host, app: str, requirements: str = "", **files: str) -> dict[str, Any]:
    """Return the row of an app whose source lies on the controller, sent beside those before it."""
    row = target.source(app, **files)
    place = target.root / "sources" / app
    if requirements:
        (place / "requirements.txt").write_text(requirements)
        row["requirements"] = "requirements.txt"
    digest = tree_digest(str(place), app)
    row |= {"source": {"path": str(place)}, "digest": digest}
    row["release"] = release_name(digest, row["requirements"], VERSION)
    trees = {tree_digest(str(path), ""): str(path) for path in (target.root / "sources").iterdir()}
    pack(list(trees.items()), str(target.root / "sources.tar.gz"))
    return row


def remote(target: Host, source: dict[str, Any], app: str = "shop", requirements: str = "") -> dict[str, Any]:
    row = target.source(app)
    return {**row, "source": source, "release": "", "digest": "", "requirements": requirements}


REMOTE: dict[str, dict[str, Any]] = {
    "archive": {"archive": URL, "checksum": SUM, "directory": "apps/shop"},
    "branch": {"git": "/srv/shop", "version": "main", "directory": "apps/shop", "known_hosts": ""},
    "commit": {"git": "/srv/shop", "version": "c" * 40, "directory": "apps/shop", "known_hosts": ""},
    "package": {"package": ["demo==1"]},
}
# What is asked the first time, and whenever nothing has changed.
ASKED: dict[str, tuple[list[str], list[str]]] = {
    "archive": ([URL], []),
    "branch": (["look main", "fetch a"], ["look main"]),
    "commit": (["look " + "c" * 40, "fetch c"], []),
    "package": ([], []),
}
COMMITS["c" * 40] = "c" * 40


def complete(row: dict[str, Any]) -> Path:
    """Build a release as far as fetching looks at it."""
    place = Path(row["directory"], row["release"])
    shutil.move(cached_place(row), place)
    describe(str(place), {key: row[key] for key in ("app", "release", "digest", "origin")})
    return place


def test_fetched_and_missing(target: Host, how: Fetching) -> None:
    row = sent(target, "public")
    assert missing([row]) == unsent([row]) == ["public"]
    assert fetch([row], how) == Fetched([row], ["public"], {})
    assert missing([row]) == unsent([row]) == []
    assert fetch([row], how) == Fetched([row], [], {})
    assert stat.S_IMODE(target.cache.stat().st_mode) == 0o700
    assert os.listdir(target.cache) == [os.path.basename(cached_place(row))]


def test_what_is_fetched_is_on_the_disk_before_it_has_its_name(
    target: Host, how: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = sent(target, "public")
    synced: list[list[str]] = []
    monkeypatch.setattr(fetch_module, "sync", lambda _path: synced.append(os.listdir(target.cache)))
    fetch([row], how)
    assert synced == [[".new-public"]]


def test_packages_are_asked_for_once(target: Host, how: Fetching, pip: Installer) -> None:
    row = sent(target, "public", "demo==1\n")
    fetch([row], how)
    fetch([row], how)
    assert pip.asked == [("public", "demo==1\n")]
    assert (Path(cached_place(row)) / "wheels" / "demo-1-py3-none-any.whl").is_file()
    assert not (target.cache / ".downloads").exists()


@pytest.mark.parametrize("last", [0, 1])
def test_an_index_out_of_reach(last: int, target: Host, how: Fetching) -> None:
    class Cut(Installer):
        def fetch(self, row: Any, requirements: str, place: str, downloads: str, run: Any) -> None:
            lefts = range(1, last - 1, -1)
            tries = [f"WARNING: Retrying (Retry(total={left}, read=None)) after 'no route'" for left in lefts]
            raise CommandError("pip", 1, "\n".join([*tries, "ERROR: No matching distribution found for demo==1"]))

    with pytest.raises(PalisadeError) as caught:
        fetch([sent(target, "public", "demo==1\n")], replace(how, installer=Cut()))
    hint = "The host cannot reach its package index: see index-url, proxy and cert in /etc/pip.conf on the host"
    assert str(caught.value).splitlines()[1:] == [
        f"WARNING: Retrying (Retry(total={last}, read=None)) after 'no route'",
        "ERROR: No matching distribution found for demo==1",
        *([] if last else [hint]),
    ]


@pytest.mark.parametrize("had_cache", [True, False])
def test_a_failing_fetch_leaves_no_trace(had_cache: bool, target: Host, how: Fetching, web: Web) -> None:
    rows = [sent(target, "admin"), sent(target, "public", "demo==1\n"), remote(target, REMOTE["archive"])]
    rows.append({**remote(target, REMOTE["package"], "other"), "requirements": "x.txt"})
    if had_cache:
        (target.cache / "other-list").mkdir(parents=True, mode=0o700)
        target.cache.chmod(0o700)
    before = {path: value for path, value in snapshot(target.root).items() if path != "."}
    with pytest.raises(PalisadeError) as caught:
        fetch(rows, replace(how, installer=Installer(failing="public")))
    for part in ("app public: requirements.txt cannot be installed", "nothing was changed", "no matching distribution"):
        assert part in str(caught.value)
    # Of all that failed at once.
    assert "app other: requirements: expected none beside a package" in str(caught.value)
    assert {path: value for path, value in snapshot(target.root).items() if path not in (".", "cache")} == {
        path: value for path, value in before.items() if path != "cache"
    }
    assert target.cache.exists() == had_cache


def test_the_others_go_on_if_they_may(target: Host, how: Fetching) -> None:
    rows = [sent(target, "admin"), sent(target, "public", "demo==1\n")]
    found = fetch(rows, replace(how, installer=Installer(failing="public"), keep_going=True))
    assert [row["app"] for row in found.rows] == found.missing == ["admin"]
    assert list(found.failures) == ["public"]
    assert found.failures["public"].startswith("app public: requirements.txt cannot be installed")
    assert os.listdir(target.cache) == [os.path.basename(cached_place(rows[0]))]


@pytest.mark.parametrize("kind", REMOTE)
def test_a_killed_fetch_is_no_fetch(kind: str, target: Host, how: Fetching, web: Web, monkeypatch: Any) -> None:
    """Neither what an exception ends, nor what nothing could tidy up after."""
    row = remote(target, REMOTE[kind])

    def killed(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(release_fetch, "tree_digest", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch([row], how)
    assert not target.cache.exists()
    (target.cache / ".new-shop" / "code" / "planted").mkdir(parents=True)
    monkeypatch.undo()
    monkeypatch.setattr(release_cache, "CACHE", str(target.cache))
    monkeypatch.setattr(release_fetch, "download", web.download)
    monkeypatch.setattr(release_fetch, "opened", web.opened)
    (found,) = fetch([row], how).rows
    assert sorted(os.listdir(target.cache)) == [f"shop-{found['release']}"]
    assert not list(target.cache.rglob("planted"))


def test_another_source_than_the_one_sent_is_refused(target: Host, how: Fetching) -> None:
    row = sent(target, "public")
    row["digest"] = "0" * 64
    with pytest.raises(PalisadeError, match="app public: the source changed on its way to the host"):
        fetch([row], how)
    assert not target.cache.exists()


@pytest.mark.parametrize("release", ["", ".", "..", "../../x", "a/b"])
def test_a_release_has_a_name(release: str, target: Host, how: Fetching) -> None:
    row = {**sent(target, "public"), "release": release}
    before = snapshot(target.root)
    with pytest.raises(PalisadeError, match="app public: release: expected"):
        fetch([row], how)
    assert snapshot(target.root) == before


def test_two_apps_may_have_one_source(target: Host, how: Fetching) -> None:
    rows = [sent(target, name) for name in ("admin", "public")]
    assert rows[0]["release"] == rows[1]["release"]
    fetch(rows, how)
    assert missing(rows) == []


def test_a_directory_is_no_current_release(target: Host, how: Fetching) -> None:
    row = sent(target, "public")
    Path(row["current"]).mkdir()
    with pytest.raises(PalisadeError, match=r"app public: .*/public/current: expected a link to a release"):
        fetch([row], how)


@pytest.mark.parametrize("kind", REMOTE)
def test_what_is_fetched_by_the_host(kind: str, target: Host, how: Fetching, web: Web) -> None:
    row = remote(target, REMOTE[kind])
    first = fetch([row], how)
    (found,) = first.rows
    place = Path(cached_place(found))
    assert (first.missing, first.failures) == (["shop"], {})
    assert {key: found[key] for key in ("app", "source", "directory")} == {
        key: row[key] for key in ("app", "source", "directory")
    }
    assert json.loads((place / "release.json").read_text()) == {
        key: found[key] for key in ("app", "release", "digest", "origin")
    }
    if kind == "package":
        assert os.listdir(place / "code") == []
        assert stat.S_IMODE((place / "code").stat().st_mode) == 0o700
        assert os.listdir(place / "wheels") == ["demo-1-py3-none-any.whl"]
    else:
        assert sorted(os.listdir(place / "code")) == ["requirements.txt", "shop.py"]
        assert found["digest"] == tree_digest(str(web.tree / "apps" / "shop"), "")
        assert found["release"] == release_name(found["digest"], "", VERSION)
    assert sorted(os.listdir(place)) == sorted(["code", "release.json", *(["wheels"] if kind == "package" else [])])
    assert web.asked == ASKED[kind][0]


def test_a_build_makes_another_release_of_what_is_fetched(target: Host, how: Fetching, web: Web) -> None:
    build = {"build": [["npm", "ci"]], "served": {"account": "root", "directories": ["made"]}}
    row = {**remote(target, REMOTE["archive"]), **build}
    (found,) = fetch([row], how).rows
    assert found["release"] == release_name(found["digest"], "", VERSION, build_of(row))


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("kind", REMOTE)
def test_what_is_known_costs_nothing(
    kind: str, built: bool, target: Host, how: Fetching, web: Web, pip: Installer
) -> None:
    row = remote(target, REMOTE[kind])
    (found,) = fetch([row], how).rows
    if built:
        complete(found)
    web.asked.clear()
    before = snapshot(target.root)
    again = fetch([row], how)
    assert again == Fetched([found], [], {})
    assert web.asked == ASKED[kind][1]
    assert len(pip.asked) == (kind == "package")
    assert snapshot(target.root) == before


@needs_root
def test_only_releases_of_root_are_known(target: Host, how: Fetching, web: Web) -> None:
    row = remote(target, REMOTE["archive"])
    (found,) = fetch([row], how).rows
    os.chown(complete(found), 61990, 61990)
    assert fetch([row], how).missing == ["shop"]


def test_a_broken_description_is_none(target: Host, how: Fetching, web: Web) -> None:
    row = remote(target, REMOTE["archive"])
    (found,) = fetch([row], how).rows
    place = complete(found)
    (place / "release.json").write_text("{")
    (Path(row["directory"]) / "stray").write_text("")
    assert fetch([row], how).rows == [found]


def test_what_makes_another_origin(target: Host, how: Fetching, web: Web) -> None:
    row = remote(target, REMOTE["archive"])
    rows = [
        (row, how),
        ({**row, "requirements": "requirements.txt"}, how),
        (row, replace(how, python_version="3.14")),
        ({**row, "source": {**row["source"], "archive": f"{URL}.gz"}}, how),
        ({**row, "source": {**row["source"], "checksum": "sha256:" + "1" * 64}}, how),
        ({**row, "source": {**row["source"], "directory": "apps"}}, how),
        ({**row, "source": REMOTE["branch"]}, how),
        ({**row, "source": REMOTE["commit"]}, how),
        ({**row, "source": REMOTE["package"]}, how),
    ]
    origins = {fetch([each], way).rows[0]["origin"] for each, way in rows}
    assert len(origins) == len(rows)


def test_a_branch_that_moved_to_the_same_content(
    target: Host, how: Fetching, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release is there, and the next run need not fetch it to see that."""
    row = remote(target, REMOTE["branch"])
    (found,) = fetch([row], how).rows
    complete(found)
    monkeypatch.setitem(COMMITS, "main", "d" * 40)
    moved = fetch([row], how)
    assert moved.missing == []
    assert moved.rows[0]["release"] == found["release"]
    assert moved.rows[0]["origin"] != found["origin"]
    assert web.asked == ["look main", "fetch a", "look main", "fetch d"]
    assert not list(target.cache.iterdir()) if target.cache.exists() else True
    assert fetch([row], how).rows == moved.rows
    assert web.asked[4:] == ["look main"]


def test_a_branch_that_moved(target: Host, how: Fetching, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    row = remote(target, REMOTE["branch"])
    (found,) = fetch([row], how).rows
    monkeypatch.setitem(COMMITS, "main", "d" * 40)
    (web.tree / "apps" / "shop" / "shop.py").write_text("application = 2\n")
    moved = fetch([row], how)
    assert moved.missing == ["shop"]
    assert moved.rows[0]["release"] != found["release"]


def test_the_key_of_an_app_is_its_own(target: Host, how: Fetching, web: Web) -> None:
    rows = [remote(target, REMOTE["branch"], app) for app in ("a", "b")]
    found = fetch(rows, replace(how, keys={"a": KEY.rstrip()}, parallel=1))
    assert web.keys == [KEY, ""]
    assert "hunter2" not in repr(how) + repr(found) + "".join(
        path.read_text(errors="replace") for path in target.root.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("kind", ["archive", "branch"])
def test_what_is_looked_for_in_it(kind: str, target: Host, how: Fetching, web: Web) -> None:
    cases: dict[str, dict[str, Any]] = {
        "requirements: expected a file in the source, got 'missing.txt'": {"requirements": "missing.txt"},
        "static: expected a directory inside the source": {"served": {"account": "x", "directories": ["static"]}},
    }
    row = remote(target, REMOTE[kind])
    for words, fields in cases.items():
        with pytest.raises(PalisadeError) as caught:
            fetch([{**row, **fields}], how)
        assert str(caught.value).startswith(f"app shop: {words}")
    (web.tree / "apps" / "shop" / "requirements.txt").write_text("-e .\n")
    with pytest.raises(PalisadeError, match=r"app shop: requirements: requirements\.txt: -e is refused"):
        fetch([{**row, "requirements": "requirements.txt"}], how)
    (web.tree / "apps" / "shop" / "out").symlink_to("../..")
    with pytest.raises(PalisadeError, match=r"app shop: .*out: a link to '\.\./\.\.' leaves"):
        fetch([row], how)
    assert not target.cache.exists()


def test_a_directory_that_is_not_in_an_archive(target: Host, how: Fetching, web: Web) -> None:
    (web.tree / "link").symlink_to("apps")
    for directory in ("missing", "apps/shop/shop.py", "link/shop"):
        row = remote(target, {**REMOTE["archive"], "directory": directory}, directory.replace("/", "-"))
        with pytest.raises(PalisadeError, match=f"got '{directory}'; it holds apps, link"):
            fetch([row], how)


def test_packages_of_other_lines_and_the_same_wheels(target: Host, how: Fetching) -> None:
    row = remote(target, {"package": ["demo==1"]})
    (found,) = fetch([row], how).rows
    complete(found)
    other = fetch([{**row, "source": {"package": ["demo==1 --hash=" + SUM]}}], how)
    assert (other.missing, other.rows[0]["release"]) == ([], found["release"])
    newer = fetch([{**row, "source": {"package": ["demo==2"]}}], how)
    assert (newer.missing, newer.rows[0]["release"] != found["release"]) == (["shop"], True)


def test_packages_without_wheels(target: Host, how: Fetching) -> None:
    """As uv leaves them: what counts is what was installed, and not where."""

    class Uv(Installer):
        def fetch(self, row: Any, requirements: str, place: str, downloads: str, run: Any) -> None:
            about = Path(place, "venv", "lib", "python3.13", "site-packages", "demo-1.dist-info")
            about.mkdir(parents=True)
            (about / "RECORD").write_text(
                f"../../../bin/demo,sha256={row['app']},1\ndemo.py,sha256=b,2\ndemo-1.dist-info/RECORD,,\n"
            )

    rows = [remote(target, REMOTE["package"], app) for app in ("a", "b")]
    found = fetch(rows, replace(how, installer=Uv())).rows
    assert found[0]["release"] == found[1]["release"]
    assert found[0]["digest"] == hashlib.sha256(repr(["demo-1.dist-info", "demo.py,sha256=b,2"]).encode()).hexdigest()


@pytest.mark.parametrize("kind", REMOTE)
def test_check_mode_fetches_nothing(
    kind: str, target: Host, how: Fetching, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, dry = remote(target, REMOTE[kind]), replace(how, check=True)
    monkeypatch.setattr(release_fetch, "deploy_account_is_there", lambda _name: False)
    before = snapshot(target.root)
    bare = fetch([row], dry)
    assert (bare.missing, bare.rows[0]["release"], web.asked) == (["shop"], "", [])
    monkeypatch.setattr(release_fetch, "deploy_account_is_there", lambda _name: True)
    ready = fetch([row], dry)
    assert (ready.missing, ready.rows[0]["release"]) == (["shop"], "")
    looked = ASKED[kind][0][:1] if kind in ("branch", "commit") else []
    assert web.asked == looked
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda _program: None)
        assert fetch([row], dry) == bare
    assert web.asked == looked
    assert not [words for words in web.asked if not words.startswith("look")]
    assert snapshot(target.root) == before
    (found,) = fetch([row], how).rows
    assert fetch([row], dry) == Fetched([found], [], {})


def test_check_mode_names_what_was_not_sent(target: Host, how: Fetching) -> None:
    row = sent(target, "public")
    assert fetch([row], replace(how, archive="", check=True)) == Fetched([row], ["public"], {})
    with pytest.raises(PalisadeError, match="app public: its source was not sent to the host"):
        fetch([row], replace(how, archive=""))


def test_a_wrong_source_is_the_failure_of_its_app(target: Host, how: Fetching) -> None:
    rows = [sent(target, "admin"), {**sent(target, "public"), "source": {"archive": URL}}]
    assert unsent(rows) == ["admin"]
    found = fetch(rows, replace(how, keep_going=True))
    assert list(found.failures.values()) == [
        "app public: source: checksum is required for an address: sha256: and the sum of the archive"
    ]


def test_the_account_for_deployments_is_no_apps(target: Host, how: Fetching) -> None:
    with pytest.raises(PalisadeError, match="app public: account: 'wsgi-deploy' is reserved for deployments"):
        fetch([{**sent(target, "public"), "account": "wsgi-deploy"}], how)


def test_a_full_disk_names_the_app(target: Host, how: Fetching, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> Callable[..., None]:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr(release_fetch, "extract", full)
    with pytest.raises(PalisadeError, match=r"app shop: source: .*No space left on device"):
        fetch([remote(target, REMOTE["archive"])], how)
    assert not target.cache.exists()


def test_one_that_may_build_has_the_account_for_itself(target: Host, how: Fetching, web: Web) -> None:
    """What runs as one account can look into all of it: a repository's key, another's build."""
    at_work: set[str] = set()
    together: list[set[str]] = []

    class Builder(Installer):
        def fetch(self, row: Mapping[str, Any], *arguments: Any) -> None:
            at_work.add(row["app"])
            time.sleep(0.05)
            together.append(set(at_work))
            super().fetch(row, *arguments)
            at_work.discard(row["app"])

    names = ("a", "b", "c", "d", "e")
    rows = [sent(target, name, "demo==1\n") for name in names]
    rows = [{**row, "allow_source_builds": row["app"] in ("a", "c")} for row in rows]
    found = fetch(rows, replace(how, installer=Builder(), parallel=4))
    assert [row["app"] for row in found.rows] == list(names)
    assert [apps for apps in together if apps & {"a", "c"}] == [{"a"}, {"c"}]
    assert max(map(len, together)) > 1


def test_one_content_is_one_release_whichever_way_it_came(target: Host, how: Fetching, web: Web) -> None:
    """With its requirements, and with the Python that it is for."""
    row = sent(target, "sent", "demo==1\n")
    shutil.rmtree(web.tree / "apps" / "shop")
    shutil.copytree(target.root / "sources" / "sent", web.tree / "apps" / "shop")
    rows = [remote(target, REMOTE[kind], kind, row["requirements"]) for kind in ("archive", "branch")]
    found = fetch([row, *rows], how).rows
    assert {one["release"] for one in found} == {row["release"]}
    other = fetch([{**one, "app": f"{one['app']}-2"} for one in rows], replace(how, python_version="3.14")).rows
    assert row["release"] not in {one["release"] for one in other}


@pytest.mark.parametrize("release", ["..", "../../x", "a/b"])
def test_what_is_unsent_has_a_name(release: str, target: Host) -> None:
    row = sent(target, "public")
    with pytest.raises(PalisadeError, match="app public: release: expected a name"):
        unsent([{**row, "release": release}])
    # As of what the host fetches itself, which has no name yet.
    assert unsent([{**row, "release": ""}, remote(target, REMOTE["archive"], "shop")]) == []


def test_nobody_else_looks_into_the_cache(target: Host, how: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even between its making and the change of its mode, nor where it was open before."""
    seen: list[int] = []
    chmod = os.chmod

    def noted(path: Any, mode: int, **more: Any) -> None:
        if path == str(target.cache):
            seen.append(stat.S_IMODE(os.stat(path).st_mode))
        chmod(path, mode, **more)

    monkeypatch.setattr(os, "chmod", noted)
    fetch([sent(target, "a")], how)
    target.cache.chmod(0o755)
    fetch([sent(target, "b")], how)
    assert seen == [0o700, 0o755]
    assert {stat.S_IMODE(place.stat().st_mode) for place in (target.cache, *target.cache.iterdir())} == {0o700}


def test_where_an_origin_counts(target: Host, how: Fetching, web: Web) -> None:
    """Another app's release of the same origin is not this one's, nor is one whose description is damaged."""
    rows = [remote(target, REMOTE["archive"], app) for app in ("shop", "shop-2")]
    fetch([rows[1]], how)
    (found,) = fetch([rows[0]], how).rows
    assert len(web.asked) == 2
    Path(cached_place(found), "release.json").write_text("{")
    assert fetch([rows[0]], how) == Fetched([found], ["shop"], {})
    assert len(web.asked) == 3
    place = complete(found)
    assert fetch([rows[0]], how).missing == []
    assert len(web.asked) == 3
    # A release that was copied under another name is not what it says.
    place.rename(place.with_name("copied"))
    assert fetch([rows[0]], how).missing == ["shop"]
    assert len(web.asked) == 4


def test_a_download_waits_in_the_cache(target: Host, how: Fetching, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's /tmp may be memory, and small."""
    places: list[str] = []
    real = tempfile.TemporaryFile

    def noted(*arguments: Any, **named: Any) -> Any:
        places.append(str(named.get("dir")))
        return real(*arguments, **named)

    monkeypatch.setattr(tempfile, "TemporaryFile", noted)
    fetch([remote(target, REMOTE["archive"])], how)
    assert places == [f"{target.cache}/.new-shop"]
