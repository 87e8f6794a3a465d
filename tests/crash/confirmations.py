"""Workers that book one person after another and keep a journal of what they acknowledged.

    python -m tests.crash.confirmations PLAN

PLAN is a JSON file of the fields of `Plan`. The foreman forks the workers, kills those that a line
on its standard input names, and puts another in the place of each; it ends when all have done their
part. Before each booking its caller is answered something that may be lost. A worker that comes
after another reads its journal first: what is not in it may have been committed all the same, and
is looked up by its key before anything is done again.
"""

from __future__ import annotations

import json
import os
import select as waiting
import signal
import sys
import traceback

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import IO

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from flows.world import Unbooked
from models.booking.reach import Proof
from models.booking.tables import appointment, booking
from models.clock import DatabaseClock
from models.crypto import Vault
from models.database import Database
from prompts.catalogue import load
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.reach import Reach
from services.call.take_turn import AlreadyAnswered, Body, Turn
from services.centres.directory import Directory, NearbyCentre
from services.slots.allocate import Channel, Holder
from services.slots.hold_slot import HeldSlot, HoldRequest, hold_slots
from services.slots.offer import offer_at
from services.store import NO_LIMITS, Store
from services.work import Work
from tests.support.house import CAMPAIGN, POSTCODES
from tests.support.until import wait_for

KEYS = [bytes(range(32))]


@dataclass(frozen=True)
class Plan:
    """`each` worker books so many; journals lie in `folder`.

    With `aside` searches do not wait for a second server: where one is waited for, what waits is a
    confirmation.
    """

    url: str
    folder: str
    workers: int
    each: int
    aside: bool = False

    def write(self, file: Path) -> Path:
        file.write_text(json.dumps(asdict(self)), "utf-8")
        return file


@dataclass(frozen=True)
class Acknowledged:
    """One line of a journal: this caller was told that this place is theirs.

    `how`: "told" after a commit that said so, "found" after one whose answer was lost and which was
    found done; "lost" is a note that an answer was lost and the booking was not there.
    """

    key: str
    how: str
    place_id: int = 0
    slot_id: int = 0
    reference_idx: str = ""


def journal_of(folder: Path, worker: int) -> Path:
    return folder / f"{worker}.journal"


def read_journal(file: Path) -> list[Acknowledged]:
    """Every whole line; a worker may have been killed in the middle of one."""
    if not file.exists():
        return []
    written = file.read_bytes()
    whole = written[: written.rfind(b"\n") + 1]
    return [Acknowledged(**json.loads(line)) for line in whole.splitlines()]


class Lost(Exception):
    """The answer to a COMMIT never came."""


class Worker:
    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.number = number
        # All are born on one day and ring from numbers in a row.
        self.store = Store(
            Database(plan.url, pool_size=2), Vault(KEYS), DatabaseClock(), reach=NO_LIMITS
        )
        self.catalogue = load("fr")
        self.near: list[NearbyCentre] = []

    def works(self) -> None:
        file = journal_of(Path(self.plan.folder), self.number)
        done = {one.key for one in read_journal(file) if one.how != "lost"}
        _mend(file)
        with file.open("ab", buffering=0) as journal:
            keys = [f"W{self.number:02d}-{n:05d}" for n in range(self.plan.each)]
            # Nobody knows of the first one whether an earlier worker was killed after its commit.
            doubtful = True
            for key in keys:
                if key not in done:
                    self.books(key, journal, doubtful=doubtful)
                    doubtful = False

    def books(self, key: str, journal: IO[bytes], *, doubtful: bool) -> None:
        """Go on until the caller behind this key is booked, whatever breaks meanwhile."""
        while True:
            if doubtful:
                found = self.finds(key)
                if found:
                    _note(journal, found)
                    return
            try:
                told = self.tries(key)
            except Lost:
                doubtful = True
                _note(journal, Acknowledged(key, "lost"))
                continue
            except SQLAlchemyError:
                # Before the COMMIT: nothing of it can have been done.
                self.waits_for_the_database()
                continue
            if told:
                _note(journal, told)
                return

    def waits_for_the_database(self) -> None:
        wait_for(self.store.database.answers_durably, "the database answers again")

    def finds(self, key: str) -> Acknowledged | None:
        """Look a booking up by its key, on a connection made after the answer was lost."""
        self.store.database.renew()
        statement = (
            select(booking.c.reference_idx, appointment.c.place_id)
            .join(appointment, appointment.c.booking_id == booking.c.id)
            .where(booking.c.idempotency_key == f"{key}:1")
        )
        while True:
            try:
                with self.store.database.statement() as connection:
                    row = connection.execute(statement).one_or_none()
            except SQLAlchemyError:
                self.waits_for_the_database()
                continue
            if row is None:
                return None
            return Acknowledged(key, "found", row.place_id, 0, row.reference_idx.hex())

    def tries(self, key: str) -> Acknowledged | None:
        """Search and confirm; None when the place was gone. Raises Lost, SQLAlchemyError."""
        database, store = self.store.database, self.store
        if not self.near:
            *_, latitude, longitude = POSTCODES["75011"]
            with database.statement() as connection:
                self.near = Directory(database).nearest(
                    connection, latitude, longitude, "metropole", CAMPAIGN.radius_kilometres
                )
        holder = Holder(Channel.PHONE, key)
        self.answers_something(key)
        with database.transaction() as connection:
            if self.plan.aside:
                connection.execute(text("SET LOCAL synchronous_commit = local"))
            wanted = HoldRequest(self.near, store.clock.now() + CAMPAIGN.lead)
            held = hold_slots(Work(connection, store, CAMPAIGN), holder, wanted)
        one = held[int(key[4:]) % len(held)]
        request = request_of(key, holder, one)
        with database.engine.connect() as connection:
            transaction = connection.begin()
            booked = confirm_booking(
                Work(connection, store, CAMPAIGN),
                request,
                catalogue=self.catalogue,
                national_number="+33974750001",
            )
            if isinstance(booked, Unbooked):
                assert booked is Unbooked.GONE, key
                return None
            assert isinstance(booked, Booked)
            try:
                transaction.commit()
            except SQLAlchemyError as error:
                raise Lost from error
        index = store.vault.index("reference", booked.reference)
        assert index
        return Acknowledged(key, "told", one.place.place_id, one.place.slot_id, index.hex())

    def answers_something(self, key: str) -> None:
        """A turn without effect, which does not wait for the disk. Raises SQLAlchemyError."""
        with suppress(AlreadyAnswered), Turn(self.store, key, 0) as turn:
            turn.start_call(None)
            turn.finish(step="offers", outcome="asked", body=Body("", "", ""))


def request_of(key: str, holder: Holder, one: HeldSlot) -> Request:
    # W03-00042 rings from +33 6 03 00 00 42.
    number = f"+336{int(key[1:3]):02d}{int(key[4:]):06d}"
    return Request(
        holder=holder,
        offer=offer_at(one.near.centre, one.place),
        born=date(1942, 3, 12),
        postcode="75011",
        number=number,
        text_to=number,
        call_id=key,
        reach=Reach(Proof.LINE),
    )


def _note(journal: IO[bytes], line: Acknowledged) -> None:
    """Only what is on the disk counts as said to the caller."""
    journal.write(json.dumps(asdict(line)).encode() + b"\n")
    os.fsync(journal.fileno())


def _mend(file: Path) -> None:
    """Take away the half of a line that a killed worker left."""
    if file.exists():
        with file.open("r+b") as journal:
            journal.truncate(journal.read().rfind(b"\n") + 1)


# ---------------------------------------------------------------- the foreman


def start(plan: Plan, number: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        Worker(plan, number).works()
        code = 0
    except BaseException:  # noqa: BLE001 (said aloud, and the code says so too)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def orders() -> Iterator[list[int]]:
    """The workers to be killed by now, again and again, until nobody is there who would say so."""
    asked = b""
    while True:
        readable, _, _ = waiting.select([0], [], [], 0.02)
        if readable:
            some = os.read(0, 100)
            if not some:
                return
            asked += some
        *lines, asked = asked.split(b"\n")
        yield [int(line) for line in lines]


def main(file: str) -> int:
    plan = Plan(**json.loads(Path(file).read_text("utf-8")))
    running = {number: start(plan, number) for number in range(plan.workers)}
    for victims in orders():
        for number in victims:
            if number in running:
                os.kill(running[number], signal.SIGKILL)
        for number, child in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            del running[number]
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGKILL:
                running[number] = start(plan, number)
            elif code:
                _kill(running.values())
                return 1
        if not running:
            return 0
    _kill(running.values())
    return 1


def _kill(children: Iterable[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
