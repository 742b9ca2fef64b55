# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requirements files, read for what would run code of a package as root.

pip builds direct references and editable packages even where only wheels of an index are allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..host.errors import PalisadeError

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s+|=)(\S+)|-[rc](\S+)")
# Options that say where wheels come from, or narrow the choice.
_HARMLESS = ("--index-url", "-i", "--extra-index-url", "--no-index", "--find-links", "-f", "--require-hashes", "--pre")
_HARMLESS_TOO = ("--only-binary", "--prefer-binary", "--trusted-host")
_OF_BUILDS = ("--no-binary", "--no-build-isolation", "--config-settings")
_NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*(@\s*(?P<reference>\S+)|[<>=!~;].*|$)")


def check_requirements(root: str, name: str, subject: str, source_builds: bool = False) -> None:
    """Raise PalisadeError for a requirement that pip would build from source, in this file or one that it includes.

    With source_builds, what an https address proves may be built; what lies on the host or is editable may not.
    """
    _check(root, name, subject, source_builds, set())


def _check(root: str, name: str, subject: str, source_builds: bool, seen: set[str]) -> None:
    path = os.path.normpath(os.path.join(root, name))
    if not path.startswith(root.rstrip("/") + "/"):
        raise PalisadeError(f"{subject}: {name}: expected a file inside the source")
    if path in seen:
        return
    seen.add(path)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PalisadeError(f"{subject}: {name}: cannot be read: {error}") from error
    for line in _joined(text):
        plain = _COMMENT.sub("", line).strip()
        if not plain:
            continue
        included = _INCLUDE.fullmatch(plain)
        if included:
            inner = included.group(1) or included.group(2)
            _check(root, os.path.join(os.path.dirname(name), inner), subject, source_builds, seen)
        elif plain.startswith("-"):
            option = re.split(r"[\s=]", plain)[0]
            if option not in _HARMLESS + _HARMLESS_TOO + (_OF_BUILDS if source_builds else ()):
                raise PalisadeError(f"{subject}: {name}: {option} is refused, because only wheels are installed")
        else:
            _check_line(re.split(r"\s--", plain)[0].strip(), name, subject, source_builds)


def _joined(text: str) -> Iterator[str]:
    """Yield the lines as pip joins them: a backslash continues one, but never a comment."""
    begun = ""
    for line in text.splitlines():
        if line.endswith("\\") and not _COMMENT.match(line):
            begun += line[:-1] + " "
        else:
            yield begun + " " + line
            begun = ""
    if begun:
        yield begun


def _check_line(requirement: str, name: str, subject: str, source_builds: bool) -> None:
    found = _NAMED.fullmatch(requirement)
    reference = found.group("reference") if found else requirement
    if not reference or re.fullmatch(r"https://\S+\.whl(#\S*)?", reference):
        return
    if source_builds and re.fullmatch(r"(git\+)?https://\S+", reference):
        return
    known = (
        "https://... or git+https://..."
        if source_builds
        else "https://....whl; pip would build anything else from source"
    )
    raise PalisadeError(f"{subject}: {name}: {requirement!r} is refused: expected a name with a version, or {known}")
