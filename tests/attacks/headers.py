"""A client sends headers that an app takes for somebody else's word."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)

GROUP = "Headers that an app trusts"
FORGED = "203.0.113.66"
ADDRESSES = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto")


def arrives(there: Deployment, *headers: str, value: str) -> Outcome:
    """Send the headers with the value, and one that always arrives; look for the value in the app's environ."""
    environ = there.seen("forum", "/", "X-Control: it arrives", *(f"{header}: {value}" for header in headers))
    if environ.get("HTTP_X_CONTROL") != "it arrives":
        raise UnclearError("no header arrives at all")
    if names := sorted(name for name, found in environ.items() if value in found):
        return succeeded(f"the app has {', '.join(names)}")
    return refused("no variable of the app has the value")


@attack(GROUP, 130, "A3")
def pretend_another_address(there: Deployment) -> Outcome:
    """Sends `X-Forwarded-For` and its synonyms with an address of its choice."""
    return arrives(there, *ADDRESSES, value=FORGED)


@attack(GROUP, 128, "A1")
def see_the_password_of_the_web_server(there: Deployment) -> Outcome:
    """Looks for the `Authorization` header of a visitor, whom Apache may have asked for a password."""
    return arrives(there, "Authorization", "Proxy-Authorization", value="Basic dmlzaXRvcjpwYXNzd29yZA==")


@attack(GROUP, 166, "B2", variant="proxy-header")
def have_a_proxy_set(there: Deployment) -> Outcome:
    """Sends `Proxy`, which libraries take for `HTTP_PROXY` and send their own requests to (httpoxy)."""
    return arrives(there, "Proxy", value="http://203.0.113.66:3128")
