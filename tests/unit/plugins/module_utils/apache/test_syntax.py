"""Apache's quoting: what was measured of it, and that nothing leaves its directive."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.daemon_options import daemon_process
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.syntax import (
    check_value,
    parse_all_options,
    parse_options,
    quote,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.fixtures.daemon_values import TEXTS, WILD_TEXTS, refused
from hypothesis import example, given
from hypothesis import strategies as st

TEXT_OPTIONS = ("python-path", "display-name", "lang", "locale")


@given(st.lists(TEXTS, min_size=4, max_size=4))
@example(["\\", '\\"\\"', "' '", "\xa0x\u2028"])
def test_what_goes_in_comes_out(values: list[str]) -> None:
    options = dict(zip(TEXT_OPTIONS, values, strict=True))
    directive = daemon_process({"name": "public", "threads": 3, **options})
    word, _space, arguments = directive.partition(" ")
    assert word == "WSGIDaemonProcess"
    assert not set("\0\n\r") & set(directive)
    assert not directive.endswith("\\")
    assert parse_options(arguments) == ("public", {"threads": "3", **options})


@given(WILD_TEXTS)
def test_refusals_have_their_reason(value: str) -> None:
    reasons = {
        "control character": any(ord(character) < 32 or ord(character) == 127 for character in value),
        "'${' is refused": "${" in value,
        "unterminated quote": value.count('"') % 2 == 1 or (value[:1] == "'" and not (value[1:] and value[-1] == "'")),
        "UTF-8": any(0xD800 <= ord(character) <= 0xDFFF for character in value),
    }
    message = refused(value)
    assert bool(message) == any(reasons.values())
    if message:
        assert message.startswith("place: ")
        assert any(words in message and true for words, true in reasons.items())
    else:
        assert check_value(value, "place") == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("public", ("public", {})),
        ("public user=a  threads=5", ("public", {"user": "a", "threads": "5"})),
        ("public threads=5 threads=6", ("public", {"threads": "6"})),
        ("user=a", ("user=a", {})),
        # The rest of the line is swallowed.
        ('public home="/a user=b threads=5', ("public", {"home": "/a user=b threads=5"})),
        ("public home='/a user=b", ("public", {"home": "/a user=b"})),
        ('public home="/a b" threads=5', ("public", {"home": "/a b", "threads": "5"})),
        ("public home='/a b' threads=5", ("public", {"home": "/a b", "threads": "5"})),
        (r'public home="a\\b\"c\d"', ("public", {"home": 'a\\b"c\\d'})),
        (r"public home=a\\b\c", ("public", {"home": "a\\b\\c"})),
        (r"public home='a\'b\"c'", ("public", {"home": "a'b\\\"c"})),
        ('public lang=x"y"', ("public", {"lang": 'x"y"'})),
        ('public lang=x"y z"', ("public", {"lang": 'x"y'})),
        ("public lang=it's", ("public", {"lang": "it's"})),
        # The value is the next word, wherever it is.
        ("public lang= threads=5", ("public", {"lang": "threads=5"})),
        ("public lang=\t 'a b' threads=5", ("public", {"lang": "a b", "threads": "5"})),
        ("public threads=5 lang=", ("public", {"threads": "5", "lang": ""})),
        ('public lang="" threads=5', ("public", {"lang": "", "threads": "5"})),
        ('public lang="a"threads=5', ("public", {"lang": "a", "threads": "5"})),
        ("public lang=a=b", ("public", {"lang": "a=b"})),
        # Only ASCII's spaces separate.
        ("public lang=a\xa0b locale=\u2003c", ("public", {"lang": "a\xa0b", "locale": "\u2003c"})),
        ("", ("", {})),
    ],
)
def test_apaches_rules(text: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_options(text) == expected
    if "y z" not in text:
        assert parse_all_options(text, "place") == expected


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("public threads", "threads"),
        ("public threads=5 x", "x"),
        ("public threads =5", "threads =5"),
        ("public =5", "=5"),
        ('public lang="a" b', "b"),
        ('public lang=x"y z"', 'z"'),
        ("public lang=a # a remark", "# a remark"),
    ],
)
def test_what_apache_refuses(text: str, rest: str) -> None:
    with pytest.raises(PalisadeError) as caught:
        parse_all_options(text, "place")
    assert str(caught.value) == f"place: expected option=value, got {rest!r}"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("/plain/path-1.2", "/plain/path-1.2"),
        ("%{GLOBAL}", "%{GLOBAL}"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a#b", '"a#b"'),
        ("a\\", '"a\\\\"'),
        ("ä", '"ä"'),
    ],
)
def test_words(value: str, word: str) -> None:
    assert quote(value, "place") == word


@given(WILD_TEXTS)
def test_a_word_stays_one_word(value: str) -> None:
    if not refused(value):
        assert parse_options(quote(value, "place") + " threads=5") == (value, {"threads": "5"})
