"""Applications that nobody here wrote did what their users ask of them, with their own clients."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name
from testinfra.host import Host

# The fifth is sent a body that it may not have.
CLEAN = ("calendar", "code", "tickets", "pages")


def told(host: Host, name: str) -> Any:
    return json.loads(host.file(f"/root/{name}").content_string)


def test_radicale_keeps_an_event_for_a_caldav_client(host: Host) -> None:
    assert told(host, "calendar.json") == ["Plan the year", ["work"]]


def test_mercurial_takes_a_large_push_and_gives_it_back(host: Host) -> None:
    assert host.file("/root/second/blob").size == 50_000_000
    assert host.file("/root/used").exists


def test_trac_has_a_ticket_with_an_attachment(host: Host) -> None:
    assert told(host, "tickets.json") == ["http://tickets.test/ticket/1", True, "of a printer"]


def test_wagtail_has_an_image_and_a_page(host: Host) -> None:
    title, image = told(host, "pages.json")
    assert "A page by hand" in title
    assert image == "image/png"
    assert host.run("ls /var/lib/pages-app/data/media/original_images").stdout.split() == ["photo.png"]


def test_pgadmin_lets_its_user_in_and_nobody_else(host: Host) -> None:
    if inventory_name(host) != "debian13":
        pytest.skip("pgAdmin is on one host only")
    site = "http://databases.test"
    assert told(host, "databases.json") == [f"{site}/login?next=/browser/", f"{site}/browser/", "boss@ours.org"]


def test_extensions_that_know_one_interpreter_only(host: Host) -> None:
    assert told(host, "numbers.json").startswith("[249500, 250000] 3.")


def test_an_upload_of_500_megabytes(host: Host) -> None:
    assert told(host, "upload.json") == [200, 500 << 20, True]


def test_an_answer_that_takes_two_minutes_comes_as_it_is_made(host: Host) -> None:
    lines, pieces, seconds = told(host, "streamed")
    assert lines == 125
    assert pieces > 100
    assert seconds >= 124


def test_requests_without_a_length(host: Host) -> None:
    taken, refused, large = told(host, "chunked.json")
    assert taken == [200, f"12 {hashlib.sha256(b'first second').hexdigest()}"]
    # Where the app does not ask for them.
    assert refused[0] == 411
    # The limit of a body holds for what does not say how long it is.
    assert large == 413


@pytest.mark.parametrize("app", CLEAN)
def test_no_error_was_logged(host: Host, app: str) -> None:
    log = host.file(f"/var/log/apache2/wsgi-{app}-error.log").content_string
    assert [line for line in log.splitlines() if "Traceback" in line or "Timeout" in line] == []
