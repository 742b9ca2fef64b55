# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a WSGI script takes its application from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._adopt_script import Script, read_script
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
        assert "no file" in read_script(str(tmp_path / name)).problem
    for text in ("print 'two'", "(" * 5000, "\0"):
        assert "no Python" in read(tmp_path, text).problem


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
