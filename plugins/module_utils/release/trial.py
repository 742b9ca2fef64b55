# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new release before anything serves it: its application imported as the daemon would, and the app's own commands."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError, nearest
from ..host.output import last_lines, masked
from ..host.unit import OutOfTime, Unit, run_in_unit, run_with_secrets

_LINES = 40
_OUTPUT_LINES = 200
# For an interpreter that cannot even tell that it took too long.
_RESERVE = 10
# Names in a message.
_CANDIDATES = 5

# Imports nothing from the code directory, and has its answer out of reach of what the application prints.
_IMPORT = """
import sys
sys.path.pop(0)
import importlib.util, json, os, threading, traceback, types

order = json.load(sys.stdin)
answer = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
os.umask(order["umask"])
os.environ.update(order["environment"])
sys.path.insert(0, os.getcwd())
sys.argv[:] = ["mod_wsgi"]
if importlib.util.find_spec("mod_wsgi") is None:
    sys.modules["mod_wsgi"] = types.ModuleType("mod_wsgi")
    sys.modules["mod_wsgi"].__dict__.update(process_group=order["app"], application_group="", version=(4, 9, 4))


def tell(**found):
    answer.write(json.dumps(found))
    answer.flush()
    os._exit(0)


def own(stack):
    # Without the frames of this program, which come first, and of the import itself.
    rest = [frame for frame in stack if not frame.filename.startswith("<frozen importlib.")]
    while rest and rest[0].filename == "<string>":
        rest.pop(0)
    return rest


def hangs():
    stack = own(traceback.extract_stack(sys._current_frames()[threading.main_thread().ident]))
    tell(kind="hangs", trace="".join(traceback.format_list(stack)))


def trace(error):
    whole = traceback.TracebackException.from_exception(error)
    chain = [whole]
    for one in chain:
        one.stack = traceback.StackSummary.from_list(own(one.stack))
        chain += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "".join(whole.format())


timer = threading.Timer(order["seconds"], hangs)
timer.daemon = True
timer.start()
try:
    __import__(order["module"])
    module = sys.modules[order["module"]]
    found = getattr(module, order["callable"], None)
    if callable(found):
        tell(kind="good")
    # A class, or a function of another module, is no application.
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and not issubclass(type(value), type)
        and (type(value).__name__ != "function" or value.__module__ == module.__name__)
    ]
    there = hasattr(module, order["callable"])
    tell(kind="not callable", type=type(found).__name__ if there else "", names=names)
except SystemExit as error:
    tell(kind="exit", status=repr(error.code), trace=trace(error))
except BaseException as error:
    tell(kind="error", trace=trace(error))
"""


def try_release(
    row: Mapping[str, Any], place: str, environment: Mapping[str, str], run: Run, seconds: int = 60
) -> None:
    """Import the application of a release as its daemon would; PalisadeError says why that fails."""
    _check_python(row["app"], place)
    module, _colon, function = row["application"].partition(":")
    subject = f"app {row['app']}: application"
    order = {
        "environment": dict(environment),
        "umask": _umask(row),
        "app": row["app"],
        "module": module,
        "callable": function,
        "seconds": seconds,
    }
    unit = unit_of(row, place, "try", seconds + _RESERVE)
    complaint = ""
    try:
        answer = run_in_unit(unit, [f"{place}/venv/bin/python", "-B", "-c", _IMPORT], run, json.dumps(order))
    except OutOfTime:
        answer = json.dumps({"kind": "hangs", "trace": ""})
    except CommandError as error:
        answer = ""
        ended = f"signal {error.status - 128}" if error.status > 128 else f"exit status {error.status}"
        complaint = f"importing {module} ended the process with {ended}\n{last_lines(error.complaint, _LINES)}"
    if answer:
        complaint = _complaint(json.loads(answer), module, function, seconds)
    elif not complaint:
        complaint = f"importing {module} ended the process with exit status 0"
    if complaint:
        raise PalisadeError(f"{subject}: {masked(complaint, environment)}")


def _check_python(app: str, place: str) -> None:
    """Refuse a release whose packages another Python does not see, as after an upgrade of the distribution."""
    try:
        with open(os.path.join(place, "venv", "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            made = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", file.read(), re.MULTILINE)
    except FileNotFoundError:
        return
    now = re.search(r"python(\d+\.\d+)$", os.path.realpath(os.path.join(place, "venv", "bin", "python")))
    if made and now and made[1] != now[1]:
        raise PalisadeError(
            f"app {app}: release {os.path.basename(place)} was built for Python {made[1]}, and the host has "
            f"Python {now[1]} now; run site.yml, which builds a new one"
        )


def _complaint(found: Mapping[str, Any], module: str, function: str, seconds: int) -> str:
    trace = "\n" + last_lines(found.get("trace", ""), _LINES)
    if found["kind"] == "good":
        return ""
    if found["kind"] == "hangs":
        return f"importing {module} did not end within {seconds} seconds{trace.rstrip()}"
    if found["kind"] == "exit":
        return f"importing {module} called sys.exit({found['status']}){trace}"
    if found["kind"] == "not callable":
        names = found["names"][:_CANDIDATES]
        others = nearest(function, found["names"]) or (f"; it has {', '.join(names)}" if names else "")
        there = f"it is of type {found['type']}" if found["type"] else f"there is none{others}"
        return f"expected a callable {function!r} in {module}, {there}"
    hint = ""
    if "PermissionError: [Errno 1]" in trace and "listen" in trace:
        hint = "; it is not allowed to listen on the network"
    return f"importing {module} failed{hint}:{trace}"


def run_hooks(
    row: Mapping[str, Any], place: str, environment: Mapping[str, str], run: Run, seconds: int = 600
) -> list[dict[str, Any]]:
    """Run the app's commands in a release, as its account; return what each printed. The first that fails ends it."""
    unit = unit_of(row, place, "hook", seconds, listens=True)
    programs = f"{place}/venv/bin"
    done = []
    for command in row.get("hooks") or []:
        subject = f"app {row['app']}: hook {shlex.join(command)!r}"
        try:
            said = run_with_secrets(unit, f"{programs}/python", command, environment, run, _umask(row), [programs])
        except OutOfTime as error:
            raise PalisadeError(f"{subject} was stopped after {seconds} seconds") from error
        except CommandError as error:
            told = masked(last_lines(error.complaint, _OUTPUT_LINES), environment)
            raise PalisadeError(f"{subject} failed with {error.status}:\n{told}") from error
        done.append({"command": list(command), "output": masked(last_lines(said, _OUTPUT_LINES), environment)})
    return done


def unit_of(row: Mapping[str, Any], place: str, purpose: str, seconds: int, listens: bool = False) -> Unit:
    """Return where code of a release runs as its app would, before anything serves it."""
    return Unit(
        name=f"palisade-{purpose}-{row['app']}",
        account=row["account"],
        group=row["group"],
        groups=row.get("groups") or (),
        directory=f"{place}/code",
        writable=row.get("writable") or (),
        seconds=seconds,
        listens=listens,
    )


def _umask(row: Mapping[str, Any]) -> int:
    return int(row.get("umask") or "0027", 8)
