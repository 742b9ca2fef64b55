# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a host, whoever made it, as a user of this collection would write them; from what the audit knows.

A field is said only where the model takes it. Whatever else is there is told in words.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..audit.config import Pool
from ..audit.facts import Facts
from ..audit.rules.report import VERSION, report
from .app import Adopted, Row, is_ours, some
from .code import application_of, callable_of, distributions, environment_directory, say_moves, variables
from .data import Data, account_of, find_data
from .groups import Group, groups_of, name_of, site_files
from .pool import keep_pool
from .script import read_script
from .services import services_of
from .told import findings_of, tell_rest
from .web import aliases_of, keep_server_names, keep_static, keep_tls, keep_web


def adopt_host(instances: Sequence[Facts]) -> tuple[list[Row], list[str]]:
    """Return the rows of every Apache of a host, and what no row can say."""
    results = report(instances, VERSION)["results"]
    rows: list[Row] = []
    remarks: list[str] = [] if instances else ["no Apache was found"]
    for facts in instances:
        mine, elsewhere = adopt(facts, results, [row["fields"]["name"] for row in rows])
        rows += mine
        remarks += elsewhere
    return rows, some(remarks)


def adopt(facts: Facts, results: Iterable[Mapping[str, Any]], taken: Sequence[str] = ()) -> tuple[list[Row], list[str]]:
    """Return the rows of this Apache's apps, and what no row can say; taken are names of other rows."""
    groups, elsewhere = groups_of(facts)
    names, rows = list(taken), []
    for group in groups:
        name = name_of(facts, group, groups, names)
        names.append(name)
        rows.append(_row(facts, group, groups, name, results))
    served = {place.process_group.value for place in facts.places}
    elsewhere += [f"pool {pool.name} serves no URL" for pool in facts.pools if pool.name not in served]
    if any(module.startswith("php") for module in facts.instance.modules):
        elsewhere.append("PHP runs in this Apache and can reach every pool's socket; give it a server of its own")
    if facts.instance.error:
        elsewhere.append(f"Apache shows no configuration: {facts.instance.error}")
    return rows, elsewhere


def _row(facts: Facts, group: Group, groups: Sequence[Group], name: str, results: Iterable[Mapping[str, Any]]) -> Row:
    app = Adopted(name)
    place, pool = group.place, facts.pool(group.place.process_group.value)
    keep_server_names(app, facts, group)
    mount = place.url.rstrip("/") or "/"
    if mount != "/":
        app.keep("mount", mount)
    script = read_script(place.path, callable_of(place))
    code = application_of(app, facts, place, pool, script)
    keep_pool(app, facts, group, pool, code)
    if not is_ours(place.mapped.file):
        say_moves(app, place, script, code)
    keep_tls(app, facts, group)
    keep_web(app, place)
    data = _writable(app, facts, pool, code, aliases_of(facts, group))
    keep_static(app, facts, group, groups, code, list(data.sources.values()))
    tell_rest(app, facts, group, code)
    services = services_of(app, facts, pool, code)
    requirements = distributions(facts, pool)
    has_file = bool(code) and os.path.isfile(os.path.join(code, "requirements.txt"))
    if requirements or has_file:
        app.keep("requirements", "requirements.txt")
    return {
        "fields": app.fields,
        "script": place.path,
        "declared": place.mapped.source,
        "code": code,
        "requirements": [] if has_file else requirements,
        "environment": variables(place, script, facts, pool),
        "paths": data.variables,
        "data": data.hints,
        "services": services,
        "replaces": site_files(group),
        "changes": app.changes,
        "findings": findings_of(facts, group, pool, results),
        "remarks": some(app.remarks),
    }


def _writable(app: Adopted, facts: Facts, pool: Pool | None, code: str, served: Mapping[str, str]) -> Data:
    """Set what the application writes, and where that is today; return what else there is to say of it."""
    account = str(app.fields.get("account", f"{app.fields['name']}-app"))
    if code.startswith(f"/var/lib/{account}/releases/"):
        with contextlib.suppress(OSError):
            names = sorted(entry.name for entry in os.scandir(f"/var/lib/{account}/data") if entry.is_dir())
            if names:
                app.keep("writable", names)
        return Data()
    processes = facts.live.get(pool.name, []) if pool else []
    children = [row["pid"] for row in facts.host.children if row.get("own")]
    writer = account_of(processes, facts.instance.uid, facts.instance.gid, children)
    found = find_data(code, f"/var/lib/{account}", writer, served, environment_directory(facts, pool))
    app.remarks += found.remarks
    if found.writable and app.keep("writable", found.writable):
        if found.sources:
            app.keep("data_from", found.sources)
        app.changes.append("it can write only to the directories of `writable`, below its data/")
    return found
