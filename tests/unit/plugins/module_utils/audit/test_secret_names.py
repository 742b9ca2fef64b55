"""Which names tell of a secret."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.secret_names import secret_names


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "x", True),
        ("dbPassword", "x", True),
        ("API_KEY", "x", True),
        ("SECRET_KEY", "x", True),
        ("AWS_SECRET_ACCESS_KEY", "x", True),
        ("GITHUB_TOKEN", "x", True),
        ("DATABASE_URL", "postgres://shop:pw@db/shop", True),
        ("DATABASE_URL", "postgres://db/shop", False),
        ("DB_PASSWORD", "", False),
        ("DB_PASSWORD_FILE", "/run/secrets/db", False),
        ("GPG_KEY", "A035C8", False),
        ("STRIPE_PUBLIC_KEY", "pk", False),
        ("PWD", "/", False),
        ("APACHE_RUN_USER", "www-data", False),
        ("APACHE_ULIMIT_MAX_FILES", "x", False),
        ("KEYBOARD", "x", False),
        ("nokeepalive", "1", False),
        ("force-response-1.0", "1", False),
    ],
)
def test_names_of_secrets(name: str, value: str, secret: bool) -> None:
    assert secret_names([(name, value)]) == ([name] if secret else [])
