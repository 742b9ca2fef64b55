"""Every WSGIDaemonProcess option: what is written, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.daemon_options import (
    OPTIONS,
    OWNER_CHECKS,
    check_option,
    check_settable,
    daemon_process,
    owner_check_warning,
    parse_daemon_process,
    parse_version,
    warnings_of,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.tests.fixtures.daemon_values import mappings
from hypothesis import given
from hypothesis import strategies as st


def refusal(options: dict[str, Any], version: str | None = "5.0.2") -> str:
    with pytest.raises(PalisadeError) as caught:
        daemon_process({"name": "public", **options}, version)
    return str(caught.value)


@pytest.mark.parametrize(
    ("option", "value", "written"),
    [
        ("user", "public-app", "user=public-app"),
        ("user", "#1001", 'user="#1001"'),
        ("supplementary-groups", ["a", "b"], "supplementary-groups=a,b"),
        ("supplementary-groups", "a,b", "supplementary-groups=a,b"),
        ("processes", 2, "processes=2"),
        ("processes", "2", "processes=2"),
        ("threads", 65533, "threads=65533"),
        ("umask", "0027", "umask=0027"),
        ("umask", "027", "umask=0027"),
        ("home", "/a b", 'home="/a b"'),
        ("python-path", 'x"y"', r'python-path="x\"y\""'),
        ("python-path", "a\\", r'python-path="a\\"'),
        ("display-name", "%{GROUP}", "display-name=%{GROUP}"),
        ("lang", "C.UTF-8", "lang=C.UTF-8"),
        ("locale", "'x'", "locale=\"'x'\""),
        ("locale", "it's", 'locale="it\'s"'),
        ("lang", "$HOME", 'lang="$HOME"'),
        ("script-user", "root", "script-user=root"),
        ("script-group", "root", "script-group=root"),
        ("request-timeout", 0, "request-timeout=0"),
        ("deadlock-timeout", 1, "deadlock-timeout=1"),
        ("cpu-priority", -20, "cpu-priority=-20"),
        ("memory-limit", 2**63 - 1, f"memory-limit={2**63 - 1}"),
        ("response-buffer-size", 0, "response-buffer-size=0"),
        ("response-buffer-size", 65536, "response-buffer-size=65536"),
        ("server-metrics", True, "server-metrics=On"),
        ("server-metrics", "off", "server-metrics=Off"),
    ],
)
def test_written(option: str, value: Any, written: str) -> None:
    assert daemon_process({"name": "public", option: value}, "5.0.2") == f"WSGIDaemonProcess public {written}"


def test_order_is_fixed() -> None:
    options = {"name": "public", "threads": 1, "user": "a", "processes": 2}
    assert daemon_process(options) == daemon_process(dict(reversed(options.items())))
    assert daemon_process(options) == "WSGIDaemonProcess public user=a processes=2 threads=1"


SAMPLES: dict[str, Any] = {
    "integer": 70000,
    "octal": "0027",
    "text": "x",
    "path": "/x",
    "account": "x",
    "accounts": ["x", "y"],
    "float": 0.01,
    "switch": True,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_has_a_value_that_is_taken(name: str) -> None:
    option = OPTIONS[name]
    sample = min(SAMPLES[option.kind], option.maximum) if option.kind == "integer" else SAMPLES[option.kind]
    written = check_option(name, sample, option.since, "test")
    assert written
    # What is written is a valid value again.
    assert check_option(name, written, option.since, "test") == written


@pytest.mark.parametrize("name", [name for name in OPTIONS if OPTIONS[name].kind == "integer"])
@pytest.mark.parametrize("value", [True, "5x", "", " 5", "5 ", "0x5", "1e3", 1.5, None, [], "५", "9" * 5000])
def test_integers_are_plain_numbers(name: str, value: Any) -> None:
    with pytest.raises(PalisadeError, match=rf"^test: {name}: expected .*{OPTIONS[name].unit}"):
        check_option(name, value, None, "test")


def test_the_highest_account_is_taken() -> None:
    assert check_option("user", "#2147483647", None, "test") == "#2147483647"


@pytest.mark.parametrize("name", [name for name in OPTIONS if OPTIONS[name].kind == "integer"])
def test_integers_have_bounds(name: str) -> None:
    option = OPTIONS[name]
    assert check_option(name, option.minimum, None, "test") == str(option.minimum)
    assert check_option(name, option.maximum, None, "test") == str(option.maximum)
    for value in (option.minimum - 1, option.maximum + 1):
        with pytest.raises(PalisadeError, match=f"got {value}"):
            check_option(name, value, None, "test")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"thread": 5}, ["'thread'", "did you mean 'threads'?"]),
        ({"memory_limit": 5}, ["'memory_limit'", "did you mean 'memory-limit'?"]),
        ({"PROCESSES": 5}, ["'PROCESSES'", "did you mean 'processes'?"]),
        ({"qqqqqq": 5}, ["unknown option 'qqqqqq'"]),
        ({5: 5}, ["unknown option 5"]),
        ({"threads": 0}, ["threads", "1 to 65533", "got 0"]),
        ({"threads": "5x"}, ["threads", "plain number of threads", "'5x'"]),
        ({"threads": True}, ["threads", "plain number", "True"]),
        ({"processes": 0}, ["processes", "got 0"]),
        ({"memory-limit": "512M"}, ["memory-limit", "bytes", "'512M'"]),
        ({"deadlock-timeout": 0}, ["deadlock-timeout", "1 to", "got 0", "every other timeout"]),
        ({"script-user": "root", "script-group": "root"}, ["script-user", "script-group", "give one"]),
        ({"user": "root"}, ["user", "'root'", "never runs as root"]),
        ({"user": "#0"}, ["user", "'#0'", "never runs as root"]),
        ({"group": "root"}, ["group", "'root'", "root's group"]),
        ({"group": "#000"}, ["group", "'#000'", "root's group"]),
        # Apache reads the number with atoi(): 2**32 is 0 to it.
        ({"group": "#4294967296"}, ["group", "#4294967296"]),
        ({"group": "#4294967295"}, ["group", "#4294967295"]),
        ({"group": "#2147483648"}, ["group", "at most 2147483647"]),
        ({"supplementary-groups": ["a", "#8589934592"]}, ["supplementary-groups", "#8589934592"]),
        ({"supplementary-groups": ["a", "root"]}, ["supplementary-groups", "'root'"]),
        ({"supplementary-groups": "adm, tty"}, ["supplementary-groups", "' tty'"]),
        ({"supplementary-groups": []}, ["supplementary-groups", "list of groups"]),
        ({"supplementary-groups": 5}, ["supplementary-groups", "list of groups", "5"]),
        ({"user": "Upper"}, ["user", "'Upper'"]),
        ({"user": ""}, ["user", "expected text"]),
        ({"lang": "a\nb"}, ["lang", r"'\n'", "control character"]),
        ({"lang": "a\rb"}, ["lang", r"'\r'"]),
        ({"lang": "a\0b"}, ["lang", r"'\x00'"]),
        ({"lang": "a\x7fb"}, ["lang", r"'\x7f'"]),
        ({"home": "/${HOME}"}, ["home", "${", "expand"]),
        ({"lang": 'x"y'}, ["lang", "unterminated quote"]),
        ({"lang": "'x"}, ["lang", "unterminated quote"]),
        ({"lang": "'"}, ["lang", "unterminated quote"]),
        ({"lang": "\ud800"}, ["lang", "UTF-8"]),
        ({"lang": 5}, ["lang", "expected text", "5"]),
        ({"lang": ""}, ["lang", "expected text", "''"]),
        ({"group": "two words"}, ["group", "name of an account or group", "'two words'"]),
        ({"user": "two words"}, ["user", "name of an account or group", "'two words'"]),
        ({"supplementary-groups": ["two words"]}, ["supplementary-groups", "name of an account", "'two words'"]),
        ({"shutdown-timeout": 0}, ["shutdown-timeout", "1 to", "got 0"]),
        ({"maximum-requests": "99999999999"}, ["maximum-requests", "0 to 2147483647 requests", "got 99999999999"]),
        ({"request-timeout": "60s"}, ["request-timeout", "plain number of seconds", "'60s'"]),
        ({"stack-size": "512k"}, ["stack-size", "plain number of bytes", "'512k'"]),
        ({"home": "a/b"}, ["home", "absolute path", "'a/b'"]),
        ({"home": "/a/../b"}, ["home", "without '..'"]),
        ({"umask": 0o027}, ["umask", "in quotes", "got 23"]),
        ({"umask": "27"}, ["umask", "'27'"]),
        ({"umask": "0o27"}, ["umask", "'0o27'"]),
        ({"umask": "0999"}, ["umask", "'0999'"]),
        ({"umask": "1777"}, ["umask", "at most 0777"]),
        ({"server-metrics": "true"}, ["server-metrics", "true or false", "'true'"]),
        ({"response-buffer-size": 5}, ["response-buffer-size", "0 or 65536 to", "got 5"]),
        ({"cpu-priority": 20}, ["cpu-priority", "-20 to 19"]),
    ],
)
def test_refused(options: dict[str, Any], parts: list[str]) -> None:
    message = refusal(options)
    assert message.startswith("WSGIDaemonProcess public: ")
    assert [part for part in parts if part not in message] == []
    # One line of an error stays one line.
    assert message.isprintable()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.005, "0.005"),
        ("0.0050", "0.005"),
        (1e-6, "0.000001"),
        (2, "2"),
        ("10.0", "10"),
        (100, "100"),
        (2**31 - 1, "2147483647"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_switch_interval(value: Any, written: str) -> None:
    directive = f"WSGIDaemonProcess public switch-interval={written}"
    assert daemon_process({"name": "public", "switch-interval": value}, "6.1.1") == directive
    assert parse_daemon_process(directive)["switch-interval"] == float(value)


@pytest.mark.parametrize(
    "value",
    [
        0,
        "0",
        -1,
        9e-7,
        2**31,
        10**400,
        "9" * 5000,
        "nan",
        "inf",
        float("nan"),
        float("inf"),
        "1e3",
        True,
        "0.0",
        "",
        [],
    ],
)
def test_switch_interval_refused(value: Any) -> None:
    message = refusal({"switch-interval": value}, "6.1.1")
    assert "switch-interval: expected a number of seconds from 0.000001 to 2147483647, got" in message


@pytest.mark.parametrize(
    ("option", "value", "refused", "taken", "reason"),
    [
        ("interrupt-timeout", 1, "5.0.2", "6.0.0", "needs mod_wsgi 6.0.0 or newer, installed is 5.0.2"),
        ("switch-interval", 0.01, "4.9.4", "6.0", "needs mod_wsgi 6.0.0 or newer, installed is 4.9.4"),
        ("response-flush-delay", 1, "6.0.1", "6.0.2", "needs mod_wsgi 6.0.2 or newer, installed is 6.0.1"),
        ("newrelic-config-file", "/x", "6.1.1", "5.0.2", "was removed in mod_wsgi 6.0.0, installed is 6.1.1"),
        ("newrelic-environment", "x", "6.0", "4.9.4", "was removed in mod_wsgi 6.0.0, installed is 6.0.0"),
    ],
)
def test_versions(option: str, value: Any, refused: str, taken: str, reason: str) -> None:
    assert f"{option}: {reason}" in refusal({option: value}, refused)
    assert f"{option}=" in daemon_process({"name": "public", option: value}, taken)
    assert f"{option}=" in daemon_process({"name": "public", option: value})


@pytest.mark.parametrize("name", [None, "", 5, "a b", "%{GLOBAL}", "user=www-data", 'a"', "(a)", "1a", "a\n", "ä"])
def test_pool_names_refused(name: Any) -> None:
    with pytest.raises(PalisadeError, match="name: expected a pool's name"):
        daemon_process({"name": name})


@pytest.mark.parametrize("options", ["public", None, [("name", "public")]])
def test_other_shapes_refused(options: Any) -> None:
    with pytest.raises(PalisadeError, match="expected a mapping"):
        daemon_process(options)


@pytest.mark.parametrize("text", ["", "5", "5.x", "v5.0.2", "5.0.2-1", "5.0.2\n", "1.2.3.4.5", 5])
def test_versions_have_a_shape(text: Any) -> None:
    with pytest.raises(PalisadeError, match=r"mod_wsgi_version: expected a version such as 5\.0\.2"):
        parse_version(text)


def test_versions_compare_as_numbers() -> None:
    assert parse_version("4.10.0") > parse_version("4.9.4")
    assert parse_version("6.0") == parse_version("6.0.0")


def test_units() -> None:
    """Apache knows no units, so nothing but this says that one is wrong."""
    for name, option in OPTIONS.items():
        if option.unit:
            last = name.rpartition("-")[2]
            by_last = {"timeout": "seconds", "interval": "seconds", "size": "bytes", "limit": "bytes"}
            others = {
                "processes": "processes",
                "threads": "threads",
                "maximum-requests": "requests",
                "listen-backlog": "connections",
                "cpu-priority": "nice",
                "cpu-time-limit": "seconds",
                "response-flush-delay": "milliseconds",
            }
            assert option.unit == others.get(name, by_last.get(last)), name


def test_what_a_hardened_site_does_not_set() -> None:
    assert {option.name: option.set_by for option in OPTIONS.values() if option.set_by} == {
        "user": "account",
        "group": "group",
        "supplementary-groups": "supplementary_groups",
        "processes": "processes",
        "threads": "threads",
        "home": "source",
        "python-home": "requirements",
        "display-name": "name",
    }
    assert {option.name for option in OPTIONS.values() if option.refused} == {
        "python-path",
        "python-eggs",
        "socket-user",
        "chroot",
        "server-metrics",
    }
    assert {option.name: option.only for option in OPTIONS.values() if option.only} == dict.fromkeys(
        OWNER_CHECKS, "root"
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_who_sets_an_option(name: str) -> None:
    option = OPTIONS[name]
    assert not (option.set_by and option.refused)
    if not option.set_by and not option.refused:
        check_settable(name, option.only or "x", "place")
        return
    with pytest.raises(PalisadeError) as caught:
        check_settable(name, "x", "place")
    reason = f"is not set here: use the app's field {option.set_by}" if option.set_by else option.refused
    assert str(caught.value) == f"place: {name} {reason}"


def test_the_name_is_the_app_s() -> None:
    with pytest.raises(PalisadeError, match="place: name is not set here: use the app's field name"):
        check_settable("name", "x", "place")


@pytest.mark.parametrize(
    ("umask", "loose"),
    [("0022", True), ("0007", True), ("0026", True), ("0000", True), ("0027", False), ("077", False), ("0777", False)],
)
def test_a_loose_umask_is_warned_of(umask: str, loose: bool) -> None:
    expected = [
        f"umask: {umask} is looser than 0027: more than the app's account may change, or others read, its new files"
    ]
    assert warnings_of({"name": "public", "umask": umask}) == expected * loose
    assert warnings_of({"name": "public"}) == []


MAPPINGS = mappings(OPTIONS.values(), ["public-app", "#1001", "_x"], ["public-app", "certs", "#33"])


@given(MAPPINGS)
def test_what_is_encoded_is_decoded(mapping: dict[str, Any]) -> None:
    directive = daemon_process(mapping)
    decoded = parse_daemon_process(directive)
    assert decoded == mapping
    assert {key: type(value) for key, value in decoded.items()} == {key: type(value) for key, value in mapping.items()}
    assert daemon_process(decoded) == directive


@given(MAPPINGS, st.randoms(use_true_random=False))
def test_other_spellings_are_decoded_to_the_same(mapping: dict[str, Any], random: Any) -> None:
    spelt: list[tuple[str, Any]] = []
    for key, value in mapping.items():
        kind = OPTIONS[key].kind if key in OPTIONS else "name"
        if kind == "switch":
            value = random.choice(["On", "on", "ON"] if value else ["Off", "oFF"])
        elif kind == "integer":
            value = random.choice([str(value), value])
        elif kind == "accounts":
            value = random.choice([",".join(value), tuple(value)])
        elif kind == "octal" and value[0] == "0":
            value = value[1:]
        spelt.append((key, value))
    random.shuffle(spelt)
    assert daemon_process(dict(spelt)) == daemon_process(mapping)


@pytest.mark.parametrize(
    ("arguments", "decoded"),
    [
        ("public", {"name": "public"}),
        ('public threads="05" umask=027 ', {"name": "public", "threads": 5, "umask": "0027"}),
        ("public umask=027 threads=5 threads=6", {"name": "public", "threads": 6, "umask": "0027"}),
        ("public lang= threads=5", {"name": "public", "lang": "threads=5"}),
    ],
)
def test_hand_written_directives(arguments: str, decoded: dict[str, Any]) -> None:
    assert parse_daemon_process(f"WSGIDaemonProcess {arguments}") == decoded
    assert parse_daemon_process(f"wsgidaemonprocess {arguments}") == decoded


@pytest.mark.parametrize(
    ("directive", "parts"),
    [
        ("", ["expected WSGIDaemonProcess", "''"]),
        ("WSGIScriptAlias / /x", ["expected WSGIDaemonProcess", "'WSGIScriptAlias / /x'"]),
        ("WSGIDaemonProcess", ["name: expected a pool's name", "''"]),
        ("WSGIDaemonProcess public name=other", ["WSGIDaemonProcess public", "unknown option 'name'"]),
        ("WSGIDaemonProcess public thread=5", ["WSGIDaemonProcess public", "'thread'", "did you mean 'threads'?"]),
        ("WSGIDaemonProcess public THREADS=5", ["'THREADS'", "did you mean 'threads'?"]),
        ("WSGIDaemonProcess public threads=5x", ["threads", "plain number", "'5x'"]),
        ("WSGIDaemonProcess public umask=27'", ["umask", '"27\'"']),
        ('WSGIDaemonProcess public "lang"=x', ["unknown option '\"lang\"'"]),
        ("WSGIDaemonProcess public threads=5 x", ["expected option=value", "'x'"]),
        ("WSGIDaemonProcess public server-metrics=true", ["server-metrics", "'true'"]),
        ("WSGIDaemonProcess public interrupt-timeout=5", ["needs mod_wsgi 6.0.0"]),
        ("WSGIDaemonProcess public script-user=root script-group=root", ["give one"]),
        ("WSGIDaemonProcess public supplementary-groups=a,,b", ["supplementary-groups", "expected text"]),
    ],
)
def test_what_the_table_does_not_know_is_refused(directive: str, parts: list[str]) -> None:
    with pytest.raises(PalisadeError) as caught:
        parse_daemon_process(directive, "5.0.2")
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("mpm", "said"),
    [
        ("event", "by mistake (403) where Apache has the threads of its event MPM: 8 of a million"),
        ("worker", "by mistake (403) where Apache has the threads of its worker MPM: 8 of a million"),
        ("", "by mistake (403) where Apache has threads, as in the MPMs event and worker: 8 of a million"),
        ("prefork", "Apache reads /etc/passwd or /etc/group twice for each request. Leave it out"),
    ],
)
def test_what_a_check_of_the_owner_costs(mpm: str, said: str) -> None:
    text = owner_check_warning(["blog", "shop"], mpm)
    assert text.startswith("apps blog, shop: daemon_process: script-user or script-group: ")
    assert said in text
    assert ("403" in text) == (mpm != "prefork")
    assert owner_check_warning(["blog"], mpm).startswith("app blog: ")
