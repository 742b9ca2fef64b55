"""Getting forum's code run as another account, by a request, by a file that forum may write, or by a mistake."""

from __future__ import annotations

import os

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Answer, Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.reading import keep
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask, ask_each, body, content

GROUP = "Choosing another account"
COPY = "/usr/local/share/access.py"
ACCESS = "Options +FollowSymLinks\nWSGIAccessScript {}\n"
SCRIPT = """
import os
import pwd


def allow_access(environ, host):
    with open("/tmp/planted", "w") as file:
        file.write(pwd.getpwuid(os.geteuid()).pw_name)
    return True
"""
# What mod_wsgi writes to the log when it refuses.
REASONS = (
    "cannot be accessed by this WSGI application",
    "Embedded mode of mod_wsgi disabled",
    "No WSGI daemon process called",
)


def ran(text: str) -> tuple[str, str]:
    """Return whose code answered and the account that it ran as; nothing where no app did."""
    answer = content(text)
    entry = answer.get("environ", {}).get("SCRIPT_FILENAME", "")
    return os.path.basename(os.path.dirname(entry)), answer.get("account", "")


def judged(there: Deployment, status: int, text: str) -> Outcome:
    """Judge an answer to a request for forum: as whom its code ran."""
    code, account = ran(text)
    if code == "forum" and account != there.account("forum"):
        return succeeded(f"forum's code ran as {account}")
    if status == 200 and account == there.account("forum"):
        return refused("forum's code runs as its own account")
    raise UnclearError(f"forum answers {status}")


def by_mistake(there: Deployment, *mistakes: tuple[str, str], path: str = "/") -> Outcome:
    """Make each mistake in forum's site; mod_wsgi itself has to say that it refuses."""
    proofs = []
    for pattern, replacement in mistakes:
        with there.edited("forum", pattern, replacement):
            there.run("truncate -s 0 /var/log/apache2/*.log")
            status, text = there.ask("forum", path)
            if status == 200:
                return judged(there, status, text)
            log = there.run("cat /var/log/apache2/*.log")
            proofs += [reason for reason in REASONS if reason in log][:1] if status == 500 else []
    if len(proofs) != len(mistakes):
        raise UnclearError(f"forum answers {status}, and the log does not say why")
    return refused(f"500; the log says `{'`, `'.join(dict.fromkeys(proofs))}`")


def htaccess(there: Deployment, text: str, text_of_root: str = "") -> Answer:
    """Let forum write a .htaccess beside its entry file; where it cannot, root does."""
    path = f"{os.path.dirname(there.path('entry', 'forum'))}/.htaccess"
    answer = there.inside("forum", keep, path, text)
    if answer.errno:
        answer.refusal()
        there.write(path, text_of_root or text)
        there.run("chmod 644 %s", path)
    return answer


def without_htaccess(there: Deployment, answer: Answer, outcome: Outcome) -> Outcome:
    """Take the file off again, and tell both refusals."""
    there.run("rm %s/.htaccess", os.path.dirname(there.path("entry", "forum")))
    if outcome.succeeded:
        return outcome
    if not answer.errno:
        raise UnclearError("forum wrote the file, and it had no effect")
    return refused(f"{answer.refusal().proof}; put there by root: not read")


@attack(GROUP, 36, "I2", variant="pool-from-host")
def choose_the_pool_by_the_host_name(there: Deployment) -> Outcome:
    """Asks with shop's name, in several spellings, in the Host header and in the URL."""
    plain = ("shop.test", "SHOP.test", "shop.test.", "shop.test:8080", "shop", "forum.test", "%{GLOBAL}", "")
    answers = {name: ask(there.host, name) for name in plain}
    answers["absolute"] = ask(there.host, "shop.test", "http://forum.test/")
    answers["absolute, other way"] = ask(there.host, "forum.test", "http://shop.test/")
    found = {ran(text) for _status, text in answers.values()} - {("", "")}
    own = {(app, there.account(app)) for app in ("shop", "forum")}
    if others := sorted(found - own):
        return succeeded(" and ".join(f"{code}'s code ran as {account}" for code, account in others))
    if found != own or {status for status, text in answers.values() if ran(text) == ("", "")} - {400, 403, 404}:
        raise UnclearError(f"the apps do not answer: {[status for status, _text in answers.values()]}")
    return refused("each name reaches the code and the account of one app, or nothing")


@attack(GROUP, 34, "X-DEFAULT-VHOST")
def reach_an_app_by_an_unknown_host_name(there: Deployment) -> Outcome:
    """Asks for a name that no site has, as scanners and rebound DNS names do."""
    status, text = ask(there.host, "attacker.invalid")
    code, account = ran(text)
    if code:
        return succeeded(f"{code} answers, as {account}")
    if status in (403, 404, 421):
        return refused(f"{status} of a virtual host without an app")
    raise UnclearError(f"the answer is {status}")


@attack(GROUP, 36, "I2", "I8", variant="pool-from-environment")
def choose_the_pool_by_the_environment(there: Deployment) -> Outcome:
    """Writes a `.htaccess` with `SetEnv POOL shop` beside its entry file; where it cannot, root does."""
    answer = htaccess(there, "SetEnv POOL shop\nSetEnv PROCESS_GROUP shop\n")
    return without_htaccess(there, answer, judged(there, *there.ask("forum")))


@attack(GROUP, 36, "I4", variant="accounts")
def run_in_another_pool_by_a_mistake_in_a_location(there: Deployment) -> Outcome:
    """Adds an inner `<Location>` with the other app's `WSGIProcessGroup`, and with its `WSGIRestrictProcess` too."""
    inner = "<Location /inner>\nWSGIProcessGroup shop\n{}</Location>\n</VirtualHost>"
    mistakes = [("^</VirtualHost>", inner.format(more)) for more in ("", "WSGIRestrictProcess shop\n")]
    return by_mistake(there, *mistakes, path="/inner")


@attack(GROUP, 12, "M1", "M2", variant="accounts")
def reach_embedded_mode_by_a_mistake(there: Deployment) -> Outcome:
    """Removes `WSGIProcessGroup` and what goes with it, or sets it to `%{GLOBAL}`, so that Apache runs the app."""
    removed = (r"^.*(WSGIProcessGroup|WSGIRestrictProcess|WSGIImportScript).*$", "")
    return by_mistake(there, removed, (r"^( *WSGIProcessGroup).*$", "WSGIProcessGroup %{GLOBAL}"))


@attack(GROUP, 12, "M3", "I8", variant="accounts")
def reach_embedded_mode_by_a_htaccess_file(there: Deployment) -> Outcome:
    """Writes a `.htaccess` with `WSGIAccessScript` beside its entry file; where it cannot, root does."""
    there.run("rm -f /tmp/planted /tmp/systemd-private-*-apache2*/tmp/planted")
    script = f"{there.path('uploads', 'forum')}/access.py"
    there.inside("forum", keep, script, SCRIPT)
    # Which Apache can read in any case, where root writes the .htaccess.
    there.run("install -m 644 %s %s", there.exists(script), COPY)
    answer = htaccess(there, ACCESS.format(script), ACCESS.format(COPY))
    there.ask("forum")
    account = there.run("cat /tmp/planted /tmp/systemd-private-*-apache2*/tmp/planted 2>/dev/null || true")
    if account and account != there.account("forum"):
        outcome = succeeded(f"forum's script ran as {account}")
    else:
        outcome = judged(there, *there.ask("forum"))
    return without_htaccess(there, answer, outcome)


@attack(GROUP, 78, "F1")
def fetch_source_when_the_alias_is_gone(there: Deployment) -> Outcome:
    """Asks for code and secrets by their names after `WSGIScriptAlias` was removed from the site."""
    paths = ["/echo.py", "/wsgi.py", "/.env", "/code/echo.py", "/environment", "/static/../echo.py"]
    with there.edited("forum", r"^.*(WSGIScriptAlias|WSGIImportScript).*$", ""):
        answers = ask_each(there.host, "forum.test", paths)
    sources = [path for path, (_status, text) in answers.items() if "import" in body(text) or "PROBE_T" in body(text)]
    if sources:
        return succeeded(f"Apache sends {', '.join(sources)} as text")
    statuses = sorted({status for status, _text in answers.values()})
    if not set(statuses) <= {400, 403, 404}:
        raise UnclearError(f"the answers are {statuses}")
    return refused(f"{' or '.join(map(str, statuses))} for every path")
