# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of Apache's configuration, quoted as ap_getword_conf reads them."""

from __future__ import annotations

import re

from ..host.errors import PalisadeError

# What separates words for Apache; Python's own idea of a space is wider.
_SPACE = " \t\n\v\f\r"
_PLAIN = re.compile(r"[A-Za-z0-9_./:,%{}@+-]+")
_OPTION = re.compile(rf"([^={_SPACE}]+)=")


def check_value(value: str, subject: str) -> str:
    """Return the value, or raise PalisadeError where no quoting can keep it inside its directive.

    Control characters end a directive, and Apache expands ${NAME} even between quotes.
    """
    for character in value:
        if ord(character) < 32 or ord(character) == 127:
            raise PalisadeError(f"{subject}: control character {character!r} is refused: it would end the directive")
    if "${" in value:
        raise PalisadeError(f"{subject}: '${{' is refused: Apache would expand it, and knows no escape")
    if value.count('"') % 2 or (value[:1] == "'" and (len(value) == 1 or value[-1] != "'")):
        raise PalisadeError(f"{subject}: unterminated quote in {value!r}: Apache would swallow the rest of the line")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PalisadeError(f"{subject}: expected text that UTF-8 can carry, got {value!r}") from error
    return value


def quote(value: str, subject: str) -> str:
    """Return one word of a directive: bare where it has no special character, else in double quotes."""
    check_value(value, subject)
    if _PLAIN.fullmatch(value):
        return value
    # A backslash is doubled even where Apache would take it alone: at the end of a line it joins the next.
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def next_word(text: str) -> tuple[str, str]:
    """Return the first word's value and what follows it, as ap_getword_conf does."""
    text = text.lstrip(_SPACE)
    mark = text[:1] if text[:1] in ('"', "'") else ""
    position = len(mark)
    while position < len(text):
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] in ("\\", mark or "\\"):
            position += 2
            continue
        if character == mark or (not mark and character in _SPACE):
            break
        position += 1
    raw = text[len(mark) : position]
    value = re.sub(r"\\([\\" + mark + "])", r"\1", raw)
    return value, text[position + len(mark) :].lstrip(_SPACE)


def _parse(text: str) -> tuple[str, dict[str, str], str]:
    """Return the name, the options and the rest, which Apache would refuse."""
    name, rest = next_word(text)
    options: dict[str, str] = {}
    while True:
        option = _OPTION.match(rest)
        if option is None:
            return name, options, rest
        options[option.group(1)], rest = next_word(rest[option.end() :])


def parse_options(text: str) -> tuple[str, dict[str, str]]:
    """Return the first word of a directive's arguments and its option=value pairs; of repeated ones the last counts."""
    name, options, _rest = _parse(text)
    return name, options


def parse_all_options(text: str, subject: str) -> tuple[str, dict[str, str]]:
    """Return the same of a text that nobody has checked, PalisadeError where Apache would refuse it."""
    name, options, rest = _parse(text)
    if rest:
        raise PalisadeError(f"{subject}: expected option=value, got {rest!r}")
    return name, options
