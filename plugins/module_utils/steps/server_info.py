# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about the host; the first step of a play, which takes the turn."""

from __future__ import annotations

from dataclasses import asdict

from ..host.command import remembered
from ..host.turn import BusyError, take
from ..plan.server_info import digest, server_info
from .step import FailedError, Given, Host, Result, Step


def _act(given: Given, host: Host) -> Result:
    turn = ""
    if given["turn"] and not host.check:
        try:
            turn = take(given["holder"], given["process"], given["wait"], given["past"])
        except BusyError as error:
            raise FailedError(str(error), {"busy": asdict(error.turn)}) from error
    facts = server_info(given["python"], remembered(host.run))
    return {"changed": False, "turn": turn, "digest": digest(facts), **facts}


STEP = Step(
    {
        "python": {"type": "path", "default": "/usr/bin/python3"},
        "turn": {"type": "bool", "default": False},
        "holder": {"type": "str", "default": ""},
        "process": {"type": "str", "default": ""},
        "past": {"type": "str", "default": ""},
        "wait": {"type": "int", "default": 600},
    },
    _act,
)
