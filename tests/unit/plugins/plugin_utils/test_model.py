"""The model for filters: from plain values, and once for the same arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.resolve import resolve
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.model import resolved
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host


class Lazy(Mapping[str, Any]):
    """Stands for Ansible's own containers, and counts how often a value is asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values_, self.asked = values, 0

    def __getitem__(self, key: str) -> Any:
        self.asked += 1
        value = self.values_[key]
        return Lazy(value) if isinstance(value, dict) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_a_model_is_made_once(tmp_path: Path) -> None:
    raw = app(environment={"A": "b"}, source={"path": str(tmp_path)})
    apps, facts = [Lazy(raw)], Lazy(host())
    first = resolved(apps, facts, "mine", str(tmp_path))
    assert first == resolve([raw], host(), "mine", str(tmp_path))
    assert facts.asked == len(host())
    assert resolved(apps, host(), "mine", str(tmp_path)) is first
    # Who runs where is nothing that it depends on.
    assert resolved(apps, {**host(), "pools_live": [{"name": "public"}]}, "mine", str(tmp_path)) is first


@pytest.mark.parametrize("which", range(4))
def test_other_arguments_make_another(which: int, tmp_path: Path) -> None:
    source = {"path": str(tmp_path)}
    given: list[Any] = [[app(source=source)], host(), "mine", str(tmp_path)]
    first = resolved(*given)
    others = [[app(processes=4, source=source)], {**host(), "confines": False}, "another", "/elsewhere"]
    given[which] = others[which]
    assert resolved(*given) is not first
    with pytest.raises(PalisadeError):
        resolved([app(processes=0)], *given[1:])
