from __future__ import annotations

from trac.web.main import dispatch_request


def application(environ, start_response):
    import os

    environ["trac.env_path"] = os.environ["TRAC_ENV"]
    return dispatch_request(environ, start_response)
