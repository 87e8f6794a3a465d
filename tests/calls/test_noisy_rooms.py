"""A television, or a second voice in the room, answers for the caller: nothing wrong is booked.

What others say is understood as the caller's words, with a confidence of up to 0.95. So nothing
rests on a recogniser's belief: what words gave is read back, and a key of the caller's own books.
"""

from __future__ import annotations

import sys

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from exchange.interpreter import Call, Gather, Input, Keys, QueueWait, Speech
from exchange.legs import drive
from flows.steps.common import Step
from flows.steps.confirm import Confirm
from tests.calls.test_temperaments import births, call_of, leads, rows_of, transcript
from tests.support.house import House, campaign_with, house, mornings
from tools.simulator.outcomes import Ending, Report, Witness, report, table
from tools.simulator.people import TEMPERAMENTS, InNoise, somebody

NOISY = tuple(name for name, kind in TEMPERAMENTS.items() if issubclass(kind, InNoise))
FEW, MANY = 6, 1000
OWN, OTHERS = "75011", "35000"
LEADS = leads()


@contextmanager
def two_towns(url: str, capacity: int) -> Iterator[House]:
    """Centres where the caller lives, and one where the others in the room do."""
    starts = [start + timedelta(minutes=15 * n) for start in mornings(40) for n in range(4)]
    with house(url, campaign=campaign_with(doses=2)) as made:
        for gid, code, kilometres in (("1", OWN, 0.4), ("2", OWN, 4.1), ("3", OTHERS, 0.5)):
            made.opens_centre(
                gid,
                name=f"Salle {gid}",
                code=code,
                kilometres=kilometres,
                starts=starts,
                capacity=capacity,
            )
        yield made


def someone_in_noise(name: str, seed: int) -> InNoise:
    person = somebody(name, seed, given={"postcode": OWN})
    assert isinstance(person, InNoise)
    person.others_postcode, person.others_town = OTHERS, "Rennes"
    return person


@dataclass
class Booker:
    """A leg that looks after each answer whether it booked something."""

    leg: InNoise
    service: House
    booked: int = 0
    last: Input | None = None
    # What was answered when a booking came to be.
    bookers: list[Input | None] = field(default_factory=list)

    def answers(self, call: Call, gather: Gather) -> Input:
        self.looks(call)
        self.last = self.leg.answers(call, gather)
        return self.last

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return self.leg.waits(call, queue)

    def looks(self, call: Call) -> None:
        booked = len(rows_of(self.service, call)[0])
        if booked > self.booked:
            self.bookers.append(self.last)
        self.booked = booked


@dataclass
class Room:
    """What became of calls from noisy rooms."""

    reports: list[Report] = field(default_factory=list)
    words: int = 0
    # Bookings that no key of the caller made, and those that are not of who rang.
    by_words: int = 0
    of_others: int = 0

    @property
    def wrong(self) -> int:
        return self.by_words + self.of_others

    @property
    def booked(self) -> int:
        return sum(one.ending is Ending.BOOKED for one in self.reports)


def ring(service: House, room: Room, name: str, seed: int) -> str:
    """Ring from a noisy room; return the story of the call."""
    person = someone_in_noise(name, seed)
    call = call_of(service, person)
    booker = Booker(person, service)
    witness = Witness(booker, person.reaction_s, person.key_gap_s)
    drive(call, witness)
    witness.ends(call)
    booker.looks(call)
    told = report(person.name, call, witness, person.puzzles, LEADS)
    story = f"{name}, seed {seed}: {told.ending}\n{transcript(call)}"
    assert not call.errors, story
    assert not told.hung_up_on, story
    assert told.good, story
    booked, promised = rows_of(service, call)
    assert booked or promised or told.ending is Ending.PERSON, story
    room.reports.append(told)
    room.words += sum(isinstance(turn.did, Speech) for turn in witness.turns)
    room.by_words += sum(not isinstance(one, Keys) for one in booker.bookers)
    own = births(service, person)
    room.of_others += sum(
        (row.dob_idx, row.postcode) != (born, OWN) for row, born in zip(booked, own, strict=False)
    )
    return story


@pytest.mark.parametrize("name", NOISY)
def test_nothing_wrong_is_booked_in_a_noisy_room(database_url: str, name: str):
    room = Room()
    with two_towns(database_url, capacity=2) as service:
        for seed in range(FEW):
            story = ring(service, room, name, seed)
            assert room.wrong == 0, story
    assert room.booked > FEW / 3
    # The room was heard: else this shows nothing.
    assert room.words > 2 * FEW


def test_without_the_key_of_the_last_look_a_noisy_room_books(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """That the noise above is real: the guard off, somebody else in the room books."""
    monkeypatch.setattr(Confirm, "only_by_key", Step.only_by_key)
    room = Room()
    with two_towns(database_url, capacity=2) as service:
        for seed in range(FEW):
            ring(service, room, "second-voice", seed)
    assert room.by_words > 0


@pytest.mark.long
@pytest.mark.parametrize("name", NOISY)
def test_nothing_wrong_is_booked_in_a_thousand_noisy_rooms(database_url: str, name: str):
    room = Room()
    with two_towns(database_url, capacity=30) as service:
        for seed in range(MANY):
            story = ring(service, room, name, seed)
            assert room.wrong == 0, story
    told = f"wrong {room.wrong}, {room.words} answers in words"
    sys.stdout.write(f"\n{table(room.reports)}\n{told}\n")
    assert len(room.reports) == MANY
