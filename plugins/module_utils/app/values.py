# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the user's data: each function returns a value of one type, or raises PalisadeError naming the place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ..apache.syntax import check_value
from ..host.errors import PalisadeError, nearest

_URL_PATH = re.compile(r"/|(/[A-Za-z0-9._~-]+)+")
_RELATIVE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def require(condition: bool, subject: str, expected: str, got: Any) -> None:
    """Raise PalisadeError unless the condition holds."""
    if not condition:
        raise PalisadeError(f"{subject}: expected {expected}, got {got!r}")


def type_name(value: object) -> str:
    """Return the name of a value's type, for a value that may be a secret; Ansible has subclasses of most."""
    plain = (bool, str, int, float, list, tuple, dict)
    return next((known for known in plain if isinstance(value, known)), type(value)).__name__


def text(raw: Mapping[str, Any], key: str, subject: str, default: str = "") -> str:
    """Return a text of a mapping."""
    value = raw.get(key)
    if value is None:
        value = default
    require(isinstance(value, str), f"{subject}: {key}", "a string", value)
    return str(value)


def flag(raw: Mapping[str, Any], key: str, subject: str) -> bool:
    """Return a truth value of a mapping, false where it is missing."""
    value = raw.get(key)
    if value is None:
        return False
    require(isinstance(value, bool), f"{subject}: {key}", "true or false", value)
    return bool(value)


def texts(raw: Mapping[str, Any], key: str, subject: str) -> list[str]:
    """Return a list of texts of a mapping, empty where it is missing."""
    value = raw.get(key)
    if value is None:
        return []
    plain = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    require(plain, f"{subject}: {key}", "a list of strings", value)
    return [str(item) for item in value]


def mapping(raw: Mapping[str, Any], key: str, subject: str) -> Mapping[str, Any]:
    """Return a mapping of a mapping, empty where it is missing."""
    value = raw.get(key)
    if value is None:
        return {}
    # The value may be a secret that was put in the wrong shape, so it is not printed.
    if not isinstance(value, Mapping):
        raise PalisadeError(f"{subject}: {key}: expected a mapping, got {type_name(value)}")
    return value


def known_keys(raw: Mapping[Any, Any], known: Iterable[str], subject: str) -> None:
    """Refuse a key that is not one of the known ones."""
    names = list(known)
    for key in raw:
        require(key in names, subject, f"{', '.join(names[:-1])} or {names[-1]}{nearest(str(key), names)}", key)


def is_integer(value: Any, minimum: int, maximum: int) -> bool:
    """Tell whether a value is a whole number within the range; bool is an int for Python."""
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum


def url_path(value: Any, subject: str) -> str:
    """Return a URL path that needs no quoting and is its own normal form."""
    usable = isinstance(value, str) and bool(_URL_PATH.fullmatch(value)) and not {".", ".."} & set(value.split("/"))
    require(usable, subject, "a URL path such as / or /shop", value)
    return str(value)


def relative_path(value: Any, subject: str, expected: str) -> str:
    """Return a path that stays below where it starts."""
    require(isinstance(value, str) and bool(_RELATIVE.fullmatch(value)), subject, expected, value)
    return str(value)


def absolute_path(value: Any, subject: str) -> str:
    """Return a path of the host in its normal form."""
    usable = isinstance(value, str) and value.startswith("/") and not {"", ".", ".."} & set(value[1:].split("/"))
    require(usable, subject, "an absolute path without '..'", value)
    return check_value(str(value), subject)


def command(value: Any, subject: str) -> tuple[str, ...]:
    """Return the words of a command: a string is split as a shell would, but no shell runs it."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise PalisadeError(f"{subject}: {value!r}: {error}") from error
    usable = isinstance(words, (list, tuple)) and bool(words)
    usable = usable and all(isinstance(word, str) and word and word.isprintable() for word in words)
    require(usable, subject, "commands such as 'python manage.py migrate'", value)
    return tuple(str(word) for word in words)
