# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which parts of the role wsgi_server have work to do on this host, found out in one look."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..apache.certificates import Outsiders, ensure_certificates
from ..apache.layout import ApacheLayout
from ..apache.sandbox import Settings, ensure_sandbox
from ..apache.transaction import ConfigurationFile, apply
from ..host.command import Run
from ..host.layout import ensure_layout
from .parts import Plan, Row, changes_configuration, changes_sandbox, tell_requests
from .summary import APACHE, Summary

PARTS = ("sandbox", "packages", "module", "configuration", "service")


@dataclass(frozen=True)
class Server:
    """What the role wsgi_server is to make of the host."""

    sandbox: str
    settings: Settings
    # What sites write to that apps are to replace, and where the apps that are served have their data.
    old_data: Sequence[Row]
    data: Mapping[str, str]
    packages: Sequence[str]
    package_query: Sequence[str]
    # A module that pip built; empty where the distribution's is used.
    module: str
    certificates: Sequence[Row]
    directories: Sequence[Row]
    files: Sequence[ConfigurationFile]


def plan_server(wanted: Server, layout: ApacheLayout, run: Run, describe: bool = False) -> Plan:
    """Return the parts of wsgi_server with work to do: all, where packages or the module are missing."""
    plan = Plan(summary=Summary() if describe else None)

    def sandbox() -> bool:
        outcome = ensure_sandbox(
            layout, wanted.sandbox, wanted.settings, run, True, wanted.data, tuple(wanted.old_data)
        )
        plan.warnings += outcome.warnings
        return changes_sandbox(outcome, plan.told)

    def packages() -> bool:
        lines = run([*wanted.package_query, *wanted.packages]).splitlines()
        missing = [name for name in wanted.packages if f"installed {name}" not in lines]
        for name in missing:
            plan.told.add(APACHE, f"package {name}")
        return bool(missing)

    def module() -> bool:
        missing = bool(wanted.module) and not os.path.isfile(wanted.module)
        if missing:
            plan.told.add(APACHE, "mod_wsgi from pip")
        return missing

    def certificates() -> bool:
        outsiders = Outsiders(frozenset([layout.user]), frozenset())
        return plan.told.paths(ensure_certificates(wanted.certificates, (), (), outsiders, "", run, True), APACHE)

    def directories() -> bool:
        return plan.told.paths(ensure_layout(wanted.directories, (), (), check=True), APACHE)

    def configuration() -> bool:
        return changes_configuration(apply(layout, wanted.files, (), run, True), plan.told)

    def service() -> bool:
        enabled = run(["systemctl", "is-enabled", layout.unit]).strip() == "enabled"
        lame = not enabled or not run(["systemctl", "is-active", layout.unit])
        if lame:
            plan.told.effect(APACHE, "is started and enabled")
        return lame

    plan.judge("packages", packages)
    plan.judge("module", module)
    if plan.parts:
        plan.parts = list(PARTS)
        return plan
    plan.judge("sandbox", sandbox)
    plan.judge("configuration", certificates, directories, configuration)
    plan.judge("service", service)
    if plan.summary:
        tell_requests(plan.summary, layout, run)
    return plan
