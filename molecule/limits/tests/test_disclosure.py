"""Answers and logs tell nothing that is not theirs to tell, and no app writes into a log but its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask, attack, body, content
from testinfra.host import Host

CANARY = "canary-in-the-request"
LOGS = "/var/log/apache2"
# Told by Apache where it may.
NAMES = ("mod_wsgi", "Debian", "Python", "python", "OpenSSL", "/var/", "/srv/", "wsgi.py", "127.0.0.1", "Port 80")


def line(text: str, *headers: str) -> list[Any]:
    return ["\r\n".join([text, *headers, "Connection: close", f"X-{CANARY}: {CANARY}", "", ""])]


def errors(name: str) -> dict[str, tuple[list[Any], int]]:
    """Return requests that Apache answers itself, most of them before it looks for a virtual host."""
    host = f"Host: {name}"
    get = f"GET /{CANARY}?{CANARY}"
    return {
        "no request": ([f"{CANARY}\r\n\r\n"], 400),
        "no method": (line(f"G@T /{CANARY} HTTP/1.1", host), 400),
        "no host": (line(f"{get} HTTP/1.1"), 400),
        "no such host": (line(f"{get} HTTP/1.1", f"Host: {CANARY}/@{CANARY}"), 400),
        "no header": (line(f"{get} HTTP/1.1", host, CANARY), 400),
        "no encoding": (line(f"GET /%zz{CANARY} HTTP/1.1", host), 400),
        "out of the tree": (line(f"GET /../../{CANARY} HTTP/1.1", host), 400),
        "encoded slash": (line(f"GET /%2f{CANARY} HTTP/1.1", host), 404),
        "many headers": (line(f"{get} HTTP/1.1", host, *[f"X-{CANARY}: {CANARY}"] * 50), 400),
        "large header": (line(f"{get} HTTP/1.1", host, "X-Large: " + CANARY * 100), 400),
        "long line": (line(f"GET /{CANARY * 200} HTTP/1.1", host), 414),
        "slow header": ([f"{get} HTTP/1.1\r\n{host}\r\nX-{CANARY}: {CANARY}"], 408),
        "expectation": (line(f"{get} HTTP/1.1", host, f"Expect: {CANARY}"), 417),
        "trace": (line(f"TRACE /{CANARY} HTTP/1.1", host), 405),
    }


def told(text: str, *allowed: str) -> list[str]:
    return [word for word in (CANARY, "first.test", "large.test", *NAMES) if word in text and word not in allowed]


@pytest.mark.parametrize("name", ["first.test", f"{CANARY}.test"])
def test_errors_before_a_host_is_chosen_tell_nothing(host: Host, name: str) -> None:
    rows = errors(name)
    answers = attack(host, [pieces for pieces, _status in rows.values()])["answers"]
    found = dict(zip(rows, answers, strict=True))
    assert {key: answer["status"] for key, answer in found.items()} == {key: row[1] for key, row in rows.items()}
    assert {key: told(answer["text"]) for key, answer in found.items() if told(answer["text"])} == {}
    assert {answer["text"].partition("Server: ")[2].partition("\r\n")[0] for answer in answers} == {"Apache"}


def test_a_bare_site_tells_what_it_was_asked_and_who_it_is(host: Host) -> None:
    status, text = ask(host, f"{CANARY}.test", "/files/none", port=8080)
    assert status == 404
    assert f"<address>Apache Server at {CANARY}.test" in text


def test_errors_of_a_site_tell_nothing(host: Host) -> None:
    rows = {
        500: ask(host, "first.test", f"/{CANARY}?{CANARY}", "X-Do: raise", f"X-{CANARY}: 1"),
        413: ask(host, "first.test", f"/{CANARY}?{CANARY}", "Content-Length: 60000", method="POST"),
        411: ask(host, "first.test", f"/{CANARY}?{CANARY}", "Transfer-Encoding: chunked", method="POST"),
        403: ask(host, f"{CANARY}.test", f"/{CANARY}?{CANARY}"),
    }
    assert {status: answer[0] for status, answer in rows.items()} == {status: status for status in rows}
    assert {status: told(text) for status, (_status, text) in rows.items() if told(text)} == {}


@contextmanager
def undone(host: Host, command: str, undo: str) -> Iterator[None]:
    host.check_output(command)
    try:
        yield
    finally:
        host.check_output(undo)


def test_errors_of_a_pool_tell_nothing(host: Host) -> None:
    with undone(host, "pkill -STOP -u large-app", "pkill -CONT -u large-app"):
        status, text = ask(host, "large.test", f"/{CANARY}")
        assert (status, told(text)) == (504, [])
    with undone(
        host,
        "mkdir /run/aside && mv /run/apache2/wsgi.* /run/aside",
        "mv /run/aside/* /run/apache2 && rmdir /run/aside",
    ):
        status, text = ask(host, "large.test", f"/{CANARY}")
        assert (status, told(text)) == (503, [])
    assert ask(host, "large.test")[0] == 200


def test_error_pages_of_an_app_are_replaced_where_it_is_said(host: Host) -> None:
    for asked in (404, 500, 503):
        status, text = ask(host, "first.test", f"/{CANARY}", f"X-Do: {asked}")
        assert (status, content(text)["group"]) == (asked, "first")
        status, text = ask(host, "large.test", f"/{CANARY}", f"X-Do: {asked}")
        assert (status, content(text), told(text)) == (asked, {}, [])
        assert "<h1>" in body(text)


# Logs


def test_logs_hold_no_credentials(host: Host) -> None:
    secret = f"secret{time.time_ns()}"
    headers = (
        f"Authorization: Bearer {secret}",
        f"Proxy-Authorization: Basic {secret}",
        f"Cookie: session={secret}",
        f"Referer: http://first.test/?token={secret}",
    )
    get = f"GET /path?token={secret} HTTP/1.1"
    connections = [
        line(request, f"Host: {name}", *headers, *more)
        for name in ("first.test", "large.test", "unknown.test")
        for request, more in (
            (get, ()),
            (get, ("X-Do: raise",)),
            (get, ("X-Do: print",)),
            (get, ("X-Do: 404",)),
            (get, ("Expect: nothing",)),
            (get, ("X-Large: " + "x" * 2000,)),
            (get.replace("GET", "POST"), ("Content-Length: 300000",)),
            (get.replace("GET", "POST"), ("Transfer-Encoding: chunked",)),
            (get.replace(" HTTP", "x" * 3000 + " HTTP"), ()),
            (get.replace("HTTP/1.1", "nonsense"), ()),
            (get.replace("GET", "TRACE"), ()),
        )
    ]
    connections += [[f"{get}\r\nHost: {name}\r\nCookie: {secret}"] for name in ("first.test", "unknown.test")]
    answers = attack(host, connections)["answers"]
    assert {answer["status"] for answer in answers} == {200, 400, 403, 404, 405, 408, 411, 413, 414, 417, 500}
    attack(host, [line(get, "Host: bare.test", *headers)], port=8080)
    time.sleep(0.5)
    found = host.run(f"grep -rlF {secret} {LOGS}").stdout.split()
    # What a log of Apache's usual format holds.
    assert found == [f"{LOGS}/bare-access.log"]
    assert secret not in host.check_output("journalctl --quiet --output cat")


def test_logs_are_roots(host: Host) -> None:
    logs = host.check_output(f"ls {LOGS}/wsgi-*.log").split()
    assert {f"{LOGS}/wsgi-{app}-access.log" for app in ("first", "small", "large", "default")} < set(logs)
    assert set(host.check_output("stat -c '%U %a' " + " ".join(logs)).splitlines()) <= {"root 640", "root 644"}
    attempt = "for log in {}; do (echo forged >>$log) && echo $log; done".format(" ".join(logs))
    for account in ("first-app", "small-app", "large-app", "www-data"):
        assert host.run("runuser -u %s -- sh -c %s 2>/dev/null", account, attempt).stdout == ""
    assert set(host.check_output("sh -c %s", attempt).split()) == set(logs)


def test_no_app_writes_into_a_log_of_another(host: Host) -> None:
    inodes = {
        int(row.split()[0]): row.split()[1] for row in host.check_output(f"stat -c '%i %n' {LOGS}/*.log").splitlines()
    }

    def written(name: str, path: str, port: int) -> set[str]:
        _status, text = ask(host, name, path, "X-Do: descriptors", port=port)
        return {inodes.get(inode, str(inode)) for inode in content(text)["descriptors"]}

    # Apache leaves the access logs of all sites open for writing in every daemon.
    assert {f"{LOGS}/wsgi-first-access.log", f"{LOGS}/wsgi-large-access.log"} <= written("bare.test", "/", 8080)
    assert "forged" in host.file(f"{LOGS}/wsgi-first-access.log").content_string
    for name, path in (("first.test", "/"), ("first.test", "/small"), ("large.test", "/")):
        assert written(name, path, 80) == set()


def test_logs_are_rotated(host: Host) -> None:
    before, after = (f"/{word}-{time.time_ns()}" for word in ("before", "after"))
    assert ask(host, "first.test", before)[0] == ask(host, "first.test", f"/small{before}")[0] == 200
    old = host.file(f"{LOGS}/wsgi-first-access.log").content_string
    assert before in old
    host.check_output("logrotate --force /etc/logrotate.d/apache2")
    for log in ("first-access", "small-access", "first-error", "large-access", "large-error"):
        assert host.file(f"{LOGS}/wsgi-{log}.log.1").exists
        assert host.check_output("stat -c '%%U %%a' %s", f"{LOGS}/wsgi-{log}.log") == "root 640"
    assert before in host.file(f"{LOGS}/wsgi-first-access.log.1").content_string
    # The reload is under way.
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        statuses = [
            ask(host, name, path, "X-Do: print")[0]
            for name, path in (("first.test", after), ("first.test", f"/small{after}"))
        ]
        assert statuses == [200, 200]
        logs = {
            log: host.file(f"{LOGS}/wsgi-{log}.log").content_string
            for log in ("first-access", "small-access", "first-error")
        }
        if (
            after in logs["first-access"]
            and after in logs["small-access"]
            and "printed by small" in logs["first-error"]
        ):
            break
    else:
        pytest.fail(str(logs))
    assert f" /small{after} " not in logs["first-access"]
