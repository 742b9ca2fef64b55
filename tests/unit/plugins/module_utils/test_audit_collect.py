"""What is read of a host: the parts that need no Apache."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils import _audit_collect
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_collect import (
    Apache,
    address_of,
    collect,
    environment_python,
    script_facts,
    settings_of,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import all_pools, code_paths
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rules import report
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import CommandError
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit_facts import (
    ENTRY,
    changed,
    facts,
    without,
)

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
    monkeypatch.setattr(_audit_collect, "host_layout", lambda: layout)
    monkeypatch.setattr(_audit_collect, "parents", list)
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
