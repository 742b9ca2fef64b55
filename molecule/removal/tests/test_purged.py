"""Of two purged apps, one of them removed before, nothing is left; the third serves."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("app", ["leaving", "ending"])
def test_nothing_is_left(host: Host, app: str) -> None:
    places = ("/etc/apache2/*/*{}*", "/etc/*/*{}-app*", "/var/www/{}", "/var/lib/{}-app", "/var/cache/palisade*")
    assert host.run("ls -d " + " ".join(place.format(app) for place in places)).stdout == ""
    assert host.run(f"grep -r {app}-app /etc/passwd /etc/group /etc/shadow /etc/gshadow").stdout == ""
    assert host.run("ps -eo args | grep '[(]wsgi:%s'", app).stdout == ""


def test_others_and_what_planted_links_point_at_are_untouched(host: Host) -> None:
    places = "/srv '/var/*/staying*' '/etc/*/*staying*' '/etc/apache2/*/*staying*'"
    assert host.check_output(f"python3 /root/fingerprint.py --compare /root/before-others {places}") == ""
    assert "hello from staying-app" in host.check_output("python3 /root/fingerprint.py --answer staying.test /nothing")
