"""The two deployments of the same apps, and what an attack can do with them.

There is shop, which has a secret, and forum, which was taken over: it runs whatever code a test sends. So does shop,
for what it does by itself, such as keeping a file in /tmp.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import Outcome, UnclearError, refused, succeeded
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask, content
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import reach, request

APPS = ("shop", "forum")
# The tutorial's host, by the name that tutorial.sh knows.
VARIANTS = {
    "plain": "pools without `user=`; Apache's account owns everything",
    "embedded": "no `WSGIDaemonProcess`",
    "accounts": "each app has its own `user=` and `group=`, and owns its tree",
    "core-dumps": "plain, with `CoreDumpDirectory`, as guides to debugging crashes recommend",
    "pool-from-environment": "accounts, with `WSGIProcessGroup %{ENV:POOL}` and `SetEnv POOL`",
    "pool-from-host": "accounts, with `WSGIProcessGroup %{HOST}` for any host name; shop's own host is on port 8080",
    "no-limits": "plain, without time limits, with larger headers and chunked bodies, as is advised against errors",
    "proxy-header": "plain, with a `SetEnvIf` that passes the header on; otherwise Apache and mod_wsgi drop it",
}
OWN_ACCOUNTS = ("accounts", "pool-from-environment", "pool-from-host")
REFUSALS = ("EACCES", "EPERM", "EROFS")


@dataclass(frozen=True)
class Answer:
    """What came of an action inside an app: a value, or the kernel's refusal."""

    value: Any = None
    errno: str = ""

    def judge(self, proof: str) -> Outcome:
        """Return success with this proof, or the refusal; anything else is no answer."""
        if not self.errno:
            return succeeded(proof)
        return self.refusal()

    def refusal(self) -> Outcome:
        if self.errno not in REFUSALS:
            raise UnclearError(f"{self.errno or 'no error'}, which is no refusal")
        return refused(f"{os.strerror(getattr(errno, self.errno))} ({self.errno})")


class Deployment:
    """A host with the apps shop and forum."""

    # Where an app has what.
    paths: ClassVar[dict[str, str]] = {}
    # Forum's worker: its unit, and what it runs as.
    worker = worker_account = ""

    def __init__(self, container: str, secret: str) -> None:
        self.container, self.secret = container, secret
        self.host: Any = reach(container)

    def path(self, what: str, app: str) -> str:
        return self.paths[what].format(app)

    def account(self, app: str) -> str:
        """Return the account that the app runs as."""
        raise NotImplementedError

    def prepare(self, variant: str) -> None:
        """Bring the host into the state that an attack starts from."""
        raise NotImplementedError

    def remove_worker(self) -> None:
        raise NotImplementedError

    def build(self, *apps: str) -> str:
        """Complete a new release of these apps, and serve it; return the error if there is one."""
        raise NotImplementedError

    def inside(self, app: str, action: str | Callable[..., Any], *arguments: Any) -> Answer:
        """Let a live process of the app do an action of the probe, or run a function with this code's text."""
        return self._probe(app, self.account(app), 80, action, *arguments)

    def beside(self, action: str | Callable[..., Any], *arguments: Any) -> Answer:
        """Let forum's worker do the same; it may be about to start."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return self._probe("forum", self.worker_account, 8123, action, *arguments)
            except UnclearError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _probe(self, app: str, account: str, port: int, action: str | Callable[..., Any], *arguments: Any) -> Answer:
        if callable(action):
            source = f"from __future__ import annotations\n{inspect.getsource(action)}"
            arguments, action = (source, *arguments), "call"
        asked = json.dumps([["identity"], [action, *arguments]])
        try:
            _status, _headers, body = request(self.host, f"{app}.test", "POST", "/__probe__", asked, port)
            who, what = json.loads(body)
        except (AssertionError, ValueError) as error:
            raise UnclearError(f"{app} does not answer") from error
        if set(who["result"]["uids"]) != {_uid(self.container, account)}:
            raise UnclearError(f"{app} ran as {who['result']['uids']}, not as {account}")
        return Answer(what.get("result"), what.get("errno", ""))

    def ask(self, app: str, path: str = "/", *headers: str) -> tuple[int, str]:
        status, text = ask(self.host, f"{app}.test", path, *headers)
        return status, text

    def seen(self, app: str, path: str, *headers: str) -> dict[str, str]:
        """Return what the app got in its environ for a request."""
        status, text = self.ask(app, path, *headers)
        if (status, content(text).get("group")) != (200, app):
            raise UnclearError(f"{app} answers {status}")
        return dict(content(text)["environ"])

    def run(self, command: str, *arguments: object) -> str:
        """Run a command as root, for what is no part of an attack."""
        return str(self.host.check_output(command, *map(str, arguments)))

    def exists(self, path: str) -> str:
        """Return the path; nothing is refused that does not exist."""
        if not self.host.file(path).exists:
            raise UnclearError(f"there is no {path}")
        return path

    def text(self, path: str) -> str:
        return str(self.host.file(path).content_string)

    def write(self, path: str, text: str) -> None:
        self.run("printf %%s %s >%s", text, path)

    def processes(self, app: str) -> list[int]:
        """Return the processes of an app's pool."""
        found = [int(pid) for pid in self.host.run(r"pgrep -f '^\(wsgi:%s'", app).stdout.split()]
        if not found:
            raise UnclearError(f"{app} has no process")
        return found

    def restart(self) -> None:
        # Apache would wait three seconds for its daemons.
        self.run("systemctl stop --no-block apache2; pkill -KILL -f '^[(]wsgi:'; systemctl stop apache2")
        self.run("systemctl reset-failed apache2; systemctl start apache2")

    def wait(self) -> None:
        """Wait until both apps answer, as themselves."""
        deadline = time.monotonic() + 30
        while True:
            try:
                for app in APPS:
                    self.inside(app, "identity")
                return
            except UnclearError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @contextmanager
    def edited(self, app: str, pattern: str, replacement: str) -> Iterator[None]:
        """Have the site's file changed, as by a mistake."""
        path = self.path("site", app)
        before = self.text(path)
        after, count = re.subn(pattern, lambda _match: replacement, before, flags=re.MULTILINE)
        if not count:
            raise UnclearError(f"{path} has nothing like {pattern}")
        self.write(path, after)
        try:
            self.restart()
            yield
        finally:
            self.write(path, before)
            self.restart()
            self.wait()


class Tutorial(Deployment):
    """Plain Debian 12, as tutorial.sh makes it."""

    paths: ClassVar[dict[str, str]] = {
        "code": "/var/www/{}",
        "entry": "/var/www/{}/wsgi.py",
        "secret": "/var/www/{}/.env",
        "uploads": "/var/www/{}/uploads",
        "log": "/var/www/{}/logs/access.log",
        "site": "/etc/apache2/sites-available/{}.conf",
    }
    variant = "plain"
    worker, worker_account = "forum-worker.service", "root"

    def make(self, source: Path) -> None:
        """Bring the apps' files and the script that sets them up."""
        self.run("mkdir -p /root/app")
        for path, place in ((f"{source}/.", "/root/app"), (Path(__file__).with_name("tutorial.sh"), "/root")):
            subprocess.run(["podman", "cp", str(path), f"{self.container}:{place}/"], check=True)

    def prepare(self, variant: str) -> None:
        self.variant = variant
        self.run("bash /root/tutorial.sh %s %s", variant, self.secret)
        # Where shop is on another port, the attack looks itself.
        if variant != "pool-from-host":
            self.wait()

    def account(self, app: str) -> str:
        return app if self.variant in OWN_ACCOUNTS else "www-data"

    def remove_worker(self) -> None:
        self.run("systemctl stop %s && rm /etc/systemd/system/%s", self.worker, self.worker)

    def build(self, *apps: str) -> str:
        """Do as scripts for deployments do, as root."""
        for app in apps:
            self.run("cd /var/www/%s && set -a && . ./.env && venv/bin/python build.py", app)
        return ""


class Ours(Deployment):
    """The same apps by playbooks/site.yml."""

    paths: ClassVar[dict[str, str]] = {
        "code": "/var/lib/{}-app/current/code",
        "entry": "/var/www/{}/wsgi.py",
        "secret": "/var/lib/{}-app/environment",
        "uploads": "/var/lib/{}-app/data/uploads",
        "log": "/var/log/apache2/wsgi-{}-access.log",
        "site": "/etc/apache2/sites-available/zz-palisade-{}.conf",
    }

    worker, worker_account = "wsgi-forum-jobs@1.service", "forum-app"

    def __init__(self, container: str, secret: str, play: Callable[..., tuple[int, str]]) -> None:
        super().__init__(container, secret)
        self.play = play
        self.builds = 0

    def prepare(self, variant: str) -> None:
        """Leave it as it is: what is refused changes nothing."""

    def account(self, app: str) -> str:
        return f"{app}-app"

    def remove_worker(self) -> None:
        code, said = self.play({"workers": {}})
        if code:
            raise UnclearError(said)

    def build(self, *apps: str) -> str:
        # Another command makes another release.
        self.builds += 1
        commands = [*["true"] * self.builds, "python build.py"]
        code, said = self.play({"build": dict.fromkeys(apps, commands)})
        return said if code else ""


@cache
def _uid(container: str, account: str) -> int:
    return int(reach(container).check_output("id -u %s", account))
