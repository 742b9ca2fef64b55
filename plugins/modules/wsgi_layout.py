#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_layout
short_description: Directories and files of WSGI applications, with owners, modes and ACLs
version_added: 0.1.0
description:
  - Sets the owner, group, mode and content of any number of directories and files in one call.
  - Opens each directory of a path without following symbolic links, and changes it through its descriptor. A link that
    an application planted is refused, and nothing outside is changed.
  - Checks everything before it changes anything.
  - Adds and removes an account's entry in the POSIX ACL of a file or directory that belongs to another account. It does
    not need setfacl, and leaves default ACLs alone.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Works even if the accounts and the parent directories do not exist yet.
    support: full
  diff_mode:
    description: Shows owner, group, mode and content, but never the content of a secret file.
    support: full
options:
  directories:
    description: Directories to create or correct, parents before children.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that the path belongs to; errors name it., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      owner: {description: Name of the owner., type: str, required: true}
      group: {description: Name of the group., type: str, required: true}
      mode: {description: Octal mode; never writable for all., type: str, required: true}
      acl:
        description:
          - Permissions of further accounts by their names, such as V(x) or V(rx).
          - These become the only accounts and groups that the directory's POSIX ACL names; an empty dictionary removes
            the ACL. Without this option an ACL stays as it is.
          - O(directories[].mode) stays what owner, group and others may; C(ls) shows the ACL's mask in the place of the
            group.
        type: dict
  root_only:
    description:
      - Directories that only root may change, such as V(/var/www). They are never changed here.
      - If another account owns one, or may write to it by its mode or ACL, the task fails before the first change. A
        directory that does not exist is no error.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that the path belongs to; errors name it., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
  files:
    description: Files to create or correct.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that the path belongs to; errors name it., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      owner: {description: Name of the owner., type: str, required: true}
      group: {description: Name of the group., type: str, required: true}
      mode: {description: Octal mode; never writable for all., type: str, required: true}
      content: {description: Text of the file. Without it the text is in O(secrets)., type: str}
  secrets:
    description:
      - Texts of files by their paths, for texts that are never shown.
      - They are not part of O(files), because Ansible writes a module's arguments to the system log. It finds a secret
        in a longer argument only if the secret has neither newlines nor quotes.
    type: dict
    default: {}
  absent:
    description: Files, links and whole directories to remove.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that the path belongs to; errors name it., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
  grants:
    description:
      - Entries to add to the POSIX ACLs of existing files, directories, sockets and FIFOs of other accounts.
      - The owner, the default ACL and all other entries stay, with the same effect. If the mask must become wider,
        entries that it limited are reduced to what they allowed. C(ls) shows the mask in the place of the group.
      - A chmod of the group bits by the owner changes the mask and may limit the entry. The next run restores it.
      - The entry is the account's only permission there. Its groups and the mode no longer count.
      - The task fails if the file system does not support ACLs, or if the account cannot pass a directory of the path.
        The error names it.
      - Symbolic links, devices, and writing to what belongs to root in the directories of the system are refused.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that the account belongs to; errors name it., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      account: {description: Name of the account., type: str, required: true}
      permissions: {description: Some of r and w and x such as V(rx)., type: str, required: true}
  revoked:
    description: Entries to remove. Nothing changes if the path or the account no longer exists.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that the account belongs to; errors name it., type: str, default: ""}
      path: {description: Absolute path., type: str, required: true}
      account: {description: Name of the account., type: str, required: true}
"""

EXAMPLES = r"""
- name: Give an app its data directory
  palisade.mod_wsgi.wsgi_layout:
    directories:
      - {path: /var/lib/public-app, owner: root, group: public-app, mode: "0750"}
      - {path: /var/lib/public-app/data, owner: public-app, group: public-app, mode: "0750"}

- name: Let an app read the media of another service
  palisade.mod_wsgi.wsgi_layout:
    grants:
      - {app: public, path: /srv/media, account: public-app, permissions: rx}
"""

RETURN = r"""
paths:
  description: Paths that were created, corrected or removed.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.layout import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
