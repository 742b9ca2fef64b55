# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the code of an app, its packages and its variables are."""

from __future__ import annotations

import contextlib
import json
import os
import re

from ..audit.config import Pool
from ..audit.facts import Facts
from ..audit.merge import Place
from .app import Adopted
from .script import Script

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DISTRIBUTION = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)-([0-9][A-Za-z0-9.!+_]*)\.dist-info")
# Of every virtual environment.
_TOOLS = ("pip", "setuptools", "wheel", "pkg_resources", "pkg-resources")


def callable_of(place: Place) -> str:
    return place.options.get("callable-object") or place.setting("wsgicallableobject").value.strip('"') or "application"


def _roots(facts: Facts, place: Place, pool: Pool | None, script: Script) -> list[str]:
    options = pool.options if pool else {}
    roots = [options.get("home", ""), *python_path(facts, pool), *script.inserts]
    roots.append(os.path.dirname(place.path))
    return list(dict.fromkeys(os.path.normpath(root) for root in roots if root.startswith("/") and root != "/"))


def python_path(facts: Facts, pool: Pool | None) -> list[str]:
    """Return the directories that Apache's configuration adds to sys.path, without those of packages."""
    line = facts.last("wsgipythonpath") if pool is None else None
    text = pool.options.get("python-path", "") if pool else line.words[0] if line and line.words else ""
    return [path for path in text.split(":") if path]


def is_packages(path: str) -> bool:
    return os.path.basename(path.rstrip("/")) == "site-packages"


def application_of(app: Adopted, facts: Facts, place: Place, pool: Pool | None, script: Script) -> str:
    """Set the application, and return the directory that its code is in."""
    roots = [root for root in _roots(facts, place, pool, script) if not is_packages(root)]
    if script.module:
        top = script.module.split(".")[0]
        code = next((root for root in roots if _has_module(root, top)), "")
        if not code:
            code = roots[0] if roots else ""
            app.remarks.append(f"package {top} is not in {', '.join(roots)}: say where the code comes from")
        app.keep("application", f"{script.module}:{script.callable}")
    else:
        # The longest directory of the module search path that it is in.
        code = max((root for root in roots if place.path.startswith(root + "/")), key=len, default="")
        above = [root for root in roots if place.path.startswith(root + "/") and root != os.path.dirname(place.path)]
        code = above[0] if above and place.path.endswith(".py") else code
        stem, dot = os.path.splitext(place.path[len(code) + 1 :])
        module = stem.replace("/", ".")
        if script.problem:
            app.remarks.append(f"{place.path} {script.problem}: find the application, as package.module:callable")
        elif dot == ".py" and all(part.isidentifier() for part in module.split(".")):
            app.keep("application", f"{module}:{callable_of(place)}")
        else:
            module = re.sub(r"\W", "_", os.path.basename(stem), flags=re.ASCII)
            if app.keep("application", f"{module}:{callable_of(place)}"):
                app.remarks.append(
                    f"{place.path} creates the application itself: rename it to {module}.py in the source"
                )
    return facts.real(code) if code else ""


def say_moves(app: Adopted, place: Place, script: Script, code: str) -> None:
    beside = f"; anything else that {place.path} does is not carried over" if script.module and script.more else ""
    app.changes.append(f"root owns the entry file, which is alone in its directory and imports the application{beside}")
    home = f"/var/lib/{app.fields.get('account', app.fields['name'] + '-app')}"
    if code:
        app.changes.append(f"root owns the code, which moves from {code} to {home}/current/code")


def _has_module(root: str, top: str) -> bool:
    return os.path.isdir(os.path.join(root, top)) or os.path.isfile(os.path.join(root, f"{top}.py"))


def environment_directory(facts: Facts, pool: Pool | None) -> str:
    line = facts.last("wsgipythonhome")
    return (pool.options.get("python-home", "") if pool else "") or (line.words[0] if line and line.words else "")


def distributions(facts: Facts, pool: Pool | None) -> list[str]:
    """Return name==version of what is installed; names of directories only, since their content is the account's."""
    home = environment_directory(facts, pool)
    places = [path for path in python_path(facts, pool) if is_packages(path)]
    if home.startswith("/"):
        with contextlib.suppress(OSError):
            for version in os.scandir(os.path.join(facts.real(home), "lib")):
                if version.name.startswith("python3"):
                    places.append(os.path.join(version.path, "site-packages"))
    found = set()
    for place in places:
        with contextlib.suppress(OSError):
            for entry in os.scandir(place):
                named = _DISTRIBUTION.fullmatch(entry.name)
                if named and named.group(1).lower() not in _TOOLS:
                    found.add(f"{named.group(1)}=={named.group(2)}")
    return sorted(found, key=str.lower)


def variables(place: Place, script: Script, facts: Facts, pool: Pool | None) -> list[str]:
    """Return names of variables; their values stay on the host."""
    lines = [*place.lines("setenv"), *place.lines("passenv")]
    names = [line.value.split()[0] for line in lines if line.value.split()]
    account = pool.options.get("user", "") if pool else ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        # As the roles write it; root's, and no link is followed.
        path = f"/var/lib/{account}/environment"
        if account and "/" not in account and os.path.isfile(path) and not os.path.islink(path):
            with open(path, encoding="utf-8") as file:
                names += json.load(file).keys()
    # What the script sets is lost where another file takes its place. Names with a hyphen are Apache's own switches.
    own = script.environment if script.module else []
    return sorted({name for name in [*names, *own] if _VARIABLE.fullmatch(str(name))})
