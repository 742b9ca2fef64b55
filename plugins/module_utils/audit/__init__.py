# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit knows of a host, as plain data: facts, the configuration that Apache read, what a rule is.

May import apache. May be imported by audit.collectors, audit.rules, adopt.
"""

from __future__ import annotations
