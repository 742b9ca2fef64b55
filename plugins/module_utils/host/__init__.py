# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files, accounts, ACLs, units and commands of a Linux host. Nothing here knows Apache or an app.

Every other package may import it; it imports none of them.
"""

from __future__ import annotations
