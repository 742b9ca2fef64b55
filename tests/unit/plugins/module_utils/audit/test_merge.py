"""What holds for a URL; sections.json has what a real Apache 2.4.71 with mod_wsgi 5.0.2 answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import (
    Directive,
    Tree,
    VirtualHost,
    read_tree,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.merge import (
    GLOBAL,
    UNSET,
    Place,
    Setting,
    below,
    entry_hosts,
    fits_directory,
    fits_location,
    is_redirected,
    is_taken,
    listens_on,
    outcomes,
    place_at,
    places,
    read_timeouts,
    sections_of,
    secure,
    serving_hosts,
    setting_of,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES
from hypothesis import given
from hypothesis import strategies as st

MEASURED: list[dict[str, Any]] = json.loads((FIXTURES / "audit/sections.json").read_text(encoding="utf-8"))


def expected(place: Place | None) -> str:
    """Return what the canary says for a place, a status for what Apache refuses; an interpreter of its own is *."""
    if place is None:
        return "404"
    group = place.process_group.value
    if place.restriction is not None and group not in place.restriction:
        return "500"
    interpreter = place.application_group.value or "*"
    return f"{group}|{'' if interpreter == GLOBAL else interpreter}|{place.path}"


@pytest.mark.parametrize("case", MEASURED, ids=range(len(MEASURED)))
def test_apache_answers_the_same(case: dict[str, Any]) -> None:
    tree = read_tree(case["dump"])
    hosts = {host.server_names[0]: host for host in tree.hosts}
    for key, answer in case["answers"].items():
        name, url = key.split(" ", 1)
        said = expected(place_at(tree, hosts[name], url))
        if "|*|" in said and "|" in answer:
            group, _interpreter = answer.split("|", 1)
            answer = f"{group}|*|{answer.rpartition('|')[2]}"
        assert said == answer, key


def tree_of(*lines: str, server: str = "") -> Tree:
    return read_tree("\n".join([server, "<VirtualHost *:80>", "ServerName a.test", *lines, "</VirtualHost>"]))


def only(tree: Tree) -> Place:
    (place,) = places(tree)
    return place


SCRIPT = "WSGIScriptAlias / /srv/a/wsgi.py"
# From the weakest to the strongest; each is stronger than all before it, wherever it is written.
LEVELS = [
    "WSGIProcessGroup {}",
    "<Directory /srv>\nWSGIProcessGroup {}\n</Directory>",
    "<Directory /srv/a>\nWSGIProcessGroup {}\n</Directory>",
    '<DirectoryMatch "^/srv">\nWSGIProcessGroup {}\n</DirectoryMatch>',
    "<Files wsgi.py>\nWSGIProcessGroup {}\n</Files>",
    "<Location />\nWSGIProcessGroup {}\n</Location>",
]


@given(st.data())
def test_the_order_of_kinds_of_sections_is_apache_s(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(LEVELS))), min_size=1, unique=True))
    lines = [LEVELS[level].format(f"p{level}") for level in data.draw(st.permutations(chosen))]
    split = data.draw(st.integers(0, len(lines)))
    # At server level or in the virtual host, a section is as strong.
    tree = tree_of(SCRIPT, *lines[split:], server="\n".join(lines[:split]))
    found = only(tree).process_group.value
    assert found == f"p{max(chosen)}"


@given(st.permutations(["/", "/a", "/a/b"]), st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/ab", "/x"]))
def test_the_first_alias_that_fits_takes_the_url(order: list[str], url: str) -> None:
    tree = tree_of(*(f"WSGIScriptAlias {alias} /srv{alias.rstrip('/')}/w.py" for alias in order))
    wanted = next(alias for alias in order if below(url, alias))
    place = place_at(tree, tree.hosts[0], url)
    assert place is not None
    assert place.mapped.words[0] == wanted


def test_an_option_of_the_alias_beats_every_section() -> None:
    tree = tree_of(f"{SCRIPT} process-group=alias", *(level.format("section") for level in LEVELS))
    assert only(tree).process_group.value == "alias"


def test_the_virtual_host_beats_the_server() -> None:
    assert only(tree_of(SCRIPT, "WSGIProcessGroup own", server="WSGIProcessGroup main")).process_group.value == "own"


def test_an_inner_restriction_replaces_the_outer_one() -> None:
    inner = "<Location /admin>\nWSGIRestrictProcess b\n</Location>"
    found = places(tree_of(SCRIPT, "WSGIRestrictProcess a", inner))
    assert [(place.url, place.restriction) for place in found] == [("/", ["a"]), ("/admin", ["b"])]


def test_both_sides_of_a_condition_are_places() -> None:
    condition = "<If \"-R '10.0.0.0/8'\">\nWSGIProcessGroup b\n</If>"
    found = places(tree_of(SCRIPT, "WSGIProcessGroup a", condition))
    assert [place.process_group.value for place in found] == ["a", "b"]


def test_an_alias_of_files_takes_its_urls_first() -> None:
    tree = tree_of("Alias /static /srv/static", SCRIPT)
    assert place_at(tree, tree.hosts[0], "/static/x") is None
    assert place_at(tree, tree.hosts[0], "/statics") is not None


def test_a_handler_without_an_alias_is_a_place_where_scripts_may_run() -> None:
    section = "<Directory /srv/scripts>\nAddHandler wsgi-script .wsgi\n{}</Directory>"
    assert places(tree_of(section.format(""))) == []
    found = only(tree_of(section.format("Options +ExecCGI\n")))
    assert (found.path, found.process_group.value) == ("/srv/scripts", "")


def test_without_virtual_hosts_the_main_server_serves() -> None:
    assert only(read_tree(SCRIPT)).name == "main server /"
    assert [place.host.name for place in places(tree_of(server=SCRIPT))] == ["a.test *:80"]


SCRIPTS = {"/srv/a.py", "/srv/d/b.py"}


@pytest.mark.parametrize(
    ("alias", "url", "path"),
    [
        ("WSGIScriptAlias /a /srv/a.py", "/a/x/y", "/srv/a.py"),
        ("WSGIScriptAlias /a/ /srv/a.py", "/a/x", None),
        ("WSGIScriptAlias /d /srv/d", "/d/b.py/x", "/srv/d/b.py"),
        ("WSGIScriptAlias /d /srv/d", "/d/none.py", None),
        ("WSGIScriptAlias / /srv/a.py", "/x", "/srv/a.py"),
        ("WSGIScriptAliasMatch ^/m/(.*) /srv/$1", "/m/d/b.py/x", "/srv/d/b.py"),
        ("WSGIScriptAliasMatch ^/m/(.*) /srv/$1$2", "/m/a.py", "/srv/a.py"),
    ],
)
def test_the_script_is_the_first_file_of_the_path(alias: str, url: str, path: str | None) -> None:
    tree = tree_of(alias)
    place = place_at(tree, tree.hosts[0], url, SCRIPTS.__contains__)
    assert (place.path if place else None) == path


@pytest.mark.parametrize(
    "line",
    [
        "AliasMatch ^/static/(.*) /srv/$1",
        "ScriptAlias /static/ /srv/cgi/",
        "Redirect /static http://x/",
        "Redirect permanent /static http://x/",
        "RedirectMatch 404 ^/static",
    ],
)
def test_what_another_module_takes_is_not_mod_wsgi_s(line: str) -> None:
    tree = tree_of(line, SCRIPT)
    assert place_at(tree, tree.hosts[0], "/static/x") is None
    assert place_at(tree, tree.hosts[0], "/other") is not None


def test_every_choice_of_the_conditions_is_an_outcome() -> None:
    chain = '<If "a">\nWSGIProcessGroup p1\n</If>\n<ElseIf "b">\nWSGIProcessGroup p2\n</ElseIf>\n'
    with_else = '<If "c">\nWSGIRestrictProcess p1\n</If>\n<Else>\nWSGIRestrictProcess p2\n</Else>'
    tree = tree_of(SCRIPT, chain, "<Location />", with_else, "</Location>")
    place = place_at(tree, tree.hosts[0], "/")
    assert place is not None
    assert {(one.process_group.value, *(one.restriction or ())) for one in outcomes(place)} == {
        (group, restriction) for group in ("", "p1", "p2") for restriction in ("p1", "p2")
    }


def test_a_handler_of_a_section_beats_the_alias() -> None:
    status = "<Location /server-status>\nSetHandler server-status\n</Location>"
    tree = tree_of(SCRIPT, status)
    handlers = [place_at(tree, tree.hosts[0], url) for url in ("/", "/server-status")]
    assert [place.handler for place in handlers if place] == ["wsgi-script", "server-status"]


@pytest.mark.parametrize(
    ("url", "prefix", "expected"),
    [
        ("/a", "/a", True),
        ("/a/b", "/a", True),
        ("/ab", "/a", False),
        ("/a/", "/a/", True),
        ("/a/b", "/a/", True),
        ("/a", "/a/", False),
        ("/x", "/", True),
        ("/b/a", "/a", False),
    ],
)
def test_below(url: str, prefix: str, expected: bool) -> None:
    assert below(url, prefix) is expected


def section(kind: str, words: str) -> Directive:
    return Directive(kind, words)


@pytest.mark.parametrize(
    ("kind", "words", "url", "expected"),
    [
        ("location", "/a", "/a/b", True),
        ("location", "/a", "/ab", False),
        ("location", "/a*", "/ab", True),
        ("location", "/a*", "/ab/c", False),
        ("location", "/*/c", "/ab/c", True),
        ("location", "/a?", "/ab", True),
        ("location", "/[ab]", "/b", True),
        ("location", "~ ^/a.*c$", "/abc", True),
        ("location", "~ ^/a.*c$", "/ab", False),
        ("location", "~", "/a", True),
        ("locationmatch", "b", "/abc", True),
        ("locationmatch", "(", "/(", False),
        ("locationmatch", "", "/x", True),
    ],
)
def test_which_urls_a_section_is_for(kind: str, words: str, url: str, expected: bool) -> None:
    assert fits_location(section(kind, words), url) is expected


@pytest.mark.parametrize(
    ("kind", "words", "path", "expected"),
    [
        ("directory", "/srv", "/srv/a/wsgi.py", True),
        ("directory", "/srv/", "/srv/a/wsgi.py", True),
        ("directory", "/", "/srv/wsgi.py", True),
        ("directory", "/srv/a", "/srv/ab/wsgi.py", False),
        ("directory", "/srv/*", "/srv/a/wsgi.py", True),
        ("directory", "/srv/*/", "/srv/a/wsgi.py", True),
        ("directory", "/srv/*/b", "/srv/a/wsgi.py", False),
        ("directory", "/srv/*/b", "/srv", False),
        ("directory", "~ ^/srv/a/x$", "/srv/a/x", True),
        ("directorymatch", "^/srv", "/srv/a", True),
        ("directorymatch", "^/x", "/srv/a", False),
    ],
)
def test_which_files_a_section_is_for(kind: str, words: str, path: str, expected: bool) -> None:
    assert fits_directory(section(kind, words), path) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("<Files wsgi.py>\nWSGIProcessGroup p\n</Files>", "p"),
        ("<Files *.py>\nWSGIProcessGroup p\n</Files>", "p"),
        ("<Files *.wsgi>\nWSGIProcessGroup p\n</Files>", ""),
        ("<FilesMatch ^w>\nWSGIProcessGroup p\n</FilesMatch>", "p"),
        ("<FilesMatch ^x>\nWSGIProcessGroup p\n</FilesMatch>", ""),
        ("<Directory /srv>\n<Files wsgi.py>\nWSGIProcessGroup p\n</Files>\n</Directory>", "p"),
        ("<Directory /x>\n<Files wsgi.py>\nWSGIProcessGroup p\n</Files>\n</Directory>", ""),
    ],
)
def test_sections_of_files(lines: str, expected: str) -> None:
    assert only(tree_of(SCRIPT, lines)).process_group.value == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # The longer path counts more, wherever it stands; a pattern of names as much as its length.
        (["<Directory /srv/a>\nX longer\n</Directory>", "<Directory /srv>\nX shorter\n</Directory>"], "longer"),
        (["<Directory /srv/*>\nX longer\n</Directory>", "<Directory /srv/>\nX shorter\n</Directory>"], "longer"),
        (["<Directory /srv/a>\nX longer\n</Directory>", "<Directory /*>\nX shorter\n</Directory>"], "longer"),
        (["<Directory /srv/a>\nX first\n</Directory>", "<Directory /srv/a/>\nX second\n</Directory>"], "second"),
        # One with a regular expression more than all of these, and among them the last.
        (['<Directory ~ "^/s">\nX regex\n</Directory>', "<Directory /srv/a>\nX path\n</Directory>"], "regex"),
        (["<DirectoryMatch /srv/a>\nX 1\n</DirectoryMatch>", "<DirectoryMatch /s>\nX 2\n</DirectoryMatch>"], "2"),
        (["<Location /a>\nX 1\n</Location>", "<Location />\nX 2\n</Location>"], "2"),
    ],
)
def test_of_two_sections_one_counts(lines: list[str], expected: str) -> None:
    tree = tree_of(*lines)
    found = list(sections_of(tree, tree.hosts[0], "/a", "/srv/a/wsgi.py"))
    assert setting_of(found, "x").value == expected


def test_settings_say_where_they_stand() -> None:
    dump = "# In file: /etc/a.conf\n#  1:\nSetEnv API_TOKEN squirrel\n#  2:\nSetEnv A b\n"
    tree = read_tree(dump)
    found = list(sections_of(tree, tree.main, "/", "/x"))
    assert setting_of(found, "setenv") == Setting("A b", "/etc/a.conf:2", "SetEnv A b")
    assert setting_of(found[::-1], "setenv").shown == "SetEnv A b"
    assert setting_of(found, "nothing") is UNSET
    assert [section.name for section in found] == ["server", "virtualhost"]


@pytest.mark.parametrize(
    ("lines", "group", "application", "passes"),
    [
        ("", "", "", ""),
        ("WSGIProcessGroup 'my pool'\nWSGIApplicationGroup %{GLOBAL}", "my pool", "%{GLOBAL}", ""),
        ("WSGIProcessGroup %{GLOBAL}\nWSGIApplicationGroup x y", "", "x", ""),
        ("WSGIPassAuthorization On", "", "", "On"),
    ],
)
def test_what_holds_for_a_place(lines: str, group: str, application: str, passes: str) -> None:
    place = only(tree_of(SCRIPT, lines))
    assert (place.process_group.value, place.application_group.value) == (group, application)
    assert place.passes_authorization.value == passes
    assert (place.aliased, place.handler, place.options) == (True, "wsgi-script", {})


def test_what_the_alias_itself_says_holds() -> None:
    options = "process-group=p application-group=%{GLOBAL} pass-authorization=On"
    place = only(tree_of(f"{SCRIPT} {options}", "WSGIProcessGroup q\nWSGIPassAuthorization Off"))
    assert (place.process_group.value, place.application_group.value) == ("p", "%{GLOBAL}")
    assert place.passes_authorization.value == "On"
    assert only(tree_of(f"{SCRIPT} process-group=%{{GLOBAL}}")).process_group.value == ""


@pytest.mark.parametrize(
    ("line", "default", "expected"),
    [("", True, True), ("", False, False), ("X on", False, True), ("X Off", True, False), ("X other", True, False)],
)
def test_switches(line: str, default: bool, expected: bool) -> None:
    place = only(tree_of(SCRIPT, line))
    assert place.on("x", default) is expected
    if not line:
        assert place.on("x") is False


@pytest.mark.parametrize(
    ("line", "expected"),
    [("", None), ("WSGIRestrictProcess a b", ["a", "b"]), ("WSGIRestrictProcess %{GLOBAL}", [""])],
)
def test_who_may_serve_a_place(line: str, expected: list[str] | None) -> None:
    assert only(tree_of(SCRIPT, line)).restriction == expected


@pytest.mark.parametrize(
    ("line", "handler"), [("SetHandler None", "wsgi-script"), ('SetHandler "Default-Handler"', "default-handler")]
)
def test_what_handles_a_request(line: str, handler: str) -> None:
    assert only(tree_of(SCRIPT, line)).handler == handler


HOST = "<VirtualHost {}>\nServerName {}\n{}\n</VirtualHost>"


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ("", ["main server"]),
        ("Listen 80\n" + HOST.format("*:80", "a", ""), ["a *:80"]),
        ("Listen 80\nListen [::]:81\n" + HOST.format("*:80", "a", ""), ["main server", "a *:80"]),
        ("Listen 80\nListen 81\n" + HOST.format("*", "a", ""), ["a *"]),
        ("Listen 80\nListen 81\n" + HOST.format("*:80 *:81", "a", ""), ["a *:80"]),
        ("Listen\nListen 80\n" + HOST.format("10.0.0.1:80", "a", ""), ["a 10.0.0.1:80"]),
    ],
)
def test_who_serves(config: str, names: list[str]) -> None:
    assert [host.name for host in serving_hosts(read_tree(config))] == names


@pytest.mark.parametrize(
    ("addresses", "port", "expected"),
    [([], 80, True), (["*:80"], 80, True), (["*:80"], 8, False), (["*"], 80, True), (["[::1]:443", "*:*"], 80, True)],
)
def test_on_which_ports_a_virtual_host_answers(addresses: list[str], port: int, expected: bool) -> None:
    assert listens_on(VirtualHost(addresses, []), port) is expected


@pytest.mark.parametrize(
    ("server", "own", "expected"),
    [("", "", False), ("", "SSLEngine on", True), ("SSLEngine On", "", True), ("SSLEngine on", "SSLEngine off", False)],
)
def test_who_speaks_tls(server: str, own: str, expected: bool) -> None:
    tree = tree_of(own, server=server)
    assert secure(tree, tree.hosts[0]) is expected


def test_whose_limits_count_before_the_host_header() -> None:
    plain = [HOST.format("*:80", name, "") for name in "ab"]
    tls = [HOST.format("*:443", name, "SSLEngine on") for name in "cd"]
    odd = [HOST.format("10.0.0.1:80 _default_:80", "e", ""), HOST.format("10.0.0.1:8080", "f", "")]
    tree = read_tree("\n".join(plain + tls + odd))
    found = {host.name[0]: [one.name[0] for one in entry_hosts(tree, host)] for host in tree.hosts}
    # With TLS a client names the virtual host beforehand.
    assert found == {"a": ["a"], "b": ["a"], "c": ["c"], "d": ["c", "d"], "e": ["e", "a"], "f": ["f"]}
    assert entry_hosts(tree, tree.main)[0].name == "main server"


def test_the_last_timeout_of_each_kind_counts() -> None:
    server = "RequestReadTimeout header=20-40,MinRate=500 body=x odd\nRequestReadTimeout Body=10"
    tree = tree_of("RequestReadTimeout header=5 handshake=0", server=server)
    assert read_timeouts(tree, tree.hosts[0]) == {"header": 5, "body": 10, "handshake": 0}
    assert read_timeouts(tree, tree.main) == {"header": 20, "body": 10}


@pytest.mark.parametrize(
    ("alias", "url", "path"),
    [
        ("WSGIScriptAlias /a /srv/scripts/", "/a/b.wsgi/c", "/srv/scripts/b.wsgi"),
        ("WSGIScriptAlias /a /srv/scripts/", "/a", "/srv/scripts/"),
        ("WSGIScriptAlias /a /srv/scripts/", "/a/", "/srv/scripts/"),
        ("WSGIScriptAlias /a/ /srv/a.py", "/a/", "/srv/a.py"),
        ("WSGIScriptAlias /a/ /srv/a.py", "/a/x", None),
        ("WSGIScriptAlias / /srv/a.py", "/x", "/srv/a.py"),
        ("WSGIScriptAliasMatch ^/(.*) /srv/$1.py", "/x", "/srv/$1.py"),
        ("WSGIScriptAlias /a", "/a", None),
        ("WSGIScriptAliasMatch ( /srv/a.py", "/(", None),
    ],
)
def test_the_script_as_far_as_the_configuration_says_it(alias: str, url: str, path: str | None) -> None:
    tree = tree_of(alias)
    place = place_at(tree, tree.hosts[0], url)
    assert (place.path if place else None) == path


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("Alias /a /srv", True),
        ("Alias /a", False),
        ("AliasMatch ^/a /srv", True),
        ("Redirect /a http://x/", True),
        ("Redirect gone /a", True),
        ("Redirect seeother /a http://x/", True),
        ("Redirect 410 /a", True),
        ("Redirect temp /b http://x/", False),
        ("Redirect", False),
        ("RedirectMatch ^/b http://x/", False),
        ("RedirectPermanent /a http://x/", False),
    ],
)
def test_what_takes_a_url_first(line: str, taken: bool) -> None:
    tree = tree_of(line)
    assert is_taken(tree, tree.hosts[0], "/a/b") is taken
    assert is_redirected(tree, tree.hosts[0], "/a/b") is (taken and line.startswith("Redirect"))
    assert is_taken(tree_of("", server=line), tree.hosts[0], "/a/b") is taken


@pytest.mark.parametrize(
    ("lines", "urls"),
    [
        ("<Location /in>\nAuthType Basic\n</Location>", ["/", "/in"]),
        ("<Location /in>\nLimitRequestBody 5\n</Location>", ["/", "/in"]),
        ("<Location /in>\nCGIPassAuth On\n</Location>", ["/", "/in"]),
        ("<Location /in>\nWSGIProcessGroup p\n</Location>", ["/", "/in"]),
        # Nothing that a rule asks for.
        ("<Location /in>\nHeader set A b\n</Location>", ["/"]),
        ("<Location />\nAuthType Basic\n</Location>", ["/"]),
        ("<Location /in*>\nAuthType Basic\n</Location>", ["/", "/in"]),
        (r"<LocationMatch ^/in\.x/(a|b)>" + "\nAuthType Basic\n</LocationMatch>", ["/", "/in.x/"]),
        ("<Location ~ ^/in>\nAuthType Basic\n</Location>\n<Location ~ ^/in>\nAuthType x\n</Location>", ["/", "/in"]),
        ('<If "a b">\nWSGIProcessGroup p\n</If>', ["/", '/ where <if "a b">']),
        ("<Else>\nAuthType x\n</Else>", ["/", "/ where <else>"]),
        ('<If "a">\nHeader set A b\n</If>', ["/"]),
    ],
)
def test_every_url_of_an_alias_that_may_be_treated_apart(lines: str, urls: list[str]) -> None:
    assert [place.url for place in places(tree_of(SCRIPT, lines))] == urls
    if "If" not in lines and "Else" not in lines:
        assert [place.url for place in places(tree_of(SCRIPT, server=lines))] == urls


@pytest.mark.parametrize(
    ("pattern", "url"), [("^/a/(.*)", "/a/"), ("^/a%@~-b$", "/a%@~-b"), ("a", "/a"), (r"^/a\.b", "/a.b")]
)
def test_a_url_that_a_pattern_fits(pattern: str, url: str) -> None:
    tree = tree_of(f"<LocationMatch {pattern}>\nAddHandler wsgi-script .py\nOptions +ExecCGI\n</LocationMatch>")
    assert only(tree).url == url


def test_of_too_many_conditions_there_is_no_outcome() -> None:
    def of(number: int) -> list[Place]:
        conditions = (f'<If "{one}">\nWSGIProcessGroup p{one}\n</If>' for one in range(number))
        return outcomes(places(tree_of(SCRIPT, *conditions))[0])

    assert len(of(6)) == 64
    assert of(7) == []
    assert len(of(0)) == 1


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("WSGIHandlerScript x /srv/h.py\nOptions ExecCGI", [("files of /html", "/html")]),
        ("SetHandler wsgi-script\nOptions +ExecCGI", [("files of /html", "/html")]),
        ("SetHandler wsgi-script\nOptions All", [("files of /html", "/html")]),
        ("SetHandler wsgi-script\nOptions -ExecCGI", []),
        ("SetHandler wsgi-script\nOptions Indexes", []),
        ("SetHandler other\nOptions +ExecCGI", []),
        ("AddHandler\nOptions +ExecCGI", []),
        ("<Location /x>\nSetHandler WSGI-Script\nOptions +ExecCGI\n</Location>", [("/x", "/html")]),
        ("<Directory /d>\nAddHandler wsgi-script .py\nOptions +ExecCGI\n</Directory>", [("files of /d", "/d")]),
    ],
)
def test_handlers_by_which_files_are_scripts(lines: str, found: list[tuple[str, str]]) -> None:
    tree = tree_of("DocumentRoot /html", lines)
    assert [(place.url, place.path) for place in places(tree)] == found
    assert all(not place.aliased for place in places(tree))
    server = tree_of("DocumentRoot /html", server=lines)
    assert [(place.url, place.path) for place in places(server)] == found


def test_a_section_that_an_alias_leads_to_is_no_place_of_its_own() -> None:
    directory = "<Directory /srv/a>\nSetHandler wsgi-script\nOptions +ExecCGI\n</Directory>"
    assert only(tree_of(SCRIPT, directory)).url == "/"
