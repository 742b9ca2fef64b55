"""What the live host shows, from outside and from inside each pool's daemons."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import (
    ROOT,
    Action,
    ansible,
    attempt,
    inventory_name,
    request,
    server_info,
    stat,
)
from testinfra.host import Host

VARIABLES = yaml.safe_load((ROOT / "examples/three_components/group_vars/wsgi.yml").read_text())
APPS = {app["name"]: app for app in VARIABLES["wsgi_apps"]}
SECRET = APPS["admin"]["environment"]["DJANGO_SECRET_KEY"]
REFUSALS = ("EACCES", "EPERM")
TERM = 15
WSGI_SO = "/usr/lib/apache2/modules/mod_wsgi.so"
DUMP = "apache2ctl -C 'LoadModule info_module /usr/lib/apache2/modules/mod_info.so' -t -D DUMP_CONFIG"

Answers = dict[Action, dict[str, Any]]


class Accounts:
    """Accounts and groups of a host as its own tools tell them, in one look."""

    def __init__(self, host: Host) -> None:
        databases = host.check_output("getent passwd; echo; getent group; echo; getent shadow").split("\n\n")
        self.passwd, self.group, self.shadow = (
            {line.split(":")[0]: line.split(":") for line in database.splitlines()} for database in databases
        )

    def ids(self, account: str) -> tuple[int, int]:
        return int(self.passwd[account][2]), int(self.group[account][2])


class Pool:
    """One app on one host: where its parts lie, and how to act as its daemon."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name
        self.account = f"{name}-app"
        self.home = f"/var/lib/{self.account}"
        self.data = f"{self.home}/data"
        self.environment = f"{self.home}/environment"
        self.entry = f"/var/www/{name}/wsgi.py"

    @cached_property
    def release(self) -> str:
        return str(self.host.check_output("readlink -f %s/current", self.home))

    @cached_property
    def packages(self) -> str:
        return str(self.host.check_output(f"echo {self.release}/venv/lib/python3.*/site-packages"))

    @cached_property
    def ids(self) -> tuple[int, int]:
        return Accounts(self.host).ids(self.account)

    @property
    def processes(self) -> list[dict[str, Any]]:
        """The live daemons as wsgi_server_info sees them."""
        pools = {pool["name"]: pool["processes"] for pool in server_info(self.host)["pools_live"]}
        return list(pools[self.name])

    @property
    def pids(self) -> list[int]:
        return [process["pid"] for process in self.processes]

    def attempt(self, *actions: Action) -> Answers:
        """Let a daemon of the pool try the actions."""
        return attempt(self.host, f"{self.name}.localhost", *actions)

    def secrets(self) -> list[Action]:
        """What nobody but this pool may look into."""
        files = [f"{self.release}/code/probe.py", f"{self.release}/venv/pyvenv.cfg", self.environment]
        files += self.host.check_output("find %s -type f", self.data).splitlines()
        processes = [f"/proc/{pid}" for pid in self.pids]
        directories = [self.home, self.data, self.release, f"{self.release}/code", self.packages]
        return [
            *(("read", path) for path in files),
            *(("list", path) for path in directories),
            *(("read", f"{process}/environ") for process in processes),
            *(("list", f"{process}/{name}") for process in processes for name in ("cwd", "fd")),
        ]

    def fixed(self) -> list[Action]:
        """What no daemon may change, this pool's own least of all."""
        directories = [self.home, f"{self.home}/releases", self.release, f"{self.release}/code", f"{self.release}/venv"]
        directories += [self.packages, f"{self.release}/venv/bin", str(Path(self.entry).parent)]
        files = [f"{self.release}/code/probe.py", f"{self.release}/venv/pyvenv.cfg", f"{self.release}/release.json"]
        files += [self.environment, self.entry, f"/etc/apache2/sites-available/zz-palisade-{self.name}.conf"]
        files += [f"/etc/sysusers.d/palisade-{self.account}.conf", f"/var/log/apache2/wsgi-{self.name}-error.log"]
        return [("write", path) for path in (*files, *(f"{directory}/planted" for directory in directories))]


def attempt_as(host: Host, account: str, actions: list[Action]) -> Answers:
    """Try the same actions in a process of an account, root for instance, outside any daemon."""
    probe = (ROOT / "tests/fixtures/probe/probe.py").read_text()
    command = "runuser -u %s -- /usr/bin/python3 -c %s %s"
    return dict(zip(actions, json.loads(host.check_output(command, account, probe, json.dumps(actions))), strict=True))


def not_refused(answers: Answers) -> Answers:
    """Whatever went through, or failed for another reason than a permission, such as a path that does not exist."""
    return {action: answer for action, answer in answers.items() if answer.get("errno") not in REFUSALS}


def failed(answers: Answers) -> Answers:
    return {action: answer for action, answer in answers.items() if not answer["ok"]}


@pytest.fixture(scope="module")
def pools(host: Host) -> dict[str, Pool]:
    return {name: Pool(host, name) for name in APPS}


@pytest.fixture(params=sorted(APPS))
def pool(request: pytest.FixtureRequest, pools: dict[str, Pool]) -> Pool:
    return pools[request.param]


@pytest.fixture
def others(pool: Pool, pools: dict[str, Pool]) -> list[Pool]:
    return [other for other in pools.values() if other is not pool]


@pytest.fixture(scope="module")
def sockets(host: Host) -> list[str]:
    return host.check_output("find /run/apache2/ -type s").splitlines()


@pytest.fixture(scope="module")
def dump(host: Host) -> str:
    return str(host.check_output(DUMP))


def server_wide() -> list[Action]:
    """Apache's and the host's own, which no daemon may change."""
    files = ["/etc/apache2/apache2.conf", "/etc/apache2/envvars", "/etc/apache2/conf-available/zz-palisade.conf"]
    files += [WSGI_SO, "/etc/passwd", "/run/apache2/apache2.pid"]
    files += [f"/etc/apache2/{name}-enabled/planted.conf" for name in ("conf", "mods", "sites")]
    files += ["/var/www/planted", "/var/lib/planted", "/run/apache2/planted", "/var/log/apache2/planted"]
    return [("write", path) for path in files]


def attacks(others: list[Pool], sockets: list[str], parent: int) -> list[Action]:
    """What a daemon could try against the other pools, and against Apache itself."""
    pids = [parent, *(pid for other in others for pid in other.pids)]
    return [
        *(
            action
            for other in others
            for action in (*other.secrets(), *other.fixed(), ("write", f"{other.data}/planted"))
        ),
        *(("kill", pid, number) for pid in pids for number in (0, TERM)),
        *(("ptrace", pid) for pid in pids),
        *(("connect", path) for path in sockets),
        ("read", f"/proc/{parent}/environ"),
    ]


# From inside the daemons


def test_identity(pool: Pool) -> None:
    uid, gid = pool.ids
    found = pool.attempt(("identity",))[("identity",)]["result"]
    assert (found["uids"], found["gids"], set(found["groups"])) == ([uid] * 3, [gid] * 3, {gid})
    assert found["umask"] == "0027"
    assert int(found["capabilities"], 16) == 0
    assert found["cwd"] == f"{pool.release}/code"
    assert found["path"][0] in (f"{pool.release}/code", f"{pool.home}/current/code")
    assert found["prefix"] in (f"{pool.release}/venv", f"{pool.home}/current/venv")
    assert found["pid"] in pool.pids
    assert found["application_group"] == ""


def test_identities_differ(host: Host, pools: dict[str, Pool]) -> None:
    identities = [pool.ids for pool in pools.values()] + [(0, 0), Accounts(host).ids("www-data")]
    assert len({uid for uid, _gid in identities}) == len({gid for _uid, gid in identities}) == len(APPS) + 2


def test_server_info_says_the_same(pool: Pool) -> None:
    uid, gid = pool.ids
    assert len(pool.processes) == APPS[pool.name]["processes"]
    for process in pool.processes:
        assert (process["uid"], process["gid"], process["groups"]) == (uid, gid, [gid])
        assert (process["user"], process["group"], process["umask"]) == (pool.account, pool.account, "0027")
        assert process["cwd"] == f"{pool.release}/code"


def test_each_has_its_own_environment_only(pool: Pool) -> None:
    names = set(pool.attempt(("identity",))[("identity",)]["result"]["environment"])
    foreign = {name for app in APPS.values() for name in app.get("environment", {})} - set(
        APPS[pool.name].get("environment", {})
    )
    assert set(APPS[pool.name].get("environment", {})) <= names
    assert not foreign & names


def test_what_is_its_own_works(pool: Pool) -> None:
    own = [("read", f"{pool.release}/code/probe.py"), ("read", f"{pool.release}/venv/pyvenv.cfg")]
    own += [("read", pool.environment), ("list", pool.data), ("write", f"{pool.data}/written"), ("read", pool.entry)]
    own += [("write", f"{pool.data}/{name}/written") for name in APPS[pool.name].get("writable", [])]
    own += [("kill", pid, 0) for pid in pool.pids]
    assert failed(pool.attempt(*own)) == {}


def test_others_are_out_of_reach(host: Host, pool: Pool, others: list[Pool], sockets: list[str]) -> None:
    assert len(sockets) == len(APPS)
    before = [other.pids for other in others]
    assert not_refused(pool.attempt(*attacks(others, sockets, server_info(host)["apache"]["pid"]))) == {}
    server_info.cache_clear()
    assert [other.pids for other in others] == before
    for other in others:
        assert request(host, f"{other.name}.localhost")[0] == 200


def test_nothing_but_data_can_be_changed(pool: Pool) -> None:
    assert not_refused(pool.attempt(*pool.fixed(), *server_wide())) == {}


def test_root_can_do_all_that_was_refused(host: Host, pools: dict[str, Pool], sockets: list[str]) -> None:
    """So the paths exist and the probes work: it was the account that was refused."""
    everything = [*attacks(list(pools.values()), sockets, server_info(host)["apache"]["pid"]), *server_wide()]
    assert failed(attempt_as(host, "root", [action for action in everything if action[-1] != TERM])) == {}


def test_a_daemon_sees_what_is_opened(host: Host, pool: Pool, others: list[Pool]) -> None:
    """The same probes go through from inside a daemon where the permission is there."""
    actions = [("read", "/srv/opened/environment"), ("write", "/srv/opened/environment"), ("list", "/srv/opened")]
    actions.append(("write", "/srv/opened/planted"))
    host.check_output("mkdir -m 0755 /srv/opened && cp -p %s /srv/opened/environment", others[0].environment)
    try:
        assert not_refused(pool.attempt(*actions)) == {("list", "/srv/opened"): {"ok": True, "result": ["environment"]}}
        host.check_output("chmod 0777 /srv/opened && chmod 0666 /srv/opened/environment")
        assert failed(pool.attempt(*actions)) == {}
    finally:
        host.check_output("rm -r /srv/opened")


def test_apaches_own_account_reads_no_app(host: Host, pools: dict[str, Pool]) -> None:
    actions = [action for pool in pools.values() for action in pool.secrets()]
    assert not_refused(attempt_as(host, "www-data", actions)) == {}


# From outside


def test_sites_answer(host: Host, pool: Pool) -> None:
    status, headers, body = request(host, f"{pool.name}.localhost")
    assert status == 200
    assert headers["Server"] == "Apache"
    assert {"admin": "<h1>", "public": "<form", "api": '"service": "api"'}[pool.name] in body


def test_no_version_and_no_trace(host: Host, pool: Pool) -> None:
    assert request(host, f"{pool.name}.localhost", "TRACE")[0] == 405
    status, headers, body = request(host, f"{pool.name}.localhost", "GET", "/%2e%2e/../etc/passwd")
    assert status >= 400
    assert headers["Server"] == "Apache"
    assert "Apache" not in body


def test_the_whole_disk_offers_an_account_only_its_data(host: Host, pool: Pool) -> None:
    command = "runuser -u %s -- find / -xdev -writable -not -type l"
    found = host.run(command, pool.account).stdout.splitlines()
    assert pool.data in found
    shared = {"/tmp", "/var/tmp", "/run/lock"}
    assert [path for path in found if not f"{path}/".startswith(f"{pool.data}/") and path not in shared] == []


def test_release_is_compiled_and_without_pip(host: Host, pool: Pool) -> None:
    tools = "find %s/venv ( -name 'pip*' -o -name 'setuptools*' -o -name 'easy_install*' -o -name ensurepip )"
    assert host.check_output(tools.replace("(", "\\(").replace(")", "\\)"), pool.release) == ""
    sources = set(host.check_output("find %s -name *.py".replace("*", "\\*"), pool.release).splitlines())
    compiled = host.check_output("find %s -name *.pyc".replace("*", "\\*"), pool.release).splitlines()
    assert f"{pool.release}/code/probe.py" in sources
    assert sources == {re.sub(r"__pycache__/([^/]+)\.cpython-\d+\.pyc$", r"\1.py", path) for path in compiled}


def test_owners_and_modes(host: Host, pool: Pool) -> None:
    assert stat(host, pool.environment) == {f"root {pool.account} 640"}
    assert stat(host, pool.entry) == {"root root 644"}
    assert stat(host, os.path.dirname(pool.entry)) == {"root root 755"}
    assert stat(host, pool.home, pool.release, f"{pool.release}/code") == {f"root {pool.account} 750"}
    assert stat(host, pool.data) == {f"{pool.account} {pool.account} 750"}


def test_sockets_are_apaches_alone(host: Host, sockets: list[str]) -> None:
    assert stat(host, *sockets) == {"www-data root 700"}


def test_apache(host: Host, dump: str) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.service("apache2").is_running
    assert host.service("apache2").is_enabled
    assert host.run("apache2ctl -t").rc == 0
    assert server_info(host)["apache"]["mpm"] == "event"
    assert server_info(host)["apache"]["configuration_error"] == ""
    assert "mpm_event_module" in host.check_output("apache2ctl -M")
    assert not host.file("/etc/apache2/sites-enabled/000-default.conf").exists
    expected = {
        "WSGIRestrictEmbedded": "On",
        "WSGISocketPrefix": "/var/run/apache2/wsgi",
        "ServerTokens": "Prod",
        "ServerSignature": "Off",
        "TraceEnable": "Off",
        "ExtendedStatus": "Off",
        "LogLevel": "warn wsgi:info",
    }
    # Debian's own security.conf says otherwise before; of two, the last one counts.
    assert dict(re.findall(rf"^({'|'.join(expected)}) (.*?)\s*$", dump, re.MULTILINE)) == expected


def test_site(pool: Pool, dump: str) -> None:
    found = next(part for part in dump.split("<VirtualHost *:80>") if f"ServerName {pool.name}.localhost" in part)
    lines = {line.strip() for line in found.partition("</VirtualHost>")[0].splitlines()}
    assert {
        f"WSGIProcessGroup {pool.name}",
        "WSGIApplicationGroup %{GLOBAL}",
        f"WSGIRestrictProcess {pool.name}",
        f"WSGIScriptAlias / {pool.entry}",
        "AllowOverride None",
    } <= {line.replace('"', "") for line in lines}


def test_pool_options(host: Host, pool: Pool) -> None:
    declared = {row["name"]: row["options"] for row in server_info(host)["pools_declared"]}
    assert set(declared) == set(APPS)
    expected = {
        "user": pool.account,
        "group": pool.account,
        "home": f"{pool.home}/current/code",
        "python-home": f"{pool.home}/current/venv",
        "display-name": "%{GROUP}",
        "umask": "0027",
        "processes": str(APPS[pool.name]["processes"]),
        "threads": str(APPS[pool.name]["threads"]),
        "startup-timeout": "15",
        "connect-timeout": "15",
        "queue-timeout": "45",
        "socket-timeout": "60",
        "request-timeout": "60",
        "deadlock-timeout": "60",
        "graceful-timeout": "15",
        "eviction-timeout": "1",
        "shutdown-timeout": "15",
    }
    assert expected.items() <= declared[pool.name].items()
    assert not {"script-user", "script-group"} & declared[pool.name].keys()


def test_secret_is_in_its_file_only(host: Host, pools: dict[str, Pool], dump: str) -> None:
    assert SECRET not in dump
    assert SECRET not in host.check_output("ps axeww")
    assert SECRET not in host.check_output("journalctl --quiet --output cat")
    found = host.run("grep -rlIF -e %s /etc /home /opt /root /run /srv /tmp /usr/local /var", SECRET).stdout.split()
    assert found == [pools["admin"].environment]


# What happens when somebody changes Apache's configuration or an entry file, or restarts a pool


def wait_for(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextmanager
def reconfigured(host: Host, *commands: str) -> Iterator[None]:
    """Run Apache with what these commands make of its configuration."""
    restart = "systemctl reset-failed apache2 && systemctl restart apache2"
    host.check_output("cp -a /etc/apache2 /root/apache2")
    try:
        host.check_output(" && ".join([*commands, restart]))
        yield
    finally:
        host.check_output(f"rm -r /etc/apache2 && mv /root/apache2 /etc/apache2 && {restart}")
        server_info.cache_clear()


def test_pool_has_its_name_in_ps(host: Host, pool: Pool) -> None:
    found = host.check_output("pgrep -f '^[(]wsgi:%s[)] '", pool.name).split()
    assert sorted(map(int, found)) == sorted(pool.pids)


def test_a_signal_restarts_one_pool_only(host: Host, pool: Pool, others: list[Pool]) -> None:
    def daemons() -> set[str]:
        return set(host.run("pgrep -u %s", pool.account).stdout.split())

    old, untouched, apache = daemons(), [other.pids for other in others], server_info(host)["apache"]["pid"]
    host.check_output(f"kill -USR1 {' '.join(old)}")
    wait_for(lambda: len(daemons() - old) == APPS[pool.name]["processes"] and not daemons() & old)
    server_info.cache_clear()
    assert request(host, f"{pool.name}.localhost")[0] == 200
    assert ([other.pids for other in others], server_info(host)["apache"]["pid"]) == (untouched, apache)


def test_a_restart_waits_for_requests_but_not_for_ever(host: Host, pools: dict[str, Pool]) -> None:
    def sleep(seconds: int) -> int:
        return request(host, f"{pool.name}.localhost", "POST", "/__probe__", json.dumps([("sleep", seconds)]))[0]

    pool = pools["public"]
    with ThreadPoolExecutor() as clients:
        short, long, pids = clients.submit(sleep, 8), clients.submit(sleep, 60), pool.pids
        # Both requests have arrived by now.
        time.sleep(3)
        host.check_output(f"kill -USR1 {' '.join(map(str, pids))}")
        assert short.result() == 200
        # The client's own patience is 30 seconds.
        assert long.result() >= 500
    server_info.cache_clear()


def test_only_root_can_replace_an_entry_file(host: Host, pool: Pool) -> None:
    """Every other account of the host fails to change it, its directory, and all directories above."""
    for path in (pool.entry, os.path.dirname(pool.entry), "/var/www", "/var", "/"):
        assert stat(host, path) in ({"root root 755"}, {"root root 555"}, {"root root 644"})
        for account in (pool.account, "www-data", "nobody"):
            assert host.run("runuser -u %s -- test -w %s", account, path).rc != 0
    assert host.run("find /var/www -perm /go+w -not -type l -o -not -user root").stdout == ""


STRAY = r"""
<VirtualHost *:80>
    ServerName stray.localhost
    DocumentRoot /srv/stray
    <Directory /srv/stray>
        Require all granted
    </Directory>
    {}
</VirtualHost>
"""
WHO = """\
import os


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getuid()]
"""


@contextmanager
def stray(host: Host, lines: str, *commands: str) -> Iterator[None]:
    """Somebody's virtual host, made as tutorials say, on the same Apache."""
    host.check_output("mkdir -m 0755 /srv/stray && printf %%s %s >/srv/stray/who.py", WHO)
    site = host.check_output("mktemp")
    host.check_output("printf %%s %s >%s", STRAY.format(lines), site)
    try:
        with reconfigured(host, f"install -m 0644 {site} /etc/apache2/sites-enabled/zzz.conf", *commands):
            yield
    finally:
        host.check_output("rm -r /srv/stray %s", site)


def test_embedded_mode_is_refused(host: Host) -> None:
    alias = "WSGIScriptAlias / /srv/stray/who.py"
    with stray(host, alias):
        assert request(host, "stray.localhost")[0] == 500
    # Without the directive the same site runs in Apache's own processes.
    with stray(host, alias, "sed -i /WSGIRestrictEmbedded/d /etc/apache2/conf-available/zz-palisade.conf"):
        assert request(host, "stray.localhost")[::2] == (200, str(Accounts(host).ids("www-data")[0]))


def test_no_source_without_the_alias(host: Host, pools: dict[str, Pool]) -> None:
    with stray(host, "", "sed -i '/WSGIScriptAlias/d' /etc/apache2/sites-available/zz-palisade-*.conf"):
        # What the loss of an alias does to a site whose code is in its document root.
        assert request(host, "stray.localhost", path="/who.py")[::2] == (200, WHO)
        for pool in pools.values():
            for path in ("/", "/probe.py", "/wsgi.py", f"/{pool.name}/wsgi.py", "/current/code/probe.py", pool.entry):
                status, _headers, body = request(host, f"{pool.name}.localhost", path=path)
                assert status >= 400, path
                assert "import" not in body


# Accounts, and what happens when somebody changes one


def test_account(host: Host, pool: Pool) -> None:
    assert_service_account(Accounts(host), pool)


def assert_service_account(accounts: Accounts, pool: Pool) -> None:
    _name, _password, uid, gid, _comment, home, shell = accounts.passwd[pool.account]
    assert 100 <= int(uid) < 1000
    assert (home, shell) == (pool.home, "/usr/sbin/nologin")
    assert accounts.shadow[pool.account][1].startswith("!")
    assert accounts.group[pool.account][2:] == [gid, ""]
    assert [row[0] for row in accounts.group.values() if pool.account in row[3].split(",")] == []


DRIFT = """
usermod --shell /bin/bash --password '$6$s$any' --append --groups adm api-app
usermod --append --groups api-app www-data
usermod --gid games public-app
sed -i 's,:/var/lib/admin-app:,:/tmp:,' /etc/passwd
"""


def play() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Run converge again. Return per host the tasks that changed something, with their differences."""
    output = ansible("ansible-playbook", "--diff", "converge.yml", ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    changed: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for one in json.loads(output)["plays"]:
        for task in one["tasks"]:
            for name, result in task["hosts"].items():
                if result.get("changed"):
                    changed.setdefault(name, {})[task["task"]["name"].rpartition(" : ")[2]] = result.get("changes", [])
    return changed


@pytest.fixture(scope="session")
def drifted() -> Iterator[list[dict[str, dict[str, list[dict[str, Any]]]]]]:
    """All hosts at once, since a play takes its time: what the first and the second run after the drift changed."""
    ansible("ansible", "wsgi", "--module-name", "ansible.builtin.shell", "--args", DRIFT)
    yield [play(), play()]
    server_info.cache_clear()


def test_drift_of_accounts_is_repaired_and_reported(host: Host, pools: dict[str, Pool], drifted: Any) -> None:
    first, second = drifted
    changes = first[inventory_name(host)]
    assert list(changes) == ["Create and repair the service accounts"]
    reported = {(row["path"], row["before"]["state"]) for rows in changes.values() for row in rows}
    assert {
        ("account admin-app", "home: /tmp"),
        ("account api-app", "shell: /bin/bash"),
        ("account api-app", "password: usable"),
        ("account api-app", "membership: adm"),
        ("account api-app", "member of its group: www-data"),
        ("account public-app", f"primary group: {Accounts(host).group['games'][2]}"),
    } == reported
    assert second == {}
    for pool in pools.values():
        assert_service_account(Accounts(host), pool)
