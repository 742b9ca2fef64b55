# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps that a host reports as a file of variables; whatever came from the host is a checked value or a comment."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

import yaml

from ...module_utils.app.check import check_app
from ...module_utils.host.errors import PalisadeError
from ...module_utils.plan.clashes import check_clashes
from ..report.document import visible

_TO_DO = "to_do"
_WIDTH = 110
# None that names code, commands, files of others or secrets: those are for a person to write.
_FIELDS = (
    "name",
    "application",
    "server_names",
    "mount",
    "requirements",
    "processes",
    "threads",
    "daemon_process",
    "account",
    "group",
    "supplementary_groups",
    "writable",
    "data_from",
    "static",
    "tls",
    "trusted_proxies",
    "trusted_proxy_headers",
    "limits",
    "handles_authorization",
    "chunked_requests",
    "error_override",
)
_TEXTS = ("script", "declared", "code")
_LISTS = ("requirements", "environment", "replaces", "changes", "findings", "remarks", "data")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def adopted(host: str, rows: Any, remarks: Any) -> str:
    """Return the file; PalisadeError where the host says what no host that runs this module does."""
    rows, remarks = _checked(rows, remarks)
    lines = ["---", *_comment(f"What {host} serves, as a list for the role wsgi_apps. Complete each TO DO.")]
    lines += _comments("Not part of any app below; look at these yourself:", remarks)
    lines += _comments("TO DO: this list cannot be deployed yet:", _clashes(rows))
    lines.append("wsgi_apps:" if rows else "wsgi_apps: []")
    for row in rows:
        lines += [f"  {line}".rstrip() for line in _app(row)]
    return "\n".join(lines) + "\n"


def _checked(rows: Any, remarks: Any) -> tuple[list[dict[str, Any]], list[str]]:
    def texts(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    usable = texts(remarks) and isinstance(rows, list)
    for row in rows if usable else []:
        usable = usable and isinstance(row, dict) and isinstance(row.get("fields"), dict)
        usable = usable and all(isinstance(row.get(key), str) for key in _TEXTS)
        usable = usable and all(texts(row.get(key)) for key in _LISTS) and isinstance(row.get("paths"), dict)
        usable = usable and isinstance(row.get("services"), dict)
    if not usable:
        raise PalisadeError("wsgi_adopt: expected a list of apps from the host, got something else")
    for number, row in enumerate(rows):
        for key, value in row["fields"].items():
            if key not in _FIELDS or _is_template(value):
                raise PalisadeError(f"wsgi_adopt: app {number}: the host gives a field {str(key)!r} that is refused")
        if set(row["services"]) - {"workers", "timers"} or _is_template(row["services"]):
            raise PalisadeError(f"wsgi_adopt: app {number}: the host gives workers or timers that are refused")
        app = check_app({**row["fields"], **row["services"], "source": {"path": "x"}}, number, None)
        for variable, path in row["paths"].items():
            place = path[len(app.data) + 1 :] if str(path).startswith(f"{app.data}/") else None
            if not _VARIABLE.fullmatch(str(variable)) or not re.fullmatch(r"[A-Za-z0-9._/-]+", str(place or "")):
                raise PalisadeError(f"wsgi_adopt: app {number}: the host gives a variable that is refused")
    return rows, remarks


def _clashes(rows: list[dict[str, Any]]) -> list[str]:
    """Return the first thing by which two of the apps cannot be beside each other."""
    apps = [check_app({**row["fields"], "source": {"path": "x"}}, number, None) for number, row in enumerate(rows)]
    # Those without a host name all have the same one.
    named = [app for app in apps if not app.server_names[0].startswith("to-do.")]
    try:
        check_clashes(named, {})
    except PalisadeError as error:
        return [str(error)]
    return []


def _is_template(value: Any) -> bool:
    """Tell whether Ansible would run a part of it."""
    if isinstance(value, dict):
        return any(_is_template(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(map(_is_template, value))
    return isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#"))


def _app(row: dict[str, Any]) -> list[str]:
    fields = row["fields"]
    name = fields["name"]
    lines = ["", *_comment(f"{row['script']}, declared at {row['declared']}")]
    lines += _comments("Hardening changes:", row["changes"])
    lines += _comments("Audit rules that it fails today:", row["findings"])
    lines += _comments("Not carried over; look at these yourself:", row["remarks"])
    lines += _field("name", name, first=True)
    if fields["application"].startswith(_TO_DO):
        lines += _inner(_comment("TO DO: package.module:callable"))
    lines += _field("application", fields["application"])
    if any(host.startswith("to-do.") for host in fields["server_names"]):
        lines += _inner(_comment("TO DO: the host names"))
    lines += _field("server_names", fields["server_names"])
    where = f"on the host it is {row['code']}" if row["code"] else "it was not found on the host"
    lines += _inner(_comment(f"TO DO: the code, as a directory here, an archive or a repository; {where}"))
    lines += _field("source", {"path": f"apps/{name}"})
    for key in _FIELDS[3:]:
        if key in fields and key == "data_from":
            lines += _inner(
                _comment(
                    "The play copies the old site's data from these paths. On a new host, put the data there first."
                )
            )
        if key in fields:
            lines += _field(key, fields[key])
        if key == "requirements" and row["requirements"]:
            lines += _inner(_comment("TO DO: add this file to the source. The host has installed:"))
            lines += [f"  #   {visible(requirement)}" for requirement in row["requirements"]]
        if key == "data_from" and row["data"]:
            lines += _inner(
                _comment("TO DO: the app cannot write to its code. Let it read these paths from its environment:")
            )
            lines += _inner(line for text in row["data"] for line in _comment(text, "- "))
    if row["environment"]:
        lines += _inner(
            _comment("TO DO: fill in the values, which were not read from the host. Keep secrets in Ansible Vault:")
        )
    if row["environment"] or row["paths"]:
        lines += _inner(_comment("environment:"))
        lines += [f"  #   {variable}: {path}" for variable, path in row["paths"].items()]
        lines += [f"  #   {visible(variable)}:" for variable in row["environment"]]
    for kind in ("workers", "timers"):
        if row["services"].get(kind):
            lines += _inner(
                _comment(
                    f"TO DO: the host runs these today. Check each command before you make them {kind} of the app:"
                )
            )
            lines += [f"  # {line}" for line in _field(kind, row["services"][kind])]
    if row["replaces"]:
        names = ", ".join(row["replaces"])
        lines += _inner(_comment(f"On the same host: adopt: true, and replaces: with {names}"))
    return lines


def _field(key: str, value: Any, first: bool = False) -> list[str]:
    # Only ASCII, so that no character of a value is one that ends a line.
    style = None if isinstance(value, (list, dict)) else False
    text = yaml.safe_dump({key: value}, default_flow_style=style, sort_keys=False, allow_unicode=False, width=10**9)
    head, *rest = text.rstrip("\n").split("\n")
    return [f"- {head}" if first else f"  {head}", *(f"  {line}" for line in rest)]


def _inner(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _comments(head: str, texts: list[str]) -> list[str]:
    return [*_comment(head), *(line for text in texts for line in _comment(text, "- "))] if texts else []


def _comment(text: str, mark: str = "") -> list[str]:
    lines = textwrap.wrap(visible(text), _WIDTH, break_on_hyphens=False)
    return [f"# {' ' * len(mark) if number else mark}{line}" for number, line in enumerate(lines)]
