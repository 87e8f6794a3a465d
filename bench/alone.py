"""A measurement that is run by itself: how it begins and ends, and what it leaves behind.

`python -m bench.day` has a stage of its own. Such measurements say what was found and,
with `--page`, write it down: a file of figures with the machine, its load and what others had of
it, and a part of a page between two marks. The exit status is 0 where all that must hold does, 1
where it does not or where what was measured does not count, 2 where nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import sys

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import config

from bench import cast, machine, report, traffic
from bench.servers import CannotMeasure

PAGE: Final = config.ROOT / "docs" / "scale.md"
MISSED, CANNOT = 1, 2
Facts = Mapping[str, str | int | float]
# Of what is known of the machine.
_OF_THE_MACHINE: Final = ("machine", "cores", "python", "load_before")


@dataclass(frozen=True)
class Found:
    """What was measured: the figures, and the words and the table that tell them.

    `missed` and `void` are sentences: what does not hold, and why it does not count.
    """

    figures: Mapping[str, Any]
    table: str
    words: str
    missed: Sequence[str] = ()
    void: Sequence[str] = ()


@dataclass(frozen=True)
class Alone:
    """One such measurement: its module, what it says of itself, its file and its page."""

    module: str
    what: str
    figures: Path
    page: Path = PAGE

    @property
    def begins(self) -> str:
        """The mark from which on the page is written."""
        return f"<!-- `python -m {self.module}` writes from here. -->"

    @property
    def ends(self) -> str:
        """The mark up to which it is."""
        return f"<!-- `python -m {self.module}` writes up to here. -->"

    def parser(self) -> argparse.ArgumentParser:
        """Options that all have; each adds its own."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.module}", description=self.what.partition("\n")[0]
        )
        parser.add_argument(
            "--page",
            action="store_true",
            help=f"write docs/{self.page.name} and bench/{self.figures.name}",
        )
        return parser

    def run(self, measure: Callable[[Path, str], Found], *, page: bool) -> int:
        """Measure on a stage, in a folder and with the URL of a Redis; the exit status."""
        try:
            with cast.stage() as (folder, redis_url, others):
                known = machine.facts(folder)
                found = measure(folder, redis_url)
        except (CannotMeasure, traffic.Astray, OSError) as problem:
            return self.cannot(problem)
        facts = told(known, others)
        void = [*found.void, *filter(None, [machine.too_busy(float(facts["others"]))])]
        print(found.table)
        for sentence in found.missed:
            print(f"missed: {sentence}")
        for sentence in void:
            print(f"void: {sentence}")
        # What does not count replaces nothing.
        if page and not void:
            self.write(found, facts)
        return MISSED if void or found.missed else 0

    def cannot(self, problem: Exception) -> int:
        """Say why nothing could be measured; the exit status."""
        print(f"{self.module}: {problem}", file=sys.stderr)
        return CANNOT

    def write(self, found: Found, facts: Facts) -> None:
        """Write the figures, and the part of the page."""
        self.figures.write_text(as_json({**facts, **found.figures}), "utf-8")
        where = f"Measured {facts['date']} at commit {facts['commit']}, on {facts['machine']}."
        text = f"{where} {found.words}\n\n{found.table}"
        page = self.page.read_text("utf-8")
        self.page.write_text(report.with_figures(page, text, self.begins, self.ends), "utf-8")


def told(known: Facts, others: machine.OthersShare) -> dict[str, str | int | float]:
    """When and where it was measured, and how much of the machine others had meanwhile."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": report.commit(),
        "others": round(machine.others_share(others), 3),
        **{name: known[name] for name in _OF_THE_MACHINE},
    }


def as_json(figures: Mapping[str, Any]) -> str:
    return json.dumps(figures, indent=2) + "\n"
