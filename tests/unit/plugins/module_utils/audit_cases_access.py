"""Hosts on which the rules on who may read and write what fail, and hosts on which they pass."""

from __future__ import annotations

from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, Reach
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit_facts import (
    ENTRY,
    MAIN,
    SERVER,
    URL,
    Case,
    a_socket,
    changed,
    facts,
    file_facts,
    paths,
    row,
    site,
)

TWO = SERVER + site("shop") + site("blog")
SECRET = row("/var/lib/shop/environment", "secret", "account", mode="0640", pools=["shop"])
MEDIA = "/var/lib/shop/data/media"
ALIASED = SERVER + site(lines=f"Alias /media {MEDIA}")
SCRIPTS = changed("/var/www/shop/wsgi.py", "/srv/scripts/") + "<Directory /srv>\nRequire all granted\n</Directory>\n"
DIRECTORY = {**paths(), "/srv/scripts/": {"exists": True, "directory": True, "real": "/srv/scripts"}}


def seen(config: str | None = None, *names: str, **fields: Any) -> Facts:
    """Return a host of these apps with these facts of files."""
    return facts(config, *names, files=file_facts(*names, **fields))


def written(lines: str = "", location: str = "", config: str = "") -> Facts:
    """Return a host whose pool writes into a directory that an Alias serves."""
    granted = f"<Directory {MEDIA}>\n{lines or 'Require all granted'}\n</Directory>\n{location}"
    text = config or SERVER + site(lines=f"Alias /media {MEDIA}\n{granted}")
    return seen(text, shop=Reach(served={MEDIA: [f"{MEDIA}/up"]}))


NOSNIFF = "Header set X-Content-Type-Options nosniff"
BAD: list[Case] = [
    Case("F9", facts(SCRIPTS, paths=DIRECTORY), URL),
    Case(
        "F9",
        facts(changed("/var/www/shop/wsgi.py", "/srv/$1.wsgi").replace("WSGIScriptAlias", "WSGIScriptAliasMatch")),
        URL,
    ),
    Case(
        "F9",
        facts(SCRIPTS, paths=DIRECTORY, files=file_facts(shop=Reach(served={"/srv/scripts/": ["/srv/scripts"]}))),
        URL,
        "critical",
    ),
    Case(
        "F9",
        facts(SCRIPTS, paths=DIRECTORY, files=file_facts(others=Reach(served={"/srv/scripts/": ["/srv/scripts/a"]}))),
        URL,
        "critical",
    ),
    Case(
        "F9",
        facts(SERVER + site(lines="<Directory /srv/up>\nOptions +ExecCGI\nAddHandler wsgi-script .py\n</Directory>")),
        "shop.test *:443 files of /srv/up",
    ),
    Case("F11", written(), severity="high"),
    Case("F11", written("Require all granted\nOptions +ExecCGI")),
    Case("F11", written("Require all granted\nAllowOverride FileInfo")),
    Case("F11", written("Require all granted\nAllowOverride None\nAllowOverrideList SetHandler")),
    Case("F11", written(f"Require all granted\nSetHandler default-handler\n{NOSNIFF}"), severity="medium"),
    Case("F11", written("Require all granted\nSetHandler default-handler"), severity="high"),
    Case(
        "F11",
        written(location=f"<Location /media>\nSetHandler default-handler\n{NOSNIFF}\n</Location>"),
        severity="medium",
    ),
    Case("F11", seen(shop=Reach(served={"/var/www/html": ["/var/www/html"]})), severity="medium"),
    Case("F11", seen(SCRIPTS, shop=Reach(served={"/srv/scripts/": ["/srv/scripts"]}))),
    Case("F12", facts(changed("home=/var/lib/shop/code", "home=/tmp/shop"))),
    Case("F12", facts(changed("request-timeout=60", "request-timeout=60 python-eggs=/var/tmp/eggs"))),
    Case("F12", facts("WSGISocketPrefix /dev/shm/wsgi\n" + SERVER + site())),
    Case("F12", seen(temporary={"shop": [{"what": "open file", "path": "/tmp/cache.db"}]})),
    Case("F13", seen(wide=[row("/var/lib/shop/code/x.py", pools=["shop"], mode="0666")])),
    Case("F13", seen(TWO, "shop", "blog", blog=Reach(writes=[row("/var/lib/shop/data/a", "data", pools=["shop"])]))),
    Case("F13", seen(TWO, "shop", "blog", blog=Reach(secrets=[SECRET])), severity="critical"),
    Case("F13", seen(others=Reach(secrets=[SECRET])), severity="critical"),
    Case("F13", seen(others=Reach(reads=[row("/var/lib/shop/code/a.py", pools=["shop"])])), severity="medium"),
    Case("F13", seen(secrets=[{**SECRET, "mode": "0644"}]), severity="low"),
    Case(
        "F13",
        seen(
            secrets=[row("/etc/ssl/key.pem", "secret", "TLS key", pools=[])],
            shop=Reach(secrets=[row("/etc/ssl/key.pem", "secret", "TLS key", pools=[])]),
        ),
        "/etc/ssl/key.pem",
        "critical",
    ),
    Case("F17", seen(sockets=[a_socket(path="/tmp/wsgi.1.0.1.sock")])),
    Case("F17", seen(sockets=[a_socket(stickies=[row("/run/lock")])])),
    Case("F17", seen(sockets=[a_socket(way=[row("/run/apache2")])])),
    Case("F17", seen(sockets=[a_socket(mode="0777")])),
    Case("F17", seen(sockets=[a_socket(named=True)])),
    Case("F17", seen(sockets=[a_socket(owner=990)])),
    Case("F17", seen(others=Reach(connects=["/run/apache2/wsgi.1.0.shop.sock"]))),
    Case("F17", seen(TWO, "shop", "blog", blog=Reach(connects=["/run/apache2/wsgi.1.0.shop.sock"]))),
    Case("F20", seen(shop=Reach(watched=[row("/var/log/apache2", "ancestor", "log")]))),
    Case(
        "F20",
        seen(apache=Reach(watched=[row("/etc/apache2/x.conf", "configuration", "configuration")])),
        f"{MAIN} for Apache's account",
    ),
    Case(
        "F20", seen(others=Reach(watched=[row("/etc/apache2", "ancestor", "configuration")])), f"{MAIN} for everybody"
    ),
]
GOOD: list[Case] = [
    *(Case(rule, facts(), "shop") for rule in ("F11", "F12", "F13", "F17", "F20")),
    Case("F9", facts(), URL),
    # Denied: nothing is served from there.
    Case("F11", written("Require all denied"), "shop"),
    Case("F11", seen(ALIASED, shop=Reach(served={MEDIA: [MEDIA]})), "shop"),
    # A secret that another pool of the same code reads as well is nobody else's.
    Case(
        "F13", seen(TWO, "shop", "blog", blog=Reach(secrets=[SECRET]), secrets=[{**SECRET, "pools": ["blog", "shop"]}])
    ),
    # Packages are no secret, and a script is for Apache to read.
    Case(
        "F13",
        seen(
            others=Reach(
                reads=[row("/x.py", root="python-home", pools=["shop"]), row(ENTRY, "entry", "entry", pools=["shop"])]
            )
        ),
    ),
    Case(
        "F17",
        facts(
            changed("user=shop-app", "user=shop-app socket-user=proxy"), files=file_facts(sockets=[a_socket(owner=13)])
        ),
    ),
    Case("F20", seen(), f"{MAIN} for Apache's account"),
]
