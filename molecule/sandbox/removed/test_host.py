"""The same attacks succeed where there is no sandbox, so it is what refuses them elsewhere."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.molecule.sandbox.attacks import APPS, attacks
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import attempt
from testinfra.host import Host


@pytest.mark.parametrize("app", APPS)
def test_attacks_succeed(host: Host, app: str) -> None:
    answers = attempt(host, f"{app}.test", *attacks(host, app))
    assert {action: answer for action, answer in answers.items() if not answer["ok"]} == {}


def test_nothing_is_left(host: Host) -> None:
    assert not host.file("/etc/systemd/system/apache2.service.d").exists
    assert "NoNewPrivs:\t0" in host.check_output("cat /proc/$(cat /run/apache2/apache2.pid)/status")


def test_figure(host: Host) -> None:
    found = host.check_output("systemd-analyze security --no-pager apache2").splitlines()[-1]
    print(found)
    assert "UNSAFE" in found
