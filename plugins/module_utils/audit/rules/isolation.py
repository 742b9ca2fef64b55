# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reaches whom: requests and pools, and processes of one Apache (I, X-COREDUMP)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .. import page
from ..config import Directive, Pool
from ..facts import Facts
from ..merge import EMBEDDED, GLOBAL
from ..rule import Evidence, Group, Result, config, gap, merged_setting, running, verdict
from .accounts import applications, of_one_account

GROUP = Group()


@GROUP.add(
    "I1",
    "Every application has a pool of its own",
    "high",
    page.ISOLATION,
    confidence="medium",
    looks_at="the scripts that each pool serves",
    decides="fails for a pool that serves several scripts from different directories",
    remedy="Declare a WSGIDaemonProcess for each application.",
    variable="wsgi_apps",
    attack="One application reads the other's memory, secrets and requests.",
)
def pool_per_component(facts: Facts) -> Iterable[Result]:
    for pool in facts.pools:
        places = facts.served_by(pool.name)
        # Several entry files of one directory are one application's.
        directories = {facts.real(place.path).rpartition("/")[0] for place in places}
        if places:
            observed = f"serves {', '.join(sorted({place.path for place in places}))}"
            seen = Evidence("config", pool.directive.source, observed, "one application")
            yield verdict(len(directories) == 1, "pool", pool.name, seen)


@GROUP.add(
    "I2",
    "No request chooses its pool",
    "high",
    page.ISOLATION,
    looks_at="the process group of every URL that mod_wsgi serves",
    decides="fails where it is expanded from %{ENV:...}, %{HOST}, %{SERVER} or %{RESOURCE}",
    remedy="Write the name of the pool in WSGIProcessGroup.",
    variable="wsgi_apps",
    attack="A header, or SetEnv in a .htaccess file, sends a request to another application's account.",
)
def routing_explicit(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group
        if group.value != EMBEDDED:
            seen = merged_setting(place, group, "WSGIProcessGroup", "a name")
            yield verdict("%{" not in group.value, "virtual_host", place.name, seen)


@GROUP.add(
    "I3",
    "Every application runs in its pool's main interpreter",
    "low",
    page.ISOLATION,
    looks_at="the application group of every URL that a pool serves",
    decides="fails unless it is %{GLOBAL}",
    remedy="Set WSGIApplicationGroup %{GLOBAL}.",
    by_hand=("WSGIApplicationGroup %{GLOBAL}",),
    attack="Extensions in C share state between sub-interpreters, or lock up.",
)
def global_application_group(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        if place.process_group.value != EMBEDDED:
            seen = merged_setting(place, place.application_group, "WSGIApplicationGroup", "%{GLOBAL}")
            yield verdict(place.application_group.value == GLOBAL, "virtual_host", place.name, seen)


@GROUP.add(
    "I4",
    "Every URL can reach its own pool only",
    "high",
    page.ISOLATION,
    looks_at="WSGIRestrictProcess of every URL that a pool serves; the setting of an inner section replaces that of "
    "the outer one",
    decides="fails unless it names this pool and no other",
    remedy="Set WSGIRestrictProcess to the pool's name where WSGIProcessGroup is set.",
    variable="wsgi_apps",
    by_hand=("WSGIRestrictProcess shop",),
    attack="A mistyped or foreign WSGIProcessGroup runs the request as another application's account.",
)
def restrict_process(facts: Facts) -> Iterable[Result]:
    for place in facts.places:
        group = place.process_group.value
        setting = place.setting("wsgirestrictprocess")
        seen = merged_setting(place, setting, "WSGIRestrictProcess", group or "a pool")
        good = place.restriction is not None and set(place.restriction) == {group} - {EMBEDDED}
        yield verdict(good, "virtual_host", place.name, seen)


def _domain(name: str) -> str:
    labels = name.lower().rstrip(".").split(".")
    # Of such as shop.example.co.uk three labels are what somebody registers.
    short = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in ("co", "com", "org", "net", "ac", "gov", "edu")
    return ".".join(labels[-3 if short else -2 :])


@GROUP.add(
    "I7",
    "Unrelated parties do not share one Apache",
    "info",
    "This pattern works well",
    confidence="low",
    looks_at="the domains of the virtual hosts that serve applications, and who owns the code of their pools",
    decides="fails for a domain whose code has other owners than the code of another domain. A host does not show "
    "who trusts whom, so this is only a hint",
    remedy="Give each party its own Apache behind a proxy.",
    attack="A hole in Apache or mod_wsgi, or one mistake in the shared configuration, exposes every party's "
    "applications.",
)
def unrelated_parties(facts: Facts) -> Iterable[Result]:
    parties: dict[str, tuple[str, set[int]]] = {}
    for place in facts.places:
        owners = facts.host.owners.get(place.process_group.value, [])
        if place.host.server_names and owners:
            domain = _domain(place.host.name.split()[0])
            parties.setdefault(domain, (place.host.name, set()))[1].update(owners)
    for domain, (host, mine) in parties.items():
        strangers = sorted(name for name, (_host, theirs) in parties.items() if name != domain and not mine & theirs)
        others = f"; nothing in common with {', '.join(strangers)}" if strangers else ""
        observed = f"{domain}: code of uid {', '.join(map(str, sorted(mine)))}{others}"
        yield verdict(not strangers, "virtual_host", host, Evidence("stat", "home=", observed, "one operator"))


_HANDLERS = ("sethandler", "addhandler", "addtype", "forcetype", "action")
# What shows that code of a module runs: words of a handler, and the beginnings of directives.
_LANGUAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    r"php\d*(?:_\w+)?": (r"x-httpd-php|php-script|^php\d*$", ()),
    r"perl": (r"perl-script|^modperl$", ("perlhandler", "perlresponsehandler", "perlrequire", "perlmodule", "<perl")),
    r"lua": (r"lua-script", ("lua",)),
    r"python": (r"mod_python|python-program", ("python",)),
    r"cgid?": (r"cgi-script", ()),
}


def _in_use(facts: Facts, module: str) -> Directive | None:
    """Return a line of the configuration by which code of a module runs; None where the module is only loaded."""
    handler, directives = next(
        (uses for pattern, uses in _LANGUAGES.items() if re.fullmatch(pattern, module)), ("", ())
    )
    if not handler:
        return None
    for line in _all_lines(facts):
        if line.name in _HANDLERS and any(re.search(handler, word.lower()) for word in line.words):
            return line
        if directives and line.name.startswith(directives):
            return line
        target = line.words[-1] if line.name in ("scriptalias", "scriptaliasmatch") and line.words else None
        if target is not None and module in ("cgi", "cgid") and facts.host.scripts.get(target, True):
            return line
    return None


def _all_lines(facts: Facts) -> Iterable[Directive]:
    waiting = [*facts.tree.directives, *(line for host in facts.tree.hosts for line in host.directives)]
    while waiting:
        line = waiting.pop(0)
        yield line
        waiting += line.inside


@GROUP.add(
    "I9",
    "No other code runs as Apache's account",
    "medium",
    page.ISOLATION,
    looks_at="the modules for PHP, Perl, Lua, Python and CGI beside declared pools, the handlers and script aliases "
    "that use them, and interpreters that run as Apache's account",
    decides="fails for a module in use and for such a process; a module that is only loaded does not fail, nor does "
    "a ScriptAlias to an empty or missing directory",
    remedy="Unload the module, or run that code as another account, for example with php-fpm.",
    by_hand=("a2dismod php8.2 cgid",),
    attack="Such a script connects to every pool's socket and sends it requests that passed no authentication.",
)
def no_other_code(facts: Facts) -> Iterable[Result]:
    if not facts.pools:
        return
    used = {module: line for module in facts.instance.modules if (line := _in_use(facts, module)) is not None}
    seen = [config(line, f"module {module} not in use") for module, line in used.items()]
    if not of_one_account(facts):
        # Else it is the application's own, such as a worker: U6 tells of it.
        user = facts.instance.user
        seen += [Evidence("proc", "/proc", f"{name} runs as {user}", "none") for name in facts.host.foreign]
    if not seen and "foreign" in facts.host.unknown:
        yield gap("server", facts.instance.config_file, "proc", "/proc", facts.host.unknown["foreign"])
        return
    good = Evidence("config", facts.instance.config_file, "no such code", "no such code")
    yield verdict(not seen, "server", facts.instance.config_file, *(seen or [good]))


@GROUP.add(
    "I10",
    "No pool reaches into another's processes",
    "medium",
    page.ISOLATION,
    looks_at="what a process with a pool's account can do to other pools: send a signal, open the environment; and "
    "the names of likely secrets in command lines of Apache's processes",
    decides="fails if one of these works on a pool of another script, and for a secret in a command line, which "
    "every account can read",
    remedy="Give each application its own account, and remove CoreDumpDirectory.",
    variable="wsgi_apps[].account",
    attack="One application stops another's processes, or reads secrets from them.",
)
def no_reach(facts: Facts) -> Iterable[Result]:
    told = sorted({name for row in facts.host.children for name in row["secrets"]})
    secrets = [Evidence("proc", "/proc/PID/cmdline", f"{', '.join(told)} with a value", "no secrets")] if told else []

    def judged(pool: Pool, processes: Sequence[dict[str, Any]]) -> Result:
        reach = facts.host.reach.get(pool.name, {"signal": [], "environment": []})
        reason = facts.host.unknown.get("reach") or reach.get("unknown")
        if reason:
            return gap("pool", pool.name, "proc", f"/proc/{processes[0]['pid']}", reason)
        own = applications(facts, pool.name)
        seen = []
        for way, what in (("signal", "may signal"), ("environment", "may open the environment of")):
            others = [name for name in reach[way] if not own & applications(facts, name)]
            if others:
                observed = f"{processes[0]['user']} {what} {', '.join(sorted(others))}"
                seen.append(Evidence("proc", "/proc", observed, "refused"))
        good = Evidence("proc", "/proc", f"{processes[0]['user']} is refused by every other pool", "refused")
        return verdict(not seen and not secrets, "pool", pool.name, *(seen or [good]), *secrets)

    yield from running(facts, judged)


@GROUP.add(
    "X-COREDUMP",
    "An account cannot inspect its own daemons",
    "medium",
    "",
    looks_at="CoreDumpDirectory, and who owns the files of each pool's processes in /proc",
    decides="fails if it is set, or if the account owns these files, because the kernel then lets it trace the "
    "process; the latter does not fail if all of Apache runs as one account",
    remedy="Remove CoreDumpDirectory, and set the sysctl fs.suid_dumpable to 0.",
    by_hand=("sysctl fs.suid_dumpable=0",),
    attack="Any other process of the account reads the environment and the memory of a daemon, secrets included.",
    cis="3.7",
)
def no_core_dumps(facts: Facts) -> Iterable[Result]:
    line = facts.last("coredumpdirectory")
    if not facts.pools:
        return
    if "dumpable" in facts.host.unknown:
        yield gap("server", facts.instance.config_file, "proc", "/proc", facts.host.unknown["dumpable"])
        return
    seen = [config(line, "not set", "CoreDumpDirectory is not set")]
    # What never was root's belongs to its account from the start.
    open_ones = sorted(name for name, is_open in facts.host.dumpable.items() if is_open and not of_one_account(facts))
    if open_ones:
        observed = f"the files in /proc of {', '.join(open_ones)} belong to the accounts of these pools"
        seen.append(Evidence("proc", "/proc/PID/environ", observed, "root's"))
    yield verdict(line is None and not open_ones, "server", facts.instance.config_file, *seen)
