# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One play at a time on a host: the turn that a play takes before it looks, and keeps until its last step.

Each step holds a lock while it runs, which ends with its process however that ends. Between the steps a file says whose
turn it is. A turn that no step has used for a while is over: its play was killed, or waits for other hosts. If a play
finds that another one has begun since, it stops; so what a host becomes is always what one play makes of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .errors import PalisadeError

FILE = "/run/palisade-mod_wsgi.turn"
# How the steps of a play learn whose turn they are to run in.
VARIABLE = "PALISADE_TURN"
# Seconds without a step after which a turn is over.
ABANDONED = 30
_PAUSE = 0.5


@dataclass(frozen=True)
class Turn:
    """Whose turn it is; seen is when its last step ended, on the clock that runs since the host's start."""

    id: str = ""
    holder: str = ""
    # Names the process on the controller, so that one there can tell whether it has ended.
    process: str = ""
    since: str = ""
    seen: float = 0.0
    left: bool = True

    def is_over(self) -> bool:
        """Tell whether nobody is to be expected to go on with it."""
        return self.left or time.monotonic() - self.seen > ABANDONED


class BusyError(PalisadeError):
    """Another play has its turn."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        super().__init__(f"another play is changing this host: {_words(turn)}; play again when it has ended")


def _words(turn: Turn) -> str:
    return f"{turn.holder or 'somebody'} started it at {turn.since or 'an unknown time'}"


@contextlib.contextmanager
def _opened() -> Iterator[int]:
    # Only root may open it: another account could hold it for ever.
    descriptor = os.open(FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Turn:
    # What a killed step has half written is nobody's turn.
    with contextlib.suppress(ValueError, TypeError):
        return Turn(**json.loads(os.pread(descriptor, 4096, 0)))
    return Turn()


def _write(descriptor: int, turn: Turn) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(turn)).encode(), 0)


def _now(turn: Turn, left: bool) -> Turn:
    return Turn(**{**asdict(turn), "seen": time.monotonic(), "left": left})


def take(holder: str, process: str, wait: float, past: str = "") -> str:
    """Take the turn for a play, and return its id; wait so many seconds while another play has it.

    A play that has the turn already goes on with it. process names the one on the controller, whose plays follow one
    another; past is a turn whose play is known to have ended. BusyError after the wait.
    """
    mine = os.environ.get(VARIABLE, "")
    deadline = time.monotonic() + wait
    with _opened() as descriptor:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    turn = _read(descriptor)
                    ours = bool(mine) and turn.id == mine
                    if ours or (process and turn.process == process) or turn.id == past or turn.is_over():
                        since = turn.since if ours else time.strftime("%Y-%m-%d %H:%M:%S")
                        new = Turn(mine if ours else secrets.token_hex(8), holder, process, since)
                        _write(descriptor, _now(new, left=False))
                        return new.id
                finally:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
            if time.monotonic() >= deadline:
                raise BusyError(_read(descriptor))
            time.sleep(_PAUSE)


def _check(turn: Turn, mine: str) -> None:
    if mine and turn.id != mine:
        raise PalisadeError(
            f"another play has begun on this host after {ABANDONED} s without a step of this one: {_words(turn)}; this "
            "play stops here, and that one makes of the host what its own list says"
        )


@contextlib.contextmanager
def held(check: bool, last: bool = False) -> Iterator[None]:
    """Run a step of the play that has the turn; the turn is over after the last one, and after one that fails.

    A module that no play of the roles runs only waits for the step that runs. In check mode nothing is held.
    """
    if check:
        yield
        return
    mine = os.environ.get(VARIABLE, "")
    with _opened() as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        turn = _read(descriptor)
        _check(turn, mine)
        failed = True
        try:
            yield
            failed = False
        except SystemExit:
            # How a module ends that says what it did.
            failed = False
            raise
        finally:
            if mine:
                _write(descriptor, _now(turn, left=last or failed))


def lost() -> bool:
    """Tell whether another play has had its turn since this one took its own."""
    mine = os.environ.get(VARIABLE, "")
    with _opened() as descriptor:
        return bool(mine) and _read(descriptor).id != mine


def leave() -> None:
    """End the turn of this play, which has nothing more to do."""
    with held(check=False, last=True):
        pass
