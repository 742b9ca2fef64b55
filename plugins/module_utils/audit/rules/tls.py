# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS, beyond the hardening page (X-TLS)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from ..config import Directive, VirtualHost
from ..facts import Facts, Reach
from ..merge import ciphers, sections_of, secure, setting_of
from ..rule import Evidence, Group, Result, answers, config, http, undecided, verdict, web_hosts

GROUP = Group()
# Mozilla's guideline "intermediate", version 6.0 (ssl-config-generator, guidelines/6.0.json).
GUIDELINE = "Mozilla intermediate 6.0"
PROTOCOLS = ("tlsv1.2", "tlsv1.3")
RSA_BITS = 2048
# An elliptic key of less is broken, or about to be.
_OTHER_BITS = 224
_DAYS = 15
_KNOWN = ("sslv3", "tlsv1", "tlsv1.1", *PROTOCOLS)
# Ciphers that nobody should take, and those without a key of its own for each session or with CBC.
_BROKEN = re.compile(r"NULL|EXP|RC4|RC2|(?<![A-Z0-9])DES|3DES|IDEA|SEED|MD5|^(?:ADH|AECDH)-")
_GOOD = re.compile(r"^(?:ECDHE|DHE)-.*(?:GCM|CHACHA20|CCM)")


def _tls_hosts(facts: Facts) -> list[VirtualHost]:
    return [host for host in facts.tree.hosts if secure(facts.tree, host)]


def protocols(line: Directive | None) -> set[str]:
    """Return what an SSLProtocol lets in; without one, what mod_ssl does."""
    found: set[str] = set(_KNOWN) - {"sslv3"} if line is None else set()
    for word in line.words if line else []:
        sign, name = (word[0], word[1:].lower()) if word[:1] in "+-" else ("", word.lower())
        named = set(_KNOWN) - {"sslv3"} if name == "all" else {name}
        found = found - named if sign == "-" else (found | named if sign else named)
    return found & set(_KNOWN)


@GROUP.add(
    "X-TLS-PROTO",
    "TLS is 1.2 or newer",
    "medium",
    "",
    looks_at="SSLProtocol of each virtual host with TLS, and the answer to a handshake of TLS 1.1",
    decides=f"fails where an older one is let in ({GUIDELINE}); low where only the library's own level refuses it",
    remedy="Set SSLProtocol -all +TLSv1.2 +TLSv1.3. The role wsgi_server does this.",
    variable="wsgi_apps[].tls",
    by_hand=("SSLProtocol -all +TLSv1.2 +TLSv1.3",),
    attack="Anyone on the network path forces an old protocol, whose ciphers are broken.",
)
def tls_protocol(facts: Facts) -> Iterable[Result]:
    for host in _tls_hosts(facts):
        line = facts.last("sslprotocol", host)
        old = sorted(protocols(line) - set(PROTOCOLS))
        rows = answers(facts, "legacy", host)
        accepted = [row for row in rows if row.get("accepted")]
        seen = [config(line, "TLSv1.2 and TLSv1.3 only", "no SSLProtocol: Apache lets in TLS 1.0 and 1.1")]
        said = "accepted" if accepted else "refused"
        seen += [http(row, said, "refused") for row in (accepted or rows)[:1]]
        severity = "low" if rows and not accepted else ""
        yield verdict(not old and not accepted, "virtual_host", host.name, *seen, severity=severity)


@GROUP.add(
    "X-TLS-CIPHER",
    "Ciphers are strong, and past sessions stay secret",
    "medium",
    "",
    confidence="medium",
    looks_at="SSLCipherSuite of each virtual host with TLS, as this host's OpenSSL reads it",
    decides="fails for NULL, EXPORT, RC4, DES, 3DES, MD5 or without authentication; low for one that uses CBC, or "
    f"the same key for all sessions ({GUIDELINE} has neither); unknown where OpenSSL does not read it",
    remedy="Use the ciphers of Mozilla's intermediate guideline. The role wsgi_server does this.",
    variable="wsgi_apps[].tls",
    by_hand=("SSLCipherSuite ECDHE+AESGCM:ECDHE+CHACHA20",),
    attack="Whoever recorded the traffic can read it after getting the key or breaking the cipher.",
)
def tls_cipher(facts: Facts) -> Iterable[Result]:
    for host in _tls_hosts(facts):
        line, text = ciphers(facts.tree, host)
        names = facts.web.ciphers.get(text, [])
        only_new = not protocols(facts.last("sslprotocol", host)) - {"tlsv1.3"}
        said = config(line, "ECDHE with AES-GCM or CHACHA20", "no SSLCipherSuite: OpenSSL's own")
        if only_new:
            yield verdict(True, "virtual_host", host.name, said)
        elif not names:
            yield undecided("virtual_host", host.name, said)
        else:
            broken = [name for name in names if _BROKEN.search(name)]
            weak = [name for name in names if not _GOOD.search(name)]
            shown = ", ".join((broken or weak)[:5]) or f"{len(names)} ciphers"
            seen = Evidence("cmd", f"openssl ciphers {text}", shown, "ECDHE with AES-GCM or CHACHA20")
            severity = "" if broken else "low"
            yield verdict(not weak, "virtual_host", host.name, said, seen, severity=severity)


# Mozilla's, and what OpenSSL has of at least the same strength.
_CURVES = frozenset(
    {
        *("x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024", "x25519", "x448"),
        *("prime256v1", "secp256r1", "p-256", "secp384r1", "p-384", "secp521r1", "p-521"),
    }
)


def _curves(facts: Facts, host: VirtualHost) -> Directive | None:
    lines = [line for line in [*facts.tree.directives, *host.directives] if line.name == "sslopensslconfcmd"]
    named = [line for line in lines if line.words and line.words[0].lower() in ("curves", "groups")]
    return named[-1] if named else None


@GROUP.add(
    "X-TLS-CURVE",
    "Keys are exchanged over strong curves",
    "low",
    "",
    looks_at="SSLOpenSSLConfCmd Curves or Groups of each virtual host with TLS",
    decides=f"fails for a curve that is neither one of {GUIDELINE} nor as strong; without a line OpenSSL takes its own",
    remedy="Leave the line out, or name X25519MLKEM768, X25519, prime256v1 and secp384r1. The role wsgi_server does "
    "this.",
    variable="wsgi_apps[].tls",
    by_hand=("SSLOpenSSLConfCmd Curves X25519:prime256v1:secp384r1",),
    attack="Whoever recorded the traffic breaks the key exchange.",
)
def tls_curve(facts: Facts) -> Iterable[Result]:
    for host in _tls_hosts(facts):
        line = _curves(facts, host)
        named = line.words[1].split(":") if line and len(line.words) > 1 else []
        weak = [name for name in named if name.lstrip("?*").lower() not in _CURVES]
        seen = [config(line, "X25519, prime256v1, secp384r1", "no SSLOpenSSLConfCmd Curves: OpenSSL's own")]
        seen += [Evidence("config", line.source if line else "", name, "a stronger one") for name in weak]
        yield verdict(not weak, "virtual_host", host.name, *seen)


@GROUP.add(
    "X-TLS-SESSION",
    "Session tickets and compression reveal nothing",
    "low",
    "",
    looks_at="SSLSessionTickets and SSLCompression of each virtual host with TLS",
    decides="fails if tickets are not off, because their key stays the same until Apache restarts, and if "
    "compression is on",
    remedy="Set SSLSessionTickets Off. The role wsgi_server does this.",
    variable="wsgi_apps[].tls",
    by_hand=("SSLSessionTickets Off",),
    attack="Whoever gets the key of the tickets can read every session since Apache was started.",
)
def tls_session(facts: Facts) -> Iterable[Result]:
    for host in _tls_hosts(facts):
        tickets, compression = facts.last("sslsessiontickets", host), facts.last("sslcompression", host)
        off = tickets is not None and tickets.text.lower() == "off"
        small = compression is not None and compression.text.lower() == "on"
        seen = [config(tickets, "SSLSessionTickets Off", "SSLSessionTickets is not set, so On")]
        seen += [config(compression, "SSLCompression Off")] if small else []
        yield verdict(off and not small, "virtual_host", host.name, *seen)


def _readers(facts: Facts, path: str) -> list[str]:
    """Return the accounts of pools and of Apache that can read a file."""

    def reads(reach: Reach | None) -> bool:
        return reach is not None and any(row["path"] == path for row in reach.secrets)

    found = [f"the account of pool {pool}" for pool, reach in facts.files.pools.items() if reads(reach)]
    return found + (["Apache's account"] if reads(facts.files.apache) else [])


@GROUP.add(
    "X-TLS-CERT",
    "Certificates are valid, and only root can read their keys",
    "medium",
    "",
    looks_at="the certificate of each virtual host with TLS, the size of its key, and who can read the file of the key",
    decides="fails if the certificate expires in less than 15 days, and for an RSA key below 2048 bits or another "
    "key below 224; high if the account of a pool or of Apache can read the key; unknown if the certificate "
    "cannot be read",
    remedy="Renew the certificate. Make the key readable for root only, with mode 0600.",
    variable="wsgi_apps[].tls",
    by_hand=("chown root:root site.key", "chmod 0600 site.key"),
    attack="An attacker who breaks into one application takes the key, and can pose as the site from then on.",
)
def tls_certificate(facts: Facts) -> Iterable[Result]:
    for host in _tls_hosts(facts):
        seen = facts.web.certificates.get(host.name, {"error": "it was not looked at"})
        line = facts.last("sslcertificatekeyfile", host)
        path = os.path.join(facts.instance.root, line.words[0]) if line and line.words else ""
        readers = _readers(facts, path) if path else []
        source = str(seen.get("path") or "the certificate that is served")
        evidence = [Evidence("acl", path, f"{reader} reads the key", "nobody but root") for reader in readers]
        if seen["error"]:
            evidence.append(Evidence("stat", source, str(seen["error"]), "a certificate"))
            yield Result(
                "fail" if readers else "unknown", "virtual_host", host.name, tuple(evidence), "high" if readers else ""
            )
            continue
        small = seen["bits"] and seen["bits"] < (RSA_BITS if seen["rsa"] else _OTHER_BITS)
        late = seen["days"] < _DAYS
        evidence.append(Evidence("cmd", f"openssl x509 {source}", f"until {seen['until']}", f"{_DAYS} days or more"))
        # Of Ed25519 and Ed448 openssl tells none: each has only one size.
        size = f"a key of {seen['bits']} bits" if seen["bits"] else "a key of a fixed size"
        evidence.append(Evidence("cmd", f"openssl x509 {source}", size, "a larger key" if small else ""))
        good = not (readers or small or late)
        yield verdict(good, "virtual_host", host.name, *evidence, severity="high" if readers else "")


def _redirecting(facts: Facts, host: VirtualHost) -> bool:
    sections = list(sections_of(facts.tree, host, "/", ""))
    lines = [line for name in ("redirect", "redirectmatch", "rewriterule") for line in [setting_of(sections, name)]]
    return any("https://" in line.value.lower() for line in lines)


@GROUP.add(
    "X-TLS-REDIRECT",
    "A site with TLS is not also served without it",
    "medium",
    "",
    looks_at="virtual hosts without TLS that share a name with a virtual host with TLS that serves an application",
    decides="fails if such a virtual host serves an application or files without a redirect to https",
    remedy='Make port 80 redirect: Redirect permanent / "https://NAME/". Sites of this collection do this.',
    variable="wsgi_apps[].tls",
    by_hand=("Redirect permanent / https://shop.example.org/",),
    attack="A visitor who types only the host name sends the session in the clear.",
)
def tls_redirect(facts: Facts) -> Iterable[Result]:
    for host in web_hosts(facts):
        if not secure(facts.tree, host):
            continue
        names = {name.lower() for name in host.server_names}
        plain = [
            one
            for one in facts.tree.hosts
            if not secure(facts.tree, one) and names & {name.lower() for name in one.server_names}
        ]
        wrong = [one for one in plain if not _redirecting(facts, one) and _has_content(facts, one)]
        said = f"{wrong[0].name} answers itself" if wrong else "a redirect" if plain else "not served without TLS"
        source = f"{wrong[0].file}:{wrong[0].line}" if wrong else ""
        yield verdict(not wrong, "virtual_host", host.name, Evidence("config", source, said, "a redirect to https"))


def _has_content(facts: Facts, host: VirtualHost) -> bool:
    return any(place.host.name == host.name for place in facts.places) or any(
        line.name in ("documentroot", "proxypass") for line in host.directives
    )
