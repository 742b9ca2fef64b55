# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a play would do, in one line for each app: "shop: new release, 2 files; pool restarts"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..apache.certificates import paths_of
from ..host.confinement import UNITS

Row = Mapping[str, Any]

APACHE = "Apache"
HOST = "host"
_PLURALS = {"directory": "directories"}


@dataclass
class Summary:
    """What is found to differ, and what follows from it for processes."""

    # The app that a path belongs to, and what messages call such a path.
    owners: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    _things: dict[str, dict[str, int]] = field(default_factory=dict)
    _effects: dict[str, list[str]] = field(default_factory=dict)

    def add(self, subject: str, thing: str) -> None:
        """Note something that is not counted, such as a new account."""
        self._things.setdefault(subject, {})[thing] = 0

    def count(self, subject: str, noun: str, number: int = 1) -> None:
        """Note things that are counted, such as files."""
        things = self._things.setdefault(subject, {})
        things[noun] = things.get(noun, 0) + number

    def effect(self, subject: str, text: str) -> None:
        """Note what happens to processes."""
        effects = self._effects.setdefault(subject, [])
        if text not in effects:
            effects.append(text)

    def has_effect(self, subject: str, *beginnings: str) -> bool:
        """Tell whether something of this kind was noted."""
        return any(text.startswith(beginnings) for text in self._effects.get(subject, ()))

    def paths(self, differences: Iterable[Row], subject: str = HOST) -> bool:
        """Count differences by what their paths are, and return whether there are any."""
        found = list(differences)
        for row in found:
            app, noun = self.owners.get(str(row["path"]), (subject, "file"))
            self.count(app or subject, noun)
        return bool(found)

    def lines(self) -> list[str]:
        """Return a line for each app that changes, then those of the host."""
        subjects = {*self._things, *self._effects}
        apps = sorted(subjects - {HOST, APACHE})
        return [self._line(subject) for subject in (*apps, HOST, APACHE) if subject in subjects]

    def _line(self, subject: str) -> str:
        things = ", ".join(_counted(noun, number) for noun, number in self._things.get(subject, {}).items())
        effects = ", ".join(self._effects.get(subject, []))
        return f"{subject}: {'; '.join(text for text in (things, effects) if text)}"


def _counted(noun: str, number: int) -> str:
    if not number:
        return noun
    return f"{number} {noun if number == 1 else _PLURALS.get(noun, noun + 's')}"


def owners_of(model: Row) -> dict[str, tuple[str, str]]:
    """Return to whom each path of a model belongs, and what it is called; model is what resolve returned."""
    nouns = {
        "directories": "directory",
        "program_directories": "directory",
        "program_files": "file",
        "grants": "permission",
        "revoked": "permission",
        "files": "file",
        "unused_files": "file",
        "service_files": "unit",
        "site": "virtual host",
    }
    owners: dict[str, tuple[str, str]] = {}
    for key, noun in nouns.items():
        for row in model[key]:
            # A path that is named twice is called by what it is, not by who else may read it.
            known = noun if key != "service_files" or row["path"].startswith(UNITS) else "file"
            owners.setdefault(row["path"], (row.get("app") or HOST, known))
    for row in model["site"]:
        owners.setdefault(row["link"], (row["app"], "link"))
    for row in model["certificates"]["self_signed"]:
        owners.update(dict.fromkeys(paths_of(row["name"]), (row["app"], "certificate file")))
    return owners
