"""Accounts, against databases of this test's own: what is created, repaired, refused and removed."""

from __future__ import annotations

import grp
import io
import os
import pwd
import stat
import subprocess
import time
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import accounts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.accounts import (
    ensure_accounts,
    left_in_homes,
    remove_accounts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.fs import Attributes
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, snapshot

ROW = {
    "app": "public",
    "name": "public-app",
    "group": "public-app",
    "home": "/var/lib/public-app",
    "sysusers": 'u public-app - "WSGI application public" /var/lib/public-app /usr/sbin/nologin\n',
}
NOLOGIN = "/usr/sbin/nologin"


class Database:
    """The accounts and groups of a host, and what was run on it."""

    def __init__(self, directory: Path) -> None:
        self.sysusers = directory
        self.accounts: dict[str, pwd.struct_passwd] = {}
        self.groups: dict[str, grp.struct_group] = {}
        self.passwords: dict[str, str] = {}
        self.told: list[list[str]] = []

    def add(self, name: str, uid: int = 61990, shell: str = NOLOGIN, home: str = "", gid: int = 990) -> None:
        home = home or f"/var/lib/{name}"
        self.accounts[name] = pwd.struct_passwd((name, "x", uid, gid, "", home, shell))
        self.passwords[name] = "!*"

    def group(self, name: str, gid: int = 990, members: Sequence[str] = ()) -> None:
        self.groups[name] = grp.struct_group((name, "x", gid, list(members)))

    def declare(self, name: str, text: str = ROW["sysusers"]) -> None:
        self.sysusers.mkdir(exist_ok=True)
        path = self.sysusers / f"palisade-{name}.conf"
        path.write_text(text)
        path.chmod(0o644)

    def healthy(self) -> None:
        self.add("public-app")
        self.group("public-app")
        self.declare("public-app")

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        self.told.append(list(arguments))
        if arguments[0] == "systemd-sysusers":
            for path in arguments[1:]:
                name = Path(path).stem.removeprefix("palisade-")
                self.add(name)
                self.group(name)
        elif arguments[0] == "userdel":
            # As Debian's, which takes the group of the same name along.
            del self.accounts[arguments[1]]
            self.groups.pop(arguments[1], None)
        elif arguments[0] == "groupdel":
            del self.groups[arguments[1]]
        return ""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database(tmp_path / "sysusers.d")
    mine, my_group = pwd.getpwnam(ME), grp.getgrnam(MY_GROUP)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: mine if name == ME else made.accounts[name])
    monkeypatch.setattr(grp, "getgrnam", lambda name: my_group if name == MY_GROUP else made.groups[name])
    monkeypatch.setattr(grp, "getgrall", lambda: list(made.groups.values()))
    monkeypatch.setattr(accounts, "_password_field", lambda name: made.passwords[name])
    monkeypatch.setattr(accounts, "_ROOT_FILE", Attributes(ME, MY_GROUP, 0o644))
    monkeypatch.setattr(accounts, "SYSUSERS_DIRECTORY", str(made.sysusers))
    return made


def test_a_new_account(database: Database) -> None:
    planned = ensure_accounts([ROW], database.run, check=True)
    assert (database.told, database.sysusers.exists()) == ([], False)
    assert ensure_accounts([ROW], database.run, check=False) == planned
    assert [change["path"] for change in planned] == [
        f"{database.sysusers}/palisade-public-app.conf",
        "account public-app",
    ]
    assert database.told == [["systemd-sysusers", f"{database.sysusers}/palisade-public-app.conf"]]
    before = snapshot(database.sysusers)
    assert ensure_accounts([ROW], database.run, check=False) == []
    assert (len(database.told), snapshot(database.sysusers)) == (1, before)


def test_all_accounts_in_one_call(database: Database) -> None:
    rows = [{**ROW, "app": name, "name": f"{name}-app", "group": f"{name}-app", "home": f"/var/lib/{name}-app"}
            for name in ("admin", "api", "public")]  # fmt: skip
    ensure_accounts(rows, database.run, check=False)
    assert [len(arguments) for arguments in database.told] == [4]


DRIFT: dict[str, tuple[Any, str, str, list[str]]] = {
    "shell": (
        lambda database: database.add("public-app", shell="/bin/bash"),
        "shell: /bin/bash",
        f"shell: {NOLOGIN}",
        ["usermod", "--shell", NOLOGIN, "public-app"],
    ),
    "home": (
        lambda database: database.add("public-app", home="/root"),
        "home: /root",
        "home: /var/lib/public-app",
        ["usermod", "--prefix", "/.", "--home", "/var/lib/public-app", "public-app"],
    ),
    "password": (
        lambda database: database.passwords.update({"public-app": "$y$j9T$hash"}),
        "password: usable",
        "password: locked",
        ["usermod", "--lock", "public-app"],
    ),
    "empty password": (
        lambda database: database.passwords.update({"public-app": ""}),
        "password: usable",
        "password: locked",
        ["usermod", "--lock", "public-app"],
    ),
    "membership": (
        lambda database: database.group("docker", 5, ["alice", "public-app"]),
        "membership: docker",
        "membership: none",
        ["gpasswd", "--delete", "public-app", "docker"],
    ),
    "primary group": (
        lambda database: database.add("public-app", gid=5),
        "primary group: 5",
        "primary group: public-app",
        ["usermod", "--gid", "public-app", "public-app"],
    ),
    "member": (
        lambda database: database.group("public-app", members=["alice"]),
        "member of its group: alice",
        "member of its group: none",
        ["gpasswd", "--delete", "alice", "public-app"],
    ),
}


@pytest.mark.parametrize("kind", DRIFT)
def test_drift_is_repaired_and_told(kind: str, database: Database) -> None:
    database.healthy()
    assert ensure_accounts([ROW], database.run, check=False) == []
    drift, before, after, command = DRIFT[kind]
    drift(database)
    expected = [{"path": "account public-app", "before": {"state": before}, "after": {"state": after}}]
    assert ensure_accounts([ROW], database.run, check=True) == expected
    assert database.told == []
    assert ensure_accounts([ROW], database.run, check=False) == expected
    assert database.told == [command]
    assert "hash" not in repr(expected)


def test_all_drift_at_once(database: Database) -> None:
    database.healthy()
    for kind in ("password", "membership", "member"):
        DRIFT[kind][0](database)
    database.add("public-app", shell="/bin/sh", home="/", gid=7)
    database.passwords["public-app"] = "x"
    ensure_accounts([ROW], database.run, check=False)
    assert len(database.told) == 6


@pytest.mark.parametrize("shell", ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false"])
@pytest.mark.parametrize("password", ["!", "!!", "*", "!*", "!$y$hash"])
def test_these_are_locked(shell: str, password: str, database: Database) -> None:
    database.healthy()
    database.add("public-app", shell=shell)
    database.passwords["public-app"] = password
    assert ensure_accounts([ROW], database.run, check=False) == []


@pytest.mark.parametrize("check", [True, False])
def test_accounts_of_others_are_refused(check: bool, database: Database) -> None:
    """Also one that only a directory service knows, so that the model could not see it."""
    first = {**ROW, "app": "admin", "name": "admin-app", "group": "admin-app"}

    def root() -> None:
        database.declare("public-app")
        database.add("public-app", uid=0)

    cases: list[tuple[Callable[[], None], str]] = [
        (lambda: database.add("public-app", uid=1000, shell="/bin/bash"), "account 'public-app'"),
        (lambda: database.add("public-app"), "account 'public-app'"),
        (lambda: database.group("public-app"), "group 'public-app'"),
        (root, "account 'public-app'"),
    ]
    for prepare, words in cases:
        database.accounts.clear()
        database.groups.clear()
        prepare()
        before = snapshot(database.sysusers) if database.sysusers.exists() else None
        with pytest.raises(
            PalisadeError, match=f"app public: {words} already exists on this host and does not belong to this app"
        ):
            ensure_accounts([first, ROW], database.run, check=check)
        assert (snapshot(database.sysusers) if database.sysusers.exists() else None) == before
        assert database.told == []


def test_an_account_of_before_is_adopted(database: Database) -> None:
    database.add("public-app", uid=1000, shell="/bin/bash", home="/home/public")
    database.passwords["public-app"] = "$y$hash"
    database.group("public-app", members=["www-data"])
    row = {**ROW, "adopt": True}
    planned = ensure_accounts([row], database.run, check=True)
    assert (database.told, database.sysusers.exists()) == ([], False)
    assert ensure_accounts([row], database.run, check=False) == planned
    assert [change["before"].get("state") for change in planned] == [
        "absent",
        "shell: /bin/bash",
        "home: /home/public",
        "password: usable",
        "member of its group: www-data",
    ]
    assert [command[0] for command in database.told] == ["usermod", "usermod", "usermod", "gpasswd"]


def test_the_superuser_is_not_adopted(database: Database) -> None:
    database.add("public-app", uid=0)
    with pytest.raises(PalisadeError, match="app public: account 'public-app' already exists on this host"):
        ensure_accounts([{**ROW, "adopt": True}], database.run, check=False)
    assert (database.told, database.sysusers.exists()) == ([], False)


def test_a_directory_is_no_environment(database: Database, tmp_path: Path) -> None:
    (tmp_path / "environment").mkdir()
    with pytest.raises(PalisadeError, match="/environment: expected a JSON file of variables; move it away"):
        ensure_accounts([{**ROW, "home": str(tmp_path), "adopt": True}], database.run, check=True)
    assert (database.told, database.sysusers.exists()) == ([], False)


def test_what_an_adopted_account_has_beside_the_app_is_told(database: Database, tmp_path: Path) -> None:
    home = tmp_path / "home"
    row = {**ROW, "home": str(home), "adopt": True}
    assert left_in_homes([row]) == []
    for name in ("data", "releases", "venv", "\x1b[2J"):
        (home / name).mkdir(parents=True)
    assert left_in_homes([{**row, "adopt": False}]) == []
    assert left_in_homes([row]) == [f"app public: other things in {home} are kept: '\\x1b[2J', venv"]
    for number in range(30):
        (home / f"file{number}").touch()
    assert left_in_homes([row])[0].endswith(", ...")
    database.declare("public-app")
    assert left_in_homes([row]) == []


def test_accounts_are_removed(database: Database) -> None:
    database.healthy()
    planned = remove_accounts([ROW], database.run, check=True)
    assert database.told == []
    assert remove_accounts([ROW], database.run, check=False) == planned
    assert planned == [
        {"path": "account public-app", "before": {"state": "present"}, "after": {"state": "absent"}},
    ]
    assert database.told == [["userdel", "public-app"]]
    # It is what the host knows of the app, so another step removes it last.
    assert (database.sysusers / "palisade-public-app.conf").exists()
    assert remove_accounts([ROW], database.run, check=False) == []


def test_a_group_of_another_name_is_removed(database: Database) -> None:
    database.add("public-app")
    database.group("shared")
    remove_accounts([{**ROW, "group": "shared"}], database.run, check=False)
    assert database.told == [["userdel", "public-app"], ["groupdel", "shared"]]


def test_an_account_with_processes_is_not_removed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.healthy()
    database.add("public-app", uid=os.getuid())
    monkeypatch.setattr(accounts, "_PROCESSES_END_WITHIN", 0)
    with pytest.raises(PalisadeError, match="app public: account 'public-app' still has processes"):
        remove_accounts([ROW], database.run, check=False)
    assert database.told == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start a process of another account")
def test_processes_of_an_account() -> None:
    uid = 61234
    assert not accounts._has_processes(uid)
    with subprocess.Popen(["cat"], user=uid, cwd="/", stdin=subprocess.PIPE) as process:
        assert accounts._has_processes(uid)
        process.communicate()
    assert not accounts._has_processes(uid)


@pytest.mark.parametrize("lost", ["accounts", "groups"])
def test_half_of_an_account_is_made_again(lost: str, database: Database) -> None:
    """As after a userdel or a groupdel by hand."""
    database.healthy()
    getattr(database, lost).clear()
    changes = ensure_accounts([ROW], database.run, check=False)
    assert changes == [{"path": "account public-app", "before": {"state": "absent"}, "after": {"state": "present"}}]
    assert database.told == [["systemd-sysusers", f"{database.sysusers}/palisade-public-app.conf"]]


def test_only_what_is_missing_is_made(database: Database) -> None:
    database.healthy()
    other = {**ROW, "app": "admin", "name": "admin-app", "group": "admin-app", "home": "/var/lib/admin-app"}
    ensure_accounts([ROW, other], database.run, check=False)
    assert database.told == [["systemd-sysusers", f"{database.sysusers}/palisade-admin-app.conf"]]


def test_processes_are_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """They end with their pool, and that takes a moment."""
    database.healthy()
    left = [True, True, False]
    monkeypatch.setattr(accounts, "_has_processes", lambda uid: left.pop(0))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    remove_accounts([ROW], database.run, check=False)
    assert (left, database.told) == ([], [["userdel", "public-app"]])


class Proc:
    """A /proc with one process of these owners."""

    def __init__(self, owner: int, status: str | None) -> None:
        self.owner, self.status = owner, status

    def stat(self, path: str) -> Any:
        if self.owner < 0:
            raise FileNotFoundError(path)
        return types.SimpleNamespace(st_uid=self.owner)

    def open(self, path: str, **how: Any) -> Any:
        if self.status is None:
            raise ProcessLookupError(path)
        return io.StringIO(self.status)


@pytest.mark.parametrize(
    ("owner", "status", "expected"),
    [
        (61234, "Uid:\t0\t0\t0\t0\n", True),
        # A daemon that changed its account cannot be dumped, so its directory is root's.
        (0, "Name:\tapache2\nUid:\t61234\t0\t0\t0\nGid:\t7\n", True),
        (0, "Name:\tapache2\nUid:\t0\t61234\t61234\t61234\nGid:\t61234\n", False),
        (0, "", False),
        # It ended meanwhile.
        (0, None, False),
        (-1, None, False),
    ],
)
def test_whose_a_process_is(owner: int, status: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = Proc(owner, status)
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", lambda path: ["self", "7"])
        patch.setattr(os, "stat", proc.stat)
        patch.setattr("builtins.open", proc.open)
        found = accounts._has_processes(61234)
    assert found is expected


@pytest.mark.parametrize(("name", "expected"), [("a", "!*"), ("b", "$y$hash"), ("ab", "!"), ("c", ""), ("absent", "!")])
def test_the_field_of_a_password(name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = open
    (tmp_path / "shadow").write_bytes(b"\xff:x:1\na:!*:1:0:99999:7:::\nb:$y$hash:1::::::\nc::1::::::\nabc:x:1\n")
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", lambda path, **how: real(tmp_path / os.path.basename(path), **how))
        found = accounts._password_field(name)
    assert found == expected


def test_a_directory_that_is_made_is_for_root_to_write(database: Database) -> None:
    """Whatever the umask of the connection is."""
    old = os.umask(0)
    try:
        ensure_accounts([ROW], database.run, check=False)
    finally:
        os.umask(old)
    assert stat.S_IMODE(database.sysusers.stat().st_mode) == 0o755
