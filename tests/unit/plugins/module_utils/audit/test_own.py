"""The audit finds nothing in the virtual hosts that the roles write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, REDHAT
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.sandbox import Settings, drop_in
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules import report
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.virtual_host import virtual_host
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    SERVER,
    UNIT,
    environment,
    facts,
    full_answers,
    process,
    site,
    web_facts,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import host as host_facts
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app

NAMES = ["www.example.org"]
MOUNTED: list[dict[str, Any]] = [
    {"name": "main", "mount": "/", "static": {"/static": "static", "/media": "files"}},
    {"name": "api", "mount": "/api", "writable": ["uploads"]},
    {"name": "inner", "mount": "/api/v2", "limits": {"request_body": 99}},
]
# As wsgi_server writes it.
CLOSED = (
    "<VirtualHost *:80>\nServerName default.invalid\n<Location />\nRequire all denied\n</Location>\n</VirtualHost>\n"
)
PROXIES = {"trusted_proxies": ["192.0.2.1"], "trusted_proxy_headers": ["X-Forwarded-For"]}


@pytest.mark.parametrize(
    ("rows", "allowed"),
    [
        ([{"name": "shop"}], {"E4"}),
        ([{"name": "shop", "mount": "/shop"}], {"E4"}),
        (MOUNTED, {"E4"}),
        (list(reversed(MOUNTED)), {"E4"}),
        (MOUNTED[1:], {"E4"}),
        ([{"name": "shop", "tls": {"self_signed": True}}], set()),
        ([{"name": "shop", "tls": {"acme": True}}], set()),
        ([{"name": "shop", **PROXIES}], {"E4"}),
        # Told, as the application's own business.
        ([{"name": "shop", "handles_authorization": True}], {"E4", "A1"}),
    ],
)
@pytest.mark.parametrize("layout", [DEBIAN, REDHAT], ids=["Debian", "RedHat"])
def test_what_the_roles_write_has_no_finding_above_info(
    rows: list[dict[str, Any]], allowed: set[str], layout: Any
) -> None:
    apps = [check_app(app(**{"server_names": NAMES, **row}), 0, None) for row in rows]
    config = SERVER + CLOSED + virtual_host(apps, "5.0.2", layout.as_dict())
    paths = {}
    for one in apps:
        for path in (f"{one.current}/code", f"{one.current}/venv", one.entry_file):
            paths[path] = {"exists": True, "real": path, "environment": path.endswith("venv"), "python": "3.13"}
    uids = {one.name: 900 + number for number, one in enumerate(apps)}
    homes = {one.name: f"{one.current}/code" for one in apps}
    host = facts(
        config,
        *uids,
        paths=paths,
        live={name: [process(name, uid, cwd=homes[name])] for name, uid in uids.items()},
        probes=[],
        host=host_facts(uids),
    )
    host.files.packages = {f"{one.current}/venv": environment() for one in apps}
    served = [one.name for one in host.tree.hosts]
    host.probes = [row for name in served for row in full_answers(name)]
    host.web = web_facts(*served)
    host.users = {f"{name}-app": uid for name, uid in uids.items()}
    host.groups = dict(host.users)
    results = report.report([host], "1")["results"]
    bad = [(row["rule_id"], row["subject"], row["evidence"]) for row in results if row["status"] not in _FINE]
    # They recycle no processes unless somebody asks for it.
    assert {rule for rule, _subject, _evidence in bad} == allowed | {"L1"}, bad
    assert {row["severity"] for row in results if row["status"] == "fail"} <= {"info"}
    # Each mount is a place of its own.
    assert {place.url for place in host.places} >= {one.mount for one in apps}


def test_our_sandbox_is_one_and_leaves_the_pools_what_they_need() -> None:
    shown = {name: value for name, value in UNIT.items() if name in ("name", "LoadState", "TimeoutStopUSec")}
    capabilities = []
    for line in drop_in(DEBIAN, Settings()).splitlines():
        name, _equals, value = line.partition("=")
        capabilities += value.lower().split() if name == "CapabilityBoundingSet" else []
        # systemctl shows the calls that are in a group.
        shown[name] = value.replace("@system-service", "read write setuid setgid setgroups chown setrlimit")
    shown["CapabilityBoundingSet"] = " ".join(capabilities)
    host = facts(SERVER + site(options="memory-limit=800000000"))
    host.host.unit = shown
    rows = [row for row in report.report([host], "1")["results"] if row["rule_id"].startswith("X-SYSTEMD")]
    assert [row["status"] for row in rows] == ["pass", "pass"], rows


_FINE = ("pass", "not_applicable")
