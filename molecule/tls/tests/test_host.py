"""What Apache serves by TLS and without it, to whom, and who can read its keys."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
from functools import cache
from typing import Any, NamedTuple

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.lab import ROOT, request, stat
from testinfra.host import Host

# Rows are [port, SNI, text to send]; answers are [what came, certificate in DER as hex digits].
_CLIENT = """
import json, socket, ssl, sys
answers = []
for port, name, text in json.loads(sys.argv[1]):
    connection, certificate = socket.create_connection(("127.0.0.1", port), 10), b""
    if port == 443:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=name or None)
        certificate = connection.getpeercert(True)
    connection.sendall(text.encode("latin-1"))
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    answers.append([received.decode("latin-1"), certificate.hex()])
print(json.dumps(answers))
"""
APPS = {
    "given": ["given.test", "www.given.test"],
    "made": ["made.test", "any.made.test"],
    "ordered": ["ordered.test", "www.ordered.test"],
}
HSTS = {"given": "max-age=63072000", "made": "max-age=600", "ordered": "max-age=63072000"}
APP_OF = {name: app for app, names in APPS.items() for name in names}
UNKNOWN = ["unknown.test", "given.test.evil", "sub.given.test", "default.invalid", "127.0.0.1"]
STORE = "/var/lib/palisade-mod_wsgi/md"
MADE = "/etc/palisade-mod_wsgi/tls"
# Mozilla's intermediate profile, version 6.0.
CIPHERS = {
    f"ECDHE-{key}-{suite}"
    for key in ("ECDSA", "RSA")
    for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
}
GROUPS = {"X25519", "P-256", "P-384"}


class Answer(NamedTuple):
    """One answer, and the certificate that it came with."""

    text: str
    certificate: str

    @property
    def status(self) -> int:
        return int(self.text.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.text.partition("\r\n\r\n")[0].split("\r\n")[1:]
        return {key.lower(): value.strip() for key, _colon, value in (line.partition(":") for line in lines)}

    @property
    def pool(self) -> str:
        """The pool that answered, as the application sees it; empty where none did."""
        found = re.search(r"^mod_wsgi\.process_group = '(.*)'$", self.text, re.MULTILINE)
        return found.group(1) if found else ""


def get(port: int, sni: str, name: str, path: str = "/", method: str = "GET", body: str = "") -> list[Any]:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {name}", "Connection: close"]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return [port, sni, "\r\n".join([*lines, "", body])]


def ask(host: Host, *rows: list[Any]) -> list[Answer]:
    answers = json.loads(host.check_output("/usr/bin/python3 -c %s %s", _CLIENT, json.dumps(rows)))
    return [Answer(*answer) for answer in answers]


def digest(host: Host, path: str) -> str:
    """Return the SHA-256 of the first certificate in a file."""
    pem = host.check_output("openssl x509 -in %s", path)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem + "\n")).hexdigest()


def served(host: Host, sni: str) -> str:
    (answer,) = ask(host, get(443, sni, sni))
    return hashlib.sha256(bytes.fromhex(answer.certificate)).hexdigest()


@cache
def verdicts(host: Host) -> dict[str, dict[str, str]]:
    """Return what testssl.sh found on the host with the given files."""
    return {row["id"]: row for row in json.loads(host.file("/root/testssl.json").content_string)}


# What testssl.sh finds that is not the collection's to decide.
EXCLUDED = {
    "cert_revocation": "the test's authority has no CRL and no OCSP, as Let's Encrypt has no OCSP",
    "security_headers": "what a page may load or be framed by is the application's own to say",
    "cipher_order": "Mozilla leaves the choice among good suites to the client; later testssl.sh no longer objects",
    "engine_problem": "of testssl.sh itself",
    "sessionresumption_ticket": "testssl.sh fails to ask now and then; the test below says that there is none",
}


def test_testssl_finds_nothing_above_low(host: Host) -> None:
    rows = verdicts(host)
    bad = {name: row for name, row in rows.items() if row["severity"] not in ("OK", "INFO", "LOW")}
    assert {name: row for name, row in bad.items() if name not in EXCLUDED} == {}
    # It did look.
    for name in ("heartbleed", "ROBOT", "LUCKY13", "cert_chain_of_trust", "cert_expirationStatus", "HSTS_time"):
        assert rows[name]["severity"] == "OK"
    assert rows["service"]["finding"] == "HTTP"


def test_protocols(host: Host) -> None:
    found = {name: verdicts(host)[name]["finding"] for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")}
    assert {name for name, finding in found.items() if finding != "not offered"} == {"TLS1_2", "TLS1_3"}


def handshakes(host: Host, name: str, *options: str) -> str:
    command = "openssl s_client -connect 127.0.0.1:443 -servername %s " + " ".join(["%s"] * len(options))
    return str(host.run(f"{command} </dev/null 2>&1", name, *options).stdout)


def ciphers_of(host: Host, name: str) -> set[str]:
    """Return the suites of TLS 1.2 that are taken: each one that the server chose is no longer offered to it."""
    found: list[str] = []
    while True:
        offered = ":".join(["ALL", *(f"!{cipher}" for cipher in found)]) + ":@SECLEVEL=0"
        chosen = re.search(
            r"^New, TLSv1\.2, Cipher is (\S+)", handshakes(host, name, "-tls1_2", "-cipher", offered), re.M
        )
        if not chosen or chosen.group(1) == "(NONE)":
            return set(found)
        found.append(chosen.group(1))


def test_ciphers(host: Host) -> None:
    found = ciphers_of(host, "given.test") | ciphers_of(host, "made.test")
    assert found == CIPHERS


@pytest.mark.parametrize("name", ["given.test", "ordered.test", "unknown.test"])
def test_groups(host: Host, name: str) -> None:
    offer = f"openssl s_client -connect 127.0.0.1:443 -servername {name} -tls1_3 -groups $group </dev/null 2>&1"
    groups = "X25519 P-256 P-384 P-521 X448 ffdhe2048 X25519MLKEM768"
    loop = f"for group in {groups}; do {offer} | grep -q 'Cipher is TLS_' && echo $group; done; true"
    taken = set(host.check_output(loop).split())
    assert taken - {"X25519MLKEM768"} == GROUPS
    assert ("X25519MLKEM768" in taken) == ("OpenSSL 3.5" in host.check_output("openssl version"))


def test_no_session_ticket(host: Host) -> None:
    """None of TLS 1.2; what TLS 1.3 calls a ticket is then the name of a session that the server keeps."""
    told = handshakes(host, "given.test", "-tls1_2")
    assert "Cipher is ECDHE-" in told
    assert "session ticket:" not in told


# Port 80

PATHS = [
    "/",
    "/a/b?c=d&e=%20f",
    "/a%20b?c",
    "/%25",
    "/%e2%82%ac",
    "/a;b=c/d",
    "/?x=http://other.test/",
    "/%5cother.test",
]


def test_redirect_keeps_path_and_query(host: Host) -> None:
    cases = [(name, path) for name in APP_OF for path in PATHS]
    for (name, path), answer in zip(cases, ask(host, *(get(80, "", *case) for case in cases)), strict=True):
        assert (answer.status, answer.headers["location"]) == (301, f"https://{name}{path}")
        assert "strict-transport-security" not in answer.headers


def test_every_method_is_redirected(host: Host) -> None:
    for answer in ask(
        host, *(get(80, "", "given.test", "/x", method) for method in ("POST", "PUT", "HEAD", "OPTIONS"))
    ):
        assert (answer.status, answer.headers["location"], answer.pool) == (301, "https://given.test/x", "")


BENT = [
    "/%0d%0aX-Injected:%20yes",
    "/x%0aX-Injected:yes?y",
    "/x%0d%0a%0d%0a<h1>",
    "/x?%0d%0aX-Injected:%20yes",
    "/x\rX-Injected: yes",
    "/x?\rX-Injected: yes",
    "/x\nX-Injected: yes",
    "/x\x0bX-Injected: yes",
    "//other.test/",
    "/\\other.test/",
    "http://other.test/",
    "https://given.test@other.test/",
]


def test_redirect_cannot_be_bent(host: Host) -> None:
    for path, answer in zip(BENT, ask(host, *(get(80, "", "given.test", path) for path in BENT)), strict=True):
        head, _end, body = answer.text.partition("\r\n\r\n")
        assert not re.search(r"^X-Injected", head, re.MULTILINE | re.IGNORECASE), path
        assert "<h1>" not in head
        assert "other.test" not in body
        assert answer.pool == ""
        if answer.status == 301:
            assert re.match(r"https://given\.test/[^/\\]", answer.headers["location"]), path
        else:
            assert answer.status in (400, 403, 404), path


def test_redirect_of_a_name_that_is_written_another_way(host: Host) -> None:
    for answer in ask(host, *(get(80, "", name, "/x") for name in ("given.test:8080", "GIVEN.test", "given.test."))):
        assert (answer.status, answer.headers["location"]) == (301, "https://given.test/x")


def test_no_redirect_to_a_name_that_is_none(host: Host) -> None:
    names = ("given.test@other.test", "other.test/given.test", "given.test\r\nHost: other.test", "")
    for answer in ask(host, *(get(80, "", name, "/x") for name in names)):
        assert answer.status == 400
        assert "location" not in answer.headers


def test_site_without_tls(host: Host) -> None:
    (answer,) = ask(host, get(80, "", "plain.test"))
    assert (answer.status, answer.pool) == (200, "plain")
    assert "strict-transport-security" not in answer.headers


# HSTS


@pytest.mark.parametrize("app", APPS)
def test_hsts(host: Host, app: str) -> None:
    name = APPS[app][0]
    requests = [("/", "GET", 200), ("/%2f", "GET", 404), ("/", "TRACE", 405), (f"/{'x' * 9000}", "GET", 414)]
    rows = [get(443, name, name, path, method) for path, method, _status in requests]
    for answer, (_path, _method, status) in zip(ask(host, *rows), requests, strict=True):
        assert answer.status == status
        # A line that is too long is refused before the host is known.
        assert answer.headers.get("strict-transport-security") == (None if status == 414 else HSTS[app])


# Names


def test_each_name_reaches_its_app(host: Host) -> None:
    answers = ask(host, *(get(443, name, name) for name in APP_OF))
    assert [(answer.status, answer.pool) for answer in answers] == [(200, app) for app in APP_OF.values()]


def test_unknown_names_get_the_closed_host(host: Host) -> None:
    rows = [get(443, sni, name) for sni in [*UNKNOWN[:-1], ""] for name in [*UNKNOWN, "plain.test"]]
    rows += [get(80, "", name) for name in UNKNOWN]
    for answer in ask(host, *rows):
        assert (answer.status, answer.pool) == (403, "")
        assert not [name for name in (*APP_OF, *UNKNOWN, "plain.test") if name in answer.text]
    default = digest(host, f"{MADE}/default.crt")
    assert {served(host, sni) for sni in [*UNKNOWN[:-1], "plain.test", ""]} == {default}


def test_no_app_answers_for_another(host: Host) -> None:
    """The host that a certificate was shown for, and the host of the request, are different ones."""
    names = [*APP_OF, "plain.test", "unknown.test"]
    pairs = [(sni, name) for sni in [*names, ""] for name in names]
    for (sni, name), answer in zip(pairs, ask(host, *(get(443, sni, name) for sni, name in pairs)), strict=True):
        if sni in APP_OF and APP_OF[sni] == APP_OF.get(name):
            assert (answer.status, answer.pool) == (200, APP_OF[sni])
        else:
            assert (answer.status in (403, 421), answer.pool) == (True, ""), (sni, name)


def test_another_request_on_the_same_connection(host: Host) -> None:
    first = "GET / HTTP/1.1\r\nHost: given.test\r\n\r\n"
    (answer,) = ask(host, [443, "given.test", first + get(443, "", "made.test")[2]])
    assert answer.pool == "given"
    assert "HTTP/1.1 421 Misdirected Request" in answer.text
    assert "'made'" not in answer.text


# Certificates


def test_renewed_files_are_served(host: Host) -> None:
    renewed = digest(host, "/etc/site-tls/archive/given2.crt")
    assert {served(host, name) for name in APPS["given"]} == {renewed}
    assert digest(host, "/etc/site-tls/archive/given1.crt") != renewed


def test_self_signed_certificate(host: Host) -> None:
    assert {served(host, name) for name in APPS["made"]} == {digest(host, f"{MADE}/made.test.crt")}
    text = host.check_output("openssl x509 -in %s/made.test.crt -noout -text", MADE)
    assert "DNS:made.test, DNS:*.made.test" in text
    assert "CA:FALSE" in text


def test_ordered_certificate(host: Host) -> None:
    (stored,) = host.check_output("ls %s/domains/ordered.test/", STORE).split("pubcert")[1:]
    assert stored.startswith(".secp256r1.pem")
    path = f"{STORE}/domains/ordered.test/pubcert.secp256r1.pem"
    assert {served(host, name) for name in APPS["ordered"]} == {digest(host, path)}
    assert "Pebble Intermediate" in host.check_output("openssl x509 -in %s -noout -issuer", path)


def test_a_reload_takes_a_renewed_certificate(host: Host) -> None:
    """By logrotate, as every day."""
    before, conf = served(host, "ordered.test"), "/etc/apache2/conf-enabled/zzz-renew.conf"
    host.check_output(f"echo MDRenewWindow 3650d >{conf} && systemctl reload apache2")
    try:
        staged = f"test -e {STORE}/staging/ordered.test/pubcert.secp256r1.pem"
        host.check_output(f"for i in $(seq 100); do {staged} && exit; sleep 0.3; done; exit 1")
    finally:
        host.check_output("rm %s", conf)
    assert served(host, "ordered.test") == before
    host.check_output("logrotate --force /etc/logrotate.d/apache2")
    host.check_output("sleep 1")
    assert served(host, "ordered.test") not in (before, digest(host, f"{MADE}/default.crt"))


# Keys


def keys(host: Host) -> list[str]:
    found = host.check_output("find %s %s /etc/site-tls -type f -name '*key*'", MADE, STORE).splitlines()
    return [*found, "/etc/site-tls/live/given.key", f"{STORE}/md_store.json"]


def attempts(host: Host) -> list[tuple[str, str]]:
    directories = [MADE, STORE, f"{STORE}/domains", f"{STORE}/staging", "/etc/site-tls/archive"]
    return [*(("read", path) for path in keys(host)), *(("list", path) for path in directories)]


@pytest.mark.parametrize("app", [*APPS, "plain"])
def test_no_daemon_reads_a_key(host: Host, app: str) -> None:
    body = json.dumps(attempts(host))
    if app == "plain":
        status, _headers, text = request(host, "plain.test", "POST", "/__probe__", body)
    else:
        (answer,) = ask(host, get(443, APPS[app][0], APPS[app][0], "/__probe__", "POST", body))
        status, text = answer.status, answer.text.partition("\r\n\r\n")[2]
    assert status == 200
    refused = {row.get("errno") for row in json.loads(text)}
    assert refused == {"EACCES"}


@pytest.mark.parametrize(("account", "reads"), [("www-data", False), ("root", True)])
def test_who_reads_the_keys(host: Host, account: str, reads: bool) -> None:
    """Apache's account does not, beside what it writes itself; root does, so the paths exist."""
    probe = (ROOT / "tests/fixtures/probe/probe.py").read_text()
    rows = [row for row in attempts(host) if reads or not row[1].startswith(f"{STORE}/staging")]
    command = "runuser -u %s -- /usr/bin/python3 -c %s %s"
    answers = json.loads(host.check_output(command, account, probe, json.dumps(rows)))
    assert len(rows) > 10
    assert {answer["ok"] for answer in answers} == {reads}


def test_owners_and_modes(host: Host) -> None:
    assert stat(host, MADE) == {"root root 700"}
    assert stat(host, f"{MADE}/default.key", f"{MADE}/made.test.key") == {"root root 600"}
    assert stat(host, STORE) == {"root www-data 710"}
    assert stat(host, f"{STORE}/domains/ordered.test/privkey.secp256r1.pem") == {"root root 600"}


def test_nothing_of_what_was_refused_is_there(host: Host) -> None:
    for name in ("another", "other", "hidden", "readable"):
        assert host.run("getent passwd %s-app", name).rc == 2
        assert host.run(f"ls -d /etc/apache2/*/*-{name}.conf /var/lib/{name}-app").stdout == ""
