"""The visitors' book: a file that several processes share."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

ENTRIES_KEPT = 50


class Entry(TypedDict):
    """One line in the book."""

    name: str
    text: str


class Page(TypedDict):
    """What the book holds: how many visitors came, and the newest entries, newest first."""

    visitors: int
    entries: list[Entry]


class Book:
    """Counts visitors and keeps what they wrote, in one directory."""

    def __init__(self, directory: Path) -> None:
        """Refuse a directory that cannot be written, so that the app fails when it starts and not at a visit."""
        if not os.access(directory, os.W_OK | os.X_OK):
            raise RuntimeError(
                f"APP_DATA={directory} is no directory that uid {os.getuid()} can write: see the app's `writable`"
            )
        self._file = directory / "book.json"
        self._new = directory / "book.json.new"
        self._lock = directory / "book.lock"

    def visit(self) -> Page:
        """Count one visitor and return the page to show."""
        with self._changing() as page:
            page["visitors"] += 1
        return page

    def sign(self, entry: Entry) -> None:
        """Put an entry at the top."""
        with self._changing() as page:
            page["entries"] = [entry, *page["entries"]][:ENTRIES_KEPT]

    def read(self) -> Page:
        """Return the page without counting; needs no lock, because the file is only ever replaced whole."""
        try:
            page: Page = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            page = {"visitors": 0, "entries": []}
        return page

    @contextmanager
    def _changing(self) -> Iterator[Page]:
        # The lock is a file of its own: one on book.json would be on a file that the next process no longer opens.
        with self._lock.open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            page = self.read()
            yield page
            self._new.write_text(json.dumps(page), encoding="utf-8")
            self._new.replace(self._file)
