# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sudoers(5) lets an account do without a password; sudo itself is not run."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .proc import read_text

_DEPTH = 16
_FILE_SIZE = 1 << 20
# Not the # of an account's number.
_COMMENT = re.compile(r"(?<!\\)#(?![0-9]).*$")
_INCLUDE = re.compile(r"[@#](include|includedir)\s+(.+)")
_ALIAS = re.compile(r"(User_Alias|Runas_Alias|Host_Alias|Cmnd_Alias|Cmd_Alias)\s+(.*)")
_DEFAULTS = re.compile(r"Defaults([:@>!]?)(\S*)\s+(.*)")
_COMMAND = re.compile(
    r"\s*(?:\(([^)]*)\))?\s*((?:(?:ROLE|TYPE|CWD|CHROOT|TIMEOUT|NOTBEFORE|NOTAFTER|APPARMOR_PROFILE)=\S+\s+)*)"
    r"((?:[A-Z_]+\s*:\s*)*)(.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Account:
    """Who asks: the names and numbers that a rule may call it by."""

    name: str
    uid: int
    # Names by number.
    groups: tuple[tuple[int, str], ...] = ()


@dataclass
class _Rule:
    users: list[str]
    hosts: list[str]
    runas: str | None
    tags: list[str]
    command: str
    source: str


@dataclass
class Sudoers:
    """What the files say."""

    rules: list[_Rule] = field(default_factory=list)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    # The accounts, or ALL, that are not asked for a password.
    unasked: list[list[str]] = field(default_factory=list)


def read_sudoers(path: str = "/etc/sudoers") -> Sudoers:
    """Return the rules of a file and those that it includes; OSError where one cannot be read."""
    found = Sudoers()
    _read(path, found, 0)
    return found


def _read(path: str, found: Sudoers, depth: int) -> None:
    status = os.stat(path)
    if depth > _DEPTH or not stat.S_ISREG(status.st_mode) or status.st_size > _FILE_SIZE:
        raise OSError(f"{path} is not a readable file")
    for number, line in _lines(read_text(path, _FILE_SIZE)):
        included = _INCLUDE.fullmatch(line)
        if included is None:
            _understand(line, f"{path}:{number}", found)
            continue
        target = os.path.join(os.path.dirname(path), included.group(2).strip().strip('"').replace("\\ ", " "))
        target = target.replace("%h", socket.gethostname().partition(".")[0])
        if included.group(1) == "include":
            _read(target, found, depth + 1)
        elif os.path.isdir(target):
            # As sudo does: no backups, and nothing of a package manager.
            for name in sorted(name for name in os.listdir(target) if "." not in name and not name.endswith("~")):
                if os.path.isfile(os.path.join(target, name)):
                    _read(os.path.join(target, name), found, depth + 1)


def _lines(text: str) -> list[tuple[int, str]]:
    """Return number and text of each line, joined where it goes on, without comments."""
    found: list[tuple[int, str]] = []
    start, held = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        start = start if held else number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        whole = (held + line).strip()
        held = ""
        if not _INCLUDE.fullmatch(whole):
            whole = _COMMENT.sub("", whole).strip()
        if whole:
            found.append((start, whole))
    return found


def _parts(text: str, separator: str) -> list[str]:
    """Split at a separator that is neither escaped, nor in quotes or parentheses."""
    found, part, inside, position = [], "", "", 0
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            part += text[position : position + 2]
            position += 2
            continue
        if inside:
            inside = "" if character == inside else inside
        elif character in '"(':
            inside = ")" if character == "(" else character
        if character == separator and not inside:
            found.append(part)
            part = ""
        else:
            part += character
        position += 1
    return [*found, part]


def _items(text: str) -> list[str]:
    return [item.strip().strip('"').replace("\\", "") for item in _parts(text, ",") if item.strip()]


def _understand(line: str, source: str, found: Sudoers) -> None:
    alias, defaults = _ALIAS.fullmatch(line), _DEFAULTS.fullmatch(line)
    if alias:
        for definition in _parts(alias.group(2), ":"):
            name, _is, members = definition.partition("=")
            found.aliases[name.strip()] = _items(members)
    elif defaults or line.startswith("Defaults"):
        if defaults and "!authenticate" in [item.replace(" ", "") for item in _items(defaults.group(3))]:
            if defaults.group(1) in ("", "@"):
                found.unasked.append(["ALL"])
            elif defaults.group(1) == ":":
                found.unasked.append(_items(defaults.group(2)))
    else:
        _understand_rule(line, source, found)


def _understand_rule(line: str, source: str, found: Sudoers) -> None:
    left, equals, right = re.sub(r"\s*,\s*", ",", line).partition("=")
    words = re.split(r"(?<!\\)\s+", left.strip())
    if not equals or len(words) < 2:
        return
    hosts = words[-1]
    users = _items(" ".join(words[:-1]))
    # More hosts of the same users: A=... : B=...
    for part in re.split(r"\s:\s+(?=[^\s:=]+\s*=)", f"{hosts}={right}"):
        names, _is, commands = part.partition("=")
        runas: str | None = None
        tags: list[str] = []
        for one in _parts(commands, ","):
            matched = _COMMAND.fullmatch(one)
            if matched and not matched.group(4).startswith("("):
                # Both go on for the commands that follow.
                runas = runas if matched.group(1) is None else matched.group(1)
                tags = [*tags, *re.findall(r"[A-Z_]+", matched.group(3))]
                found.rules.append(_Rule(users, _items(names), runas, tags, matched.group(4).strip(), source))


def _listed(items: Sequence[str], names: Collection[str], aliases: dict[str, list[str]], depth: int = 0) -> bool:
    """Return whether a list means one of these names; the last item that fits decides."""
    found = False
    for item in items:
        plain = item.lstrip("!").strip()
        negated = (len(item) - len(item.lstrip("!"))) % 2 == 1
        fits = plain == "ALL" or plain in names
        if not fits and plain in aliases and depth < _DEPTH:
            fits = _listed(aliases[plain], names, aliases, depth + 1)
        if fits:
            found = not negated
    return found


def _certain(items: Iterable[str]) -> list[str]:
    """Return a list of hosts in which what cannot be decided here, such as an address, is every host."""
    found = []
    for item in items:
        if re.fullmatch(r"[!\s]*[A-Za-z][\w.-]*", item):
            found.append(item)
        elif not item.startswith("!"):
            found.append("ALL")
    return found


def _here(items: Sequence[str], aliases: dict[str, list[str]]) -> bool:
    """Return whether a rule may be meant for this host."""
    full = socket.gethostname()
    expanded = {name: _certain(members) for name, members in aliases.items()}
    return _listed(_certain(items), {full, full.partition(".")[0], "localhost"}, expanded)


def without_password(sudoers: Sudoers, account: Account) -> list[dict[str, Any]]:
    """Return what an account may run without a password: {source, command, root, everything}."""
    names = {account.name, f"#{account.uid}"}
    for gid, group in account.groups:
        names |= {f"%{group}", f"%#{gid}"}
    unasked = any(_listed(items, names, sudoers.aliases) for items in sudoers.unasked)
    found: list[tuple[str, list[str], dict[str, Any]]] = []
    for rule in sudoers.rules:
        if not (rule.command and _listed(rule.users, names, sudoers.aliases) and _here(rule.hosts, sudoers.aliases)):
            continue
        command = rule.command.lstrip("! ")
        everything = _listed([command], set(), sudoers.aliases)
        # Without a list it is root; without an account before the colon the account itself, with another group.
        runas = _items(("root" if rule.runas is None else rule.runas).partition(":")[0])
        root = _listed(runas, {"root", "#0"}, sudoers.aliases)
        found = [left for row in found for left in _left(row, None if everything else command, runas, root)]
        asked = [tag for tag in rule.tags if tag in ("PASSWD", "NOPASSWD")][-1:]
        if not rule.command.startswith("!") and (asked == ["NOPASSWD"] or (unasked and not asked)):
            said = {"source": rule.source, "command": command.split()[0], "root": root, "everything": everything}
            found.append((command, runas, said))
    return [row for _command, _runas, row in found]


def _left(
    earlier: tuple[str, list[str], dict[str, Any]], command: str | None, runas: list[str], root: bool
) -> list[tuple[str, list[str], dict[str, Any]]]:
    """Return what is left of an earlier grant: of rules for the same command and account the last one counts."""
    same, theirs, row = earlier
    if command is not None and command != same:
        return [earlier]
    if runas in (["ALL"], theirs) or (root and theirs == ["root"]):
        return []
    return [(same, theirs, {**row, "root": row["root"] and not root})]
