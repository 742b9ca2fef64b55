# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's own commands that complete a release before it is sealed.

The deployment account runs them, which owns the release's code for that time and can reach nothing else of any app.
Never a daemon's account: it could leave something behind that changes what is sealed.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError
from ..host.output import last_lines, masked
from ..host.unit import OutOfTime, run_with_secrets
from ..source.tree import target_outside
from .builder import SECONDS, build_unit, builder, index_environment, show

_LINES = 40
# Private to each command, and gone with it.
_SCRATCH = "/tmp"  # noqa: S108  (PrivateTmp)


def complete(
    row: Mapping[str, Any], place: str, environment: Mapping[str, str], account: str, python: str, run: Run
) -> None:
    """Run the commands of a release in its code; PalisadeError names the first that fails, with its last lines.

    environment is the app's, account the deployment account, python an interpreter that runs nothing of the app. What
    the commands leave is still the account's.
    """
    owner, online = builder(account, "build"), bool(row.get("build_network"))
    code, venv = os.path.join(place, "code"), os.path.join(place, "venv")
    show(venv, owner.pw_gid)
    for path in (code, *_inside(code)):
        os.lchown(path, owner.pw_uid, owner.pw_gid)
    unit = build_unit(row["app"], owner, code, writable=code, readable=venv, offline=not online)
    variables = {
        **(index_environment() if online else {}),
        # Its bytecode would be part of the release, and differ with each build.
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": _SCRATCH,
        **environment,
    }
    for command in row["build"]:
        shown = f"build: {shlex.join(command)!r}"
        try:
            run_with_secrets(unit, python, command, variables, run, programs=[os.path.join(venv, "bin")])
        except OutOfTime as error:
            raise PalisadeError(f"{shown} was stopped after {SECONDS} seconds") from error
        except CommandError as error:
            told = masked(last_lines(error.complaint, _LINES), variables)
            raise PalisadeError(f"{shown} failed with {error.status}:\n{told}") from error
    _judge(code)


def _inside(root: str) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        yield from (os.path.join(directory, name) for name in (*names, *files))


def _judge(code: str) -> None:
    """Refuse what root must not follow or open, and take permissions away that would outlast the owner."""
    for path in (code, *_inside(code)):
        shown, mode = os.path.relpath(path, code), os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            target = target_outside(code, shown)
            if target is not None:
                raise PalisadeError(f"build: it left a link at {shown} to {target!r}, outside of the release's code")
            continue
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise PalisadeError(f"build: it left {shown}, which is neither a file nor a directory nor a link")
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith("system.posix_acl_"):
                os.removexattr(path, name, follow_symlinks=False)
