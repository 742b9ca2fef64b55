"""Notes when each task starts, and at a moment ends the play or fills the host's disk, as PALISADE_INTERRUPT says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

# What ends on the host: the module alone, as when memory runs out, or the connection.
COMMANDS = {
    "module": ["pkill", "-KILL", "-f", "AnsiballZ_"],
    "connection": ["pkill", "-KILL", "sshd"],
}


def fill(place: Path) -> None:
    """Leave no room in a file system, which root could use to its last block."""
    with (place / "filler").open("wb") as file:
        free = os.statvfs(place)
        os.posix_fallocate(file.fileno(), 0, max(free.f_bfree - 64, 1) * free.f_frsize)
        # The rest is for what is written to files that have their blocks.
        with contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(free.f_frsize))
                os.lseek(file.fileno(), 0, os.SEEK_END)


class CallbackModule(CallbackBase):
    """PALISADE_INTERRUPT is a JSON object: task (its number), after (seconds), what, host, tasks (a file), disk."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "interrupt"

    def __init__(self) -> None:
        super().__init__()
        self.plan = json.loads(os.environ["PALISADE_INTERRUPT"])
        self.tasks: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        now = time.monotonic()
        with self.lock:
            self.tasks.append({"task": task.get_name().rpartition(" : ")[2], "action": task.action, "at": now})
            Path(self.plan["tasks"]).write_text(json.dumps(self.tasks))
            due = len(self.tasks) == self.plan.get("task")
        if due:
            if self.plan["after"]:
                threading.Timer(self.plan["after"], self._interrupt).start()
            else:
                self._interrupt()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.tasks.append({"task": "", "action": "", "at": time.monotonic()})
        Path(self.plan["tasks"]).write_text(json.dumps(self.tasks))

    def _interrupt(self) -> None:
        if self.plan["what"] == "ansible":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.plan["what"] == "disk":
            fill(Path(self.plan["disk"]))
            return
        command = ["podman", "exec", self.plan["host"], *COMMANDS[self.plan["what"]]]
        subprocess.run(command, check=False, capture_output=True)
