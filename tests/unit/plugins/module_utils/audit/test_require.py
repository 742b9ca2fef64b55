"""Whom Apache lets in; tests/differential asks a real one the same."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import Directive, read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.require import (
    LOCAL,
    STRANGER,
    Request,
    admits,
)
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
        ("Require all GRANTED", "granted", "granted"),
        ("Require all", "denied", "denied"),
        ("Require", "unknown", "unknown"),
        ("Require not local", "denied", "denied"),
        ("Require not valid-user", "denied", "denied"),
        ("Require host localhost", "denied", "unknown"),
        ("Require forward-dns a.test", "denied", "unknown"),
        ("Require method get post", "granted", "granted"),
        ("Require method POST", "denied", "denied"),
        ("Require ip 203.0.113", "granted", "denied"),
        ("Require ip 203.0.113.", "granted", "denied"),
        ("Require ip 203.0.112", "denied", "denied"),
        ("Require ip 203.0.0.0/16", "granted", "denied"),
        ("Require ip 2001:db8::/32", "denied", "denied"),
        ("Require ip nonsense", "denied", "denied"),
        *((f"Require {kind} x", "user", "user") for kind in ("user", "group", "file-owner", "file-group", "dbm-group")),
        *((f"Require {kind} x", "user", "user") for kind in ("dbd-group", "unix-group", "ldap-user")),
        ("<RequireAny>\nRequire all denied\nRequire valid-user\n</RequireAny>", "user", "user"),
        ("<RequireAny>\nRequire valid-user\nRequire all denied\n</RequireAny>", "user", "user"),
        ("<RequireAll>\nRequire valid-user\nRequire all granted\n</RequireAll>", "user", "user"),
        ("<RequireAll>\nRequire all granted\nRequire valid-user\n</RequireAll>", "user", "user"),
        ("<RequireAll>\nRequire valid-user\nRequire all denied\n</RequireAll>", "denied", "denied"),
        ("<RequireNone>\nRequire local\n</RequireNone>", "denied", "denied"),
        (
            "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire local\n</RequireNone>\n</RequireAll>",
            "granted",
            "denied",
        ),
        ("<RequireAll>\nRequire all granted\nRequire not env X\n</RequireAll>", "unknown", "unknown"),
        ("<RequireAny>\nRequire env X\n</RequireAny>", "unknown", "unknown"),
        ("\n".join(f"Require env X{number}" for number in range(6)) + "\nRequire all granted", "granted", "granted"),
        # Too many to try them all.
        ("\n".join(f"Require env X{number}" for number in range(7)) + "\nRequire all granted", "unknown", "unknown"),
        ("<Limit GET>\nRequire all denied\n</Limit>\nRequire all granted", "granted", "granted"),
        ("<Limit get>\nRequire local\n</Limit>", "denied", "granted"),
        ("<LimitExcept GET>\nRequire all granted\n</LimitExcept>", "denied", "denied"),
        ("AuthMerging Off\nRequire local", "denied", "granted"),
        ("Allow from 127.0.0.1", "granted", "granted"),
        ("Deny from 203.0.113.0/24", "denied", "granted"),
        ("Deny from 203.0.113.0/24\nAllow from all", "granted", "granted"),
        ("Order Allow, Deny\nAllow from all\nDeny from 127", "granted", "denied"),
        ("Order mutual-failure\nAllow from 127", "denied", "granted"),
        ("Order allow,deny\nOrder deny,allow", "granted", "granted"),
        ("Order allow,deny\nAllow from env=good", "unknown", "unknown"),
        ("Order allow,deny\nAllow from all\nRequire local", "denied", "granted"),
        ("Deny from all\nRequire all granted", "denied", "denied"),
        ("Deny from all\nRequire local\nSatisfy Any", "denied", "granted"),
        ("Deny from all\nRequire local\nSatisfy All", "denied", "denied"),
        ("Require valid-user\nSatisfy any", "granted", "granted"),
        ("AuthType Basic\nAuthName x", "granted", "granted"),
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
