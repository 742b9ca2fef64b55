"""The newest release serves with its new environment; only so many old ones are left."""

from __future__ import annotations

import json

from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name, request
from testinfra.host import Host

HOME = "/var/lib/shop-app"


def test_the_newest_release_serves(host: Host) -> None:
    answer = json.loads(request(host, "shop.test", path="/environment")[2])
    assert (answer["version"], answer["environment"]) == ("five", {"SHOP_COLOUR": "blue"})
    assert request(host, "shop.test", path="/static/file.txt")[2] == "five\n"


def test_the_commands_had_the_new_environment(host: Host) -> None:
    log = host.check_output("cat %s/data/migrations", HOME).splitlines()
    assert log[-2:] == ["four shop-app red", "five shop-app blue"]


def test_so_many_are_left(host: Host) -> None:
    found = host.check_output("cat %s/releases/*/code/settings.json", HOME).replace("}{", "}\n{")
    versions = {json.loads(line)["version"] for line in found.splitlines()}
    # The first one served once more on one of the hosts.
    before = "one" if inventory_name(host) == "debian12" else "two"
    assert versions == {"five", "four", before}
    assert host.check_output("ls %s/releases | wc -l", HOME) == "3"
    assert host.check_output("ls /var/lib/other-app/releases | wc -l") == "1"
