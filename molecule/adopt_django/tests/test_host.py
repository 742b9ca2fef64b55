"""A shop as Django's guide sets it up went to the collection with its data, and back, while customers ordered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name, request, stat
from testinfra.host import Host

OLD, OURS = "/srv/shop", "/var/lib/shop-test-app"
ORDERS = """
import sqlite3, sys
print(*[row[0] for row in sqlite3.connect(sys.argv[1]).execute("SELECT number FROM orders_order")])
"""


def text_of(host: Host) -> str:
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "adopted", f"{inventory_name(host)}.yml")
    return path.read_text(encoding="utf-8")


def place(host: Host) -> str:
    """Return where the database is, below the old code."""
    return "db.sqlite3" if inventory_name(host) == "debian13" else "db/db.sqlite3"


def ordered(host: Host, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.file(path).content_string.splitlines()]


def orders_in(host: Host, path: str) -> set[int]:
    return {int(number) for number in host.check_output("python3 -c %s %s", ORDERS, path).split()}


@pytest.fixture(scope="module")
def customers(host: Host) -> list[dict[str, Any]]:
    """What customers were told until the way back."""
    return ordered(host, "/root/ordered")


def taken(rows: list[dict[str, Any]], where: str) -> set[int]:
    """Return the orders that were acknowledged by a site."""
    return {row["number"] for row in rows if row["answer"] == "200" and row["place"].startswith(where)}


# The list


def test_the_list_says_what_is_written_and_where_it_comes_from(host: Host) -> None:
    (app,) = (app for app in yaml.safe_load(text_of(host))["wsgi_apps"] if app["name"] == "shop-test")
    media = {"media": f"{OLD}/media"}
    if place(host) == "db.sqlite3":
        assert app["data_from"] == {**media, "db/db.sqlite3": f"{OLD}/db.sqlite3"}
    else:
        assert app["data_from"] == {**media, "db": f"{OLD}/db"}
    assert sorted(app["writable"]) == ["db", "media"]
    assert app["application"] == "shop.wsgi:application"
    assert app["static"] == {"/static": "static"}


def test_the_list_says_what_to_do_in_the_settings(host: Host) -> None:
    text = " ".join(text_of(host).replace("#", "").split())
    assert "python-path" not in text
    settings = host.file(f"{OLD}/shop/settings.py").content_string.splitlines()
    (line,) = (number for number, text in enumerate(settings, 1) if '"NAME"' in text)
    assert f"{OLD}/{place(host)}, named in shop/settings.py line {line} (NAME): write os.environ.get" in text
    assert f"DATABASE_PATH: {OURS}/data/db/db.sqlite3" in text
    assert "hunter2" not in text


# The way there


def test_no_order_was_lost(host: Host, customers: list[dict[str, Any]]) -> None:
    everything = taken(customers, "/")
    assert len(taken(customers, OLD)) > 100
    assert len(taken(customers, OURS)) > 10
    assert everything <= orders_in(host, "/root/data/db/db.sqlite3")


def test_the_order_of_the_last_moment_was_taken_by_the_old_site(host: Host, customers: list[dict[str, Any]]) -> None:
    first = next(row["number"] for row in customers if row["number"] in taken(customers, OURS))
    last = max(taken(customers, OLD))
    assert last < first
    assert last in orders_in(host, "/root/data/db/db.sqlite3")


def test_the_old_site_has_what_it_took_and_nothing_else(host: Host, customers: list[dict[str, Any]]) -> None:
    # In the copy that was made before the way back.
    found = orders_in(host, f"/root/old/{place(host)}")
    assert taken(customers, OLD) <= found
    assert not taken(customers, OURS) & found


def journal(host: Host, customers: list[dict[str, Any]]) -> str:
    """Return what systemd says of Apache since the first customer came."""
    return str(host.check_output("journalctl --unit apache2 --since %s --output cat", f"@{customers[0]['began']:.0f}"))


def test_the_site_beside_it_served_while_the_shop_was_closed(host: Host, customers: list[dict[str, Any]]) -> None:
    """A reload can lose the request that a daemon of before has in hand: docs/architecture.md."""
    closed = [row for row in customers if row["answer"] == "503"]
    served = [row for row in closed if row["wiki"] == "200"]
    log = journal(host, customers)
    assert served
    assert len(closed) - len(served) <= log.count("Reloaded ") + log.count("Started ")


def test_customers_saw_nothing_but_a_closed_shop(host: Host, customers: list[dict[str, Any]]) -> None:
    """Apache is restarted for the sandbox and for modules, as for any other site of the host."""
    log = journal(host, customers)
    failed = [row for row in customers if row["answer"] not in ("200", "503")]
    runs = sum(
        1 for one, other in zip([None, *failed], failed, strict=False) if not one or other["number"] - one["number"] > 5
    )
    assert runs <= log.count("Started "), failed


def test_the_superuser_of_before_logs_in_before_and_after(host: Host) -> None:
    assert host.file("/root/logged-in").content_string.splitlines() == ["logged in as boss"] * 2


def test_owners_and_modes_are_ours(host: Host) -> None:
    data = f"{OURS}/data"
    assert stat(host, f"{data}/db", f"{data}/media") == {"shop-test-app shop-test-app 750"}
    assert stat(host, f"{data}/db/db.sqlite3", f"{data}/media/photo.jpg") == {"shop-test-app shop-test-app 640"}


def test_apache_reads_what_the_build_collected(host: Host) -> None:
    """Django's own admin has its style sheets in its package."""
    look = "runuser -u www-data -- head -c 1 %s/current/code/%s"
    assert host.run(look, OURS, "static/admin/css/base.css").rc == 0
    assert host.run(look, OURS, "static/shop.css").rc == 0
    assert host.run(look, OURS, "manage.py").rc != 0


def test_a_planted_link_was_not_followed(host: Host) -> None:
    assert host.check_output("readlink %s/media/link", OLD) == "/etc/shadow"
    assert not host.file(f"{OURS}/data/media/link").exists
    assert host.run(f"grep -rl '^root:' {OURS}/data /root/data").stdout == ""


def test_nothing_is_on_its_way_any_more(host: Host) -> None:
    assert not host.file(f"{OURS}/data-on-its-way").exists


# The way back


def test_the_old_site_serves_again_with_its_own_data(host: Host) -> None:
    back = ordered(host, "/root/ordered-back")
    assert taken(back, OLD)
    assert {row["answer"] for row in back[-20:]} == {"200"}
    status, _headers, body = request(host, "shop.test")
    assert status == 200
    assert taken(back, OLD) <= set(json.loads(body)["orders"])


def test_the_refused_play_left_both_as_they_were(host: Host) -> None:
    assert host.file("/etc/apache2/sites-enabled/shop.conf").exists
    assert not host.file("/etc/apache2/sites-enabled/zz-palisade-shop-test.conf").exists
    assert orders_in(host, f"{OURS}/data/db/db.sqlite3") == orders_in(host, "/root/data/db/db.sqlite3")
