"""What a virtual environment says of its packages."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import (
    environment as collectors_environment,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.environment import (
    Budget,
    packages_of,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.tree import (
    Disk,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.disk import put
from hypothesis import given
from hypothesis import strategies as st


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def environment(top: Path, **files: str) -> Path:
    site = top / "lib/python3.13/site-packages"
    for name, text in {"a.py": "x = 1\n", "b.py": "y = 2\n"}.items():
        put(site / name, text)
    rows = [f"{name},sha256={digest((site / name).read_bytes())},6" for name in ("a.py", "b.py")]
    rows += ["../../../bin/a,sha256=x,1", "gone.py,sha256=x,1", "__pycache__/a.pyc,,", "a-1.dist-info/RECORD,,", "odd"]
    put(site / "a-1.dist-info/RECORD", "\n".join(rows))
    put(top / "pyvenv.cfg", "include-system-site-packages = false\n")
    for name, text in files.items():
        put(site / name.replace("__slash__", "/"), text)
    return site


def packages(top: Path, size: int = 1 << 20, files: int = 100) -> dict[str, Any]:
    return packages_of(Disk(), str(top), Budget(size, files))


def test_packages_as_they_were_installed(tmp_path: Path) -> None:
    environment(tmp_path)
    none: list[str] = []
    assert packages(tmp_path) == {
        "system": False,
        "checked": 2,
        "unread": 0,
        "altered": none,
        "editable": none,
        "imports": none,
    }


@pytest.mark.parametrize("text", ["x = 2\n", "import os\n"])
def test_a_changed_module_is_found(tmp_path: Path, text: str) -> None:
    site = environment(tmp_path)
    put(site / "a.py", text)
    assert packages(tmp_path)["altered"] == [str(site / "a.py")]


def test_a_module_that_became_a_link_is_changed(tmp_path: Path) -> None:
    site = environment(tmp_path)
    (site / "a.py").rename(tmp_path / "a.py")
    (site / "a.py").symlink_to(tmp_path / "a.py")
    assert packages(tmp_path)["altered"] == [str(site / "a.py")]


def test_a_link_of_the_right_size_is_no_module(tmp_path: Path) -> None:
    site = environment(tmp_path)
    (site / "in").mkdir()
    (site / "a.py").rename(site / "in/a.p")
    # As long as the module is that it leads to.
    (site / "a.py").symlink_to("in/a.p")
    # Nothing has to be read for that.
    for files in (100, 0):
        assert packages(tmp_path, files=files)["altered"] == [str(site / "a.py")]


def test_more_than_may_be_read_is_told(tmp_path: Path) -> None:
    site = environment(tmp_path)
    assert (packages(tmp_path, size=6)["checked"], packages(tmp_path, size=6)["unread"]) == (1, 1)
    assert (packages(tmp_path, files=0)["checked"], packages(tmp_path, files=0)["unread"]) == (0, 2)
    # The size tells without reading.
    (site / "b.py").write_text("longer than it was", encoding="utf-8")
    assert packages(tmp_path, files=0)["altered"] == [str(site / "b.py")]


def test_installs_that_can_change(tmp_path: Path) -> None:
    site = environment(
        tmp_path,
        **{
            "a-1.dist-info__slash__direct_url.json": '{"url": "file:///x", "dir_info": {"editable": true}}',
            "b-1.dist-info__slash__direct_url.json": '{"url": "https://x", "vcs_info": {"vcs": "git"}}',
            "c-1.dist-info__slash__direct_url.json": '{"url": "file:///c.whl", "archive_info": {}}',
            "d-1.dist-info__slash__direct_url.json": "[" * 5000,
            "old.egg-link": "/x",
            "run.pth": "import os; os.x\n",
            "plain.pth": "/srv/lib\n",
            "distutils-precedence.pth": "import os\n",
        },
    )
    found = packages(tmp_path)
    assert [os.path.relpath(path, site) for path in found["editable"]] == [
        "a-1.dist-info",
        "b-1.dist-info",
        "old.egg-link",
    ]
    assert [os.path.relpath(path, site) for path in found["imports"]] == ["run.pth"]


def test_the_system_s_packages(tmp_path: Path) -> None:
    environment(tmp_path)
    put(tmp_path / "pyvenv.cfg", "home = /usr\nInclude-System-Site-Packages=True\n")
    assert packages(tmp_path)["system"] is True


@given(st.text())
def test_a_record_of_anything_is_read(text: str) -> None:
    row = f'"{text}",sha256=x,{text}'
    # Only what the reader makes of it, since there is no such file.
    assert all(len(one) == 3 for one in _rows_of(row))


def _rows_of(text: str) -> list[tuple[str, str, str]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(collectors_environment, "read_start", lambda _path, _size: text.encode("utf-8", "replace"))
        return list(collectors_environment._listed("/nowhere"))


@pytest.mark.parametrize(
    ("row", "listed"),
    [
        ("a.py,sha256=x,6", [("a.py", "x", "6")]),
        ("in/a.so,sha256=x,", [("in/a.so", "x", "")]),
        ("a.pth,sha256=x=,1,more", [("a.pth", "x=", "1")]),
        ("a.txt,sha256=x,6", []),
        ("a.py,md5=x,6", []),
        ("a.py,,", []),
        ("a.py,sha256=x", []),
        ("/etc/a.py,sha256=x,6", []),
        ("../../bin/a.py,sha256=x,6", []),
        ("..a/b.py,sha256=x,6", [("..a/b.py", "x", "6")]),
    ],
)
def test_which_files_of_a_record_are_compared(row: str, listed: list[tuple[str, str, str]]) -> None:
    assert _rows_of(row) == listed


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        ('{"dir_info": {"editable": true}}', True),
        ('{"dir_info": {"editable": false}}', False),
        ('{"dir_info": {}}', False),
        ('{"dir_info": true}', False),
        ('{"vcs_info": {}}', True),
        ('{"url": "x"}', False),
        ('["vcs_info"]', False),
        ("{", False),
        ("", False),
    ],
)
def test_what_was_installed_from_something_that_changes(told: str, changes: bool, tmp_path: Path) -> None:
    put(tmp_path / "direct_url.json", told)
    assert collectors_environment._installed_from(str(tmp_path)) is changes


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("a.pth", "import os\n", "imports"),
        ("a.pth", "/srv\nimport\tos\n", "imports"),
        ("a.pth", "/srv/import os\n", ""),
        ("a.pth", "importlib\n", ""),
        ("_virtualenv.pth", "import os\n", ""),
        ("distutils-precedence.pth", "import os\n", ""),
        ("__editable___shop_finder.py", "x\n", "editable"),
        ("__editable__.shop-1.pth", "/srv/shop\n", "editable"),
        ("shop.egg-link", "/srv\n", "editable"),
        ("shop.py", "import os\n", ""),
    ],
)
@pytest.mark.parametrize("library", ["lib", "lib64"])
def test_what_else_lies_among_the_packages(name: str, text: str, key: str, library: str, tmp_path: Path) -> None:
    file = put(tmp_path / library / "python3.13/site-packages" / name, text)
    put(tmp_path / library / "other/site-packages" / name, text)
    put(tmp_path / library / "python.txt")
    found = packages(tmp_path)
    assert {one: found[one] for one in ("imports", "editable") if found[one]} == ({key: [str(file)]} if key else {})


def test_of_many_changes_the_first_are_told(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.13/site-packages"
    for number in range(60):
        put(site / f"{number:02}.egg-link")
    assert packages(tmp_path)["editable"] == [f"{site}/{number:02}.egg-link" for number in range(50)]


def test_the_budget_is_used_up_to_its_end(tmp_path: Path) -> None:
    environment(tmp_path)
    sizes = {size: packages(tmp_path, size=size)["checked"] for size in (0, 5, 6, 11, 12, 13)}
    assert sizes == {0: 0, 5: 0, 6: 1, 11: 1, 12: 2, 13: 2}
    assert [packages(tmp_path, files=files)["checked"] for files in (0, 1, 2, 3)] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("include-system-site-packages = true", True),
        ("  INCLUDE-system-site-packages=True  ", True),
        ("include-system-site-packages = false", False),
        ("include-system-site-packages = truer", False),
        ("# include-system-site-packages = true", False),
    ],
)
def test_an_environment_that_sees_the_system_s_packages(line: str, expected: bool, tmp_path: Path) -> None:
    put(tmp_path / "pyvenv.cfg", f"home = /usr\n{line}\n")
    assert packages(tmp_path)["system"] is expected
