"""Logs in to /admin/ as a browser does, and says who it is then.

Usage: login.py USER PASSWORD
"""

from __future__ import annotations

import http.cookiejar
import re
import sys
import urllib.parse
import urllib.request

PAGE = "http://127.0.0.1/admin/login/?next=/admin/"
HEADERS = {"Host": "shop.test", "Referer": "http://shop.test/admin/login/"}

jar = http.cookiejar.CookieJar()
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))


def page(body: bytes | None = None) -> str:
    return str(opener.open(urllib.request.Request(PAGE, body, HEADERS)).read().decode())


form = page()
token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
assert token, form
fields = {"csrfmiddlewaretoken": token[1], "username": sys.argv[1], "password": sys.argv[2], "next": "/admin/"}
welcome = page(urllib.parse.urlencode(fields).encode())
named = re.search(r"Welcome,\s*<strong>([^<]+)</strong>", welcome)
assert named, welcome
print("logged in as", named[1])
