"""What sudoers lets an account do, read as sudo reads it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import sudoers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.sudoers import (
    Account,
    read_sudoers,
    without_password,
)
from hypothesis import given
from hypothesis import strategies as st

SHOP = Account("shop-app", 990, ((990, "shop-app"), (77, "web people")))
HERE = socket.gethostname()


def granted(tmp_path: Path, text: str, account: Account = SHOP) -> list[dict[str, Any]]:
    file = tmp_path / "sudoers"
    file.write_text(text, encoding="utf-8")
    found = without_password(read_sudoers(str(file)), account)
    return [{key: value for key, value in row.items() if key != "source"} for row in found]


ALL = {"command": "ALL", "root": True, "everything": True}
ONE = {"command": "/bin/ls", "root": True, "everything": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n", []),
        ("shop-app ALL=(ALL) ALL\n", []),
        ("shop-app ALL=(ALL) NOPASSWD: ALL\n", [ALL]),
        ("shop-app\tALL = ( ALL ) NOPASSWD : ALL\n", [ALL]),
        ("shop-app ALL=NOPASSWD: ALL\n", [ALL]),
        ("blog-app ALL=NOPASSWD: ALL\n", []),
        ("ALL ALL=NOPASSWD: ALL\n", [ALL]),
        ("#990 ALL=NOPASSWD: ALL\n", [ALL]),
        ("# 990 ALL=NOPASSWD: ALL\n", []),
        ("#shop-app ALL=NOPASSWD: ALL\n", []),
        ("%shop-app ALL=NOPASSWD: ALL\n", [ALL]),
        ("%#77 ALL=NOPASSWD: ALL\n", [ALL]),
        ("%web\\ people ALL=NOPASSWD: ALL\n", [ALL]),
        ('"%web people" ALL=NOPASSWD: ALL\n', [ALL]),
        ("blog-app, shop-app ALL=NOPASSWD: ALL\n", [ALL]),
        ("ALL, !shop-app ALL=NOPASSWD: ALL\n", []),
        ("!shop-app, ALL ALL=NOPASSWD: ALL\n", [ALL]),
        ("User_Alias WEB = blog-app, shop-app : OPS = joe\nWEB ALL=NOPASSWD: ALL\nOPS ALL=NOPASSWD: ALL\n", [ALL]),
        ("User_Alias A = B\nUser_Alias B = A\nA ALL=NOPASSWD: ALL\n", []),
        ("Cmnd_Alias ANY = ALL\nshop-app ALL=NOPASSWD: ANY\n", [{**ALL, "command": "ANY"}]),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls -l secret\n", [ONE]),
        ("shop-app ALL=(postgres) NOPASSWD: /bin/ls\n", [{**ONE, "root": False}]),
        ("shop-app ALL=(:docker) NOPASSWD: /bin/ls\n", [{**ONE, "root": False}]),
        ("Runas_Alias DB = postgres, root\nshop-app ALL=(DB) NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app ALL=(ALL, !root) NOPASSWD: /bin/ls\n", [{**ONE, "root": False}]),
        # The tag and the account go on for what follows.
        ("shop-app ALL=(root) NOPASSWD: /bin/ls, /bin/cat\n", [ONE, {**ONE, "command": "/bin/cat"}]),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls, PASSWD: /bin/cat\n", [ONE]),
        ("shop-app ALL=(root) PASSWD: /bin/cat, NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app ALL=(root) SETENV: NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app ALL=(root) CWD=/srv NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app ALL=(root) NOPASSWD: !/bin/ls\n", []),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls a\\,b\n", [ONE]),
        ("shop-app ALL=(root) \\\n  NOPASSWD: \\\n  /bin/ls\n", [ONE]),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls # why\n", [ONE]),
        (f"shop-app {HERE}=NOPASSWD: ALL\n", [ALL]),
        ("shop-app other.example=NOPASSWD: ALL\n", []),
        (f"shop-app ALL, !{HERE}=NOPASSWD: ALL\n", []),
        ("shop-app !other.example=NOPASSWD: ALL\n", []),
        # The last rule for a command counts.
        ("shop-app ALL=NOPASSWD: ALL\n%shop-app ALL=(ALL) PASSWD: ALL\n", []),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls\nshop-app ALL=(root) !/bin/ls\n", []),
        ("shop-app ALL=NOPASSWD: ALL\nshop-app ALL=(ALL) PASSWD: /bin/ls\n", [ALL]),
        ("shop-app ALL=(ALL) NOPASSWD: ALL\nshop-app ALL=(root) ALL\n", [{**ALL, "root": False}]),
        ("shop-app ALL=(ALL) NOPASSWD: ALL\nshop-app ALL=(ALL, !root) ALL\n", [ALL]),
        ("shop-app ALL=NOPASSWD: (root) ALL\n", []),
        ("shop-app ALL=(ALL) PASSWD: ALL\nshop-app ALL=(root) NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app 192.0.2.1=NOPASSWD: ALL\n", [ALL]),
        ("shop-app other.example=(root) NOPASSWD: /bin/cat : ALL=(root) NOPASSWD: /bin/ls\n", [ONE]),
        ("Defaults !authenticate\nshop-app ALL=(ALL) ALL\n", [ALL]),
        ("Defaults:shop-app !authenticate\nshop-app ALL=(ALL) ALL\n", [ALL]),
        ("Defaults:blog-app !authenticate\nshop-app ALL=(ALL) ALL\n", []),
        ("Defaults env_reset, !authenticate\nshop-app ALL=(ALL) PASSWD: ALL\n", []),
        ("Defaults@other !authenticate\nshop-app ALL=(ALL) ALL\n", [ALL]),
        ("Defaults>root !authenticate\nshop-app ALL=(ALL) ALL\n", []),
        ("Defaults! !authenticate\nshop-app ALL=(ALL) ALL\n", []),
        ("Defaults ! authenticate\nshop-app ALL=(ALL) ALL\n", [ALL]),
        ("Defaults authenticate\nshop-app ALL=(ALL) ALL\n", []),
        ("Defaults:blog-app,%shop-app !authenticate\nshop-app ALL=(ALL) ALL\n", [ALL]),
        ("%other ALL=NOPASSWD: ALL\n", []),
        ("%#990 ALL=NOPASSWD: ALL\n", [ALL]),
        ("#991 ALL=NOPASSWD: ALL\n", []),
        ("!!shop-app ALL=NOPASSWD: ALL\n", [ALL]),
        ("Host_Alias H = other.example, localhost\nshop-app H=NOPASSWD: ALL\n", [ALL]),
        ("Host_Alias H = other.example\nshop-app H=NOPASSWD: ALL\n", []),
        ("shop-app !192.0.2.1=NOPASSWD: ALL\n", []),
        ("Cmd_Alias A = /bin/ls, ALL\nshop-app ALL=NOPASSWD: A\n", [{**ALL, "command": "A"}]),
        ("Cmnd_Alias A = /bin/ls\nshop-app ALL=NOPASSWD: A\n", [{**ONE, "command": "A"}]),
        ("shop-app ALL=(#0) NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app ALL=(root:adm) NOPASSWD: /bin/ls\n", [ONE]),
        ("shop-app ALL=() NOPASSWD: /bin/ls\n", [{**ONE, "root": False}]),
        ("shop-app ALL=(root) TIMEOUT=5 ROLE=x TYPE=y NOPASSWD: NOEXEC: /bin/ls\n", [ONE]),
        (
            "shop-app ALL=NOPASSWD: /bin/ls, (postgres) /bin/cat\n",
            [ONE, {"command": "/bin/cat", "root": False, "everything": False}],
        ),
        ('shop-app ALL=NOPASSWD: /bin/ls "a, b", /bin/cat\n', [ONE, {**ONE, "command": "/bin/cat"}]),
        ("shop-app ALL\n", []),
        ("ALL=NOPASSWD: ALL\n", []),
        ("shop-app ALL=NOPASSWD:\n", []),
        # What was granted twice is taken back for the account that is named.
        ("shop-app ALL=(ALL) NOPASSWD: /bin/ls\nshop-app ALL=(root) /bin/ls\n", [{**ONE, "root": False}]),
        ("shop-app ALL=(postgres) NOPASSWD: /bin/ls\nshop-app ALL=(root) /bin/ls\n", [{**ONE, "root": False}]),
        ("shop-app ALL=(postgres) NOPASSWD: /bin/ls\nshop-app ALL=(postgres) /bin/ls\n", []),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls\nshop-app ALL=(ALL) ALL\n", []),
        ("shop-app ALL=(root) NOPASSWD: /bin/ls -l\nshop-app ALL=(root) /bin/ls\n", [ONE]),
        ('Defaults secure_path="/usr/sbin:/bin"\nDefaults badpass_message="a = b"\n', []),
    ],
)
def test_what_is_granted(tmp_path: Path, text: str, expected: list[dict[str, Any]]) -> None:
    assert granted(tmp_path, text) == expected


@pytest.mark.parametrize("directive", ["@include {}/more", "#include {}/more", "@includedir {}/d", "#includedir d"])
def test_files_that_are_included(tmp_path: Path, directive: str) -> None:
    (tmp_path / "d").mkdir()
    for name in ("more", "d/shop", "d/shop.bak", "d/shop~"):
        command = "ALL" if name in ("more", "d/shop") else "/bin/ls"
        (tmp_path / name).write_text(f"shop-app ALL=NOPASSWD: {command}\n", encoding="utf-8")
    assert granted(tmp_path, directive.format(tmp_path) + "\n") == [ALL]


def test_the_line_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sudoers"
    file.write_text("# one\n\nshop-app ALL=\\\n NOPASSWD: ALL\n", encoding="utf-8")
    assert without_password(read_sudoers(str(file)), SHOP)[0]["source"] == f"{file}:3"


def test_a_file_that_includes_itself_or_is_a_fifo_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text("@include sudoers\n", encoding="utf-8")
    os.mkfifo(tmp_path / "fifo")
    for name in ("sudoers", "fifo", "none"):
        with pytest.raises(OSError, match=name):
            read_sudoers(str(tmp_path / name))


_LIKELY = """
    shop-app %sudo #990 ALL = ( root ) : , ! NOPASSWD: PASSWD: /bin/ls
    Defaults Defaults:shop-app !authenticate User_Alias A \\ " @include /none @includedir
"""
_WORDS = st.sampled_from(_LIKELY.split())


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)))
def test_no_text_is_too_strange(text: str) -> None:

    found = sudoers.Sudoers()
    for number, line in sudoers._lines(text):
        sudoers._understand(line, f"x:{number}", found)
    assert isinstance(without_password(found, SHOP), list)
