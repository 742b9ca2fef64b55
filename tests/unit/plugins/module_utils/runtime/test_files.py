"""The files of an app: each is read by the program that it is for."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.records import read_records
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.files import (
    entry_file,
    environment_file,
    sysusers,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app
from hypothesis import given
from hypothesis import strategies as st


def checked(**fields: Any) -> App:
    return check_app(app(**fields), 0, None)


class Entry:
    """An app with two releases on disk, and processes that start as mod_wsgi starts them: by way of the link."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.directory, self.app = directory, checked(**fields)
        self.current = directory / "current"
        for release in ("one", "two"):
            code = directory / "releases" / release / "code"
            for package in ("shop", "late"):
                (code / package).mkdir(parents=True)
            (code / "shop" / "wsgi.py").write_text(
                "import os\nSEEN = os.environ.get('KEY')\ndef application(): return SEEN\nmake = application\n"
            )
            (code / "late" / "__init__.py").write_text(f"WHERE = {release!r}\n")
            (code / "late" / "data.txt").write_text(f"data of {release}")
            (code / "early").mkdir()
            (code / "early" / "__init__.py").touch()
            (code / "early" / "later.py").write_text(f"WHERE = {release!r}\n")
        self.text = entry_file(self.app).replace(repr(self.app.current), repr(str(self.current)))
        self.switch("one")

    def switch(self, release: str) -> None:
        self.current.unlink(missing_ok=True)
        self.current.symlink_to(f"releases/{release}")

    def run(
        self, program: str, before: str = "", check: bool = False, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the entry file, then a program in a process that found its code through the link; E is its namespace."""
        text = self.directory / "wsgi.py"
        text.write_text(self.text)
        start = f"import os, runpy, sys\nsys.path.insert(0, {str(self.current / 'code')!r})\n{before}\n"
        code = f"{start}E = runpy.run_path({str(text)!r})\n{program}"
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.current / "code",
            capture_output=True,
            text=True,
            check=check,
            **options,
        )

    def says(self, program: str, before: str = "", **options: Any) -> Any:
        result = self.run(f"import json; print(json.dumps({program}))", before, **options)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.mark.parametrize("function", ["application", "make"])
def test_entry_file_ends_in_its_one_import_of_the_application(function: str, tmp_path: Path) -> None:
    entry = Entry(tmp_path, application=f"shop.wsgi:{function}")
    tree = ast.parse(entry.text)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imports] == ["shop.wsgi"]
    assert ast.unparse(imports[0]) in ast.unparse(tree.body[-1])
    assert entry.says("E['application']()") is None


def test_entry_file_keeps_to_the_release_that_it_started_in(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    switch = f"os.unlink({str(entry.current)!r}); os.symlink('releases/two', {str(entry.current)!r})\n"
    program = (
        f"{switch}import json, late, pkgutil, early.later\n"
        "from importlib import resources\n"
        "print(json.dumps([late.WHERE, late.__file__, pkgutil.get_data('late', 'data.txt').decode(),"
        " resources.files('late').joinpath('data.txt').read_text(), early.later.WHERE]))"
    )
    # A package that was imported before, as by a file of the virtual environment, finds its other modules too.
    found = json.loads(entry.run(program, "import early", check=True).stdout)
    place = f"{tmp_path}/releases/one/code/late/__init__.py"
    assert found == ["one", place, "data of one", "data of one", "one"]


def test_entry_file_moves_what_leads_through_the_link(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    before = (
        f"import site; sys.prefix = sys.exec_prefix = {str(entry.current / 'venv')!r}\n"
        f"sys.executable = sys.prefix + '/bin/python'; site.PREFIXES[:] = [sys.prefix, '/usr']\n"
        f"sys.path += [sys.prefix + '/lib', {str(entry.current) + '-other'!r}]"
    )
    said = entry.says(
        "[sys.prefix, sys.exec_prefix, sys.executable, site.PREFIXES, sys.path[0], sys.path[-2:]]", before
    )
    release = f"{tmp_path}/releases/one"
    venv = f"{release}/venv"
    expected = [venv, venv, f"{venv}/bin/python", [venv, "/usr"], f"{release}/code"]
    assert said == [*expected, [f"{venv}/lib", f"{tmp_path}/current-other"]]


def test_entry_file_ends_a_process_for_which_the_link_was_switched(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    switch = f"os.unlink({str(entry.current)!r}); os.symlink('releases/two', {str(entry.current)!r})"
    result = entry.run("print('went on')", switch)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# The memory files that a process holds.
_HELD = (
    "places = [f'/proc/self/fd/{number}' for number in range(3, 64)]\n"
    "held = [os.readlink(place).split()[0] for place in places if os.path.islink(place)]\n"
    "print([name for name in held if name.startswith('/memfd:')])\n"
)


def test_entry_file_shows_that_its_import_went_well(tmp_path: Path) -> None:
    assert Entry(tmp_path).run(_HELD, check=True).stdout == "['/memfd:palisade-imported']\n"


def test_entry_file_shows_once_that_its_import_failed(tmp_path: Path) -> None:
    turn = f"try:\n    runpy.run_path({str(tmp_path / 'wsgi.py')!r})\nexcept ModuleNotFoundError:\n    pass\n"
    result = Entry(tmp_path, application="shop.missing:application").run("", turn * 3 + _HELD)
    assert result.stdout == "['/memfd:palisade-failed']\n"
    assert result.stderr.endswith("ModuleNotFoundError: No module named 'shop.missing'\n")


def test_entry_file_shuts_the_logs_of_other_sites(tmp_path: Path) -> None:
    log, data = tmp_path / "access.log", tmp_path / "data"
    log.write_text("before\n")
    with log.open("ab") as inherited, data.open("wb") as own:
        numbers = inherited.fileno(), own.fileno()
        program = f"[os.write(number, b'forged') for number in {numbers}]"
        assert Entry(tmp_path).says(program, pass_fds=numbers) == [6, 6]
    assert (log.read_text(), data.read_text()) == ("before\n", "forged")


def test_entry_file_reads_the_environment_first(tmp_path: Path) -> None:
    value = "a\"b'c\\d\ne${HOME}ü"
    entry = Entry(tmp_path, environment={"KEY": value})
    assert value not in entry.text
    assert "KEY" not in entry.text
    (tmp_path / "environment").write_text(environment_file(entry.app))
    entry.text = entry.text.replace(repr(entry.app.environment_file), repr(str(tmp_path / "environment")))
    assert entry.says("E['application']()") == value


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_environments_come_back(values: dict[str, str]) -> None:
    text = environment_file(checked(environment=values))
    assert json.loads(text) == values
    assert text.isascii()


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, ['u public-app - "WSGI application public" /var/lib/public-app /usr/sbin/nologin']),
        (
            {"group": "shared"},
            ["g shared -", 'u public-app -:shared "WSGI application public" /var/lib/public-app /usr/sbin/nologin'],
        ),
    ],
)
def test_sysusers(fields: dict[str, Any], lines: list[str]) -> None:
    public = checked(**fields)
    text = sysusers(public, "mine")
    assert [line for line in text.splitlines() if not line.startswith("#")] == lines
    fields = {"name": "public", "owner": "mine", "account": public.account, "group": public.group}
    assert read_records(text) == [fields]
    # Such names were derived from a path by earlier versions.
    assert read_records(sysusers(public, "newc/infra")) == [{**fields, "owner": "newc/infra", "chosen": True}]


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-sysusers works as root only")
@pytest.mark.parametrize("fields", [{}, {"group": "shared"}, {"name": "a" * 27}, {"account": "b" * 31}])
def test_sysusers_takes_it(fields: dict[str, Any], tmp_path: Path) -> None:
    public = checked(**fields)
    (tmp_path / "etc").mkdir()
    (tmp_path / "app.conf").write_text(sysusers(public, "mine"))
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(tmp_path / "app.conf")], check=True, capture_output=True
    )
    passwd = dict(line.split(":", 1) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    group = {line.split(":")[2]: line.split(":")[0] for line in (tmp_path / "etc/group").read_text().splitlines()}
    _x, uid, gid, _gecos, home, shell = passwd[public.account].split(":")
    assert 100 <= int(uid) < 1000
    assert (group[gid], home, shell) == (public.group, public.home, "/usr/sbin/nologin")
    assert f"\n{public.account}:!" in "\n" + (tmp_path / "etc/shadow").read_text()
