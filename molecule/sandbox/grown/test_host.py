"""A third app came, and Apache was not started again for it."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.molecule.sandbox.attacks import APPS
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import attempt
from testinfra.host import Host


@pytest.mark.parametrize("app", APPS)
def test_every_app_writes_to_its_data(host: Host, app: str) -> None:
    action = ("write", f"/var/lib/{app}-app/data/written")
    assert attempt(host, f"{app}.test", action)[action]["ok"]


def test_apache_is_the_same(host: Host) -> None:
    look = "ps --no-headers -o pid,lstart -p $(cat /run/apache2/apache2.pid)"
    assert host.check_output(look).split() == host.file("/root/apache").content_string.split()


def test_the_next_start_lets_it_write_too(host: Host) -> None:
    paths = host.check_output("systemctl show --property ReadWritePaths --value apache2").split()
    assert "-/var/lib/three-app/data" in paths
    assert host.check_output("systemctl show --property NeedDaemonReload --value apache2") == "no"
