# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's configuration of one virtual host with the apps that are mounted in it, as text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from ..apache.daemon_options import daemon_process
from ..apache.proxy_headers import PROXY_HEADERS
from ..apache.syntax import quote
from ..app.model import App
from ..app.web import LIMITS, Tls, below
from ..host.records import NOTICE, record
from .crowd import host_lines, section_lines, server_lines
from .files import daemon_options

# Without query strings, referers, cookies and authorization, which carry credentials.
_ACCESS_FORMAT = r"%h %l %u %t \"%m %U %H\" %>s %O \"%{User-Agent}i\""
# As Apache's own, without the referer and with the pool.
_ERROR_FORMAT = r"[%{u}t] [%-m:%l] [pid %P:tid %T] [wsgi\ %{mod_wsgi.process_group}e] %7F: %E: [client\ %a] %M"
# In the role wsgi_server's hands; Apache reads it where it is included.
TLS_PROFILE = "zz-palisade-tls.inc"


def main_app(apps: Sequence[App]) -> App:
    """Return the app that names the virtual host: the one with the shortest mount."""
    return min(apps, key=lambda app: (len(app.mount), app.mount))


def error_log(apps: Sequence[App], layout: Mapping[str, str]) -> str:
    """Return the error log of a virtual host; Apache has one for all apps in it."""
    return f"{layout['log_directory']}/wsgi-{main_app(apps).name}-error.log"


def virtual_host(
    apps: Sequence[App], mod_wsgi_version: str | None, layout: Mapping[str, str], closed: bool = False
) -> str:
    """Return the file of a virtual host; the apps have the same server names and TLS.

    The pools are in it, so that no other host name reaches them. A closed one has none, and asks everybody to wait.
    """
    main = main_app(apps)
    # The longest mount first: mod_wsgi takes the first alias that fits, and of Apache's sections the last one counts.
    ordered = sorted(apps, key=lambda app: (-len(app.mount), app.mount))
    lines = [NOTICE]
    lines += [
        record(
            name=app.name,
            server_names=list(app.server_names),
            mount=app.mount,
            tls=app.tls.kind if app.tls else "",
            acls=[path for path, _permissions in app.acls],
        )
        for app in ordered
    ]
    lines += server_lines(ordered)
    head = [f"ServerName {main.server_names[0]}", *(f"ServerAlias {name}" for name in main.server_names[1:])]
    logs = [f"ErrorLog {error_log(apps, layout)}", f'ErrorLogFormat "{_ERROR_FORMAT}"']
    pools, sections = _pools(ordered, mod_wsgi_version), _sections(ordered, mod_wsgi_version, layout)
    opened = [*_limits(main), *host_lines(ordered), *pools, *_urls(ordered), *sections]
    body = _CLOSED if closed else opened
    if main.tls is None:
        return _text(lines, _host(80, [*head, *logs, *_access_logs(ordered, layout), *body]))
    if main.tls.kind == "acme":
        # Just these names, and none that a ServerAlias adds elsewhere.
        lines.append(f"MDomain {' '.join(main.server_names)} manual")
    redirect = _section("Location", "/", ['Redirect permanent "https://%{SERVER_NAME}%{REQUEST_URI}"'])
    access = [f'CustomLog {layout["log_directory"]}/wsgi-{main.name}-access.log "{_ACCESS_FORMAT}"']
    lines += _host(80, [*head, *logs, *access, *redirect])
    tls = _tls(main.tls, f"app {main.name}: tls", layout)
    return _text(lines, _host(443, [*head, *tls, *logs, *_access_logs(ordered, layout), *body]))


def _text(*parts: Iterable[str]) -> str:
    return "\n".join(line for part in parts for line in part) + "\n"


def _section(kind: str, argument: str, lines: Iterable[str]) -> list[str]:
    return [f"<{kind} {argument}>", *(f"    {line}" for line in lines), f"</{kind}>"]


def _host(port: int, lines: Iterable[str]) -> list[str]:
    return _section("VirtualHost", f"*:{port}", lines)


def _tls(tls: Tls, subject: str, layout: Mapping[str, str]) -> list[str]:
    where = os.path.relpath(layout["server_files"], layout["root"])
    lines = ["SSLEngine On", f"Include {where}/{TLS_PROFILE}"]
    if tls.certificate:
        lines.append(f"SSLCertificateFile {quote(tls.certificate, subject)}")
        lines.append(f"SSLCertificateKeyFile {quote(tls.key, subject)}")
    if tls.hsts:
        lines.append(f'Header always set Strict-Transport-Security "max-age={tls.hsts}"')
    return lines


def _limits(app: App) -> list[str]:
    # Apache counts these before it knows the virtual host, so they hold where this one is the first of its address.
    whole = (key for key in LIMITS if key in app.limits and key != "request_body")
    return [f"{LIMITS[key][0]} {app.limits[key]}" for key in whole]


def _access_logs(apps: Sequence[App], layout: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    main = main_app(apps)
    for app in apps:
        path = f"{layout['log_directory']}/wsgi-{app.name}-access.log"
        # mod_wsgi leaves the address of the proxy in the log; the header is the proxy's, others' are taken off.
        proxied = r" \"%{X-Forwarded-For}i\"" if "X-Forwarded-For" in app.trusted_proxy_headers else ""
        others = [other for other in apps if len(other.mount) > len(app.mount) or app is main]
        terms = [f"!({_is_below(other.mount)})" for other in others if other is not app]
        # What is below no mount is for the main app's log.
        condition = " && ".join(terms if app is main else [*terms, _is_below(app.mount)])
        lines.append(f'CustomLog {path} "{_ACCESS_FORMAT}{proxied}"' + (f' "expr={condition}"' if condition else ""))
    return lines


def _is_below(mount: str) -> str:
    return f"%{{REQUEST_URI}} =~ m#^{re.escape(mount)}(/|$)#"


def _pools(apps: Sequence[App], mod_wsgi_version: str | None) -> list[str]:
    return [daemon_process(daemon_options(app), mod_wsgi_version) for app in apps]


def _urls(apps: Sequence[App]) -> list[str]:
    lines = [f"Alias {url} {app.current}/code/{directory}" for app in apps for url, directory in app.static.items()]
    lines += [f"WSGIScriptAlias {app.mount} {app.entry_file}" for app in apps]
    # Loaded when a process starts, which then takes requests; measured on 4.9.4, 5.0.2 and 6.1.1.
    preloaded = "WSGIImportScript {} process-group={} application-group=%{{GLOBAL}}"
    lines += [preloaded.format(app.entry_file, app.name) for app in apps]
    if all(app.mount != "/" for app in apps):
        # Otherwise the main server's documents would answer.
        mounts = "|".join(re.escape(app.mount) for app in apps)
        lines.append(f'RedirectMatch 404 "^(?!(?:{mounts})(?:/|$))"')
    return lines


def _sections(apps: Sequence[App], mod_wsgi_version: str | None, layout: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for app in reversed(apps):
        handler, settings = _handler(app), _application(app, mod_wsgi_version)
        if app.mount == "/" and apps == [app]:
            # Of the whole virtual host: Apache merges what a section says twice for each request.
            lines += settings
            settings = []
        lines += _section(*_place(app, apps), [*handler, *settings])
        for url in app.static:
            lines += _section("Location", url, _STATIC)
            # Such as .git and .env.
            lines += _section("LocationMatch", f'"^{re.escape(url)}/(?:.*/)?[.]"', _DENIED)
    for app in reversed(apps):
        entry = _section("Files", os.path.basename(app.entry_file), ["Require all granted"])
        lines += _section("Directory", app.entry_directory, ["AllowOverride None", "Options None", *_DENIED, *entry])
        if app.static:
            lines += _section("Directory", app.home, ["AllowOverride None", "Options SymLinksIfOwnerMatch", *_DENIED])
        for directory in app.static.values():
            # A link to elsewhere would be root's as the release is, so no link is followed here.
            lines += _section("Directory", f"{app.current}/code/{directory}", ["Options None", "Require all granted"])
    return lines


def _place(app: App, apps: Sequence[App]) -> tuple[str, str]:
    """Return the section of an app's URLs, without those of an app below it, which would inherit what it says."""
    above = app.mount.rstrip("/")
    inner = [other.mount[len(above) :] for other in apps if other is not app and below(other.mount, app.mount)]
    if not inner:
        return "Location", app.mount
    others = "|".join(re.escape(mount) for mount in inner)
    end = "(?:/|$)"
    return "LocationMatch", f'"^{re.escape(above)}(?!(?:{others}){end}){end if above else ""}"'


_DENIED = ["Require all denied"]
_CLOSED = ["Redirect 503 /", "Header always set Retry-After 5"]
_STATIC = [
    # Whatever a server-wide AddHandler makes of a file's name.
    "SetHandler default-handler",
    # Apache's redirect to a directory would name the URL and the host.
    "DirectorySlash Off",
    "DirectoryIndex disabled",
    "Header always set X-Content-Type-Options nosniff",
]


def _reloads_scripts(app: App, mod_wsgi_version: str | None) -> bool:
    # Without, mod_wsgi 6.0.0 to 6.0.4 cuts the bodies of requests if queue-timeout is 0.
    return app.daemon_options["queue-timeout"] == 0 and (mod_wsgi_version or "") in _CUTTING


_CUTTING = frozenset(f"6.0.{patch}" for patch in range(5))


def _handler(app: App) -> list[str]:
    # In a section in any case: a server-wide one such as Debian's /server-status has another handler.
    lines = ["SetHandler wsgi-script", "CGIPassAuth Off"]
    if "request_body" in app.limits:
        lines.append(f"LimitRequestBody {app.limits['request_body']}")
    return lines


def _application(app: App, mod_wsgi_version: str | None) -> list[str]:
    lines = [
        f"WSGIProcessGroup {app.name}",
        "WSGIApplicationGroup %{GLOBAL}",
        f"WSGIRestrictProcess {app.name}",
        # A changed entry file restarts nothing by itself: that is for the rolling restart.
        f"WSGIScriptReloading {'On' if _reloads_scripts(app, mod_wsgi_version) else 'Off'}",
        f"WSGIPassAuthorization {'On' if app.handles_authorization else 'Off'}",
        f"WSGIErrorOverride {'On' if app.error_override else 'Off'}",
    ]
    if app.chunked_requests:
        lines.append("WSGIChunkedRequest On")
    if app.tls:
        # Compressed, an answer over TLS tells by its length what it repeats of a request (BREACH).
        lines.append("SetEnv no-gzip 1")
    return [*lines, *section_lines(app), *_proxies(app)]


def _proxies(app: App) -> list[str]:
    """Return what lets in the headers of the trusted proxies, and takes them off every other request.

    mod_wsgi alone lets through all of them without trusted proxies, and some of an untrusted client's before 6.0.
    """
    lines: list[str] = []
    if app.trusted_proxies:
        lines.append(f"WSGITrustedProxies {' '.join(app.trusted_proxies)}")
        lines.append(f"WSGITrustedProxyHeaders {' '.join(app.trusted_proxy_headers)}")
    trusted = " || ".join(f"-R '{proxy}'" for proxy in app.trusted_proxies)
    for header in ("Forwarded", "X-Forwarded", *PROXY_HEADERS):
        condition = f' "expr=!({trusted})"' if header in app.trusted_proxy_headers else ""
        lines.append(f"RequestHeader unset {header}{condition}")
    return lines
