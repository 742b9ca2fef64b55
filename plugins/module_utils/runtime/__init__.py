# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an app runs: the text of each file that serves it, and whether it answers. A new way to run one goes here.

May import host, apache, app. May be imported by release, plan, steps.
"""

from __future__ import annotations
