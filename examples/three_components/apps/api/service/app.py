"""A JSON API in plain WSGI: the time in any zone, and sums."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

BODY_LIMIT = 16 * 1024
NUMBER_LIMIT = 1e15
ZONES = available_timezones()


class Problem(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Route(NamedTuple):
    """What a path takes, what it does, and how the front page describes it."""

    method: str
    answer: "Callable[[WSGIEnvironment], dict[str, Any]]"
    description: str


def describe(environ: "WSGIEnvironment") -> dict[str, Any]:
    """List what the service can do."""
    return {
        "service": "api",
        "endpoints": {f"{route.method} {path}": route.description for path, route in ROUTES.items()},
    }


def time(environ: "WSGIEnvironment") -> dict[str, Any]:
    """Tell the time in the zone that the query names."""
    try:
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "too many fields in the query") from error
    zone = query.get("zone", ["UTC"])[0]
    if zone not in ZONES:
        raise Problem(HTTPStatus.BAD_REQUEST, "zone must be a name such as Europe/Paris")
    return {"zone": zone, "time": datetime.now(ZoneInfo(zone)).isoformat(timespec="seconds")}


def add(environ: "WSGIEnvironment") -> dict[str, Any]:
    """Add up the numbers in the body."""
    body = read_json(environ)
    numbers = body.get("numbers") if isinstance(body, dict) else None
    if not isinstance(numbers, list) or not all(is_number(number) for number in numbers):
        raise Problem(
            HTTPStatus.BAD_REQUEST, f'expected {{"numbers": [1, 2.5]}}, each of {NUMBER_LIMIT:.0e} at most in size'
        )
    return {"sum": sum(numbers)}


def is_number(value: object) -> bool:
    """Tell whether a value is a number whose sums stay exact or at least finite; true, NaN and Infinity are not."""
    return type(value) in (int, float) and -NUMBER_LIMIT <= value <= NUMBER_LIMIT  # type: ignore[operator]


def read_json(environ: "WSGIEnvironment") -> Any:
    """Return the decoded body, having read no more than the limit."""
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    length = environ.get("CONTENT_LENGTH") or ""
    if not length:
        raise Problem(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
    if not (length.isascii() and length.isdigit()):
        raise Problem(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
    if len(length) > 10 or int(length) > BODY_LIMIT:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {BODY_LIMIT} bytes")
    try:
        return json.loads(environ["wsgi.input"].read(int(length)))
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is not valid JSON") from error


ROUTES = {
    "/": Route("GET", describe, "this description"),
    "/time": Route("GET", time, "the time, in UTC or in ?zone=Europe/Paris"),
    "/sum": Route("POST", add, "the sum of the list numbers in a JSON object"),
}


def dispatch(environ: "WSGIEnvironment") -> dict[str, Any]:
    """Find the route of a request and let it answer."""
    route = ROUTES.get(environ.get("PATH_INFO") or "/")
    if route is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no such endpoint: GET / lists them")
    allowed = ["GET", "HEAD"] if route.method == "GET" else [route.method]
    if environ["REQUEST_METHOD"] not in allowed:
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"use {route.method}", Allow=", ".join(allowed))
    return route.answer(environ)


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer every request in JSON, errors too."""
    status, headers = HTTPStatus.OK, {}
    try:
        answer = dispatch(environ)
    except Problem as problem:
        status, headers = problem.status, problem.headers
        answer = {"error": str(problem)}
    body = json.dumps(answer).encode() + b"\n"
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **headers,
    }
    start_response(f"{status.value} {status.phrase}", list(headers.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
