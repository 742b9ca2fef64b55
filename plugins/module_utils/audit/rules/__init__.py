# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the audit, a file for each subject. A rule judges facts, and asks the host for names of accounts only.

May import apache, audit. May be imported by adopt.
"""

from __future__ import annotations
