"""Runs on the host: lets its Apache check what comes as JSON, with the mod_wsgi that it loads.

dump: of each configuration, the exit code, Apache's dump of what it read, and what it said.
judge: of each line of a list of lists, what Apache said against it.
"""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODULES = "/usr/lib/apache2/modules"
HEAD = """ServerRoot /etc/apache2
DefaultRuntimeDir /run/apache2
ServerName localhost
Listen 127.0.0.1:8099
User www-data
Group www-data
ErrorLog /dev/null
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule info_module {modules}/mod_info.so
{wsgi}
"""


def head():
    loaders = [Path(path).read_text() for path in glob.glob("/etc/apache2/mods-enabled/*wsgi.load")]
    (wsgi,) = re.findall(r"^LoadModule wsgi_module .*", "\n".join(loaders), re.MULTILINE)
    return HEAD.format(modules=MODULES, wsgi=wsgi)


def dump(text, *options):
    with tempfile.NamedTemporaryFile(prefix="ask-apache-") as file:
        # As bytes: line ends stay as they are.
        file.write((head() + text).encode())
        file.flush()
        command = ["/usr/sbin/apache2", "-t", *options, "-f", file.name]
        done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def judge(lines):
    """Apache ends at the first bad line, so it runs once for each of them."""
    said = []
    while len(said) < len(lines):
        rest = lines[len(said) :]
        status, _dump, complaint = dump("".join(rest))
        place = re.search(r" on line ([0-9]+) of ", complaint)
        if not status:
            said += [""] * len(rest)
        elif len(rest) == 1:
            said.append(complaint)
        elif place:
            said += [""] * (int(place.group(1)) - head().count("\n") - 1) + [complaint]
        else:
            # Of an account that does not exist, Apache names no line.
            said += [word for line in rest for word in judge([line])]
    return said


def main():
    given = json.load(sys.stdin)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        if sys.argv[1] == "dump":
            answers = list(threads.map(lambda text: dump(text, "-D", "DUMP_CONFIG"), given))
        else:
            answers = [word for said in threads.map(judge, given) for word in said]
    json.dump(answers, sys.stdout)


main()
