"""What holds for a URL; sections.json has what a real Apache 2.4.71 with mod_wsgi 5.0.2 answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_config import Tree, read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils._audit_merge import (
    GLOBAL,
    Place,
    below,
    outcomes,
    place_at,
    places,
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
