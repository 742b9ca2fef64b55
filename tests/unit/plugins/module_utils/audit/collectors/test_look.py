"""What accounts reach of real files, by really becoming them."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import look as collectors_look
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import plan as collectors_plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.access import (
    in_mounts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.plan import APACHE, OTHERS, Plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl, write_acl
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.disk import (
    BLOG,
    SHOP,
    WWW,
    paths,
    permit,
    put,
    reach,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root

NAMES = {"pool shop": SHOP, "pool blog": BLOG, APACHE: WWW, OTHERS: 54351}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two apps whose code only their groups read, with entry files that everybody reads."""
    for above in [tmp_path, *tmp_path.parents][:-1]:
        if above.stat().st_uid == 0 and above not in (Path("/"), Path("/tmp")):
            above.chmod(0o755)
    for name, gid in (("shop", SHOP), ("blog", BLOG)):
        home = tmp_path / "lib" / name
        put(home / "code/app/views.py", gid=gid)
        put(home / "venv/pyvenv.cfg", "home = /usr\n", gid=gid)
        put(home / "venv/lib/python3.13/site-packages/x.py", gid=gid)
        put(home / "environment", '{"SECRET_KEY": "squirrel"}', gid=gid)
        put(home / "data/a.png", uid=gid, gid=gid)
        for directory in [home, *(path for path in home.rglob("*") if path.is_dir())]:
            directory.chmod(0o750)
            os.chown(directory, gid if directory.name == "data" else 0, gid)
        put(tmp_path / "www" / name / "wsgi.py", mode=0o644)
    (tmp_path / "lib").chmod(0o755)
    monkeypatch.setattr(collectors_look, "_WIDE", ())
    return tmp_path


def planned(host: Path, **fields: Any) -> Plan:
    """Return what to look at on that host."""
    code = {
        name: {
            str(host / "lib" / name / "venv"): "python-home",
            str(host / "lib" / name / "code"): "home",
            str(host / "www" / name / "wsgi.py"): "entry",
        }
        for name in ("shop", "blog")
    }
    accounts = {name: {"uid": uid, "gid": uid, "groups": [uid]} for name, uid in NAMES.items()}
    homes = {name: str(host / "lib" / name) for name in ("shop", "blog")}
    scripts = [str(host / "www" / name / "wsgi.py") for name in ("shop", "blog")]
    return Plan(**{"code": code, "accounts": accounts, "homes": homes, "scripts": scripts, **fields})


def look(host: Path, **fields: Any) -> dict[str, Any]:
    plan = planned(host, **fields)
    found: dict[str, Any] = in_mounts(None, lambda: collectors_look.look(plan))
    assert {name: one["unknown"] for name, one in found["accounts"].items()} == dict.fromkeys(plan.accounts, "")
    return found


@needs_root
def test_nobody_reaches_what_is_closed(host: Path) -> None:
    found = look(host)
    for name in NAMES:
        told = reach(found, name)
        kept = {key: told[key] for key in ("reads", "writes", "secrets", "unreached")}
        assert kept == {"reads": [], "writes": [], "secrets": [], "unreached": []}, name
    assert found["wide"] == []
    assert found["acls"] == []
    assert found["unknown"] == {}
    assert paths(found["secrets"], host) == ["lib/blog/environment", "lib/shop/environment"]
    assert paths(reach(found, "pool shop")["data"], host) == ["lib/shop/data"]
    access = found["accounts"]["pool shop"]["access"]
    assert (access["writable"], access["owned"], access["unreadable"]) == ([], [], [])


@needs_root
def test_another_pool_reads_a_secret_that_the_mode_of_every_directory_lets_it_reach(host: Path) -> None:
    (host / "lib/shop/environment").chmod(0o644)
    found = look(host)
    # The directory above still keeps it out.
    assert reach(found, "pool blog")["secrets"] == []
    assert [row["mode"] for row in found["secrets"] if "shop" in row["pools"]] == ["0644"]
    (host / "lib/shop").chmod(0o755)
    found = look(host)
    for name in ("pool blog", APACHE, OTHERS):
        assert paths(reach(found, name)["secrets"], host) == ["lib/shop/environment"]
    assert reach(found, "pool shop")["secrets"] == []


@needs_root
def test_a_group_and_an_acl_let_one_account_in_and_no_other(host: Path) -> None:
    permit(host / "lib/shop", BLOG, 1)
    permit(host / "lib/shop/environment", BLOG, 4)
    found = look(host)
    assert paths(reach(found, "pool blog")["secrets"], host) == ["lib/shop/environment"]
    assert reach(found, OTHERS)["secrets"] == []
    assert [(row["users"], row["default"]) for row in found["acls"]] == [
        ({str(BLOG): 1}, False),
        ({str(BLOG): 4}, False),
    ]
    accounts = planned(host).accounts
    accounts[APACHE]["groups"] = [WWW, SHOP]
    assert paths(reach(look(host, accounts=accounts), APACHE)["secrets"], host) == ["lib/shop/environment"]


@needs_root
def test_default_acls_and_masks_are_seen(host: Path) -> None:
    permit(host / "lib/shop/code", BLOG, 7, default=True)
    descriptor = os.open(host / "lib/shop/code/app", os.O_RDONLY)
    write_acl(descriptor, "app", Acl(7, 5, 0, {BLOG: 7}, {}, 0))
    os.close(descriptor)
    found = look(host)["acls"]
    assert [(row["users"], row["default"]) for row in found] == [({str(BLOG): 7}, True)]
    descriptor = os.open(host / "lib/shop/code/app", os.O_RDONLY)
    write_acl(descriptor, "app", Acl(7, 5, 0, {BLOG: 7}, {SHOP: 3}, 5))
    os.close(descriptor)
    assert (look(host)["acls"][1]["users"], look(host)["acls"][1]["groups"]) == ({str(BLOG): 5}, {str(SHOP): 1})


@needs_root
def test_of_many_acls_that_say_the_same_some_are_told(host: Path) -> None:
    for number in range(30):
        permit(put(host / "lib/shop/code" / f"{number}.py"), BLOG, 4)
    permit(put(host / "lib/shop/code/other.py"), BLOG, 6)
    found = [row["users"][str(BLOG)] for row in look(host)["acls"]]
    assert (found.count(4), found.count(6)) == (20, 1)


@needs_root
def test_a_repository_is_no_directory_of_data(host: Path) -> None:
    for path in ("lib/shop/data", "lib/shop/code/.git", "lib/shop/code/.git/objects"):
        (host / path).mkdir(exist_ok=True)
        os.chown(host / path, SHOP, SHOP)
    assert paths(reach(look(host), "pool shop")["data"], host) == ["lib/shop/data"]


@needs_root
def test_a_tree_that_is_open_to_all_is_told_in_a_few_rows(host: Path) -> None:
    for number in range(60):
        put(host / "lib/shop/code" / f"m{number}.py", mode=0o666)
        put(host / "lib/shop/code" / f"{number}.key", mode=0o666)
    for path in (host / "lib/shop", host / "lib/shop/code"):
        path.chmod(0o777)
    told = reach(look(host), "pool blog")
    # Three of the code, and three of the tree that has the home and the data.
    assert (len(told["reads"]), len(told["secrets"]), len(told["writes"])) == (3, 50, 4)


@needs_root
def test_every_environment_has_its_share_of_what_is_read(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_look, "packages_of", lambda _disk, _top, share: [share.bytes, share.files])
    assert list(look(host)["packages"].values()) == [[24 << 20, 2500]] * 2


@needs_root
def test_what_everybody_may_write_is_found_though_a_directory_above_is_closed(host: Path) -> None:
    for path in ("lib/shop/data/a.png", "lib/shop/code/app", "lib/shop/venv/pyvenv.cfg"):
        (host / path).chmod((host / path).stat().st_mode | stat.S_IWOTH)
    # As in /tmp.
    (host / "lib/shop/data/shared").mkdir()
    (host / "lib/shop/data/shared").chmod(0o1777)
    # For the group only.
    put(host / "lib/shop/code/group.py", mode=0o660)
    found = look(host)
    wanted = ["lib/shop/code/app", "lib/shop/data/a.png", "lib/shop/venv/pyvenv.cfg"]
    assert paths(found["wide"], host) == wanted
    assert reach(found, "pool blog")["writes"] == []


@needs_root
def test_apache_may_read_what_is_served_and_the_entry_and_no_more(host: Path) -> None:
    static = host / "lib/shop/code/static"
    put(static / "tool.py", mode=0o644)
    for directory in (host / "lib/shop", host / "lib/shop/code", static):
        directory.chmod(0o751)
    served = [str(static), str(host / "www/shop")]
    assert reach(look(host, served=served), APACHE)["reads"] == []
    assert paths(reach(look(host), APACHE)["reads"], host) == ["lib/shop/code/static/tool.py"]
    (host / "www/shop").chmod(0o700)
    assert reach(look(host, served=served), APACHE)["unreached"] == [str(host / "www/shop/wsgi.py")]


@needs_root
def test_pools_of_one_account_and_of_one_tree_are_no_strangers(host: Path) -> None:
    accounts = planned(host).accounts
    accounts["pool blog"] = accounts["pool shop"]
    (host / "lib/shop").chmod(0o755)
    (host / "lib/shop/environment").chmod(0o644)
    assert reach(look(host, accounts=accounts), "pool blog")["secrets"] == []
    code = planned(host).code
    code["blog"][str(host / "lib/shop/code")] = "python-path"
    found = look(host, code=code)
    assert [row["pools"] for row in found["secrets"] if "lib/shop" in row["path"]] == [["shop"]]


@needs_root
def test_logs_configuration_and_directories_above_them(host: Path) -> None:
    log = put(host / "log/error.log")
    plan = {"watched": {str(log): "log"}, "logs": {str(log): {"shop"}}}
    (host / "log").chmod(0o750)
    assert reach(look(host, **plan), "pool shop")["watched"] == []
    os.chown(host / "log", SHOP, 0)
    found = look(host, **plan)
    assert [(row["kind"], row["root"]) for row in reach(found, "pool shop")["watched"]] == [("ancestor", "log")]
    assert reach(found, "pool blog")["watched"] == []
    assert reach(found, "pool blog")["logs"] == []
    (host / "log").chmod(0o755)
    log.chmod(0o646)
    found = look(host, **plan)
    assert paths(reach(found, OTHERS)["watched"], host) == ["log/error.log"]
    assert reach(found, "pool blog")["logs"] == [str(log)]


@needs_root
def test_served_directories_and_their_htaccess(host: Path) -> None:
    root = host / "html"
    put(root / ".htaccess", "SetHandler None\n", mode=0o644)
    put(root / "up/in/.htaccess", 'SetEnv API_TOKEN "squirrel"\n<Files x>\nOptions \\\n +ExecCGI\n</Files>', uid=SHOP)
    os.chown(root / "up", SHOP, 0)
    os.chown(root / "up/in", SHOP, 0)
    found = look(host, served=[str(root)], overrides=[".htaccess"])
    told = found["served"][str(root)]
    assert reach(found, "pool shop")["served"] == {str(root): [str(root / "up")]}
    assert reach(found, "pool blog")["served"] == {str(root): []}
    assert [path for path in paths(told["loose"], host) if not path.startswith("..")] == ["html/up", "html/up/in"]
    files = {os.path.relpath(row["path"], root): (row["loose"], row["lines"]) for row in told["overrides"]}
    assert files == {
        ".htaccess": (False, ["SetHandler None"]),
        "up/in/.htaccess": (True, ["SetEnv API_TOKEN (hidden)", "Options +ExecCGI"]),
    }


@needs_root
def test_of_many_things_some_are_told(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_look, "_ROWS", 2)
    (host / "up").mkdir()
    for number in range(12):
        put(host / f"html/{number:02}/.htaccess", uid=SHOP)
        os.chown(host / f"html/{number:02}", SHOP, 0)
        (host / f"html/link{number:02}").symlink_to("../up")
        put(host / f"lib/shop/code/{number}.py", mode=0o666)
        put(host / f"lib/shop/code/{number}.key")
    found = look(host, served=[str(host / "html")], overrides=[".htaccess"])
    told = found["served"][str(host / "html")]
    assert [len(told[key]) for key in ("loose", "links", "overrides")] == [10, 10, 2]
    assert len(reach(found, "pool shop")["served"][str(host / "html")]) == 2
    # Of each tree.
    assert [paths(found[key], host)[0][:8] for key in ("wide", "secrets")] == ["lib/shop", "lib/blog"]
    assert [len([row for row in found[key] if "/code/" in row["path"]]) for key in ("wide", "secrets")] == [2, 2]


@needs_root
def test_a_link_in_what_is_served_leads_to_uploads(host: Path) -> None:
    root = host / "html"
    put(root / "index.html")
    (root / "media").symlink_to(host / "lib/shop/data")
    (root / "away").symlink_to("/")
    (root / "loop").symlink_to(".")
    (root / "gone").symlink_to("nowhere")
    found = look(host, served=[str(root)])
    assert reach(found, "pool shop")["served"] == {str(root): [f"{root}/media"]}
    assert sorted(found["served"][str(root)]["links"]) == [f"{root}/{name}" for name in ("away", "loop", "media")]


@pytest.fixture
def listening(host: Path) -> Iterator[str]:
    """A socket such as mod_wsgi's."""
    path = f"{host}/run/wsgi.{os.getpid()}.0.1.sock"
    (host / "run").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen(5)
        os.chmod(path, 0o700)
        os.chown(path, WWW, 0)
        yield path


@needs_root
@pytest.mark.parametrize("really", [True, False])
def test_who_connects_to_a_socket(host: Path, listening: str, really: bool) -> None:
    assert collectors_plan._sockets(os.getpid(), ["shop"]) == {listening: "shop"}
    plan = {"sockets": {listening: "shop"}, "really": really}
    found = look(host, **plan)
    assert [reach(found, name)["connects"] for name in ("pool shop", "pool blog", OTHERS)] == [[], [], []]
    (row,) = found["sockets"]
    assert (row["pool"], row["owner"], row["mode"], row["named"]) == ("shop", WWW, "0700", False)
    os.chmod(listening, 0o777)
    found = look(host, **plan)
    assert [reach(found, name)["connects"] for name in ("pool blog", OTHERS)] == [[listening], [listening]]
    (host / "run").chmod(0o700)
    assert reach(look(host, **plan), "pool blog")["connects"] == []
    (host / "run").chmod(0o777)
    (row,) = look(host, **plan)["sockets"]
    assert str(host / "run") in [one["path"] for one in row["way"]]


@needs_root
def test_what_a_pool_may_write_of_others(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_look, "_WIDE", (str(host / "var"),))
    for name, mode, uid, gid in (
        ("open", 0o777, 0, 0),
        ("shared", 0o1777, 0, 0),
        ("own", 0o750, SHOP, SHOP),
        ("group", 0o770, 0, SHOP),
        ("closed", 0o700, 0, 0),
    ):
        put(host / "var" / name / "file", mode=0o666)
        (host / "var" / name).chmod(mode)
        os.chown(host / "var" / name, uid, gid)
    put(host / "var/named")
    permit(host / "var/named", SHOP, 6)
    found = look(host)
    # In the shared one the file is open, in the closed one nobody reaches it.
    assert paths(reach(found, "pool shop")["foreign"], host) == [
        "var/group",
        "var/named",
        "var/open",
        "var/shared/file",
    ]
    assert paths(reach(found, "pool blog")["foreign"], host) == ["var/open", "var/shared/file"]
    # What is Apache's own is told as that.
    watched = {str(host / "var/open/file"): "log"}
    assert paths(reach(look(host, watched=watched), "pool blog")["foreign"], host) == ["var/shared/file"]


@needs_root
def test_code_that_cannot_be_read_is_told(host: Path) -> None:
    (host / "lib/shop/code/app/views.py").chmod(0o600)
    found = look(host)["accounts"]["pool shop"]["access"]["unreadable"]
    assert paths(found, host) == ["lib/shop/code/app/views.py"]


def children() -> set[str]:
    """Return this process's children, those that ended and were not waited for among them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(path.parent.name)
    return found


@needs_root
def test_nothing_is_changed_and_nothing_is_left(host: Path) -> None:
    # Another test's helpers may still be there.
    others = children()

    def states() -> dict[Path, tuple[float, ...]]:
        # All but the times of access: a directory that is read may get a new one.
        found = {path: path.lstat() for path in host.rglob("*")}
        return {path: (*one[:7], one.st_mtime_ns, one.st_ctime_ns) for path, one in found.items()}

    before = states()
    look(host, served=[str(host / "www")], overrides=[".htaccess"])
    assert states() == before
    assert children() <= others


@needs_root
def test_who_may_change_a_script_and_the_directories_above_it(host: Path) -> None:
    script = host / "www/shop/wsgi.py"
    permit(script, BLOG, 6)
    permit(host / "www/shop", BLOG, 5)
    os.chown(host / "www", SHOP, BLOG)
    (host / "www").chmod(0o775)
    link = host / "elsewhere/wsgi.py"
    link.parent.mkdir()
    link.symlink_to(script)
    link.parent.chmod(0o1777)
    rows = {
        os.path.relpath(row["path"], host): (row["users"], row["groups"], row["everybody"])
        for row in look(host, scripts=[str(link)])["scripts"][str(link)]
        if row["path"].startswith(str(host))
    }
    assert rows == {
        "elsewhere/wsgi.py": ([0, BLOG], [], False),
        # Nobody renames there what is root's.
        "elsewhere": ([0], [], False),
        ".": ([0], [], False),
        "www": ([SHOP], [BLOG], False),
        "www/shop": ([0], [], False),
    }
    link.parent.chmod(0o777)
    found = look(host, scripts=[str(link)])["scripts"][str(link)]
    assert [row["path"] for row in found if row["everybody"]] == [str(link.parent)]


def test_a_way_that_changes_while_it_is_looked_at_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # What was a link a moment ago.
    monkeypatch.setattr(os.path, "islink", lambda _path: True)
    assert collectors_look._way("/etc/passwd") == []


@needs_root
@pytest.mark.parametrize("path", ["/", "/var/lib", "/home", "/usr/games", "/tmp", "/var/www/html", "/nonexistent"])
def test_a_home_that_is_everybody_s_is_not_walked(path: str, host: Path) -> None:
    plan = planned(host, homes={"shop": path}, code={})
    assert collectors_look._trees(plan, {}) == []


def test_trees_belong_to_the_pools_that_name_them(tmp_path: Path) -> None:
    for name in ("code/shop", "www", "other"):
        (tmp_path / name).mkdir(parents=True)
    script, key = put(tmp_path / "www/wsgi.py"), put(tmp_path / "key.pem")
    code = {
        "a": {str(tmp_path / "code"): "home", str(script): "entry", "/": "home", str(tmp_path / "gone"): "python-path"},
        "b": {str(tmp_path / "code/shop"): "python-path"},
    }
    homes = {"a": str(tmp_path / "other"), "b": str(tmp_path)}
    unknown: dict[str, str] = {}
    keys = [str(key), str(tmp_path / "none")]
    trees = collectors_look._trees(Plan(code=code, homes=homes, keys=keys), unknown)
    assert {(os.path.relpath(tree.top, tmp_path), tree.kind): sorted(tree.pools) for tree in trees} == {
        ("code", "home"): ["a"],
        ("www", "entry"): ["a"],
        # What lies in a pool's code is its code too.
        ("code/shop", "python-path"): ["a", "b"],
        ("other", "account"): ["a"],
        (".", "TLS key"): [],
    }
    assert [tree.scripts for tree in trees if tree.kind == "entry"] == [{str(script)}]
    assert [row.path for tree in trees for row in tree.secrets] == [str(key)]
    # Of b's home a stranger's code is a part, so it is not walked.
    assert unknown == {"a": f"{tmp_path}/gone is not there"}
    assert collectors_look._trees(Plan(code={"a": {"/": "home"}}), unknown) == []
    assert unknown["a"] == "home=/ was not searched"
