# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a WSGI script takes its application from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.adopt.script import Script, read_script
from hypothesis import given
from hypothesis import strategies as st


def read(directory: Path, text: str, name: str = "application") -> Script:
    path = directory / "x.wsgi"
    path.write_text(text, encoding="utf-8")
    return read_script(str(path), name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from shop.wsgi import application", "shop.wsgi:application"),
        ("from shop import app as application", "shop:app"),
        ("from shop import app\napplication = app", "shop:app"),
        ("import shop\napplication = shop.app", "shop:app"),
        ("import shop.web\napplication = shop.web.app", "shop.web:app"),
        ("import shop.web as web\napplication = web.app", "shop.web:app"),
        ("from shop import web\napplication = web.app", "shop.web:app"),
        ("try:\n    from a import application\nexcept ImportError:\n    from b import application", "b:application"),
        ("if True:\n    from a import application", "a:application"),
        ("from shop.wsgi import *", "shop.wsgi:application"),
        # The later one counts.
        ("from a import application\nfrom b import application", "b:application"),
        # Made here, so the script is the module.
        ("def application(environ, start_response): pass", ":"),
        ("from a import application\napplication = wrapped(application)", ":"),
        ("from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()", ":"),
        ("from . import application", ":"),
        ("from .web import application", ":"),
        ("application = lambda *x: x", ":"),
        ("import application", ":"),
    ],
)
def test_where_the_application_is(text: str, expected: str, tmp_path: Path) -> None:
    found = read(tmp_path, text)
    assert f"{found.module}:{found.callable}" == expected
    assert found.problem == ""


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("from a import application", False),
        ('"""Words."""\nimport os\nfrom a import application', False),
        ("import os\nos.chdir('/')\nfrom a import application", True),
    ],
)
def test_whether_it_does_more_than_import(text: str, more: bool, tmp_path: Path) -> None:
    assert read(tmp_path, text).more is more


def test_another_name(tmp_path: Path) -> None:
    assert read(tmp_path, "from shop import app", "app").module == "shop"
    assert "has no application" in read(tmp_path, "from shop import app").problem


def test_names_of_variables_and_the_path(tmp_path: Path) -> None:
    text = """
import os, sys
os.environ["ONE"] = "secret"
os.environ.setdefault("TWO", "secret")
os.environ["bad-name"] = "x"
os.environ[name] = "x"
other["THREE"] = "x"
sys.path.insert(0, "/srv/shop")
sys.path.append("relative")
from shop import application
"""
    found = read(tmp_path, text)
    assert (found.environment, found.inserts) == (["ONE", "TWO"], ["/srv/shop"])
    assert "secret" not in str(found)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"#" * (1 << 20) + b"\n")
    for name in ("fifo", "large", "missing"):
        assert "is not a file" in read_script(str(tmp_path / name)).problem
    for text in ("print 'two'", "(" * 5000, "\0"):
        assert "not valid for this host" in read(tmp_path, text).problem


_PIECES = [
    "from a import application",
    "application = ",
    "import a.b as c",
    "c.d",
    "os.environ[",
    "sys.path.insert(",
    "\n",
    "def application(): pass",
    "'x'",
    ")",
    "]",
    "try:",
    "    ",
    "with a: ",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=3)).map("".join))
def test_no_text_is_too_much(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.wsgi").write_bytes(text.encode("utf-8", "replace"))
    found = read_script(str(tmp_path / "x.wsgi"))
    assert bool(found.module) == bool(found.callable)


@pytest.mark.parametrize(
    ("text", "environment", "inserts"),
    [
        ("environ['A'] = '1'", ["A"], []),
        ("environ.setdefault('A', '1')", ["A"], []),
        ("os.putenv('A', '1')", ["A"], []),
        ("os.environ.setdefault()", [], []),
        ("os.environ.get('A')", [], []),
        ("os.environ[5] = '1'", [], []),
        ("x = os.environ['A']", [], []),
        ("site.addsitedir('/srv/venv')", [], ["/srv/venv"]),
        ("sys.path.insert(0, BASE, '/srv/a')", [], ["/srv/a"]),
        ("sys.path.remove('/srv/a')", [], []),
        ("sys.path.append(b'/srv/a')", [], []),
        ("if True:\n    os.environ['A'] = '1'\nelse:\n    os.environ['B'] = '1'", ["A", "B"], []),
        ("try:\n    pass\nexcept OSError:\n    environ['A'] = '1'\nfinally:\n    environ['B'] = '1'", ["A", "B"], []),
        ("with open('x') as y:\n    sys.path.append('/srv/a')", [], ["/srv/a"]),
        # What only a call does is not done by an import.
        ("def start():\n    os.environ['A'] = '1'\n    sys.path.append('/srv/a')", [], []),
        ("for x in y:\n    os.environ['A'] = '1'", [], []),
    ],
)
def test_ways_to_set_variables_and_the_path(
    text: str, environment: list[str], inserts: list[str], tmp_path: Path
) -> None:
    found = read(tmp_path, f"{text}\nfrom shop import application")
    assert (found.environment, found.inserts) == (environment, inserts)
    assert (found.module, found.more) == ("shop", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from .web import *\ndef application(): pass", ":"),
        ("from a import *\nfrom b import other", "a:application"),
        ("from a import *\nfrom b import *", "b:application"),
        ("from a import *\nfrom b import application", "b:application"),
        ("import a.b.c\napplication = a.b.c.d.application", "a.b.c.d:application"),
        ("import a.b as c\napplication = c", ":"),
        ("class application: pass", ":"),
        ("async def application(): pass", ":"),
        ("first = application = shop.app", ":"),
        ("import shop\nfirst = application = shop.app", "shop:app"),
        ("import shop\napplication = shop().app", ":"),
        ("x.application = 5\nfrom a import application", "a:application"),
    ],
)
def test_less_common_ways_to_an_application(text: str, expected: str, tmp_path: Path) -> None:
    found = read(tmp_path, text)
    assert (f"{found.module}:{found.callable}", found.problem) == (expected, "")


def test_a_star_of_a_relative_package_shows_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "from .web import *").problem == "has no application that shows without running it"


def test_a_script_of_just_the_size_that_is_read(tmp_path: Path) -> None:
    text = "from shop import application\n"
    path = tmp_path / "x.wsgi"
    path.write_text(text + "#" * ((1 << 20) - len(text)))
    assert read_script(str(path)).module == "shop"
    path.write_text(text + "#" * ((1 << 20) - len(text) + 1))
    assert read_script(str(path)) == Script(problem="is not a file of at most 1 MiB")


def test_one_that_took_the_script_s_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is not waited for, and what may not be read is said."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(os.path, "isfile", lambda path: True)
    assert read_script(str(tmp_path / "fifo")).problem.startswith("has no application")

    def refuse(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert read_script(str(tmp_path / "fifo")).problem == "cannot be read: Permission denied"
