"""The sandbox of Apache's unit, with a small systemd and an Apache that see what the drop-ins say."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import sandbox, server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, REDHAT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.sandbox import (
    Outcome,
    Settings,
    app_drop_in,
    drop_in,
    ensure_apps,
    ensure_sandbox,
    obstacle,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.confinement import check_path
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import NOTICE
from ansible_collections.palisade.mod_wsgi.tests.unit.support import snapshot

Mounts = list[tuple[str, bool]]


class Host:
    """A host whose systemd reads drop-ins when told so and gives what they say to the next start of Apache."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.units = root / "units"
        self.units.mkdir()
        self.directory = self.units / "apache2.service.d"
        self.server = self.directory / "palisade.conf"
        (root / "log").mkdir()
        (root / "log/error.log").write_text("old\n")
        self.layout = dataclasses.replace(
            DEBIAN, binary=str(root / "apache2"), log_directory=f"{root}/log", runtime_directory=f"{root}/run"
        )
        self.data = [root / "var/public-app/data", root / "var/admin-app/data"]
        for path in self.data:
            path.mkdir(parents=True)
        self.served: dict[str, str] = {}
        self.able = True
        self.told: list[list[str]] = []
        self.loaded: dict[str, str] = {}
        self.inside: dict[int, str] = {}
        self.mounts: Mounts = [("/", True)]
        self.generation = 0
        self.running = True
        self.started = 1000.0
        self.pools = {"public": "public-app", "admin": "admin-app"}
        # What the sandbox breaks unless homes are left as they are.
        self.breaks = ""
        self.refuses = ""
        self.enters = True

    @property
    def parent(self) -> int | None:
        return 100 + self.generation if self.running else None

    @property
    def broken(self) -> str:
        return self.breaks if "ProtectHome=yes" in "".join(self.inside.values()) else ""

    def texts(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.directory.glob("*"))}

    def start(self) -> None:
        self.generation += 1
        self.running = True
        self.started = time.time() - 2
        text = "".join(self.loaded.values())
        sandboxed = self.able and "ProtectSystem=strict" in text
        writable = re.findall(r"^ReadWritePaths=-(.*)$", text, re.MULTILINE) if sandboxed else []
        self.mounts = [("/", not sandboxed), *((path, True) for path in writable if os.path.exists(path))]
        self.inside = {100 + self.generation: text} if sandboxed else {}
        if self.broken == "start":
            self.running = False
            raise CommandError("systemctl", 1, "Job for apache2.service failed.")

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        words = list(arguments)
        self.told.append([os.path.basename(words[0]), *words[1:]])
        if words[0] == "systemd-run":
            return "read-only\n" if self.able else ""
        if words[:2] == ["systemctl", "daemon-reload"]:
            self.loaded = self.texts()
        elif words[:2] == ["systemctl", "restart"]:
            self.start()
        elif words[0] == "nsenter":
            if not self.enters:
                raise CommandError("nsenter", 1, "reassociate to namespace failed")
            assert words[1:4] == [f"--target={self.parent}", "--mount", "mount"]
            if "remount,bind,rw" in words:
                self.mounts.append((words[-1], True))
        elif words[0] == "journalctl":
            return "first\n" * 8 + "Failed to start.\n"
        return ""

    def live_pools(self, binary: str, declared: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "processes": [
                    {
                        "pid": 1000 + self.generation,
                        "user": user,
                        "cwd": "/" if self.broken == "cwd" else f"/srv/{name}",
                        "started": time.time() if self.broken == "young" else self.started,
                    }
                ],
            }
            for name, user in self.pools.items()
            if not (self.broken == "pool" and name == "admin")
        ]

    def privileges(self, pid: int) -> bool:
        return bool(self.inside) and not (self.broken == "privileges" and pid >= 1000)

    def ensure(self, state: str = "present", check: bool = False, **settings: Any) -> Outcome:
        return ensure_sandbox(self.layout, state, Settings(**settings), self.run, check, self.served)

    def let(self, *rows: tuple[str, str], check: bool = False) -> Outcome:
        return ensure_apps(self.layout, [{"app": app, "path": path} for app, path in rows], self.run, check)

    def actions(self) -> list[str]:
        """What systemd was told, and Apache's namespace; forgotten with this look."""
        found = [words[1] if words[0] == "systemctl" else words[0] for words in self.told]
        self.told.clear()
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setattr(sandbox, "UNITS", str(made.units))
    monkeypatch.setattr(sandbox, "_RUNNING_SYSTEMD", str(tmp_path))
    monkeypatch.setattr(sandbox, "apache_parent", lambda binary: made.parent)
    monkeypatch.setattr(sandbox, "live_pools", made.live_pools)
    monkeypatch.setattr(sandbox, "started_at", lambda pid: made.started)
    monkeypatch.setattr(sandbox, "_no_new_privileges", made.privileges)
    monkeypatch.setattr(sandbox, "_mounts", lambda pid: [("/", True)] if pid == "self" else made.mounts)
    monkeypatch.setattr(server, "check", lambda layout, run: made.refuses)
    monkeypatch.setattr(server, "read_configuration", lambda layout, run: server.Configuration())
    monkeypatch.setattr(sandbox, "_PATIENCE", 0.1)
    return made


def texts_of(state: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    return {path: row[-1] for path, row in state.items() if row[-1]}


# The text


def settings_of(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_drop_in_of_debian() -> None:
    found = settings_of(drop_in(DEBIAN, Settings(writable_paths=["/srv/wiki"])))
    assert found["ReadWritePaths"] == [
        "-/run/apache2",
        "-/var/log/apache2",
        "-/run/lock/apache2",
        "-/var/cache/apache2",
        "-/var/lib/apache2",
        "-/var/lib/palisade-mod_wsgi",
        "-/srv/wiki",
    ]
    assert found["ProtectSystem"] == ["strict"]
    assert found["ProtectHome"] == ["yes"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["MemoryDenyWriteExecute"] == ["no"]
    assert set(" ".join(found["CapabilityBoundingSet"]).split()) == {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_KILL",
        "CAP_NET_BIND_SERVICE",
        "CAP_SETGID",
        "CAP_SETUID",
    }
    assert len(found["ExecStartPre"]) == 1
    assert not set(found) & {"User", "Group", "DynamicUser", "PrivateUsers", "LimitNPROC"}


def test_the_drop_in_of_redhat_leaves_its_directories_to_tmpfiles() -> None:
    found = settings_of(drop_in(REDHAT, Settings()))
    assert "ExecStartPre" not in found
    assert found["ReadWritePaths"][:2] == ["-/run/httpd", "-/var/log/httpd"]


def test_what_a_site_may_set() -> None:
    settings = Settings("tmpfs", True, ["AF_UNIX", "AF_INET6"])
    found = settings_of(drop_in(DEBIAN, settings))
    assert found["ProtectHome"] == ["tmpfs"]
    assert found["MemoryDenyWriteExecute"] == ["yes"]
    assert found["RestrictAddressFamilies"] == ["AF_UNIX AF_INET6"]


@pytest.mark.parametrize(
    "path",
    [
        "srv/wiki",
        "/",
        "",
        "/srv/",
        "/srv//wiki",
        "/srv/../etc",
        "/srv/.",
        "/srv/wiki\nUser=root",
        "/srv/a b",
        "/srv/%h",
        "/srv/$x",
        '/srv/"',
        "/srv/\\x41",
        "/srv/wiki\n",
        "/srv/ü",
    ],
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(PalisadeError, match=r"^wsgi_server_sandbox_writable_paths: expected an absolute path"):
        drop_in(DEBIAN, Settings(writable_paths=[path]))


@pytest.mark.parametrize("path", ["/srv/wiki", "/var/lib/a-b_c.d/data", "/mnt/x@y", "/homes/x"])
def test_paths_that_are_taken(path: str) -> None:
    check_path(path, "path")
    assert f"\nReadWritePaths=-{path}\n" in drop_in(DEBIAN, Settings(writable_paths=[path]))


@pytest.mark.parametrize("protect_home", ["yes", "tmpfs"])
@pytest.mark.parametrize("path", ["/home/wiki", "/root", "/run/user/7"])
def test_a_path_in_homes_needs_homes(path: str, protect_home: str) -> None:
    with pytest.raises(PalisadeError, match=r"hidden from Apache; set wsgi_server_sandbox_protect_home"):
        drop_in(DEBIAN, Settings(protect_home, writable_paths=[path]))
    assert path in drop_in(DEBIAN, Settings("read-only", writable_paths=[path]))


@pytest.mark.parametrize(
    "families",
    [[], ["AF_UNIX"], ["AF_INET"], ["AF_UNIX", "AF_INET", "AF_X\nUser=root"], ["AF_UNIX", "AF_INET", "~AF_INET6"]],
)
def test_address_families_that_are_refused(families: list[str]) -> None:
    with pytest.raises(PalisadeError, match=r"^wsgi_server_sandbox_address_families: expected names such as AF_INET"):
        drop_in(DEBIAN, Settings(address_families=families))


# Whether it can be had


def test_the_trial_has_all_settings_and_changes_nothing(host: Host) -> None:
    text = drop_in(host.layout, Settings())
    assert obstacle(text, host.run) == ""
    (trial,) = host.told
    wanted = [line for line in text.splitlines() if "=" in line and not line.startswith(("#", "ExecStartPre"))]
    assert [word[len("--property=") :] for word in trial if word.startswith("--property=")] == wanted
    assert {"--wait", "--collect"} <= set(trial)
    assert trial[-1] == str(host.units)


def test_a_trial_that_could_write(host: Host) -> None:
    host.able = False
    assert obstacle("", host.run) == f"{host.units} stays writable under ProtectSystem=strict"


def test_a_trial_that_did_not_run(host: Host) -> None:
    def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        raise CommandError("systemd-run", 1, "Failed to connect\nto bus")

    assert obstacle("", run) == "systemd-run failed with 1: Failed to connect to bus"


def test_no_systemd(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_RUNNING_SYSTEMD", f"{host.root}/none")
    assert obstacle("", host.run) == "systemd is not running here"
    assert host.told == []


@pytest.mark.parametrize("check", [True, False])
def test_a_host_that_cannot(check: bool, host: Host) -> None:
    host.able = False
    before = snapshot(host.units)
    outcome = host.ensure(check=check)
    assert (snapshot(host.units), host.actions()) == (before, ["systemd-run"])
    assert (outcome.differences, outcome.restarted, len(outcome.warnings)) == ([], False, 1)
    assert outcome.warnings[0].startswith("Apache's unit gets no sandbox, because systemd on this host cannot")
    with pytest.raises(PalisadeError, match=r"^wsgi_server_sandbox: it is required, but .*; nothing was changed$"):
        host.ensure("required", check=check)
    assert (snapshot(host.units), host.actions()) == (before, ["systemd-run"])


def test_a_host_that_cannot_any_more(host: Host) -> None:
    host.ensure()
    host.let(("public", str(host.data[0])))
    host.able = False
    host.actions()
    outcome = host.ensure()
    assert not host.directory.exists()
    assert (host.actions(), outcome.restarted) == (["systemd-run", "daemon-reload", "restart"], True)


# The server's


def test_a_running_server_is_restarted_into_it_once(host: Host) -> None:
    outcome = host.ensure()
    assert host.server.read_text() == drop_in(host.layout, Settings())
    assert host.server.stat().st_mode & 0o777 == 0o644
    assert host.actions() == ["systemd-run", "daemon-reload", "restart"]
    assert ([row["path"] for row in outcome.differences], outcome.restarted) == ([str(host.server)], True)
    assert host.inside
    before = snapshot(host.units)
    host.started = time.time() + 1
    assert host.ensure("required") == Outcome()
    assert (snapshot(host.units), host.actions()) == (before, ["systemd-run"])


def test_a_restart_waits_for_requests(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        sandbox,
        "await_requests",
        lambda *given: waited.append((*given, host.server.exists(), "restart" in host.actions())),
    )
    given = (host.layout, "present", Settings(), host.run)
    ensure_sandbox(*given, True, host.served, (), 7)
    assert waited == []
    ensure_sandbox(*given, False, host.served, (), 7)
    assert waited == [(host.layout, 7, host.run, False, False)]
    host.started = time.time() + 1
    ensure_sandbox(*given, False, host.served, (), 7)
    assert len(waited) == 1


def test_a_bare_host_is_prepared(host: Host) -> None:
    host.running = False
    outcome = host.ensure()
    assert host.server.exists()
    assert (host.actions(), outcome.restarted) == (["systemd-run", "daemon-reload"], False)


def test_a_check_says_and_changes_nothing(host: Host) -> None:
    before = snapshot(host.units)
    planned = host.ensure(check=True)
    assert (snapshot(host.units), host.actions()) == (before, ["systemd-run"])
    assert host.ensure() == planned


def test_an_interrupted_start_is_made_up_for(host: Host) -> None:
    host.ensure()
    # Somebody started Apache before systemd was told.
    host.mounts, host.inside, host.started = [("/", True)], {}, time.time() + 1
    host.actions()
    assert host.ensure().restarted
    assert host.actions() == ["systemd-run", "restart"]
    assert host.inside


def test_a_server_older_than_its_drop_in(host: Host) -> None:
    host.ensure()
    host.started = time.time() - 5000
    assert host.ensure().restarted


def test_apps_of_before_may_write_from_the_first_start(host: Host) -> None:
    host.served = {"public": "/var/lib/public-app/data"}
    host.ensure()
    assert host.texts()["palisade-public.conf"] == app_drop_in(["/var/lib/public-app/data"])
    assert set(host.texts()) == {"palisade.conf", "palisade-public.conf"}
    more = app_drop_in(["/var/lib/public-app/data", "/srv/shared"])
    (host.directory / "palisade-public.conf").write_text(more)
    host.started = time.time() + 1
    assert host.ensure() == Outcome()
    assert host.texts()["palisade-public.conf"] == more


def test_sites_that_are_to_be_replaced_write_on(host: Host) -> None:
    rows = [{"app": "shop", "path": "/srv/shop"}, {"app": "shop", "path": "/srv/media"}]
    ensure_sandbox(host.layout, "present", Settings(), host.run, False, {}, rows)
    assert host.texts()["palisade-shop.conf"] == app_drop_in(["/srv/shop", "/srv/media"])
    # Until the app's own play, which knows more.
    ensure_apps(host.layout, [*rows, {"app": "shop", "path": "/var/lib/shop-app/data"}], host.run, False)
    text = host.texts()["palisade-shop.conf"]
    host.started = time.time() + 1
    assert ensure_sandbox(host.layout, "present", Settings(), host.run, False, {}, rows) == Outcome()
    assert host.texts()["palisade-shop.conf"] == text
    with pytest.raises(PalisadeError, match="app shop: path: expected an absolute path"):
        ensure_sandbox(host.layout, "present", Settings(), host.run, False, {}, [{"app": "shop", "path": "srv"}])


def test_sites_of_others_are_told_of(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [f"/etc/apache2/sites-enabled/{name}.conf" for name in ("wiki", "zz-palisade-public", "000-default")]
    found = server.Configuration(pools=[{"file": files[0]}], virtual_hosts=[{"file": file} for file in files])
    monkeypatch.setattr(server, "read_configuration", lambda layout, run: found)
    (warning,) = host.ensure().warnings
    assert warning.endswith(
        "list what these sites write to in wsgi_server_sandbox_writable_paths: /etc/apache2/sites-enabled/wiki.conf"
    )
    assert host.ensure(protect_home="no").warnings == []


def test_it_is_taken_away(host: Host) -> None:
    host.ensure()
    host.let(("public", str(host.data[0])))
    (host.directory / "theirs.conf").write_text("[Service]\n")
    host.actions()
    outcome = host.ensure("absent")
    assert list(host.texts()) == ["theirs.conf"]
    assert (host.actions(), outcome.restarted, host.inside) == (["daemon-reload", "restart"], True, {})
    assert host.ensure("absent") == Outcome()
    assert host.actions() == []


@pytest.mark.parametrize("breaks", ["start", "pool", "cwd", "young", "privileges"])
@pytest.mark.parametrize("earlier", [True, False])
def test_a_start_that_fails_is_undone(breaks: str, earlier: bool, host: Host) -> None:
    if earlier:
        host.ensure(protect_home="no")
    before, mounts = snapshot(host.units), host.mounts
    host.actions()
    host.breaks = breaks
    with pytest.raises(PalisadeError) as caught:
        host.ensure()
    *_first, last = str(caught.value).splitlines()
    assert "; the unit was put back as it was; variables wsgi_server_sandbox_* relax the sandbox" in str(caught.value)
    expected = {"start": "Job for apache2.service failed.", "pool": "pool admin does not start again as admin-app"}
    assert expected.get(breaks, "pool public does not start again as public-app") in str(caught.value)
    assert last == "Failed to start."
    assert host.actions()[-2:] == ["daemon-reload", "restart"]
    assert texts_of(snapshot(host.units)) == texts_of(before)
    assert host.directory.exists() == earlier
    assert (host.running, host.mounts) == (True, mounts)


def test_a_server_that_could_not_start_again_is_left_alone(host: Host) -> None:
    host.refuses = "AH00526: Syntax error"
    before = snapshot(host.units)
    with pytest.raises(PalisadeError, match=r"AH00526.*; nothing was changed$"):
        host.ensure()
    assert (snapshot(host.units), host.actions()) == (before, ["systemd-run"])


def test_a_pool_that_takes_its_time_is_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_PATIENCE", 60)
    host.breaks = "pool"
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(host, "breaks", ""))
    assert host.ensure().restarted
    assert host.actions()[-1] == "restart"


def test_a_pool_that_was_lame_before_is_no_reason(host: Host) -> None:
    lame = {"name": "wiki", "processes": [{"pid": 7, "user": "wiki", "cwd": "/", "started": 1.0}]}
    good = host.live_pools
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "live_pools", lambda binary, declared: [*good(binary, declared), lame])
        assert host.ensure().restarted


# The apps'


def test_apps_without_a_sandbox(host: Host) -> None:
    assert host.let(("public", str(host.data[0]))) == Outcome()
    assert (host.told, host.directory.exists()) == ([], False)


def test_a_new_app_writes_without_a_restart(host: Host) -> None:
    host.ensure()
    parent = host.parent
    host.actions()
    planned = host.let(("public", str(host.data[0])), ("admin", f"{host.root}/none"), check=True)
    assert host.actions() == []
    outcome = host.let(("public", str(host.data[0])), ("admin", f"{host.root}/none"))
    assert planned == outcome
    assert (outcome.opened, outcome.restarted) == ([str(host.data[0])], False)
    assert host.texts()["palisade-public.conf"] == app_drop_in([str(host.data[0])])
    assert host.actions() == ["daemon-reload", "nsenter", "nsenter"]
    assert (str(host.data[0]), True) in host.mounts
    assert host.let(("public", str(host.data[0])), ("admin", f"{host.root}/none")) == Outcome()
    assert (host.actions(), host.parent) == ([], parent)
    host.start()
    assert (str(host.data[0]), True) in host.mounts


def test_a_directory_that_was_made_again(host: Host) -> None:
    host.ensure()
    host.let(("public", str(host.data[0])))
    host.mounts.remove((str(host.data[0]), True))
    assert host.let(("public", str(host.data[0]))).opened == [str(host.data[0])]


def test_a_stopped_server_gets_the_app_at_its_start(host: Host) -> None:
    host.ensure()
    host.running = False
    host.actions()
    assert host.let(("public", str(host.data[0]))).opened == []
    assert host.actions() == ["daemon-reload"]


def test_where_nothing_can_be_opened_a_restart_does(host: Host) -> None:
    host.ensure()
    host.enters = False
    host.actions()
    assert host.let(("public", str(host.data[0]))).restarted
    assert host.actions() == ["daemon-reload", "nsenter", "restart"]
    assert (str(host.data[0]), True) in host.mounts


def test_a_path_that_stays_closed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ensure()
    before = snapshot(host.units)
    monkeypatch.setattr(sandbox, "_mounts", lambda pid: [("/", pid == "self")])
    with pytest.raises(PalisadeError, match=f"^Apache cannot write to .*{host.data[0]}"):
        host.let(("public", str(host.data[0])))
    assert host.texts() == {"palisade.conf": host.server.read_text()}
    assert snapshot(host.server) == {".": before["apache2.service.d/palisade.conf"]}


def test_a_path_that_is_read_only_anyway(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ensure()
    monkeypatch.setattr(sandbox, "_mounts", lambda pid: [("/", False)])
    assert host.let(("public", str(host.data[0]))).opened == []


def test_an_app_that_leaves(host: Host) -> None:
    host.ensure()
    host.let(("public", str(host.data[0])), ("admin", str(host.data[1])))
    host.actions()
    outcome = host.let(("public", ""), ("admin", str(host.data[1])))
    assert list(host.texts()) == ["palisade-admin.conf", "palisade.conf"]
    assert (host.actions(), outcome.restarted) == (["daemon-reload"], False)


def test_an_app_with_several_paths(host: Host) -> None:
    host.ensure()
    host.let(*(("public", str(path)) for path in host.data))
    assert host.texts()["palisade-public.conf"] == app_drop_in([str(path) for path in host.data])


@pytest.mark.parametrize(
    ("path", "message"),
    [("/srv/a b", r"^app public: path: expected"), ("/home/x", "^app public: path: /home/x is hidden from Apache")],
)
def test_paths_of_apps_that_are_refused(path: str, message: str, host: Host) -> None:
    host.ensure()
    before = snapshot(host.units)
    with pytest.raises(PalisadeError, match=message):
        host.let(("admin", str(host.data[1])), ("public", path))
    assert snapshot(host.units) == before


# What the kernel shows


def test_mounts_of_this_process() -> None:
    found = sandbox._mounts("self")
    assert "/" in [point for point, _writable in found]
    for path in ("/proc/self", "/tmp", "/dev"):
        assert sandbox._may_write(path, found) == (not os.statvfs(path).f_flag & os.ST_RDONLY)


def test_mount_points_are_read_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "1 0 0:1 / / ro,relatime - a a rw\n2 1 0:1 / /srv/a\\040b rw,nosuid shared:1 - a a rw\n"
    monkeypatch.setattr(sandbox, "_read_proc", lambda pid, name: text)
    assert sandbox._mounts(1) == [("/", False), ("/srv/a b", True)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/srv", False), ("/srv/data", True), ("/srv/data/x", True), ("/srv/database", False), ("/twice/x", False)],
)
def test_the_nearest_mount_counts(path: str, expected: bool) -> None:
    mounts = [("/", False), ("/srv/data", True), ("/twice", True), ("/twice", False)]
    assert sandbox._may_write(path, mounts) == expected


def test_privileges_of_processes() -> None:
    assert sandbox._no_new_privileges(os.getpid()) == ("NoNewPrivs:\t1" in Path("/proc/self/status").read_text())
    assert not sandbox._no_new_privileges(2**22 + 1)


def test_every_setting_of_the_drop_in() -> None:
    """systemd passes over a name that it does not know, so what is misspelt confines nothing."""
    settings = [line for line in drop_in(DEBIAN, Settings()).splitlines() if not line.startswith("#")]
    confined = [line for line in settings if not line.startswith(("ReadWritePaths=", "ExecStartPre="))]
    assert confined == [
        "[Service]",
        "ProtectSystem=strict",
        "ReadOnlyPaths=/run",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectProc=invisible",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "LockPersonality=yes",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "ProtectHome=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_CHOWN CAP_KILL CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_DAC_OVERRIDE",
        "MemoryDenyWriteExecute=no",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
        "UMask=0027",
    ]
    assert settings[1] == 'ExecStartPre=+/bin/sh -c "umask 0022 && exec /usr/sbin/apache2ctl -v >/dev/null"'
    text = app_drop_in(["/a", "/b"])
    assert text == f"{NOTICE}\n[Service]\nReadWritePaths=-/a\nReadWritePaths=-/b\n"


def test_the_words_of_the_trial(host: Host) -> None:
    obstacle(drop_in(host.layout, Settings()), host.run)
    (trial,) = host.told
    rest = [word for word in trial if not word.startswith("--property=")]
    script = 'test -w "$1" || test -w /run || echo read-only'
    common = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--service-type=exec"]
    assert rest == [*common, "/bin/sh", "-c", script, "sh", str(host.units)]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("", ""),
        ("stopped", "Apache does not run"),
        ("open", "Apache is running, but not in the sandbox"),
        ("gone", "pool admin does not start again as admin-app"),
        ("young", "pool public does not start again as public-app"),
        ("both", "pool public does not start again as public-app, second"),
        ("root", ""),
    ],
)
def test_what_is_lame_after_a_restart(what: str, expected: str, host: Host) -> None:
    host.ensure()
    before = sandbox._pools(host.layout, host.run)
    if what == "stopped":
        host.running = False
    elif what == "open":
        host.mounts = [("/", True)]
    elif what == "gone":
        del host.pools["admin"]
    elif what == "young":
        host.started = time.time() - 0.5
    elif what == "both":
        before["public"].add(("second", "/srv"))
    elif what == "root":
        # One that was in / before is well there.
        before["public"] = {("public-app", "/")}
    assert sandbox._lame(host.layout, host.run, before, sandboxed=True) == expected


@pytest.mark.parametrize(
    ("mounts", "privileged", "expected"),
    [
        ([("/", False)], True, True),
        ([("/", True)], True, False),
        ([("/", False)], False, False),
    ],
)
def test_whether_the_server_is_in_it(
    mounts: Mounts, privileged: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_mounts", lambda pid: mounts)
    monkeypatch.setattr(sandbox, "_no_new_privileges", lambda pid: privileged)
    assert sandbox._is_sandboxed(5) is expected


def test_a_server_that_ended_is_in_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int) -> Mounts:
        raise ProcessLookupError

    monkeypatch.setattr(sandbox, "_mounts", gone)
    monkeypatch.setattr(sandbox, "_no_new_privileges", lambda pid: True)
    assert sandbox._is_sandboxed(5) is False


def test_what_apache_and_its_unit_said_is_told(host: Host) -> None:
    """The end of it, of the unit and since the start that failed."""
    host.breaks = "start"
    log = host.root / "log/error.log"
    restart = host.start

    def failing() -> None:
        log.write_text("old\nnew\n")
        restart()

    host.start = failing  # type: ignore[method-assign]
    with pytest.raises(PalisadeError) as caught:
        host.ensure()
    assert str(caught.value).splitlines()[-9:] == [*["first"] * 7, "Failed to start.", "new"]
    (asked,) = [words for words in host.told if words[0] == "journalctl"]
    assert asked[1] == "--unit=apache2"
    assert re.fullmatch(r"--since=@[0-9]+", asked[2])
    assert abs(int(asked[2].partition("@")[2]) - time.time()) < 60
    assert asked[3:] == ["--output=cat", "--no-pager"]


def test_only_drop_ins_of_ours_are_read(host: Host) -> None:
    host.directory.mkdir()
    for name in (
        "palisade.conf",
        "palisade-a.conf",
        "palisade-.conf",
        "palisade.conf.bak",
        "x-palisade.conf",
        "a.conf",
    ):
        (host.directory / name).write_text(name)
    found = {os.path.basename(path): text for path, text in sandbox._present(host.layout).items()}
    assert found == {name: name for name in ("palisade-a.conf", "palisade.conf")}


def test_a_path_is_opened_for_the_running_server(host: Host) -> None:
    host.ensure()
    host.told.clear()
    host.let(("public", str(host.data[0])))
    inside = ["nsenter", f"--target={host.parent}", "--mount", "mount"]
    path = str(host.data[0])
    assert [words for words in host.told if words[0] == "nsenter"] == [
        [*inside, "--rbind", path, path],
        [*inside, "--options", "remount,bind,rw", path],
    ]


@pytest.mark.parametrize("protect_home", ["yes", "tmpfs", "read-only", "no"])
def test_an_app_in_a_home(protect_home: str, host: Host) -> None:
    host.ensure(protect_home=protect_home)
    if protect_home in ("yes", "tmpfs"):
        with pytest.raises(PalisadeError, match=r"^app public: path: /home/x is hidden from Apache"):
            host.let(("public", "/home/x"))
    else:
        host.let(("public", "/home/x"))
        assert host.texts()["palisade-public.conf"] == app_drop_in(["/home/x"])


def test_advice_is_given_where_there_is_a_sandbox(host: Host) -> None:
    """And not where its removal fails."""
    host.ensure()
    start = host.start

    def failing() -> None:
        start()
        raise CommandError("systemctl", 1, "Job failed.")

    host.start = failing  # type: ignore[method-assign]
    with pytest.raises(PalisadeError, match=r"; the unit was put back as it was\n") as caught:
        host.ensure("absent")
    assert "relax" not in str(caught.value)
    assert host.server.exists()


def test_a_drop_in_with_any_bytes_is_replaced(host: Host) -> None:
    host.directory.mkdir()
    host.server.write_bytes(b"\xff\n")
    host.ensure()
    assert host.server.read_text() == drop_in(host.layout, Settings())
