"""Tells what it found in its environment when it was imported, by digests; /fail raises an error beside a secret."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def digest(value: str) -> str:
    """Return what a test can compare."""
    return hashlib.sha256(value.encode()).hexdigest()


TOKEN = os.environ["TOKEN"]
FOUND = {name: digest(value) for name, value in os.environ.items()}

if "FAIL_AT_IMPORT" in os.environ:
    raise RuntimeError("this app does not start")


def fail(token: str) -> None:
    """Fail where a secret is a local variable."""
    raise RuntimeError("broken on purpose" if token else "no token")


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer every request."""
    if environ["PATH_INFO"] == "/fail":
        fail(TOKEN)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(FOUND).encode()]
