# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a host, whoever made it, as a user of this collection would write them.

May import host, apache, app, audit, audit.rules. May be imported by no other package.
"""

from __future__ import annotations
