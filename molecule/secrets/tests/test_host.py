"""Secrets are where their app reads them and nowhere else; first, that the search finds what is somewhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import (
    attempt,
    inventory_name,
    request,
    server_info,
    stat,
)
from testinfra.host import Host

APPS = ("staff", "book", "plain")
HERE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
DUMP = "apache2ctl -C 'LoadModule info_module /usr/lib/apache2/modules/mod_info.so' -t -D DUMP_CONFIG"
# Where an answer is to be looked through, by what it is; $APP is the account of an app.
PLACES = {
    "Apache's configuration": f"{DUMP}; apache2ctl -t -D DUMP_RUN_CFG -D DUMP_VHOSTS",
    "the unit": "systemctl show apache2; systemctl cat apache2",
    "ps": "ps auxwwe",
    "ps of another app": "runuser -u $APP -- ps auxwwe",
    "ps of Apache's account": "runuser -u www-data -- ps auxwwe",
    "/proc": "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null || true",
    "/proc of another app": "runuser -u $APP -- cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null || true",
    "the journal": "journalctl --no-pager --output export",
}


class Loader(yaml.SafeLoader):
    """Reads Ansible's tag."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]


@cache
def vault() -> dict[str, Any]:
    command = ["ansible-vault", "view", str(HERE / "secrets.yml")]
    environment = {key: value for key, value in os.environ.items() if key != "ANSIBLE_LOG_PATH"}
    return dict(yaml.load(subprocess.check_output(command, env=environment), Loader))


def words(*names: str) -> set[str]:
    """Return the words to search for in these parts of the vault."""
    return {word for name in names for word in re.findall("[0-9a-f]{24}", repr(vault()[name]))}


def forms(word: str) -> list[bytes]:
    """Return a word as it is, which is also how JSON, YAML, URLs and shells have it, and as it is inside base64."""
    parts = (word[start : start + (len(word) - start) // 3 * 3] for start in range(3))
    return [word.encode(), *(base64.b64encode(part.encode()) for part in parts)]


def patterns(searched: Iterable[str]) -> bytes:
    return b"\n".join(form for word in searched for form in forms(word))


def inside(text: bytes, searched: set[str]) -> set[str]:
    return {word for word in searched if any(form in text for form in forms(word))}


def shell(host: Host, command: str, given: bytes = b"") -> bytes:
    """Run a command on the host; what is given goes to its input, where no list of processes shows it."""
    container = f"palisade-{os.environ['MOLECULE_SCENARIO_NAME']}-{inventory_name(host)}"
    remote = ["podman", "exec", "--interactive", container, "sh", "-c", command]
    return subprocess.run(remote, input=given, capture_output=True, check=False).stdout


def files_with(host: Host, searched: set[str]) -> set[str]:
    """Return every file of the host that has one of the words."""
    command = "LC_ALL=C grep -rlaF -D skip --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -f - /"
    return set(shell(host, command, patterns(searched)).decode().splitlines())


def controllers_files_with(searched: set[str]) -> set[str]:
    places = [HERE, os.environ["ANSIBLE_HOME"], Path.home() / ".ansible"]
    found = subprocess.run(
        ["grep", "-rlaF", "-D", "skip", "-f", "-", *(str(place) for place in places if Path(place).exists())],
        input=patterns(searched),
        capture_output=True,
        check=False,
    )
    return set(found.stdout.decode().splitlines())


def seen(host: Host, place: str, app: str = "plain") -> bytes:
    return shell(host, PLACES[place].replace("$APP", f"{app}-app"))


# What the search is worth


def test_the_search_finds_a_careless_tasks_argument(host: Host) -> None:
    (word,) = words("planted")
    assert inside(seen(host, "the journal"), {word})
    assert str(HERE / "ansible.log") in controllers_files_with({word})


PLANTED = """
word=$(cat)
echo "SetEnv TOKEN $word" >/etc/apache2/conf-enabled/planted.conf
printf 'TOKEN=%s\n' "$word" | base64 >/var/tmp/planted
install -m 600 /dev/null /root/.planted.swp
echo "{\\"TOKEN\\": \\"a\\\\nb$word\\"}" >/root/.planted.swp
TOKEN=$word setsid sleep 300 >/dev/null 2>&1 </dev/null &
runuser -u $APP -- env TOKEN=$word setsid sleep 300 >/dev/null 2>&1 </dev/null &
setsid sh -c ': "$1"; sleep 300' sh "$word" >/dev/null 2>&1 </dev/null &
sleep 1
"""


@pytest.fixture(scope="module")
def planted(host: Host) -> Iterable[str]:
    word = uuid.uuid4().hex[:24]
    shell(host, PLANTED.replace("$APP", "plain-app"), word.encode())
    yield word
    host.run("rm /etc/apache2/conf-enabled/planted.conf /var/tmp/planted /root/.planted.swp; pkill -x sleep")


@pytest.mark.parametrize("place", set(PLACES) - {"the journal", "the unit"})
def test_the_search_finds_what_is_there(host: Host, place: str, planted: str) -> None:
    assert inside(seen(host, place), {planted}) == {planted}


def test_the_search_finds_files(host: Host, planted: str) -> None:
    expected = {"/etc/apache2/conf-enabled/planted.conf", "/var/tmp/planted", "/root/.planted.swp"}
    assert expected <= files_with(host, {planted})


# Where the secrets are


@pytest.mark.parametrize("app", APPS)
def test_the_app_read_its_own_when_it_was_imported(host: Host, app: str) -> None:
    status, _headers, body = request(host, f"{app}.test")
    assert status == 200, body
    found = json.loads(body)
    expected = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in vault()["secrets_2"][app].items()}
    assert {name: found.get(name) for name in expected} == expected
    foreign = {name for other in APPS for name in vault()["secrets_1"][other]} - set(expected)
    assert not foreign & set(found)


def test_they_are_in_the_file_of_each_app_alone(host: Host) -> None:
    """Of all files of the host; what they were before, also where a run was killed, is in none."""
    paths = {app: f"/var/lib/{app}-app/environment" for app in APPS}
    assert files_with(host, words("secrets_1", "secrets_2", "misplaced")) == set(paths.values())
    for app, path in paths.items():
        assert stat(host, path) == {f"root {app}-app 640"}
        own = set(re.findall("[0-9a-f]{24}", repr(vault()["secrets_2"][app])))
        assert inside(host.file(path).content, words("secrets_1", "secrets_2", "misplaced")) == own


@pytest.mark.parametrize("place", PLACES)
def test_they_are_not_to_be_seen(host: Host, place: str) -> None:
    text = seen(host, place)
    assert text
    assert inside(text, words("secrets_1", "secrets_2", "misplaced")) == set()


@pytest.mark.parametrize("app", APPS)
def test_no_page_shows_them(host: Host, app: str) -> None:
    for path, expected in (("/", 200), ("/fail", 500)):
        status, headers, body = request(host, f"{app}.test", "GET", path)
        assert status == expected
        assert inside(f"{headers} {body}".encode(), words("secrets_1", "secrets_2")) == set()


def test_an_app_that_would_not_start_serves_on(host: Host) -> None:
    text = host.file("/root/broken").content
    assert b"200" in text
    assert inside(text, words("secrets_1")) == set()


def test_the_error_of_the_page_is_in_the_log_without_them(host: Host) -> None:
    text = shell(host, "cat /var/log/apache2/*")
    assert b"broken on purpose" in text
    # It was tried before it could serve.
    assert b"this app does not start" not in text
    assert inside(text, words("secrets_1", "secrets_2")) == set()


def test_the_controller_told_and_kept_nothing(host: Host) -> None:
    """A run that creates them and runs that change them, all with --diff and -vvv."""
    log = (HERE / "ansible.log").read_text()
    assert log.count("(secret, changed)") >= 2
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in log
    assert "this app does not start" in log
    assert list((HERE / "facts").iterdir())
    assert controllers_files_with(words("secrets_1", "secrets_2", "misplaced")) == set()


# Who can reach them


@pytest.mark.parametrize("app", APPS)
def test_other_apps_and_apache_cannot_reach_them(host: Host, app: str) -> None:
    live = {pool["name"]: pool["processes"] for pool in server_info(host)["pools_live"]}
    (pid,) = (process["pid"] for process in live[app])
    memory = [("read", f"/proc/{pid}/{name}") for name in ("mem", "maps", "environ")] + [("ptrace", pid)]
    actions = [("read", f"/var/lib/{app}-app/environment"), *memory]
    for other in set(APPS) - {app}:
        assert {str(answer.get("errno")) for answer in attempt(host, f"{other}.test", *actions).values()} <= {
            "EACCES",
            "EPERM",
        }
    program = f"/var/lib/{app}-app/current/code/probe.py"
    for account in ("www-data", "nobody"):
        command = f"runuser -u {account} -- python3 - %s <{program}"
        answers = json.loads(host.check_output(command, json.dumps(actions)))
        assert {str(answer.get("errno")) for answer in answers} <= {"EACCES", "EPERM"}
    # The app itself reads the file, and root the memory: the paths are right.
    assert attempt(host, f"{app}.test", actions[0])[actions[0]]["ok"]
    assert int(host.check_output("wc -c <%s", f"/proc/{pid}/maps")) > 0
