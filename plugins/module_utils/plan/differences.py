# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which parts of the role wsgi_apps have work to do on this host, found out in one look."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..apache.certificates import Outsiders, ensure_certificates, paths_of
from ..apache.layout import ApacheLayout
from ..apache.live_certificates import ensure_live, hosts_of
from ..apache.processes import apache_parent
from ..apache.sandbox import ensure_apps
from ..apache.transaction import ConfigurationFile, apply
from ..host.accounts import ensure_accounts, left_in_homes, remove_accounts
from ..host.command import Run
from ..host.deploy_account import ensure_deploy_account
from ..host.layout import ensure_layout
from ..release.activation import Activation, Files, Outcome, prune
from ..release.build import ensure_built
from ..release.data_switch import copy_ahead
from ..release.fetch import Fetching, fetch, needs_deploy_account, unsent
from ..release.services import check_services, remove_services
from ..runtime.health import check_pools
from .parts import Plan, Row, changes_configuration, changes_sandbox, tell_requests
from .summary import APACHE, HOST, Summary, owners_of

Rows = Sequence[Row]

PARTS = ("accounts", "layout", "data", "releases", "site", "removal")
_TIMEOUT = 90


@dataclass(frozen=True)
class Releases:
    """The releases of the apps, and how they are made."""

    rows: Rows
    files: Files
    service_files: Rows
    pools: Rows
    fetching: Fetching
    keep: int = 5

    def have_work(self, layout: ApacheLayout, summary: Summary | None = None) -> bool:
        """Tell whether one of them is to be fetched, built, activated or removed, or a process replaced.

        Looks no further than the first of these where there is no summary.
        """
        how, told = self.fetching, summary or Summary()
        new = set(unsent(self.rows))
        rows = [row for row in self.rows if row["app"] not in new]
        if new and summary is None:
            return True
        if needs_deploy_account(rows) and ensure_deploy_account(how.deploy_account, how.run, check=True):
            told.add(HOST, f"account {how.deploy_account}")
            if summary is None:
                return True
        fetched = fetch(rows, how)
        new.update(fetched.missing)
        if new and summary is None:
            return True
        rows = [row for row in fetched.rows if row["app"] not in new]
        environments = {row["app"]: self.files.environment(row["app"]) for row in rows}
        built = ensure_built(rows, environments, how.installer, how.run, how.parallel, check=True)
        activation = Activation(layout, self.files, self.pools, how.run, True, self.service_files)
        activation.begin(rows, built)
        outcome = activation.activate(rows, how.parallel)
        pruned = prune(rows, self.keep, layout, check=True)
        self._tell({*new, *built.built}, outcome, pruned, told)
        done = outcome.differences or outcome.processes or outcome.services or outcome.failures
        return bool(new or done or pruned)

    def _tell(self, new: Collection[str], outcome: Outcome, pruned: Rows, told: Summary) -> None:
        rolling = {str(row["pool"]) for row in outcome.processes}
        for row in self.rows:
            app, inside = row["app"], row["directory"] + "/"
            changed = [str(change["path"]) for change in outcome.differences]
            if app in new:
                told.add(app, "new release")
            elif row["current"] in changed:
                told.add(app, "another release")
            elif any(path.startswith(inside) for path in changed):
                told.add(app, "release")
            serves = os.path.islink(row["current"])
            if app in rolling or (app in new and serves):
                told.effect(app, "pool restarts")
            if app in new and serves and any(service["title"].startswith("worker") for service in row["services"]):
                told.effect(app, "workers restart")
            old = sum(change["path"].startswith(inside) for change in pruned)
            if old:
                told.effect(app, f"{old} old release{'s' if old > 1 else ''} removed")
        releases = [row["directory"] + "/" for row in self.rows]
        links = {row["current"] for row in self.rows}
        told.paths(
            change
            for change in outcome.differences
            if change["path"] not in links and not change["path"].startswith(tuple(releases))
        )
        for service in outcome.services:
            apps = [row["app"] for row in self.rows if service["unit"].startswith(f"wsgi-{row['app']}-")]
            told.effect(max(apps, key=len), f"{service['unit']} is {service['action']}")


def plan_apps(
    model: Row, releases: Releases, layout: ApacheLayout, run: Run, ask: bool, describe: bool = False
) -> Plan:
    """Return the parts of wsgi_apps with work to do; model is what resolve returned, without what is secret.

    Where none has, and ask is set, the apps are asked for an answer: "verify" is the part of those that fail. With
    describe, everything is looked at for a summary; without, no more than it takes to know the parts.
    PalisadeError where a path, a given certificate, data of an old site or a unit keeps the play from going on: before
    the accounts and the downloads, while the host is as it was.
    """
    plan = Plan(summary=Summary(owners_of(model)) if describe else None)
    told = plan.told
    certificates = model["certificates"]
    made, given, acme = (certificates[kind] for kind in ("self_signed", "given", "acme"))
    outsiders = Outsiders(frozenset([*certificates["accounts"], layout.user]), frozenset(certificates["groups"]))
    parent = apache_parent(layout.binary)
    apache_root = "" if parent is None else f"/proc/{parent}/root"

    plan.times = check_services(model["service_files"], model["schedules"], run)
    texts = [{**row, "secret_content": releases.files.secrets.get(row["path"])} for row in model["files"]]
    ensure_layout(model["directories"], texts, (), True, model["grants"], (), model["root_only"])
    plan.warnings = left_in_homes(model["accounts"]) + copy_ahead(model["data"], check=True).warnings
    ensure_certificates((), given, (), outsiders, apache_root, run, True)

    def accounts() -> bool:
        found = ensure_accounts(model["accounts"], run, True)
        names = {change["path"]: change["before"] for change in found}
        for row in model["accounts"]:
            before = names.get(f"account {row['name']}")
            if before is not None:
                told.add(row["app"], "new account" if before == {"state": "absent"} else "account")
        return bool(found)

    def data() -> bool:
        for row in model["data"]:
            told.add(row["app"], "data of the old site")
        # Copies that a killed play left are tidied by the step itself.
        return bool(model["data"])

    def layouts() -> bool:
        directories = [*model["directories"], *model["program_directories"]]
        files, grants, revoked = model["program_files"], model["grants"], model["revoked"]
        return told.paths(ensure_layout(directories, files, (), True, grants, revoked, model["root_only"]))

    def sandbox() -> bool:
        return changes_sandbox(ensure_apps(layout, model["writable_paths"], run, True), told)

    def made_certificates() -> bool:
        return told.paths(ensure_certificates(made, (), (), outsiders, apache_root, run, True))

    def site() -> bool:
        files = [ConfigurationFile(**row) for row in model["site"]]
        return changes_configuration(apply(layout, files, model["loaded"], run, True), told)

    def live() -> bool:
        found = ensure_live(layout, hosts_of(made, given, acme), _TIMEOUT, run, True)
        if found:
            told.effect(APACHE, "reloads")
        return bool(found)

    def removal() -> bool:
        gone = [
            *remove_services(model["removed_services"], run, True),
            *remove_accounts(model["removed_accounts"], run, True),
            *ensure_layout((), (), model["removed_paths"], check=True),
            *ensure_certificates((), (), certificates["absent"], outsiders, apache_root, run, True),
        ]
        if gone:
            paths = {change["path"] for change in gone}
            for row in model["removed_paths"]:
                if row["path"] in paths:
                    told.effect(row.get("app") or HOST, "removed" if row.get("app") else "wsgi-run removed")
            for row in certificates["absent"]:
                if not paths.isdisjoint(paths_of(row["name"])):
                    told.effect(row["app"] or HOST, "certificate removed")
        return bool(gone)

    plan.judge("accounts", accounts)
    plan.judge("data", data)
    first = bool(plan.parts)
    if not first or describe:
        plan.judge("layout", layouts, sandbox)
        plan.judge("releases", lambda: releases.have_work(layout, plan.summary))
        plan.judge("site", made_certificates, site, live)
        plan.judge("removal", removal)
    if plan.summary:
        tell_requests(plan.summary, layout, run)
    if first:
        # What these change is what the other checks look at.
        plan.parts = [part for part in PARTS if part != "data" or model["data"]]
    elif ask and not plan.parts:
        # Answers are a list that may be empty.
        plan.judge("verify", lambda: check_pools(layout, model["pools"], run) is None)
    if "site" in plan.parts:
        plan.parts += ["self_signed"] * bool(made) + ["certificates"] * bool([*made, *given, *acme])
    return plan
