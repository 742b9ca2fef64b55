"""The apps that plays put on a host, read from what they left there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan import managed_apps
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.resolve import resolve
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.files import sysusers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.virtual_host import virtual_host
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host, managed


def test_what_one_play_writes_the_next_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = dataclasses.replace(DEBIAN, site_files=str(tmp_path / "sites"))
    monkeypatch.setattr(managed_apps, "SYSUSERS_DIRECTORY", str(tmp_path / "sysusers.d"))
    assert managed_apps.managed_apps(layout) == []
    (tmp_path / "sites").mkdir()
    (tmp_path / "sysusers.d").mkdir()
    public, stopped = (check_app(app(name, mount="/x"), 0, None) for name in ("public", "stopped"))
    (tmp_path / "sysusers.d" / "palisade-public-app.conf").write_text(sysusers(public, "shop"))
    (tmp_path / "sysusers.d" / "palisade-stopped-app.conf").write_text(sysusers(stopped, "team/shop"))
    (tmp_path / "sysusers.d" / "other.conf").write_text("u other - -\n")
    (tmp_path / "sysusers.d" / "palisade-broken.conf").write_text("# palisade.mod_wsgi: {\n")
    (tmp_path / "sites" / "zz-palisade-public.conf").write_text(virtual_host([public], None, DEBIAN.as_dict()))
    (tmp_path / "sites" / "by-hand.conf").write_bytes(b"\xff")
    assert managed_apps.managed_apps(layout) == [
        managed("public", "shop", mount="/x", site=str(tmp_path / "sites" / "zz-palisade-public.conf")),
        managed("stopped", "team/shop", chosen=True, mount="", server_names=[], site=""),
    ]
    (tmp_path / "public").mkdir()
    facts = host(apps=managed_apps.managed_apps(layout), occupied=["/var/www/public", "/var/lib/public-app"])
    assert resolve([app()], facts, "shop", str(tmp_path))["site"]


def built(home: Path, origin: str | None = None, *code: str) -> None:
    """Make a release that is current, as the versions of this collection leave it."""
    place = home / "releases" / "r1"
    (place / "code").mkdir(parents=True)
    for name in code:
        (place / "code" / name).touch()
    told = {"app": "shop", "release": "r1", **({} if origin is None else {"origin": origin})}
    (place / "release.json").write_text(json.dumps(told))
    (home / "current").symlink_to("releases/r1")


@pytest.mark.parametrize(
    ("made", "source"),
    [
        (("", "shop.py"), "controller"),
        # The first version noted no origin, and took directories only.
        ((None, "shop.py"), "controller"),
        (("0a1b", "shop.py"), "network"),
        (("0a1b",), "package"),
        (None, ""),
    ],
)
def test_what_a_release_tells_of_its_source(
    made: tuple[Any, ...] | None, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(App, "home", str(tmp_path))
    if made is not None:
        built(tmp_path, *made)
    found = check_app(app("shop"), 0, None)
    assert managed_apps._source_of(found) == source


@pytest.mark.parametrize("what", ["releases/r1/release.json", "releases/r1/code", "releases", "current"])
def test_a_release_that_tells_nothing(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "home", str(tmp_path))
    built(tmp_path, "", "shop.py")
    (tmp_path / what).rename(tmp_path / "away")
    assert managed_apps._source_of(check_app(app("shop"), 0, None)) == ""
    if what.endswith("json"):
        (tmp_path / what).write_text("{")
        assert managed_apps._source_of(check_app(app("shop"), 0, None)) == ""


def test_the_data_of_apps_that_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    apps = [managed("public"), managed("away", server_names=[]), managed("blog", account="writer")]
    monkeypatch.setattr(managed_apps, "managed_apps", lambda layout: apps)
    assert managed_apps.data_of_served_apps(DEBIAN) == {
        "public": "/var/lib/public-app/data",
        "blog": "/var/lib/writer/data",
    }
