"""The action plugin of wsgi_server_info: what it loads before Ansible forks."""

from __future__ import annotations

import subprocess
import sys

from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import ROOT

PLUGINS = "ansible_collections.palisade.mod_wsgi.plugins"
PROGRAM = f"""
import sys
import {PLUGINS}.action.wsgi_server_info
before = set(sys.modules)
import {PLUGINS}.filter.wsgi_resolve, {PLUGINS}.filter.wsgi_old_data
print(sorted(name for name in set(sys.modules) - before if ".module_utils." in name))
"""


def test_filters_find_all_of_their_core_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT / ".collections", text=True, capture_output=True, check=True
    )
    assert done.stdout == "[]\n"
