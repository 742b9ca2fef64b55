"""Prints what a host is: its files with owners, modes, ACLs and contents, its accounts, daemons and units; as JSON.

Runs on the host with its own Python. What differs from play to play by its nature is left out: times, logs, the keys
and certificates that are made anew, and what belongs to the system alone.
"""

from __future__ import annotations

import collections
import grp
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess

PLACES = (
    "/etc",
    "/srv",
    "/usr/local",
    "/var/lib",
    "/var/www",
    "/var/cache",
    "/var/tmp",
    "/tmp",
    "/run",
    "/opt",
    "/home",
)
# Of the system; and Ansible's own directory, where a killed play leaves what it was about to run.
SKIPPED = re.compile(
    r"/etc/(?:[^/]+-|ld\.so\.cache|\.updated|mtab|resolv\.conf|hosts|hostname|machine-id)"
    r"|/var/lib/(?:apt|dpkg|systemd|dbus|pam|python|logrotate|ucf|misc|private|portables)(?:/.*)?"
    r"|/var/cache/(?:apt|debconf|ldconfig|private|man)(?:/.*)?"
    r"|/run/(?:systemd|udev|log|user|dbus|lock|utmp|sshd|apache2|initctl|mount|credentials|motd\.d|\.containerenv"
    r"|secrets|sudo|blkid|client|agetty\.reload|host|rpc_pipefs|shm|sendsigs\.omit\.d|tmpfiles\.d|cryptsetup|initramfs)(?:[/.].*)?"
    r"|/(?:tmp|var/tmp)/systemd-private-.*"
    r"|.*/__pycache__(?:/.*)?"
    r"|.*/\.ansible(?:/.*)?"
)
# The name says all of them: what is in them is made anew, or is a time.
UNREAD = re.compile(r"/etc/palisade-mod_wsgi/tls/.*|/etc/ssl/given/.*|.*/release\.json|/run/palisade-mod_wsgi\.turn")
LARGE = 1 << 20


def name_of(number: int, find: object) -> str:
    try:
        return find(number)[0]
    except KeyError:
        return str(number)


def describe(path: str) -> str:
    found = os.lstat(path)
    owner = f"{name_of(found.st_uid, pwd.getpwuid)}:{name_of(found.st_gid, grp.getgrgid)}"
    words = [stat.filemode(found.st_mode), owner]
    if stat.S_ISLNK(found.st_mode):
        return " ".join([words[0][0], owner, os.readlink(path)])
    for kind in ("access", "default"):
        try:
            acl = os.getxattr(path, f"system.posix_acl_{kind}", follow_symlinks=False)
        except OSError:
            continue
        words.append(f"{kind}={acl.hex()}")
    if stat.S_ISREG(found.st_mode) and found.st_size < LARGE and not UNREAD.fullmatch(path):
        with open(path, "rb") as file:
            words.append(hashlib.sha256(file.read()).hexdigest()[:16])
    return " ".join(words)


def files() -> dict[str, str]:
    seen = {}
    for place in PLACES:
        for parent, directories, names in os.walk(place):
            directories[:] = [name for name in directories if not SKIPPED.fullmatch(os.path.join(parent, name))]
            for name in (*directories, *names):
                path = os.path.join(parent, name)
                if not SKIPPED.fullmatch(path):
                    try:
                        seen[path] = describe(path)
                    except FileNotFoundError:
                        continue
    return seen


def daemons() -> dict[str, int]:
    """Return how many processes of each pool there are, with their accounts."""
    found = collections.Counter()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().decode(errors="replace")
            owner = name_of(os.stat(f"/proc/{pid}").st_uid, pwd.getpwuid)
        except OSError:
            continue
        named = re.match(r"\(wsgi:(\S+?)\)", command)
        if named:
            found[f"{named.group(1)} as {owner}"] += 1
    return dict(found)


def units() -> list[str]:
    command = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "wsgi-*", "apache2.service"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(" ".join(line.split()[:4]) for line in said.splitlines())


print(json.dumps({"files": files(), "daemons": daemons(), "units": units()}))
