# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""check_app reads every field of the table, with the type, default, range and choices that the table gives it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.fields import APP, REQUIRED, SOURCES, Field
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.source import _BESIDE
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app
from ansible_collections.palisade.mod_wsgi.tests.unit.test_field_docs import option

GIT = {"repo": "git@example.org:shop", "version": "main", "directory": "app", "known_hosts": "example.org ssh-rsa A"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n"
DIGEST = "sha256:" + "0" * 64

# Apps that have every field between them, as people write them.
WHOLE: list[dict[str, Any]] = [
    app(
        mount="/shop",
        requirements="requirements.txt",
        allow_source_builds=True,
        build=["python manage.py collectstatic", ["npm", "ci"]],
        build_network=True,
        before_switch=["python manage.py migrate", ["python", "-m", "x"]],
        workers={
            "mail": {
                "command": "celery -A shop worker",
                "processes": 2,
                "stop_timeout": 30,
                "ready_after": 3,
                "notify": False,
                "environment": {"C": "y"},
                "memory_max": "512M",
                "allow": ["jit"],
            },
        },
        timers={
            "tidy": {
                "command": ["python", "manage.py", "tidy"],
                "schedule": "Mon 03:30",
                "random_delay": 60,
                "timeout": 600,
                "once": True,
                "on_failure": "tell@%n.service",
                "environment": {"D": "z"},
                "memory_max": "1G",
                "allow": ["devices"],
            },
        },
        processes=3,
        threads=5,
        daemon_process={
            "umask": "0077",
            "script-user": "root",
            "request-timeout": 30,
            "memory-limit": 2**31,
            "listen-backlog": 50,
            "newrelic-environment": "x",
        },
        account="shop",
        group="shop-group",
        supplementary_groups=["certs"],
        acls=[{"path": "/srv/media", "permissions": "rx"}],
        writable=["db"],
        data_from={"db": "/srv/shop/db"},
        environment={"A": 1, "B": "x"},
        static={"/shop/static": "assets"},
        tls={"certificate": "/etc/ssl/a.pem", "key": "/etc/ssl/a.key", "hsts": 0},
        trusted_proxies=["192.0.2.1"],
        trusted_proxy_headers=["X-Forwarded-For"],
        limits={"request_body": 1, "request_fields": 10, "request_field_size": 256, "request_line": 256, "uploads": 3},
        handles_authorization=True,
        chunked_requests=True,
        error_override=True,
        health_check={"path": "/up", "status": [200], "timeout": 5},
        adopt=True,
        replaces=["shop.conf"],
        state="present",
        purge=False,
    ),
    app(source={"archive": "https://example.org/a.tar", "checksum": DIGEST, "directory": "app"}, tls={"acme": True}),
    app(source={"git": {**GIT, "key": KEY}}, tls={"self_signed": True}),
    app(source={"package": "shop==1.2"}),
    app(source={"package": ["shop==1.2", "gunicorn==1"]}),
    {"name": "gone", "state": "absent", "purge": True},
]
WRONG: dict[str, Any] = {
    **dict.fromkeys(("str", "path", "list", "raw"), 5),
    "dict": "x",
    "bool": "perhaps",
    "int": "many",
    "float": "many",
}
# What stands in the place of the table's <name>.
NAMED = {"workers": "mail", "timers": "tidy"}
# What has to change beside a field that goes.
BESIDE: dict[str, dict[str, Any]] = {
    "build": {"build_network": False},
    "mount": {"static": {"/static": "assets"}},
    "writable": {"data_from": {}},
    "trusted_proxies": {"trusted_proxy_headers": []},
    "trusted_proxy_headers": {"trusted_proxies": []},
}
IN_SERVICES = {("workers", "<name>", "command"), ("timers", "<name>", "command"), ("timers", "<name>", "schedule")}
IN_ACLS = {("acls", "path"), ("acls", "permissions")}
# mod_wsgi's options have a table and tests of their own.
FIELDS = [(path, field) for path, field in APP.walk() if path[0] != "daemon_process" or len(path) == 1]
IDS = [".".join(path) for path, _field in FIELDS]


def written(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path of a field with a name in the place of <name>."""
    return tuple(NAMED[path[0]] if part == "<name>" else part for part in path)


def place_of(path: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy of the first of the whole apps that has the field, and the mapping in it that holds the field."""
    path = written(path)
    for whole in WHOLE:
        raw = copy.deepcopy(whole)
        place: Any = raw
        for part in path[:-1]:
            place = place.get(part) if isinstance(place, dict) else None
            place = place[0] if isinstance(place, list) else place
        if isinstance(place, dict) and path[-1] in place:
            return raw, place
    raise AssertionError(f"no app of WHOLE has the field {'.'.join(path)}")


def with_value(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return an app with this value of a field, or without the field where it is None."""
    raw, place = place_of(path)
    key = written(path)[-1]
    place[key] = value
    if value is None:
        del place[key]
    return raw


def checked(raw: dict[str, Any]) -> App:
    return check_app(raw, 0, None)


def refusal(raw: dict[str, Any]) -> str:
    with pytest.raises(PalisadeError) as caught:
        checked(raw)
    return str(caught.value)


def ansible_refuses(raw: dict[str, Any]) -> list[str]:
    """Return what Ansible would say, if the elements of the list were declared as mappings."""
    spec = {"wsgi_apps": {**copy.deepcopy(option(APP)), "elements": "dict"}}
    raw = copy.deepcopy(raw)
    for field, name in NAMED.items():
        # It knows no mappings from any name.
        if isinstance(raw.get(field), dict) and name in raw[field]:
            raw[field] = {"<name>": raw[field][name]}
    result = ArgumentSpecValidator(spec).validate({"wsgi_apps": [raw]}, validate_role_argument_spec=True)
    return list(result.error_messages)


@pytest.mark.parametrize("raw", WHOLE, ids=range(len(WHOLE)))
def test_what_is_accepted_has_the_types_of_the_table(raw: dict[str, Any]) -> None:
    checked(raw)
    assert ansible_refuses(raw) == []


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=IDS)
def test_every_field_is_checked(path: tuple[str, ...], field: Field) -> None:
    raw = with_value(path, WRONG[field.type])
    said = refusal(raw)
    assert said.startswith(f"app {raw['name']}: " if path != ("name",) else "wsgi_apps[0]: name: "), said
    # Each level is named: "app shop: tls: hsts: ...".
    assert all(part in said.split(": ") for part in written(path)) or path[0] == "acls", said
    assert "expected" in said
    assert ansible_refuses(raw) or field.type in ("str", "path", "list", "raw")


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=IDS)
def test_a_default_is_what_holds_without_the_field(path: tuple[str, ...], field: Field) -> None:
    # Without its kind, a tls is none.
    if field.default is None or path in (("tls", "acme"), ("tls", "self_signed")):
        return
    with_it, without = ({**with_value(path, value), **BESIDE.get(path[0], {})} for value in (field.default, None))
    assert checked(with_it) == checked(without)


@pytest.mark.parametrize(("path", "field"), [row for row in FIELDS if row[1].maximum], ids=lambda item: str(item)[:30])
def test_ranges(path: tuple[str, ...], field: Field) -> None:
    for good in (field.minimum, field.maximum):
        checked(with_value(path, [good] if field.type == "list" else good))
    for bad in (field.minimum - 1, field.maximum + 1):
        assert f": {path[-1]}: expected " in refusal(with_value(path, [bad] if field.type == "list" else bad))


@pytest.mark.parametrize(("path", "field"), [row for row in FIELDS if row[1].choices], ids=lambda item: str(item)[:30])
def test_choices(path: tuple[str, ...], field: Field) -> None:
    said = refusal(with_value(path, ["gone"] if field.type == "list" else "gone"))
    assert said == f"app public: {': '.join(written(path))}: expected {' or '.join(field.choices)}, got 'gone'"


def test_required_fields() -> None:
    needed = {path for path, field in FIELDS if field.required}
    assert needed == {("name",), ("source", "git", "repo"), ("source", "git", "version"), *IN_ACLS, *IN_SERVICES}
    for path in (*needed - {("name",), *IN_ACLS}, *((name,) for name in REQUIRED)):
        said = refusal(with_value(path, None))
        assert said == f"app public: {': '.join(written(path))} is required"
    for path in IN_ACLS:
        assert refusal(with_value(path, None)).startswith("app public: acls: ")
    assert refusal(with_value(("name",), None)).startswith("wsgi_apps[0]: name: expected ")


@pytest.mark.parametrize(
    "path", [(), *(path for path, field in FIELDS if field.fields and path[-1] not in NAMED)], ids=".".join
)
def test_unknown_fields(path: tuple[str, ...]) -> None:
    inner = APP
    for part in path:
        inner = inner[part]
    raw, place = place_of((*path, inner.names[0]))
    place["frobnicate"] = 1
    said = refusal(raw)
    assert said.startswith(": ".join(("app public", *written(path))) + ": ")
    assert "'frobnicate'" in said


class Asked(dict[str, Any]):
    """A mapping that notes the keys that somebody asks for, with the fields above them."""

    def __init__(self, raw: dict[str, Any], keys: set[tuple[str, ...]], above: tuple[str, ...] = ()) -> None:
        super().__init__({key: self.wrapped(value, keys, (*above, key)) for key, value in raw.items()})
        self.keys_asked, self.above = keys, above

    @classmethod
    def wrapped(cls, value: Any, keys: set[tuple[str, ...]], path: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            return [cls.wrapped(item, keys, path) for item in value]
        return cls(value, keys, path) if isinstance(value, dict) else value

    def get(self, key: str, default: Any = None) -> Any:
        self.keys_asked.add((*self.above, key))
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.keys_asked.add((*self.above, key))
        return super().__getitem__(key)


def test_no_field_is_read_that_the_table_does_not_have() -> None:
    asked: set[tuple[str, ...]] = set()
    for raw in WHOLE:
        checked(Asked(raw, asked))
    assert asked - {written(path) for path, _field in APP.walk()} == set()
    assert {path[0] for path in asked} == set(APP.names)


def test_the_kinds_of_sources_and_what_stands_beside_them() -> None:
    assert {*SOURCES, *(name for names in _BESIDE.values() for name in names)} == set(APP["source"].names)


def test_names_are_there_once() -> None:
    for field in (APP, *(field for _path, field in APP.walk())):
        assert len(set(field.names)) == len(field.names)
