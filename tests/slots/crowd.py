"""A crowd of callers in real processes, each noting what became of whom.

    python -m tests.slots.crowd PLAN

PLAN is a JSON file of the fields of `Plan`. The process makes itself ready once and forks the
others, which start together; each writes one line for each caller into FOLDER/NUMBER.jsonl.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import traceback

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from models import database
from models.clock import DatabaseClock
from models.crypto import Vault
from models.database import Connection, Database
from models.slots import places, slot_query
from models.slots.places import HeldPlace
from models.slots.tables import place
from prompts.catalogue import load
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.centres.directory import Directory, NearbyCentre
from services.slots.allocate import Channel, Holder
from services.slots.give_back import give_back_holds
from services.slots.hold_slot import HeldSlot, HoldRequest, hold_slots
from services.slots.offer import offer_at
from services.store import NO_LIMITS, Store
from services.work import Work
from tests.support.house import CAMPAIGN, POSTCODES
from tests.support.keeper import ROOT
from tools.launcher.environment import inherited

# Two services that a person may have in one place; callers want one, the other, or both.
GRIPPE = replace(CAMPAIGN, name="grippe", service="grippe", together=("covid",))
COVID = replace(CAMPAIGN, name="covid", service="covid")
WANTED = ((GRIPPE,), (COVID,), (GRIPPE, COVID))
# Four channels, dealt out like cards.
CHANNELS = (Channel.PHONE, Channel.WEB, Channel.AGENT, Channel.PARTNER)
KEYS = [bytes(range(32))]
PATIENCE_MS = 120_000


@dataclass(frozen=True)
class Plan:
    """`rollbacks` is the share of transactions that fail at their end, from 0 to 1.

    With `guarded` false the conditional writes are replaced by check-then-write.
    """

    url: str
    folder: str
    processes: int
    callers: int
    rollbacks: float
    seed: int
    guarded: bool = True
    # Whether callers want influenza, Covid or both, in turn.
    autumn: bool = False

    def write(self, file: Path) -> Path:
        file.write_text(json.dumps(asdict(self)), "utf-8")
        return file


@dataclass
class Story:
    """What became of one caller. Moments are seconds of the machine's monotonic clock.

    `busy` are (place, from, until): in between the place may have been somebody's, for all that the
    caller can know; `until` is None for ever. `asked` is when the last search began, `told` when it
    ended.
    """

    number: int
    channel: str
    wants: list[str] = field(default_factory=list)
    end: str = ""
    place_id: int = 0
    asked: float = 0.0
    told: float = 0.0
    rolled_back: int = 0
    busy: list[tuple[int, float, float | None]] = field(default_factory=list)


class RolledBack(Exception):
    """The transaction fails at its very end."""


class Member:
    """One process of the crowd, with connections of its own."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed * 1000 + number)  # noqa: S311 (must repeat itself)
        self.store = Store(Database(plan.url), Vault(KEYS), DatabaseClock(), reach=NO_LIMITS)
        self.catalogue = load("fr")
        *_, latitude, longitude = POSTCODES["75011"]
        with self.store.database.statement() as connection:
            self.near: list[NearbyCentre] = Directory(self.store.database).nearest(
                connection, latitude, longitude, "metropole", CAMPAIGN.radius_kilometres
            )
        with self.store.database.transaction() as connection:
            give_back_holds(connection, "nobody")

    def tells(self, number: int) -> Story:
        """Let one caller search and confirm until it is booked, or hears that all is taken."""
        channel = CHANNELS[number % len(CHANNELS)]
        campaigns = WANTED[number % len(WANTED)] if self.plan.autumn else (CAMPAIGN,)
        story = Story(number, channel, [one.service for one in campaigns])
        self.campaign, self.beside = campaigns[0], campaigns[1:]
        holder = Holder(channel, f"{channel}-{number:05d}")
        since: dict[int, float] = {}
        while not story.end:
            held = self.searches(holder, story, since)
            if held is None:
                continue
            if not held:
                story.end = "complet"
                break
            self.confirms(holder, self.chance.choice(held), story, since)
        return story

    def searches(
        self, holder: Holder, story: Story, since: dict[int, float]
    ) -> list[HeldSlot] | None:
        """Hold what is offered; None when the transaction failed. What was held is given back."""
        story.asked = time.monotonic()
        held: list[HeldSlot] = []
        try:
            with self.store.database.transaction() as connection:
                wanted = HoldRequest(self.near, self.store.clock.now() + CAMPAIGN.lead)
                held = hold_slots(self.work(connection), holder, wanted)
                self.may_fail()
        except RolledBack:
            story.rolled_back += 1
            story.busy += [
                (one.place.place_id, story.asked, time.monotonic())
                for one in held
                if one.place.place_id not in since
            ]
            return None
        story.told = time.monotonic()
        self.are_free(since, story)
        since |= {one.place.place_id: story.asked for one in held}
        return held

    def confirms(
        self, holder: Holder, one: HeldSlot, story: Story, since: dict[int, float]
    ) -> None:
        born, number = date(1942, 3, 12), f"+336{story.number:08d}"
        if self.plan.autumn:
            # Bookings of one birth date wait for one another; these are to meet at the places.
            born += timedelta(days=story.number)
        request = Request(
            holder=holder,
            offer=offer_at(one.near.centre, one.place),
            born=born,
            postcode="75011",
            number=number,
            text_to=number,
            name="Durand" if holder.channel in {Channel.WEB, Channel.AGENT} else None,
        )
        while True:
            try:
                with self.store.database.transaction() as connection:
                    booked = confirm_booking(
                        self.work(connection),
                        request,
                        catalogue=self.catalogue,
                        national_number="+33974750001",
                    )
                    self.may_fail()
            except RolledBack:
                story.rolled_back += 1
                if self.chance.random() < 0.5:
                    continue  # once more with the same place
                with self.store.database.transaction() as connection:
                    give_back_holds(connection, holder.id)
                self.are_free(since, story)
                return
            if isinstance(booked, Booked):
                story.end, story.place_id = "booked", one.place.place_id
                story.busy.append((one.place.place_id, since.pop(one.place.place_id), None))
            self.are_free(since, story)
            return

    def work(self, connection: Connection) -> Work:
        return Work(connection, self.store, self.campaign, self.beside)

    def are_free(self, since: dict[int, float], story: Story) -> None:
        """What the caller held is nobody's from now on."""
        story.busy += [(one, start, time.monotonic()) for one, start in since.items()]
        since.clear()

    def may_fail(self) -> None:
        if self.chance.random() < self.plan.rollbacks:
            raise RolledBack


# ---------------------------------------------------------------- with the guard off


def look_only(
    connection: Connection, clock: Any, holder: str, centre_ids: Any, wish: Any, **_: Any
) -> list[HeldPlace]:
    """Check without writing: the first half of check-then-write."""
    first = (
        select(place.c.id, place.c.slot_id, place.c.centre_id, place.c.start_at)
        .where(place.c.centre_id == centre_ids[0], slot_query.is_free(clock))
        .order_by(place.c.start_at, place.c.lot, place.c.id)
        .limit(1)
    )
    return [HeldPlace(*row) for row in connection.execute(first)]


def write_only(
    connection: Connection, clock: Any, holder: str, place_ids: Any, booking_id: str
) -> frozenset[int]:
    """Write without a condition: the second half."""
    connection.execute(update(place).where(place.c.id.in_(place_ids)).values(booking_id=booking_id))
    return frozenset(place_ids)


def take_the_guard_away() -> None:
    places.hold = look_only
    places.book = write_only


# ---------------------------------------------------------------- what is told


def plays(plan: Plan, folder: Path) -> list[Story]:
    """Run the crowd to its end and give what became of each caller."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.slots.crowd", str(plan.write(folder / "plan.json"))],
        cwd=ROOT,
        env=inherited(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    stories = [
        Story(**json.loads(line))
        for file in folder.glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
    ]
    assert len(stories) == plan.callers
    return stories


def told_wrongly(stories: Iterable[Story], place_ids: Iterable[int]) -> list[Story]:
    """Who heard "complet" although one place was free from the beginning of the search to its end.

    A place counts as free where nobody may have had it: before the transaction that took it began,
    and after the one that gave it back had ended.
    """
    stories = list(stories)
    busy: dict[int, list[tuple[float, float | None]]] = defaultdict(list)
    for story in stories:
        for place_id, start, end in story.busy:
            busy[place_id].append((start, end))
    place_ids = list(place_ids)
    return [
        story
        for story in stories
        if story.end == "complet"
        and any(
            not any(
                start <= story.told and (end is None or end >= story.asked)
                for start, end in busy[place_id]
            )
            for place_id in place_ids
        )
    ]


# ---------------------------------------------------------------- the processes


def work(plan: Plan, number: int, ready: int, start: int) -> None:
    member = Member(plan, number)
    os.write(ready, b".")
    os.read(start, 1)
    with (Path(plan.folder) / f"{number}.jsonl").open("w", encoding="utf-8") as notes:
        for caller in range(number, plan.callers, plan.processes):
            notes.write(json.dumps(asdict(member.tells(caller))) + "\n")


def main(file: str) -> int:
    plan = Plan(**json.loads(Path(file).read_text("utf-8")))
    if plan.autumn:
        # Who gets a place is looked at, not how soon: sixteen processes may have one processor.
        database.STATEMENT_TIMEOUT_MS = PATIENCE_MS
    if not plan.guarded:
        take_the_guard_away()
    # Read once, before the fork, for all processes.
    load("fr")
    is_ready, ready = os.pipe()
    start, started = os.pipe()
    children = []
    for number in range(plan.processes):
        child = os.fork()
        if not child:
            code = 1
            os.close(started)
            try:
                work(plan, number, ready, start)
                code = 0
            except BaseException:  # noqa: BLE001 (said aloud, and the code says so too)
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    os.close(ready)
    # All have their connections before anybody begins; one that died closes its end, too.
    counted = 0
    while counted < plan.processes and (some := os.read(is_ready, plan.processes)):
        counted += len(some)
    os.close(started)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
