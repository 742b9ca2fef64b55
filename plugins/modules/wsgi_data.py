#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_data
short_description: Move the data of a site that was set up by hand to the app that replaces it
version_added: 0.1.0
description:
  - With O(state=copied), copies the data while the old site still serves.
  - With O(state=switched), closes the old site, so that it answers 503 and none of its processes is left. Then copies
    what has changed since, runs the app's C(before_switch) commands and enables the app's site. If a step or the app's
    health check fails, the old site serves again.
  - The old data is only read. The copies get the app's account, its group and the modes 0750 and 0640. Symbolic links
    are neither followed nor copied.
  - An app that is already served, or that has data of its own, gets none. After an interrupted play, the next one
    continues the copy.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Says what would be copied, and refuses what cannot be.
    support: full
  diff_mode:
    description: Shows the places, and the files of Apache's configuration.
    support: full
options:
  state:
    description: How far to go.
    type: str
    choices: [copied, switched]
    required: true
  data:
    description: The apps with data of old sites.
    type: list
    elements: dict
    required: true
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      owner: {description: Owner of the copies., type: str, required: true}
      group: {description: Group of the copies., type: str, required: true}
      marker: {description: File of root that exists until the data is complete., type: path, required: true}
      copies:
        description: What to copy.
        type: list
        elements: dict
        required: true
        suboptions:
          path: {description: Path in the app's data., type: path, required: true}
          source: {description: Old path; a directory or a file., type: path, required: true}
          directory: {description: Whether it must be a directory., type: bool, default: false}
      site:
        description: Virtual host of the app.
        type: dict
        required: true
        suboptions:
          path: {description: Its file., type: path, required: true}
          link: {description: Link that makes it live., type: str, default: ""}
          closed: {description: Its text while the site is closed., type: str, required: true}
      replaced: {description: Links of the sites that it replaces., type: list, elements: path, default: []}
  site:
    description: The virtual hosts as they should be, as O(palisade.mod_wsgi.wsgi_site#module:files).
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: str, required: true}
      content: {description: Text. Without it the file and its link are removed., type: str}
      link: {description: Symbolic link that makes the file live., type: str, default: ""}
      app: {description: Apps that the file is for., type: str, default: ""}
  releases:
    description: Releases of the apps, as RV(palisade.mod_wsgi.wsgi_source#module:releases).
    type: list
    elements: dict
    default: []
  files:
    description: Files that belong to the apps, as O(palisade.mod_wsgi.wsgi_release#module:files).
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: Name of the app., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      owner: {description: Owner., type: str, required: true}
      group: {description: Group., type: str, required: true}
      mode: {description: Octal mode., type: str, required: true}
      content: {description: Text. Without it the text is in O(secrets)., type: str}
  secrets:
    description: Texts of files by their paths, for texts that are never shown.
    type: dict
    default: {}
  pools:
    description: Pools of the apps, as O(palisade.mod_wsgi.wsgi_health#module:pools).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Copy the data of the old shop
  palisade.mod_wsgi.wsgi_data:
    state: copied
    data:
      - app: shop
        owner: shop-app
        group: shop-app
        marker: /var/lib/shop-app/data-on-its-way
        copies:
          - {path: /var/lib/shop-app/data/db, source: /srv/shop/db, directory: true}
        site:
          path: /etc/apache2/sites-available/zz-palisade-shop.conf
          link: /etc/apache2/sites-enabled/zz-palisade-shop.conf
          closed: ""
"""

RETURN = r"""
paths:
  description: Paths that received data, and files and links of Apache's configuration that changed.
  type: list
  elements: str
  returned: always
closed:
  description: Seconds from the closing of the old site to the app's first answer; 0 where nothing was switched.
  type: float
  returned: always
hooks:
  description: Output of the C(before_switch) commands, as RV(palisade.mod_wsgi.wsgi_release#module:hooks).
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.transaction import ConfigurationFile
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.fs import diff_of
from ..module_utils.host.layout import FILE
from ..module_utils.host.turn import held
from ..module_utils.release.activation import Files
from ..module_utils.release.data_switch import Outcome, Switch, copy_ahead

_COPY = {
    "path": {"type": "path", "required": True},
    "source": {"type": "path", "required": True},
    "directory": {"type": "bool", "default": False},
}
_OWN_SITE = {
    "path": {"type": "path", "required": True},
    "link": {"type": "str", "default": ""},
    "closed": {"type": "str", "required": True},
}
_DATA = {
    "app": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "marker": {"type": "path", "required": True},
    "copies": {"type": "list", "elements": "dict", "required": True, "options": _COPY},
    "site": {"type": "dict", "required": True, "options": _OWN_SITE},
    "replaced": {"type": "list", "elements": "path", "default": []},
}
_SITE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "link": {"type": "str", "default": ""},
    "app": {"type": "str", "default": ""},
}


def _change(module: AnsibleModule) -> Outcome:
    params, check = module.params, module.check_mode
    if params["state"] == "copied":
        return copy_ahead(params["data"], check)
    site = [ConfigurationFile(**row) for row in params["site"]]
    switch = Switch(host_layout(), params["data"], site, runner(module.run_command), check)
    return switch.carry_out(params["releases"], Files(params["files"], (), params["secrets"]), params["pools"])


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["copied", "switched"], "required": True},
            "data": {"type": "list", "elements": "dict", "required": True, "options": _DATA},
            "site": {"type": "list", "elements": "dict", "default": [], "options": _SITE},
            "releases": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "pools": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        with held(module.check_mode):
            outcome = _change(module)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(
        changed=bool(outcome.differences),
        paths=[row["path"] for row in outcome.differences],
        closed=outcome.closed,
        hooks=outcome.hooks,
        diff=diff_of(outcome.differences),
    )


if __name__ == "__main__":
    main()
