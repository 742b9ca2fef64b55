# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_daemon_process
short_description: One WSGIDaemonProcess directive from a mapping of options
version_added: 0.1.0
description:
  - Checks every option against the table of options that mod_wsgi has, its type, its range and the given version, and
    quotes the values as Apache reads them.
  - Stricter than Apache, which takes C(threads=5x) and reads C(memory-limit=512M) as 512 bytes.
  - Warns of a C(umask) looser than V(0027).
author:
  - palisade.mod_wsgi contributors (@palisade)
positional: mod_wsgi_version
options:
  _input:
    description: Options by mod_wsgi's own names, and V(name), the name of the pool.
    type: dict
    required: true
  mod_wsgi_version:
    description: Version that the directive is for, such as V(5.0.2). Without it options of every version pass.
    type: str
"""

EXAMPLES = r"""
- name: Show a directive
  ansible.builtin.debug:
    msg: "{{ options | palisade.mod_wsgi.wsgi_daemon_process(mod_wsgi_version='5.0.2') }}"
  vars:
    options: {name: public, user: public-app, group: public-app, processes: 2, umask: "0027"}
"""

RETURN = r"""
_value:
  description: The directive, in one line.
  type: str
  sample: WSGIDaemonProcess public user=public-app group=public-app processes=2 umask=0027
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ..module_utils.apache.daemon_options import daemon_process, warnings_of
from ..module_utils.host.errors import PalisadeError


def wsgi_daemon_process(options: Mapping[str, Any], mod_wsgi_version: str | None = None) -> str:
    """Return the directive; AnsibleFilterError names the pool, the option, what was expected and what came."""
    try:
        directive = daemon_process(options, mod_wsgi_version)
    except PalisadeError as error:
        raise AnsibleFilterError(str(error)) from error
    for text in warnings_of(options):
        Display().warning(f"WSGIDaemonProcess {options['name']}: {text}")
    return directive


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filter by its name."""
        return {"wsgi_daemon_process": wsgi_daemon_process}
