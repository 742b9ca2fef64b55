# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A .htaccess file, which Apache's dump of its configuration does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..config import Directive, read_tree
from .tree import read_start, shown

_SIZE = 65536
_LINES = 200


def read_htaccess(path: str) -> list[str]:
    """Return its directives, those in sections as well, without what may be a secret."""
    text = read_start(path, _SIZE).decode("utf-8", "backslashreplace")
    return [shown(line.shown) for line in directives(text)][:_LINES]


def directives(text: str) -> Iterator[Directive]:
    """Give every directive of a file in Apache's syntax; a line that ends in a backslash goes on in the next."""
    tree = read_tree(text.replace("\r\n", "\n").replace("\\\n", " "))
    yield from _flat(tree.directives)


def _flat(lines: Sequence[Directive]) -> Iterator[Directive]:
    for line in lines:
        if not line.written:
            yield from _flat(line.inside)
        else:
            yield line
