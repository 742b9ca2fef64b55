# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps one client, or a few, from taking an app's threads: the directives of mod_qos for a virtual host.

The role wsgi_server sets what holds for the whole server: connections of an address, and its uploads. Where an app is
behind a proxy, mod_qos counts uploads by the header CLIENT_HEADER, which it sets itself from the variable CLIENT.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..app.model import App
from ..app.web import excluded_addresses

CLIENT = "palisade_client"
CLIENT_HEADER = "X-Palisade-Client"
# Of these headers the last address is the one that the proxy saw.
_CLIENT_ADDRESSES = ("X-Forwarded-For", "X-Client-IP", "X-Real-IP")
# A pattern of addresses, which the role wsgi_server defines where some are exempt.
_EXEMPT = "palisade_exempt"


def upload_bound(app: App) -> int | None:
    """Return how many uploads an app takes at a time; None for a pool that is too small to keep a thread free."""
    if "uploads" in app.limits:
        return app.limits["uploads"]
    threads = int(app.daemon_options["processes"]) * int(app.daemon_options["threads"])
    return threads - max(1, threads // 10) if threads > 1 else None


def server_lines(apps: Sequence[App]) -> list[str]:
    """Return what stands outside the virtual host: proxies, whose connections are those of many clients."""
    proxies = sorted({text for app in apps for network in app.trusted_proxies for text in excluded_addresses(network)})
    lines = [f"QS_SrvMaxConnExcludeIP {text}" for text in proxies]
    if any(set(_CLIENT_ADDRESSES) & set(app.trusted_proxy_headers) for app in apps):
        # The header stays: mod_qos looks at it again when a request ends, and logs an error where it is gone.
        lines.append(f'SetEnvIfExpr "%{{REMOTE_ADDR}} =~ /(.*)/" {CLIENT}=$1')
        lines += [f"QS_SetReqHeader {CLIENT_HEADER} {CLIENT}", f"QS_ClientIpFromHeader {CLIENT_HEADER}"]
    return _where_loaded(lines)


def host_lines(apps: Sequence[App]) -> list[str]:
    """Return what stands in the virtual host: the bound of each app's uploads, and the clients that proxies name."""
    bounds = [(app, upload_bound(app)) for app in apps]
    lines = [f"QS_EventRequestLimit {_variable(app)} {bound}" for app, bound in bounds if bound is not None]
    for app in apps:
        trusted = " || ".join(f"-R '{proxy}'" for proxy in app.trusted_proxies)
        for header in _CLIENT_ADDRESSES:
            if header in app.trusted_proxy_headers:
                last = rf"req('{header}') =~ /([0-9A-Fa-f.:]+)\s*$/"
                lines.append(f'SetEnvIfExpr "({trusted}) && {last}" {CLIENT}=$1')
    return _where_loaded(lines)


def section_lines(app: App) -> list[str]:
    """Return what stands in the section of an app's URLs: its requests with a body are counted."""
    variables = ["QS_EventRequest"] if upload_bound(app) is None else [_variable(app), "QS_EventRequest"]
    counted = " ".join(f"{name}=1" for name in variables)
    spared = " ".join(f"!{name}" for name in variables)
    return _where_loaded(
        [
            # Not one expression, which takes longer for each request than both.
            f"SetEnvIf Content-Length [1-9] {counted}",
            f"SetEnvIf Transfer-Encoding . {counted}",
            f"<IfDefine {_EXEMPT}>",
            f'    SetEnvIf Remote_Addr "${{{_EXEMPT}}}" {spared}',
            "</IfDefine>",
        ]
    )


def _variable(app: App) -> str:
    return f"wsgi_upload_{app.name}"


def _where_loaded(lines: list[str]) -> list[str]:
    # A server without mod_qos serves all the same.
    return ["<IfModule qos_module>", *(f"    {line}" for line in lines), "</IfModule>"] if lines else []
