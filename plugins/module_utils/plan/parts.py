# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a role that have work to do, found out by the check runs of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ..apache.layout import ApacheLayout
from ..apache.requests import running_requests, words
from ..apache.sandbox import Outcome
from ..host.command import Run
from ..host.errors import PalisadeError
from .summary import APACHE, Summary

Row = Mapping[str, Any]


@dataclass
class Plan:
    """The parts that have work to do, in the order of the steps."""

    parts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # When timers run next.
    times: list[str] = field(default_factory=list)
    # What differs, for people; only then is all of it looked for.
    summary: Summary | None = None

    @property
    def told(self) -> Summary:
        """Return where checks note what they find."""
        return self.summary or Summary()

    def judge(self, part: str, *checks: Callable[[], Any]) -> None:
        """Add a part where a check finds work, or fails: the step will say better what is wrong."""
        for check in checks:
            try:
                differs = bool(check())
            except (PalisadeError, OSError):
                differs = True
            if differs and part not in self.parts:
                self.parts.append(part)
            if differs and self.summary is None:
                return


def changes_configuration(told: Row, summary: Summary) -> bool:
    """Tell whether a transaction has work to do, and note what."""
    changed = summary.paths(told["differences"], APACHE) or bool(told["stale"])
    if changed and told["reload"] != "none":
        summary.effect(APACHE, f"{told['reload']}s")
    return changed


def changes_sandbox(outcome: Outcome, summary: Summary) -> bool:
    """Tell whether the sandbox of Apache's unit has work to do, and note what."""
    if outcome.differences or outcome.opened:
        summary.add(APACHE, "sandbox")
    if outcome.restarted:
        summary.effect(APACHE, "restarts")
    return bool(outcome.differences or outcome.restarted or outcome.opened)


def tell_requests(summary: Summary, layout: ApacheLayout, run: Run) -> None:
    """Note how many requests are running if Apache is to reload or restart."""
    if summary.has_effect(APACHE, "reload", "restart"):
        told = words(running_requests(layout, run))
        if told:
            summary.effect(APACHE, f"now with {told}")
