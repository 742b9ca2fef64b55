# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the virtual hosts of an app say: names, TLS, limits, proxies, static files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..apache.layout import TLS_DIRECTORY
from ..app.web import LIMITS, Tls
from ..audit.config import VirtualHost
from ..audit.facts import Facts
from ..audit.merge import Place, below
from .app import TO_DO_HOST, Adopted, Row, is_ours
from .groups import Group, lines_of, names_of

_HSTS = Tls("").hsts


def keep_server_names(app: Adopted, facts: Facts, group: Group) -> None:
    names = list(dict.fromkeys(name for host in group.hosts for name in names_of(facts, host)))
    # The first one names files, so it is no pattern.
    names.sort(key=lambda name: name.startswith("*"))
    for name in names:
        app.keep("server_names", [*(known for known in app.fields["server_names"] if known != TO_DO_HOST), name])
    if app.fields["server_names"] == [TO_DO_HOST]:
        app.remarks.append("the virtual host has no usable name: set server_names")


def keep_tls(app: Adopted, facts: Facts, group: Group) -> None:
    def said(host: VirtualHost, name: str) -> str:
        line = facts.tree.last(name, host)
        return line.words[0] if line and line.words else ""

    host = next((host for host in group.hosts if said(host, "sslengine").lower() == "on"), None)
    if host is None:
        return
    names = app.fields["server_names"]
    certificate = said(host, "sslcertificatefile")
    managed = {word for line, _around, _host in facts.tree.every("mdomain", "<mdomainset") for word in line.words}
    tls: Row = {"certificate": certificate, "key": said(host, "sslcertificatekeyfile") or certificate}
    if set(names) & managed:
        tls = {"acme": True}
    elif certificate == f"{TLS_DIRECTORY}/{names[0]}.crt":
        tls = {"self_signed": True}
    for line in host.directives:
        age = re.search(r"max-age=([0-9]+)", line.text)
        if line.name == "header" and "strict-transport-security" in line.text.lower() and age:
            if int(age.group(1)) != _HSTS:
                tls["hsts"] = int(age.group(1))
            break
    else:
        if not any(is_ours(line.file) for line in host.directives):
            app.changes.append("answers get Strict-Transport-Security; hsts: 0 in tls turns that off")
        else:
            tls["hsts"] = 0
    app.keep("tls", tls)
    if "certificate" in tls and not is_ours(group.place.mapped.file):
        app.remarks.append("certificate and key are not copied: put them at these paths on a new host")
    if any(said(one, "sslengine").lower() != "on" for one in group.hosts):
        app.changes.append("port 80 now redirects to HTTPS instead of answering")


def keep_web(app: Adopted, place: Place) -> None:
    inner = [line for section in place.sections if section.name != "server" for line in section.inside]
    limits: Row = {}
    for key, (directive, _low, _high) in LIMITS.items():
        values = [line.words[0] for line in inner if line.name == directive.lower() and line.words]
        # 0 is no limit.
        if (
            values
            and values[-1].isdigit()
            and values[-1] != "0"
            and app.keep("limits", {**limits, key: int(values[-1])})
        ):
            limits = app.fields["limits"]
    if place.passes_authorization.value.lower() == "on":
        app.keep("handles_authorization", True)
    elif place.on("cgipassauth"):
        app.changes.append("the Authorization header is no longer passed, unless handles_authorization is true")
    if place.on("wsgierroroverride"):
        app.keep("error_override", True)
    if place.on("wsgichunkedrequest"):
        app.keep("chunked_requests", True)
    proxies = place.setting("wsgitrustedproxies").value.split()
    headers = place.setting("wsgitrustedproxyheaders").value.split()
    if proxies and headers:
        # The model wants both or neither.
        before = len(app.remarks)
        trial = Adopted(app.fields["name"])
        trial.fields = {**app.fields, "trusted_proxy_headers": headers}
        if trial.keep("trusted_proxies", proxies):
            app.fields.update(trusted_proxies=proxies, trusted_proxy_headers=headers)
        app.remarks[before:] = trial.remarks
    elif headers or not place.lines("requestheader"):
        app.changes.append(
            "headers of proxies, such as X-Forwarded-For, reach it only from trusted_proxies; list your proxies there"
        )
    if not is_ours(place.mapped.file) and place.setting("allowoverride").value.lower() not in ("", "none"):
        app.changes.append(".htaccess files are no longer read")


def aliases_of(facts: Facts, group: Group) -> dict[str, str]:
    """Return the URL of each directory that the virtual hosts serve by an Alias."""
    found: dict[str, str] = {}
    for host in group.hosts:
        for line in lines_of(facts, group, host):
            if line.name == "alias" and len(line.words) == 2:
                real = str(facts.paths.get(line.words[1], {}).get("real") or line.words[1]).rstrip("/")
                found.setdefault(real, line.words[0])
    return found


def keep_static(
    app: Adopted, facts: Facts, group: Group, groups: Sequence[Group], code: str, data: Sequence[str]
) -> None:
    static: Row = {}
    mount = group.place.url
    for host in group.hosts:
        mounts = [one.place.url for one in groups if host in one.hosts]
        for line in lines_of(facts, group, host):
            if line.name != "alias" or len(line.words) != 2:
                continue
            url, path = line.words[0].rstrip("/"), line.words[1].rstrip("/")
            if not url or max((one for one in mounts if below(url, one)), key=len, default="") != mount:
                continue
            real = str(facts.paths.get(line.words[1], {}).get("real") or path).rstrip("/")
            if any(below(real, path) for path in data):
                app.remarks.append(
                    f"{line.shown} ({line.source}): data of the application, which Apache no longer serves; let the "
                    "application answer these URLs"
                )
            elif code and real.startswith(code + "/") and url not in static:
                if app.keep("static", {**static, url: real[len(code) + 1 :]}):
                    static = app.fields["static"]
            elif url not in static:
                app.remarks.append(
                    f"{line.shown} ({line.source}): not a directory of the code; static serves only directories of "
                    "the source"
                )
