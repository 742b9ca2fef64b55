"""The figures of benchmark converge as tables, as a plot and as promises."""

from __future__ import annotations

import html
import math
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PLAYS = ("first run", "re-run", "one added", "one option changed", "one removed")
OURS, BY_HAND = "ours", "by hand"
MARKS = ("<!-- measured: tests/benchmark/converge -->", "<!-- end -->")


def find(rows: Sequence[Row], **wanted: Any) -> Row | None:
    return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)


def tables(rows: Sequence[Row]) -> str:
    """Return the tables of docs/performance.md."""
    parts = []
    for pipelining in sorted({row["pipelining"] for row in rows}):
        chosen = [row for row in rows if row["pipelining"] == pipelining]
        parts += [f"### Pipelining {'on' if pipelining else 'off'}", _times(chosen), _costs(chosen)]
    return "\n\n".join([*parts, _tasks(rows)])


def _times(rows: Sequence[Row]) -> str:
    head = ["apps", *(f"{play}{', by hand' if who == BY_HAND else ''}" for play in PLAYS for who in (OURS, BY_HAND))]
    lines = [_line(head), _line(["---"] * len(head))]
    for count in sorted({row["apps"] for row in rows}):
        cells = [str(count)]
        for play in PLAYS:
            found = [find(rows, apps=count, play=play, who=who) for who in (OURS, BY_HAND)]
            cells += [f"{row['seconds']:.1f} s" if row else "" for row in found]
        lines.append(_line(cells))
    return "\n".join(lines)


def _costs(rows: Sequence[Row]) -> str:
    head = [
        "re-run of",
        "who",
        "wall time",
        "tasks",
        "modules",
        "on the host",
        "on the controller",
        "controller's memory",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    for count in sorted({row["apps"] for row in rows}):
        for play, who in (("re-run", OURS), ("floor", OURS), ("re-run", BY_HAND)):
            row = find(rows, apps=count, play=play, who=who)
            if row is None:
                continue
            target = "" if row["target"] is None else f"{row['target']:.1f} s"
            name = "as many pings" if play == "floor" else who
            numbers = [
                str(row["tasks"]),
                str(row["modules"]),
                target,
                f"{row['controller']:.1f} s",
                f"{row['memory']} MB",
            ]
            lines.append(_line([f"{count} app{'s' if count > 1 else ''}", name, f"{row['seconds']:.1f} s", *numbers]))
    return "\n".join(lines)


def _tasks(rows: Sequence[Row]) -> str:
    """Return where the time of a re-run goes, for the fewest and the most apps."""
    ours = sorted((row for row in rows if row["play"] == "re-run" and row["who"] == OURS), key=lambda row: row["apps"])
    lines = []
    for row in {row["apps"]: row for row in (ours[0], ours[-1])}.values():
        title = f"a re-run of {row['apps']} app{'s' if row['apps'] > 1 else ''}"
        lines += [f"Where the time of {title} goes:", "", "| task | seconds |", "|---|---|"]
        named = sum(task["seconds"] for task in row["rows"])
        for task in row["rows"]:
            if task["seconds"] >= 0.1:
                lines.append(_line([task["task"].rpartition(" : ")[2], f"{task['seconds']:.1f}"]))
        small = sum(task["seconds"] for task in row["rows"] if task["seconds"] < 0.1)
        lines.append(_line(["tasks below 0.1 s", f"{small:.1f}"]))
        lines.append(_line(["Ansible's start and end, and between the tasks", f"{row['seconds'] - named:.1f}"]) + "\n")
    return "\n".join(lines).rstrip()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def promises(rows: Sequence[Row]) -> Iterator[tuple[str, bool]]:
    """Yield what was promised of re-runs, with the figures, and whether it is so."""

    def seconds(count: int, pipelining: bool, play: str = "re-run", who: str = OURS) -> float | None:
        row = find(rows, apps=count, pipelining=pipelining, play=play, who=who)
        return row["seconds"] if row else None

    for pipelining in sorted({row["pipelining"] for row in rows}):
        one = seconds(1, pipelining)
        hand = {count: seconds(count, pipelining, who=BY_HAND) for count in (1, 50)}
        bounds = [
            (one, hand[1], 0.6, "a re-run of 1 app, of that by hand"),
            (seconds(50, pipelining), one, 1.2, "a re-run of 50 apps, of that of 1"),
            (seconds(50, pipelining), hand[50], 1 / 30, "a re-run of 50 apps, of that by hand"),
            (seconds(200, pipelining), one, 2, "a re-run of 200 apps, of that of 1"),
            (seconds(50, pipelining, "one added"), seconds(50, pipelining), 1.5, "one app added to 50, of a re-run"),
        ]
        for measured, other, bound, what in bounds:
            if measured is not None and other is not None:
                ratio = measured / other
                how = "on" if pipelining else "off"
                yield f"{what}: {ratio:.3f}, at most {bound:.3f} (pipelining {how})", ratio <= bound


def write(rows: Sequence[Row], docs: Path) -> None:
    """Put tables and plot into the documentation."""
    page = docs / "performance.md"
    before, _old, after = re.split(
        f"({re.escape(MARKS[0])}.*?{re.escape(MARKS[1])})", page.read_text(), flags=re.DOTALL
    )
    version = subprocess.run(["ansible", "--version"], text=True, check=True, capture_output=True).stdout
    core = re.search(r"\[core ([0-9.]+)\]", version)
    when = time.strftime("%Y-%m-%d")
    host = f"ansible-core {core.group(1) if core else '?'}, Python {platform.python_version()}"
    said = f"Measured on {when}, with {host} on two cores that the controller and the host share."
    image = "![Wall time over the number of apps](performance.svg)"
    page.write_text(f"{before}{MARKS[0]}\n{said}\n\n{image}\n\n{tables(rows)}\n{MARKS[1]}{after}")
    (docs / "performance.svg").write_text(plot(rows))


def plot(rows: Sequence[Row]) -> str:
    """Return the re-runs and first runs over the number of apps, both axes logarithmic."""
    pipelining = min(row["pipelining"] for row in rows)
    chosen = [row for row in rows if row["pipelining"] == pipelining]
    counts = sorted({row["apps"] for row in chosen})
    width, height, left, top, right, bottom = 720, 420, 60, 20, 190, 50
    seconds = [row["seconds"] for row in chosen]
    low, high = 10 ** math.floor(math.log10(min(seconds))), 10 ** math.ceil(math.log10(max(seconds)))

    def across(count: float) -> float:
        span = math.log10(counts[-1] / counts[0]) or 1
        return left + (width - left - right) * math.log10(count / counts[0]) / span

    def down(value: float) -> float:
        return top + (height - top - bottom) * (1 - math.log10(value / low) / math.log10(high / low))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"',
        ' font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    value = low
    while value <= high:
        parts.append(f'<path d="M{left} {down(value):.1f}H{width - right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{down(value) + 4:.1f}" text-anchor="end">{value:g} s</text>')
        value *= 10
    for count in counts:
        place = f'x="{across(count):.1f}" y="{height - bottom + 20}"'
        parts.append(f'<text {place} text-anchor="middle">{count}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">apps</text>')
    series = [
        ("re-run, by hand", "re-run", BY_HAND, "#c0392b", ""),
        ("re-run", "re-run", OURS, "#1f618d", ""),
        ("as many pings", "floor", OURS, "#888", ""),
        ("first run, by hand", "first run", BY_HAND, "#c0392b", ' stroke-dasharray="5 4"'),
        ("first run", "first run", OURS, "#1f618d", ' stroke-dasharray="5 4"'),
    ]
    for number, (title, play, who, colour, dashes) in enumerate(series):
        found = sorted((row["apps"], row["seconds"]) for row in chosen if row["play"] == play and row["who"] == who)
        points = " ".join(f"{across(count):.1f},{down(value):.1f}" for count, value in found)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        parts += [
            f'<circle cx="{across(count):.1f}" cy="{down(value):.1f}" r="3" fill="{colour}"/>' for count, value in found
        ]
        y = top + 20 + 22 * number
        parts.append(f'<path d="M{width - right + 20} {y - 4}h28" stroke="{colour}" stroke-width="2"{dashes}/>')
        parts.append(f'<text x="{width - right + 56}" y="{y}">{html.escape(title)}</text>')
    return "\n".join([*parts, "</svg>", ""])
