"""Every rule has hosts on which it fails and hosts on which it does not, as plain facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _audit_rules
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Access, Facts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rule import SEVERITIES, STATUSES, Rule, judge
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit_facts import (
    APACHE,
    PAGES,
    SERVER,
    answer,
    facts,
    paths,
    process,
    row,
    site,
)

RULES = {rule.id: rule for rule in _audit_rules.RULES}


class Case(NamedTuple):
    """A host, and what a rule says of one subject there; severity where it is not the rule's own."""

    rule: str
    host: Facts
    subject: str = "shop"
    severity: str = ""


URL = "shop.test *:443 /"
HOST = "shop.test *:443"
MAIN = "/etc/apache2/apache2.conf"
ENTRY = "/var/www/shop/wsgi.py"


def without(text: str, config: str = SERVER + site()) -> str:
    """Return the configuration without the part, which must be in it."""
    assert text in config
    return config.replace(text, "")


def changed(old: str, new: str) -> str:
    config = SERVER + site()
    assert old in config
    return config.replace(old, new)


def running(**fields: Any) -> dict[str, Any]:
    return {"live": {"shop": [process(), process(**{"pid": 7, **fields})]}}


def located(lines: str) -> Facts:
    return facts(SERVER + site(location=lines))


TWO = SERVER + site("shop") + site("blog")
# Two apps of one account.
SHARED = facts(TWO, "shop", "blog", live={"shop": [process()], "blog": [process("blog", 990)]})
SHARED_GROUP = facts(TWO, "shop", "blog", live={"shop": [process()], "blog": [process("blog", 991, gid=990)]})
SHARED_VENV = facts(TWO.replace("/var/lib/blog/venv", "/var/lib/shop/venv"), "shop", "blog")


def without_module() -> Facts:
    host = facts()
    host.instance.modules = ["wsgi"]
    return host


EXPRESS = "/tmp/mod_wsgi-localhost:8000:1000/httpd.conf"


def express(address: str) -> Facts:
    host = facts(listeners=[{"address": address, "port": 8000}])
    host.instance.config_file = EXPRESS
    return host


def rooted(directory: str, lines: str = "") -> Facts:
    """Return a host with an app in the document root."""
    config = changed("DocumentRoot /var/www/html", f"DocumentRoot {directory}\n{lines}")
    return facts(config.replace("/var/lib/shop/code", "/var/www/a/project"))


BAD = [
    Case("M1", facts(without("WSGIProcessGroup shop\n")), URL),
    Case("M1", facts(changed("WSGIProcessGroup shop\n", "WSGIProcessGroup %{GLOBAL}\n")), URL),
    Case("M1", facts(changed("WSGIProcessGroup shop\n", "WSGIProcessGroup shopp\n")), URL),
    Case(
        "M1", located("</Location><Location /admin>\nWSGIProcessGroup %{GLOBAL}".replace("><", ">\n<")), URL + "admin"
    ),
    Case("M2", facts(without("WSGIRestrictEmbedded On\n")), MAIN),
    Case(
        "M2", facts(changed("WSGIRestrictEmbedded On\n", "WSGIRestrictEmbedded On\nWSGIRestrictEmbedded Off\n")), MAIN
    ),
    Case("M2", facts(without("WSGIProcessGroup shop\n", without("WSGIRestrictEmbedded On\n"))), MAIN, "high"),
    Case("M3", located("WSGIAccessScript /srv/access.py"), HOST),
    Case("M3", located("AuthBasicProvider file wsgi"), HOST),
    Case("M3", facts(SERVER + site(lines="WSGIImportScript /srv/x.py process-group=%{GLOBAL}")), HOST),
    Case("U1", facts(without("user=shop-app "))),
    Case("U1", facts(**running(uids=[990, 0, 990, 990]))),
    Case("U1", facts(without("WSGIProcessGroup shop\n")), URL),
    Case("U1b", facts(without("group=shop-app "))),
    Case("U1b", facts(**running(gids=[APACHE] * 4))),
    Case("U2", facts(**running(uids=[0, 0, 0, 0]))),
    Case("U2", facts(**running(capabilities=0x400))),
    Case("U3", facts(**running(uids=[APACHE] * 4, uid=APACHE))),
    Case("U3", facts(**running(groups=[990, APACHE]))),
    Case("U4", facts(**running(user="nobody"))),
    Case("U4", facts(**running(group="nogroup"))),
    Case("U4", facts(**running(gid=65534))),
    Case("U5", SHARED),
    Case("U5", SHARED_GROUP, "blog"),
    Case(
        "I1",
        facts(
            changed("WSGIScriptAlias ", "WSGIScriptAlias /b /var/www/b/wsgi.py process-group=shop\nWSGIScriptAlias ")
        ),
    ),
    Case("I2", facts(changed("WSGIProcessGroup shop\n", "WSGIProcessGroup %{ENV:POOL}\n")), URL),
    Case("I2", facts(changed("WSGIProcessGroup shop\n", "WSGIProcessGroup %{HOST}\n")), URL),
    Case("I3", facts(without("WSGIApplicationGroup %{GLOBAL}\n")), URL),
    Case("I4", facts(without("WSGIRestrictProcess shop\n")), URL),
    Case("I4", facts(changed("WSGIRestrictProcess shop\n", "WSGIRestrictProcess shop blog\n")), URL),
    # The inner section's replaces the outer one's.
    Case("I4", located("</Location>\n<Location /admin>\nWSGIRestrictProcess blog"), URL + "admin"),
    Case("I6", facts(without("python-home=/var/lib/shop/venv "))),
    Case("I6", facts(paths={})),
    Case("F1", rooted("/var/www"), "/var/www/a/project"),
    Case("F1", rooted("/var/www/html", "Alias /assets /var/www/a"), "/var/www/a/project", "critical"),
    Case("F1", facts(changed("/var/www/html", "/var/www"), paths=paths(neighbours=["settings.py"])), "/var/www/shop"),
    Case("F1", facts(changed("/var/www/html", "/var/www"), paths=paths(defines=True)), ENTRY),
    Case("F2", facts(changed("/var/lib/shop/code", "/srv/shop")), "/srv/shop"),
    Case("F3", facts(paths=paths(neighbours=["settings.py"])), ENTRY),
    Case("F3", facts(changed("/var/lib/shop/code", "/var/www/shop")), ENTRY),
    Case("F6", facts(access={"shop": Access(owned=[row("/var/lib/shop/code", "root")])})),
    Case("F7", facts(access={"shop": Access(writable=[row("/opt/lib/x.py", root="python-path")])})),
    Case(
        "F7", facts(access={"shop": Access(writable=[row("/opt/lib/x.pth", root="python-path")])}), severity="critical"
    ),
    Case("F7", facts(access={"shop": Access(writable=[row("/x", root="python-home")])}), severity="critical"),
    # Who owns a directory above lets himself in.
    Case("F7", facts(access={"shop": Access(owned=[row("/var/lib/shop", "ancestor", "python-path")])})),
    Case("N1", facts(without("display-name=%{GROUP} "))),
    Case(
        "N1",
        facts(TWO, "shop", "blog", live={"shop": [process()], "blog": [process("blog", 991, title="(wsgi:shop)")]}),
    ),
    Case("N2", facts(SERVER + site(options="graceful-timeout=0"))),
    Case("N3", facts(without("WSGIScriptReloading Off\n"), paths=paths(neighbours=["settings.py"])), URL),
    Case("N3", facts(without("WSGIScriptReloading Off\n"), access={"shop": Access(owned=[row(ENTRY)])}), URL),
    Case("E1", express("0.0.0.0"), "0.0.0.0 port 8000"),
    Case("E1", express("::"), ":: port 8000"),
    Case("E4", facts(without("SSLEngine on\n")), HOST),
    Case("A1", located("WSGIPassAuthorization On"), URL, "info"),
    Case("A1", located("WSGIPassAuthorization On\nAuthType Basic"), URL),
    Case("A1", located("CGIPassAuth On"), URL, "medium"),
    Case("A1", facts(SERVER + site(lines='SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1')), URL, "medium"),
    Case("A1", located("RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\nAuthType Basic"), URL),
    Case("A1", facts(changed("/var/www/shop/wsgi.py\n", "/var/www/shop/wsgi.py pass-authorization=On\n")), URL, "info"),
    Case("A2", located("WSGIPassAuthorization On\nAuthType Basic"), URL),
    Case("A3", facts(without("RequestHeader unset X-Forwarded-For\n")), URL, "medium"),
    Case("A3", located("WSGITrustedProxyHeaders X-Forwarded-For"), URL),
    Case("A4", located("WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.0.0.1 0.0.0.0/0"), URL),
    Case("L2", facts(without("request-timeout=60 "))),
    Case("L2", facts(SERVER + site(options="deadlock-timeout=0"))),
    Case("L4", facts(without("LimitRequestBody 10485760\n")), URL),
    Case("L4", located("LimitRequestBody 0"), URL),
    Case("L4", located("</Location>\n<Location /upload>\nLimitRequestBody 0"), URL + "upload"),
    Case("L6", without_module(), HOST),
    Case("L6", facts(SERVER + site(lines="RequestReadTimeout header=0 body=20,MinRate=500")), HOST),
    Case("L6", facts(SERVER + "RequestReadTimeout body=0\n" + site()), HOST),
    Case("I5", SHARED_VENV),
    Case("F5", facts(without("home=/var/lib/shop/code "))),
    Case("F5", facts(changed("home=/var/lib/shop/code ", "home=/ "))),
    Case("F5", facts(changed("home=/var/lib/shop/code ", "home=/tmp/shop "))),
    Case("F5", facts(paths={})),
    Case("F18", facts(**running(umask="0022"))),
    Case("F18", facts(**running(umask="0007"))),
    Case("L3", facts(SERVER + site(options="shutdown-timeout=31"))),
    Case("L3", facts(SERVER + site(options="graceful-timeout=61"))),
    Case("D1", facts(probes=[answer(HOST, server="Apache/2.4.71 (Debian) mod_wsgi/5.0.2 Python/3.13")]), MAIN),
    Case("D1", facts(without("ServerTokens Prod\n"), probes=[]), MAIN),
    Case("D2", facts(changed("ServerSignature Off", "ServerSignature On")), HOST),
    Case("D2", facts(SERVER + site(location="ServerSignature EMail")), HOST),
    Case("D2", facts(probes=[answer(HOST, body="<hr>\n<address>Apache Server</address>")]), HOST),
    Case("D3", facts(without(PAGES)), HOST),
    Case("D3", facts(SERVER + site(lines="ErrorDocument 404 http://other.test/")), HOST),
    Case("D3", facts(probes=[answer(HOST, body="/palisade-audit-canary was not found")]), HOST, "medium"),
]

PROXIED = "WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.0.0.1"
# Two pools of one application, on purpose of one account: a fast and a slow lane.
LANES = facts(
    SERVER
    + site(
        lines="WSGIDaemonProcess slow user=shop-app group=shop-app python-home=/var/lib/shop/venv "
        "display-name=%{GROUP} request-timeout=60 home=/var/lib/shop/code\n"
        "WSGIScriptAlias /slow /var/www/shop/wsgi.py\n",
        location="</Location>\n<Location /slow>\nWSGIProcessGroup slow\nWSGIRestrictProcess slow",
    )
    .replace("WSGIScriptAlias / /var/www/shop/wsgi.py\n", "")
    .replace("</VirtualHost>", "WSGIScriptAlias / /var/www/shop/wsgi.py\n</VirtualHost>"),
    live={"shop": [process()], "slow": [process(title="(wsgi:slow)")]},
    access={"shop": Access(), "slow": Access()},
)

# The rule passes, on hosts that a careless rule would flag.
GOOD = [
    *(
        Case(rule, facts(), subject)
        for rule, subject in {
            "M1": URL,
            "M2": MAIN,
            "M3": MAIN,
            "U1": "shop",
            "U1b": "shop",
            "U2": "shop",
            "U3": "shop",
            "U4": "shop",
            "U5": "shop",
            "I1": "shop",
            "I2": URL,
            "I3": URL,
            "I4": URL,
            "I6": "shop",
            "F1": "/var/lib/shop/code",
            "F2": "/var/lib/shop/venv",
            "F3": ENTRY,
            "F6": "shop",
            "F7": "shop",
            "N1": "shop",
            "N2": "shop",
            "N3": URL,
            "E4": HOST,
            "A1": URL,
            "A3": URL,
            "L2": "shop",
            "L3": "shop",
            "D1": MAIN,
            "D2": HOST,
            "D3": HOST,
        }.items()
    ),
    *(Case(rule, LANES, "slow") for rule in ("U5", "I1", "I6", "N1", "U1")),
    *(Case(rule, LANES, "shop.test *:443 /slow") for rule in ("M1", "I2", "I3", "I4")),
    Case("M1", facts(without("WSGIProcessGroup shop\n").replace("wsgi.py\n", "wsgi.py process-group=shop\n")), URL),
    Case("M3", facts(SERVER + site(lines="WSGIImportScript /srv/x.py process-group=shop application-group=x")), MAIN),
    Case("U1", facts(changed("user=shop-app", "user=#990"), users={"#990": 990})),
    Case("I4", facts(without("WSGIRestrictProcess shop\n").replace("SSLEngine on", "WSGIRestrictProcess shop")), URL),
    # Hidden by nothing, but denied.
    Case("F1", rooted("/var/www", "<Directory /var/www/a>\nRequire all denied\n</Directory>"), "/var/www/a/project"),
    # What the system's directories would let nobody do anyway.
    Case("F7", facts(access={"shop": Access(checked=3)})),
    Case("F6", facts(access={"shop": Access(owned=[row("/tmp/x", "ancestor")])})),
    # On, with a script of root's that stands alone.
    Case("N3", facts(without("WSGIScriptReloading Off\n")), URL),
    Case("I5", LANES, "slow"),
    Case("I5", facts(TWO, "shop", "blog")),
    Case("F5", facts()),
    Case("F18", facts()),
    Case("F18", facts(**running(umask="0077"))),
    Case("L4", facts(), URL),
    Case("L4", located("LimitRequestBody 99"), URL),
    # Loaded without a line, its own limits hold.
    Case("L6", facts(), HOST),
    Case("L6", facts(SERVER + site(lines="RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500")), HOST),
    Case("N2", facts(SERVER + site(options="graceful-timeout=0 eviction-timeout=10"))),
    Case("E1", express("127.0.0.1"), "127.0.0.1 port 8000"),
    Case("E1", express("::1"), "::1 port 8000"),
    Case("A2", located("AuthType Basic"), URL),
    Case("A3", located(PROXIED), URL),
    Case("A4", located(PROXIED), URL),
    Case("D1", facts(without("ServerTokens Prod\n")), MAIN),
    Case("D2", facts(without("ServerSignature Off\n")), HOST),
    Case("D3", facts(SERVER + site(lines="ErrorDocument 404 /errors/404.html")), HOST),
]


def found(case: Case) -> list[dict[str, Any]]:
    rows = judge(RULES[case.rule], case.host)
    mine = [one for one in rows if one["subject"]["name"] == case.subject]
    assert mine, [one["subject"]["name"] for one in rows]
    return mine


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case.rule}-{case.subject}")
def test_fails(case: Case) -> None:
    failed = [one for one in found(case) if one["status"] == "fail"]
    assert failed
    assert failed[0]["severity"] == (case.severity or RULES[case.rule].severity)
    assert failed[0]["evidence"]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: f"{case.rule}-{case.subject}")
def test_passes(case: Case) -> None:
    assert {one["status"] for one in found(case)} == {"pass"}


def test_every_rule_has_a_host_where_it_fails_and_one_where_it_passes() -> None:
    assert {case.rule for case in BAD} == {case.rule for case in GOOD} == set(RULES)


def test_nothing_fails_on_a_good_host() -> None:
    document = _audit_rules.report([facts(None, "shop", "blog")], "1")
    assert [one for one in document["results"] if one["status"] not in ("pass", "not_applicable")] == []


@pytest.mark.parametrize(
    "rule", [rule.id for rule in RULES.values() if rule.id[0] in "UF" and rule.id not in ("F1", "F2", "F3", "F5")]
)
def test_a_pool_that_does_not_run_is_unknown(rule: str) -> None:
    rows = judge(RULES[rule], facts(live={}, access={}))
    assert {one["status"] for one in rows} <= {"unknown", "not_applicable"}


def test_a_tree_that_was_not_walked_to_its_end_is_unknown() -> None:
    host = facts(access={"shop": Access(unknown="too large")})
    assert [judge(RULES[rule], host)[0]["status"] for rule in ("F6", "F7")] == ["unknown", "unknown"]


def test_a_configuration_that_apache_refuses_makes_everything_unknown() -> None:
    host = facts("")
    host.instance.error = "AH00526: Syntax error on line 3"
    rows = _audit_rules.report([host], "1")["results"]
    assert {one["status"] for one in rows if RULES[one["rule_id"]].needs_configuration} == {"unknown"}


def test_a_rule_with_a_defect_is_an_error_and_hides_no_other() -> None:
    def broken(host: Facts) -> list[Any]:
        raise KeyError("uid")

    rule = Rule("X1", "t", "low", "high", "l", "d", "r", "", (), "a", "p", broken)
    assert judge(rule, facts())[0]["status"] == "error"


def test_the_document_keeps_its_form() -> None:
    document = _audit_rules.report([case.host for case in BAD], "1.2.3")
    assert set(document) == {"schema", "host", "collected_at", "collection_version", "instances", "results", "summary"}
    for one in document["results"]:
        assert set(one) == {
            "rule_id",
            "title",
            "severity",
            "confidence",
            "status",
            "subject",
            "instance",
            "evidence",
            "remedy",
            "attack",
            "reference",
            "fingerprint",
        }
        assert one["severity"] in SEVERITIES
        assert one["status"] in STATUSES
        assert one["confidence"] in ("high", "medium", "low")
        assert one["subject"]["kind"] in ("pool", "virtual_host", "file", "process", "listener", "server")
        for seen in one["evidence"]:
            assert set(seen) == {"kind", "source", "observed", "expected"}
            assert seen["kind"] in ("config", "proc", "stat", "acl", "http", "cmd")
    summary = document["summary"]
    assert sum(summary[status] for status in STATUSES) == len(document["results"])
    assert sum(summary["by_severity"].values()) == summary["fail"]
    json.dumps(document)


def test_a_finding_is_the_same_after_a_restart() -> None:
    before = [facts(**running(groups=[990, APACHE]))]
    after = [facts(live={"shop": [process(pid=4711), process(pid=4712, groups=[990, APACHE])]})]
    prints = [[one["fingerprint"] for one in _audit_rules.report(hosts, "1")["results"]] for hosts in (before, after)]
    assert prints[0] == prints[1]


def test_rules_are_complete_and_their_pages_are_paragraphs_of_the_page() -> None:
    assert len(RULES) == len(_audit_rules.RULES)
    for rule in RULES.values():
        assert all((rule.title, rule.looks_at, rule.decides, rule.remedy, rule.attack, rule.page)), rule.id
        assert rule.severity in SEVERITIES


def test_the_version_is_the_collection_s() -> None:
    galaxy = Path(__file__).parents[4] / "galaxy.yml"
    assert yaml.safe_load(galaxy.read_text(encoding="utf-8"))["version"] == _audit_rules.VERSION
