"""The apps of debian12 serve on debian13, from the list that was read there."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from testinfra.host import Host

HERE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
LIST = HERE / "adopted/debian12.yml"
ASK = """\
import sys, urllib.request as r
print(r.urlopen(r.Request(sys.argv[2], headers={"Host": sys.argv[1]})).read().decode())
"""


def ask(host: Host, name: str, path: str) -> str:
    return host.check_output("python3 -c %s %s %s", ASK, name, f"http://127.0.0.1{path}")


def test_every_host_answers_the_same(host: Host) -> None:
    for name in ("shop.test", "www.shop.test"):
        assert "the shop in" in ask(host, name, "/")
    assert ask(host, "shop.test", "/static/shop.css").strip() == "body { color: red }"
    assert ask(host, "blog.test", "/blog") == "the blog"


def apps(path: Path) -> dict[str, Any]:
    return {app.pop("name"): app for app in yaml.safe_load(path.read_text(encoding="utf-8"))["wsgi_apps"]}


def test_the_new_host_says_the_same() -> None:
    expected = apps(LIST)
    # Where the old host had no pool, the defaults are said now.
    expected["blog"] |= {"processes": 2, "threads": 15}
    assert apps(HERE / "again/debian13.yml") == expected
    text = (HERE / "again/debian13.yml").read_text(encoding="utf-8")
    assert "Hardening changes" not in text
    assert "a person" not in text


def test_the_list_says_what_the_host_does() -> None:
    assert apps(LIST) == {
        "shop": {
            "application": "shop.web:app",
            "server_names": ["shop.test", "www.shop.test"],
            "source": {"path": "apps/shop"},
            "requirements": "requirements.txt",
            "processes": 1,
            "threads": 5,
            "daemon_process": {"maximum-requests": 1000},
            "static": {"/static": "static"},
            "limits": {"request_body": 1000000},
            "handles_authorization": True,
        },
        "blog": {
            "application": "blog:application",
            "server_names": ["blog.test"],
            "mount": "/blog",
            "source": {"path": "apps/blog"},
        },
    }


def test_the_list_says_what_changes_and_keeps_secrets_back() -> None:
    text = LIST.read_text(encoding="utf-8")
    for words in (
        "it runs as shop-app, not as www-data",
        "umask changes to 0027, from 0022",
        "embedded mode becomes a pool of its own",
        "U3 No pool shares Apache's account or group",
        "RewriteRule ^/old$ / [R]",
        ".htaccess files are no longer read",
        "rename it to blog.py in the source",
        "SHOP_TOKEN:",
        "SHOP_COLOUR:",
        "crontab /etc/cron.d/shop runs its code as root: make it a worker or a timer of the app",
        "sets MAIL_KEY: put them into `environment`",
    ):
        assert words in text
    assert "secret-" not in text


def test_what_runs_beside_the_app_is_a_worker_or_a_timer_for_a_person_to_take_over() -> None:
    taken: dict[str, Any] = {}
    for kind in ("workers", "timers"):
        _before, head, text = LIST.read_text(encoding="utf-8").partition(f"make them {kind} of the app:\n")
        assert head
        lines = (line.strip().removeprefix("#") for line in text.splitlines())
        taken |= yaml.safe_load("\n".join(takewhile(lambda line: line.startswith("   "), lines)))
    assert taken == {
        "workers": {"mail": {"command": "python mail.py"}, "sync": {"command": "python sync.py"}},
        "timers": {"tidy": {"command": "python tidy.py --all", "schedule": "Mon 03:15"}},
    }


def test_hardening_took_place(host: Host) -> None:
    if host.file("/srv/shop").exists:
        # The host that was made by hand is as it was.
        assert not host.file("/etc/palisade-mod_wsgi").exists
        return
    accounts = host.check_output("ps -eo user:20,args").splitlines()
    owners = {line.split()[0] for line in accounts if "(wsgi:" in line}
    assert owners == {"shop-app", "blog-app"}
