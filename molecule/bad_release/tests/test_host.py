"""Through all bad releases the old one served everybody; what failed is not taken for a release."""

from __future__ import annotations

import json
from itertools import groupby

from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import request
from testinfra.host import Host


def versions(host: Host, app: str) -> set[str]:
    found = host.check_output("cat /var/lib/%s-app/releases/*/code/settings.json", app).replace("}{", "}\n{")
    return {json.loads(line)["version"] for line in found.splitlines()}


def test_nobody_was_turned_away(host: Host) -> None:
    host.check_output("systemctl stop visitor")
    visits = [json.loads(line) for line in host.check_output("cat /root/visits").splitlines()]
    assert {status for status, _text, _began, _ended in visits} == {200}
    answers = [json.loads(text) for _status, text, _began, _ended in visits]
    # What a process imports late is of its own release.
    assert [answer for answer in answers if answer["late"] != answer["version"]] == []
    served = [version for version, _rows in groupby(answer["version"] for answer in answers)]
    # While a pool is restarted, both answer.
    assert (served[0], served[-1], set(served)) == ("one", "slow", {"one", "ill", "slow"})


def test_what_failed_is_no_release(host: Host) -> None:
    for app, expected in {"shop": {"one", "stuck", "ill", "slow"}, "calm": {"one", "two"}}.items():
        assert versions(host, app) == expected
        places = host.check_output("ls -d /var/lib/%s-app/releases/*", app).split()
        assert host.check_output("ls /var/lib/%s-app/releases/*/release.json | wc -l", app) == str(len(places))
    assert not host.file("/var/cache/palisade-mod_wsgi").exists


def test_one_that_failed_kept_no_other_back(host: Host) -> None:
    assert json.loads(request(host, "calm.test")[2])["version"] == "two"


def test_one_that_wants_a_login_was_deployed(host: Host) -> None:
    assert request(host, "desk.test")[0] == 401


def test_commands_ran_before_each_switch_only(host: Host) -> None:
    log = host.check_output("cat /var/lib/shop-app/data/migrations").splitlines()
    assert log == [f"{version} shop-app the-colour-red" for version in ("one", "ill", "slow")]


def test_nothing_goes_on_in_the_background(host: Host) -> None:
    assert host.run("systemctl list-units --all --no-legend 'palisade-*'").stdout == ""
