"""Archives of others: what comes out lies in the directory, is whole and bounded, or nothing comes out at all."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.archive import (
    LIMITS,
    Limits,
    _check_total,
    extract,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import snapshot
from hypothesis import given
from hypothesis import strategies as st

SMALL = Limits(size=20_000, members=10, ratio=10_000, ratio_counts_from=20_000)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}

Row = tuple[str, Any]


def member(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def a_tar(*rows: Row, **options: Any) -> bytes:
    """Return a tar archive: content as bytes, or a dict of the fields of a member without one."""
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w", **options) as tar:
        for name, content in rows:
            if isinstance(content, dict):
                tar.addfile(member(name, **content))
            else:
                tar.addfile(member(name, size=len(content)), io.BytesIO(content))
    return result.getvalue()


def a_zip(*rows: Row) -> bytes:
    """Return a zip archive: content as bytes, or (mode, content)."""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in rows:
            mode, data = content if isinstance(content, tuple) else (stat.S_IFREG | 0o644, content)
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return result.getvalue()


LINK = {"type": tarfile.SYMTYPE}
DIRECTORY = {"type": tarfile.DIRTYPE, "mode": 0o755}


def link(target: str) -> dict[str, Any]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


def hard(target: str) -> dict[str, Any]:
    return {"type": tarfile.LNKTYPE, "linkname": target}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    return tmp_path


def out(data: bytes, place: Path, limits: Limits = SMALL) -> Path:
    extract(io.BytesIO(data), str(place / "new"), "app public: source: archive", limits)
    return place / "new"


def found(root: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(root)): os.readlink(path)
        if path.is_symlink()
        else None
        if path.is_dir()
        else path.read_bytes()
        for path in root.rglob("*")
    }


def refused(data: bytes, place: Path, limits: Limits = SMALL) -> str:
    before = snapshot(place / "outside")
    with pytest.raises(PalisadeError) as caught:
        out(data, place, limits)
    assert os.listdir(place) == ["outside"]
    assert snapshot(place / "outside") == before
    text = str(caught.value)
    assert text.startswith("app public: source: archive: ")
    return text.removeprefix("app public: source: archive: ")


@pytest.mark.parametrize("packed", PACKED)
def test_tar(packed: str, place: Path) -> None:
    data = a_tar(
        ("./", DIRECTORY),
        ("./shop", DIRECTORY),
        ("./shop/app.py", b"application = 1\n"),
        ("deep/er/file", b"x" * 5000),
        ("deep", DIRECTORY),
        ("deep/link", link("../shop/app.py")),
        ("same", hard("shop/app.py")),
        ("shop/__pycache__/app.cpython-313.pyc", b"evil"),
        (".git/config", b"[core]"),
        ("empty", b""),
    )
    assert found(out(PACKED[packed](data), place)) == {
        "shop": None,
        "shop/app.py": b"application = 1\n",
        "deep": None,
        "deep/er": None,
        "deep/er/file": b"x" * 5000,
        "deep/link": "../shop/app.py",
        "same": b"application = 1\n",
        "empty": b"",
    }


def test_zip(place: Path) -> None:
    data = a_zip(
        ("shop/", (stat.S_IFDIR | 0o755, b"")),
        ("shop/app.py", b"x = 1\n"),
        ("deep/run", (stat.S_IFREG | 0o755, b"#!/bin/sh\n")),
        ("link", (stat.S_IFLNK | 0o777, b"shop/app.py")),
        ("made-elsewhere", (0, b"y")),
    )
    root = out(data, place)
    assert found(root) == {
        "shop": None,
        "shop/app.py": b"x = 1\n",
        "deep": None,
        "deep/run": b"#!/bin/sh\n",
        "link": "shop/app.py",
        "made-elsewhere": b"y",
    }
    assert stat.S_IMODE((root / "deep" / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "made-elsewhere").stat().st_mode) == 0o644


def test_modes_and_owners_are_ours(place: Path) -> None:
    owner = {"uid": 61990, "gid": 61990, "uname": "games"}
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as tar:
        tar.addfile(member("run", mode=0o6777, size=1, **owner), io.BytesIO(b"x"))
        tar.addfile(member("file", mode=0o2666, size=1, **owner), io.BytesIO(b"x"))
        tar.addfile(member("directory", type=tarfile.DIRTYPE, mode=0o3777, **owner))
    before = os.umask(0o022)
    try:
        root = out(result.getvalue(), place)
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o7777) for path in root.iterdir()}
    assert modes == {"run": "0o755", "file": "0o644", "directory": "0o755"}
    assert {path.stat().st_uid for path in root.iterdir()} == {os.geteuid()}


EVIL: dict[str, tuple[tuple[Row, ...], str]] = {
    "absolute": ((("/outside/x", b""),), "/outside/x: an absolute name"),
    "climbs": ((("../outside/x", b""),), "../outside/x: a name with '..'"),
    "climbs from inside": ((("a/../../outside/x", b""),), "a/../../outside/x: a name with '..'"),
    "climbs and is left out": ((("../outside/x.pyc", b""),), "../outside/x.pyc: a name with '..'"),
    "twice": ((("x", b"1"), ("./x", b"2")), "./x: the name occurs twice"),
    "directory twice": ((("x", DIRECTORY), ("x/", DIRECTORY)), "x: the name occurs twice"),
    "file over directory": ((("x/y", b""), ("x", b"")), "x: the name occurs twice"),
    "below a file": ((("x", b""), ("x/y", b"")), "x/y: x is a file, not a directory"),
    "no name": (((".", b"x"),), ".: expected a name"),
    "link to absolute": ((("x", link("/etc/passwd")),), "x: a link to '/etc/passwd' leaves the directory"),
    "link that climbs": ((("a/x", link("../../outside")),), "a/x: a link to '../../outside' leaves the directory"),
    "link through another": (
        (("a/up", link("..")), ("a/x", link("up/../outside"))),
        "a/x: a link to 'up/../outside' leaves the directory",
    ),
    "link through a later one": (
        (("a/x", link("up/../outside")), ("a/up", link(".."))),
        "a/x: a link to 'up/../outside' leaves the directory",
    ),
    "through a planted link": ((("x", link("../outside")), ("x/y", b"")), "x/y: x is a link, not a directory"),
    "link over a file": ((("x", b""), ("x", link("../outside"))), "x: the name occurs twice"),
    "file over a link": ((("x", link("../outside/y")), ("x", b"")), "x: the name occurs twice"),
    "hard link out": ((("x", hard("/etc/passwd")),), "x: an absolute name"),
    "hard link that climbs": ((("x", hard("../outside/secret")),), "x: a name with '..'"),
    "hard link to a link": (
        (("l", link("../outside/secret")), ("x", hard("l"))),
        "x: a hard link to 'l', which is not an earlier file of the archive",
    ),
    "hard link to nothing": ((("x", hard("y")), ("y", b"")), "x: a hard link to 'y', which is not an earlier file"),
    "device": ((("x", {"type": tarfile.CHRTYPE}),), "x: a device, a FIFO or something else is refused"),
    "block device": ((("x", {"type": tarfile.BLKTYPE}),), "x: a device, a FIFO or something else is refused"),
    "FIFO": ((("x", {"type": tarfile.FIFOTYPE}),), "x: a device, a FIFO or something else is refused"),
    "other type": ((("x", {"type": b"V"}),), "is refused"),
    "not UTF-8": ((("x\udcff", b""),), "'x\\udcff': a name with NUL or not in UTF-8"),
    "long name": ((("x" * 300, b""),), "File name too long"),
    "long target": ((("x", link("y" * 5000)),), "x: "),
    "too many": (tuple((f"{number}", b"") for number in range(11)), "10: expected at most 10 members"),
    "too big": ((("a", b"x" * 15_000), ("b", b"x" * 15_000)), "b: it unpacks to more than 20000 bytes"),
    "copies of one": (
        (("a", b"x" * 5000), *((f"l{number}", hard("a")) for number in range(5))),
        "l3: it unpacks to more than 20000 bytes",
    ),
    "big and left out": ((("a.pyc", b"x" * 25_000),), "a.pyc: it unpacks to more than 20000 bytes"),
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("case", EVIL)
def test_what_tar_is_refused(case: str, packed: str, place: Path) -> None:
    rows, words = EVIL[case]
    assert words in refused(PACKED[packed](a_tar(*rows, errors="surrogateescape")), place)


def test_nul_in_a_name(place: Path) -> None:
    data = a_tar(("x", {"pax_headers": {"path": "x\0y"}}), format=tarfile.PAX_FORMAT)
    assert "a name with NUL" in refused(data, place)


def test_sparse_files(place: Path) -> None:
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999999"}
    info = member("x", size=512, pax_headers=headers)
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"0\n".ljust(512, b"\0")))
    assert "x: a sparse file is refused" in refused(result.getvalue(), place)


ZIPS: dict[str, tuple[tuple[Row, ...], str]] = {
    "climbs": ((("../outside/x", b""),), "a name with '..'"),
    "absolute": ((("/outside/x", b""),), "/outside/x: an absolute name"),
    "link out": ((("x", (stat.S_IFLNK | 0o777, b"../outside")),), "x: a link to '../outside' leaves the directory"),
    "through a link": ((("x", (stat.S_IFLNK, b"../outside")), ("x/y", b"")), "x/y: x is a link, not a directory"),
    "device": ((("x", (stat.S_IFCHR, b"")),), "x: a device, a FIFO or something else is refused"),
    "FIFO": ((("x", (stat.S_IFIFO, b"")),), "x: a device, a FIFO or something else is refused"),
    "empty link": ((("x", (stat.S_IFLNK, b"")),), "x: "),
    "too big": ((("a", b"x" * 15_000), ("b", b"x" * 15_000)), "b: it unpacks to more than 20000 bytes"),
    "too many": (tuple((f"{number}", b"") for number in range(11)), "expected at most 10 members"),
}


@pytest.mark.parametrize("case", ZIPS)
def test_what_zip_is_refused(case: str, place: Path) -> None:
    rows, words = ZIPS[case]
    assert words in refused(a_zip(*rows), place)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice(place: Path) -> None:
    assert "x: the name occurs twice" in refused(a_zip(("x", b"1"), ("x", b"2")), place)


def test_a_zip_with_nul_in_a_name(place: Path) -> None:
    data = a_zip(("x?y", b"")).replace(b"x?y", b"x\0y")
    assert "a name with NUL" in refused(data, place)


def test_an_encrypted_zip(place: Path) -> None:
    data = bytearray(a_zip(("x", b"1")))
    data[data.index(b"PK\1\2") + 8] |= 1
    assert "x: an encrypted member is refused" in refused(bytes(data), place)


def test_a_zip_whose_headers_lie_about_the_size(place: Path) -> None:
    data = bytearray(a_zip(("x", b"y" * 19_000)))
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(mark) + offset, 10)
    assert refused(bytes(data), place)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_bombs(pack: Callable[[bytes], bytes], place: Path) -> None:
    """By ratio where little may come out, and by size where the ratio is no matter."""
    data = pack(a_tar(("x", bytes(300_000))))
    assert "x: it unpacks to more than 20 times its own size" in refused(
        data, place, Limits(ratio=20, ratio_counts_from=0)
    )
    assert "unpacks to more than 20000 bytes" in refused(data, place)
    data = a_zip(("x", bytes(300_000)))
    assert "x: it unpacks to more than 20 times its own size" in refused(
        data, place, Limits(ratio=20, ratio_counts_from=0)
    )


def test_a_bomb_of_headers(place: Path) -> None:
    """Held in memory by whoever reads it."""
    data = gzip.compress(a_tar(("x", {"pax_headers": {"comment": "y" * 3_000_000}}), format=tarfile.PAX_FORMAT))
    assert "its headers take more than 1048576 bytes" in refused(data, place, Limits())


@pytest.mark.parametrize("packed", PACKED)
def test_truncated_tar(packed: str, place: Path) -> None:
    data = PACKED[packed](a_tar(("a", os.urandom(700)), ("b", bytes(700)), ("c", b"x")))
    whole = len(data)
    cuts = [*range(0, min(whole, 6 * 512), 37), *range(512, min(whole, 7 * 512), 512)]
    for cut in (cut for cut in cuts if cut < whole):
        # All that is cut off of a plain archive may be padding.
        assert refused(data[:cut], place)


def test_truncated_zip(place: Path) -> None:
    data = a_zip(("a", os.urandom(700)), ("b", b"x"))
    for cut in range(0, len(data), 13):
        assert refused(data[:cut], place)


def test_a_broken_header_in_the_middle(place: Path) -> None:
    data = bytearray(a_tar(("a", b"x"), ("b", b"y")))
    data[1024 + 150] ^= 1
    assert "it is truncated or damaged" in refused(bytes(data), place)


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"7z\xbc\xaf\x27\x1c", bytes(1024), b"x" * 2000])
def test_what_is_no_archive(data: bytes, place: Path) -> None:
    assert "expected a tar archive (plain, gz, bz2 or xz) or a zip archive" in refused(data, place)


NAMES = st.one_of(
    st.sampled_from(
        ["a", "a/b", "a/b/c", "./a", "b", "a/", "..", "../outside", "a/../..", "/outside", "a/l", "l/x", "l"]
    ),
    st.text(alphabet="ab./\0\udcff ä", min_size=1, max_size=8),
)
CONTENTS = st.one_of(
    st.binary(max_size=9000),
    st.just(DIRECTORY),
    st.builds(link, NAMES),
    st.builds(hard, NAMES),
    st.just({"type": tarfile.FIFOTYPE}),
)


@given(st.lists(st.tuples(NAMES, CONTENTS), max_size=8), st.sampled_from(sorted(PACKED)))
def test_nothing_leaves_the_directory(tmp_path_factory: pytest.TempPathFactory, rows: list[Row], packed: str) -> None:
    place = tmp_path_factory.mktemp("any")
    (place / "outside").mkdir()
    (place / "outside" / "secret").write_text("hunter2")
    before = snapshot(place / "outside")
    try:
        root = out(PACKED[packed](a_tar(*rows, errors="surrogateescape")), place)
    except PalisadeError:
        assert os.listdir(place) == ["outside"]
        root = place / "outside"
    assert snapshot(place / "outside") == before
    total = 0
    for path in root.rglob("*"):
        kind = path.lstat()
        assert stat.S_ISDIR(kind.st_mode) or stat.S_ISREG(kind.st_mode) or stat.S_ISLNK(kind.st_mode)
        assert os.path.realpath(path).startswith(str(root))
        assert kind.st_nlink == 1 or stat.S_ISDIR(kind.st_mode)
        total += kind.st_size if stat.S_ISREG(kind.st_mode) else 0
    assert total <= SMALL.size


@given(st.binary(max_size=3000), st.sampled_from(sorted(PACKED)), st.data())
def test_any_change_of_an_archive_is_bounded(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, packed: str, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("any")
    (place / "outside").mkdir()
    whole = bytearray(PACKED[packed](a_tar(("a", b"x" * 600), ("b/c", b"y"), ("l", link("a")))))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + data.draw(st.integers(0, 20))] = noise
    try:
        out(bytes(whole), place)
    except PalisadeError:
        assert os.listdir(place) == ["outside"]


@pytest.mark.parametrize(
    ("total", "packed", "words"),
    [
        (1000, 1000, ""),
        (1001, 1000, "it unpacks to more than 1000 bytes"),
        (500, 50, ""),
        (501, 50, "it unpacks to more than 10 times its own size"),
        # Of little the ratio says nothing.
        (100, 1, ""),
        (101, 1, "more than 10 times its own size"),
    ],
)
def test_bounds_hold_to_the_byte(total: int, packed: int, words: str) -> None:
    limits = Limits(size=1000, ratio=10, ratio_counts_from=100)
    if words:
        with pytest.raises(PalisadeError, match=words):
            _check_total(total, limits.size, packed, limits)
    else:
        _check_total(total, limits.size, packed, limits)


def test_bounds_unless_somebody_gives_others() -> None:
    assert Limits(size=1 << 30, members=100_000, ratio=100, ratio_counts_from=16 << 20) == LIMITS


@pytest.mark.parametrize(("members", "taken"), [(10, True), (11, False)])
@pytest.mark.parametrize("pack", [a_tar, a_zip])
def test_as_many_members_as_may_be(pack: Callable[..., bytes], members: int, taken: bool, place: Path) -> None:
    content = pack(*((f"file{number}", b"x") for number in range(members)))
    if taken:
        extract(io.BytesIO(content), str(place / "new"), "shop", SMALL)
        assert len(os.listdir(place / "new")) == members
    else:
        with pytest.raises(PalisadeError, match="expected at most 10 members"):
            extract(io.BytesIO(content), str(place / "new"), "shop", SMALL)
        assert not (place / "new").exists()


@pytest.mark.parametrize(("size", "taken"), [(20_000, True), (20_001, False)])
@pytest.mark.parametrize("pack", [a_tar, a_zip])
def test_as_many_bytes_as_may_be(pack: Callable[..., bytes], size: int, taken: bool, place: Path) -> None:
    content = pack(("one", b"x" * 10_000), ("two", b"y" * (size - 10_000)))
    if taken:
        extract(io.BytesIO(content), str(place / "new"), "shop", SMALL)
        assert (place / "new/two").stat().st_size == 10_000
    else:
        with pytest.raises(PalisadeError, match="it unpacks to more than 20000 bytes"):
            extract(io.BytesIO(content), str(place / "new"), "shop", SMALL)
