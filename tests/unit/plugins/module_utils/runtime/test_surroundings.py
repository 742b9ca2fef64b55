"""What wsgi-run knows of an app."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime import surroundings
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app


def checked(**fields: Any) -> App:
    return check_app(app("shop", **fields), 0, None)


def test_a_description() -> None:
    shop = checked(
        environment={"KEY": "hunter2"},
        workers={"mail": {"command": "x", "processes": 2}},
        timers={"tidy": {"command": "x", "schedule": "daily"}, "single": {"command": "x", "schedule": "daily"}},
    )
    (row,) = surroundings.description_files([shop], {"shop": shop.timers[:1]}, {"shop": "/log"}, confined=True)
    assert (row["app"], row["path"], row["owner"], row["mode"]) == (
        "shop",
        "/etc/palisade-mod_wsgi/apps/shop.json",
        "root",
        "0644",
    )
    assert "hunter2" not in row["content"]
    told = json.loads(row["content"])
    assert {key: told[key] for key in told if key != "properties"} == {
        "app": "shop",
        "account": "shop-app",
        "current": "/var/lib/shop-app/current",
        "environment": "/var/lib/shop-app/environment",
        "error_log": "/log",
        "workers": {"mail": ["wsgi-shop-mail@1.service", "wsgi-shop-mail@2.service"]},
        "timers": {"tidy": "wsgi-shop-tidy"},
    }
    assert surroundings.description(checked(), (), "", True)["environment"] == ""


def test_bounds_and_locale_of_the_pool() -> None:
    options = {
        "memory-limit": 2**30,
        "virtual-memory-limit": 2**31,
        "cpu-priority": 5,
        "umask": "0077",
        "lang": "de_DE.UTF-8",
    }
    settings = surroundings.properties(checked(daemon_process=options), confined=False)
    assert settings == [
        "User=shop-app",
        "Group=shop-app",
        "SupplementaryGroups=shop-app",
        "UMask=0077",
        "Environment=LANG=de_DE.UTF-8",
        "Environment=LC_ALL=C.UTF-8",
        f"LimitDATA={2**30}",
        f"LimitAS={2**31}",
        "Nice=5",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
    ]


def test_a_locale_that_would_be_two_variables() -> None:
    settings = surroundings.properties(checked(daemon_process={"lang": "C LD_PRELOAD=/tmp/x"}), confined=True)
    assert not any("LD_PRELOAD" in setting for setting in settings)


def test_names_complete(tmp_path: Path) -> None:
    script = {row["path"]: row["content"] for row in surroundings.program_files()}[surroundings._COMPLETION]
    (tmp_path / "shop.json").touch()
    (tmp_path / "shed.json").touch()
    (tmp_path / "api.json").touch()

    def completed(*words: str) -> list[str]:
        text = script.replace(surroundings._DESCRIPTIONS, str(tmp_path))
        ask = f'{text}\nCOMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _wsgi_run; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", ask, "bash", *words], capture_output=True, text=True, check=True)
        return sorted(done.stdout.split())

    assert completed("wsgi-run", "sh") == ["shed", "shop"]
    assert completed("wsgi-run", "--l") == ["--list", "--logs"]
    assert completed("wsgi-run", "--logs", "a") == ["api"]
    # Then it is the command's turn.
    assert completed("wsgi-run", "shop", "a") == []
