"""Which package a file is of."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import packages, proc
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.live import (
    host_of,
    no_run,
)

MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libc.so.6
7f02-7f03 r-xp 00000000 08:01 2                          /usr/lib/apache2/modules/mod_wsgi.so-3.11{}
7f04-7f05 rw-p 00000000 00:00 0
"""


@pytest.mark.parametrize("end", ["", " (deleted)"])
def test_the_module_in_memory(end: str) -> None:
    assert packages.module_file(MAPS.format(end)) == f"/usr/lib/apache2/modules/mod_wsgi.so-3.11{end}"
    assert packages.module_file("") == ""


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of dpkg with one package of mod_wsgi."""
    info = tmp_path / "dpkg/info"
    info.mkdir(parents=True)
    (info / "libapache2-mod-wsgi-py3:amd64.list").write_text("/.\n/usr/lib/mod_wsgi.so\n", encoding="utf-8")
    (tmp_path / "dpkg/status").write_text(
        "Package: libapache2-mod-wsgi-py3-dev\nVersion: 1\n\nPackage: libapache2-mod-wsgi-py3\nStatus: install ok\n"
        "Version: 4.7.1-3+deb11u1\n\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(packages, "_DPKG", str(tmp_path / "dpkg"))
    monkeypatch.setattr(packages, "_DOCUMENTS", str(tmp_path / "doc"))
    return tmp_path


def test_a_package_of_debian(dpkg: Path) -> None:
    found = packages.package_of("/usr/lib/mod_wsgi.so", no_run)
    assert (found["package"], found["version"], found["mended"]) == ("libapache2-mod-wsgi-py3", "4.7.1-3+deb11u1", None)
    documents = dpkg / "doc/libapache2-mod-wsgi-py3"
    documents.mkdir(parents=True)
    with gzip.open(documents / "changelog.Debian.gz", "wt") as text:
        text.write("  * Fix X-Client-IP (CVE-2022-2255)\n")
    assert packages.package_of("/usr/lib/mod_wsgi.so", no_run)["mended"] == ["CVE-2022-2255"]
    (documents / "changelog.Debian.gz").write_bytes(b"no gzip")
    assert packages.package_of("/usr/lib/mod_wsgi.so", no_run)["mended"] is None


def test_a_file_of_no_package(dpkg: Path) -> None:
    assert packages.package_of("/opt/mod_wsgi.so", no_run)["package"] == ""


def test_a_package_of_redhat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "_DPKG", str(tmp_path))
    monkeypatch.setattr(packages, "_RPM", "/bin/true")

    def rpm(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
        return "- fix CVE-2014-0240\n" if "--changelog" in arguments else "mod_wsgi 3.4-18.el7\n"

    found = packages.package_of("/usr/lib64/httpd/modules/mod_wsgi.so", rpm)
    assert (found["package"], found["version"], found["mended"]) == ("mod_wsgi", "3.4-18.el7", ["CVE-2014-0240"])
    assert packages.package_of("/opt/mod_wsgi.so", no_run)["package"] == ""
    monkeypatch.setattr(packages, "_RPM", str(tmp_path / "none"))
    assert packages.package_of("/opt/mod_wsgi.so", no_run)["package"] is None


def test_the_packages_of_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "package_of", lambda path, _run: {"path": path})
    facts = host_of(None)
    assert packages.packages_of_apache(facts, no_run) == {"apache": {"path": "/bin/cat"}}
    facts.instance.pid = os.getpid()
    for end in ("", " (deleted)"):
        monkeypatch.setattr(packages, "module_file", lambda _maps, end=end: f"/x/mod_wsgi.so{end}")
        assert packages.packages_of_apache(facts, no_run) == {
            "apache": {"path": "/bin/cat", "replaced": False},
            "module": {"path": "/x/mod_wsgi.so", "replaced": bool(end)},
        }
    monkeypatch.setattr(packages, "module_file", lambda _maps: "")
    assert list(packages.packages_of_apache(facts, no_run)) == ["apache"]
    really = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: f"{really(path)} (deleted)")
    assert packages.packages_of_apache(facts, no_run)["apache"]["replaced"] is True
    assert proc.program_of(os.getpid()) == really("/proc/self/exe")
