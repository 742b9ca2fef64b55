"""Processes and facts for the tests of collectors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit import facts as audit_facts

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


ONE, OTHER = 61001, 61002


def no_run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
    raise CommandError(arguments[0], 1, "not here")


@contextlib.contextmanager
def sleeper(uid: int = 0, *extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of an account; its standard input keeps it alive."""
    options: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []} if uid else {}
    process = subprocess.Popen(["/bin/cat", *extra], stdin=subprocess.PIPE, **options)
    try:
        # The kernel says that the program runs a moment before it shows its arguments.
        while process.poll() is None and not Path(f"/proc/{process.pid}/cmdline").read_bytes():
            time.sleep(0.001)
        yield process
    finally:
        process.kill()
        process.communicate()


def row(process: Any, uid: int) -> dict[str, Any]:
    return audit_facts.process(pid=process.pid, uid=uid)


def host_of(pid: int | None, binary: str = "/bin/cat", **live: Any) -> Facts:
    tree = read_tree(
        "WSGIDaemonProcess shop user=nobody\nScriptAlias /cgi /none\nWSGITelemetryService unix:/tmp/t.sock\n"
    )
    return Facts(Instance(binary, "/etc/apache2/apache2.conf", pid, uid=33), tree, live=live)
