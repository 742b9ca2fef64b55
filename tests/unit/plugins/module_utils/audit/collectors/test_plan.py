"""Which files are looked at, and as whom."""

from __future__ import annotations

import mmap
import os
import pwd
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import plan as collectors_plan
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.plan import APACHE, OTHERS, Plan
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.collectors.disk import (
    SHOP,
    WWW,
    put,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.plugins.module_utils.audit.facts import facts, process
from ansible_collections.palisade.mod_wsgi.tests.unit.support import needs_root


def test_the_store_of_mod_md_has_keys_to_look_after(tmp_path: Path) -> None:
    domain = tmp_path / "md/domains/shop.test"
    domain.mkdir(parents=True)
    (domain / "privkey.pem").touch()
    (domain / "pubcert.pem").touch()
    store = f"MDStoreDir {tmp_path}/md\n"
    plan = collectors_plan.make_plan(facts(f"{store}MDomain shop.test\n", live={}))
    assert plan.keys == [f"{domain}/privkey.pem"]
    assert plan.watched[f"{tmp_path}/md"] == "certificate store"
    assert collectors_plan.make_plan(facts(store, live={})).keys == []


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
        assert collectors_plan._apache_account(one) == {"uid": WWW, "gid": WWW, "groups": [71, WWW]}
        # One that root did not start.
        one.instance.pid = pids[1]
        assert collectors_plan._apache_account(one) == {"uid": SHOP, "gid": SHOP, "groups": [SHOP]}
        # Where none runs, what the configuration says.
        one.instance.pid = None
        assert collectors_plan._apache_account(one) == {"uid": WWW, "gid": WWW, "groups": [WWW]}
        one.instance.uid = None
        assert collectors_plan._apache_account(one) is None
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
        plan = collectors_plan.make_plan(one)
        one.instance.pid = None
        stopped = collectors_plan.make_plan(one)
    assert plan.watched[str(module)] == "module"
    assert plan.sockets == {str(tmp_path / f"wsgi.{os.getpid()}.0.1.sock"): "shop"}
    assert (stopped.watched.get(str(module)), stopped.sockets) == (None, {})
    assert stopped.watched[f"{tmp_path}/log"] == "log"


def plan_of(config: str, **fields: Any) -> Plan:
    found = facts(config, **{"live": {}, **fields})
    found.instance.pid = None
    found.instance.root = "/etc/apache2"
    return collectors_plan.make_plan(found)


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
    assert collectors_plan._apache_account(found) is None


def test_an_account_that_the_host_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    found = facts("", live={})
    found.instance.pid, found.instance.uid, found.instance.gid, found.instance.user = None, 54399, 54398, ""
    assert collectors_plan._apache_account(found) == {"uid": 54399, "gid": 54398, "groups": [54398]}


def test_the_files_of_the_configuration_are_watched() -> None:
    dump = "# In file: /etc/apache2/apache2.conf\n#   1:\nListen 80\n# In file: /etc/apache2/site.conf\n#   2:\n"
    found = facts(f"{dump}<VirtualHost *:80>\n#   3:\n  ServerName a\n</VirtualHost>\n", live={})
    found.instance.pid, found.instance.files = None, ["/etc/apache2/more.conf", "relative"]
    assert collectors_plan.make_plan(found).watched == dict.fromkeys(
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
    monkeypatch.setattr(collectors_plan, "read_paths", texts.__getitem__)
    assert collectors_plan._modules(7) == ["/usr/lib/mod_a.so", "/usr/lib/mod_b.so"]
    assert collectors_plan._sockets(7, ["a", "b"]) == {
        "/run/wsgi.7.0.1.sock": "a",
        "/run/w.7.u33.2.sock": "b",
        "/run/a b/w.7.0.1.sock": "a",
    }
    monkeypatch.undo()
    assert collectors_plan._modules(2**22 + 1) == []
    assert collectors_plan._sockets(2**22 + 1, ["a"]) == {}
