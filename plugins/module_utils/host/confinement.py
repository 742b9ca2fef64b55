# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd keeps from Apache and from every program of others that we run, and the paths that a unit can name."""

from __future__ import annotations

import re

from .errors import PalisadeError

# Where this host's own units are.
UNITS = "/etc/systemd/system"
# What ProtectHome= hides.
HOMES = re.compile(r"/(?:home|root|run/user)(?:/|\Z)")
_CAP_SYS_ADMIN = 21
_PATH = re.compile(r"/[A-Za-z0-9._@:+,~=-]+(?:/[A-Za-z0-9._@:+,~=-]+)*")
# What holds for Apache and for every program of others that we run.
CONFINEMENT = (
    "ProtectSystem=strict",
    # Beside ProtectKernelTunables, systemd 252 and 257 leave it writable in some containers.
    "ReadOnlyPaths=/run",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "LockPersonality=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
)


def check_path(path: str, subject: str) -> None:
    """Refuse a path that a unit could not name, or that is no place to open."""
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise PalisadeError(
            f"{subject}: expected an absolute path of letters, digits and ._@:+,~=- without '..', got {path!r}"
        )


def may_confine() -> bool:
    """Tell whether systemd can filter system calls of another account: 257 fails without this, as in a container."""
    with open("/proc/1/status", encoding="utf-8") as lines:
        held = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(held >> _CAP_SYS_ADMIN & 1)
