"""Certificates made here, and the judgement of files that a user gives: nothing weak and nothing of others passes."""

from __future__ import annotations

import grp
import os
import shutil
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache import certificates
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.apache.certificates import (
    Certificate,
    Outsiders,
    check_given,
    ensure_certificates,
    read_certificate,
    trusted_file,
)
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.fs import diff_of
from ansible_collections.palisade.mod_wsgi.tests.unit.support import ME, MY_GROUP, needs_root, run, snapshot

NOBODY = Outsiders(frozenset(), frozenset())
DAY = 86400


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of certificates made here."""
    monkeypatch.setattr(certificates, "TLS_DIRECTORY", f"{tmp_path}/palisade/tls")
    monkeypatch.setattr(certificates, "_OWNER", (ME, MY_GROUP))
    return tmp_path / "palisade/tls"


def row(name: str = "shop", names: Sequence[str] = ("shop.test", "*.shop.test")) -> dict[str, Any]:
    return {"app": name, "name": name, "server_names": list(names)}


def ensure(*rows: dict[str, Any], absent: Sequence[dict[str, Any]] = (), check: bool = False) -> list[dict[str, Any]]:
    return ensure_certificates(rows, [], absent, NOBODY, "", run, check)


def reasons(changes: Sequence[dict[str, Any]]) -> list[str]:
    return [change["after"]["reason"] for change in changes if "reason" in change["after"]]


# Made here


def test_a_new_certificate(store: Path) -> None:
    planned = ensure(row(), check=True)
    assert not store.parent.exists()
    umask = os.umask(0o077)
    try:
        done = ensure(row())
    finally:
        os.umask(umask)
    assert diff_of(done) == diff_of(planned)
    assert reasons(done) == ["there is none"]
    found = read_certificate(f"{store}/shop.crt", run)
    assert found.names == ("shop.test", "*.shop.test")
    assert 364 * DAY < found.ends - time.time() < 366 * DAY
    text = run(["openssl", "x509", "-in", f"{store}/shop.crt", "-noout", "-text"])
    for part in (
        "CA:FALSE",
        "TLS Web Server Authentication",
        "ASN1 OID: prime256v1",
        "Signature Algorithm: ecdsa-with",
    ):
        assert part in text
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (store, *store.iterdir())}
    assert modes == {"tls": 0o700, "shop.key": 0o600, "shop.crt": 0o644}


def test_the_key_is_in_no_output(store: Path) -> None:
    told = repr(ensure(row()))
    key = (store / "shop.key").read_text()
    assert not any(line in told for line in key.splitlines())


def test_both_files_are_on_the_disk_before_one_has_its_name(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        done.append(f"synced {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    def renamed(source: str, target: str) -> None:
        done.append(f"renamed {os.path.basename(source)}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    ensure(row())
    assert done == ["synced key", "synced crt", "renamed key", "renamed crt"]


def test_nothing_to_do(store: Path) -> None:
    ensure(row())
    before = snapshot(store)
    assert ensure(row(names=["*.shop.test", "shop.test"])) == []
    assert snapshot(store) == before


def test_renewals(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(row(), row("other"))
    key = (store / "shop.key").read_bytes()
    assert reasons(ensure(row(names=["shop.test"]), check=True)) == ["other names"]
    assert (store / "shop.key").read_bytes() == key
    assert reasons(ensure(row(names=["shop.test"]))) == ["other names"]
    assert (store / "shop.key").read_bytes() != key

    shutil.copy(store / "other.key", store / "shop.key")
    assert reasons(ensure(row(names=["shop.test"]))) == ["the key does not match the certificate"]
    (store / "shop.key").chmod(0o644)
    assert reasons(ensure(row(names=["shop.test"]))) == ["accounts other than root could read its key"]
    (store / "shop.crt").write_text("garbage\n")
    assert reasons(ensure(row(names=["shop.test"]))) == ["it cannot be read"]
    (store / "shop.crt").unlink()
    assert reasons(ensure(row(names=["shop.test"]))) == ["there is none"]
    assert ensure(row(names=["shop.test"]), row("other")) == []

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 334 * DAY)
    assert ensure(row(names=["shop.test"])) == []
    monkeypatch.setattr(time, "time", lambda: now + 336 * DAY)
    ends = time.strftime("%Y-%m-%d", time.gmtime(now + 365 * DAY))
    assert reasons(ensure(row(names=["shop.test"]))) == [f"it ends on {ends}"]


def test_links_in_its_place_are_not_followed(store: Path, tmp_path: Path) -> None:
    ensure(row())
    outside = tmp_path / "outside.key"
    shutil.move(store / "shop.key", outside)
    (store / "shop.key").symlink_to(outside)
    before = outside.read_bytes()
    assert reasons(ensure(row())) == ["no regular files"]
    assert outside.read_bytes() == before
    assert not (store / "shop.key").is_symlink()

    shutil.rmtree(store)
    (tmp_path / "elsewhere").mkdir()
    store.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PalisadeError, match="expected a directory, found a symbolic link"):
        ensure(row())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_removal(store: Path) -> None:
    ensure(row(), row("other"))
    gone = {"app": "shop", "name": "shop"}
    assert len(ensure(absent=[gone], check=True)) == 2
    assert [change["path"] for change in ensure(absent=[gone])] == [f"{store}/shop.crt", f"{store}/shop.key"]
    assert {path.name for path in store.iterdir()} == {"other.key", "other.crt"}
    assert ensure(absent=[gone]) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "-rf"])
def test_names_that_would_be_other_files(name: str) -> None:
    with pytest.raises(PalisadeError, match="expected a name"):
        ensure(row(name))


@pytest.mark.parametrize("host", ["", "a\nb", "a, DNS:b", "a b", "*", "$ENV::HOME"])
def test_host_names_that_would_be_something_else(host: str, store: Path) -> None:
    with pytest.raises(PalisadeError, match=r"^app shop: tls: self_signed: expected host names"):
        ensure(row(names=[host]))
    assert not (store / "shop.key").exists()


def test_without_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_has_openssl", lambda: False)
    assert reasons(ensure(row(), check=True)) == ["there is none"]
    with pytest.raises(PalisadeError, match=r"^app shop: .*openssl is not installed; the role wsgi_server installs it"):
        ensure(row())


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["shop.test"], "shop.test", True),
        (["SHOP.test"], "shop.test", True),
        (["*.shop.test"], "www.shop.test", True),
        (["*.shop.test"], "shop.test", False),
        (["*.shop.test"], "a.b.shop.test", False),
        (["*.test", "shop.tes"], "www.shop.test", False),
        (["*"], "test", False),
        ([], "shop.test", False),
    ],
)
def test_covered_names(names: list[str], host: str, covered: bool) -> None:
    assert Certificate(tuple(names), 0, 0).covers(host) == covered


# Given


@pytest.fixture
def files(tmp_path: Path, store: Path) -> dict[str, Any]:
    """Good files of a user, and the row that names them."""
    ensure(row())
    for suffix in ("key", "crt"):
        shutil.copy(store / f"shop.{suffix}", tmp_path / f"given.{suffix}")
        (tmp_path / f"given.{suffix}").chmod(0o600)
    paths = {"certificate": f"{tmp_path}/given.crt", "key": f"{tmp_path}/given.key"}
    return {"app": "shop", "server_names": ["shop.test", "uncovered.test"], **paths}


def judge(*rows: dict[str, Any], outsiders: Outsiders = NOBODY, check: bool = False) -> None:
    check_given(rows, outsiders, "", run, check)


def test_good_files(files: dict[str, Any], tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    assert ensure_certificates([], [files], [], NOBODY, "", run, False) == []
    assert snapshot(tmp_path) == before


def test_one_line_for_each_app(files: dict[str, Any]) -> None:
    missing = {**files, "app": "public", "key": f"{files['key']}.missing"}
    with pytest.raises(PalisadeError) as caught:
        judge({**files, "server_names": ["other.test"]}, missing)
    first, second = str(caught.value).splitlines()
    assert first == (
        f"app shop: tls: certificate: {files['certificate']}: expected a certificate for other.test, got one for the "
        "names shop.test, *.shop.test"
    )
    assert second.startswith(f"app public: tls: key: {missing['key']}: expected a file on the host, got: No such file")


def test_a_wrong_key(files: dict[str, Any], store: Path) -> None:
    ensure(row("other"))
    wrong = {**files, "key": f"{store}/other.key"}
    with pytest.raises(
        PalisadeError, match=r"^app shop: tls: key: .*other.key: expected the key of .*given.crt, got another"
    ):
        judge(wrong)
    Path(files["key"]).write_text("garbage\n")
    with pytest.raises(PalisadeError, match=r"tls: key: .*got one that cannot be used"):
        judge(files)


def test_a_key_with_a_passphrase(files: dict[str, Any]) -> None:
    run(["openssl", "pkey", "-in", files["key"], "-aes256", "-passout", "pass:word", "-out", f"{files['key']}.locked"])
    os.replace(f"{files['key']}.locked", files["key"])
    with pytest.raises(PalisadeError, match=r"tls: key: .*expected a key without passphrase"):
        judge(files)


def test_no_certificate(files: dict[str, Any]) -> None:
    Path(files["certificate"]).write_text("garbage\n")
    with pytest.raises(PalisadeError, match=r"tls: certificate: .*expected a certificate in PEM format"):
        judge(files)


@pytest.mark.parametrize(("days", "told"), [(366, "got one that expired on"), (-2, "got one that begins on")])
def test_other_times(days: int, told: str, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * DAY)
    with pytest.raises(PalisadeError, match=f"tls: certificate: .*{told}"):
        judge(files)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o620])
def test_a_key_that_others_reach(mode: int, files: dict[str, Any]) -> None:
    Path(files["key"]).chmod(mode)
    with pytest.raises(
        PalisadeError, match=rf"^app shop: tls: key: {files['key']}: expected .*, got mode 0{mode:o}; ch"
    ):
        judge(files)


def test_a_key_of_a_group(files: dict[str, Any]) -> None:
    Path(files["key"]).chmod(0o640)
    judge(files)
    for outsiders in (Outsiders(frozenset(), frozenset([MY_GROUP])), Outsiders(frozenset([ME]), frozenset())):
        with pytest.raises(PalisadeError, match=r"tls: key: .*only root can read, got one for (group|account) "):
            judge(files, outsiders=outsiders)


def test_members_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    group = grp.struct_group(("ssl-cert", "x", 900, ["www-data"]))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: group)
    assert Outsiders(frozenset(["www-data"]), frozenset()).of_group(900) == "account www-data"
    assert Outsiders(frozenset(["shop-app", "no-such-account"]), frozenset(["shop"])).of_group(900) == ""
    assert Outsiders(frozenset(), frozenset(["ssl-cert"])).of_group(900) == "group ssl-cert"


def test_a_key_inside_the_certificate(files: dict[str, Any]) -> None:
    both = Path(files["certificate"])
    both.write_text(both.read_text() + Path(files["key"]).read_text())
    judge({**files, "key": files["certificate"]})
    both.chmod(0o644)
    with pytest.raises(PalisadeError, match=r"tls: certificate: .*only root can read, got mode 0644"):
        judge(files)


def test_a_key_with_an_acl(files: dict[str, Any]) -> None:
    # Version 2; owner, named user 1, group, mask and others.
    entries = [(1, 6, -1), (2, 4, 1), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
    acl = (2).to_bytes(4, "little")
    for tag, permissions, who in entries:
        acl += tag.to_bytes(2, "little") + permissions.to_bytes(2, "little") + who.to_bytes(4, "little", signed=True)
    try:
        os.setxattr(files["key"], "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no ACLs")
    with pytest.raises(PalisadeError, match=f"got one with an ACL; setfacl -b {files['key']}"):
        judge(files)


def test_a_bare_host_in_a_check_run(files: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_has_openssl", lambda: False)
    judge(files, check=True)
    Path(files["key"]).chmod(0o644)
    with pytest.raises(PalisadeError, match="tls: key"):
        judge(files, check=True)
    Path(files["key"]).chmod(0o600)
    with pytest.raises(PalisadeError, match="openssl is not installed"):
        judge(files)


# Paths


def test_links_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    file = tmp_path / "archive/key1.pem"
    file.write_text("")
    (tmp_path / "live").mkdir()
    (tmp_path / "live/key.pem").symlink_to("../archive/key1.pem")
    (tmp_path / "short").symlink_to(tmp_path / "live")
    assert trusted_file(f"{tmp_path}/short/./key.pem") == str(file)
    (tmp_path / "round").symlink_to("round")
    for path, told in {
        "round": "a loop of symbolic links",
        "archive": "got something else",
        "archive/none": "No such file",
        "archive/key1.pem/x": "Not a directory",
    }.items():
        with pytest.raises(PalisadeError, match=told):
            trusted_file(f"{tmp_path}/{path}")
    with pytest.raises(PalisadeError, match="expected an absolute path"):
        trusted_file("live/key.pem")


def test_steps_that_others_write(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open/key").write_text("")
    (tmp_path / "link").symlink_to("open/key")
    for mode in (0o777, 0o775, 0o757):
        (tmp_path / "open").chmod(mode)
        for path in ("open/key", "link"):
            with pytest.raises(
                PalisadeError, match=f"{tmp_path}/open: expected that only root can write to it, got mode 0{mode:o}"
            ):
                trusted_file(f"{tmp_path}/{path}")
    (tmp_path / "open").chmod(0o1777)
    assert trusted_file(f"{tmp_path}/open/key") == f"{tmp_path}/open/key"


@needs_root
@pytest.mark.parametrize("step", ["theirs", "theirs/key", "link"])
def test_steps_of_others(step: str, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/key").write_text("")
    (tmp_path / "link").symlink_to("theirs")
    os.chown(tmp_path / step, 65534, 0, follow_symlinks=False)
    with pytest.raises(PalisadeError, match=f"{tmp_path}/{step}: expected root as its owner, got uid 65534"):
        trusted_file(f"{tmp_path}/link/key")


@pytest.mark.parametrize("hidden", ["home/key", "home", "live"])
def test_steps_that_a_sandbox_hides(hidden: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/key").write_text("")
    (tmp_path / "live").symlink_to("home/key")
    root = tmp_path / "proc/1/root"
    shutil.copytree(tmp_path / "home", f"{root}{tmp_path}/home")
    Path(f"{root}{tmp_path}/live").symlink_to("nowhere")
    assert trusted_file(f"{tmp_path}/live", str(root)) == f"{tmp_path}/home/key"
    gone = Path(f"{root}{tmp_path}/{hidden}")
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(PalisadeError, match=f"{tmp_path}/live: expected a file that Apache can see, got one"):
        trusted_file(f"{tmp_path}/live", str(root))
    assert trusted_file(f"{tmp_path}/live") == f"{tmp_path}/home/key"
