"""Repositories: git itself reads them, as this account and without a unit; what a unit is asked for is looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.source import Source
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import Run
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.unit import Unit
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source import git as source_git
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.archive import extract
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.git import need_git, opened, tidy
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root, run

pytestmark = [needs_root, pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")]

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"


def git(place: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
    return subprocess.check_output(["git", "-C", place, *identity, *arguments], text=True, stderr=subprocess.DEVNULL)


class Theirs:
    """A repository with a commit, a tag of each kind and a branch."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        git(place, "init", "--quiet", "--initial-branch=main")
        (place / "apps" / "shop").mkdir(parents=True)
        (place / "apps" / "shop" / "shop.py").write_text("$Format:%H$ $Id$\r\n")
        (place / "apps" / "shop" / "run").write_text("#!/bin/sh\n")
        (place / "apps" / "shop" / "run").chmod(0o755)
        (place / "apps" / "shop" / "link").symlink_to("shop.py")
        (place / "hidden.py").write_text("x = 1\n")
        self.first = self.commit()
        git(place, "tag", "light")
        git(place, "tag", "--annotate", "--message=x", "heavy")
        git(place, "branch", "stable/1.x")

    def commit(self) -> str:
        git(self.place, "add", "--all")
        git(self.place, "commit", "--quiet", "--allow-empty", "--message=x")
        return git(self.place, "rev-parse", "HEAD").strip()


@pytest.fixture
def theirs(tmp_path: Path) -> Theirs:
    return Theirs(tmp_path / "theirs")


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Unit, list[str], str | None]]:
    asked: list[tuple[Unit, list[str], str | None]] = []

    def plain(unit: Unit, command: Sequence[str], run: Run, data: str | None = None) -> str:
        asked.append((unit, list(command), data))
        # An agent would want a real key.
        command = command[command.index("sh", 4) + 1 :] if command[0] == "ssh-agent" else command
        return run(command, unit.environment)

    monkeypatch.setattr(source_git, "WORK", str(tmp_path / "work"))
    monkeypatch.setattr(source_git, "run_in_unit", plain)
    return asked


def source(repo: Path | str, version: str = "main", **fields: Any) -> Source:
    return Source("git", str(repo), version=version, **fields)


def taken(tmp_path: Path, wanted: Source) -> tuple[str, Path]:
    """Return the commit and the tree of a source."""
    root = tmp_path / "new"
    shutil.rmtree(root, ignore_errors=True)
    with opened("shop", wanted, "root", run) as repository:
        commit = repository.commit(run)
        repository.export(commit, run)
        with repository.archive() as file:
            extract(file, str(root), "app shop")
    return commit, root


@pytest.mark.parametrize(
    "version", ["main", "light", "heavy", "stable/1.x", "refs/heads/main", "refs/tags/heavy", "commit"]
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_versions(version: str, scheme: str, theirs: Theirs, units: Any, tmp_path: Path) -> None:
    wanted = source(f"{scheme}{theirs.place}", theirs.first if version == "commit" else version)
    commit, root = taken(tmp_path, wanted)
    assert commit == theirs.first
    assert (root / "hidden.py").read_text() == "x = 1\n"
    assert not (root / ".git").exists()
    # A commit need not be looked up.
    assert len(units) == (1 if version == "commit" else 2)
    assert os.listdir(source_git.WORK) == []
    tidy()
    assert not os.path.exists(source_git.WORK)


def test_a_directory_of_it(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    _commit, root = taken(tmp_path, source(theirs.place, directory="apps/shop"))
    assert sorted(path.name for path in root.iterdir()) == ["link", "run", "shop.py"]
    assert os.access(root / "run", os.X_OK)
    assert os.readlink(root / "link") == "shop.py"
    for directory in ("apps/shop/shop.py", "missing", "apps/shop/link"):
        with pytest.raises(PalisadeError, match=f"directory: commit {theirs.first} has no directory '{directory}'"):
            taken(tmp_path, source(theirs.place, directory=directory))


@pytest.mark.parametrize("version", ["mian", "0" * 40, "refs/heads/light", "light^{}", "HEAD~1"])
def test_versions_that_are_not_there(version: str, theirs: Theirs, units: Any, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError) as caught:
        taken(tmp_path, source(theirs.place, version))
    assert str(caught.value) == (
        f"app shop: source: git: {theirs.place}: version: the repository has no commit, tag or branch {version!r}"
    )
    assert os.listdir(source_git.WORK) == []


def test_other_objects_are_no_commits(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    for name in ("heavy", "HEAD^{tree}", "HEAD:hidden.py"):
        other = git(theirs.place, "rev-parse", name).strip()
        with pytest.raises(PalisadeError, match=f"no commit, tag or branch '{other}'"):
            taken(tmp_path, source(theirs.place, other))


def test_an_old_commit(theirs: Theirs, units: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from servers that give tips only."""
    (theirs.place / "hidden.py").write_text("x = 2\n")
    theirs.commit()
    for version in ("2", "0"):
        monkeypatch.setattr(
            source_git, "_CONFIGURATION", source_git._CONFIGURATION.replace("version = 2", f"version = {version}")
        )
        commit, root = taken(tmp_path, source(theirs.place, theirs.first))
        assert (commit, (root / "hidden.py").read_text()) == (theirs.first, "x = 1\n")


def test_a_name_that_is_both(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    git(theirs.place, "tag", "main")
    with pytest.raises(
        PalisadeError, match="'main' is both a tag and a branch; write refs/tags/main or refs/heads/main"
    ):
        taken(tmp_path, source(theirs.place))


def test_a_repository_that_is_not_there(units: Any, tmp_path: Path) -> None:
    for version in ("main", "0" * 40):
        with pytest.raises(PalisadeError, match=r"app shop: source: git: /missing: (git|sh) failed with 128:"):
            taken(tmp_path, source("/missing", version))
        assert os.listdir(source_git.WORK) == []


def test_attributes_change_nothing(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    (theirs.place / ".gitattributes").write_text(
        "hidden.py export-ignore filter=evil\n*.py export-subst text eol=lf ident\n"
    )
    git(theirs.place, "config", "core.safecrlf", "false")
    theirs.commit()
    for place in (theirs.place / ".git" / "config", tmp_path / "gitconfig"):
        with open(place, "a") as file:
            file.write('[filter "evil"]\nsmudge = "touch /tmp/palisade-evil; cat"\nrequired\n')
    _commit, root = taken(tmp_path, source(theirs.place))
    assert (root / "hidden.py").read_text() == "x = 1\n"
    committed = git(theirs.place, "show", "HEAD:apps/shop/shop.py").encode()
    assert (root / "apps" / "shop" / "shop.py").read_bytes() == committed
    assert b"$Format:%H$" in committed
    assert not os.path.exists("/tmp/palisade-evil")


def test_submodules_are_refused_where_they_matter(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    Theirs(tmp_path / "inner")
    git(theirs.place, "submodule", "--quiet", "add", str(tmp_path / "inner"), "vendor/inner")
    theirs.commit()
    with pytest.raises(PalisadeError, match="vendor/inner is a submodule, which is not supported"):
        taken(tmp_path, source(theirs.place))
    taken(tmp_path, source(theirs.place, directory="apps/shop"))


def test_a_repository_of_somebody_else(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    for path in (theirs.place, *theirs.place.rglob("*")):
        os.lchown(path, 61990, 61990)
    taken(tmp_path, source(theirs.place))


def test_hooks_of_a_repository_do_not_run(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    for name in ("post-checkout", "pre-upload", "upload-pack", "reference-transaction", "post-update"):
        hook = theirs.place / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    git(theirs.place, "config", "uploadpack.packObjectsHook", f"touch {tmp_path}/ran; exec")
    taken(tmp_path, source(theirs.place))
    assert not (tmp_path / "ran").exists()


def test_what_a_unit_is_asked_for(theirs: Theirs, units: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:hunter2@proxy.example.org")
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("GIT_DIR", "/evil")
    wanted = source("git@example.org:shop", key=KEY, known_hosts="example.org ssh-ed25519 AAAA\n")
    monkeypatch.setattr(
        source_git, "run_in_unit", lambda unit, command, run, data: units.append((unit, command, data)) or ""
    )
    with opened("shop", wanted, "games", run) as repository:
        work = Path(repository.work)
        with pytest.raises(PalisadeError, match="no commit, tag or branch 'main'"):
            repository.commit(run)
        assert (work / "known_hosts").read_text() == wanted.known_hosts
        assert work.stat().st_mode & 0o7777 == 0o700
        assert "hunter2" not in "".join(path.read_text() for path in work.iterdir())
    ((unit, command, data),) = units
    assert (unit.name, unit.account, unit.group) == ("palisade-git-shop", "games", "games")
    assert (list(unit.writable), unit.listens, data) == ([str(work)], True, KEY)
    assert command[:3] == ["ssh-agent", "-a", f"{work}/agent"]
    assert "hunter2" not in repr((unit, command))
    assert {name: unit.environment.get(name) for name in ("no_proxy", "GIT_TERMINAL_PROMPT", "GIT_ALLOW_PROTOCOL")} == {
        "no_proxy": "localhost",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    }
    assert "GIT_DIR" not in unit.environment
    ssh = unit.environment["GIT_SSH_COMMAND"]
    for option in ("-F none", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={work}/known_hosts", "/dev/null"):
        assert option in ssh
    # A host's own list counts where the source has none, and without a key nothing listens.
    with opened("shop", source("git@example.org:shop"), "games", run) as repository, pytest.raises(PalisadeError):
        repository.commit(run)
    assert "GlobalKnownHostsFile" not in units[1][0].environment["GIT_SSH_COMMAND"]
    assert (units[1][0].listens, units[1][2], units[1][1][0]) == (False, None, "git")


def test_what_a_killed_play_left_goes(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    planted = tmp_path / "work" / "shop"
    planted.mkdir(parents=True)
    (planted / "source.tar").write_text("planted")
    (planted / "known_hosts").symlink_to("/etc/passwd")
    taken(tmp_path, source(theirs.place))
    assert not planted.exists()


def test_what_git_leaves_has_to_be_a_file(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    with opened("shop", source(theirs.place), "root", run) as repository:
        left = Path(repository.work, "source.tar")
        left.symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic links"), repository.archive():
            raise AssertionError
        left.unlink()
        os.mkfifo(left)
        with pytest.raises(PalisadeError, match="expected a file from git"), repository.archive():
            raise AssertionError


def test_a_host_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(source_git, "_PATH", str(tmp_path))
    with pytest.raises(PalisadeError, match="app shop: git is not installed on this host; install the package git"):
        need_git(source("/x"), "app shop")
    (tmp_path / "git").touch(0o755)
    need_git(source("/x"), "app shop")
    with pytest.raises(
        PalisadeError, match="app shop: ssh is not installed on this host; install the package openssh-client"
    ):
        need_git(source("ssh://x/y"), "app shop")


@pytest.mark.parametrize("mode", [None, 0o700, 0o777])
def test_every_account_may_pass_to_its_own_directory(
    mode: int | None, theirs: Theirs, units: Any, tmp_path: Path
) -> None:
    if mode is not None:
        (tmp_path / "work").mkdir()
        (tmp_path / "work").chmod(mode)
    with opened("shop", source(theirs.place), "games", run):
        assert (tmp_path / "work").stat().st_mode & 0o7777 == 0o711


def test_every_variable_of_git(units: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is unknown, a key that is not the app's, or a question to a person: none of it."""
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "GIT_SSL_CAINFO"):
        monkeypatch.setenv(name, name.lower())
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy.example.org")
    with opened("shop", source("git@example.org:shop", known_hosts="x"), "games", run) as repository:
        work = repository.work
        assert dict(repository._environment()) == {
            "https_proxy": "https_proxy",
            "no_proxy": "no_proxy",
            "GIT_SSL_CAINFO": "git_ssl_cainfo",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": work,
            "XDG_CONFIG_HOME": work,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https:ssh:file",
            "GIT_SSH_COMMAND": (
                "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o IdentityFile=none "
                "-o ForwardAgent=no -o PasswordAuthentication=no -o PermitLocalCommand=no -o ConnectTimeout=30 "
                f"-o UserKnownHostsFile={work}/known_hosts -o GlobalKnownHostsFile=/dev/null"
            ),
        }


@pytest.mark.skipif(not shutil.which("ssh"), reason="ssh is not installed")
def test_ssh_knows_every_option(units: Any) -> None:
    with opened("shop", source("git@example.org:shop", known_hosts="x"), "games", run) as repository:
        words = repository._environment()["GIT_SSH_COMMAND"].split()
        subprocess.run([*words, "-G", "example.org"], check=True, capture_output=True)


def test_how_long_git_may_take(theirs: Theirs, units: Any, tmp_path: Path) -> None:
    taken(tmp_path, source(theirs.place))
    assert [(unit.seconds, unit.directory, unit.strict) for unit, _command, _data in units] == [
        (120, f"{tmp_path}/work/shop", False),
        (900, f"{tmp_path}/work/shop", False),
    ]


@pytest.mark.parametrize("verified", [True, False])
def test_a_server_that_is_not_known(verified: bool, units: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Permission denied" if verified else "Host key verification failed."

    def fails(*_arguments: Any) -> str:
        raise PalisadeError(f"git failed with 128:\n{said}")

    monkeypatch.setattr(source_git, "run_in_unit", fails)
    with (
        opened("shop", source("git@example.org:shop"), "games", run) as repository,
        pytest.raises(PalisadeError) as caught,
    ):
        repository.commit(run)
    told = f"app shop: source: git: git@example.org:shop: git failed with 128:\n{said}"
    hint = "known_hosts needs the server's line: ssh-keyscan prints it, and its owner can confirm it"
    assert str(caught.value) == (told if verified else f"{told}\n{hint}")


@pytest.mark.parametrize("app", ["", "../x", "a/b", "A", "1a", "a\n"])
def test_an_app_s_name_is_no_path(app: str, theirs: Theirs, units: Any, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match="expected an app's name"), opened(app, source(theirs.place), "root", run):
        raise AssertionError
    assert not (tmp_path / "work").exists()


def test_commits_of_another_length(theirs: Theirs, units: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_git, "run_in_unit", lambda *_: f"{'a' * 64}\trefs/heads/main\n")
    with (
        opened("shop", source(theirs.place), "root", run) as repository,
        pytest.raises(PalisadeError, match=f"expected a repository with commits of 40 digits, got '{'a' * 64}'"),
    ):
        repository.commit(run)


def test_nobody_else_looks_into_the_directory_of_all(
    theirs: Theirs, units: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even between its making and the change of its mode."""
    seen: list[int] = []
    monkeypatch.setattr(
        source_git, "ensure_directory", lambda path, *_more, **_named: seen.append(os.stat(path).st_mode & 0o7777)
    )
    old = os.umask(0)
    try:
        with opened("shop", source(theirs.place), "games", run) as repository:
            assert {os.stat(f"{repository.work}/{name}").st_mode & 0o7777 for name in (".gitconfig", "attributes")} == {
                0o644
            }
    finally:
        os.umask(old)
    assert seen == [0o700]
