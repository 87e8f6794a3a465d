"""The parts of the bench: their names, how long each takes, and how one is run to an end.

Each part is measured by itself, beside a floor of its own and in the same minutes. One that cannot
be measured, takes far too long or has the machine for itself too little is void: it is repeated
once where there is time, then named, and all others count.
"""

from __future__ import annotations

import contextlib
import signal
import time
import traceback

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import config

from bench import machine
from bench.servers import CannotMeasure
from bench.timing import Say
from bench.traffic import Astray
from models.database import first_line

# Seconds of a whole run; what the servers of parts take, which no part counts; and what is to be
# left of it when all is measured.
WHOLE_SECONDS: Final = 15 * 60.0
SERVERS_SECONDS: Final = 65.0
MARGIN_SECONDS: Final = 45.0
# A part may take so many times what it takes on two quiet cores, and so many seconds more.
AT_MOST_TIMES, AT_MOST_MORE = 2.5, 30.0
# Seconds that a database of the demonstration with its servers may take to be there.
SETUP_SECONDS: Final = 120.0
# Where the end of a part's time falls into a place that keeps every exception (a finaliser), it is
# told again; not before the part's servers have had time to end.
AGAIN_SECONDS: Final = 30.0
NO_TIME: Final = "no time was left for it"


@dataclass(frozen=True)
class Part:
    """One part. `seconds`: that it takes on two quiet cores, on each database it is measured on."""

    what: str
    seconds: float
    # Not on each database.
    once: bool = False
    # Without a bar it is left out where no time is left, and nothing is void.
    has_bar: bool = True
    # It repeats those of its runs that do not count by itself.
    repeats: bool = False


# In the order of the table. What has a bar is measured first, and what has none last of all.
PARTS: Final[Mapping[str, Part]] = {
    "calls": Part("lone turns and booking calls beside floors (a) and (b)", 52.5, repeats=True),
    "tails": Part("the same at half their rate: the slowest of a hundred", 7.5, repeats=True),
    "visits": Part("booking on the web beside floor (a) and a usual application", 38.5),
    "work": Part("70 screens, agents and a long line", 62, repeats=True),
    "guards": Part("a call and a visit with the guards against abuse, and without", 15),
    "room": Part("the waiting room's page beside a constant answer", 15, once=True),
    "rush": Part("ten times what the web can book, and again with a restart", 155, once=True),
    "booking": Part("a held and confirmed booking beside the same SQL by hand", 3.5),
    "outbox": Part("texts of a worker beside a bare loop", 7),
    "look-ups": Part("known and unknown, in turn", 5),
    "peers": Part("look-ups and bookings beside a usual form handler", 63, once=True),
    "filling": Part("imports, and slots that are opened", 19),
    "growth": Part("search and outbox among few and among ten million", 72, once=True),
    "telephones": Part("a hundred calls over SIP", 39, once=True),
    "understanding": Part("spoken sentences", 2, once=True),
    "crowd": Part("sixteen processes that book at once", 11.2, has_bar=False),
}
# Names for several of them, or other names of one.
GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "web": ("visits", "room"),
    "people": ("work",),
    "sip": ("telephones",),
}
ALL: Final = frozenset(PARTS)
# What a part gives: flat results, and sentences about what does not count.
Given = tuple[Mapping[str, float], Sequence[str]]


def named(words: Iterable[str]) -> frozenset[str]:
    """Return the parts that these words name. Raises KeyError with a word that names none."""
    found: set[str] = set()
    for word in words:
        if word not in PARTS and word not in GROUPS:
            raise KeyError(word)
        found.update(GROUPS.get(word, (word,)))
    return frozenset(found)


def planned(wanted: Iterable[str], databases: int) -> float:
    """Return the seconds that these parts take on two quiet cores, their servers not included."""
    return sum(PARTS[name].seconds * (1 if PARTS[name].once else databases) for name in wanted)


class _TimeIsUp(BaseException):
    """No `except Exception` on the way may keep it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise CannotMeasure in this block, on the main thread, once it has taken so long."""

    def ring(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), AGAIN_SECONDS)
    try:
        yield
    except _TimeIsUp:
        raise TookTooLong(f"it took longer than {seconds:.0f} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class TookTooLong(CannotMeasure):
    """A part, or what it needs, was not done in its time."""


@dataclass
class Ran:
    """How a part went on one database; `void` is why it counts for nothing."""

    seconds: float = 0.0
    tries: int = 0
    load: str = ""
    others: float = 0.0
    void: list[str] = field(default_factory=list)
    left_out: bool = False
    # Whatever took too long would again.
    may_be_repeated: bool = True

    def told(self) -> dict[str, Any]:
        """For the results."""
        return {
            "seconds": round(self.seconds, 1),
            "tries": self.tries,
            "load": self.load,
            "others": round(self.others, 3),
            "void": "; ".join(self.void),
            "left_out": self.left_out,
        }


@dataclass
class PartRuns:
    """Runs the parts that are wanted, one after the other, until `until` (a moment of `ticks`)."""

    wanted: frozenset[str]
    say: Say
    until: float = float("inf")
    watch: machine.Watch | None = None
    # Where what nobody foresaw is written down with its whole trace.
    failures: Path | None = None
    ticks: Callable[[], float] = time.monotonic
    # What is left of the run after this moment, in seconds, is known to whoever plans it.
    still_to_come: float = 0.0
    ran: dict[str, Ran] = field(default_factory=dict)

    def run(self, name: str, of: str, part: Callable[[], Given]) -> Mapping[str, float]:
        """Return the figures of a part; none where it is not wanted or does not count.

        `of`: the database, in front of the name.
        """
        if name not in self.wanted:
            return {}
        kind, title = PARTS[name], title_of(name, of)
        self.still_to_come = max(self.still_to_come - kind.seconds, 0.0)
        # What has a bar goes before what has none.
        kept = 0.0 if kind.has_bar else self.still_to_come
        if self._left() - kept < kind.seconds:
            self._has_no_time(title, kind)
            return {}
        ran = self.ran.setdefault(title, Ran(load=machine.load()))
        began = self.ticks()
        figures = self._tried(title, kind, part, ran)
        if ran.void and self._may_repeat(kind, ran):
            ran.load, ran.void = machine.load(), []
            figures = self._tried(title, kind, part, ran)
        ran.seconds = self.ticks() - began
        for key, value in figures.items():
            self.say(f"{title}: {key} {value:g}")
        self.say(f"({title}: {ran.seconds:.0f} s, others had {ran.others:.0%} of the machine)")
        return figures

    def _tried(
        self, title: str, kind: Part, part: Callable[[], Given], ran: Ran
    ) -> Mapping[str, float]:
        ran.tries += 1
        figures: Mapping[str, float] = {}
        watching = self.watch() if self.watch else contextlib.nullcontext(machine.OthersShare())
        limit = min(kind.seconds * AT_MOST_TIMES + AT_MOST_MORE, self._left())
        with watching as others:
            try:
                with limited(min(limit, WHOLE_SECONDS)):
                    figures, void = part()
                ran.void += void
                # Where its packages are not installed it says so itself.
                ran.left_out = not figures and not void
            except Exception as problem:  # noqa: BLE001 - whatever it is, the parts that follow count
                self._failed(title, problem, ran)
        ran.others = machine.others_share(others)
        if busy := machine.too_busy(ran.others):
            ran.void.append(busy)
        for sentence in ran.void:
            self.say(f"void: {title}: {sentence}")
        return {} if busy else figures

    def _failed(self, title: str, problem: Exception, ran: Ran) -> None:
        ran.void.append(self.told(title, problem))
        ran.may_be_repeated = not isinstance(problem, TookTooLong)

    def told(self, title: str, problem: Exception) -> str:
        """Return a sentence; the trace of what nobody foresaw is written to a file."""
        if isinstance(problem, CannotMeasure | Astray):
            return str(problem)
        where = ""
        if self.failures is not None:
            self.failures.parent.mkdir(parents=True, exist_ok=True)
            trace = "".join(traceback.format_exception(problem))
            with self.failures.open("a", encoding="utf-8") as file:
                file.write(f"{title}\n{trace}\n")
            # Named from the folder of the code: what is said is kept with the figures.
            is_ours = self.failures.is_relative_to(config.ROOT)
            shown = self.failures.relative_to(config.ROOT) if is_ours else self.failures
            where = f" (see {shown})"
        return f"{type(problem).__name__}: {first_line(problem)}{where}"

    def _may_repeat(self, kind: Part, ran: Ran) -> bool:
        """Whether there is time for it beside all that is still to come."""
        if not ran.may_be_repeated or (kind.repeats and not machine.too_busy(ran.others)):
            return False
        return self._left() - self.still_to_come > kind.seconds

    def _left(self) -> float:
        return self.until - self.ticks()

    def _has_no_time(self, title: str, kind: Part) -> None:
        ran = self.ran.setdefault(title, Ran(load=machine.load()))
        if kind.has_bar:
            ran.void.append(NO_TIME)
        else:
            ran.left_out = True
        self.say(f"{'void' if kind.has_bar else 'left out'}: {title}: {NO_TIME}")

    @contextmanager
    def together(self, *those: tuple[str, str]) -> Iterator[None]:
        """Parts (names, each with its database) that share what this block makes for them.

        Where that fails, those that were not measured by then are void, and the next ones go on.
        """
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - as above
            missing = [
                (name, title)
                for name, of in those
                if name in self.wanted and (title := title_of(name, of)) not in self.ran
            ]
            sentence = self.told(", ".join(title for _, title in missing), problem)
            for name, title in missing:
                self.still_to_come = max(self.still_to_come - PARTS[name].seconds, 0.0)
                self.ran[title] = Ran(load=machine.load(), void=[sentence])
                self.say(f"void: {title}: {sentence}")


def title_of(name: str, of: str) -> str:
    """A part in the results: its name, behind the database's where it is measured on each."""
    return f"{of}: {name}" if of else name
