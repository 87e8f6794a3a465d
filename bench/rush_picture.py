"""The rush as a picture: who came, who was booked, who waited, and how fast callers were answered.

An SVG of a few hundred lines of text, written by hand: no library draws it.
"""

from __future__ import annotations

import statistics

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Protocol

WIDTH, HEIGHT, LEFT, TOP, GAP = 900, 150, 70, 34, 56
STYLE = (
    "text{font:13px sans-serif;fill:#1e293b}.t{font-weight:bold}.a{stroke:#94a3b8}"
    ".web{stroke:#1d4ed8}.phone{stroke:#b45309}.bar{stroke:#b91c1c;stroke-dasharray:5 4}"
    "polyline{fill:none;stroke-width:2}.dark{fill:#f8fafc}"
)
Points = Sequence[tuple[float, float]]


class Rushed(Protocol):
    """What of bench.rush.RushObservations is drawn."""

    came: list[tuple[float, int]]
    web: list[tuple[float, int]]
    phone: list[tuple[float, int]]
    waiting: list[tuple[float, int]]
    webhooks: list[tuple[float, float]]


def write(file: Path, seen: Rushed, capacity: float, comes: float) -> None:
    """Write the picture; `comes`: seconds in which people came."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(draw(seen, capacity, comes), "utf-8")


def draw(seen: Rushed, capacity: float, comes: float) -> str:
    """Return the SVG: three charts over the same seconds."""
    last = max((at for at, _ in (*seen.waiting, *seen.webhooks)), default=comes) + 1
    slowest = [
        (second + 0.5, statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0])
        for second, times in sorted(_by_second(seen.webhooks).items())
    ]
    charts = [
        chart(
            "People booked a second: web (blue), telephone (brown); red: what the web alone can do",
            {"web": _rate(seen.web, last), "phone": _rate(seen.phone, last)},
            last,
            bar=capacity,
        ),
        chart(
            f"People on the web who are not done yet; {len(seen.came)} came in {comes:g} s",
            {"web": [(at, float(count)) for at, count in seen.waiting]},
            last,
        ),
        chart(
            "Webhooks of calls: the slowest of a hundred in each second, ms; red: the bar",
            {"phone": slowest},
            last,
            bar=1000.0,
        ),
    ]
    return picture("The rush, second by second", charts)


def picture(title: str, charts: Sequence[str]) -> str:
    """Return an SVG of charts, one under the other."""
    height = len(charts) * (HEIGHT + GAP) + TOP
    placed = "".join(
        f'<g transform="translate(0 {number * (HEIGHT + GAP)})">{one}</g>'
        for number, one in enumerate(charts)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect class="dark" width="{WIDTH}" height="{height}"/>{placed}</svg>\n'
    )


def chart(
    title: str,
    lines: dict[str, Points],
    last: float,
    *,
    bar: float | None = None,
    bars: Sequence[float] = (),
    labels: Sequence[tuple[float, str]] | None = None,
    dots: bool = False,
) -> str:
    """Return lines (by their class in `STYLE`) over an axis from 0 to `last`.

    `labels` are written under it; else every fifth second. With `dots` each point is to be seen.
    """
    values = [value for points in lines.values() for _, value in points]
    most = _round_up(max([*values, *bars, bar or 0.0, 1.0]))
    wide = WIDTH - LEFT - 20

    def place(at: float, value: float) -> str:
        return f"{LEFT + wide * at / last:.1f},{TOP + HEIGHT - HEIGHT * value / most:.1f}"

    parts = [f'<text class="t" x="{LEFT}" y="{TOP - 12}">{escape(title)}</text>']
    for part in (0.0, 0.5, 1.0):
        y = TOP + HEIGHT * (1 - part)
        parts.append(f'<line class="a" x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = f"{most * part:g}"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    if labels is None:
        labels = [(second, f"{second} s") for second in range(0, int(last) + 1, 5)]
    for at, label in labels:
        x = LEFT + wide * at / last
        anchor = ' text-anchor="end"' if at == last else ""
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}"{anchor}>{escape(label)}</text>')
    for one in (*bars, *(() if bar is None else (bar,))):
        ends = " ".join(place(at, one) for at in (0.0, last))
        parts.append(f'<polyline class="bar" points="{ends}"/>')
    for name, points in lines.items():
        drawn = [place(at, value) for at, value in points]
        parts.append(f'<polyline class="{name}" points="{" ".join(drawn)}"/>')
        if dots:
            parts += [
                f'<circle class="{name}" r="3" fill="#fff" cx="{x}" cy="{y}"/>'
                for x, y in (one.split(",") for one in drawn)
            ]
    return "".join(parts)


def _by_second(moments: Points) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for at, value in moments:
        found[int(at)].append(value)
    return found


def _rate(moments: Points, last: float) -> Points:
    counted = _by_second(moments)
    return [(second + 0.5, float(len(counted.get(second, ())))) for second in range(int(last))]


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 …: so an axis has round figures."""
    step = 1.0
    while True:
        for part in (1, 2, 5):
            if part * step >= value:
                return part * step
        step *= 10
