"""Whole runs of the past, each a file of `bench/history`, and ratios over them as a picture.

Ratios are drawn, and no rates: a rate belongs to its machine, and the machines changed.
"""

from __future__ import annotations

import json
import re

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import config

from bench.figures import FIGURES, Figure
from bench.report import Results, as_text
from bench.rush_picture import Points, chart, picture
from bench.servers import KINDS, POSTGRES

FOLDER: Final = config.ROOT / "bench" / "history"
PICTURE: Final = config.ROOT / "docs" / "pictures" / "bench.svg"
# What is drawn, by the names of figures.
DRAWN: Final = (
    "turn_ratio",
    "call_ratio",
    "allocate_ratio",
    "outbox_ratio",
    "web_ratio_peer",
    "web_worker_mib",
)
# Of more runs every second one is labelled, and so on: always the last.
LABELS: Final = 6
# Of the two databases, as the rush has the web and the telephone.
LINES: Final = dict(zip(KINDS, ("web", "phone"), strict=True))


def keep(results: Results, folder: Path = FOLDER) -> Path:
    """Write a run beside those of the past. Returns the file."""
    moment = re.sub(r"[^0-9T-]", "", results["date"][:16])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{moment}-{results['commit'].split()[0]}.json"
    file.write_text(as_text(results), "utf-8")
    return file


def runs(folder: Path = FOLDER) -> list[Results]:
    """Return all that are kept, the oldest first."""
    return [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))]


def draw(kept: Sequence[Results]) -> str:
    """Return the picture: a chart of each ratio over the runs, in both databases."""
    last = max(len(kept) - 1, 1)
    every = -(-len(kept) // LABELS)
    labels = [
        (float(number), f"{one['date'][8:10]}.{one['date'][5:7]}. {one['commit'][:7]}")
        for number, one in enumerate(kept)
        if not (len(kept) - 1 - number) % every
    ]
    wanted = sorted(
        (one for one in FIGURES if one.name in DRAWN), key=lambda one: DRAWN.index(one.name)
    )
    return picture(
        "Whole runs of the bench",
        [
            chart(
                _title(figure),
                lines,
                last,
                bars=figure.least or figure.under,
                labels=labels,
                dots=True,
            )
            for figure in wanted
            if any(lines := _lines(figure, kept))
        ],
    )


def write(folder: Path = FOLDER, file: Path = PICTURE) -> None:
    """Draw all runs that are kept."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(draw(runs(folder)), "utf-8")


def _title(figure: Figure) -> str:
    name = figure.title.replace("**", "").replace("`", "")
    return f"{name}; bar {figure.bar}" if figure.bar else name


def _lines(figure: Figure, kept: Sequence[Results]) -> dict[str, Points]:
    lines: dict[str, Points] = {}
    for kind in KINDS:
        # Runs of before had one figure for both.
        keys = (f"{figure.name}_{kind}", *([figure.name] if kind == POSTGRES else []))
        points = [
            (float(number), float(value))
            for number, one in enumerate(kept)
            if (value := next((one[key] for key in keys if one.get(key) is not None), None))
            is not None
        ]
        if points:
            lines[LINES[kind]] = points
    return lines
