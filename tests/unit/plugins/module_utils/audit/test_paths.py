# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths as the collectors and the rules look at them."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.paths import below_any, directory_of


def test_a_path_of_the_url_s_parts_starts_before_them() -> None:
    assert directory_of("/srv/$1/wsgi.py") == "/srv"
    assert directory_of("/srv/x") == "/srv/x"


def test_a_directory_is_below_itself() -> None:
    tops = ("/tmp", "/dev/shm")
    assert [below_any(path, tops) for path in ("/tmp", "/dev/shm/x", "/tmpx", "/dev")] == [True, True, False, False]
