# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a play fails, decided by a JMESPath expression over the report."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from ...module_utils.host.errors import PalisadeError
from .document import Document, Result, is_known, ordered, state_of, subject_of, summary, visible

_NAME = "wsgi_audit_fail_when"
_SHOWN = 20


def verdict(document: Document, expression: str) -> list[Result] | None:
    """Return the findings for which the play fails, or None where it passes.

    The expression sees the document without the failures that the baseline knows.
    """
    if not expression.strip():
        return None
    results = [result for result in document["results"] if not is_known(result)]
    value = _search(expression, {**document, "results": results, "summary": summary(results)})
    # JMESPath takes the number 0 as true: a length alone would always fail.
    if value is None or isinstance(value, bool):
        failed = value is True
    elif isinstance(value, list):
        failed = bool(value)
    else:
        raise PalisadeError(
            f"{_NAME}: expected true, false or a list from {expression!r}, got {value!r}; compare a number, as in "
            "length(...) > `0`"
        )
    if not failed:
        return None
    named = value if isinstance(value, list) and all(result in results for result in value) else results
    return [result for result in ordered(named) if result["status"] == "fail" or named is value]


def _search(expression: str, document: Document) -> Any:
    try:
        jmespath: Any = importlib.import_module("jmespath")
    except ImportError as error:
        raise PalisadeError(
            f"{_NAME}: needs the Python library jmespath beside Ansible on the controller (pip install jmespath), "
            'or set an empty expression, "", which lets every report pass'
        ) from error
    try:
        return jmespath.search(str(expression), document)
    except jmespath.exceptions.JMESPathError as error:
        raise PalisadeError(f"{_NAME}: expected a JMESPath expression, got {expression!r}: {error}") from error


def message(host: str, document: Document, findings: Sequence[Result], files: Sequence[str]) -> str:
    """Return why the play fails, a line a finding."""
    lines = [f"The audit of {host} fails:"]
    lines += [f"- {one_line(result, document)}{_observed(result)}" for result in findings[:_SHOWN]]
    if len(findings) > _SHOWN:
        lines.append(f"- and {len(findings) - _SHOWN} more")
    if not findings:
        lines.append(f"- {_NAME} is true for the report")
    if files:
        lines.append(f"Reports: {', '.join(files)}")
    return "\n".join(lines)


def one_line(result: Result, document: Document) -> str:
    """Return a finding as one line, with its Apache where the host has several."""
    where = f" in {result['instance']}" if result["instance"] and len(document["instances"]) > 1 else ""
    return visible(f"{state_of(result)} {result['rule_id']} {subject_of(result)}{where}: {result['title']}")


def _observed(result: Result) -> str:
    return f" [{visible(result['evidence'][0]['observed'])}]" if result["evidence"] else ""
