"""Hosts on which the rules on who may read and write what fail, and hosts on which they pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Access, Facts, Reach
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    APACHE,
    ENTRY,
    HOST,
    LOG,
    MAIN,
    SERVER,
    URL,
    Case,
    a_socket,
    changed,
    environment,
    facts,
    file_facts,
    paths,
    process,
    row,
    script,
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


def written(lines: str = "", location: str = "", config: str = "", names: Sequence[str] = ("up",)) -> Facts:
    """Return a host whose pool writes into directories that an Alias serves."""
    granted = f"<Directory {MEDIA}>\n{lines or 'Require all granted'}\n</Directory>\n{location}"
    text = config or SERVER + site(lines=f"Alias /media {MEDIA}\n{granted}")
    return seen(text, shop=Reach(served={MEDIA: [f"{MEDIA}/{name}" for name in names]}))


DATA = "/var/lib/shop/data"
OWN = row(DATA, "data", "account", mode="0750")
HOME = "/var/lib/shop/venv"
VENV = "/var/lib/shop/releases/1/venv"
NO_FILES: dict[str, Any] = {"overrides": [], "unknown": ""}
OVERRIDDEN = SERVER + site() + "<Directory /var/www/html>\nAllowOverride All\n</Directory>\n"


def acl(**fields: Any) -> dict[str, Any]:
    """Return an extended ACL of a directory of code."""
    found = {"pools": ["shop"], "users": {}, "groups": {}, "default": False, "unread": False, **fields}
    return {**row("/var/lib/shop/code/shop"), **found}


def overriding(
    override: str, loose: bool = True, lines: list[str] | None = None, routed: bool = False, file: bool = False
) -> Facts:
    """Return a host that serves a directory of media, with a .htaccess of these lines in it."""
    granted = f"<Directory {MEDIA}>\nRequire all granted\n{override}\n</Directory>"
    config = SERVER + site(lines=f"Alias /media {MEDIA}\n{granted}")
    if routed:
        config = config.replace("WSGIProcessGroup shop", "WSGIProcessGroup %{ENV:POOL}")
    files = [] if lines is None else [{"path": f"{MEDIA}/.htaccess", "loose": file, "lines": lines}]
    found = {"loose": [row(MEDIA)] if loose else [], "overrides": files, "unknown": ""}
    return seen(config, served={MEDIA: found})


def linked(lines: str) -> Facts:
    """Return a host that serves a directory with a link in it to one that the pool writes."""
    config = SERVER + site(
        lines=f"Alias /media {MEDIA}\n<Directory {MEDIA}>\nRequire all granted\n{lines}\n</Directory>"
    )
    found = {"loose": [], "overrides": [], "links": [f"{MEDIA}/up"], "unknown": ""}
    return seen(config, shop=Reach(served={MEDIA: [f"{MEDIA}/up"]}), served={MEDIA: found})


def replaceable(where: str = "", **fields: Any) -> Facts:
    """Return a host on which others may change the script, or a directory above it."""
    return seen(scripts={ENTRY: script(where=where, **fields)})


def owned_by(uid: int) -> list[dict[str, Any]]:
    """Return a script and its directory that are this account's."""
    return [{**one, "owner": uid, "users": [uid]} if "shop" in one["path"] else one for one in script()]


def under(mpm: str, options: str, where: str = "", **fields: Any) -> Facts:
    """Return a host whose Apache runs with this MPM, and whose pool has these options."""
    found = facts(changed("queue-timeout", f"{options} queue-timeout"), files=replaceable(where, **fields).files)
    found.instance.mpm = mpm
    return found


def down(options: str) -> Facts:
    """Return a host whose pool has these options, and no process."""
    found = under("prefork", options)
    found.live, found.groups = {}, {"shop-app": 991}
    return found


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
    # What is worse comes first.
    Case("F11", written(location=f"<Directory {MEDIA}/in>\nOptions ExecCGI\n</Directory>", names=("up", "a", "in"))),
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
    Case("F11", linked("Options None\nOptions +FollowSymLinks"), severity="high"),
    Case("F11", linked(""), severity="high"),
    Case("F12", facts(changed("home=/var/lib/shop/code", "home=/tmp/shop"))),
    Case("F12", facts(changed("request-timeout=60", "request-timeout=60 python-eggs=/var/tmp/eggs"))),
    Case("F12", facts("WSGISocketPrefix /dev/shm/wsgi\n" + SERVER + site())),
    Case("F12", seen(logs=[{"path": "/tmp/shop.log", "pools": ["shop"]}])),
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
    Case("F4", seen(apache=Reach(unreached=[ENTRY]))),
    Case("F4", seen(apache=Reach(secrets=[SECRET]))),
    Case("F4", seen(apache=Reach(reads=[row("/var/lib/shop/venv/a.py", root="python-home", pools=["shop"])]))),
    Case("F4b", seen(apache_groups=[33, 990])),
    Case("F8", facts(access={"shop": Access(unreadable=[row("/var/lib/shop/code/a.py")])})),
    Case("F10", seen(shop=Reach(data=[row(DATA, "data", "account")]))),
    Case("F10", seen(shop=Reach(data=[row(DATA, "data", "account", mode="0750", owner=0)]))),
    Case("F10", seen(shop=Reach(data=[row(DATA, "data", "account", mode="2770", group=33)]))),
    Case("F16", seen(acls=[acl(users={"990": 7})])),
    Case("F16", seen(acls=[acl(groups={"990": 2}, default=True)])),
    Case("F16", seen(TWO, "shop", "blog", acls=[acl(users={"989": 4})])),
    Case("F16", seen(TWO, "shop", "blog", acls=[acl(kind="data", root="account", users={"989": 6})])),
    *(
        Case("F19", under(mpm, option), severity="low")
        for mpm in ("event", "worker", "")
        for option in ("script-user=root", "script-group=root", "script-user=shop-app")
    ),
    Case("F19", under("prefork", "script-user=root script-group=root"), severity="low"),
    Case("F19", under("prefork", "script-user=shop-app"), severity="low"),
    Case("F19", under("prefork", "script-user=#990"), severity="low"),
    Case("F19", under("prefork", "script-group=shop-app"), severity="low"),
    Case("F19", down("script-user=#990"), severity="low"),
    Case("F19", down("script-group=#991"), severity="low"),
    # Whoever owns or may write the script or a directory above it.
    Case("F19", replaceable(owner=APACHE)),
    Case("F19", replaceable(owner=990)),
    Case("F19", replaceable(groups=[APACHE])),
    Case("F19", replaceable(everybody=True)),
    Case("F19", replaceable("/var/www", everybody=True)),
    Case("F19", replaceable("/var/www", owner=APACHE)),
    Case("F19", replaceable("/var/www/shop", users=[990])),
    Case("F19", replaceable("/var/www/shop", owner=1000), severity="low"),
    Case("F19", replaceable("/var/www", groups=[50]), severity="low"),
    Case("F19", replaceable("/var", users=[1000]), severity="low"),
    # No use of the option, and nothing but it, counts on prefork.
    Case("F19", under("prefork", "script-user=root", "/var/www", owner=APACHE)),
    Case("F19", under("event", "script-user=root", "/var/www", owner=APACHE)),
    Case("I5b", facts(TWO.replace("request-timeout", "python-path=/srv/common request-timeout"), "shop", "blog")),
    Case("I5b", seen(packages={VENV: environment(system=True)})),
    Case("I8", overriding("AllowOverride All"), HOST),
    Case("I8", overriding("AllowOverride AuthConfig Limit"), HOST),
    Case("I8", overriding("AllowOverride Options=Indexes,MultiViews"), HOST),
    Case("I8", overriding("AllowOverrideList SetEnv"), HOST),
    Case("I8", overriding("AllowOverride All", loose=False, lines=["SetHandler x", "Action x /y"]), HOST, "medium"),
    Case("I8", overriding("AllowOverride All", loose=False, lines=["Options +ExecCGI"]), HOST, "medium"),
    Case("I8", overriding("AllowOverride All", loose=False, lines=["WSGIPassAuthorization On"]), HOST, "medium"),
    Case(
        "I8", overriding("AllowOverride FileInfo", loose=False, lines=["SetEnv POOL blog"], routed=True), HOST, "medium"
    ),
    # In a directory of root's, a file that somebody else may write.
    Case("I8", overriding("AllowOverride All", loose=False, lines=["Require all granted"], file=True), HOST),
    Case("M3", overriding("AllowOverride AuthConfig"), HOST),
    Case("U9", seen(shop=Reach(foreign=[row("/var/spool/x", "", "")]))),
    Case("U9", seen(shop=Reach(private=["/etc/shadow"]))),
    Case("X-LOG-FILES", seen(TWO, "shop", "blog", blog=Reach(logs=[LOG])), LOG),
    Case("X-LOG-FILES", seen(others=Reach(logs=[LOG])), LOG),
    Case("X-NOEXEC", seen(shop=Reach(data=[OWN]), executable={"shop": [DATA]})),
    Case("X-PIP-EDITABLE", seen(packages={VENV: environment(editable=["/x/__editable__.shop.pth"])}), HOME),
    Case("X-PIP-EDITABLE", seen(packages={VENV: environment(imports=["/x/a.pth"])}), HOME),
    Case("X-PIP-RECORD", seen(packages={VENV: environment(altered=["/x/a.py"])}), HOME),
]
GOOD: list[Case] = [
    *(Case(rule, facts(), "shop") for rule in ("F11", "F12", "F13", "F17", "F20")),
    Case("F9", facts(), URL),
    # Denied: nothing is served from there.
    Case("F11", written("Require all denied"), "shop"),
    Case("F11", seen(ALIASED, shop=Reach(served={MEDIA: [MEDIA]})), "shop"),
    # A link that Apache does not follow.
    Case("F11", linked("Options None"), "shop"),
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
    # Apache itself refuses a line without a word.
    Case("F17", facts(f"WSGISocketPrefix\n{SERVER}{site()}")),
    # Not started by root: everything is one account's.
    Case("F17", seen(apache_uid=1000, sockets=[a_socket(owner=1000, way=[row("/home/jo/run", owner=1000)])])),
    Case("F20", seen(), f"{MAIN} for Apache's account"),
    Case("F4", seen(apache=Reach(reads=[row(ENTRY, root="entry", pools=["shop"])]))),
    *(Case(rule, facts(), "shop") for rule in ("F4", "F4b", "F8", "F10", "F16", "F19", "I5b", "U9")),
    Case("I5b", facts(changed("python-home=/var/lib/shop/venv ", ""))),
    # In Apache's own group: that is for U1b and U3.
    Case("F4b", facts(live={"shop": [process(gid=33)]})),
    Case("F10", seen(shop=Reach(data=[OWN, {**OWN, "mode": "2770"}, {**OWN, "mode": "0700"}]))),
    # The daemon reads by an ACL; Apache passes; another one's has no effect.
    Case("F16", seen(TWO, "shop", "blog", acls=[acl(users={"990": 5, "33": 5, "989": 1})])),
    Case("F16", seen(acls=[acl(kind="data", root="account", users={"990": 7})])),
    Case("F19", under("prefork", "script-user=root")),
    Case("F19", under("itk", "script-group=root")),
    # A deployment account owns the script, and its directories.
    Case("F19", replaceable(owner=1000)),
    Case("F19", seen(scripts={ENTRY: owned_by(1000)})),
    Case("F19", replaceable("/var/www", groups=[0])),
    Case("I8", facts(), HOST),
    Case("I8", overriding("AllowOverride None"), HOST),
    Case("I8", overriding("AllowOverride Indexes Limit"), HOST),
    Case("I8", overriding("AllowOverride All", loose=False, lines=["Require all granted", "SetEnv A b"]), HOST),
    # Apache does not read a DocumentRoot that an alias for / hides.
    Case("I8", seen(OVERRIDDEN, served={"/var/www/html": {"loose": [row("/var/www/html")], **NO_FILES}}), HOST),
    Case("X-LOG-FILES", seen(shop=Reach(logs=[LOG])), LOG),
    Case("X-NOEXEC", seen(shop=Reach(data=[OWN]))),
    Case("X-PIP-EDITABLE", facts(), HOME),
    Case("X-PIP-RECORD", facts(), HOME),
]
