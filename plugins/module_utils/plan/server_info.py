# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the collection knows of a host before it changes anything, read from the host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ..apache import server
from ..apache.layout import TLS_DIRECTORY, ApacheLayout, host_layout, read_os_release
from ..apache.processes import apache_parent, live_pools
from ..host.command import Run
from ..host.confinement import may_confine
from ..host.errors import PalisadeError
from .managed_apps import managed_apps


def _names(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as lines:
        return [line.partition(":")[0] for line in lines]


def _occupied() -> list[str]:
    paths: list[str] = []
    for directory in ("/var/lib", "/var/www"):
        if os.path.isdir(directory):
            paths += [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    return paths


def _unlinked_sites(layout: ApacheLayout) -> list[str]:
    """Return the live sites that are files where links belong: the file is the only one."""
    directory = layout.site_links
    if not directory or not os.path.isdir(directory):
        return []
    paths = (os.path.join(directory, name) for name in sorted(os.listdir(directory)))
    return [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]


def _unused_certificates(layout: ApacheLayout) -> list[str]:
    """Return the names of certificates made here that no file of Apache's names, as after a removal that was killed."""
    made = os.listdir(TLS_DIRECTORY) if os.path.isdir(TLS_DIRECTORY) else []
    names = {name[: -len(".crt")] for name in made if name.endswith(".crt")}
    for directory, _directories, files in os.walk(layout.root) if names else ():
        for file in files:
            path = os.path.join(directory, file)
            # A link is to a file that is met by itself, or to none of Apache's.
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, encoding="utf-8", errors="replace") as content:
                    text = content.read()
                names = {name for name in names if f"{TLS_DIRECTORY}/{name}.crt" not in text}
    return sorted(names)


def _openssl(run: Run) -> str:
    """Return the version of OpenSSL such as 3.5.1, empty where its program is not installed."""
    try:
        return run(["openssl", "version"]).split()[1]
    except (PalisadeError, IndexError):
        return ""


def _default_site(layout: ApacheLayout, run: Run) -> str:
    """Return the link of the packaged default site if it is live and as packaged; else it is somebody's site."""
    link, file = f"{layout.site_links}/000-default.conf", f"{layout.site_files}/000-default.conf"
    if layout.family != "Debian" or not os.path.islink(link) or os.path.realpath(link) != file:
        return ""
    try:
        packaged = run(["dpkg-query", "--show", "--showformat", "${Conffiles}", layout.unit])
        with open(file, "rb") as content:
            digest = hashlib.md5(content.read()).hexdigest()  # noqa: S324  (dpkg's own record is MD5)
    except (OSError, PalisadeError):
        return ""
    return link if [file, digest] in (line.split() for line in packaged.splitlines()) else ""


def tasks_max(unit: str, run: Run, cgroups: str = "/sys/fs/cgroup") -> int | None:
    """Return how many processes and threads the unit may have: systemd's TasksMax, or a container's own bound."""
    found = []
    with contextlib.suppress(PalisadeError):
        found.append(run(["systemctl", "show", "--property", "TasksMax", "--value", unit]).strip())
    for path in ("pids.max", "pids/pids.max"):
        try:
            with open(os.path.join(cgroups, path), encoding="ascii") as file:
                found.append(file.read().strip())
        except OSError:
            continue
    numbers = [int(text) for text in found if text.isdigit()]
    # systemd's "infinity" can come as its largest number.
    return min((number for number in numbers if number < 2**32), default=None)


def server_info(python: str, run: Run) -> dict[str, Any]:
    """Return the facts documented in wsgi_server_info; a host without Apache has null for apache and mod_wsgi."""
    layout = host_layout()
    release = read_os_release()
    facts: dict[str, Any] = {
        "layout": layout.as_dict(),
        "apache": None,
        "mod_wsgi": None,
        "python": server.interpreter_facts(python, run),
        "pools_declared": [],
        "pools_live": [],
        "virtual_hosts": [],
        "apps": managed_apps(layout),
        "accounts": _names("/etc/passwd"),
        "groups": _names("/etc/group"),
        "occupied": _occupied(),
        "unlinked_sites": _unlinked_sites(layout),
        "unused_certificates": _unused_certificates(layout),
        "default_site": "",
        "openssl": _openssl(run),
        "distribution": {key: release.get(field, "") for key, field in (("id", "ID"), ("version", "VERSION_ID"))},
        "tasks_max": tasks_max(layout.unit, run),
        "confines": may_confine(),
    }
    if not os.path.exists(layout.binary):
        return facts
    configuration = server.read_configuration(layout, run)
    facts["apache"] = {
        "version": server.version(layout, run),
        "mpm": server.mpm_of(configuration.modules),
        "modules": configuration.modules,
        "configuration_error": configuration.error,
        "pid": apache_parent(layout.binary),
    }
    facts["default_site"] = _default_site(layout, run)
    facts["mod_wsgi"] = server.enabled_mod_wsgi(layout)
    facts["pools_declared"] = configuration.pools
    facts["virtual_hosts"] = configuration.virtual_hosts
    facts["pools_live"] = live_pools(layout.binary, configuration.pools)
    return facts


def digest(facts: Mapping[str, Any]) -> str:
    """Return the same text for the same host, without what is different after each restart of a process."""
    kept = {name: value for name, value in facts.items() if name != "pools_live"}
    if kept["apache"]:
        kept["apache"] = {**kept["apache"], "pid": None}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
