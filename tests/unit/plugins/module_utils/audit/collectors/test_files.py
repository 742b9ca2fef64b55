"""What is read of files, on real trees and as real accounts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import mmap
import os
import pwd
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import access as collectors_access
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import (
    environment as collectors_environment,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import files as collectors_files
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import tree as collectors_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.access import (
    as_account,
    in_mounts,
    readable_files,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.environment import (
    Budget,
    packages_of,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.files import (
    APACHE,
    OTHERS,
    Plan,
    file_facts,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.htaccess import (
    directives,
    read_htaccess,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.tree import (
    Disk,
    Row,
    Tree,
    look_at,
    walk_tree,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.acl import Acl, write_acl
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import facts, process
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root
from hypothesis import given
from hypothesis import strategies as st

SHOP, BLOG, WWW = 54321, 54331, 54341
NAMES = {"pool shop": SHOP, "pool blog": BLOG, APACHE: WWW, OTHERS: 54351}


def put(file: Path, text: str = "x = 1\n", mode: int = 0o640, uid: int = 0, gid: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    os.chown(file, uid, gid)
    return file


def permit(path: Path, uid: int, bits: int, default: bool = False) -> None:
    acl = Acl.from_mode(stat.S_IMODE(path.stat().st_mode), {uid: bits})
    if default:
        os.setxattr(path, "system.posix_acl_default", acl.encode())
        return
    write_acl_of(path, acl)


def write_acl_of(path: Path, acl: Acl) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        write_acl(descriptor, str(path), acl)
    finally:
        os.close(descriptor)


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
    monkeypatch.setattr(collectors_files, "_WIDE", ())
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
    found: dict[str, Any] = in_mounts(None, lambda: collectors_files._look(plan))
    assert {name: one["unknown"] for name, one in found["accounts"].items()} == dict.fromkeys(plan.accounts, "")
    return found


def reach(found: dict[str, Any], name: str) -> dict[str, Any]:
    answer: dict[str, Any] = found["accounts"][name]["reach"]
    return answer


def paths(rows: list[dict[str, Any]], host: Path) -> list[str]:
    return sorted(os.path.relpath(row["path"], host) for row in rows)


# What each account is found to do


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
    monkeypatch.setattr(collectors_files, "_ROWS", 2)
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
    assert collectors_files._sockets(os.getpid(), ["shop"]) == {listening: "shop"}
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
    monkeypatch.setattr(collectors_files, "_WIDE", (str(host / "var"),))
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


@needs_root
def test_nothing_is_changed_and_nothing_is_left(host: Path) -> None:
    before = {path: path.lstat() for path in host.rglob("*")}
    look(host, served=[str(host / "www")], overrides=[".htaccess"])
    assert {path: path.lstat() for path in host.rglob("*")} == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@needs_root
def test_the_whole_of_it_on_facts(host: Path) -> None:
    config = f"""\
Listen 80
ErrorLog {host}/log/error.log
<VirtualHost *:80>
  ServerName shop.test
  WSGIDaemonProcess shop user=shop-app home={host}/lib/shop/code python-home={host}/lib/shop/venv
  WSGIScriptAlias / {host}/www/shop/wsgi.py
  WSGIProcessGroup shop
  Alias /media {host}/lib/shop/data
</VirtualHost>
"""
    one = facts(config, live={"shop": [process(uid=SHOP)]}, access={})
    one.instance.pid = None
    one.instance.config_file = str(put(host / "apache2.conf", mode=0o666))
    found = file_facts(one)
    assert one.access["shop"].unknown == ""
    assert one.access["shop"].writable == []
    assert found.pools["shop"].served[f"{host}/lib/shop/data"] == [f"{host}/lib/shop/data"]
    assert found.others is not None
    assert paths(found.others.watched, host) == ["apache2.conf"]
    assert found.logs == [{"path": f"{host}/log/error.log", "pools": []}]
    assert found.packages[f"{host}/lib/shop/venv"]["system"] is False


def test_who_may_not_become_another_account_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(groups: list[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setgroups", refused)
    monkeypatch.setattr(collectors_files, "_WIDE", ())
    one = facts("WSGIDaemonProcess shop home=/srv/shop", access={})
    one.instance.pid = None
    found = file_facts(one)
    assert "could not look as uid 990" in found.pools["shop"].unknown
    assert "could not look as uid 990" in one.access["shop"].unknown


@needs_root
def test_a_pool_in_a_root_of_its_own_is_unknown(host: Path) -> None:
    one = facts("WSGIDaemonProcess shop chroot=/srv/jail home=/code", access={})
    one.instance.pid = None
    found = file_facts(one)
    assert (
        one.access["shop"].unknown == found.pools["shop"].unknown == "chroot= is set, so its files were not looked at"
    )


def test_an_apache_that_has_ended_is_unknown() -> None:
    one = facts(access={})
    one.instance.pid = 2**22 + 1
    found = file_facts(one)
    assert found.unknown["everything"].startswith("could not look at files")
    assert one.access["shop"].unknown == found.pools["shop"].unknown == found.unknown["everything"]


# The child


def test_a_child_says_what_went_wrong() -> None:
    with pytest.raises(OSError, match="nothing there"):
        in_mounts(None, lambda: {"a": 1}["nothing there"])


def test_a_child_that_dies_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="took too long"):
        in_mounts(None, lambda: os.kill(os.getpid(), 9))
    monkeypatch.setattr(collectors_access, "SECONDS", 0.2)
    with pytest.raises(OSError, match="took too long"):
        in_mounts(None, lambda: time.sleep(60))


def test_much_does_not_block_the_pipe() -> None:
    assert len(in_mounts(None, lambda: "x" * 3_000_000)) == 3_000_000


@needs_root
def test_a_child_becomes_the_account_and_nothing_comes_back() -> None:
    account = {"uid": SHOP, "gid": BLOG, "groups": [WWW]}
    wanted = [SHOP, SHOP, BLOG, [WWW]]
    assert as_account(account, lambda: [os.getuid(), os.geteuid(), os.getegid(), os.getgroups()]) == wanted
    assert os.geteuid() == 0


def test_a_child_ends_itself_whatever_its_parent_does_with_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        handler, left = in_mounts(
            None, lambda: [signal.getsignal(signal.SIGALRM) == signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL)[0]]
        )
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handler is True
    assert 0 < left <= collectors_access.SECONDS
    account = {"uid": os.geteuid(), "gid": os.getegid(), "groups": os.getgroups()}
    left = as_account(account, lambda: signal.getitimer(signal.ITIMER_REAL)[0])
    assert 0 < left <= collectors_access.ACCOUNT_SECONDS < collectors_access.SECONDS


def test_an_error_without_words_is_told_by_its_name() -> None:
    def fail() -> None:
        raise ValueError

    with pytest.raises(OSError, match="ValueError"):
        in_mounts(None, fail)
    with pytest.raises(OSError, match="took too long"):
        in_mounts(None, lambda: {1, 2})


def test_a_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_access, "_GRACE", 0.4)
    child = subprocess.Popen(["sleep", "60"])
    began = time.monotonic()
    collectors_access._end(child.pid)
    # It had half of the time to end by itself.
    assert time.monotonic() - began >= 0.2
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)
    child.returncode = -9


def test_mounts_that_are_not_to_be_entered_are_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        collectors_access._enter_mounts(2**22 + 1)


def row_at(path: Path, kind: str = "code", root: str = "home") -> Row:
    found = look_at(str(path), kind, root)
    assert found
    return found


@needs_root
def test_what_an_account_may_change_of_its_code(tmp_path: Path) -> None:
    """Runs as the account itself, which may pass all directories above."""
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    files = {}
    for name, mode, owner in (
        ("mine", 0o400, SHOP),
        ("closed", 0o600, 0),
        ("open", 0o606, 0),
        ("secret", 0o606, 0),
        ("data", 0o606, 0),
    ):
        files[name] = put(tmp_path / name, mode=mode, uid=owner)
    for name, mode, owner in (("shared", 0o1777, 0), ("above", 0o777, 0), ("above-mine", 0o1555, SHOP)):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, owner, 0)
        (tmp_path / name).chmod(mode)
    tree = Tree(str(tmp_path), "home")
    tree.rows = [row_at(files[name], name if name in ("secret", "data") else "code") for name in files]
    ways = [row_at(tmp_path / name, "ancestor") for name in ("shared", "above", "above-mine")]
    account = {"uid": SHOP, "gid": SHOP, "groups": []}
    found = as_account(account, lambda: collectors_access.own_code([tree, Tree("/x", "account", rows=tree.rows)], ways))
    named = {key: sorted(os.path.basename(row["path"]) for row in found[key]) for key in found if key != "checked"}
    assert named == {
        "writable": ["above", "open"],
        "owned": ["above-mine", "mine"],
        "unreadable": ["closed"],
    }
    assert found["checked"] == 6
    said = as_account(account, lambda: [collectors_access.may_write(row) for row in (*ways, *tree.rows)])
    assert said == [False, True, True, True, False, True, True, True]


@needs_root
@pytest.mark.parametrize(
    ("root", "mode", "readable"),
    [("entry", 0o711, True), ("home", 0o711, False), ("home", 0o755, True), ("entry", 0o744, False)],
)
def test_python_lists_the_directories_that_it_imports_from(
    root: str, mode: int, readable: bool, tmp_path: Path
) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    (tmp_path / "code").mkdir()
    (tmp_path / "code").chmod(mode)
    tree = Tree(str(tmp_path / "code"), root, rows=[row_at(tmp_path / "code", "root", root)])
    account = {"uid": SHOP, "gid": SHOP, "groups": []}
    found = as_account(account, lambda: collectors_access.own_code([tree], []))
    assert [row["path"] for row in found["unreadable"]] == ([] if readable else [str(tmp_path / "code")])


@needs_root
def test_who_may_not_leave_the_time_of_access_alone_reads_all_the_same(tmp_path: Path) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    path = str(put(tmp_path / "open", "squirrel", mode=0o644))
    account = {"uid": SHOP, "gid": SHOP, "groups": []}
    assert as_account(account, lambda: collectors_tree.read_start(path, 5).decode()) == "squir"


def test_whose_own_data_they_are(tmp_path: Path) -> None:
    for name in ("data/in", "code", ".git/objects", "file"):
        (tmp_path / name).mkdir(parents=True)
    home = Tree(str(tmp_path), "account", rows=[row_at(tmp_path, "root", "account")])
    names = ("data", "data/in", ".git", ".git/objects")
    tree = Tree(str(tmp_path), "home", rows=[row_at(tmp_path, "root")])
    tree.rows += [row_at(tmp_path / name, "data") for name in names] + [row_at(tmp_path / "code")]
    found = [row["path"] for row in collectors_access.own_data([tree])]
    assert found == [str(tmp_path / "data")]
    # A home that it may write is its data, with all that is in it.
    assert [row["path"] for row in collectors_access.own_data([home, tree])] == [str(tmp_path)]


@needs_root
def test_a_socket_that_is_full_or_far_away(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, contextlib.ExitStack() as clients:
        server.bind(path)
        assert collectors_access.connects(path, True) is False
        server.listen(0)
        for _number in range(3):
            assert collectors_access.connects(path, True) is True
            client = clients.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(path)
    assert collectors_access.connects(path, False) is True
    assert collectors_access.connects(str(tmp_path / "none"), False) is False
    long = put(tmp_path / ("x" * 120))
    assert collectors_access.connects(str(long), True) is True


# Hostile trees


def walked(top: Path, kind: str = "home") -> Tree:
    tree = Tree(str(top), kind)
    walk_tree(Disk(), tree, [])
    return tree


def test_links_pipes_and_sockets_are_passed_by(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "settings.py").symlink_to("/etc/passwd")
    (tmp_path / "away").symlink_to("/")
    os.mkfifo(tmp_path / ".env")
    os.mkfifo(tmp_path / "config.ini")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "local.key"))
        tree = walked(tmp_path)
    assert [row.path for row in tree.rows] == [str(tmp_path)]
    assert tree.unknown == ""
    assert collectors_tree.read_start(str(tmp_path / "config.ini"), 9) == b""
    assert collectors_tree.read_start(str(tmp_path / "settings.py"), 9) == b""


def test_names_of_any_bytes_are_told_as_text(tmp_path: Path) -> None:
    names = [b"<script>.py", b"a\nb.py", b"\x1b[31m.py", b"\xff\xfe.py", "\u202e.py".encode()]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    told = [row.shown()["path"] for row in walked(tmp_path).rows[1:]]
    assert sorted(path[len(str(tmp_path)) + 1 :] for path in told) == sorted(
        ["<script>.py", "a\nb.py", "\x1b[31m.py", "\\xff\\xfe.py", "\u202e.py"]
    )
    for path in told:
        path.encode()


def test_a_directory_with_more_than_can_be_looked_at_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (tmp_path / f"{number}.py").touch()
    monkeypatch.setattr(collectors_tree, "IN_ONE_DIRECTORY", 10)
    assert "holds more than could be looked at" in walked(tmp_path).unknown
    found = collectors_tree.walk_served(Disk(), str(tmp_path), [".htaccess"]).unknown
    assert "holds more than could be looked at" in found
    identities: dict[str, set[int]] = {"users": {SHOP}, "groups": {SHOP}}
    assert collectors_tree.walk_wide(Disk(), [str(tmp_path)], [], identities)[1]


def test_many_small_directories_are_bounded_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        put(tmp_path / str(number) / "a.py")
    for bound in ("ENTRIES", "SMALL_ENTRIES"):
        monkeypatch.setattr(collectors_tree, bound, 12)
    assert "holds more than could be looked at" in walked(tmp_path).unknown
    assert "holds more than could be looked at" in walked(tmp_path, "account").unknown
    assert "holds more than could be looked at" in collectors_tree.walk_served(Disk(), str(tmp_path), []).unknown
    identities: dict[str, set[int]] = {"users": {SHOP}, "groups": {SHOP}}
    assert collectors_tree.walk_wide(Disk(), [str(tmp_path)], [], identities) == (
        [],
        "there is more than could be looked at",
    )


def test_what_takes_too_long_is_unknown(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path), "home")
    walk_tree(Disk(seconds=-1), tree, [])
    assert tree.unknown == "it took too long"


def test_a_very_deep_directory_is_unknown(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _number in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert "File name too long" in walked(tmp_path).unknown


def test_a_directory_that_goes_or_becomes_a_link_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gone", "link", "file"):
        put(tmp_path / name / "a.py")
    really = os.open

    def raced(path: str, *arguments: Any, **more: Any) -> int:
        name = os.path.basename(str(path))
        if name in ("gone", "link", "file") and os.path.isdir(path) and not os.path.islink(path):
            os.rename(path, f"{path}.before")
            if name == "link":
                os.symlink("/etc", path)
            elif name == "file":
                Path(path).touch()
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", raced)
    tree = walked(tmp_path)
    assert tree.unknown == ""
    assert not [row for row in tree.rows if row.path.endswith(("a.py", "passwd"))]


def test_a_directory_that_cannot_be_read_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "closed/a.py")
    really = os.open

    def refused(path: str, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refused)
    assert walked(tmp_path).unknown.endswith("closed: Permission denied")


def test_each_directory_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a/b.py")
    reads: list[str] = []
    really = os.scandir

    def counted(where: str) -> Any:
        reads.append(where)
        return really(where)

    monkeypatch.setattr(os, "scandir", counted)
    disk = Disk()
    walk_tree(disk, Tree(str(tmp_path), "home"), [])
    collectors_tree.walk_served(disk, str(tmp_path), [])
    assert len(reads) == 2


# What is a secret


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "A=b"),
        (".env.production", "A=b"),
        ("id_ed25519", "x"),
        ("site.key", "x"),
        ("db.sqlite3", "x"),
        ("environment", "{}"),
        ("settings.py", 'SECRET_KEY = "squirrel"\n'),
        ("local_settings.py", "DATABASES = {'PASSWORD': 'squirrel'}"),
        ("config.json", '{"api_key": "squirrel"}'),
        ("app.ini", "[db]\npassword = squirrel\n"),
        ("config.yml", "token: squirrel\n"),
        ("server.pem", "-----BEGIN PRIVATE KEY-----\n"),
    ],
)
def test_secrets_are_known_by_name_or_text(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    assert [row.path for row in walked(tmp_path).rows if row.kind == "secret"] == [str(tmp_path / name)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env.example", "SECRET_KEY=change-me"),
        (".env", ""),
        ("id_ed25519.pub", "x"),
        ("fullchain.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("settings.py", 'SECRET_KEY = os.environ["SECRET_KEY"]\nPASSWORD_HASHERS = ["a.b"]\n'),
        ("settings.py", "TOKEN = get('x')\n"),
        ("app.ini", "password = ${DB_PASSWORD}\n"),
        ("setup.cfg", "[metadata]\nname = shop\n"),
        ("locale.json", '{"password": "Passwort"}'),
        ("views.py", 'PASSWORD = "squirrel"'),
    ],
)
def test_what_only_looks_like_one_is_none(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    assert [row.path for row in walked(tmp_path).rows if row.kind == "secret"] == []


def test_packages_hold_no_secrets_of_the_project(tmp_path: Path) -> None:
    put(tmp_path / "venv/lib/python3.13/site-packages/tests/site.key")
    put(tmp_path / "node_modules/x/.env", "A=b")
    assert [row.path for row in walked(tmp_path).rows if row.kind == "secret"] == []
    assert [row.path for row in walked(tmp_path / "venv", "python-home").rows if row.kind == "secret"] == []


# .htaccess


@given(st.text(), st.binary())
def test_a_htaccess_of_anything_is_read_to_its_end(text: str, raw: bytes) -> None:
    for one in (text, raw.decode("utf-8", "backslashreplace")):
        for line in directives(one):
            assert isinstance(line.shown, str)


@given(st.sampled_from(["SetHandler wsgi-script", "CGIPassAuth On", "Options +ExecCGI"]), st.integers(0, 3))
def test_a_directive_in_sections_is_found(line: str, depth: int) -> None:
    text = "<Files x>\n" * depth + line + "\n" + "</Files>\n" * depth
    assert [one.shown for one in directives(text)] == [line]


def test_a_htaccess_that_is_no_file_says_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".htaccess")
    assert read_htaccess(str(tmp_path / ".htaccess")) == []


# Virtual environments


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def environment(top: Path, **files: str) -> Path:
    site = top / "lib/python3.13/site-packages"
    for name, text in {"a.py": "x = 1\n", "b.py": "y = 2\n"}.items():
        put(site / name, text)
    rows = [f"{name},sha256={digest((site / name).read_bytes())},6" for name in ("a.py", "b.py")]
    rows += ["../../../bin/a,sha256=x,1", "gone.py,sha256=x,1", "__pycache__/a.pyc,,", "a-1.dist-info/RECORD,,", "odd"]
    put(site / "a-1.dist-info/RECORD", "\n".join(rows))
    put(top / "pyvenv.cfg", "include-system-site-packages = false\n")
    for name, text in files.items():
        put(site / name.replace("__slash__", "/"), text)
    return site


def packages(top: Path, size: int = 1 << 20, files: int = 100) -> dict[str, Any]:
    return packages_of(Disk(), str(top), Budget(size, files))


def test_packages_as_they_were_installed(tmp_path: Path) -> None:
    environment(tmp_path)
    none: list[str] = []
    assert packages(tmp_path) == {
        "system": False,
        "checked": 2,
        "unread": 0,
        "altered": none,
        "editable": none,
        "imports": none,
    }


@pytest.mark.parametrize("text", ["x = 2\n", "import os\n"])
def test_a_changed_module_is_found(tmp_path: Path, text: str) -> None:
    site = environment(tmp_path)
    put(site / "a.py", text)
    assert packages(tmp_path)["altered"] == [str(site / "a.py")]


def test_a_module_that_became_a_link_is_changed(tmp_path: Path) -> None:
    site = environment(tmp_path)
    (site / "a.py").rename(tmp_path / "a.py")
    (site / "a.py").symlink_to(tmp_path / "a.py")
    assert packages(tmp_path)["altered"] == [str(site / "a.py")]


def test_a_link_of_the_right_size_is_no_module(tmp_path: Path) -> None:
    site = environment(tmp_path)
    (site / "in").mkdir()
    (site / "a.py").rename(site / "in/a.p")
    # As long as the module is that it leads to.
    (site / "a.py").symlink_to("in/a.p")
    # Nothing has to be read for that.
    for files in (100, 0):
        assert packages(tmp_path, files=files)["altered"] == [str(site / "a.py")]


def test_more_than_may_be_read_is_told(tmp_path: Path) -> None:
    site = environment(tmp_path)
    assert (packages(tmp_path, size=6)["checked"], packages(tmp_path, size=6)["unread"]) == (1, 1)
    assert (packages(tmp_path, files=0)["checked"], packages(tmp_path, files=0)["unread"]) == (0, 2)
    # The size tells without reading.
    (site / "b.py").write_text("longer than it was", encoding="utf-8")
    assert packages(tmp_path, files=0)["altered"] == [str(site / "b.py")]


def test_installs_that_can_change(tmp_path: Path) -> None:
    site = environment(
        tmp_path,
        **{
            "a-1.dist-info__slash__direct_url.json": '{"url": "file:///x", "dir_info": {"editable": true}}',
            "b-1.dist-info__slash__direct_url.json": '{"url": "https://x", "vcs_info": {"vcs": "git"}}',
            "c-1.dist-info__slash__direct_url.json": '{"url": "file:///c.whl", "archive_info": {}}',
            "d-1.dist-info__slash__direct_url.json": "[" * 5000,
            "old.egg-link": "/x",
            "run.pth": "import os; os.x\n",
            "plain.pth": "/srv/lib\n",
            "distutils-precedence.pth": "import os\n",
        },
    )
    found = packages(tmp_path)
    assert [os.path.relpath(path, site) for path in found["editable"]] == [
        "a-1.dist-info",
        "b-1.dist-info",
        "old.egg-link",
    ]
    assert [os.path.relpath(path, site) for path in found["imports"]] == ["run.pth"]


def test_the_system_s_packages(tmp_path: Path) -> None:
    environment(tmp_path)
    put(tmp_path / "pyvenv.cfg", "home = /usr\nInclude-System-Site-Packages=True\n")
    assert packages(tmp_path)["system"] is True


@given(st.text())
def test_a_record_of_anything_is_read(text: str) -> None:
    row = f'"{text}",sha256=x,{text}'
    # Only what the reader makes of it, since there is no such file.
    assert all(len(one) == 3 for one in _rows_of(row))


def _rows_of(text: str) -> list[tuple[str, str, str]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(collectors_environment, "read_start", lambda _path, _size: text.encode("utf-8", "replace"))
        return list(collectors_environment._listed("/nowhere"))


@pytest.mark.parametrize(
    ("row", "listed"),
    [
        ("a.py,sha256=x,6", [("a.py", "x", "6")]),
        ("in/a.so,sha256=x,", [("in/a.so", "x", "")]),
        ("a.pth,sha256=x=,1,more", [("a.pth", "x=", "1")]),
        ("a.txt,sha256=x,6", []),
        ("a.py,md5=x,6", []),
        ("a.py,,", []),
        ("a.py,sha256=x", []),
        ("/etc/a.py,sha256=x,6", []),
        ("../../bin/a.py,sha256=x,6", []),
        ("..a/b.py,sha256=x,6", [("..a/b.py", "x", "6")]),
    ],
)
def test_which_files_of_a_record_are_compared(row: str, listed: list[tuple[str, str, str]]) -> None:
    assert _rows_of(row) == listed


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        ('{"dir_info": {"editable": true}}', True),
        ('{"dir_info": {"editable": false}}', False),
        ('{"dir_info": {}}', False),
        ('{"dir_info": true}', False),
        ('{"vcs_info": {}}', True),
        ('{"url": "x"}', False),
        ('["vcs_info"]', False),
        ("{", False),
        ("", False),
    ],
)
def test_what_was_installed_from_something_that_changes(told: str, changes: bool, tmp_path: Path) -> None:
    put(tmp_path / "direct_url.json", told)
    assert collectors_environment._installed_from(str(tmp_path)) is changes


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("a.pth", "import os\n", "imports"),
        ("a.pth", "/srv\nimport\tos\n", "imports"),
        ("a.pth", "/srv/import os\n", ""),
        ("a.pth", "importlib\n", ""),
        ("_virtualenv.pth", "import os\n", ""),
        ("distutils-precedence.pth", "import os\n", ""),
        ("__editable___shop_finder.py", "x\n", "editable"),
        ("__editable__.shop-1.pth", "/srv/shop\n", "editable"),
        ("shop.egg-link", "/srv\n", "editable"),
        ("shop.py", "import os\n", ""),
    ],
)
@pytest.mark.parametrize("library", ["lib", "lib64"])
def test_what_else_lies_among_the_packages(name: str, text: str, key: str, library: str, tmp_path: Path) -> None:
    file = put(tmp_path / library / "python3.13/site-packages" / name, text)
    put(tmp_path / library / "other/site-packages" / name, text)
    put(tmp_path / library / "python.txt")
    found = packages(tmp_path)
    assert {one: found[one] for one in ("imports", "editable") if found[one]} == ({key: [str(file)]} if key else {})


def test_of_many_changes_the_first_are_told(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.13/site-packages"
    for number in range(60):
        put(site / f"{number:02}.egg-link")
    assert packages(tmp_path)["editable"] == [f"{site}/{number:02}.egg-link" for number in range(50)]


def test_the_budget_is_used_up_to_its_end(tmp_path: Path) -> None:
    environment(tmp_path)
    sizes = {size: packages(tmp_path, size=size)["checked"] for size in (0, 5, 6, 11, 12, 13)}
    assert sizes == {0: 0, 5: 0, 6: 1, 11: 1, 12: 2, 13: 2}
    assert [packages(tmp_path, files=files)["checked"] for files in (0, 1, 2, 3)] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("include-system-site-packages = true", True),
        ("  INCLUDE-system-site-packages=True  ", True),
        ("include-system-site-packages = false", False),
        ("include-system-site-packages = truer", False),
        ("# include-system-site-packages = true", False),
    ],
)
def test_an_environment_that_sees_the_system_s_packages(line: str, expected: bool, tmp_path: Path) -> None:
    put(tmp_path / "pyvenv.cfg", f"home = /usr\n{line}\n")
    assert packages(tmp_path)["system"] is expected


# Processes


def test_open_files_in_tmp_are_found_unless_they_have_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(collectors_files, "EVERYBODYS", (str(tmp_path),))
    named, gone = tmp_path / "cache.db", tmp_path / "gone.db"
    with named.open("w"), gone.open("w"):
        gone.unlink()
        found = list(collectors_files._temporary(os.getpid()))
    assert found == [{"what": "open file", "path": str(named)}]
    assert list(collectors_files._temporary(2**22 + 1)) == []


def test_the_mount_that_counts_is_the_innermost_and_the_last() -> None:
    mounts = [
        ("/", "/", "rw"),
        ("/data", "/", "rw,noexec"),
        ("/data/in", "/", "rw"),
        ("/over", "/", "noexec"),
        ("/over", "/", "rw"),
    ]
    assert [
        collectors_files._noexec(mounts, path) for path in ("/x", "/data/x", "/database", "/data/in/x", "/over/x")
    ] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert collectors_files._mounts(os.getpid())


def test_a_path_that_no_file_can_have() -> None:
    assert look_at("/srv/\0") is None


def test_the_store_of_mod_md_has_keys_to_look_after(tmp_path: Path) -> None:
    domain = tmp_path / "md/domains/shop.test"
    domain.mkdir(parents=True)
    (domain / "privkey.pem").touch()
    (domain / "pubcert.pem").touch()
    store = f"MDStoreDir {tmp_path}/md\n"
    plan = collectors_files._plan(facts(f"{store}MDomain shop.test\n", live={}))
    assert plan.keys == [f"{domain}/privkey.pem"]
    assert plan.watched[f"{tmp_path}/md"] == "certificate store"
    assert collectors_files._plan(facts(store, live={})).keys == []


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


@needs_root
def test_what_a_mask_leaves_of_an_acl(tmp_path: Path) -> None:
    def writers(acl: Acl) -> tuple[list[int], list[int], bool]:
        write_acl_of(tmp_path, acl)
        row = collectors_tree.look_at(str(tmp_path))
        assert row is not None
        found = collectors_tree.writers_of(row)
        return found["users"], found["groups"], found["everybody"]

    assert writers(Acl(7, 5, 5, {SHOP: 7}, {BLOG: 7}, 5)) == ([0], [], False)
    assert writers(Acl(7, 5, 5, {SHOP: 7}, {BLOG: 7}, 7)) == ([0, SHOP], [BLOG], False)
    assert writers(Acl(7, 7, 5, {SHOP: 5}, {}, 7)) == ([0], [0], False)
    assert writers(Acl(7, 5, 7, {SHOP: 5}, {}, 5)) == ([0], [], True)


@needs_root
def test_what_everybody_may_read_in_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        if above.stat().st_uid == 0 and above != Path("/tmp"):
            above.chmod(0o755)
    closed, public, plain = (tmp_path / name for name in ("closed", "public", "plain"))
    put(closed / "code/a.py", mode=0o644)
    (closed / "code").chmod(0o750)
    put(closed / "b", mode=0o640)
    put(closed / ".bashrc", mode=0o644)
    (closed / "link").symlink_to("/etc/passwd")
    put(public / "static/style.css", mode=0o644)
    put(public / "a/b/notes", mode=0o644)
    put(public / "a/.bashrc", mode=0o644)
    for name in "123456789":
        put(plain / name, mode=0o644)
    nobody = {"uid": 65534, "gid": 65534, "groups": []}
    homes = [str(home) for home in (closed, public, plain, tmp_path / "missing")]

    def read() -> Any:
        return as_account(nobody, lambda: readable_files(homes, [str(public / "static")]))

    found = read()
    assert found[homes[0]] == found[homes[3]] == []
    assert found[homes[1]] == [f"{public}/a/.bashrc", f"{public}/a/b/notes"]
    assert len(found[homes[2]]) == 3
    monkeypatch.setattr(collectors_access, "_LOOKED_AT", 4)
    assert read()[homes[2]] == []


def test_a_section_of_a_htaccess_file_is_no_directive_of_its_own() -> None:
    text = (
        "<Files a>\n</Files>\n<IfModule mod_x.c>\n<Files b>\nRequire all denied\n</Files>\n</IfModule>\nOptions None\n"
    )
    assert [line.shown for line in directives(text)] == ["Require all denied", "Options None"]


def child_of(uid: int, groups: list[int]) -> int:
    """Return a process of this account, that waits to be killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups(groups)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.write(writing, b"x")
        signal.pause()
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return child


@needs_root
def test_apache_s_account_is_what_its_own_children_are() -> None:
    pids = [child_of(WWW, [WWW, 70]), child_of(SHOP, [SHOP]), child_of(WWW, [WWW, 71])]
    try:
        one = facts(live={"shop": [process(uid=WWW, pid=pids[0])]})
        one.instance.uid, one.instance.gid, one.instance.user = WWW, WWW, ""
        one.instance.pid = os.getpid()
        assert collectors_files._apache_account(one) == {"uid": WWW, "gid": WWW, "groups": [71, WWW]}
        # One that root did not start.
        one.instance.pid = pids[1]
        assert collectors_files._apache_account(one) == {"uid": SHOP, "gid": SHOP, "groups": [SHOP]}
        # Where none runs, what the configuration says.
        one.instance.pid = None
        assert collectors_files._apache_account(one) == {"uid": WWW, "gid": WWW, "groups": [WWW]}
        one.instance.uid = None
        assert collectors_files._apache_account(one) is None
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_modules_and_sockets_of_an_apache_that_runs_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "mod_x.so"
    module.write_bytes(b"x" * 4096)
    one = facts(f"WSGIDaemonProcess shop\nCustomLog {tmp_path}/log common", live={})
    one.instance.pid = os.getpid()
    with (
        open(module, "rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ),
        socket.socket(socket.AF_UNIX) as listening,
    ):
        listening.bind(str(tmp_path / f"wsgi.{os.getpid()}.0.1.sock"))
        plan = collectors_files._plan(one)
        one.instance.pid = None
        stopped = collectors_files._plan(one)
    assert plan.watched[str(module)] == "module"
    assert plan.sockets == {str(tmp_path / f"wsgi.{os.getpid()}.0.1.sock"): "shop"}
    assert (stopped.watched.get(str(module)), stopped.sockets) == (None, {})
    assert stopped.watched[f"{tmp_path}/log"] == "log"


# What there is to look at


def plan_of(config: str, **fields: Any) -> Plan:
    found = facts(config, **{"live": {}, **fields})
    found.instance.pid = None
    found.instance.root = "/etc/apache2"
    return collectors_files._plan(found)


SITE = (
    "<VirtualHost *:80>\nServerName a\n{}\nWSGIScriptAlias / /srv/www/wsgi.py\nWSGIProcessGroup shop\n</VirtualHost>\n"
)


@pytest.mark.parametrize(
    ("line", "log"),
    [
        ("ErrorLog /var/log/a", "/var/log/a"),
        ("CustomLog logs/a common", "/etc/apache2/logs/a"),
        ("TransferLog a", "/etc/apache2/a"),
        ("GlobalLog a x", "/etc/apache2/a"),
        ("ForensicLog a", "/etc/apache2/a"),
        ("ScriptLog a", "/etc/apache2/a"),
        ("RewriteLog a", "/etc/apache2/a"),
        ('ErrorLog "|/usr/bin/logger"', None),
        ("ErrorLog syslog:local1", None),
        ("CustomLog /var/log/%Y a", None),
        ("LogLevel warn", None),
    ],
)
def test_logs_are_watched_and_are_for_the_pools_of_their_virtual_host(line: str, log: str | None) -> None:
    plan = plan_of(f"WSGIDaemonProcess shop\n{SITE.format(line)}")
    assert plan.logs == ({log: {"shop"}} if log else {})
    assert plan.watched.get(log or "", "") == ("log" if log else "")
    # One of the whole server is no pool's.
    server = plan_of(f"WSGIDaemonProcess shop\n{line}\n{SITE.format('')}")
    assert server.logs == ({log: set()} if log else {})


def test_everything_that_is_served_is_looked_at(tmp_path: Path) -> None:
    lines = (
        "DocumentRoot /html\nAlias /a /a/files\nScriptAlias /c /cgi\nAliasMatch ^/m/(.*) /m/x$1/y\nAlias /r relative"
    )
    lines += f"\nScriptAliasMatch ^/n /n\nWSGIScriptAlias /d {tmp_path}\nWSGIScriptAliasMatch ^/s/(.*) /s/$1.py"
    plan = plan_of(f"WSGIDaemonProcess shop\n{SITE.format(lines)}")
    directories = ["/html", "/a/files", "/cgi", "/m", "/n", str(tmp_path), "/s", "/srv/www"]
    assert sorted(plan.served) == sorted(directories)
    assert sorted(plan.scripts) == sorted([str(tmp_path), "/srv/www/wsgi.py"])
    assert plan.overrides == [".htaccess"]
    assert plan_of(f"AccessFileName .acl .htaccess\n{SITE.format('')}").overrides == [".acl", ".htaccess"]


def test_keys_and_the_store_of_certificates(tmp_path: Path) -> None:
    for name in ("domains/a/privkey.pem", "domains/a/privkey.secp256r1.pem", "accounts/b/account.pem", "domains/a/x"):
        put(tmp_path / "md" / name)
    lines = "SSLCertificateKeyFile a.key\nSSLCertificateKeyFile /k/b.key"
    assert plan_of(SITE.format(lines)).keys == ["/etc/apache2/a.key", "/k/b.key"]
    for line in ("MDomain a", "<MDomainSet a>\n</MDomainSet>"):
        plan = plan_of(f"MDStoreDir {tmp_path}/md\n{line}\n")
        assert sorted(os.path.relpath(path, tmp_path / "md") for path in plan.keys) == [
            "accounts/b/account.pem",
            "domains/a/privkey.pem",
            "domains/a/privkey.secp256r1.pem",
        ]
    # Where nobody says so it is below Apache's own root.
    assert plan_of("MDomain a\n").watched["/etc/apache2/md"] == "certificate store"


def test_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    config = "WSGIDaemonProcess shop home=/srv\nWSGIDaemonProcess jail chroot=/jail\nWSGIDaemonProcess down\n"
    live = {"shop": [process(uid=65534, gid=5, groups=[5, 6])], "jail": [process("jail")], "down": []}
    plan = plan_of(config, live=live)
    assert set(plan.code) == {"shop"}
    assert plan.accounts == {
        "pool shop": {"uid": 65534, "gid": 5, "groups": [5, 6]},
        APACHE: {"uid": 33, "gid": 33, "groups": os.getgrouplist("www-data", 33)},
        # Not the account that a pool has already.
        OTHERS: {"uid": 65533, "gid": 65533, "groups": []},
    }
    assert plan.homes == {"shop": pwd.getpwuid(65534).pw_dir}
    assert plan_of(config).accounts[OTHERS]["uid"] == 65534


def test_an_application_in_apache_itself_has_its_account() -> None:
    plan = plan_of("WSGIPythonHome /srv/venv\nWSGIScriptAlias / /srv/wsgi.py\n")
    assert plan.code == {"embedded mode": {"/srv/venv": "python-home", "/srv/wsgi.py": "entry"}}
    assert plan.accounts["pool embedded mode"] == plan.accounts[APACHE]


@pytest.mark.parametrize(("uid", "gid"), [(None, 33), (33, None)])
def test_apache_s_account_may_not_be_known(uid: int | None, gid: int | None) -> None:
    found = facts("", live={})
    found.instance.pid, found.instance.uid, found.instance.gid = None, uid, gid
    assert collectors_files._apache_account(found) is None


def test_an_account_that_the_host_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    found = facts("", live={})
    found.instance.pid, found.instance.uid, found.instance.gid, found.instance.user = None, 54399, 54398, ""
    assert collectors_files._apache_account(found) == {"uid": 54399, "gid": 54398, "groups": [54398]}


def test_the_files_of_the_configuration_are_watched() -> None:
    dump = "# In file: /etc/apache2/apache2.conf\n#   1:\nListen 80\n# In file: /etc/apache2/site.conf\n#   2:\n"
    found = facts(f"{dump}<VirtualHost *:80>\n#   3:\n  ServerName a\n</VirtualHost>\n", live={})
    found.instance.pid, found.instance.files = None, ["/etc/apache2/more.conf", "relative"]
    assert collectors_files._plan(found).watched == dict.fromkeys(
        ["/etc/apache2/apache2.conf", "/etc/apache2/more.conf", "/etc/apache2/site.conf"], "configuration"
    )


def test_modules_in_memory_and_sockets_of_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/proc/7/maps": "".join(f"7f 1 /usr/lib/{name}.so\n" for name in ("mod_b", "mod_a", "mod_a", "libc")),
        "/proc/7/net/unix": "Num RefCount Protocol Flags Type St Inode Path\n"
        + "".join(
            f"0000: 00000002 00000000 00010000 0001 01 4242 {path}\n"
            for path in (
                "/run/wsgi.7.0.1.sock",
                "/run/w.7.u33.2.sock",
                "/run/w.7.0.3.sock",
                "/run/w.7.0.0.sock",
                "/run/a b/w.7.0.1.sock",
                "/run/w.8.0.1.sock",
            )
        )
        + "0000: 00000002 00000000 00010000 0001 01 4242\n",
    }
    monkeypatch.setattr(collectors_files, "_read", texts.__getitem__)
    assert collectors_files._modules(7) == ["/usr/lib/mod_a.so", "/usr/lib/mod_b.so"]
    assert collectors_files._sockets(7, ["a", "b"]) == {
        "/run/wsgi.7.0.1.sock": "a",
        "/run/w.7.u33.2.sock": "b",
        "/run/a b/w.7.0.1.sock": "a",
    }
    monkeypatch.undo()
    assert collectors_files._modules(2**22 + 1) == []
    assert collectors_files._sockets(2**22 + 1, ["a"]) == {}


@pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "TMP"])
def test_variables_that_lead_to_a_directory_for_everybody(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors_files, "_read", lambda _path: f"HOME=/tmp\0{name}=/var/tmp/x\0TMPX=/tmp\0ODD")
    monkeypatch.setattr(os, "listdir", lambda _path: [])
    assert list(collectors_files._temporary(7)) == [{"what": name, "path": "/var/tmp/x"}]
    monkeypatch.setattr(collectors_files, "_read", lambda _path: f"{name}=/srv/tmp")
    assert list(collectors_files._temporary(7)) == []


def test_a_way_that_changes_while_it_is_looked_at_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # What was a link a moment ago.
    monkeypatch.setattr(os.path, "islink", lambda _path: True)
    assert collectors_files._way("/etc/passwd") == []


def test_mounts_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "1 0 8:1 / / rw - ext4 x rw\n2 1 8:1 /a /my\\040data rw,noexec - ext4 x rw\nshort\n"
    monkeypatch.setattr(collectors_files, "_read", lambda _path: text)
    assert collectors_files._mounts(7) == [("/", "/", "rw"), ("/my data", "/a", "rw,noexec")]
    assert collectors_files._noexec([], "/x") is False


@needs_root
@pytest.mark.parametrize("path", ["/", "/var/lib", "/home", "/usr/games", "/tmp", "/var/www/html", "/nonexistent"])
def test_a_home_that_is_everybody_s_is_not_walked(path: str, host: Path) -> None:
    plan = planned(host, homes={"shop": path}, code={})
    assert collectors_files._trees(plan, {}) == []


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
    trees = collectors_files._trees(Plan(code=code, homes=homes, keys=keys), unknown)
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
    assert collectors_files._trees(Plan(code={"a": {"/": "home"}}), unknown) == []
    assert unknown["a"] == "home=/ was not walked"
