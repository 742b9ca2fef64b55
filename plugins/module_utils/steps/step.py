# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a step is, and how a module runs one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ..host.command import Run, runner
from ..host.errors import PalisadeError

Given = Mapping[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True)
class Host:
    """What a step has of the module that it runs in."""

    run: Run
    check: bool
    # Whether the user asked for differences.
    diff: bool
    warn: Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """A step: its options as AnsibleModule takes them, and what it does with their values."""

    options: Mapping[str, Any]
    # PalisadeError and OSError fail the module.
    act: Callable[[Given, Host], Result]
    # Such as required_one_of.
    rules: Mapping[str, Any] = field(default_factory=dict)


class FailedError(PalisadeError):
    """A failure with more to tell than a message."""

    def __init__(self, message: str, told: Result) -> None:
        self.told = told
        super().__init__(message)


def perform(step: Step, given: Given, module: AnsibleModule) -> None:
    """Do the step and end the module with its result."""
    # Ansible has no public name for the user's --diff and -v.
    host = Host(runner(module.run_command), module.check_mode, module._diff, module.warn)
    try:
        result = step.act(given, host)
    except FailedError as error:
        module.fail_json(msg=str(error), **error.told)
    except (PalisadeError, OSError) as error:
        module.fail_json(msg=str(error))
    # Ansible shows from -vvv on what a module was asked for; until then it need not travel back.
    module.exit_json(**result, **({} if module._verbosity > 2 else {"invocation": {}}))
