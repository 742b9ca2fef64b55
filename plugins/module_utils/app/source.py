# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the code of an app comes from, as the user writes it: checked before anybody looks for it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..host.errors import PalisadeError, nearest
from .fields import APP, SOURCES
from .values import known_keys, relative_path, require, text, type_name

# What may stand beside the kind.
_BESIDE: dict[str, tuple[str, ...]] = {
    "path": (),
    "archive": ("checksum", "directory"),
    "git": (),
    "package": (),
}
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
# As git-check-ref-format(1), and without what would be a pattern or an option.
_VERSION = re.compile(r"(?![-/])[^\s~^:?*\[\\]+(?<![/.])")
_SSH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9_/~][^\s:]*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]")
_PLACE = re.compile(r"/[^\s]+")
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?: ?\[[A-Za-z0-9._, -]*\])? ?== ?[A-Za-z0-9][A-Za-z0-9.!+_-]*"
    r"(?: ?; ?[A-Za-z0-9_.,<>=!~'\"() -]+?)?(?P<hashes>(?: --hash[= ]sha256:[0-9a-f]{64})*)"
)


@dataclass(frozen=True)
class Source:
    """A checked source. place is a directory or an archive on the controller, a URL, or a repository."""

    kind: str
    place: str = ""
    checksum: str = ""
    version: str = ""
    directory: str = ""
    known_hosts: str = ""
    lines: tuple[str, ...] = ()
    # The private key for a repository, or what follows the '?' of an address, which may be a signature: a secret, kept
    # out of what errors and tracebacks would print, and of rows.
    key: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Tell whether it lies on the controller."""
        return self.kind == "path" or (self.kind == "archive" and not self.is_url)

    @property
    def is_url(self) -> bool:
        """Tell whether it is to be downloaded as one file."""
        return self.kind == "archive" and self.place.startswith("https://")

    @property
    def is_over_ssh(self) -> bool:
        """Tell whether a key and known hosts are of use."""
        return self.kind == "git" and bool(self.place.startswith("ssh://") or _SSH.fullmatch(self.place))

    @property
    def address(self) -> str:
        """Return the whole address of an archive, with its secret part."""
        return f"{self.place}?{self.key}" if self.key else self.place

    def as_row(self, base_directory: str) -> dict[str, Any]:
        """Return what modules read; what lies on the controller starts at base_directory. The key travels apart."""
        if self.kind == "package":
            return {"package": list(self.lines)}
        if self.kind == "git":
            beside = {"version": self.version, "directory": self.directory, "known_hosts": self.known_hosts}
            return {"git": self.place, **beside}
        place = self.place
        if self.is_local:
            place = os.path.normpath(os.path.join(base_directory, os.path.expanduser(place)))
        if self.kind == "path":
            return {"path": place}
        return {"archive": place, "checksum": self.checksum, "directory": self.directory}


def check_source(raw: object, subject: str) -> Source:
    """Return the checked source; PalisadeError names the subject, what was expected and what came."""
    # The keys only: an address may hold a token.
    if not isinstance(raw, Mapping):
        raise PalisadeError(f"{subject}: expected a mapping with one of {', '.join(SOURCES)}, got {type_name(raw)}")
    kinds = [str(key) for key in raw if key in SOURCES]
    if len(kinds) != 1:
        keys = ", ".join(str(key) for key in raw)
        near = nearest(next((str(key) for key in raw), ""), SOURCES) if not kinds else ""
        raise PalisadeError(f"{subject}: expected one of {', '.join(SOURCES)}, got {keys or 'nothing'}{near}")
    kind = kinds[0]
    for key in raw:
        if key not in (kind, *_BESIDE[kind]):
            raise PalisadeError(f"{subject}: unknown field {key!r} beside {kind}{nearest(str(key), _BESIDE[kind])}")
    place = f"{subject}: {kind}"
    if kind == "path":
        return Source(kind, _controllers(raw["path"], place, "a directory"))
    if kind == "archive":
        return _archive(raw, subject)
    if kind == "git":
        return _git(raw["git"], place)
    return Source(kind, lines=_lines(raw["package"], place))


def read_row(raw: object, subject: str) -> Source:
    """Return the source of a row, which as_row() made or a user of the module wrote."""
    if isinstance(raw, Mapping) and isinstance(raw.get("git"), str):
        return check_source({"git": {"repo" if key == "git" else key: value for key, value in raw.items()}}, subject)
    return check_source(raw, subject)


def _clean(value: str, subject: str) -> None:
    # Not printed: where one sits, the rest may be a secret that went astray.
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
        raise PalisadeError(f"{subject}: a control character is refused")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise PalisadeError(f"{subject}: expected text that UTF-8 can carry")


def _controllers(value: Any, subject: str, expected: str) -> str:
    if not isinstance(value, str) or not value:
        raise PalisadeError(f"{subject}: expected {expected}, got {type_name(value) if value else 'nothing'}")
    _clean(value, subject)
    return str(value)


def _archive(raw: Mapping[str, Any], subject: str) -> Source:
    place = _controllers(raw["archive"], f"{subject}: archive", "a file on the controller or an https:// address")
    address, query = place, ""
    if "://" in place:
        address, _mark, query = place.partition("?")
    source = Source(
        "archive",
        address,
        key=query,
        checksum=text(raw, "checksum", subject).lower(),
        directory=_directory(raw, subject),
    )
    if "://" in place:
        _check_address(place, ("https",), f"{subject}: archive")
        if not source.checksum:
            raise PalisadeError(f"{subject}: checksum is required for an address: sha256: and the sum of the archive")
    if source.checksum and not _CHECKSUM.fullmatch(source.checksum):
        raise PalisadeError(f"{subject}: checksum: expected sha256: and 64 digits, got {source.checksum!r}")
    return source


def _directory(raw: Mapping[str, Any], subject: str) -> str:
    directory = text(raw, "directory", subject).rstrip("/")
    if directory:
        relative_path(directory, f"{subject}: directory", "a directory inside, such as shop-1.2")
    return directory


def _check_address(address: str, schemes: tuple[str, ...], subject: str) -> None:
    """Refuse an address with credentials, without encryption or of another kind; it is printed only without them."""
    scheme, _colon, rest = address.partition("://")
    user, at, host = rest.partition("/")[0].rpartition("@")
    if at and (scheme != "ssh" or ":" in user):
        raise PalisadeError(f"{subject}: an address with credentials is refused (and not shown)")
    if scheme not in schemes:
        known = " or ".join(f"{name}://" for name in schemes)
        unsafe = ": nothing proves the server's identity" if scheme in ("http", "git", "ftp") else ""
        raise PalisadeError(f"{subject}: expected {known}, got {scheme[:20]}://{unsafe}")
    try:
        # Asks for the port too, which may be no number.
        _port = urlsplit(address).port
    except ValueError as error:
        raise PalisadeError(f"{subject}: expected an address, got none: {error}") from error
    plain = re.sub(r":[0-9]*\Z", "", host)
    usable = bool(_HOST.fullmatch(plain)) and " " not in address and "#" not in address
    usable = usable and not user.startswith("-") and bool(re.fullmatch(r"[A-Za-z0-9._-]*", user))
    require(usable, subject, f"{scheme}://host/path", address.partition("?")[0])


def _git(raw: object, subject: str) -> Source:
    if not isinstance(raw, Mapping):
        raise PalisadeError(f"{subject}: expected a mapping with repo and version, got {type_name(raw)}")
    known_keys(raw, APP["source"]["git"].names, subject)
    for key in ("repo", "version"):
        if not raw.get(key):
            raise PalisadeError(f"{subject}: {key} is required")
    repo, version = _repository(raw["repo"], f"{subject}: repo"), text(raw, "version", subject)
    require(_is_version(version), f"{subject}: version", "a commit of 40 digits, a tag or a branch", version)
    source = Source(
        "git",
        repo,
        version=version,
        directory=_directory(raw, subject),
        known_hosts=_known_hosts(raw, subject),
        key=private_key(raw.get("key"), f"{subject}: key"),
    )
    for name in ("key", "known_hosts"):
        if getattr(source, name) and not source.is_over_ssh:
            raise PalisadeError(f"{subject}: {name}: only an address over ssh has one, got {repo!r}")
    return source


def _is_version(version: str) -> bool:
    parts = version.split("/")
    odd = ".." in version or "@{" in version or version == "@" or not version.isprintable()
    return (
        bool(_VERSION.fullmatch(version))
        and not odd
        and not any(part.startswith(".") or part.endswith(".lock") or not part for part in parts)
    )


def _repository(value: Any, subject: str) -> str:
    expected = "https://..., ssh://..., user@host:path, or file:///path or /path on the host"
    if not isinstance(value, str):
        raise PalisadeError(f"{subject}: expected {expected}, got {type_name(value)}")
    _clean(value, subject)
    if value.startswith("-"):
        raise PalisadeError(f"{subject}: expected {expected}, got an option")
    if value.startswith("file://"):
        require(bool(_PLACE.fullmatch(value[7:])), subject, expected, value)
    elif "://" in value and not value.startswith("/"):
        _check_address(value, ("https", "ssh"), subject)
    elif not (_PLACE.fullmatch(value) or _SSH.fullmatch(value)):
        raise PalisadeError(
            f"{subject}: expected {expected}, got " + ("something else" if "@" in value else repr(value))
        )
    return str(value)


def private_key(value: object, subject: str) -> str:
    """Return a private key as programs read it, empty where there is none."""
    if value is None or value == "":
        return ""
    # Never printed.
    if not isinstance(value, str) or "PRIVATE KEY-----" not in value:
        raise PalisadeError(f"{subject}: expected the text of a private key (not shown)")
    for character in value:
        if ord(character) < 32 and character not in "\r\n":
            raise PalisadeError(f"{subject}: expected the text of a private key, got control characters")
    return str(value).replace("\r", "").rstrip("\n") + "\n"


def _known_hosts(raw: Mapping[str, Any], subject: str) -> str:
    value = text(raw, "known_hosts", subject)
    if any(ord(character) < 32 and character not in "\n\t" for character in value):
        raise PalisadeError(f"{subject}: known_hosts: a control character is refused")
    return value.rstrip("\n") + "\n" if value.strip() else ""


def _lines(raw: object, subject: str) -> tuple[str, ...]:
    given = [raw] if isinstance(raw, str) else raw
    expected = "a pinned requirement such as demo-app==1.2, or a list of them"
    if not isinstance(given, (list, tuple)) or not given or not all(isinstance(line, str) for line in given):
        raise PalisadeError(f"{subject}: expected {expected}, got {type_name(raw) if raw else 'nothing'}")
    lines, hashed = [], set()
    for line in given:
        _clean(line, subject)
        plain = " ".join(line.split())
        if "://" in plain or "@" in plain:
            raise PalisadeError(f"{subject}: expected {expected}, got an address (not shown)")
        found = _REQUIREMENT.fullmatch(plain)
        require(bool(found), subject, expected, plain)
        hashed.add(bool(found and found.group("hashes")))
        lines.append(plain)
    if len(hashed) > 1:
        raise PalisadeError(f"{subject}: expected a --hash for every requirement or for none")
    return tuple(lines)
