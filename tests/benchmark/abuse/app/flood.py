"""Answers at once, reads what it is sent, and sends as many bytes as it is asked for."""

from __future__ import annotations


def application(environ, start_response):
    size = 0
    while chunk := environ["wsgi.input"].read(65536):
        size += len(chunk)
    query = environ.get("QUERY_STRING", "")
    body = b"x" * int(query) if query.isdigit() else b"hello %d\n" % size
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
