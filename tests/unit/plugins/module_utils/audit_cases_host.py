"""Hosts on which the rules on accounts, processes and the unit fail, and hosts on which they pass."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit_facts import Case

BAD: list[Case] = []
GOOD: list[Case] = []
