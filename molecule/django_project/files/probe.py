"""What a worker can reach: tried once, written into the app's data, and a child that would like to stay."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import time


def attempt(action):
    try:
        action()
    except OSError as error:
        return f"refused: {error.strerror}"
    return "done"


def touch(path):
    with open(path, "a"):
        pass


def listen(port):
    with socket.socket() as door:
        door.bind(("", port))
        door.listen()


def writable_code():
    # Memory that can be written and run, as a compiler at run time needs it.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    if libc.mmap(None, 4096, 7, 0x22, -1, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def namespace():
    # CLONE_NEWUSER and CLONE_NEWUTS, as a browser's sandbox begins.
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        os._exit(ctypes.get_errno() if libc.unshare(0x14000000) else 0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise OSError(status, os.strerror(status))


here = os.getcwd()
found = {
    "cwd": here,
    "who": [os.getuid(), os.getgid(), *os.getgroups()],
    "umask": os.umask(0o027),
    "executable": sys.executable,
    "prefix": sys.prefix,
    "secret": os.environ.get("PROBE_SECRET"),
    "variables": {name: os.environ.get(name) for name in ("SECRET_KEY", "LANG", "LC_ALL", "VIRTUAL_ENV")},
    "neighbours": [
        pid for pid in os.listdir("/proc") if pid.isdigit() and os.stat(f"/proc/{pid}").st_uid != os.getuid()
    ],
    "tried": {
        "the rival's data": attempt(lambda: os.listdir("/var/lib/rival-app/data")),
        "the rival's variables": attempt(lambda: os.stat("/var/lib/rival-app/environment")),
        "its own code": attempt(lambda: touch("planted.py")),
        "its own virtual environment": attempt(lambda: touch(f"{here}/../venv/planted")),
        "another release": attempt(lambda: os.mkdir("/var/lib/shop-app/releases/planted")),
        "its unit": attempt(lambda: touch("/etc/systemd/system/wsgi-shop-probe@.service")),
        "port 80 or below 1024": attempt(lambda: listen(1023)),
        "its data": attempt(lambda: touch("/var/lib/shop-app/data/own")),
        "port 8123": attempt(lambda: listen(8123)),
        "code at run time": attempt(writable_code),
        "a namespace": attempt(namespace),
        "a device": attempt(lambda: touch("/dev/palisade")),
        "a program": attempt(lambda: subprocess.run(["/bin/true"], check=True)),
        "tmp": attempt(lambda: touch("/tmp/own")),
    },
}
name = sys.argv[1] if sys.argv[1:] else "probe"
with open(f"/var/lib/shop-app/data/{name}.new", "w") as file:
    json.dump(found, file)
os.rename(f"/var/lib/shop-app/data/{name}.new", f"/var/lib/shop-app/data/{name}")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
    ready.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    ready.send(b"READY=1")
# Twice away from its parent, and deaf.
subprocess.Popen(["/bin/sh", "-c", "trap '' TERM HUP; exec sleep 98765"], start_new_session=True)
time.sleep(10**6)
