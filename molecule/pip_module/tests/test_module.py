"""A mod_wsgi that pip built serves, lies where only root can change it, and left nothing of its build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import request, server_info, stat
from testinfra.host import Host

VERSION = "6.1.1"


@pytest.fixture(scope="module")
def python(host: Host) -> str:
    """X.Y of the host's own Python."""
    return host.check_output("/usr/bin/python3 --version").removeprefix("Python ").rpartition(".")[0]


@pytest.fixture(scope="module")
def module(python: str) -> Path:
    return Path(f"/usr/local/lib/mod_wsgi/{VERSION}-py{python}/mod_wsgi.so")


def test_server_info_reads_it(host: Host, module: Path, python: str) -> None:
    facts = server_info(host)
    assert facts["mod_wsgi"] == {"module": str(module), "version": VERSION, "python": python}
    assert facts["apache"]["configuration_error"] == ""


def test_only_root_can_change_it(host: Host, module: Path) -> None:
    assert stat(host, str(module)) == {"root root 644"}
    assert stat(host, str(module.parent)) == {"root root 755"}
    writable = "find %s -maxdepth 0 \\( -type l -o -not -user root -o -perm /022 \\)"
    for path in (module, *module.parents):
        # Debian gives /usr/local's directories to nobody else since version 10.
        assert host.check_output(writable, str(path)) == ""
    assert host.check_output("find %s -mindepth 1 -not -path %s", str(module.parent), str(module)) == ""


def test_apache_runs_with_it_and_no_other(host: Host, module: Path) -> None:
    loads = host.check_output("grep -Rhi '^ *LoadModule  *wsgi_module' /etc/apache2/mods-enabled/")
    assert loads == f"LoadModule wsgi_module {module}"
    assert not host.file("/etc/apache2/mods-enabled/wsgi.load").exists
    mapped = host.check_output("cat /proc/[0-9]*/maps | grep -o '/[^ ]*mod_wsgi[^ ]*[.]so[^ ]*' | sort -u")
    assert mapped == str(module)


def test_apache_names_it_in_its_log(host: Host, python: str) -> None:
    started = host.check_output("grep -o 'mod_wsgi/.* configured' /var/log/apache2/error.log").splitlines()
    assert started[-1].startswith(f"mod_wsgi/{VERSION} Python/{python}")


def test_the_app_answers(host: Host) -> None:
    status, headers, body = request(host, "api.localhost")
    assert (status, headers["Server"], json.loads(body)["service"]) == (200, "Apache", "api")
    status, _headers, body = request(host, "api.localhost", "GET", "/time?zone=Europe/Paris")
    assert (status, json.loads(body)["zone"]) == (200, "Europe/Paris")


def test_the_pool_has_an_option_of_version_6(host: Host) -> None:
    (pool,) = server_info(host)["pools_declared"]
    assert pool["options"]["interrupt-timeout"] == "30"
    (live,) = server_info(host)["pools_live"]
    assert {(process["user"], process["umask"]) for process in live["processes"]} == {("api-app", "0027")}


def test_nothing_is_left_of_the_build(host: Host) -> None:
    assert host.run("find / -xdev -name '*palisade-mod_wsgi-*' -o -name 'mod_wsgi-express*'").stdout == ""
    assert host.run("find /tmp /root /var/tmp -name '*mod_wsgi*'").stdout == ""
