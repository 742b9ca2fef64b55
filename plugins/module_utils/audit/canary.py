# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit puts into its requests, and the rules look for in the answers."""

from __future__ import annotations

CANARY = "palisade-audit-canary"
# A client's headers that no application is to see, and what the audit puts into them.
FORGED = {
    "Authorization": f"Bearer {CANARY}-authorization",
    "Proxy": f"http://{CANARY}-proxy.invalid",
    "X-Forwarded-For": "203.0.113.77",
}
