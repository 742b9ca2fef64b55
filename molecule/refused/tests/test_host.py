"""After all that was refused, the host serves what it served, and nothing of the refused is there."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("app", ["first", "second", "third"])
def test_good_sites_answer(host: Host, app: str) -> None:
    answer = host.check_output("python3 /root/fingerprint.py --answer %s.test /nothing", app)
    assert answer.startswith(f"answer of {app}.test: 200 ")
    assert f"from {app}-app" in answer


@pytest.mark.parametrize("app", ["new", "newer", "other", "broken", "alice"])
def test_nothing_of_the_refused_is_there(host: Host, app: str) -> None:
    places = ("/etc/apache2/*/*-{}.conf", "/etc/sysusers.d/*{}*", "/var/www/{}", "/var/lib/{}-app")
    found = host.run("ls -d " + " ".join(place.format(app) for place in places))
    assert found.stdout == ""
    assert not host.user(f"{app}-app").exists
