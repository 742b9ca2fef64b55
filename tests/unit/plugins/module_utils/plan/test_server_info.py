"""What a host is asked before anything changes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, REDHAT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.server import Configuration
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan import server_info
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.server_info import (
    _unlinked_sites,
    _unused_certificates,
    digest,
)


def test_a_site_that_is_no_link(tmp_path: Path) -> None:
    layout = dataclasses.replace(DEBIAN, site_links=str(tmp_path / "sites-enabled"))
    assert _unlinked_sites(layout) == []
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-enabled" / "linked.conf").symlink_to("../sites-available/linked.conf")
    (tmp_path / "sites-enabled" / "plain.conf").touch()
    assert _unlinked_sites(layout) == [str(tmp_path / "sites-enabled" / "plain.conf")]
    assert _unlinked_sites(REDHAT) == []


def test_certificates_that_no_site_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = dataclasses.replace(DEBIAN, root=str(tmp_path / "apache2"))
    tls = tmp_path / "tls"
    monkeypatch.setattr(server_info, "TLS_DIRECTORY", str(tls))
    assert _unused_certificates(layout) == []
    tls.mkdir()
    for name in ("default", "shop.test", "op.test", "left.test"):
        (tls / f"{name}.crt").touch()
        (tls / f"{name}.key").touch()
    (tls / ".new-1").mkdir()
    assert _unused_certificates(layout) == ["default", "left.test", "op.test", "shop.test"]
    sites = tmp_path / "apache2/sites-available"
    sites.mkdir(parents=True)
    (sites / "shop.conf").write_text(f"SSLCertificateFile {tls}/shop.test.crt\n")
    # Somebody's own site may use one too, in a file of any name.
    (tmp_path / "apache2/own").write_bytes(b"\xff" + f'SSLCertificateFile "{tls}/default.crt"\n'.encode())
    (tmp_path / "apache2/gone").symlink_to("nowhere")
    assert _unused_certificates(layout) == ["left.test", "op.test"]


@pytest.mark.parametrize(
    ("said", "container", "expected"),
    [
        ("4915\n", "2048\n", 2048),
        ("4915\n", "max\n", 4915),
        ("infinity\n", "max\n", None),
        ("18446744073709551615", "", None),
    ],
)
def test_how_many_tasks_the_unit_may_have(tmp_path: Path, said: str, container: str, expected: int | None) -> None:
    (tmp_path / "pids.max").write_text(container)
    assert server_info.tasks_max("apache2", lambda *_words: said, str(tmp_path)) == expected


def test_a_host_without_systemd_has_no_bound_of_tasks(tmp_path: Path) -> None:
    def missing(*_words: Any, **_more: Any) -> str:
        raise PalisadeError("systemctl: not found")

    assert server_info.tasks_max("apache2", missing, str(tmp_path)) is None


def test_the_facts_of_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = dataclasses.replace(DEBIAN, binary=str(tmp_path / "apache2"), site_files=f"{tmp_path}/none")
    found = Configuration("a line is wrong", ["mpm_event", "wsgi"], [{"name": "shop"}], [{"name": "shop.test"}])
    monkeypatch.setattr(server_info, "host_layout", lambda: layout)
    monkeypatch.setattr(server_info, "read_os_release", lambda: {"ID": "debian", "VERSION_ID": "13", "NAME": "x"})
    monkeypatch.setattr(server_info, "managed_apps", lambda layout: [])
    monkeypatch.setattr(server_info, "_occupied", lambda: ["/var/www/html"])
    monkeypatch.setattr(server_info, "_default_site", lambda layout, run: "/default")
    monkeypatch.setattr(server_info, "apache_parent", lambda binary: 7)
    monkeypatch.setattr(server_info, "live_pools", lambda binary, pools: [{**pool, "processes": []} for pool in pools])
    monkeypatch.setattr(server, "interpreter_facts", lambda python, run: {"path": python})
    monkeypatch.setattr(server, "read_configuration", lambda layout, run: found)
    monkeypatch.setattr(server, "version", lambda layout, run: "2.4.65")
    monkeypatch.setattr(server, "enabled_mod_wsgi", lambda layout: {"version": "5.0.2"})
    bare: dict[str, Any] = {
        "layout": layout.as_dict(),
        "apache": None,
        "mod_wsgi": None,
        "python": {"path": "/usr/bin/python3"},
        "pools_declared": [],
        "pools_live": [],
        "virtual_hosts": [],
        "apps": [],
        "accounts": [line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()],
        "groups": [line.split(":")[0] for line in Path("/etc/group").read_text().splitlines()],
        "occupied": ["/var/www/html"],
        "unlinked_sites": [],
        "unused_certificates": [],
        "default_site": "",
        "openssl": "3.5.1",
        "distribution": {"id": "debian", "version": "13"},
        "tasks_max": 4915,
        "confines": False,
    }
    monkeypatch.setattr(server_info, "may_confine", lambda: False)
    monkeypatch.setattr(server_info, "tasks_max", lambda unit, run: 4915 if unit == "apache2" else None)

    def run(arguments: Sequence[str], environment: Any = None, data: str | None = None) -> str:
        assert list(arguments) == ["openssl", "version"]
        return "OpenSSL 3.5.1 1 Jul 2025\n"

    assert server_info.server_info("/usr/bin/python3", run) == bare
    (tmp_path / "apache2").touch()
    assert server_info.server_info("/usr/bin/python3", run) == {
        **bare,
        "apache": {
            "version": "2.4.65",
            "mpm": "event",
            "modules": ["mpm_event", "wsgi"],
            "configuration_error": "a line is wrong",
            "pid": 7,
        },
        "mod_wsgi": {"version": "5.0.2"},
        "default_site": "/default",
        "pools_declared": [{"name": "shop"}],
        "pools_live": [{"name": "shop", "processes": []}],
        "virtual_hosts": [{"name": "shop.test"}],
    }


@pytest.mark.parametrize("said", ["", "OpenSSL", None])
def test_a_host_without_openssl(said: str | None) -> None:
    def run(*_words: Any, **_more: Any) -> str:
        if said is None:
            raise PalisadeError("not found")
        return said

    assert server_info._openssl(run) == ""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [("", True), ("content", False), ("link", False), ("file", False), ("family", False), ("dpkg", False)],
)
def test_the_default_site_is_the_packaged_one(changed: str, expected: bool, tmp_path: Path) -> None:
    """Whoever has changed it has made a site of it."""
    layout = dataclasses.replace(DEBIAN, site_files=f"{tmp_path}/available", site_links=f"{tmp_path}/enabled")
    file, link = tmp_path / "available/000-default.conf", tmp_path / "enabled/000-default.conf"
    for path in (file, link):
        path.parent.mkdir()
    file.write_text("packaged\n")
    other = file.with_name("other.conf")
    other.write_text("packaged\n")
    link.symlink_to(other if changed == "link" else file)
    digest = hashlib.md5(b"packaged\n").hexdigest()
    if changed == "content":
        file.write_text("theirs\n")
    if changed == "file":
        link.unlink()
        link.write_text("packaged\n")
    if changed == "family":
        layout = dataclasses.replace(layout, family="RedHat")

    def run(arguments: Sequence[str], environment: Any = None, data: str | None = None) -> str:
        assert list(arguments) == ["dpkg-query", "--show", "--showformat", "${Conffiles}", "apache2"]
        if changed == "dpkg":
            raise PalisadeError("not installed")
        return f"\n /etc/other.conf {'0' * 32}\n {file} {digest}\n"

    assert server_info._default_site(layout, run) == (str(link) if expected else "")


@pytest.mark.parametrize(("first", "second", "expected"), [("7", "9", 7), ("max", "9", 9), (None, "9", 9)])
def test_the_bound_of_a_container_of_either_kind(first: str | None, second: str, expected: int, tmp_path: Path) -> None:
    if first is not None:
        (tmp_path / "pids.max").write_text(f"{first}\n")
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids/pids.max").write_text(f"{second}\n")
    asked: list[list[str]] = []

    def run(arguments: Sequence[str], environment: Any = None, data: str | None = None) -> str:
        asked.append(list(arguments))
        return f"{2**32}\n"

    assert server_info.tasks_max("httpd", run, str(tmp_path)) == expected
    assert asked == [["systemctl", "show", "--property", "TasksMax", "--value", "httpd"]]


def test_what_lies_where_homes_of_apps_do(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"/var/lib": ["b", "a"]}
    monkeypatch.setattr(os.path, "isdir", lambda path: path in there)
    monkeypatch.setattr(os, "listdir", lambda path: there[path])
    assert server_info._occupied() == ["/var/lib/a", "/var/lib/b"]
    there["/var/www"] = ["html"]
    assert server_info._occupied() == ["/var/lib/a", "/var/lib/b", "/var/www/html"]


def test_a_digest_is_of_the_host_and_not_of_its_processes() -> None:
    facts: dict[str, Any] = {"apps": [], "apache": {"version": "2.4", "pid": 7}, "pools_live": [{"name": "shop"}]}
    same = digest(facts)
    assert digest({**facts, "apache": {"version": "2.4", "pid": 8}, "pools_live": []}) == same
    changes: list[dict[str, Any]] = [{"apps": [{"name": "shop"}]}, {"apache": {"version": "2.5", "pid": 7}}]
    for change in [*changes, {"apache": None}]:
        assert digest({**facts, **change}) != same
