"""Sources as users write them: what is unsafe is refused before anybody looks for it, and no secret is in a message."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.app.source import Source, check_source, read_row
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from hypothesis import given
from hypothesis import strategies as st

SUBJECT = "app public: source"
SUM = "sha256:" + "0a" * 32
HASH = "--hash=" + SUM
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n"
URL = "https://example.org/shop-1.2.tar.gz"
SSH = "git@example.org:shop.git"


def check(raw: Any) -> Source:
    return check_source(raw, SUBJECT)


def git(repo: Any = "https://example.org/shop.git", version: Any = "main", **fields: Any) -> dict[str, Any]:
    return {"git": {"repo": repo, "version": version, **fields}}


TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"path": "apps/shop"}, {"path": "/base/apps/shop"}),
    ({"path": "/srv/../shop"}, {"path": "/shop"}),
    ({"path": "a b ä"}, {"path": "/base/a b ä"}),
    ({"archive": "shop.zip"}, {"archive": "/base/shop.zip", "checksum": "", "directory": ""}),
    (
        {"archive": URL, "checksum": SUM.upper().replace("SHA", "sha"), "directory": "shop-1.2/"},
        {"archive": URL, "checksum": SUM, "directory": "shop-1.2"},
    ),
    (
        {"archive": f"{URL}?signature=a%20b", "checksum": SUM},
        {"archive": URL, "checksum": SUM, "directory": ""},
    ),
    *(
        (git(repo), {"git": repo, "version": "main", "directory": "", "known_hosts": ""})
        for repo in (
            "https://example.org:8443/a/shop.git",
            "https://[2001:db8::1]/shop",
            "ssh://git@example.org:2222/shop.git",
            "ssh://example.org/shop.git",
            SSH,
            "git@example.org:~/shop",
            "file:///srv/shop.git",
            "/srv/shop.git",
        )
    ),
    (
        git(SSH, "refs/tags/v1.2", directory="apps/shop", key=KEY, known_hosts="example.org ssh-ed25519 AAAA"),
        {
            "git": SSH,
            "version": "refs/tags/v1.2",
            "directory": "apps/shop",
            "known_hosts": "example.org ssh-ed25519 AAAA\n",
        },
    ),
    ({"package": "demo-app==1.2"}, {"package": ["demo-app==1.2"]}),
    ({"package": ["demo == 1.2", "x[a,b]==2.0.post1+l"]}, {"package": ["demo == 1.2", "x[a,b]==2.0.post1+l"]}),
    (
        {"package": [f"demo==1.2  {HASH} {HASH}", f"x==2; python_version >= '3.9' {HASH}"]},
        {"package": [f"demo==1.2 {HASH} {HASH}", f"x==2; python_version >= '3.9' {HASH}"]},
    ),
]


@pytest.mark.parametrize(("raw", "row"), TAKEN)
def test_taken(raw: dict[str, Any], row: dict[str, Any]) -> None:
    source = check(raw)
    assert source.as_row("/base") == row
    # A module reads the same from the row, but for the key.
    assert read_row(row, SUBJECT).as_row("/elsewhere") == row


def test_the_key_travels_apart() -> None:
    source = check(git(SSH, key=KEY.replace("\n", "\r\n") + "\n\n"))
    assert source.key == KEY
    assert "hunter2" not in repr(source) + str(source.as_row("/"))


def test_what_lies_on_the_controller() -> None:
    assert [check(raw).is_local for raw, _row in TAKEN].count(True) == 4
    assert [check(raw).is_url for raw, _row in TAKEN].count(True) == 2


def test_a_signature_travels_apart() -> None:
    source = check({"archive": f"{URL}?signature=hunter2", "checksum": SUM})
    assert (source.place, source.address) == (URL, f"{URL}?signature=hunter2")
    assert "hunter2" not in repr(source) + str(source.as_row("/"))


REFUSED: list[tuple[Any, str]] = [
    (None, "expected a mapping with one of path, archive, git, package, got NoneType"),
    ("apps/shop", "expected a mapping with one of path, archive, git, package, got str"),
    ({}, "expected one of path, archive, git, package, got nothing"),
    ({"pth": "x"}, "expected one of path, archive, git, package, got pth, did you mean 'path'?"),
    ({"path": "x", "git": {}}, "expected one of path, archive, git, package, got path, git"),
    ({"path": "x", "checksum": SUM}, "unknown field 'checksum' beside path"),
    ({"archive": "x", "checksm": SUM}, "unknown field 'checksm' beside archive, did you mean 'checksum'?"),
    ({"path": ""}, "path: expected a directory, got nothing"),
    ({"path": 5}, "path: expected a directory, got int"),
    ({"path": "a\0b"}, "path: a control character is refused"),
    ({"path": "a\nb"}, "path: a control character is refused"),
    ({"path": "a\ud800b"}, "path: expected text that UTF-8 can carry"),
    ({"archive": ["x"]}, "archive: expected a file on the controller or an https:// address, got list"),
    ({"archive": URL}, "checksum is required for an address"),
    ({"archive": URL, "checksum": "md5:abc"}, "checksum: expected sha256: and 64 digits, got 'md5:abc'"),
    ({"archive": URL, "checksum": SUM + "0"}, "checksum: expected sha256: and 64 digits"),
    ({"archive": URL, "checksum": 5}, "checksum: expected a string, got 5"),
    ({"archive": "x", "directory": "../up"}, "directory: expected a directory inside, such as shop-1.2, got '../up'"),
    ({"archive": "http://example.org/x", "checksum": SUM}, "archive: expected https://, got http://: nothing proves"),
    ({"archive": "ftp://example.org/x", "checksum": SUM}, "archive: expected https://, got ftp://: nothing proves"),
    ({"archive": "file:///x", "checksum": SUM}, "archive: expected https://, got file://"),
    ({"archive": "https://", "checksum": SUM}, "archive: expected https://host/path, got 'https://'"),
    ({"archive": "https:///x", "checksum": SUM}, "archive: expected https://host/path"),
    ({"archive": "https://-x/y", "checksum": SUM}, "archive: expected https://host/path"),
    ({"archive": "https://h:99999/y", "checksum": SUM}, "archive: expected an address, got none"),
    ({"archive": "https://h/a b", "checksum": SUM}, "archive: expected https://host/path"),
    ({"git": "https://example.org/x"}, "git: expected a mapping with repo and version, got str"),
    ({"git": {"repo": "/x"}}, "git: version is required"),
    ({"git": {"version": "x"}}, "git: repo is required"),
    (git(branch="x"), "git: expected repo, version, directory, key or known_hosts, got 'branch'"),
    (
        git("http://example.org/x"),
        "git: repo: expected https:// or ssh://, got http://: nothing proves the server's identity",
    ),
    (
        git("git://example.org/x"),
        "git: repo: expected https:// or ssh://, got git://: nothing proves the server's identity",
    ),
    (git("ext::sh -c id"), "git: repo: expected https://"),
    (git("ext::sh%20-c%20id%20//"), "git: repo: expected https://"),
    (git("-oProxyCommand=id"), "git: repo: expected https://..., ssh://..., user@host:path, "),
    (git("--upload-pack=id"), "got an option"),
    (git("ssh://-oProxyCommand=id/x"), "git: repo: expected ssh://host/path"),
    (git("ssh://-l@example.org/x"), "git: repo: expected ssh://host/path"),
    (git("-l@example.org:x"), "got an option"),
    (git("git@-oProxyCommand=id:x"), "git: repo: expected https://"),
    (git("git@example.org:-x"), "git: repo: expected https://"),
    (git("relative/path"), "git: repo: expected https://..., ssh://..., user@host:path, or file:///path or /path"),
    (git("https://example.org/x\n"), "git: repo: a control character is refused"),
    (git("https://example.org/x\x85"), "git: repo: a control character is refused"),
    (git(5), "git: repo: expected https://"),
    *(
        (git(version=version), "git: version: expected ")
        for version in (
            "-x",
            "--upload-pack=id",
            "/x",
            "a b",
            "a..b",
            "x^{}",
            "HEAD~1",
            "a:b",
            "*",
            "a[b",
            "@",
            "x@{1}",
        )
    ),
    *(
        (git(version=version), "git: version: expected ")
        for version in ("x.lock", "a//b", "a/", "x.", "a/.b", "x\u2028")
    ),
    (git(version=1.0), "git: version: expected a string, got 1.0"),
    (git(version="x\n"), "git: version: expected "),
    (git(directory="/x"), "directory: expected a directory inside"),
    (git(key=KEY), "git: key: only an address over ssh has one, got 'https://example.org/shop.git'"),
    (git("/srv/a@b:c", known_hosts="x"), "git: known_hosts: only an address over ssh has one"),
    (git(SSH, key="hunter2"), "git: key: expected the text of a private key (not shown)"),
    (git(SSH, key=["hunter2"]), "git: key: expected the text of a private key (not shown)"),
    (git(SSH, key=KEY + "\0"), "git: key: expected the text of a private key, got control characters"),
    (git(SSH, known_hosts="a\x1bb"), "git: known_hosts: a control character is refused"),
    ({"package": []}, "package: expected a pinned requirement such as demo-app==1.2, or a list of them, got nothing"),
    (
        {"package": {"a": 1}},
        "package: expected a pinned requirement such as demo-app==1.2, or a list of them, got dict",
    ),
    ({"package": ["demo==1", 5]}, "package: expected a pinned requirement"),
    *(
        ({"package": line}, "package: expected a pinned requirement such as demo-app==1.2, or a list of them, got ")
        for line in (
            "demo",
            "demo>=1",
            "demo==1.*",
            "demo===1",
            "demo==1,>0",
            "-e .",
            "-r x.txt",
            "--index-url=x",
            "demo==1 --index-url=x",
            "demo==1 --hash=md5:aa",
            "./demo",
            "demo @ file:///x",
            "demo==1 # x",
            "",
        )
    ),
    # A token may stand anywhere in an address.
    *(
        (
            {"package": line},
            "package: expected a pinned requirement such as demo-app==1.2, or a list of them, got an address",
        )
        for line in ("https://example.org/hunter2/demo.whl", "demo @ hunter2", "git+ssh://hunter2")
    ),
    ({"package": "demo==1\n-e ."}, "package: a control character is refused"),
    ({"package": [f"demo==1 {HASH}", "x==1"]}, "package: expected a --hash for every requirement or for none"),
]


@pytest.mark.parametrize(("raw", "words"), REFUSED)
def test_refused(raw: Any, words: str) -> None:
    with pytest.raises(PalisadeError) as caught:
        check(raw)
    assert str(caught.value).startswith(f"{SUBJECT}: ")
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://hunter2@example.org/x",
        "https://me:hunter2@example.org/x",
        "https://hunter2@@example.org/x",
        "http://hunter2@example.org/x",
        "git://hunter2@example.org/x",
        "ssh://git:hunter2@example.org/x",
        "me:hunter2@example.org:x",
        "https:/hunter2@example.org/x",
        "git+https://hunter2@example.org/x",
        "hunter2@",
    ],
)
def test_credentials_are_not_shown(address: str) -> None:
    raws = [git(address), {"package": f"demo @ {address}"}, {"git": address}, {"package": address}]
    if "://" in address:
        raws.append({"archive": address, "checksum": SUM})
    for raw in raws:
        with pytest.raises(PalisadeError) as caught:
            check(raw)
        assert "hunter2" not in str(caught.value)


@given(
    st.recursive(
        st.one_of(st.text(), st.integers(), st.none()),
        lambda inner: (
            st.dictionaries(
                st.sampled_from(
                    ["path", "archive", "git", "package", "repo", "version", "checksum", "key", "known_hosts"]
                ),
                inner,
            )
            | st.lists(inner, max_size=3)
        ),
    )
)
def test_any_value_is_taken_or_refused(raw: Any) -> None:
    try:
        source = check(raw)
    except PalisadeError:
        return
    assert read_row(source.as_row("/base"), SUBJECT).as_row("/base") == source.as_row("/base")


@given(st.text(min_size=1, max_size=12))
def test_a_version_is_one_word_and_no_option(version: str) -> None:
    try:
        found = check(git(version=version)).version
    except PalisadeError:
        return
    assert found == version
    assert not found.startswith(("-", "/"))
    assert len(found.split()) == 1
    assert not set("*?[~^:\\") & set(found)


@pytest.mark.parametrize(
    ("character", "taken"),
    [("\x1f", False), (" ", True), ("~", True), ("\x7f", False), ("\x9f", False), ("\xa0", True), ("\ud7ff", True),
     ("\ud800", False), ("\ue000", True)],
)  # fmt: skip
def test_characters_of_a_path(character: str, taken: bool) -> None:
    if taken:
        assert check_source({"path": f"a{character}b"}, "app a: source").place == f"a{character}b"
    else:
        with pytest.raises(
            PalisadeError, match=r"^app a: source: path: (a control character|expected text that UTF-8)"
        ):
            check_source({"path": f"a{character}b"}, "app a: source")
