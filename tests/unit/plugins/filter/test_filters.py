"""The filters: the core's errors in Ansible's own type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.palisade.mod_wsgi.plugins.filter import (
    wsgi_complaint,
    wsgi_daemon_process,
    wsgi_hosts,
    wsgi_old_data,
    wsgi_resolve,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host


def test_daemon_process() -> None:
    convert = wsgi_daemon_process.FilterModule().filters()["wsgi_daemon_process"]
    assert convert({"name": "public", "threads": 5}) == "WSGIDaemonProcess public threads=5"
    with pytest.raises(AnsibleFilterError, match=r"WSGIDaemonProcess public: threads: expected .*'5x'"):
        convert({"name": "public", "threads": "5x"})
    with pytest.raises(AnsibleFilterError, match=r"interrupt-timeout: needs mod_wsgi 6\.0\.0"):
        convert({"name": "public", "interrupt-timeout": 5}, mod_wsgi_version="5.0.2")
    with pytest.raises(AnsibleFilterError, match="mod_wsgi_version: expected a version"):
        convert({"name": "public"}, "latest")


def test_a_loose_umask_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text: told.append(text))
    convert = wsgi_daemon_process.FilterModule().filters()["wsgi_daemon_process"]
    assert convert({"name": "public", "umask": "0027"}) == "WSGIDaemonProcess public umask=0027"
    assert told == []
    assert convert({"name": "public", "umask": "0022"}) == "WSGIDaemonProcess public umask=0022"
    assert [text.startswith("WSGIDaemonProcess public: umask: 0022 is looser than 0027") for text in told] == [True]


def test_resolve(tmp_path: Path) -> None:
    convert = wsgi_resolve.FilterModule().filters()["wsgi_resolve"]
    with pytest.raises(AnsibleFilterError, match="app public: source: path: expected a directory on the controller"):
        convert([app()], host(), "mine", str(tmp_path))
    (tmp_path / "public").mkdir()
    assert convert([app()], host(), "mine", str(tmp_path))["site"]
    with pytest.raises(AnsibleFilterError, match="has no mod_wsgi enabled"):
        convert([app()], host(mod_wsgi=None), "mine", str(tmp_path))
    assert convert([app()], host(mod_wsgi=None), "mine", str(tmp_path), server_required=False)["site"]


def test_complaint(tmp_path: Path) -> None:
    convert = wsgi_complaint.FilterModule().filters()["wsgi_complaint"]
    wrong = [app(threads=0), app(name="admin", processes=0)]
    assert [line.partition(": expected")[0] for line in convert(wrong).splitlines()] == [
        "app public: threads",
        "app admin: processes",
    ]
    # What lies on the controller is judged with the host.
    assert convert([app()]) == ""
    assert convert([app()], host(), "mine", str(tmp_path)).startswith("app public: source: path: expected a directory")
    (tmp_path / "public").mkdir()
    assert convert([app()], host(), "mine", str(tmp_path)) == ""
    assert convert([app()], host(mod_wsgi=None), "mine", str(tmp_path), False) == ""


GROUPS = {"all": ["web1", "web2", "db1"], "web": ["web1", "web2"], "db": ["db1"], "ungrouped": []}


@pytest.mark.parametrize(
    ("pattern", "limit", "told"),
    [
        ("nobody", None, "'nobody';"),
        ("web:&db", None, "'web:&db';"),
        (["nobody", "web:!web"], None, "'nobody,web:!web';"),
        ("web", "db", "'web' within --limit db;"),
        ("web", "@hosts.retry", "'web' within --limit @hosts.retry;"),
        ("web", "@nothing.retry", "'web' within --limit @nothing.retry;"),
    ],
)
def test_hosts_that_are_not_there(
    pattern: Any, limit: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.retry").write_text("db1\n")
    convert = wsgi_hosts.FilterModule().filters()["wsgi_hosts"]
    with pytest.raises(AnsibleFilterError) as caught:
        convert(pattern, GROUPS, limit)
    assert str(caught.value) == (
        f"no host of the inventory matches {told} put your hosts into the group 'wsgi', or name other ones with the "
        "option -e wsgi_hosts=GROUP"
    )
    for option in ("syntax", "listhosts", "listtasks", "listtags"):
        monkeypatch.setattr(context, "CLIARGS", {option: True})
        assert convert(pattern, GROUPS, limit)


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("web", None),
        ("web", "web2:db"),
        ("web[0]:!db", ""),
        ("~web.*", None),
        (["nobody", "db"], None),
        ("localhost", None),
    ],
)
def test_hosts_that_are_there(pattern: Any, limit: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text, **_more: told.append(text))
    found = wsgi_hosts.wsgi_hosts(pattern, GROUPS, limit)
    # None is read a second time.
    assert not [text for text in told if "inventory" in text]
    assert found == ([pattern] if isinstance(pattern, str) else pattern)


def test_secrets_are_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        wsgi_resolve.wsgi_resolve([app(environment={"KEY": ["hunter2"]})], host(), "mine", str(tmp_path))
    error: BaseException | None = caught.value
    while error:
        assert "hunter2" not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_list_that_is_wrong_for_a_host_that_may_have_changed(tmp_path: Path) -> None:
    wrong = [app(processes=0)]
    with pytest.raises(AnsibleFilterError) as caught:
        wsgi_resolve.wsgi_resolve(wrong, host(), "mine", str(tmp_path))
    told = wsgi_resolve.wsgi_resolve(wrong, host(), "mine", str(tmp_path), strict=False)
    assert told == {"complaint": str(caught.value)}


def test_old_data() -> None:
    convert = wsgi_old_data.FilterModule().filters()["wsgi_old_data"]
    given = app(writable=["db", "media"], data_from={"db/a.sqlite3": "/srv/shop/a.sqlite3", "media": "/srv/shop/media"})
    rows = [{"app": "public", "path": "/srv/shop"}, {"app": "public", "path": "/srv/shop/media"}]
    assert convert([given, app("other"), "no app", app("wrong", mount=5)]) == rows
    assert convert("no list") == []
