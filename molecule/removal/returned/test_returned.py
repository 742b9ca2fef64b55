"""The app that left for a while is back, with what it left."""

from __future__ import annotations

from testinfra.host import Host


def test_app_answers_with_its_old_account_and_data(host: Host) -> None:
    assert "hello from leaving-app" in host.check_output("python3 /root/fingerprint.py --answer leaving.test /nothing")
    assert host.check_output("getent passwd leaving-app") == host.file("/root/leaving-account").content_string.strip()
    assert host.check_output("runuser -u leaving-app -- cat /var/lib/leaving-app/data/notes") == "kept"
