# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One WSGI application as the user writes it: checked, completed, and made an App."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any

from ..apache.daemon_options import Version, check_option, check_settable, check_together, warnings_of
from ..host.accounts import RESERVED_ACCOUNTS
from ..host.errors import PalisadeError, nearest
from .fields import APP, DEFAULT_DAEMON_OPTIONS, REQUIRED
from .model import DEFAULT_HEALTH_STATUS, DEFAULT_HEALTH_TIMEOUT, App
from .services import check_timers, check_workers
from .source import check_source
from .values import (
    absolute_path,
    command,
    flag,
    is_integer,
    known_keys,
    mapping,
    relative_path,
    require,
    text,
    texts,
    type_name,
    url_path,
)
from .web import (
    below,
    check_acls,
    check_limits,
    check_proxies,
    check_static,
    check_tls,
    limit_warnings,
    proxy_warnings,
)

# systemd-sysusers takes names of 31 characters at most, and the default account is <name>-app.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,26}")
_ACCOUNT = re.compile(r"[a-z][a-z0-9-]{0,30}")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_SITE_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.conf")
# As a unit of systemd can name it, and nothing that is the system's.
_OLD_DATA = re.compile(r"(/[A-Za-z0-9._@:+,~=-]+){2,}")
_NO_DATA = re.compile(r"/(bin|boot|dev|etc|lib[^/]*|proc|root|run|sbin|sys|usr)/")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _check_account(value: str, subject: str) -> str:
    require(bool(_ACCOUNT.fullmatch(value)), subject, "[a-z][a-z0-9-]* of at most 31 characters", value)
    require(
        value not in RESERVED_ACCOUNTS, subject, "an account of this app's own, never root's or a shared one", value
    )
    return value


def _check_application(value: str, subject: str) -> tuple[str, str]:
    # Without a colon the name is empty, which is no identifier.
    module, _colon, name = value.partition(":")
    parts = [*module.split("."), name]
    usable = all(part.isascii() and part.isidentifier() and not keyword.iskeyword(part) for part in parts)
    require(usable, subject, "package.module:callable", value)
    return module, name


def _is_carried(value: str) -> bool:
    """Tell whether the environment of a process can hold a value."""
    return "\0" not in value and not any(0xD800 <= ord(character) <= 0xDFFF for character in value)


def _check_environment(raw: Mapping[str, Any], subject: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for key, value in raw.items():
        # Values stay out of the messages, also one that was written NAME=VALUE: they may be secrets.
        usable = isinstance(key, str) and bool(_VARIABLE.fullmatch(key))
        require(usable, subject, "names such as SECRET_KEY", key.split("=")[0] if isinstance(key, str) else key)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not _is_carried(str(value)):
            raise PalisadeError(
                f"{subject}: {key}: expected text without NUL, got {type_name(value)}; put the value in quotes"
            )
        result[str(key)] = str(value)
    return result


def _check_daemon_options(app: Mapping[str, Any], group: str, version: Version | None, subject: str) -> dict[str, Any]:
    given = mapping(app, "daemon_process", subject)
    place = f"{subject}: daemon_process"
    for key, value in given.items():
        check_settable(key, value, place)
    options: dict[str, Any] = {
        "processes": app.get("processes", APP["processes"].default),
        "threads": app.get("threads", APP["threads"].default),
        # setgroups() replaces what /etc/group grants, so stray memberships of the account do not count.
        "supplementary-groups": [group, *texts(app, "supplementary_groups", subject)],
        **DEFAULT_DAEMON_OPTIONS,
        **given,
    }
    for key, value in options.items():
        where = subject if key in ("processes", "threads", "supplementary-groups") else place
        check_option(key, value, version, where)
    check_together(options, place)
    return options


def _check_health(app: Mapping[str, Any], mount: str, subject: str) -> tuple[str, tuple[int, ...], int]:
    given = mapping(app, "health_check", subject)
    known_keys(given, APP["health_check"].names, f"{subject}: health_check")
    path = given.get("path", mount)
    printable = isinstance(path, str) and bool(re.fullmatch(r"/[!-~]*", path))
    require(printable, f"{subject}: health_check: path", "a URL path such as /health", path)
    status, row = given.get("status", DEFAULT_HEALTH_STATUS), APP["health_check"]["status"]
    numbers = isinstance(status, (list, tuple)) and all(is_integer(item, row.minimum, row.maximum) for item in status)
    require(numbers and bool(status), f"{subject}: health_check: status", "a list of HTTP statuses", status)
    timeout, row = given.get("timeout", DEFAULT_HEALTH_TIMEOUT), APP["health_check"]["timeout"]
    low, high = row.minimum, row.maximum
    require(is_integer(timeout, low, high), f"{subject}: health_check: timeout", f"{low} to {high} seconds", timeout)
    return str(path), tuple(status), int(timeout)


def _check_replaces(app: Mapping[str, Any], subject: str) -> tuple[str, ...]:
    names = texts(app, "replaces", subject)
    for name in names:
        usable = bool(_SITE_FILE.fullmatch(name)) and not name.startswith("zz-palisade")
        require(usable, f"{subject}: replaces", "names of enabled site files such as shop.conf", name)
    return tuple(names)


def _check_commands(app: Mapping[str, Any], field: str, subject: str) -> tuple[tuple[str, ...], ...]:
    place = f"{subject}: {field}"
    given = app.get(field) or []
    require(isinstance(given, (list, tuple)), place, "a list of commands", given)
    return tuple(command(item, place) for item in given)


def _check_data_from(
    app: Mapping[str, Any], writable: list[str], home: str, subject: str
) -> tuple[tuple[str, str], ...]:
    """Return where the data of an old site is to come from, by its place below data/."""
    place = f"{subject}: data_from"
    result: dict[str, str] = {}
    for name, source in mapping(app, "data_from", subject).items():
        relative_path(name, place, "entries of writable, or a file below one such as db/db.sqlite3")
        known = any(below(name, directory) for directory in writable)
        require(known, place, "an entry of writable, or a path below one", name)
        path = absolute_path(source, f"{place}: {name}")
        usable = bool(_OLD_DATA.fullmatch(path)) and not _NO_DATA.match(path) and not below(path, home)
        require(usable, f"{place}: {name}", "the path of a site's data such as /srv/shop/db", path)
        result[name] = path
    for name in result:
        inner = [other for other in (*result, *writable) if other != name and below(other, name)]
        if inner:
            raise PalisadeError(f"{place}: {inner[0]} is inside {name}, which is copied whole; give one of them")
    return tuple(result.items())


def check_app(raw: Any, index: int, version: Version | None) -> App:
    """Return the checked app; PalisadeError names the app, the field, what was expected and what came.

    version is the installed mod_wsgi's, None where it is not known yet.
    """
    # Not printed either: an environment may be in it.
    if not isinstance(raw, Mapping):
        raise PalisadeError(f"wsgi_apps[{index}]: expected a mapping, got {type_name(raw)}")
    name = raw.get("name")
    subject = f"wsgi_apps[{index}]: name"
    usable = isinstance(name, str) and bool(_NAME.fullmatch(name))
    require(usable, subject, "[a-z][a-z0-9-]* of at most 27 characters", name)
    subject = f"app {name}"
    unknown = [key for key in raw if key not in APP.names]
    if unknown:
        told = (f"{subject}: unknown field {key!r}{nearest(str(key), APP.names)}" for key in unknown)
        raise PalisadeError("\n".join(told))

    account = _check_account(text(raw, "account", subject, f"{name}-app"), f"{subject}: account")
    group = _check_account(text(raw, "group", subject, account), f"{subject}: group")
    state = text(raw, "state", subject, APP["state"].default)
    require(state in APP["state"].choices, f"{subject}: state", " or ".join(APP["state"].choices), state)
    purge = flag(raw, "purge", subject)
    if state == "absent":
        return App(name=str(name), account=account, group=group, present=False, purge=purge)
    require(not purge, f"{subject}: purge", "state: absent beside it", "state: present")

    missing = [key for key in REQUIRED if raw.get(key) is None]
    if missing:
        raise PalisadeError("\n".join(f"{subject}: {key} is required" for key in missing))
    module, function = _check_application(text(raw, "application", subject), f"{subject}: application")
    server_names = texts(raw, "server_names", subject)
    require(bool(server_names), f"{subject}: server_names", "at least one host name", server_names)
    for position, host in enumerate(server_names):
        plain = host[2:] if position and host.startswith("*.") else host
        usable = bool(_HOST_NAME.fullmatch(plain)) and len(host) <= 253
        require(usable, f"{subject}: server_names", "host names in lower case, without https:// and port", host)
    mount = url_path(text(raw, "mount", subject, APP["mount"].default), f"{subject}: mount")
    requirements = text(raw, "requirements", subject)
    if requirements:
        place = f"{subject}: requirements"
        relative_path(requirements, place, "a file inside the source such as requirements.txt")
    source = check_source(raw.get("source"), f"{subject}: source")
    build, build_network = _check_commands(raw, "build", subject), flag(raw, "build_network", subject)
    require(bool(build) or not build_network, f"{subject}: build_network", "false without commands in build", True)
    # A build may collect a package's files.
    for key in ("requirements",) if build else ("requirements", "static"):
        beside_package = source.kind == "package" and bool(raw.get(key))
        require(not beside_package, f"{subject}: {key}", "none beside a package, which has its own", raw.get(key))
    writable = texts(raw, "writable", subject)
    for directory in writable:
        relative_path(directory, f"{subject}: writable", "names of directories under data/")
    data_from = _check_data_from(raw, writable, f"/var/lib/{account}", subject)
    trusted_proxies, trusted_proxy_headers = check_proxies(raw, subject)
    limits = check_limits(raw, subject)
    health_path, health_status, health_timeout = _check_health(raw, mount, subject)
    daemon_options = _check_daemon_options(raw, group, version, subject)
    return App(
        name=str(name),
        account=account,
        group=group,
        module=module,
        callable=function,
        server_names=tuple(server_names),
        mount=mount,
        source=source,
        requirements=requirements,
        allow_source_builds=flag(raw, "allow_source_builds", subject),
        build=build,
        build_network=build_network,
        before_switch=_check_commands(raw, "before_switch", subject),
        workers=check_workers(raw, str(name), subject, _check_environment),
        timers=check_timers(raw, str(name), subject, _check_environment),
        daemon_options=daemon_options,
        writable=tuple(writable),
        data_from=data_from,
        environment=_check_environment(mapping(raw, "environment", subject), f"{subject}: environment"),
        static=check_static(raw, mount, subject),
        tls=check_tls(raw, server_names, subject),
        trusted_proxies=trusted_proxies,
        trusted_proxy_headers=trusted_proxy_headers,
        limits=limits,
        acls=check_acls(raw, subject),
        handles_authorization=flag(raw, "handles_authorization", subject),
        chunked_requests=flag(raw, "chunked_requests", subject),
        error_override=flag(raw, "error_override", subject),
        adopt=flag(raw, "adopt", subject),
        replaces=_check_replaces(raw, subject),
        health_path=health_path,
        health_status=health_status,
        health_timeout=health_timeout,
        warnings=(
            *(f"{subject}: daemon_process: {text}" for text in warnings_of(daemon_options)),
            *(f"{subject}: limits: {text}" for text in limit_warnings(limits)),
            *(f"{subject}: {text}" for text in proxy_warnings(trusted_proxies)),
        ),
    )
