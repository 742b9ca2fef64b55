"""What several unit tests share."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import runner

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")

ME = pwd.getpwuid(os.geteuid()).pw_name
MY_GROUP = grp.getgrgid(os.getegid()).gr_name

FIXTURES = Path(__file__).parents[1] / "fixtures"


def app(name: str = "public", **fields: Any) -> dict[str, Any]:
    """Return the least that a user writes of an app; a field given as None is left out."""
    whole = {
        "name": name,
        "application": "shop.wsgi:application",
        "server_names": [f"{name}.example.org"],
        "source": {"path": name},
        **fields,
    }
    return {key: value for key, value in whole.items() if value is not None}


def host(**facts: Any) -> dict[str, Any]:
    """Return what wsgi_server_info says of a prepared Debian 13 without any app."""
    return {
        "layout": DEBIAN.as_dict(),
        "mod_wsgi": {"version": "5.0.2", "python": "3.13", "module": "/usr/lib/apache2/modules/mod_wsgi.so"},
        "python": {"path": "/usr/bin/python3", "version": "3.13", "implementation": "cpython"},
        "apache": {"modules": ["headers", "md", "ssl", "wsgi"]},
        "apps": [],
        "accounts": {},
        "occupied": [],
        **facts,
    }


def managed(name: str = "shop", owner: str = "theirs", **facts: Any) -> dict[str, Any]:
    """Return an app as wsgi_server_info finds it on a host."""
    return {
        "name": name,
        "owner": owner,
        "account": f"{name}-app",
        "group": f"{name}-app",
        "server_names": [f"{name}.example.org"],
        "mount": "/",
        "tls": "",
        "acls": [],
        "source": "",
        "site": f"/etc/apache2/sites-available/zz-palisade-{name}.conf",
        "units": [],
        **facts,
    }


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return everything below a directory that a change could touch: kind, mode, owner, times and content."""
    result: dict[str, tuple[Any, ...]] = {}
    for path in sorted([root, *root.rglob("*")]):
        found = path.lstat()
        content: bytes | str = b""
        if stat.S_ISREG(found.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(found.st_mode):
            content = os.readlink(path)
        result[str(path.relative_to(root))] = (
            oct(found.st_mode),
            found.st_uid,
            found.st_gid,
            found.st_mtime_ns,
            found.st_ino,
            content,
        )
    return result


def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
    """Run a program as the modules do, without a module."""

    def run_command(
        arguments: list[str], environ_update: dict[str, str], cwd: str, data: str | None, **_: Any
    ) -> tuple[int, str, str]:
        result = subprocess.run(
            arguments,
            env={**os.environ, **environ_update},
            cwd=cwd,
            input=data,
            capture_output=True,
            text=True,
            check=False,
        )
        return result.returncode, result.stdout, result.stderr

    return runner(run_command)(arguments, environment, data)


def noting(asked: list[Any], answer: Any) -> Callable[..., Any]:
    """Return a function that notes its last argument, and has this answer."""

    def called(*arguments: Any) -> Any:
        asked.append(arguments[-1])
        return answer

    return called


_ACCESS = """
import os, sys
for path in sys.argv[2:]:
    if os.access(path, int(sys.argv[1])):
        print(path)
"""


def allowed(account: str, root: Path, mode: int = os.R_OK) -> set[str]:
    """Return the paths below a directory that an account without further groups may read, write or search."""
    paths = [str(path.relative_to(root)) for path in sorted(root.rglob("*"))]
    # Relative to the directory, since those above it are closed to others, and by an interpreter that is not.
    command = ["/usr/bin/python3", "-I", "-c", _ACCESS, str(mode), *paths]
    group = pwd.getpwnam(account).pw_gid
    found = subprocess.run(
        command, cwd=root, user=account, group=group, extra_groups=[], capture_output=True, text=True, check=True
    )
    return set(found.stdout.splitlines())


def acls(root: Path) -> dict[str, bytes]:
    """Return the ACLs, default ones too, of everything below a directory that has any."""
    return {
        f"{path.relative_to(root)} {kind}": os.getxattr(path, name, follow_symlinks=False)
        for path in sorted([root, *root.rglob("*")])
        for name in os.listxattr(path, follow_symlinks=False)
        for kind in [name.rpartition("_")[2]]
        if name.startswith("system.posix_acl_")
    }
