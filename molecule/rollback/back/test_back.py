"""The release before the last one serves again, with its own static files; the last one is still there."""

from __future__ import annotations

import json

from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import request
from testinfra.host import Host

HOME = "/var/lib/shop-app"


def versions(host: Host) -> set[str]:
    found = host.check_output("cat %s/releases/*/code/settings.json", HOME).replace("}{", "}\n{")
    return {json.loads(line)["version"] for line in found.splitlines()}


def test_the_release_of_before_serves(host: Host) -> None:
    answers = [json.loads(request(host, "shop.test", path=path)[2]) for path in ("/", "/late") * 5]
    assert {answer["version"] for answer in answers} == {"two"}
    assert {answer["late"] for answer in answers[1::2]} == {"two"}
    assert request(host, "shop.test", path="/static/file.txt")[2] == "two\n"
    assert request(host, "other.test")[0] == 200


def test_nothing_is_lost(host: Host) -> None:
    assert versions(host) == {"one", "two", "three"}


def test_commands_ran_on_the_way_forward_only(host: Host) -> None:
    log = host.check_output("cat %s/data/migrations", HOME).splitlines()
    assert log == [f"{version} shop-app red" for version in ("one", "two", "three")]
