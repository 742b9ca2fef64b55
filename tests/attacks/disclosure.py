"""What answers tell, and what they say after the client."""

from __future__ import annotations

from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import attack as send
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import body

GROUP = "What answers reveal"
CANARY = "canary"


def request(line: str, *headers: str) -> list[Any]:
    return ["\r\n".join([line, "Connection: close", *headers, "", ""])]


def pages(there: Deployment) -> dict[str, str]:
    """Return Apache's own answers to requests that it refuses, by what was wrong."""
    name = "Host: forum.test"
    requests = {
        "Expect": request(f"GET /{CANARY} HTTP/1.1", name, f"Expect: {CANARY}"),
        "method": request(f"{CANARY} /static/{CANARY} HTTP/1.1", name),
        "path": request(f"GET /static/{CANARY} HTTP/1.1", name),
        "host name": request(f"GET /static/{CANARY} HTTP/1.1", f"Host: {CANARY}.test"),
        "header": request("GET / HTTP/1.1", name, f"X-{CANARY}: " + CANARY * 2000),
        "header line": request("GET / HTTP/1.1", name, CANARY),
        "TRACE": request("TRACE / HTTP/1.1", name, f"X-Canary: {CANARY}"),
    }
    answers = send(there.host, list(requests.values()))["answers"]
    texts = {what: answer["text"] for what, answer in zip(requests, answers, strict=True)}
    if silent := [what for what, answer in zip(requests, answers, strict=True) if not 400 <= answer["status"] < 600]:
        raise UnclearError(f"no error is answered to a bad {', '.join(silent)}")
    return texts


@attack(GROUP, 161, "D3")
def have_words_repeated_in_error_pages(there: Deployment) -> Outcome:
    """Sends bad requests with a word in the path, the headers, the method and the host name, and looks for it."""
    found = pages(there)
    if repeated := [what for what, text in found.items() if CANARY in body(text)]:
        return succeeded(f"pages repeat what was sent as {', '.join(repeated)}")
    return refused(f"none of {len(found)} pages has the word")


@attack(GROUP, 160, "D1", "D2")
def learn_versions_from_answers(there: Deployment) -> Outcome:
    """Looks for versions and names of software in answers and error pages."""
    found = pages(there)
    words = ("Apache/2", "mod_wsgi/", "Python/", "Debian")
    if told := [word for word in words if any(word in text for text in found.values())]:
        return succeeded(f"answers tell {', '.join(told)}")
    return refused(f"none of {len(found)} answers tells more than `Server: Apache`")
