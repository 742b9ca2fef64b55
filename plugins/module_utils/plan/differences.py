# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which parts of a role have work to do on this host, found out in one look: each step's own check run judges it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ..apache.certificates import Outsiders, ensure_certificates
from ..apache.layout import ApacheLayout
from ..apache.live_certificates import ensure_live, hosts_of
from ..apache.processes import apache_parent
from ..apache.sandbox import Outcome as SandboxOutcome
from ..apache.sandbox import Settings, ensure_apps, ensure_sandbox
from ..apache.transaction import ConfigurationFile, apply
from ..host.accounts import ensure_accounts, left_in_homes, remove_accounts
from ..host.command import Run
from ..host.deploy_account import ensure_deploy_account
from ..host.errors import PalisadeError
from ..host.layout import ensure_layout
from ..release.activation import Activation, Files, prune
from ..release.build import ensure_built
from ..release.data_switch import copy_ahead
from ..release.fetch import Fetching, fetch, needs_deploy_account, unsent
from ..release.services import check_services, remove_services
from ..runtime.health import check_pools

Row = Mapping[str, Any]
Rows = Sequence[Row]

SERVER_PARTS = ("sandbox", "packages", "module", "configuration", "service")
APPS_PARTS = ("accounts", "layout", "data", "releases", "site", "removal")
_TIMEOUT = 90


@dataclass
class Plan:
    """The parts that have work to do, in the order of the steps."""

    parts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # When timers run next.
    times: list[str] = field(default_factory=list)

    def judge(self, part: str, *checks: Callable[[], Any]) -> None:
        """Add a part where a check finds work, or fails: the step will say better what is wrong."""
        for check in checks:
            try:
                differs = bool(check())
            except (PalisadeError, OSError):
                differs = True
            if differs:
                self.parts.append(part)
                return


@dataclass(frozen=True)
class Server:
    """What the role wsgi_server is to make of the host."""

    sandbox: str
    settings: Settings
    # What sites write to that apps are to replace, and where the apps that are served have their data.
    old_data: Rows
    data: Mapping[str, str]
    packages: Sequence[str]
    package_query: Sequence[str]
    # A module that pip built; empty where the distribution's is used.
    module: str
    certificates: Rows
    directories: Rows
    files: Sequence[ConfigurationFile]


def plan_server(wanted: Server, layout: ApacheLayout, run: Run) -> Plan:
    """Return the parts of wsgi_server with work to do: all, where packages or the module are missing."""
    plan = Plan()

    def sandbox() -> bool:
        outcome = ensure_sandbox(
            layout, wanted.sandbox, wanted.settings, run, True, wanted.data, tuple(wanted.old_data)
        )
        plan.warnings += outcome.warnings
        return _has_work(outcome)

    def packages() -> bool:
        lines = run([*wanted.package_query, *wanted.packages]).splitlines()
        return not {f"installed {name}" for name in wanted.packages} <= set(lines)

    def certificates() -> bool:
        outsiders = Outsiders(frozenset([layout.user]), frozenset())
        return bool(ensure_certificates(wanted.certificates, (), (), outsiders, "", run, True))

    def configuration() -> bool:
        return bool(apply(layout, wanted.files, (), run, True)["differences"])

    def service() -> bool:
        return run(["systemctl", "is-enabled", layout.unit]).strip() != "enabled" or not run(
            ["systemctl", "is-active", layout.unit]
        )

    plan.judge("packages", packages)
    plan.judge("module", lambda: wanted.module and not os.path.isfile(wanted.module))
    if plan.parts:
        return Plan(list(SERVER_PARTS))
    plan.judge("sandbox", sandbox)
    plan.judge(
        "configuration", certificates, lambda: ensure_layout(wanted.directories, (), (), check=True), configuration
    )
    plan.judge("service", service)
    return plan


def _has_work(outcome: SandboxOutcome) -> bool:
    return bool(outcome.differences or outcome.restarted or outcome.opened)


@dataclass(frozen=True)
class Releases:
    """The releases of the apps, and how they are made."""

    rows: Rows
    files: Files
    service_files: Rows
    pools: Rows
    fetching: Fetching
    keep: int = 5

    def have_work(self, layout: ApacheLayout) -> bool:
        """Tell whether one of them is to be fetched, built, activated or removed, or a process replaced."""
        how = self.fetching
        if unsent(self.rows):
            return True
        if needs_deploy_account(self.rows) and ensure_deploy_account(how.deploy_account, how.run, check=True):
            return True
        told = fetch(self.rows, how)
        if told.missing:
            return True
        environments = {row["app"]: self.files.environment(row["app"]) for row in told.rows}
        built = ensure_built(told.rows, environments, how.installer, how.run, how.parallel, check=True)
        activation = Activation(layout, self.files, self.pools, how.run, True, self.service_files)
        activation.begin(told.rows, built)
        outcome = activation.activate(told.rows, how.parallel)
        done = outcome.differences or outcome.processes or outcome.services or outcome.failures
        return bool(done or prune(told.rows, self.keep, layout, check=True))


def plan_apps(model: Row, releases: Releases, layout: ApacheLayout, run: Run, ask: bool) -> Plan:
    """Return the parts of wsgi_apps with work to do; model is what resolve returned, without what is secret.

    Where none has, and ask is set, the apps are asked for an answer: "verify" is the part of those that fail.
    PalisadeError where a path, a given certificate, data of an old site or a unit keeps the play from going on: before
    the accounts and the downloads, while the host is as it was.
    """
    plan = Plan()
    certificates = model["certificates"]
    made, given, acme = (certificates[kind] for kind in ("self_signed", "given", "acme"))
    outsiders = Outsiders(frozenset([*certificates["accounts"], layout.user]), frozenset(certificates["groups"]))
    parent = apache_parent(layout.binary)
    apache_root = "" if parent is None else f"/proc/{parent}/root"

    def site() -> bool:
        files = [ConfigurationFile(**row) for row in model["site"]]
        told = apply(layout, files, model["loaded"], run, True)
        return bool(told["differences"] or told["stale"])

    plan.times = check_services(model["service_files"], model["schedules"], run)
    texts = [{**row, "secret_content": releases.files.secrets.get(row["path"])} for row in model["files"]]
    ensure_layout(model["directories"], texts, (), True, model["grants"], (), model["root_only"])
    plan.warnings = left_in_homes(model["accounts"]) + copy_ahead(model["data"], check=True).warnings
    ensure_certificates((), given, (), outsiders, apache_root, run, True)

    def layouts() -> bool:
        directories = [*model["directories"], *model["program_directories"]]
        files, grants, revoked = model["program_files"], model["grants"], model["revoked"]
        return bool(ensure_layout(directories, files, (), True, grants, revoked, model["root_only"]))

    plan.judge("accounts", lambda: ensure_accounts(model["accounts"], run, True))
    # Copies that a killed play left are tidied by the step itself.
    plan.judge("data", lambda: model["data"])
    if plan.parts:
        # What these change is what the other checks look at.
        plan.parts = list(APPS_PARTS)
        return plan
    plan.judge(
        "layout",
        layouts,
        lambda: _has_work(ensure_apps(layout, model["writable_paths"], run, True)),
    )
    plan.judge("releases", lambda: releases.have_work(layout))
    plan.judge(
        "site",
        lambda: ensure_certificates(made, (), (), outsiders, apache_root, run, True),
        site,
        lambda: ensure_live(layout, hosts_of(made, given, acme), _TIMEOUT, run, True),
    )
    plan.judge(
        "removal",
        lambda: remove_services(model["removed_services"], run, True),
        lambda: remove_accounts(model["removed_accounts"], run, True),
        lambda: ensure_layout((), (), model["removed_paths"], check=True),
        lambda: ensure_certificates((), (), certificates["absent"], outsiders, apache_root, run, True),
    )
    if ask and not plan.parts:
        # Answers are a list that may be empty.
        plan.judge("verify", lambda: check_pools(layout, model["pools"], run) is None)
    return plan
