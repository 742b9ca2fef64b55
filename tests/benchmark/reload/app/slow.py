"""Takes two seconds to load, and says with every answer which release gave it, at its start and at its end."""

from __future__ import annotations

import os
import pkgutil
import time

time.sleep(2)
RELEASE = pkgutil.get_data(__name__, "release.txt").decode().strip()


def application(environ, start_response):
    time.sleep(float(environ["PATH_INFO"][1:] or 0))
    # Read now, as a module that is imported late would be.
    late = pkgutil.get_data(__name__, "release.txt").decode().strip()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{RELEASE} {late} {os.getpid()}\n".encode()]
