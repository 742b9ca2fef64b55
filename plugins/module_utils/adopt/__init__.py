# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a host, whoever made it, as a user of this collection would write them.

It imports host, apache, app and audit. Only its own module imports it.
"""

from __future__ import annotations
