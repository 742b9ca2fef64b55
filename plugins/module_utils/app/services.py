# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workers and timers of an app, as the user writes them, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from ..host.errors import PalisadeError, nearest
from .fields import APP, Field
from .model import Timer, Worker
from .values import command, flag, is_integer, mapping, require, text, texts, type_name

# With the app's name, a unit's name stays far below systemd's 255 characters.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_MEMORY = re.compile(r"[1-9][0-9]{0,15}[KMGT]?")
# What systemd reads is one line, and % would begin a specifier.
_SCHEDULE = re.compile(r"[A-Za-z0-9*:,./~ -]{1,200}")
_UNIT = re.compile(r"(?:[A-Za-z0-9:_.-]|@|%[nNpi]){1,200}\.(?:service|target)")

Environment = Callable[[Mapping[str, Any], str], "dict[str, str]"]


def check_workers(raw: Mapping[str, Any], app: str, subject: str, environment: Environment) -> tuple[Worker, ...]:
    """Return the workers of an app; environment checks a mapping of variables."""
    workers = []
    for name, given, place in _named(raw, APP["workers"], subject):
        fields = APP["workers"]["<name>"]
        workers.append(
            Worker(
                **_common(given, name, app, place, environment),
                timeout=_number(given, fields["stop_timeout"], place),
                processes=_number(given, fields["processes"], place),
                ready_after=_number(given, fields["ready_after"], place),
                notify=flag(given, "notify", place),
            )
        )
    return tuple(workers)


def check_timers(raw: Mapping[str, Any], app: str, subject: str, environment: Environment) -> tuple[Timer, ...]:
    """Return the timers of an app. Whether systemd takes their schedules is for the host to say."""
    timers = []
    for name, given, place in _named(raw, APP["timers"], subject):
        if name in (raw.get("workers") or {}):
            raise PalisadeError(f"{place}: a worker has this name too; their units need different ones")
        fields = APP["timers"]["<name>"]
        schedule = text(given, "schedule", place)
        known = bool(_SCHEDULE.fullmatch(schedule))
        require(known, f"{place}: schedule", "an OnCalendar expression such as daily or 'Mon 03:30'", schedule)
        on_failure = text(given, "on_failure", place)
        usable = not on_failure or bool(_UNIT.fullmatch(on_failure))
        require(usable, f"{place}: on_failure", "a unit such as tell-admin@%n.service", on_failure)
        timers.append(
            Timer(
                **_common(given, name, app, place, environment),
                timeout=_number(given, fields["timeout"], place),
                schedule=schedule,
                random_delay=_number(given, fields["random_delay"], place),
                once=flag(given, "once", place),
                on_failure=on_failure,
            )
        )
    return tuple(timers)


def _named(raw: Mapping[str, Any], field: Field, subject: str) -> list[tuple[str, Mapping[str, Any], str]]:
    """Return each service as (name, fields, place for messages)."""
    rows = []
    for name, given in mapping(raw, field.name, subject).items():
        usable = isinstance(name, str) and bool(_NAME.fullmatch(name))
        require(usable, f"{subject}: {field.name}", "names of [a-z][a-z0-9-]*, at most 41 characters", name)
        place = f"{subject}: {field.name}: {name}"
        # A secret may be in it.
        if not isinstance(given, Mapping):
            raise PalisadeError(f"{place}: expected a mapping with command, got {type_name(given)}")
        known = field["<name>"].names
        for key in given:
            if key not in known:
                raise PalisadeError(f"{place}: unknown field {key!r}{nearest(str(key), known)}")
        for inner in field["<name>"].fields:
            if inner.required and given.get(inner.name) is None:
                raise PalisadeError(f"{place}: {inner.name} is required")
        rows.append((str(name), given, place))
    return rows


def _common(given: Mapping[str, Any], name: str, app: str, place: str, environment: Environment) -> dict[str, Any]:
    memory = text(given, "memory_max", place)
    usable = not memory or bool(_MEMORY.fullmatch(memory))
    require(usable, f"{place}: memory_max", "an amount such as 512M or 2G", memory)
    allow, choices = texts(given, "allow", place), APP["workers"]["<name>"]["allow"].choices
    for item in allow:
        require(item in choices, f"{place}: allow", " or ".join(choices), item)
    return {
        "app": app,
        "name": name,
        "command": command(given["command"], f"{place}: command"),
        "environment": environment(mapping(given, "environment", place), f"{place}: environment"),
        "memory_max": memory,
        "allow": tuple(sorted(set(allow))),
    }


def _number(given: Mapping[str, Any], field: Field, place: str) -> int:
    value = given.get(field.name, field.default)
    expected = f"a whole number from {field.minimum} to {field.maximum}"
    require(is_integer(value, field.minimum, field.maximum), f"{place}: {field.name}", expected, value)
    return int(value)
