"""The last value that a rule takes and the first that it does not, and each word of its lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Access, Facts, Reach
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit import cases_access as access
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit import cases_host as hosts
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.cases_web import (
    DROPPED,
    of,
    of_server,
    wsgi_version,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    APACHE,
    ENTRY,
    HOST,
    MAIN,
    SERVER,
    UNIT,
    URL,
    Case,
    a_socket,
    answer,
    asked,
    certified,
    changed,
    child,
    environment,
    facts,
    file_facts,
    full_answers,
    host,
    located,
    paths,
    process,
    row,
    running,
    site,
    web_facts,
    without,
)

UNSET = without("request-timeout=60 restart-interval=86400 queue-timeout=45 ")


def options(*words: str) -> Facts:
    """Return a host whose pool has these options, and no time of its own."""
    return facts(UNSET.replace("display-name", f"{' '.join(words)} display-name"))


def trusting(network: str) -> Facts:
    return located(f"WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies {network}")


def mapped(path: str) -> Facts:
    """Return a host with the pool's code there."""
    return facts(changed("/var/lib/shop/code", path))


def logging_to(path: str) -> Facts:
    return facts(files=file_facts(logs=[{"path": path, "pools": ["shop"]}]))


def pool_of(**fields: Any) -> Facts:
    return facts(live={"shop": [process(**fields)]})


def group_named(name: str) -> Facts:
    found = facts(live={"shop": [process(groups=[77, 990])]})
    found.host = replace(found.host, group_names={77: name})
    return found


def language(module: str, line: str, **fields: Any) -> Facts:
    return hosts.with_modules(SERVER + site(lines=line), module, **fields)


def sized(bits: int, rsa: bool) -> Facts:
    return certified(bits=bits, rsa=rsa)


def ciphers(*names: str) -> Facts:
    return facts(web=web_facts(HOST, ciphers={"ECDHE+AESGCM": list(names)}))


def sent(name: str, value: str) -> Facts:
    """Return a host whose application sends one header."""
    return facts(probes=[answer(HOST, kind="page", status=200, headers={name: value})])


def apache(version: str, config: str | None = None) -> Facts:
    found = facts(config)
    found.instance.apache_version = version
    return found


def taking_more(config: str | None) -> Facts:
    """Return a host whose new Apache took a body that is larger than it says."""
    return facts(config, probes=[*full_answers(HOST)[:-1], answer(HOST, kind="body", status=200)])


def built_for(python: str) -> Facts:
    found = facts()
    found.instance.python = python
    return found


def of_mod_wsgi(version: str, **package: Any) -> Facts:
    return hosts.version(version, package="mod_wsgi", version="1", mended=[], **package)


def nobody_looked(**fields: Any) -> Facts:
    """Return a host on which a pool was looked at, and something else was not."""
    return facts(files=file_facts(**fields))


MANY = [row(f"/x/{number}.py", pools=["shop"]) for number in range(22)]
MIXED = [{**access.SECRET, "mode": "0644"}, *({**access.SECRET, "path": f"/s/{number}"} for number in range(2))]
FIRST = "any other name on *:443"
BACK = "shop.test *:8000 / on 10.0.0.9 port 8000"
TRUST = "WSGITrustedProxies 10.0.0.1\nWSGITrustedProxyHeaders"
PAGE = f"{HOST} /page"
UNSAFE = DROPPED.replace("RequestHeader unset X-Forwarded-Port\n", "")


def without_user() -> Facts:
    found = facts()
    found.instance.uid = None
    return found


def behind(lines: str, address: str = "10.0.0.9", port: int = 8000, **fields: Any) -> Facts:
    """Return a host whose application a proxy of this host asks."""
    found = located(lines)
    back = {"address": address, "port": port, "source": "/etc/apache2/front.conf:3", "line": "ProxyPass / http://x"}
    found.web.backends.append({**back, **fields})
    for one in found.tree.hosts:
        one.addresses[:] = [f"*:{port}"]
    return found


def page_of(body: str, status: int = 200, kind: str = "page") -> Facts:
    return asked(kind, status=status, body=body)


def handled(handler: str, require: str = "Require all granted", lines: str = "") -> Facts:
    return facts(f"<Location /page>\nSetHandler {handler}\n{require}\n</Location>\n{SERVER}{site(lines=lines)}")


def listing(options: str) -> Facts:
    lines = f"Alias /files /srv/files\n<Directory /srv/files>\n{options}\nRequire all granted\n</Directory>"
    return facts(SERVER + site(lines=lines), paths={"/srv/files": {"exists": True, "real": "/srv/files"}})


def root_runs(command: str, line: str) -> Facts:
    """Return a host whose Apache has started this as root, with such a line on logs."""
    row = child(51, uid=0, own=False, command=command)
    return hosts.numbered(812, facts(f"{line}\n{SERVER}{site()}", host=replace(host({"shop": 990}), children=[row])))


def logged(log: str) -> Facts:
    return of(f'CustomLog /var/log/apache2/shop.log "{log}"')


def header(line: str) -> Facts:
    return facts(SERVER + site(lines=line), probes=[])


def beside(lines: str) -> Facts:
    """Return a host with a virtual host without TLS beside the application's."""
    return facts(f"{SERVER}<VirtualHost *:80>\n{lines}\n</VirtualHost>\n{site()}")


def first_host(require: str, **fields: Any) -> Facts:
    default = SERVER[SERVER.index("<VirtualHost") :]
    return facts(SERVER.replace(default, "") + site(location=require), **fields)


def drifted(options: str = "", **fields: Any) -> Facts:
    return facts(SERVER + site(options=options), **running(**fields))


def told_of(line: str, routed: bool = False) -> Facts:
    return access.overriding("AllowOverride All", loose=False, lines=[line], routed=routed)


CAPABILITIES = UNIT["CapabilityBoundingSet"]
NO_CAPABILITIES = {key: value for key, value in UNIT.items() if key != "CapabilityBoundingSet"}
BAD: list[Case] = [
    *(
        Case("L3", options(option))
        for option in ("shutdown-timeout=31", "graceful-timeout=61", "eviction-timeout=61", "eviction-timeout=600")
    ),
    # A reload may take so long, and stopping too.
    Case("L3", facts(SERVER + site(options="graceful-timeout=60 shutdown-timeout=30"))),
    Case("L3", facts(SERVER + site(options="eviction-timeout=60 shutdown-timeout=30"))),
    *(Case("L3b", options(option)) for option in ("queue-timeout=0", "queue-timeout=x")),
    *(Case("L3b", options("queue-timeout=1", option)) for option in ("connect-timeout=0", "listen-backlog=9")),
    *(Case("L2", options(option)) for option in ("", "request-timeout=0", "request-timeout=x")),
    Case("L1", options("maximum-requests=0", "restart-interval=0", "inactivity-timeout=0", "cpu-time-limit=0")),
    Case("N2", options("graceful-timeout=0", "eviction-timeout=0")),
    *(
        Case("L8", facts(SERVER + site(options=f"{name}=33554431")), severity="low")
        for name in ("memory-limit", "virtual-memory-limit")
    ),
    *(
        Case("L8", hosts.shown(bounds={"shop": bounds}))
        for bounds in (
            {},
            {"data": "", "memory.max": "max", "address space": "unlimited", "pids.max": "100"},
            {"data": "1000000", "pids.max": "unlimited"},
        )
    ),
    Case("L9", of_server("Timeout 61"), MAIN),
    Case("L9", of_server("KeepAliveTimeout 16"), MAIN),
    Case("L9", of_server("Timeout 61\nMaxClients 99"), MAIN),
    *(Case("U4", pool_of(**{key: name})) for key in ("user", "group") for name in ("daemon", "bin", "www", "http")),
    Case("U4", pool_of(uid=65534)),
    Case("U4", pool_of(user="nfsnobody")),
    Case("U3", facts(**running(gids=[990, APACHE, 990, 990]))),
    *(
        Case("M3", located(f"{name} /srv/x.py"), HOST)
        for name in ("WSGIAuthUserScript", "WSGIAuthGroupScript", "WSGIDispatchScript")
    ),
    Case("M3", located("AuthDigestProvider WSGI"), HOST),
    Case("M3", of_server("WSGIImportScript /srv/x.py process-group=gone"), "main server"),
    Case("M3", located("WSGIAccessScript /srv/x.py process-group=shop"), HOST),
    *(
        Case("F2", mapped(f"{top}/shop"), f"{top}/shop")
        for top in ("/srv", "/var/www", "/home", "/root", "/tmp", "/var/tmp")
    ),
    *(Case("F5", mapped(path)) for path in ("/var/tmp/shop", "/dev/shm", "/tmp", "shop")),
    *(Case("F18", pool_of(umask=mask)) for mask in ("0026", "0017", "0007", "0000")),
    *(
        Case("F7", facts(access={"shop": Access(writable=[row("/x.py", root=root)])}), severity="critical")
        for root in ("entry", "python-home", "home")
    ),
    *(Case("F12", logging_to(f"{top}/shop.log")) for top in ("/tmp", "/var/tmp", "/dev/shm")),
    Case("F13", facts(files=file_facts(secrets=[{**access.SECRET, "mode": "0604"}])), severity="low"),
    *(Case("F17", facts(files=file_facts(sockets=[a_socket(mode=mode)]))) for mode in ("0710", "0701", "0720", "0740")),
    *(
        Case("F10", access.seen(shop=Reach(data=[row(access.DATA, "data", "account", mode=mode, group=50)])))
        for mode in ("0770", "0720", "0751", "0754", "0702")
    ),
    *(
        Case("A4", trusting(network), URL, severity)
        for network, severity in (
            ("0.0.0.0/0", ""),
            ("10.0.0.0/7", ""),
            ("10.0.0.1/7", ""),
            ("10.0.0.0/8", "medium"),
            ("::/0", ""),
            ("2000::/15", ""),
            ("2001::/16", "medium"),
            ("2001:db8::/32", "medium"),
            ('"10.0.0.1" "10.0.0.0/8"', "medium"),
        )
    ),
    *(
        Case("A1", located(f"{line}"), URL, "medium")
        for line in (
            'SetEnvIf "Authorization" "(.*)" A=$1',
            'SetEnvIfNoCase authorization "(.*)" A=$1',
            "SetEnvIfExpr \"req('Authorization') =~ /(.*)/\" A=$1",
            "RequestHeader set X-Auth expr=%{HTTP_AUTHORIZATION}",
            "RewriteRule .* - [E=A:%{http:authorization}]",
        )
    ),
    Case("A1", located('WSGIPassAuthorization On\nAuthType "Digest"'), URL),
    *(Case("X-TLS-CERT", found, HOST) for found in (sized(2047, True), sized(223, False), certified(days=-1))),
    *(
        Case("X-TLS-CIPHER", ciphers("ECDHE-RSA-AES128-GCM-SHA256", name), HOST)
        for name in (
            *("ECDHE-RSA-NULL-SHA", "EXP-RC2-CBC-MD5", "ADH-AES128-GCM-SHA256", "AECDH-AES128-SHA", "DES-CBC-SHA"),
            *("ECDHE-RSA-DES-CBC3-SHA", "IDEA-CBC-SHA", "SEED-SHA", "ECDHE-RSA-RC4-SHA"),
        )
    ),
    # Those that are broken are shown alone.
    Case("X-TLS-CIPHER", ciphers("AES128-GCM-SHA256", "ECDHE-RSA-RC4-SHA"), HOST),
    *(
        Case("X-TLS-CIPHER", ciphers("ECDHE-RSA-AES128-GCM-SHA256", name), HOST, "low")
        for name in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "ECDH-RSA-AES128-GCM-SHA256")
    ),
    *(
        Case("X-TLS-PROTO", facts(changed("-all +TLSv1.2 +TLSv1.3", protocol), probes=[]), HOST)
        for protocol in ("all", "+TLSv1.1", "TLSv1.2 TLSv1", "all -TLSv1", "+SSLv3 +TLSv1.2")
    ),
    *(
        Case("I9", language(*one), MAIN)
        for one in (
            ("php5", "AddType application/x-httpd-php .php"),
            ("php7", "AddHandler php7 .php"),
            ("php_admin", "ForceType php"),
            ("perl", "SetHandler modperl"),
            ("perl", "AddHandler perl-script .pl"),
            ("perl", "PerlHandler A"),
            ("perl", "PerlRequire /a.pl"),
            ("perl", "PerlModule A"),
            ("lua", "AddHandler lua-script .lua"),
            ("python", "SetHandler mod_python"),
            ("python", "AddHandler python-program .py"),
            ("python", "PythonHandler a"),
            ("cgi", "SetHandler cgi-script"),
            ("cgid", "Action x /cgi-script"),
            ("cgi", "ScriptAliasMatch ^/c/(.*) /srv/$1"),
        )
    ),
    *(
        Case("F15", group_named(name), severity="critical")
        for name in (
            *("root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "disk", "shadow", "adm", "libvirt"),
            "systemd-journal",
        )
    ),
    *(
        Case("X-SYSTEMD", hosts.unit(**{name: value}), UNIT["name"])
        for name in (
            *("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices"),
            *("ProtectKernelModules", "ProtectKernelTunables", "RestrictSUIDSGID"),
        )
        for value in ("no", "")
    ),
    Case("X-SYSTEMD", hosts.shown(unit=NO_CAPABILITIES), UNIT["name"]),
    *(
        Case("X-SYSTEMD-BREAKS", hosts.unit(CapabilityBoundingSet=CAPABILITIES.replace(name, "")), UNIT["name"])
        for name in ("cap_setuid", "cap_setgid", "cap_chown", "cap_kill")
    ),
    *(
        Case("X-SYSTEMD-BREAKS", hosts.unit(SystemCallFilter=f"~{names}"), UNIT["name"])
        for names in ("setuid", "setgid", "setgroups", "chown fchownat")
    ),
    *(
        Case("X-SYSTEMD-BREAKS", hosts.unit(**{name: value}), UNIT["name"])
        for name, value in (("DynamicUser", "yes"), ("User", "1000"), ("PrivateUsers", "self"), ("LimitNPROC", "14"))
    ),
    Case("X-SYSTEMD-BREAKS", hosts.at_home(ProtectHome="tmpfs"), UNIT["name"]),
    *(Case("X-SYSTEMD-BREAKS", mapped(path), UNIT["name"]) for path in ("/root/shop", "/run/user/9/shop", "/home")),
    *(Case("X-SYSTEMD-BREAKS", facts(SERVER + site(options=option)), UNIT["name"]) for option in ("chroot=/srv/jail",)),
    *(
        Case("B1", hosts.version(version), MAIN, severity)
        for version, severity in (
            ("3.3", "critical"),
            ("3.4", "critical"),
            ("4.2.3", "critical"),
            ("4.2.4", ""),
            ("4.9.2", ""),
            ("4.9.3", "low"),
            ("1:4.9.3-2", "low"),
        )
    ),
    # What the package has mended is none, and the rest is.
    Case("B1", of_mod_wsgi("3.5"), MAIN, "critical"),
    Case("B1", hosts.version("4.2.3", package="p", version="1", mended=["CVE-2014-8583"]), MAIN),
    Case("L5", of_server("LimitRequestFields 101"), HOST),
    Case("L5", of_server("LimitRequestFieldSize 8191"), HOST),
    Case("L5", of_server("LimitRequestLine 8191"), HOST),
    Case("L5", of_server("LimitRequestLine x"), HOST),
    Case("L4", apache("2.4.53", without("LimitRequestBody 10485760\n")), URL),
    Case("L4", apache("2.4.54", without("LimitRequestBody 10485760\n")), URL, "low"),
    Case("L4", taking_more(without("LimitRequestBody 10485760\n")), URL),
    Case("L4", taking_more(None), URL),
    *(
        Case("U7", root_runs("/bin/a b", line), MAIN)
        for line in ('ErrorLog "|"', "ErrorLog /bin/a", 'ErrorLog "|/bin/b"')
    ),
    *(Case("D4", of(f"LogLevel {level}"), HOST) for level in ("notice", "info", "debug")),
    *(Case("D4", of(f"LogLevel {level}"), HOST, "medium") for level in ("trace1", "trace8", "ssl:trace2")),
    Case("D4", of("LogLevel wsgi:debug"), HOST),
    Case("D4", of("LogLevel mod_ssl.c:info"), HOST),
    Case("D4", of("DumpIOOutput On"), HOST, "medium"),
    Case("D3", facts(SERVER + site(lines="ErrorDocument 503 default")), HOST),
    Case("D3", facts(SERVER + site(lines='ErrorDocument 503 "Sorry %{REQUEST_URI}"')), HOST),
    *(
        Case(
            "D3",
            facts(without(f'ErrorDocument {status} "Sorry"\n')),
            HOST,
        )
        for status in (400, 401, 403, 404, 405, 408, 413, 414, 500, 502, 503, 504)
    ),
    *(
        Case("D1", facts(changed("ServerTokens Prod", f"ServerTokens {word}"), probes=[]), MAIN)
        for word in ("OS", "Full")
    ),
    *(Case("D1", facts(probes=[answer(HOST, server=server)]), MAIN) for server in ("Apache (Unix)", "mod_wsgi")),
    *(
        Case("X-SYSCTL", hosts.shown(sysctls={**dict.fromkeys(host({}).sysctls, "2"), name: "0"}), MAIN)
        for name in host({}).sysctls
    ),
    *(
        Case("X-HDR-FRAME", sent("x-frame-options", "ALLOW-FROM https://x"), HOST),
        Case("X-HDR-CSP", sent("content-security-policy", "img-src *"), HOST),
        Case("X-HDR-REFERRER", sent("referrer-policy", "unsafe-url"), HOST),
        Case("X-HDR-NOSNIFF", sent("x-content-type-options", "yes"), HOST),
        Case("X-HDR-HSTS", sent("strict-transport-security", "max-age=0"), HOST),
        Case("X-HDR-HSTS", sent("strict-transport-security", "max-age=63071999"), HOST, "info"),
    ),
    # In embedded mode no pool names the script.
    Case(
        "F1",
        facts(
            without("WSGIProcessGroup shop\n", changed("/var/www/html", "/var/www")),
            paths=paths(neighbours=["settings.py"]),
        ),
        "/var/www/shop",
    ),
    # Of many rows the first are shown, and the worst first.
    Case("F13", facts(files=file_facts(wide=MANY))),
    Case("F13", facts(files=file_facts(secrets=MIXED, others=Reach(secrets=MIXED[1:]))), severity="critical"),
    Case("F13", facts(files=file_facts(wide=MANY[:1], others=Reach(writes=MANY[:2])))),
    *(
        Case("F13", nobody_looked(others=Reach(reads=[row("/x.py", root=root, pools=["shop"])])), severity="medium")
        for root in ("home", "python-path", "sys.path of the script")
    ),
    Case("F20", facts(files=file_facts(shop=Reach(watched=MANY)))),
    *(Case("F8", facts(access={"shop": Access(unreadable=MANY[:count])})) for count in (20, 22)),
    Case("U9", facts(files=file_facts(shop=Reach(private=[f"/etc/ssl/private/{number}" for number in range(22)])))),
    Case("F16", access.seen(acls=[access.acl(users={"990": 7, "0": 1}, groups={"990": 6, "50": 0})] * 22)),
    *(Case("F16", access.seen(acls=[access.acl(kind=kind, users={"990": 2})])) for kind in ("root", "entry", "secret")),
    Case("F16", access.seen(access.TWO, "shop", "blog", acls=[access.acl(groups={"989": 4})])),
    *(
        Case("I8", told_of(line), HOST, "medium")
        for line in (
            *("SetHandler x", "AddHandler x .y", "Action x /y", "CGIPassAuth On", "WSGIProcessGroup x"),
            *("AuthBasicProvider wsgi", "Options ExecCGI", "options -Indexes +ExecCGI"),
        )
    ),
    *(
        Case("I8", told_of(line, routed=True), HOST, "medium")
        for line in ("SetEnv A b", "SetEnvIf A b C=d", "SetEnvIfNoCase A b C=d", "RewriteRule x y", "BrowserMatch a b")
    ),
    *(
        Case("F11", access.written(f"Require all granted\n{line}"))
        for line in (
            *("Options All", "Options None +ExecCGI", "AllowOverride All", "AllowOverride AuthConfig"),
            *("AllowOverride Options=Indexes", "AllowOverride fileinfo", "AllowOverrideList Redirect"),
        )
    ),
    Case(
        "F11",
        access.written('Require all granted\nSetHandler "default-handler"\nHeader set Content-Disposition attachment'),
        severity="medium",
    ),
    Case("AUDIT-DRIFT", drifted("umask=0077", umask="0027"), severity="info"),
    Case("AUDIT-DRIFT", drifted("umask=77", umask="0027"), severity="info"),
    Case("AUDIT-DRIFT", drifted(cwd="/var/lib/shop"), severity="info"),
    Case("AUDIT-DRIFT", drifted(uid=1, gid=1, cwd="/")),
    Case("E1", behind("", "0.0.0.0", 443), "0.0.0.0 port 443", "info"),
    Case("E2", behind("", reached=True), "10.0.0.9 port 8000"),
    Case("E2", behind("", port=80, reached=True), "10.0.0.9 port 80", "info"),
    Case("E3", behind("WSGITrustedProxyHeaders X-Forwarded-For"), BACK),
    Case("E3", behind("WSGITrustedProxyHeaders X-Forwarded-For", port=443), f"{URL} on 10.0.0.9 port 443", "info"),
    Case("E3", behind("WSGITrustedProxies 0.0.0.0/0\nWSGITrustedProxyHeaders X-Forwarded-For"), BACK),
    *(
        Case("A5", located(f"{TRUST} {words}"), URL)
        for words in (
            "X-Forwarded-For X-Client-IP",
            "X-Forwarded-Proto X-Scheme",
            "X-Forwarded-Host X-Host",
            "X-Forwarded-Script-Name X-Script-Name",
            '"X-Forwarded-For" x-real-ip X-Forwarded-Host',
        )
    ),
    Case("B4", located(f"{TRUST} X-Forwarded-For X-Forwarded-Host"), URL),
    *(
        Case("D5", page_of(body, status, kind), HOST, severity)
        for body, status, kind, severity in (
            ("<div id='djDebug'>", 200, "page", ""),
            ("djDebugToolbar", 404, "debug", ""),
            ("pDebugToolbar", 200, "page", ""),
            ("/_debug_toolbar/static/x", 200, "page", ""),
            ("You're seeing this error because you have <code>DEBUG = True", 400, "page", ""),
            ("initPinBox", 200, "debug", ""),
            ("Werkzeug Debugger", 500, "page", ""),
            ("EVALEX=1", 500, "page", ""),
            ("Traceback (most recent call last)", 500, "page", "high"),
            ("Traceback (most recent call last) EVALEX =", 500, "page", ""),
        )
    ),
    *(
        Case("D6", handled(handler), PAGE)
        for handler in ("server-status", "Server-Info", '"balancer-manager"', "ldap-status")
    ),
    Case("D6", of_server("WSGIServerMetrics On"), MAIN, "low"),
    *(
        Case("D6", listing(options), f"{HOST} /files/", "low")
        for options in (
            *("Options Indexes", "Options All", "Options None\nOptions +Indexes", "Options -Indexes +Indexes"),
            # A sign adds to what was set before.
            "Options Indexes\nOptions +FollowSymLinks",
        )
    ),
    *(
        Case("X-LOG-FORMAT", logged(text), HOST)
        for text in (
            *("%{Proxy-Authorization}i", "%{cookie}i", "%{Set-Cookie}o", "%{session}C", "%r", "%>r", "%q"),
            *("%{QUERY_STRING}e", "%!200,304{Authorization}i"),
        )
    ),
    Case("X-LOG-FORMAT", of("TransferLog /var/log/x"), HOST),
    Case("X-LOG-FORMAT", of('LogFormat "%q"\nTransferLog /var/log/x'), HOST),
    Case("X-LOG-FORMAT", of_server('GlobalLog /var/log/x "%r"'), HOST),
    Case("B2", page_of("http://palisade-audit-canary-proxy.invalid"), URL),
    *(
        Case("X-TLS-REDIRECT", beside(lines), HOST)
        for lines in (
            "ServerName x\nServerAlias SHOP.test\nProxyPass / http://127.0.0.1:9/",
            "ServerName shop.test\nDocumentRoot /srv\nRedirect / http://other/",
        )
    ),
    *(Case("X-DEFAULT-VHOST", first_host(lines), FIRST) for lines in ("Require all granted\nRequire ip 10", "")),
    *(
        Case("L6", of_server(f"RequestReadTimeout {words}"), HOST)
        for words in ("header=0", "body=0", "header=10 body=0,MinRate=500")
    ),
    Case("U8", hosts.express(0, "", 1023), hosts.EXPRESS),
    Case("U8", hosts.express(0, "shop-app", 1024), hosts.EXPRESS),
    *(Case("U8", hosts.express(1500, name), hosts.EXPRESS) for name in ("root", "www-data", "apache", "nobody", "")),
    *(
        Case("U6", hosts.owner(home_mode=mode), severity=severity)
        for mode, severity in ((0o704, "low"), (0o702, ""), (0o706, ""))
    ),
    *(Case("U6", hosts.owner(shell=shell)) for shell in ("nologin", "/bin/falsehood", "/usr/sbin/nologin2")),
    Case("I10", hosts.shown(children=[child(secrets=["B", "A"]), child(51, secrets=["A"])])),
    Case("X-STALE", hosts.shown(stale={"shop": [f"/lib/{number}.so" for number in range(22)]})),
]
GOOD: list[Case] = [
    Case("L3", hosts.unit(TimeoutStopUSec="1min 31s")),
    Case(
        "L3",
        facts(
            SERVER + site(options="graceful-timeout=60 shutdown-timeout=30"), host=replace(host({"shop": 990}), unit={})
        ),
    ),
    *(Case("L3b", options("queue-timeout=1", option)) for option in ("connect-timeout=1", "listen-backlog=10")),
    *(Case("L2", options("request-timeout=1", option)) for option in ("", "deadlock-timeout=1")),
    *(
        Case("L1", options(f"{name}=1"))
        for name in ("maximum-requests", "restart-interval", "inactivity-timeout", "cpu-time-limit")
    ),
    *(
        Case("N2", options(*words))
        for words in ((), ("graceful-timeout=1",), ("graceful-timeout=0", "eviction-timeout=1"))
    ),
    *(
        Case("L8", facts(SERVER + site(options=f"{name}=33554432")))
        for name in ("memory-limit", "virtual-memory-limit")
    ),
    *(
        Case("L8", hosts.shown(bounds={"shop": {name: "1", "pids.max": "1"}}))
        for name in ("address space", "data", "memory.max")
    ),
    Case("L9", of_server("Timeout 60\nKeepAliveTimeout 15"), MAIN),
    Case("M3", located("AuthBasicProvider file"), MAIN),
    *(Case("F2", mapped(path), path) for path in ("/srvx/shop", "/opt/shop", "/var/tmpx")),
    *(Case("F18", pool_of(umask=mask)) for mask in ("0027", "0037", "0077", "0777")),
    *(Case("F12", logging_to(path)) for path in ("/tmpx/shop.log", "/var/log/tmp/x.log")),
    *(
        Case("F10", access.seen(shop=Reach(data=[row(access.DATA, "data", "account", mode=mode)])))
        for mode in ("0750", "0770", "2770", "0500")
    ),
    *(Case("A4", trusting(network), URL) for network in ("10.0.0.0/9", "2001:db8::/33", "proxy.test", '"10.0.0.1"')),
    *(Case("X-TLS-CERT", found, HOST) for found in (sized(2048, True), sized(224, False), certified(days=15))),
    # Nothing was said of its size.
    Case("X-TLS-CERT", sized(0, True), HOST),
    *(
        Case("X-TLS-CIPHER", ciphers(name), HOST)
        for name in ("DHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-CCM")
    ),
    *(
        Case("X-TLS-PROTO", facts(changed("-all +TLSv1.2 +TLSv1.3", protocol), probes=[]), HOST)
        for protocol in (
            "TLSv1.2",
            "TLSv1 TLSv1.2",
            "all -TLSv1 -TLSv1.1",
            "+all -TLSv1 -TLSv1.1",
            "TLSv1 TLSv1.1 -all +tlsv1.3",
        )
    ),
    *(
        Case("X-TLS-CURVE", of(f"SSLOpenSSLConfCmd Groups X25519:{name}"), HOST)
        for name in (
            *("?X25519MLKEM768", "*SecP256r1MLKEM768", "SecP384r1MLKEM1024", "X448", "prime256v1", "secp256r1"),
            *("P-256", "secp384r1", "P-384", "secp521r1", "P-521"),
        )
    ),
    # These words are no handler, and no such line.
    *(
        Case("I9", language(module, line), MAIN)
        for module, line in (
            ("perl", "SetHandler modperlx"),
            ("alias", "SetHandler cgi-script"),
            ("php", "AddType text/html .php"),
            ("perl", "ScriptAlias /c /srv/c"),
        )
    ),
    *(
        Case("X-SYSTEMD", hosts.unit(**{name: value}), UNIT["name"])
        for name, value in (
            ("ProtectSystem", "yes"),
            ("ProtectSystem", "full"),
            ("ProtectHome", "read-only"),
            ("ProtectHome", "tmpfs"),
            ("PrivateTmp", "disconnected"),
        )
    ),
    *(
        Case("X-SYSTEMD-BREAKS", hosts.unit(**{name: value}), UNIT["name"])
        for name, value in (
            ("User", "root"),
            ("User", "0"),
            ("LimitNPROC", "15"),
            ("SystemCallFilter", "~chown setrlimit prlimit64"),
            ("RestrictAddressFamilies", "~AF_INET"),
        )
    ),
    Case("X-SYSTEMD-BREAKS", hosts.shown(unit={"name": UNIT["name"]}), UNIT["name"]),
    *(Case("X-SYSTEMD-BREAKS", mapped(path), UNIT["name"]) for path in ("/homes/shop", "/srv/home/shop")),
    Case("B1", hosts.version("5.0"), MAIN),
    *(
        Case(
            "B4",
            wsgi_version(number, SERVER + site(location=f"{TRUST} X-Forwarded-For X-Forwarded-Port\n{UNSAFE}")),
            URL,
        )
        for number in ("6", "6.0.0")
    ),
    *(
        Case("L5", of_server(line), HOST)
        for line in ("LimitRequestFields 100", "LimitRequestLine 8190", "LimitRequestLine 0")
    ),
    *(Case("D4", of(f"LogLevel {level}"), HOST) for level in ("emerg", "warn", "wsgi:info", "warn mod_wsgi.c:info")),
    *(Case("D4", of(f"{name} off"), HOST) for name in ("DumpIOInput", "DumpIOOutput")),
    Case("D1", facts(changed("ServerTokens Prod", "ServerTokens ProductOnly"), probes=[]), MAIN),
    *(Case("X-HDR-FRAME", sent("x-frame-options", value), HOST) for value in ("deny", "SAMEORIGIN")),
    Case("X-HDR-FRAME", sent("content-security-policy", "frame-ancestors 'none'"), HOST),
    Case("X-HDR-CSP", sent("content-security-policy", "script-src 'self'"), HOST),
    *(
        Case("X-HDR-REFERRER", sent("referrer-policy", value), HOST)
        for value in ("same-origin", "strict-origin", "origin")
    ),
    Case("X-HDR-HSTS", sent("strict-transport-security", 'max-age="63072000"'), HOST),
    Case("F16", access.seen(acls=[access.acl(users={"33": 5})] * 22)),
    Case("F16", access.seen(acls=[access.acl(unread=True, default=True)])),
    Case("F13", facts(files=file_facts(shop=Reach(secrets=[access.SECRET])))),
    *(
        Case("I8", told_of(line), HOST)
        for line in ("SetEnv A b", "Require all denied", "Options -ExecCGI", "Options Indexes", "Wsg x")
    ),
    Case("I8", told_of("Header set A b", routed=True), HOST),
    Case("I8", access.overriding("AllowOverrideList None"), HOST),
    Case("F11", access.written("Require all denied"), "shop"),
    Case("AUDIT-DRIFT", facts(without("user=shop-app group=shop-app "))),
    Case("AUDIT-DRIFT", drifted("umask=0027 ", umask="0027")),
    Case("AUDIT-DRIFT", drifted("umask=x", umask="0027")),
    Case("AUDIT-DRIFT", facts(SERVER + site(options="umask=0077"), live={"shop": [process(umask="")]})),
    Case("AUDIT-DRIFT", drifted(cwd="/var/lib/shop/code/")),
    Case("AUDIT-DRIFT", drifted(cwd="")),
    Case("AUDIT-DRIFT", drifted("chroot=/srv/jail", cwd="/elsewhere")),
    # Of a command line the collector keeps the start.
    Case("U7", root_runs(f"/bin/sh -c {'/x' * 75}", f'ErrorLog "|{"/x" * 99}"'), MAIN),
    Case("E2", behind("", reached=False), "10.0.0.9 port 8000"),
    Case("E3", behind("RemoteIPHeader X-Forwarded-For"), BACK),
    Case("E3", behind(f"{TRUST} X-Forwarded-For"), BACK),
    Case("A5", located(f"{TRUST} X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Script-Name"), URL),
    *(
        Case("D5", page_of(body, status), HOST)
        for body, status in (
            ("Traceback (most recent call last)", 499),
            ("EVALEX = true", 499),
            ("You're seeing this error because you have <code>DEBUG = True", 399),
        )
    ),
    *(
        Case("D6", handled("server-status", require), PAGE)
        for require in ("Require local", "Require valid-user", "Require ip 10.0.0.0/8")
    ),
    *(Case("D6", handled(handler), HOST) for handler in ("None", "other")),
    # Something else takes the URL.
    Case("D6", handled("server-status", "Require all granted\nRedirect https://x/"), HOST),
    Case("D6", handled("server-status", lines="Alias /page /srv/page"), HOST),
    Case("D6", handled("server-status", lines="<Location /page>\nSetHandler None\n</Location>"), HOST),
    Case("D6", of_server("WSGIServerMetrics Off"), HOST),
    *(
        Case("D6", listing(options), HOST)
        for options in (
            *("Options None", "Options Indexes\nOptions None", "Options All\nOptions -Indexes"),
            "Options +FollowSymLinks",
        )
    ),
    *(Case("X-LOG-FORMAT", logged(text), HOST) for text in ("%h %m %U", "%{User-Agent}i", "%{X-Cookie}i", "%{QUERY}e")),
    *(
        Case("X-HDR-NOSNIFF", header(f"Header {action} X-Content-Type-Options nosniff"), HOST)
        for action in ("set", "always set", "onsuccess set", "setifempty", "add", "append", "merge", "Always Set")
    ),
    Case("X-HDR-NOSNIFF", header("Header set x-content-type-options: NoSniff"), HOST),
    Case("B2", apache("2.4.25"), URL),
    Case("B2", apache("2.4.24", SERVER + site(location="RequestHeader unset proxy")), URL),
    *(
        Case("X-TLS-REDIRECT", beside(lines), HOST)
        for lines in (
            "ServerName other.test\nDocumentRoot /srv",
            "ServerName shop.test",
            "ServerName shop.test\nDocumentRoot /srv\nRedirect / HTTPS://shop.test/",
            "ServerName shop.test\nDocumentRoot /srv\nRedirectMatch ^ https://shop.test/",
            "ServerName shop.test\nDocumentRoot /srv\nRewriteRule ^ https://x [R]",
        )
    ),
    *(
        Case("X-DEFAULT-VHOST", first_host(lines), FIRST)
        for lines in ("Require all denied", "Require ip 10", "Require user jo")
    ),
    Case(
        "X-DEFAULT-VHOST",
        first_host("", listeners=[{"address": one, "port": 443} for one in ("127.0.0.1", "::1")]),
        FIRST,
    ),
    Case("U8", hosts.express(0, "shop-app", 1023), hosts.EXPRESS),
    *(Case("U6", hosts.owner(home_mode=mode)) for mode in (0o700, 0o711, 0o770)),
    *(Case("U6", hosts.owner(shell=shell)) for shell in ("/sbin/nologin", "/bin/false")),
]
UNKNOWN: list[Case] = [
    Case("F10", facts(live={}, files=file_facts(shop=Reach(data=[access.OWN])))),
    Case("F18", pool_of(umask="")),
    Case("I6b", built_for("")),
    Case("F13", nobody_looked(others=None)),
    Case("F13", nobody_looked(others=Reach(unknown="it took too long"))),
    Case("F13", nobody_looked(unknown={"data of shop": "too large"})),
    Case("F13", nobody_looked(unknown={"shop": "too large"})),
    Case("F20", nobody_looked(shop=Reach(unknown="it took too long"))),
    Case("F17", nobody_looked(sockets=[])),
    Case("F17", nobody_looked(others=Reach(unknown="it took too long"))),
    Case("F11", nobody_looked(shop=Reach(unknown="it took too long"))),
    Case("F11", nobody_looked(served={"/x": {"loose": [], "overrides": [], "unknown": "too large"}})),
    Case("I8", nobody_looked(unknown={"everything": "no such process"}), HOST),
    Case("F4", nobody_looked(apache=Reach(unknown="it took too long"))),
    Case("F4", nobody_looked(unknown={"shop": "too large"})),
    *(Case(rule, facts(access={})) for rule in ("F6", "F7", "F8")),
    Case("F8", facts(access={"shop": Access(unknown="too large")})),
    Case("F10", nobody_looked(unknown={"data of shop": "too large"})),
    Case("F16", nobody_looked(unknown={"shop": "too large"})),
    Case("U9", nobody_looked(unknown={"wide": "too large"})),
    Case("X-BESIDE", hosts.shown(unknown={"beside": "no permission"})),
    Case("U9", nobody_looked(shop=Reach(unknown="it took too long"))),
    Case("X-LOG-FILES", nobody_looked(others=Reach(unknown="it took too long")), "/var/log/apache2/shop.log"),
    Case("F19", nobody_looked(scripts={})),
    Case("F19", nobody_looked(scripts={}, unknown={"everything": "no such process"})),
    Case("F12", nobody_looked(temporary={})),
    Case("I5b", nobody_looked(packages={})),
    Case("X-PIP-RECORD", nobody_looked(packages={access.VENV: environment(unread=2)}), access.HOME),
    Case("F9", facts(paths={}), URL),
    Case("X-TLS-CIPHER", facts(web=web_facts(HOST, ciphers={})), HOST),
    Case("X-TLS-CERT", certified(error="no such file"), HOST),
    Case("X-HDR-NOSNIFF", header("Header edit X-Content-Type-Options x nosniff"), HOST),
    Case("X-HDR-NOSNIFF", header("Header unset X-Content-Type-Options"), HOST),
    Case("B2", apache("2.4.24"), URL),
    Case("B2", apache(""), URL),
    Case("B3", hosts.version(""), URL),
    Case("D7", of_server("WSGITelemetryService tcp:9000"), "tcp:9000"),
    Case("E2", behind(""), "10.0.0.9 port 8000"),
    Case("X-DEFAULT-VHOST", first_host("Require env LET_IN"), FIRST),
    Case("D6", handled("server-status", "Require env LET_IN"), PAGE),
    Case("U3", without_user()),
    *(Case(rule, facts(probes=[]), HOST) for rule in ("D5", "X-HDR-CSP", "X-HDR-HSTS")),
    Case("X-HDR-CSP", facts(probes=[answer(HOST, kind="page", status=400)]), HOST),
]


def bare(*modules: str) -> Facts:
    """Return a host without any application."""
    found = facts(SERVER, live={}, host=host({}))
    found.instance.modules = [*modules]
    found.host.unit["name"] = UNIT["name"]
    return found


def stopped() -> Facts:
    found = facts()
    found.instance.pid = None
    return found


NOT_APPLICABLE: list[Case] = [
    *(Case(rule, bare(), MAIN) for rule in ("B1", "M2", "M3", "I9", "X-COREDUMP", "X-SYSCTL", "N1b", "D7", "E1", "L7")),
    *(Case(rule, bare("wsgi"), MAIN) for rule in ("U1", "F1", "X-SYSTEMD-BREAKS", "U8", "E3", "X-TLS-REDIRECT")),
    *(
        Case(rule, stopped(), MAIN)
        for rule in ("U7", "U8", "B1", "AUDIT-POOL-DOWN", "AUDIT-DRIFT", "X-SYSTEMD", "X-SYSTEMD-BREAKS", "X-MAC")
    ),
    Case("X-SYSTEMD-BREAKS", facts(without("user=shop-app ")), MAIN),
    Case("X-SYSTEMD-BREAKS", hosts.shown(unknown={"unit": "systemd is not running here"}), MAIN),
    Case("L10", facts(listeners=[{"address": "127.0.0.1", "port": 443}]), MAIN),
    *(Case(rule, facts(), MAIN) for rule in ("X-BESIDE", "X-BESIDE-SECRETS")),
    *(Case(rule, hosts.job(pools=["blog"]), MAIN) for rule in ("X-BESIDE", "X-BESIDE-SECRETS")),
    Case("X-BESIDE", hosts.shown(beside=hosts.job().host.beside, accounts={}), MAIN),
    Case("A2", facts(), MAIN),
    # A script that is not there, and a directory of scripts, have nothing beside them.
    Case("F3", facts(paths={}), MAIN),
    Case("F3", facts(paths={ENTRY: {"exists": False}}), MAIN),
    Case("F3", facts(access.SCRIPTS, paths=access.DIRECTORY), MAIN),
    Case("A4", facts(), MAIN),
    Case("X-NOEXEC", facts(), MAIN),
    *(Case("I7", found, MAIN) for found in (hosts.shown(owners={}), facts(without("ServerName shop.test\n")))),
    # All of such an Apache is one account's, which U8 judges.
    Case("U3", hosts.express_pool()),
]
# An Apache that has the module and no application yet is judged by these.
BARE: list[Case] = [Case("M2", bare("wsgi"), MAIN), Case("B1", bare("wsgi"), MAIN)]
GOOD += BARE
