# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who builds for all apps: the deployment account, in a sandbox that shows it one release, and one build at a time."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Mapping

from ..host.errors import PalisadeError
from ..host.unit import Unit

SECONDS = 1800
# What a build has no business with, although others may read it.
_HIDDEN = ("/home", "/root", "/var/www", "/run/user", "/var/backups", "/var/mail")
_INDEX = re.compile(
    r"PIP_\w+|(?i:https?|all|no)_(?i:proxy)|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|(?i:npm_config_registry)|NODE_EXTRA_CA_CERTS"
)


def builder(account: str, field: str) -> pwd.struct_passwd:
    """Return the account that builds; PalisadeError names the field that needs it."""
    try:
        return pwd.getpwnam(account)
    except KeyError as error:
        raise PalisadeError(f"{field}: there is no account {account}") from error


def build_unit(
    app: str, owner: pwd.struct_passwd, code: str, writable: str, readable: str, offline: bool = False
) -> Unit:
    """Return where a build of an app runs: in its code, with one directory to write to and one to read."""
    return Unit(
        name=f"palisade-build-{app}",
        account=owner.pw_name,
        group=grp.getgrgid(owner.pw_gid).gr_name,
        directory=code,
        binds={writable: writable},
        reads={readable: readable},
        hidden=_HIDDEN,
        seconds=SECONDS,
        strict=True,
        offline=offline,
        turn="alone",
    )


def index_environment() -> Mapping[str, str]:
    """Return what the environment says of ways to package indexes, such as a proxy."""
    return {name: value for name, value in os.environ.items() if _INDEX.fullmatch(name)}


def show(root: str, gid: int) -> None:
    """Let a group read a tree, and nobody but root change it."""
    for directory, _names, files in os.walk(root):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            mode = os.lstat(path).st_mode
            os.lchown(path, 0, gid)
            if not stat.S_ISLNK(mode):
                os.chmod(path, 0o750 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o640)
