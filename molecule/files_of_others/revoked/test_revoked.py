"""What the app gave back is as it was before."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.molecule.files_of_others.uses import INBOX, TODAY, USES
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import attempt, stat
from testinfra.host import Host


def test_the_daemon_gets_at_none_of_it_any_more(host: Host) -> None:
    assert not any(answer["ok"] for answer in attempt(host, "reader.test", *USES).values())


def test_no_acl_is_left(host: Host) -> None:
    assert host.run("getfacl --absolute-names --skip-base /srv/reports %s %s", TODAY, INBOX).stdout == ""
    assert stat(host, "/srv/reports", INBOX) == {"reports reports 750"}
