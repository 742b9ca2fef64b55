# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account that fetches and builds the code of others: it owns nothing and cannot log in."""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

from .accounts import RESERVED_ACCOUNTS, ensure_accounts, sysusers_path
from .command import Run
from .errors import PalisadeError
from .records import NOTICE, read_records

_HOME = "/nonexistent"


def check_deploy_account(name: str) -> None:
    """Refuse a name that is none, or an account that is not ours alone."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name) or name in RESERVED_ACCOUNTS:
        raise PalisadeError(
            "deploy_account: expected an account of its own such as wsgi-deploy, never root's or a shared one, "
            f"got {name!r}"
        )
    path = sysusers_path(name)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            apps = [str(fields["name"]) for fields in read_records(file.read()) if fields.get("name")]
    except FileNotFoundError:
        if _exists(name):
            raise PalisadeError(
                f"deploy_account: account {name!r} already exists on this host and was not created for deployments"
            ) from None
        return
    if apps:
        raise PalisadeError(f"deploy_account: account {name!r} belongs to app {apps[0]}")


def _exists(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def ensure_deploy_account(name: str, run: Run, check: bool) -> list[dict[str, Any]]:
    """Create or repair the account. Return the differences {path, before, after}."""
    check_deploy_account(name)
    text = f'{NOTICE}\nu {name} - "Deployments of WSGI applications" {_HOME} /usr/sbin/nologin\n'
    row = {"app": "(deployments)", "name": name, "group": name, "home": _HOME, "sysusers": text}
    return ensure_accounts([row], run, check)


def deploy_account_is_there(name: str) -> bool:
    """Tell whether the account exists and is ours."""
    check_deploy_account(name)
    return _exists(name) and os.path.exists(sysusers_path(name))
