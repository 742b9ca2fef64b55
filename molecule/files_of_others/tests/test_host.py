"""The daemon of one app gets at what it was given, and nobody else and nothing else does."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.molecule.files_of_others.uses import (
    FILM,
    MISUSES,
    TODAY,
    USES,
    YESTERDAY,
)
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import attempt, stat
from testinfra.host import Host


def let_through(host: Host, app: str, actions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the actions that the kernel let a live daemon of the app do."""
    return [action for action, answer in attempt(host, f"{app}.test", *actions).items() if answer["ok"]]


def test_the_daemon_gets_at_what_it_was_given(host: Host) -> None:
    assert let_through(host, "reader", USES) == USES


def test_and_at_nothing_else(host: Host) -> None:
    assert let_through(host, "reader", MISUSES) == []


def test_another_app_gets_at_none_of_it(host: Host) -> None:
    assert let_through(host, "stranger", USES + MISUSES) == []


def test_supplementary_group_is_the_daemons_only(host: Host) -> None:
    assert host.check_output("getent group media").endswith(":")
    # A cron job, say, of the same account.
    assert host.run("runuser -u reader-app -- cat %s", FILM).rc != 0
    site = host.file("/etc/apache2/sites-enabled/zz-palisade-reader.conf").content_string
    assert "supplementary-groups=reader-app,media " in site


def test_acl_opens_one_path_to_one_app(host: Host) -> None:
    entries = host.check_output("getfacl --absolute-names --omit-header %s", TODAY).split()
    assert [line for line in entries if line.startswith("user:")] == ["user::rw-", "user:reader-app:r--"]
    assert {"group::r--", "other::---"} <= set(entries)
    assert stat(host, TODAY) == {"reports reports 640"}
    assert host.run("getfacl --absolute-names --skip-base %s %s", YESTERDAY, FILM).stdout == ""
