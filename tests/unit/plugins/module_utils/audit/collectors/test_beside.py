"""Services, crontabs and programs of supervisor are read as those who start them read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors import beside
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.beside import Job, is_of_the_collection

CODE = "/srv/shop"


class Host:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.patch = monkeypatch
        monkeypatch.setattr(beside, "UNITS", (str(root / "units"),))
        monkeypatch.setattr(beside, "_CRONTABS", {f"{root}/crontab": True, f"{root}/spool/*": False})
        monkeypatch.setattr(beside, "_SUPERVISOR", (f"{root}/supervisor/*.conf",))
        for name in ("units", "spool", "supervisor"):
            (root / name).mkdir()

    def write(self, name: str, text: str) -> str:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def job(self) -> Job:
        (found,) = beside.jobs()
        return found

    def rows(self) -> list[dict[str, Any]]:
        return beside.beside({"shop": [CODE], "blog": ["/srv/blog", "/"]}, beside.jobs())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_service(host: Host) -> None:
    text = """\
# A worker
[Service]
ExecStart=/bin/old
ExecStart=
ExecStart=-/srv/shop/venv/bin/celery \\
  -A shop worker
User=shop
WorkingDirectory=-/srv/shop
Environment="SECRET_KEY=hunter2 and more" LANG=C 'DATABASE_URL=postgres://a:b@c/d'
AmbientCapabilities=CAP_NET_BIND_SERVICE
"""
    path = host.write("units/worker.service", text)
    assert host.job() == Job(
        source=path,
        kind="service",
        name="worker",
        account="shop",
        command="/srv/shop/venv/bin/celery    -A shop worker",
        directory="/srv/shop",
        capabilities="CAP_NET_BIND_SERVICE",
        variables=[("SECRET_KEY", "hunter2 and more"), ("LANG", "C"), ("DATABASE_URL", "postgres://a:b@c/d")],
    )
    assert host.rows() == [
        {
            "source": path,
            "kind": "service",
            "account": "shop",
            "pools": ["shop"],
            "capabilities": "CAP_NET_BIND_SERVICE",
            "secrets": ["DATABASE_URL", "SECRET_KEY"],
            "name": "worker",
            "command": "/srv/shop/venv/bin/celery    -A shop worker",
            "schedule": "",
            "variables": ["DATABASE_URL", "LANG", "SECRET_KEY"],
        }
    ]


@pytest.mark.parametrize(
    ("more", "account"),
    [("", "root"), ("DynamicUser=yes\n", "an account of its own"), ("User=a\nUser=b\n", "b"), ("#User=a\n", "root")],
)
def test_whose_a_service_is(host: Host, more: str, account: str) -> None:
    host.write("units/worker.service", f"[Service]\nExecStart=/srv/shop/run\n{more}")
    assert host.job().account == account


def test_drop_ins_and_timers_of_a_service(host: Host) -> None:
    host.write("units/tidy.service", "[Service]\nExecStart=/srv/shop/tidy\n")
    host.write("units/tidy.service.d/user.conf", "[Service]\nUser=shop\n")
    host.write("units/tidy.timer", "[Timer]\nOnCalendar=daily\n")
    assert (host.job().account, host.job().schedule) == ("shop", "daily")


def test_what_is_no_service_of_this_host(host: Host) -> None:
    host.write("units/none.service", "[Service]\nUser=shop\n")
    (host.root / "units/alias.service").symlink_to(host.write("packaged.service", "[Service]\nExecStart=/srv/shop/x\n"))
    (host.root / "units/directory.service").mkdir()
    assert beside.jobs() == []


@pytest.mark.parametrize(
    ("line", "account", "schedule", "command"),
    [
        ("*/5 * * * * root cd /srv/shop && ./run", "root", "*/5 * * * *", "cd /srv/shop && ./run"),
        ("@daily shop /srv/shop/run", "shop", "@daily", "/srv/shop/run"),
        ("0 3 * * 1-5\tshop  /srv/shop/run", "shop", "0 3 * * 1-5", "/srv/shop/run"),
    ],
)
def test_a_line_of_the_systems_crontab(host: Host, line: str, account: str, schedule: str, command: str) -> None:
    path = host.write("crontab", f"# m h\nSHELL=/bin/sh\nTOKEN = 'abc'\n\n{line}\nnonsense\n")
    assert host.job() == Job(
        source=path,
        kind="crontab",
        account=account,
        command=command,
        schedule=schedule,
        variables=[("SHELL", "/bin/sh"), ("TOKEN", "abc")],
    )


def test_an_accounts_own_crontab(host: Host) -> None:
    host.write("spool/shop", "@reboot SECRET_KEY=abc A=b /srv/shop/run\n")
    job = host.job()
    assert (job.account, job.command) == ("shop", "SECRET_KEY=abc A=b /srv/shop/run")
    assert host.rows()[0]["secrets"] == ["SECRET_KEY"]
    # The report and the list of adopt are for others to read.
    assert host.rows()[0]["command"] == "SECRET_KEY=*** A=b /srv/shop/run"


def test_files_are_read_to_a_bound(host: Host) -> None:
    host.write("units/long", "#" * (1 << 17))
    for number in range(1000):
        host.write(f"spool/{number}", "")
    found = dict(beside.text_files([f"{host.root}/units/*", f"{host.root}/spool/*"]))
    assert (len(found), len(found[f"{host.root}/units/long"])) == (1000, 1 << 16)


def test_programs_of_supervisor(host: Host) -> None:
    text = """\
[supervisord]
user=root
[program:mail]
command=/srv/shop/venv/bin/celery worker ; a comment
directory=/srv/shop
user=shop
environment=SECRET_KEY="abc",LANG="C"
[program:beat]
command=/srv/shop/venv/bin/celery beat
"""
    host.write("supervisor/shop.conf", text)
    mail, beat = beside.jobs()
    assert (mail.name, mail.account, mail.directory) == ("mail", "shop", "/srv/shop")
    assert mail.variables == [("SECRET_KEY", "abc"), ("LANG", "C")]
    assert (beat.name, beat.account, beat.variables) == ("beat", "root", [])
    assert [row["kind"] for row in host.rows()] == ["supervisor", "supervisor"]


@pytest.mark.parametrize(
    ("command", "pools"),
    [
        ("/srv/shop/run", ["shop"]),
        ("/bin/sh -c 'cd /srv/shop; ls'", ["shop"]),
        ("/srv/shop/../blog/run", ["blog"]),
        ("/srv/shopping/run", []),
        ("/opt/srv/shop", []),
        ("srv/shop/run", []),
        ("/bin/cp /srv/shop/a /srv/blog/b", ["shop", "blog"]),
        ("/", []),
    ],
)
def test_whose_code_it_starts(host: Host, command: str, pools: list[str]) -> None:
    host.write("crontab", f"@daily root {command}\n")
    assert [row["pools"] for row in host.rows()] == ([pools] if pools else [])


def test_a_link_leads_to_the_code(host: Host) -> None:
    (host.root / "current").symlink_to(CODE)
    host.write("crontab", f"@daily root {host.root}/current/run\n")
    assert [row["pools"] for row in host.rows()] == [["shop"]]


def test_an_interpreter_that_is_a_link_is_still_of_its_environment(host: Host) -> None:
    (host.root / "venv/bin").mkdir(parents=True)
    (host.root / "venv/bin/python").symlink_to("/usr/bin/python3")
    (host.root / "current").symlink_to("venv")
    host.write("crontab", f"@daily root {host.root}/current/bin/python -V\n")
    (row,) = beside.beside({"shop": [f"{host.root}/venv"]}, beside.jobs())
    assert row["pools"] == ["shop"]


def test_units_of_the_collection(host: Host) -> None:
    record = '# palisade.mod_wsgi: {"app": "shop", "%s": "mail"}\n'
    host.write("units/wsgi-shop-mail@.service", record % "worker")
    host.write("units/wsgi-shop-tidy.service", record % "timer")
    host.write("units/wsgi-shop-hand.service", "[Service]\n")
    own = ["wsgi-shop-mail@2.service", "wsgi-shop-tidy.service", "palisade-run-shop-7.service"]
    assert [is_of_the_collection(name) for name in own] == [True] * 3
    others = ["wsgi-shop-hand.service", "wsgi-shop-none@1.service", "cron.service", ""]
    assert [is_of_the_collection(name) for name in others] == [False] * 4
