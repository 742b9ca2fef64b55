# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a program of the host; its complaint becomes the error."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Protocol

from .errors import PalisadeError

_LINES = 12
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandError(PalisadeError):
    """A program that failed; complaint is all that it said."""

    def __init__(self, program: str, status: int, complaint: str) -> None:
        self.status = status
        self.complaint = complaint
        last = complaint.splitlines()[-_LINES:]
        super().__init__("\n".join([f"{os.path.basename(program)} failed with {status}:", *last]))


class Run(Protocol):
    """A function that runs programs."""

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        """Run a program without a shell and return what it printed; CommandError if it fails. data is its input."""


def runner(run_command: Callable[..., Any]) -> Run:
    """Return a Run that uses AnsibleModule.run_command."""

    def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        variables = {"LC_ALL": "C.UTF-8", "PATH": PATH, **(environment or {})}
        try:
            # Words as they are; and an error as an error, since exit_json would only end this thread.
            status, output, complaint = run_command(
                list(arguments),
                environ_update=variables,
                cwd="/",
                data=data,
                binary_data=True,
                expand_user_and_vars=False,
                handle_exceptions=False,
            )
        except OSError as error:
            raise CommandError(arguments[0], 127, str(error)) from error
        if status != 0:
            raise CommandError(arguments[0], status, complaint.strip() or output.strip())
        return str(output)

    return run


def remembered(run: Run) -> Run:
    """Return a Run that runs no command twice, for who looks at a host and changes nothing."""
    answers: dict[Any, Any] = {}

    def answer(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        asked = (tuple(arguments), tuple(sorted((environment or {}).items())), data)
        if asked not in answers:
            try:
                answers[asked] = run(arguments, environment, data)
            except CommandError as error:
                answers[asked] = error
        found = answers[asked]
        if isinstance(found, CommandError):
            raise found
        return str(found)

    return answer
