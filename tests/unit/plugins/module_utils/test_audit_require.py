"""Whom Apache lets in; tests/differential asks a real one the same."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import Directive, read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_require import LOCAL, STRANGER, Request, admits
from hypothesis import given
from hypothesis import strategies as st


def sections(*texts: str) -> list[Directive]:
    return [Directive("location", "/", inside=read_tree(text).directives) for text in texts]


@pytest.mark.parametrize(
    ("lines", "stranger", "local"),
    [
        ("", "granted", "granted"),
        ("Require all granted", "granted", "granted"),
        ("Require all denied", "denied", "denied"),
        ("Require local", "denied", "granted"),
        ("Require ip 127", "denied", "granted"),
        ("Require ip 10.0.0.0/255.0.0.0 127.0.0.1", "denied", "granted"),
        ("Require ip 0.0.0.0/0", "granted", "granted"),
        ("Require valid-user", "user", "user"),
        ("Require valid-user\nRequire local", "user", "granted"),
        ("Require ldap-group cn=x", "user", "user"),
        ("<RequireAll>\nRequire all granted\nRequire not ip 127.0.0.0/8\n</RequireAll>", "granted", "denied"),
        ("<RequireAll>\nRequire local\nRequire valid-user\n</RequireAll>", "denied", "user"),
        ("Require env LET_IN", "unknown", "unknown"),
        ("Require shibboleth", "unknown", "unknown"),
        ("Require env LET_IN\nRequire all granted", "granted", "granted"),
        ("<RequireAll>\nRequire env X\nRequire local\n</RequireAll>", "denied", "unknown"),
        ("Require host example.org", "denied", "unknown"),
        ("Require method GET", "granted", "granted"),
        ("<Limit POST>\nRequire all denied\n</Limit>\nRequire all granted", "granted", "granted"),
        ("<LimitExcept POST>\nRequire all granted\n</LimitExcept>", "granted", "granted"),
        ("AuthMerging And\nRequire all granted", "unknown", "unknown"),
        ("Order deny,allow\nDeny from all", "denied", "denied"),
        ("Order deny,allow\nDeny from all\nAllow from 127.0.0.1", "denied", "granted"),
        ("Order allow,deny\nAllow from all", "granted", "granted"),
        ("Order allow,deny", "denied", "denied"),
        ("Deny from all\nSatisfy Any\nRequire valid-user", "user", "user"),
        ("Deny from env=bad", "unknown", "unknown"),
    ],
)
def test_who_is_let_in(lines: str, stranger: str, local: str) -> None:
    assert (admits(sections(lines), STRANGER), admits(sections(lines), LOCAL)) == (stranger, local)


def test_a_later_section_replaces_an_earlier_one() -> None:
    assert admits(sections("Require all granted", "Require local"), STRANGER) == "denied"
    assert admits(sections("Require all denied", "Options None", "Require all granted"), STRANGER) == "granted"


def test_the_method_counts() -> None:
    lines = sections("<Limit POST>\nRequire all denied\n</Limit>")
    assert admits(lines, Request("127.0.0.1", "POST")) == "denied"


@given(st.lists(st.text(), max_size=3))
def test_any_line_is_judged(lines: list[str]) -> None:
    tree = read_tree("\n".join(f"Require {line}" for line in lines))
    section = Directive("location", "/", inside=tree.directives)
    assert admits([section], STRANGER) in ("granted", "denied", "user", "unknown")
