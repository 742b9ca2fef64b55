# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of WSGIDaemonProcess options, and the directive made from it.

Source of the ranges and versions: mod_wsgi's own parser (wsgi_add_daemon_process). The scenario `versions` compares the
table with those of 4.7.1, 4.9.4, 5.0.2 and 6.1.1.
Apache's parser takes `threads=5x` and reads `memory-limit=512M` as 512 bytes, so every value is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Callable

from ..host.errors import PalisadeError, nearest
from .syntax import check_value, parse_all_options, quote

Version = tuple[int, ...]

_DIRECTIVE = "WSGIDaemonProcess"
POOL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}|#[0-9]{1,10}")
_C_INT_MAX = 2**31 - 1
# Above it, Apache's atoi() wraps around: #4294967296 is root to it.
_HIGHEST_ID = _C_INT_MAX
# Python counts its switch interval in whole microseconds.
_SHORTEST_INTERVAL = "0.000001"


@dataclass(frozen=True)
class Option:
    """One WSGIDaemonProcess option: its type, what its number counts, its range and the versions that know it."""

    name: str
    kind: str
    meaning: str
    unit: str = ""
    minimum: int = 0
    maximum: int = _C_INT_MAX
    since: Version = (3, 0)
    until: Version | None = None
    default: str = ""
    # 0 switches off what the value otherwise bounds, although the minimum for a bound is higher.
    zero_is_off: bool = False
    # A hardened site does not set it itself: it follows from this field of the app, or is refused for this reason.
    set_by: str = ""
    refused: str = ""
    # The only value that fits a hardened site, and why.
    only: str = ""
    only_because: str = ""


def _seconds(name: str, meaning: str, default: str = "0 (off)", since: Version = (4, 1, 0), minimum: int = 0) -> Option:
    return Option(name, "integer", meaning, unit="seconds", default=default, since=since, minimum=minimum)


_TABLE: tuple[Option, ...] = (
    Option(
        "user", "account", "Account that the processes run as; never root", default="Apache's user", set_by="account"
    ),
    Option("group", "account", "Primary group of the processes; never root", default="Apache's group", set_by="group"),
    Option(
        "supplementary-groups",
        "accounts",
        "The complete list of supplementary groups, separated by commas",
        since=(3, 4),
        set_by="supplementary_groups",
    ),
    Option("processes", "integer", "Number of processes", unit="processes", minimum=1, default="1", set_by="processes"),
    Option(
        "threads",
        "integer",
        "Threads in each process",
        unit="threads",
        minimum=1,
        maximum=65533,
        default="15",
        set_by="threads",
    ),
    Option("umask", "octal", "Permission bits to remove from new files", default="Apache's"),
    Option(
        "home", "path", "Working directory, and first entry of sys.path", default="the account's home", set_by="source"
    ),
    Option(
        "python-home",
        "path",
        "Virtual environment",
        default="WSGIPythonHome",
        since=(3, 4),
        set_by="requirements",
    ),
    Option(
        "python-path",
        "text",
        "Directories to add to sys.path, separated by colons",
        refused="is not set here: it names code outside the release; add it to the app's requirements as a package",
    ),
    Option(
        "python-eggs",
        "path",
        "Directory to unpack eggs into",
        refused="is not set here: the daemon would load code from a directory that it can write to",
    ),
    Option("display-name", "text", "Name of the processes in ps", default="Apache's", set_by="name"),
    Option(
        "script-user",
        "account",
        "Required owner of the entry file and its directory",
        only="root",
        only_because="who owns the entry file",
    ),
    Option(
        "script-group",
        "account",
        "Required group of the entry file and its directory",
        only="root",
        only_because="the group of the entry file",
    ),
    Option(
        "socket-user",
        "account",
        "Owner of the pool's socket",
        default="Apache's user",
        since=(4, 4, 1),
        refused="is not set here: an account other than Apache's could send requests that Apache never checked",
    ),
    Option("lang", "text", "Value of LANG in the processes", since=(3, 4)),
    Option("locale", "text", "Value of LC_ALL in the processes", since=(3, 4)),
    Option(
        "chroot",
        "path",
        "Directory to chroot to (deprecated)",
        refused="is not set here: it is deprecated, and the release does not exist inside the chroot",
    ),
    _seconds("startup-timeout", "Time to wait for the application to load", since=(4, 5, 6)),
    _seconds("connect-timeout", "Time to wait for a connection to a process", default="15"),
    _seconds("queue-timeout", "Time that a request may wait for a free thread before it gets a 504"),
    _seconds("socket-timeout", "Time limit for each read or write on the socket", default="0 (Apache's Timeout)"),
    _seconds("response-socket-timeout", "Time limit for each write to the client", "0 (socket-timeout)", (4, 5, 13)),
    _seconds("request-timeout", "Time limit for a request (before mod_wsgi 6.0, averaged over all threads)"),
    _seconds("interrupt-timeout", "Time to wait for an interrupted request before the restart", since=(6, 0, 0)),
    _seconds("inactivity-timeout", "Idle time after which a process restarts", since=(3, 0)),
    _seconds(
        "deadlock-timeout",
        "Time that the interpreter may be blocked before the process restarts",
        "300",
        since=(3, 0),
        minimum=1,
    ),
    _seconds("graceful-timeout", "Time to wait for running requests during a graceful restart", default="15"),
    _seconds(
        "eviction-timeout",
        "Time to wait for running requests when a signal restarts a process",
        "0 (graceful-timeout)",
        (4, 4, 7),
    ),
    _seconds("shutdown-timeout", "Time to wait for a clean exit before a process is killed", "5", (3, 0), minimum=1),
    _seconds("restart-interval", "Age at which a process restarts", since=(4, 5, 12)),
    Option(
        "maximum-requests",
        "integer",
        "Number of requests after which a process restarts",
        unit="requests",
        default="0 (off)",
    ),
    _seconds("cpu-time-limit", "CPU time after which a process restarts", since=(3, 0)),
    Option("cpu-priority", "integer", "Nice value of the processes", unit="nice", minimum=-20, maximum=19, default="0"),
    Option(
        "memory-limit",
        "integer",
        "Memory limit of a process (RLIMIT_DATA)",
        unit="bytes",
        maximum=2**63 - 1,
        since=(3, 4),
        default="0 (off)",
    ),
    Option(
        "virtual-memory-limit",
        "integer",
        "Virtual memory limit of a process (RLIMIT_AS)",
        unit="bytes",
        maximum=2**63 - 1,
        since=(3, 4),
        default="0 (off)",
    ),
    Option("stack-size", "integer", "Stack size of a thread", unit="bytes", minimum=1, default="the system's"),
    Option(
        "listen-backlog",
        "integer",
        "Number of connections that may wait for a process",
        unit="connections",
        since=(4, 1, 0),
        default="100",
    ),
    Option(
        "send-buffer-size",
        "integer",
        "Send buffer of the socket",
        unit="bytes",
        minimum=512,
        zero_is_off=True,
        default="0",
    ),
    Option(
        "receive-buffer-size",
        "integer",
        "Receive buffer of the socket",
        unit="bytes",
        minimum=512,
        zero_is_off=True,
        default="0",
    ),
    Option(
        "header-buffer-size",
        "integer",
        "Buffer for response headers",
        unit="bytes",
        minimum=8192,
        zero_is_off=True,
        since=(4, 1, 0),
        default="0 (32768)",
    ),
    Option(
        "response-buffer-size",
        "integer",
        "Buffer for the response",
        unit="bytes",
        minimum=65536,
        zero_is_off=True,
        since=(4, 4, 7),
        default="0 (65536; 8388608 from 6.0.2)",
    ),
    Option(
        "response-flush-delay",
        "integer",
        "Delay before a partial response is sent",
        unit="milliseconds",
        since=(6, 0, 2),
        default="5",
    ),
    Option(
        "switch-interval",
        "float",
        "Interval at which Python switches threads",
        unit="seconds",
        since=(6, 0, 0),
        default="0.005",
    ),
    Option(
        "server-metrics",
        "switch",
        "Whether the application can read Apache's scoreboard",
        since=(4, 2, 0),
        default="Off",
        refused="is not set here: it shows the app the addresses of clients and the requests to all other sites",
    ),
    Option(
        "newrelic-config-file", "path", "Configuration file of the New Relic agent", since=(4, 1, 0), until=(6, 0, 0)
    ),
    Option("newrelic-environment", "text", "Environment of the New Relic agent", since=(4, 1, 0), until=(6, 0, 0)),
)

OPTIONS: dict[str, Option] = {option.name: option for option in _TABLE}
# What makes mod_wsgi look up an account or a group with each request; see docs/mod_wsgi-defects.md.
OWNER_CHECKS = ("script-user", "script-group")


def parse_version(text: str, subject: str = "mod_wsgi_version") -> Version:
    """Return (4, 9, 4) for '4.9.4'; PalisadeError for anything else."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){1,3}", str(text)):
        raise PalisadeError(f"{subject}: expected a version such as 5.0.2, got {text!r}")
    parts = [int(part) for part in str(text).split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def _dotted(version: Version) -> str:
    return ".".join(str(part) for part in version)


def _integer(option: Option, value: Any, subject: str) -> str:
    # bool is an int for Python, and YAML's `yes` must not become 1.
    plain = re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII) if isinstance(value, str) else isinstance(value, int)
    if isinstance(value, bool) or not plain:
        raise PalisadeError(f"{subject}: expected a plain number of {option.unit}, got {value!r}")
    number = int(value)
    if option.zero_is_off and number == 0:
        return "0"
    if not option.minimum <= number <= option.maximum:
        why = " (0 would switch off every other timeout too)" if option.name == "deadlock-timeout" else ""
        zero = "0 or " if option.zero_is_off else ""
        raise PalisadeError(
            f"{subject}: expected {zero}{option.minimum} to {option.maximum} {option.unit}, got {number}{why}"
        )
    return str(number)


def _octal(option: Option, value: Any, subject: str) -> str:
    # YAML reads a bare 0027 as the number 23, so only text is unambiguous.
    if not isinstance(value, str) or not re.fullmatch(r"[0-7]{3,4}", value, re.ASCII):
        raise PalisadeError(f"{subject}: expected an octal mode in quotes such as '0027', got {value!r}")
    if int(value, 8) > 0o777:
        raise PalisadeError(f"{subject}: expected at most 0777, got {value!r}")
    return value.zfill(4)


def _text(option: Option, value: Any, subject: str) -> str:
    if not isinstance(value, str) or not value:
        raise PalisadeError(f"{subject}: expected text, got {value!r}")
    return check_value(value, subject)


def _path(option: Option, value: Any, subject: str) -> str:
    text = _text(option, value, subject)
    if not text.startswith("/") or ".." in text.split("/"):
        raise PalisadeError(f"{subject}: expected an absolute path without '..', got {text!r}")
    return text


def _account(option: Option, value: Any, subject: str) -> str:
    text = _text(option, value, subject)
    if not _ACCOUNT.fullmatch(text):
        raise PalisadeError(f"{subject}: expected the name of an account or group, got {text!r}")
    never_root = option.name in ("user", "group", "supplementary-groups")
    if text[0] == "#" and int(text[1:]) > _HIGHEST_ID:
        raise PalisadeError(f"{subject}: expected an id of at most {_HIGHEST_ID}, got {text!r}")
    if never_root and (text == "root" or (text[0] == "#" and int(text[1:]) == 0)):
        raise PalisadeError(f"{subject}: {text!r} is refused: a daemon never runs as root or in root's group")
    return text


def _accounts(option: Option, value: Any, subject: str) -> str:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise PalisadeError(f"{subject}: expected a list of groups, got {value!r}")
    return ",".join(_account(option, name, subject) for name in names)


def _float(option: Option, value: Any, subject: str) -> str:
    plain = isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value, re.ASCII)
    number = float(value) if plain else value
    usable = isinstance(number, (int, float)) and not isinstance(number, bool)
    # What is no number is outside the range as well.
    if not usable or not float(_SHORTEST_INTERVAL) <= number <= option.maximum:
        expected = f"a number of {option.unit} from {_SHORTEST_INTERVAL} to {option.maximum}"
        raise PalisadeError(f"{subject}: expected {expected}, got {value!r}")
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _switch(option: Option, value: Any, subject: str) -> str:
    if isinstance(value, bool):
        return "On" if value else "Off"
    if isinstance(value, str) and value.lower() in ("on", "off"):
        return value.capitalize()
    raise PalisadeError(f"{subject}: expected true or false, got {value!r}")


_ENCODERS: dict[str, Callable[[Option, Any, str], str]] = {
    "integer": _integer,
    "octal": _octal,
    "text": _text,
    "path": _path,
    "account": _account,
    "accounts": _accounts,
    "float": _float,
    "switch": _switch,
}


# The rest is text.
_DECODERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "float": float,
    "accounts": lambda text: text.split(","),
    "switch": lambda text: text == "On",
}


def check_option(name: Any, value: Any, version: Version | None, subject: str) -> str:
    """Return the value of one option as Apache is to read it, unquoted.

    subject names the place in the user's data for the error. version None means that it is not known yet.
    """
    option = OPTIONS.get(name) if isinstance(name, str) else None
    if option is None:
        raise PalisadeError(f"{subject}: unknown option {name!r}{nearest(str(name), OPTIONS)}")
    subject = f"{subject}: {name}"
    if version is not None and version < option.since:
        raise PalisadeError(
            f"{subject}: needs mod_wsgi {_dotted(option.since)} or newer, installed is {_dotted(version)}"
        )
    if version is not None and option.until is not None and version >= option.until:
        raise PalisadeError(
            f"{subject}: was removed in mod_wsgi {_dotted(option.until)}, installed is {_dotted(version)}"
        )
    return _ENCODERS[option.kind](option, value, subject)


def check_settable(name: Any, value: Any, subject: str) -> None:
    """Raise PalisadeError for an option that a hardened site does not set, or not to this value."""
    option = OPTIONS.get(name) if isinstance(name, str) else None
    set_by = "name" if name == "name" else option.set_by if option else ""
    if set_by:
        raise PalisadeError(f"{subject}: {name} is not set here: use the app's field {set_by}")
    if option and option.refused:
        raise PalisadeError(f"{subject}: {name} {option.refused}")
    if option and option.only and value != option.only:
        raise PalisadeError(f"{subject}: {name}: expected {option.only!r}, {option.only_because}, got {value!r}")


def check_together(options: Mapping[str, Any], subject: str) -> None:
    """Raise PalisadeError for options that no mod_wsgi takes together."""
    if all(name in options for name in OWNER_CHECKS):
        raise PalisadeError(f"{subject}: {' and '.join(OWNER_CHECKS)} exclude each other in every mod_wsgi, give one")


def owner_check_warning(apps: Sequence[str], mpm: str) -> str:
    """Return what OWNER_CHECKS cost these apps under this MPM of Apache; empty where it is not known yet."""
    names = f"{'app' if len(apps) == 1 else 'apps'} {', '.join(apps)}: daemon_process: {' or '.join(OWNER_CHECKS)}"
    rest = "Leave it out: every play makes sure that only root can change the entry file"
    if mpm == "prefork":
        return f"{names}: Apache reads /etc/passwd or /etc/group twice for each request. {rest}"
    threads = f"the threads of its {mpm} MPM" if mpm else "threads, as in the MPMs event and worker"
    return (
        f"{names}: mod_wsgi then denies some requests by mistake (403) where Apache has {threads}: 8 of a million in "
        f"a measurement, and the server answers a fifth fewer requests a second. {rest}"
    )


def warnings_of(options: Mapping[str, Any]) -> list[str]:
    """Return what is accepted of the options and yet should be known; every value has passed check_option()."""
    umask = options.get("umask", "0777")
    if int(umask, 8) & 0o027 == 0o027:
        return []
    return [
        f"umask: {umask} is looser than 0027: more than the app's account may change, or others read, its new files"
    ]


def _checked(options: Mapping[str, Any], mod_wsgi_version: str | None) -> dict[str, str]:
    """Return the values as Apache is to read them, in the table's order."""
    version = None if mod_wsgi_version is None else parse_version(mod_wsgi_version)
    name = options.get("name")
    if not isinstance(name, str) or not POOL_NAME.fullmatch(name):
        raise PalisadeError(f"{_DIRECTIVE}: name: expected a pool's name such as 'public', got {name!r}")
    subject = f"{_DIRECTIVE} {name}"
    checked = {key: check_option(key, value, version, subject) for key, value in options.items() if key != "name"}
    check_together(checked, subject)
    return {key: checked[key] for key in OPTIONS if key in checked}


def daemon_process(options: Mapping[str, Any], mod_wsgi_version: str | None = None) -> str:
    """Return the WSGIDaemonProcess directive for a mapping of options with `name` in it.

    Raises PalisadeError naming the pool, the option, what was expected and what came.
    """
    if not isinstance(options, Mapping):
        raise PalisadeError(f"{_DIRECTIVE}: expected a mapping of options, got {options!r}")
    checked = _checked(options, mod_wsgi_version)
    words = [f"{key}={quote(text, f'{_DIRECTIVE}: {key}')}" for key, text in checked.items()]
    return " ".join([_DIRECTIVE, options["name"], *words])


def parse_daemon_process(directive: str, mod_wsgi_version: str | None = None) -> dict[str, Any]:
    """Return the mapping, with values of the table's types, that daemon_process() makes the directive from.

    Raises PalisadeError for what Apache refuses or the table does not know.
    """
    word, _space, arguments = directive.partition(" ")
    if word.lower() != _DIRECTIVE.lower():
        raise PalisadeError(f"expected {_DIRECTIVE}, got {directive!r}")
    name, texts = parse_all_options(arguments, _DIRECTIVE)
    if "name" in texts:
        raise PalisadeError(f"{_DIRECTIVE} {name}: unknown option 'name'")
    checked = _checked({"name": name, **texts}, mod_wsgi_version)
    return {"name": name, **{key: _DECODERS.get(OPTIONS[key].kind, str)(text) for key, text in checked.items()}}
