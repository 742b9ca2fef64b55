# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of variables that an adopted host becomes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.adopt.text import adopted
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import TEXT
from hypothesis import given
from hypothesis import strategies as st


def row(**parts: Any) -> dict[str, Any]:
    fields = {"name": "shop", "application": "shop:app", "server_names": ["shop.test"], **parts.pop("fields", {})}
    lists: dict[str, list[str]] = {
        key: [] for key in ("requirements", "environment", "replaces", "changes", "findings", "remarks", "data")
    }
    return {
        "fields": fields,
        "script": "/a",
        "declared": "/b:1",
        "code": "/c",
        "paths": {},
        "services": {},
        **lists,
        **parts,
    }


def test_the_file() -> None:
    parts = {
        "fields": {
            "processes": 2,
            "requirements": "requirements.txt",
            "daemon_process": {"umask": "0077"},
            "writable": ["db"],
            "data_from": {"db": "/srv/shop/db"},
        },
        "data": ["/srv/shop/db/rows.db, named in shop/settings.py line 7"],
        "paths": {"DATABASE_PATH": "/var/lib/shop-app/data/db/rows.db"},
        "requirements": ["flask==3.0.3"],
        "environment": ["KEY"],
        "replaces": ["shop.conf"],
        "services": {
            "workers": {"mail": {"command": "celery -A shop worker"}},
            "timers": {"tidy": {"command": ["sh", "-c", "a | b # é"], "schedule": "Mon 03:30"}},
        },
        "changes": ["it moves"],
        "findings": ["U1 Every pool"],
        "remarks": ["RewriteRule"],
    }
    assert (
        adopted("www", [row(**parts)], ["pool x"])
        == """\
---
# What www serves, as a list for the role wsgi_apps. Complete each TO DO.
# Not part of any app below; look at these yourself:
# - pool x
wsgi_apps:

  # /a, declared at /b:1
  # Hardening changes:
  # - it moves
  # Audit rules that it fails today:
  # - U1 Every pool
  # Not carried over; look at these yourself:
  # - RewriteRule
  - name: shop
    application: shop:app
    server_names: [shop.test]
    # TO DO: the code, as a directory here, an archive or a repository; on the host it is /c
    source: {path: apps/shop}
    requirements: requirements.txt
    # TO DO: add this file to the source. The host has installed:
    #   flask==3.0.3
    processes: 2
    daemon_process: {umask: '0077'}
    writable: [db]
    # The play copies the old site's data from these paths. On a new host, put the data there first.
    data_from: {db: /srv/shop/db}
    # TO DO: the app cannot write to its code. Let it read these paths from its environment:
    # - /srv/shop/db/rows.db, named in shop/settings.py line 7
    # TO DO: fill in the values, which were not read from the host. Keep secrets in Ansible Vault:
    # environment:
    #   DATABASE_PATH: /var/lib/shop-app/data/db/rows.db
    #   KEY:
    # TO DO: the host runs these today. Check each command before you make them workers of the app:
    #   workers:
    #     mail: {command: celery -A shop worker}
    # TO DO: the host runs these today. Check each command before you make them timers of the app:
    #   timers:
    #     tidy:
    #       command: [sh, -c, "a | b # \\xE9"]
    #       schedule: Mon 03:30
    # On the same host: adopt: true, and replaces: with shop.conf
"""
    )


FIELDS: dict[str, Any] = {
    "mount": "/x",
    "requirements": "r.txt",
    "processes": 2,
    "threads": 5,
    "daemon_process": {"umask": "0077", "lang": "C.UTF-8"},
    "account": "shop-web",
    "group": "shop-web",
    "supplementary_groups": ["video"],
    "writable": ["db"],
    "data_from": {"db": "/srv/db"},
    "static": {"/x/static": "static"},
    "tls": {"certificate": "/etc/c.pem", "key": "/etc/k.pem"},
    "trusted_proxies": ["10.0.0.1"],
    "trusted_proxy_headers": ["X-Forwarded-For"],
    "limits": {"request_body": 5},
    "handles_authorization": True,
    "chunked_requests": True,
    "error_override": True,
}


def test_every_field_that_a_host_can_tell_is_in_the_file_in_its_order() -> None:
    text = adopted("www", [row(fields=FIELDS)], [])
    (app,) = yaml.safe_load(text)["wsgi_apps"]
    assert list(app) == ["name", "application", "server_names", "source", *FIELDS]
    assert {key: app[key] for key in FIELDS} == FIELDS
    assert list(app["daemon_process"]) == ["umask", "lang"]


def test_what_there_is_not_makes_no_line() -> None:
    assert (
        adopted("www", [row()], [])
        == """\
---
# What www serves, as a list for the role wsgi_apps. Complete each TO DO.
wsgi_apps:

  # /a, declared at /b:1
  - name: shop
    application: shop:app
    server_names: [shop.test]
    # TO DO: the code, as a directory here, an archive or a repository; on the host it is /c
    source: {path: apps/shop}
"""
    )
    assert adopted("www", [], ["pool x", "pool y"]).splitlines()[2:] == [
        "# Not part of any app below; look at these yourself:",
        "# - pool x",
        "# - pool y",
        "wsgi_apps: []",
    ]


def test_long_texts_are_wrapped_behind_their_marks() -> None:
    lines = adopted("www", [], ["word " * 40, "a-" * 70]).splitlines()
    wrapped = [line for line in lines if "word" in line]
    assert [line[:8] for line in wrapped] == ["# - word", "#   word"]
    assert all(len(line) <= 114 for line in wrapped)
    # Nothing is cut at a hyphen, as the name of a file may have one.
    assert sum("a-a" in line for line in lines) == 2


def test_a_field_is_one_line_however_long() -> None:
    names = [f"{number}.shop.test" for number in range(40)]
    text = adopted("www", [row(fields={"server_names": names})], [])
    assert f"    server_names: [{', '.join(names)}]" in text.splitlines()


def test_what_is_installed_and_where_data_lie_is_told_without_a_field_too() -> None:
    text = adopted("www", [row(data=["/srv/db, named in settings.py"], requirements=["flask==3"])], [])
    assert "    #   flask==3\n" in text
    assert "    # - /srv/db, named in settings.py\n" in text


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("KEY\nx", "/var/lib/shop-app/data/db"),
        ("key", "/var/lib/shop-app/data/db"),
        ("KEY", "/var/lib/shop-app/data/"),
        ("KEY", "/var/lib/shop-app/data/d b"),
        ("KEY", "/var/lib/other-app/data/db"),
        ("KEY", "/var/lib/shop-app/data/db\n"),
        ("KEY", 5),
    ],
)
def test_variables_lead_to_the_app_s_own_data(variable: str, path: Any) -> None:
    with pytest.raises(PalisadeError, match="gives a variable that is refused"):
        adopted("www", [row(paths={variable: path})], [])


def test_what_is_to_do_is_marked() -> None:
    fields = {"application": "to_do:application", "server_names": ["to-do.invalid"]}
    text = adopted("www", [row(fields=fields, code="")], [])
    for words in ("TO DO: package.module:callable", "TO DO: the host names", "it was not found on the host"):
        assert words in text


def test_apps_that_cannot_be_beside_each_other_are_told() -> None:
    text = adopted("www", [row(), row(fields={"name": "other"})], [])
    assert "# - app other: mount '/' of shop.test is already taken by app shop of the same list\n" in text
    unnamed = [row(fields={"name": name, "server_names": ["to-do.invalid"]}) for name in ("a", "b")]
    assert "cannot be deployed" not in adopted("www", unnamed, [])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"before_switch": ["rm -rf /"]}, "'before_switch' that is refused"),
        ({"source": {"git": {"repo": "x"}}}, "'source' that is refused"),
        ({"environment": {"A": "x"}}, "'environment' that is refused"),
        ({"acls": []}, "'acls' that is refused"),
        ({"tls": {"certificate": "/{{ lookup('pipe', 'id') }}", "key": "/k"}}, "'tls' that is refused"),
        ({"server_names": ["{% x %}"]}, "'server_names' that is refused"),
        ({"static": {"{# x": "a"}}, "'static' that is refused"),
        ({"name": "x y"}, "expected .a-z"),
        ({"mount": 5}, "mount"),
    ],
)
def test_a_host_cannot_say_what_is_for_a_person(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PalisadeError, match=words):
        adopted("www", [row(fields=fields)], [])


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({"build": ["x"]}, "workers or timers that are refused"),
        ({"workers": {"a": {"command": "{{ x }}"}}}, "workers or timers that are refused"),
        ({"workers": {"a": {"command": ""}}}, "workers: a: command: expected"),
        ({"workers": {"a\nb": {"command": "x"}}}, "workers: expected names"),
        ({"timers": {"a": {"command": "x"}}}, "schedule is required"),
        (["x"], "expected a list of apps"),
    ],
)
def test_services_are_checked_as_a_users(services: Any, words: str) -> None:
    with pytest.raises(PalisadeError, match=words):
        adopted("www", [row(services=services)], [])


@given(st.lists(TEXT, min_size=1, max_size=3))
def test_no_command_of_a_host_is_a_field(words: list[str]) -> None:
    try:
        text = adopted("www", [row(services={"workers": {"a": {"command": words}}})], [])
    except PalisadeError:
        return
    (app,) = yaml.safe_load(text)["wsgi_apps"]
    assert "workers" not in app
    assert all(line.lstrip().startswith("#") or ":" in line or not line for line in text.splitlines()[1:])


@pytest.mark.parametrize(
    ("rows", "remarks"),
    [
        (None, []),
        ({}, []),
        ([1], []),
        ([{}], []),
        ([{**row(), "fields": None}], []),
        ([{**row(), "changes": [1]}], []),
        ([{**row(), "script": 1}], []),
        ([{**row(), "fields": []}], []),
        ([], None),
        ([], [1]),
    ],
)
def test_another_shape_is_refused(rows: Any, remarks: Any) -> None:
    with pytest.raises(PalisadeError, match="expected"):
        adopted("www", rows, remarks)


@given(TEXT, st.lists(TEXT, min_size=1), st.data())
def test_nothing_that_is_told_breaks_out(host: str, texts: list[str], data: Any) -> None:
    names = ("script", "declared", "code")
    parts: dict[str, Any] = {name: data.draw(st.sampled_from(texts)) for name in names}
    lists = ("requirements", "environment", "replaces", "changes", "findings", "remarks")
    parts |= dict.fromkeys(lists, texts)
    text = adopted(host, [row(**parts, fields={"requirements": "r.txt"})], texts)
    text.encode("utf-8")
    read = yaml.safe_load(text)
    (app,) = read["wsgi_apps"]
    assert set(app) == {"name", "application", "server_names", "source", "requirements"}
    assert app["source"] == {"path": "apps/shop"}
    assert all(line.lstrip().startswith("#") or ":" in line or not line for line in text.splitlines()[1:])
