# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from a host for the audit; nothing is changed, and no code of an app or its packages runs."""

from __future__ import annotations

import ast
import contextlib
import getopt
import grp
import os
import pwd
import re
import socket
from collections.abc import Mapping
from typing import Any

from ...apache import server
from ...apache.layout import host_layout
from ...apache.processes import live_pools, parent_pid
from ...host.command import CommandError, Run
from ...host.errors import PalisadeError
from ..config import Tree, read_tree
from ..facts import NO_DUMP, Facts, Instance, code_paths
from .files import file_facts
from .host import host_facts
from .proc import read_paths
from .tree import holds_code, read_start
from .web import add_backends, web_facts

_NAMES = re.compile(r"(apache2|httpd)(-\w+)?$")
_MODULES = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules", "modules")
_LISTENING = "0A"


def _executable(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/exe").replace(" (deleted)", "")


def parents() -> list[int]:
    """Return the parent process of each Apache that runs here; those of containers are their own hosts'."""
    found = []
    here = os.readlink("/proc/self/ns/pid")
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            binary = _executable(pid)
            named = _NAMES.search(os.path.basename(binary))
            above = parent_pid(pid)
            if named and (above == 0 or _executable(above) != binary) and os.readlink(f"/proc/{pid}/ns/pid") == here:
                found.append(pid)
        except (OSError, ValueError):
            # It ended, or is not for us to see.
            continue
    return found


def settings_of(words: list[str]) -> list[str]:
    """Return the arguments of Apache that decide on its configuration, each as two words such as -D NAME."""
    try:
        options, _rest = getopt.getopt(words, "C:c:D:d:E:e:f:k:R:vVlLtTSMhX")
    except getopt.GetoptError:
        return []
    wanted = [(option, value) for option, value in options if option in ("-f", "-d", "-D", "-C", "-c")]
    return [word for option, value in wanted if value != "FOREGROUND" for word in (option, value)]


class Apache:
    """One Apache, asked with the arguments and the environment that it was started with."""

    def __init__(self, binary: str, arguments: list[str], environment: Mapping[str, str], run: Run) -> None:
        self.binary, self._arguments, self._environment, self.run = binary, arguments, environment, run

    @classmethod
    def of(cls, pid: int, run: Run) -> Apache:
        kept = settings_of(read_paths(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")[1:])
        pairs = (pair.partition("=") for pair in read_paths(f"/proc/{pid}/environ").split("\0") if "=" in pair)
        return cls(_executable(pid), kept, {key: value for key, _equals, value in pairs}, run)

    def say(self, *arguments: str) -> str:
        return self.run([self.binary, *self._arguments, *arguments], {**self._environment, "LC_ALL": "C.UTF-8"})

    def built_with(self) -> dict[str, str]:
        """Return version, HTTPD_ROOT, SERVER_CONFIG_FILE and the like."""
        said = self.say("-V")
        facts = dict(re.findall(r'-D (\w+)="([^"]*)"', said))
        version = re.search(r"Apache/([0-9.]+)", said)
        mpm = re.search(r"Server MPM:\s+(\w+)", said)
        return {**facts, "version": version.group(1) if version else "", "mpm": mpm.group(1) if mpm else ""}

    def config_file(self, built: Mapping[str, str]) -> str:
        root = self._option("-d") or built.get("HTTPD_ROOT", "/")
        return os.path.join(root, self._option("-f") or built.get("SERVER_CONFIG_FILE", ""))

    def _option(self, name: str) -> str:
        pairs = list(zip(self._arguments, self._arguments[1:]))
        return next((value for option, value in reversed(pairs) if option == name), "")

    def dump(self, *words: str) -> str:
        """Return what Apache says of its configuration; CommandError where it refuses it."""
        load = next((f"LoadModule info_module {path}/mod_info.so" for path in _MODULES if _has_info(path)), "")
        load_arguments = ["-C", load] if load else []
        return self.say(*load_arguments, "-t", *(part for word in words for part in ("-D", word)))


def _has_info(directory: str) -> bool:
    return os.path.exists(os.path.join(directory, "mod_info.so"))


def _settings(instance: Instance, apache: Apache) -> Tree:
    """Fill in what Apache says of itself, and return its configuration."""
    try:
        built = apache.built_with()
        instance.apache_version, instance.mpm = built["version"], built["mpm"].lower()
        instance.config_file = apache.config_file(built)
        instance.root = built.get("HTTPD_ROOT", "/")
        said = apache.dump("DUMP_MODULES", "DUMP_RUN_CFG", "DUMP_INCLUDES")
        tree = read_tree(apache.dump("DUMP_CONFIG"))
    except CommandError as error:
        instance.config_file = instance.config_file or apache.config_file({})
        instance.error = error.complaint or "Apache's check failed"
        return Tree([], [], [])
    instance.modules = re.findall(r"^ (\w+)_module \(", said, re.MULTILINE)
    instance.files = re.findall(r"^  +\([*0-9]+\) (/.*)$", said, re.MULTILINE)
    instance.root = _found(r'^ServerRoot: "(.*)"$', said) or instance.root
    instance.user = _found(r'^User: name="(.*?)"', said)
    instance.uid = int(_found(r"^User: .* id=([0-9]+)", said) or 0) or None
    instance.gid = int(_found(r"^Group: .* id=([0-9]+)", said) or 0) or None
    if not tree.directives:
        instance.error = NO_DUMP
    return tree


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else ""


def _mod_wsgi(pid: int) -> dict[str, str]:
    """Return version and Python of the module that a process has in its memory."""
    try:
        paths = re.findall(r" (/\S*wsgi[^/]*\.so\S*)", read_paths(f"/proc/{pid}/maps"))
        known = [server.module_facts(path) for path in dict.fromkeys(paths)]
    except OSError:
        known = []
    return next((one for one in known if one["version"]), {"version": "", "python": ""})


def collect(run: Run, active: str) -> list[Facts]:
    """Return the facts of every Apache on this host, running or installed."""
    found = []
    for pid in parents():
        # It may end while it is read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(_facts(pid, Apache.of(pid, run), active))
    if not found:
        try:
            layout = host_layout()
        except PalisadeError:
            return []
        if os.path.exists(layout.binary):
            found.append(_facts(None, Apache(layout.binary, [], server.environment_of(layout, run), run), active))
    add_backends(found)
    return found


def _facts(pid: int | None, apache: Apache, active: str) -> Facts:
    instance = Instance(apache.binary, "", pid)
    tree = _settings(instance, apache)
    facts = Facts(instance, tree)
    if pid is not None:
        module = _mod_wsgi(pid)
        instance.mod_wsgi_version, instance.python = module["version"], module["python"]
        instance.title = read_paths(f"/proc/{pid}/cmdline").split("\0")[0]
        facts.live = _live(pid, apache.binary, tree)
        facts.listeners = listeners(pid)
    _accounts(facts)
    _paths(facts)
    facts.host = host_facts(facts, apache.run)
    facts.files = file_facts(facts, active)
    facts.web = web_facts(facts, apache.run, active)
    return facts


def _live(parent: int, binary: str, tree: Tree) -> dict[str, list[dict[str, Any]]]:
    declared = [{"name": pool.name, "options": pool.options} for pool in tree.pools]
    found: dict[str, list[dict[str, Any]]] = {}
    for pool in live_pools(binary, declared, parent):
        for process in pool["processes"]:
            try:
                found.setdefault(str(pool["name"]), []).append({**process, **_more(process["pid"])})
            except OSError:
                continue
    return found


def _more(pid: int) -> dict[str, Any]:
    status = dict(line.split(":", 1) for line in read_paths(f"/proc/{pid}/status").splitlines() if ":" in line)
    return {
        "uids": [int(word) for word in status["Uid"].split()],
        "gids": [int(word) for word in status["Gid"].split()],
        "capabilities": int(status["CapEff"], 16) | int(status.get("CapAmb", "0"), 16),
        "no_new_privileges": status.get("NoNewPrivs", "").strip() == "1",
        # What ps shows.
        "title": read_paths(f"/proc/{pid}/cmdline").split("\0")[0].rstrip(),
    }


def listeners(pid: int) -> list[dict[str, Any]]:
    """Return address and port of each TCP socket that a process listens on."""
    inodes = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        try:
            rows = [line.split() for line in read_paths(f"/proc/{pid}/net/{table}").splitlines()[1:]]
        except OSError:
            continue
        found += [address_of(row[1]) for row in rows if row[3] == _LISTENING and row[9] in inodes]
    return found


def address_of(text: str) -> dict[str, Any]:
    """Return address and port of the kernel's form such as 0100007F:1F90."""
    digits, _colon, port = text.partition(":")
    raw = bytes.fromhex(digits)
    # Each word of four bytes is in the order of the machine.
    words = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    family = socket.AF_INET if len(words) == 4 else socket.AF_INET6
    return {"address": socket.inet_ntop(family, words), "port": int(port, 16)}


def _accounts(facts: Facts) -> None:
    for pool in facts.pools:
        user, group = pool.options.get("user"), pool.options.get("group")
        if user is not None:
            facts.users[user] = _id(user, lambda name: pwd.getpwnam(name).pw_uid)
        if group is not None:
            facts.groups[group] = _id(group, lambda name: grp.getgrnam(name).gr_gid)


def _id(name: str, look_up: Any) -> int | None:
    if name.startswith("#"):
        return int(name[1:]) if name[1:].isdigit() else None
    try:
        return int(look_up(name))
    except KeyError:
        return None


_SCRIPT_SIZE = 1 << 20


def script_facts(path: str) -> dict[str, Any]:
    """Return whether a script defines the application itself, and what it adds to sys.path; it is only read."""
    defines, inserts = False, []
    try:
        parsed = ast.parse(read_start(os.path.realpath(path), _SCRIPT_SIZE))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return {"defines": False, "inserts": []}
    for node in parsed.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in ("application", "app"):
            defines = True
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("sys.path.insert", "sys.path.append"):
            texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            inserts += [text for text in texts if text.startswith("/")]
    return {"defines": defines, "inserts": inserts}


def environment_python(settings: str) -> str:
    """Return X.Y of the interpreter that a pyvenv.cfg was made with; virtualenv and venv name it differently."""
    return _found(r"^version(?:_info)?\s*=\s*([0-9]+\.[0-9]+)", settings)


def _paths(facts: Facts) -> None:
    for place in facts.places:
        if place.path.startswith("/") and not os.path.isdir(place.path):
            facts.paths[place.path] = script_facts(place.path)
    roots = {path for pool in facts.pools for path in code_paths(facts, pool)}
    roots |= {place.path for place in facts.places}
    roots |= {word for line, _around, _host in facts.tree.every("wsgipythonhome") for word in line.words}
    for path in sorted(path for path in roots if path.startswith("/")):
        real = os.path.realpath(path)
        row = {"exists": os.path.exists(real), "real": real, "directory": os.path.isdir(real)}
        if not row["directory"]:
            row["neighbours"] = holds_code(os.path.dirname(real), [os.path.basename(real)])
        settings = os.path.join(real, "pyvenv.cfg")
        row["environment"] = os.path.exists(settings)
        row["python"] = environment_python(read_start(settings, _SCRIPT_SIZE).decode("utf-8", "replace"))
        facts.paths[path] = {**facts.paths.get(path, {}), **row}
    for line, _around, _host in facts.tree.every("documentroot", "alias", "scriptalias"):
        for path in line.words[-1:]:
            facts.paths.setdefault(path, {"exists": os.path.exists(path), "real": os.path.realpath(path)})
