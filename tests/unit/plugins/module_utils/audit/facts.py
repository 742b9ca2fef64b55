"""Facts of a good host as plain data, and how a test spoils them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.host import SYSCTLS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import (
    Access,
    Facts,
    FileFacts,
    HostFacts,
    Instance,
    Reach,
    WebFacts,
)

APACHE = 33


class Case(NamedTuple):
    """A host, and what a rule says of one subject there; severity where it is not the rule's own."""

    rule: str
    host: Facts
    subject: str = "shop"
    severity: str = ""


URL = "shop.test *:443 /"
HOST = "shop.test *:443"
MAIN = "/etc/apache2/apache2.conf"
LOG = "/var/log/apache2/shop.log"
ENTRY = "/var/www/shop/wsgi.py"
PAGES = "\n".join(
    f'ErrorDocument {status} "Sorry"' for status in (400, 401, 403, 404, 405, 408, 413, 414, 500, 502, 503, 504)
)
SERVER = f"""\
User www-data
Group www-data
Listen 80
Listen 443
ServerTokens Prod
LimitRequestBody 10485760
ServerSignature Off
TraceEnable Off
MaxRequestWorkers 400
QS_SrvMaxConnPerIP 20
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCipherSuite ECDHE+AESGCM
SSLSessionTickets Off
WSGIRestrictEmbedded On
{PAGES}
<Directory />
  Require all denied
</Directory>
<Directory /var/www/>
  Require all granted
</Directory>
<VirtualHost *:443>
  ServerName default.invalid
  SSLEngine On
  <Location />
    Require all denied
  </Location>
</VirtualHost>
"""


def site(name: str = "shop", options: str = "", lines: str = "", location: str = "", mount: str = "/") -> str:
    """Return a virtual host as a careful administrator writes it by hand."""
    return f"""\
<VirtualHost *:443>
  ServerName {name}.test
  SSLEngine on
  DocumentRoot /var/www/html
  WSGIDaemonProcess {name} user={name}-app group={name}-app home=/var/lib/{name}/code python-home=/var/lib/{name}/venv \
display-name=%{{GROUP}} request-timeout=60 restart-interval=86400 queue-timeout=45 {options}
  WSGIScriptAlias {mount} /var/www/{name}/wsgi.py
  {lines}
  <Location {mount}>
    WSGIProcessGroup {name}
    WSGIApplicationGroup %{{GLOBAL}}
    WSGIRestrictProcess {name}
    WSGIScriptReloading Off
    RequestHeader unset X-Forwarded-For
    {location}
  </Location>
</VirtualHost>
"""


def process(name: str = "shop", uid: int = 990, **fields: Any) -> dict[str, Any]:
    """Return a daemon as the collector sees it."""
    gid = fields.get("gid", uid)
    return {
        "pid": 100 + uid,
        "uid": uid,
        "uids": [uid] * 4,
        "gid": gid,
        "gids": [gid] * 4,
        "groups": [gid],
        "user": f"{name}-app",
        "group": f"{name}-app",
        "umask": "0027",
        "cwd": f"/var/lib/{name}/code",
        "capabilities": 0,
        "title": f"(wsgi:{name})",
        "no_new_privileges": False,
        **fields,
    }


def paths(name: str = "shop", **script: Any) -> dict[str, dict[str, Any]]:
    """Return what the collector sees of an app's paths."""
    entry = {"exists": True, "directory": False, "neighbours": [], "defines": False, "inserts": [], **script}
    return {
        f"/var/www/{name}/wsgi.py": {"real": f"/var/www/{name}/wsgi.py", **entry},
        f"/var/lib/{name}/venv": {
            "exists": True,
            "real": f"/var/lib/{name}/releases/1/venv",
            "environment": True,
            "python": "3.13",
        },
        f"/var/lib/{name}/code": {"exists": True, "real": f"/var/lib/{name}/releases/1/code", "environment": False},
    }


def facts(config: str | None = None, *names: str, **fields: Any) -> Facts:
    """Return the facts of a host with these apps, all of them good unless the configuration says otherwise."""
    names = names or ("shop",)
    uids = {name: 990 - number for number, name in enumerate(names)}
    text = SERVER + "".join(site(name) for name in names) if config is None else config
    values: dict[str, Any] = {
        "live": {name: [process(name, uid), process(name, uid, pid=5)] for name, uid in uids.items()},
        "users": {f"{name}-app": uid for name, uid in uids.items()},
        "groups": {f"{name}-app": uid for name, uid in uids.items()},
        "access": {name: Access(checked=10) for name in names},
        "paths": {path: row for name in names for path, row in paths(name).items()},
        "listeners": [{"address": "::", "port": 443}],
        "files": file_facts(*names),
        "host": host(uids),
        "probes": [row for name in names for row in full_answers(f"{name}.test *:443")],
        "web": web_facts("default.invalid *:443", *(f"{name}.test *:443" for name in names)),
    }
    instance = Instance(
        "/usr/sbin/apache2",
        "/etc/apache2/apache2.conf",
        1,
        apache_version="2.4.71",
        mod_wsgi_version="6.1.1",
        python="3.13",
        mpm="event",
        modules=["wsgi", "reqtimeout", "autoindex", "qos"],
        user="www-data",
        uid=APACHE,
        gid=APACHE,
    )
    return Facts(instance, read_tree(text), **{**values, **fields})


def file_facts(*names: str, **fields: Any) -> FileFacts:
    """Return what the collector sees of files on a good host; a Reach by the name of an account, and other fields."""
    pools = {name: fields.pop(name, Reach()) for name in names or ("shop",)}
    values: dict[str, Any] = {
        "pools": pools,
        "apache": Reach(),
        "others": Reach(),
        "apache_uid": APACHE,
        "apache_groups": [APACHE],
        "secrets": [row("/var/lib/shop/environment", "secret", "account", mode="0640", pools=["shop"])],
        "scripts": {f"/var/www/{name}/wsgi.py": script(f"/var/www/{name}/wsgi.py") for name in pools},
        "sockets": [a_socket(name) for name in pools],
        "temporary": {name: [] for name in pools},
        "packages": {f"/var/lib/{name}/releases/1/venv": environment() for name in pools},
        "logs": [{"path": LOG, "pools": ["shop"]}],
    }
    return FileFacts(**{**values, **fields})


def script(path: str = ENTRY, where: str = "", **fields: Any) -> list[dict[str, Any]]:
    """Return a script of root's and the way to it; these fields are of the path that is named, or of the script."""
    rows = []
    for one in (path, *(str(above) for above in Path(path).parents)):
        kind, mode = ("entry", "0644") if one == path else ("ancestor", "0755")
        found = row(one, kind, "entry", owner=0, group=0, mode=mode, users=[0], groups=[], everybody=False)
        if one == (where or path):
            found.update(fields)
            found["users"] = sorted({found["owner"], *found["users"]})
        rows.append(found)
    return rows


def environment(**fields: Any) -> dict[str, Any]:
    """Return what is read of a virtual environment with packages as they were installed."""
    found = {"system": False, "checked": 3, "unread": 0, "altered": [], "editable": [], "imports": []}
    return {**found, **fields}


def a_socket(name: str = "shop", **fields: Any) -> dict[str, Any]:
    """Return the socket of a pool as mod_wsgi makes it."""
    found = {"path": f"/run/apache2/wsgi.1.0.{name}.sock", "pool": name, "owner": APACHE, "mode": "0700"}
    return {**found, "named": False, "way": [], "stickies": [], **fields}


def account(name: str = "shop", uid: int = 990, **fields: Any) -> dict[str, Any]:
    """Return a locked account as the collector sees it."""
    return {
        "name": f"{name}-app",
        "uid": uid,
        "gid": uid,
        "groups": [uid],
        "shell": "/usr/sbin/nologin",
        "home": f"/var/lib/{name}",
        "home_mode": 0o750,
        "home_files": [],
        "locked": True,
        "shadow": "",
        "keys": [],
        "jobs": [],
        "others": [],
        "regular": False,
        "sudo": [],
        **fields,
    }


def child(pid: int = 50, **fields: Any) -> dict[str, Any]:
    """Return one of Apache's own workers as the collector sees it."""
    program = "/usr/sbin/apache2"
    seen = {"pid": pid, "uid": APACHE, "program": program, "own": True, "pool": "", "hidden": False}
    return {**seen, "command": f"{program} -k start", "secrets": [], **fields}


UNIT = {
    "name": "apache2.service",
    "LoadState": "loaded",
    "TimeoutStopUSec": "1min 30s",
    "User": "",
    "DynamicUser": "no",
    "PrivateUsers": "no",
    "CapabilityBoundingSet": "cap_chown cap_dac_override cap_kill cap_setgid cap_setuid cap_net_bind_service",
    "SystemCallFilter": "",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "LimitNPROC": "infinity",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictSUIDSGID": "yes",
}
PACKAGES: dict[str, dict[str, Any]] = {
    "apache": {
        "path": "/usr/sbin/apache2",
        "package": "apache2-bin",
        "version": "2.4.71-1",
        "mended": [],
        "replaced": False,
    },
    "module": {"path": "/opt/mod_wsgi.so", "package": "", "version": "", "mended": None, "replaced": False},
}


def host(uids: dict[str, int]) -> HostFacts:
    """Return what the collector sees of a good host's accounts, processes and unit."""
    limits = {"memory.max": "2147483648", "pids.max": "4915", "data": "unlimited", "address space": "unlimited"}
    label = "/usr/sbin/apache2 (enforce)"
    return HostFacts(
        accounts={name: account(name, uid) for name, uid in uids.items()},
        group_names={uid: f"{name}-app" for name, uid in uids.items()},
        group_ids={f"{name}-app": uid for name, uid in uids.items()},
        owners={name: [0] for name in uids},
        parent={"uid": 0, "mapped": False, "environment": [], "label": label, "enforcing": None, "unit": UNIT["name"]},
        children=[child(), *(child(60 + uid, uid=uid, pool=name) for name, uid in uids.items())],
        loaded=[1000.0, 1000.0],
        bounds={name: dict(limits) for name in uids},
        dumpable=dict.fromkeys(uids, False),
        stale={name: [] for name in uids},
        sysctls=dict.fromkeys(SYSCTLS, "1"),
        reach={name: {"signal": [], "environment": []} for name in uids},
        unit=dict(UNIT),
        packages={key: dict(package) for key, package in PACKAGES.items()},
    )


def answer(host: str, **fields: Any) -> dict[str, Any]:
    """Return Apache's answer to the canary."""
    said = {"status": 404, "server": "Apache", "headers": {}, "body": "Sorry", "error": ""}
    return {"host": host, "kind": "canary", "path": "/", "request": "curl /", **said, **fields}


HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'self'",
    "strict-transport-security": "max-age=63072000",
}


def full_answers(host: str) -> list[dict[str, Any]]:
    """Return what a good virtual host answers to every request of the audit."""
    return [
        answer(host),
        answer(host, kind="trace", status=405),
        answer(host, kind="large", status=400),
        answer(host, kind="legacy", status=0, accepted=""),
        answer(host, kind="slow", status=0, ended=True),
        answer(host, kind="page", status=200, headers=HEADERS),
        answer(host, kind="debug"),
        answer(host, kind="body", status=413),
    ]


def asked(kind: str, **fields: Any) -> Facts:
    """Return a good host with one answer of a kind that is different."""
    return facts(probes=[*full_answers(HOST), answer(HOST, kind=kind, **fields)])


CERTIFICATE = {"path": "/etc/ssl/shop.crt", "until": "Jan  1 00:00:00 2031 GMT", "days": 99, "bits": 256, "rsa": False}


def web_facts(*hosts: str, **fields: Any) -> WebFacts:
    """Return what the collector sees of these virtual hosts."""
    ciphers = {"ECDHE+AESGCM": ["ECDHE-RSA-AES128-GCM-SHA256"], "DEFAULT": ["AES128-SHA"], "RC4": ["RC4-SHA"]}
    certificates = {host: {**CERTIFICATE, "error": ""} for host in hosts}
    return WebFacts(**{"active": "full", "ciphers": ciphers, "certificates": certificates, **fields})


def certified(**fields: Any) -> Facts:
    """Return a good host with another certificate."""
    return facts(web=web_facts(HOST, certificates={HOST: {**CERTIFICATE, "error": "", **fields}}))


def row(path: str, kind: str = "code", root: str = "home", **fields: Any) -> dict[str, Any]:
    """Return a path that an account could write or owns."""
    return {"path": path, "kind": kind, "root": root, "owner": 990, "group": 990, "mode": "0755", **fields}


def without(text: str, config: str = SERVER + site()) -> str:
    """Return the configuration without the part, which must be in it."""
    assert text in config
    return config.replace(text, "")


def changed(old: str, new: str) -> str:
    """Return the configuration of a good host with one part replaced."""
    config = SERVER + site()
    assert old in config
    return config.replace(old, new)


def running(**fields: Any) -> dict[str, Any]:
    """Return the fields of facts() for a pool one of whose processes is different."""
    return {"live": {"shop": [process(), process(**{"pid": 7, **fields})]}}


def located(lines: str) -> Facts:
    """Return a good host with further lines in the application's <Location>."""
    return facts(SERVER + site(location=lines))
