# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many connections a packet filter lets one address hold: rules of nftables and iptables that count them.

A rule of another form than those that are common may bound them too. Its number is not taken then, only its text.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable

from ...host.command import PATH, CommandError, Run

# What a packet passes on its way to a process of this host.
_HOOKS = ("ingress", "prerouting", "input")
_CHAINS = ("PREROUTING", "INPUT")


def connection_bounds(ports: Iterable[int], run: Run) -> list[dict[str, Any]]:
    """Return {source, rule, most, ports, families} of each rule that may bound an address's connections to these ports.

    most is None where the rule does not tell, or the program fails, which is the rule's text then.
    """
    wanted, found = set(ports), []
    for program, arguments, read in _PROGRAMS:
        if shutil.which(program, path=PATH) is None:
            continue
        source = " ".join((program, *arguments))
        try:
            rows = list(read(run([program, *arguments]), wanted))
        except CommandError as error:
            rows = [_row((error.complaint.strip().splitlines() or ["it failed"])[-1], None, wanted, (4, 6))]
        found += [{"source": source, **row} for row in rows]
    return found


def _row(rule: str, most: int | None, ports: Iterable[int], families: Sequence[int]) -> dict[str, Any]:
    return {"rule": rule, "most": most, "ports": sorted(ports), "families": list(families)}


class _Way:
    """A chain as new connections go through it: to which ports they still come, and whether that is sure."""

    def __init__(self, ports: set[int], sure: bool) -> None:
        self.ports, self.sure = set(ports), sure

    def let_through(self, ports: set[int] | None) -> None:
        """Note that some ports are accepted; None where a rule accepts what cannot be told."""
        if ports is None:
            self.sure = False
        else:
            self.ports -= ports


def _numbers(text: str, dash: str, among: set[int]) -> set[int]:
    """Return which ports a list such as 80, 8000-8010 has."""
    found: set[int] = set()
    for part in text.strip("{} ").split(","):
        first, _dash, last = part.strip().partition(dash)
        if first.isdigit() and (last or first).isdigit():
            found |= {port for port in among if int(first) <= port <= int(last or first)}
    return found


# --- nftables

_NFT_NOTHING = re.compile(
    r'(?:counter packets [0-9]+ bytes [0-9]+|comment "[^"]*"|log(?: prefix "[^"]*")?(?: (?:level|flags|group) \S+)*'
    r'|ct state new|tcp flags (?:syn / \S+|& \([^)]*\) == syn|syn)|iif(?:name)? != "?lo"?|meta l4proto tcp'
    r"|meta nfproto ipv[46])(?= |$) ?"
)
_NFT_PORTS = r"tcp dport (?P<ports>\{[^}]*\}|[0-9-]+) "
_NFT_BOUND = re.compile(
    rf"(?:{_NFT_PORTS})?(?:(?:add|update) @\S+|meter \S+(?: size [0-9]+)?) "
    r"\{ (?P<family>ip6?) saddr(?: (?:and|&) \S+)?(?: timeout \S+)? ct count over (?P<most>[0-9]+) \} "
    r"(?:drop|reject(?: with .*)?)"
)
_NFT_HARMLESS = re.compile(
    r'iif(?:name)? "?lo"? accept|ct state (?!.*\bnew\b).*|(?:.* )?(?:icmp|icmpv6|udp)\b.*|(?:.* )?(?:drop|reject\b.*)'
)
# A count of all addresses together keeps nobody from holding them all.
_NFT_BY_ADDRESS = re.compile(r"\{[^}]*\bsaddr\b[^}]*\bct count\b")


def nft_bounds(text: str, ports: set[int]) -> Iterator[dict[str, Any]]:
    """Give the bounds of a ruleset as `nft list ruleset` shows it."""
    way = _Way(ports, False)
    families: tuple[int, ...] = (4, 6)
    blocks: list[str] = []
    for line in (one.strip() for one in text.splitlines()):
        if line.endswith("{"):
            blocks.append(line)
            families = {"table ip": (4,), "table ip6": (6,)}.get(" ".join(line.split()[:2]), families)
            families = (4, 6) if line.startswith(("table inet", "table netdev")) else families
            # Where one without a hook is jumped from is not followed.
            way = _Way(ports, False)
        elif line == "}":
            blocks = blocks[:-1]
        elif blocks and blocks[-1].startswith("chain "):
            hook = re.match(r"type \w+ hook (\w+)", line)
            if hook:
                way = _Way(ports if hook.group(1) in _HOOKS else set(), True)
            elif way.ports:
                yield from _nft_rule(line, way, families)


def _nft_rule(line: str, way: _Way, families: Sequence[int]) -> Iterator[dict[str, Any]]:
    plain = _NFT_NOTHING.sub("", line).strip()
    bound, opened = _NFT_BOUND.fullmatch(plain), re.fullmatch(rf"{_NFT_PORTS}accept", plain)
    if "ct count" in line:
        concerned = re.search(_NFT_PORTS, plain)
        mine = _numbers(concerned.group("ports"), "-", way.ports) if concerned else way.ports
        if mine and _NFT_BY_ADDRESS.search(plain):
            most = int(bound.group("most")) if bound and way.sure else None
            own = {"ip": (4,), "ip6": (6,)}[bound.group("family")] if bound else families
            yield _row(line, most, mine, own)
    elif opened:
        way.let_through(_numbers(opened.group("ports"), "-", way.ports))
    elif plain == "accept":
        way.let_through(way.ports)
    elif re.search(r"\b(?:accept|jump|goto|vmap)\b", plain) and not _NFT_HARMLESS.fullmatch(plain):
        way.let_through(None)


# --- iptables

# Options of a rule that do not change whom it is for, with the number of their values.
_OPTIONS = {
    "-m": 1,
    "--tcp-flags": 2,
    "--syn": 0,
    "--comment": 1,
    "--reject-with": 1,
    "--connlimit-saddr": 0,
    "-p": 1,
    "-j": 1,
    "-g": 1,
    "--dport": 1,
    "--dports": 1,
    "--ctstate": 1,
    "--state": 1,
    "--connlimit-above": 1,
    "--connlimit-mask": 1,
}


def iptables_bounds(text: str, ports: set[int], families: Sequence[int] = (4,)) -> Iterator[dict[str, Any]]:
    """Give the bounds of a ruleset as iptables-save shows it."""
    ways: dict[str, _Way] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line
        if not line.startswith("-A "):
            continue
        words = shlex.split(line)
        way = ways.setdefault(f"{table} {words[1]}", _Way(ports, words[1] in _CHAINS))
        options = _options(words[2:])
        known = options is not None
        options = options or {}
        named = options.get("--dport") or options.get("--dports")
        mine = _numbers(named, ":", way.ports) if named else set(way.ports)
        if "--connlimit" in line:
            together = "--connlimit-daddr" in line or options.get("--connlimit-mask") == "0"
            refused = options.get("-j") in ("DROP", "REJECT") and "--connlimit-above" in options
            if mine and not together and words[1] not in ("OUTPUT", "FORWARD", "POSTROUTING"):
                sure = known and way.sure and refused and _new(options)
                yield _row(line, int(options["--connlimit-above"]) if sure else None, mine, families)
        elif not _iptables_harmless(words, options):
            way.let_through(mine if known and options.get("-j") == "ACCEPT" and _new(options) else None)


def _options(words: Sequence[str]) -> dict[str, str] | None:
    """Return the options of a rule; None where one of them narrows down whom it is for."""
    found: dict[str, str] = {}
    place = 0
    while place < len(words):
        if list(words[place : place + 3]) == ["!", "-i", "lo"]:
            place += 3
            continue
        count = _OPTIONS.get(words[place])
        if count is None:
            return None
        found[words[place]] = " ".join(words[place + 1 : place + 1 + count])
        place += 1 + count
    return found


def _new(options: dict[str, str]) -> bool:
    state = options.get("--ctstate", options.get("--state", "NEW"))
    return "NEW" in state.split(",") and options.get("-p", "tcp") == "tcp"


def _iptables_harmless(words: Sequence[str], options: dict[str, str]) -> bool:
    """Return whether a rule lets no new connection through to Apache before it is counted."""
    other = "-p" in words and words[words.index("-p") + 1] != "tcp"
    inside = any(list(words[place : place + 2]) == ["-i", "lo"] for place in range(len(words))) and "!" not in words
    target = next((words[place + 1] for place, word in enumerate(words[:-1]) if word in ("-j", "-g")), "")
    return other or inside or target in ("DROP", "REJECT", "LOG", "NFLOG", "") or (bool(options) and not _new(options))


_Read = Callable[[str, set[int]], Iterator[dict[str, Any]]]
# The two of iptables only show, where `iptables -S` would load modules of the kernel.
_PROGRAMS: tuple[tuple[str, tuple[str, ...], _Read], ...] = (
    ("nft", ("list", "ruleset"), nft_bounds),
    ("iptables-save", (), iptables_bounds),
    ("ip6tables-save", (), lambda text, ports: iptables_bounds(text, ports, (6,))),
)
