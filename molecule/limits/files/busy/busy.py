"""Sleeps, computes or holds the interpreter for as many seconds as the path says; answers with the process's number."""

from __future__ import annotations

import ctypes
import os
import time


def compute(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


# A function of PyDLL keeps the interpreter's lock.
ACTIONS = {"sleep": time.sleep, "compute": compute, "hold": ctypes.PyDLL(None).sleep}


def application(environ, start_response):
    action, _slash, seconds = environ["PATH_INFO"].strip("/").partition("/")
    if action:
        ACTIONS[action](int(seconds))
    number = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(number)))])
    return [number]
