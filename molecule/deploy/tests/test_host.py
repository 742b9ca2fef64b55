"""Every app serves its new release, nobody was turned away, and what fetched and built it left nothing behind."""

from __future__ import annotations

import json
import os
from itertools import groupby
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import request, stat
from testinfra.host import Host

SHOPS = ("travelled", "boxed", "online", "versioned", "tagged")


@pytest.mark.parametrize("app", SHOPS)
def test_nobody_was_turned_away(app: str, host: Host) -> None:
    visits = [json.loads(line) for line in host.check_output("cat /root/visits-%s", app).splitlines()]
    assert {status for status, _text, _began, _ended in visits} == {200}
    answers = [json.loads(text) for _status, text, _began, _ended in visits]
    assert [answer for answer in answers if answer["late"] != answer["version"]] == []
    served = [version for version, _rows in groupby(answer["version"] for answer in answers)]
    assert (served[0], served[-1], set(served)) == ("one", "two", {"one", "two"})
    # A process that began to answer had its application already: nobody waited for the import.
    assert [answer for answer in answers if answer["asked"] < answer["loaded"]] == []


@pytest.mark.parametrize("app", SHOPS)
def test_the_new_release_serves(app: str, host: Host) -> None:
    assert json.loads(request(host, f"{app}.test")[2])["version"] == "two"
    assert host.check_output("cut -d ' ' -f 1-2 /var/lib/%s-app/data/migrations", app).splitlines() == [
        f"one {app}-app",
        f"two {app}-app",
    ]


def made(host: Host, app: str, name: str) -> str:
    status, _headers, text = request(host, f"{app}.test", path=f"/made/{name}")
    assert status == 200
    return text


@pytest.mark.parametrize("app", ["made", "rival"])
def test_what_a_build_made_is_served_and_it_reached_nothing_else(app: str, host: Host) -> None:
    release = host.check_output("readlink -f /var/lib/%s-app/current", app)
    assert made(host, app, "page.txt") == "two"
    assert made(host, app, "second") == "$HOME"
    report = json.loads(made(host, app, "report.json"))
    attempts = report.pop("attempts")
    # Only one of them may use the network.
    assert attempts.pop("connect to a port of the host") == {"made": "refused", "rival": "done"}[app]
    assert attempts == dict.fromkeys(
        (
            "see the app's data",
            "see the other app's releases",
            "see root's home",
            "write into the virtual environment",
            "write beside the code",
            "write into the entry file",
            "set a set-id bit",
            "see the other build's secret",
        ),
        "refused",
    )
    assert report == {
        "account": "wsgi-deploy",
        "directory": f"{release}/code",
        "home": "/tmp",
        "python": f"{release}/venv",
        "secret": f"of-{app}-alone",
        "arguments": [],
    }
    page = host.file(f"{release}/code/made/page.txt")
    assert (page.user, page.group, page.mode & 0o7777) == ("root", f"{app}-app", 0o750)
    assert host.run("find /tmp /var/tmp -name left").stdout == ""
    assert host.run("pgrep --euid wsgi-deploy").stdout == ""


def test_an_app_cannot_change_what_is_being_built(host: Host) -> None:
    tried, _space, planted = host.file("/tmp/planted").content_string.partition(" ")
    assert int(tried) > 1000
    assert planted == "[]"
    assert host.run("find /var/lib/made-app -name planted.py").stdout == ""


def test_the_package_is_of_the_new_version(host: Host) -> None:
    assert request(host, "packaged.test")[0] == 200
    found = host.check_output("find /var/lib/packaged-app/current/ -name '[Ww]erkzeug-*.dist-info' -printf '%f\n'")
    assert found.lower() == "werkzeug-3.1.3.dist-info"
    # Its own build step made that.
    assert made(host, "packaged", "version") == "3.1.3"


def test_releases_are_roots(host: Host) -> None:
    for app in (*SHOPS, "packaged", "made", "rival"):
        found = host.check_output("find /var/lib/%s-app/releases/ ! -user root -o -perm /o=rwx ! -type l", app)
        assert found == ""


def test_equal_content_is_one_release_wherever_it_came_from(host: Host) -> None:
    names = {app: set(host.check_output("ls /var/lib/%s-app/releases", app).split()) for app in SHOPS}
    assert names["boxed"] == names["online"] == names["versioned"] == names["tagged"]
    # It has requirements, which the others do not ask for.
    assert not names["travelled"] & names["boxed"]


def test_the_account_that_fetches_can_do_nothing_else(host: Host) -> None:
    account = host.user("wsgi-deploy")
    assert account.shell == "/usr/sbin/nologin"
    assert host.check_output("passwd --status wsgi-deploy").split()[1] == "L"
    assert host.check_output("id --groups --name wsgi-deploy") == "wsgi-deploy"
    assert host.run("find / -xdev -user wsgi-deploy ! -path '/proc/*'").stdout == ""


def test_no_key_and_no_clone_is_left(host: Host) -> None:
    key = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key").read_text().splitlines()
    found = host.run("grep -rlF -e %s -e not-for-logs /var /etc /root /tmp /run /home", key[2])
    assert found.stdout == ""
    assert host.run("journalctl --no-pager | grep -cF -e %s", key[2]).stdout.strip() == "0"
    assert host.run("ps -ef | grep '[s]sh-agent'").stdout == ""
    assert not host.file("/var/cache/palisade-mod_wsgi").exists
    assert stat(host, "/var/lib/versioned-app/current/code") == {"root versioned-app 750"}


def test_the_installer_was_the_hosts(host: Host) -> None:
    installer = host.check_output("cat /var/lib/travelled-app/current/venv/lib/python3*/site-packages/*/INSTALLER")
    assert installer == ("uv" if host.file("/usr/local/bin/uv").exists else "pip")
