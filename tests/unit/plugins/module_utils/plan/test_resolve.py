"""The whole list against a host: what is refused, and what every later step gets."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import REDHAT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import read_records
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.resolve import check_apps, resolve
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host, managed

SECRET = "hunter2-does-not-show"


@pytest.fixture
def base(tmp_path: Path) -> str:
    for name in ("public", "admin", "api", "shop", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text("flask==3.1.2\n")
    return str(tmp_path)


def refusal(apps: Any, base: str, facts: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(PalisadeError) as caught:
        resolve(apps, facts or host(), options.pop("owner", "mine"), base, **options)
    return str(caught.value)


def test_rows_of_one_app(base: str) -> None:
    given = app(requirements="requirements.txt", writable=["a/b"], before_switch=["python manage.py 'migrate'"])
    model = resolve([given], host(), "mine", base)
    assert model["releases"] == [
        {
            "app": "public",
            "source": {"path": f"{base}/public"},
            "requirements": "requirements.txt",
            "allow_source_builds": False,
            "build": [],
            "build_network": False,
            "directory": "/var/lib/public-app/releases",
            "current": "/var/lib/public-app/current",
            "account": "public-app",
            "group": "public-app",
            "groups": ["public-app"],
            "umask": "0027",
            "application": "shop.wsgi:application",
            "hooks": [["python", "manage.py", "migrate"]],
            "services": [],
            "writable": ["/var/lib/public-app/data"],
            "data_marker": "/var/lib/public-app/data-on-its-way",
            "served": {"account": "www-data", "directories": []},
        }
    ]
    assert [(row["name"], row["group"], row["home"]) for row in model["accounts"]] == [
        ("public-app", "public-app", "/var/lib/public-app")
    ]
    assert [(row["path"], row["owner"], row["group"], row["mode"]) for row in model["directories"]] == [
        ("/var/www/public", "root", "root", "0755"),
        ("/var/lib/public-app", "root", "public-app", "0750"),
        ("/var/lib/public-app/releases", "root", "public-app", "0750"),
        ("/var/lib/public-app/data", "public-app", "public-app", "0750"),
        ("/var/lib/public-app/data/a", "public-app", "public-app", "0750"),
        ("/var/lib/public-app/data/a/b", "public-app", "public-app", "0750"),
    ]
    assert [(row["path"], row["owner"], row["mode"]) for row in model["files"]] == [
        ("/var/www/public/wsgi.py", "root", "0644")
    ]
    assert model["unused_files"] == [{"app": "public", "path": "/var/lib/public-app/environment"}]
    assert [(row["path"], row["link"]) for row in model["site"]] == [
        (
            "/etc/apache2/sites-available/zz-palisade-public.conf",
            "/etc/apache2/sites-enabled/zz-palisade-public.conf",
        )
    ]
    assert model["pools"][0]["processes"] == 2
    assert model["pools"][0]["error_log"] == "/var/log/apache2/wsgi-public-error.log"
    assert model["loaded"] == [{"name": "public", "loads": ["/etc/apache2/sites-available/zz-palisade-public.conf"]}]
    assert (model["removed_paths"], model["removed_accounts"]) == ([], [])


def test_files_are_live_where_they_lie_on_redhat(base: str) -> None:
    (row,) = resolve([app()], host(layout=REDHAT.as_dict()), "mine", base)["site"]
    assert (row["path"], row["link"]) == ("/etc/httpd/conf.d/zz-palisade-public.conf", "")


def test_an_environment_lies_in_a_file_of_its_own(base: str) -> None:
    model = resolve([app(environment={"KEY": SECRET})], host(), "mine", base)
    secret, entry = model["files"]
    assert (secret["path"], secret["owner"], secret["group"], secret["mode"]) == (
        "/var/lib/public-app/environment",
        "root",
        "public-app",
        "0640",
    )
    assert json.loads(model["secrets"][secret["path"]]) == {"KEY": SECRET}
    assert "content" not in secret
    # The entry file reads it, so it comes second.
    assert entry["path"] == "/var/www/public/wsgi.py"
    assert model["unused_files"] == []


def texts(value: Any, inside: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*inside, "key"), str(key)
            yield from texts(item, (*inside, key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item, inside)
    else:
        yield inside, str(value)


def test_secrets_are_apart_from_everything_else(base: str) -> None:
    apps = [app(name, environment={"KEY": f"{SECRET}-{name}"}) for name in ("public", "admin", "api")]
    places = {place for place, text in texts(resolve(apps, host(), "mine", base)) if SECRET in text}
    assert places == {("secrets", f"/var/lib/{name}-app/environment") for name in ("public", "admin", "api")}


def test_apps_do_not_depend_on_their_order(base: str) -> None:
    apps = [app("public"), app("admin", processes=3), app("api", mount="/v1"), app("shop", state="absent", purge=True)]
    facts = host(apps=[managed("shop", "mine"), managed("api", "mine", mount="/old")])

    def rows(order: Any) -> dict[str, list[str]]:
        model = resolve(list(order), facts, "mine", base)
        model.update({f"certificates {key}": part for key, part in model.pop("certificates").items()})
        return {key: sorted(json.dumps(row, sort_keys=True) for row in part) for key, part in model.items()}

    expected = rows(apps)
    assert all(rows(order) == expected for order in itertools.permutations(apps))


CLASHES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (app(), app(server_names=["b.org"]), ["app public", "two apps of the list have this name"]),
    (app("a-b", account="x"), app("admin", account="x"), ["account 'x'", "of the same list"]),
    (app("public", group="x"), app("admin", account="x"), ["'x'", "of the same list"]),
    (app("public", group="x"), app("admin", group="x"), ["group 'x'", "of the same list"]),
    (app("public"), app("admin", group="public-app"), ["'public-app'", "of the same list"]),
    (
        app("public", server_names=["a.org", "b.org"]),
        app("admin", server_names=["b.org"]),
        ["mount '/' of b.org", "of the same list"],
    ),
    (
        app("public", server_names=["a.org", "b.org"], mount="/a"),
        app("admin", server_names=["b.org", "a.org"], mount="/b"),
        ["server name a.org", "to share a virtual host, give both apps the same first name"],
    ),
    (
        app("public", server_names=["a.org", "b.org"], mount="/a"),
        app("admin", server_names=["a.org"], mount="/b"),
        ["server_names: expected", "of the same virtual host a.org"],
    ),
    (
        app("public", server_names=["a.org"], mount="/a", tls={"self_signed": True}),
        app("admin", server_names=["a.org"], mount="/b"),
        ["tls: expected ", "self_signed", "as in app", "none"],
    ),
    (
        app("public", server_names=["a.org"], mount="/a", limits={"request_line": 1000}),
        app("admin", server_names=["a.org"], mount="/b"),
        ["limits: request_line: expected", "1000", "None"],
    ),
    (
        app("public", server_names=["a.org"], mount="/", static={"/shop": "public"}),
        app("admin", server_names=["a.org"], mount="/shop"),
        ["app public: static: /shop would hide app admin"],
    ),
    (
        app("public", server_names=["a.org"], mount="/", static={"/shop": "public"}),
        app("admin", server_names=["a.org"], mount="/shop/x"),
        ["app public: static: /shop would hide app admin"],
    ),
    (
        app("public", server_names=["a.org"], mount="/", static={"/shop/static": "public"}),
        app("admin", server_names=["a.org"], mount="/shop"),
        ["app public: static: /shop/static would hide app admin"],
    ),
    (app("public"), {"name": "public", "state": "absent"}, ["two apps of the list have this name"]),
    (app("public"), {"name": "admin", "state": "absent", "account": "public-app"}, ["'public-app'"]),
]


@pytest.mark.parametrize(("first", "second", "parts"), CLASHES)
def test_clashes_in_a_list(first: dict[str, Any], second: dict[str, Any], parts: list[str], base: str) -> None:
    for apps in ([first, second], [second, first], [first, app("other"), second]):
        message = refusal(apps, base)
        assert [part for part in parts if part not in message] == []
        assert first["name"] in message
        assert second["name"] in message


@pytest.mark.parametrize(
    ("fields", "facts", "parts"),
    [
        ({"name": "shop"}, {}, ["name is already taken", "'theirs'", "wsgi_apps_owner (now 'mine')"]),
        ({"account": "shop-app"}, {}, ["account 'shop-app'", "app shop", "list 'theirs'"]),
        ({"group": "shop-app"}, {}, ["group 'shop-app'", "app shop", "list 'theirs'"]),
        ({"account": "x"}, {"group": "x"}, ["account 'x'", "app shop", "list 'theirs'"]),
        ({"server_names": ["shop.example.org"]}, {}, ["mount '/' of shop.example.org", "app shop", "list 'theirs'"]),
        ({"server_names": ["shop.example.org"], "mount": "/x"}, {}, ["server name shop.example.org", "app shop"]),
    ],
)
def test_clashes_with_another_list(fields: dict[str, Any], facts: dict[str, Any], parts: list[str], base: str) -> None:
    message = refusal([app(**fields)], base, host(apps=[managed(**facts)]))
    assert [part for part in parts if part not in message] == []


def test_two_lists_clash_in_either_order(base: str) -> None:
    """Whichever play came first, the other one is refused, and its own list stays good."""
    mine, theirs = app("public", server_names=["a.org"]), app("shop", server_names=["a.org"])
    for here, there, owner in ((mine, theirs, "theirs"), (theirs, mine, "mine")):
        found = managed(there["name"], owner, server_names=["a.org"])
        assert "already taken" in refusal([here], base, host(apps=[found]))
        assert resolve([there], host(apps=[found]), owner, base)["site"]


def test_another_lists_app_cannot_be_removed(base: str) -> None:
    message = refusal([{"name": "shop", "state": "absent", "purge": True}], base, host(apps=[managed()]))
    assert "the name is already taken by an app of the list 'theirs'" in message


PACKAGE = {"package": "shop==1.2"}
GIT = {"git": {"repo": "https://example.org/shop.git", "version": "main"}}
URL = {"archive": "https://example.org/shop.zip", "checksum": f"sha256:{'0' * 64}"}


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({}, {}),
        ({"state": "absent", "purge": True}, {}),
        ({}, {"source": "controller"}),
        ({"source": PACKAGE}, {"source": "package"}),
        ({"source": GIT}, {"source": "network"}),
        ({"source": URL}, {"source": "network"}),
        ({"server_names": ["a.org", "b.org"]}, {"server_names": ["b.org", "a.org"]}),
        # What is no longer served, or is to be removed, does not say all of it.
        ({}, {"server_names": [], "site": "", "source": ""}),
        ({"state": "absent", "server_names": None, "source": None}, {"source": "controller"}),
        ({"state": "absent", "server_names": 5, "source": {"nothing": 5}}, {"source": "controller"}),
    ],
)
@pytest.mark.parametrize("owner", ["newc/infra", "/site", "infra/", "/"])
def test_an_app_of_a_list_that_was_named_after_its_directory(
    fields: dict[str, Any], facts: dict[str, Any], owner: str, base: str
) -> None:
    found = host(apps=[managed("shop", owner, **facts)])
    model = resolve([app("shop", **fields)], found, "default", base)
    assert [read_records(row["sysusers"])[0]["owner"] for row in model["accounts"]] == (
        [] if "state" in fields else ["default"]
    )
    assert resolve([app("shop", **fields)], found, owner, base)["site"]


@pytest.mark.parametrize(
    ("owner", "fields", "facts"),
    [
        ("default", {"server_names": ["other.org"]}, {}),
        ("default", {"server_names": ["shop.example.org", "other.org"]}, {}),
        ("default", {"source": PACKAGE}, {"source": "controller"}),
        ("default", {"source": GIT}, {"source": "controller"}),
        ("default", {}, {"source": "network"}),
        ("default", {}, {"source": "package"}),
        ("default", {"state": "absent", "server_names": ["other.org"]}, {}),
        ("default", {"state": "absent", "source": PACKAGE}, {"source": "controller"}),
        # Somebody chose these names.
        ("default", {}, {"owner": "infra"}),
        ("default", {}, {"owner": "a/b/c"}),
        ("default", {}, {"chosen": True}),
        ("default", {"state": "absent", "purge": True}, {"chosen": True}),
        ("infra", {}, {}),
        ("team/infra", {}, {}),
    ],
)
def test_an_app_that_may_be_another_repository_s(
    owner: str, fields: dict[str, Any], facts: dict[str, Any], base: str
) -> None:
    found = managed("shop", **{"owner": "newc/infra", **facts})
    message = refusal([app("shop", **fields)], base, host(apps=[found]), owner=owner)
    theirs = found["owner"]
    assert message == (
        f"app shop: the name is already taken by an app of the list '{theirs}' on this host; rename the app, or set "
        f"wsgi_apps_owner (now '{owner}') to '{theirs}' if both are the same list"
    )


def test_a_deployment_finds_an_app_of_a_list_that_was_named_after_its_directory(base: str) -> None:
    """It leaves the name on the host, which site.yml changes."""
    found = host(apps=[managed("shop", "newc/infra")])
    model = resolve([app("shop")], found, "default", base, deployed=[])
    assert [row["app"] for row in model["releases"]] == ["shop"]
    assert "accounts" not in model
    assert "name is already taken" in refusal(
        [app("shop", source=PACKAGE)],
        base,
        host(apps=[managed("shop", "newc/infra", source="controller")]),
        owner="default",
        deployed=[],
    )


def test_a_list_is_taken_over_as_a_whole_or_not_at_all(base: str) -> None:
    found = host(apps=[managed("shop", "newc/infra"), managed("api", "newc/infra")])
    assert len(resolve([app("shop"), app("api")], found, "default", base)["accounts"]) == 2
    assert "app api: the name is already taken" in refusal(
        [app("shop"), app("api", source=PACKAGE, server_names=["x.org"])], base, found, owner="default"
    )


def test_apps_of_another_list_are_left_alone(base: str) -> None:
    model = resolve(
        [app(application="site:app")],
        host(apps=[managed()], occupied=["/var/lib/shop-app", "/var/www/shop"]),
        "mine",
        base,
    )
    # Its account must not read a certificate's key, no more than ours.
    assert model.pop("certificates")["accounts"] == ["public-app", "shop-app"]
    # Its help has an example.
    model.pop("program_files")
    assert "shop" not in json.dumps(model)


def test_own_app_is_updated(base: str) -> None:
    facts = host(
        apps=[managed("public", "mine")],
        accounts=["public-app"],
        groups=["public-app"],
        occupied=["/var/lib/public-app", "/var/www/public"],
    )
    model = resolve([app(mount="/new", server_names=["new.org"])], facts, "mine", base)
    assert "ServerName new.org" in model["site"][0]["content"]


@pytest.mark.parametrize("fields", [{"account": "x"}, {"group": "x"}, {"state": "absent", "account": "x"}])
def test_an_account_stays(fields: dict[str, Any], base: str) -> None:
    message = refusal([app(**fields)], base, host(apps=[managed("public", "mine")]))
    assert "app public: account and group are public-app and public-app on this host" in message
    assert "state: absent and purge: true" in message


def test_a_mount_moves_within_the_list(base: str) -> None:
    facts = host(apps=[managed("public", "mine", server_names=["a.org"])])
    moved = [app("public", server_names=["b.org"]), app("admin", server_names=["a.org"])]
    left = [{"name": "public", "state": "absent"}, app("admin", server_names=["a.org"])]
    for apps in (moved, left):
        assert resolve(apps, facts, "mine", base)["site"]
    # Not listed, so it is still served.
    assert "already taken by app public of the list 'mine'" in refusal(
        [app("admin", server_names=["a.org"])], base, facts
    )


@pytest.mark.parametrize("path", ["/var/lib/public-app", "/var/www/public"])
def test_a_path_of_others_is_refused(path: str, base: str) -> None:
    message = refusal([app()], base, host(occupied=[path]))
    assert message.startswith(f"app public: {path} already exists on this host and was not created by this collection")


@pytest.mark.parametrize(
    ("fields", "facts", "words"),
    [
        ({"account": "alice"}, {"accounts": ["alice"]}, "account 'alice' already exists on this host"),
        ({"account": "postgres"}, {"accounts": ["postgres"]}, "account 'postgres' already exists on this host"),
        ({"group": "docker"}, {"groups": ["docker"]}, "group 'docker' already exists on this host"),
    ],
)
def test_an_identity_of_others_is_refused(fields: dict[str, Any], facts: dict[str, Any], words: str, base: str) -> None:
    message = refusal([app(**fields)], base, host(**facts))
    assert message.startswith(f"app public: {words} and does not belong to this app")


@pytest.mark.parametrize(
    ("python", "parts"),
    [
        ({"version": "3.12", "implementation": "cpython"}, ["cpython 3.12", "cpython 3.13", "mod_wsgi 5.0.2"]),
        ({"version": "3.13", "implementation": "pypy"}, ["pypy 3.13", "cpython 3.13"]),
        ({"version": "", "implementation": ""}, ["/usr/bin/python3, which cannot be run", "Python 3.13"]),
    ],
)
def test_another_python_is_refused(python: dict[str, str], parts: list[str], base: str) -> None:
    message = refusal([app()], base, host(python={"path": "/usr/bin/python3", **python}))
    assert message.startswith("wsgi_apps_python: ")
    assert [part for part in parts if part not in message] == []


def test_bare_host(base: str) -> None:
    assert "run the role wsgi_server before" in refusal([app()], base, host(mod_wsgi=None))
    model = resolve([app()], host(mod_wsgi=None), "mine", base, server_required=False)
    assert model["site"][0]["content"] == resolve([app()], host(), "mine", base)["site"][0]["content"]


def test_an_option_of_another_version_is_refused(base: str) -> None:
    fields = app(daemon_process={"interrupt-timeout": 5})
    assert "app public: daemon_process: interrupt-timeout: needs mod_wsgi 6.0.0" in refusal([fields], base)
    newer = host(mod_wsgi={"version": "6.1.1", "python": "3.13", "module": ""})
    assert "interrupt-timeout=5" in resolve([fields], newer, "mine", base)["site"][0]["content"]


SINGLE = {"command": "x", "schedule": "daily", "once": True}


@pytest.mark.parametrize(
    ("first", "on_host", "there"),
    [
        (True, [], True),
        (False, [], False),
        (False, ["wsgi-public-single.timer"], False),
        # A play with --limit does not know the others.
        (None, [], False),
        (None, ["wsgi-public-single.timer"], True),
        (None, ["wsgi-public-other.timer"], False),
    ],
)
def test_a_timer_that_one_host_has(base: str, first: bool | None, on_host: list[str], there: bool) -> None:
    facts = host(apps=[managed("public", "mine", units=on_host)])
    every = {"command": "y", "schedule": "hourly"}
    model = resolve([app(timers={"single": SINGLE, "every": every})], facts, "mine", base, first=first)
    names = ["single", "every"] if there else ["every"]
    assert [row["timer"] for row in model["schedules"]] == names
    assert len(model["service_files"]) == 2 * len(names)
    assert [row["title"] for row in model["releases"][0]["services"]] == [f"timers: {name}" for name in names]
    (told,) = (json.loads(row["content"]) for row in model["program_files"] if row["path"].endswith("public.json"))
    assert list(told["timers"]) == names


def test_a_site_that_stays_is_not_removed_as_well(base: str) -> None:
    (row,) = resolve([app()], host(apps=[managed("public", "mine")]), "mine", base)["site"]
    assert (row["path"], bool(row["content"])) == ("/etc/apache2/sites-available/zz-palisade-public.conf", True)


def test_keys_of_apps_that_are_not_deployed_stay_where_they_are(base: str) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n"
    git = {"repo": "git@example.org:shop", "version": "main", "known_hosts": "example.org ssh-rsa A", "key": key}
    apps = [app(source={"git": git}), app("other", server_names=["other.org"], source={"git": git})]
    facts = host(apps=[managed("public", "mine"), managed("other", "mine")])
    assert list(resolve(apps, facts, "mine", base, deployed=["public"])["source_secrets"]) == ["public"]


def test_workers_and_their_secrets(base: str) -> None:
    worker = {"command": "celery -A shop", "environment": {"TOKEN": SECRET}}
    model = resolve([app(workers={"mail": worker}, environment={"A": "b"})], host(), "mine", base, deployed=None)
    path = "/var/lib/public-app/environment-mail"
    assert json.loads(model["secrets"][path]) == {"A": "b", "TOKEN": SECRET}
    assert [row["path"] for row in model["service_files"]] == [path, "/etc/systemd/system/wsgi-public-mail@.service"]
    assert model["releases"][0]["services"] == [{"title": "workers: mail", "program": "celery"}]
    facts = host(apps=[managed("public", "mine"), managed("other", "mine")])
    apps = [app(workers={"mail": worker}), app("other", server_names=["other.org"], workers={"mail": worker})]
    narrowed = resolve(apps, facts, "mine", base, deployed=["public"])
    assert {row["app"] for row in narrowed["service_files"]} == {"public"}
    assert [row["path"].rpartition("/")[2] for row in narrowed["program_files"]] == [
        "wsgi-run",
        "wsgi-run",
        "public.json",
    ]
    assert narrowed["program_directories"]
    assert list(narrowed["secrets"]) == [path]
    assert narrowed["schedules"] == []


def test_units_of_one_name(base: str) -> None:
    first = app("shop", workers={"a-b": {"command": "x"}})
    second = app("shop-a", server_names=["b.org"], timers={"b": {"command": "x", "schedule": "daily"}})
    assert refusal([first, second], base) == (
        "app shop-a: 'b' would have the unit wsgi-shop-a-b, as one of app shop has; rename it"
    )


@pytest.mark.parametrize("confines", [True, False])
def test_a_host_that_cannot_confine(base: str, confines: bool) -> None:
    model = resolve([app(workers={"a": {"command": "x"}})], host(confines=confines), "mine", base)
    texts = [row["content"] for row in (*model["service_files"], *model["program_files"][2:])]
    assert [("ProtectSystem=strict" in text) for text in texts] == [confines, confines]
    told = "the workers and timers of public run without a sandbox, because systemd on this host cannot provide one"
    assert model["warnings"] == ([] if confines else [told])
    assert resolve([app()], host(confines=confines), "mine", base)["warnings"] == []


def test_the_program_goes_with_the_last_app_of_the_host(base: str) -> None:
    gone = {"name": "public", "state": "absent"}
    other = managed("other", "theirs")
    for apps, last in [
        ([managed("public", "mine"), other], False),
        ([managed("public", "mine"), {**other, "site": ""}], True),
    ]:
        model = resolve([gone], host(apps=apps), "mine", base)
        assert ("/usr/local/sbin/wsgi-run" in [row["path"] for row in model["removed_paths"]]) == last
        assert (model["program_files"], model["program_directories"]) == ([], [])
    model = resolve([gone, app("other", server_names=["o.org"])], host(apps=[managed("public", "mine")]), "mine", base)
    assert "/usr/local/sbin/wsgi-run" not in [row["path"] for row in model["removed_paths"]]
    assert [row["path"] for row in model["program_files"]] == [
        "/usr/local/sbin/wsgi-run",
        "/usr/local/share/bash-completion/completions/wsgi-run",
        "/etc/palisade-mod_wsgi/apps/other.json",
    ]


def filled(model: dict[str, Any]) -> set[str]:
    certificates = {key: model["certificates"][key] for key in ("self_signed", "given", "acme", "absent")}
    return {key for key, rows in {**model, "certificates": any(certificates.values())}.items() if rows}


def test_absent(base: str) -> None:
    facts = host(apps=[managed("public", "mine")])
    model = resolve([{"name": "public", "state": "absent"}], facts, "mine", base)
    assert [row["path"] for row in model["removed_paths"]] == [
        "/var/www/public",
        "/var/lib/public-app/releases",
        "/var/lib/public-app/current",
        "/var/lib/public-app/environment",
        "/etc/palisade-mod_wsgi/apps/public.json",
        # It was the host's last app.
        "/usr/local/sbin/wsgi-run",
        "/usr/local/share/bash-completion/completions/wsgi-run",
        "/etc/palisade-mod_wsgi/apps",
    ]
    assert model["removed_accounts"] == []
    assert model["removed_services"] == [{"app": "public", "home": "/var/lib/public-app"}]
    assert [(row["app"], row["content"]) for row in model["site"]] == [("public", None)]
    assert filled(model) == {"site", "removed_paths", "removed_services", "writable_paths"}


def test_purge(base: str) -> None:
    facts = host(apps=[managed("public", "mine")])
    model = resolve([{"name": "public", "state": "absent", "purge": True}], facts, "mine", base)
    # The sysusers.d file is what the host knows of the app, so it goes last.
    assert [row["path"] for row in model["removed_paths"]][:4] == [
        "/var/www/public",
        "/var/lib/public-app",
        "/etc/sysusers.d/palisade-public-app.conf",
        "/etc/palisade-mod_wsgi/apps/public.json",
    ]
    assert model["removed_accounts"] == [{"app": "public", "name": "public-app", "group": "public-app"}]


@pytest.mark.parametrize("purge", [True, False])
def test_what_was_never_there_is_not_removed(purge: bool, base: str) -> None:
    # /var/www/html would be somebody's.
    gone = {"name": "html", "state": "absent", "purge": purge}
    model = resolve([gone], host(occupied=["/var/www/html"]), "mine", base)
    assert filled(model) == set()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": {"path": "missing"}}, "source: path: expected a directory on the controller, found nothing at "),
        (
            {"source": {"path": "public/requirements.txt"}},
            "source: path: expected a directory on the controller, found a file at ",
        ),
        ({"requirements": "missing.txt"}, "requirements: expected a file in "),
        ({"requirements": "."}, "requirements: expected a file inside the source"),
    ],
)
def test_sources_that_are_missing(fields: dict[str, Any], words: str, base: str) -> None:
    assert refusal([app(**fields)], base).startswith(f"app public: {words}")


def test_every_app_that_is_wrong_is_named(base: str) -> None:
    listed = [app(processes="x"), app(name="ok"), app(name="admin", threads=0)]
    told = refusal(listed, base).splitlines()
    assert [line.partition(":")[0] for line in told] == ["app public", "app admin"]
    with pytest.raises(PalisadeError) as caught:
        check_apps(listed)
    assert str(caught.value).splitlines() == told
    for bad in (None, "shop"):
        with pytest.raises(PalisadeError, match=r"^wsgi_apps: expected a list of apps, got "):
            check_apps(bad)


def test_sources_are_found(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", base)
    for place in ("public", "./public", f"{base}/public", "~/public", "admin/../public"):
        (row,) = resolve([app(source={"path": place})], host(), "mine", base)["releases"]
        assert row["source"] == {"path": f"{base}/public"}


def test_an_archive_is_on_the_controller_or_at_an_address(base: str, tmp_path: Path) -> None:
    (tmp_path / "public.zip").write_bytes(b"")
    (row,) = resolve([app(source={"archive": "public.zip"})], host(), "mine", base)["releases"]
    assert row["source"]["archive"] == f"{base}/public.zip"
    assert "expected a file on the controller" in refusal([app(source={"archive": "public"})], base)
    address = {"archive": "https://example.org/a.zip", "checksum": "sha256:" + "0" * 64}
    assert (
        resolve([app(source=address)], host(), "mine", base)["releases"][0]["source"]["archive"] == address["archive"]
    )


@pytest.mark.parametrize("field", [{"requirements": "requirements.txt"}, {"static": {"/static": "assets"}}])
def test_a_package_brings_its_own(field: dict[str, Any], base: str) -> None:
    assert "none beside a package" in refusal([app(source={"package": "demo==1.0"}, **field)], base)


def test_a_key_travels_apart(base: str) -> None:
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"
    source = {"git": {"repo": "git@example.org:shop.git", "version": "main", "key": key}}
    model = resolve([app(source=source)], host(), "mine", base)
    assert model.pop("source_secrets") == {"public": key}
    assert SECRET not in repr(model)


def test_a_deployment_is_of_apps_that_are_served(base: str) -> None:
    served = {"name": "public", "owner": "mine", "account": "public-app", "group": "public-app", "site": "/x.conf"}
    apps = [app(environment={"KEY": SECRET}), app(name="admin", server_names=["admin.example.org"])]
    model = resolve(apps, host(apps=[served]), "mine", base, deployed=["public"])
    assert [row["app"] for row in model["releases"]] == ["public"]
    rows = (*model["directories"], *model["files"], *model["unused_files"], *model["pools"])
    assert {row["app"] for row in rows} == {"public"}
    assert "/var/www/public" in {row["path"] for row in model["directories"]}
    assert {"path": "/var/www"} in model["root_only"]
    assert list(model["secrets"]) == ["/var/lib/public-app/environment"]
    assert "site" not in model
    for wanted, said in {
        (): "app admin: is not deployed on this host yet; run site.yml first",
        ("admin",): "app admin: is not deployed on this host yet",
        ("pubic",): "wsgi_apps_only: there is no app 'pubic', did you mean 'public'?; the list has public, admin",
    }.items():
        assert said in refusal(apps, base, host(apps=[served]), deployed=wanted)


def test_a_host_without_a_list(base: str) -> None:
    told = "wsgi_apps: expected a list of apps, got none; set it, as in group_vars/wsgi.yml"
    assert refusal(None, base) == told


@pytest.mark.parametrize("apps", ["public", {"public": {}}, 5])
def test_other_shapes_are_refused(apps: Any, base: str) -> None:
    assert refusal(apps, base) == f"wsgi_apps: expected a list of apps, got {type(apps).__name__}"


@pytest.mark.parametrize("owner", [None, "", " ", "a\nb", 5])
def test_owners_are_names(owner: Any, base: str) -> None:
    assert refusal([app()], base, owner=owner).startswith("wsgi_apps_owner: expected a name")


def test_no_apps(base: str) -> None:
    assert filled(resolve([], host(), "mine", base)) == set()


@pytest.mark.parametrize(
    ("addresses", "names", "refused"),
    [
        (["*:80"], ["public.example.org"], True),
        (["*:80"], ["other.org", "PUBLIC.example.org"], True),
        (["*"], ["http://public.example.org:80"], True),
        (["[::1]"], ["*.example.org"], True),
        (["192.0.2.1:*"], ["public.example.???"], True),
        (["*:443"], ["public.example.org"], False),
        (["*:443", "*:80"], ["public.example.org"], True),
        (["*:80"], ["example.org", "x.public.example.org"], False),
        (["*:80"], [], False),
    ],
)
def test_a_name_that_a_site_of_others_answers(base: str, addresses: list[str], names: list[str], refused: bool) -> None:
    site = {"addresses": addresses, "server_names": names, "file": "/etc/apache2/sites-enabled/by-hand.conf", "line": 1}
    facts = host(virtual_hosts=[site])
    if not refused:
        assert resolve([app()], facts, "mine", base)["site"]
        return
    with pytest.raises(PalisadeError, match=r"app public: server name public\.example\.org .*/by-hand\.conf"):
        resolve([app()], facts, "mine", base)
    # Its own site, from an earlier play.
    site["file"] = "/etc/apache2/sites-enabled/zz-palisade-public.conf"
    assert resolve([app()], facts, "mine", base)["site"]


def test_an_absent_app_is_removed_with_the_account_that_it_has(base: str) -> None:
    facts = host(apps=[managed("public", "mine", account="odd", group="staffers")])
    model = resolve([{"name": "public", "state": "absent", "purge": True}], facts, "mine", base)
    assert model["removed_accounts"] == [{"app": "public", "name": "odd", "group": "staffers"}]
    assert {"app": "public", "path": "/var/lib/odd"} in model["removed_paths"]
    with pytest.raises(PalisadeError, match="account and group are odd and staffers on this host"):
        resolve([{"name": "public", "account": "other", "state": "absent"}], facts, "mine", base)


def shared(name: str, mount: str, **fields: Any) -> dict[str, Any]:
    return app(name, server_names=["a.org", "b.org"], mount=mount, **fields)


def test_apps_of_one_host_share_a_file_named_by_the_shortest_mount(base: str) -> None:
    apps = [shared("public", "/a/b"), shared("admin", "/"), shared("api", "/a"), app("other")]
    model = resolve(apps, host(), "mine", base)
    both = {row["path"].rpartition("/")[2]: row["app"] for row in model["site"]}
    assert both == {"zz-palisade-admin.conf": "public, admin, api", "zz-palisade-other.conf": "other"}
    logs = {pool["app"]: pool["error_log"].rpartition("/")[2] for pool in model["pools"]}
    assert logs["public"] == logs["admin"] == logs["api"] == "wsgi-admin-error.log"


def test_a_host_that_is_named_anew_leaves_no_file(base: str) -> None:
    site = "/etc/apache2/sites-available/zz-palisade-admin.conf"
    found = [
        managed(name, "mine", server_names=["a.org"], mount=mount, site=site)
        for name, mount in (("admin", "/"), ("api", "/a"))
    ]
    left = [{"name": "admin", "state": "absent"}, app("api", server_names=["a.org"], mount="/a")]
    rows = {row["path"]: row["content"] for row in resolve(left, host(apps=found), "mine", base)["site"]}
    assert rows.pop(site) is None
    (content,) = rows.values()
    assert "WSGIScriptAlias /a " in content
    assert list(rows) == ["/etc/apache2/sites-available/zz-palisade-api.conf"]


def test_an_app_in_the_same_file_must_be_listed(base: str) -> None:
    site = "/etc/apache2/sites-available/zz-palisade-admin.conf"
    found = [managed(name, "mine", server_names=["a.org"], mount=f"/{name}", site=site) for name in ("admin", "api")]
    moved = app("admin", server_names=["elsewhere.org"])
    assert "app admin: shares a virtual host on this host with app api" in refusal([moved], base, host(apps=found))


def test_static_directories(base: str, tmp_path: Path) -> None:
    (tmp_path / "public" / "assets").mkdir()
    model = resolve([app(static={"/static": "assets"})], host(), "mine", base)
    assert model["releases"][0]["served"] == {"account": "www-data", "directories": ["assets"]}
    acls = {row["path"]: row["acl"] for row in model["directories"] if "acl" in row}
    through = {"/var/lib/public-app": {"www-data": "x"}, "/var/lib/public-app/releases": {"www-data": "x"}}
    assert acls == {"/var/www/public": {}, **through}
    bare = resolve([app()], host(), "mine", base)["directories"]
    assert [row["acl"] for row in bare if "acl" in row] == [{}, {}, {}]
    assert "static: expected a directory in" in refusal([app(static={"/static": "missing"})], base)
    made = app(static={"/static": "missing"}, build=["npm 'run it'"], build_network=True)
    (row,) = resolve([made], host(), "mine", base)["releases"]
    assert (row["build"], row["build_network"]) == ([["npm", "run it"]], True)


def test_permissions_on_files_of_others(base: str) -> None:
    acls = [{"path": "/srv/media", "permissions": "xr"}]
    found = managed("public", "mine", acls=["/srv/media", "/srv/old"])
    model = resolve([app(acls=acls)], host(apps=[found]), "mine", base)
    assert model["grants"] == [{"app": "public", "path": "/srv/media", "account": "public-app", "permissions": "rx"}]
    assert model["revoked"] == [{"app": "public", "path": "/srv/old", "account": "public-app"}]
    gone = resolve([{"name": "public", "state": "absent"}], host(apps=[found]), "mine", base)
    assert [row["path"] for row in gone["revoked"]] == ["/srv/media", "/srv/old"]
    theirs = app(acls=[{"path": "/var/lib/shop-app/data", "permissions": "r"}])
    assert "/var/lib/shop-app/data belongs to app shop" in refusal([theirs], base, host(apps=[managed()]))


def test_certificates(base: str) -> None:
    given = {"certificate": "/etc/ssl/a.pem", "key": "/etc/ssl/a.key"}
    apps = [
        app("public", tls={"self_signed": True}),
        app("admin", tls=given, supplementary_groups=["ssl-cert"]),
        app("api", tls={"acme": True}),
    ]
    found = [managed("api", "mine", tls="self_signed"), managed("public", "mine", tls="self_signed")]
    certificates = resolve(apps, host(apps=found), "mine", base)["certificates"]
    names = ["public.example.org"]
    assert certificates["self_signed"] == [{"app": "public", "name": names[0], "server_names": names}]
    assert certificates["given"] == [{"app": "admin", "server_names": ["admin.example.org"], **given}]
    assert certificates["acme"] == [{"app": "api", "server_names": ["api.example.org"]}]
    assert certificates["absent"] == [{"app": "api", "name": "api.example.org"}]
    # What a killed play left goes with the next one, whosever it was; what is about to be used stays.
    left = host(apps=found, unused_certificates=["left.test", names[0], "api.example.org"])
    assert resolve(apps, left, "mine", base)["certificates"]["absent"] == [
        {"app": "", "name": "left.test"},
        {"app": "api", "name": "api.example.org"},
    ]
    assert {"ssl-cert", "admin-app"} <= set(certificates["groups"])


@pytest.mark.parametrize(
    ("fields", "modules", "missing"),
    [
        ({}, [], "headers"),
        ({"tls": {"self_signed": True}}, ["headers"], "ssl"),
        ({"tls": {"acme": True}}, ["headers", "ssl"], "md"),
    ],
)
def test_a_module_that_is_missing(fields: dict[str, Any], modules: list[str], missing: str, base: str) -> None:
    facts = host(apache={"modules": modules})
    assert f"app public: needs the module {missing} in the host's Apache" in refusal([app(**fields)], base, facts)
    # In a check run the server role has only said what it would do.
    assert resolve([app(**fields)], facts, "mine", base, server_required=False)["site"]


def test_adopting(base: str) -> None:
    site = {"file": "/etc/apache2/sites-enabled/old.conf", "line": 1}
    facts = host(
        accounts=["public-app"],
        groups=["public-app"],
        occupied=["/var/lib/public-app"],
        pools_declared=[{"name": "Public", **site}],
        virtual_hosts=[{"addresses": ["*:80"], "server_names": ["public.example.org"], **site}],
    )
    assert "set adopt: true" in refusal([app()], base, facts)
    assert "name is already taken by a pool" in refusal([app(adopt=True)], base, facts)
    facts["pools_declared"] = []
    assert "list the file in the app's field replaces" in refusal([app(adopt=True)], base, facts)
    model = resolve([app(adopt=True, replaces=["old.conf"])], facts, "mine", base)
    assert {"app": "public", "path": site["file"], "link": "", "content": None} in model["site"]
    assert [row["adopt"] for row in model["accounts"]] == [True]
    facts["unlinked_sites"] = [site["file"]]
    words = "replaces: expected a link, but /etc/apache2/sites-enabled/old.conf is the file itself; move it to"
    assert words in refusal([app(adopt=True, replaces=["old.conf"])], base, facts)
    # What runs already as this account, whatever its group, goes on.
    acls = {row["path"]: row["acl"] for row in model["directories"] if "acl" in row}
    by_name = {"/var/lib/public-app": {"public-app": "rx"}, "/var/lib/public-app/releases": {}}
    assert acls == {"/var/www/public": {}, **by_name}


@pytest.mark.parametrize(
    ("addresses", "tls", "clash"),
    [(["*:443"], False, False), (["*:443"], True, True), (["192.0.2.1:80"], True, True), (["*:8080"], True, False)],
)
def test_a_site_of_others_on_the_ports_of_an_app(addresses: list[str], tls: bool, clash: bool, base: str) -> None:
    site = {"file": "/x", "line": 1, "addresses": addresses, "server_names": ["public.example.org"]}
    fields = app(tls={"self_signed": True} if tls else None)
    if clash:
        assert "already taken by a site in /x" in refusal([fields], base, host(virtual_hosts=[site]))
    else:
        assert resolve([fields], host(virtual_hosts=[site]), "mine", base)["site"]


def test_warnings_are_told(base: str) -> None:
    (text,) = resolve([app(daemon_process={"umask": "0022"})], host(), "mine", base)["warnings"]
    assert text.startswith("app public: daemon_process: umask")


def test_everything_above_an_app_is_for_root_alone(base: str) -> None:
    model = resolve([app(), app("admin")], host(), "mine", base)
    ours = {row["path"] for row in (*model["directories"], *model["files"])}
    above = {str(parent) for path in ours for parent in Path(path).parents} - ours
    assert {row["path"] for row in model["root_only"]} == above


def test_who_checks_the_owner_is_told_once_what_it_costs(base: str) -> None:
    checks: dict[str, Any] = {"daemon_process": {"script-user": "root"}}
    apps = [app(**checks), app("admin"), app("api", daemon_process={"script-group": "root"})]
    facts = host(apache={"modules": ["headers"], "mpm": "event"})
    model = resolve(apps, facts, "mine", base)
    (text,) = model["warnings"]
    assert text.startswith("apps public, api: daemon_process: script-user or script-group: ")
    assert "event MPM" in text
    assert [" script-user=root " in row["content"] for row in model["site"]] == [True, False, False]
    assert [" script-group=root " in row["content"] for row in model["site"]] == [False, False, True]
    bare = {"mod_wsgi": None, "apache": None}
    (text,) = resolve([app(**checks)], host(**bare), "mine", base, server_required=False)["warnings"]
    assert "as in the MPMs event and worker" in text
    assert resolve([app()], facts, "mine", base)["warnings"] == []


def test_the_way_of_an_old_site_s_data(base: str) -> None:
    given = app(
        writable=["db", "media"],
        data_from={"db/db.sqlite3": "/srv/shop/db.sqlite3", "media": "/srv/shop/media"},
        replaces=["shop.conf"],
        tls={"self_signed": True},
    )
    model = resolve([given, app("other", source={"path": "public"})], host(), "mine", base)
    (row,) = model["data"]
    closed = row["site"].pop("closed")
    assert row == {
        "app": "public",
        "owner": "public-app",
        "group": "public-app",
        "marker": "/var/lib/public-app/data-on-its-way",
        "copies": [
            {"path": "/var/lib/public-app/data/db/db.sqlite3", "source": "/srv/shop/db.sqlite3", "directory": False},
            {"path": "/var/lib/public-app/data/media", "source": "/srv/shop/media", "directory": True},
        ],
        "site": {
            "path": "/etc/apache2/sites-available/zz-palisade-public.conf",
            "link": "/etc/apache2/sites-enabled/zz-palisade-public.conf",
        },
        "replaced": ["/etc/apache2/sites-enabled/shop.conf"],
    }
    # A closed site speaks TLS as the open one does, and has nothing that could run.
    assert closed.count("ServerName public.example.org") == 2
    assert "SSLEngine On" in closed
    assert "Redirect 503 /" in closed
    assert not re.search("^ *(WSGI|Alias|Redirect permanent .*443)", closed.partition("*:443")[2], re.MULTILINE)
    # SQLite writes beside its file, and the old site may be gone back to.
    paths = [row["path"] for row in model["writable_paths"] if row["app"] == "public"]
    assert paths == ["/var/lib/public-app/data", "/srv/shop", "/srv/shop/media"]


def test_data_of_another_app_is_not_taken(base: str) -> None:
    given = app(writable=["db"], data_from={"db": "/var/lib/shop-app/data/db"})
    with pytest.raises(PalisadeError, match=r"app public: data_from: db: .*belongs to app shop of the list 'theirs'"):
        resolve([given], host(apps=[managed("shop")]), "mine", base)
