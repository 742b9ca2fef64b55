"""Apache's dump as a tree, and what of it a report shows."""

from __future__ import annotations

import json

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import HIDDEN, Directive, read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules import report
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import SERVER, facts, site
from hypothesis import given, settings
from hypothesis import strategies as st

DUMP = """\
# In file: /etc/apache2/apache2.conf
#  87:
Timeout 60
# In file: /etc/apache2/sites-enabled/shop.conf
#   3:
<VirtualHost *:80>
  #   4:
  ServerName shop.test
  #   5:
  wsgidaemonprocess shop user=shop-app home="/var/lib/shop app"
  #   6:
  <Location /admin>
    #   7:
    Require all denied
  </Location>
</VirtualHost>
"""


def test_sections_files_and_lines_are_kept() -> None:
    tree = read_tree(DUMP)
    (host,) = tree.hosts
    assert host.name == "shop.test *:80"
    assert [line.source for line in tree.directives] == ["/etc/apache2/apache2.conf:87"]
    location = host.directives[2]
    assert (location.name, location.text, location.source) == (
        "location",
        "/admin",
        "/etc/apache2/sites-enabled/shop.conf:6",
    )
    assert [line.shown for line in location.inside] == ["Require all denied"]


def test_the_dump_ends_no_empty_section() -> None:
    lines = ["<VirtualHost *:80>", "  <Location />", "  <Directory /srv>", "    Options None", "  </Directory>"]
    dump = "\n".join(
        ["# In file: /etc/x", "<Files x>", *lines, "  <Location /x>", "</VirtualHost>", "<VirtualHost *:81>"]
    )
    plain = f"{dump}\n  Timeout 3\n</VirtualHost>\nTimeout 4\n"
    marked = "\n".join(
        line if line.strip().startswith(("#", "</")) else f"#   1:\n{line}" for line in plain.split("\n")
    )
    for text in (plain, marked):
        tree = read_tree(text)
        assert [host.addresses for host in tree.hosts] == [["*:80"], ["*:81"]]
        assert [(line.name, len(line.inside)) for line in tree.hosts[0].directives] == [
            ("location", 0),
            ("directory", 1),
            ("location", 0),
        ]
        assert [line.name for line in tree.hosts[1].directives] == ["timeout"]
        assert [line.name for line in tree.directives] == ["files", "timeout"]


def test_pools_know_their_host_in_any_case_of_the_directive() -> None:
    tree = read_tree(DUMP)
    (pool,) = tree.pools
    assert (pool.name, pool.options) == ("shop", {"user": "shop-app", "home": "/var/lib/shop app"})
    assert pool.host is tree.hosts[0]


def test_the_last_line_counts_and_the_virtual_host_s_before_the_server_s() -> None:
    tree = read_tree("Timeout 1\nTimeout 2\n<VirtualHost *>\nTimeout 3\n</VirtualHost>")
    assert (tree.last("timeout") or Directive("", "")).text == "2"
    assert (tree.last("timeout", tree.hosts[0]) or Directive("", "")).text == "3"
    assert tree.last("listen") is None


@pytest.mark.parametrize(
    "line",
    [
        'SetEnv DB_PASSWORD "s3cr3t"',
        "SetEnv API_KEY s3cr3t",
        "SetEnv SECRET_KEY s3cr3t",
        "SSLCertificateKeyPassphrase s3cr3t",
        'DBDParams "host=x password=s3cr3t"',
        "AuthLDAPBindPassword s3cr3t",
        "RequestHeader set X-Api-Token s3cr3t",
        "Define DB_PASSWORD s3cr3t",
        "SetEnv DATABASE_URL postgres://shop:s3cr3t@db/shop",
        'ProxyPass /x "http://h/?api_key=s3cr3t&b=1"',
    ],
)
def test_a_secret_is_not_shown(line: str) -> None:
    (directive,) = read_tree(line).directives
    assert "s3cr3t" not in directive.shown
    assert HIDDEN in directive.shown
    assert directive.shown.split()[0] == line.split()[0]


# {} is the secret: as a whole argument, in any form; and as the value of NAME=, which ends at a space.
WHOLE = [
    "SetEnv DB_PASSWORD {}",
    "Define API_TOKEN {}",
    "AuthLDAPBindPassword {}",
    "SSLCertificateKeyPassphrase {}",
    "SessionCryptoPassphrase {}",
    "DBDParams {}",
    "AuthBasicFake demo {}",
    "MDExternalAccountBinding kid {}",
    "RequestHeader set X-Api-Key {}",
    "Header always set X-Token {}",
    "SetEnvIf X-Api-Key {} let_me_in",
    "SetEnvIf Authorization {} HTTP_AUTHORIZATION=$1",
    "RewriteCond %{{HTTP:X-Token}} {}",
    "RewriteRule .* - [E=SECRET_KEY:{}]",
    "RewriteRule .* - [E=HTTP_AUTHORIZATION:{}]",
    "Require expr req('X-Token') == {}",
    '<If "%{{HTTP:Authorization}} == {}">\nWSGIProcessGroup shop\n</If>',
]
VALUES = [
    "SetEnvIf User-Agent x DB_PASSWORD={}",
    "ProxyPass /x http://h/?api_key={}",
    "BalancerMember ajp://h secret={}",
    "SetEnv DATABASE_URL postgres://shop:{}@db/shop",
    "ProxyPass /x http://shop:{}@127.0.0.1/",
    'CustomLog "|/usr/bin/send --token={}" common',
    "AuthDBDUserPWQuery password={}",
]
SECRET = "hunter2-hunter2"


def everything(lines: str) -> str:
    """Return all that a report says of a host with these lines."""
    host = facts(SERVER + lines + "\n" + site(lines=lines))
    shown = [line.shown for line, _around, _host in host.tree.every(lines.split(None, 1)[0].strip("<").lower())]
    return json.dumps([shown, report.report([host], "1")], ensure_ascii=False)


@pytest.mark.parametrize("line", WHOLE)
@settings(max_examples=15)
@given(before=st.text(st.characters(exclude_characters="\n"), max_size=8), quoted=st.booleans())
def test_a_secret_is_in_no_result(line: str, before: str, quoted: bool) -> None:
    secret = f'"{before}{SECRET}"' if quoted else before + SECRET
    assert SECRET not in everything(line.format(secret))


@pytest.mark.parametrize("line", VALUES)
@settings(max_examples=15)
@given(before=st.text("aZ0-_.:,!$%^*+~#?<>(){}[]|", max_size=8))
def test_the_value_of_a_name_is_in_no_result(line: str, before: str) -> None:
    assert SECRET not in everything(line.format(before + SECRET))


def test_no_value_makes_a_line_of_its_own() -> None:
    dump = "\n".join(
        [
            *("# In file: /etc/apache2/x.conf", "#   1:", "<VirtualHost *:80>", "  #   2:", "  SetEnv NAME one"),
            *("WSGIRestrictEmbedded On", "</Directory>", "</VirtualHosts>", "  #   3:", "  ServerName a.test"),
            *("</VirtualHost>", "#   9:", "Timeout 60"),
        ]
    )
    tree = read_tree(dump)
    assert [line.name for line in tree.directives] == ["timeout"]
    assert [(line.name, line.text) for line in tree.hosts[0].directives] == [
        ("setenv", "NAME one WSGIRestrictEmbedded On </Directory> </VirtualHosts>"),
        ("servername", "a.test"),
    ]


def test_what_is_no_secret_is_shown() -> None:
    text = "KeepAlive On\nSetEnv no-gzip 1\nServerTokens Prod"
    assert [line.shown for line in read_tree(text).directives] == text.split("\n")


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    tree = read_tree(text)
    for line in tree.directives:
        assert isinstance(line.words, list)
