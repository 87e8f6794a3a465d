"""The people of a crowd that fills the board: they ring over the minutes, and each has an end.

A guest is one of the temperaments who may, besides, ask for a person, wait so long and no
longer, prefer to be called back, and answer the telephone when it rings.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Input,
    Keys,
    QueueWait,
    Silence,
)
from tools.simulator import tongues
from tools.simulator.answers import read_menu
from tools.simulator.outcomes import Ending, ending, heard_reference
from tools.simulator.people import TEMPERAMENTS, Person, Silent, somebody

MOST_GUESTS, MOST_AGENTS, MOST_MINUTES, MOST_SPEED = 500, 20, 10.0, 60.0
# Of those who press anything: so many want a person, so many of these would rather be called back.
WANT_A_PERSON = 0.4
PREFER_A_CALLBACK = 0.3
# Of those who are rung back: so many do not hear it, and so many have a machine that answers.
AWAY, MACHINE = 0.08, 0.07
# How many questions are answered before a caller asks for a person.
MOST_QUESTIONS = 7
# Seconds of life in a queue.
PATIENCE_S = (240.0, 1200.0)
# The last of them rings when this part of the time is over, so that calls can come to an end.
LAST_RINGS_AT = 0.9


class Fate(StrEnum):
    """Where a caller is, or how it ended for them."""

    TO_COME = "to_come"
    MENU = "menu"
    WAITING = "waiting"
    TALKING = "talking"
    PROMISED = "promised"
    BOOKED = "booked"
    AGENT = "agent"
    CALLED_BACK = "called_back"
    GAVE_UP = "gave_up"
    OTHER = "other"


# Ends after which nothing more is to be expected.
ENDS = (Fate.BOOKED, Fate.AGENT, Fate.CALLED_BACK, Fate.GAVE_UP, Fate.OTHER)


@dataclass(frozen=True)
class Plan:
    """A crowd to be: how many ring within `minutes`, and how many times faster than life they do.

    Raises ValueError, with a sentence, for what is out of bounds.
    """

    callers: int = 200
    minutes: float = 3.0
    seed: int = 1
    speed: float = 20.0
    agents: int = 5

    def __post_init__(self) -> None:
        bounds: tuple[tuple[str, float, float, float], ...] = (
            ("callers", self.callers, 1, MOST_GUESTS),
            ("agents", self.agents, 0, MOST_AGENTS),
            ("minutes", self.minutes, 0.1, MOST_MINUTES),
            ("speed", self.speed, 1, MOST_SPEED),
        )
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise ValueError(f"{name} goes from {least:g} to {most:g}, and not to {value:g}")

    @property
    def seconds(self) -> float:
        """How long the crowd lasts, on the clock on the wall."""
        return self.minutes * 60

    def arrivals(self) -> list[float]:
        """Return the second at which each caller rings, in order.

        That many calls of a Poisson process within a time are as many uniform moments, sorted.
        """
        chance = Random(f"arrivals {self.seed}")  # noqa: S311 - behaviour, not a secret
        last = self.seconds * LAST_RINGS_AT
        return sorted(chance.uniform(0, last) for _ in range(self.callers))


class Guest:
    """One caller: see `Leg`. `now` is a clock in seconds, `is_over` says when all go home."""

    def __init__(
        self,
        person: Person,
        chance: Random,
        *,
        speed: float,
        now: Callable[[], float],
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.person, self.fate = person, Fate.TO_COME
        self._speed, self._now, self._is_over = speed, now, is_over
        alive = not isinstance(person, Silent)
        self.wants_person = alive and chance.random() < WANT_A_PERSON
        self.prefers_callback = chance.random() < PREFER_A_CALLBACK
        self._asks_after = chance.randrange(MOST_QUESTIONS)
        self._patience_s = chance.uniform(*PATIENCE_S) / speed
        answers = chance.random()
        self.answering = "no-answer" if answers < AWAY else ""
        if AWAY <= answers < AWAY + MACHINE:
            self.answering = "machine"
        self._questions = 0
        self._waits_since: float | None = None
        self.rung_back = False

    @property
    def number(self) -> str:
        return self.person.sender

    def answers(self, call: Call, gather: Gather) -> Input:
        if self._is_over():
            return HangUp()
        if call.queue:
            return self._at_the_offer(call, gather)
        if self.rung_back:
            return Keys("1") if "dtmf" in gather.inputs else Silence()
        self.fate, self._waits_since = Fate.MENU, None
        self._questions += 1
        if self.wants_person and self._questions > self._asks_after and "dtmf" in gather.inputs:
            self.wants_person = False
            return Keys("0" if gather.num_digits == 1 else "0#")
        return self.person.answers(call, gather)

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return HangUp() if self._has_had_enough() else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """See `Talker`. A caller who is alone there still waits."""
        if wait.seat.started:
            self.fate = Fate.TALKING
        return HangUp() if self._is_over() else Silence()

    def rings(self) -> None:
        self.fate = Fate.MENU

    def answers_the_telephone(self) -> None:
        """Take note that the service rang back, and that they picked up."""
        self.rung_back = True

    def over(self, call: Call) -> None:
        """Take note that a call is over, and of what is to be expected now."""
        was, self._waits_since = self.fate, None
        if was is Fate.TALKING:
            self.fate = Fate.CALLED_BACK if self.rung_back else Fate.AGENT
        elif was in ENDS or self.rung_back:
            return
        elif heard_reference(call.spoken):
            self.fate = Fate.BOOKED
        elif ending(call) is Ending.PROMISED:
            self.fate = Fate.PROMISED
        elif was is Fate.WAITING and not self._is_over():
            self.fate = Fate.GAVE_UP
        elif not self._is_over():
            self.fate = Fate.OTHER

    def _at_the_offer(self, call: Call, gather: Gather) -> Input:
        if self._has_had_enough():
            return HangUp()
        if self.prefers_callback:
            for option in read_menu(call.since_input):
                if tongues.about("promises").search(option.label):
                    self.prefers_callback = False
                    return Keys(option.key)
        return Silence()

    def _has_had_enough(self) -> bool:
        self.fate = Fate.WAITING
        if self._waits_since is None:
            self._waits_since = self._now()
        return self._is_over() or self._now() - self._waits_since > self._patience_s


def guests(
    plan: Plan, now: Callable[[], float], is_over: Callable[[], bool] = lambda: False
) -> list[Guest]:
    """Return the guests of a plan in the order in which they ring, all temperaments in turn."""
    names = tuple(TEMPERAMENTS)
    made: dict[str, Guest] = {}
    for number in range(plan.callers):
        seed, name = plan.seed * MOST_GUESTS + number, names[number % len(names)]
        person = somebody(name, seed)
        while person.sender in made:
            # Two people with one number would be one caller to the service.
            seed += MOST_GUESTS * 1_000
            person = somebody(name, seed)
        chance = Random(f"guest {seed}")  # noqa: S311 - behaviour, not a secret
        made[person.sender] = Guest(person, chance, speed=plan.speed, now=now, is_over=is_over)
    return list(made.values())


def counted(some: Iterable[Guest]) -> dict[str, int]:
    """Return how many there are of each fate; every fate is there."""
    count = dict.fromkeys((str(fate) for fate in Fate), 0)
    for guest in some:
        count[guest.fate] += 1
    return count


def table(count: dict[str, int]) -> str:
    """Return what became of everybody as lines of words and numbers."""
    lines = (
        ("booked by the machine", count[Fate.BOOKED]),
        ("with an agent", count[Fate.AGENT] + count[Fate.TALKING]),
        ("called back", count[Fate.CALLED_BACK]),
        ("gave up waiting", count[Fate.GAVE_UP]),
        ("still waiting", count[Fate.WAITING] + count[Fate.PROMISED]),
        ("still in the menu", count[Fate.MENU]),
        ("other ends", count[Fate.OTHER]),
        ("never rang", count[Fate.TO_COME]),
    )
    return "\n".join(f"{name:<24}{number:>5}" for name, number in lines)
