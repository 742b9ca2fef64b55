"""Whose app it is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.owner import source_class
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.source import check_source


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"path": "shop"}, "controller"),
        ({"archive": "shop.tar.gz"}, "controller"),
        ({"archive": "https://example.org/shop.zip", "checksum": f"sha256:{'0' * 64}"}, "network"),
        ({"git": {"repo": "/srv/shop.git", "version": "main"}}, "network"),
        ({"package": "shop==1.2"}, "package"),
    ],
)
def test_what_a_list_tells_of_a_source(source: dict[str, Any], told: str) -> None:
    assert source_class(check_source(source, "app shop: source")) == told
