# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of files for the audit, as the accounts that could reach them; nothing is changed."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, FileFacts


def file_facts(facts: Facts) -> FileFacts:
    """Return what the files around these pools are, and who may reach them."""
    return FileFacts()
