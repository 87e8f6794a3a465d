"""Whole calls for tests that disturb them: delivered often, under faults, or as they are."""

from __future__ import annotations

import random

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

from sqlalchemy import select

from models.booking.tables import appointment
from models.slots.tables import place
from tests.ivr.line import INCOMING, Document, Line, goes_on_or_ends, read
from tests.support.house import House, Phone

# From the welcome to the goodbye: book at the second of three centres.
BOOKING = ("1", "12031942", "1", "75011", "2", "1", "1", "1")
PROMISE = ("1", "12031942", "0", "1")
MOST_COPIES = 5


@dataclass
class Played:
    """What was posted in a call, and what was answered, in order."""

    line: Line
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    @property
    def last(self) -> Document:
        return read(self.answers[-1])

    def next(self, keys: str) -> tuple[str, dict[str, str]]:
        """Where the provider posts next."""
        if keys:
            return self.last.action, {"Digits": keys, "msg": "Gather End"}
        return self.last.redirect, {}


def deliver(line: Line, url: str, fields: dict[str, str], copies: int) -> list[bytes]:
    """The same webhook this many times, all at once; everything that was answered."""
    if copies == 1:
        return [line.post(url, **fields)]
    start = Barrier(copies)

    def post(_copy: int) -> bytes:
        start.wait(timeout=30)
        return line.post(url, **fields)

    with ThreadPoolExecutor(copies) as threads:
        return list(threads.map(post, range(copies)))


def play(line: Line, keys: tuple[str, ...], seed: int | None = None) -> Played:
    """A whole call; with a seed each webhook comes one to five times at once."""
    chance = seeded(seed)
    played = Played(line)
    steps: list[str | None] = [None, *keys]
    for pressed in steps:
        url, fields = (INCOMING, {}) if pressed is None else played.next(pressed)
        copies = 1 if seed is None else chance.randint(1, MOST_COPIES)
        answers = deliver(line, url, fields, copies)
        assert len(set(answers)) == 1, f"{copies} copies after {pressed!r} got different answers"
        goes_on_or_ends(read(answers[0]))
        played.posts.append((url, fields))
        played.answers.append(answers[0])
    return played


def seeded(seed: int | None) -> random.Random:
    """Chance that is the same in each run."""
    return random.Random(seed)  # noqa: S311 (nothing is kept secret with it)


def to_the_end(phone: Phone, born: str = "12031942") -> Phone:
    """Answer sensibly whatever is asked until the call is over."""
    if not phone.documents:
        phone.dials()
    for _ in range(40):
        if phone.ended:
            return phone
        keys = {"date_of_birth": born, "postcode": "75011", "long_call": "2"}
        phone.presses(keys.get(phone.step, "1"))
    raise AssertionError(f"still at {phone.step}")


def no_place_is_given_twice(service: House) -> None:
    taken = select(appointment.c.place_id).where(appointment.c.state == "confirmed")
    booked = select(place.c.id).where(place.c.booking_id.is_not(None))
    with service.database.statement() as connection:
        given = list(connection.execute(taken).scalars())
        assert len(given) == len(set(given))
        assert sorted(given) == sorted(connection.execute(booked).scalars())
