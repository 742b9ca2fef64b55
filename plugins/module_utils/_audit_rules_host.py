# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on accounts, processes and the unit around the pools."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_rule import Group

GROUP = Group()
