"""Changes plugins/ at random in one point at a time, and looks whether the unit tests see it.

Usage: scripts/test mutants [--quick] [COUNT] [SEED]

COUNT mutants (100), drawn by SEED (any word; a new one unless told). The same seed draws the same mutants.
Prints each mutant that no test sees, and the counts. The exit code says whether more than one in twenty survives,
without those that equivalent.yml gives a reason for.

A mutant first meets the tests that reach its line, then all others; --quick leaves these out.
It may do anything, and as root: so it sees none of the machine's processes, and can write into its own /tmp only.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import coverage
import yaml
from ansible_collections.palisade.mod_wsgi.tests.mutants.mutate import Mutant, draw, mutants

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / ".cache" / "mutants"
LOG = ROOT / ".cache" / "logs" / "mutants.log"
WORKERS = 2
# Generous: a busy machine is no endless loop.
SECONDS, ALL_SECONDS = 300, 900
MEMORY = 4 << 30
# At most one in so many may survive.
AIM = 20

_FENCE = """
mount --bind out out
mount -o remount,bind,ro /
for place in /tmp /run /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 mutants "$place"; done
# Not the first process itself: that one inherits what tests leave behind.
"$@" || exit "$?"
"""
_UNSHARE = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", _FENCE, "sh"]


def _as_in_a_terminal() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # What a shell starts in the background ignores it, and tests of an interrupt would wait for ever.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Copy:
    """A copy of the tree for mutants to be put into."""

    def __init__(self, name: str) -> None:
        self.root = WORK / name
        skip = shutil.ignore_patterns(".git", ".cache", ".collections", ".ansible", "__pycache__")
        shutil.copytree(ROOT, self.root, symlinks=True, ignore=skip)
        (self.root / "out").mkdir()
        link = self.root / ".collections/ansible_collections/palisade/mod_wsgi"
        link.parent.mkdir(parents=True)
        link.symlink_to("../../..")

    def pytest(self, tests: Sequence[str], seconds: float, *python: str) -> tuple[int, str]:
        """Run tests; return pytest's exit code, or -1 after so many seconds, and the end of what it said."""
        (self.root / "out/tests").write_text("\n".join(tests))
        plugins = ["-p", "no:cacheprovider", "-p", "tests.mutants.per_test"]
        command = [*_UNSHARE, "python", "-B", *python, "-m", "pytest", "-qx", *plugins, "@out/tests"]
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(self.root / ".collections"),
                "ANSIBLE_HOME": "/tmp/ansible",
            },
            preexec_fn=_as_in_a_terminal,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            said, _nothing = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # With it everything in its namespace ends.
            process.kill()
            process.communicate()
            return -1, "it took too long"
        return process.returncode, said.decode(errors="replace")[-3000:]


class Reach:
    """Which tests reach which lines."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        self.files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit").rglob("test_*.py"))
        self.by_line: dict[str, dict[int, set[str]]] = {}
        problems = []

        def note(number: int) -> None:
            copy = copies[number]
            options = ["-m", "coverage", "run", "--source=plugins", "--data-file=out/reach"]
            code, said = copy.pytest(self.files[number :: len(copies)], ALL_SECONDS, *options)
            if code:
                problems.append(said)

        in_threads([functools.partial(note, number) for number in range(len(copies))])
        if problems:
            sys.exit("the unit tests fail without any mutant:\n" + "\n".join(problems))
        for copy in copies:
            data = coverage.CoverageData(str(copy.root / "out/reach"))
            data.read()
            for path in data.measured_files():
                lines = self.by_line.setdefault(str(Path(path).resolve().relative_to(copy.root)), {})
                for line, tests in data.contexts_by_lineno(path).items():
                    lines.setdefault(line, set()).update(filter(None, tests))

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach a mutant; those of its function or file where no line of it is reached itself."""
        lines = self.by_line.get(mutant.path, {})
        first, last = mutant.body
        for within in ([mutant.line], range(first, last + 1), lines):
            found = {test for line in within for test in lines.get(line, ())}
            if found:
                return sorted(found, key=lambda test: (not _mirrors(test, mutant.path), test))
        return []


def _mirrors(test: str, path: str) -> bool:
    return test.partition("::")[0] == str(Path("tests/unit", path).with_name(f"test_{Path(path).name}"))


def in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def verdict(mutant: Mutant, copy: Copy, reach: Reach, quick: bool) -> str:
    """Put a mutant into a copy and run the tests that matter, then all."""
    file = copy.root / mutant.path
    source = file.read_bytes()
    file.write_bytes(mutant.apply(source))
    near = reach.tests(mutant)
    try:
        code = copy.pytest(near, SECONDS)[0] if near else 0
        if code == 0 and not (quick and near):
            code = copy.pytest(reach.files, ALL_SECONDS)[0]
    finally:
        file.write_bytes(source)
    return {0: "survived", -1: "endless"}.get(code, "killed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100)
    parser.add_argument("seed", nargs="?", default=secrets.token_hex(3))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()

    sources = {str(path.relative_to(ROOT)): path.read_bytes() for path in sorted((ROOT / "plugins").rglob("*.py"))}
    every = [mutant for path, source in sources.items() for mutant in mutants(path, source)]
    known = {(row["file"], row["was"], row["now"]) for row in yaml.safe_load((HERE / "equivalent.yml").read_text())}

    shutil.rmtree(WORK, ignore_errors=True)
    copies = [Copy(str(number)) for number in range(WORKERS)]
    reach = Reach(copies)
    waiting = draw(every, options.count, options.seed)
    counts = Counter[str]()

    log = LOG.open("w", encoding="utf-8")

    def work(copy: Copy) -> None:
        while True:
            try:
                mutant = waiting.pop(0)
            except IndexError:
                return
            gone, come = mutant.diff(sources[mutant.path])
            said = verdict(mutant, copy, reach, options.quick)
            plain = ("\n".join(line[1:].strip() for line in lines) for lines in (gone, come))
            if said == "survived" and (mutant.path, *plain) in known:
                said = "equivalent"
            counts[said] += 1
            text = "\n".join([f"{mutant.path}:{mutant.line}: {mutant.kind}", *gone, *come, ""])
            if said == "survived":
                print(text, flush=True)
            print(said, text, file=log, flush=True)

    in_threads([functools.partial(work, copy) for copy in copies])
    told = (
        f" ({counts['equivalent']} more change nothing: tests/mutants/equivalent.yml)" if counts["equivalent"] else ""
    )
    print(f"seed {options.seed}: {counts['killed']} killed, {counts['survived']} survived{told}")
    sys.exit(counts["survived"] * AIM > counts["killed"] + counts["survived"])


if __name__ == "__main__":
    main()
