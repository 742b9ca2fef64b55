"""Files and directories for the tests of collectors."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl, write_acl

SHOP, BLOG, WWW = 54321, 54331, 54341


def put(file: Path, text: str = "x = 1\n", mode: int = 0o640, uid: int = 0, gid: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    os.chown(file, uid, gid)
    return file


def permit(path: Path, uid: int, bits: int, default: bool = False) -> None:
    acl = Acl.from_mode(stat.S_IMODE(path.stat().st_mode), {uid: bits})
    if default:
        os.setxattr(path, "system.posix_acl_default", acl.encode())
        return
    write_acl_of(path, acl)


def write_acl_of(path: Path, acl: Acl) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        write_acl(descriptor, str(path), acl)
    finally:
        os.close(descriptor)


def reach(found: dict[str, Any], name: str) -> dict[str, Any]:
    answer: dict[str, Any] = found["accounts"][name]["reach"]
    return answer


def paths(rows: list[dict[str, Any]], host: Path) -> list[str]:
    return sorted(os.path.relpath(row["path"], host) for row in rows)
