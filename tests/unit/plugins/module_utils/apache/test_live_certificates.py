"""What Apache serves is compared with what is on disk, and one reload makes them equal."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import certificates as apache_certificates
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import live_certificates
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.certificates import (
    Outsiders,
    ensure_certificates,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.live_certificates import (
    ensure_live,
    hosts_of,
    served_chain,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, run

ACME = {"app": "news", "server_names": ["news.test", "www.news.test"]}


class Apache:
    """Serves what was on disk at its last reload; mod_md's store and its clock are the test's."""

    def __init__(self, directory: Path) -> None:
        self.tls = directory / "palisade/tls"
        self.store = directory / "md"
        self.files: dict[str, Path] = {}
        self.served: dict[str, list[str]] = {}
        self.reloads = 0
        self.waited = 0
        self.running = True
        self.deaf = False
        # What mod_md does at the given moment of waiting.
        self.events: dict[int, Any] = {}

    def make(self, name: str, *names: str) -> dict[str, Any]:
        row = {"app": name, "name": name, "server_names": list(names or [f"{name}.test"])}
        ensure_certificates([row], [], [], Outsiders(frozenset(), frozenset()), "", run, False)
        self.files[row["server_names"][0]] = self.tls / f"{name}.crt"
        return row

    def order(self, *names: str) -> None:
        """Let mod_md obtain a certificate."""
        self.make("ordered", *names)
        del self.files[names[0]]
        staging = self.store / "staging" / names[0]
        staging.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.tls / "ordered.crt", staging / "pubcert.secp256r1.pem")
        self.say(names[0], {"finished": True, "errors": 0})

    def say(self, name: str, job: Any) -> None:
        staging = self.store / "staging" / name
        staging.mkdir(parents=True, exist_ok=True)
        (staging / "job.json").write_text(job if isinstance(job, str) else json.dumps(job))

    def reload(self, *_: Any, **__: Any) -> bool:
        self.reloads += 1
        if self.deaf:
            return True
        for name, path in self.files.items():
            self.served[name] = live_certificates._chain_of(str(path))
        for staging in (self.store / "staging").glob("*"):
            if (staging / "pubcert.secp256r1.pem").exists():
                (self.store / "domains").mkdir(exist_ok=True)
                shutil.rmtree(self.store / "domains" / staging.name, ignore_errors=True)
                staging.rename(self.store / "domains" / staging.name)
        for domain in (self.store / "domains").glob("*"):
            self.served[domain.name] = live_certificates._chain_of(str(domain / "pubcert.secp256r1.pem"))
        return True

    def sleep(self, seconds: float) -> None:
        self.waited += 1
        self.events.pop(self.waited, lambda: None)()

    def ready(self, *self_signed: Any, acme: Any = (), check: bool = False, timeout: int = 90) -> list[dict[str, Any]]:
        return ensure_live(DEBIAN, hosts_of(self_signed, [], acme), timeout, run, check)


@pytest.fixture
def apache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apache:
    monkeypatch.setattr(apache_certificates, "TLS_DIRECTORY", f"{tmp_path}/palisade/tls")
    monkeypatch.setattr(apache_certificates, "_OWNER", (ME, MY_GROUP))
    monkeypatch.setattr(live_certificates, "ACME_STORE", f"{tmp_path}/md")
    apache = Apache(tmp_path)
    monkeypatch.setattr(live_certificates, "served_chain", lambda name, run: apache.served.get(name, []))
    monkeypatch.setattr(live_certificates, "apache_parent", lambda binary: 1 if apache.running else None)
    monkeypatch.setattr(live_certificates, "reload_server", apache.reload)
    monkeypatch.setattr(time, "sleep", apache.sleep)
    # Half a second of waiting is half a second by this clock, too.
    monkeypatch.setattr(time, "monotonic", lambda: apache.waited / 2)
    return apache


def certificates(changes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (change["path"].split("/")[2], change["before"]["certificate"], change["after"]["certificate"])
        for change in changes
    ]


def test_nothing_to_do(apache: Apache) -> None:
    row = apache.make("shop")
    apache.reload()
    assert apache.ready(row) == []
    assert (apache.reloads, apache.waited) == (1, 0)


def test_a_renewed_file(apache: Apache) -> None:
    rows = [apache.make("shop"), apache.make("other")]
    apache.reload()
    rows[0] = apache.make("shop", "shop.test", "www.shop.test")
    assert len(apache.ready(*rows, check=True)) == 1
    assert apache.reloads == 1
    ((name, before, after),) = certificates(apache.ready(*rows))
    assert name == "shop.test"
    assert before.startswith("one for shop.test until 2")
    assert after.startswith("one for shop.test, www.shop.test until 2")
    assert apache.reloads == 2
    assert apache.ready(*rows) == []


def test_a_reload_waits_for_requests(apache: Apache, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[tuple[Any, ...]] = []
    monkeypatch.setattr(live_certificates, "await_requests", lambda *given: waited.append((*given, apache.reloads)))
    row = apache.make("shop")
    hosts = hosts_of([row], [], ())
    ensure_live(DEBIAN, hosts, 90, run, True, 7)
    assert waited == []
    ensure_live(DEBIAN, hosts, 90, run, False, 7)
    ensure_live(DEBIAN, hosts, 90, run, False, 7)
    assert (waited, apache.reloads) == ([(DEBIAN, 7, run, 0)], 1)


def test_a_chain_that_grew(apache: Apache) -> None:
    row, other = apache.make("shop"), apache.make("other")
    apache.reload()
    path = apache.files["shop.test"]
    path.write_text(path.read_text() + "comment\n" + apache.files["other.test"].read_text())
    assert len(apache.ready(row, other)) == 1
    assert apache.ready(row, other) == []


def test_without_apache(apache: Apache) -> None:
    row = apache.make("shop")
    apache.running = False
    assert apache.ready(row, acme=[ACME]) == []
    assert apache.reloads == 0


def test_before_anything_is_made(apache: Apache) -> None:
    row = {"app": "shop", "name": "shop", "server_names": ["shop.test"]}
    assert certificates(apache.ready(row, acme=[ACME], check=True)) == [
        ("shop.test", "none", "from the authority"),
        ("news.test", "none", "from the authority"),
    ]
    assert (apache.reloads, apache.waited) == (0, 0)


def test_another_site_that_has_the_name(apache: Apache) -> None:
    row, other = apache.make("shop"), apache.make("other")
    apache.served["shop.test"] = live_certificates._chain_of(str(apache.files["other.test"]))
    apache.served["other.test"] = apache.served["shop.test"]
    apache.deaf = True
    with pytest.raises(PalisadeError) as caught:
        apache.ready(row, other)
    told = str(caught.value)
    assert told.startswith("app shop: tls: port 443 of this host serves one for other.test until ")
    assert " for shop.test, expected one for shop.test until " in told
    assert f" ({apache.tls}/shop.crt); another site may have this name" in told
    assert "\n" not in told


# mod_md


def test_the_first_certificate(apache: Apache) -> None:
    row = apache.make("shop")
    apache.reload()
    apache.events = {3: lambda: apache.order("news.test", "www.news.test")}
    ((name, before, after),) = certificates(apache.ready(row, acme=[ACME]))
    assert (name, before) == ("news.test", "none")
    assert after.startswith("one for news.test, www.news.test until ")
    assert (apache.waited, apache.reloads) == (3, 2)
    assert apache.ready(row, acme=[ACME]) == []
    assert (apache.waited, apache.reloads) == (3, 2)


def test_a_renewal_that_waits_for_a_reload(apache: Apache) -> None:
    apache.order("news.test", "www.news.test")
    apache.reload()
    apache.order("news.test", "www.news.test")
    assert len(apache.ready(acme=[ACME])) == 1
    assert (apache.waited, apache.reloads) == (0, 2)
    assert apache.ready(acme=[ACME]) == []


def test_a_renewal_that_was_loaded_but_not_served_yet(apache: Apache) -> None:
    apache.order("news.test", "www.news.test")
    apache.reload()
    apache.served["news.test"] = []
    assert len(apache.ready(acme=[ACME])) == 1
    assert apache.waited == 0


def test_a_name_that_came_later(apache: Apache) -> None:
    apache.order("news.test")
    apache.reload()
    assert apache.ready(acme=[{**ACME, "server_names": ["news.test"]}]) == []
    apache.events = {2: lambda: apache.order("news.test", "www.news.test")}
    assert len(apache.ready(acme=[ACME])) == 1
    assert (apache.waited, apache.reloads) == (2, 2)


def test_an_order_that_fails(apache: Apache) -> None:
    row = apache.make("shop")
    entries = [{"type": "message-errored"}, {"detail": "w: domain authorization for www.news.test failed, CA says no"}]
    job = {"finished": False, "errors": 1, "last": {"detail": "Error waiting"}, "log": {"entries": entries}}
    apache.say("news.test", job)
    # A reload begins a new account.
    apache.events = {5: lambda: apache.say("news.test", {"finished": False, "errors": 0})}
    with pytest.raises(PalisadeError) as caught:
        apache.ready(row, acme=[ACME], timeout=10)
    assert str(caught.value) == (
        "app news: tls: acme: no certificate for news.test, www.news.test within 10 s; mod_md says: Error waiting; w: "
        "domain authorization for www.news.test failed, CA says no; make sure that the authority can reach "
        "http://news.test/ on this host, then run the play again; mod_md keeps trying meanwhile"
    )
    # The others are live nevertheless.
    assert (apache.reloads, apache.waited) == (1, 21)
    assert apache.ready(row) == []


@pytest.mark.parametrize(
    "job", ["", "garbage", "[]", "{}", '{"finished": "yes"}', '{"errors": 1}', '{"errors": 1, "last": 3}']
)
def test_an_account_that_says_nothing(job: str, apache: Apache) -> None:
    apache.say("news.test", job)
    with pytest.raises(
        PalisadeError, match="mod_md has not reported on it yet; make sure that the authority can reach"
    ):
        apache.ready(acme=[ACME], timeout=1)
    assert apache.reloads == 0


def test_an_account_without_an_end(apache: Apache) -> None:
    apache.say("news.test", {"errors": 1, "last": {"detail": "x\n" * 100000}, "log": {"entries": []}})
    with pytest.raises(PalisadeError) as caught:
        apache.ready(acme=[ACME], timeout=1)
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["job.json", "."])
def test_links_that_apaches_account_could_plant(place: str, apache: Apache, tmp_path: Path) -> None:
    """The staging area belongs to Apache's account."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "job.json").write_text('{"finished": true}')
    apache.say("news.test", {})
    target = apache.store / "staging/news.test"
    if place == ".":
        shutil.rmtree(target)
        target.symlink_to(outside)
    else:
        (target / "job.json").unlink()
        (target / "job.json").symlink_to(outside / "job.json")
    with pytest.raises(PalisadeError, match="found a symbolic link"):
        apache.ready(acme=[ACME], timeout=1)


def test_a_pipe_that_apaches_account_could_plant(apache: Apache) -> None:
    apache.say("news.test", {})
    (apache.store / "staging/news.test/job.json").unlink()
    os.mkfifo(apache.store / "staging/news.test/job.json")
    with pytest.raises(PalisadeError, match="expected a file, found something else"):
        apache.ready(acme=[ACME], timeout=1)


# What openssl says


def test_served_chain(apache: Apache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAA==\n-----END CERTIFICATE-----"
    told: list[Sequence[str]] = []

    def answers(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        told.append(arguments)
        return f"CONNECTED(00000003)\n 0 s:CN = x\n{pem}\n 1 s:CN = y\n{pem}\n---\nServer certificate\nsubject=\n"

    def refuses(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        raise CommandError("openssl", 1, "connect:errno=111")

    assert served_chain("shop.test; id", answers) == [pem, pem]
    assert told[0][-1] == "shop.test; id"
    assert "shop.test" not in told[0][2]
    assert served_chain("shop.test", refuses) == []
