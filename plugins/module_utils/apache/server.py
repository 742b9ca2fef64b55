# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache as it is on this host: its check, its own dump of its configuration, its module files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError
from .layout import ApacheLayout
from .syntax import parse_options

# The version string, and the Python that the module is linked to, as they stand in mod_wsgi.so.
_MODULE_VERSION = re.compile(rb"\0([4-9]\.[0-9]+\.[0-9]+)\0")
_MODULE_PYTHON = re.compile(rb"libpython([0-9]\.[0-9]+)")
_FILE_PYTHON = re.compile(r"(?:cpython-|-py)([0-9])([0-9]+)")
_LOAD_WSGI = re.compile(r'^\s*LoadModule\s+wsgi_module\s+"?([^"\s]+)', re.MULTILINE | re.IGNORECASE)


@dataclass
class Configuration:
    """What Apache itself read: loaded modules, pools and virtual hosts, or why it refuses its configuration."""

    error: str = ""
    modules: list[str] = field(default_factory=list)
    pools: list[dict[str, Any]] = field(default_factory=list)
    virtual_hosts: list[dict[str, Any]] = field(default_factory=list)


def environment_of(layout: ApacheLayout, run: Run) -> dict[str, str]:
    """Return the environment that the distribution starts Apache with."""
    if not layout.envvars or not os.path.exists(layout.envvars):
        return {"LANG": "C"}
    said = run(["/bin/sh", "-c", '. "$1" >/dev/null 2>&1; exec env -0', "sh", layout.envvars], {"LANG": "C"})
    pairs = (pair.partition("=") for pair in said.split("\0") if "=" in pair)
    return {key: value for key, _equals, value in pairs}


def check(layout: ApacheLayout, run: Run, server_root: str | None = None) -> str:
    """Return Apache's complaint about its configuration, or about a copy of it; empty where it is valid."""
    try:
        _apache(layout, ["-t"], run, server_root)
    except CommandError as error:
        return error.complaint or "Apache's check failed"
    return ""


def _apache(layout: ApacheLayout, arguments: list[str], run: Run, server_root: str | None = None) -> str:
    root = server_root or layout.root
    main_file = os.path.join(root, os.path.relpath(layout.main_file, layout.root))
    return run([layout.binary, "-d", root, "-f", main_file, *arguments], environment_of(layout, run))


def read_configuration(layout: ApacheLayout, run: Run) -> Configuration:
    """Return Apache's own dump of its configuration, without a running server."""
    info = f"LoadModule info_module {layout.modules}/mod_info.so"
    try:
        said = _apache(layout, ["-C", info, "-t", "-D", "DUMP_CONFIG", "-D", "DUMP_MODULES"], run)
    except CommandError as error:
        return Configuration(error=error.complaint or "Apache's check failed")
    modules = re.findall(r"^ (\w+)_module \(", said, re.MULTILINE)
    pools, hosts = _read_dump(said)
    return Configuration(modules=modules, pools=pools, virtual_hosts=hosts)


def _read_dump(dump: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the declared pools and the virtual hosts, both in Apache's order."""
    pools: list[dict[str, Any]] = []
    hosts: list[dict[str, Any]] = []
    file, line = "", 0
    host: dict[str, Any] | None = None
    # At the line feed only: a value may hold what Python takes for another end of a line.
    for text in dump.split("\n"):
        plain = text.strip()
        directive, _space, arguments = plain.partition(" ")
        # Apache knows a directive in any case, and shows it as it was written.
        directive = directive.lower()
        if plain.startswith("# In file: "):
            file = plain[len("# In file: ") :]
        elif re.fullmatch(r"#\s+[0-9]+:", plain):
            line = int(plain.strip("# :"))
        elif directive == "<virtualhost":
            host = {"addresses": arguments.rstrip(">").split(), "server_names": [], "file": file, "line": line}
            hosts.append(host)
        elif plain.lower().startswith("</virtualhost"):
            host = None
        elif host is not None and directive == "servername":
            host["server_names"].insert(0, parse_options(arguments)[0])
        elif host is not None and directive == "serveralias":
            host["server_names"] += [name.strip("\"'") for name in arguments.split()]
        elif directive == "wsgidaemonprocess":
            name, options = parse_options(arguments)
            pools.append({"name": name, "options": options, "file": file, "line": line, "host": host})
    for pool in pools:
        names = (pool.pop("host") or {}).get("server_names")
        pool["server_name"] = names[0] if names else ""
    return pools, hosts


def version(layout: ApacheLayout, run: Run) -> str:
    """Return Apache's version such as 2.4.71, empty where it does not run."""
    try:
        found = re.search(r"Apache/([0-9.]+)", _apache(layout, ["-v"], run))
    except PalisadeError:
        return ""
    return found.group(1) if found else ""


def enabled_mod_wsgi(layout: ApacheLayout) -> dict[str, str] | None:
    """Return version, Python and file of the mod_wsgi that Apache loads, read from the file; None without one."""
    for path in _load_files(layout):
        try:
            with open(path, encoding="utf-8", errors="replace") as text:
                found = _LOAD_WSGI.search(text.read())
        except OSError:
            continue
        if found:
            module = os.path.join(layout.root, found.group(1))
            if os.path.isfile(module):
                return {"module": module, **module_facts(module)}
    return None


def _load_files(layout: ApacheLayout) -> list[str]:
    directory = layout.module_links or layout.module_files
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        names = []
    return [*(os.path.join(directory, name) for name in names), layout.main_file]


def module_facts(path: str) -> dict[str, str]:
    """Return {version, python} of a mod_wsgi.so from its bytes; empty strings for what they do not tell."""
    with open(path, "rb") as file:
        content = file.read()
    version_found = _MODULE_VERSION.search(content)
    python_found = _MODULE_PYTHON.search(content)
    python = python_found.group(1).decode() if python_found else ""
    named = _FILE_PYTHON.search(os.path.basename(os.path.realpath(path)))
    if not python and named:
        python = ".".join(named.groups())
    return {"version": version_found.group(1).decode() if version_found else "", "python": python}


def interpreter_facts(path: str, run: Run) -> dict[str, str]:
    """Return path, version (X.Y) and implementation of an interpreter; empty strings where it does not run."""
    program = "import platform; print(platform.python_implementation().lower(), *platform.python_version_tuple()[:2])"
    try:
        if not os.access(path, os.X_OK):
            raise PalisadeError(f"{path}: no program")
        implementation, major, minor = run([path, "-I", "-c", program]).split()
    except (PalisadeError, ValueError):
        return {"path": path, "version": "", "implementation": ""}
    return {"path": path, "version": f"{major}.{minor}", "implementation": implementation}


def mpm_of(modules: list[str]) -> str:
    """Return event, worker or prefork from the list of modules; empty where none is in it."""
    return next((name[len("mpm_") :] for name in modules if name.startswith("mpm_")), "")
