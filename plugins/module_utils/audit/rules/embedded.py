# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Daemon mode, and Python in Apache's own processes (M)."""

from __future__ import annotations

from collections.abc import Iterable

from ...apache.syntax import parse_options
from .. import page
from ..facts import Facts
from ..merge import EMBEDDED
from ..rule import Evidence, Group, Result, config, merged_setting, verdict
from .overrides import loose_overrides

GROUP = Group()


@GROUP.add(
    "M1",
    "Every application runs in daemon mode",
    "high",
    page.DAEMON,
    looks_at="the process group of every URL that mod_wsgi serves, after Apache merges its sections",
    decides="fails if it is empty, is %{GLOBAL}, or names no WSGIDaemonProcess",
    remedy="Name a WSGIDaemonProcess with WSGIProcessGroup, or with process-group= of the WSGIScriptAlias.",
    variable="wsgi_apps",
    by_hand=("WSGIDaemonProcess shop user=shop-app group=shop-app", "WSGIProcessGroup shop"),
    attack="The application's code reads the memory of Apache's own process: requests and TLS sessions of other sites.",
)
def daemon_mode(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group
        seen = merged_setting(place, group, "WSGIProcessGroup", "a declared WSGIDaemonProcess")
        if "%{" in group.value:
            # Which one it is only a request tells; I2 judges that.
            yield Result("unknown", "virtual_host", place.name, (seen,))
        else:
            yield verdict(facts.pool(group.value) is not None, "virtual_host", place.name, seen)


@GROUP.add(
    "M2",
    "Embedded mode is shut off",
    "medium",
    page.DAEMON,
    looks_at="WSGIRestrictEmbedded at server level",
    decides="fails unless the last one is On; high if an application already runs in embedded mode",
    remedy="Set WSGIRestrictEmbedded On at server level. The role wsgi_server does this.",
    by_hand=("WSGIRestrictEmbedded On",),
    attack="If WSGIProcessGroup is mistyped or removed, the application runs as Apache's user and still answers as "
    "before.",
)
def restrict_embedded(facts: Facts) -> Iterable[Result]:
    if "wsgi" not in facts.instance.modules and not facts.places:
        return
    line = facts.last("wsgirestrictembedded")
    embedded = any(place.process_group.value == EMBEDDED for place in facts.places)
    good = line is not None and line.text.lower() == "on"
    seen = config(line, "WSGIRestrictEmbedded On", "WSGIRestrictEmbedded is not set, so Off")
    yield verdict(good, "server", facts.instance.config_file, seen, severity="high" if embedded else "")


_HIDDEN = ("wsgiaccessscript", "wsgiauthuserscript", "wsgiauthgroupscript", "wsgidispatchscript")
_PROVIDERS = ("authbasicprovider", "authdigestprovider")


@GROUP.add(
    "M3",
    "No Python runs in Apache's own processes by another way",
    "high",
    page.DAEMON,
    looks_at="WSGIAccessScript, WSGIAuthUserScript, WSGIAuthGroupScript, WSGIDispatchScript, WSGIImportScript, the "
    "authentication provider wsgi, and directories with AllowOverride AuthConfig that others than root can "
    "write",
    decides="fails for each of these; WSGIImportScript fails only without a declared process-group=",
    remedy="Authenticate in the application or with one of Apache's own providers; give WSGIImportScript a "
    "process-group=.",
    attack="Such a script runs as Apache's user, even with WSGIRestrictEmbedded On.",
)
def hidden_embedded(facts: Facts) -> Iterable[Result]:
    found = False
    for line, _around, host in facts.tree.every(*_HIDDEN, *_PROVIDERS, "wsgiimportscript"):
        name = host.name if host else "main server"
        if line.name in _PROVIDERS and "wsgi" not in [word.lower() for word in line.words]:
            continue
        options = parse_options(line.text)[1]
        good = line.name == "wsgiimportscript" and facts.pool(options.get("process-group", "")) is not None
        found = found or not good
        if not good:
            yield verdict(False, "virtual_host", name, config(line, "no such line, or a pool"))
    for host in {place.host.name: place.host for place in facts.places}.values():
        # A .htaccess there may name such a script as well.
        rows = [one for one, how in loose_overrides(facts, host, ("all", "authconfig")) if how == "high"]
        found = found or bool(rows)
        if rows:
            yield verdict(False, "virtual_host", host.name, *dict.fromkeys(rows[:5]))
    if not found and facts.places:
        seen = Evidence("config", facts.instance.config_file, "no such script", "no such script")
        yield verdict(True, "server", facts.instance.config_file, seen)
