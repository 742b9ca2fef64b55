"""What is hard on an interpreter, on memory and on patience: extensions, a large body, an answer that takes minutes."""

from __future__ import annotations

import hashlib
import time
import urllib.parse

import numpy
import pandas
import psycopg


def application(environ, start_response):
    asked = urllib.parse.parse_qs(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return PAGES[environ["PATH_INFO"]](environ, asked)


def total(environ, asked):
    frame = pandas.DataFrame({"x": numpy.arange(1000), "day": ["a", "b"] * 500})
    return [f"{frame.groupby('day').x.sum().tolist()} {psycopg.__version__}".encode()]


def upload(environ, asked):
    digest, size = hashlib.sha256(), 0
    for block in iter(lambda: environ["wsgi.input"].read(1 << 20), b""):
        digest.update(block)
        size += len(block)
    return [f"{size} {digest.hexdigest()}".encode()]


def stream(environ, asked):
    for number in range(int(asked["seconds"][0])):
        yield b"%d\n" % number
        time.sleep(1)


PAGES = {"/": total, "/upload": upload, "/stream": stream}
