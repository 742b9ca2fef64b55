# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit: every rule, and the report on a host."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

from ..facts import Facts
from ..rule import SEVERITIES, STATUSES, Rule, judge, place_of
from . import (
    access,
    accounts,
    beside,
    browser,
    code,
    declared,
    disclosure,
    embedded,
    environments,
    exposure,
    headers,
    isolation,
    limits,
    logs,
    overrides,
    pages,
    privileges,
    processes,
    sandbox,
    tls,
    versions,
    writable,
)

SCHEMA = "palisade.mod_wsgi/audit/1"
# The collection's, as in galaxy.yml, which a managed host does not have.
VERSION = "0.1.0"
_FILES = (
    access,
    accounts,
    beside,
    browser,
    code,
    declared,
    disclosure,
    embedded,
    environments,
    exposure,
    headers,
    isolation,
    limits,
    logs,
    overrides,
    pages,
    privileges,
    processes,
    sandbox,
    tls,
    versions,
    writable,
)
RULES: list[Rule] = sorted((rule for file in _FILES for rule in file.GROUP.rules), key=lambda rule: place_of(rule.id))


def report(hosts: Sequence[Facts], version: str) -> dict[str, Any]:
    """Return the document that the module gives back."""
    results = [row for facts in hosts for rule in RULES for row in judge(rule, facts)]
    return {
        "schema": SCHEMA,
        "host": socket.gethostname(),
        "collected_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "collection_version": version,
        "instances": [_instance(facts) for facts in hosts],
        "results": results,
        "summary": summary(results),
    }


def _instance(facts: Facts) -> dict[str, Any]:
    keys = ("binary", "pid", "config_file", "apache_version", "mod_wsgi_version", "mpm")
    return {**{key: getattr(facts.instance, key) for key in keys}, "pools": [pool.name for pool in facts.pools]}


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how many results there are of each status, and of the failures of each severity."""
    failed = [row["severity"] for row in results if row["status"] == "fail"]
    counts: dict[str, Any] = {status: sum(row["status"] == status for row in results) for status in STATUSES}
    return {**counts, "by_severity": {severity: failed.count(severity) for severity in SEVERITIES}}
