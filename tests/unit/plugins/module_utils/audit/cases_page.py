"""Hosts on which the rules on pools, code and Apache's own settings fail, and hosts on which they pass."""

from __future__ import annotations

from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Access, Facts
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    APACHE,
    ENTRY,
    HOST,
    MAIN,
    PAGES,
    SERVER,
    URL,
    Case,
    answer,
    changed,
    facts,
    located,
    paths,
    process,
    row,
    running,
    site,
    without,
)

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


def in_apache(**access: Any) -> Facts:
    """Return a host with an application in embedded mode, and what Apache's account may do with its code."""
    return facts(without("WSGIProcessGroup shop\n"), access={"shop": Access(), "embedded mode": Access(**access)})


def older(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return paths with a virtual environment of another Python, whose version begins alike."""
    return {path: {**row, "python": "3.1"} if row.get("environment") else row for path, row in rows.items()}


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
    Case("I6b", facts(paths=older(paths()))),
    Case("L3b", facts(without("queue-timeout=45 "))),
    Case("L3b", facts(SERVER + site(options="connect-timeout=0"))),
    Case("L3b", facts(SERVER + site(options="listen-backlog=5"))),
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
    Case("F6", in_apache(owned=[row(ENTRY, root="entry")]), "embedded mode"),
    Case("F7", in_apache(writable=[row(ENTRY, root="entry")]), "embedded mode", "critical"),
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
    Case("A4", located("WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.0.0.1 0.0.0.0/1"), URL),
    Case("A4", located("WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 2000::/3"), URL),
    Case("A4", located("WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.0.0.0/8"), URL, "medium"),
    Case(
        "A4", located("WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.0.0.0/255.0.0.0"), URL, "medium"
    ),
    Case("L2", facts(without("request-timeout=60 "))),
    Case("L2", facts(SERVER + site(options="deadlock-timeout=0"))),
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
            "I6b": "shop",
            "L3b": "shop",
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
    *(Case(rule, in_apache(checked=3), "embedded mode") for rule in ("F6", "F7")),
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
    Case("A4", located("WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 10.1.0.0/16 2001:db8::/48"), URL),
    Case("D1", facts(without("ServerTokens Prod\n")), MAIN),
    Case("D2", facts(without("ServerSignature Off\n")), HOST),
    Case("D3", facts(SERVER + site(lines="ErrorDocument 404 /errors/404.html")), HOST),
]
