"""From inside forum: reading what is shop's or Apache's."""

from __future__ import annotations

import hashlib

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Answer, Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)

GROUP = "Reading the data of others"
KEPT = "/tmp/shop-session"


def text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(65536)


def environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def search_memory(start_of_secret: str, digest: str, length: int) -> bool:
    """Tell whether the memory of this process holds a secret, of which it gets no more than a part and the digest."""
    import ctypes
    import hashlib
    import re

    with open("/proc/self/maps", encoding="utf-8") as maps:
        ranges = re.findall("^([0-9a-f]+)-([0-9a-f]+) rw-p", maps.read(), re.MULTILINE)
    for start, end in ranges:
        address, last = int(start, 16), int(end, 16)
        memory = ctypes.string_at(address, last - address)
        for found in re.finditer(re.escape(start_of_secret.encode()), memory):
            if hashlib.sha256(memory[found.start() : found.start() + length]).hexdigest() == digest:
                return True
    return False


def status_page(host: str) -> str:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", timeout=10)
    connection.request("GET", "/server-status", headers={"Host": host})
    return connection.getresponse().read().decode(errors="replace")


def keep(path: str, content: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def found(answer: Answer, words: str, proof: str) -> Outcome:
    """Judge what was read; it has to be what was looked for."""
    if not answer.errno and words not in answer.value:
        raise UnclearError("what was read is something else")
    return answer.judge(proof)


@attack(GROUP, 77, "U5", "F13")
def read_code_of_another_app(there: Deployment) -> Outcome:
    """Opens a module of shop."""
    path = there.exists(f"{there.path('code', 'shop')}/echo.py")
    return found(there.inside("forum", text, path), "def application", "forum has the text of shop's echo.py")


@attack(GROUP, 95, "U5", "F13")
def read_secret_of_another_app(there: Deployment) -> Outcome:
    """Opens the file that holds the secret of shop."""
    path = there.exists(there.path("secret", "shop"))
    return found(there.inside("forum", text, path), there.secret, "forum has shop's secret")


@attack(GROUP, 29, "X-ENV-SECRETS")
def find_secret_of_another_app_in_own_environment(there: Deployment) -> Outcome:
    """Looks for the secret of shop among its own environment variables."""
    if there.secret not in there.inside("shop", environment).value.values():
        raise UnclearError("shop has no secret")
    if there.secret in there.inside("forum", environment).value.values():
        return succeeded("it is among them, since `/etc/apache2/envvars` is everybody's")
    return refused("shop has it, forum has not")


@attack(GROUP, 8, "U5", "X-COREDUMP", variant="core-dumps")
def read_environment_of_another_process(there: Deployment) -> Outcome:
    """Opens /proc/PID/environ of a process of shop."""
    pid = there.processes("shop")[0]
    answer = there.inside("forum", text, f"/proc/{pid}/environ")
    if answer.errno == "ENOENT" and pid in there.processes("shop"):
        return refused("the process runs, and its /proc/PID is out of sight (ENOENT)")
    return found(answer, there.secret, "forum has shop's secret")


@attack(GROUP, 9, "M1", variant="embedded")
def find_secret_of_another_app_in_own_memory(there: Deployment) -> Outcome:
    """Searches the memory of its own process for the secret of shop."""
    searched = (there.secret[:8], hashlib.sha256(there.secret.encode()).hexdigest(), len(there.secret))
    # Apache has several processes, of which any may have loaded both apps.
    for _turn in range(5):
        if not there.inside("shop", search_memory, *searched).value:
            raise UnclearError("shop has no secret")
        if there.inside("forum", search_memory, *searched).value:
            return succeeded("it is there: both apps are in Apache's own process")
    return refused("shop's process has it, forum's has not")


@attack(GROUP, 100, "F18")
def open_temporary_file_of_another_app(there: Deployment) -> Outcome:
    """Opens what shop keeps in /tmp."""
    there.inside("shop", keep, KEPT, there.secret)
    if there.inside("shop", text, KEPT).value != there.secret:
        raise UnclearError("shop keeps nothing in /tmp")
    return found(there.inside("forum", text, KEPT), there.secret, "forum has shop's session")


@attack(GROUP, 98, "F13", "F18")
def read_upload_of_another_app(there: Deployment) -> Outcome:
    """Opens what shop keeps in its own directory for data."""
    path = f"{there.path('uploads', 'shop')}/invoice"
    there.inside("shop", keep, path, there.secret)
    there.exists(path)
    return found(there.inside("forum", text, path), there.secret, "forum has shop's file")


@attack(GROUP, 26, "U1", "U3")
def read_what_is_kept_for_apache(there: Deployment) -> Outcome:
    """Opens a file of passwords that only root and Apache's group may read."""
    path = "/etc/apache2/.htpasswd"
    there.write(path, f"admin:{there.secret}")
    there.run("chown root:www-data %s && chmod 640 %s", path, path)
    return found(there.inside("forum", text, path), there.secret, "forum has the password")


@attack(GROUP, 158, "D6")
def read_requests_of_another_app_on_the_status_page(there: Deployment) -> Outcome:
    """Asks a plain site on the same host for `/server-status`, and looks for what a visitor sent to shop."""
    path = "/etc/apache2/sites-enabled/plain.conf"
    there.write(path, "<VirtualHost *:80>\nServerName plain.test\n</VirtualHost>\n")
    try:
        there.restart()
        there.wait()
        there.ask("shop", f"/?token={there.secret[:16]}")
        answer = there.inside("forum", status_page, "plain.test")
    finally:
        there.run("rm %s", path)
        there.restart()
        there.wait()
    if "Server Built" not in answer.value:
        raise UnclearError("there is no status page")
    if there.secret[:16] in answer.value:
        return succeeded("the page has the visitor's token")
    return refused("the page shows no requests")
