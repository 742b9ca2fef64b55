#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_pool
short_description: Restart daemon process groups of mod_wsgi one process at a time
version_added: 0.1.0
description:
  - Replaces the processes of the named pools one after the other. Each gets SIGUSR1, so that it finishes its requests.
    The next one follows when the replacement is ready.
  - Restarts neither Apache nor another pool. A process belongs to the pool whose socket it listens on, so no other
    process gets a signal, whatever its name in C(ps) is.
  - Also works with sites that this collection did not create. A ready replacement is known to have loaded the
    application only if Apache loads it when a process starts (C(WSGIImportScript), or C(process-group) with
    C(application-group) of C(WSGIScriptAlias)).
  - A process may take as long to end as C(graceful-timeout) (C(eviction-timeout) if set) and C(shutdown-timeout) of
    its pool allow.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Reports the processes that would be replaced in RV(pools[].processes[].stale).
    support: full
options:
  names:
    description: Names of the pools, in the order of their restart. Required if O(state=restarted).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(restarted) replaces every process that is stale.
      - V(reported) changes nothing. Without O(names) it reports all pools.
    type: str
    choices: [restarted, reported]
    default: restarted
  loads:
    description:
      - Files, directories or links that the pools load. A process that started after their latest change is left alone,
        so a second run changes nothing.
      - If the list is empty, every process that runs at the start of the task is stale.
    type: list
    elements: path
    default: []
  releases:
    description:
      - The directory that the new processes of a pool must work in, by the pool's name. This is for instance a release
        that contains the pool's C(home). A process with another working directory is stale.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait until a replacement is ready.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Restart a pool, one process at a time
  palisade.mod_wsgi.wsgi_pool:
    names: [public]

- name: Restart it only if its entry file or its configuration changed since
  palisade.mod_wsgi.wsgi_pool:
    names: [public]
    loads:
      - /srv/public/wsgi.py
      - /srv/public/settings.ini

- name: See how old the processes of all pools are
  palisade.mod_wsgi.wsgi_pool:
    state: reported
  register: reported
"""

RETURN = r"""
pools:
  description: The pools as they are afterwards.
  type: list
  elements: dict
  returned: success
  contains:
    name: {description: Name of the pool., type: str, sample: public}
    processes:
      description: Its processes.
      type: list
      elements: dict
      contains:
        pid: {description: Process id., type: int, sample: 4711}
        age: {description: Seconds since its start., type: float, sample: 2.31}
        started: {description: Start in seconds since the epoch., type: float, sample: 1795331342.18}
        release:
          description: C(<id>) of the working directory C(.../releases/<id>/...), or the directory if it is another one.
          type: str
          sample: 1f3870be274f6c49
        stale: {description: Whether a restart would replace it., type: bool}
        replaced: {description: "The process that it replaced in this task, V(null) otherwise.", type: int}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.pool import newest_change, report, roll
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.turn import held


def main() -> None:
    module = AnsibleModule(
        {
            "names": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["restarted", "reported"], "default": "restarted"},
            "loads": {"type": "list", "elements": "path", "default": []},
            "releases": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    given = module.params
    restart = given["state"] == "restarted"
    if restart and not given["names"]:
        module.fail_json(msg="names: expected at least one pool to restart, got none")
    if given["timeout"] < 1:
        module.fail_json(msg=f"timeout: expected seconds from 1, got {given['timeout']}")
    # A name that was misspelt would mean no restart, ever.
    missing = [path for path in given["loads"] if not os.path.lexists(path)]
    if missing and not module.check_mode:
        module.fail_json(msg=f"loads: expected files and directories of this host, found no {', '.join(missing)}")
    try:
        since = newest_change(given["loads"]) if given["loads"] or given["releases"] else None
        what = host_layout(), given["names"], runner(module.run_command), given["releases"], since
        if restart and not module.check_mode:
            with held(check=False):
                pools = roll(*what, given["timeout"])
            changed = any(process["replaced"] for pool in pools for process in pool["processes"])
        else:
            pools = report(*what)
            changed = restart and any(process["stale"] for pool in pools for process in pool["processes"])
        module.exit_json(changed=changed, pools=pools)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
