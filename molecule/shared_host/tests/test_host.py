"""Every request reaches the app of its path, and nothing else that the host has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask, ask_each, body, content
from testinfra.host import Host

APPS = ("front", "shop", "shop-admin")
SITE = "/etc/apache2/sites-available/zz-palisade-front.conf"
LOGS = "/var/log/apache2"
# Path sent: app, SCRIPT_NAME and PATH_INFO that are to be seen.
ROUTES = {
    "/": ("front", "", "/"),
    "/any/thing": ("front", "", "/any/thing"),
    "/shop": ("shop", "/shop", ""),
    "/shop/": ("shop", "/shop", "/"),
    "/shop/a": ("shop", "/shop", "/a"),
    "/shopping": ("front", "", "/shopping"),
    "/shop/admin": ("shop-admin", "/shop/admin", ""),
    "/shop/admin/a": ("shop-admin", "/shop/admin", "/a"),
    "/shop/administration": ("shop", "/shop", "/administration"),
    "//shop/a": ("shop", "/shop", "/a"),
    "/%73hop/%61dmin/a": ("shop-admin", "/shop/admin", "/a"),
    "/shop//admin/a": ("shop-admin", "/shop/admin", "/a"),
    "/shop/./admin/a": ("shop-admin", "/shop/admin", "/a"),
    "/shop/a/../admin/b": ("shop-admin", "/shop/admin", "/b"),
    "/shop/admin/../a": ("shop", "/shop", "/a"),
    "/x/../shop/admin/a": ("shop-admin", "/shop/admin", "/a"),
    "/shop/admin%0a": ("shop", "/shop", "/admin\n"),
    "/shop%0a": ("front", "", "/shop\n"),
    "/SHOP/a": ("front", "", "/SHOP/a"),
    "/shop;v=1/a": ("front", "", "/shop;v=1/a"),
    "/statics": ("front", "", "/statics"),
    # Debian's own configuration has something there.
    "/server-status": ("front", "", "/server-status"),
}


def pools(host: Host, name: str, *paths: str) -> list[str]:
    """Return the pool that answered for each path; the status where none did."""
    answers = ask_each(host, name, paths)
    return [content(text).get("group", str(status)) for status, text in answers.values()]


def restart(host: Host) -> None:
    host.check_output("systemctl reset-failed apache2 && systemctl restart apache2")


@contextmanager
def edited(host: Host, expression: str) -> Iterator[None]:
    """Have the section of /shop changed by this expression of sed, as a mistake of somebody would."""
    host.check_output("cp -p %s /root/site.conf", SITE)
    try:
        host.check_output(f"sed -i %s {SITE}", rf"/WSGIProcessGroup shop$/,/<\/Location/ {expression}")
        host.check_output("! cmp -s %s /root/site.conf", SITE)
        restart(host)
        yield
    finally:
        host.check_output("cp -p /root/site.conf %s", SITE)
        restart(host)


@pytest.mark.parametrize("name", ["shared.test", "www.shared.test"])
def test_each_request_reaches_its_pool(host: Host, name: str) -> None:
    found = {}
    for path, (_status, text) in ask_each(host, name, ROUTES).items():
        answer = content(text)
        environ = answer.get("environ", {})
        found[path] = (answer.get("group"), environ.get("SCRIPT_NAME"), environ.get("PATH_INFO"))
        assert answer.get("account") == f"{answer.get('group')}-app", path
    assert found == ROUTES


def test_another_pool_is_refused_where_the_configuration_names_it(host: Host) -> None:
    paths = ("/shop/a", "/shop/admin/a", "/a")
    assert pools(host, "shared.test", *paths) == ["shop", "shop-admin", "front"]
    for other in ("front", "shop-admin", "blog", "%{GLOBAL}"):
        with edited(host, f"s/WSGIProcessGroup shop$/WSGIProcessGroup {other}/"):
            assert pools(host, "shared.test", *paths) == ["500", "shop-admin", "front"]
    run_by_front = "PermissionError: [Errno 13] Permission denied: '/var/lib/shop-app/current'"
    log = f"{LOGS}/wsgi-front-error.log"
    assert run_by_front not in host.file(log).content_string
    # Without the directive, the same mistake has another app's processes run the entry file, which ends at once.
    with edited(host, "{s/WSGIProcessGroup shop$/WSGIProcessGroup front/; /WSGIRestrictProcess/d}"):
        assert pools(host, "shared.test", *paths) == ["500", "shop-admin", "front"]
    assert run_by_front in host.file(log).content_string
    assert pools(host, "shared.test", *paths) == ["shop", "shop-admin", "front"]


def test_each_app_has_its_access_log(host: Host) -> None:
    mark = time.time_ns()
    expected = {f"{path.rstrip('/')}/{mark}-{number}-": row[0] for number, (path, row) in enumerate(ROUTES.items())}
    expected |= {f"/static/{mark}-front-": "front", f"/shop/static/{mark}-shop-": "shop"}
    ask_each(host, "shared.test", expected)
    logs = {app: host.file(f"{LOGS}/wsgi-{app}-access.log").content_string for app in APPS}
    for path, app in expected.items():
        assert [name for name, log in logs.items() if path.rpartition("/")[2] in log] == [app], path


def test_error_log_tells_which_app_it_was(host: Host) -> None:
    places = {"front": "", "shop": "/shop", "shop-admin": "/shop/admin"}
    for asked, status in (("print", 200), ("raise", 500)):
        answers = ask_each(host, "shared.test", [f"{mount}/x" for mount in places.values()], f"X-Do: {asked}")
        assert {answer[0] for answer in answers.values()} == {status}
        assert ask(host, "blog.test", "/blog/x", f"X-Do: {asked}")[0] == status
    for app in (*APPS, "blog"):
        log = host.file(f"{LOGS}/wsgi-{'blog' if app == 'blog' else 'front'}-error.log").content_string
        for text in (f"printed by {app}", f"ValueError: raised by {app}"):
            lines = [line for line in log.splitlines() if line.endswith(text)]
            assert lines, text
            assert all(f" {app}]" in line for line in lines)


# Static files


def test_static_files_are_apaches_and_not_run(host: Host) -> None:
    paths = ("/static/style.css", "/static/directory/below.txt", "/static/tool.py", "/shop/static/shop.txt")
    answers = ask_each(host, "shared.test", paths)
    assert {path: (status, body(text)) for path, (status, text) in answers.items()} == {
        "/static/style.css": (200, "body { color: teal; }\n"),
        "/static/directory/below.txt": (200, "below\n"),
        "/static/tool.py": (200, 'from __future__ import annotations\n\nprint("never run")\n'),
        "/shop/static/shop.txt": (200, "of the shop\n"),
    }
    assert "Content-Type: text/css" in answers["/static/style.css"][1]


def test_nothing_else_is_served(host: Host) -> None:
    paths = [
        "/static",
        "/static/",
        "/static/directory",
        "/static/directory/",
        "/static/none",
        "/static/shop.txt",
        "/static/.env",
        "/static/linked.txt",
        "/static/..%2fecho.py",
        "/static/style.css/more",
        "/shop/static/style.css",
        "/shop/static/../../static/.env",
    ]
    answers = ask_each(host, "shared.test", paths)
    assert {path: status for path, (status, _text) in answers.items() if status not in (403, 404)} == {}
    told = ("shared.test", "static", "SECRET", "def application", "mod_wsgi", "Debian")
    assert [word for _status, text in answers.values() for word in told if word in text] == []


def test_source_is_never_served(host: Host) -> None:
    paths = ["/static/../echo.py", "/static/%2e%2e/echo.py", "/echo.py", "/wsgi.py", "/var/www/front/wsgi.py"]
    assert pools(host, "shared.test", *paths) == ["front"] * len(paths)


def test_apaches_account_reads_static_files_only(host: Host) -> None:
    code = "/var/lib/front-app/current/code"
    assert host.run("runuser -u www-data -- cat %s/static/style.css", code).rc == 0
    for path in (f"{code}/echo.py", f"{code}/assets/shop.txt", "/var/lib/shop-app/current/code/static/style.css"):
        assert host.run("runuser -u www-data -- cat %s", path).rc != 0
        assert host.file(path).exists
    assert host.run("runuser -u www-data -- ls %s", code).rc != 0


# Where no app is


def test_host_without_an_app_at_its_root_is_closed_there(host: Host) -> None:
    paths = ["/", "/x", "/blogs", "/blog%0a", "/index.html", "/server-status", "/icons/", "/static/style.css", "/BLOG"]
    answers = ask_each(host, "blog.test", paths)
    assert {path: status for path, (status, _text) in answers.items() if status != 404} == {}
    assert [path for path, (_status, text) in answers.items() if "blog.test" in text or "Debian" in text] == []
    assert pools(host, "blog.test", "/blog", "/blog/x", "//blog/x", "/x/../blog") == ["blog"] * 4


def test_requests_leave_no_error_behind(host: Host) -> None:
    log = f"{LOGS}/wsgi-blog-error.log"
    before = host.check_output("wc -l <%s", log)
    assert pools(host, "blog.test", "/blog/some/path") == ["blog"]
    assert host.check_output("wc -l <%s", log) == before


def test_unknown_names_reach_no_app(host: Host) -> None:
    for name in ("unknown.test", "shop", "127.0.0.1", "blog.test.evil", "shared.test.evil"):
        answers = ask_each(host, name, ("/", "/shop", "/blog", "/static/style.css"))
        assert {status for status, _text in answers.values()} <= {403, 404}
        assert [path for path, (_status, text) in answers.items() if name in text] == []
