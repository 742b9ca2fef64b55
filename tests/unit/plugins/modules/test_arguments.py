"""What the modules take is what their documentation says: names, types, choices and defaults, at every depth."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).parents[4] / "plugins"
PACKAGE = "ansible_collections.palisade.mod_wsgi.plugins"
# What the action plugins do alone has a documentation and no code.
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("wsgi_*.py") if "def main" in path.read_text())
SECRETS = {"secrets", "source_secrets", "stdin"}


class Taken(Exception):
    """The arguments that a module asks Ansible for."""

    def __init__(self, specification: Mapping[str, Any], **more: Any) -> None:
        self.specification, self.more = specification, more


def taken(name: str, monkeypatch: pytest.MonkeyPatch) -> Taken:
    module = importlib.import_module(f"{PACKAGE}.modules.{name}")

    def stop(specification: Mapping[str, Any], **more: Any) -> None:
        raise Taken(specification, **more)

    monkeypatch.setattr(module, "AnsibleModule", stop)
    with pytest.raises(Taken) as caught:
        module.main()
    return caught.value


def documented(name: str) -> dict[str, Any]:
    told = yaml.safe_load(importlib.import_module(f"{PACKAGE}.modules.{name}").DOCUMENTATION)
    options: dict[str, Any] = {}
    for fragment in told.get("extends_documentation_fragment", []):
        module = importlib.import_module(f"{PACKAGE}.doc_fragments.{fragment.rpartition('.')[2]}")
        options |= yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    return {**options, **told.get("options", {})}


def plain(options: Mapping[str, Any], inner: str) -> dict[str, Any]:
    """Return what both say of options, in one form."""
    kept = ("type", "elements", "required", "default", "choices")
    return {
        name: {
            **{key: option[key] for key in kept if option.get(key) not in (None, False) or key == "default"},
            "options": plain(option.get(inner) or {}, inner),
        }
        for name, option in ((name, {"default": None, **option}) for name, option in options.items())
    }


def every(options: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, option in options.items():
        yield name, option
        yield from every(option.get("options") or {})


@pytest.mark.parametrize("name", MODULES)
def test_options_are_as_documented(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    specification = taken(name, monkeypatch).specification
    assert plain(specification, "options") == plain(documented(name), "suboptions")


@pytest.mark.parametrize("name", MODULES)
def test_what_is_secret_is_logged_nowhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the path of a key is no secret, which Ansible would take it for by its name."""
    for option, fields in every(taken(name, monkeypatch).specification):
        assert fields.get("no_log") == (True if option in SECRETS else False if option == "key" else None), option


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_check_mode(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more = taken(name, monkeypatch).more
    needed: dict[str, Any] = {
        "wsgi_sandbox": {"required_one_of": [("state", "apps")]},
        **{one: {"no_log": True} for one in ("wsgi_plan", "wsgi_server_plan", "wsgi_step")},
    }
    # What a command of people would change is nobody's to say.
    assert more == {"supports_check_mode": name != "wsgi_run", **needed.get(name, {})}
