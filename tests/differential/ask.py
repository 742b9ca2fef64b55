"""Random configurations of a real Apache with mod_wsgi, and what it answers; runs as root on a lab host.

run.py starts it there and compares the answers with the audit's model. A second Apache is started on loopback and ended
again, the one of the host is left alone. What was asked and answered is one JSON document on standard output.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PORT = 8082
ROOT = Path("/opt/palisade-differential")
RUN = Path("/run/palisade-differential")
MODULES = Path("/usr/lib/apache2/modules")
LOADED = (
    "mpm_event authn_core authz_core authz_host authz_user authn_file auth_basic access_compat alias dir env mime wsgi"
)
SCRIPTS = ("s1.py", "x/s2.py", "d/s3.py", "d/s4.py")
CANARY = """\
import json


def application(environ, start_response):
    seen = [environ["mod_wsgi.process_group"], environ["mod_wsgi.application_group"], __file__]
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Canary", "yes")])
    return [json.dumps([*seen, "HTTP_AUTHORIZATION" in environ]).encode()]
"""
HEAD = """\
ServerName localhost
PidFile {run}/httpd.pid
DefaultRuntimeDir {run}
ErrorLog {run}/error.log
Listen 127.0.0.1:{port}
User www-data
Group www-data
TypesConfig /etc/mime.types
WSGISocketPrefix {run}/wsgi
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
KeepAlive Off
"""
URLS = """
/ /a /a/ /a/b /a/b/ /a/b/c /ab /a/c /x /x/y /dir /dir/s3.py /dir/s3.py/x /dir/s4.py /dir/none.py /d/s3.py /d/s4.py/y
/m/s1.py /m/s1.py/b /n3 /n4/b /z/y /a/b/static/s1.py /a/st/s1.py /a/away /a/gone /a/b?one /x?one
"""
SIZE = 5000
POOLS = ("p1", "p2", "p3", "%{GLOBAL}")
SECTIONS = (
    *(f"<Location {url}>" for url in ("/", "/a", "/a/", "/a/b", "/a/*", "/dir", "/m", "~ ^/a", "/n?")),
    *(f'<LocationMatch "{pattern}">' for pattern in ("^/(a|dir)/", "b$", "^/(?!a)")),
    *(f"<Directory {path}>" for path in ("{0}", "{0}/x", "{0}/d/", "/opt", "/", '"/opt/*/x"', '~ "/x/"')),
    *(f'<DirectoryMatch "{pattern}">' for pattern in ("^{0}", "/x$", "/d/$")),
    *(f"<Files {name}>" for name in ("s1.py", '"s*.py"', "s3.py")),
    '<FilesMatch "2\\.py$">',
)
CONDITIONS = ("true", "false", "%{REQUEST_URI} =~ m#/b#", "%{QUERY_STRING} == 'one'", "%{HTTP_HOST} =~ /[1-3]/")
ALIASES = (
    *("WSGIScriptAlias / {0}/s1.py", "WSGIScriptAlias /a {0}/x/s2.py", "WSGIScriptAlias /a/b {0}/s1.py"),
    *("WSGIScriptAlias /dir/ {0}/d/", "WSGIScriptAlias /dir {0}/d", "WSGIScriptAlias /a/ {0}/s1.py"),
    *("WSGIScriptAliasMatch ^/n([0-9]) {0}/d/s$1.py", "WSGIScriptAliasMatch ^/m/(.*) {0}/$1"),
    *("WSGIScriptAliasMatch ^/d/([^/]+) {0}/d/$1", 'WSGIScriptAliasMatch "/b" {0}/x/s2.py'),
)
BEFORE = (
    *("Alias /a/b/static {0}", "AliasMatch ^/a/st/(.*) {0}/$1", "Redirect /a/away http://localhost/"),
    *("RedirectMatch 404 ^/a/gone", "ScriptAlias /x/y {0}/none", "Alias /x {0}/d"),
)
REQUIRED = (
    *("Require all granted", "Require all denied", "Require ip 127.0.0.1", "Require ip 10.0.0.0/8 192.0.2"),
    *("Require local", "Require valid-user", "Require method GET"),
    "<RequireAll>\nRequire all granted\nRequire not ip 127.0.0.0/8\n</RequireAll>",
    "<RequireAll>\nRequire all granted\nRequire not ip 10.0.0.1\n</RequireAll>",
    "<RequireAll>\n<RequireNone>\nRequire ip 127.0.0.1\n</RequireNone>\nRequire all granted\n</RequireAll>",
    "<RequireAny>\nRequire ip 192.0.2.1\nRequire valid-user\n</RequireAny>",
    "<RequireAll>\nRequire local\n<RequireAny>\nRequire all denied\nRequire ip 127\n</RequireAny>\n</RequireAll>",
    *("Order deny,allow\nDeny from all", "Order allow,deny\nAllow from all", "Order deny,allow\nDeny from 127.0.0.1"),
    *("Order allow,deny\nAllow from 127.0.0.0/8", "Order deny,allow\nDeny from all\nAllow from 127.0.0.1"),
)
AUTHENTICATED = 'AuthType Basic\nAuthName "differential"\nAuthBasicProvider file\nAuthUserFile {0}/users'


class Writer:
    """Writes one configuration, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def _one(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def _line(self, section: bool) -> str:
        kinds: list[tuple[float, Callable[[], str]]] = [
            (5, lambda: "WSGIProcessGroup " + self._one(*POOLS, *POOLS, "undefined")),
            (3, lambda: "WSGIApplicationGroup " + self._one("g1", "g2", "%{GLOBAL}")),
            (2, lambda: "WSGIRestrictProcess " + " ".join(self._random.sample(POOLS, self._random.randint(1, 3)))),
            (2, lambda: "LimitRequestBody " + self._one("0", "100", "4999", "5000", "100000")),
            (2, lambda: "WSGIPassAuthorization " + self._one("On", "Off", "on")),
        ]
        if section:
            kinds += [
                (1, lambda: "CGIPassAuth " + self._one("On", "Off")),
                (2, lambda: self._one(*REQUIRED)),
                (1, lambda: self._one(AUTHENTICATED, f"{AUTHENTICATED}\nRequire valid-user", "AuthType None")),
                (0.5, lambda: "SetHandler " + self._one("wsgi-script", "none", "default-handler")),
            ]
        return self._random.choices([write for _weight, write in kinds], [weight for weight, _write in kinds])[0]()

    def _lines(self, section: bool = True) -> list[str]:
        # Apache's dump has no end of a section without a line.
        return [self._line(section) for _turn in range(self._random.choice((0, 1, 1, 2, 2, 3, 3)))]

    def _section(self, depth: int = 0) -> list[str]:
        head = self._one(*SECTIONS)
        if self._often(0.15):
            return self._condition()
        inner = self._lines()
        if depth == 0 and head.startswith("<Directory") and self._often(0.3):
            inner += self._enclosed(self._one("<Files s1.py>", "<Files s3.py>", '<FilesMatch "2\\.py$">'))
        if self._often(0.15):
            inner += self._condition()
        return [head, *inner, f"</{head[1:].split()[0]}>"]

    def _enclosed(self, head: str) -> list[str]:
        return [head, *self._lines(), f"</{head[1:-1].split()[0]}>"]

    def _condition(self) -> list[str]:
        lines = self._enclosed(f'<If "{self._one(*CONDITIONS)}">')
        if self._often(0.3):
            lines += self._enclosed(f'<ElseIf "{self._one(*CONDITIONS)}">')
        return lines + (self._enclosed("<Else>") if self._often(0.3) else [])

    def _alias(self) -> str:
        alias = self._one(*ALIASES)
        if self._often(0.2):
            alias += " process-group=" + self._one(*POOLS)
        if self._often(0.2):
            alias += " application-group=" + self._one("g1", "%{GLOBAL}")
        if self._often(0.1):
            alias += " pass-authorization=" + self._one("On", "Off")
        return alias

    def _site(self, number: int) -> Iterator[str]:
        items = [[self._alias()] for _turn in range(self._random.randint(1, 4))]
        items += [self._section() for _turn in range(self._random.randint(0, 5))]
        items += [[self._line(False)] for _turn in range(self._random.randint(0, 2))]
        if self._often(0.3):
            items.append([self._one(*BEFORE)])
        self._random.shuffle(items)
        yield from (f"<VirtualHost *:{PORT}>", f"ServerName h{number}.test")
        for item in items:
            yield from item
        yield "</VirtualHost>"

    def text(self, sites: int) -> str:
        """Return the whole configuration."""
        lines = HEAD.format(run=RUN, port=PORT).splitlines()
        lines += [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED.split()]
        lines += [f"WSGIDaemonProcess {pool} user=daemon group=daemon threads=2 home=/" for pool in ("p1", "p2", "p3")]
        if self._often(0.5):
            lines += ["<Directory />", "Require all denied", "</Directory>"]
        lines += ["<Directory {0}>", "Require all granted", "</Directory>"]
        lines += [self._line(False)] if self._often(0.5) else []
        for _turn in range(self._random.randint(0, 4)):
            lines += self._section()
        lines += [self._alias()] if self._often(0.3) else []
        lines += [self._one(*BEFORE)] if self._often(0.2) else []
        for number in range(sites):
            lines += self._site(number)
        # Not format(), since the lines have braces of their own.
        return "\n".join(lines).replace("{0}", str(ROOT)) + "\n"


class Apache:
    """The second Apache, with one configuration."""

    def __init__(self, text: str) -> None:
        self._file = ROOT / "httpd.conf"
        self._file.write_text(text, encoding="utf-8")
        self._command = ["/usr/sbin/apache2", "-d", "/etc/apache2", "-f", str(self._file)]

    def dump(self) -> str:
        """Return its configuration as it reads it."""
        load = ["-C", f"LoadModule info_module {MODULES}/mod_info.so", "-t", "-D", "DUMP_CONFIG"]
        done = subprocess.run([*self._command, *load], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"Apache refuses {self._file}: {done.stderr}")
        return done.stdout

    def __enter__(self) -> Apache:
        self._process = subprocess.Popen([*self._command, "-D", "FOREGROUND"], start_new_session=True)
        for _turn in range(100):
            try:
                ask("started.test", "/started", None)
            except OSError:
                time.sleep(0.1)
            else:
                return self
        self._process.kill()
        sys.exit("Apache does not start")

    def __exit__(self, *_error: object) -> None:
        # Nobody waits for what it does: an orderly end takes some seconds.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def ask(host: str, url: str, body: bytes | None) -> list[object]:
    """Return the status, and what the canary saw; with wrong credentials, so that no password lets anybody in."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    credentials = base64.b64encode(b"nobody:wrong").decode()
    try:
        connection.request(
            "POST" if body else "GET", url, body, {"Host": host, "Authorization": f"Basic {credentials}"}
        )
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return [answer.status, json.loads(text) if answer.getheader("X-Canary") else None]
    finally:
        connection.close()


def answers(sites: int) -> dict[str, list[object]]:
    """Return the answer to each request, by method, host and URL."""
    found: dict[str, list[object]] = {}
    for number in range(sites):
        host = f"h{number}.test"
        for url in URLS.split():
            found[f"GET {host} {url}"] = ask(host, url, None)
            found[f"POST {host} {url}"] = ask(host, url, b"x" * SIZE)
    return found


def write_scripts() -> None:
    """Write the canary, and what Apache needs beside it."""
    for directory in (ROOT, ROOT / "x", ROOT / "d", RUN):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    for script in SCRIPTS:
        (ROOT / script).write_text(CANARY, encoding="utf-8")
    (ROOT / "users").touch()


def main() -> None:
    """Ask each configuration, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds: configurations")
    parser.add_argument("--sites", type=int, default=20, help="virtual hosts of each")
    options = parser.parse_args()
    os.umask(0o022)
    cases = []
    try:
        write_scripts()
        for seed in range(options.first, options.first + options.seeds):
            apache = Apache(Writer(seed).text(options.sites))
            dump = apache.dump()
            with apache:
                cases.append({"seed": seed, "dump": dump, "answers": answers(options.sites)})
    finally:
        shutil.rmtree(ROOT, ignore_errors=True)
        shutil.rmtree(RUN, ignore_errors=True)
    json.dump({"root": str(ROOT), "scripts": SCRIPTS, "size": SIZE, "cases": cases}, sys.stdout)


if __name__ == "__main__":
    main()
