# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The switch from an old site to an app with its data; Apache is played, its configuration and the data are real."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server as apache_server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.server import Configuration
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.transaction import ConfigurationFile
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import data_switch
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.activation import Files
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.data import copy_data, note, noted
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.data_switch import (
    Outcome,
    Switch,
    copy_ahead,
    guarded,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.apache import test_transaction
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.release import test_data
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root, snapshot

pytestmark = needs_root

OPEN = "# open: WSGIDaemonProcess\n"

server = test_transaction.server


class Shop(test_data.Host):
    """An old site that is live, and the app that is to replace it."""

    def __init__(self, root: Path, server: test_transaction.Server, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.server = server
        self.old_link = server.root / "sites-enabled/shop.conf"
        (server.root / "sites-available/shop.conf").write_text("# old\n")
        self.old_link.symlink_to("../sites-available/shop.conf")
        file = server.site("zz-palisade-shop", OPEN)
        self.site = Path(file.link)
        self.row["site"] = {"path": file.path, "link": file.link, "closed": "# closed\n"}
        self.row["replaced"] = [str(self.old_link)]
        self.files_of_apache = [
            ConfigurationFile(file.path, OPEN, link=file.link, app="shop, blog"),
            ConfigurationFile(str(self.old_link), None, app="shop"),
            server.site("others"),
        ]
        self.events: list[str] = []
        self.hook: Any = None
        self.health: Any = None
        self.declared = [{"name": "shop", "file": str(self.old_link), "options": {}}]
        for name, value in {
            "run_hooks": self.run_hooks,
            "check_pools": self.check_pools,
            "_wait_for_the_end_of": lambda pids, end=False: self.events.append(f"ended {sorted(pids)} {end}"),
            "apache_parent": lambda _binary: 1000,
            "apache_children": lambda _binary: {1, 2, 3},
            "live_pools": lambda *_: [{"name": "shop", "processes": [{"pid": 3}]}],
            "_PATIENCE": 0.2,
        }.items():
            monkeypatch.setattr(data_switch, name, value)
        monkeypatch.setattr(apache_server, "read_configuration", lambda *_: Configuration(pools=self.declared))

    def live(self) -> str:
        """Return what Apache has of the shop."""
        texts = [
            path.read_text().strip("# \n").partition(":")[0]
            for path in (self.old_link, self.site)
            if os.path.lexists(path)
        ]
        return " ".join(texts)

    def run_hooks(self, row: Any, place: str, environment: Any, _run: Any) -> list[dict[str, Any]]:
        self.events.append(f"hook {self.live()} {place[-9:]} {dict(environment)}")
        if self.hook:
            self.hook()
        return [{"command": row["hooks"][0], "output": "migrated"}]

    def check_pools(self, _layout: Any, pools: Sequence[Any], _run: Any) -> None:
        self.events.append(f"asked {self.live()} {[pool['app'] for pool in pools]}")
        self.asked = (self.site.read_text() if self.site.exists() else "", pools)
        if self.health:
            self.health()

    def switch(self, check: bool = False) -> Outcome:
        releases = [{"app": app, "directory": "/r", "release": "1", "hooks": [["migrate"]]} for app in ("shop", "blog")]
        files = Files([{"app": "shop", "path": "/e"}], (), {"/e": '{"KEY": "1"}'})
        made = Switch(self.server.layout, [self.row], self.files_of_apache, self.server.run, check)
        return made.carry_out(releases, files, [{"app": "shop"}, {"app": "blog"}])


@pytest.fixture
def shop(tmp_path: Path, server: test_transaction.Server, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, server, monkeypatch)


def test_closed_then_copied_then_opened(shop: Shop) -> None:
    assert copy_ahead([shop.row], check=False).differences
    shop.write("db/rows", "at the last moment")
    before = snapshot(shop.old)
    outcome = shop.switch()
    assert shop.events == ["ended [3] False", "hook closed /r/1 {'KEY': '1'}", "asked open ['shop']"]
    assert shop.live() == "open"
    assert shop.files()["db/rows"] == "at the last moment"
    assert {path: row[:-1] for path, row in snapshot(shop.old).items()} == {p: row[:-1] for p, row in before.items()}
    assert not (shop.server.root / "sites-enabled/others.conf").exists()
    assert shop.server.told == ["reload", "reload"]
    assert outcome.hooks == [{"app": "shop", "command": ["migrate"], "output": "migrated"}]
    assert outcome.closed > 0
    assert not os.path.exists(shop.row["marker"])


def test_a_second_run_copies_nothing(shop: Shop) -> None:
    shop.switch()
    (shop.ours / "db/rows").write_text("ours")
    assert copy_ahead([shop.row], check=False) == Outcome()
    assert shop.switch() == Outcome()
    assert shop.files()["db/rows"] == "ours"


def test_a_play_that_was_killed_after_the_switch(shop: Shop) -> None:
    shop.switch()
    note(shop.row, {str(shop.old_link): "../sites-available/shop.conf"})
    (shop.ours / "db/rows").write_text("ours")
    assert copy_ahead([shop.row], check=True) == copy_ahead([shop.row], check=False) == Outcome()
    assert not os.path.exists(shop.row["marker"])
    assert shop.files()["db/rows"] == "ours"


def test_a_play_of_some_tags(shop: Shop) -> None:
    made = Switch(shop.server.layout, [shop.row], shop.files_of_apache, shop.server.run, False)
    with pytest.raises(PalisadeError, match="app shop: data_from: its release is not built"):
        made.carry_out([], Files(), [])
    assert (shop.live(), shop.server.told) == ("old", [])


def test_check_mode_changes_nothing(shop: Shop) -> None:
    before = snapshot(shop.old.parent)
    assert [row["path"] for row in copy_ahead([shop.row], check=True).differences] == [str(shop.ours / "db")]
    assert shop.switch(check=True).differences
    assert snapshot(shop.old.parent) == before


def refuse() -> None:
    raise PalisadeError("app shop: no")


def ended() -> None:
    raise OSError("disk full")


def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("where", "how", "words"),
    [
        ("hook", refuse, "app shop: no"),
        ("health", refuse, "app shop: no"),
        ("hook", ended, "app shop: disk full"),
        ("health", terminated, "app shop: interrupted by SIGTERM"),
    ],
)
def test_what_fails_leads_back_to_the_old_site(where: str, how: Any, words: str, shop: Shop) -> None:
    before, old = shop.server.live(), snapshot(shop.old)
    handler = signal.getsignal(signal.SIGTERM)
    setattr(shop, where, how)
    with pytest.raises(PalisadeError) as error:
        shop.switch()
    assert str(error.value) == f"{words}\nThe old site serves again, and its data is unchanged."
    assert shop.live() == "old"
    assert test_transaction.without_times(shop.server.live()) == test_transaction.without_times(before)
    assert [row[-1] for row in snapshot(shop.old).values()] == [row[-1] for row in old.values()]
    assert shop.server.told[-1] == "reload"
    assert signal.getsignal(signal.SIGTERM) is handler
    # The next play begins again.
    setattr(shop, where, None)
    shop.write("db/rows", "newer", test_data.OLD + 9)
    shop.switch()
    assert shop.live() == "open"
    assert shop.files()["db/rows"] == "newer"


def test_a_configuration_that_apache_refuses(shop: Shop) -> None:
    shop.files_of_apache[0] = ConfigurationFile(
        shop.files_of_apache[0].path, "LATE\n", link=shop.files_of_apache[0].link, app="shop"
    )
    with pytest.raises(PalisadeError, match="Apache rejects the configuration"):
        shop.switch()
    assert shop.live() == "old"


def killed() -> None:
    raise SystemExit(9)


def test_a_play_that_was_killed_while_the_site_was_closed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.hook = killed
    with monkeypatch.context() as patched:
        patched.setattr(data_switch, "undo", lambda *_: None)
        patched.setattr(data_switch, "note", lambda row, links: links and noted_links.update(links))
        noted_links: dict[str, str] = {}
        with pytest.raises(PalisadeError):
            shop.switch()
    note(shop.row, noted_links)
    assert shop.live() == "closed"
    assert noted(shop.row) == {str(shop.old_link): "../sites-available/shop.conf"}
    # It fails again: the way back is still known.
    shop.hook = refuse
    with pytest.raises(PalisadeError):
        shop.switch()
    assert shop.live() == "old"
    shop.hook = None
    shop.switch()
    assert shop.live() == "open"


def test_a_site_without_a_pool_runs_in_apache_s_own_processes(shop: Shop) -> None:
    shop.declared = []
    shop.switch()
    assert shop.events[:2] == ["ended [3] False", "ended [1, 2] True"]


def test_no_old_site_on_a_new_host(shop: Shop) -> None:
    shop.old_link.unlink()
    shop.switch()
    assert shop.events[0].startswith("hook ")
    assert shop.server.told == ["reload"]
    assert shop.live() == "open"


def test_somebody_else_who_writes(shop: Shop) -> None:
    with (
        (shop.old / "db/rows").open("a"),
        pytest.raises(PalisadeError, match=r"app shop: data_from: process [0-9]+ .* writes to .*db/rows, although the"),
    ):
        shop.switch()
    assert shop.live() == "old"


def test_data_that_changes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def writers(_row: Any) -> list[str]:
        return []

    def copied(row: Any, closed: bool) -> Any:
        shop.write("db/rows", "x" * len(shop.events), test_data.OLD + len(shop.events))
        shop.events.append("pass")
        return copy_data(row, closed)

    monkeypatch.setattr(data_switch, "writers", writers)
    monkeypatch.setattr(data_switch, "copy_data", copied)
    with pytest.raises(
        PalisadeError, match="app shop: data_from: the data still changes, although the old site is closed"
    ):
        shop.switch()
    assert shop.live() == "old"


@pytest.mark.parametrize("end", [False, True])
def test_waiting_for_processes(end: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_switch, "_PATIENCE", 0.2)
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            if end:
                data_switch._wait_for_the_end_of([process.pid], end=True)
                assert process.wait() == -signal.SIGTERM
            else:
                with pytest.raises(PalisadeError, match=rf"processes of the old site keep running: {process.pid}"):
                    data_switch._wait_for_the_end_of([process.pid])
        finally:
            process.kill()
    data_switch._wait_for_the_end_of([process.pid])


def test_nobody_else_is_let_in_before_the_new_site_has_answered(shop: Shop) -> None:
    text = "# open: WSGIDaemonProcess\n<VirtualHost *:80>\n    ServerName shop.test\n</VirtualHost>\n"
    shop.files_of_apache[0] = ConfigurationFile(
        str(shop.row["site"]["path"]), text, link=str(shop.site), app="shop, blog"
    )
    copy_ahead([shop.row], check=False)
    shop.switch()
    asked, pools = shop.asked
    ((header, word),) = pools[0]["headers"].items()
    assert asked == guarded(text, word) != text
    assert f"<VirtualHost *:80>\n    <If \"req('{header}') != '{word}'\">\n        Redirect 503 /\n    </If>\n" in asked
    assert shop.site.read_text() == text
    assert shop.server.told == ["reload"] * 3
