# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit knows of one Apache: plain data, which the rules judge without a host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .config import Directive, Pool, Tree, VirtualHost
from .merge import EMBEDDED, Place, places

_EXPRESS = re.compile(r"/mod_wsgi-[^/]+/httpd\.conf$|mod_wsgi-express")
# Apache's configuration may be good, but it cannot show it.
NO_DUMP = "mod_info is not installed, so Apache cannot show its configuration"


@dataclass
class Instance:
    """One Apache: a running parent process, or an installed one that does not run."""

    binary: str
    config_file: str
    pid: int | None = None
    root: str = "/"
    apache_version: str = ""
    mod_wsgi_version: str = ""
    # X.Y of the interpreter that mod_wsgi was built for; empty where its file does not tell.
    python: str = ""
    mpm: str = ""
    modules: list[str] = field(default_factory=list)
    # Of Apache's own children.
    user: str = ""
    uid: int | None = None
    gid: int | None = None
    # Every file of the configuration.
    files: list[str] = field(default_factory=list)
    # Apache's complaint where it refuses its configuration.
    error: str = ""
    # What ps shows of the parent.
    title: str = ""

    @property
    def express(self) -> bool:
        """Tell whether mod_wsgi-express made it."""
        return bool(_EXPRESS.search(self.config_file)) or "mod_wsgi-express" in self.title


@dataclass
class Access:
    """What a pool's account may do with its own code, seen as that account."""

    # Path, kind (root, code or ancestor), owner and mode of what it could write or owns.
    writable: list[dict[str, Any]] = field(default_factory=list)
    owned: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[dict[str, Any]] = field(default_factory=list)
    checked: int = 0
    # Why something is not known; empty if everything was looked at.
    unknown: str = ""


@dataclass
class HostFacts:
    """What is read of accounts, processes and the unit beside the pools' own processes."""

    # Why one of these is not known, by its name.
    unknown: dict[str, str] = field(default_factory=dict)
    # The account of each pool: {name, uid, gid, groups, shell, home, home_mode, home_files: some that everybody may
    # read though nothing serves them, locked, shadow, keys, jobs, others, regular, sudo}.
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    group_names: dict[int, str] = field(default_factory=dict)
    # Of the groups that supplementary-groups= names and the host has.
    group_ids: dict[str, int] = field(default_factory=dict)
    # Who owns a pool's code.
    owners: dict[str, list[int]] = field(default_factory=dict)
    # {uid, mapped: in a namespace of users, environment: names of likely secrets, label, enforcing, unit}.
    parent: dict[str, Any] = field(default_factory=dict)
    # {pid, uid, program, own: of Apache's binary, pool, hidden, command, secrets: names} of all that Apache started.
    children: list[dict[str, Any]] = field(default_factory=list)
    # Further parents of the same command line.
    twins: list[int] = field(default_factory=list)
    # Interpreters that run as Apache's account beside it.
    foreign: list[str] = field(default_factory=list)
    # Earliest and latest time at which Apache may have read its configuration, and the files that changed after.
    loaded: list[float] = field(default_factory=list)
    changed: dict[str, float] = field(default_factory=dict)
    # Limits of each pool's processes, as the kernel writes them.
    bounds: dict[str, dict[str, str]] = field(default_factory=dict)
    # Whether other processes of its account may look into a pool's.
    dumpable: dict[str, bool] = field(default_factory=dict)
    # By pool, libraries and modules in its memory whose files were replaced.
    stale: dict[str, list[str]] = field(default_factory=dict)
    # Of the kernel, by their paths below /proc/sys; "" for one that it has not.
    sysctls: dict[str, str] = field(default_factory=dict)
    # By pool: {signal, environment}: the pools whose processes it could signal or look into; or {unknown}.
    reach: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Settings of the parent's unit as systemctl shows them, and its name.
    unit: dict[str, str] = field(default_factory=dict)
    # By target of a ScriptAlias: whether there is something to run.
    scripts: dict[str, bool] = field(default_factory=dict)
    # By telemetry socket: what everybody may write on the way to it.
    telemetry: dict[str, list[str]] = field(default_factory=dict)
    # What starts code of pools beside them: {source, kind, account, pools, capabilities, secrets and variables: names,
    # name, command, schedule}.
    beside: list[dict[str, Any]] = field(default_factory=list)
    # Files of cron, logrotate and systemd with pkill -f wsgi.
    jobs: list[str] = field(default_factory=list)
    # Of apache and module: {path, package, version, mended, replaced}.
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    # {source, rule, most, ports, families} of rules of a packet filter that bound the connections of an address; most
    # is None where the rule's text does not tell.
    filters: list[dict[str, Any]] = field(default_factory=list)
    # Whether it has an address of IPv6 that others reach.
    ipv6: bool = False


@dataclass
class Reach:
    """What an account may do with files that are not its own code; rows as in Access, some with their pools."""

    # Of what other pools have: the first files of code, all secrets, and what could be written.
    reads: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[dict[str, Any]] = field(default_factory=list)
    writes: list[dict[str, Any]] = field(default_factory=list)
    # Of Apache's configuration, modules, logs and the directories above them, what the account may write or owns.
    watched: list[dict[str, Any]] = field(default_factory=list)
    # Directories that it may write, by the served one that they are in.
    served: dict[str, list[str]] = field(default_factory=dict)
    # Logs that it may read, and sockets that it may connect to.
    logs: list[str] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    # Scripts that it cannot reach.
    unreached: list[str] = field(default_factory=list)
    # Its own directories without code, what else of the host it may write, and secrets of the host that it may read.
    data: list[dict[str, Any]] = field(default_factory=list)
    foreign: list[dict[str, Any]] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    unknown: str = ""


@dataclass
class FileFacts:
    """What is read of files beside what a pool may do with its code."""

    pools: dict[str, Reach] = field(default_factory=dict)
    # Apache's own account, and one that is in no group and owns nothing.
    apache: Reach | None = None
    others: Reach | None = None
    apache_uid: int | None = None
    apache_groups: list[int] = field(default_factory=list)
    # Rows with the pools that they are of: secrets, what everybody may write, and what has an extended ACL
    # (users and groups by number with what they effectively have, default, unread).
    secrets: list[dict[str, Any]] = field(default_factory=list)
    wide: list[dict[str, Any]] = field(default_factory=list)
    acls: list[dict[str, Any]] = field(default_factory=list)
    # {path, pools} of each log.
    logs: list[dict[str, Any]] = field(default_factory=list)
    # By served directory as it is configured: {loose: rows of directories that others than root may write, overrides:
    # {path, loose, lines} of each .htaccess, links: to directories, unknown}.
    served: dict[str, dict[str, Any]] = field(default_factory=dict)
    # By script: its row and those of every directory on the way, with who may change them ({users, groups, everybody}).
    scripts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # {path, pool, owner, mode, named: who an ACL names, way: rows of the directories above}.
    sockets: list[dict[str, Any]] = field(default_factory=list)
    # By pool, what it has in a directory that everybody writes: {what, path}.
    temporary: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    private_tmp: bool = False
    # By directory of a virtual environment: {system: whether it sees the system's packages, checked and unread: number
    # of files that were compared with RECORD, or not, altered, editable and imports: paths}.
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Directories from which programs could be run, by pool.
    executable: dict[str, list[str]] = field(default_factory=dict)
    # Why something is not known, by what: trees (of a pool by its name), watched, everything.
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass
class WebFacts:
    """What is read for the rules on what Apache answers."""

    # How far the probes went: none, safe or full.
    active: str = "none"
    # By cipher string, the ciphers before TLS 1.3 that it stands for.
    ciphers: dict[str, list[str]] = field(default_factory=dict)
    # By virtual host: {path, until, days, bits, rsa, error}.
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)
    # By pool, the names of debug switches that are on.
    debug: dict[str, list[str]] = field(default_factory=dict)
    # By directory, what of version control and secrets lies in it.
    hidden: dict[str, list[str]] = field(default_factory=dict)
    # Listeners that a proxy of this host hands requests to: {address, port, source, line, reached: from outside}.
    backends: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Facts:
    """Everything that a rule may look at."""

    instance: Instance
    tree: Tree
    # Processes by pool.
    live: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # uid and gid of the accounts and groups that the configuration names; None for one that is not on the host.
    users: dict[str, int | None] = field(default_factory=dict)
    groups: dict[str, int | None] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    # By path: {exists, real, directory, environment: a virtual one}; of a script also {neighbours: what else of Python
    # is in its directory, defines: it is the application and does not import it, inserts: what it adds to sys.path}.
    paths: dict[str, dict[str, Any]] = field(default_factory=dict)
    listeners: list[dict[str, Any]] = field(default_factory=list)
    # {host, kind, path, port, request, status, server, headers, body, error} of each answer.
    probes: list[dict[str, Any]] = field(default_factory=list)
    host: HostFacts = field(default_factory=HostFacts)
    files: FileFacts = field(default_factory=FileFacts)
    web: WebFacts = field(default_factory=WebFacts)
    _places: list[Place] | None = None

    @property
    def places(self) -> list[Place]:
        """Return every URL that mod_wsgi serves."""
        if self._places is None:
            self._places = places(self.tree)
        return self._places

    @property
    def pools(self) -> Sequence[Pool]:
        return self.tree.pools

    def pool(self, name: str) -> Pool | None:
        """Return a declared pool."""
        return next((pool for pool in self.tree.pools if pool.name == name), None)

    def served_by(self, pool: str) -> list[Place]:
        """Return the URLs of a pool."""
        return [place for place in self.places if place.process_group.value == pool]

    def real(self, path: str) -> str:
        """Return where a path leads."""
        return str(self.paths.get(path, {}).get("real") or path).rstrip("/") or "/"

    def last(self, name: str, host: VirtualHost | None = None) -> Directive | None:
        return self.tree.last(name, host)


# The pool that Apache's own processes are taken for.
IN_APACHE = "embedded mode"


def all_pools(facts: Facts) -> list[Pool]:
    """Return the pools, and Apache's own processes as one more where an application runs in them."""
    found = list(facts.pools)
    place = next((place for place in facts.places if place.process_group.value == EMBEDDED), None)
    if place is not None:
        lines = {"python-home": facts.last("wsgipythonhome"), "python-path": facts.last("wsgipythonpath")}
        options = {option: line.words[0] for option, line in lines.items() if line and line.words}
        found.append(Pool(IN_APACHE, options, place.mapped))
    return found


def code_paths(facts: Facts, pool: Pool) -> dict[str, str]:
    """Return the paths that a pool's code comes from, with what each is."""
    found: dict[str, str] = {}
    options = pool.options
    for option in ("python-home", "home"):
        if options.get(option, "").startswith("/"):
            found[options[option]] = option
    for path in options.get("python-path", "").split(":"):
        if path.startswith("/"):
            found.setdefault(path, "python-path")
    for place in facts.places:
        # A group that is expanded may be any.
        served = (place.process_group.value or IN_APACHE) == pool.name or "%{" in place.process_group.value
        if served and place.path.startswith("/") and "$" not in place.path:
            found.setdefault(place.path.rstrip("/"), "entry")
            for path in facts.paths.get(place.path, {}).get("inserts", []):
                found.setdefault(path, "sys.path of the script")
    return found
