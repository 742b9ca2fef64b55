"""Lists which processes each kind of change restarts, and what becomes of long requests when Apache reloads.

One host serves three sites: shop, which changes; blog, another app of the list; and wiki, which somebody made by hand.
The first table says for each change whose processes are new after the play. For the second one, clients ask blog and
wiki for answers that take some seconds while shop changes, with wsgi_server_reload_wait and without.

Prints both tables in Markdown. The exit code says whether a change that needs no reload left the other sites' processes
alone, and whether no request was lost that took less than the wait.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.palisade.mod_wsgi.tests.benchmark.container import DEBIANS, RIGHTS, WORK, Container

HERE = Path(__file__).parent
SITES = ("shop", "blog", "wiki")
# A site as mod_wsgi's own guide writes it.
WIKI = """
<VirtualHost *:80>
    ServerName wiki.test
    WSGIDaemonProcess wiki user=nobody group=nogroup threads=5 display-name=%{GROUP} home=/
    WSGIScriptAlias / /srv/wiki/slow.py process-group=wiki application-group=%{GLOBAL}
    <Directory /srv/wiki>
        Require all granted
    </Directory>
</VirtualHost>
"""
# Prints the processes of each pool, and Apache's own.
PROCESSES = """
for name in shop blog wiki; do echo "$name" $(pgrep -f "^\\(wsgi:$name" | sort); done
echo Apache $(systemctl show --property MainPID --value apache2)
"""


def app(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "application": "slow:application",
        "server_names": [f"{name}.test"],
        "source": {"path": str(WORK / "restarts" / name)},
        "processes": 2,
        **fields,
    }


def changes() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield each change: what a user would say, the playbook, what shop has then, and more variables. They add up."""
    fields: dict[str, Any] = {}
    yield "nothing", "site", fields, {}
    release(2)
    yield "new code, `site.yml`", "site", fields, {}
    release(3)
    yield "new code, `deploy.yml`", "deploy", fields, {}
    yield "back to the release before, `rollback.yml`", "rollback", fields, {"wsgi_apps_only": ["shop"]}
    release(2)
    fields = {"environment": {"KEY": "value"}}
    yield "a variable in `environment`", "site", fields, {}
    fields = {**fields, "writable": ["uploads"]}
    yield "a directory in `writable`", "site", fields, {}
    fields = {**fields, "workers": {"mail": {"command": "sleep infinity"}}}
    yield "a worker", "site", fields, {}
    fields = {**fields, "processes": 3}
    yield "`processes`, or another option of the pool", "site", fields, {}
    fields = {**fields, "server_names": ["shop.test", "www.shop.test"]}
    yield "a host name", "site", fields, {}
    yield "a new app", "site", fields, {"more": [app("extra")]}
    yield "an app removed", "site", fields, {"more": [{**app("extra"), "state": "absent"}]}
    more = {"more": [{**app("extra"), "state": "absent"}], "wsgi_server_timeout": 61}
    yield "a limit of the server", "site", fields, more
    yield "the sandbox", "site", fields, {**more, "wsgi_server_sandbox_protect_home": "read-only"}


def release(number: int) -> None:
    for name in (*SITES[:2], "extra"):
        path = WORK / "restarts" / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "slow.py").write_text((HERE / "app/slow.py").read_text())
    (WORK / "restarts/shop/number").write_text(f"{number}\n")


class Host(Container):
    """The host with the three sites."""

    def set_up(self) -> None:
        self.remove()
        self.start()
        release(1)
        self.change("site", {}, {})
        self.run("mkdir", "--parents", "/srv/wiki")
        self.copy(HERE / "app/slow.py", "/srv/wiki/slow.py")
        self.run(script=f"cat > /etc/apache2/sites-available/wiki.conf <<'END'\n{WIKI}END\na2ensite wiki\n")
        self.run(script="systemctl reload apache2; sleep 3\n")

    def change(self, playbook: str, fields: dict[str, Any], variables: dict[str, Any]) -> None:
        variables = dict(variables)
        apps = [app("shop", **fields), app("blog"), *variables.pop("more", [])]
        self.play(f"playbooks/{playbook}.yml", wsgi_apps=apps, **variables)

    def processes(self) -> dict[str, list[str]]:
        rows = (line.split() for line in self.run(script=PROCESSES).splitlines())
        return {row[0]: row[1:] for row in rows if row}

    def ask(self, name: str, seconds: float) -> None:
        self.copy(HERE / "client.py", "/root/client.py")
        self.run(script=f"rm -f /root/{name}.json*")
        command = ["podman", "exec", "--detach", self.name, "python3", "/root/client.py", f"/root/{name}.json"]
        subprocess.run([*command, f"{name}.test", str(seconds)], check=True, capture_output=True)

    def answers(self, name: str, seconds: float) -> dict[str, int]:
        self.run("touch", f"/root/{name}.json.stop")
        time.sleep(2 * seconds + 2)
        told: dict[str, int] = json.loads(self.run("cat", f"/root/{name}.json"))
        return told


def fates(before: Sequence[str], after: Sequence[str]) -> str:
    if not set(before) & set(after):
        return "restarts"
    return "keeps its processes" if set(before) <= set(after) else "restarts in part"


def line(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", choices=sorted(DEBIANS), default="13")
    parser.add_argument("--container", default="palisade-restarts")
    parser.add_argument("--keep", action="store_true", help="leave the container running")
    options = parser.parse_args()
    host = Host(options.container, options.debian, {"lab_options": RIGHTS})
    try:
        host.set_up()
        good = table_of_changes(host) & table_of_requests(host)
    finally:
        if not options.keep:
            host.remove()
    sys.exit(0 if good else 1)


def table_of_changes(host: Host) -> bool:
    """Print whose processes each change restarts; tell whether all that needs no reload leaves the others alone."""
    line(["change of shop", "shop", "blog, another app", "wiki, made by hand", "Apache itself"])
    line(["---"] * 5)
    good = True
    for what, playbook, fields, more in changes():
        before = host.processes()
        host.change(playbook, fields, more)
        time.sleep(4)
        after = host.processes()
        told = {name: fates(before[name], after[name]) for name in before}
        line([what, *(told[name] for name in (*SITES, "Apache"))])
        alone = re.search("nothing|code|release|environment|writable|worker", what)
        good = good and not (alone and {told["blog"], told["wiki"], told["Apache"]} != {"keeps its processes"})
    return good


def table_of_requests(host: Host) -> bool:
    """Print what becomes of long requests; tell whether none was lost that takes less than the wait."""
    print()
    line(["requests of", "`wsgi_server_reload_wait`", "the play", "answered", "lost"])
    line(["---"] * 5)
    good, processes = True, 4
    # What the table above has changed is gone before anybody asks.
    host.change("site", {"processes": processes}, {})
    for seconds in (2, 8, 30):
        for wait in (0, 10):
            # Another number each time, so that Apache reloads.
            processes = 5 if processes == 4 else 4
            for name in ("blog", "wiki"):
                host.ask(name, seconds)
            began = time.monotonic()
            host.change("site", {"processes": processes}, {"wsgi_server_reload_wait": wait})
            took = time.monotonic() - began
            told = [host.answers(name, seconds) for name in ("blog", "wiki")]
            lost = sum(one["lost"] for one in told)
            answered = sum(one["answered"] for one in told)
            line([f"{seconds} s", f"{wait} s", f"{took:.1f} s", str(answered), str(lost)])
            good = good and not (lost and seconds < max(wait, 3))
    return good


if __name__ == "__main__":
    main()
