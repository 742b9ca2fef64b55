"""The files around pools, as the audit tells of them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import files, look
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.files import file_facts
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors import test_look
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.disk import (
    SHOP,
    paths,
    put,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import facts, process
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

host = test_look.host


@needs_root
def test_the_whole_of_it_on_facts(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = f"{host}/lib/shop/data"
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name="shop-app", pw_dir=f"{host}/lib/shop"))
    config = f"""\
Listen 80
ErrorLog {host}/log/error.log
<VirtualHost *:80>
  ServerName shop.test
  WSGIDaemonProcess shop user=shop-app home={host}/lib/shop/code python-home={host}/lib/shop/venv
  WSGIScriptAlias / {host}/www/shop/wsgi.py
  WSGIProcessGroup shop
  Alias /media {host}/lib/shop/data
</VirtualHost>
"""
    rows = [{"what": "open file", "path": f"/tmp/{name}"} for name in ("a", "b")]
    monkeypatch.setattr(files, "_temporary", lambda pid: rows[: pid - 6])
    mounts = {os.getpid(): [(data, "/", "noexec")]}
    monkeypatch.setattr(files, "_mounts", lambda pid: mounts.get(pid, []))
    one = facts(config, live={"shop": [process(uid=SHOP, pid=pid) for pid in (7, 8)]}, access={})
    one.instance.pid = None
    one.instance.config_file = str(put(host / "apache2.conf", mode=0o666))
    found = file_facts(one)
    assert [row["path"] for row in found.pools["shop"].data] == [data]
    # The mounts are those that the audit itself sees where no Apache runs.
    assert found.executable == {"shop": []}
    # Two processes with the same file.
    assert found.temporary == {"shop": rows}
    assert one.access["shop"].unknown == ""
    assert one.access["shop"].writable == []
    assert found.pools["shop"].served[data] == [data]
    assert found.others is not None
    assert paths(found.others.watched, host) == ["apache2.conf"]
    assert found.logs == [{"path": f"{host}/log/error.log", "pools": []}]
    assert found.packages[f"{host}/lib/shop/venv"]["system"] is False


def test_who_may_not_become_another_account_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(groups: list[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setgroups", refused)
    monkeypatch.setattr(look, "_WIDE", ())
    one = facts("WSGIDaemonProcess shop home=/srv/shop", access={})
    one.instance.pid = None
    found = file_facts(one)
    assert "could not look as uid 990" in found.pools["shop"].unknown
    assert "could not look as uid 990" in one.access["shop"].unknown


@needs_root
def test_a_pool_in_a_root_of_its_own_is_unknown(host: Path) -> None:
    one = facts("WSGIDaemonProcess shop chroot=/srv/jail home=/code", access={})
    one.instance.pid = None
    found = file_facts(one)
    assert (
        one.access["shop"].unknown == found.pools["shop"].unknown == "chroot= is set, so its files were not looked at"
    )


def test_an_apache_that_has_ended_is_unknown() -> None:
    one = facts(access={})
    one.instance.pid = 2**22 + 1
    found = file_facts(one)
    assert found.unknown["everything"].startswith("could not read files")
    assert one.access["shop"].unknown == found.pools["shop"].unknown == found.unknown["everything"]


def test_open_files_in_tmp_are_found_unless_they_have_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "EVERYBODYS", (str(tmp_path),))
    named, gone = tmp_path / "cache.db", tmp_path / "gone.db"
    with named.open("w"), gone.open("w"):
        gone.unlink()
        found = list(files._temporary(os.getpid()))
    assert found == [{"what": "open file", "path": str(named)}]
    assert list(files._temporary(2**22 + 1)) == []


def test_the_mount_that_counts_is_the_innermost_and_the_last() -> None:
    mounts = [
        ("/", "/", "rw"),
        ("/data", "/", "rw,noexec"),
        ("/data/in", "/", "rw"),
        ("/over", "/", "noexec"),
        ("/over", "/", "rw"),
    ]
    assert [files._noexec(mounts, path) for path in ("/x", "/data/x", "/database", "/data/in/x", "/over/x")] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert files._mounts(os.getpid())


@pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "TMP"])
def test_variables_that_lead_to_a_directory_for_everybody(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "read_paths", lambda _path: f"HOME=/tmp\0{name}=/var/tmp/x\0TMPX=/tmp\0ODD")
    monkeypatch.setattr(os, "listdir", lambda _path: [])
    assert list(files._temporary(7)) == [{"what": name, "path": "/var/tmp/x"}]
    monkeypatch.setattr(files, "read_paths", lambda _path: f"{name}=/srv/tmp")
    assert list(files._temporary(7)) == []


def test_mounts_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "1 0 8:1 / / rw - ext4 x rw\n2 1 8:1 /a /my\\040data rw,noexec - ext4 x rw\nshort\n"
    monkeypatch.setattr(files, "read_paths", lambda _path: text)
    assert files._mounts(7) == [("/", "/", "rw"), ("/my data", "/a", "rw,noexec")]
    assert files._noexec([], "/x") is False
