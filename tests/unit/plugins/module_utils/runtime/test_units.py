"""The units of workers and timers: systemd reads the words of a command back as the user wrote them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.fields import ALLOWED
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import read_records
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.units import (
    quoted,
    service_files,
    service_secrets,
    timer_units,
    worker_unit,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app
from hypothesis import given
from hypothesis import strategies as st

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
WORDS = st.lists(
    PRINTABLE | st.sampled_from(["%i", "%%i", "a b", ";", "|", '"', "\\", "'", "$HOME", "${A}", "@x", ":x", "é"])
)


def checked(**fields: Any) -> App:
    return check_app(app("shop", **fields), 0, None)


def read_back(line: str, instance: str = "") -> list[str]:
    """Return the words of a line as systemd.syntax(7) and systemd.unit(5) have them: quotes, escapes, specifiers."""
    words: list[str] = []
    for part in re.findall(r'"(?:[^"\\]|\\.)*"|[^ "]+', line):
        text = re.sub(r"\\(.)", r"\1", part[1:-1]) if part.startswith('"') else part
        assert part.startswith('"') or not re.search(r"[\\'$;%]", part)
        words.append(re.sub("%([%i])", lambda found: instance if found[1] == "i" else "%", text))
    return words


@given(WORDS)
def test_words_come_back(words: list[str]) -> None:
    assert read_back(quoted(words)) == words
    numbered = read_back(quoted(words, numbered=True), "7")
    assert numbered == [word.replace("%i", "7") for word in words]


def settings(text: str, section: str) -> list[str]:
    return text.partition(f"[{section}]\n")[2].partition("\n\n")[0].splitlines()


def test_a_worker() -> None:
    shop = checked(
        environment={"KEY": "hunter2"},
        supplementary_groups=["certs"],
        workers={"mail": {"command": ["celery", "-n", "mail%i", "a b"], "processes": 3, "stop_timeout": 9}},
    )
    (worker,) = shop.workers
    text = worker_unit(shop, worker, confined=True)
    assert read_records(text) == [{"app": "shop", "worker": "mail", "processes": 3, "ready_after": 5}]
    lines = settings(text, "Service")
    for line in (
        "Type=exec",
        "WorkingDirectory=/var/lib/shop-app/current/code",
        'ExecStart=:/usr/local/sbin/wsgi-run --enter /var/lib/shop-app/environment celery -n "mail%i" "a b"',
        "User=shop-app",
        "Group=shop-app",
        "SupplementaryGroups=shop-app certs",
        "UMask=0027",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ReadWritePaths=-/var/lib/shop-app/data",
        "MemoryDenyWriteExecute=yes",
        "Restart=always",
        "KillMode=mixed",
        "TimeoutStopSec=9",
    ):
        assert line in lines
    assert "StartLimitIntervalSec=0" in settings(text, "Unit")
    assert settings(text, "Install") == ["WantedBy=multi-user.target"]
    assert "MemoryMax" not in text
    assert "hunter2" not in text
    assert (worker.unit, [row["path"] for row in service_files(shop, (), True)]) == (
        "wsgi-shop-mail",
        ["/etc/systemd/system/wsgi-shop-mail@.service"],
    )


def test_a_worker_that_says_when_it_is_ready() -> None:
    shop = checked(workers={"mail": {"command": "x", "notify": True, "memory_max": "1G"}})
    text = worker_unit(shop, shop.workers[0], confined=True)
    assert {"Type=notify", "MemoryMax=1G"} <= set(text.splitlines())
    assert read_records(text)[0]["ready_after"] == 0
    assert 'wsgi-run --enter "" x\n' in text


@pytest.mark.parametrize("item", ALLOWED)
def test_what_is_allowed_leaves_its_settings_out(item: str) -> None:
    shop = checked(workers={"a": {"command": "x"}, "b": {"command": "x", "allow": [item]}})
    closed, opened = (set(settings(worker_unit(shop, worker, True), "Service")) for worker in shop.workers)
    gone = {line.partition("=")[0] for line in closed - opened} - {"SyslogIdentifier"}
    assert gone == set(ALLOWED[item])
    assert opened - closed == {"SyslogIdentifier=wsgi-shop-b"}


def test_a_host_without_a_sandbox() -> None:
    shop = checked(workers={"a": {"command": "x"}})
    text = worker_unit(shop, shop.workers[0], confined=False)
    assert "User=shop-app" in text
    assert "NoNewPrivileges=yes" in text
    assert not re.search("^(Protect|Restrict|SystemCall|Private|ReadWrite|MemoryDeny)", text, re.MULTILINE)


def test_a_home_that_the_app_was_given() -> None:
    shop = checked(workers={"a": {"command": "x"}}, acls=[{"path": "/home/media", "permissions": "rwx"}])
    text = worker_unit(shop, shop.workers[0], confined=True)
    assert "ProtectHome" not in text
    assert "ReadWritePaths=-/home/media\n" in text
    elsewhere = checked(workers={"a": {"command": "x"}}, acls=[{"path": "/srv/home", "permissions": "rx"}])
    text = worker_unit(elsewhere, elsewhere.workers[0], confined=True)
    assert "ProtectHome=yes" in text
    assert "/srv/home" not in text


def test_a_timer() -> None:
    timer = {
        "command": "tidy %i",
        "schedule": "Mon 03:30",
        "timeout": 60,
        "random_delay": 5,
        "on_failure": "t@%n.service",
    }
    shop = checked(timers={"tidy": timer})
    service, clock = timer_units(shop, shop.timers[0], confined=True)
    assert read_records(service) == read_records(clock) == [{"app": "shop", "timer": "tidy"}]
    assert {"Type=oneshot", "TimeoutStartSec=60", "User=shop-app"} <= set(settings(service, "Service"))
    # No instance of a timer has a number.
    assert '--enter "" tidy "%%i"\n' in service
    assert "OnFailure=t@%n.service" in settings(service, "Unit")
    assert settings(clock, "Timer") == ["OnCalendar=Mon 03:30", "AccuracySec=1s", "RandomizedDelaySec=5"]
    assert settings(clock, "Install") == ["WantedBy=timers.target"]
    assert "[Install]" not in service
    assert [row["path"] for row in service_files(shop, shop.timers, True)] == [
        "/etc/systemd/system/wsgi-shop-tidy.service",
        "/etc/systemd/system/wsgi-shop-tidy.timer",
    ]


def test_variables_of_their_own() -> None:
    shop = checked(
        environment={"KEY": "of-the-app", "URL": "app"},
        workers={
            "mail": {"command": "x", "environment": {"URL": "own", "TOKEN": "hunter2"}},
            "plain": {"command": "x"},
        },
    )
    path = "/var/lib/shop-app/environment-mail"
    assert {name: json.loads(text) for name, text in service_secrets(shop, ()).items()} == {
        path: {"KEY": "of-the-app", "URL": "own", "TOKEN": "hunter2"}
    }
    rows = service_files(shop, (), True)
    assert rows[0] == {"app": "shop", "path": path, "owner": "root", "group": "shop-app", "mode": "0640"}
    assert "hunter2" not in str(rows)
    assert f"--enter {path} x" in rows[1]["content"]
    assert "--enter /var/lib/shop-app/environment x" in rows[2]["content"]
