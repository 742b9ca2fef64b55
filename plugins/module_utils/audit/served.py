# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a virtual host serves from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .config import Directive, VirtualHost
from .facts import Facts
from .merge import sections_of

SCRIPTS = ("wsgiscriptalias",)


def served(facts: Facts, host: VirtualHost, more: Sequence[str] = ()) -> Iterator[tuple[str, str, Directive]]:
    """Give URL, directory and line of everything that Apache serves from files, and by these directives."""
    documents = facts.last("documentroot", host)
    if documents and documents.words:
        yield "/", documents.words[0], documents
    for line in [*host.directives, *facts.tree.directives]:
        if line.name in ("alias", "scriptalias", *more) and len(line.words) > 1:
            yield line.words[0], line.words[1], line


def denied(facts: Facts, host: VirtualHost, url: str, path: str) -> bool:
    """Tell whether the section that counts denies everybody."""
    last: list[str] = []
    for section in sections_of(facts.tree, host, url, path):
        said = [line.text.lower() for line in section.inside if line.name == "require"]
        said += ["other" for line in section.inside if line.name.startswith("require") and line.name != "require"]
        last = said or last
    return bool(last) and all(line == "all denied" for line in last)
