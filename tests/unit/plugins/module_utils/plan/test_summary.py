"""What people read of a plan: a line for each app, in the order of the alphabet, then those of the host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.summary import Summary, owners_of

PATHS = ("directories", "program_directories", "program_files", "grants", "revoked", "files", "unused_files")


def model(**rows: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {name: [] for name in (*PATHS, "service_files", "site")}
    return {**nothing, "certificates": {"self_signed": []}, **rows}


@pytest.mark.parametrize(
    ("number", "expected"), [(1, "shop: 1 directory"), (2, "shop: 2 directories"), (11, "shop: 11 directories")]
)
def test_numbers(number: int, expected: str) -> None:
    told = Summary()
    told.count("shop", "directory", number)
    assert told.lines() == [expected]


def test_lines_are_in_order_and_repeat_nothing() -> None:
    told = Summary()
    told.effect("Apache", "reloads")
    told.effect("Apache", "reloads")
    told.add("host", "account wsgi-deploy")
    for app in ("shop", "blog"):
        told.count(app, "file")
        told.add(app, "new release")
        told.add(app, "new release")
        told.count(app, "file")
    told.effect("blog", "pool restarts")
    assert told.lines() == [
        "blog: 2 files, new release; pool restarts",
        "shop: 2 files, new release",
        "host: account wsgi-deploy",
        "Apache: reloads",
    ]


def test_paths_are_called_what_they_are() -> None:
    row = {"app": "shop"}
    site = {"app": "shop, blog", "path": "/s.conf", "link": "/l.conf"}
    told = Summary(
        owners_of(
            model(
                directories=[{**row, "path": "/d"}],
                grants=[{**row, "path": "/d"}, {**row, "path": "/g"}],
                program_files=[{"path": "/p"}],
                service_files=[{**row, "path": "/etc/systemd/system/wsgi-shop-a.timer"}, {**row, "path": "/e"}],
                site=[site],
                certificates={"self_signed": [{**row, "name": "a.example"}]},
            )
        )
    )
    paths = ["/d", "/g", "/p", "/etc/systemd/system/wsgi-shop-a.timer", "/e", "/s.conf", "/l.conf", "/unknown"]
    assert told.paths([{"path": path} for path in [*paths, "/etc/palisade-mod_wsgi/tls/a.example.key"]])
    assert told.lines() == [
        "shop: 1 directory, 1 permission, 1 unit, 1 file, 1 certificate file",
        "shop, blog: 1 virtual host, 1 link",
        "host: 2 files",
    ]
    assert not told.paths([])
