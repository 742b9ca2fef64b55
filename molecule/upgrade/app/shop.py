"""A shop that keeps its orders in a file; before and after the upgrade the same code, at another place."""

from __future__ import annotations

import builtins
import json
import os
import site
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ORDERS = "/var/lib/shop-app/data/orders"


def order(number: str) -> str:
    """Take an order down."""
    with open(ORDERS, "a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    return "taken"


def front_page() -> str:
    """Tell where this runs, what of others runs in it, and what it loaded."""
    with open(ORDERS, encoding="utf-8") as file:
        orders = len(file.readlines())
    files = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    return json.dumps(
        {
            "file": __file__,
            "uid": os.getuid(),
            "orders": orders,
            "planted": sorted(set(getattr(builtins, "planted", []))),
            "imports": sorted((files | set(sys.path)) - {""}),
            "user_site": site.ENABLE_USER_SITE,
        }
    )


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer every request."""
    if environ["REQUEST_METHOD"] == "POST":
        text = order(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode())
    else:
        text = front_page()
    body = text.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
