"""Writes what each task of a play took to the file that PALISADE_TIMES names."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """One row for each task that ran: name, action, seconds, and how many modules it ran on the host."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "timed"

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.items = 0
        self.began = 0.0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self.items, self.began = 0, time.monotonic()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self.items += 1

    def v2_runner_on_ok(self, result: Any, **_more: Any) -> None:
        task = result._task
        row = {"task": task.get_name(), "action": task.action, "seconds": time.monotonic() - self.began}
        self.rows.append({**row, "runs": self.items or 1})

    def v2_playbook_on_stats(self, stats: Any) -> None:
        Path(os.environ["PALISADE_TIMES"]).write_text(json.dumps(self.rows))
