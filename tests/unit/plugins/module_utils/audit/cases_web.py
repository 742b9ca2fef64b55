"""Hosts on which the rules on what Apache answers fail, and hosts on which they pass."""

from __future__ import annotations

from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, Reach
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    CERTIFICATE,
    HEADERS,
    HOST,
    SERVER,
    URL,
    Case,
    answer,
    asked,
    certified,
    changed,
    facts,
    file_facts,
    located,
    row,
    site,
    web_facts,
    without,
)

EXPRESS = "/tmp/mod_wsgi-localhost:8000:1000/httpd.conf"
DEFAULT = "default.invalid *:443"
ANY = "any other name on *:443"


def of(lines: str) -> Facts:
    """Return a good host with further lines in the application's virtual host."""
    return facts(SERVER + site(lines=lines))


def of_server(lines: str) -> Facts:
    return facts(f"{SERVER}{lines}\n{site()}")


def first_says(line: str) -> Facts:
    """Return a good host with a line in the first virtual host, which is not the application's."""
    return facts(changed("SSLEngine On\n", f"SSLEngine On\n{line}\n"))


def version(text: str, config: str | None = None) -> Facts:
    host = facts(config)
    host.instance.apache_version = text
    return host


def wsgi_version(text: str, config: str | None = None) -> Facts:
    host = facts(config)
    host.instance.mod_wsgi_version = text
    return host


def backend(address: str, config: str | None = None, **fields: Any) -> Facts:
    """Return a host with a listener that a proxy of this host hands requests to."""
    row = {
        "address": address,
        "port": 8000,
        "source": "/etc/apache2/front.conf:3",
        "line": "ProxyPass / http://x",
        **fields,
    }
    return facts(config, web=web_facts(HOST, backends=[row]))


def express(lines: str = "") -> Facts:
    host = facts(f"{SERVER}{lines}\n{site()}", listeners=[{"address": "0.0.0.0", "port": 8000}])
    host.instance.config_file = EXPRESS
    return host


def status_page(require: str, handler: str = "server-status", lines: str = "") -> Facts:
    """Return a host with a page of Apache's, as Debian has it."""
    page = f"<Location /server-status>\nSetHandler {handler}\n{require}\n</Location>\n"
    return facts(page + SERVER + site(lines=lines))


def opened(require: str) -> Facts:
    """Return a host whose first virtual host is the application's."""
    return facts(opened_config(require))


def opened_config(require: str = "Require all granted") -> str:
    default = SERVER[SERVER.index("<VirtualHost") :]
    return SERVER.replace(default, "") + site(location=require)


BACK = "shop.test *:8000 /"
DEFAULT_PAGE = f"{HOST} /server-status"
TRUSTED = "WSGITrustedProxies 10.0.0.1\nWSGITrustedProxyHeaders X-Forwarded-For"
DROPPED = "\n".join(
    f"RequestHeader unset {name}"
    for name in (
        *("X-Client-IP", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-HTTPS"),
        *("X-Forwarded-SSL", "X-Scheme", "X-HTTPS", "X-Forwarded-Host", "X-Host", "X-Forwarded-Port"),
        *("X-Forwarded-Server", "X-Forwarded-Script-Name", "X-Script-Name"),
    )
)
FILES = "/srv/files"
LISTED = f"Alias /files {FILES}\n<Directory {FILES}>\n{{}}\nRequire all granted\n</Directory>"


def serving_files(options: str, **fields: Any) -> Facts:
    return facts(
        SERVER + site(lines=LISTED.format(options)),
        paths={FILES: {"exists": True, "real": FILES}},
        web=web_facts(HOST, **fields),
    )


REDIRECT = "<VirtualHost *:80>\nServerName shop.test\nRedirect permanent / https://shop.test/\n</VirtualHost>"
PLAIN = "<VirtualHost *:80>\nServerName shop.test\nDocumentRoot /var/www/html\n</VirtualHost>"
KEY = "/etc/ssl/shop.key"


def with_key(error: str = "", key: str = KEY, **fields: Any) -> Facts:
    """Return a host whose key is at a known path, with a certificate that may be out of reach."""
    config = SERVER + site(lines=f"SSLCertificateKeyFile {key}")
    web = web_facts(HOST, certificates={HOST: {**CERTIFICATE, "error": error}})
    found = facts(config, files=file_facts(**fields), web=web)
    found.instance.root = "/etc"
    return found


def page(**headers: str) -> Facts:
    """Return a host whose application sends these headers only."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return facts(probes=[answer(HOST, kind="page", status=200, headers=sent)])


def logged(log: str) -> Facts:
    return of(f"CustomLog /var/log/apache2/shop.log {log}")


DJANGO = "<p>You&#x27;re seeing this error because you have <code>DEBUG = True</code> in your settings</p>"

BAD: list[Case] = [
    Case("L4", facts(without("LimitRequestBody 10485760\n")), URL, "low"),
    Case("L4", version("2.4.53", without("LimitRequestBody 10485760\n")), URL),
    Case("L4", asked("body", status=200), URL),
    Case("L5", of_server("LimitRequestFields 0"), HOST),
    Case("L5", of("LimitRequestFieldSize 65536"), HOST),
    Case("L5", first_says("LimitRequestLine 99999"), HOST),
    Case("L5", asked("large", status=404), HOST),
    # What the first virtual host of the address says counts before Apache knows the name.
    Case("L6", first_says("RequestReadTimeout header=0 body=20"), HOST),
    Case("L6", asked("slow", status=0, ended=False), HOST),
    Case("L7", express(), HOST),
    Case("L7", express("RequestReadTimeout header=0 body=15"), HOST),
    Case("D4", of("LogLevel debug"), HOST),
    Case("D4", of_server("LogLevel info"), HOST),
    Case("D4", of("LogLevel warn ssl:trace3"), HOST, "medium"),
    Case("D4", located("LogLevel wsgi:debug"), HOST),
    # A line for one module leaves the level of the others.
    Case("D4", facts(f"{SERVER}LogLevel debug\n{site(lines='LogLevel authz_core:crit')}"), HOST),
    Case("D4", of("DumpIOInput On"), HOST, "medium"),
    Case("D4", of_server("ForensicLog /var/log/apache2/forensic.log"), HOST, "medium"),
    Case("D5", asked("debug", body=DJANGO), HOST),
    Case("D5", asked("debug", status=200, body="var EVALEX = true, EVALEX_TRUSTED = false"), HOST),
    Case("D5", asked("page", status=500, body="Traceback (most recent call last):"), HOST, "high"),
    Case("D5", facts(web=web_facts(HOST, debug={"shop": ["FLASK_DEBUG"]})), HOST, "high"),
    Case("D6", status_page("Require all granted"), DEFAULT_PAGE),
    Case("D6", status_page("Require ip 0.0.0.0/0", "server-info"), DEFAULT_PAGE),
    Case("D6", status_page("Order allow,deny\nAllow from all"), DEFAULT_PAGE),
    # What the virtual host's own section grants replaces the server's Require local.
    Case("D6", status_page("Require local", lines="<Location />\nRequire all granted\n</Location>"), DEFAULT_PAGE),
    Case("D6", facts(without("TraceEnable Off\n"), probes=[]), HOST, "low"),
    Case("D6", asked("trace", status=200, body="X-Canary: palisade-audit-canary"), HOST, "low"),
    Case("D6", of("WSGIServerMetrics On"), HOST, "low"),
    Case("D6", serving_files("Options Indexes FollowSymLinks"), f"{HOST} /files/", "low"),
    Case("D6", serving_files("Options None", hidden={FILES: [".git/HEAD"]}), f"{HOST} /files/.git/HEAD", "high"),
    Case("E1", backend("0.0.0.0"), "0.0.0.0 port 8000"),
    Case("E1", backend("0.0.0.0", port=80), "0.0.0.0 port 80", "info"),
    Case("E2", backend("0.0.0.0", reached=True), "0.0.0.0 port 8000"),
    Case(
        "E3",
        backend("0.0.0.0", without("RequestHeader unset X-Forwarded-For\n").replace("*:443", "*:8000")),
        f"{BACK} on 0.0.0.0 port 8000",
    ),
    Case("A3", asked("page", status=200, body="you are 203.0.113.77"), URL, "medium"),
    Case("A5", located(f"{TRUSTED} X-Real-IP"), URL),
    Case("B2", asked("page", status=200, body="proxy http://palisade-audit-canary-proxy.invalid"), URL),
    Case("B3", asked("page", status=200, body="Bearer palisade-audit-canary-authorization"), URL),
    Case("B4", located(TRUSTED), URL),
    Case(
        "B4",
        wsgi_version(
            "5.0.2",
            SERVER + site(location=f"{TRUSTED}\n{DROPPED}").replace("RequestHeader unset X-Forwarded-Port\n", ""),
        ),
        URL,
    ),
    Case("X-DEFAULT-VHOST", opened("Require all granted"), ANY),
    Case("X-LOG-FORMAT", logged('"%h %{Authorization}i"'), HOST),
    Case("X-LOG-FORMAT", logged('"%h %>{cookie}i"'), HOST),
    Case("X-LOG-FORMAT", logged('"%h \\"%r\\" %>s"'), HOST),
    Case("X-LOG-FORMAT", logged("common"), HOST),
    Case("X-LOG-FORMAT", of_server('LogFormat "%h %U%q" short\nCustomLog /var/log/x short'), HOST),
    Case("X-TLS-CURVE", facts(SERVER + site(lines="SSLOpenSSLConfCmd Curves X25519:secp224r1")), HOST),
    Case("X-TLS-CURVE", facts("SSLOpenSSLConfCmd groups sect163k1\n" + SERVER + site()), HOST),
    Case("X-TLS-SESSION", facts(without("SSLSessionTickets Off\n")), HOST),
    Case("X-TLS-SESSION", facts(SERVER + site(lines="SSLSessionTickets On")), HOST),
    Case("X-TLS-SESSION", facts(SERVER + site(lines="SSLCompression On")), HOST),
    Case("X-TLS-PROTO", facts(without("SSLProtocol -all +TLSv1.2 +TLSv1.3\n")), HOST, "low"),
    Case("X-TLS-PROTO", facts(changed("-all +TLSv1.2 +TLSv1.3", "all -SSLv3"), probes=[]), HOST),
    Case("X-TLS-PROTO", asked("legacy", status=0, accepted="older than TLS 1.2"), HOST),
    Case("X-TLS-CIPHER", facts(without("SSLCipherSuite ECDHE+AESGCM\n")), HOST, "low"),
    Case("X-TLS-CIPHER", facts(changed("ECDHE+AESGCM", "RC4")), HOST),
    Case("X-TLS-CERT", certified(days=14), HOST),
    Case("X-TLS-CERT", certified(bits=1024, rsa=True), HOST),
    Case("X-TLS-CERT", with_key(shop=Reach(secrets=[row(KEY, "secret")])), HOST, "high"),
    Case("X-TLS-CERT", with_key(key="ssl/shop.key", shop=Reach(secrets=[row(KEY, "secret")])), HOST, "high"),
    Case("X-TLS-CERT", with_key(apache=Reach(secrets=[row(KEY, "secret")])), HOST, "high"),
    Case("X-TLS-CERT", with_key("no such file", shop=Reach(secrets=[row(KEY, "secret")])), HOST, "high"),
    Case("X-TLS-REDIRECT", facts(SERVER + PLAIN + "\n" + site()), HOST),
    Case(
        "X-TLS-REDIRECT",
        facts(
            SERVER
            + site().replace("*:443", "*:80").replace("SSLEngine on", "").replace("WSGIDaemonProcess", "#")
            + site()
        ),
        HOST,
    ),
    Case("X-HDR-HSTS", page(), HOST),
    Case("X-HDR-HSTS", page(strict_transport_security="max-age=300"), HOST, "info"),
    *(Case(rule, page(), HOST) for rule in ("X-HDR-NOSNIFF", "X-HDR-FRAME", "X-HDR-REFERRER", "X-HDR-CSP")),
]

SERVER_SET = 'Header always set Strict-Transport-Security "max-age=63072000"\n' + "\n".join(
    f'Header set {name} "{HEADERS[name]}"' for name in HEADERS if name != "strict-transport-security"
)
HEADER_RULES = ("X-HDR-HSTS", "X-HDR-NOSNIFF", "X-HDR-FRAME", "X-HDR-REFERRER", "X-HDR-CSP")

# The rule passes, on hosts that a careless rule would flag.
GOOD: list[Case] = [
    *(Case(rule, facts(), HOST) for rule in ("L5", "D4", "D5", "D6", "X-LOG-FORMAT", "X-TLS-PROTO", "X-TLS-CIPHER")),
    *(Case(rule, facts(), HOST) for rule in ("X-TLS-CERT", "X-TLS-REDIRECT", *HEADER_RULES)),
    *(Case(rule, facts(SERVER + site(lines=SERVER_SET), probes=[]), HOST) for rule in HEADER_RULES),
    Case("L4", facts(), URL),
    Case("L5", of("LimitRequestFields 50\nLimitRequestLine 4000"), HOST),
    Case("L6", of("RequestReadTimeout handshake=5 header=20-40,MinRate=500 body=20,MinRate=500"), HOST),
    Case("L7", express("RequestReadTimeout header=15-30,MinRate=500 body=15,MinRate=500"), HOST),
    Case("D4", of("LogLevel warn wsgi:info authz_core:crit"), HOST),
    # A later line replaces it.
    Case("D4", of("LogLevel debug\nLogLevel warn"), HOST),
    # Pages that tell of debuggers, and have none.
    Case("D5", asked("page", status=200, body=f"{DJANGO} Traceback (most recent call last): Werkzeug Debugger"), HOST),
    # An application that repeats what it is asked has no debugger.
    Case("D5", asked("debug", status=200, body="QUERY_STRING: __debugger__=yes&cmd=resource&f=debugger.js"), HOST),
    Case("D6", status_page("Require local"), DEFAULT_PAGE),
    Case("D6", status_page("Require ip 10.0.0.0/8 192.168.0.0/16\nRequire valid-user"), DEFAULT_PAGE),
    # In the other virtual host an application hides it, and says so with its handler.
    Case("D6", facts(without("TraceEnable Off\n")), HOST),
    Case("D6", serving_files("Options Indexes -Indexes"), HOST),
    # The application at / takes every URL of the document root.
    Case(
        "D6",
        facts(
            SERVER + site(lines="<Directory /var/www/html>\nOptions Indexes\n</Directory>"),
            paths={"/var/www/html": {"exists": True}},
        ),
        HOST,
    ),
    Case(
        "D6",
        serving_files(
            "Options Indexes\n</Directory>\n<Location />\nRedirect permanent https://x/\n</Location>"
            f"\n<Directory {FILES}>"
        ),
        HOST,
    ),
    Case("E1", backend("127.0.0.1"), "127.0.0.1 port 8000"),
    Case("E2", backend("127.0.0.1"), "127.0.0.1 port 8000"),
    Case("E2", backend("192.0.2.1", reached=False), "192.0.2.1 port 8000"),
    Case("E3", backend("127.0.0.1"), "127.0.0.1 port 8000"),
    Case(
        "E3",
        backend("0.0.0.0", (SERVER + site(location=TRUSTED)).replace("*:443", "*:8000")),
        f"{BACK} on 0.0.0.0 port 8000",
    ),
    Case(
        "E4",
        facts(
            SERVER
            + site(location="RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301]").replace("SSLEngine on", "")
        ),
        HOST,
    ),
    Case("A5", located(f"{TRUSTED} X-Forwarded-Proto"), URL),
    Case("B2", facts(), URL),
    Case("B2", version("2.4.10", SERVER + site(location="RequestHeader unset Proxy early")), URL),
    Case("B3", facts(), URL),
    Case("B4", located(f"{TRUSTED}\n{DROPPED}"), URL),
    Case("B4", wsgi_version("5.0.2", SERVER + site(location=f"{TRUSTED}\n{DROPPED}")), URL),
    Case("X-DEFAULT-VHOST", facts(), ANY),
    # A proxy in front says which names there are.
    Case("X-DEFAULT-VHOST", facts(opened_config(), listeners=[{"address": "127.0.0.1", "port": 443}]), ANY),
    Case("X-DEFAULT-VHOST", opened("AuthType Basic\nRequire valid-user"), ANY),
    Case("X-LOG-FORMAT", logged('"%h %l %u %t \\"%m %U %H\\" %>s %O \\"%{User-Agent}i\\""'), HOST),
    # Another log's format is not this one's.
    Case(
        "X-LOG-FORMAT",
        facts(SERVER + "CustomLog /var/log/other common\n" + site(lines='CustomLog /var/log/x "%h"')),
        HOST,
    ),
    *(Case(rule, facts(), HOST) for rule in ("X-TLS-CURVE", "X-TLS-SESSION")),
    Case("X-TLS-CURVE", facts(SERVER + site(lines="SSLOpenSSLConfCmd Curves ?X25519MLKEM768:X25519:P-256")), HOST),
    Case("X-TLS-SESSION", facts(SERVER + site(lines="SSLCompression Off")), HOST),
    Case("X-TLS-PROTO", facts(changed("-all +TLSv1.2 +TLSv1.3", "TLSv1.3")), HOST),
    Case("X-TLS-PROTO", facts(changed("-all +TLSv1.2 +TLSv1.3", "all -SSLv3 -TLSv1 -TLSv1.1"), probes=[]), HOST),
    Case("X-TLS-CIPHER", facts(changed("-all +TLSv1.2 +TLSv1.3", "TLSv1.3").replace("ECDHE+AESGCM", "RC4")), HOST),
    Case("X-TLS-CIPHER", of("SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256"), HOST),
    Case("X-TLS-CERT", certified(bits=2048, rsa=True, days=15), HOST),
    Case("X-TLS-CERT", with_key(), HOST),
    Case("X-TLS-REDIRECT", facts(SERVER + REDIRECT + "\n" + site()), HOST),
]
