"""The apps run, and what wrote their files came from the archive."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("app", ["hello", "greeting"])
def test_app_answers(host: Host, app: str) -> None:
    request = f"r.Request('http://127.0.0.1/', headers={{'Host': '{app}.test'}})"
    program = f"import urllib.request as r; print(r.urlopen({request}).read())"
    assert f"{app} from {app}-app" in host.check_output("python3 -c %s", program)


def test_installed_collection_wrote_the_files(host: Host) -> None:
    mark = "# Managed by palisade.mod_wsgi from its archive"
    for path in ("/var/www/hello/wsgi.py", "/etc/apache2/sites-enabled/zz-palisade-greeting.conf"):
        assert host.file(path).content_string.startswith(mark)


def test_person_came_by_ssh_and_has_no_part_in_the_apps(host: Host) -> None:
    assert "COMMAND=" in host.check_output("journalctl --no-pager _COMM=sudo | grep 'anna : '")
    assert host.run("find /var/lib/hello-app /var/www /etc/apache2 -user anna -o -group anna").stdout == ""
    assert host.run("runuser -u anna -- cat /var/lib/hello-app/environment").rc != 0


def test_person_is_asked_for_a_password_on_one_host(host: Host) -> None:
    asked = host.run("runuser -u anna -- sudo --non-interactive true").rc != 0
    assert asked == (host.system_info.release.startswith("12"))
