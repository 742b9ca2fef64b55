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

from ..module_utils.steps.data import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
