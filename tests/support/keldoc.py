"""A house beside Keldoc's stand-in, which really listens: a centre of ours that is booked there."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from jobs.partner_mirror import mirror_all
from models.desk.tables import agent_case
from models.messages import claims
from models.partners import bookings
from models.partners.bookings import OrderRow
from models.slots.tables import place
from partners.platforms.keldoc.booking import BookedCentre, Keldoc, KeldocAccount
from services.centres.directory import Directory
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.partners.booking import NotAsked, PartnerOrder, PlacedOrder, ask
from services.partners.deliver import OrderProcessor
from services.ports import PartnerBooker
from services.service import Service
from services.slots.allocate import Channel, Holder
from tests.support.house import MOBILE, NOON, House, house
from tests.support.office import OneRequestAConnection
from tools.simulator.keldoc import KEY, SECRET, blueprint
from tools.simulator.keldoc_diary import Diary, Open

CENTRE = "k1"
AGENDA, OTHER_AGENDA = 552, 553
FIRST, SECOND = 366, 367
# A Thursday morning in Paris.
MORNING = NOON + timedelta(days=1, hours=1)


@dataclass
class Meanwhile:
    """Keldoc's client, where something happens here right after one of its methods."""

    after: str
    client: Any
    happens: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any) -> Any:
            found = method(*arguments)
            if name == self.after:
                self.happens()
            return found

        return call


@contextmanager
def listening(diary: Diary) -> Iterator[str]:
    """The stand-in on a loopback port; the base of its API."""
    app = Flask("keldoc")
    app.register_blueprint(blueprint(diary, lambda: None))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=OneRequestAConnection)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keldoc/partners"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Beside:
    """Our house, Keldoc's diary, and who carries between them."""

    house: House
    diary: Diary
    keldoc: Keldoc
    service: Service
    # Tests put something between: what dies, what is slow.
    booker: PartnerBooker | None = None

    def opens(self, start: datetime = MORNING, minutes: int = 10, agenda: int = AGENDA) -> None:
        """Let an agenda take people; our side knows of it after `mirrors`."""
        self.diary.opens(Open(agenda, start, start + timedelta(minutes=minutes)))

    def mirrors(self) -> None:
        # What an order changed in this very moment is left for the next reading.
        self.house.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
        assert mirror_all(self.house.store, self.keldoc, self.house.campaign) == 1

    def slot(self, start: datetime = MORNING) -> int:
        with self.house.database.statement() as connection:
            found = select(place.c.slot_id).where(place.c.start_at == start).limit(1)
            return int(connection.execute(found).scalar_one())

    def places(self, start: datetime = MORNING) -> dict[str, int]:
        """How many places of a moment are free, held, booked, blocked."""
        counts = dict.fromkeys(("free", "held", "booked", "blocked"), 0)
        with self.house.database.statement() as connection:
            for row in connection.execute(select(place).where(place.c.start_at == start)):
                held = row.held_by and row.hold_expires_at > self.house.clock.now()
                state = "booked" if row.booking_id else "held" if held else "free"
                counts["blocked" if state == "free" and row.blocked else state] += 1
        return counts

    def order(self, **changes: Any) -> PartnerOrder:
        values: dict[str, Any] = {
            "key": "W1:1",
            "holder": Holder(Channel.WEB, "W1"),
            "centre_id": CENTRE,
            "slot_id": 0,
            "first_name": "Jeanne",
            "last_name": "Martin",
            "born": date(1942, 3, 12),
            "postcode": "75011",
            "number": MOBILE,
        }
        made = values | changes
        made["slot_id"] = made["slot_id"] or self.slot()
        return PartnerOrder(**made)

    def asks(self, **changes: Any) -> PlacedOrder | NotAsked:
        with self.house.database.transaction() as connection:
            return ask(connection, self.house.store, self.service, self.order(**changes))

    def kept(self, order_id: str) -> OrderRow:
        with self.house.database.statement() as connection:
            found = bookings.load(connection, self.house.store.vault, order_id)
        assert found is not None
        return found

    def delivers(
        self, after: timedelta = timedelta(), by: OrderProcessor | None = None
    ) -> list[str]:
        """What came of each message for the partner that is due `after` a while."""
        self.house.clock.advance(after)  # type: ignore[attr-defined]
        store, nobody = self.house.store, cast(Any, None)
        means = DeliveryDependencies(partner=by or self.attendant())
        with self.house.database.statement() as connection:
            due = claims.due(connection, store.clock, ["partner"], limit=10)
        return [deliver_message(store, nobody, one, means) for one in due]

    def attendant(self) -> OrderProcessor:
        return OrderProcessor(self.house.store, self.service, self.booker or self.keldoc)

    def texts(self) -> list[str]:
        """What goes to people, opened."""
        return [self.house.text_of(row) for row in self.house.messages("sms")]

    def cases(self) -> list[str]:
        with self.house.database.statement() as connection:
            return list(connection.execute(select(agent_case.c.why)).scalars())


@contextmanager
def beside(
    url: str,
    *,
    sleep: Callable[[float], None] = lambda seconds: None,
    timeouts: tuple[float, float] = (3.0, 8.0),
    agendas: tuple[int, ...] = (AGENDA,),
    motives: tuple[int, ...] = (FIRST,),
    **options: Any,
) -> Iterator[Beside]:
    """A centre of ours whose appointments are Keldoc's, with nothing open yet."""
    with house(url, **options) as made:
        made.opens_centre(CENTRE, name="Gymnase Japy", mode="partner", kilometres=2.0)
        diary = Diary(made.clock, sleep)  # type: ignore[arg-type]
        with listening(diary) as base:
            keldoc = Keldoc(
                KeldocAccount(base, KEY, SECRET),
                [BookedCentre(CENTRE, agendas, motives)],
                now=made.clock.now,
                timeouts=timeouts,
            )
            directory = Directory(made.database, centres_fresh_seconds=0)
            service = Service(directory, made.campaign, made.settings.national_number)
            yield Beside(made, diary, keldoc, service)
