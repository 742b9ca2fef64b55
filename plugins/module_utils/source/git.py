# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories, read by the account for deployments in a unit of its own: nothing of git runs as root or as a daemon.

Nothing is checked out, so neither hooks nor filters nor attributes of a repository take part: the account leaves a tar
archive, which root extracts like any other. The private key goes from the program's input into an agent.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from ..app.source import COMMIT, Source
from ..host.command import Run
from ..host.errors import PalisadeError
from ..host.fs import Attributes, ensure_directory
from ..host.unit import Unit, run_in_unit

# Each app has a directory here while its repository is read; others may pass it, the cache they may not.
WORK = "/var/cache/palisade-mod_wsgi-git"
_PATH = "/usr/local/bin:/usr/bin:/bin"
_LOOK_SECONDS = 120
_FETCH_SECONDS = 900
_PASSED_ON = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "GIT_SSL_CAINFO")

# A repository of somebody else may be read here: nothing of it is run, and the account owns nothing.
_CONFIGURATION = """\
[safe]
    directory = *
[core]
    hooksPath = /dev/null
[gc]
    auto = 0
[protocol]
    version = 2
"""
# The content as it was committed, whatever the repository's own attributes say.
_ATTRIBUTES = "* -export-ignore -export-subst -text -ident -filter -working-tree-encoding\n"

_EXPORT = r"""
set -eu
work=$1 address=$2 commit=$3 directory=$4
git init --quiet --bare --template= "$work/repository"
cd "$work/repository"
mkdir -p info
cp "$work/attributes" info/attributes
fetch() { git fetch --quiet --no-tags --no-recurse-submodules "$@"; }
# Some servers give no commit by its name alone.
fetch --depth=1 -- "$address" "+$commit:refs/wanted" 2>/dev/null ||
  fetch -- "$address" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*'
if [ "$(git rev-parse --verify --quiet "$commit^{commit}")" != "$commit" ]; then echo unknown; exit 0; fi
tree=$commit:$directory
if [ "$(git cat-file -t "$tree" 2>/dev/null)" != tree ]; then echo no directory; exit 0; fi
module=$(git ls-tree -r "$tree" | sed -n 's/^160000 [^\t]*\t//p' | head -n 1)
if [ -n "$module" ]; then echo "submodule $module"; exit 0; fi
git archive --format=tar --output="$work/source.tar" "$tree"
echo done
"""


@dataclass(frozen=True)
class Repository:
    """An app's repository, and who reads it; the source has the key, if there is one."""

    app: str
    source: Source
    account: str
    work: str

    @property
    def _subject(self) -> str:
        return f"app {self.app}: source: git: {self.source.place}"

    def commit(self, run: Run) -> str:
        """Return the commit that the version is now: one question to the server, none for a commit."""
        version = self.source.version
        if COMMIT.fullmatch(version):
            return version
        names = [version] if version.startswith("refs/") else [f"refs/tags/{version}", f"refs/heads/{version}"]
        patterns = [pattern for name in names for pattern in (name, f"{name}^{{}}")]
        text = self._run(["git", "ls-remote", "--quiet", "--", self._address, *patterns], _LOOK_SECONDS, run)
        found = {name: commit for commit, _tab, name in (line.partition("\t") for line in text.splitlines())}
        known = [name for name in names if name in found]
        if not known:
            raise self._unknown()
        if len(known) > 1:
            raise PalisadeError(
                f"{self._subject}: {version!r} is both a tag and a branch; write refs/tags/{version} or "
                f"refs/heads/{version}"
            )
        # An annotated tag is an object of its own.
        commit = found.get(f"{known[0]}^{{}}", found[known[0]])
        if not COMMIT.fullmatch(commit):
            raise PalisadeError(f"{self._subject}: expected a repository with commits of 40 digits, got {commit!r}")
        return commit

    def export(self, commit: str, run: Run) -> None:
        """Leave the commit's tree as an archive; it is the commit that was asked for, or PalisadeError."""
        words = [self.work, self._address, commit, self.source.directory]
        told = self._run(["sh", "-c", _EXPORT, "sh", *words], _FETCH_SECONDS, run).strip()
        answer, _space, rest = told.partition(" ")
        if answer == "submodule":
            raise PalisadeError(
                f"{self._subject}: {rest} is a submodule, which is not supported; "
                "put its files into the repository, or use an archive"
            )
        if told == "no directory":
            raise PalisadeError(
                f"{self._subject}: directory: commit {commit} has no directory {self.source.directory!r}"
            )
        if told != "done":
            raise self._unknown()

    @contextlib.contextmanager
    def archive(self) -> Iterator[IO[bytes]]:
        """Give what export() left."""
        descriptor = os.open(os.path.join(self.work, "source.tar"), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PalisadeError(f"{self._subject}: expected a file from git")
            yield file

    @property
    def _address(self) -> str:
        # With the protocol, so that it goes through upload-pack, which takes nothing of the repository's settings.
        return f"file://{self.source.place}" if self.source.place.startswith("/") else self.source.place

    def _unknown(self) -> PalisadeError:
        return PalisadeError(
            f"{self._subject}: version: the repository has no commit, tag or branch {self.source.version!r}"
        )

    def _run(self, command: list[str], seconds: int, run: Run) -> str:
        key = self.source.key
        if key:
            feed = 'ssh-add -q - && exec "$@" </dev/null'
            command = ["ssh-agent", "-a", os.path.join(self.work, "agent"), "sh", "-c", feed, "sh", *command]
        unit = Unit(
            name=f"palisade-git-{self.app}",
            account=self.account,
            group=self.account,
            directory=self.work,
            writable=[self.work],
            seconds=seconds,
            # A build of another play could take the key out of the agent.
            turn="together",
            # The agent is a socket.
            listens=bool(key),
            environment=self._environment(),
        )
        try:
            return run_in_unit(unit, command, run, key or None)
        except PalisadeError as error:
            hint = ""
            if "Host key verification failed" in str(error):
                hint = "\nknown_hosts needs the server's line: ssh-keyscan prints it, and its owner can confirm it"
            raise PalisadeError(f"{self._subject}: {error}{hint}") from error

    def _environment(self) -> Mapping[str, str]:
        known_hosts = os.path.join(self.work, "known_hosts")
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "IdentityFile=none"]
        options += ["ForwardAgent=no", "PasswordAuthentication=no", "PermitLocalCommand=no", "ConnectTimeout=30"]
        options += [f"UserKnownHostsFile={known_hosts}"]
        if self.source.known_hosts:
            options.append("GlobalKnownHostsFile=/dev/null")
        # A proxy with a password would be seen by all.
        passed = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name) and "@" not in os.environ[name]}
        return {
            **passed,
            "PATH": _PATH,
            "HOME": self.work,
            "XDG_CONFIG_HOME": self.work,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https:ssh:file",
            "GIT_SSH_COMMAND": " ".join(["ssh -F none", *(f"-o {option}" for option in options)]),
        }


def _write(directory: str, name: str, text: str) -> None:
    path = os.path.join(directory, name)
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "w", encoding="utf-8"
    ) as file:
        # Whatever the umask is: the account reads it.
        os.fchmod(file.fileno(), 0o644)
        file.write(text)


def need_git(source: Source, subject: str) -> None:
    """Refuse a host without the programs that a repository takes."""
    wanted = {"git": "git"}
    if source.is_over_ssh:
        wanted["ssh"] = "openssh-client (openssh-clients on Red Hat's family)"
    for program, package in wanted.items():
        if not shutil.which(program, path=_PATH):
            raise PalisadeError(f"{subject}: {program} is not installed on this host; install the package {package}")


@contextlib.contextmanager
def opened(app: str, source: Source, account: str, run: Run) -> Iterator[Repository]:
    """Give an app's repository with a directory to work in, of which nothing stays."""
    subject = f"app {app}: source: git"
    need_git(source, subject)
    if not re.fullmatch(r"[a-z][a-z0-9-]*", app):
        raise PalisadeError(f"{subject}: expected an app's name, got {app!r}")
    owner = pwd.getpwnam(account)
    # Another thread may make it too.
    os.makedirs(WORK, mode=0o700, exist_ok=True)
    ensure_directory(WORK, Attributes("root", "root", 0o711), check=False)
    work = os.path.join(WORK, app)
    # What a killed play left.
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work, 0o700)
    try:
        _write(work, ".gitconfig", _CONFIGURATION)
        _write(work, "attributes", _ATTRIBUTES)
        _write(work, "known_hosts", source.known_hosts)
        os.chown(work, owner.pw_uid, owner.pw_gid)
        yield Repository(app, source, account, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def tidy() -> None:
    """Remove what all repositories of a play share."""
    with contextlib.suppress(OSError):
        os.rmdir(WORK)
