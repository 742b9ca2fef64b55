"""Every host serves the good release; a bad one was stopped at the first host, or the first batch of hosts."""

from __future__ import annotations

import json

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name, reach, request
from testinfra.host import Host

HOME = "/var/lib/shop-app"
HOSTS = ("debian12", "debian13", "debian13b")


def releases(host: Host) -> set[str]:
    return set(host.check_output("ls %s/releases", HOME).split())


def test_the_good_release_serves(host: Host) -> None:
    for _number in range(10):
        status, _headers, body = request(host, "shop.test")
        assert (status, json.loads(body)["version"]) == (200, "two")


def test_a_bad_release_went_no_further(host: Host) -> None:
    # The release of converge, the good one, and of the bad ones the one that could be imported, where it was tried.
    expected = 3 if inventory_name(host) in HOSTS[:2] else 2
    assert len(releases(host)) == expected


def test_the_same_input_is_the_same_release(host: Host) -> None:
    if inventory_name(host) != HOSTS[2]:
        pytest.skip("the other two have each their own Python")
    twin = reach(host.backend.hostname.removesuffix("b"))
    assert releases(host) < releases(twin)
