"""What is read of a host: the parts that need no Apache."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import server
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import (
    collect as collectors_collect,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.collect import (
    Apache,
    address_of,
    collect,
    environment_python,
    script_facts,
    settings_of,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import NO_DUMP, all_pools, code_paths
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import report
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.live import sleeper
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import (
    ENTRY,
    changed,
    facts,
    without,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import noting

BUILT = """\
Server version: Apache/2.4.71 (Debian)
Server MPM:     event
 -D HTTPD_ROOT="/etc/apache2"
 -D SERVER_CONFIG_FILE="apache2.conf"
"""
RUN = """\
ServerRoot: "/etc/apache2"
User: name="www-data" id=33
Group: name="www-data" id=33
Loaded Modules:
 core_module (static)
 wsgi_module (shared)
Included configuration files:
  (*) /etc/apache2/apache2.conf
    (147) /etc/apache2/mods-enabled/wsgi.conf
"""
DUMP = "# In file: /etc/apache2/apache2.conf\n#   1:\nWSGIScriptAlias / /srv/none/wsgi.py\n"


def test_addresses_of_the_kernel() -> None:
    assert address_of("0100007F:1F90") == {"address": "127.0.0.1", "port": 8080}
    assert address_of("00000000000000000000000000000000:0050") == {"address": "::", "port": 80}
    assert address_of("00000000000000000000000001000000:01BB") == {"address": "::1", "port": 443}


@pytest.mark.parametrize(
    ("text", "defines", "inserts"),
    [
        ("from shop import application\n", False, []),
        ("def application(e, s):\n    return []\n", True, []),
        ("class application:\n    pass\n", True, []),
        (
            "import sys\nsys.path.insert(0, '/srv/shop')\nsys.path.append('x')\nfrom a import application",
            False,
            ["/srv/shop"],
        ),
        ("def application(:\n", False, []),
        ("\0", False, []),
    ],
)
def test_scripts_are_read_and_not_run(tmp_path: Path, text: str, defines: bool, inserts: list[str]) -> None:
    script = tmp_path / "wsgi.py"
    script.write_text(text, encoding="utf-8")
    assert script_facts(str(script)) == {"defines": defines, "inserts": inserts}


def test_a_script_that_is_no_file_is_left_alone(tmp_path: Path) -> None:
    assert script_facts(str(tmp_path)) == script_facts(str(tmp_path / "none")) == {"defines": False, "inserts": []}


def said(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
    if "-V" in arguments:
        return BUILT
    return DUMP if "DUMP_CONFIG" in arguments else RUN


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An Apache that is installed and does not run."""
    binary = tmp_path / "apache2"
    binary.touch()

    layout = SimpleNamespace(binary=str(binary), envvars="")
    monkeypatch.setattr(collectors_collect, "host_layout", lambda: layout)
    monkeypatch.setattr(collectors_collect, "parents", list)
    return binary


def test_an_apache_that_does_not_run_is_judged_by_its_configuration(stopped: Path) -> None:
    (facts,) = collect(said, "safe")
    assert vars(facts.instance) == {
        "binary": str(stopped),
        "pid": None,
        "config_file": "/etc/apache2/apache2.conf",
        "root": "/etc/apache2",
        "apache_version": "2.4.71",
        "mod_wsgi_version": "",
        "python": "",
        "mpm": "event",
        "modules": ["core", "wsgi"],
        "files": ["/etc/apache2/apache2.conf", "/etc/apache2/mods-enabled/wsgi.conf"],
        "user": "www-data",
        "uid": 33,
        "gid": 33,
        "error": "",
        "title": "",
    }
    assert {row["rule_id"] for row in report([facts], "1")["results"] if row["status"] == "fail"} >= {"M1", "M2", "I4"}


def test_a_refused_configuration_is_told(stopped: Path) -> None:
    def refusing(
        arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        if "-t" in arguments:
            raise CommandError("apache2", 1, "AH00526: Syntax error on line 3 of /etc/x.conf:")
        return BUILT

    (facts,) = collect(refusing, "none")
    assert facts.instance.error.startswith("AH00526")
    assert not [row for row in report([facts], "1")["results"] if row["status"] in ("pass", "error")]


def test_a_host_without_apache_has_an_empty_report(stopped: Path) -> None:
    stopped.unlink()
    assert report(collect(said, "safe"), "1")["results"] == []


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["-k", "start"], []),
        (["-D", "FOREGROUND", "-k", "start"], []),
        # As mod_wsgi-express starts it.
        (["-f", "/tmp/x/httpd.conf", "-DONE", "-DFOREGROUND"], ["-f", "/tmp/x/httpd.conf", "-D", "ONE"]),
        (["-d/srv", "-X", "-C", "User x", "-E", "/log"], ["-d", "/srv", "-C", "User x"]),
        (["--what"], []),
        ([], []),
    ],
)
def test_arguments_that_decide_on_the_configuration(words: list[str], kept: list[str]) -> None:
    assert settings_of(words) == kept


def test_an_apache_that_does_not_even_tell_its_version_is_told(stopped: Path) -> None:
    def refusing(
        arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None
    ) -> str:
        raise CommandError("apache2", 1, "AH00534: apache2: Configuration error: No MPM loaded.")

    (facts,) = collect(refusing, "none")
    assert "No MPM" in facts.instance.error


def test_the_configuration_file_is_the_one_that_apache_was_started_with() -> None:
    built = {"HTTPD_ROOT": "/etc/apache2", "SERVER_CONFIG_FILE": "apache2.conf"}

    def file(*arguments: str) -> str:
        return Apache("/usr/sbin/apache2", list(arguments), {}, said).config_file(built)

    assert file() == "/etc/apache2/apache2.conf"
    assert file("-f", "other.conf") == "/etc/apache2/other.conf"
    assert file("-d", "/opt", "-f", "other.conf") == "/opt/other.conf"
    assert file("-f", "/srv/x.conf") == "/srv/x.conf"


@pytest.mark.parametrize(("group", "may_serve"), [("shop", True), ("%{ENV:POOL}", True), ("blog", False)])
def test_a_script_is_code_of_every_pool_that_may_serve_it(group: str, may_serve: bool) -> None:
    host = facts(changed("WSGIProcessGroup shop", f"WSGIProcessGroup {group}"))
    assert (ENTRY in code_paths(host, host.pools[0])) == may_serve


def test_a_script_in_embedded_mode_is_code_of_apache_s_own_processes() -> None:
    host = facts("WSGIPythonHome /opt/venv\nWSGIPythonPath /opt/a:/opt/b\n" + without("WSGIProcessGroup shop\n"))
    *pools, apache = all_pools(host)
    assert (pools, apache.name) == (list(host.pools), "embedded mode")
    assert set(code_paths(host, apache)) == {ENTRY, "/opt/venv", "/opt/a", "/opt/b"}
    assert ENTRY not in code_paths(host, host.pools[0])
    assert all_pools(facts()) == facts().pools


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n", "3.11"),
        ("home = /usr/bin\nversion_info = 3.13.5.final.0\n", "3.13"),
        ("home = /usr/bin\n", ""),
        ("# version = 3.9.1\n", ""),
    ],
)
def test_the_python_of_a_virtual_environment(text: str, version: str) -> None:
    assert environment_python(text) == version


def test_a_script_that_is_none_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wsgi.py")
    assert script_facts(str(tmp_path / "wsgi.py")) == {"defines": False, "inserts": []}


def test_what_is_read_of_pools_and_their_paths(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("site/wsgi.py", "site/settings.py", "venv/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("version = 3.13.1\n")
    config = (
        f"WSGIDaemonProcess bare python-home={tmp_path}/venv\n"
        "WSGIDaemonProcess named user=root group=#12\n"
        "WSGIDaemonProcess odd user=palisade-nobody group=#x\n"
        f"WSGIScriptAlias /all {tmp_path}/site\nWSGIScriptAlias / {tmp_path}/site/wsgi.py\n"
    )
    monkeypatch.setitem(globals(), "DUMP", f"# In file: /etc/apache2/apache2.conf\n{config}")
    (found,) = collect(said, "none")
    assert found.users == {"root": 0, "palisade-nobody": None}
    assert found.groups == {"#12": 12, "#x": None}
    script, venv, site = (found.paths[f"{tmp_path}/{name}"] for name in ("site/wsgi.py", "venv", "site"))
    assert (script["directory"], script["environment"], script["neighbours"]) == (False, False, ["settings.py"])
    assert (venv["directory"], venv["environment"], venv["python"]) == (True, True, "3.13")
    # What is beside a whole directory of scripts is not served.
    assert "neighbours" not in venv
    assert "neighbours" not in site


@contextlib.contextmanager
def apache(directory: Path, name: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of this name, which takes any arguments and ends with its standard input."""
    shutil.copy("/bin/sh", directory / name)
    command = [str(directory / name), "-c", "echo; read line", *arguments]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_every_apache_that_runs_here_is_found_once(tmp_path: Path) -> None:
    with contextlib.ExitStack() as running:
        names = ("apache2", "httpd", "apache2-shop", "apache2ctl", "nginx")
        started = {name: running.enter_context(apache(tmp_path, name)).pid for name in names}
        found = collectors_collect.parents()
        assert [name for name in names if found.count(started[name]) == 1] == ["apache2", "httpd", "apache2-shop"]
        # One whose file was replaced by an update still runs.
        (tmp_path / "httpd").unlink()
        assert started["httpd"] in collectors_collect.parents()
        assert collectors_collect._executable(started["httpd"]) == str(tmp_path / "httpd")


def test_a_child_of_apache_s_is_no_apache_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {7: "/usr/sbin/apache2", 8: "/usr/sbin/apache2", 9: "/usr/sbin/apache2", 1: "/sbin/init"}
    above = {7: 1, 8: 7, 9: 0, 1: 0}
    monkeypatch.setattr(os, "listdir", lambda _path: [*map(str, programs), "self"])
    monkeypatch.setattr(collectors_collect, "_executable", programs.__getitem__)
    monkeypatch.setattr(collectors_collect, "parent_pid", above.__getitem__)
    monkeypatch.setattr(os, "readlink", lambda path: "another" if "/9/" in path else "here")
    # 9 is a container's, as its namespace says.
    assert collectors_collect.parents() == [7]
    monkeypatch.setattr(os, "readlink", lambda path: "here")
    assert collectors_collect.parents() == [7, 9]


def test_apache_is_asked_as_it_was_started(tmp_path: Path) -> None:
    asked: list[tuple[Any, Any]] = []

    def run(arguments: Any, environment: Any = None, data: Any = None) -> str:
        asked.append((arguments, environment))
        return ""

    with apache(tmp_path, "apache2", "-f", "x.conf", "-k", "start", APACHE_RUN_USER="www=data", LC_ALL="de") as process:
        found = Apache.of(process.pid, run)
    found.say("-V")
    ((arguments, environment),) = asked
    assert arguments[0] == str(tmp_path / "apache2")
    assert arguments[-1] == "-V"
    assert (environment["APACHE_RUN_USER"], environment["LC_ALL"]) == ("www=data", "C.UTF-8")
    own = Apache("/usr/sbin/apache2", ["-D", "ONE"], {}, run)
    own.dump("DUMP_MODULES", "DUMP_RUN_CFG")
    assert asked[-1] == (
        ["/usr/sbin/apache2", "-D", "ONE", "-t", "-D", "DUMP_MODULES", "-D", "DUMP_RUN_CFG"],
        {"LC_ALL": "C.UTF-8"},
    )


def test_mod_info_is_loaded_for_the_dump_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mod_info.so").touch()
    own = Apache("/usr/sbin/apache2", [], {}, lambda arguments, environment=None, data=None: " ".join(arguments))
    monkeypatch.setattr(collectors_collect, "_MODULES", (str(tmp_path / "none"), str(tmp_path)))
    assert own.dump("A") == f"/usr/sbin/apache2 -C LoadModule info_module {tmp_path}/mod_info.so -t -D A"
    asked: list[str] = []
    monkeypatch.undo()
    monkeypatch.setattr(collectors_collect, "_has_info", noting(asked, False))
    assert own.dump("A") == "/usr/sbin/apache2 -t -D A"
    assert asked == ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules", "modules"]


def test_what_apache_does_not_tell_is_empty() -> None:
    def of(text: str) -> dict[str, str]:
        return Apache("/usr/sbin/apache2", [], {}, lambda arguments, environment=None, data=None: text).built_with()

    assert of("") == {"version": "", "mpm": ""}
    assert of("Server MPM:   Worker\n") == {"version": "", "mpm": "Worker"}
    assert Apache("/usr/sbin/apache2", [], {}, said).config_file({}) == "/"
    assert of(BUILT) == {
        "version": "2.4.71",
        "mpm": "event",
        "HTTPD_ROOT": "/etc/apache2",
        "SERVER_CONFIG_FILE": "apache2.conf",
    }


def test_the_last_of_several_arguments_counts() -> None:
    own = Apache("/usr/sbin/apache2", ["-f", "a.conf", "-d", "/srv", "-f", "b.conf"], {}, said)
    assert own.config_file({}) == "/srv/b.conf"


def test_a_complaint_without_words_is_one_all_the_same(stopped: Path) -> None:
    def refusing(arguments: Sequence[str], environment: Any = None, data: Any = None) -> str:
        raise CommandError("apache2", 1, "")

    (found,) = collect(refusing, "none")
    assert found.instance.error == "Apache's check failed"
    assert (found.instance.config_file, found.tree.directives) == ("/", [])


def test_an_apache_that_cannot_show_its_configuration(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "DUMP", "")
    monkeypatch.setitem(globals(), "RUN", RUN.replace("id=33", "id=0").replace("ServerRoot", "NoRoot"))
    (found,) = collect(said, "none")
    assert found.instance.error == NO_DUMP
    # root is no account that Apache's children have.
    assert (found.instance.uid, found.instance.gid) == (None, None)
    assert found.instance.root == "/etc/apache2"


def test_which_module_a_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = "".join(
        f"7f r-xp 0 08:01 1  /opt/{name}\n" for name in ("mod_wsgi.so", "mod_wsgi.so", "a/mod_wsgi-py3.so.1")
    )
    known = {"/opt/mod_wsgi.so": {"version": "", "python": "3.1"}, "/opt/a/mod_wsgi-py3.so.1": {"version": "5.0.2"}}
    monkeypatch.setattr(collectors_collect, "read_paths", lambda path: maps if path == "/proc/7/maps" else "")
    monkeypatch.setattr(server, "module_facts", known.__getitem__)
    assert collectors_collect._mod_wsgi(7) == {"version": "5.0.2"}
    assert collectors_collect._mod_wsgi(8) == {"version": "", "python": ""}
    monkeypatch.undo()
    assert collectors_collect._mod_wsgi(2**22 + 1) == {"version": "", "python": ""}


def test_what_a_process_is_asked_beyond_its_pool() -> None:
    found = collectors_collect._more(os.getpid())
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    assert (found["uids"], found["gids"]) == ([os.getuid(), os.geteuid()] * 2, [os.getgid(), os.getegid()] * 2)
    assert found["capabilities"] == effective
    assert found["no_new_privileges"] is ("NoNewPrivs:\t1" in status)
    assert found["title"] == Path("/proc/self/cmdline").read_text(encoding="utf-8").split("\0")[0].rstrip()


def test_an_ambient_capability_and_no_new_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
    texts = {
        "/proc/7/status": f"{ids}CapEff:\t0\nCapAmb:\t400\nNoNewPrivs:\t1\n",
        "/proc/7/cmdline": "(wsgi:shop)  \0-k\0",
    }
    texts |= {"/proc/8/status": f"{ids}CapEff:\t1\n", "/proc/8/cmdline": ""}
    monkeypatch.setattr(collectors_collect, "read_paths", texts.__getitem__)
    assert collectors_collect._more(7) == {
        "uids": [1, 2, 3, 4],
        "gids": [5, 6, 7, 8],
        "capabilities": 0x400,
        "no_new_privileges": True,
        "title": "(wsgi:shop)",
    }
    older = collectors_collect._more(8)
    assert (older["capabilities"], older["no_new_privileges"], older["title"]) == (1, False, "")


def test_sockets_that_a_process_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        with socket.create_connection(one.getsockname()) as connection, sleeper() as other:
            found = collectors_collect.listeners(os.getpid())
            assert connection.getsockname()[1] not in [row["port"] for row in found]
            assert collectors_collect.listeners(other.pid) == []
        ports = [{"address": where.getsockname()[0], "port": where.getsockname()[1]} for where in (one, six)]
        assert [row for row in found if row in ports] == ports


@pytest.mark.parametrize(
    ("name", "expected"), [("root", 0), ("#12", 12), ("#", None), ("#x", None), ("palisade-nobody", None)]
)
def test_numbers_of_accounts(name: str, expected: int | None) -> None:
    assert collectors_collect._id(name, lambda one: pwd.getpwnam(one).pw_uid) == expected


def test_what_is_known_of_every_path(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1/wsgi.py", "1/shop.py", "venv/pyvenv.cfg", "html/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("def application(): pass\nversion = 3.13.1\n", encoding="utf-8")
    (tmp_path / "1/wsgi.py").write_text("import sys\nsys.path.append('/x')\ndef app(): pass\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("1")
    monkeypatch.setitem(
        globals(),
        "DUMP",
        "# In file: /etc/apache2/apache2.conf\n"
        f"WSGIScriptAlias / {tmp_path}/link/wsgi.py\nWSGIPythonHome {tmp_path}/venv\nDocumentRoot {tmp_path}/html\n"
        f"Alias /link {tmp_path}/link\nScriptAlias /none {tmp_path}/none\nWSGIScriptAlias /r relative.py\n",
    )
    (found,) = collect(said, "none")
    assert {os.path.relpath(path, tmp_path): row for path, row in found.paths.items()} == {
        "link/wsgi.py": {
            "defines": True,
            "inserts": ["/x"],
            "exists": True,
            "real": f"{tmp_path}/1/wsgi.py",
            "directory": False,
            "neighbours": ["shop.py"],
            "environment": False,
            "python": "",
        },
        "venv": {
            "exists": True,
            "real": f"{tmp_path}/venv",
            "directory": True,
            "environment": True,
            "python": "3.13",
        },
        "html": {"exists": True, "real": f"{tmp_path}/html"},
        "link": {"exists": True, "real": f"{tmp_path}/1"},
        "none": {"exists": False, "real": f"{tmp_path}/none"},
    }


def test_an_apache_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = f"WSGIDaemonProcess shop user=root\nWSGIScriptAlias / {tmp_path}/wsgi.py\nWSGIProcessGroup shop\n"
    monkeypatch.setitem(globals(), "DUMP", f"# In file: /etc/apache2/apache2.conf\n{config}")
    monkeypatch.setattr(collectors_collect, "_mod_wsgi", lambda pid: {"version": f"of {pid}", "python": "3.13"})
    monkeypatch.setattr(collectors_collect, "listeners", lambda pid: [{"address": "127.0.0.1", "port": pid}])
    row = {"pid": os.getpid(), "uid": os.geteuid(), "gid": os.getegid(), "groups": [], "user": "root", "group": "root"}
    gone = {**row, "pid": 2**22 + 1}
    pools = [{"name": "shop", "processes": [row, gone]}, {"name": "none", "processes": []}]
    asked: list[Any] = []

    def live(binary: str, declared: Any, parent: int) -> Any:
        asked.extend([binary, declared, parent])
        return pools

    monkeypatch.setattr(collectors_collect, "live_pools", live)
    with apache(tmp_path, "apache2", "-k", "start") as process:
        monkeypatch.setattr(collectors_collect, "parents", lambda: [2**22 + 1, process.pid])
        (found,) = collect(said, "none")
    binary = str(tmp_path / "apache2")
    assert asked == [binary, [{"name": "shop", "options": {"user": "root"}}], process.pid]
    instance = found.instance
    assert (instance.binary, instance.pid, instance.title) == (binary, process.pid, binary)
    assert (instance.mod_wsgi_version, instance.python) == (f"of {process.pid}", "3.13")
    assert found.listeners == [{"address": "127.0.0.1", "port": process.pid}]
    # A process that ended meanwhile is none.
    assert [(name, [one["pid"] for one in rows]) for name, rows in found.live.items()] == [("shop", [os.getpid()])]
    assert found.live["shop"][0]["uids"] == [os.getuid(), os.geteuid()] * 2
    assert (found.users, found.web.active) == ({"root": 0}, "none")
    assert list(found.files.pools) == ["shop"]
    assert found.host.parent["uid"] == os.geteuid()
