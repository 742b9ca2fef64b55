"""Every role's argument specification says the same as its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import layout
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app import owner
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import virtual_host

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").glob("*") if path.is_dir())


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def options_of(role: Path) -> dict[str, Any]:
    specs: dict[str, Any] = load(role / "meta/argument_specs.yml")["argument_specs"]
    # Another entry point may have more options, and says the same of those that it shares.
    options: dict[str, Any] = {}
    for entry in specs.values():
        for name, option in entry.get("options", {}).items():
            assert options.setdefault(name, option) == option
    return options


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_argument_specs_match_defaults(role: Path) -> None:
    options = options_of(role)
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    assert stated == load(role / "defaults/main.yml")
    assert [name for name, option in options.items() if option.get("required") and "default" in option] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_names_carry_the_role(role: Path) -> None:
    names = [*options_of(role), *load(role / "defaults/main.yml")]
    # wsgi_apps is an argument and a role.
    assert [name for name in names if name != role.name and not name.startswith(f"{role.name}_")] == []


def test_what_the_role_repeats_is_what_the_code_has() -> None:
    apps = next(role for role in ROLES if role.name == "wsgi_apps")
    assert load(apps / "defaults/main.yml")["wsgi_apps_owner"] == owner.DEFAULT_OWNER
    server = next(role for role in ROLES if role.name == "wsgi_server")
    variables = (server / "vars" / "main.yml").read_text(encoding="utf-8")
    assert f"__wsgi_server_default_certificate: {layout.TLS_DIRECTORY}/default\n" in variables
    assert f"__wsgi_server_acme_store: {layout.ACME_STORE}\n" in variables
    assert virtual_host.TLS_PROFILE in variables
    closed = (server / "templates" / "default_site.conf.j2").read_text(encoding="utf-8")
    assert f'"{virtual_host._ACCESS_FORMAT}"' in closed
