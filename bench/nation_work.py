"""The service at work in a nation's database, and beside it in a small one, by turns.

What is timed is the code of the service alone: who rings, what they hold before and what they give
back afterwards is not. Each operation is done some times in the one database, then in the other, so
that whatever else the machine does is in both.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

from sqlalchemy import make_url

from bench import nation_rows, servers, traffic
from bench.floors import libpq
from bench.nation_rows import Nation
from bench.servers import CannotMeasure, store_of
from bench.store import CAMPAIGN
from bench.timing import p99
from models.booking.reach import Proof
from models.call import calls, turns
from models.call.turns import Body
from models.database import unhurried
from models.operations import erasures, verify
from prompts.catalogue import load
from services.accounts.staff import OPERATOR
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.reach import Reach
from services.call.take_turn import Turn
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.operations import person_rights
from services.operations.person_rights import Actor, Given
from services.public.feed_resources import Publisher
from services.public.smart_feed import SmartFeed
from services.slots.allocate import Channel, Holder
from services.slots.give_back import give_back_holds
from services.slots.hold_slot import HeldSlot, HoldRequest, hold_slots
from services.slots.offer import offer_at
from services.supervision.free_places import CountFree
from services.supervision.write_board import MessageCounts, WriteBoard
from services.work import Work

MILLISECONDS: Final = 1000
NATIONAL: Final = "+33974750001"
# As long as the session and the answer of a turn in the middle of a call.
TURN: Final = Body(heard="1", session=json.dumps({"step": "s" * 890}), answer="a" * 460)
# From one call to the next that is gone on with.
STRIDE: Final = 7919
# A call's turns lie together, so a bite's time may have some more than it should.
TURNS_MORE: Final = 50


# ---------------------------------------------------------------- what it took


@dataclass(frozen=True)
class Times:
    """What an operation took: milliseconds on the wall, and of processor on the average.

    That of this process and of PostgreSQL, with what the latter does by itself meanwhile.
    """

    asked: int
    p50_ms: float
    p99_ms: float
    processor_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float], processor: float, what: str) -> Times:
        """Raises CannotMeasure where there are too few."""
        slowest = p99(seconds, what)
        return cls(
            len(seconds),
            p50_ms=MILLISECONDS * statistics.median(seconds),
            p99_ms=MILLISECONDS * slowest,
            processor_ms=MILLISECONDS * processor / len(seconds),
        )


@dataclass(frozen=True)
class Compared:
    """An operation among many rows, and among few."""

    what: str
    many: Times
    few: Times

    @property
    def growth(self) -> float:
        """By the half that is quicker: what else is done meanwhile is in the others."""
        return self.many.p50_ms / self.few.p50_ms

    @property
    def processor_growth(self) -> float:
        return self.many.processor_ms / max(self.few.processor_ms, 1e-3)


# ---------------------------------------------------------------- one database


class Side:
    """One of both databases, and the service at work in it."""

    def __init__(self, nation: Nation, folder: Path, bite: int) -> None:
        self.nation = nation
        self.store = store_of(nation.url)
        self.campaign = CAMPAIGN
        self._folder = folder
        self._campaigns = Campaigns.fixed(CAMPAIGN)
        self._directory = Directory(self.store.database, centres_fresh_seconds=3600)
        self._catalogue = load("fr")
        self._places = CountFree(self.store)
        self._board = WriteBoard(
            self.store, self._campaigns, places=self._places, counts_every=timedelta()
        )
        self._feed = SmartFeed(
            self.store, lambda: self.campaign, folder, Publisher(traffic.BASE, NATIONAL)
        )
        # Those who ring and book are other people in each measurement.
        self._stamp = time.time_ns() // 10**6 % 10**7
        self._numbers = count(self._stamp)
        self._held: dict[int, HeldSlot] = {}
        self._callers: dict[int, _Caller] = {}
        # Who booked, and was not erased.
        self.people: list[_Caller] = []
        # Turns of which what was said was erased.
        self.erased = 0
        self._turns: dict[int, tuple[str, int, date]] = {}
        self._bite = bite
        size = nation.size
        self._span = timedelta(days=1) * (bite / max(size.bodies, 1))
        self._says_again()
        self._erased_to = size.bodies_begin

    def _says_again(self) -> None:
        """Put back what an earlier measurement erased, or there would soon be nothing to erase."""
        size = self.nation.size
        with self.store.database.transaction() as connection:
            reached = erasures.reached(connection, "bench")
            if reached is not None and reached > size.bodies_begin:
                unhurried(connection)
                # The driver reads a sign of per cent as its own.
                again = nation_rows.said_again(size, reached).replace("%", "%%")
                connection.exec_driver_sql(again)
                erasures.note(connection, "bench", size.bodies_begin)

    def close(self) -> None:
        self.store.database.dispose()

    @property
    def most_callers(self) -> int:
        """Callers for whom there surely are three places."""
        size = self.nation.size
        return max((size.places - size.behind) // 12, 2)

    @property
    def most_bites(self) -> int:
        """Bites of turns that are left."""
        return max(int((self.nation.size.calls_end - self._erased_to) / self._span) - 1, 0)

    # Those who ring

    def rings(self, number: int) -> None:
        """A new caller, with their call."""
        serial = next(self._numbers)
        caller = _Caller(
            f"CA{hashlib.md5(str(serial).encode(), usedforsecurity=False).hexdigest()}",
            f"+336{serial % 10**8:08d}",
            date(1920, 1, 1) + timedelta(days=serial % 18_000),
        )
        with Turn(self.store, caller.call_id, 0) as turn:
            turn.start_call(caller.number)
            turn.finish(step="welcome", outcome="asked", body=TURN)
        self._callers[number] = caller

    def ends(self, number: int) -> None:
        caller = self._callers.pop(number)
        with self.store.database.transaction() as connection:
            calls.move_status(connection, self.store.clock, caller.call_id, "completed")

    # Search and confirm

    def search(self, number: int) -> None:
        """Hold three places near a postcode."""
        store = self.store
        code = f"{10001 + number * 7 % self.nation.size.centres:05d}"
        with store.database.statement() as connection:
            area = self._directory.postcode(connection, code)
            if area is None:
                raise CannotMeasure(f"no postcode {code}")
            near = self._directory.nearest(
                connection,
                area.latitude or 0.0,
                area.longitude or 0.0,
                area.territory,
                self.campaign.radius_kilometres,
            )
        wanted = HoldRequest(near, store.clock.now() + self.campaign.lead, holds=False)
        holder = Holder(Channel.PHONE, self._callers[number].call_id)
        with store.database.transaction() as connection:
            found = hold_slots(Work(connection, store, self.campaign), holder, wanted)
        if not found:
            raise CannotMeasure("a search found no place")
        self._held[number] = found[0]

    def gives_back(self, number: int) -> None:
        """Nothing was booked."""
        del self._held[number]
        with self.store.database.transaction() as connection:
            give_back_holds(connection, self._callers[number].call_id)
        self.ends(number)

    def wants(self, number: int) -> None:
        """A caller who has been offered places."""
        self.rings(number)
        self.search(number)

    def confirm(self, number: int) -> None:
        """Book the nearest of what is held."""
        store, caller, chosen = self.store, self._callers[number], self._held[number]
        request = Request(
            holder=Holder(Channel.PHONE, caller.call_id),
            offer=offer_at(chosen.near.centre, chosen.place),
            born=caller.born,
            postcode="75011",
            number=caller.number,
            text_to=caller.number,
            call_id=caller.call_id,
            # As of a call that comes from this number.
            reach=Reach(Proof.LINE),
        )
        with store.database.transaction() as connection:
            booked = confirm_booking(
                Work(connection, store, self.campaign),
                request,
                catalogue=self._catalogue,
                national_number=NATIONAL,
            )
        if not isinstance(booked, Booked) or booked.stand_in:
            raise CannotMeasure(f"a booking was refused: {booked}")

    def booked(self, number: int) -> None:
        """The caller hangs up, and may be erased later."""
        del self._held[number]
        self.people.append(self._callers[number])
        self.ends(number)

    def books(self, number: int) -> None:
        """All of it, without a look at how long it takes."""
        self.wants(number)
        self.confirm(number)
        self.booked(number)

    # A turn

    def goes_on(self, number: int) -> None:
        """Choose a call of the last day, and store its next turn."""
        size = self.nation.size
        first = size.first_call(size.calls_end - timedelta(hours=20))
        # All over that time; no two of a slice are the same.
        chosen = first + (self._stamp + number * STRIDE) % (size.calls - first)
        call_id = f"CA{hashlib.md5(f'call{chosen}'.encode(), usedforsecurity=False).hexdigest()}"
        day, store = size.call_day(chosen), self.store
        with psycopg.connect(libpq(make_url(self.nation.url))) as connection:
            (newest,) = connection.execute(
                "SELECT max(number) FROM turn WHERE call_id = %s AND rang_on = %s", [call_id, day]
            ).fetchone() or (None,)
        if newest is None:
            raise CannotMeasure(f"call {chosen} has no turns on {day}")
        with store.database.statement() as statement:
            turns.record(
                statement,
                *(store.clock, store.vault, call_id, newest + 1, day),
                step="offers",
                outcome="asked",
                body=TURN,
            )
        self._turns[number] = call_id, newest + 2, day

    def turn(self, number: int) -> None:
        """A turn with an effect: read the newest, claim the next and complete it."""
        with Turn(self.store, *self._turns[number]) as turn:
            turn.newest()
            turn.transaction()
            turn.finish(step="offers", outcome="asked", body=TURN)

    # What supervisors see

    def board(self, _number: int) -> None:
        """Write the board once."""
        self._board()

    def messages(self, _number: int) -> None:
        """What the board counts of messages and offers every few seconds."""
        now = self.store.clock.now()
        MessageCounts(self.store).refresh(now, self.nation.size.calls_end, self.campaign)

    def places(self, _number: int) -> None:
        """One look of the count of free places; six looks count all centres."""
        until = self.store.clock.now() + timedelta(days=self.campaign.horizon_days)
        with self.store.database.statement() as connection:
            self._places.refresh(connection, until, None)

    # What is erased

    def erase(self, _number: int) -> None:
        """Erase one of those who booked, with their appointment ahead."""
        caller = self.people.pop()
        person_rights.erase(
            self.store,
            lambda _: self.campaign,
            Given(caller.born, caller.number),
            by=Actor(OPERATOR, "bench"),
            reason="post",
        )

    def bite(self, _number: int) -> None:
        """Erase what was said in the oldest turns of which it is kept."""
        end = self._erased_to + self._span
        with self.store.database.transaction() as connection:
            unhurried(connection)
            self.erased += turns.erase_bodies(
                connection, self._erased_to, end, self._bite + TURNS_MORE
            )
            erasures.note(connection, "bench", end)
        self._erased_to = end

    # The feed

    def publish(self) -> dict[str, float]:
        """The first publication: of all slots that are not published yet."""
        began, cpu = time.perf_counter(), time.process_time()
        self._feed.write()
        return {
            "seconds": time.perf_counter() - began,
            "processor": time.process_time() - cpu,
            "slots": self._feed.figures.slots,
            "files": self._feed.figures.files,
        }

    def feed(self, _number: int) -> None:
        """Publish what changed: a booking."""
        if not self._feed.write():
            raise CannotMeasure("a booking changed nothing in the feed")

    # All of it

    def verify(self) -> dict[str, float]:
        """Seconds of each check of `flask store verify`. Raises CannotMeasure."""
        found: dict[str, float] = {}
        with verify.snapshot(self.store.database) as connection:
            for check in verify.checks(self.store.clock, {}):
                began = time.perf_counter()
                for sentence in check.found(connection):
                    raise CannotMeasure(f"the store contradicts itself: {check.kind}: {sentence}")
                found[check.kind] = found.get(check.kind, 0.0) + time.perf_counter() - began
        return found


@dataclass(frozen=True)
class _Caller:
    call_id: str
    number: str
    born: date


# ---------------------------------------------------------------- in turns


def _nothing(_side: Side, _number: int) -> None:
    pass


@dataclass(frozen=True)
class Operation:
    """What is timed, and what comes before and after it. `each` in one database, then the other.

    `most` is how often it can be done at a side.
    """

    what: str
    do: Callable[[Side, int], None]
    before: Callable[[Side, int], None] = _nothing
    after: Callable[[Side, int], None] = _nothing
    each: int = 20
    most: Callable[[Side], int] = lambda _: sys.maxsize


OPERATIONS: Final[Mapping[str, Operation]] = {
    "search": Operation(
        "a search: three places held near a postcode",
        Side.search,
        Side.rings,
        Side.gives_back,
        most=lambda side: side.most_callers,
    ),
    "confirm": Operation(
        "a booking confirmed",
        Side.confirm,
        Side.wants,
        Side.booked,
        most=lambda side: side.most_callers,
    ),
    "turn": Operation("a turn of a call, claimed and completed", Side.turn, Side.goes_on),
    "board": Operation("the board, written once", Side.board, each=5),
    "messages": Operation("messages and offers, counted for the board", Side.messages, each=5),
    "places": Operation("free places, one look of six", Side.places, each=6),
    "erase": Operation(
        "a person erased, with an appointment ahead",
        Side.erase,
        each=5,
        most=lambda side: len(side.people),
    ),
    "bite": Operation(
        "a bite of turns: what was said is erased",
        Side.bite,
        each=2,
        most=lambda side: side.most_bites,
    ),
    "feed": Operation(
        "the feed after a booking",
        Side.feed,
        Side.books,
        each=1,
        most=lambda side: side.most_callers,
    ),
}
VERIFY: Final = "verify"


def compare(operation: Operation, sides: Sequence[Side], asked: int, seconds: float) -> Compared:
    """Do it in both, in slices one after the other; the first of each is not counted.

    After so many seconds no further slice begins. Raises CannotMeasure.
    """
    most = min(operation.most(side) for side in sides)
    # Two slices of each at the least, and that is one to warm up and one that counts.
    each = min(operation.each, asked // 2, most // 2)
    if not each:
        raise CannotMeasure(f"too little is there for {operation.what}: fill more, or anew")
    asked = min(asked, most - each) // each * each
    times: list[list[float]] = [[], []]
    processor = [0.0, 0.0]
    began = time.perf_counter()
    for first in range(-each, asked, each):
        for side, seen, place in zip(sides, times, range(2), strict=True):
            numbers = range(first, first + each)
            for number in numbers:
                operation.before(side, number)
            before = _processor(side)
            for number in numbers:
                started = time.perf_counter()
                operation.do(side, number)
                if first >= 0:
                    seen.append(time.perf_counter() - started)
            if first >= 0:
                processor[place] += _processor(side) - before
            for number in numbers:
                operation.after(side, number)
        if first >= each and time.perf_counter() - began > seconds:
            break
    many, few = (
        Times.of(seen, spent, operation.what) for seen, spent in zip(times, processor, strict=True)
    )
    return Compared(operation.what, many, few)


def _processor(side: Side) -> float:
    return time.process_time() + servers.tree_seconds(_postmaster(side.nation.url))


_POSTMASTERS: dict[str, int] = {}


def _postmaster(url: str) -> int:
    """The process of the server; it is asked for once."""
    if url not in _POSTMASTERS:
        with psycopg.connect(libpq(make_url(url)), autocommit=True) as connection:
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        file = Path(folder, "postmaster.pid")
        _POSTMASTERS[url] = int(file.read_text("ascii").split()[0])
    return _POSTMASTERS[url]
