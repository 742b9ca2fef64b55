# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services, crontabs and programs of supervisor that start an app's code, as workers and timers of the app."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from ..app.check import check_app
from ..audit.config import Pool
from ..audit.facts import Facts
from ..host.errors import PalisadeError
from .app import Adopted, Row

_SHORT = {"yearly": "yearly", "annually": "yearly", "monthly": "monthly", "weekly": "weekly", "daily": "daily"}
_SHORT.update(midnight="daily", hourly="hourly")
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PART = re.compile(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?")
_SHELL = re.compile(r"[|&;<>()$`*?\[\]~]")
_SILENT = re.compile(r"\s*(?:\d?>>?\s*/dev/null|2>&1)\s*$")
_OURS = re.compile(r"(?:\S*/)?wsgi-run --enter \S+ ")


def services_of(app: Adopted, facts: Facts, pool: Pool | None, code: str) -> Row:
    """Return {workers, timers} as a user would write them; say of the rest why it is none of them."""
    found: Row = {"workers": {}, "timers": {}}
    account = facts.host.accounts.get(pool.name, {}).get("name", "") if pool else ""
    places = _places(pool, code)
    for row in facts.host.beside if pool else []:
        if pool is None or pool.name not in row["pools"]:
            continue
        where = f"{row['kind']} {row['source']}"
        if row["account"] != account:
            app.remarks.append(f"{where} runs its code as {row['account']}: make it a worker or a timer of the app")
            continue
        kind = "timers" if row["kind"] == "crontab" or row["schedule"] else "workers"
        schedule = on_calendar(row["schedule"]) if row["kind"] == "crontab" else row["schedule"]
        if kind == "timers" and not schedule:
            app.remarks.append(f"{where} runs at {row['schedule']!r}, for which there is no one OnCalendar expression")
            continue
        command = _words(row["command"], places)
        name = _name(row["name"] or _last_word(command), app.fields["name"], {*found["workers"], *found["timers"]})
        fields: Row = {"command": command, **({"schedule": schedule} if schedule else {})}
        if not _is_taken(app, kind, {name: fields}):
            app.remarks.append(f"{where} could not be written as one of {kind}")
            continue
        found[kind][name] = fields
        if row["variables"]:
            app.remarks.append(f"{where} sets {', '.join(row['variables'])}: put them into `environment`")
    return found


def _is_taken(app: Adopted, kind: str, services: Mapping[str, Row]) -> bool:
    try:
        check_app({**app.fields, kind: services, "source": {"path": "x"}}, 0, None)
    except PalisadeError:
        return False
    return True


def _places(pool: Pool | None, code: str) -> list[str]:
    """Return what a command of an app leaves out: the programs of its environment, and its code."""
    home = pool.options.get("python-home", "") if pool else ""
    return [f"{path.rstrip('/')}/" for path in (f"{home}/bin" if home else "", code) if path]


def _words(command: str, places: Sequence[str]) -> str | list[str]:
    """Return a command as it is run in the release; one that needs a shell gets it."""
    text = _OURS.sub("", command)
    while _SILENT.search(text):
        text = _SILENT.sub("", text)
    for place in places:
        text = re.sub(rf"\bcd {re.escape(place)}?\s*(?:&&|;)\s*", "", text)
        text = text.replace(place, "")
    if _SHELL.search(text):
        return ["sh", "-c", text]
    try:
        return shlex.join(shlex.split(text))
    except ValueError:
        return ["sh", "-c", text]


def _last_word(command: str | list[str]) -> str:
    words = command.split() if isinstance(command, str) else command[-1].split()
    named = [word for word in words if not word.startswith("-")]
    return re.sub(r"\.\w+$", "", named[-1].rpartition("/")[2]) if named else ""


def _name(text: str, app: str, taken: Iterable[str]) -> str:
    text = re.sub(rf"^(?:wsgi-)?{re.escape(app)}-(?=.)", "", text.rstrip("@"))
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:38]
    name = plain if re.match("[a-z]", plain) else f"job-{plain}".rstrip("-")
    number, known = 2, set(taken)
    unique = name
    while unique in known:
        unique, number = f"{name}-{number}", number + 1
    return unique


def on_calendar(schedule: str) -> str:
    """Return the fields of a crontab's line as OnCalendar; empty where no one expression says the same."""
    if schedule.startswith("@"):
        return _SHORT.get(schedule[1:].lower(), "")
    fields = schedule.lower().split()
    if len(fields) != 5:
        return ""
    for number, name in enumerate(_MONTHS):
        fields[3] = fields[3].replace(name, str(number + 1))
    for number, name in enumerate(_DAYS[:7]):
        fields[4] = fields[4].replace(name.lower(), str(number))
    minute, hour, day, month = (_parts(text, least) for text, least in zip(fields, (0, 0, 1, 1)))
    days = "" if fields[4].startswith("*") else _weekdays(fields[4])
    # With a day of the month and a day of the week cron runs on both, and systemd where they meet.
    if not all((minute, hour, day, month)) or (days and fields[2] != "*") or (not days and fields[4] != "*"):
        return ""
    date = "" if day == month == "*" else f"*-{_padded(month)}-{_padded(day)} "
    return f"{days + ' ' if days else ''}{date}{_padded(hour)}:{_padded(minute)}"


def _padded(text: str) -> str:
    return f"{int(text):02d}" if text.isdigit() else text


def _parts(text: str, least: int) -> str:
    parts = []
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            return ""
        values, step = found.group(1).replace("-", ".."), found.group(2)
        if step and values == "*":
            values = str(least)
        parts.append(f"{values}/{step}" if step else values)
    return ",".join(parts)


def _weekdays(text: str) -> str:
    """Return days of the week; empty for what systemd has no words for."""
    names = []
    for part in text.split(","):
        first, _dash, last = part.partition("-")
        if not first.isdigit() or int(first) > 7 or (last and (not last.isdigit() or int(last) > 7)):
            return ""
        # A week begins on Monday there.
        numbers = range(int(first), int(last or first) + 1)
        names += [_DAYS[number] for number in numbers]
    return ",".join(sorted(set(names), key=lambda name: _DAYS.index(name) or 7))
