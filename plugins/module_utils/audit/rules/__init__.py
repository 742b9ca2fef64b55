# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the audit, a file for each subject; add a rule in one of them.

They import host, apache and audit, and read no host: a rule judges plain facts.
"""

from __future__ import annotations
