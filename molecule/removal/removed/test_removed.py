"""One app left for a while, one for good, one stayed."""

from __future__ import annotations

import pytest
from testinfra.host import Host


def listed(host: Host, *patterns: str) -> list[str]:
    return host.run("ls -d " + " ".join(patterns)).stdout.split()


@pytest.mark.parametrize("app", ["leaving", "ending"])
def test_site_entry_and_processes_are_gone(host: Host, app: str) -> None:
    assert listed(host, f"/etc/apache2/*/*{app}*", f"/var/www/{app}") == []
    assert host.run("ps -eo args | grep '[(]wsgi:%s'", app).stdout == ""
    assert f"of {app}-app" not in host.check_output("python3 /root/fingerprint.py --pools /nothing")
    # No other app answers its name: the closed virtual host does.
    assert f"answer of {app}.test: 403" in host.check_output(
        "python3 /root/fingerprint.py --answer %s.test /nothing", app
    )


def test_removed_app_keeps_only_data_and_account(host: Host) -> None:
    assert host.check_output("ls -A /var/lib/leaving-app") == "data"
    notes = host.file("/var/lib/leaving-app/data/notes")
    assert (notes.content_string, notes.user, notes.group) == ("kept\n", "leaving-app", "leaving-app")
    assert host.check_output("getent passwd leaving-app") == host.file("/root/leaving-account").content_string.strip()
    assert host.file("/etc/sysusers.d/palisade-leaving-app.conf").exists


def test_purged_app_leaves_nothing(host: Host) -> None:
    assert listed(host, "/var/lib/ending-app", "/etc/sysusers.d/*ending*", "/var/cache/palisade*") == []
    assert not host.user("ending-app").exists
    assert not host.group("ending-app").exists


def test_others_and_what_planted_links_point_at_are_untouched(host: Host) -> None:
    places = "/srv '/var/*/staying*' '/etc/*/*staying*' '/etc/apache2/*/*staying*'"
    assert host.check_output(f"python3 /root/fingerprint.py --compare /root/before-others {places}") == ""
    assert "hello from staying-app" in host.check_output("python3 /root/fingerprint.py --answer staying.test /nothing")
