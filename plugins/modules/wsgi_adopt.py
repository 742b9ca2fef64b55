#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_adopt
short_description: Write the apps of a host as a list for the role wsgi_apps
version_added: 0.1.0
description:
  - Reads what Apache serves on a host, whoever set it up. Writes a file on the controller with a list C(wsgi_apps) that
    would serve the same with this collection.
  - Comments in the file say what hardening will change, and what you have to look at. C(TO DO) marks what you have to
    fill in, such as where the source is.
  - Changes nothing on the host. No code of an application runs. Values of environment variables stay on the host.
  - The file belongs to the account that runs Ansible. An existing file with different content is not overwritten.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Reads the host and writes no file.
    support: full
options:
  directory:
    description: Directory on the controller, created if missing. The file is called C(<inventory_hostname>.yml).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Write the list of apps that the host serves
  palisade.mod_wsgi.wsgi_adopt:
    directory: "{{ playbook_dir }}/adopted"
"""

RETURN = r"""
file:
  description: Path of the file. In check mode the file is not written.
  type: str
  returned: success
  sample: /srv/play/adopted/www1.yml
apps:
  description: The apps in the file. C(fields) are the fields of C(wsgi_apps).
  type: list
  elements: dict
  returned: success
  sample:
    - fields: {name: shop, application: "shop.wsgi:application", server_names: [shop.example.org]}
      code: /srv/shop
      requirements: [flask==3.0.3]
      environment: [SECRET_KEY]
      paths: {DATABASE_PATH: /var/lib/shop-app/data/db/db.sqlite3}
      data: ["/srv/shop/db/db.sqlite3, named in shop/settings.py line 44 (NAME): write ..."]
      changes: ["it runs as shop-app, not as www-data"]
      findings: [U3 No pool shares Apache's account or group]
      remarks: ["RewriteRule ^/old /new (/etc/apache2/sites-enabled/shop.conf:9)"]
remarks:
  description: What none of the apps can express.
  type: list
  elements: str
  returned: success
  sample: [pool old serves no URL]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.adopt.apps import adopt_host
from ..module_utils.audit.collectors.collect import collect
from ..module_utils.host.command import runner
from ..module_utils.host.errors import PalisadeError


def main() -> None:
    # The action plugin of this name writes the file.
    module = AnsibleModule({"directory": {"type": "path", "required": True}}, supports_check_mode=True)
    try:
        apps, remarks = adopt_host(collect(runner(module.run_command), "none"))
        module.exit_json(changed=False, apps=apps, remarks=remarks)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
