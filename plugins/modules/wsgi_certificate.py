#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_certificate
short_description: Certificates of WSGI applications
version_added: 0.1.0
description:
  - Makes and renews self-signed certificates on the host, whose keys never leave it.
  - Judges the files that a user gives before anything changes. The key belongs to the certificate and only root can
    read it, the certificate holds today and for the app's first server name, and root alone can change any step of
    their paths, and a running Apache sees them from inside its unit's sandbox.
  - A self-signed certificate holds for 365 days and is renewed in the last 30 of them, by this module alone.
  - With O(state=ready) it sees that Apache serves the certificates. What it compares is what Apache answers on port 443
    of the host, so that a renewed file is found whoever renewed it; Apache is reloaded once where something differs.
  - A certificate that mod_md orders is served after a reload. With O(state=ready) the first one is waited for; later
    ones are taken by any reload, such as the daily one of Debian's logrotate.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Also where openssl is not installed yet; names and dates of files that are given are then not compared.
    support: full
  diff_mode:
    description: Shows the names and the end of each certificate, and why it is renewed; never a key.
    support: full
options:
  state:
    description:
      - V(present) makes, judges and removes files.
      - V(ready) sees that Apache serves them, and needs neither O(absent) nor accounts and groups.
    type: str
    choices: [present, ready]
    default: present
  self_signed:
    description: Certificates to make, C(NAME.crt) and C(NAME.key) in C(/etc/palisade-mod_wsgi/tls).
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that it is for; named in errors., type: str, default: ""}
      name: {description: Name of its files., type: str, required: true}
      server_names:
        description: Host names that it is for.
        type: list
        elements: str
        required: true
  given:
    description: Files that the user gives.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that they are for; named in errors., type: str, required: true}
      certificate: {description: Certificate and its chain in PEM format., type: path, required: true}
      key: {description: Its key., type: path, required: true}
      server_names:
        description: Host names of the app; the certificate has to cover the first.
        type: list
        elements: str
        required: true
  acme:
    description: Virtual hosts whose certificates mod_md orders; for O(state=ready) alone.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that it is for; named in errors., type: str, required: true}
      server_names:
        description: Host names of the app; the first is the name of its managed domain.
        type: list
        elements: str
        required: true
  timeout:
    description: Seconds to wait for the certificates that mod_md orders.
    type: int
    default: 90
  absent:
    description: Self-signed certificates to remove.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that it was for., type: str, default: ""}
      name: {description: Name of its files., type: str, required: true}
  accounts:
    description: Accounts that must not be able to read a key that is given, beside Apache's own.
    type: list
    elements: str
    default: []
  groups:
    description: Groups that must not be able to read a key that is given; the apps' own and supplementary ones.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Make a certificate, judge another one
  palisade.mod_wsgi.wsgi_certificate:
    self_signed:
      - app: public
        name: public
        server_names: [www.example.com, example.com]
    given:
      - app: shop
        certificate: /etc/letsencrypt/live/shop.example.com/fullchain.pem
        key: /etc/letsencrypt/live/shop.example.com/privkey.pem
        server_names: [shop.example.com]
    accounts: [public-app, shop-app]
    groups: [public-app, shop-app]

- name: See that Apache serves a new certificate
  palisade.mod_wsgi.wsgi_certificate:
    state: ready
    acme:
      - app: news
        server_names: [news.example.com]
"""

RETURN = r"""
paths:
  description: Files and directories that were made, renewed or removed, and addresses that have another certificate.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.apache.certificates import Outsiders, ensure_certificates
from ..module_utils.apache.layout import host_layout
from ..module_utils.apache.live_certificates import ensure_live, hosts_of
from ..module_utils.apache.processes import apache_parent
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError
from ..module_utils.host.fs import diff_of


def main() -> None:
    app = {"type": "str", "required": True}
    any_app = {"type": "str", "default": ""}
    names = {"type": "list", "elements": "str", "required": True}
    name = {"type": "str", "required": True}
    file = {"type": "path", "required": True}
    self_signed = {"app": any_app, "name": name, "server_names": names}
    # The path of a key is no secret.
    given = {"app": app, "certificate": file, "key": {**file, "no_log": False}, "server_names": names}
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["present", "ready"], "default": "present"},
            "self_signed": {"type": "list", "elements": "dict", "default": [], "options": self_signed},
            "given": {"type": "list", "elements": "dict", "default": [], "options": given},
            "acme": {"type": "list", "elements": "dict", "default": [], "options": {"app": app, "server_names": names}},
            "timeout": {"type": "int", "default": 90},
            "absent": {"type": "list", "elements": "dict", "default": [], "options": {"app": any_app, "name": name}},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params, run, check = module.params, runner(module.run_command), module.check_mode
    try:
        layout = host_layout()
        if params["state"] == "ready":
            hosts = hosts_of(params["self_signed"], params["given"], params["acme"])
            changes = ensure_live(layout, hosts, params["timeout"], run, check)
        else:
            outsiders = Outsiders(frozenset([*params["accounts"], layout.user]), frozenset(params["groups"]))
            files = (params["self_signed"], params["given"], params["absent"])
            parent = apache_parent(layout.binary)
            apache_root = "" if parent is None else f"/proc/{parent}/root"
            changes = ensure_certificates(*files, outsiders, apache_root, run, check)
        module.exit_json(changed=bool(changes), paths=[change["path"] for change in changes], diff=diff_of(changes))
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
