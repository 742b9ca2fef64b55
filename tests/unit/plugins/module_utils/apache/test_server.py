"""What Apache and its files tell of themselves."""

from __future__ import annotations

import dataclasses
import platform
import sys
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import (
    DEBIAN,
    REDHAT,
    ApacheLayout,
    host_layout,
    read_os_release,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.server import (
    Configuration,
    check,
    enabled_mod_wsgi,
    environment_of,
    interpreter_facts,
    module_facts,
    mpm_of,
    read_configuration,
    version,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES, run

# Written by Apache 2.4.71 with mod_wsgi 4.9.4, except for names and paths.
DUMP = FIXTURES / "apache" / "dump_config.txt"


@pytest.fixture
def layout(tmp_path: Path) -> ApacheLayout:
    return dataclasses.replace(
        DEBIAN,
        binary=str(tmp_path / "stub"),
        root=str(tmp_path),
        main_file=str(tmp_path / "apache2.conf"),
        envvars=str(tmp_path / "envvars"),
        module_links=str(tmp_path / "mods-enabled"),
    )


def stub(layout: ApacheLayout, script: str) -> None:
    path = Path(layout.binary)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_dump_of_several_hosts(layout: ApacheLayout) -> None:
    stub(layout, f'cat "{DUMP}"')
    configuration = read_configuration(layout, run)
    assert configuration.error == ""
    assert configuration.modules[-3:] == ["mpm_event", "authz_core", "wsgi"]
    assert [(pool["name"], pool["server_name"], pool["line"]) for pool in configuration.pools] == [
        ("legacy", "", 13),
        ("byhand", "byhand.example.org", 4),
        ("admin", "admin.localhost", 5),
        ("public", "public.localhost", 5),
    ]
    assert [(site["addresses"], site["server_names"], site["line"]) for site in configuration.virtual_hosts] == [
        (["*:80"], ["byhand.example.org"], 1),
        (["*:80"], ["static.example.org"], 7),
        (["*:80"], ["admin.localhost", "www.admin.localhost"], 2),
        (["*:80"], ["public.localhost", "www.public.localhost"], 2),
    ]
    legacy, byhand, admin, _public = configuration.pools
    assert legacy["options"] == {"user": "daemon", "threads": "5", "display-name": "(legacy one)"}
    assert legacy["file"] == "/etc/apache2/apache2.conf"
    assert byhand["options"]["python-path"] == '/srv/by hand:/srv/"x"'
    assert byhand["options"]["lang"] == "hello"
    assert admin["file"] == "/etc/apache2/sites-enabled/zz-palisade-admin.conf"
    assert admin["options"]["user"] == "admin-app"
    assert admin["options"]["display-name"] == "%{GROUP}"


def test_a_value_declares_no_pool(layout: ApacheLayout, tmp_path: Path) -> None:
    value = 'lang="a\u2028WSGIDaemonProcess evil user=x\x85WSGIDaemonProcess evil user=x"'
    (tmp_path / "dump").write_text(f"# In file: /x\n#   1:\nWSGIDaemonProcess public {value} threads=3\n")
    stub(layout, f'cat "{tmp_path}/dump"')
    (pool,) = read_configuration(layout, run).pools
    assert (pool["name"], pool["options"]["threads"]) == ("public", "3")


def test_directives_in_any_case(layout: ApacheLayout, tmp_path: Path) -> None:
    lines = [
        "<virtualhost *:80>",
        "servername a.org",
        "SERVERALIAS b.org",
        "wsgidaemonprocess public",
        "</virtualhost>",
    ]
    (tmp_path / "dump").write_text("\n".join(["# In file: /x", "#   1:", *lines, ""]))
    stub(layout, f'cat "{tmp_path}/dump"')
    configuration = read_configuration(layout, run)
    assert [(pool["name"], pool["server_name"]) for pool in configuration.pools] == [("public", "a.org")]
    assert [site["server_names"] for site in configuration.virtual_hosts] == [["a.org", "b.org"]]


def test_a_refused_configuration(layout: ApacheLayout) -> None:
    stub(layout, "echo 'AH00526: Syntax error on line 1' >&2; exit 1")
    assert read_configuration(layout, run).error == "AH00526: Syntax error on line 1"
    assert check(layout, run) == "AH00526: Syntax error on line 1"
    stub(layout, "exit 1")
    assert check(layout, run) == "Apache's check failed"
    stub(layout, "echo 'Syntax OK' >&2")
    assert check(layout, run) == ""


def test_the_check_reads_the_copy(layout: ApacheLayout, tmp_path: Path) -> None:
    stub(layout, 'echo "$@"; exit 1')
    assert check(layout, run) == f"-d {tmp_path} -f {tmp_path}/apache2.conf -t"
    assert check(layout, run, "/copy") == "-d /copy -f /copy/apache2.conf -t"


def test_the_environment_of_the_distribution(layout: ApacheLayout, tmp_path: Path) -> None:
    assert environment_of(layout, run) == {"LANG": "C"}
    (tmp_path / "envvars").write_text("echo noise; export APACHE_RUN_USER=www-data LANG=C MULTI='a\nb=c'\n")
    environment = environment_of(layout, run)
    assert (environment["APACHE_RUN_USER"], environment["MULTI"]) == ("www-data", "a\nb=c")
    stub(layout, 'echo "$APACHE_RUN_USER"; exit 1')
    assert check(layout, run) == "www-data"


def test_version(layout: ApacheLayout) -> None:
    stub(layout, "echo 'Server version: Apache/2.4.71 (Debian)'")
    assert version(layout, run) == "2.4.71"
    stub(layout, "exit 1")
    assert version(layout, run) == ""


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("mod_wsgi.so", b"\x7fELF..\x005.0.2\0..libpython3.13.so.1.0\0", ("5.0.2", "3.13")),
        ("mod_wsgi.so", b"x\x006.1.1\0", ("6.1.1", "")),
        ("mod_wsgi-py311.cpython-311-x86_64-linux-gnu.so", b"\x006.1.1\0", ("6.1.1", "3.11")),
        ("mod_wsgi-py39.so", b"", ("", "3.9")),
        ("mod_wsgi.so", b"version 5.0.2 of", ("", "")),
    ],
)
def test_module_facts(name: str, content: bytes, expected: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    facts = module_facts(str(tmp_path / name))
    assert (facts["version"], facts["python"]) == expected
    # Debian links the plain name to the one with the version.
    (tmp_path / "link.so").symlink_to(name)
    assert module_facts(str(tmp_path / "link.so")) == facts


def test_the_module_that_apache_loads(layout: ApacheLayout, tmp_path: Path) -> None:
    assert enabled_mod_wsgi(layout) is None
    (tmp_path / "mods-enabled").mkdir()
    (tmp_path / "mods-enabled" / "a.load").write_text("# LoadModule wsgi_module x.so\nLoadModule info_module x.so\n")
    (tmp_path / "mods-enabled" / "dangling.load").symlink_to("nowhere")
    assert enabled_mod_wsgi(layout) is None
    (tmp_path / "mods-enabled" / "wsgi.load").write_text('  loadmodule wsgi_module "modules/mod_wsgi.so"\n')
    assert enabled_mod_wsgi(layout) is None
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mod_wsgi.so").write_bytes(b"\x005.0.2\0libpython3.13")
    assert enabled_mod_wsgi(layout) == {
        "module": f"{tmp_path}/modules/mod_wsgi.so",
        "version": "5.0.2",
        "python": "3.13",
    }


def test_the_running_interpreter() -> None:
    assert interpreter_facts(sys.executable, run) == {
        "path": sys.executable,
        "version": "{}.{}".format(*sys.version_info),
        "implementation": platform.python_implementation().lower(),
    }


@pytest.mark.parametrize("script", ["exit 1", "echo hello", "exec /no/such/program"])
def test_an_interpreter_that_does_not_run(script: str, layout: ApacheLayout) -> None:
    stub(layout, script)
    for path in (layout.binary, layout.binary + "-missing"):
        assert interpreter_facts(path, run) == {"path": path, "version": "", "implementation": ""}


@pytest.mark.parametrize(
    ("modules", "expected"), [(["core", "mpm_event"], "event"), (["mpm_prefork"], "prefork"), ([], "")]
)
def test_mpm(modules: list[str], expected: str) -> None:
    assert mpm_of(modules) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=debian\n", DEBIAN),
        ('ID=ubuntu\nID_LIKE="debian"\n', DEBIAN),
        ("ID=mint\nID_LIKE='ubuntu debian'\n", DEBIAN),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', REDHAT),
        ("ID=fedora\n", REDHAT),
    ],
)
def test_layouts(text: str, expected: ApacheLayout, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(text)
    assert host_layout(str(tmp_path / "os-release")) == expected


def test_an_unknown_distribution(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('# x\nID=arch\nPRETTY_NAME="Arch Linux"\n')
    assert read_os_release(str(tmp_path / "os-release")) == {"ID": "arch", "PRETTY_NAME": "Arch Linux"}
    with pytest.raises(PalisadeError, match="expected Debian, Ubuntu or one of the RedHat family, got Arch Linux"):
        host_layout(str(tmp_path / "os-release"))
    with pytest.raises(PalisadeError, match="got unknown"):
        host_layout(str(tmp_path / "missing"))


def test_where_each_thing_stands(layout: ApacheLayout, tmp_path: Path) -> None:
    """Also what stands in no file."""
    places = ["<VirtualHost *:81>", "</VirtualHost>", "# In file: /x", "#  12:", "<VirtualHost *:80 [::]:80>"]
    text = "\n".join([*places, "#   13:", "ServerAlias 'b.org' \"c.org\"", "ServerName a.org", "</VirtualHost>", ""])
    (tmp_path / "dump").write_text(f"WSGIDaemonProcess early\n{text}ServerName main.org\nWSGIDaemonProcess late\n")
    stub(layout, f'cat "{tmp_path}/dump"')
    configuration = read_configuration(layout, run)
    assert configuration.virtual_hosts == [
        {"addresses": ["*:81"], "server_names": [], "file": "", "line": 0},
        {
            "addresses": ["*:80", "[::]:80"],
            "server_names": ["a.org", "b.org", "c.org"],
            "file": "/x",
            "line": 12,
        },
    ]
    assert configuration.pools == [
        {"name": "early", "options": {}, "file": "", "line": 0, "server_name": ""},
        {"name": "late", "options": {}, "file": "/x", "line": 13, "server_name": ""},
    ]


def test_what_apache_is_asked_for_its_configuration(layout: ApacheLayout, tmp_path: Path) -> None:
    stub(layout, 'echo "$@" >&2; exit 1')
    info = f"LoadModule info_module {layout.modules}/mod_info.so"
    expected = f"-d {tmp_path} -f {tmp_path}/apache2.conf -C {info} -t -D DUMP_CONFIG -D DUMP_MODULES"
    assert read_configuration(layout, run) == Configuration(error=expected)
    stub(layout, "exit 1")
    assert read_configuration(layout, run).error == "Apache's check failed"
    stub(layout, "echo Apache")
    assert version(layout, run) == ""


def test_every_place_of_a_distribution() -> None:
    places = DEBIAN.as_dict()
    assert places == {
        "family": "Debian",
        "binary": "/usr/sbin/apache2",
        "control": "/usr/sbin/apache2ctl",
        "unit": "apache2",
        "user": "www-data",
        "root": "/etc/apache2",
        "main_file": "/etc/apache2/apache2.conf",
        "envvars": "/etc/apache2/envvars",
        "modules": "/usr/lib/apache2/modules",
        "log_directory": "/var/log/apache2",
        "runtime_directory": "/var/run/apache2",
        "module_files": "/etc/apache2/mods-available",
        "module_links": "/etc/apache2/mods-enabled",
        "server_files": "/etc/apache2/conf-available",
        "server_links": "/etc/apache2/conf-enabled",
        "site_files": "/etc/apache2/sites-available",
        "site_links": "/etc/apache2/sites-enabled",
    }
    assert REDHAT.as_dict() == {
        "family": "RedHat",
        "binary": "/usr/sbin/httpd",
        "control": "/usr/sbin/apachectl",
        "unit": "httpd",
        "user": "apache",
        "root": "/etc/httpd",
        "main_file": "/etc/httpd/conf/httpd.conf",
        "envvars": "",
        "modules": "/usr/lib64/httpd/modules",
        "log_directory": "/var/log/httpd",
        "runtime_directory": "/run/httpd",
        "module_files": "/etc/httpd/conf.modules.d",
        "module_links": "",
        "server_files": "/etc/httpd/conf.d",
        "server_links": "",
        "site_files": "/etc/httpd/conf.d",
        "site_links": "",
    }
