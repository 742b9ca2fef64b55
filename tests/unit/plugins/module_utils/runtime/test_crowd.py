"""What bounds the uploads of an app, and which connections are those of many clients."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.web import excluded_addresses, proxy_warnings
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.runtime.crowd import (
    host_lines,
    section_lines,
    server_lines,
    upload_bound,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app
from hypothesis import given
from hypothesis import strategies as st


def checked(name: str = "public", **fields: Any) -> App:
    return check_app(app(name, **fields), 0, None)


@pytest.mark.parametrize(
    ("fields", "bound"),
    [
        ({}, 27),
        ({"processes": 1, "threads": 5}, 4),
        ({"processes": 1, "threads": 1}, None),
        ({"limits": {"uploads": 200}}, 200),
    ],
)
def test_uploads_leave_threads_for_others(fields: dict[str, Any], bound: int | None) -> None:
    assert upload_bound(checked(**fields)) == bound


def test_an_app_bounds_its_own_uploads() -> None:
    lines = [line.strip() for line in host_lines([checked(), checked("tiny", processes=1, threads=1)])]
    assert lines == ["<IfModule qos_module>", "QS_EventRequestLimit wsgi_upload_public 27", "</IfModule>"]


def test_a_request_with_a_body_is_counted_unless_its_address_is_exempt() -> None:
    counted = "wsgi_upload_public=1 QS_EventRequest=1"
    assert [line.strip() for line in section_lines(checked())] == [
        "<IfModule qos_module>",
        f"SetEnvIf Content-Length [1-9] {counted}",
        f"SetEnvIf Transfer-Encoding . {counted}",
        "<IfDefine palisade_exempt>",
        'SetEnvIf Remote_Addr "${palisade_exempt}" !wsgi_upload_public !QS_EventRequest',
        "</IfDefine>",
        "</IfModule>",
    ]
    tiny = "\n".join(section_lines(checked("tiny", processes=1, threads=1)))
    assert "wsgi_upload_tiny" not in tiny
    assert "SetEnvIf Transfer-Encoding . QS_EventRequest=1" in tiny


@pytest.mark.parametrize("value", [0, 65534, "20", True])
def test_a_bound_of_uploads_that_is_none(value: object) -> None:
    with pytest.raises(PalisadeError, match=r"app public: limits: uploads: expected 1 to 65533 requests, got"):
        checked(limits={"uploads": value})


def test_a_client_behind_a_proxy_is_counted_by_the_header() -> None:
    behind = checked(trusted_proxies=["192.0.2.10", "10.0.0.0/8"], trusted_proxy_headers=["X-Forwarded-For"])
    assert server_lines([behind, checked("other")]) == [
        "<IfModule qos_module>",
        "    QS_SrvMaxConnExcludeIP 10.",
        "    QS_SrvMaxConnExcludeIP 192.0.2.10",
        '    SetEnvIfExpr "%{REMOTE_ADDR} =~ /(.*)/" palisade_client=$1',
        "    QS_SetReqHeader X-Palisade-Client palisade_client",
        "    QS_ClientIpFromHeader X-Palisade-Client",
        "</IfModule>",
    ]
    (line,) = [line.strip() for line in host_lines([behind]) if "SetEnvIfExpr" in line]
    assert line == (
        r"""SetEnvIfExpr "(-R '192.0.2.10' || -R '10.0.0.0/8') && req('X-Forwarded-For') =~ /([0-9A-Fa-f.:]+)\s*$/" """
        "palisade_client=$1"
    )
    assert server_lines([checked()]) == []
    scheme = checked(trusted_proxies=["192.0.2.10"], trusted_proxy_headers=["X-Forwarded-Proto"])
    assert not [line for line in server_lines([scheme]) if "Client" in line]


@pytest.mark.parametrize(
    ("network", "texts"),
    [
        ("2001:db8::/32", ["2001:db8:"]),
        ("2001:db8::5", ["2001:db8::5"]),
        ("192.0.2.0/23", ["192.0.2.", "192.0.3."]),
        # Text cannot tell these.
        ("2001:db8::/33", []),
        ("2001:0:1::/48", []),
    ],
)
def test_networks_of_proxies_as_text(network: str, texts: list[str]) -> None:
    assert excluded_addresses(network) == texts
    assert len(proxy_warnings([network])) == (0 if texts else 1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 32), st.integers(0, 2**32 - 1))
def test_a_network_s_text_fits_its_own_addresses_alone(value: int, length: int, other: int) -> None:
    network = ipaddress.ip_network((value, length), strict=False)
    texts = excluded_addresses(str(network))
    for address in (ipaddress.ip_address(value), ipaddress.ip_address(other)):
        fits = any(str(address).startswith(text) if text[-1] == "." else str(address) == text for text in texts)
        assert fits == (address in network)


def test_the_warning_names_the_app() -> None:
    (text,) = checked(trusted_proxies=["2001:db8::/33"], trusted_proxy_headers=["X-Forwarded-For"]).warnings
    assert text.startswith("app public: trusted_proxies: 2001:db8::/33: mod_qos")
