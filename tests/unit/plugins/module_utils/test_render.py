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
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._app import App, check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._render import (
    RECORD,
    entry_file,
    environment_file,
    read_records,
    record,
    sysusers,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app
from hypothesis import example, given
from hypothesis import strategies as st


def checked(**fields: Any) -> App:
    return check_app(app(**fields), 0, None)


def run_entry(text: str, directory: Path) -> dict[str, Any]:
    """Run an entry file in a process of its own, and return what it printed of itself."""
    (directory / "shop").mkdir()
    (directory / "shop" / "wsgi.py").write_text(
        "import os\nSEEN = os.environ.get('KEY')\ndef application(): return SEEN\nmake = application\n"
    )
    (directory / "entry.py").write_text(text)
    program = "import json, entry; print(json.dumps({'said': entry.application(), 'names': dir(entry)}))"
    result = subprocess.run([sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, check=True)
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


@pytest.mark.parametrize("function", ["application", "make"])
def test_entry_file_ends_in_its_one_import_of_the_application(function: str, tmp_path: Path) -> None:
    text = entry_file(checked(application=f"shop.wsgi:{function}"))
    imports = [statement for statement in ast.parse(text).body if isinstance(statement, ast.ImportFrom)]
    assert ast.unparse(ast.parse(text).body[-1]) == ast.unparse(imports[0])
    assert [statement.module for statement in imports] == ["shop.wsgi"]
    assert run_entry(text, tmp_path)["said"] is None


def test_entry_file_shuts_the_logs_of_other_sites(tmp_path: Path) -> None:
    log, data = tmp_path / "access.log", tmp_path / "data"
    log.write_text("before\n")
    program = (tmp_path / "entry.py").write_text(entry_file(checked()).partition("from shop")[0])
    assert program
    with log.open("ab") as inherited, data.open("wb") as own:
        numbers = inherited.fileno(), own.fileno()
        code = f"import os, entry; [os.write(number, b'forged') for number in {numbers}]; print('said')"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, pass_fds=numbers, capture_output=True, text=True, check=True
        )
    assert (log.read_text(), data.read_text(), done.stdout) == ("before\n", "forged", "said\n")


def test_entry_file_reads_the_environment_first(tmp_path: Path) -> None:
    value = "a\"b'c\\d\ne${HOME}ü"
    public = checked(environment={"KEY": value})
    text = entry_file(public)
    assert value not in text
    assert "KEY" not in text
    (tmp_path / "environment").write_text(environment_file(public))
    text = text.replace(repr(public.environment_file), repr(str(tmp_path / "environment")))
    assert run_entry(text, tmp_path)["said"] == value


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


TEXTS = st.text(st.one_of(st.sampled_from('\n\r\x85\u2028"\\#:'), st.characters()), max_size=20)


@given(st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(TEXTS), st.none()), min_size=1), TEXTS)
@example({"name": "a\nb"}, "")
@example({"name": "a\u2028b"}, "# x")
def test_records_come_back(fields: dict[str, Any], after: str) -> None:
    line = record(**fields)
    assert line.startswith("# ")
    assert line.isascii()
    assert line.isprintable()
    assert read_records(f"# Notice\n{line}\n{after}\n{line}\n") == [fields, fields]


@pytest.mark.parametrize("text", ["", "# x", RECORD, RECORD + "{", RECORD + "[1]", RECORD + '"x"', "x" + RECORD + "{}"])
def test_no_record(text: str) -> None:
    assert read_records(text) == []
