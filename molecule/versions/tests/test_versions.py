"""The option table against the parser of every mod_wsgi: who takes what, and is what is written what is read."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.daemon_options import (
    OPTIONS,
    Option,
    check_option,
    daemon_process,
    parse_daemon_process,
    parse_version,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.syntax import (
    parse_all_options,
    parse_options,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.fixtures.daemon_values import TEXTS, known, mappings
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import ROOT, inventory_name, request, server_info
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from testinfra.host import Host

VERSIONS = {"debian11": "4.7.1", "debian12": "4.9.4", "debian12pip": "6.1.1", "debian13": "5.0.2"}
PROGRAM = (Path(__file__).parent / "ask_apache.py").read_text()
ACCOUNTS = ["daemon", "www-data", "#2"]
UNKNOWN = "Invalid option to WSGI daemon process definition."

# Every option gets every one of them, beside the bounds of its own range.
CANDIDATES = [
    *["", "0", "1", "511", "8191", "65535", "070", "-1", "-21", str(2**32), str(2**63)],
    *["5x", "512M", "+5", "0x5", "0o27", "0.005", "0.000001", "5.", "1e3", "inf", "5 ", " 5", "two words"],
    *["27", "027", "0777", "1777", "77777", "999"],
    *["C.UTF-8", "%{GROUP}", "a#b", "ä€", "/", "/srv/a b", "srv/x", "/srv/../etc", "On", "off", "true"],
    *[*ACCOUNTS, "daemon,www-data", "daemon, www-data", "daemon,", "root", "#0", "#000", "daemon,root", "#4294967296"],
    *["a\rb", "a\x7fb", "a\nb", "a\0b", "/${HOME}", 'x"y', "'x", "it's", 'say "x"', '\\"\\"'],
]

# What Apache takes and we refuse: the option or its kind, a part of our refusal, and why we are stricter.
STRICTER = {
    ("every", "control character"): "a line feed ends the directive, NUL the value, and the others have no use",
    ("every", "'${' is refused"): "what Apache puts in its place is nothing that the site's author wrote",
    ("every", "unterminated quote"): "written without our quoting it swallows the rest of the line",
    ("text", "expected text, got ''"): "an option without a value is a mistake",
    ("path", "expected text, got ''"): "an option without a value is a mistake",
    ("accounts", "expected text, got ''"): "Apache ends the list at an empty name and drops the rest",
    ("path", "expected an absolute path without '..'"): "a daemon's directories do not depend on where Apache started",
    ("account", "never runs as root"): "Apache blocks root as user only, not root's group",
    ("accounts", "never runs as root"): "Apache blocks root as user only, not root's group",
    ("account", "expected an id of at most"): "Apache wraps the number around, 2**32 is root to it",
    ("accounts", "expected an id of at most"): "Apache wraps the number around, 2**32 is root to it",
    ("integer", "expected a plain number"): "Apache takes 512M for 512, and 0 where it begins with no digit",
    ("integer", "got 4294967296"): "Apache wraps the number around and takes 0",
    ("memory-limit", "got 9223372036854775808"): "Apache takes another number than the one that is written",
    ("virtual-memory-limit", "got 9223372036854775808"): "Apache takes another number than the one that is written",
    ("cpu-priority", "expected -20 to 19"): "the kernel has no other",
    ("threads", "expected 1 to 65533 threads, got 0"): "such a process serves nothing",
    ("deadlock-timeout", "got 0"): "it switches off the thread that watches the other timeouts, too",
    ("shutdown-timeout", "got 0"): "a process that does not end is then never killed",
    ("umask", "expected an octal mode"): "a mode has three or four digits; 27 may be meant as a decimal number",
    ("umask", "expected at most 0777"): "other bits mean nothing in a umask",
    ("float", "expected a number of seconds from"): "one notation is enough, and Python has no finer interval",
}


@dataclass
class Apache:
    """The Apache of a host."""

    host: Host
    version: str
    counts: Counter[str] = field(default_factory=Counter)

    def ask(self, what: str, given: list[Any]) -> list[Any]:
        done = subprocess.run(
            ["podman", "exec", "--interactive", self.host.backend.hostname, "/usr/bin/python3", "-c", PROGRAM, what],
            input=json.dumps(given),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def judge(self, options: list[str]) -> list[str]:
        """Return what Apache says against each of these options, each in a pool of its own."""
        chunks: list[list[str]] = [[]]
        for number, option in enumerate(options):
            # These two end the line, or what follows it in the file.
            alone = bool({"\n", "\0"} & set(option))
            if alone or len(chunks[-1]) == 50:
                chunks.append([])
            chunks[-1].append(f"WSGIDaemonProcess p{number} {option}\n")
            if alone:
                chunks.append([])
        return self.ask("judge", chunks)

    def options(self) -> list[Option]:
        return known(parse_version(self.version))

    def settle(self, mismatches: list[Any]) -> None:
        self.counts["mismatches"] += len(mismatches)
        assert mismatches == []


@pytest.fixture(scope="module")
def apache(host: Host) -> Apache:
    return Apache(host, server_info(host)["mod_wsgi"]["version"])


def drawn(strategy: st.SearchStrategy[Any], number: int) -> list[Any]:
    """Return that many values of a strategy, the same ones every time."""
    found: list[Any] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found


def quoted(value: str) -> str:
    """Return a value in quotes, good or bad: what our own quoting refuses has to reach Apache as well."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def refusal(name: str, value: str, version: str) -> str:
    try:
        check_option(name, value, parse_version(version), "test")
    except PalisadeError as error:
        return str(error)
    return ""


def test_the_host_serves_by_this_version(host: Host, apache: Apache) -> None:
    assert apache.version == VERSIONS[inventory_name(host)]
    assert request(host, "hello.test")[::2] == (200, "hello from hello-app\n")


def test_the_table_has_the_options_of_this_version(host: Host, apache: Apache) -> None:
    """Every word of the module's data is tried, so an option that the table lacks is found."""
    module = server_info(host)["mod_wsgi"]["module"]
    words = host.check_output("grep -aoP '(?<=\\x00)[a-z][a-z-]{3,}(?=\\x00)' %s", module).split()
    # The end of a longer word may serve as a word of its own.
    words += [word[position + 1 :] for word in words for position in range(len(word)) if word[position] == "-"]
    names = sorted({*OPTIONS, *words, "THREADS", "python_path", "name"})
    said = apache.judge([f"{name}=1" for name in names])
    theirs = {name for name, complaint in zip(names, said, strict=True) if UNKNOWN not in complaint}
    gate = "unknown option|needs mod_wsgi|was removed"
    ours = {name for name in names if not re.search(gate, refusal(name, "", apache.version))}
    assert len(names) > 100
    assert ours == {option.name for option in apache.options()}
    apache.counts["names"] += len(names)
    apache.counts["options"] += len(ours)
    apache.settle(sorted(ours ^ theirs))


def candidates(option: Option) -> list[str]:
    bounds = (option.minimum - 1, option.minimum, option.maximum, option.maximum + 1)
    return [*CANDIDATES, *(str(number) for number in bounds if option.kind == "integer")]


def exists(option: Option, value: str) -> bool:
    """Tell whether the host has all accounts of a value: the table cannot know, and Apache insists."""
    named = option.kind in ("account", "accounts")
    return not named or {*value.split(",")} <= {*ACCOUNTS, "root", "#0", "#000"}


def test_each_value_is_taken_by_both_or_refused_by_both(apache: Apache) -> None:
    """What only we refuse has a reason in STRICTER, and every reason there is needed."""
    rows = [
        (option, value, why)
        for option in apache.options()
        for value in candidates(option)
        for why in [refusal(option.name, value, apache.version)]
        if why or exists(option, value)
    ]
    said = apache.judge([f"{option.name}={quoted(value)}" for option, value, _why in rows])
    mismatches: list[Any] = []
    needed = set()
    for (option, value, why), complaint in zip(rows, said, strict=True):
        apache.counts["refused" if why else "taken"] += 1
        subjects = ("every", option.kind, option.name)
        reasons = {(subject, part) for subject, part in STRICTER if subject in subjects and part in why}
        if bool(why) == bool(complaint):
            continue
        if why and reasons:
            apache.counts["stricter"] += 1
            needed |= reasons
        else:
            mismatches.append((option.name, value, why or "taken", complaint))
    here = {word for option in apache.options() for word in ("every", option.kind, option.name)}
    apache.settle(mismatches + [reason for reason in STRICTER if reason[0] in here and reason not in needed])


def test_random_pools_come_back(apache: Apache) -> None:
    """Many pools in one configuration, with every option: Apache's dump of them says what went in."""
    strategy = mappings(apache.options(), ACCOUNTS, [*ACCOUNTS, "#33"])
    given_pools = [{**mapping, "name": f"p{number}"} for number, mapping in enumerate(drawn(strategy, 300))]
    lines = [daemon_process(pool, apache.version) for pool in given_pools]
    ((status, dump, said),) = apache.ask("dump", ["".join(f"{line}\n" for line in lines)])
    assert (status, said) == (0, "Syntax OK\n")
    dumped = [line for line in dump.split("\n") if line.startswith("WSGIDaemonProcess ")]
    assert dumped == lines
    read = [parse_daemon_process(line, apache.version) for line in dumped]
    apache.counts["pools"] += len(read)
    apache.counts["values"] += sum(len(pool) - 1 for pool in read)
    assert {key for pool in read for key in pool} == {"name", *(option.name for option in apache.options())}
    apache.settle([pair for pair in zip(given_pools, read, strict=True) if pair[0] != pair[1]])


def bad_group(complaint: str) -> str | None:
    """Return the value that mod_wsgi read: of a group that does not exist, Apache says it."""
    found = re.fullmatch(r"AH00544: apache2: bad group name (.*)\n", complaint)
    if not found:
        return None
    said = re.sub(rb"\\(x[0-9a-f]{2}|.)", _unescape, found.group(1).encode())
    return said.decode()


def _unescape(escape: re.Match[bytes]) -> bytes:
    word = escape.group(1)
    return bytes([int(word[1:], 16)]) if len(word) == 3 else {b"t": b"\t", b"v": b"\v"}.get(word, word)


def test_mod_wsgi_reads_what_is_written(apache: Apache) -> None:
    """Not only the dump's text: the value behind the quotes."""
    texts = [f"x{text}" for text in drawn(TEXTS, 200)]
    directives = [daemon_process({"name": "p", "lang": text}, apache.version) for text in texts]
    said = apache.judge([directive.replace("WSGIDaemonProcess p lang=", "group=", 1) for directive in directives])
    apache.counts["texts"] += len(texts)
    read = [bad_group(complaint) for complaint in said]
    apache.settle([pair for pair in zip(texts, read, strict=True) if pair[0] != pair[1]])


def takes(text: str) -> bool:
    try:
        _name, options = parse_all_options(f"p lang={text}", "test")
    except PalisadeError:
        return False
    return set(options) <= {"lang", "locale"}


def test_hand_written_arguments_are_read_as_apache_does(apache: Apache) -> None:
    pieces = st.sampled_from(["a", " ", '"', "'", "\\", "=", "\t", "#", "ä", " lang=", " locale='", ' lang="'])
    raw = st.lists(pieces, min_size=1, max_size=12).map(lambda words: "".join(words).strip())
    texts = drawn(raw.filter(lambda text: text[-1:] not in ("", "\\")), 250)
    ours = [takes(text) for text in texts]
    complaints = apache.judge([f"lang={text}" for text in texts])
    groups = [bad_group(complaint) for complaint in apache.judge([f"group=x{text}" for text in texts])]
    mismatches = []
    for text, taken, complaint, group in zip(texts, ours, complaints, groups, strict=True):
        value = parse_options(f"p group=x{text}")[1]["group"]
        if taken == bool(complaint) or value != group:
            mismatches.append((text, taken, complaint, value, group))
    apache.counts["arguments"] += len(texts)
    apache.settle(mismatches)


def test_counts(host: Host, apache: Apache, capsys: pytest.CaptureFixture[str]) -> None:
    """The last one: says what was tried, in the log and in a file."""
    count = apache.counts
    line = (
        f"mod_wsgi {apache.version}: {count['options']} options ({count['names']} names tried), "
        f"{count['taken']} values taken and {count['refused']} refused one by one ({count['stricter']} of these only "
        f"by us), {count['values']} random values in {count['pools']} pools, {count['texts']} texts and "
        f"{count['arguments']} raw arguments; mismatches {count['mismatches']}"
    )
    directory = ROOT / ".cache/versions"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{inventory_name(host)}.txt").write_text(f"{line}\n")
    with capsys.disabled():
        print(f"\n{line}")
    assert count.pop("mismatches", 0) == 0
    assert len(count) == 9
    assert all(count.values())
