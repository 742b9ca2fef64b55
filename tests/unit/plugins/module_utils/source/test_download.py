"""Downloads: the file with the checksum, over https alone, and no signature in a message."""

from __future__ import annotations

import hashlib
import io
import time
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source import download as source_download
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.download import download

CONTENT = b"x" * 100_000
SUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
SHOWN = "https://example.org/shop.tar"
ADDRESS = f"{SHOWN}?signature=hunter2"


class Web:
    """Answers by address: content, an error, or another address."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {ADDRESS: CONTENT}
        self.asked: list[str] = []

    def open_url(self, address: str, **options: Any) -> io.BytesIO:
        assert options["follow_redirects"] == "none"
        assert not options["decompress"]
        assert options.get("validate_certs", True)
        assert options["timeout"] == 30
        self.asked.append(address)
        answer = self.answers[address]
        if isinstance(answer, str):
            headers = Message()
            headers["Location"] = answer
            raise HTTPError(address, 302, "Found", headers, io.BytesIO())
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    found = Web()
    monkeypatch.setattr(source_download, "open_url", found.open_url)
    return found


def get(checksum: str = SUM) -> bytes:
    file = io.BytesIO()
    download(ADDRESS, SHOWN, checksum, file, "app shop: source: archive")
    return file.getvalue()


def refused(checksum: str = SUM) -> str:
    with pytest.raises(PalisadeError) as caught:
        get(checksum)
    text = str(caught.value)
    assert text.startswith(f"app shop: source: archive: {SHOWN}: ")
    assert "hunter2" not in text
    return text.removeprefix(f"app shop: source: archive: {SHOWN}: ")


def test_the_file(web: Web) -> None:
    assert get() == CONTENT


def test_another_file(web: Web) -> None:
    assert refused("sha256:" + "0" * 64) == f"checksum: expected sha256:{'0' * 64}, got {SUM}"


@pytest.mark.parametrize("size", [99_999, 100_000])
def test_its_size_is_bounded(size: int, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_download, "SIZE", size)
    if size == 100_000:
        assert get() == CONTENT
    else:
        assert refused() == "more than 99999 bytes"


def test_its_time_is_bounded(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_download, "_SECONDS", -1)
    assert refused() == "not complete after -1 seconds"


def test_redirects(web: Web) -> None:
    web.answers |= {ADDRESS: "/elsewhere", "https://example.org/elsewhere": "https://other.example.org/x"}
    web.answers["https://other.example.org/x"] = CONTENT
    assert get() == CONTENT


@pytest.mark.parametrize("target", ["http://example.org/x?hunter2", "ftp://example.org/x", "file:///etc/passwd"])
def test_redirects_to_what_nobody_proves(target: str, web: Web) -> None:
    web.answers[ADDRESS] = target
    assert refused() == f"redirects to {target.partition('://')[0]}://, expected https://"
    assert web.asked == [ADDRESS]


def test_redirects_without_an_end(web: Web) -> None:
    web.answers[ADDRESS] = ADDRESS
    assert refused() == "more than 5 redirects"
    assert len(web.asked) == 6


@pytest.mark.parametrize(
    "error",
    [
        URLError(f"no route to {ADDRESS}"),
        HTTPError(ADDRESS, 404, "Not Found", Message(), io.BytesIO()),
        HTTPError(ADDRESS, 304, "Not Modified", Message(), io.BytesIO()),
        TimeoutError(),
        ValueError("?signature=hunter2"),
    ],
)
def test_its_ways_to_fail(error: Exception, web: Web) -> None:
    web.answers[ADDRESS] = error
    assert refused()


@pytest.mark.parametrize(
    ("address", "said", "told"),
    [
        (ADDRESS, f"no route to {ADDRESS}", f"no route to {SHOWN}?..."),
        (ADDRESS, "no\n  route", "no route"),
        (ADDRESS, "", "OSError"),
        (SHOWN, f"no route to {SHOWN}", f"no route to {SHOWN}"),
        (f"{SHOWN}?", "no route", "no route"),
    ],
)
def test_an_error_says_what_it_can(address: str, said: str, told: str, web: Web) -> None:
    web.answers[address] = OSError(said)
    with pytest.raises(PalisadeError) as caught:
        download(address, SHOWN, SUM, io.BytesIO(), "app shop")
    assert str(caught.value) == f"app shop: {SHOWN}: {told}"


def test_redirects_end_in_time(web: Web) -> None:
    """Five are followed, and a sixth is not."""
    places = [ADDRESS, *(f"https://example.org/{number}" for number in range(1, 7))]
    web.answers |= dict(zip(places, [*places[1:6], CONTENT], strict=False))
    assert get() == CONTENT
    web.answers[places[5]] = places[6]
    assert refused() == "more than 5 redirects"


@pytest.mark.parametrize("status", [304, 400, 404])
def test_a_location_without_a_redirect(status: int, web: Web) -> None:
    """Only an answer of 300 to 399 sends elsewhere."""
    headers = Message()
    if status != 304:
        headers["Location"] = "https://example.org/elsewhere"
    web.answers[ADDRESS] = HTTPError(ADDRESS, status, "No", headers, io.BytesIO())
    assert refused() == f"HTTP Error {status}: No"
    assert web.asked == [ADDRESS]


@pytest.mark.parametrize(("seconds", "taken"), [(600.0, True), (600.1, False)])
def test_how_long_it_may_take(seconds: float, taken: bool, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, *[seconds] * 100])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    if taken:
        assert get() == CONTENT
    else:
        assert refused() == "not complete after 600 seconds"
