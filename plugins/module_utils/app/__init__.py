# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user writes of one app: the table of fields, their checks, and the paths and identities that follow.

May import host, apache. May be imported by source, runtime, release, plan, steps, adopt.
"""

from __future__ import annotations
