"""The app that was set up by hand is one of the list's: the data and the customers are there, the holes are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name, request, stat
from testinfra.host import Host

HOME = "/var/lib/shop-app"
FINGERPRINT = "python3 /root/fingerprint.py"
# As the account: which of these paths it could write to, replace, or give itself the right to.
WRITABLE = """
import os, sys
for path in sys.argv[1:]:
    while path != "/":
        if os.path.exists(path) and (os.access(path, os.W_OK) or os.stat(path).st_uid == os.getuid()):
            print(path)
        path = os.path.dirname(path)
"""
# Into all that it can write, a mark that shows where it is loaded.
PLANT = """
find {places} -writable \\( -name '*.py' -o -name '*.pth' -o -name '*.wsgi' \\) | while read -r file; do
  echo 'import builtins; builtins.planted = ["again"]' >>"$file" && echo "$file"
done
"""


def page(host: Host) -> dict[str, Any]:
    status, _headers, body = request(host, "shop.test")
    assert status == 200, body
    return dict(json.loads(body))


def changed(host: Host, before: str, *places: str) -> set[str]:
    """Return the paths whose line is no longer what it was."""
    lines = host.run(f"{FINGERPRINT} --compare {before} {' '.join(places)}").stdout.splitlines()
    return {line.split()[1] for line in lines if line.startswith("- ")}


@pytest.fixture(scope="module")
def earlier(host: Host) -> None:
    if not host.file("/root/books").exists:
        pytest.skip("this host was made by hand only")


# While it happened


@pytest.fixture(scope="module")
def polled(host: Host) -> list[dict[str, Any]]:
    host.run("systemctl stop customers")
    return [json.loads(line) for line in host.file("/root/polled").content_string.splitlines()]


def test_customers_noticed_restarts_of_apache_and_nothing_else(host: Host, polled: list[dict[str, Any]]) -> None:
    """What has to be restarted is the sandbox and the modules, both once; the app is swapped in by a reload.

    A reload can lose the request that a daemon of before has in hand: docs/architecture.md.
    """
    journal = host.check_output("journalctl --unit apache2 --since %s --output cat", f"@{polled[0]['began']:.0f}")
    assert len(polled) > 100
    outages: list[list[dict[str, Any]]] = []
    last = -1
    for row in polled:
        if row["answer"] == "200":
            continue
        if row["number"] == last + 1:
            outages[-1].append(row)
        else:
            outages.append([row])
        last = row["number"]
    lost = [[row] for row in polled if row["answer"] == "503"]
    cut = [rows for rows in outages if rows not in lost]
    assert len(lost) <= journal.count("Reloaded "), lost
    assert len(cut) <= journal.count("Started "), cut
    assert not [row for rows in cut for row in rows if row["answer"].isdigit()], cut
    assert all(rows[-1]["ended"] - rows[0]["began"] < 3 for rows in cut), cut
    assert max(row["ended"] - row["began"] for row in polled) < 10


def test_no_order_was_lost(host: Host, polled: list[dict[str, Any]]) -> None:
    taken = {str(row["number"]) for row in polled if (row["method"], row["answer"]) == ("POST", "200")}
    assert taken
    assert taken <= set(host.file(f"{HOME}/data/orders").content_string.split())


# What is there now


def test_the_release_is_served(host: Host) -> None:
    release = host.check_output("readlink -f %s/current", HOME)
    assert page(host)["file"] == f"{release}/code/shop.py"


def test_the_account_is_repaired_and_has_its_old_ids(host: Host) -> None:
    name, _password, *ids = host.file("/root/account").content_string.split(":")[:4]
    found = host.check_output("getent passwd shop-app").split(":")
    assert found[2:4] == ids
    assert found[5:] == [HOME, "/usr/sbin/nologin"]
    assert host.check_output("getent shadow shop-app").split(":")[1].startswith("!")
    assert host.check_output("id --name --groups shop-app") == name
    assert "www-data" not in host.check_output("getent group shop-app")


def test_what_it_had_is_as_it_was(host: Host) -> None:
    changes = changed(host, "/root/shop", HOME, "/var/www/shop")
    ours = {path for path in changes if path.startswith((f"{HOME}/releases", f"{HOME}/current"))}
    entry = {"/var/www/shop/wsgi.py"} if inventory_name(host) == "debian13" else set()
    declared = {HOME, f"{HOME}/data", f"{HOME}/data/photos", "/var/www/shop"}
    assert changes - ours - entry == {*declared, f"{HOME}/data/orders"}


def test_owners_and_modes(host: Host) -> None:
    release = host.check_output("readlink -f %s/current", HOME)
    assert stat(host, HOME, f"{HOME}/releases", release, f"{release}/code") == {"root shop-app 750"}
    assert stat(host, f"{HOME}/data", f"{HOME}/data/photos") == {"shop-app shop-app 750"}
    assert stat(host, "/var/www/shop") == {"root root 755"}
    assert stat(host, "/var/www/shop/wsgi.py") == {"root root 644"}


def test_all_data_can_be_read_and_written(host: Host) -> None:
    command = "cd / && runuser -u shop-app -- find %s/data -type f -readable -writable"
    files = {f"{HOME}/data/orders", f"{HOME}/data/photos/photo", f"{HOME}/data/invoices/an invoice"}
    assert set(host.check_output(command, HOME).splitlines()) == files


def test_nothing_that_is_loaded_can_be_changed_by_the_account(host: Host) -> None:
    found = page(host)
    assert (found["planted"], found["user_site"]) == ([], False)
    assert found["file"] in found["imports"]
    paths = host.check_output("realpath --canonicalize-missing" + " %s" * len(found["imports"]), *found["imports"])
    everything = [*found["imports"], *paths.splitlines()]
    command = "runuser -u shop-app -- python3 -c %s" + " %s" * len(everything)
    assert host.check_output(command, WRITABLE, *everything) == ""
    # The question finds what is there to be found.
    old = f"{HOME}/code/shop.py"
    assert old in host.check_output("runuser -u shop-app -- python3 -c %s %s", WRITABLE, old).split()


@pytest.fixture(scope="module")
def planted(host: Host) -> list[str]:
    """Marks in all that the account can write, and new daemons."""
    places = f"{HOME} /var/www /etc/apache2 {host.check_output('cut -d: -f6 /root/account')}"
    files = host.check_output("runuser -u shop-app -- sh -c %s", PLANT.format(places=places)).splitlines()
    host.check_output("systemctl restart apache2")
    return files


def test_what_the_account_can_change_is_not_loaded(host: Host, planted: list[str]) -> None:
    assert f"{HOME}/code/shop.py" in planted
    assert page(host)["planted"] == []


def test_the_old_site_is_off_and_its_file_is_still_there(host: Host) -> None:
    assert not host.file("/etc/apache2/sites-enabled/shop.conf").exists
    assert "python-path=/var/lib/shop-app/code" in host.file("/etc/apache2/sites-available/shop.conf").content_string
    assert host.run("ps -eo args | grep '[(]wsgi:shop'").stdout.count("wsgi:shop") == 2


def test_others_are_as_they_were(host: Host) -> None:
    found = changed(host, "/root/theirs", "--answer wiki.test", "/srv/wiki", "/etc/apache2")
    ours = {"/etc/apache2/sites-enabled/shop.conf", "/etc/apache2/sites-enabled/000-default.conf"}
    assert {path for path in found - ours if "/zz-palisade" not in path} == set()
    assert "their wiki" in request(host, "wiki.test")[2]


# What an earlier version made


@pytest.mark.usefixtures("earlier")
def test_an_app_of_an_earlier_version_is_as_it_was(host: Host) -> None:
    assert host.check_output("getent passwd books-app") == host.file("/root/books-account").content_string.strip()
    changes = changed(host, "/root/books", "--answer books.test", "/var/lib/books-app", "/var/www/books")
    # The entry file is today's, and the release notes when it began to serve with it.
    release = host.check_output("readlink -f /var/lib/books-app/current")
    assert changes <= {"/var/www/books/wsgi.py", f"{release}/release.json"}
    assert "hello from books-app" in request(host, "books.test")[2]


@pytest.mark.usefixtures("earlier")
def test_it_is_an_app_of_the_list_now(host: Host) -> None:
    """The list of before was named after its directory, newc/infra on one of the hosts."""
    assert '"owner": "default"' in host.file("/etc/sysusers.d/palisade-books-app.conf").content_string


@pytest.mark.usefixtures("earlier")
def test_its_site_is_todays(host: Host) -> None:
    site = host.file("/etc/apache2/sites-enabled/zz-palisade-books.conf").content_string
    assert "RequestHeader unset X-Forwarded-For" in site
    assert "Referer" not in site


@pytest.mark.usefixtures("earlier")
def test_one_that_leaves_leaves_nothing(host: Host) -> None:
    places = ("/etc/apache2/*/*leaving*", "/etc/*/*leaving-app*", "/var/www/leaving", "/var/lib/leaving-app")
    assert host.run("ls -d /etc/systemd/system/*/*leaving* " + " ".join(places)).stdout == ""
    assert host.run("grep -r leaving-app /etc/passwd /etc/group /etc/shadow /etc/gshadow").stdout == ""
    assert host.run("ps -eo args | grep '[(]wsgi:leaving'").stdout == ""
