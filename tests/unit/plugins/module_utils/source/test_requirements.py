"""Requirements files: what pip would build from source is refused, wherever it hides."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.host.errors import PalisadeError
from ansible_collections.palisade.mod_wsgi.plugins.module_utils.source.requirements import check_requirements


def check(root: Path, text: str, source_builds: bool = False) -> None:
    (root / "requirements.txt").write_text(text)
    check_requirements(str(root), "requirements.txt", "app public: requirements", source_builds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "flask\n",
        "flask==3.1.2 --hash=sha256:abc\n",
        "flask==3.1.2 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\n",
        "flask==3.1.2 \\\r\n    --hash=sha256:abc\r\n",
        "flask[async] >= 3, <4 ; python_version >= '3.9'  # why\n",
        "demo @ https://example.org/demo-1.0-py3-none-any.whl#sha256=abc\n",
        "https://example.org/demo-1.0-py3-none-any.whl\n",
        "--index-url https://example.org/simple\n--require-hashes\nflask\n",
        "-i https://example.org/simple\nflask",
    ],
)
def test_taken(text: str, tmp_path: Path) -> None:
    check(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("-e .\n", "-e"),
        ("--editable=.\n", "--editable"),
        ("--no-binary :all:\n", "--no-binary"),
        (".\n", "'.'"),
        ("./demo\n", "'./demo'"),
        ("file:///tmp/demo\n", "file:///tmp/demo"),
        ("git+https://example.org/demo.git\n", "git+https"),
        ("demo @ git+https://example.org/demo.git\n", "git+https"),
        ("demo@file:///tmp/demo\n", "file:///tmp/demo"),
        ("demo @ https://example.org/demo.tar.gz\n", "demo.tar.gz"),
        ("demo @ http://example.org/demo-1.0-py3-none-any.whl\n", "http://"),
        ("flask\n  -e .\n", "-e"),
        ("flas\\\nk @ \\\nfile:///tmp/demo\n", "file:///tmp/demo"),
        # For pip a comment does not go on, whatever its line ends with.
        ("# comment \\\n-e .\n", "-e"),
        ("flask \\\n# comment \\\n-e .\n", "-e"),
    ],
)
def test_refused(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError) as caught:
        check(tmp_path, text)
    assert str(caught.value).startswith("app public: requirements: requirements.txt: ")
    assert named in str(caught.value)
    assert "is refused" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "--no-binary demo\ndemo==1\n",
        "demo @ https://example.org/demo.tar.gz\n",
        "demo @ git+https://example.org/demo.git@v1\n",
        "-r more.txt\n",
    ],
)
def test_taken_for_source_builds(text: str, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("--no-binary demo\n")
    check(tmp_path, text, source_builds=True)
    with pytest.raises(PalisadeError, match="is refused"):
        check(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "-e .\n",
        ".\n",
        "file:///tmp/demo\n",
        "demo @ http://example.org/demo.tar.gz\n",
        "demo @ git+http://example.org/demo.git\n",
        "demo @ git+ssh://git@example.org/demo.git\n",
        "demo @ git+file:///srv/demo\n",
    ],
)
def test_refused_for_source_builds_too(text: str, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match="is refused"):
        check(tmp_path, text, source_builds=True)


@pytest.mark.parametrize("include", ["-r inner/more.txt", "-rinner/more.txt", "--requirement=inner/more.txt"])
def test_included_files_count(include: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "more.txt").write_text("-r least.txt\n")
    (tmp_path / "inner" / "least.txt").write_text("-r ../requirements.txt\nflask\n")
    check(tmp_path, include)
    (tmp_path / "inner" / "least.txt").write_text("-e .\n")
    with pytest.raises(PalisadeError, match=r"inner/least\.txt: -e is refused"):
        check(tmp_path, include)


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ("-r ../other.txt", "expected a file inside the source"),
        ("-c /etc/passwd", "expected a file inside the source"),
        ("-r missing.txt", "cannot be read"),
    ],
)
def test_included_files_lie_in_the_source(include: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PalisadeError, match=words):
        check(tmp_path, include)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("-e .\n".encode("utf-16"))
    with pytest.raises(PalisadeError, match="cannot be read"):
        check_requirements(str(tmp_path), "requirements.txt", "app public: requirements")
