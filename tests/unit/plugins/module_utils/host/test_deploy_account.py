"""The account for deployments: made once, of its own, and no app's."""

from __future__ import annotations

import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import accounts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.deploy_account import (
    deploy_account_is_there,
    ensure_deploy_account,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import record
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan import managed_apps
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

NAME = "palisade-test"


class Host:
    """Notes the commands; systemd-sysusers itself is for the scenarios."""

    def __init__(self, place: Path) -> None:
        self.file = place / f"palisade-{NAME}.conf"
        self.commands: list[list[str]] = []

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        self.commands.append(list(arguments))
        return ""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for module in (accounts, managed_apps):
        monkeypatch.setattr(module, "SYSUSERS_DIRECTORY", str(tmp_path))
    return Host(tmp_path)


def exists(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    values = {"pw_name": NAME, "pw_uid": 990, "pw_gid": 990, "pw_dir": "/nonexistent", "pw_shell": "/usr/sbin/nologin"}
    order = ("pw_name", "pw_passwd", "pw_uid", "pw_gid", "pw_gecos", "pw_dir", "pw_shell")
    entry = pwd.struct_passwd(tuple({"pw_passwd": "x", "pw_gecos": "", **values, **fields}[name] for name in order))
    real = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry if name == NAME else real(name))


@needs_root
def test_it_is_made(target: Host) -> None:
    planned = ensure_deploy_account(NAME, target.run, check=True)
    assert not target.file.exists()
    assert not target.commands
    assert ensure_deploy_account(NAME, target.run, check=False) == planned
    assert target.commands == [["systemd-sysusers", str(target.file)]]
    assert target.file.read_text().splitlines()[1:] == [
        f'u {NAME} - "Deployments of WSGI applications" /nonexistent /usr/sbin/nologin'
    ]
    assert not deploy_account_is_there(NAME)


@needs_root
def test_it_is_no_app(target: Host) -> None:
    ensure_deploy_account(NAME, target.run, check=False)
    assert managed_apps.managed_apps(DEBIAN) == []


@needs_root
def test_it_stays_locked(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_deploy_account(NAME, target.run, check=False)
    target.commands.clear()
    exists(monkeypatch, pw_shell="/bin/bash", pw_dir="/root")
    assert deploy_account_is_there(NAME)
    changes = ensure_deploy_account(NAME, target.run, check=False)
    assert [command[:2] for command in target.commands if command[0] == "usermod"] == [
        ["usermod", "--shell"],
        ["usermod", "--prefix"],
    ]
    assert {change["path"] for change in changes} == {f"account {NAME}"}


@pytest.mark.parametrize("name", ["root", "www-data", "nobody", "", "-x", "a b", "A", "x" * 32, "a/b", "a\n"])
def test_names_that_are_refused(name: str, target: Host) -> None:
    with pytest.raises(PalisadeError, match="deploy_account: expected an account of its own such as wsgi-deploy"):
        ensure_deploy_account(name, target.run, check=False)


def test_accounts_of_others_are_refused(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    exists(monkeypatch)
    with pytest.raises(
        PalisadeError, match=f"account '{NAME}' already exists on this host and was not created for deployments"
    ):
        ensure_deploy_account(NAME, target.run, check=False)
    target.file.write_text(record(name="shop", owner="x", account=NAME, group=NAME) + "\n")
    with pytest.raises(PalisadeError, match=f"deploy_account: account '{NAME}' belongs to app shop"):
        ensure_deploy_account(NAME, target.run, check=False)
    assert not target.commands


@needs_root
def test_root_under_another_name_is_refused(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    target.file.write_text("# ours, it says\n")
    exists(monkeypatch, pw_uid=0)
    with pytest.raises(PalisadeError, match="exists on this host"):
        ensure_deploy_account(NAME, target.run, check=False)
