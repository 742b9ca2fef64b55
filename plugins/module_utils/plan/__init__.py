# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All apps of a play, resolved against what the host has; every later step reads its part of the result.

May import host, apache, app, source, runtime, release. May be imported by steps.
"""

from __future__ import annotations
