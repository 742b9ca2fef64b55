# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual environments and their packages (I5, I6, X-PIP)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .. import page
from ..config import Pool
from ..facts import Facts
from ..rule import SHOWN, Evidence, Group, Result, config, pool_option, verdict
from .accounts import applications

GROUP = Group()


@GROUP.add(
    "I5",
    "No two applications share a virtual environment",
    "medium",
    page.ISOLATION,
    looks_at="the real directories behind python-home= of pools that serve different scripts",
    decides="fails if two of them are the same directory; pools of one script may share",
    remedy="Make a virtual environment for each application.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv /var/lib/shop-app/venv",),
    attack="Whoever can change one application's packages also changes the other's.",
)
def venv_distinct(facts: Facts) -> Iterable[Result]:
    rows = [
        (pool, facts.real(pool.options["python-home"]), applications(facts, pool.name))
        for pool in facts.pools
        if "python-home" in pool.options
    ]
    for pool, home, scripts in rows:
        alike = [
            other.name for other, theirs, ran in rows if other is not pool and home == theirs and not scripts & ran
        ]
        observed = f"{home}{', as ' + ', '.join(alike) if alike else ''}"
        seen = pool_option(pool, "python-home", "a directory of its own")
        leads = Evidence("stat", pool.options["python-home"], observed, "a directory of its own")
        yield verdict(not alike, "pool", pool.name, seen, leads)


@GROUP.add(
    "I6",
    "Every pool has a virtual environment",
    "medium",
    page.ISOLATION,
    looks_at="python-home= of each WSGIDaemonProcess, and pyvenv.cfg in it; WSGIPythonHome of mod_wsgi-express",
    decides="fails without one, or if it is not a virtual environment",
    remedy="Make a virtual environment for the application and name it with python-home=.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv /var/lib/shop-app/venv",),
    attack="An update of the system's packages, or of another application's, changes this application's code.",
)
def venv_set(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        home = pool.options.get("python-home", "")
        seen = [pool_option(pool, "python-home", "a virtual environment of this application")]
        line = facts.last("wsgipythonhome") if facts.instance.express and not home else None
        if line is not None:
            # It serves this one application.
            home = (line.words or [""])[0]
            seen = [config(line, "a virtual environment of this application")]
        good = bool(home)
        if home:
            good = bool(facts.paths.get(home, {}).get("environment"))
            seen.append(Evidence("stat", f"{home}/pyvenv.cfg", "there" if good else "not there", "there"))
        yield verdict(good, "pool", pool.name, *seen)


@GROUP.add(
    "I6b",
    "Every virtual environment is for mod_wsgi's Python",
    "medium",
    page.ISOLATION,
    looks_at="the version in pyvenv.cfg of each python-home=, and the Python that mod_wsgi was built for",
    decides="fails if the major or minor version differs; unknown if one of them does not say",
    remedy="Create the virtual environment again, with the Python that mod_wsgi was built for.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv --upgrade /var/lib/shop-app/venv",),
    attack="Python finds none of its packages, and imports the system's packages instead, which nobody chose.",
)
def venv_fits(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        home = pool.options.get("python-home", "")
        row = facts.paths.get(home, {})
        if not row.get("environment"):
            continue
        made, wanted = row.get("python", ""), facts.instance.python
        seen = Evidence(
            "stat", f"{home}/pyvenv.cfg", f"Python {made or 'of no known version'}", f"Python {wanted or 'of mod_wsgi'}"
        )
        if made and wanted:
            yield verdict(made == wanted, "pool", pool.name, seen)
        else:
            yield Result("unknown", "pool", pool.name, (seen,))


@GROUP.add(
    "I5b",
    "No two applications share packages in any other way",
    "low",
    "Use a separate Python virtual environment per component",
    looks_at="python-path= of pools that serve different scripts, and include-system-site-packages in pyvenv.cfg of "
    "python-home=",
    decides="fails if two of them name the same directory, or if an environment sees the system's packages; unknown "
    "if the environment was not read",
    remedy="Install what the application needs into its own virtual environment.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv --clear /var/lib/shop-app/venv",),
    attack="An update for one application, or of the system, changes another application's code.",
)
def packages_distinct(facts: Facts) -> Iterable[Result]:
    paths = {pool.name: {facts.real(path) for path in _python_path(pool)} for pool in facts.pools}
    scripts = {pool.name: {place.path for place in facts.served_by(pool.name)} for pool in facts.pools}
    for pool in facts.pools:
        others = [
            other.name
            for other in facts.pools
            if other is not pool
            and paths[pool.name] & paths[other.name]
            and not scripts[pool.name] & scripts[other.name]
        ]
        seen = [pool_option(pool, "python-path", f"not that of {', '.join(others)}")] if others else []
        home = pool.options.get("python-home", "")
        found = facts.files.packages.get(facts.real(home))
        if found and found["system"]:
            seen.append(Evidence("stat", home, "include-system-site-packages = true", "false"))
        if seen:
            yield verdict(False, "pool", pool.name, *seen)
        elif home and found is None:
            yield Result("unknown", "pool", pool.name, (Evidence("stat", home, "not read", "pyvenv.cfg"),))
        else:
            yield verdict(True, "pool", pool.name, Evidence("stat", home, "packages of its own", "packages of its own"))


def _python_path(pool: Pool) -> list[str]:
    return [path for path in pool.options.get("python-path", "").split(":") if path.startswith("/")]


def _environments(facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    for pool in facts.pools:
        home = pool.options.get("python-home", "")
        found = facts.files.packages.get(facts.real(home))
        if home and found is not None:
            yield home, found


@GROUP.add(
    "X-PIP-RECORD",
    "Packages are unchanged since installation",
    "high",
    "",
    confidence="medium",
    looks_at="the size and the SHA-256 that RECORD of each package in python-home= lists for its .py, .so and .pth "
    "files",
    decides="fails if one differs. Missing files, caches and scripts do not count. Unknown if there is too much to "
    "read: the rule then compares the sizes and a part of the contents",
    remedy="Create the virtual environment again, and find out who changed it.",
    variable="wsgi_apps[].requirements",
    by_hand=("python3 -m venv --clear /var/lib/shop-app/venv",),
    attack="A changed package keeps its name and version, and runs at every start.",
)
def pip_record(facts: Facts) -> Iterable[Result]:
    for home, found in _environments(facts):
        done = f"{found['checked']} files as they were installed"
        if found["altered"]:
            seen = [Evidence("stat", path, f"{path} differs", "as in RECORD") for path in found["altered"][:SHOWN]]
            yield verdict(False, "file", home, *seen)
        elif found["unread"]:
            seen = [Evidence("stat", home, f"{done}; {found['unread']} not read", "all of them read")]
            yield Result("unknown", "file", home, tuple(seen))
        elif found["checked"]:
            yield verdict(True, "file", home, Evidence("stat", home, done, "as in RECORD"))


@GROUP.add(
    "X-PIP-EDITABLE",
    "Packages come from releases",
    "info",
    "",
    looks_at="direct_url.json, .egg-link and __editable__ files, and .pth files that import, in python-home=",
    decides="fails for an editable install, one from a repository, and a .pth with an import; setuptools' and "
    "virtualenv's own are known",
    remedy="Build a wheel and install it.",
    variable="wsgi_apps[].source",
    by_hand=("pip install --require-hashes -r requirements.txt",),
    attack="Whoever can write to the directory of an editable install changes the application.",
)
def pip_editable(facts: Facts) -> Iterable[Result]:
    for home, found in _environments(facts):
        rows = [("installed from a directory or a repository", path) for path in found["editable"]]
        rows += [("runs code at every start of Python", path) for path in found["imports"]]
        seen = [Evidence("stat", path, f"{path}: {what}", "a release") for what, path in rows[:SHOWN]]
        yield verdict(not rows, "file", home, *(seen or [Evidence("stat", home, "only releases", "only releases")]))
