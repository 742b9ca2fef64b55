"""From inside forum: changing what forum itself runs at its next start.

What is planted leaves a mark in the interpreter. It counts when Apache was restarted and a live process has the mark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import Outcome, UnclearError, attack, succeeded

GROUP = "Changing its own code"
MARK = "\nimport sys; sys.planted = True\n"
JSON = f"""{MARK}
del sys.modules["json"]
sys.path.remove(__file__.rpartition("/")[0])
import json
"""


def planted() -> bool:
    import sys

    return hasattr(sys, "planted")


def append(path: str, text: str) -> None:
    """Change a file in each way that there is, and give the last refusal."""
    import os

    def write() -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)

    def make_writable() -> None:
        os.chmod(path, 0o644)
        write()

    def replace() -> None:
        with open(path, encoding="utf-8") as file:
            content = file.read() + text
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(f"{path}.new", path)

    for way in (replace, make_writable, write):
        try:
            return way()
        except OSError as error:
            refusal = error
    raise refusal


def poison(path: str, text: str) -> None:
    """Put compiled code beside a module that Python prefers to its source and never compares with it."""
    import py_compile
    from importlib.util import cache_from_source

    with open(path, encoding="utf-8") as file:
        content = file.read() + text
    with open("/tmp/planted.py", "w", encoding="utf-8") as file:
        file.write(content)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile("/tmp/planted.py", cache_from_source(path), path, invalidation_mode=unchecked)


def add_pth(text: str) -> None:
    import glob
    import sys

    (directory,) = glob.glob(f"{sys.prefix}/lib/python3*/site-packages")
    with open(f"{directory}/planted.pth", "w", encoding="utf-8") as file:
        file.write(text.strip() + "\n")


def shadow(text: str) -> None:
    """Put a json.py, which hands on the real one, into the first directory of sys.path that lets it."""
    import sys

    refusal = OSError("sys.path is empty")
    for directory in [path for path in sys.path if not path.endswith(".zip")]:
        try:
            with open(f"{directory}/json.py", "x", encoding="utf-8") as file:
                file.write(text)
            return
        except OSError as error:
            refusal = error
    raise refusal


def replace_directory(code: str, text: str) -> None:
    """Rename the first directory above the code that can be, and put one of its own there with other code."""
    import os
    import shutil

    code = os.path.realpath(code)
    copy, directory = "/tmp/planted", code
    refusal = OSError("there is nothing to rename")
    while directory != "/":
        try:
            os.rename(directory, f"{directory}.old")
        except OSError as error:
            refusal = error
            directory = os.path.dirname(directory)
            continue
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(f"{directory}.old", copy)
        with open(f"{copy}{code[len(directory) :]}/echo.py", "a", encoding="utf-8") as file:
            file.write(text)
        shutil.move(copy, directory)
        return
    raise refusal


def persists(there: Deployment, proof: str, program: Callable[..., Any], *arguments: Any) -> Outcome:
    """Let forum plant something, restart Apache, and see whether forum runs it."""
    if there.inside("forum", planted).value:
        raise UnclearError("the mark was there before")
    answer = there.inside("forum", program, *arguments)
    if answer.errno:
        return answer.refusal()
    there.restart()
    there.wait()
    if not there.inside("forum", planted).value:
        raise UnclearError("it was planted and did not run")
    return succeeded(f"{proof} runs in every process that starts from now on")


@attack(GROUP, 95, "F6", "F7", variant="accounts")
def write_own_code(there: Deployment) -> Outcome:
    """Appends to a module of its own, after chmod or by a renamed copy if need be."""
    return persists(there, "the changed echo.py", append, there.exists(f"{there.path('code', 'forum')}/echo.py"), MARK)


@attack(GROUP, 95, "F6", "F7", variant="accounts")
def write_pth_file_into_own_environment(there: Deployment) -> Outcome:
    """Adds a `.pth` file to the virtual environment, whose line Python runs at each start."""
    return persists(there, "the `.pth` file", add_pth, MARK)


@attack(GROUP, 95, "F6", "F7", variant="accounts")
def poison_own_pycache(there: Deployment) -> Outcome:
    """Puts compiled code into `__pycache__` that Python prefers to the source, also after the next release."""
    return persists(there, "the compiled code", poison, there.exists(f"{there.path('code', 'forum')}/echo.py"), MARK)


@attack(GROUP, 96, "F6", "F7", variant="accounts")
def write_own_entry_file(there: Deployment) -> Outcome:
    """Appends to its own `wsgi.py`, after chmod or by a renamed copy if need be."""
    return persists(there, "the changed wsgi.py", append, there.exists(there.path("entry", "forum")), MARK)


@attack(GROUP, 89, "F5", "F7", variant="accounts")
def put_a_module_before_the_standard_library(there: Deployment) -> Outcome:
    """Puts a `json.py` into the first directory of `sys.path` that lets it."""
    return persists(there, "its json.py", shadow, JSON)


@attack(GROUP, 94, "F7")
def rename_a_directory_above_own_code(there: Deployment) -> Outcome:
    """Renames the first directory above its code that can be renamed, and puts a changed copy in its place."""
    return persists(there, "the code of the copy", replace_directory, there.exists(there.path("code", "forum")), MARK)
