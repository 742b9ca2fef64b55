# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths as the collectors and the rules look at them alike."""

from __future__ import annotations

EVERYBODYS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108


def directory_of(path: str) -> str:
    """Return a served path; of one with a part of the URL in it the directory before."""
    return path if "$" not in path else path.partition("$")[0].rpartition("/")[0] or "/"


def below_any(path: str, tops: tuple[str, ...]) -> bool:
    """Tell whether a path is one of these directories or in one."""
    return any(path == top or path.startswith(top + "/") for top in tops)
