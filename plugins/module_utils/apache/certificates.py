# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates of virtual hosts: self-signed ones made here, and the judgement of files that the user gives."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shutil
import ssl
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..host.command import CommandError, Run
from ..host.errors import PalisadeError
from ..host.fs import Attributes, ensure_directory, opened_directory, remove
from .layout import TLS_DIRECTORY

_OWNER = ("root", "root")
_DAYS = 365
_RENEW_WITHIN = 30 * 86400
_LINKS = 40
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_REQUEST = """\
[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
[subject]
CN = {common_name}
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {alternatives}
"""

Row = Mapping[str, Any]
Difference = dict[str, object]


@dataclass(frozen=True)
class Certificate:
    """What a certificate says: its host names and the seconds since the epoch between which it holds."""

    names: tuple[str, ...]
    starts: float
    ends: float

    def covers(self, host: str) -> bool:
        """Tell whether a client would take it for this host: a wildcard stands for exactly one label."""
        wildcard = f"*.{host.partition('.')[2]}".lower()
        return bool({host.lower(), wildcard} & {name.lower() for name in self.names})

    def as_dict(self) -> dict[str, str]:
        return {"names": ", ".join(self.names), "until": _day(self.ends)}


@dataclass(frozen=True)
class Outsiders:
    """Accounts and groups that must not read a key: the apps' and Apache's."""

    accounts: frozenset[str]
    groups: frozenset[str]

    def of_group(self, gid: int) -> str:
        """Return one that a group lets in, or nothing."""
        try:
            entry = grp.getgrgid(gid)
        except KeyError:
            return ""
        if entry.gr_name in self.groups:
            return f"group {entry.gr_name}"
        members = set(entry.gr_mem)
        for account in sorted(self.accounts):
            with contextlib.suppress(KeyError):
                if account in members or pwd.getpwnam(account).pw_gid == gid:
                    return f"account {account}"
        return ""


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def paths_of(name: str) -> tuple[str, str]:
    """Return certificate and key that are made for a name."""
    if not _NAME.fullmatch(name):
        raise PalisadeError(f"tls: self_signed: expected a name of letters, digits, '.', '_' and '-', got {name!r}")
    return os.path.join(TLS_DIRECTORY, f"{name}.crt"), os.path.join(TLS_DIRECTORY, f"{name}.key")


def _has_openssl() -> bool:
    return shutil.which("openssl") is not None


def read_certificate(path: str, run: Run) -> Certificate:
    """Return what the first certificate of a PEM file says."""
    if not _has_openssl():
        raise PalisadeError("the program openssl is not installed; the role wsgi_server installs it")
    try:
        said = run(["openssl", "x509", "-in", path, "-noout", "-dates", "-ext", "subjectAltName"])
    except CommandError as error:
        raise PalisadeError(f"{path}: expected a certificate in PEM format, got something else") from error
    dates = dict(re.findall(r"^(notBefore|notAfter)=(.*)$", said, re.MULTILINE))
    return Certificate(
        names=tuple(re.findall(r"\bDNS:([^\s,]+)", said)),
        starts=float(ssl.cert_time_to_seconds(dates["notBefore"])),
        ends=float(ssl.cert_time_to_seconds(dates["notAfter"])),
    )


def _pair_problem(certificate: str, key: str) -> str:
    """Return why a server could not use a certificate with a key; empty where it can."""

    def no_passphrase() -> str:
        raise PalisadeError(f"{key}: expected a key without passphrase, got an encrypted one: Apache could not start")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{key}: expected the key of {certificate}, got another one"
        return f"{key}: expected the PEM key of {certificate}, got one that cannot be used ({error.reason or error})"
    except PalisadeError as error:
        return str(error)
    return ""


# Files that the user gives


def _check_step(path: str, found: os.stat_result) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise PalisadeError(f"{path}: expected root as its owner, got uid {found.st_uid}; chown root {path}")
    # What is root's cannot be replaced in a sticky directory; the mode of a link says nothing.
    open_for_others = found.st_mode & 0o022 and not stat.S_ISLNK(found.st_mode)
    if open_for_others and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        mode = stat.S_IMODE(found.st_mode)
        raise PalisadeError(f"{path}: expected that only root can write to it, got mode {mode:04o}; chmod go-w {path}")


def trusted_file(path: str, apache_root: str = "") -> str:
    """Return where a path to a file ends, after links; PalisadeError unless root alone can change every step of it.

    Where Apache runs, apache_root is the root directory of its processes: a sandbox may hide a step from them.
    """
    if not path.startswith("/"):
        raise PalisadeError(f"{path}: expected an absolute path of a file on the host")
    here, rest, links = "/", path.split("/")[::-1], 0
    while rest:
        part = rest.pop()
        if part == "..":
            here = os.path.dirname(here)
        if part in ("", ".", ".."):
            continue
        step = os.path.join(here, part)
        try:
            found = os.lstat(step)
        except OSError as error:
            reached = "" if step == path else f" (for {path})"
            raise PalisadeError(f"{step}: expected a file on the host, got: {error.strerror}{reached}") from error
        _check_step(step, found)
        if apache_root and not os.path.lexists(apache_root + step):
            raise PalisadeError(
                f"{path}: expected a file that Apache can see, got one that the sandbox of its unit hides; move it to "
                "a directory such as /etc/ssl/private, or set wsgi_server_sandbox_protect_home to read-only"
            )
        if not stat.S_ISLNK(found.st_mode):
            here = step
            continue
        links += 1
        if links > _LINKS:
            raise PalisadeError(f"{path}: expected a file, got a loop of symbolic links")
        target = os.readlink(step)
        here = "/" if target.startswith("/") else here
        rest += target.split("/")[::-1]
    if not stat.S_ISREG(os.lstat(here).st_mode):
        raise PalisadeError(f"{path}: expected a file, got something else")
    return here


def _check_closed(path: str, outsiders: Outsiders) -> None:
    """Refuse a key that an account beside root could read."""
    found = os.stat(path)
    mend = f"chown root:root {path} && chmod 0600 {path}"
    if found.st_mode & stat.S_IROTH:
        mode = stat.S_IMODE(found.st_mode)
        raise PalisadeError(f"{path}: expected a key that only root can read, got mode {mode:04o}; {mend}")
    if found.st_mode & stat.S_IRGRP:
        reader = outsiders.of_group(found.st_gid)
        if reader:
            raise PalisadeError(f"{path}: expected a key that only root can read, got one for {reader}; {mend}")
    with contextlib.suppress(OSError):
        if "system.posix_acl_access" in os.listxattr(path):
            raise PalisadeError(
                f"{path}: expected a key that only root can read, got one with an ACL; setfacl -b {path}"
            )


def _check_given(row: Row, outsiders: Outsiders, apache_root: str, run: Run, check: bool) -> None:
    option = "certificate"
    try:
        certificate = trusted_file(row["certificate"], apache_root)
        with open(certificate, encoding="ascii", errors="replace") as file:
            if "PRIVATE KEY" in file.read():
                _check_closed(certificate, outsiders)
        option = "key"
        key = trusted_file(row["key"], apache_root)
        _check_closed(key, outsiders)
        option = "certificate"
        # A bare host has no openssl in a check run: the play would install it.
        if _has_openssl() or not check:
            _check_certificate(row, read_certificate(certificate, run))
        option = "key"
        problem = _pair_problem(row["certificate"], row["key"])
        if problem:
            raise PalisadeError(problem)
    except PalisadeError as error:
        raise PalisadeError(f"app {row['app']}: tls: {option}: {error}") from error


def _check_certificate(row: Row, found: Certificate) -> None:
    path, first, now = row["certificate"], row["server_names"][0], time.time()
    if found.ends <= now:
        raise PalisadeError(
            f"{path}: expected a valid certificate, got one that expired on {_day(found.ends)}; renew it"
        )
    if found.starts > now:
        raise PalisadeError(f"{path}: expected a valid certificate, got one that begins on {_day(found.starts)}")
    if not found.covers(first):
        got = ", ".join(found.names) or "none"
        raise PalisadeError(f"{path}: expected a certificate for {first}, got one for the names {got}")


def check_given(rows: Sequence[Row], outsiders: Outsiders, apache_root: str, run: Run, check: bool) -> None:
    """Judge the files that users give; PalisadeError with one line for each app whose files are not good."""
    problems = []
    for row in rows:
        try:
            _check_given(row, outsiders, apache_root, run, check)
        except PalisadeError as error:
            problems.append(str(error))
    if problems:
        raise PalisadeError("\n".join(problems))


# Certificates made here


def _made(row: Row, run: Run) -> tuple[Certificate | None, str]:
    """Return the certificate that a row has by now, and why it needs another one; empty where it does not."""
    certificate, key = paths_of(row["name"])
    with opened_directory(TLS_DIRECTORY) as directory:
        states = []
        for path in (certificate, key) if directory is not None else ():
            with contextlib.suppress(FileNotFoundError):
                states.append(os.stat(os.path.basename(path), dir_fd=directory, follow_symlinks=False))
    if len(states) < 2:
        return None, "there is none"
    if not all(stat.S_ISREG(found.st_mode) for found in states):
        return None, "no regular files"
    if stat.S_IMODE(states[1].st_mode) != 0o600 or states[1].st_uid not in (0, os.geteuid()):
        return None, "accounts other than root could read its key"
    try:
        found = read_certificate(certificate, run)
    except PalisadeError:
        if not _has_openssl():
            raise
        return None, "it cannot be read"
    if set(found.names) != set(row["server_names"]):
        return found, "other names"
    if found.ends < time.time() + _RENEW_WITHIN:
        return found, f"it ends on {_day(found.ends)}"
    if _pair_problem(certificate, key):
        return found, "the key does not match the certificate"
    return found, ""


def _make(row: Row, run: Run) -> None:
    if not _has_openssl():
        raise PalisadeError("tls: self_signed: the program openssl is not installed; the role wsgi_server installs it")
    certificate, key = paths_of(row["name"])
    names = row["server_names"]
    # A directory of root's own inside root's own: nothing is ever half there, nor for others to read.
    with tempfile.TemporaryDirectory(dir=TLS_DIRECTORY, prefix=".new-") as aside:
        request, new_key, new_certificate = (os.path.join(aside, name) for name in ("request", "key", "crt"))
        with open(request, "w", encoding="utf-8") as file:
            alternatives = ", ".join(f"DNS:{name}" for name in names)
            file.write(_REQUEST.format(common_name=names[0][:64], alternatives=alternatives))
        command = ["openssl", "req", "-x509", "-config", request, "-days", str(_DAYS), "-nodes"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        run([*command, "-keyout", new_key, "-out", new_certificate])
        os.chmod(new_key, 0o600)
        os.chmod(new_certificate, 0o644)
        # Apache does not start with a key that a loss of power left empty.
        for path in (new_key, new_certificate):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        os.rename(new_key, key)
        os.rename(new_certificate, certificate)


def _ensure_made(row: Row, run: Run, check: bool) -> list[Difference]:
    for name in row["server_names"]:
        if not _HOST_NAME.fullmatch(name):
            raise PalisadeError(f"tls: self_signed: expected host names, got {name!r}")
    found, reason = _made(row, run)
    if not reason:
        return []
    if not check:
        _make(row, run)
    certificate, key = paths_of(row["name"])
    before = found.as_dict() if found else {"state": "absent"}
    new = Certificate(tuple(row["server_names"]), 0.0, time.time() + _DAYS * 86400)
    return [
        {"path": key, "before": {"content": "(secret)"}, "after": {"content": "(secret, changed)"}},
        {"path": certificate, "before": before, "after": {**new.as_dict(), "reason": reason}},
    ]


def _ensure_directories(check: bool) -> list[Difference]:
    modes = {os.path.dirname(TLS_DIRECTORY): 0o755, TLS_DIRECTORY: 0o700}
    changes = (ensure_directory(path, Attributes(*_OWNER, mode), check) for path, mode in modes.items())
    return [change for change in changes if change]


def ensure_certificates(
    self_signed: Sequence[Row],
    given: Sequence[Row],
    absent: Sequence[Row],
    outsiders: Outsiders,
    apache_root: str,
    run: Run,
    check: bool,
) -> list[Difference]:
    """Judge what is given, make and renew what is self-signed, remove what is absent. Return the differences."""
    check_given(given, outsiders, apache_root, run, check)
    changes = _ensure_directories(check) if self_signed else []
    for row in self_signed:
        try:
            changes += _ensure_made(row, run, check)
        except PalisadeError as error:
            raise PalisadeError(f"app {row['app']}: {error}" if row.get("app") else str(error)) from error
    for row in absent:
        for path in paths_of(row["name"]):
            gone = remove(path, check)
            changes += [gone] if gone else []
    return changes
