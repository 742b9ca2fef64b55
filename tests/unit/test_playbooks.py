# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts the playbooks are for, and who refuses a list of apps, asked of ansible-playbook itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
INVENTORY = """
[web]
web1
web2
[db]
db1
[all:vars]
# Read after the hosts of a play are chosen.
wsgi_hosts=db
"""


def play(directory: Path, *arguments: str) -> tuple[int, str]:
    """Run ansible-playbook with an inventory without the group wsgi; return its exit code, and its words in a line."""
    (directory / "inventory.ini").write_text(INVENTORY)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory", "inventory.ini", *arguments],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, " ".join(done.stdout.split())


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A play for the same hosts as deploy.yml's, which says who they are."""
    deploy = yaml.safe_load((ROOT / "playbooks" / "deploy.yml").read_text())[0]
    tasks = [{"name": "Say", "ansible.builtin.debug": {"msg": "here is {{ inventory_hostname }}"}}]
    kept = {key: deploy[key] for key in ("name", "hosts", "serial", "max_fail_percentage")}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([{**kept, "gather_facts": False, "tasks": tasks}]))
    return "own.yml"


def test_they_are_all_for_the_same_hosts() -> None:
    plays = [play for path in PLAYBOOKS for play in yaml.safe_load(path.read_text())]
    assert len(plays) == len(PLAYBOOKS) > 4
    assert len({play["hosts"] for play in plays}) == 1


def test_one_without_hosts_fails(tmp_path: Path) -> None:
    code, said = play(tmp_path, "palisade.mod_wsgi.deploy")
    assert code != 0
    assert "no host of the inventory matches 'wsgi'; put your hosts into the group 'wsgi', or name other ones" in said
    assert "PLAY" not in said


def test_a_limit_counts(own: str, tmp_path: Path) -> None:
    code, said = play(tmp_path, own, "-e", "wsgi_hosts=web", "--limit", "db1")
    assert code != 0
    assert "no host of the inventory matches 'web' within --limit db1; put your hosts" in said


def test_a_play_with_hosts_is_as_ansible_has_it(own: str, tmp_path: Path) -> None:
    code, said = play(tmp_path, own, "-e", '{"wsgi_hosts": ["web:!web1", "localhost", "db"]}')
    assert code == 0, said
    assert re.findall(r"here is (\w+)", said) == ["web2", "localhost", "db1"]
    # Batch after batch.
    assert said.count("PLAY [") == 3


def test_a_look_needs_no_hosts(tmp_path: Path) -> None:
    code, said = play(tmp_path, *map(str, PLAYBOOKS), "--list-tasks")
    assert code == 0, said


# What is laid over a good app, and what the role says of it.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aplication": "x:y"}, "app {}: unknown field 'aplication', did you mean 'application'?"),
    ({"application": None}, "app {}: application is required"),
    ({"server_names": "shop.test"}, "app {}: server_names: expected a list of strings, got 'shop.test'"),
    ({"state": "gone"}, "app {}: state: expected present or absent, got 'gone'"),
    ({"source": {"git": {"repo": "https://x.test/y"}}}, "app {}: source: git: version is required"),
    ({"tls": {"selfsigned": True}}, "app {}: tls: expected certificate, key, acme, self_signed or hsts, did you"),
    ({"acls": [{"path": "/srv"}]}, "app {}: acls: /srv: permissions: expected text such as 'rx', got None"),
    ({"environment": "PASSWORD=sesame"}, "app {}: environment: expected a mapping, got str"),
    ({"environment": {"PASSWORD": ["sesame"]}}, "app {}: environment: PASSWORD: expected text"),
    (
        {"source": {"git": {"repo": "git@x.test:y", "version": "v1", "key": ["sesame"]}}},
        "app {}: source: git: key: expected the text of a private key (not shown)",
    ),
]
GOOD = {"application": "shop:app", "server_names": ["shop.test"], "source": {"package": "shop==1"}}


def test_the_role_says_itself_what_is_wrong_with_an_app(tmp_path: Path) -> None:
    # Ansible's own validation comes first, and would name no app.
    cases = {
        f"case{number}": {"wsgi_apps": [{"name": f"case{number}", **GOOD, **wrong}]}
        for number, (wrong, _said) in enumerate(REFUSED)
    }
    (tmp_path / "cases.yml").write_text(yaml.safe_dump({"cases": {"hosts": cases}}))
    play_of_a_user = {
        "name": "Deploy",
        "hosts": "cases",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "roles": ["palisade.mod_wsgi.wsgi_apps"],
    }
    (tmp_path / "site.yml").write_text(yaml.safe_dump([play_of_a_user]))
    # Check mode lets a host be without Apache.
    code, said = play(tmp_path, "--inventory", "cases.yml", "site.yml", "--check", "-vvv", "--forks", "4")
    assert code != 0
    wanted = [expected.format(f"case{number}") for number, (_wrong, expected) in enumerate(REFUSED)]
    missing = [expected for expected in wanted if expected not in said]
    assert missing == [], said
    assert "Validation of arguments failed" not in said
    assert said.count("failed=1") == len(cases)
    assert "sesame" not in said
