"""A board with a day behind it: people wait, agents talk, callers fail at some step."""

from __future__ import annotations

import random

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from models.agents.tables import agent
from models.booking.tables import appointment, appointment_for, booking
from models.call.tables import call, turn
from models.centres.tables import centre
from models.database import Connection
from models.queue.tables import agent_queue, agent_queue_member, queue_entry
from models.slots.tables import place
from models.supervision import tallies
from services.campaign.campaign import Campaign
from services.numbers.numbers import CalledNumber
from services.queue.wait_estimate import write_throughput
from services.supervision.counts import FOR, day_before, day_begins, quarter_of
from services.supervision.write_board import WriteBoard
from tests.browser.stage import served, shelf
from tests.supervision.board_day import SECOND, Day, bad_text
from tests.support.control import FakeControl
from tests.support.house import (
    CAMPAIGN,
    NOON,
    House,
    StaffClient,
    mornings,
)

# Eleven in Paris: some hours of the day lie behind.
ELEVEN = NOON + timedelta(hours=2, minutes=7, seconds=30)
NAMES = ("Camille Martin", "Dominique Bernard", "Claude Petit", "Alix Robert", "Sacha Richard",
         "Noé Lefebvre", "Lou Moreau")  # fmt: skip
# Of all calls so many come to a step, and so many of these fail there.
STEPS = (
    ("welcome", 1.0, 0.04),
    ("for_whom", 0.9, 0.03),
    ("date_of_birth", 0.85, 0.12),
    ("postcode", 0.7, 0.14),
    ("offers", 0.55, 0.05),
    ("reach", 0.4, 0.04),
    ("confirm", 0.36, 0.02),
)
# What calls, people who wait and bookings are for where there are services: by the last figure of a
# row's name, and by the part of a quarter.
ABOUT = {"0": "grippe", "1": "grippe", "2": "grippe", "3": "covid", "4": "covid+grippe"}
PARTS = (("grippe", 0.45), ("covid", 0.2), ("covid+grippe", 0.15))
STATES = ("ready", "talking", "talking", "wrapup", "paused", "reserved", "ready")


@dataclass
class BoardStage:
    """A board at an address, and the process that writes it, by hand."""

    house: House
    url: str
    app: Flask
    control: FakeControl
    write: WriteBoard

    def passes(self, seconds: float = 1) -> None:
        """Time goes on, and the board is written."""
        self.house.clock.advance(timedelta(seconds=seconds))  # type: ignore[attr-defined]
        self.writes()

    def writes(self) -> None:
        """The pace is measured and the board written, as one process does each second."""
        write_throughput(self.house.store)
        self.write()

    def goes_home(self) -> None:
        """No agent is at work, and eleven people are promised a call; nobody is on the line."""
        now = self.house.clock.now()
        entries = queue_entry.update()
        with self.house.database.transaction() as connection:
            connection.execute(agent.update().values(state="offline", entry_id=None))
            connection.execute(entries.where(queue_entry.c.kind == "call").values(state="done"))
            rows = [promise(f"H{number}", 100 + number, now) for number in range(2)]
            connection.execute(queue_entry.insert(), rows)
        self.passes()

    def is_quiet(self) -> None:
        """All agents are ready, and nobody waits."""
        there = {"state": "ready", "reason": "", "seen_at": self.house.clock.now()}
        entries = queue_entry.update().where(queue_entry.c.state == "waiting")
        with self.house.database.transaction() as connection:
            connection.execute(agent.update().values(**there))
            connection.execute(entries.values(state="done"))
        self.passes()

    def enters(self, context: BrowserContext, role: str = "supervisor") -> StaffClient:
        """Somebody signs in with this browser."""
        client = self.house.signs_in(role, app=self.app, name="Maxence Durand")
        kept = client.get_cookie(client.cookie)
        assert kept is not None
        context.add_cookies([{"name": "allo", "value": kept.value, "url": self.url}])
        return client


@contextmanager
def board_stage(
    database_url: str,
    *,
    filled: bool = True,
    campaigns: Sequence[Campaign] = (CAMPAIGN,),
    numbers: Sequence[CalledNumber] = (),
    like: BoardStage | None = None,
) -> Iterator[BoardStage]:
    """Of several `campaigns` the first two are of the services in ABOUT.

    The store may be a copy of that of a stage `like` this one: then all is in it already.
    """
    first, *beside = campaigns
    # Two rows of one store have different identifiers, whoever made them.
    chance = like and like.house.store.chance
    made = House(database_url, campaign=first, beside=beside, numbers=numbers, chance=chance)
    with closing(made):
        if like is None:
            made.knows_postcodes()
        made.clock.moment = ELEVEN  # type: ignore[attr-defined]
        control = FakeControl()
        app = made.application(control, public_base_url="http://127.0.0.1")
        if filled and like is None:
            fill(made)
        write = WriteBoard(made.store, made.known_campaigns(), made.numbers)
        with served(app) as url:
            staged = BoardStage(made, url, app, control, write)
            # What is raised shows with the next second.
            staged.writes()
            staged.writes()
            yield staged


def fill(made: House) -> None:
    """Quarters of yesterday and today, and two minutes of events up to now."""
    chance = random.Random(5)  # noqa: S311 (a play)
    now = made.clock.now()
    with made.database.transaction() as connection:
        more = {"language": "fr", "region": "Bretagne", "created_at": now, "updated_at": now}
        connection.execute(agent_queue.insert(), [{"id": "fr-bretagne", **more}])
    _places(made, chance)
    _quarters(made, chance)
    clock: Any = made.clock
    clock.advance(timedelta(seconds=-130))
    day = Day(made.database, seed=7)
    for _ in range(130):
        clock.advance(SECOND)
        day.second(clock.now(), 12)
    _line(made)
    _agents(made)
    for number in range(7):
        bad_text(made.database, number, "failed" if number % 3 else "undelivered", now - SECOND)
    bad_text(made.database, 99, "pending", now - 40 * SECOND)
    if made.beside:
        _by_service(made)
    if made.numbers.several():
        _by_number(made)


def _by_service(made: House) -> None:
    """Say of what there is which service it is about, and leave some unsaid."""
    campaigns = {one.service: one.name for one in (made.campaign, *made.beside)}
    with made.database.transaction() as connection:
        for figure, about in ABOUT.items():
            ends = f"%{figure}"
            connection.execute(turn.update().where(turn.c.call_id.like(ends)).values(about=about))
            waits = queue_entry.update().where(queue_entry.c.id.like(ends))
            connection.execute(waits.values(about=about))
        places = connection.execute(select(place.c.id).order_by(place.c.id)).scalars().all()
        booked = connection.execute(select(booking.c.id).order_by(booking.c.id)).scalars().all()
        for place_id, booking_id in zip(places, booked, strict=False):
            for service in ABOUT.get(booking_id[-1], "").split("+"):
                if service:
                    _is_done(connection, booking_id, place_id, service, campaigns[service])


def _is_done(
    connection: Connection, booking_id: str, place_id: int, service: str, campaign: str
) -> None:
    """Write that a booking is for a service."""
    of = {"booking_id": booking_id, "dose": 1, "state": "confirmed"}
    known = select(appointment.c.id).where(appointment.c.booking_id == booking_id)
    if connection.execute(known).first() is None:
        row = {**of, "place_id": place_id, "centre_id": "1", "start_at": NOON}
        connection.execute(appointment.insert(), [row])
    appointment_id = connection.execute(known).scalar_one()
    row = {**of, "appointment_id": appointment_id, "service": service, "campaign": campaign}
    connection.execute(appointment_for.insert(), [row])


def _by_number(made: House) -> None:
    """Every third person called the second number, and every fifth the third."""
    _, *others = made.numbers.several()
    with made.database.transaction() as connection:
        for number, figures in zip(others, ("369", "5"), strict=False):
            for figure in figures:
                ends = f"%{figure}"
                for table, name in ((call, call.c.id), (queue_entry, queue_entry.c.id)):
                    rows = table.update().where(name.like(ends))
                    connection.execute(rows.values(called=number.number))


def _places(made: House, chance: random.Random) -> None:
    made.opens_centre("1", starts=mornings(10), capacity=8)
    codes = ("01", "13", "29", "2A", "31", "33", "35", "38", "44", "59", "62", "67", "69", "971",
             "974", "06", "34", "76", "80", "54")  # fmt: skip
    with made.database.transaction() as connection:
        for number, code in enumerate(codes, 2):
            row = {"id": str(number), "name": "Salle", "postcode": "99999", "town": "Ville",
                   "departement": code, "territory": "metropole", "time_zone": "Europe/Paris",
                   "booking_mode": "ours", "source": "tests", "fingerprint": "",
                   "created_at": NOON, "updated_at": NOON}  # fmt: skip
            connection.execute(centre.insert(), [row])
    for number in range(2, len(codes) + 2):
        if chance.random() > 0.2:
            made.opens_slots(str(number), mornings(5 + number), capacity=chance.choice((1, 3, 40)))


def _quarters(made: House, chance: random.Random) -> None:
    now = made.clock.now()
    quarter = day_before(now)
    running = quarter_of(now - timedelta(minutes=1))
    while quarter < running:
        local = (quarter.hour + 1) % 24
        busy = max(0.0, 1 - abs(local - 10.5) / 6)
        today = quarter >= day_begins(now)
        counts = {}
        people = int(busy * 400 * (1.3 if today else 1) * chance.uniform(0.8, 1.2))
        counts["calls", ""] = people
        for step, part, usual in STEPS:
            fails = 0.31 if today and step == "postcode" else usual
            came = int(people * part)
            counts["entered", step] = came
            counts["missed", step] = int(came * fails)
            counts["silent", step] = int(came * fails / 3)
            counts["repeated", step] = int(came * 0.05)
            counts["hung_up", step] = int(came * fails / 2)
        counts["booked", "phone"] = int(people * 0.33)
        counts["booked", "web"] = int(people * 0.1)
        counts["booked", "agent"] = int(people * 0.04)
        answered = int(people * 0.1)
        counts["answered", "fr"] = answered
        counts["in_time", "fr"] = int(answered * (0.86 if today else 0.94))
        counts["waited", "fr"] = int(answered * chance.uniform(30, 90) * (1 + busy))
        counts["abandoned", "fr"] = int(answered * 0.06)
        counts["length", "fr"] = int(busy * 14 * chance.uniform(0.6, 1.4))
        if made.beside:
            of_all = list(counts.items())
            counts |= {
                (f"{name}{FOR}", f"{about}:{label}"): int(count * part)
                for about, part in PARTS
                for (name, label), count in of_all
            }
        with made.database.transaction() as connection:
            tallies.write(connection, quarter, counts)
        quarter += tallies.QUARTER


def _line(made: House) -> None:
    """Eleven people wait, for up to four minutes; nine callbacks are owed."""
    now = made.clock.now()
    with made.database.transaction() as connection:
        # Of those who came with the events nobody waits any more.
        connection.execute(queue_entry.update().values(state="done", told_seconds=None))
        for number in range(11):
            moment = now - (245 - 20 * number) * SECOND
            row = {"id": f"W{number}", "queue_id": "en" if number % 3 == 1 else "fr",
                   "kind": "call", "state": "waiting", "call_id": f"W{number}", "language": "fr",
                   "joined_at": moment, "due_at": moment, "created_at": moment,
                   "updated_at": moment}  # fmt: skip
            connection.execute(queue_entry.insert(), [row])
        owed = [promise(f"C{number}", number, now) for number in range(9)]
        connection.execute(queue_entry.insert(), owed)


def promise(name: str, number: int, now: datetime) -> dict[str, Any]:
    """A call that was promised some twenty minutes ago."""
    moment = now - (20 + number % 10) * 60 * SECOND
    return {"id": name, "queue_id": "fr", "kind": "callback", "state": "waiting", "language": "fr",
            "joined_at": moment, "due_at": moment, "created_at": moment, "updated_at": moment,
            "phone_idx": bytes([number]),
            "expected_at": now + (number % 10 * 7 + 4) * 60 * SECOND}  # fmt: skip


def _agents(made: House) -> None:
    now = made.clock.now()
    for number, (name, state) in enumerate(zip(NAMES, STATES, strict=True)):
        person = made.employs("agent", name=name)
        entry = None
        with made.database.transaction() as connection:
            if state in {"talking", "reserved"}:
                entry = f"T{number}"
                row = {"id": entry, "queue_id": "fr", "kind": "call", "state": state,
                       "call_id": entry, "language": "fr", "joined_at": now - 200 * SECOND,
                       "due_at": now, "created_at": now, "updated_at": now, "staff_id": person.id,
                       "answered_at": now - 150 * SECOND, "told_seconds": 60,
                       "told_at": now - 200 * SECOND}  # fmt: skip
                connection.execute(queue_entry.insert(), [row])
            row = {"staff_id": person.id, "state": state, "entry_id": entry, "seen_at": now,
                   "reason": "lunch" if state == "paused" else "",
                   "since": now - (20 + 47 * number) * SECOND}  # fmt: skip
            connection.execute(agent.insert(), [row])
            if number == 6:
                member = {"staff_id": person.id, "queue_id": "fr-bretagne"}
                connection.execute(agent_queue_member.insert(), [member])


def opens(
    browser: Browser,
    staged: BoardStage,
    width: int,
    path: str = "/supervision",
    *,
    role: str = "supervisor",
    paused_at: str = "",
) -> Page:
    """The page in front of somebody who signed in; its troubles are kept in `page.troubles`.

    With `paused_at` the browser's clock shows that, and goes on only when a test says so. The page
    goes back to the shelf.
    """
    height = 1080 if width > 1500 else 900
    page = shelf.take(browser, width=width, height=height, for_one=bool(paused_at))
    staged.enters(page.context, role)
    if paused_at:
        page.clock.install(time=paused_at)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.troubles = troubles  # type: ignore[attr-defined]
    page.goto(staged.url + path)
    if paused_at:
        # The jump below gives up a first answer that is under way, and asks for no second one.
        expect(page.locator("#tile-backlog [data-value]")).not_to_have_text("—")
        # Later than any machine takes to open a page; the next answer says what time it is.
        page.clock.pause_at(datetime.fromisoformat(paused_at) + timedelta(minutes=2))
        page.clock.run_for(1100)
    return page
