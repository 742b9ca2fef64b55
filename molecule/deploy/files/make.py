"""The build step of an app: makes a page from the code, and reports what it is and what it could reach beside that."""

from __future__ import annotations

import glob
import json
import os
import pwd
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

OTHER = {"made": "rival", "rival": "made"}[os.environ["NAME"]]


def connect() -> None:
    socket.create_connection(("127.0.0.1", 8443), timeout=3).close()


def look(path: str) -> Callable[[], object]:
    return lambda: os.listdir(path)


def write(path: str) -> Callable[[], object]:
    return lambda: Path(path).write_text("planted")


def spy() -> None:
    """Look into everybody's processes while the other app's build has its secret."""
    wanted = f"of-{OTHER}-alone".encode()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                if wanted in Path(path).read_bytes():
                    return
            except OSError:
                continue
    raise PermissionError("not seen")


ATTEMPTS: dict[str, Callable[[], object]] = {
    "connect to a port of the host": connect,
    "see the app's data": look(f"/var/lib/{os.environ['NAME']}-app/data"),
    "see the other app's releases": look(f"/var/lib/{OTHER}-app/releases"),
    "see root's home": look("/root"),
    "write into the virtual environment": write(f"{sys.prefix}/planted.pth"),
    "write beside the code": write("../planted"),
    "write into the entry file": write(f"/var/www/{os.environ['NAME']}/wsgi.py"),
    "set a set-id bit": lambda: os.chmod("made/page.txt", 0o6755),
    "see the other build's secret": spy,
}


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError:
        return "refused"
    return "done"


os.makedirs("made/deep")
Path("made/page.txt").write_text(json.loads(Path("settings.json").read_text())["version"])
os.chmod("made/page.txt", 0o777)
Path("/tmp/left").write_text("behind")
report = {
    "account": pwd.getpwuid(os.getuid()).pw_name,
    "directory": os.getcwd(),
    "home": os.environ["HOME"],
    "python": sys.prefix,
    "secret": os.environ["SECRET"],
    "arguments": sys.argv[1:],
    "attempts": {name: outcome(attempt) for name, attempt in ATTEMPTS.items()},
}
if "fail" in sys.argv:
    sys.exit(f"cannot make it with {os.environ['SECRET']}")
Path("made/report.json").write_text(json.dumps(report))
