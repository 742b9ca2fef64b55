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
  - Creates and renews self-signed certificates on the host. Their keys never leave it.
  - Checks given certificates before anything changes. The key must match the certificate, and only root may read it.
    The certificate must be valid today and cover the app's first server name. Only root may be able to change any part
    of the two paths, and a running Apache must see the files from inside its sandbox.
  - A self-signed certificate is valid for 365 days. Only this module renews it, in the last 30 days.
  - With O(state=ready), compares the certificates with what Apache presents on port 443 of the host, and reloads Apache
    once if they differ. This finds a renewed file, whoever renewed it.
  - Apache serves a certificate from mod_md after its next reload. With O(state=ready), the module waits for the first
    certificate. Any reload picks up later ones, such as the daily reload by Debian's logrotate.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Works without openssl too; it then does not compare the names and dates of given certificates.
    support: full
  diff_mode:
    description: Shows the names and the expiry of each certificate and why it is renewed. Never shows a key.
    support: full
options:
  state:
    description:
      - V(present) creates, checks and removes files.
      - V(ready) checks that Apache serves them. It does not use O(absent), O(accounts) and O(groups).
    type: str
    choices: [present, ready]
    default: present
  self_signed:
    description: Certificates to create, C(NAME.crt) and C(NAME.key) in C(/etc/palisade-mod_wsgi/tls).
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that uses it; errors name it., type: str, default: ""}
      name: {description: Name of its files., type: str, required: true}
      server_names:
        description: Host names that it covers.
        type: list
        elements: str
        required: true
  given:
    description: Certificates that you provide.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that uses them; errors name it., type: str, required: true}
      certificate: {description: Certificate and its chain in PEM format., type: path, required: true}
      key: {description: Its key., type: path, required: true}
      server_names:
        description: Host names of the app; the certificate must cover the first.
        type: list
        elements: str
        required: true
  acme:
    description: Virtual hosts whose certificates mod_md orders; used with O(state=ready) only.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that uses it; errors name it., type: str, required: true}
      server_names:
        description: Host names of the app; the first is the name of its managed domain.
        type: list
        elements: str
        required: true
  timeout:
    description: Seconds to wait for the certificates that mod_md orders.
    type: int
    default: 90
  reload_wait:
    description:
      - Seconds to wait before Apache is reloaded for requests that have been running for a second. The reload
        ends those that take over three seconds more.
    type: int
    default: 10
  absent:
    description: Self-signed certificates to remove.
    type: list
    elements: dict
    default: []
    suboptions:
      app: {description: App that it was for., type: str, default: ""}
      name: {description: Name of its files., type: str, required: true}
  accounts:
    description: Accounts that must not be able to read a given key, in addition to Apache's.
    type: list
    elements: str
    default: []
  groups:
    description: Groups that must not be able to read a given key, both the apps' own and supplementary groups.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Create one certificate and check another
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

- name: Check that Apache serves a new certificate
  palisade.mod_wsgi.wsgi_certificate:
    state: ready
    acme:
      - app: news
        server_names: [news.example.com]
"""

RETURN = r"""
paths:
  description: Files and directories that were created, renewed or removed, and addresses with a new certificate.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.steps.certificate import STEP
from ..module_utils.steps.step import perform


def main() -> None:
    module = AnsibleModule(STEP.options, supports_check_mode=True, **STEP.rules)
    perform(STEP, module.params, module)


if __name__ == "__main__":
    main()
