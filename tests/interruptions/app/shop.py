"""Says which release and which variables it runs with."""

from __future__ import annotations

import os
from pathlib import Path

CODE = (Path(__file__).parent / "version").read_text().strip()


def application(environ, start_response):
    body = f"{CODE} {os.environ.get('STEP', 'none')}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
