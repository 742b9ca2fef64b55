# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a program of the host; its complaint becomes the error."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._errors import PalisadeError

_LINES = 12


def run(arguments: Sequence[str]) -> str:
    """Run a program without a shell and return what it printed; PalisadeError with its last lines if it fails."""
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    try:
        result = subprocess.run(
            list(arguments),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
        )
    except OSError as error:
        raise PalisadeError(f"{arguments[0]}: {error.strerror}") from error
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-_LINES:]
        raise PalisadeError("\n".join([f"{os.path.basename(arguments[0])} failed with {result.returncode}:", *said]))
    return result.stdout
