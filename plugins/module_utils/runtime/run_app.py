# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command in an app's surroundings, by the host's wsgi-run; what it prints is masked."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ..host.errors import PalisadeError
from ..host.output import last_lines, masked
from .surroundings import PROGRAM, description_path

_LINES = 40
# wsgi-run's own complaints, before anything ran.
_REFUSED = 2


@dataclass(frozen=True)
class Outcome:
    """What a command came to, without secrets."""

    status: int
    output: str
    complaint: str
    changed: bool


def run_app(
    app: str, words: Sequence[str], stdin: str | None, changed: str, run_command: Callable[..., Any]
) -> Outcome:
    """Run a command and return what it came to; run_command is AnsibleModule's.

    changed is a regular expression that the output has where the command changed something; empty for never.
    PalisadeError where the host has no such app, the command fails or the expression is none.
    """
    try:
        pattern = re.compile(changed)
    except re.error as error:
        raise PalisadeError(f"changed: expected a regular expression, got {changed!r}: {error}") from error
    if not os.path.exists(PROGRAM):
        raise PalisadeError(f"app {app}: this host has no app yet; run site.yml first")
    status, output, complaint = run_command(
        [PROGRAM, app, "--", *words], cwd="/", data=stdin, binary_data=True, expand_user_and_vars=False
    )
    secrets = _environment(app)
    output, complaint = masked(output, secrets), masked(complaint, secrets)
    if status:
        shown = masked(shlex.join(words), secrets)
        if status == _REFUSED and complaint.startswith("wsgi-run: "):
            raise PalisadeError(complaint.removeprefix("wsgi-run: ").strip())
        told = last_lines("\n".join(text for text in (output, complaint) if text.strip()), _LINES)
        raise PalisadeError(f"app {app}: {shown!r} failed with {status}:\n{told}")
    return Outcome(status, output, complaint, bool(changed and pattern.search(f"{output}\n{complaint}")))


def _environment(app: str) -> dict[str, str]:
    try:
        with open(description_path(app), encoding="utf-8") as file:
            path = json.load(file)["environment"]
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}
