"""A customer of the shop over HTTPS.

Usage: client.py login USER PASSWORD
       client.py upload NUMBER BYTES
       client.py order FILE     orders all the time; a line of JSON for each goes to a file
"""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import re
import ssl
import sys
import time
import urllib.parse
import urllib.request

SITE = "https://shop.test"
# Self-signed.
TLS = ssl._create_unverified_context()
JAR = http.cookiejar.CookieJar()
OPENER = urllib.request.build_opener(urllib.request.HTTPSHandler(context=TLS), urllib.request.HTTPCookieProcessor(JAR))


def page(path: str, body: bytes | None = None, **headers: str) -> str:
    request = urllib.request.Request(SITE + path, body, {"Referer": f"{SITE}/", **headers})
    return str(OPENER.open(request).read().decode())


def login(user: str, password: str) -> None:
    form = page("/admin/login/?next=/admin/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token, form
    fields = {"csrfmiddlewaretoken": token[1], "username": user, "password": password, "next": "/admin/"}
    welcome = page("/admin/login/?next=/admin/", urllib.parse.urlencode(fields).encode())
    named = re.search(r"Welcome,\s*<strong>([^<]+)</strong>", welcome)
    assert named, welcome
    print("logged in as", named[1])


def upload(number: str, size: str) -> None:
    edge = "edge-of-the-parts"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="photo"; filename="{number}.jpg"\r\n\r\n'
    body = head.encode() + b"x" * int(size) + f"\r\n--{edge}--\r\n".encode()
    print(page(f"/order/{number}", body, **{"Content-Type": f"multipart/form-data; boundary={edge}"}))


def order(path: str) -> None:
    with open(path, "a", encoding="utf-8", buffering=1) as log:
        number = 1000
        while True:
            number += 1
            # One in ten takes longer than a worker needs to start.
            seconds = 4 if number % 10 == 0 else 0.2
            connection = http.client.HTTPSConnection("shop.test", timeout=30, context=TLS)
            try:
                connection.request("POST", f"/order/{number}?seconds={seconds}", "", {"Host": "shop.test"})
                answer = connection.getresponse()
                said = [answer.status, answer.read().decode(errors="replace")[:100]]
            except (OSError, http.client.HTTPException) as error:
                said = [0, repr(error)]
            finally:
                connection.close()
            log.write(json.dumps([number, *said]) + "\n")
            time.sleep(0.5)


{"login": login, "upload": upload, "order": order}[sys.argv[1]](*sys.argv[2:])
