"""What a daemon tries that its account and the modes of files do not refuse; only the sandbox can."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import Action
from testinfra.host import Host

APPS = ("one", "two", "three")


def daemons(host: Host, app: str) -> list[int]:
    return [int(pid) for pid in host.check_output("pgrep -u %s", f"{app}-app").split()]


def attacks(host: Host, app: str) -> list[Action]:
    others = [pid for other in APPS if other != app for pid in daemons(host, other)]
    return [
        *(
            ("write", path)
            for path in ("/srv/open/file", "/srv/open/planted", "/opt/open/planted", "/run/open/planted")
        ),
        ("read", "/home/neighbour/notes"),
        ("list", "/home/neighbour"),
        ("chmod", f"/var/lib/{app}-app/data", 0o4750),
        *(("list", f"/proc/{pid}") for pid in (1, *others)),
        *(("read", f"/proc/{pid}/cmdline") for pid in (1, *others)),
    ]
