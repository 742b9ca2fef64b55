# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apps of a host as this collection would say them."""

from __future__ import annotations

import grp
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.adopt.apps import adopt, adopt_host
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.layout import DEBIAN, TLS_DIRECTORY
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.proxy_headers import PROXY_HEADERS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.fields import DEFAULT_DAEMON_OPTIONS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.report import report
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.files import entry_file
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.virtual_host import virtual_host
from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.adopt.text import adopted
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import SERVER, facts, process
from ansible_collections.palisade.mod_wsgi.tests.unit.reports import NASTY
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, needs_root
from hypothesis import given
from hypothesis import strategies as st

SITE = "/etc/apache2/sites-enabled/shop.conf"


def dumped(config: str, file: str) -> str:
    """Return a configuration as Apache dumps it: the place of each line before it, and sections by their indent."""
    depth, lines = 0, [f"# In file: {file}"]
    for line in config.split("\n"):
        plain = line.strip(" ")
        depth -= plain.startswith("</")
        lines += [] if plain.startswith("#") else ["#   7:", f"{'  ' * depth}{plain}"]
        depth += plain.startswith("<") and not plain.startswith("</")
    return "\n".join(lines)


def known(config: str, file: str = SITE, **fields: Any) -> Facts:
    """Return the facts of a host with this configuration, its paths looked at as they are."""
    host = facts(dumped(f"{SERVER}{config}", file), **{"live": {}, "paths": {}, **fields})
    found = [place.path for place in host.places]
    found += [line.words[-1] for line, _around, _host in host.tree.every("alias") if line.words]
    found += [value for pool in host.pools for value in pool.options.values() if value.startswith("/")]
    for path in found:
        if "\0" not in path:
            host.paths[path] = {"real": os.path.realpath(path), "directory": os.path.isdir(path)}
    return host


def site(lines: str, name: str = "shop.test", address: str = "*:80") -> str:
    return f"<VirtualHost {address}>\nServerName {name}\n{lines}\n</VirtualHost>\n"


def rows_of(host: Facts) -> list[dict[str, Any]]:
    rows, remarks = adopt(host, report([host], "1")["results"])
    # Whatever is found, the controller takes it.
    assert yaml.safe_load(adopted("www", rows, remarks))["wsgi_apps"] is not None
    return rows


def one(config: str, **fields: Any) -> dict[str, Any]:
    (row,) = rows_of(known(config, **fields))
    return row


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return the code of a shop as a tutorial lays it out."""
    (tmp_path / "shop/static").mkdir(parents=True)
    (tmp_path / "shop/web.py").write_text("app = None")
    (tmp_path / "shop.wsgi").write_text("from shop.web import app as application")
    (tmp_path / "wsgi.py").write_text("def application(environ, start): pass")
    return tmp_path


def test_a_pool_as_tutorials_write_it(shop: Path) -> None:
    packages = shop / "venv/lib/python3.11/site-packages"
    for name in ("Flask-3.0.3.dist-info", "pip-24.0.dist-info", "evil name-1.dist-info", "x-1.dist-info-old"):
        (packages / name).mkdir(parents=True)
    options = "maximum-requests=10 umask=0022 request-timeout=0 newer=1 script-user=root"
    row = one(
        site(
            f"""ServerAlias www.shop.test *.shop.test
WSGIDaemonProcess site python-home={shop}/venv processes=3 threads=5 {options}
WSGIProcessGroup site
WSGIScriptAlias / {shop}/shop.wsgi
WSGIPassAuthorization On
WSGIErrorOverride On
LimitRequestBody 77
SetEnv SECRET_KEY hunter2
SetEnv no-gzip 1
Alias /static/ {shop}/shop/static/
Alias /media /srv/media
Alias /other {shop}-other
RewriteRule ^/a /b
Header set X-Token hunter2
<Directory {shop}>
AllowOverride All
Require ip 192.0.2.1
</Directory>"""
        )
    )
    assert row["fields"] == {
        "name": "site",
        "application": "shop.web:app",
        "server_names": ["shop.test", "www.shop.test", "*.shop.test"],
        "requirements": "requirements.txt",
        "processes": 3,
        "threads": 5,
        "daemon_process": {"maximum-requests": 10},
        "static": {"/static": "shop/static"},
        "limits": {"request_body": 77},
        "handles_authorization": True,
        "error_override": True,
    }
    assert (row["code"], row["requirements"]) == (str(shop), ["Flask==3.0.3"])
    assert (row["environment"], row["replaces"]) == (["SECRET_KEY"], ["shop.conf"])
    told = "\n".join(row["remarks"])
    for words in (
        "Alias /media /srv/media",
        "RewriteRule ^/a /b",
        "Require ip 192.0.2.1",
        "Header set X-Token (hidden)",
    ):
        assert words in told
    changes = "\n".join(row["changes"])
    for words in (
        "site-app, not as www-data",
        "umask changes to 0027",
        "request-timeout=60 (now 0)",
        "script-user=root is dropped: with threads in Apache it denies some requests by mistake",
        ".htaccess",
        "home=",
    ):
        assert words in changes
    assert "U1 Every pool names its account (high)" in row["findings"]
    assert "hunter2" not in str(row)


def test_embedded_mode_and_a_script_that_is_the_application(shop: Path) -> None:
    row = one(site(f"WSGIScriptAlias /blog {shop}/wsgi.py"))
    assert row["fields"] == {
        "name": "blog",
        "application": "wsgi:application",
        "server_names": ["shop.test"],
        "mount": "/blog",
    }
    assert "embedded mode becomes a pool of its own" in "\n".join(row["changes"])
    assert "M1 Every application runs in daemon mode (high)" in row["findings"]


def test_django_s_script_is_a_module_of_its_project(shop: Path) -> None:
    (shop / "shop/wsgi.py").write_text("application = get_wsgi_application()")
    pool = f"WSGIDaemonProcess shop user=shop group=shop python-path={shop}\nWSGIProcessGroup shop\n"
    row = one(site(f"{pool}WSGIScriptAlias / {shop}/shop/wsgi.py"))
    assert (row["fields"]["application"], row["code"]) == ("shop.wsgi:application", str(shop))
    assert (row["fields"]["account"], "group" in row["fields"]) == ("shop", False)
    assert row["remarks"] == []


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("{0}/", []),
        ("{0}/link", []),
        ("{0}:{0}/venv/lib/python3.11/site-packages", []),
        ("{0}:/srv/lib", ["/srv/lib"]),
        ("/srv/lib:/srv/more:{0}", ["/srv/lib:/srv/more"]),
    ],
)
def test_python_path(option: str, told: list[str], shop: Path) -> None:
    (shop / "shop/wsgi.py").write_text("application = get_wsgi_application()")
    (shop / "link").symlink_to(shop)
    (shop / "venv/lib/python3.11/site-packages/Flask-3.0.3.dist-info").mkdir(parents=True)
    pool = f"WSGIDaemonProcess shop python-path={option.format(shop)}\nWSGIProcessGroup shop\n"
    where = shop / "link" if "link" in option else shop
    row = one(site(f"{pool}WSGIScriptAlias / {where}/shop/wsgi.py"))
    found = [
        remark.partition("python-path=")[2].partition(" ")[0] for remark in row["remarks"] if "python-path" in remark
    ]
    assert found == told
    assert row["fields"]["application"] == "shop.wsgi:application"
    assert row["requirements"] == (["Flask==3.0.3"] if "site-packages" in option else [])


def test_the_guide_s_embedded_site(shop: Path) -> None:
    (shop / "shop/wsgi.py").write_text("application = get_wsgi_application()")
    row = one(f"WSGIPythonPath {shop}\n" + site(f"WSGIScriptAlias / {shop}/shop/wsgi.py"))
    assert (row["fields"]["application"], row["code"]) == ("shop.wsgi:application", str(shop))


@needs_root
def test_data_becomes_writable_with_where_it_comes_from(shop: Path) -> None:
    for name in ("db", "media"):
        (shop / name).mkdir()
        os.chown(shop / name, 990, 990)
    lines = f"Alias /media {shop}/media\nAlias /static {shop}/shop/static\nWSGIScriptAlias / {shop}/shop.wsgi\n"
    pool = "WSGIDaemonProcess shop user=shop-app group=shop-app\nWSGIProcessGroup shop\n"
    row = one(site(pool + lines), live={"shop": [process("shop", 990)]})
    assert row["fields"]["writable"] == ["db", "media"]
    assert row["fields"]["data_from"] == {"db": f"{shop}/db", "media": f"{shop}/media"}
    assert row["fields"]["static"] == {"/static": "shop/static"}
    assert row["paths"] == {"DB_DIR": "/var/lib/shop-app/data/db", "MEDIA_DIR": "/var/lib/shop-app/data/media"}
    assert any(remark.startswith("Alias /media ") and "no longer serves" in remark for remark in row["remarks"])


def test_a_script_that_has_to_be_renamed(shop: Path) -> None:
    (shop / "the-blog.wsgi").write_text("def application(environ, start): pass")
    row = one(site(f"WSGIScriptAlias / {shop}/the-blog.wsgi"))
    assert row["fields"]["application"] == "the_blog:application"
    assert any("rename it to the_blog.py" in remark for remark in row["remarks"])


@pytest.mark.parametrize(
    ("lines", "application", "words"),
    [
        ("WSGIScriptAlias / /missing/x.wsgi", "to_do:application", "find the application"),
        ("WSGIScriptAlias / {}/other.wsgi", "elsewhere:application", "is not in"),
        ("WSGIScriptAlias / {}/wsgi.py callable-object=main", "to_do:application", "has no main"),
        ("WSGICallableObject main\nWSGIScriptAlias / {}/wsgi.py", "to_do:application", "has no main"),
    ],
)
def test_what_is_not_known_is_for_a_person(lines: str, application: str, words: str, shop: Path) -> None:
    (shop / "other.wsgi").write_text("from elsewhere import application")
    row = one(site(lines.format(shop)))
    assert row["fields"]["application"] == application
    assert words in "\n".join(row["remarks"])


def test_one_app_on_two_ports_with_tls(shop: Path) -> None:
    pool = "WSGIDaemonProcess shop user=shop-app group=shop-app\n"
    lines = f"WSGIProcessGroup shop\nWSGIScriptAlias / {shop}/shop.wsgi\n"
    tls = "SSLEngine on\nSSLCertificateFile /etc/ssl/shop.crt\nSSLCertificateKeyFile /etc/ssl/private/shop.key\n"
    row = one(pool + site(lines) + site(lines + tls, "www.shop.test", "*:443"))
    assert row["fields"]["server_names"] == ["shop.test", "www.shop.test"]
    assert row["fields"]["tls"] == {"certificate": "/etc/ssl/shop.crt", "key": "/etc/ssl/private/shop.key"}
    assert any("port 80 now redirects" in change for change in row["changes"])


def test_what_the_roles_do_anyway_is_for_nobody_to_look_at(shop: Path) -> None:
    lines = """CGIPassAuth Off
RequestHeader unset X-Forwarded-For
RequestHeader unset Proxy early
RequestHeader unset X-Mine
Header always set Strict-Transport-Security max-age=5
<Location />
Require all granted
</Location>
"""
    row = one(site(f"{lines}WSGIScriptAlias / {shop}/shop.wsgi"))
    assert row["remarks"] == [f"RequestHeader unset X-Mine ({SITE}:7)"]


def test_trusted_proxies(shop: Path) -> None:
    lines = f"WSGIScriptAlias / {shop}/shop.wsgi\nWSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies "
    assert one(site(lines + "10.0.0.1"))["fields"]["trusted_proxies"] == ["10.0.0.1"]
    row = one(site(lines + "0.0.0.0/0"))
    assert not {"trusted_proxies", "trusted_proxy_headers"} & set(row["fields"])
    assert any("the proxies and not every address" in remark for remark in row["remarks"])


def test_names_are_valid_and_no_two_are_the_same(shop: Path) -> None:
    config = "".join(
        site(f"WSGIScriptAlias {mount} {shop}/{script}", name)
        for name, mount, script in (
            ("Shop.test", "/", "shop.wsgi"),
            ("shop.example", "/", "wsgi.py"),
            ("9.test", "/", "missing.py"),
            ("a.test", "/A_b/c", "wsgi.py"),
            ("a.test", "/" + "x" * 60, "wsgi.py"),
        )
    )
    names = [row["fields"]["name"] for row in rows_of(known(config))]
    assert names == ["shop", "shop-2", "app", "a-b-c", "x" * 27]
    both = [known(config), known(config)]
    assert len({row["fields"]["name"] for row in adopt_host(both)[0]}) == 10


def test_accounts_and_groups_of_several_apps_are_not_kept(shop: Path) -> None:
    def pool(name: str, path: str, user: str = "apps") -> str:
        return site(
            f"WSGIDaemonProcess {name} user={user} group=apps\nWSGIProcessGroup {name}\n"
            f"WSGIScriptAlias / {shop}/{path}\n",
            f"{name}.test",
        )

    config = pool("one", "shop.wsgi") + pool("two", "wsgi.py")
    for row in rows_of(known(config)):
        assert not {"account", "group"} & set(row["fields"])
        assert any("-app, not as apps" in change for change in row["changes"])
        assert any("-app, not apps" in change for change in row["changes"])
    # A second pool of the same app is no other app.
    lanes = pool("one", "shop.wsgi").replace(
        "</V", "WSGIDaemonProcess slow user=apps\n<Location /slow>\nWSGIProcessGroup slow\n</Location>\n</V"
    )
    row = one(lanes)
    assert row["fields"]["account"] == "apps"
    assert any("/slow is served by pool slow" in remark for remark in row["remarks"])
    # A group of two pools is shared, also where the accounts are not.
    rows = rows_of(known(pool("one", "shop.wsgi", "a1") + pool("two", "wsgi.py", "a2")))
    assert [row["fields"].get("account") for row in rows] == ["a1", "a2"]
    assert not any("group" in row["fields"] for row in rows)


def test_no_app_takes_an_account_that_another_keeps(shop: Path) -> None:
    pool = "WSGIDaemonProcess web user=shop-app group=shop-app\nWSGIProcessGroup web\n"
    config = site(f"WSGIScriptAlias / {shop}/wsgi.py") + site(f"{pool}WSGIScriptAlias / {shop}/shop.wsgi", "b.test")
    found = [(row["fields"]["name"], row["fields"].get("account")) for row in rows_of(known(config))]
    assert found == [("shop-2", None), ("web", "shop-app")]


def test_a_pool_that_the_request_chooses(shop: Path) -> None:
    row = one(site(f"WSGIProcessGroup %{{ENV:PG}}\nWSGIScriptAlias / {shop}/shop.wsgi"))
    assert any(change.startswith("%{ENV:PG}, which the request chooses") for change in row["changes"])


def test_findings_of_another_apache_are_not_told(shop: Path) -> None:
    one_site = site(f"WSGIScriptAlias / {shop}/shop.wsgi")
    hosts = [known(one_site), known(one_site + "LimitRequestBody 0\n")]
    hosts[1].instance.config_file = "/etc/apache2-b/apache2.conf"
    results = report(hosts, "1")["results"]
    found = [adopt(host, results)[0][0]["findings"] for host in hosts]
    assert [any(words.startswith("L4 ") for words in one) for one in found] == [False, True]


def test_a_pool_of_two_apps_names_none(shop: Path) -> None:
    pool = "WSGIDaemonProcess all user=all group=all\nWSGIProcessGroup all\n"
    lines = f"WSGIScriptAlias /b {shop}/wsgi.py\nWSGIScriptAlias / {shop}/shop.wsgi"
    rows = rows_of(known(site(pool + lines)))
    assert [row["fields"]["name"] for row in rows] == ["b", "shop"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("WSGIScriptAliasMatch ^/x /srv/x.wsgi", "matches URLs by a pattern"),
        ("WSGIScriptAlias /apps /srv/apps/", "a directory in which each file"),
        (
            "DocumentRoot /srv\n<Directory /srv>\nOptions ExecCGI\nSetHandler wsgi-script\n</Directory>",
            "by their names",
        ),
        ("WSGIDaemonProcess idle", "pool idle serves no URL"),
    ],
)
def test_what_is_no_app(lines: str, words: str) -> None:
    host = known(site(lines))
    host.instance.modules.append("php")
    rows, remarks = adopt(host, [])
    assert rows == []
    assert words in "\n".join(remarks)
    assert any("PHP runs" in remark for remark in remarks)
    assert yaml.safe_load(adopted("www", rows, remarks)) == {"wsgi_apps": []}


def test_a_host_without_an_apache() -> None:
    assert adopt_host([]) == ([], ["no Apache was found"])


BESIDE_OTHERS = ("static", "trusted_proxies", "trusted_proxy_headers")
FIELDS: dict[str, Any] = {
    "account": "books",
    "group": "readers",
    "processes": 4,
    "threads": 7,
    "daemon_process": {"maximum-requests": 100, "umask": "0077", "lang": "de_DE.UTF-8", "request-timeout": 90},
    "supplementary_groups": ["sensors"],
    "static": {"/shop/static": "files"},
    "limits": {"request_body": 5000, "request_fields": 50},
    "handles_authorization": True,
    "error_override": True,
    "trusted_proxies": ["192.0.2.0/24"],
    "trusted_proxy_headers": ["X-Forwarded-For"],
    "mount": "/shop",
    "requirements": "requirements.txt",
}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"server_names": ["a.test", "b.test", "*.c.test"]},
        {"tls": {"self_signed": True}},
        {"tls": {"acme": True, "hsts": 60}},
        {"tls": {"certificate": "/etc/ssl/a.crt", "key": "/etc/ssl/a.key", "hsts": 0}},
        FIELDS,
        *(
            {name: value}
            for name, value in FIELDS.items()
            if name not in ("trusted_proxy_headers", "static", "trusted_proxies")
        ),
    ],
)
def test_a_host_of_ours_says_what_was_written(fields: dict[str, Any], tmp_path: Path) -> None:
    written = app("shop", **{"requirements": None, "processes": 2, "threads": 15, **fields})
    made = check_app(written, 0, None)
    code = tmp_path / made.current.lstrip("/") / "code"
    (code / "shop").mkdir(parents=True)
    (code / "files").mkdir()
    if made.requirements:
        (code / made.requirements).write_text("")
    entry = tmp_path / made.entry_file.lstrip("/")
    entry.parent.mkdir(parents=True)
    entry.write_text(entry_file(made))
    text = virtual_host([made], "5.0.2", DEBIAN.as_dict())
    for place in ("/var/lib/", "/var/www/"):
        text = text.replace(place, f"{tmp_path}{place}")
    host = known(text, "/etc/apache2/sites-enabled/zz-palisade-shop.conf")
    host.live = {"shop": [process("shop", 990)]}
    row = rows_of(host)[0]
    expected = {key: value for key, value in written.items() if value is not None and key != "source"}
    assert row["fields"] == expected
    assert (row["changes"], row["remarks"], row["replaces"]) == ([], [], [])


# One line of a configuration holds anything but the end of a line.
WORD = st.lists(
    st.sampled_from(
        [*(text.replace("\n", "\r") for text in NASTY), "{{ 1 }}", "{% x %}", "- a: b", '"', "#", ": ", "/"]
    )
    | st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=4),
    max_size=3,
).map("".join)
LINES = st.sampled_from(
    [
        "ServerAlias {}",
        "ServerName {}",
        "WSGIScriptAlias {} {}",
        "WSGIScriptAlias / /srv/{}",
        "WSGIScriptAlias / /srv/x.wsgi process-group={} callable-object={}",
        "WSGIDaemonProcess {0} user={1} lang={1} home=/{1} umask={1} threads={1} python-home=/{1}",
        "WSGIDaemonProcess shop {}={}",
        "WSGIProcessGroup {}",
        "SetEnv {} {}",
        "Alias {} /srv/{}",
        "SSLCertificateFile /{}",
        "SSLCertificateKeyFile /{}",
        "WSGITrustedProxies {}",
        "WSGITrustedProxyHeaders {}",
        "LimitRequestBody {}",
        "Header always set Strict-Transport-Security max-age={}",
        "RewriteRule {} {}",
        "{} {}",
    ]
)


@given(st.lists(st.builds(lambda line, a, b: line.format(a, b), LINES, WORD, WORD), max_size=8), WORD)
def test_no_value_of_a_host_breaks_out(lines: list[str], file: str) -> None:
    host = known(site("SSLEngine on\n" + "\n".join(lines)), file)
    rows, remarks = adopt(host, report([host], "1")["results"])
    text = adopted(file, rows, remarks)
    text.encode("utf-8")
    read = yaml.safe_load(text)
    assert list(read) == ["wsgi_apps"]
    assert [{**row, "source": None} for row in read["wsgi_apps"]] == [{**row["fields"], "source": None} for row in rows]
    for number, row in enumerate(read["wsgi_apps"]):
        check_app(row, number, None)
    assert "{{" not in str(read)
    assert "{%" not in str(read)


def test_static_files_belong_to_the_app_at_whose_mount_they_are(shop: Path) -> None:
    for name in ("blog/static", "shop/media"):
        (shop / name).mkdir(parents=True)
    (shop / "blog.wsgi").write_text("from blog.web import app as application")
    lines = f"""\
WSGIDaemonProcess shop python-path={shop}
WSGIDaemonProcess blog python-path={shop}
WSGIScriptAlias /blog {shop}/blog.wsgi process-group=blog application-group=%{{GLOBAL}}
WSGIScriptAlias / {shop}/shop.wsgi process-group=shop application-group=%{{GLOBAL}}
Alias /static {shop}/shop/static
Alias /blog/static {shop}/blog/static
Alias /blogs {shop}/shop/media"""
    found = {row["fields"]["name"]: row["fields"].get("static") for row in rows_of(known(site(lines)))}
    assert found == {
        "shop": {"/static": "shop/static", "/blogs": "shop/media"},
        "blog": {"/blog/static": "blog/static"},
    }


def pooled(shop: Path, options: str = "", lines: str = "", script: str = "shop.wsgi") -> str:
    return site(f"WSGIDaemonProcess shop {options}\nWSGIProcessGroup shop\nWSGIScriptAlias / {shop}/{script}\n{lines}")


def test_everything_that_changes_is_told(shop: Path) -> None:
    """And in an order in which one can follow it."""
    row = one(
        pooled(shop, "umask=0022 request-timeout=0 graceful-timeout=15 stack-size=4096", "WSGIPassAuthorization On")
    )
    assert row["fields"]["daemon_process"] == {"stack-size": 4096}
    assert row["changes"] == [
        "it runs as shop-app, not as www-data",
        "time limits: startup-timeout=15, connect-timeout=15, queue-timeout=45, socket-timeout=60, request-timeout=60 "
        "(now 0), deadlock-timeout=60, eviction-timeout=1, shutdown-timeout=15; change them in daemon_process",
        "umask changes to 0027, from 0022",
        "home= is set: the working directory belongs to the release",
        "python-home= is set: the virtual environment belongs to the release",
        "it runs in the main interpreter of its processes, WSGIApplicationGroup %{GLOBAL}",
        "root owns the entry file, which is alone in its directory and imports the application",
        f"root owns the code, which moves from {shop} to /var/lib/shop-app/current/code",
        "headers of proxies, such as X-Forwarded-For, reach it only from trusted_proxies; list your proxies there",
    ]
    assert (row["script"], row["declared"], row["remarks"]) == (f"{shop}/shop.wsgi", f"{SITE}:7", [])


def test_what_is_as_hardening_wants_it_is_no_change(shop: Path) -> None:
    waits = " ".join(f"{key}={value}" for key, value in DEFAULT_DAEMON_OPTIONS.items())
    options = f"user=shop-app group=shop-app home=/srv python-home=/srv/venv {waits}"
    lines = "WSGIApplicationGroup %{GLOBAL}\nWSGITrustedProxies 10.0.0.1\nWSGITrustedProxyHeaders X-Forwarded-For"
    row = one(pooled(shop, options, lines))
    assert row["changes"] == [
        "root owns the entry file, which is alone in its directory and imports the application",
        f"root owns the code, which moves from {shop} to /var/lib/shop-app/current/code",
    ]
    assert "daemon_process" not in row["fields"]


@pytest.mark.parametrize(
    ("option", "kept", "told"),
    [
        ("request-timeout=90", {"request-timeout": 90}, ""),
        ("umask=0077", {"umask": "0077"}, ""),
        ("umask=0002", None, "umask changes to 0027, from 0002"),
        ("umask=9999", None, "umask changes to 0027, from 9999"),
        ("lang=C.UTF-8", None, ""),
        ("lang=de_DE.UTF-8", {"lang": "de_DE.UTF-8"}, ""),
        ("maximum-requests=0", {"maximum-requests": 0}, ""),
        ("listen-backlog=5000000000", None, "left out: app shop: daemon_process: listen-backlog: "),
        ("socket-user=other", None, "socket-user=other is not set here"),
        ("chroot=/srv", None, "chroot=/srv is not set here"),
        (
            "script-group=other",
            None,
            "script-group=other is dropped: with threads in Apache it denies some requests by mistake",
        ),
        ("unknown=5", None, "unknown= of WSGIDaemonProcess is unknown here"),
        ("lang={{x}}", None, "daemon_process: {'lang': '{{x}}'} is left out: Ansible would take it for a template"),
        ("lang={%x%}", None, "is left out: Ansible would take it for a template"),
        ("lang={#x#}", None, "is left out: Ansible would take it for a template"),
    ],
)
def test_options_of_a_pool(option: str, kept: dict[str, Any] | None, told: str, shop: Path) -> None:
    row = one(pooled(shop, option))
    assert row["fields"].get("daemon_process") == kept
    said = [*row["remarks"], *(change for change in row["changes"] if option.partition("=")[0] in change)]
    if told:
        assert any(told in text for text in said)
    else:
        assert row["remarks"] == []


def test_the_processes_of_a_pool_that_says_none(shop: Path) -> None:
    """As mod_wsgi takes them; and a value that is no number is not kept."""
    assert {key: one(pooled(shop))["fields"][key] for key in ("processes", "threads")} == {
        "processes": 1,
        "threads": 15,
    }
    assert "threads" not in one(pooled(shop, "threads=many"))["fields"]


@pytest.mark.parametrize(
    ("options", "fields", "told"),
    [
        ("user=books group=books", {"account": "books"}, []),
        ("user=books", {"account": "books"}, []),
        ("user=books group=readers", {"account": "books", "group": "readers"}, []),
        ("user=shop-app group=www-data", {}, ["its group is shop-app, not www-data"]),
        ("user=www-data", {}, ["it runs as shop-app, not as www-data"]),
        ("group=readers", {"group": "readers"}, ["it runs as shop-app, not as www-data"]),
        ("user=#1001", {}, ["it runs as shop-app, not as #1001"]),
        ("user=books supplementary-groups=a,b", {"account": "books", "supplementary_groups": ["a", "b"]}, []),
        (
            "user=books supplementary-groups=books,www-data,a",
            {"account": "books", "supplementary_groups": ["a"]},
            ["it is no longer in Apache's group www-data"],
        ),
    ],
)
def test_accounts_and_groups(options: str, fields: dict[str, Any], told: list[str], shop: Path) -> None:
    row = one(pooled(shop, options))
    names = ("account", "group", "supplementary_groups")
    assert {key: value for key, value in row["fields"].items() if key in names} == fields
    said = [change for change in row["changes"] if re.match("it runs as|its group|it is no longer", change)]
    assert said == told
    assert row["remarks"] == []


def test_groups_that_its_processes_have(shop: Path) -> None:
    """Where the configuration names none; of a number without a name nothing can be said."""
    groups = [grp.getgrnam(name).gr_gid for name in ("games", "man")]
    live = {"shop": [{**process("shop", 990), "gid": 990, "groups": [990, *groups, 2**31 - 9]}]}
    row = one(pooled(shop, "user=books group=books"), live=live)
    assert row["fields"]["supplementary_groups"] == ["games", "man"]


@pytest.mark.parametrize(
    ("lines", "tls", "told"),
    [
        ("", None, []),
        ("SSLEngine Off", None, []),
        ("SSLCertificateFile /c", {"certificate": "/c", "key": "/c"}, ["answers get Strict-Transport-Security"]),
        (
            "SSLCertificateFile /c\nSSLCertificateKeyFile /k\nHeader set Strict-Transport-Security max-age=60",
            {"certificate": "/c", "key": "/k", "hsts": 60},
            [],
        ),
        (
            "SSLCertificateFile /c\nHeader always set strict-transport-security max-age=63072000",
            {"certificate": "/c", "key": "/c"},
            [],
        ),
        (
            "SSLCertificateFile /c\nHeader set X-Cache max-age=60",
            {"certificate": "/c", "key": "/c"},
            ["answers get Strict-Transport-Security"],
        ),
        ("MDomain shop.test", {"acme": True}, ["answers get Strict-Transport-Security"]),
        (
            "SSLCertificateFile /c\nMDomain other.test",
            {"certificate": "/c", "key": "/c"},
            ["answers get Strict-Transport-Security"],
        ),
        (
            f"SSLCertificateFile {TLS_DIRECTORY}/shop.test.crt",
            {"self_signed": True},
            ["answers get Strict-Transport-Security"],
        ),
    ],
)
def test_tls(lines: str, tls: dict[str, Any] | None, told: list[str], shop: Path) -> None:
    engine = "SSLEngine on\n" if lines and "Off" not in lines else ""
    row = one(pooled(shop, lines=engine + lines))
    assert row["fields"].get("tls") == tls
    said = [
        change.partition(";")[0] for change in row["changes"] if "Strict-Transport" in change or "port 80" in change
    ]
    assert said == told
    copied = [remark for remark in row["remarks"] if remark.startswith("certificate and key are not copied")]
    assert len(copied) == (1 if tls and "certificate" in tls else 0)


@pytest.mark.parametrize(
    ("lines", "fields", "told"),
    [
        ("LimitRequestBody 0", {}, []),
        ("LimitRequestBody many", {}, []),
        ("LimitRequestBody 5\nLimitRequestFields 50", {"limits": {"request_body": 5, "request_fields": 50}}, []),
        ("LimitRequestBody 5\nLimitRequestBody 6", {"limits": {"request_body": 6}}, []),
        ("WSGIPassAuthorization Off", {}, []),
        ("CGIPassAuth On", {}, ["the Authorization header is no longer passed, unless handles_authorization is true"]),
        ("CGIPassAuth On\nWSGIPassAuthorization On", {"handles_authorization": True}, []),
        ("WSGIErrorOverride Off", {}, []),
        ("WSGIChunkedRequest On", {"chunked_requests": True}, []),
        ("WSGIChunkedRequest Off", {}, []),
        ("AllowOverride None", {}, []),
        ("RequestHeader unset X-Forwarded-For", {}, []),
    ],
)
def test_lines_that_become_fields(lines: str, fields: dict[str, Any], told: list[str], shop: Path) -> None:
    if "AllowOverride" in lines or "CGIPassAuth" in lines:
        lines = f"<Directory {shop}>\n{lines}\n</Directory>"
    row = one(pooled(shop, lines=lines))
    names = ("limits", "handles_authorization", "chunked_requests", "error_override")
    assert [remark for remark in row["remarks"] if "WSGI" in remark] == []
    assert {key: value for key, value in row["fields"].items() if key in names} == fields
    assert [change for change in row["changes"] if "Authorization" in change or "htaccess" in change] == told
    proxies = [change for change in row["changes"] if change.startswith("headers of proxies")]
    assert len(proxies) == (0 if "RequestHeader" in lines else 1)


def test_headers_of_proxies_without_a_proxy(shop: Path) -> None:
    row = one(pooled(shop, lines="RequestHeader unset X-A\nWSGITrustedProxyHeaders X-Forwarded-For"))
    assert "trusted_proxy_headers" not in row["fields"]
    assert any(change.startswith("headers of proxies") for change in row["changes"])


@pytest.mark.parametrize(
    ("text", "name", "application", "told"),
    [
        ("from shop.web import app as application", "shop.wsgi", "shop.web:app", ""),
        ("def application(e, s): pass", "app.py", "app:application", ""),
        ("def application(e, s): pass", "deep/er/app.py", "app:application", ""),
        (
            "def application(e, s): pass",
            "my-app.py",
            "my_app:application",
            "creates the application itself: rename it to",
        ),
        ("def application(e, s): pass", "app.wsgi", "app:application", "rename it to app.py in the source"),
        ("import os\nos.chdir('/')\nfrom shop.web import app as application", "shop.wsgi", "shop.web:app", ""),
        (
            "this is (no Python",
            "shop.wsgi",
            "to_do:application",
            "is not valid for this host's version of Python: find the app",
        ),
    ],
)
def test_scripts(text: str, name: str, application: str, told: str, shop: Path) -> None:
    (shop / name).parent.mkdir(parents=True, exist_ok=True)
    (shop / name).write_text(text)
    row = one(pooled(shop, script=name))
    assert row["fields"]["application"] == application
    assert row["code"] == str((shop / name).parent)
    assert any(told in remark for remark in row["remarks"]) if told else row["remarks"] == []
    beside = f"; anything else that {shop / name} does is not carried over"
    assert (beside in row["changes"][-3]) == ("chdir" in text)


def test_code_is_found_where_the_script_looks(shop: Path, tmp_path: Path) -> None:
    """In the directories that it adds, that the pool has, or beside it, the first that has the package."""
    lib = tmp_path / "lib"
    (lib / "store").mkdir(parents=True)
    (lib / "single.py").write_text("app = None")
    (shop / "a.wsgi").write_text(f"import sys\nsys.path.insert(0, '{lib}')\nfrom store import app as application")
    (shop / "b.wsgi").write_text("from single import app as application")
    assert one(pooled(shop, script="a.wsgi"))["code"] == str(lib)
    assert one(pooled(shop, f"home={lib}", script="b.wsgi"))["code"] == str(lib)
    assert one(pooled(shop, f"python-path=/none:{lib}", script="b.wsgi"))["code"] == str(lib)
    row = one(pooled(shop, "home=/none", script="b.wsgi"))
    assert row["code"] == "/none"
    assert f"package single is not in /none, {shop}: say where the code comes from" in row["remarks"]


@pytest.mark.parametrize(
    ("files", "field", "listed"),
    [
        ([], None, []),
        (["requirements.txt"], "requirements.txt", []),
        (["venv/lib/python3.13/site-packages/b-1.0.dist-info/x"], "requirements.txt", ["b==1.0"]),
        (
            [f"venv/lib/python3.13/site-packages/{name}.dist-info/x" for name in ("B-1", "a-2", "setuptools-70", "x")],
            "requirements.txt",
            ["a==2", "B==1"],
        ),
        (["venv/lib/other/site-packages/b-1.0.dist-info/x"], None, []),
        (["requirements.txt", "venv/lib/python3.13/site-packages/b-1.0.dist-info/x"], "requirements.txt", []),
    ],
)
@pytest.mark.parametrize("embedded", [True, False])
def test_requirements(embedded: bool, files: list[str], field: str | None, listed: list[str], shop: Path) -> None:
    for name in files:
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).touch()
    if embedded:
        row = one(f"WSGIPythonHome {shop}/venv\n" + site(f"WSGIScriptAlias / {shop}/shop.wsgi"))
    else:
        row = one(pooled(shop, f"python-home={shop}/venv"))
    assert (row["fields"].get("requirements"), row["requirements"]) == (field, listed)


def test_code_in_a_virtual_environment(shop: Path) -> None:
    (shop / "pyvenv.cfg").touch()
    assert one(pooled(shop))["remarks"] == ["the code is inside a virtual environment: keep that out of the source"]


def test_variables_are_named_and_not_told(shop: Path) -> None:
    (shop / "env.wsgi").write_text(
        "import os\nos.environ['OF_SCRIPT'] = 'hunter2'\nfrom shop.web import app as application"
    )
    (shop / "own.wsgi").write_text("import os\nos.environ['OF_SCRIPT'] = 'hunter2'\ndef application(): pass")
    lines = "SetEnv B hunter2\nSetEnv A-B hunter2\nPassEnv C\nSetEnv\nSetEnv B again"
    assert one(pooled(shop, lines=lines, script="env.wsgi"))["environment"] == ["B", "C", "OF_SCRIPT"]
    # That script stays, and sets its own.
    assert one(pooled(shop, lines=lines, script="own.wsgi"))["environment"] == ["B", "C"]


def test_names_of_a_virtual_host(shop: Path) -> None:
    """Patterns come last, since the first name is that of files; without scheme, port and capital letters."""
    lines = f"ServerAlias *.Shop.test www.shop.test:8443\nWSGIScriptAlias / {shop}/shop.wsgi"
    row = one(site(lines, "https://Shop.TEST:443"))
    assert row["fields"]["server_names"] == ["shop.test", "www.shop.test", "*.shop.test"]
    row = one(site(f"WSGIScriptAlias / {shop}/shop.wsgi", "no_name"))
    assert row["fields"]["server_names"] == ["to-do.invalid"]
    assert "the virtual host has no usable name: set server_names" in row["remarks"]


def test_an_app_of_the_main_server(shop: Path) -> None:
    """Its lines are those beside the alias, in whichever file that is."""
    row = one(f"ServerName main.test\nAlias /static {shop}/shop/static\nWSGIScriptAlias / {shop}/shop.wsgi\n")
    assert row["fields"]["server_names"][0] == "main.test"
    assert row["fields"]["static"] == {"/static": "shop/static"}


def test_a_host_that_shows_no_configuration(shop: Path) -> None:
    host = known(site(f"WSGIScriptAlias / {shop}/shop.wsgi\nWSGIScriptAlias /nothing"))
    host.instance.error = "AH00526: Syntax error"
    rows, remarks = adopt(host, [])
    assert [row["fields"]["name"] for row in rows] == ["shop"]
    assert "Apache shows no configuration: AH00526: Syntax error" in remarks


def test_more_than_anybody_reads_is_counted(shop: Path) -> None:
    lines = "".join(f"RewriteRule ^/{number} /x\n" for number in range(43))
    remarks = one(pooled(shop, lines=lines))["remarks"]
    assert (len(remarks), remarks[-1]) == (41, "and 3 more")
    assert len(one(pooled(shop, lines="".join(lines.splitlines(keepends=True)[:40])))["remarks"]) == 40


def test_aliases_that_are_no_static_files_of_the_source(shop: Path) -> None:
    (shop / "shop/media").mkdir()
    lines = f"""Alias /one {shop}/shop/static
Alias /one {shop}/shop/media
Alias /two
AliasMatch ^/three {shop}/shop/static
Alias /code {shop}
"""
    row = one(pooled(shop, lines=lines))
    assert row["fields"]["static"] == {"/one": "shop/static"}
    told = [remark.partition(" (")[0] for remark in row["remarks"]]
    assert f"Alias /code {shop}" in told
    assert any(words.startswith("AliasMatch ^/three") for words in told)


@pytest.mark.parametrize("listed", [True, False])
def test_variables_of_an_app_of_ours(listed: bool, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names alone, from the file that the roles wrote; one that is somebody's link is not read."""
    place = shop / "environment"
    place.write_text('{"KEY": "hunter2", "OTHER": "x"}')
    theirs = "/var/lib/books/environment"
    real_open, isfile = open, os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: path == theirs or isfile(path))
    monkeypatch.setattr(os.path, "islink", lambda path: path == theirs and not listed)
    monkeypatch.setattr("builtins.open", lambda path, *a, **k: real_open(place if path == theirs else path, *a, **k))
    row = one(pooled(shop, "user=books group=books"))
    assert row["environment"] == (["KEY", "OTHER"] if listed else [])
    assert "hunter2" not in str(row)


def test_tools_of_every_environment_are_no_requirements(shop: Path) -> None:
    packages = shop / "venv/lib/python3.13/site-packages"
    for name in ("pip", "setuptools", "wheel", "pkg_resources", "pkg-resources", "Setuptools", "pipx"):
        (packages / f"{name}-1.0.dist-info").mkdir(parents=True)
    assert one(pooled(shop, f"python-home={shop}/venv"))["requirements"] == ["pipx==1.0"]


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded", "Proxy", *PROXY_HEADERS])
def test_headers_that_the_roles_take_off(header: str, shop: Path) -> None:
    assert one(pooled(shop, lines=f"RequestHeader unset {header}"))["remarks"] == []
    (told,) = one(pooled(shop, lines=f"RequestHeader set {header} x"))["remarks"]
    assert told.startswith(f"RequestHeader set {header}")


def test_where_no_code_is_known_nothing_of_the_play_s_own_directory_counts(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    for name in ("pyvenv.cfg", "requirements.txt"):
        (shop / name).touch()
    row = one(site("WSGIScriptAlias / missing.wsgi"))
    assert (row["code"], "requirements" in row["fields"]) == ("", False)
    assert not [remark for remark in row["remarks"] if "virtual environment" in remark]


def test_an_app_without_any_name(shop: Path) -> None:
    """It is called as the directory of its script."""
    (shop / "Book-store").mkdir()
    (shop / "shop.wsgi").rename(shop / "Book-store/shop.wsgi")
    lines = f"WSGIScriptAlias / {shop}/Book-store/shop.wsgi"
    row = one(f"<VirtualHost *:80>\n{lines}\n</VirtualHost>\n")
    assert row["fields"]["name"] == "book-store"


@pytest.mark.parametrize("line", ["Require all granted", "Require all denied", "CGIPassAuth Off"])
def test_lines_that_the_roles_write_as_well(line: str, shop: Path) -> None:
    assert one(pooled(shop, lines=f"<Location /x>\n{line}\n</Location>"))["remarks"] == []
