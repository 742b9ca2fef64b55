"""What the live host shows after the scenario."""

from __future__ import annotations

from testinfra.host import Host


def test_systemd_is_running(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_apache_is_active(host: Host) -> None:
    assert host.service("apache2").is_running
