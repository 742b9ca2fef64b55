# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules read out of the facts of an Apache."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import (
    Facts,
    Instance,
    all_pools,
    code_paths,
)


def of(config: str, **fields: object) -> Facts:
    found = Facts(Instance("/usr/sbin/apache2", "/etc/apache2/apache2.conf"), read_tree(config))
    for name, value in fields.items():
        setattr(found, name, value)
    return found


POOL = "WSGIDaemonProcess shop home=/srv/code python-home=/srv/venv python-path=/srv/lib:relative:/srv/code\n"


def test_code_comes_from_the_pool_s_directories_its_scripts_and_what_these_add() -> None:
    config = POOL + "WSGIScriptAlias /b /srv/scripts/\nWSGIProcessGroup shop\n"
    config += "WSGIScriptAliasMatch ^/c/(.*) /srv/$1.wsgi\nWSGIScriptAlias /d relative.py\n"
    config += "WSGIScriptAlias / /srv/www/wsgi.py\n"
    paths = {"/srv/www/wsgi.py": {"inserts": ["/srv/more", "/srv/lib"]}}
    found = of(config, paths=paths)
    assert code_paths(found, found.pools[0]) == {
        "/srv/venv": "python-home",
        "/srv/code": "home",
        "/srv/lib": "python-path",
        "/srv/www/wsgi.py": "entry",
        "/srv/more": "sys.path of the script",
        "/srv/scripts": "entry",
    }


@pytest.mark.parametrize(
    ("group", "expected"), [("shop", True), ("other", False), ("%{ENV:POOL}", True), ("%{GLOBAL}", False)]
)
def test_a_script_is_code_of_the_pools_that_may_run_it(group: str, expected: bool) -> None:
    found = of(f"WSGIDaemonProcess shop\nWSGIScriptAlias / /srv/wsgi.py\nWSGIProcessGroup {group}\n")
    assert code_paths(found, found.pools[0]) == ({"/srv/wsgi.py": "entry"} if expected else {})
    assert [place.path for place in found.served_by("shop")] == (["/srv/wsgi.py"] if group == "shop" else [])


def test_a_pool_without_directories_has_no_code() -> None:
    found = of("WSGIDaemonProcess shop home=code python-home=venv python-path=lib\n")
    assert code_paths(found, found.pools[0]) == {}
    assert found.pool("shop") is found.pools[0]
    assert found.pool("blog") is None


def test_what_runs_in_apache_itself_is_one_pool_more() -> None:
    embedded = "WSGIScriptAlias / /srv/wsgi.py\nWSGIPythonHome /srv/venv\nWSGIPythonPath /srv/lib\n"
    found = of(POOL + embedded)
    own = all_pools(found)[-1]
    assert (own.name, own.options) == ("embedded mode", {"python-home": "/srv/venv", "python-path": "/srv/lib"})
    assert code_paths(found, own) == {"/srv/venv": "python-home", "/srv/lib": "python-path", "/srv/wsgi.py": "entry"}
    assert [pool.name for pool in all_pools(of(POOL + "WSGIPythonHome /srv/venv\n"))] == ["shop"]


def test_where_a_path_leads() -> None:
    found = of("", paths={"/srv/current/": {"real": "/srv/1/"}, "/srv/x": {"real": ""}, "/root": {"real": "/"}})
    assert [found.real(path) for path in ("/srv/current/", "/srv/x", "/root", "/srv/y/", "/", "")] == [
        "/srv/1",
        "/srv/x",
        "/",
        "/srv/y",
        "/",
        "/",
    ]


@pytest.mark.parametrize(
    ("config_file", "title", "expected"),
    [
        ("/tmp/mod_wsgi-localhost:8000:0/httpd.conf", "", True),
        ("/srv/mod_wsgi-express/apache.conf", "", True),
        ("/srv/httpd.conf", "apache2 (mod_wsgi-express)", True),
        ("/tmp/mod_wsgi-localhost:8000:0/in/httpd.conf", "", False),
        ("/etc/apache2/apache2.conf", "/usr/sbin/apache2", False),
    ],
)
def test_an_apache_of_mod_wsgi_express(config_file: str, title: str, expected: bool) -> None:
    assert Instance("/usr/sbin/apache2", config_file, title=title).express is expected
