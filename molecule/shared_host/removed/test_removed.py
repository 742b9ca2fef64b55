"""The app at the root of the shared host left; the others are as they were."""

from __future__ import annotations

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask, ask_each, body, content
from testinfra.host import Host


@pytest.mark.parametrize("name", ["shared.test", "www.shared.test"])
def test_others_answer(host: Host, name: str) -> None:
    expected = {"/shop": "shop", "/shop/a": "shop", "/shop/admin/a": "shop-admin", "/shop/administration": "shop"}
    answers = ask_each(host, name, expected)
    assert {path: content(text).get("account") for path, (_status, text) in answers.items()} == {
        path: f"{app}-app" for path, app in expected.items()
    }
    status, text = ask(host, name, "/shop/static/shop.txt")
    assert (status, body(text)) == (200, "of the shop\n")


def test_what_it_served_is_closed(host: Host) -> None:
    paths = ["/", "/x", "/static/style.css", "/static/", "/shopping", "/shop%0a", "/SHOP", "/server-status"]
    assert {status for status, _text in ask_each(host, "shared.test", paths).values()} == {404}


def test_nothing_of_it_is_left(host: Host) -> None:
    assert host.run("ls -d /etc/apache2/*/*front* /var/www/front").stdout == ""
    assert host.run("ps -eo user:32 | grep -x front-app").stdout == ""
    assert host.check_output("ls /etc/apache2/sites-enabled").split() == [
        "zz-palisade-0-default.conf",
        "zz-palisade-blog.conf",
        "zz-palisade-shop.conf",
    ]
    assert "front" not in host.file("/etc/apache2/sites-enabled/zz-palisade-shop.conf").content_string


def test_access_logs_go_on(host: Host) -> None:
    ask_each(host, "shared.test", ["/shop/after-removal", "/nobodys-after-removal"])
    for log, expected in (("shop", True), ("shop-admin", False), ("front", False)):
        text = host.file(f"/var/log/apache2/wsgi-{log}-access.log").content_string
        assert ("/shop/after-removal" in text) == expected
