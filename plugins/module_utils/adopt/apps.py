# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a host, whoever made it, as a user of this collection would write them; from what the audit knows.

A field is said only where the model takes it. Whatever else is there is told in words.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..apache.daemon_options import OPTIONS, OWNER_CHECKS
from ..apache.layout import TLS_DIRECTORY
from ..apache.proxy_headers import PROXY_HEADERS
from ..app.fields import DEFAULT_DAEMON_OPTIONS
from ..app.model import check_app
from ..app.web import LIMITS, Tls
from ..audit.config import Directive, Pool, VirtualHost
from ..audit.facts import Facts
from ..audit.merge import Place, below
from ..audit.rules.report import VERSION, report
from ..host.errors import PalisadeError
from .data import Data, account_of, find_data
from .script import Script, read_script

Row = dict[str, Any]

# What stands where a host does not say what the model needs; a person has to.
TO_DO = "to_do:application"
TO_DO_HOST = "to-do.invalid"
# More of one kind is counted only.
_SHOWN = 40
_OURS = "zz-palisade"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DISTRIBUTION = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)-([0-9][A-Za-z0-9.!+_]*)\.dist-info")
# Of every virtual environment.
_TOOLS = ("pip", "setuptools", "wheel", "pkg_resources", "pkg-resources")
# What the roles set themselves, or what became a field.
_CARRIED_WORDS = """
servername serveralias serveradmin errorlog errorlogformat customlog transferlog loglevel documentroot alias
wsgidaemonprocess wsgiprocessgroup wsgiapplicationgroup wsgiscriptalias wsgirestrictprocess wsgiscriptreloading
wsgipassauthorization wsgitrustedproxies wsgitrustedproxyheaders wsgierroroverride wsgicallableobject setenv passenv
sslengine sslcertificatefile sslcertificatekeyfile sslcertificatechainfile sslprotocol sslciphersuite
sslhonorcipherorder sslsessiontickets sslcompression limitrequestbody limitrequestfields limitrequestfieldsize
limitrequestline options allowoverride order allow deny errordocument timeout keepalive keepalivetimeout
maxkeepaliverequests requestreadtimeout serversignature servertokens usecanonicalname
"""
_CARRIED = frozenset(_CARRIED_WORDS.split())
_HSTS = Tls("").hsts
_PROXY_HEADERS = frozenset(["forwarded", "x-forwarded", "proxy", *(name.lower() for name in PROXY_HEADERS)])


@dataclass
class _Group:
    """A script at a mount in a pool, with every virtual host that has it."""

    place: Place
    hosts: list[VirtualHost] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)


class _Adopted:
    """One app that comes into being: fields that the model takes, and words for a person."""

    def __init__(self, name: str) -> None:
        self.fields: Row = {"name": name, "application": TO_DO, "server_names": [TO_DO_HOST]}
        self.changes: list[str] = []
        self.remarks: list[str] = []

    def keep(self, key: str, value: Any, quiet: bool = False) -> bool:
        """Set a field if the model takes it with the others; else say why it does not, unless somebody else does."""
        # Ansible would take these for a template.
        if "{{" in json.dumps(value) or "{%" in json.dumps(value) or "{#" in json.dumps(value):
            self.remarks.append(f"{key}: {value!r} is left out: Ansible would take it for a template")
            return False
        try:
            check_app({**self.fields, key: value, "source": {"path": "x"}}, 0, None)
        except PalisadeError as error:
            if not quiet:
                self.remarks.append(f"left out: {error}")
            return False
        self.fields[key] = value
        return True


def adopt_host(instances: Sequence[Facts]) -> tuple[list[Row], list[str]]:
    """Return the rows of every Apache of a host, and what no row can say."""
    results = report(instances, VERSION)["results"]
    rows: list[Row] = []
    remarks: list[str] = [] if instances else ["no Apache was found"]
    for facts in instances:
        mine, elsewhere = adopt(facts, results, [row["fields"]["name"] for row in rows])
        rows += mine
        remarks += elsewhere
    return rows, _some(remarks)


def adopt(facts: Facts, results: Iterable[Mapping[str, Any]], taken: Sequence[str] = ()) -> tuple[list[Row], list[str]]:
    """Return the rows of this Apache's apps, and what no row can say; taken are names of other rows."""
    groups, elsewhere = _groups(facts)
    names, rows = list(taken), []
    for group in groups:
        name = _name(facts, group, groups, names)
        names.append(name)
        rows.append(_row(facts, group, groups, name, results))
    served = {place.process_group.value for place in facts.places}
    elsewhere += [f"pool {pool.name} serves no URL" for pool in facts.pools if pool.name not in served]
    if any(module.startswith("php") for module in facts.instance.modules):
        elsewhere.append("PHP runs in this Apache: it reaches every pool's socket; give it a server of its own")
    if facts.instance.error:
        elsewhere.append(f"Apache shows no configuration: {facts.instance.error}")
    return rows, elsewhere


def _groups(facts: Facts) -> tuple[list[_Group], list[str]]:
    found: dict[tuple[str, str, str], _Group] = {}
    elsewhere = []
    for place in facts.places:
        why = _why_not(facts, place)
        if why:
            elsewhere.append(f"{place.name}: {why} ({place.mapped.shown}, {place.mapped.source})")
            continue
        mount = place.mapped.words[0]
        key = (place.path, mount, "")
        if place.url == mount:
            key = (place.path, mount, place.process_group.value)
        else:
            # A section inside the app; what it says otherwise is for a person.
            key = next((key for key in found if key[:2] == (place.path, mount)), key)
        group = found.setdefault(key, _Group(place))
        group.places.append(place)
        if place.host not in group.hosts:
            group.hosts.append(place.host)
    return list(found.values()), list(dict.fromkeys(elsewhere))


def _why_not(facts: Facts, place: Place) -> str:
    if not place.aliased:
        return "files are handed to mod_wsgi by their names, so every file is an application; name each script"
    if len(place.mapped.words) < 2:
        return "it names no script"
    if place.mapped.name.endswith("match") or "$" in place.path:
        return "a pattern of URLs; name each script"
    if place.path.endswith("/") or facts.paths.get(place.path, {}).get("directory"):
        return "a directory in which each file is an application; name each script"
    return ""


def _name(facts: Facts, group: _Group, groups: Sequence[_Group], taken: Sequence[str]) -> str:
    pool = group.place.process_group.value
    alone = sum(other.place.process_group.value == pool for other in groups) == 1
    names = [name for host in group.hosts for name in host.server_names]
    words = os.path.basename(os.path.dirname(group.place.path)) if group.place.url == "/" else group.place.url
    raw = (
        pool if facts.pool(pool) and alone else (names[0].split(".")[0] if names and group.place.url == "/" else words)
    )
    plain = re.sub(r"[^a-z0-9-]+", "-", raw.lower()).strip("-")
    name = re.sub(r"^[^a-z]+", "", plain)[:27].strip("-") or "app"
    # An account that another app keeps is not to be this one's.
    mine = {place.process_group.value for place in group.places}
    users = [pool.options.get("user") for pool in facts.pools if pool.name not in mine]
    number, unique = 1, name
    while unique in taken or users.count(f"{unique}-app") == 1:
        number += 1
        unique = f"{name[: 26 - len(str(number))]}-{number}"
    return unique


def _names(facts: Facts, host: VirtualHost) -> list[str]:
    """Return the names of a virtual host, without scheme and port."""
    main = facts.last("servername")
    names = host.server_names if host.addresses else main.words[:1] if main else []
    return list(dict.fromkeys(name.rpartition("//")[2].partition(":")[0].lower() for name in names))


def _lines(facts: Facts, group: _Group, host: VirtualHost) -> Sequence[Directive]:
    """Return the lines of a virtual host; of the main server those beside the alias."""
    if host.addresses:
        return host.directives
    return [line for line in facts.tree.directives if line.file == group.place.mapped.file]


def _row(facts: Facts, group: _Group, groups: Sequence[_Group], name: str, results: Iterable[Mapping[str, Any]]) -> Row:
    app = _Adopted(name)
    place, pool = group.place, facts.pool(group.place.process_group.value)
    _server_names(app, facts, group)
    mount = place.url.rstrip("/") or "/"
    if mount != "/":
        app.keep("mount", mount)
    script = read_script(place.path, _callable(place))
    code = _application(app, facts, place, pool, script)
    _pool(app, facts, group, pool, code)
    if not _ours(place.mapped.file):
        _moves(app, place, script, code)
    _tls(app, facts, group)
    _web(app, place)
    data = _writable(app, facts, pool, code, _aliases(facts, group))
    _static(app, facts, group, groups, code, list(data.sources.values()))
    _told(app, facts, group, code)
    requirements = _distributions(facts, pool)
    has_file = bool(code) and os.path.isfile(os.path.join(code, "requirements.txt"))
    if requirements or has_file:
        app.keep("requirements", "requirements.txt")
    return {
        "fields": app.fields,
        "script": place.path,
        "declared": place.mapped.source,
        "code": code,
        "requirements": [] if has_file else requirements,
        "environment": _environment(place, script, facts, pool),
        "paths": data.variables,
        "data": data.hints,
        "replaces": _site_files(group),
        "changes": app.changes,
        "findings": _findings(facts, group, pool, results),
        "remarks": _some(app.remarks),
    }


def _some(texts: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(texts))
    return unique[:_SHOWN] + ([f"and {len(unique) - _SHOWN} more"] if len(unique) > _SHOWN else [])


def _server_names(app: _Adopted, facts: Facts, group: _Group) -> None:
    names = list(dict.fromkeys(name for host in group.hosts for name in _names(facts, host)))
    # The first one names files, so it is no pattern.
    names.sort(key=lambda name: name.startswith("*"))
    for name in names:
        app.keep("server_names", [*(known for known in app.fields["server_names"] if known != TO_DO_HOST), name])
    if app.fields["server_names"] == [TO_DO_HOST]:
        app.remarks.append("the virtual host has no name that can be kept: give server_names")


def _callable(place: Place) -> str:
    return place.options.get("callable-object") or place.setting("wsgicallableobject").value.strip('"') or "application"


def _roots(facts: Facts, place: Place, pool: Pool | None, script: Script) -> list[str]:
    options = pool.options if pool else {}
    roots = [options.get("home", ""), *_python_path(facts, pool), *script.inserts]
    roots.append(os.path.dirname(place.path))
    return list(dict.fromkeys(os.path.normpath(root) for root in roots if root.startswith("/") and root != "/"))


def _python_path(facts: Facts, pool: Pool | None) -> list[str]:
    """Return the directories that Apache's configuration adds to sys.path, without those of packages."""
    line = facts.last("wsgipythonpath") if pool is None else None
    text = pool.options.get("python-path", "") if pool else line.words[0] if line and line.words else ""
    return [path for path in text.split(":") if path]


def _is_packages(path: str) -> bool:
    return os.path.basename(path.rstrip("/")) == "site-packages"


def _application(app: _Adopted, facts: Facts, place: Place, pool: Pool | None, script: Script) -> str:
    """Set the application, and return the directory that its code is in."""
    roots = [root for root in _roots(facts, place, pool, script) if not _is_packages(root)]
    if script.module:
        top = script.module.split(".")[0]
        code = next((root for root in roots if _has_module(root, top)), "")
        if not code:
            code = roots[0] if roots else ""
            app.remarks.append(f"package {top} lies in none of {', '.join(roots)}: name where the code comes from")
        app.keep("application", f"{script.module}:{script.callable}")
    else:
        # The longest directory of the module search path that it is in.
        code = max((root for root in roots if place.path.startswith(root + "/")), key=len, default="")
        above = [root for root in roots if place.path.startswith(root + "/") and root != os.path.dirname(place.path)]
        code = above[0] if above and place.path.endswith(".py") else code
        stem, dot = os.path.splitext(place.path[len(code) + 1 :])
        module = stem.replace("/", ".")
        if script.problem:
            app.remarks.append(f"{place.path} {script.problem}: find the application, as package.module:callable")
        elif dot == ".py" and all(part.isidentifier() for part in module.split(".")):
            app.keep("application", f"{module}:{_callable(place)}")
        else:
            module = re.sub(r"\W", "_", os.path.basename(stem), flags=re.ASCII)
            if app.keep("application", f"{module}:{_callable(place)}"):
                app.remarks.append(f"{place.path} makes the application itself: rename it to {module}.py in the source")
    return facts.real(code) if code else ""


def _moves(app: _Adopted, place: Place, script: Script, code: str) -> None:
    beside = f"; what {place.path} does beside that is not carried over" if script.module and script.more else ""
    app.changes.append(f"the entry file is root's, alone in its directory, and imports the application{beside}")
    home = f"/var/lib/{app.fields.get('account', app.fields['name'] + '-app')}"
    if code:
        app.changes.append(f"code is root's, and moves from {code} to {home}/current/code")


def _has_module(root: str, top: str) -> bool:
    return os.path.isdir(os.path.join(root, top)) or os.path.isfile(os.path.join(root, f"{top}.py"))


def _pool(app: _Adopted, facts: Facts, group: _Group, pool: Pool | None, code: str) -> None:
    name, place = app.fields["name"], group.place
    if pool is None:
        today = place.process_group.value
        what = f"{today}, which the request chooses or nobody declares," if today else "embedded mode"
        app.changes.append(f"{what} becomes a pool of its own, as {name}-app in place of {facts.instance.user}")
        return
    options = pool.options
    for key, own in (("processes", "1"), ("threads", "15")):
        with contextlib.suppress(ValueError):
            app.keep(key, int(options.get(key, own)))
    _identity(app, facts, group, pool)
    daemon: Row = {}
    for key, value in options.items():
        option = OPTIONS.get(key)
        if option is None:
            app.remarks.append(f"{key}= of WSGIDaemonProcess is not known here")
            continue
        if option.set_by:
            continue
        if key in OWNER_CHECKS:
            app.changes.append(
                f"{key}={value} goes: it denies requests by mistake where Apache has threads, and what it was for is "
                "made sure by every play: only root can change the entry file and the directories above it"
            )
            continue
        if key == "python-path":
            # The directory that becomes the release, and packages of a virtual environment, are no code of elsewhere.
            value = ":".join(
                path for path in _python_path(facts, pool) if not _is_packages(path) and not _is_code(facts, path, code)
            )
            if not value:
                continue
        if option.refused:
            app.remarks.append(f"{key}={value} {option.refused}")
            continue
        default = DEFAULT_DAEMON_OPTIONS.get(key)
        if str(default) == value:
            continue
        # No bound at all, or files for everybody, is what hardening is for.
        loose = (isinstance(default, int) and value == "0") or (key == "umask" and not _strict(value))
        if not loose and app.keep(
            "daemon_process", {**daemon, key: int(value) if value.isdigit() and key != "umask" else value}
        ):
            daemon = app.fields["daemon_process"]
    new = [
        f"{key}={default}" + (f" (now {options[key]})" if key in options else "")
        for key, default in DEFAULT_DAEMON_OPTIONS.items()
        if isinstance(default, int) and key not in daemon and options.get(key) != str(default)
    ]
    if new:
        app.changes.append(f"waiting ends: {', '.join(new)}; daemon_process sets others")
    if not _strict(options.get("umask", "")) and "umask" not in daemon:
        app.changes.append(f"umask becomes 0027, from {options.get('umask') or 'that of Apache'}")
    for place_option, what in (("home", "the working directory"), ("python-home", "the virtual environment")):
        if place_option not in options:
            app.changes.append(f"{place_option}= is set: {what} is the release's")
    if place.application_group.value != "%{GLOBAL}":
        app.changes.append("it runs in the main interpreter of its processes, WSGIApplicationGroup %{GLOBAL}")


def _is_code(facts: Facts, path: str, code: str) -> bool:
    return bool(code) and code in (os.path.normpath(path), facts.real(path), os.path.realpath(path))


def _strict(umask: str) -> bool:
    return bool(re.fullmatch("[0-7]{3,4}", umask)) and int(umask, 8) & 0o027 == 0o027


def _identity(app: _Adopted, facts: Facts, group: _Group, pool: Pool) -> None:
    name, options = f"{app.fields['name']}-app", pool.options
    # Kept where it is this app's alone; the model refuses those that everybody shares, such as www-data.
    mine = {place.process_group.value for place in group.places}
    others = [other.options for other in facts.pools if other.name not in mine and facts.served_by(other.name)]

    def is_own(option: str) -> bool:
        value = options.get(option, "")
        return value not in ("", facts.instance.user) and all(other.get(option) != value for other in others)

    account = options.get("user", "")
    if account != name and not (is_own("user") and app.keep("account", account, quiet=True)):
        app.changes.append(f"it runs as {name}, not as {account or facts.instance.user}")
    account = str(app.fields.get("account", name))
    group_name = options.get("group", account)
    if group_name != account and not (is_own("group") and app.keep("group", group_name, quiet=True)):
        app.changes.append(f"its group is {account}, not {group_name}")
    own_group = str(app.fields.get("group", account))
    wanted = options.get("supplementary-groups")
    groups = wanted.split(",") if wanted is not None else _live_groups(facts, pool)
    further = [one for one in groups if one not in (own_group, options.get("group", ""), facts.instance.user)]
    if further:
        app.keep("supplementary_groups", further)
    if facts.instance.user in groups:
        app.changes.append(f"it leaves Apache's group {facts.instance.user}")


def _live_groups(facts: Facts, pool: Pool) -> list[str]:
    names = []
    for process in facts.live.get(pool.name, [])[:1]:
        for gid in process["groups"]:
            if gid != process["gid"]:
                with contextlib.suppress(KeyError):
                    names.append(grp.getgrgid(gid).gr_name)
    return names


def _tls(app: _Adopted, facts: Facts, group: _Group) -> None:
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
        if not any(_ours(line.file) for line in host.directives):
            app.changes.append("answers have Strict-Transport-Security; hsts: 0 in tls sends none")
        else:
            tls["hsts"] = 0
    app.keep("tls", tls)
    if "certificate" in tls and not _ours(group.place.mapped.file):
        app.remarks.append("certificate and key are not copied: they have to be on the new host at these paths")
    if any(said(one, "sslengine").lower() != "on" for one in group.hosts):
        app.changes.append("port 80 redirects to TLS, where it answered before")


def _web(app: _Adopted, place: Place) -> None:
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
    proxies = place.setting("wsgitrustedproxies").value.split()
    headers = place.setting("wsgitrustedproxyheaders").value.split()
    if proxies and headers:
        # The model wants both or neither.
        before = len(app.remarks)
        trial = _Adopted(app.fields["name"])
        trial.fields = {**app.fields, "trusted_proxy_headers": headers}
        if trial.keep("trusted_proxies", proxies):
            app.fields.update(trusted_proxies=proxies, trusted_proxy_headers=headers)
        app.remarks[before:] = trial.remarks
    elif headers or not place.lines("requestheader"):
        app.changes.append("headers of proxies, such as X-Forwarded-For, reach it from trusted_proxies only; name them")
    if not _ours(place.mapped.file) and place.setting("allowoverride").value.lower() not in ("", "none"):
        app.changes.append(".htaccess files are no longer read")


def _aliases(facts: Facts, group: _Group) -> dict[str, str]:
    """Return the URL of each directory that the virtual hosts serve by an Alias."""
    found: dict[str, str] = {}
    for host in group.hosts:
        for line in _lines(facts, group, host):
            if line.name == "alias" and len(line.words) == 2:
                real = str(facts.paths.get(line.words[1], {}).get("real") or line.words[1]).rstrip("/")
                found.setdefault(real, line.words[0])
    return found


def _static(
    app: _Adopted, facts: Facts, group: _Group, groups: Sequence[_Group], code: str, data: Sequence[str]
) -> None:
    static: Row = {}
    mount = group.place.url
    for host in group.hosts:
        mounts = [one.place.url for one in groups if host in one.hosts]
        for line in _lines(facts, group, host):
            if line.name != "alias" or len(line.words) != 2:
                continue
            url, path = line.words[0].rstrip("/"), line.words[1].rstrip("/")
            if not url or max((one for one in mounts if below(url, one)), key=len, default="") != mount:
                continue
            real = str(facts.paths.get(line.words[1], {}).get("real") or path).rstrip("/")
            if any(below(real, path) for path in data):
                app.remarks.append(
                    f"{line.shown} ({line.source}): data of the application, which Apache does not serve; let the "
                    "application answer these URLs"
                )
            elif code and real.startswith(code + "/") and url not in static:
                if app.keep("static", {**static, url: real[len(code) + 1 :]}):
                    static = app.fields["static"]
            elif url not in static:
                app.remarks.append(
                    f"{line.shown} ({line.source}): not a directory of the code; static takes those of the source only"
                )


def _writable(app: _Adopted, facts: Facts, pool: Pool | None, code: str, served: Mapping[str, str]) -> Data:
    """Set what the application writes, and where that is today; return what else there is to say of it."""
    account = str(app.fields.get("account", f"{app.fields['name']}-app"))
    if code.startswith(f"/var/lib/{account}/releases/"):
        with contextlib.suppress(OSError):
            names = sorted(entry.name for entry in os.scandir(f"/var/lib/{account}/data") if entry.is_dir())
            if names:
                app.keep("writable", names)
        return Data()
    processes = facts.live.get(pool.name, []) if pool else []
    children = [row["pid"] for row in facts.host.children if row.get("own")]
    writer = account_of(processes, facts.instance.uid, facts.instance.gid, children)
    found = find_data(code, f"/var/lib/{account}", writer, served, _environment_directory(facts, pool))
    app.remarks += found.remarks
    if found.writable and app.keep("writable", found.writable):
        if found.sources:
            app.keep("data_from", found.sources)
        app.changes.append("only directories below its data/ can be written, which `writable` names")
    return found


def _environment_directory(facts: Facts, pool: Pool | None) -> str:
    line = facts.last("wsgipythonhome")
    return (pool.options.get("python-home", "") if pool else "") or (line.words[0] if line and line.words else "")


def _distributions(facts: Facts, pool: Pool | None) -> list[str]:
    """Return name==version of what is installed; names of directories only, since their content is the account's."""
    home = _environment_directory(facts, pool)
    places = [path for path in _python_path(facts, pool) if _is_packages(path)]
    if home.startswith("/"):
        with contextlib.suppress(OSError):
            for version in os.scandir(os.path.join(facts.real(home), "lib")):
                if version.name.startswith("python3"):
                    places.append(os.path.join(version.path, "site-packages"))
    found = set()
    for place in places:
        with contextlib.suppress(OSError):
            for entry in os.scandir(place):
                named = _DISTRIBUTION.fullmatch(entry.name)
                if named and named.group(1).lower() not in _TOOLS:
                    found.add(f"{named.group(1)}=={named.group(2)}")
    return sorted(found, key=str.lower)


def _environment(place: Place, script: Script, facts: Facts, pool: Pool | None) -> list[str]:
    """Return names of variables; their values stay on the host."""
    lines = [*place.lines("setenv"), *place.lines("passenv")]
    names = [line.value.split()[0] for line in lines if line.value.split()]
    account = pool.options.get("user", "") if pool else ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        # As the roles write it; root's, and no link is followed.
        path = f"/var/lib/{account}/environment"
        if account and "/" not in account and os.path.isfile(path) and not os.path.islink(path):
            with open(path, encoding="utf-8") as file:
                names += json.load(file).keys()
    # What the script sets is lost where another file takes its place. Names with a hyphen are Apache's own switches.
    own = script.environment if script.module else []
    return sorted({name for name in [*names, *own] if _VARIABLE.fullmatch(str(name))})


def _ours(file: str) -> bool:
    return os.path.basename(file).startswith(_OURS)


def _site_files(group: _Group) -> list[str]:
    files = dict.fromkeys(os.path.basename(host.file) for host in group.hosts if host.addresses)
    return [file for file in files if file.endswith(".conf") and not file.startswith(_OURS)]


def _findings(facts: Facts, group: _Group, pool: Pool | None, results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the rules that fail for this app."""
    urls = {place.name for place in group.places}
    hosts = {host.name for host in group.hosts}
    files = {group.place.path, facts.real(group.place.path)}
    about = {("pool", pool.name)} if pool else set()
    about |= {("virtual_host", name) for name in urls | hosts} | {("file", path) for path in files}
    found = {}
    for row in results:
        subject = (row["subject"]["kind"], row["subject"]["name"])
        if row["status"] == "fail" and row["instance"] == facts.instance.config_file and subject in about:
            found[row["rule_id"]] = f"{row['rule_id']} {row['title']} ({row['severity']})"
    return list(found.values())


def _told(app: _Adopted, facts: Facts, group: _Group, code: str) -> None:
    """Say which lines of the virtual hosts became nothing."""
    for place in group.places:
        if place.process_group.value != group.place.process_group.value:
            app.remarks.append(f"{place.url} is served by pool {place.process_group.value or '(embedded)'} today")
    for host in group.hosts:
        lines = [line for line in _lines(facts, group, host) if not _ours(line.file)]
        app.remarks += [f"{where}{line.shown} ({line.source})" for where, line in _left(lines, "")]
    if code and os.path.isfile(os.path.join(code, "pyvenv.cfg")):
        app.remarks.append("the code lies in a virtual environment: leave that out of the source")


def _left(lines: Sequence[Directive], where: str) -> Iterable[tuple[str, Directive]]:
    for line in lines:
        if _by_the_roles(line):
            continue
        if line.inside or not line.written:
            yield from _left(line.inside, f"{where}<{line.name} {line.text}> ")
        elif line.name not in _CARRIED:
            yield where, line


def _by_the_roles(line: Directive) -> bool:
    """Tell whether the roles do what a line does by themselves."""
    words = [word.lower() for word in line.words]
    if line.name == "requestheader":
        return words[:1] == ["unset"] and len(words) > 1 and words[1] in _PROXY_HEADERS
    if line.name == "header":
        return "strict-transport-security" in words
    return (line.name, *words) in (("require", "all", "granted"), ("require", "all", "denied"), ("cgipassauth", "off"))
