"""Clients of the applications; each prints a line of JSON with what it saw.

Usage: client.py calendar | numbers | upload | chunked | stream SECONDS | tickets | pages | databases
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.client
import http.cookiejar
import json
import re
import socket
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

MIB = 1 << 20
UPLOAD = 500
LIMIT = 600_000_000


def calendar() -> object:
    import caldav

    client = caldav.DAVClient("http://calendar.test/", username="ann", password="of-ann")
    made = client.principal().make_calendar(name="work")
    begin = datetime.datetime(2026, 12, 1, 9, tzinfo=datetime.UTC)
    made.add_event(dtstart=begin, dtend=begin + datetime.timedelta(hours=1), summary="Plan the year")
    (found,) = made.search(start=begin, end=begin + datetime.timedelta(days=1), event=True)
    names = [entry.get_display_name() for entry in client.principal().calendars()]
    return [str(found.icalendar_component["SUMMARY"]), names]


def numbers() -> object:
    return urllib.request.urlopen("http://numbers.test/").read().decode()


def upload() -> object:
    block, digest = bytes(range(256)) * (MIB // 256), hashlib.sha256()

    def body() -> Iterator[bytes]:
        for _number in range(UPLOAD):
            digest.update(block)
            yield block

    connection = http.client.HTTPConnection("numbers.test", timeout=120)
    connection.request("POST", "/upload", body(), {"Content-Length": str(UPLOAD * MIB)})
    answer = connection.getresponse()
    size, found = answer.read().decode().split()
    return [answer.status, int(size), found == digest.hexdigest()]


def chunked() -> object:
    return [_chunked("numbers.test", b"first ", b"second"), _chunked("code.test", b"first"), _too_large()]


def _chunked(name: str, *parts: bytes) -> tuple[int, str]:
    connection = http.client.HTTPConnection(name, timeout=30)
    connection.request("POST", "/upload", iter(parts), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()[:300]


def _too_large() -> int:
    """Send more than the app's limit without saying so before, and return the status."""
    block = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
    with socket.create_connection(("numbers.test", 80), timeout=60) as connection:
        head = "POST /upload HTTP/1.1\r\nHost: numbers.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for _number in range(LIMIT // MIB + 2):
                connection.sendall(block)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            # It answered before it had read all.
            pass
        return int(connection.recv(65536).split()[1])


def stream(seconds: str) -> object:
    began, seen = time.monotonic(), []
    with socket.create_connection(("numbers.test", 80), timeout=30) as connection:
        connection.sendall(f"GET /stream?seconds={seconds} HTTP/1.0\r\nHost: numbers.test\r\n\r\n".encode())
        while read := connection.recv(65536):
            seen.append(read)
    lines = b"".join(seen).partition(b"\r\n\r\n")[2].split()
    return [len(lines), len(seen), round(time.monotonic() - began)]


def tickets() -> object:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    form = opener.open("http://tickets.test/newticket").read().decode()
    token = re.search(r'name="__FORM_TOKEN" value="([^"]+)"', form)[1]
    fields = {"__FORM_TOKEN": token, "field_summary": "It does not print", "field_status": "new", "submit": "Create"}
    made = opener.open("http://tickets.test/newticket", urllib.parse.urlencode(fields).encode())
    edge = "edge-of-the-parts"
    parts = {"__FORM_TOKEN": token, "action": "new", "realm": "ticket", "id": "1", "description": "a photo"}
    head = f"--{edge}\r\nContent-Disposition: form-data; name="
    body = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in parts.items())
    body += f'{head}"attachment"; filename="photo.txt"\r\n\r\nof a printer\r\n--{edge}--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    opener.open(urllib.request.Request("http://tickets.test/attachment/ticket/1/?action=new", body.encode(), headers))
    kept = opener.open("http://tickets.test/raw-attachment/ticket/1/photo.txt").read().decode()
    shown = opener.open("http://tickets.test/ticket/1").read().decode()
    return [made.url, "It does not print" in shown, kept]


def pages() -> object:
    site, jar = "http://pages.test", http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def send(path: str, **fields: str) -> str:
        form = opener.open(f"{site}{path}").read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        return opener.open(urllib.request.Request(f"{site}{path}", body, {"Referer": site})).read().decode()

    send("/admin/login/", username="boss", password="correct-horse-1")
    form = opener.open(f"{site}/admin/images/add/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
    edge, png = "edge-of-the-parts", base64.b64decode(PNG)
    head = f"--{edge}\r\nContent-Disposition: form-data; name="
    parts = {"csrfmiddlewaretoken": token, "title": "A photo", "collection": "1"}
    body = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in parts.items()).encode()
    body += f'{head}"file"; filename="photo.png"\r\nContent-Type: image/png\r\n\r\n'.encode() + png
    body += f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}", "Referer": site}
    opener.open(urllib.request.Request(f"{site}/admin/images/add/", body, headers))
    listed = opener.open(f"{site}/admin/images/").read().decode()
    kind = "image/png" if "A photo" in listed else listed[:500]
    send(
        "/admin/pages/add/home/homepage/3/",
        title="A page by hand",
        slug="by-hand",
        **{"action-publish": "action-publish"},
    )
    shown = opener.open(f"{site}/by-hand/").read().decode()
    return [re.search("<title>(.*?)</title>", shown, re.DOTALL)[1].strip(), kind]


def databases() -> object:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    form = opener.open("http://databases.test/browser/")
    token = re.search(r'csrfToken["\']?:\s*["\']([^"\']+)', form.read().decode())[1]
    fields = {"csrf_token": token, "email": "boss@ours.org", "password": "correct-horse-1", "internal_button": "Login"}
    opened = opener.open("http://databases.test/authenticate/login", urllib.parse.urlencode(fields).encode())
    script = opener.open("http://databases.test/browser/js/utils.js").read().decode()
    return [form.url, opened.url, re.search(r"username: '([^']+)'", script)[1]]


# One pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WAYS = {one.__name__: one for one in (calendar, numbers, upload, chunked, stream, tickets, pages, databases)}
print(json.dumps(WAYS[sys.argv[1]](*sys.argv[2:])))
