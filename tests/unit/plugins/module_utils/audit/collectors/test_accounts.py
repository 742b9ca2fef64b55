"""What is read of the accounts of pools."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import accounts, proc
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import host as collectors_host
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.sudoers import read_sudoers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, HostFacts, Instance
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.live import (
    ONE,
    as_root,
    host_of,
    no_run,
    sleeper,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import noting
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("field", "locked"),
    [("!", True), ("*", True), ("!!", True), ("!$6$x$y", True), ("", False), ("$y$j9T$a$b", False), ("x" * 13, False)],
)
def test_passwords(field: str, locked: bool) -> None:
    shadow = f"root:*:1::::::\nshop-app:{field}:1::::::\nshop:$6$a$b:1::::::\n"
    assert accounts.password_locked("shop-app", shadow) is locked
    assert accounts.password_locked("other", shadow) is None


@given(st.text(), st.text())
def test_any_shadow_can_be_read(name: str, shadow: str) -> None:
    assert accounts.password_locked(name, shadow) in (True, False, None)


def test_what_sudoers_say_of_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sudoers"
    file.write_text("nobody ALL=NOPASSWD: ALL\n", encoding="utf-8")
    monkeypatch.setattr(accounts, "read_sudoers", lambda: read_sudoers(str(file)))
    assert [row["source"] for row in collectors_host.host_facts(host_of(None), no_run).accounts["shop"]["sudo"]] == [
        f"{file}:1"
    ]
    file.unlink()
    assert collectors_host.host_facts(host_of(None), no_run).accounts["shop"]["sudo"] == []
    file.mkdir()
    assert "sudoers" in collectors_host.host_facts(host_of(None), no_run).unknown


def test_an_account_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    home.chmod(0o755)
    (home / ".ssh/authorized_keys").write_text("ssh-ed25519 A\n", encoding="utf-8")
    (home / ".ssh/authorized_keys2").touch()
    nobody = pwd.getpwnam("nobody")
    values = [*nobody[:5], str(home), "/bin/sh"]
    host = HostFacts()
    with sleeper(nobody.pw_uid if os.geteuid() == 0 else 0):
        account = accounts._account(pwd.struct_passwd(values), proc.process_table(), set(), host)
    assert account["home_mode"] == 0o755
    assert account["keys"] == [f"{home}/.ssh/authorized_keys"]
    assert account["jobs"] == []
    assert nobody.pw_gid in account["groups"]
    assert set(account["groups"]) <= set(host.group_names)
    if os.geteuid() == 0:
        assert (account["locked"], account["shadow"]) == (True, "")
        assert not [name for name in account["others"] if name.startswith("python")]
        assert "cat" in account["others"]


@as_root
def test_homes_are_looked_into_where_their_mode_lets_everybody(tmp_path: Path) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        if above.stat().st_uid == 0 and above != Path("/tmp"):
            above.chmod(0o755)
    rows = []
    for name, mode in (("open", 0o755), ("shut", 0o750), ("passed", 0o711), ("system", 0o755)):
        home = tmp_path / name
        (home / "static").mkdir(parents=True)
        for file in (home / "notes", home / "static/a.css"):
            file.write_text("x", encoding="utf-8")
        home.chmod(mode)
        rows.append({"uid": 990, "home": str(home), "home_mode": mode})
    # Such as /usr/games.
    rows[-1]["home_mode"] = None
    config = f"<VirtualHost *:80>\nAlias /static {tmp_path}/open/static\n</VirtualHost>"
    accounts._look_into_homes(Facts(Instance("", ""), read_tree(config)), rows)
    assert [row["home_files"] for row in rows] == [[f"{tmp_path}/open/notes"], [], [], []]


@pytest.mark.parametrize("path", ["/", "/nonexistent", "/usr/games", "/var/www", "/tmp"])
def test_places_that_are_nobody_s_home(path: str) -> None:
    assert accounts._home_mode(path) is None


@pytest.mark.parametrize(
    ("uid", "regular"),
    [(999, False), (1000, True), (61183, True), (61184, False), (65519, False), (65520, True)],
)
def test_numbers_of_persons(uid: int, regular: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_highest_system_uid", lambda: 999)
    nobody = pwd.getpwnam("nobody")
    entry = pwd.struct_passwd(("shop-app", "x", uid, nobody.pw_gid, "", "/nonexistent", "/bin/false"))
    apache, other = 2**22 + 1, 2**22 + 2
    table = {pid: {"parent": 1, "uid": uid} for pid in (apache, os.getpid())} | {other: {"parent": 1, "uid": uid + 1}}
    # Those of Apache's are no others.
    found = accounts._account(entry, table, {apache}, HostFacts())
    assert (found["name"], found["uid"], found["gid"]) == ("shop-app", uid, nobody.pw_gid)
    assert (found["shell"], found["home"], found["home_mode"]) == ("/bin/false", "/nonexistent", None)
    assert (found["home_files"], found["sudo"], found["keys"], found["jobs"]) == ([], [], [], [])
    assert found["regular"] is regular
    assert found["others"] == [os.path.basename(os.readlink("/proc/self/exe"))]
    # A command that wsgi-run started is the app's own.
    monkeypatch.setattr(accounts, "_unit_of", lambda pid: f"palisade-run-shop-{pid}.service")
    assert accounts._account(entry, table, {apache}, HostFacts())["others"] == []


def test_a_shadow_that_does_not_tell_is_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.getpwnam("nobody")
    monkeypatch.setattr(accounts, "password_locked", lambda _name, _text: None)
    found = accounts._account(entry, {}, set(), HostFacts())
    assert (found["locked"], found["shadow"]) == (None, "not in /etc/shadow")

    def refused(_path: str, _size: int = 0) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(accounts, "_key_files", lambda _entry: [])
    monkeypatch.setattr(accounts, "_highest_system_uid", lambda: 999)
    monkeypatch.setattr(accounts, "read_text", refused)
    found = accounts._account(entry, {}, set(), HostFacts())
    assert (found["locked"], found["shadow"]) == (None, "[Errno 13] Permission denied")


@pytest.mark.parametrize(
    ("text", "highest"),
    [("SYS_UID_MAX 499\n", 499), ("#SYS_UID_MAX 499\n", 999), ("  SYS_UID_MAX\t\t200\n", 200), ("UID_MIN 1000\n", 999)],
)
def test_the_highest_number_of_the_system(text: str, highest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "read_text", lambda _path: text)
    assert accounts._highest_system_uid() == highest


def test_without_login_defs_it_is_999(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_path: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(accounts, "read_text", gone)
    assert accounts._highest_system_uid() == 999


def test_where_sshd_looks_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/ssh/sshd_config": "Port 22\n  authorizedkeysfile=/etc/keys/%u %h/more\n#AuthorizedKeysFile /no\n",
        "/etc/ssh/sshd_config.d/a.conf": "AuthorizedKeysFile .ssh/authorized_keys .ssh/b\n",
    }
    monkeypatch.setattr(accounts, "read_text", files.__getitem__)
    asked: list[str] = []
    monkeypatch.setattr("glob.glob", noting(asked, list(files)[1:]))
    entry = pwd.struct_passwd(("shop-app", "x", 990, 990, "", "/srv/shop", "/bin/false"))
    assert accounts._key_files(entry) == [
        "/srv/shop/.ssh/authorized_keys",
        "/srv/shop/.ssh/authorized_keys2",
        "/etc/keys/shop-app",
        "/srv/shop/more",
        "/srv/shop/.ssh/b",
    ]
    assert asked == ["/etc/ssh/sshd_config.d/*.conf"]


def test_where_crontabs_of_an_account_are() -> None:
    assert accounts._spools("shop-app") == [
        f"/var/spool/cron/{name}" for name in ("crontabs/shop-app", "tabs/shop-app", "shop-app")
    ]


def test_an_empty_file_and_a_directory_are_no_crontab(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("x", encoding="utf-8")
    found = [accounts._filled(str(tmp_path / name)) for name in ("empty", "full", "gone", ".")]
    assert found == [False, True, False, False]


def test_the_mode_of_a_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o1757)
    assert accounts._home_mode(str(tmp_path)) == 0o1757
    (tmp_path / "file").touch()
    assert accounts._home_mode(str(tmp_path / "file")) is None


def test_which_account_a_pool_has() -> None:
    root, nobody = pwd.getpwuid(0), pwd.getpwnam("nobody")
    assert accounts._entry("nobody", []) == nobody
    assert accounts._entry(f"#{nobody.pw_uid}", []) == nobody
    # What runs counts more than what is declared.
    assert accounts._entry("nobody", [{"uid": 0}]) == root
    assert [accounts._entry(name, []) for name in ("", "#", "#x", "no-such-account")] == [None] * 4
    assert accounts._entry("nobody", [{"uid": ONE}]) is None


def test_names_of_the_groups_that_are_declared_and_those_that_processes_have() -> None:
    host = HostFacts()
    accounts._name_groups("root,#77,#x,no-such-group,", [{"groups": [0, ONE], "gids": [0, 1]}], host)
    assert host.group_ids == {"root": 0, "#77": 77}
    assert host.group_names == {0: "root", 1: grp.getgrgid(1).gr_name, ONE: str(ONE)}


@pytest.mark.parametrize(("pid", "apache"), [(7, {7, 8}), (None, set())])
def test_which_processes_are_apaches(pid: int | None, apache: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    whole = accounts._account

    def note(entry: pwd.struct_passwd, table: Any, own: set[int], host: HostFacts) -> dict[str, Any]:
        seen.append(own)
        return whole(entry, {}, own, host)

    monkeypatch.setattr(accounts, "_account", note)
    facts = host_of(None)
    facts.instance.pid = pid
    table = {7: {"parent": 1, "uid": 0}, 8: {"parent": 7, "uid": 33}, 9: {"parent": 1, "uid": 33}}
    accounts.pool_accounts(facts, table, HostFacts())
    assert seen[0] == apache
