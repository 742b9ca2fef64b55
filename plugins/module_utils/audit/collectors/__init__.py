# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit reads from a live host. Nothing is changed, and no code of an app runs.

May import host, apache, audit. May be imported by no other package.
"""

from __future__ import annotations
