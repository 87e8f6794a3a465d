"""Many people who ring at once: so many calls, so many of them at a time, for so long at most."""

import time

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from exchange.interpreter import Call, Gather, HangUp, Input, QueueWait
from exchange.legs import drive
from tools.simulator.outcomes import Report, Witness, report
from tools.simulator.people import TEMPERAMENTS, Person, somebody

MIXED = "mixed"
MOST_CALLS = 1000
MOST_AT_ONCE = 64

# Makes a call from this number, not dialled yet.
MakeCall = Callable[[str], Call]


def people(name: str, count: int, seed: int) -> list[Person]:
    """Return `count` people, each different: of one temperament, or all of them in turn (`mixed`).

    Raises KeyError for a temperament that there is not.
    """
    names = tuple(TEMPERAMENTS) if name == MIXED else (name,)
    return [somebody(names[n % len(names)], seed * MOST_CALLS + n) for n in range(count)]


@dataclass
class _Patient:
    """A leg that hangs up once the time is over."""

    leg: Witness
    is_over: Callable[[], bool]

    def answers(self, call: Call, gather: Gather) -> Input:
        return HangUp() if self.is_over() else self.leg.answers(call, gather)

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return self.leg.waits(call, queue)


def ring(
    person: Person,
    call: Call,
    leads: Iterable[str] = (),
    is_over: Callable[[], bool] = lambda: False,
    *,
    keeps_time: bool = False,
) -> Report:
    """Make one call to its end and sum it up; the person hangs up once `is_over`.

    `leads`: see `outcomes.says_again`; `keeps_time`: see `outcomes.Witness`.
    """
    witness = Witness(person, person.reaction_s, person.key_gap_s, keeps_time=keeps_time)
    drive(call, _Patient(witness, is_over))
    witness.ends(call)
    return report(person.name, call, witness, person.puzzles, leads)


def ring_all(
    crowd: Sequence[Person],
    make_call: MakeCall,
    *,
    at_once: int,
    seconds: float,
    told: Callable[[Report], None] = lambda _: None,
) -> list[Report]:
    """Let everybody ring, `at_once` at a time, in order; after `seconds` no one begins any more.

    A caller on the line then hangs up at the next question. `told` hears of each call that is
    over, in the order in which they began.
    """
    until = time.monotonic() + seconds

    def is_over() -> bool:
        return time.monotonic() >= until

    def one(person: Person) -> Report | None:
        return None if is_over() else ring(person, make_call(person.sender), is_over=is_over)

    reports: list[Report] = []
    with ThreadPoolExecutor(at_once) as threads:
        for done in threads.map(one, crowd):
            if done is not None:
                reports.append(done)
                told(done)
    return reports
