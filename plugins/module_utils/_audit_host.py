# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of accounts, processes and the unit for the audit; nothing is changed."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, HostFacts


def host_facts(facts: Facts) -> HostFacts:
    """Return what the host shows of the accounts and processes around these pools."""
    return HostFacts()
