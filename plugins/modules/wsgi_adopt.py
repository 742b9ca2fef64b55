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
  - Reads what serves on a host, whoever set it up, and writes on the controller a file with the list C(wsgi_apps) that
    would serve the same with this collection.
  - Comments in it say what hardening will change, and what a person has to look at. C(TO DO) marks what has to be
    filled in, such as the place of the source.
  - Nothing on the host is changed, no code of an application runs, and values of its environment stay there.
  - The file is written on the controller as the account that runs Ansible. One that says something else is not
    overwritten.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: Reads the host and writes no file.
    support: full
options:
  directory:
    description: Directory on the controller; made where it is missing. The file is called C(<inventory_hostname>.yml).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Adopt what the host serves
  palisade.mod_wsgi.wsgi_adopt:
    directory: "{{ playbook_dir }}/adopted"
"""

RETURN = r"""
file:
  description: The file that was written, or would be.
  type: str
  returned: success
  sample: /srv/play/adopted/www1.yml
apps:
  description: What is in it of each app; C(fields) are those of C(wsgi_apps).
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
  description: What no app of the list says.
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
