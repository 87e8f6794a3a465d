"""Many people who ring at once: so many calls, so many of them at a time, for so long at most."""

import time

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from exchange.interpreter import Call
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
    witness = Witness(
        person, person.reaction_s, person.key_gap_s, keeps_time=keeps_time, is_over=is_over
    )
    drive(call, witness)
    witness.ends(call)
    return report(person.name, call, witness, person.puzzles, leads)


def ring_all(
    crowd: Sequence[Person],
    make_call: MakeCall,
    *,
    at_once: int,
    seconds: float,
    on_end: Callable[[Report], None] = lambda _: None,
) -> list[Report]:
    """Let all of a crowd ring, `at_once` at a time, in order; after `seconds` no caller begins.

    A caller on the line then hangs up at the next question. `on_end` hears of each call that is
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
                on_end(done)
    return reports
