# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files to look at, and as which accounts."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import re
from dataclasses import dataclass, field
from typing import Any

from ...apache.processes import parent_pid
from ..facts import Facts, all_pools, code_paths
from ..merge import serving_hosts
from ..paths import directory_of
from .access import NOBODIES
from .proc import read_paths

_LOGS = ("errorlog", "customlog", "transferlog", "globallog", "forensiclog", "scriptlog", "rewritelog")


@dataclass
class Plan:
    """What to look at: paths as they are configured, and the accounts to look as."""

    code: dict[str, dict[str, str]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    # What each of Apache's own files is.
    watched: dict[str, str] = field(default_factory=dict)
    logs: dict[str, set[str]] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    sockets: dict[str, str] = field(default_factory=dict)
    really: bool = False


APACHE, OTHERS = "apache", "others"


def key_of(pool: str) -> str:
    return f"pool {pool}"


def make_plan(facts: Facts) -> Plan:
    plan = Plan()
    for pool in facts.pools:
        process = next(iter(facts.live.get(pool.name, [])), None)
        # With chroot= its paths are not those of the host.
        if process is None or "chroot" in pool.options:
            continue
        plan.code[pool.name] = code_paths(facts, pool)
        plan.accounts[key_of(pool.name)] = {key: process[key] for key in ("uid", "gid", "groups")}
        with contextlib.suppress(KeyError):
            plan.homes[pool.name] = pwd.getpwuid(process["uid"]).pw_dir
    uids = {account["uid"] for account in plan.accounts.values()}
    apache = _apache_account(facts)
    if apache:
        plan.accounts[APACHE] = apache
        for pool in all_pools(facts)[len(facts.pools) :]:
            plan.code[pool.name], plan.accounts[key_of(pool.name)] = code_paths(facts, pool), apache
    nobody = next(uid for uid in NOBODIES if uid not in uids)
    plan.accounts[OTHERS] = {"uid": nobody, "gid": nobody, "groups": []}
    _plan_apache(facts, plan)
    _plan_served(facts, plan)
    return plan


def _plan_apache(facts: Facts, plan: Plan) -> None:
    instance, tree = facts.instance, facts.tree
    files = [instance.config_file, *_files(facts)]
    plan.watched = {path: "configuration" for path in files if path.startswith("/")}
    if instance.pid is not None:
        plan.watched.update(dict.fromkeys(_modules(instance.pid), "module"))
        plan.sockets = _sockets(instance.pid, [pool.name for pool in facts.pools])
    for line, _around, host in tree.every(*_LOGS):
        path = line.words[0] if line.words else ""
        if not path or path.startswith(("|", "syslog")) or "%" in path:
            continue
        path = os.path.join(instance.root, path)
        plan.watched[path] = "log"
        theirs = {place.process_group.value for place in facts.places if host and place.host is host}
        plan.logs.setdefault(path, set()).update(theirs)
    for line, _around, _host in tree.every("sslcertificatekeyfile"):
        plan.keys += [os.path.join(instance.root, word) for word in line.words[:1]]
    if any(tree.every("mdomain", "mdomainset")):
        store = facts.last("mdstoredir")
        top = os.path.join(instance.root, store.words[0] if store and store.words else "md")
        plan.watched[top] = "certificate store"
        plan.keys += glob.glob(f"{glob.escape(top)}/domains/*/privkey*.pem")
        plan.keys += glob.glob(f"{glob.escape(top)}/accounts/*/account.pem")


def _files(facts: Facts) -> list[str]:
    named = [getattr(host, "file", "") for host in facts.tree.hosts]
    lines = [line.file for line in facts.tree.directives]
    return [*facts.instance.files, *dict.fromkeys([*named, *lines])]


def _plan_served(facts: Facts, plan: Plan) -> None:
    found: list[str] = []
    for host in serving_hosts(facts.tree):
        for line in [*facts.tree.directives, *host.directives]:
            if line.name == "documentroot":
                found += line.words[:1]
            elif line.name in ("alias", "scriptalias", "aliasmatch", "scriptaliasmatch"):
                found += line.words[1:2]
    for place in facts.places:
        plan.scripts.append(place.path)
        # The directory of scripts, or of the one script.
        found.append(place.path if os.path.isdir(place.path) else os.path.dirname(place.path))
    plan.served = [path for path in dict.fromkeys(map(directory_of, found)) if path.startswith("/")]
    named = facts.last("accessfilename")
    plan.overrides = named.words if named else [".htaccess"]
    plan.scripts = [path for path in dict.fromkeys(plan.scripts) if path.startswith("/") and "$" not in path]


def _apache_account(facts: Facts) -> dict[str, Any] | None:
    """Return what Apache's own children are; what the configuration says where none can be seen."""
    instance = facts.instance
    if instance.pid is not None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            parent = _identity(instance.pid)
            if parent["uid"] != 0:
                # Not started by root, it stays who it is.
                return parent
    if instance.uid is None or instance.gid is None:
        return None
    daemons = {process["pid"] for processes in facts.live.values() for process in processes}
    for name in os.listdir("/proc") if instance.pid is not None else []:
        with contextlib.suppress(OSError, ValueError, KeyError):
            pid = int(name)
            if parent_pid(pid) == instance.pid and pid not in daemons:
                found = _identity(pid)
                if found["uid"] == instance.uid:
                    return found
    try:
        groups = os.getgrouplist(pwd.getpwuid(instance.uid).pw_name, instance.gid)
    except (KeyError, OSError):
        groups = [instance.gid]
    return {"uid": instance.uid, "gid": instance.gid, "groups": groups}


def _status(pid: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in read_paths(f"/proc/{pid}/status").splitlines() if ":" in line)


def _identity(pid: int) -> dict[str, Any]:
    status = _status(pid)
    uid, gid = int(status["Uid"].split()[1]), int(status["Gid"].split()[1])
    return {"uid": uid, "gid": gid, "groups": [int(word) for word in status["Groups"].split()]}


def _modules(pid: int) -> list[str]:
    """Return the files of the modules that Apache has loaded."""
    try:
        maps = read_paths(f"/proc/{pid}/maps")
    except OSError:
        return []
    return sorted(set(re.findall(r" (/\S*/mod_[^/\n]*\.so)$", maps, re.MULTILINE)))


def _sockets(pid: int, pools: list[str]) -> dict[str, str]:
    """Return the pool of each socket that an Apache has bound."""
    try:
        lines = read_paths(f"/proc/{pid}/net/unix").splitlines()[1:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        path = line.split(None, 7)[7] if len(line.split(None, 7)) == 8 else ""
        number = re.search(rf"\.{pid}\.u?[0-9]+\.([0-9]+)\.sock$", path)
        if number and 0 < int(number.group(1)) <= len(pools):
            found[path] = pools[int(number.group(1)) - 1]
    return found
