"""Hosts on which the rules on accounts, processes and the unit fail, and hosts on which they pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    MAIN,
    PACKAGES,
    SERVER,
    UNIT,
    Case,
    account,
    changed,
    child,
    facts,
    host,
    process,
    running,
    site,
    without,
)

TWO = SERVER + site("shop") + site("blog")
UIDS = {"shop": 990, "blog": 989}
EXPRESS = "/tmp/mod_wsgi-localhost:8000:1000/httpd.conf"
DISTRIBUTION = {"package": "libapache2-mod-wsgi-py3", "version": "4.9.4-1+b2", "mended": []}


def shown(**fields: Any) -> Facts:
    """Return a good host of which the collector saw something else."""
    return facts(host=replace(host({"shop": 990}), **fields))


def two(**fields: Any) -> Facts:
    """Return the same with two apps."""
    return facts(TWO, "shop", "blog", host=replace(host(UIDS), **fields))


def owner(**fields: Any) -> Facts:
    """Return a host where the pool's account is different."""
    return shown(accounts={"shop": account(**fields)})


def unit(**settings: str) -> Facts:
    """Return a host whose unit has other settings."""
    return shown(unit={**UNIT, **settings})


def at_home(**settings: str) -> Facts:
    """Return the same for an app whose code is in /home."""
    found = facts(changed("/var/lib/shop/code", "/home/shop/code"))
    found.host.unit.update(settings)
    return found


def with_modules(config: str, *modules: str, **fields: Any) -> Facts:
    """Return a host with more modules."""
    found = facts(config, host=replace(host({"shop": 990}), **fields))
    found.instance.modules = [*found.instance.modules, *modules]
    return found


def version(number: str, **package: Any) -> Facts:
    """Return a host with this mod_wsgi."""
    found = shown(packages={**PACKAGES, "module": {**PACKAGES["module"], **package}})
    found.instance.mod_wsgi_version = number
    return found


def job(account: str = "root", writable: bool = False, **fields: Any) -> Facts:
    """Return a host on which something starts the code of the pool by itself."""
    row = {"source": "/etc/cron.d/shop", "kind": "crontab", "account": account, "pools": ["shop"]}
    found = shown(beside=[{**row, "capabilities": "", "secrets": [], **fields}])
    if writable:
        found.access["shop"].writable.append({"path": "/var/lib/shop/code/x.py"})
    return found


def express(uid: int, user: str, *ports: int, mapped: bool = False) -> Facts:
    """Return a server that mod_wsgi-express made."""
    found = facts(listeners=[{"address": "127.0.0.1", "port": port} for port in ports or (8000,)])
    found.instance.config_file, found.instance.user = EXPRESS, user
    found.host.parent.update(uid=uid, mapped=mapped)
    return found


def express_pool(home: str = "/opt/venv", **fields: Any) -> Facts:
    """Return what mod_wsgi-express makes: Apache and its pool are one account's."""
    config = SERVER + site().replace("user=shop-app group=shop-app ", "").replace("python-home=/var/lib/shop/venv ", "")
    place = {"exists": True, "real": "/opt/venv", "environment": True}
    found = facts(config + f"WSGIPythonHome '{home}'\n", live={"shop": [process(uid=33)]}, paths={"/opt/venv": place})
    found.instance.title, found.instance.user = "apache2 (mod_wsgi-express)", "shop-app"
    found.host = replace(host({"shop": 33}), dumpable={"shop": True}, foreign=["python3"])
    return found


def started_by(uid: int) -> Facts:
    """Return a host whose Apache not root has started, with a pool without an account of its own."""
    found = facts(without("user=shop-app group=shop-app "))
    found.host.parent["uid"] = uid
    return found


def granted(everything: bool, root: bool = True, **fields: Any) -> Facts:
    """Return a host whose sudoers let the account do something."""
    rule = {"source": "/etc/sudoers.d/shop:1", "command": "ALL", "everything": everything, "root": root}
    return facts(
        host=replace(host({"shop": 990}), accounts={"shop": account(sudo=[rule])}),
        live={"shop": [process(**fields)]},
    )


MANY = "ServerLimit 16\nThreadsPerChild 64\nMaxRequestWorkers 1024"


def crowded(
    bound: str, first: str = "", app: str = "", lines: str = "MaxRequestWorkers 400", mpm: str = "event", **fields: Any
) -> Facts:
    """Return a host with these lines on connections: the server's, the first virtual host's, the application's."""
    config = without("MaxRequestWorkers 400\nQS_SrvMaxConnPerIP 20\n", SERVER)
    config = config.replace("ServerName default.invalid", f"ServerName default.invalid\n{first}")
    modules = fields.pop("modules", ["wsgi", "qos"])
    listeners = fields.pop("listeners", [{"address": "::", "port": 80}, {"address": "::", "port": 443}])
    found = facts(
        f"{lines}\n{bound}\n{config}{site(lines=app)}",
        listeners=listeners,
        host=replace(host({"shop": 990}), **fields),
    )
    found.instance.modules, found.instance.mpm = modules, mpm
    return found


def counted(most: int | None, **fields: Any) -> dict[str, Any]:
    """Return a rule of a packet filter as the collector sees it."""
    return {"source": "nft list ruleset", "rule": "r", "most": most, "ports": [80, 443], "families": [4], **fields}


def served(domains: dict[str, list[int]]) -> Facts:
    """Return a host whose domains have code of these owners."""
    names = {domain.partition(".")[0]: owners for domain, owners in domains.items()}
    config = SERVER
    for domain in domains:
        name = domain.partition(".")[0]
        config += site(name).replace(f"ServerName {name}.test", f"ServerName {domain}")
    seen = replace(host(dict.fromkeys(names, 990)), owners=names)
    return facts(config, *names, host=seen)


def with_group(gid: int, name: str) -> Facts:
    """Return a host where a process has a group that nobody declared."""
    return facts(host=replace(host({"shop": 990}), group_names={gid: name}), **running(groups=[gid, 990]))


def numbered(pid: int, found: Facts) -> Facts:
    """Return a host whose Apache is not the first process."""
    found.instance.pid = pid
    return found


def refused(error: str) -> Facts:
    found = facts("")
    found.instance.error = error
    return found


def telemetry(*writable: str) -> Facts:
    found = facts(SERVER + "WSGITelemetryService unix:/run/t/t.sock\n" + site())
    found.host.telemetry = {"/run/t/t.sock": list(writable)}
    return found


BAD: list[Case] = [
    Case("I6", express_pool("/opt/none")),
    Case("U2", granted(everything=True)),
    Case("U2", granted(everything=False), severity="high"),
    Case("U2", granted(everything=True, root=False), severity="high"),
    Case("U2", granted(everything=True, no_new_privileges=True), severity="medium"),
    Case("X-BESIDE", job(), severity="medium"),
    Case("X-BESIDE", job("0"), severity="medium"),
    Case("X-BESIDE", job(writable=True)),
    Case("X-BESIDE", job("games", writable=True)),
    Case("X-BESIDE", job("games"), severity="low"),
    Case("X-BESIDE", job("games", capabilities="CAP_CHOWN"), severity="medium"),
    Case("X-BESIDE", job("shop-app", capabilities="CAP_NET_BIND_SERVICE")),
    Case("X-BESIDE-SECRETS", job("shop-app", secrets=["SECRET_KEY"])),
    Case("U6", owner(shell="/bin/sh")),
    # An empty one is /bin/sh.
    Case("U6", owner(shell="")),
    Case("U6", owner(locked=False)),
    Case("U6", owner(keys=["/var/lib/shop/.ssh/authorized_keys"])),
    Case("U6", owner(jobs=["/var/spool/cron/crontabs/shop-app"])),
    Case("U6", owner(home_mode=0o755, home_files=["/var/lib/shop/db.sqlite3"])),
    Case("U6", owner(home_mode=0o755), severity="low"),
    Case("U6", owner(home_mode=0o1777)),
    Case("U6", owner(regular=True), severity="low"),
    Case("U6", owner(others=["celery"]), severity="info"),
    Case("U6", owner(others=["celery"], shell="/bin/bash")),
    Case("U7", shown(children=[child(uid=0)]), MAIN),
    Case("U7", numbered(812, shown(children=[child(own=False, uid=0, command="/bin/names")])), MAIN),
    Case("U7", shown(twins=[4711]), MAIN),
    Case("U8", express(0, "shop-app"), EXPRESS),
    Case("U8", express(0, "nobody", 80), EXPRESS),
    Case("U8", express(33, "www-data"), EXPRESS),
    Case("U8", express(0, "shop-app", mapped=True), EXPRESS, "low"),
    Case("F14", owner(groups=[990, 4])),
    Case(
        "F15",
        facts(host=replace(host({"shop": 990}), group_names={4: "adm"}), **running(groups=[4, 990])),
        severity="critical",
    ),
    Case("F15", with_group(77, "db")),
    Case(
        "F15",
        facts(
            SERVER + site(options="supplementary-groups=docker"),
            host=replace(host({"shop": 990}), group_names={99: "docker"}, group_ids={"docker": 99}),
            live={"shop": [process(groups=[99, 990])]},
        ),
        severity="critical",
    ),
    Case(
        "F15",
        facts(
            SERVER + site(options="supplementary-groups=db"), host=replace(host({"shop": 990}), group_ids={"db": 77})
        ),
    ),
    Case("I7", served({"shop.example": [0, 1001], "blog.other": [1002]}), "shop.example *:443"),
    Case("I7", served({"shop.one.co.uk": [1001], "blog.two.co.uk": [1002]}), "blog.two.co.uk *:443"),
    Case("I7", served({"shop.one.de": [1001], "blog.two.de": [1002]}), "blog.two.de *:443"),
    Case("I7", served({"one.com.au": [1001], "two.com.au": [1002]}), "two.com.au *:443"),
    Case("I7", served({"shop.one.mx": [1001], "blog.one.m": [1002]}), "shop.one.mx *:443"),
    Case("I7", served({"w3": [1001], "w4": [1002]}), "w4 *:443"),
    Case("I9", with_modules(changed("ServerTokens Prod", "SetHandler application/x-httpd-php"), "php"), MAIN),
    Case("I9", with_modules(SERVER + site(location="AddHandler cgi-script .cgi"), "cgid"), MAIN),
    Case(
        "I9",
        with_modules(
            SERVER + site(lines="ScriptAlias /cgi-bin /usr/lib/cgi-bin"), "cgi", scripts={"/usr/lib/cgi-bin": True}
        ),
        MAIN,
    ),
    Case("I9", with_modules(SERVER + site(location="PerlResponseHandler My::Site"), "perl"), MAIN),
    Case("I9", with_modules(SERVER + site(lines="LuaMapHandler /l /srv/l.lua"), "lua"), MAIN),
    Case("I9", shown(foreign=["php-fpm8.2"]), MAIN),
    Case("I10", two(reach={"shop": {"signal": ["blog"], "environment": []}})),
    Case("I10", two(reach={"blog": {"signal": [], "environment": ["shop"]}}), "blog"),
    Case("I10", shown(children=[child(secrets=["DB_PASSWORD"])])),
    Case("X-COREDUMP", facts(SERVER + "CoreDumpDirectory /tmp\n" + site()), MAIN),
    Case("X-COREDUMP", shown(dumpable={"shop": True}), MAIN),
    Case("L1", facts(without("restart-interval=86400 "))),
    Case("L1", facts(changed("restart-interval=86400 ", "maximum-requests=0 "))),
    Case("L3", unit(TimeoutStopUSec="20s")),
    Case("L8", shown(bounds={"shop": {"memory.max": "max", "pids.max": "100", "data": "unlimited"}})),
    Case("L8", shown(bounds={"shop": {"memory.max": "1000000", "pids.max": "max"}})),
    # Such a pool ends as soon as it starts.
    Case("L8", facts(SERVER + site(options="memory-limit=512M"), live={}), severity="low"),
    Case("L9", facts("Timeout 300\n" + SERVER + site()), MAIN),
    Case("L9", facts(SERVER + site(lines="KeepAliveTimeout 60")), MAIN),
    Case("L10", crowded(""), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 301"), MAIN),
    # The bound starts at so many connections, all of which may be one address's.
    Case("L10", crowded("QS_SrvMaxConnPerIP 20 301"), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 20\nQS_LogOnly On"), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 20", modules=["wsgi"]), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 20", mpm="prefork", lines="MaxRequestWorkers 20"), MAIN),
    # More than 16 processes with 25 threads each there are not.
    Case("L10", crowded("QS_SrvMaxConnPerIP 400", lines="MaxRequestWorkers 1000"), MAIN),
    # A virtual host with a line of its own counts for itself.
    Case("L10", crowded("QS_SrvMaxConnPerIP 160", "QS_SrvMaxConnPerIP 141"), MAIN),
    Case("L10", crowded("", "QS_SrvMaxConnPerIP 20"), MAIN),
    Case("L10", crowded("", filters=[counted(301)]), MAIN),
    Case("L10", crowded("", filters=[counted(20, ports=[80])]), MAIN),
    Case("L10", crowded("", filters=[counted(20)], ipv6=True), MAIN),
    Case("L10", crowded("", filters=[counted(160, ports=[80]), counted(141, ports=[443])]), MAIN),
    Case("B1", version("4.7.1"), MAIN),
    Case("B1", version("4.7.1", **DISTRIBUTION), MAIN),
    Case("B1", version("4.1.0"), MAIN, "critical"),
    Case("B1", version("", package="mod_wsgi", version="3.4-18.el7", mended=["CVE-2014-0240"]), MAIN, "critical"),
    Case("B1", version("4.9.4", **DISTRIBUTION), MAIN, "info"),
    Case("B1", version("4.9.4"), MAIN, "low"),
    Case("B1", version("6.1.1", replaced=True), MAIN, "medium"),
    Case("B5", shown(packages={"apache": {**PACKAGES["apache"], "package": ""}}), MAIN),
    Case("B5", shown(packages={"apache": {**PACKAGES["apache"], "replaced": True}}), MAIN),
    Case("D7", telemetry("/run/t"), "/run/t/t.sock"),
    Case("X-ENV-SECRETS", two(parent={**host({}).parent, "environment": ["DB_PASSWORD"]}), MAIN),
    Case("X-ENV-SECRETS", shown(parent={**host({}).parent, "environment": ["DB_PASSWORD"]}), MAIN, "medium"),
    Case("X-ENV-SECRETS", facts(SERVER + site(lines="SetEnv API_KEY abc")), MAIN, "medium"),
    Case("X-ENV-SECRETS", facts(SERVER + site(lines="SetEnv DATABASE_URL postgres://u:p@localhost/d")), MAIN, "medium"),
    Case("X-SYSTEMD-BREAKS", unit(User="www-data"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(PrivateUsers="yes"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(CapabilityBoundingSet="cap_setuid cap_setgid cap_chown"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(SystemCallFilter="~chown chown32 fchownat fchown"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(SystemCallFilter="setuid setgid read write chown"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(SystemCallFilter="~setgroups:EPERM"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(RestrictAddressFamilies="AF_INET AF_INET6"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(RestrictAddressFamilies="~AF_UNIX"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(LimitNPROC="10"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", at_home(), UNIT["name"]),
    Case("X-SYSTEMD", unit(NoNewPrivileges="no"), UNIT["name"]),
    Case("X-SYSTEMD", unit(CapabilityBoundingSet="cap_chown cap_sys_admin"), UNIT["name"]),
    Case("X-STALE", shown(stale={"shop": ["/usr/lib/libssl.so.3"]})),
    Case("X-SYSCTL", shown(sysctls={"fs/protected_symlinks": "1", "fs/protected_fifos": "0"}), MAIN),
    Case("X-SYSCTL", shown(sysctls={"fs/protected_symlinks": ""}), MAIN),
    Case("X-MAC", shown(parent={**host({}).parent, "label": "unconfined"}), MAIN),
    Case("X-MAC", shown(parent={**host({}).parent, "label": ""}), MAIN),
    Case("X-MAC", shown(parent={**host({}).parent, "label": "apache2 (complain)"}), MAIN),
    Case("X-MAC", shown(parent={**host({}).parent, "label": "u:r:httpd_t:s0", "enforcing": False}), MAIN),
    Case("N1b", shown(jobs=["/etc/cron.d/recycle"]), "/etc/cron.d/recycle"),
    Case("AUDIT-CONFIG", refused("AH00526: Syntax error on line 3 of /etc/x.conf:\nInvalid command 'X'"), MAIN),
    Case("AUDIT-POOL-DOWN", facts(live={})),
    Case("AUDIT-DRIFT", shown(changed={"/etc/apache2/x.conf": 1000.5}), MAIN),
    Case("AUDIT-DRIFT", facts(**running(uid=33))),
    Case("AUDIT-DRIFT", facts(**running(gid=33))),
    Case("AUDIT-DRIFT", facts(**running(cwd="/srv")), severity="info"),
    Case("AUDIT-DRIFT", facts(SERVER + site(options="umask=0077")), severity="info"),
    Case("AUDIT-DRIFT", facts(SERVER + site().replace("WSGIDaemonProcess shop", "WSGIDaemonProcess other"))),
]
GOOD: list[Case] = [
    Case("X-BESIDE", job("shop-app")),
    Case("X-BESIDE", job("shop-app", writable=True)),
    Case("X-BESIDE-SECRETS", job("shop-app")),
    Case("U1", express_pool()),
    Case("U1b", express_pool()),
    Case("U1", started_by(1000)),
    Case("U2", facts()),
    Case("I6", express_pool()),
    Case("M3", facts(SERVER + site(lines="WSGIImportScript '/srv/x.py' process-group='shop'")), MAIN),
    Case("U6", owner(home_mode=None)),
    Case("U6", owner(shell="/bin/false", home_mode=0o710)),
    Case("U7", facts(), MAIN),
    Case(
        "U7",
        numbered(
            812,
            facts(
                SERVER + site(lines='CustomLog "|/usr/bin/rotatelogs /var/log/shop 86400" combined'),
                host=replace(
                    host({"shop": 990}),
                    children=[child(), child(51, uid=0, own=False, command="/usr/bin/rotatelogs /var/log/shop 86400")],
                ),
            ),
        ),
        MAIN,
    ),
    Case(
        "U7",
        numbered(
            812,
            facts(
                'ErrorLog "|$/usr/bin/logger -t a"\n' + SERVER + site(),
                host=replace(
                    host({"shop": 990}),
                    children=[child(51, uid=0, own=False, command="/bin/sh -c /usr/bin/logger -t a")],
                ),
            ),
        ),
        MAIN,
    ),
    # What lost its parent in a container is given to the first process.
    Case("U7", shown(children=[child(own=False, uid=0, command="/bin/sh /start")]), MAIN),
    # A map of mod_rewrite as an account of its own.
    Case("U7", numbered(812, shown(children=[child(own=False, uid=2000, command="/bin/names")])), MAIN),
    Case("U8", express(1500, "shop-app"), EXPRESS),
    Case("U8", express(0, "shop-app", 80, 8443), EXPRESS),
    Case("F14", facts()),
    # The pool's group is not the primary one of its account.
    Case(
        "F14",
        facts(host=replace(host({"shop": 990}), accounts={"shop": account(gid=100, groups=[100, 990])})),
    ),
    Case("F15", facts()),
    Case(
        "F15",
        facts(
            SERVER + site(options="supplementary-groups=shop-app,postgres"),
            host=replace(host({"shop": 990}), group_ids={"shop-app": 990, "postgres": 77}),
            live={"shop": [process(groups=[77, 990])]},
        ),
    ),
    Case("I7", served({"shop.example": [0], "blog.other": [0]}), "blog.other *:443"),
    Case("I7", served({"shop.one.example": [1001], "blog.one.example": [1002]}), "shop.one.example *:443"),
    # One party's, though their last labels look like a registry's.
    Case("I7", served({"shop.one.co.uk": [1001], "blog.one.co.uk": [1002]}), "shop.one.co.uk *:443"),
    Case("I7", served({"shop.one.de": [1001], "blog.one.de": [1002]}), "shop.one.de *:443"),
    Case("I7", served({"shop.co.info": [1001], "blog.co.info": [1002]}), "shop.co.info *:443"),
    Case("I7", served({"shop.net.de": [1001], "net.de": [1001]}), "shop.net.de *:443"),
    # Loaded, and used by nothing.
    Case("I9", with_modules(SERVER + site(), "cgid", "php", "perl", "lua", "suexec"), MAIN),
    Case("I9", with_modules(SERVER + site(location="AddHandler wsgi-script .wsgi\nOptions +ExecCGI"), "cgid"), MAIN),
    Case(
        "I9",
        with_modules(
            SERVER + "ScriptAlias /cgi-bin/ /var/www/cgi-bin\n" + site(), "cgid", scripts={"/var/www/cgi-bin": False}
        ),
        MAIN,
    ),
    Case("I9", express_pool(), MAIN),
    Case("I10", two()),
    # Two pools of one application share an account on purpose.
    Case(
        "I10",
        facts(
            TWO.replace("/var/www/blog/wsgi.py", "/var/www/shop/wsgi.py"),
            "shop",
            "blog",
            host=replace(host(UIDS), reach={"shop": {"signal": ["blog"], "environment": []}}),
        ),
    ),
    Case("X-COREDUMP", facts(), MAIN),
    Case("X-COREDUMP", express_pool(), MAIN),
    Case("L1", facts(changed("restart-interval=86400 ", "inactivity-timeout=300 "))),
    Case("L3", unit(TimeoutStopUSec="infinity")),
    Case("L3", unit(TimeoutStopUSec="21s")),
    Case("L3", shown(unit={})),
    Case("L8", facts()),
    Case("L8", shown(bounds={"shop": {"address space": "1073741824", "memory.max": "max", "pids.max": "100"}})),
    Case("L9", facts("Timeout 60\nKeepAliveTimeout 500ms\n" + SERVER + site()), MAIN),
    Case("L9", facts("Timeout 300\nTimeout 60\n" + SERVER + site()), MAIN),
    Case("L10", facts(), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 300"), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 20 300"), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 500\nQS_SrvMaxConnPerIP 20"), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 20 716", lines=MANY), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 160", "QS_SrvMaxConnPerIP 140"), MAIN),
    # That of the second virtual host of an address is never asked for.
    Case("L10", crowded("QS_SrvMaxConnPerIP 20", app="QS_SrvMaxConnPerIP 500"), MAIN),
    Case("L10", crowded("QS_SrvMaxConnPerIP 192", lines="", mpm="prefork"), MAIN),
    Case("L10", crowded("", filters=[counted(300)]), MAIN),
    Case("L10", crowded("", filters=[counted(500), counted(20)]), MAIN),
    Case("L10", crowded("", filters=[counted(20), counted(20, families=[6])], ipv6=True), MAIN),
    Case("L10", crowded("", filters=[counted(20), counted(None)]), MAIN),
    # Apache does not run.
    Case("L10", crowded("QS_SrvMaxConnPerIP 20", listeners=[]), MAIN),
    Case("B1", version("6.1.1"), MAIN),
    Case("B1", version("5.0.2", **DISTRIBUTION), MAIN),
    Case("B5", facts(), MAIN),
    Case("D7", telemetry(), "/run/t/t.sock"),
    Case("X-ENV-SECRETS", facts(SERVER + site(lines="SetEnv no-gzip 1\nSetEnv DB_PASSWORD_FILE /run/x")), MAIN),
    Case("X-SYSTEMD-BREAKS", facts(), UNIT["name"]),
    # What systemctl shows of settings that are not used.
    Case("X-SYSTEMD-BREAKS", unit(SystemCallFilter="~", RestrictAddressFamilies="~", LimitNPROC="32768"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", unit(SystemCallFilter="read setuid setgid setgroups fchownat write"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", at_home(ProtectHome="no"), UNIT["name"]),
    Case("X-SYSTEMD-BREAKS", at_home(BindReadOnlyPaths="/home/shop/code:/home/shop/code:rbind"), UNIT["name"]),
    Case("X-SYSTEMD", facts(), UNIT["name"]),
    Case("X-MAC", shown(parent={**host({}).parent, "label": "system_u:system_r:httpd_t:s0", "enforcing": True}), MAIN),
    Case("N1b", facts(), MAIN),
    Case("X-STALE", facts()),
    Case("X-SYSCTL", facts(), MAIN),
    Case("AUDIT-CONFIG", facts(), MAIN),
    Case("AUDIT-POOL-DOWN", facts()),
    Case("AUDIT-DRIFT", facts()),
    Case("AUDIT-DRIFT", facts(), MAIN),
    # home= is a link, and the process is where it leads.
    Case("AUDIT-DRIFT", facts(**running(cwd="/var/lib/shop/releases/1/code"))),
]


def unknown_hosts() -> list[Case]:
    """Return hosts of which something could not be read."""
    parts = ("accounts", "children", "parent", "reach", "unit", "packages", "stale", "sysctls")
    reasons = dict.fromkeys(parts, "Permission denied")
    blind = shown(unknown={**reasons, "bounds": "no", "dumpable": "no", "sudoers": "no", "loaded": "no", "jobs": "no"})
    blind.host.bounds, blind.host.accounts, blind.host.reach, blind.live = {}, {}, {}, {"shop": [process()]}
    subjects = dict.fromkeys(
        ("U7", "X-SYSCTL", "X-MAC", "X-COREDUMP", "B1", "B5", "AUDIT-DRIFT", "X-SYSTEMD", "N1b"), MAIN
    )
    subjects["X-ENV-SECRETS"] = MAIN
    subjects.update(dict.fromkeys(("U2", "U6", "F14", "L8", "I10", "X-STALE"), "shop"))
    cases = [Case(rule, blind, subject) for rule, subject in subjects.items()]
    hidden = facts(live={}, host=replace(host({"shop": 990}), children=[child(hidden=True)]))
    undecided = shown(loaded=[1000.0, 2000.0], changed={"/etc/apache2/x.conf": 1500.0})
    return [
        *cases,
        Case("AUDIT-POOL-DOWN", hidden),
        Case("AUDIT-DRIFT", undecided, MAIN),
        Case("AUDIT-CONFIG", refused("mod_info is not installed, so Apache cannot show its configuration"), MAIN),
        Case("B1", version("4.7.1", **{**DISTRIBUTION, "mended": None}), MAIN),
        Case("B1", version("4.7.1", package=None), MAIN),
        Case("B1", version(""), MAIN),
        Case("U6", owner(locked=None, shadow="not in /etc/shadow")),
        Case("F15", facts(SERVER + site(options="supplementary-groups=gone"))),
        Case("L10", crowded("", filters=[counted(None)]), MAIN),
        Case("L10", crowded("SecConnReadStateLimit 50"), MAIN),
        Case("L10", crowded("", unknown={"filters": "no such file"}), MAIN),
        Case("L10", crowded("QS_SrvMaxConnPerIP 20", mpm="motorz"), MAIN),
    ]


UNKNOWN = unknown_hosts()
