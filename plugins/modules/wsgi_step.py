#!/usr/bin/python
# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_step
short_description: Run one of the other modules
version_added: 0.1.0
description:
  - Used by the action plugins of the modules that the roles are made of. Ansible packs a module with all that it
    imports, once in a play. So that this is done once for all of them, they reach the host as this module.
  - There is no need to use it in a playbook. Use the module that it runs.
author:
  - palisade.mod_wsgi contributors (@palisade)
attributes:
  check_mode:
    description: As the module that it runs.
    support: full
options:
  step:
    description: Name of the module, without the collection.
    type: str
    required: true
    choices:
      - wsgi_account
      - wsgi_certificate
      - wsgi_data
      - wsgi_health
      - wsgi_layout
      - wsgi_plan
      - wsgi_release
      - wsgi_sandbox
      - wsgi_server_info
      - wsgi_server_plan
      - wsgi_service
      - wsgi_site
      - wsgi_source
  arguments:
    description: Options of that module, without O(secrets) and O(source_secrets).
    type: dict
    default: {}
  secrets:
    description: Option of that module.
    type: dict
  source_secrets:
    description: Option of that module.
    type: dict
"""

EXAMPLES = r"""
- name: Read the pools of a host, as M(palisade.mod_wsgi.wsgi_server_info) does
  palisade.mod_wsgi.wsgi_step:
    step: wsgi_server_info
"""

RETURN = r"""
changed:
  description: As the module that it runs; so are all other values.
  type: bool
  returned: success
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ..module_utils.steps import step as steps

if TYPE_CHECKING:
    # Ansible packs what it sees imported. A host compiles what is imported anew in each run: so only the step's own.
    from ..module_utils.steps import (  # noqa: F401
        account,
        certificate,
        data,
        health,
        layout,
        plan,
        release,
        sandbox,
        server_info,
        server_plan,
        service,
        site,
        source,
    )

STEPS = (
    "wsgi_account",
    "wsgi_certificate",
    "wsgi_data",
    "wsgi_health",
    "wsgi_layout",
    "wsgi_plan",
    "wsgi_release",
    "wsgi_sandbox",
    "wsgi_server_info",
    "wsgi_server_plan",
    "wsgi_service",
    "wsgi_site",
    "wsgi_source",
)
_APART = ("secrets", "source_secrets")


def _given(name: str, step: steps.Step, module: AnsibleModule) -> dict[str, Any]:
    """Return the values of the step's options, with their defaults."""
    apart = {key: module.params[key] for key in _APART if module.params[key] is not None}
    rules = {key: value for key, value in step.rules.items() if key != "no_log"}
    found = ArgumentSpecValidator(dict(step.options), **rules).validate({**module.params["arguments"], **apart})
    # What Ansible says of these begins with their names.
    told = [f"{'unsupported option ' * isinstance(error, UnsupportedError)}{error}" for error in found.errors]
    if told:
        module.fail_json(msg=f"{name}: {'; '.join(told)}")
    values: dict[str, Any] = found.validated_parameters
    return values


def main() -> None:
    module = AnsibleModule(
        {
            "step": {"type": "str", "required": True, "choices": list(STEPS)},
            "arguments": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "no_log": True},
            "source_secrets": {"type": "dict", "no_log": True},
        },
        supports_check_mode=True,
        # Texts of files and the model of all apps would fill the system log.
        no_log=True,
    )
    name = module.params["step"]
    module.log(f"step {name}")
    step: steps.Step = import_module(f"{steps.__package__}.{name[len('wsgi_') :]}").STEP
    steps.perform(step, _given(name, step, module), module)


if __name__ == "__main__":
    main()
