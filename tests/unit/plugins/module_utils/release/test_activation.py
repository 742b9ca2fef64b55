"""A release becomes current with its files, or everything is as it was before."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.fs import switch_link
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release import activation as release_activation
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.activation import Activation, Files, prune
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.build import Built
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.release.store import describe, description
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root, run

pytestmark = needs_root

OLD, NEW = "1111111111111111", "2222222222222222"


class Configuration:
    def __init__(self, names: Sequence[str]) -> None:
        self.pools = [{"name": name, "options": {}} for name in names]


class Host:
    """Releases, files and pools of some apps; Apache and the daemons are played."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.told: list[str] = []
        self.declared: list[str] = []
        self.processes: dict[str, list[dict[str, Any]]] = {}
        self.ill: dict[str, str] = {}
        self.stuck: dict[str, str] = {}
        self.hook_fails = False
        self.workers_ill: set[str] = set()
        self.workers_stale = False
        self.workers_secrets: object = None
        for name, value in {
            "apache_parent": lambda _binary: 1,
            "live_pools": self.live_pools,
            "roll": self.roll,
            "check_pools": self.check_pools,
            "run_hooks": self.run_hooks,
            "try_release": self.try_release,
        }.items():
            monkeypatch.setattr(release_activation, name, value)
        monkeypatch.setattr(server, "read_configuration", lambda *_: Configuration(self.declared))

    def app(self, name: str, *releases: str, current: str = "") -> dict[str, Any]:
        directory = self.root / name / "releases"
        directory.mkdir(parents=True)
        for position, release in enumerate(releases):
            self.release(name, release, built=100.0 + position, activated=200.0 + position if current else None)
        row = {
            "app": name,
            "release": releases[-1] if releases else "",
            "directory": str(directory),
            "current": str(self.root / name / "current"),
            "hooks": [["migrate"]],
        }
        if current:
            os.symlink(f"releases/{current}", str(row["current"]))
            (self.root / name / "environment").write_text('{"COLOUR": "old"}')
            (self.root / name / "environment").chmod(0o640)
            os.chown(self.root / name / "environment", 0, 12)
            (self.root / name / "wsgi.py").write_text("old\n")
            self.declared.append(name)
            self.start(name, current)
        return row

    def release(self, app: str, release: str, **fields: Any) -> None:
        place = self.root / app / "releases" / release
        (place / "code").mkdir(parents=True)
        describe(str(place), {"app": app, "release": release, **{k: v for k, v in fields.items() if v is not None}})

    def start(self, pool: str, release: str) -> None:
        cwd = str(self.root / pool / "releases" / release / "code")
        self.processes[pool] = [{"pid": number, "cwd": cwd, "started": time.time() + 1} for number in (1, 2)]

    def files(self, app: str, colour: str = "old", entry: str = "old\n") -> Files:
        names = {"owner": "root", "group": "root"}
        present, secrets = [], {}
        for name in [app, *(other for other in self.declared if other != app)]:
            home = self.root / name
            secrets[str(home / "environment")] = json.dumps({"COLOUR": colour})
            present.append({"app": name, "path": str(home / "environment"), "mode": "0640", "content": None, **names})
            present.append({"app": name, "path": str(home / "wsgi.py"), "mode": "0644", "content": entry, **names})
        return Files(present, [], secrets)

    def activation(self, app: str, check: bool = False, **changes: str) -> Activation:
        pools = [{"app": name, "name": name} for name in self.processes or [app]]
        return Activation(DEBIAN, self.files(app, **changes), pools, run, check)

    def live_pools(self, _binary: str, _declared: object) -> list[dict[str, Any]]:
        return [{"name": name, "processes": rows} for name, rows in self.processes.items()]

    def roll(
        self, _layout: object, names: Sequence[str], _run: object, wanted: Mapping[str, str], _since: float
    ) -> list[dict[str, Any]]:
        (name,) = names
        release = os.path.basename(wanted[name])
        self.told.append(f"roll {name} {release} {self.colour(name)}")
        if self.stuck.get(name) == release:
            raise PalisadeError(f"pool {name}: no process came")
        self.start(name, release)
        return [{"name": name, "processes": [{"pid": 1, "replaced": 3}, {"pid": 2, "replaced": None}]}]

    def check_pools(self, _layout: object, pools: Sequence[Mapping[str, Any]], _run: object) -> list[dict[str, Any]]:
        name = pools[0]["name"]
        self.told.append(f"ask {name}")
        if name in self.ill:
            raise PalisadeError(f"app {name}: {self.ill[name]}")
        return []

    def run_hooks(
        self, row: Mapping[str, Any], place: str, environment: Mapping[str, str], _run: object
    ) -> list[dict[str, str]]:
        self.told += [f"{hook[0]} {os.path.basename(place)} {environment['COLOUR']}" for hook in row["hooks"]]
        if self.hook_fails:
            raise PalisadeError(f"app {row['app']}: migrate failed")
        return [{"command": "migrate", "output": "done"} for _hook in row["hooks"]]

    def try_release(self, row: Mapping[str, Any], place: str, *_: object) -> None:
        self.told.append(f"try {os.path.basename(place)}")

    def colour(self, app: str) -> str:
        return str(json.loads((self.root / app / "environment").read_text())["COLOUR"])

    def state(self, app: str) -> list[Any]:
        home = self.root / app
        found: list[Any] = [os.readlink(home / "current") if (home / "current").is_symlink() else ""]
        for name in ("environment", "wsgi.py"):
            path = home / name
            known = path.lstat() if path.exists() else None
            found.append((path.read_text(), known.st_uid, known.st_gid, known.st_mode) if known else None)
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_first_release_serves_after_its_hooks(host: Host) -> None:
    row = host.app("shop", NEW)
    outcome = host.activation("shop").begin([row], Built())
    assert host.told == [f"migrate {NEW} old"]
    assert os.readlink(row["current"]) == f"releases/{NEW}"
    assert host.colour("shop") == "old"
    assert outcome.hooks == [{"app": "shop", "command": "migrate", "output": "done"}]
    assert description(f"{row['directory']}/{NEW}")["activated"] > 0


def test_a_first_release_whose_hook_fails_ends_the_play(host: Host) -> None:
    row = host.app("shop", NEW)
    host.hook_fails = True
    with pytest.raises(PalisadeError, match="app shop: migrate failed"):
        host.activation("shop").begin([row], Built())
    assert host.state("shop") == ["", None, None]


def test_a_build_that_failed_is_told_later_if_the_app_serves(host: Host) -> None:
    served, first = host.app("shop", OLD, current=OLD), host.app("blog", NEW)
    outcome = host.activation("blog").begin([served, first], Built(failures={"shop": "app shop: no wheel"}))
    assert outcome.failures == {"shop": "app shop: no wheel"}
    assert os.path.islink(first["current"])
    other = host.app("wiki", NEW)
    told = {"wiki": "app wiki: no wheel", "shop": "app shop: no wheel"}
    with pytest.raises(PalisadeError, match=r"^app wiki: no wheel$"):
        host.activation("wiki").begin([served, other], Built(failures=told))


def test_an_app_that_serves_is_left_to_the_activation(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    host.activation("shop").begin([row], Built())
    assert host.told == []
    assert host.state("shop")[0] == f"releases/{OLD}"


@pytest.mark.parametrize("lacking", ["release", "entry file"])
def test_an_app_whose_pool_could_not_start_begins(lacking: str, host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    if lacking == "release":
        os.unlink(row["current"])
        os.symlink("code", row["current"])
    else:
        (host.root / "shop" / "wsgi.py").unlink()
    host.activation("shop").begin([row], Built())
    assert host.state("shop")[0] == f"releases/{NEW}"
    assert (host.root / "shop" / "wsgi.py").read_text() == "old\n"


def test_a_first_environment_of_an_app_that_serves_waits_for_its_turn(host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    (host.root / "shop" / "environment").unlink()
    host.activation("shop").begin([row], Built())
    assert not (host.root / "shop" / "environment").exists()


def test_files_and_link_switch_before_the_pool_rolls(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    outcome = host.activation("shop", colour="new", entry="new\n").activate([row], 4)
    assert host.told == [f"migrate {NEW} new", f"roll shop {NEW} new", "ask shop"]
    assert host.state("shop")[0] == f"releases/{NEW}"
    assert outcome.failures == {}
    assert [change["path"].rpartition("/")[2] for change in outcome.differences] == [
        "environment",
        "wsgi.py",
        "current",
    ]
    assert "new" not in json.dumps(outcome.differences[0])
    assert outcome.processes == [{"pool": "shop", "pid": 1, "replaced": 3}]


def test_a_second_run_does_nothing(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    host.activation("shop").activate([row], 4)
    host.told.clear()
    outcome = host.activation("shop").activate([row], 4)
    assert (host.told, outcome.differences, outcome.processes) == ([], [], [])


def test_a_process_that_is_older_than_its_files_is_replaced(host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    host.activation("shop").activate([row], 4)
    host.told.clear()
    host.processes["shop"][1]["started"] = os.lstat(row["current"]).st_ctime - 1
    host.activation("shop").activate([row], 4)
    assert host.told == [f"roll shop {NEW} old", "ask shop"]


def test_a_process_of_another_release_is_replaced(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=NEW)
    host.activation("shop").activate([row], 4)
    host.told.clear()
    host.processes["shop"][1]["cwd"] = f"{row['directory']}/{OLD}/code"
    host.activation("shop").activate([row], 4)
    assert host.told == [f"roll shop {NEW} old", "ask shop"]


@pytest.mark.parametrize("part", ["health", "roll"])
def test_a_release_that_does_not_do_is_taken_back(part: str, host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    before, entry_file = host.state("shop"), (host.root / "shop" / "wsgi.py").stat()
    if part == "health":
        host.ill["shop"] = "GET / answered 500"
    else:
        host.stuck["shop"] = NEW
    outcome = host.activation("shop", colour="new").activate([row], 4)
    assert host.state("shop") == before
    # What did not change is not written again.
    assert (host.root / "shop" / "wsgi.py").stat().st_mtime_ns == entry_file.st_mtime_ns
    assert host.told[-1] == f"roll shop {OLD} old"
    (text,) = outcome.failures.values()
    assert text.startswith(f"app shop: release {NEW} was rolled back, and release {OLD} serves as before: ")
    assert ("answered 500" in text) == (part == "health")
    assert description(f"{row['directory']}/{NEW}")["failed"] is True
    assert "failed" not in description(f"{row['directory']}/{OLD}")


def test_a_way_back_that_fails_is_told_too(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    host.ill["shop"], host.stuck["shop"] = "GET / answered 500", OLD
    (text,) = host.activation("shop").activate([row], 4).failures.values()
    assert "answered 500" in text
    assert f"rolling back to release {OLD} failed too: pool shop: no process came" in text


def test_an_environment_that_does_not_do_is_taken_back(host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    before = host.state("shop")
    host.ill["shop"] = "GET / answered 500"
    (text,) = host.activation("shop", colour="new").activate([row], 4).failures.values()
    assert "the new environment, entry file or units was rolled back" in text
    assert host.state("shop") == before
    assert not description(f"{row['directory']}/{NEW}")["failed"]
    assert host.told == [f"try {NEW}", f"roll shop {NEW} new", "ask shop", f"roll shop {NEW} old"]


class Workers:
    """Stands for the services of an app: one unit file, and what was asked of it."""

    def __init__(self, host: Host, path: Path, app: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.host, self.path, self.app, self.rows = host, path, app, rows
        self.done: list[dict[str, str]] = []

    def paths(self) -> list[str]:
        return [str(self.path)] if self.app == "shop" else []

    def changes(self) -> list[dict[str, Any]]:
        text = self.path.read_text() if self.path.exists() else ""
        wanted = self.rows[0]["content"] if self.rows else ""
        return [{"path": str(self.path)}] if text != wanted else []

    def due(self, _since: float) -> list[dict[str, str]]:
        return [{"unit": "mail", "action": "started"}] if self.host.workers_stale else []

    def put(self) -> None:
        self.host.told.append("put")
        if self.rows:
            self.path.write_text(self.rows[0]["content"])

    def reload(self) -> None:
        self.host.told.append("reload")

    def forget(self, paths: Sequence[str]) -> None:
        self.host.told += [f"forget {Path(path).name}" for path in paths]

    def bring(self, since: float) -> None:
        text = self.path.read_text() if self.path.exists() else "nothing"
        link = os.path.basename(os.readlink(self.host.root / self.app / "current"))
        assert since >= os.lstat(self.host.root / self.app / "current").st_ctime
        self.host.told.append(f"bring {text} {link}")
        if f"{text} {link}" in self.host.workers_ill:
            raise PalisadeError(f"app {self.app}: worker mail: it ended")
        self.done.append({"unit": "mail", "action": "started"})


@pytest.fixture
def workers(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a host whose apps can have a worker: its unit file is the text that activation() is given as worker."""

    def services(app: str, home: str, rows: Sequence[Mapping[str, Any]], _run: object, secrets: object) -> Workers:
        assert home == str(host.root / app)
        host.workers_secrets = secrets
        return Workers(host, host.root / app / "unit", app, rows)

    monkeypatch.setattr(release_activation, "Services", services)
    return host


def with_worker(host: Host, text: str, check: bool = False, **changes: str) -> Activation:
    activation = host.activation("shop", check, **changes)
    names = {"owner": "root", "group": "root", "mode": "0644"}
    path = str(host.root / "shop" / "unit")
    return Activation(
        DEBIAN,
        activation.files,
        list(activation.pools.values()),
        run,
        check,
        [{"app": "shop", "path": path, "content": text, **names}] if text else [],
    )


def test_workers_go_before_the_pool(workers: Host) -> None:
    row = workers.app("shop", OLD, NEW, current=OLD)
    outcome = with_worker(workers, "new").activate([row], 4)
    assert workers.told == [f"migrate {NEW} old", "put", f"bring new {NEW}", f"roll shop {NEW} old", "ask shop"]
    assert outcome.services == [{"unit": "mail", "action": "started"}]
    assert {"path": str(workers.root / "shop" / "unit")} in outcome.differences


def test_a_worker_that_fails_takes_the_release_back_before_anybody_sees_it(workers: Host) -> None:
    row = workers.app("shop", OLD, NEW, current=OLD)
    (workers.root / "shop" / "unit").write_text("old")
    before = workers.state("shop")
    workers.workers_ill.add(f"new {NEW}")
    (text,) = with_worker(workers, "new", colour="new").activate([row], 4).failures.values()
    assert text == (
        f"app shop: release {NEW} was rolled back, and release {OLD} serves as before: app shop: worker mail: it ended"
    )
    assert workers.state("shop") == before
    assert (workers.root / "shop" / "unit").read_text() == "old"
    assert workers.told[1:] == ["put", f"bring new {NEW}", "reload", f"bring old {OLD}", f"roll shop {OLD} old"]
    assert description(f"{row['directory']}/{NEW}")["failed"] is True


def test_a_pool_that_fails_takes_its_workers_back(workers: Host) -> None:
    row = workers.app("shop", OLD, NEW, current=OLD)
    workers.ill["shop"] = "GET / answered 500"
    with_worker(workers, "new").activate([row], 4)
    # There was none before.
    assert not (workers.root / "shop" / "unit").exists()
    assert workers.told[-4:] == ["forget unit", "reload", f"bring nothing {OLD}", f"roll shop {OLD} old"]


def test_a_worker_alone_changes_and_the_pool_stays(workers: Host) -> None:
    row = workers.app("shop", NEW, current=NEW)
    workers.activation("shop").activate([row], 4)
    workers.told.clear()
    with_worker(workers, "new").activate([row], 4)
    assert workers.told == ["put", f"bring new {NEW}"]
    workers.told.clear()
    assert with_worker(workers, "new").activate([row], 4).differences == []
    assert workers.told == []
    workers.workers_stale = True
    with_worker(workers, "new").activate([row], 4)
    assert workers.told == ["put", f"bring new {NEW}"]


def test_a_new_worker_that_fails_alone_goes_again(workers: Host) -> None:
    row = workers.app("shop", NEW, current=NEW)
    workers.activation("shop").activate([row], 4)
    workers.told.clear()
    workers.workers_ill.add(f"new {NEW}")
    (text,) = with_worker(workers, "new").activate([row], 4).failures.values()
    assert "the new environment, entry file or units was rolled back" in text
    assert workers.told == ["put", f"bring new {NEW}", "forget unit", "reload", f"bring nothing {NEW}"]
    assert not description(f"{row['directory']}/{NEW}").get("failed")


def test_a_worker_that_had_ended_and_cannot_start_is_told(workers: Host) -> None:
    row = workers.app("shop", NEW, current=NEW)
    with_worker(workers, "new").activate([row], 4)
    workers.told.clear()
    workers.workers_ill.add(f"new {NEW}")
    workers.workers_stale = True
    outcome = with_worker(workers, "new").activate([row], 4)
    assert outcome.failures == {"shop": "app shop: worker mail: it ended"}
    # Nothing is new, so nothing goes back.
    assert workers.told == ["put", f"bring new {NEW}"]


def test_what_errors_must_not_quote(workers: Host) -> None:
    row = workers.app("shop", NEW, current=NEW)
    activation = with_worker(workers, "new")
    path = str(workers.root / "shop" / "environment-mail")
    names = {"owner": "root", "group": "root", "mode": "0640"}
    files = Files([{"app": "shop", "path": path, **names}], (), {path: '{"TOKEN": "of-the-worker", "COLOUR": "red"}'})
    activation.service_files = files
    activation._services(row)
    assert workers.workers_secrets == ["old", "of-the-worker", "red"]


def test_workers_in_check_mode(workers: Host) -> None:
    row = workers.app("shop", OLD, NEW, current=OLD)
    outcome = with_worker(workers, "new", check=True).activate([row], 4)
    assert {"path": str(workers.root / "shop" / "unit")} in outcome.differences
    assert (workers.told, outcome.services, outcome.processes) == ([], [], [{"pool": "shop"}])
    workers.workers_stale = True
    assert with_worker(workers, "new", check=True).activate([row], 4).services == [
        {"unit": "mail", "action": "started"}
    ]
    assert workers.told == []


def test_an_app_that_is_not_served_yet_has_no_workers(workers: Host) -> None:
    row = workers.app("shop", NEW)
    with_worker(workers, "new").activate([row], 4)
    assert workers.told == [f"migrate {NEW} old"]


@pytest.mark.parametrize("served", [True, False])
def test_a_release_without_a_workers_program(host: Host, served: bool) -> None:
    row = host.app("shop", OLD, NEW, current=OLD if served else "")
    row["services"] = [{"title": "workers: mail", "program": "no-such-program"}]
    told = "app shop: workers: mail: command: there is no 'no-such-program' in the release's venv/bin or on the host"
    if served:
        assert host.activation("shop").begin([row], Built()).failures == {"shop": told}
    else:
        with pytest.raises(PalisadeError, match=told):
            host.activation("shop").begin([row], Built())
    assert host.told == []
    with pytest.raises(PalisadeError, match=told):
        host.activation("shop").roll_back([row], OLD, 4)


def test_an_environment_that_cannot_be_imported_with_changes_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = host.app("shop", NEW, current=NEW)
    before = host.state("shop")

    def fails(*_arguments: Any) -> None:
        raise PalisadeError("app shop: application: importing shop failed")

    monkeypatch.setattr(release_activation, "try_release", fails)
    outcome = host.activation("shop", colour="new").activate([row], 4)
    assert outcome.failures == {"shop": "app shop: application: importing shop failed"}
    assert (host.state("shop"), host.told) == (before, [])


def test_a_hook_that_fails_stops_the_switch(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    before = host.state("shop")
    host.hook_fails = True
    outcome = host.activation("shop", colour="new").activate([row], 4)
    assert outcome.failures == {"shop": "app shop: migrate failed"}
    assert host.state("shop") == before
    assert host.told == [f"migrate {NEW} new"]


def test_one_that_fails_stops_no_other(host: Host) -> None:
    rows = [host.app(name, OLD, NEW, current=OLD) for name in ("blog", "shop")]
    host.ill["blog"] = "GET / answered 500"
    outcome = host.activation("shop").activate(rows, 1)
    assert list(outcome.failures) == ["blog"]
    assert [host.state(name)[0] for name in ("blog", "shop")] == [f"releases/{OLD}", f"releases/{NEW}"]


def test_a_pool_that_apache_does_not_know_is_not_waited_for(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    host.declared.clear()
    host.activation("shop").activate([row], 4)
    assert host.told == [f"migrate {NEW} old"]
    assert host.state("shop")[0] == f"releases/{NEW}"


def test_a_check_run_changes_nothing(host: Host) -> None:
    row, first = host.app("shop", OLD, NEW, current=OLD), host.app("blog")
    before = host.state("shop")
    outcome = host.activation("shop", check=True, colour="new").activate([row], 4)
    assert [change["path"].rpartition("/")[2] for change in outcome.differences] == ["environment", "current"]
    assert host.activation("blog", check=True).begin([{**first, "release": NEW}], Built()).differences
    assert host.told == []
    assert (host.state("shop"), host.state("blog")[0]) == (before, "")


def test_the_release_before_serves_again(host: Host) -> None:
    row = host.app("shop", OLD, "0000000000000000", NEW, current=NEW)
    describe(f"{row['directory']}/0000000000000000", {"activated": 201.0, "failed": True})
    host.activation("shop").roll_back([{**row, "release": ""}], "", 4)
    assert host.told == [f"try {OLD}", f"roll shop {OLD} old", "ask shop"]
    assert host.state("shop")[0] == f"releases/{OLD}"


def test_a_release_is_named_to_go_back_to(host: Host) -> None:
    row = host.app("shop", "0000000000000000", OLD, NEW, current=NEW)
    host.activation("shop").roll_back([row], "0000000000000000", 4)
    assert host.state("shop")[0] == "releases/0000000000000000"


@pytest.mark.parametrize(("wanted", "said"), [("", "an earlier release that has served"), ("3333", "release '3333'")])
def test_nothing_to_go_back_to(wanted: str, said: str, host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    with pytest.raises(PalisadeError, match=f"^app shop: expected {said}, found {NEW} \\(current\\)$"):
        host.activation("shop").roll_back([row], wanted, 4)
    assert host.told == []


def test_old_releases_go_and_the_one_that_serves_never(host: Host) -> None:
    names = [str(number) * 16 for number in range(1, 8)]
    row = host.app("shop", *names, current=names[0])
    (host.root / "shop" / "releases" / "killed").mkdir()
    planned = prune([row], 3, DEBIAN, check=True)
    assert len(os.listdir(row["directory"])) == 8
    host.processes["shop"][0]["cwd"] = f"{row['directory']}/{names[1]}/code"
    removed = prune([row], 3, DEBIAN, check=False)
    # The newest, the current one, and one that a process still runs.
    assert sorted(os.listdir(row["directory"])) == [names[0], names[1], names[-1]]
    assert len(removed) == len(planned) == 5
    assert prune([row], 3, DEBIAN, check=False) == []


def test_a_release_that_a_worker_still_runs_stays(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(number) * 16 for number in range(1, 5)]
    row = {**host.app("shop", *names, current=names[-1]), "account": "shop-app"}
    used = {"shop-app": f"{row['directory']}/{names[0]}/code"}
    monkeypatch.setattr(release_activation, "directories_of", lambda accounts: {used[name] for name in accounts})
    prune([row], 1, DEBIAN, check=False)
    assert sorted(os.listdir(row["directory"])) == [names[0], names[-1]]


def test_releases_of_an_earlier_version_have_an_age(host: Host) -> None:
    row = host.app("shop", OLD, NEW, "3" * 16, current="3" * 16)
    for release, age in ((OLD, 50), (NEW, 100)):
        place = host.root / "shop" / "releases" / release
        describe(str(place), {"app": "shop"})
        os.utime(place / "release.json", (age, age))
    prune([row], 2, DEBIAN, check=False)
    assert sorted(os.listdir(row["directory"])) == [NEW, "3" * 16]


def test_keeping_one_keeps_the_current(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    prune([row], 1, DEBIAN, check=False)
    assert os.listdir(row["directory"]) == [OLD]


def test_a_switch_that_stops_halfway_is_put_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    before, failures = host.state("shop"), [OSError(28, "No space left on device")]

    def full_once(path: str, target: str, check: bool) -> Any:
        if failures and not check:
            raise failures.pop()
        return switch_link(path, target, check)

    monkeypatch.setattr(release_activation, "switch_link", full_once)
    outcome = host.activation("shop", colour="new", entry="new\n").activate([row], 4)
    assert "No space left" in outcome.failures["shop"]
    assert host.state("shop") == before


def test_hooks_wait_for_data_that_is_on_its_way(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    marker = host.root / "marker"
    marker.touch()
    waiting = {**row, "data_marker": str(marker)}
    # Begun before, and to be served by what this play built.
    outcome = host.activation("shop").begin([waiting], Built())
    assert (host.told, outcome.hooks) == ([], [])
    assert host.state("shop")[0] == f"releases/{NEW}"
    with pytest.raises(PalisadeError, match="no wheel"):
        host.activation("shop").begin([waiting], Built(failures={"shop": "app shop: no wheel"}))
    marker.unlink()
    assert host.activation("shop").begin([waiting], Built()).failures == {}


def test_a_first_switch_that_stops_halfway_leaves_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = host.app("shop", NEW)

    def full(path: str, target: str, check: bool) -> Any:
        if not check:
            os.symlink(target, path)
            raise OSError(28, "No space left on device")
        return switch_link(path, target, check)

    monkeypatch.setattr(release_activation, "switch_link", full)
    with pytest.raises(PalisadeError, match=r"^app shop: \[Errno 28\] No space left on device$"):
        host.activation("shop").begin([row], Built())
    assert host.state("shop") == ["", None, None]
    assert "activated" not in description(f"{row['directory']}/{NEW}")


@pytest.mark.parametrize("part", ["health", "roll"])
def test_where_nothing_was_switched_nothing_is_taken_back(part: str, host: Host) -> None:
    """As where a process was too old; the error is told as it is."""
    row = host.app("shop", NEW, current=NEW)
    host.activation("shop").activate([row], 4)
    host.told.clear()
    host.processes["shop"][0]["started"] = 1.0
    if part == "health":
        host.ill["shop"] = "GET / answered 500"
        expected = "app shop: GET / answered 500"
    else:
        host.stuck["shop"] = NEW
        expected = "app shop: pool shop: no process came"
    outcome = host.activation("shop").activate([row], 4)
    assert outcome.failures == {"shop": expected}
    assert [words for words in host.told if words.startswith("roll")] == [f"roll shop {NEW} old"]
    assert not description(f"{row['directory']}/{NEW}")["failed"]


@pytest.mark.parametrize("lost", ["environment", "wsgi.py"])
def test_files_that_were_not_there_are_gone_again(lost: str, host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    (host.root / "shop" / lost).unlink()
    host.ill["shop"] = "GET / answered 500"
    host.colour = lambda app: "any"  # type: ignore[method-assign]
    assert host.activation("shop").activate([row], 4).failures
    assert host.state("shop")[0] == f"releases/{OLD}"
    assert not (host.root / "shop" / lost).exists()


def test_files_that_went_are_there_again(host: Host) -> None:
    """With what was in them, their owner and their mode."""
    row = host.app("shop", OLD, NEW, current=OLD)
    before, path = host.state("shop"), str(host.root / "shop" / "environment")
    host.ill["shop"] = "GET / answered 500"
    host.colour = lambda app: "any"  # type: ignore[method-assign]
    given = host.files("shop")
    files = Files([file for file in given.present if file["path"] != path], [{"app": "shop", "path": path}], {})
    made = Activation(DEBIAN, files, [{"app": "shop", "name": "shop"}], run, False)
    outcome = made.activate([{**row, "hooks": []}], 4)
    assert [change["path"].rpartition("/")[2] for change in outcome.differences] == ["environment", "current"]
    assert host.state("shop") == before


def test_a_way_back_says_what_stands_in_it(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=NEW)
    for wanted in ("x", f"{OLD}x"):
        with pytest.raises(PalisadeError) as caught:
            host.activation("shop").roll_back([row], wanted, 4)
        hint = f", did you mean '{OLD}'?" if wanted != "x" else ""
        start = f"app shop: expected release {wanted!r}{hint}, found "
        assert str(caught.value).startswith(start)
        assert set(str(caught.value).removeprefix(start).split(", ")) == {f"{NEW} (current)", OLD}
    bare = host.app("blog")
    with pytest.raises(PalisadeError, match=r"expected an earlier release that has served, found no release$"):
        host.activation("blog").roll_back([bare], "", 4)


def test_a_way_back_runs_no_hooks_and_says_what_is_served(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = host.app("shop", OLD, NEW, current=NEW)
    monkeypatch.setattr(release_activation, "serve", lambda back, check: {"path": back["release"], "check": check})
    outcome = host.activation("shop").roll_back([row], OLD, 4)
    assert outcome.differences[0] == {"path": OLD, "check": False}
    assert outcome.hooks == []
    assert not [words for words in host.told if words.startswith("migrate")]


def test_a_stopped_apache_has_no_pool_to_wait_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    monkeypatch.setattr(release_activation, "apache_parent", lambda _binary: None)
    host.activation("shop").activate([row], 4)
    assert host.told == [f"migrate {NEW} old"]


def test_an_app_without_a_pool_is_switched(host: Host) -> None:
    row = host.app("shop", OLD, NEW, current=OLD)
    Activation(DEBIAN, host.files("shop"), [], run, False).activate([row], 4)
    assert host.told == [f"migrate {NEW} old"]
    assert host.state("shop")[0] == f"releases/{NEW}"


def test_a_process_whose_directory_is_hidden_is_judged_by_its_time(host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    host.activation("shop").activate([row], 4)
    host.told.clear()
    for process in host.processes["shop"]:
        process["cwd"] = None
    host.activation("shop").activate([row], 4)
    assert host.told == []
    # Of a release whose name begins alike.
    host.processes["shop"][0]["cwd"] = f"{row['directory']}/{NEW}x/code"
    host.activation("shop").activate([row], 4)
    assert host.told == [f"roll shop {NEW} old", "ask shop"]
    assert host.activation("shop")._is_stale(row, []) is False


@pytest.mark.parametrize(("current", "begun"), [("releases/" + NEW, True), ("other/" + NEW, False), (None, False)])
def test_whether_an_app_has_begun(current: str | None, begun: bool, host: Host) -> None:
    row = host.app("shop", NEW, current=NEW)
    os.unlink(row["current"])
    if current:
        os.symlink(current, row["current"])
    assert host.activation("shop")._has_begun(row) is begun


def test_what_serves_counts_among_those_that_are_kept(host: Host) -> None:
    names = [str(number) * 16 for number in range(1, 6)]
    row = host.app("shop", *names, current=names[0])
    prune([row], 0, DEBIAN, check=False)
    assert os.listdir(row["directory"]) == [names[0]]
    assert prune([{**row, "directory": f"{row['directory']}/none"}], 3, DEBIAN, check=False) == []
