# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages of a release, by pip or uv: fetched first, then installed without an index, exactly as they were fetched.

Root unpacks wheels, and runs no code of a package. One is built from source only where the app allows that, by an
account without privileges in a sandbox; the virtual environment's own interpreter sees it only as the app's account.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError
from ..host.unit import run_with_secrets
from .builder import build_unit, builder, index_environment, show

_QUIET = ("--no-input", "--disable-pip-version-check")
_LINES = 40
_UV = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
# Runs the pip of one interpreter with another, as pip's own --python does; that is slower, and pip 20 has none.
_PIP_ONLY = """
import runpy, sys
from importlib.machinery import PathFinder

PLACE = sys.argv.pop(1)


class Pip:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return PathFinder.find_spec(name, [PLACE], target) if name == "pip" else None


sys.meta_path.insert(0, Pip)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", re.MULTILINE)


class Installer(Protocol):
    """A program that installs packages for an interpreter of the system."""

    python: str
    deploy_account: str

    def fetch(self, row: Mapping[str, Any], requirements: str, place: str, downloads: str, run: Run) -> None:
        """Bring what a requirements file asks for below a release's place in the cache; downloads may be shared."""

    def install(self, place: str, venv: str, run: Run) -> bool:
        """Make the virtual environment from what was fetched; tell whether anything is in it."""

    def check(self, venv: str, run: Run) -> list[str]:
        """Return the command that fails where packages do not fit together, for an account without privileges."""


class Pip:
    """The pip of an interpreter, outside of any virtual environment."""

    def __init__(self, python: str, deploy_account: str = "wsgi-deploy") -> None:
        self.python = python
        self.deploy_account = deploy_account
        self._place = ""

    def fetch(self, row: Mapping[str, Any], requirements: str, place: str, downloads: str, run: Run) -> None:
        wheels = os.path.join(place, "wheels")
        if row.get("allow_source_builds"):
            self._build(row, requirements, place, run)
        else:
            # Building a source distribution would run its code as root.
            options = ["--quiet", "--cache-dir", downloads, "--only-binary", ":all:", "--dest", wheels]
            run(self._pip("download", *options, "--requirement", requirements))

    def install(self, place: str, venv: str, run: Run) -> bool:
        run([self.python, "-I", "-m", "venv", "--without-pip", venv])
        wheels = _wheels(place)
        if wheels:
            options = ["--quiet", "--no-cache-dir", "--no-compile", "--no-index", "--no-deps"]
            run(self._pip_inside(venv, run, "install", *options, *wheels))
        return bool(wheels)

    def check(self, venv: str, run: Run) -> list[str]:
        return self._pip_inside(venv, run, "--no-cache-dir", "check")

    def _pip(self, *arguments: str) -> list[str]:
        # Isolated from a sitecustomize or user site; pip's own configuration and environment still count.
        return [self.python, "-I", "-m", "pip", *_QUIET, *arguments]

    def _pip_inside(self, venv: str, run: Run, *arguments: str) -> list[str]:
        if not self._place:
            self._place = run([self.python, "-I", "-c", "import pip; print(pip.__path__[0])"]).strip()
        return [f"{venv}/bin/python", "-I", "-c", _PIP_ONLY, os.path.dirname(self._place), *_QUIET, *arguments]

    def _build(self, row: Mapping[str, Any], requirements: str, place: str, run: Run) -> None:
        """Let the deployment account build wheels in a sandbox, where one directory of this release is writable."""
        code, work = os.path.join(place, "code"), os.path.join(place, "build")
        account = builder(self.deploy_account, "allow_source_builds")
        os.mkdir(work, 0o700)
        os.chown(work, account.pw_uid, account.pw_gid)
        show(code, account.pw_gid)
        unit = build_unit(row["app"], account, code, writable=work, readable=code)
        # As pip would have it here, for instance of a proxy; but no cache and no configuration of the account's own.
        environment = {**index_environment(), "HOME": work, "TMPDIR": work}
        options = ["--quiet", "--no-cache-dir", "--wheel-dir", os.path.join(work, "wheels")]
        command = self._pip("wheel", *options, "--requirement", requirements)
        try:
            run_with_secrets(unit, self.python, command, environment, run)
        except CommandError as error:
            # What a build says is long, and its end seldom the cause.
            told = "\n".join(error.complaint.splitlines()[-_LINES:])
            raise PalisadeError(f"a build from source failed with {error.status}:\n{told}") from error
        finally:
            # Nothing of the unit is alive any more.
            os.chown(work, 0, 0)
        _take(os.path.join(work, "wheels"), os.path.join(place, "wheels"))
        shutil.rmtree(work)


def _take(built: str, wheels: str) -> None:
    """Move what an account left as wheels to where only root can write."""
    os.mkdir(wheels, 0o700)
    if os.path.islink(built) or not os.path.isdir(built):
        return
    os.chown(built, 0, 0)
    for entry in os.scandir(built):
        if not (entry.name.endswith(".whl") and entry.is_file(follow_symlinks=False)):
            raise PalisadeError(f"the build left {entry.name!r} among its wheels")
        os.rename(entry.path, os.path.join(wheels, entry.name))


class Uv(Pip):
    """uv, which downloads no wheels but fills a virtual environment that can be moved."""

    def __init__(self, python: str, deploy_account: str = "wsgi-deploy", uv: str = "") -> None:
        super().__init__(python, deploy_account)
        self.uv = uv or shutil.which("uv", path="/usr/local/bin:/usr/bin") or ""
        if not os.access(self.uv, os.X_OK):
            raise PalisadeError(
                f"uv: expected the program at {uv or '/usr/local/bin/uv'}, found none; install it on the host "
                "(https://docs.astral.sh/uv/getting-started/installation), or keep the installer pip"
            )

    def fetch(self, row: Mapping[str, Any], requirements: str, place: str, downloads: str, run: Run) -> None:
        if row.get("allow_source_builds"):
            # Only pip makes wheels of a list of requirements.
            super().fetch(row, requirements, place, downloads, run)
            return
        venv = os.path.join(place, "venv")
        self._new(venv, run)
        hashes = ["--require-hashes"] if has_hashes(requirements) else []
        options = ["--python", f"{venv}/bin/python", "--only-binary", ":all:", "--link-mode", "copy", *hashes]
        run([self.uv, "pip", "install", "--quiet", "--cache-dir", downloads, *options, "-r", requirements], _UV)

    def install(self, place: str, venv: str, run: Run) -> bool:
        filled, wheels = os.path.join(place, "venv"), _wheels(place)
        if os.path.isdir(filled):
            shutil.copytree(filled, venv, symlinks=True)
            return True
        self._new(venv, run)
        if wheels:
            options = ["--quiet", "--no-cache", "--offline", "--no-index", "--no-deps", "--link-mode", "copy"]
            run([self.uv, "pip", "install", "--python", f"{venv}/bin/python", *options, *wheels], _UV)
        return bool(wheels)

    def check(self, venv: str, run: Run) -> list[str]:
        return [self.uv, "pip", "check", "--no-cache", "--offline", "--python", f"{venv}/bin/python"]

    def _new(self, venv: str, run: Run) -> None:
        run([self.uv, "venv", "--quiet", "--no-cache", "--relocatable", "--python", self.python, venv], _UV)


def installer(kind: str, python: str, deploy_account: str = "wsgi-deploy", uv: str = "") -> Installer:
    """Return the installer of this kind: pip or uv."""
    return Uv(python, deploy_account, uv) if kind == "uv" else Pip(python, deploy_account)


def has_hashes(requirements: str) -> bool:
    """Tell whether a requirements file, or one that it includes, has a hash; pip wants one of every line then."""
    return any(re.search(r"\s--hash[=\s]", text) for text in _files(requirements, set()))


def _files(path: str, seen: set[str]) -> Iterator[str]:
    path = os.path.normpath(path)
    if path in seen or not os.path.isfile(path):
        return
    seen.add(path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    yield text
    for inner in _INCLUDE.findall(text):
        yield from _files(os.path.join(os.path.dirname(path), inner), seen)


def _wheels(place: str) -> Sequence[str]:
    directory = os.path.join(place, "wheels")
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory))] if os.path.isdir(directory) else []
