"""What is read for the rules on what Apache answers."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_facts import Facts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_merge import ciphers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_web import (
    _switches,
    add_backends,
    certificate,
    offered,
    web_facts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._command import CommandError


def really(arguments: Sequence[str], environment: Mapping[str, str] | None = None, data: str | None = None) -> str:
    done = subprocess.run(arguments, input=data, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(arguments[0], done.returncode, done.stderr)
    return done.stdout


def made(tmp_path: Path, days: int, kind: str) -> str:
    request = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-days", str(days), "-newkey", kind]
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else []
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run([*request, *curve, *files], check=True, capture_output=True)
    return (tmp_path / "cert.pem").read_text(encoding="ascii")


@pytest.mark.parametrize(("kind", "bits", "rsa"), [("rsa:1024", 1024, True), ("ec", 256, False)])
def test_a_certificate_says_its_end_and_its_key(tmp_path: Path, kind: str, bits: int, rsa: bool) -> None:
    found = certificate(made(tmp_path, 20, kind), really)
    assert (found["bits"], found["rsa"], found["error"]) == (bits, rsa, "")
    assert found["days"] in (19, 20)


@pytest.mark.parametrize(
    "text",
    ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"],
)
def test_what_is_no_certificate_is_told(text: str) -> None:
    assert certificate(text, really)["error"]


def test_a_cipher_string_is_what_openssl_makes_of_it() -> None:
    assert set(offered("ECDHE-RSA-AES128-GCM-SHA256")) == {"ECDHE-RSA-AES128-GCM-SHA256"}
    assert offered("no such cipher") == []
    assert not [name for name in offered("DEFAULT") if name.startswith("TLS_")]


def test_only_the_names_of_switches_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"FLASK_DEBUG": "1", "DJANGO_DEBUG": "false", "SECRET_KEY": "hunter2", "FLASK_ENV": "development"}
    command = ["sleep", "60"]
    with subprocess.Popen(command, env={**environment, "PATH": os.environ["PATH"]}) as process:
        try:
            # Before exec the environment is the test's own.
            while b"FLASK_DEBUG" not in Path(f"/proc/{process.pid}/environ").read_bytes():
                pass
            assert sorted(_switches(process.pid)) == ["FLASK_DEBUG", "FLASK_ENV"]
        finally:
            process.kill()
    assert list(_switches(process.pid)) == []


def of(config: str, *listeners: tuple[str, int], active: str = "safe") -> Facts:
    found = Facts(Instance("/usr/sbin/apache2", "x.conf", 1), read_tree(config))
    found.listeners = [{"address": address, "port": port} for address, port in listeners]
    found.web.active = active
    return found


FRONT = """
<VirtualHost *:80>
ProxyPass /a http://127.0.0.1:8000/ retry=0
ProxyPass /b "https://localhost/"
ProxyPass /c http://elsewhere.example.org:9000/
RewriteRule ^/d http://[::1]:8001/ [P]
RewriteRule ^/e http://127.0.0.1:8002/ [R]
<Proxy balancer://x>
BalancerMember http://user:secret@192.0.2.7:8003
</Proxy>
</VirtualHost>
"""


def test_listeners_that_a_proxy_here_hands_requests_to_are_found() -> None:
    front = of(FRONT, ("::", 80), ("::", 443))
    back = of("", *(("0.0.0.0", port) for port in (8000, 8001, 8002, 9000)), ("192.0.2.7", 8003), ("192.0.2.8", 8003))
    add_backends([front, back])
    assert [row["port"] for row in front.web.backends] == [443]
    assert [(row["address"], row["port"]) for row in back.web.backends] == [
        ("0.0.0.0", 8000),
        ("0.0.0.0", 8001),
        ("192.0.2.7", 8003),
    ]
    assert "secret" not in str(back.web.backends)
    assert not any("reached" in row for row in back.web.backends)


def test_full_tries_the_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        back = of("", ("0.0.0.0", port), active="full")
        add_backends([of(f"ProxyPass / http://127.0.0.1:{port}/"), back])
    # Whatever the network of this machine is: taken or refused, or no address at all.
    assert back.web.backends[0]["reached"] in (True, False, None)


def test_files_of_version_control_in_served_directories_are_found(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").touch()
    host = of("")
    host.paths = {str(tmp_path): {"exists": True}, "/no/such": {"exists": False}}
    assert web_facts(host, really, "none").hidden == {str(tmp_path): [".git/HEAD"]}


def test_each_host_with_tls_has_its_ciphers_and_its_certificate(tmp_path: Path) -> None:
    made(tmp_path, 20, "ec")
    path = tmp_path / "cert.pem"
    own = f"SSLCertificateFile {path}\nSSLCipherSuite ECDHE-RSA-AES128-GCM-SHA256"
    blocks = [
        f"<VirtualHost *:443>\nServerName {name}.test\nSSLEngine on\n{lines}\n</VirtualHost>"
        for name, lines in (("a", own), ("b", "SSLCertificateFile /no/such"), ("c", ""))
    ]
    found = web_facts(of("\n".join(blocks)), really, "none")
    assert {name: row["error"] for name, row in found.certificates.items()} == {
        "a.test *:443": "",
        "b.test *:443": "no certificate to read",
        "c.test *:443": "no certificate to read",
    }
    assert set(found.ciphers) == {"ECDHE-RSA-AES128-GCM-SHA256", "DEFAULT"}


def test_the_ciphers_before_tls_1_3_are_those_without_another_protocol() -> None:
    tree = read_tree(
        "SSLCipherSuite AESGCM\nSSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256\n<VirtualHost *>\n</VirtualHost>"
    )
    assert ciphers(tree, tree.hosts[0])[1] == "AESGCM"
    tree = read_tree("<VirtualHost *>\nSSLCipherSuite SSL ECDHE\n</VirtualHost>")
    assert ciphers(tree, tree.hosts[0])[1] == "ECDHE"
    assert ciphers(tree, tree.main) == (None, "DEFAULT")
