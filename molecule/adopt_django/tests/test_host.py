"""A shop as Django's guide sets it up went to the collection with its data, and back, while customers ordered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import inventory_name
from testinfra.host import Host

OURS = "/var/lib/shop-test-app"
ORDERS = (
    "import sqlite3, sys; print(*[n for n, in sqlite3.connect(sys.argv[1]).execute('SELECT number FROM orders_order')])"
)


def text_of(host: Host) -> str:
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "adopted", f"{inventory_name(host)}.yml")
    return path.read_text(encoding="utf-8")


def beside_manage_py(host: Host) -> bool:
    return inventory_name(host) == "debian13"


def ordered(host: Host, path: str = "/root/ordered") -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.file(path).content_string.splitlines()]


def orders_in(host: Host, path: str) -> list[int]:
    return [int(number) for number in host.check_output("python3 -c %s %s", ORDERS, path).split()]


@pytest.fixture(scope="module")
def customers(host: Host) -> list[dict[str, Any]]:
    return ordered(host)


# The list


def test_the_list_says_where_the_data_is(host: Host) -> None:
    (app,) = (app for app in yaml.safe_load(text_of(host))["wsgi_apps"] if app["name"] == "shop-test")
    assert app["application"] == "shop.wsgi:application"
    assert app["static"] == {"/static": "static"}
    assert app["writable"] == (["media", "db-2"] if beside_manage_py(host) else ["db", "media"])
