"""The parts of the bench: their names, and how one is run to its end.

Each part is measured by itself, beside a floor of its own and in the same minutes. One that cannot
be measured, or has the machine for itself too little, is void: it is repeated once, then named, and
all others count.
"""

from __future__ import annotations

import time
import traceback

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench import machine
from bench.load import Say
from bench.servers import CannotMeasure
from bench.traffic import Astray

# In the order in which they are measured, and of the table.
PARTS: Final[Mapping[str, str]] = {
    "calls": "lone turns and booking calls beside floor (b) and a usual application",
    "tails": "the same at half their rate: the slowest of a hundred",
    "visits": "booking on the web beside a usual application",
    "work": "70 screens, agents and a long line",
    "guards": "a call and a visit with the guards against abuse, and without",
    "rush": "ten times what the web can book, and again with a restart",
    "booking": "a held and confirmed booking beside the same SQL by hand",
    "outbox": "texts of a worker beside a bare loop",
    "look-ups": "known and unknown, in turn",
    "growth": "search and outbox among few and among ten million",
}
ALL: Final = frozenset(PARTS)
# What a part gives: flat results, and sentences about what does not count.
Given = tuple[Mapping[str, float], Sequence[str]]


def sentence_of(problem: Exception) -> str:
    """Return why something could not be measured; the trace of what was not foreseen is printed."""
    if isinstance(problem, CannotMeasure | Astray):
        return str(problem)
    traceback.print_exception(problem)
    return f"{type(problem).__name__}: {' '.join(str(problem).splitlines()[:1])}"


@dataclass
class Ran:
    """How a part went; `void` is why it counts for nothing, `others` what they had meanwhile."""

    seconds: float = 0.0
    tries: int = 0
    others: float = 0.0
    void: list[str] = field(default_factory=list)


@dataclass
class PartRuns:
    """Runs the parts that are wanted, one after the other."""

    wanted: frozenset[str]
    say: Say
    ran: dict[str, Ran] = field(default_factory=dict)

    def run(self, name: str, part: Callable[[], Given]) -> Mapping[str, float]:
        """Return the figures of a part; none where it is not wanted or does not count."""
        if name not in self.wanted:
            return {}
        ran = self.ran[name] = Ran()
        began = time.monotonic()
        figures = self._tried(name, part, ran)
        if ran.void:
            figures = self._tried(name, part, ran)
        ran.seconds = round(time.monotonic() - began, 1)
        for key, value in figures.items():
            self.say(f"{name}: {key} {value:g}")
        self.say(f"({name}: {ran.seconds:.0f} s, others had {ran.others:.0%} of the machine)")
        return figures

    def _tried(self, name: str, part: Callable[[], Given], ran: Ran) -> Mapping[str, float]:
        figures: Mapping[str, float] = {}
        ran.tries, ran.void = ran.tries + 1, []
        with machine.watching() as others:
            try:
                figures, void = part()
                ran.void += void
            except Exception as problem:  # noqa: BLE001 - whatever it is, the parts that follow count
                ran.void.append(sentence_of(problem))
        ran.others = round(machine.others_share(others), 3)
        if busy := machine.too_busy(ran.others):
            ran.void.append(busy)
        for sentence in ran.void:
            self.say(f"void: {name}: {sentence}")
        return {} if busy else figures

    @contextmanager
    def together(self, *names: str) -> Iterator[None]:
        """Parts that share what this block makes for them.

        Where that fails, those that were not measured by then are void, and the next ones go on.
        """
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - as above
            missing = [name for name in names if name in self.wanted and name not in self.ran]
            sentence = sentence_of(problem)
            for name in missing:
                self.ran[name] = Ran(void=[sentence])
                self.say(f"void: {name}: {sentence}")
