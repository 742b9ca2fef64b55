"""How many threads an Apache has, as it counts them itself, and how many connections an address may hold."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.collectors.host import has_ipv6
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.config import read_tree
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.crowd import held, public_ports, threads
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.facts import Facts, Instance
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.audit.rules.limits import crowd


def apache(config: str, mpm: str = "event", **fields: Any) -> Facts:
    return Facts(Instance("apache2", "apache2.conf", mpm=mpm, modules=["qos"]), read_tree(config), **fields)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        # As Debian 13's Apache says it with these lines, in what mod_qos logs of it.
        ("", 400),
        ("ServerLimit 32", 400),
        ("ServerLimit 4", 100),
        ("ThreadsPerChild 64", 384),
        ("ThreadsPerChild 50", 400),
        ("MaxRequestWorkers 1000", 400),
        ("MaxRequestWorkers 1000\nServerLimit 64", 1000),
        ("MaxRequestWorkers 110", 100),
        ("MaxRequestWorkers 10", 25),
        ("ThreadsPerChild 100", 384),
        ("ThreadsPerChild 100\nThreadLimit 100", 400),
        ("MaxClients 75\nMaxRequestWorkers 150", 150),
        ("MaxRequestWorkers 150\nMaxClients 75", 75),
    ],
)
def test_threads(config: str, count: int) -> None:
    assert threads(apache(config))[0] == count
    assert threads(apache(config, "worker"))[0] == count


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ("", 256),
        ("MaxRequestWorkers 150", 150),
        ("MaxRequestWorkers 500", 256),
        ("ServerLimit 500\nMaxClients 400", 400),
    ],
)
def test_processes_of_prefork(config: str, count: int) -> None:
    assert threads(apache(config, "prefork"))[0] == count


def test_the_figure_says_where_it_comes_from() -> None:
    assert threads(apache("MaxRequestWorkers 1000"))[2] == (
        "400 threads of the MPM event: MaxRequestWorkers 1000, at most 16 processes with 25 threads each"
    )
    assert threads(apache("MaxRequestWorkers 150"))[2] == "150 threads of the MPM event: MaxRequestWorkers 150"
    assert threads(apache("", "prefork"))[2].endswith("MaxRequestWorkers is not set, ServerLimit 256")
    assert threads(apache("", "motorz"))[0] is None


OWN = "<VirtualHost *:443>\nQS_SrvMaxConnClose 100\n</VirtualHost>\n"
PLAIN = "<VirtualHost *:80>\nServerName a\n</VirtualHost>\n<VirtualHost *:443>\nServerName a\n</VirtualHost>\n"


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ("", None),
        ("QS_SrvMaxConnPerIP 20", 20),
        ("QS_SrvMaxConnPerIP 20 716", 716),
        ("QS_SrvMaxConnPerIP 20 5", 20),
        # All of them share the server's counters, which was tried.
        (f"QS_SrvMaxConnPerIP 20\n{PLAIN}", 20),
        # One with such a line of its own has its own.
        (f"QS_SrvMaxConnPerIP 20\n{OWN}", 40),
        (f"QS_SrvMaxConnPerIP 20\n{OWN}{PLAIN}", 40),
        (f"QS_SrvMaxConnPerIP 20\n{PLAIN}{OWN}", 20),
        ("<VirtualHost *:443>\nQS_SrvMaxConnPerIP 20\n</VirtualHost>", None),
        ("<VirtualHost *>\nQS_SrvMaxConnPerIP 20\n</VirtualHost>", 20),
        ("QS_SrvMaxConnPerIP 20\nQS_LogOnly on", None),
    ],
)
def test_what_mod_qos_lets_an_address_hold(config: str, most: int | None) -> None:
    assert held(apache(config), {80, 443})[0] == most


def test_only_ports_that_others_reach_count() -> None:
    assert held(apache("QS_SrvMaxConnPerIP 20\n<VirtualHost *:8080>\nQS_SrvMaxConn 9\n</VirtualHost>"), {80})[0] == 20


def test_ports_that_others_reach() -> None:
    rows = [("127.0.0.1", 8000), ("::1", 8001), ("0.0.0.0", 80), ("::", 443), ("2001:db8::1", 8443)]
    sockets = [{"address": address, "port": port} for address, port in rows]
    assert public_ports(apache("Listen 9", listeners=sockets)) == {80: {4}, 443: {4, 6}, 8443: {6}}
    told = "Listen 80\nListen 443 https\nListen 127.0.0.1:8000\nListen [::1]:8001\nListen host.test:81"
    assert public_ports(apache(told)) == {80: {4, 6}, 443: {4, 6}, 81: {4, 6}}


def test_an_apache_on_loopback_is_not_judged() -> None:
    assert list(crowd(apache("Listen 127.0.0.1:80"))) == []


def test_evidence_has_both_figures_and_where_they_come_from() -> None:
    config = "# In file: /etc/apache2/a.conf\n#    3:\nListen 80\n#    4:\nMaxRequestWorkers 150\n"
    (result,) = crowd(apache(config + "#    5:\nQS_SrvMaxConnPerIP 113\n"))
    assert [(seen.source, seen.observed, seen.expected) for seen in result.evidence] == [
        ("/etc/apache2/a.conf:4", "150 threads of the MPM event: MaxRequestWorkers 150", ""),
        ("/etc/apache2/a.conf:5", "QS_SrvMaxConnPerIP 113", "at most 112 connections of an address"),
    ]
    assert result.status == "fail"


def test_an_address_of_ipv6_that_others_reach() -> None:
    loopback = "00000000000000000000000000000001 01 80 10 80       lo\n"
    link = "fe800000000000000042acfffe110002 02 40 20 80     eth0\n"
    assert not has_ipv6(loopback + link)
    assert has_ipv6(loopback + "20010db8000000000000000000000001 02 40 00 80     eth0\n")
