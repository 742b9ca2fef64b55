"""A plugin of pytest: coverage notes for every line which tests reach it."""

from __future__ import annotations

from collections.abc import Iterator

import coverage
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    running = coverage.Coverage.current()
    if running:
        # Without the parameters: all cases of a test go together.
        running.switch_context(item.nodeid.partition("[")[0])
    return (yield)
