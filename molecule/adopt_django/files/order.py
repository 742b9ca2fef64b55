"""Orders at the shop all the time and reads the wiki beside it; a line of JSON for each goes to a file.

Usage: order.py FILE
"""

from __future__ import annotations

import http.client
import json
import sys
import time

PAUSE = 0.03


def ask(name: str, order: str | None) -> tuple[str, str]:
    """Return status and body, or the error and nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", timeout=30)
    try:
        connection.request("POST" if order else "GET", "/", order, {"Host": name})
        answer = connection.getresponse()
        return str(answer.status), answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return repr(error), ""
    finally:
        connection.close()


with open(sys.argv[1], "a", encoding="utf-8", buffering=1) as log:
    number = 0
    while True:
        number += 1
        began = time.time()
        said, place = ask("shop.test", str(number))
        row = {"number": number, "answer": said, "place": place[:100], "wiki": ask("wiki.test", None)[0]}
        log.write(json.dumps({**row, "began": began, "ended": time.time()}) + "\n")
        time.sleep(PAUSE)
