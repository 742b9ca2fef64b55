#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_server_info
short_description: Facts about Apache, mod_wsgi and its daemon process groups on a host
version_added: 0.1.0
description:
  - Reads what is installed, what Apache's configuration declares and what is running.
  - mod_wsgi's version and Python come from its module file, so no server needs to run.
  - A live process belongs to the pool whose socket it listens on, whatever it is called in C(ps).
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Changes nothing, so it runs fully in check mode, even on a host without Apache.
    support: full
options:
  python:
    description: Interpreter for virtual environments, reported in addition to mod_wsgi's.
    type: path
    default: /usr/bin/python3
  turn:
    description:
      - Take the host's turn before anything is read. Other plays of the collection wait until the last step of this
        one, or fail. The steps that follow run with RV(turn) in the variable E(PALISADE_TURN).
      - A turn that no step has used for 30 seconds is over.
    type: bool
    default: false
  holder:
    description: Who is told to others who wait. Set by the action plugin.
    type: str
    default: ""
  process:
    description: The process on the controller. Set by the action plugin.
    type: str
    default: ""
  past:
    description: A turn whose play has ended. Set by the action plugin.
    type: str
    default: ""
  wait:
    description: How long to wait for the turn of another play, in seconds. Set by the action plugin.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Read the pools of a host
  palisade.mod_wsgi.wsgi_server_info:
  register: server

- name: Show the accounts that they run as
  ansible.builtin.debug:
    msg: "{{ server.pools_live | map(attribute='processes') | flatten | map(attribute='user') | unique }}"
"""

RETURN = r"""
turn:
  description: The turn that was taken; empty without O(turn) and in check mode.
  type: str
  returned: success
digest:
  description: The same text for the same facts, whatever processes run; see M(palisade.mod_wsgi.wsgi_plan).
  type: str
  returned: success
busy:
  description: The turn of another play, if it did not end in time.
  type: dict
  returned: failure
layout:
  description: Paths, account and unit of the distribution's Apache, installed or not.
  type: dict
  returned: always
  sample: {family: Debian, root: /etc/apache2, user: www-data, unit: apache2}
apache:
  description: V(null) on a host without Apache.
  type: dict
  returned: always
  contains:
    version: {description: Apache's version., type: str, sample: 2.4.71}
    mpm: {description: The multi-processing module., type: str, sample: event}
    modules: {description: Loaded modules., type: list, elements: str}
    configuration_error: {description: Apache's complaint about its configuration; empty if valid., type: str}
    pid: {description: Process id of the running parent., type: int, sample: 120}
mod_wsgi:
  description: The mod_wsgi that Apache loads; V(null) without one.
  type: dict
  returned: always
  contains:
    version: {description: Version., type: str, sample: 5.0.2}
    python: {description: The Python it is built for., type: str, sample: "3.13"}
    module: {description: Its file., type: str, sample: /usr/lib/apache2/modules/mod_wsgi.so}
python:
  description: The interpreter of O(python); its version is empty where it does not run.
  type: dict
  returned: always
  sample: {path: /usr/bin/python3, version: "3.13", implementation: cpython}
pools_declared:
  description: Every WSGIDaemonProcess of the configuration, in Apache's order.
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: Name of the pool., type: str, sample: public}
    options: {description: Its options as Apache reads them., type: dict}
    file: {description: File that declares it., type: str}
    line: {description: Line in that file., type: int}
    server_name: {description: ServerName of its virtual host; empty at server level., type: str}
pools_live:
  description: Every pool with running processes.
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: Name of the pool., type: str, sample: public}
    processes:
      description: Its processes.
      type: list
      elements: dict
      contains:
        pid: {description: Process id., type: int}
        uid: {description: Effective user id., type: int}
        gid: {description: Effective group id., type: int}
        user: {description: Name of the user id., type: str, sample: public-app}
        group: {description: Name of the group id., type: str, sample: public-app}
        groups: {description: Supplementary group ids., type: list, elements: int}
        umask: {description: Octal umask., type: str, sample: "0027"}
        cwd: {description: Working directory; V(null) where a container hides it from root., type: str}
        started: {description: Start in seconds since the epoch., type: float}
virtual_hosts:
  description: Every virtual host of the configuration, in Apache's order.
  type: list
  elements: dict
  returned: always
  sample: [{addresses: ["*:80"], server_names: [www.example.com], file: /etc/apache2/sites-enabled/x.conf, line: 1}]
apps:
  description: Apps that this collection manages on the host.
  type: list
  elements: dict
  returned: always
  sample:
    - name: public
      owner: shop
      account: public-app
      group: public-app
      server_names: [www.example.com]
      mount: /
      tls: acme
      acls: []
      source: controller
      site: /etc/apache2/sites-available/zz-palisade-public.conf
accounts:
  description: Names of the local accounts.
  type: list
  elements: str
  returned: always
groups:
  description: Names of the local groups.
  type: list
  elements: str
  returned: always
default_site:
  description: Link of the distribution's default site if it is enabled and unchanged; else empty.
  type: str
  returned: always
  sample: /etc/apache2/sites-enabled/000-default.conf
unlinked_sites:
  description: Enabled sites that are files instead of links.
  type: list
  elements: str
  returned: always
unused_certificates:
  description: Names of self-signed certificates that no file of Apache's configuration names.
  type: list
  elements: str
  returned: always
openssl:
  description: Version of the openssl program; empty if it is not installed.
  type: str
  returned: always
  sample: 3.5.1
distribution:
  description: The C(ID) and C(VERSION_ID) of the host's os-release file.
  type: dict
  returned: always
  sample: {id: debian, version: "13"}
confines:
  description: Whether systemd can hold a sandbox for other accounts here; a container may lack the capabilities.
  type: bool
  returned: always
tasks_max:
  description:
    - How many processes and threads Apache's unit may have, daemon processes included.
    - This is systemd's C(TasksMax) or the bound of the container. V(null) where there is none.
  type: int
  returned: always
  sample: 4915
occupied:
  description: Names in C(/var/lib) and C(/var/www).
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.server_info import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
