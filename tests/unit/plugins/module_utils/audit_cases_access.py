"""Hosts on which the rules on who may read and write what fail, and hosts on which they pass."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit_facts import Case

BAD: list[Case] = []
GOOD: list[Case] = []
