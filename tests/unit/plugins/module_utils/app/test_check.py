"""One app: what is refused and with which words, what is completed, and where its paths can lie."""

from __future__ import annotations

import re
import traceback
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.daemon_options import parse_version
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.check import check_app
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.fields import DEFAULT_DAEMON_OPTIONS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.model import App
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.accounts import RESERVED_ACCOUNTS
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.plan.resolve import resolve
from ansible_collections.palisade.mod_wsgi.tests.unit.support import app, host
from hypothesis import example, given
from hypothesis import strategies as st

VERSION = parse_version("5.0.2")
SECRET = "hunter2-does-not-show"


def checked(**fields: Any) -> App:
    return check_app(app(**fields), 0, VERSION)


def refusal(raw: Any, index: int = 0) -> str:
    with pytest.raises(PalisadeError) as caught:
        check_app(raw, index, VERSION)
    return str(caught.value)


def test_defaults() -> None:
    result = checked()
    assert (result.account, result.group, result.present, result.purge) == ("public-app", "public-app", True, False)
    assert (result.module, result.callable, result.mount) == ("shop.wsgi", "application", "/")
    assert (result.writable, dict(result.environment), result.handles_authorization) == ((), {}, False)
    assert (result.health_path, result.health_status, result.health_timeout) == ("/", (*range(200, 400), 401), 30)
    assert result.daemon_options == {
        **DEFAULT_DAEMON_OPTIONS,
        "processes": 2,
        "threads": 15,
        "supplementary-groups": ["public-app"],
    }
    assert result.daemon_options["umask"] == "0027"
    assert [result.home, result.data, result.releases, result.current] == [
        "/var/lib/public-app",
        "/var/lib/public-app/data",
        "/var/lib/public-app/releases",
        "/var/lib/public-app/current",
    ]
    assert (result.entry_file, result.environment_file) == (
        "/var/www/public/wsgi.py",
        "/var/lib/public-app/environment",
    )


def test_fields_of_the_user() -> None:
    result = checked(
        account="shop",
        group="shop-group",
        application="app:make.app".replace(".", "_"),
        server_names=["a.example.org", "*.example.org", "localhost"],
        mount="/shop/v1.0",
        requirements="deploy/requirements.txt",
        processes=3,
        threads="5",
        daemon_process={"umask": "0077", "request-timeout": 0},
        supplementary_groups=["certs"],
        writable=["uploads", "cache/pages"],
        environment={"A": 1, "_b": "x=y\nz", "C": 1.5},
        handles_authorization=True,
        health_check={"path": "/health?x=1", "status": [200, 401], "timeout": 5},
    )
    assert (result.account, result.group, result.home) == ("shop", "shop-group", "/var/lib/shop")
    assert result.daemon_options["supplementary-groups"] == ["shop-group", "certs"]
    assert (result.daemon_options["processes"], result.daemon_options["umask"]) == (3, "0077")
    assert result.environment == {"A": "1", "_b": "x=y\nz", "C": "1.5"}
    assert (result.health_path, result.health_status, result.health_timeout) == ("/health?x=1", (200, 401), 5)


def test_the_health_check_asks_at_the_mount() -> None:
    assert checked(mount="/shop").health_path == "/shop"


@pytest.mark.parametrize(
    ("umask", "told"), [("0022", True), ("0007", True), ("0026", True), ("0027", False), ("077", False)]
)
def test_a_loose_umask_is_told(umask: str, told: bool) -> None:
    result = checked(daemon_process={"umask": umask})
    assert result.daemon_options["umask"] == umask
    start = f"app public: daemon_process: umask: {umask} is looser than 0027"
    assert [warning.startswith(start) for warning in result.warnings] == [True] * told


def test_null_is_as_good_as_nothing() -> None:
    given_null = app() | dict.fromkeys(
        ["mount", "requirements", "account", "group", "writable", "environment", "health_check", "state", "purge"]
    )
    assert check_app(given_null, 0, VERSION) == checked()


# field, value, what the message says is expected, and what came
BAD: list[tuple[str, Any, str, str]] = [
    ("application", "shop.wsgi", "package.module:callable", "'shop.wsgi'"),
    ("application", "shop/wsgi.py:app", "package.module:callable", "'shop/wsgi.py:app'"),
    ("application", "shop.wsgi:app()", "package.module:callable", "'shop.wsgi:app()'"),
    ("application", "shop..wsgi:app", "package.module:callable", "'shop..wsgi:app'"),
    ("application", ":app", "package.module:callable", "':app'"),
    ("application", "shop:", "package.module:callable", "'shop:'"),
    ("application", "shop:import", "package.module:callable", "'shop:import'"),
    ("application", "shop:a\nimport os", "package.module:callable", r"'shop:a\nimport os'"),
    ("application", "shöp:app", "package.module:callable", "'shöp:app'"),
    ("application", 5, "a string", "5"),
    ("application", None, "is required", ""),
    ("server_names", None, "is required", ""),
    ("source", None, "is required", ""),
    ("server_names", [], "at least one host name", "[]"),
    ("server_names", "a.example.org", "a list of strings", "'a.example.org'"),
    ("server_names", ["a b"], "host names in lower case, without https://", "'a b'"),
    (
        "server_names",
        ["Example.org"],
        "host names in lower case, without https://",
        "'Example.org'",
    ),
    (
        "server_names",
        ["a.example.org\n"],
        "host names in lower case, without https://",
        r"'a.example.org\n'",
    ),
    (
        "server_names",
        ["*.example.org"],
        "host names in lower case, without https://",
        "'*.example.org'",
    ),
    (
        "server_names",
        ["a..b"],
        "host names in lower case, without https://",
        "'a..b'",
    ),
    (
        "server_names",
        ["-a.org"],
        "host names in lower case, without https://",
        "'-a.org'",
    ),
    ("server_names", ["a" * 64], "host names in lower case, without https://", "aaa"),
    (
        "server_names",
        [".".join(["a" * 49] * 6)],
        "host names in lower case, without https://",
        "aaa",
    ),
    ("mount", "shop", "a URL path such as / or /shop", "'shop'"),
    ("mount", "/shop/", "a URL path such as / or /shop", "'/shop/'"),
    ("mount", "/a/../b", "a URL path such as / or /shop", "'/a/../b'"),
    ("mount", "/a b", "a URL path such as / or /shop", "'/a b'"),
    ("mount", "/${HOME}", "a URL path such as / or /shop", "'/${HOME}'"),
    ("mount", '/a"', "a URL path such as / or /shop", "'/a\"'"),
    ("account", "root", "an account of this app's own", "'root'"),
    ("account", "nobody", "an account of this app's own", "'nobody'"),
    ("account", "www-data", "an account of this app's own", "'www-data'"),
    ("account", "Shop", "[a-z][a-z0-9-]* of at most 31 characters", "'Shop'"),
    ("account", "a" * 32, "[a-z][a-z0-9-]* of at most 31 characters", "'aaaaaa"),
    ("account", "../etc", "[a-z][a-z0-9-]*", "'../etc'"),
    ("account", "a\n", "[a-z][a-z0-9-]*", r"'a\n'"),
    ("group", "root", "an account of this app's own", "'root'"),
    ("group", "sudo", "an account of this app's own", "'sudo'"),
    ("group", "shadow", "an account of this app's own", "'shadow'"),
    ("source", "public", "one of path, archive, git, package", "got str"),
    ("source", {"path": "a", "git": "b"}, "one of path, archive, git, package", "got path, git"),
    ("source", {"pth": "a"}, "did you mean 'path'?", "pth"),
    ("source", {"path": ""}, "a directory", "nothing"),
    ("source", {"path": "a\0b"}, "a control character is refused", ""),
    ("requirements", "../requirements.txt", "a file inside the source", "'../requirements.txt'"),
    ("requirements", "/etc/passwd", "a file inside the source", "'/etc/passwd'"),
    ("requirements", "--index-url=x", "a file inside the source", "'--index-url=x'"),
    ("processes", 0, "1 to 2147483647 processes", "0"),
    ("processes", "2x", "a plain number of processes", "'2x'"),
    ("threads", 0, "1 to 65533 threads", "0"),
    ("threads", True, "a plain number of threads", "True"),
    ("daemon_process", {"memory-limit": "512M"}, "a plain number of bytes", "'512M'"),
    ("daemon_process", {"deadlock-timeout": 0}, "1 to 2147483647 seconds", "0"),
    ("daemon_process", {"memory-limt": 1}, "did you mean 'memory-limit'?", "'memory-limt'"),
    ("daemon_process", {"interrupt-timeout": 1}, "needs mod_wsgi 6.0.0 or newer", "installed is 5.0.2"),
    ("daemon_process", {"script-group": "x"}, "script-group: expected 'root', the group of the entry file", "'x'"),
    ("daemon_process", {"script-user": "x"}, "script-user: expected 'root', who owns the entry file", "'x'"),
    ("daemon_process", {"script-user": "root", "script-group": "root"}, "exclude each other in every mod_wsgi", ""),
    ("daemon_process", {"user": "x"}, "use the app's field account", ""),
    ("daemon_process", {"supplementary-groups": "x"}, "use the app's field supplementary_groups", ""),
    ("daemon_process", {"lang": "a\nb"}, "control character", r"'\n'"),
    ("daemon_process", {"lang": "a\0b"}, "control character", r"'\x00'"),
    ("daemon_process", {"lang": "${HOME}"}, "'${' is refused", ""),
    ("daemon_process", {"lang": 'a"b'}, "unterminated quote", "'a\"b'"),
    ("daemon_process", {"python-path": "/srv/lib"}, "python-path is not set here: it names code outside", ""),
    ("daemon_process", {"server-metrics": True}, "server-metrics is not set here: it shows", ""),
    ("daemon_process", {"umask": 0o027}, "an octal mode in quotes", "23"),
    ("daemon_process", ["threads"], "expected a mapping", "list"),
    ("supplementary_groups", ["root"], "never runs as root", "'root'"),
    ("supplementary_groups", ["#0"], "never runs as root", "'#0'"),
    ("supplementary_groups", ["#4294967296"], "an id of at most", "'#4294967296'"),
    ("supplementary_groups", ["a b"], "the name of an account or group", "'a b'"),
    ("supplementary_groups", "adm", "a list of strings", "'adm'"),
    ("writable", ["../x"], "names of directories under data/", "'../x'"),
    ("writable", ["a/../../x"], "names of directories under data/", "'a/../../x'"),
    ("writable", ["/etc"], "names of directories under data/", "'/etc'"),
    ("writable", [""], "names of directories under data/", "''"),
    ("writable", [".hidden"], "names of directories under data/", "'.hidden'"),
    ("writable", [5], "a list of strings", "[5]"),
    ("data_from", "x", "a mapping", "str"),
    ("data_from", {"../x": "/srv/shop/db"}, "entries of writable", "'../x'"),
    ("data_from", {"db": "/srv/shop/db"}, "an entry of writable, or a path below one", "'db'"),
    ("environment", {"a b": "x"}, "names such as SECRET_KEY", "'a b'"),
    ("environment", {"1A": "x"}, "names such as SECRET_KEY", "'1A'"),
    ("environment", {"A": True}, "text without NUL", "bool"),
    ("environment", {"A": None}, "text without NUL", "NoneType"),
    ("environment", {"A": ["x"]}, "text without NUL", "list"),
    ("environment", {"A": "\ud800"}, "text without NUL", "str"),
    ("handles_authorization", "yes", "true or false", "'yes'"),
    ("health_check", {"paht": "/"}, "did you mean 'path'?", "'paht'"),
    ("health_check", {"path": "health"}, "a URL path such as /health", "'health'"),
    ("health_check", {"path": "/a b"}, "a URL path such as /health", "'/a b'"),
    ("health_check", {"path": "/a\r\nHost: x"}, "a URL path such as /health", r"'/a\r\nHost: x'"),
    ("health_check", {"status": 200}, "a list of HTTP statuses", "200"),
    ("health_check", {"status": []}, "a list of HTTP statuses", "[]"),
    ("health_check", {"status": [True]}, "a list of HTTP statuses", "[True]"),
    ("health_check", {"status": [99]}, "a list of HTTP statuses", "[99]"),
    ("health_check", {"timeout": 0}, "1 to 600 seconds", "0"),
    ("health_check", {"timeout": True}, "1 to 600 seconds", "True"),
    ("state", "gone", "present or absent", "'gone'"),
    ("purge", "yes", "true or false", "'yes'"),
    ("purge", True, "state: absent beside it", "present"),
    ("applicaton", "x:y", "did you mean 'application'?", "unknown field 'applicaton'"),
    ("server_name", ["x"], "did you mean 'server_names'?", "unknown field 'server_name'"),
    ("zzzz", 1, "unknown field 'zzzz'", ""),
    ("allow_source_builds", "yes", "true or false", "'yes'"),
    ("build", "npm ci", "a list of commands", "'npm ci'"),
    ("build", ["npm ci", [""]], "commands such as", "['']"),
    ("build_network", True, "false without commands in build", "True"),
    ("build_network", "yes", "true or false", "'yes'"),
    ("before_switch", "python manage.py migrate", "a list of commands", "'python manage.py migrate'"),
    ("before_switch", [""], "commands such as", "''"),
    ("before_switch", [["python", ""]], "commands such as", "['python', '']"),
    ("before_switch", ["a 'b"], "No closing quotation", ""),
    ("before_switch", ["a\nb\0"], "commands such as", ""),
]


@pytest.mark.parametrize(("key", "value", "expected", "got"), BAD)
def test_bad_input(key: str, value: Any, expected: str, got: str) -> None:
    message = refusal(app(**{key: value}))
    assert message.startswith("app public: ")
    assert key in message.replace("supplementary-", "supplementary_")
    assert expected in message
    assert got in message
    # A newline in a value cannot start a line of its own in the error.
    assert message.isprintable()


def test_all_unknown_and_all_missing_fields_are_told() -> None:
    told = refusal(app(applicaton="x:y", zzzz=1)).splitlines()
    assert told == [
        "app public: unknown field 'applicaton', did you mean 'application'?",
        "app public: unknown field 'zzzz'",
    ]
    told = refusal({"name": "public"}).splitlines()
    assert told == [f"app public: {name} is required" for name in ("application", "server_names", "source")]


@pytest.mark.parametrize(
    "name", [None, "", 5, "..", "a/b", "a b", "Public", "public\n", "a.b", "1a", "-a", "a_b", "ä", "a" * 28, "${A}"]
)
def test_bad_names(name: Any) -> None:
    message = refusal({**app(), "name": name}, 3)
    assert message.startswith("wsgi_apps[3]: name: expected [a-z][a-z0-9-]* of at most 27 characters, got ")
    assert message.endswith(repr(name))


@pytest.mark.parametrize("raw", [None, "public", ["public"], 5])
def test_an_app_is_a_mapping(raw: Any) -> None:
    assert refusal(raw, 1) == f"wsgi_apps[1]: expected a mapping, got {type(raw).__name__}"


def test_classes_of_ansible_are_told_by_their_plain_names() -> None:
    class TaggedText(str):
        pass

    assert refusal(TaggedText("public"), 1) == "wsgi_apps[1]: expected a mapping, got str"


def test_an_app_that_leaves_needs_its_name_only() -> None:
    result = check_app({"name": "public", "state": "absent", "purge": True}, 0, VERSION)
    assert (result.present, result.purge, result.account) == (False, True, "public-app")


@pytest.mark.parametrize(
    "raw",
    [
        app(environment={"A": SECRET + "\0"}),
        app(environment={"A": [SECRET]}),
        app(environment={"A": {"x": SECRET}}),
        app(environment={f"A={SECRET}": ""}),
        app(environment=[{"A": SECRET}]),
        app(environment=f"A={SECRET}"),
        app(environment={"A": SECRET, "b c": SECRET}),
        app(environment={"A": SECRET}, unknown=1),
        app(environment={"A": SECRET}, threads=0),
        app(environment={"A": SECRET}, enviroment={"B": SECRET}),
        [app(environment={"A": SECRET})],
        {**app(environment={"A": SECRET}), "name": None},
    ],
)
def test_secrets_are_in_no_error(raw: Any) -> None:
    with pytest.raises(PalisadeError) as caught:
        check_app(raw, 0, VERSION)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_secrets_are_in_no_repr() -> None:
    result = checked(environment={"A": SECRET})
    assert SECRET not in repr(result)
    assert SECRET not in str(result)
    assert result.environment == {"A": SECRET}


# Mostly names that are almost right.
NAMES = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    st.text(st.one_of(st.sampled_from("ab1-_./ \nA\0"), st.characters()), max_size=6),
)


@given(NAMES, st.one_of(st.none(), NAMES))
@example("a" * 27, None)
@example("a" * 28, None)
@example("..", None)
@example("a", "../../etc")
def test_names_stay_in_their_pattern_and_paths_below_their_roots(name: str, account: str | None) -> None:
    try:
        result = check_app(app(name, server_names=["a.org"], account=account), 0, None)
    except PalisadeError:
        return
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,26}", name)
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,30}", result.account)
    assert result.account == (account or f"{name}-app")
    assert not {result.account, result.group} & RESERVED_ACCOUNTS
    assert result.entry_directory == f"/var/www/{name}"
    for path in (result.data, result.releases, result.current, result.environment_file):
        assert re.fullmatch(r"/var/lib/[a-z][a-z0-9-]*/[a-z]+", path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("sources")
    (directory / "public").mkdir()
    return str(directory)


@given(
    writable=st.lists(
        st.one_of(
            st.from_regex(r"[a-z.]{1,3}(/[a-z.]{1,3}){0,3}", fullmatch=True),
            st.text(st.one_of(st.sampled_from("ab./\\ \n\0~"), st.characters()), max_size=6),
        ),
        min_size=1,
        max_size=3,
    )
)
@example(writable=["a/b", "a", "a/b/c"])
def test_the_daemon_writes_only_under_data(base: str, writable: list[str]) -> None:
    try:
        model = resolve([app(writable=writable)], host(), "mine", base)
    except PalisadeError:
        return
    rows = model["directories"]
    owned = [row["path"] for row in rows if row["owner"] != "root"]
    assert len(owned) == len(set(owned))
    assert {f"/var/lib/public-app/data/{name}" for name in writable} <= set(owned)
    for path in owned:
        parts = path.split("/")
        assert parts[:5] == ["", "var", "lib", "public-app", "data"]
        assert not {"", ".", ".."} & set(parts[5:])
    # A directory comes after the one that it lies in.
    for position, path in enumerate(owned[1:], 1):
        assert path.rpartition("/")[0] in owned[:position]
    assert not [row for row in rows if row["owner"] == "root" and int(row["mode"], 8) & 0o022]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"db": "srv/shop/db"}, "db: expected an absolute path without '..', got 'srv/shop/db'"),
        ({"db": "/srv/../etc"}, "db: expected an absolute path without '..'"),
        ({"db": "/etc/shop"}, "db: expected the path of a site's data such as /srv/shop/db, got '/etc/shop'"),
        ({"db": "/proc/1/root/srv"}, "the path of a site's data"),
        ({"db": "/srv"}, "the path of a site's data"),
        ({"db": "/srv/a b"}, "the path of a site's data"),
        ({"db": "/var/lib/public-app/data/db"}, "the path of a site's data"),
        ({"media/a": "/srv/a", "media/a/b": "/srv/b"}, "media/a/b is inside media/a, which is copied whole"),
        ({"media": "/srv/a"}, "media/small is inside media, which is copied whole"),
        ({"db": 5}, "db: expected an absolute path without '..', got 5"),
    ],
)
def test_where_data_cannot_come_from(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PalisadeError) as error:
        checked(writable=["db", "media", "media/small"], data_from=given)
    assert str(error.value).startswith("app public: data_from: ")
    assert words in str(error.value)


def test_where_data_comes_from() -> None:
    given = {"db/db.sqlite3": "/srv/shop/db.sqlite3", "media": "/var/lib/shop/media", "more": "/home/shop/more"}
    result = checked(writable=["db", "media", "more"], data_from=given)
    assert dict(result.data_from) == given
    assert result.data_marker == "/var/lib/public-app/data-on-its-way"


SHARED = """
root nobody nogroup www-data apache http httpd daemon bin sys sync games man lp mail news uucp proxy backup list irc adm
tty disk shadow sudo wheel staff users utmp systemd-network systemd-journal messagebus sshd
"""


@pytest.mark.parametrize("name", SHARED.split())
def test_accounts_and_groups_that_others_share(name: str) -> None:
    for field in ("account", "group"):
        assert f"{field}: expected an account of this app's own" in refusal(app(**{field: name}))


LONG_HOST = ".".join(["a" * 63] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a" * 27},
        {"account": "a" * 31},
        {"server_names": ["a" * 63, LONG_HOST]},
        {"health_check": {"path": "/~!", "status": [100, 599], "timeout": 1}},
        {"health_check": {"timeout": 600}},
        {"application": "a:b"},
        {"before_switch": ["python -m shop 'a b'", ["python", "-c", "x = 1"]]},
        {"replaces": ["shop.conf", "_000-a.b.conf"]},
        {"environment": {"A": ""}},
        {"environment": {"A": "\ud7ff\ue000"}},
    ],
)
def test_values_that_are_just_taken(fields: dict[str, Any]) -> None:
    name = fields.pop("name", "public")
    assert check_app(app(name, **fields), 0, VERSION).name == name


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (
            "server_names",
            [f"{LONG_HOST}a"],
            "host names in lower case, without https://",
        ),
        ("server_names", ["a-.org"], "host names in lower case, without https://"),
        ("server_names", [".org"], "host names in lower case, without https://"),
        (
            "server_names",
            ["a.org", "*a.org"],
            "host names in lower case, without https://",
        ),
        ("health_check", {"status": [600]}, "a list of HTTP statuses"),
        ("health_check", {"status": [200, "x"]}, "a list of HTTP statuses"),
        ("health_check", {"timeout": 601}, "1 to 600 seconds"),
        ("health_check", {"path": "/\x7f"}, "a URL path such as /health"),
        ("health_check", {"path": 5}, "a URL path such as /health"),
        ("before_switch", [[]], "commands such as"),
        ("before_switch", [5], "commands such as"),
        ("before_switch", [["a", 5]], "commands such as"),
        ("before_switch", ["a 'b\nc'"], "commands such as"),
        ("replaces", ["zz-palisade-a.conf"], "names of enabled site files such as shop.conf"),
        ("replaces", [".conf"], "names of enabled site files"),
        ("replaces", ["-a.conf"], "names of enabled site files"),
        ("replaces", ["../a.conf"], "names of enabled site files"),
        ("replaces", ["a.conf.bak"], "names of enabled site files"),
        ("replaces", "a.conf", "a list of strings"),
        ("environment", {5: "x"}, "names such as SECRET_KEY, got 5"),
        ("application", "shop.wsgi:app:x", "package.module:callable"),
        ("application", "class.wsgi:app", "package.module:callable"),
    ],
)
def test_values_that_are_just_refused(field: str, value: Any, words: str) -> None:
    message = refusal(app(**{field: value}))
    assert message.startswith("app public: ")
    assert words in message


@pytest.mark.parametrize("field", ["requirements", "static"])
def test_a_package_brings_its_own(field: str) -> None:
    value: Any = "requirements.txt" if field == "requirements" else {"/static": "static"}
    message = refusal(app(source={"package": ["demo==1"]}, **{field: value}))
    assert message.startswith(f"app public: {field}: expected none beside a package, which has its own, got ")


def test_a_build_may_collect_the_files_of_a_package() -> None:
    result = checked(source={"package": ["demo==1"]}, build=["demo collect"], static={"/static": "static"})
    assert result.static == {"/static": "static"}


def test_every_field_arrives() -> None:
    """What is false, empty or absent by default, here with a value of its own."""
    fields: dict[str, Any] = {
        "allow_source_builds": True,
        "build": ["npm 'run it'", ["true"]],
        "build_network": True,
        "before_switch": ["python -m shop 'a b'", ["true"]],
        "static": {"/static": "files"},
        "tls": {"self_signed": True},
        "trusted_proxies": ["192.0.2.0/24"],
        "trusted_proxy_headers": ["X-Forwarded-For"],
        "limits": {"request_body": 5000},
        "acls": [{"path": "/srv/certs/a.pem", "permissions": "r"}],
        "handles_authorization": True,
        "error_override": True,
        "adopt": True,
        "replaces": ["shop.conf"],
    }
    result = checked(**fields)
    default = checked()
    for name in fields:
        assert getattr(result, name) != getattr(default, name), name
    assert result.build == (("npm", "run it"), ("true",))
    assert result.before_switch == (("python", "-m", "shop", "a b"), ("true",))
    assert (result.acls, result.replaces) == ((("/srv/certs/a.pem", "r"),), ("shop.conf",))
    assert [getattr(default, name) for name in ("adopt", "error_override", "allow_source_builds")] == [False] * 3
    assert (default.tls, default.build, default.before_switch, default.acls, default.replaces) == (None, (), (), (), ())
    assert check_app({"name": "public", "state": "absent"}, 0, VERSION).purge is False
