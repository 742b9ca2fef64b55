"""Whether systemd can hold a sandbox here."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host import confinement


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [("000001ffffffffff", True), ("0000000000200000", True), ("00000000a80425fb", False), ("000001ffffdfffff", False)],
)
def test_who_may_confine_system_calls(
    capabilities: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a host, and as in a container."""
    (tmp_path / "status").write_text(f"Name:\tinit\nCapPrm:\tffff\nCapEff:\t{capabilities}\nCapBnd:\tffff\n")
    monkeypatch.setattr("builtins.open", lambda path, **how: (tmp_path / "status").open(**how))
    assert confinement.may_confine() is expected
