"""Orders at the shop and asks for its page, over and over; a line of JSON for each request goes to a file.

Usage: poll.py FILE
"""

from __future__ import annotations

import http.client
import json
import sys
import time

PAUSE = 0.08


def ask(number: int) -> tuple[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", timeout=30)
    method = "GET" if number % 5 else "POST"
    try:
        connection.request(method, "/", str(number) if method == "POST" else None, {"Host": "shop.test"})
        answer = connection.getresponse()
        answer.read()
        return method, str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return method, repr(error)
    finally:
        connection.close()


with open(sys.argv[1], "a", encoding="utf-8", buffering=1) as log:
    number = 0
    while True:
        number += 1
        began = time.time()
        method, said = ask(number)
        row = {"number": number, "method": method, "answer": said, "began": began, "ended": time.time()}
        log.write(json.dumps(row) + "\n")
        time.sleep(PAUSE)
