"""The configuration transaction, with a small program in the place of Apache's check."""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server as apache_server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import transaction as apache_transaction
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, ApacheLayout
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.server import Configuration
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.transaction import (
    ConfigurationFile,
    Transaction,
    apply,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, needs_root, run, snapshot

# Refuses a live file with BAD in it; LATE is refused in the live tree only, as a path that names it would be.
STUB = """#!/bin/sh
[ "$1 $3 $5" = "-d -f -t" ] && [ -f "$4" ] || exit 9
words=BAD
[ "$2" != "@root@" ] || words="BAD|LATE"
sed -n 's/^ServerRoot "\\(.*\\)"/\\1/p' "$4" | while read -r named; do [ "$named" = "$2" ] || exit 8; done || exit 8
for file in "$2"/sites-enabled/*.conf; do
    [ -e "$file" ] || continue
    line=$(grep -nE "$words" "$file" | cut -d: -f1)
    [ -z "$line" ] || {
        echo "AH00526: Syntax error on line $line of $file:" >&2
        echo "Invalid command, perhaps misspelled or defined by a module not included" >&2
        exit 1
    }
    account=$(grep -oE "user=missing[a-z]*" "$file")
    [ -z "$account" ] || { echo "AH00543: apache2: bad user name ${account#user=}" >&2; exit 1; }
done
echo "Syntax OK" >&2
"""


class Server:
    """A host's Apache: its directory, what it was told, and whether it runs."""

    def __init__(self, root: Path) -> None:
        self.root = root / "apache2"
        for name in ("sites-available", "sites-enabled"):
            (self.root / name).mkdir(parents=True)
        (self.root / "apache2.conf").write_text(f'ServerRoot "{self.root}"\nIncludeOptional sites-enabled/*.conf\n')
        (root / "stub").write_text(STUB.replace("@root@", str(self.root)))
        (root / "stub").chmod(0o755)
        self.layout: ApacheLayout = dataclasses.replace(
            DEBIAN,
            binary=str(root / "stub"),
            control=str(root / "control"),
            root=str(self.root),
            main_file=str(self.root / "apache2.conf"),
            envvars="",
            log_directory=str(root),
        )
        self.generation = 0
        self.running = True
        self.fails = ""
        self.told: list[str] = []

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        if arguments[0] == self.layout.binary:
            return run(arguments, environment)
        action = next(word for word in arguments[1:] if word in ("reload", "restart", "graceful"))
        self.told.append("reload" if action == "graceful" else action)
        if self.fails == "command" and len(self.told) == 1:
            raise PalisadeError("systemctl failed with 1:\nJob for apache2.service failed.")
        self.running = self.fails != "ends" or len(self.told) > 1
        self.generation += 1
        return ""

    def site(self, name: str, content: str | None = "# good\n", **fields: Any) -> ConfigurationFile:
        return ConfigurationFile(
            path=f"{self.root}/sites-available/{name}.conf",
            link=f"{self.root}/sites-enabled/{name}.conf",
            content=content,
            app=name,
            **fields,
        )

    def apply(self, *files: ConfigurationFile, check: bool = False, pools: Any = ()) -> dict[str, Any]:
        return apply(self.layout, files, pools, self.run, check)

    def live(self) -> dict[str, tuple[Any, ...]]:
        # The times of directories change with each rename.
        return {
            path: value if value[-1] else value[:3]
            for path, value in snapshot(self.root).items()
            if not path.startswith(".")
        }


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)
    monkeypatch.setattr(apache_transaction, "apache_parent", lambda binary: 1000 if made.running else None)
    monkeypatch.setattr(apache_transaction, "apache_children", lambda binary: {2000 + made.generation})
    monkeypatch.setattr(
        apache_transaction,
        "live_pools",
        lambda binary, declared: [{"name": "public", "processes": [{"pid": 2000 + made.generation, "started": 5.0}]}],
    )
    return made


def without_times(state: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {path: (*value[:3], value[-1]) for path, value in state.items()}


def test_a_site_goes_live(server: Server) -> None:
    old = os.umask(0o077)
    try:
        result = server.apply(server.site("public"))
    finally:
        os.umask(old)
    path, link = server.root / "sites-available/public.conf", server.root / "sites-enabled/public.conf"
    assert path.read_text() == "# good\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.readlink(link) == "../sites-available/public.conf"
    assert result["reload"] == "reload"
    assert [(row["path"], row["before"]) for row in result["differences"]] == [
        (str(path), {"state": "absent"}),
        (str(link), {"state": "absent"}),
    ]
    assert server.told == ["reload"]
    before = snapshot(server.root)
    assert server.apply(server.site("public")) == {"differences": [], "stale": [], "reload": "none", "requests": {}}
    assert (snapshot(server.root), server.told) == (before, ["reload"])


def test_a_reload_waits_for_requests_before_anything_is_in_place(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[Any, ...]] = []

    def wait(layout: ApacheLayout, seconds: float, run: Any) -> dict[str, int]:
        waited.append((layout, seconds, run, server.live(), list(server.told)))
        return {"public": 2}

    monkeypatch.setattr(apache_transaction, "await_requests", wait)
    before = server.live()
    assert apply(server.layout, [server.site("public")], (), server.run, True, 7)["requests"] == {}
    assert waited == []
    assert apply(server.layout, [server.site("public")], (), server.run, False, 7)["requests"] == {"public": 2}
    assert waited == [(server.layout, 7, server.run, before, [])]
    assert server.told == ["reload"]
    # Nothing changes, so nothing is cut.
    apply(server.layout, [server.site("public")], (), server.run, False, 7)
    assert len(waited) == 1


def test_a_site_is_removed(server: Server) -> None:
    empty = without_times(snapshot(server.root))
    server.apply(server.site("public"), server.site("admin"))
    result = server.apply(server.site("public", None), server.site("admin", None), server.site("never", None))
    assert without_times(snapshot(server.root)) == empty
    assert len(result["differences"]) == 4
    assert server.told == ["reload", "reload"]


def test_a_check_says_and_changes_nothing(server: Server) -> None:
    server.apply(server.site("old"))
    before = snapshot(server.root)
    planned = server.apply(server.site("public"), server.site("old", None), check=True)
    assert (snapshot(server.root), server.told) == (before, ["reload"])
    assert server.apply(server.site("public"), server.site("old", None)) == planned


@pytest.mark.parametrize("check", [True, False])
def test_what_apache_refuses_is_not_put_in_place(check: bool, server: Server) -> None:
    server.apply(server.site("old"))
    before = snapshot(server.root)
    bad = server.site("public", "# good\nBAD\n")
    with pytest.raises(PalisadeError) as caught:
        server.apply(server.site("admin"), bad, server.site("old", None), check=check)
    message = str(caught.value)
    assert message.startswith(
        f"app public: {bad.path}: Apache rejects the configuration: AH00526: Syntax error on line 2"
    )
    assert message.endswith("; nothing was changed")
    # The copy that was checked is nobody's business.
    assert "palisade-" not in message
    assert f"line 2 of {bad.link}:" in message
    assert (snapshot(server.root), server.told) == (before, ["reload"])


def test_somebody_elses_mistake_is_not_the_apps(server: Server) -> None:
    (server.root / "sites-enabled/by-hand.conf").write_text("BAD\n")
    with pytest.raises(PalisadeError) as caught:
        server.apply(server.site("public"))
    assert str(caught.value).startswith("Apache rejects the configuration: ")
    assert f"{server.root}/sites-enabled/by-hand.conf" in str(caught.value)


def test_an_account_that_is_missing_names_the_app(server: Server) -> None:
    longer = server.site("admin", "# user=other group=missingone\n")
    shorter = server.site("public", "WSGIDaemonProcess public user=missing\n")
    with pytest.raises(PalisadeError, match=rf"^app public: {shorter.path}: .*bad user name missing"):
        server.apply(longer, shorter)


@pytest.mark.parametrize(
    "line", ["RequestHeader unset X", "SSLEngine On", "Include extra.inc", "SSLCertificateFile /nowhere/a.crt"]
)
def test_a_check_before_the_server_role_has_been(line: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    modules: list[str] = []
    monkeypatch.setattr(apache_server, "read_configuration", lambda layout, run: Configuration(modules=modules))
    fields = server.site("public", f"    {line}\nBAD\n")
    # Apache could not judge it, and the run that is no check asks.
    assert server.apply(fields, check=True)["reload"] == "reload"
    with pytest.raises(PalisadeError, match="nothing was changed"):
        server.apply(fields)
    # Those that it needs are enough.
    modules += {"RequestHeader": ["headers"], "SSLEngine": ["ssl"]}.get(line.split()[0], [])
    there = server.site("public", f"    {line.replace('/nowhere/a.crt', str(server.root / 'apache2.conf'))}\nBAD\n")
    extra = ConfigurationFile(path=f"{server.root}/extra.inc", content="")
    with pytest.raises(PalisadeError, match="nothing was changed"):
        server.apply(there, extra, check=True)


def test_a_check_before_the_accounts_are_made(server: Server) -> None:
    fields = server.site("public", "    WSGIDaemonProcess public user=missing group=missing\n")
    assert server.apply(fields, check=True)["reload"] == "reload"
    # With accounts that exist Apache is asked in a check too.
    known = server.site("public", f"    WSGIDaemonProcess public user={ME}\nBAD\n")
    with pytest.raises(PalisadeError, match="nothing was changed"):
        server.apply(known, check=True)


@pytest.mark.parametrize("fails", ["command", "ends", "late"])
def test_what_fails_later_is_put_back(fails: str, server: Server) -> None:
    server.apply(server.site("old", "# old\r\n"), server.site("same"))
    server.told.clear()
    server.fails = fails
    (server.root / "sites-available/old.conf").chmod(0o600)
    before = without_times(snapshot(server.root))
    content = "LATE\n" if fails == "late" else "# new\n"
    with pytest.raises(PalisadeError, match="the previous configuration was put back") as caught:
        server.apply(server.site("old", content), server.site("same", None), server.site("public", content))
    assert without_times(snapshot(server.root)) == before
    assert server.running
    assert server.told == {"command": ["reload", "reload"], "ends": ["reload", "restart"], "late": ["reload"]}[fails]
    reason = {"command": "Job for apache2.service failed", "ends": "Apache ended at the reload", "late": "AH00526"}[
        fails
    ]
    assert reason in str(caught.value)
    assert f"{server.root}/sites-available/old.conf" in str(caught.value) or fails == "command"


@needs_root
def test_owners_are_put_back(server: Server) -> None:
    server.apply(server.site("old"))
    os.chown(server.root / "sites-available/old.conf", 1, 2)
    server.told.clear()
    server.fails = "command"
    with pytest.raises(PalisadeError):
        server.apply(server.site("old", "# new\n"))
    found = (server.root / "sites-available/old.conf").stat()
    assert (found.st_uid, found.st_gid) == (1, 2)


def test_a_disk_that_is_full_half_way(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.apply(server.site("old"))
    before = without_times(snapshot(server.root))
    rename = os.rename

    def fails(source: str, target: str) -> None:
        if target.endswith("sites-enabled/public.conf") and target.startswith(str(server.root)):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(PalisadeError, match=r"No space left on device.* put back"):
        server.apply(server.site("old", "# new\n"), server.site("public"))
    assert without_times(snapshot(server.root)) == before


@pytest.mark.parametrize("content", ["a\r\nb\r\n", "ä\u2028\n", "", "\udcff\n"])
def test_every_byte_counts(content: str, server: Server) -> None:
    server.apply(server.site("public", content))
    written = (server.root / "sites-available/public.conf").read_bytes()
    assert written == content.encode("utf-8", "surrogateescape")
    assert server.apply(server.site("public", content))["reload"] == "none"


def test_a_module_needs_a_restart(server: Server) -> None:
    server.apply(server.site("wsgi", restart=True), server.site("public"))
    server.apply(server.site("wsgi", restart=True), server.site("public", "# new\n"))
    server.apply(server.site("wsgi", None, restart=True))
    assert server.told == ["restart", "reload", "restart"]
    assert Transaction(server.layout, [server.site("wsgi", restart=True)]).needs_restart


def test_links_to_what_is_packaged(server: Server) -> None:
    (server.root / "sites-available/ssl.conf").write_text("# packaged\n")
    enabled = ConfigurationFile(path=f"{server.root}/sites-enabled/ssl.conf", target="../sites-available/ssl.conf")
    assert server.apply(enabled)["differences"][0]["after"] == {"link": "../sites-available/ssl.conf"}
    assert server.apply(enabled)["differences"] == []
    # A file where a link should be is replaced, and so is the other way round.
    (server.root / "sites-enabled/ssl.conf").unlink()
    (server.root / "sites-enabled/ssl.conf").write_text("# by hand\n")
    assert server.apply(enabled)["differences"][0]["before"] == {"file": "# by hand\n"}
    server.apply(dataclasses.replace(enabled, target=""))
    assert os.listdir(server.root / "sites-enabled") == []
    assert (server.root / "sites-available/ssl.conf").read_text() == "# packaged\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "{root}", "{root}/../x", "{root}-other/x", "{root}/a/../../x"])
@pytest.mark.parametrize("which", ["path", "link"])
def test_paths_outside_are_refused(path: str, which: str, server: Server) -> None:
    outside = path.format(root=server.root)
    file = ConfigurationFile(**{**dataclasses.asdict(server.site("public")), which: outside})
    with pytest.raises(PalisadeError, match="expected a path inside"):
        server.apply(file)
    assert os.listdir(server.root / "sites-available") == []


def test_a_directory_in_the_way_is_refused(server: Server) -> None:
    (server.root / "sites-available/public.conf").mkdir()
    with pytest.raises(
        PalisadeError, match=r"public\.conf: expected a file, found something else; nothing was changed"
    ):
        server.apply(server.site("public"))


def test_a_stopped_apache_is_not_started(server: Server) -> None:
    server.running = False
    assert server.apply(server.site("public"))["reload"] == "none"
    assert server.told == []
    with pytest.raises(PalisadeError, match="put back"):
        server.apply(server.site("public", "LATE\n"))
    assert server.told == []


def test_no_apache_yet(server: Server) -> None:
    layout = dataclasses.replace(server.layout, binary=str(server.root / "none"))
    server.running = False
    assert apply(layout, [server.site("public", "BAD\n")], [], server.run, check=True)["reload"] == "reload"
    assert os.listdir(server.root / "sites-available") == []


def test_a_pool_older_than_what_it_loads_is_reloaded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.apply(server.site("public"))
    loaded = server.root.parent / "current"
    loaded.symlink_to("releases/1")
    pool = {"name": "public", "loads": [str(loaded), str(server.root / "not-there")]}
    # The pool of the fixture started in 1970.
    assert server.apply(server.site("public"), pools=[pool], check=True) == {
        "differences": [],
        "stale": ["public"],
        "reload": "reload",
        "requests": {},
    }
    assert server.apply(server.site("public"), pools=[pool])["stale"] == ["public"]
    assert server.told == ["reload", "reload"]
    changed = loaded.lstat().st_ctime
    monkeypatch.setattr(
        apache_transaction,
        "live_pools",
        lambda binary, declared: [{"name": "public", "processes": [{"pid": 1, "started": changed + 1}]}],
    )
    assert server.apply(server.site("public"), pools=[pool])["stale"] == []
    assert server.apply(server.site("public"), pools=[{**pool, "name": "admin"}], check=True)["stale"] == ["admin"]


def test_the_end_of_the_log_is_told(server: Server) -> None:
    """Of what came since the reload, and without what every reload says of every daemon."""
    log = server.root.parent / "error.log"
    log.write_text("of before\n")
    own = apache_transaction.ServerLog(server.layout)
    lines = [f"line {number}" for number in range(12)]
    log.write_text("of before\n" + "".join(f"{line}\n[wsgi:info] [pid 5] bye\n" for line in lines))
    assert own.lines() == lines[-8:]
    log.write_text("of before\n")
    assert own.lines() == []
    log.unlink()
    assert apache_transaction.ServerLog(server.layout).lines() == []


def test_a_log_by_the_other_name(server: Server) -> None:
    (server.root.parent / "error_log").write_text("x" * 5)
    own = apache_transaction.ServerLog(server.layout)
    assert (own.path, own.offset) == (f"{server.root.parent}/error_log", 5)


class Generations:
    """An Apache that replaces its daemons after some looks, and its workers later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.looks = 0.0, 0
        self.ends_at, self.daemons_at, self.workers_at = 10**6, 0, 0
        self.pools = True
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(
            apache_transaction, "apache_parent", lambda binary: None if self.looks >= self.ends_at else 1
        )
        monkeypatch.setattr(
            apache_transaction, "apache_children", lambda binary: {5, *([6] if self.looks >= self.workers_at else [])}
        )
        monkeypatch.setattr(apache_transaction, "live_pools", self.live_pools)

    def sleep(self, seconds: float) -> None:
        self.looks += 1
        self.now += seconds

    def live_pools(self, binary: str, declared: Any) -> Any:
        pid = 8 if self.looks >= self.daemons_at else 7
        return [{"name": "public", "processes": [{"pid": str(pid)}] if self.pools else []}]

    def wait(self, server: Server, restart: bool = False) -> None:
        transaction = Transaction(server.layout, [server.site("public", restart=restart)])
        apache_transaction._wait_for_processes_after(
            server.layout, {7}, {5}, transaction, apache_transaction.ServerLog(server.layout)
        )


@pytest.mark.parametrize(("daemons", "workers", "looks"), [(0, 0, 0), (3, 0, 3), (0, 4, 4)])
def test_a_reload_is_waited_for(
    daemons: int, workers: int, looks: int, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until no daemon of before is left, and the parent has come through."""
    apache = Generations(monkeypatch)
    apache.daemons_at, apache.workers_at = daemons, workers
    apache.wait(server)
    assert apache.looks == looks


def test_a_reload_that_brings_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    apache = Generations(monkeypatch)
    apache.daemons_at = 10**6
    with pytest.raises(PalisadeError, match=r"^Apache did not replace its daemons within 15 s of the reload$"):
        apache.wait(server)
    assert 15 < apache.now < 16


def test_an_apache_that_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a reload at once; at a restart it is down for a moment."""
    apache = Generations(monkeypatch)
    apache.ends_at, apache.daemons_at = 2, 10**6
    with pytest.raises(PalisadeError, match=r"^Apache ended at the reload with app public: .*/public\.conf:$"):
        apache.wait(server)
    assert apache.looks == 2
    with pytest.raises(PalisadeError, match="did not replace its daemons"):
        apache.wait(server, restart=True)


def test_a_directory_that_is_made_is_for_root_to_write(server: Server) -> None:
    """Whatever the umask of the connection is."""
    old = os.umask(0)
    try:
        server.apply(ConfigurationFile(path=f"{server.root}/new/below/a.conf", content="# good\n"))
    finally:
        os.umask(old)
    modes = [stat.S_IMODE((server.root / name).stat().st_mode) for name in ("new/below", "new/below/a.conf")]
    assert modes == [0o755, 0o644]


@pytest.mark.parametrize(("names", "incomplete"), [(["a", "b"], False), (["a"], True), (["a", "b", "c"], False)])
def test_accounts_that_are_all_there(
    names: list[str], incomplete: bool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwall", lambda: [SimpleNamespace(pw_name=name) for name in names])
    monkeypatch.setattr(grp, "getgrall", list)
    file = server.site("public", "    WSGIDaemonProcess public user=a group=b\n")
    assert apache_transaction._incomplete(server.layout, [file], server.run) is incomplete


def test_a_pool_that_loads_nothing_yet_is_not_stale(server: Server) -> None:
    pool = {"name": "public", "loads": [f"{server.root}/not-there"]}
    assert apache_transaction.stale_pools(server.layout, [pool], server.run) == []
