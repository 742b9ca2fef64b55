"""What a host is asked before anything changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _server_info
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._apache_layout import DEBIAN, REDHAT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._app import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._model import resolve
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._render import sysusers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._server_info import _unlinked_sites, managed_apps
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._virtual_host import virtual_host
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host, managed


def test_what_one_play_writes_the_next_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = dataclasses.replace(DEBIAN, site_files=str(tmp_path / "sites"))
    monkeypatch.setattr(_server_info, "SYSUSERS_DIRECTORY", str(tmp_path / "sysusers.d"))
    assert managed_apps(layout) == []
    (tmp_path / "sites").mkdir()
    (tmp_path / "sysusers.d").mkdir()
    public, stopped = (check_app(app(name, mount="/x"), 0, None) for name in ("public", "stopped"))
    (tmp_path / "sysusers.d" / "palisade-public-app.conf").write_text(sysusers(public, "shop"))
    (tmp_path / "sysusers.d" / "palisade-stopped-app.conf").write_text(sysusers(stopped, "shop"))
    (tmp_path / "sysusers.d" / "other.conf").write_text("u other - -\n")
    (tmp_path / "sysusers.d" / "palisade-broken.conf").write_text("# palisade.mod_wsgi: {\n")
    (tmp_path / "sites" / "zz-palisade-public.conf").write_text(virtual_host([public], None, DEBIAN.as_dict()))
    (tmp_path / "sites" / "by-hand.conf").write_bytes(b"\xff")
    assert managed_apps(layout) == [
        managed("public", "shop", mount="/x", site=str(tmp_path / "sites" / "zz-palisade-public.conf")),
        managed("stopped", "shop", mount="", server_names=[], site=""),
    ]
    (tmp_path / "public").mkdir()
    facts = host(apps=managed_apps(layout), occupied=["/var/www/public", "/var/lib/public-app"])
    assert resolve([app()], facts, "shop", str(tmp_path))["site"]


def test_a_site_that_is_no_link(tmp_path: Path) -> None:
    layout = dataclasses.replace(DEBIAN, site_links=str(tmp_path / "sites-enabled"))
    assert _unlinked_sites(layout) == []
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-enabled" / "linked.conf").symlink_to("../sites-available/linked.conf")
    (tmp_path / "sites-enabled" / "plain.conf").touch()
    assert _unlinked_sites(layout) == [str(tmp_path / "sites-enabled" / "plain.conf")]
    assert _unlinked_sites(REDHAT) == []
