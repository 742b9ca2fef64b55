# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files, accounts, ACLs, units and commands of a Linux host. Nothing here knows Apache or an app.

May import no other package. May be imported by apache, app, source, runtime, release, plan, steps, audit.collectors,
adopt.
"""

from __future__ import annotations
