"""What is read for the rules on what Apache answers."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import web
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.web import (
    _switches,
    add_backends,
    certificate,
    offered,
    web_facts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.merge import ciphers
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.command import CommandError
from ansible_collections.palisade.mod_wsgi.tests.unit.support import noting


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


def test_the_days_that_are_left_are_whole_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = made(tmp_path, 20, "ed25519")
    until = certificate(text, really)["until"]
    end = ssl.cert_time_to_seconds(until)
    for left, days in ((86400 * 15, 15), (86400 * 15 - 1, 14), (-1, -1)):
        monkeypatch.setattr("time.time", lambda left=left: end - left)
        found = certificate(f"a text around it {text}", really)
        # openssl says no size of such a key: there is only one.
        assert found == {"until": until, "days": days, "bits": 0, "rsa": False, "error": ""}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (CommandError("openssl", 1, "one\nbad\n"), "openssl cannot read it: ['bad']"),
        ("x", "openssl shows no end date"),
    ],
)
def test_what_openssl_does_not_tell_is_an_error(tmp_path: Path, answer: Any, error: str) -> None:
    def run(*_words: Any, **_fields: Any) -> str:
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert certificate(made(tmp_path, 20, "ed25519"), run)["error"] == error


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


def switched(**environment: str) -> list[str]:
    """Return the debug switches that are on in a process with this environment."""
    names = {os.fsencode(name): value.encode("utf-8", "surrogateescape") for name, value in environment.items()}
    with subprocess.Popen(["sleep", "60"], env={b"READY": b"1", **names}) as process:
        try:
            while b"READY" not in Path(f"/proc/{process.pid}/environ").read_bytes():
                pass
            return list(_switches(process.pid))
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "DJANGO_DEBUG", "WERKZEUG_DEBUG"])
def test_a_debug_switch_is_on_or_off(name: str) -> None:
    assert [value for value in ("1", "True", "yes", "2") if switched(**{name: value}) != [name]] == []
    assert [value for value in ("", "0", "False", "no", "OFF") if switched(**{name: value})] == []


def test_other_variables_are_no_switches() -> None:
    assert switched(FLASK_ENV="production", DEBUG="1", ODD="\udcff") == []
    # What is no text hides nothing.
    assert switched(ODD="\udcff", FLASK_ENV="development") == ["FLASK_ENV"]


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


def test_a_proxy_names_this_host_in_many_ways() -> None:
    lines = "ProxyPass /a http://127.0.0.9\nProxyPassMatch ^/b WSS://LOCALHOST\n"
    lines += f"ProxyPass /c http://{socket.gethostname()}:81/\nProxyPass /d h2c://[::1]:82/\nProxyPass /e http://x:83/"
    found = of(lines, *(("::", port) for port in (80, 443, 81, 82, 83)))
    add_backends([found])
    assert [row["port"] for row in found.web.backends] == [80, 443, 81, 82]
    first = found.web.backends[0]
    assert (first["address"], first["line"]) == ("::", "ProxyPass /a http://127.0.0.9")


@pytest.mark.parametrize(
    ("scheme", "port"), [("http", 80), ("h2c", 80), ("ws", 80), ("https", 443), ("h2", 443), ("wss", 443)]
)
def test_the_port_of_a_back_end_that_names_none(scheme: str, port: int) -> None:
    found = of(f"BalancerMember {scheme}://localhost/x", ("::", 80), ("::", 443))
    add_backends([found])
    assert [row["port"] for row in found.web.backends] == [port]


@pytest.mark.parametrize(
    ("address", "own", "open_ones", "expected"),
    [
        ("0.0.0.0", ["192.0.2.1"], ["192.0.2.1"], True),
        ("0.0.0.0", ["127.0.0.2", "192.0.2.1"], ["127.0.0.2"], False),
        ("0.0.0.0", ["::1", "127.0.0.1"], ["::1"], None),
        ("0.0.0.0", [], [], None),
        ("::", ["192.0.2.1", "2001:db8::1"], ["2001:db8::1"], True),
        ("192.0.2.9", ["192.0.2.1"], ["192.0.2.9"], True),
        ("192.0.2.9", ["192.0.2.1"], ["192.0.2.1"], False),
        ("127.0.0.1", ["192.0.2.1"], ["127.0.0.1"], None),
    ],
)
def test_full_tries_the_own_address(
    address: str, own: list[str], open_ones: list[str], expected: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(target: tuple[str, int], _seconds: float) -> socket.socket:
        if target[0] not in open_ones or target[1] != 8000:
            raise ConnectionRefusedError
        return socket.socket()

    monkeypatch.setattr(web, "_own_addresses", lambda: iter(own))
    monkeypatch.setattr(socket, "create_connection", connect)
    back = of("ProxyPass / http://192.0.2.9:8000/\nProxyPass / http://localhost:8000/", (address, 8000), active="full")
    add_backends([back])
    assert back.web.backends[0]["reached"] is expected


def test_the_own_addresses_are_this_host_s() -> None:
    for address in web._own_addresses():
        with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET):
            pass


def test_nothing_is_asked_unless_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(web, "probe", noting(asked, []))
    monkeypatch.setattr(web, "served_certificate", noting(asked, ""))
    config = "<VirtualHost *:443>\nServerName a.test\nSSLEngine on\n</VirtualHost>\n<VirtualHost *:80>\n</VirtualHost>"
    for active in ("none", "safe"):
        found = web_facts(of(config), really, active)
        assert found.active == active
        assert list(found.certificates) == ["a.test *:443"]
    assert [getattr(one, "name", one) for one in asked] == ["a.test *:443", "safe"]
    stopped = of("")
    stopped.instance.pid = None
    web_facts(stopped, really, "full")
    assert [getattr(one, "name", one) for one in asked] == ["a.test *:443", "safe"]


@pytest.mark.parametrize("name", [".git/HEAD", ".svn/entries", ".hg/requires", ".env"])
def test_what_should_not_lie_in_a_served_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to("nowhere")
    host = of("")
    host.paths = {str(tmp_path): {"exists": True}}
    assert web_facts(host, really, "none").hidden == {str(tmp_path): [name]}


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
