"""A centre at half past six in the evening: forty people on the list, four doses left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import select, update

from models.booking import changes
from models.booking.tables import appointment_for, booking
from models.centres.centres import centre_state
from models.database import Connection
from models.waiting_list.waiting import Waiter
from services.accounts.staff import make_demonstration
from services.campaign.campaign import Campaign
from services.centre_day.secretary import AtCentre, AttendanceState, day_of, mark, read_day
from services.service import Service
from services.store import Store
from services.waiting_list.entries import join
from services.work import Work
from tests.browser.stage import served, shelf
from tests.support.control import FakeControl
from tests.support.house import CAMPAIGN, House, a_mobile, house

EVENING = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
FIRST = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
NAMES = ("Lucette Garnier", "", "Marcel Faure", "Odette Roussel", "", "René Blanchard")


@dataclass
class SecretaryStage:
    """A service at an address, and the centre that the page is about."""

    house: House
    app: Flask
    url: str
    at: AtCentre
    pages: list[Page] = field(default_factory=list)

    def link_of(self, booking_id: str) -> str:
        """The link that a text about a booking would have."""
        with self.house.database.statement() as connection:
            found = changes.load(connection, self.house.store.vault, booking_id)
        assert found is not None
        return self.house.store.link_of(found.reference, [one.start_at for one in found.live])

    def opens(
        self, browser: Browser, width: int = 1280, path: str = "/centre", **options: Any
    ) -> Page:
        """A secretary of the centre opens a page; every page has a secretary of its own.

        `options` are those of `PageShelf.take`.
        """
        page = shelf.take(browser, width=width, **options)
        self.pages.append(page)
        client = self.house.signs_in(
            "secretary", app=self.app, name="Morgan Lefèvre", centre_id="1"
        )
        kept = client.get_cookie(client.cookie)
        assert kept is not None
        page.context.add_cookies([{"name": "allo", "value": kept.value, "url": self.url}])
        page.goto(f"{self.url}{path}")
        return page

    def signs_in_again(self, page: Page) -> None:
        """In another tab of the same browser."""
        client = self.house.signs_in("secretary", app=self.app, centre_id="1")
        kept = client.get_cookie(client.cookie)
        assert kept is not None
        page.context.add_cookies([{"name": "allo", "value": kept.value, "url": self.url}])


@contextmanager
def secretary_stage(
    database_url: str, *, people: int = 12, campaigns: Sequence[Campaign] = (CAMPAIGN,)
) -> Iterator[SecretaryStage]:
    """Of several `campaigns`, people come for the first, for the second, or for both."""
    first, *beside = campaigns
    with house(database_url, links=True, campaign=first, beside=beside) as made:
        starts = [FIRST + timedelta(minutes=30 * number) for number in range(5)]
        starts += [EVENING - timedelta(minutes=45), EVENING + timedelta(minutes=15)]
        made.opens_centre("1", name="Salle Olympe de Gouges", starts=starts, capacity=4)
        app = made.application(FakeControl(), public_base_url="http://127.0.0.1")
        make_demonstration(made.store)
        at = _filled(made, made.service(), people, campaigns)
        made.clock.moment = EVENING  # type: ignore[attr-defined]
        for one in read_day(at).people[: people - 4]:
            state = AttendanceState.ABSENT if one.key[-3] in "01" else AttendanceState.PRESENT
            with made.database.transaction() as connection:
                mark(connection, at, one.booking_id, one.dose, state=state, seen="")
        with served(app) as url:
            staged = SecretaryStage(made, app, url, at)
            try:
                yield staged
            finally:
                for page in staged.pages:
                    shelf.give_back(page)


def _filled(made: House, service: Service, people: int, campaigns: Sequence[Campaign]) -> AtCentre:
    # Beside the only place that needs them.
    from models.slots import slots  # noqa: PLC0415
    from services.setup.demonstration_people import _book  # noqa: PLC0415
    from services.slots.allocate import Channel, Holder  # noqa: PLC0415

    store: Store = made.store
    with made.database.transaction() as connection:
        centre = centre_state(connection, "1")
        assert centre is not None
        day = day_of(centre, FIRST.date())
        hours = slots.counts(connection, store.clock, "1", day.window)
        free = [one.slot_id for one in hours for _ in range(one.free)]
        holder = Holder(Channel.PHONE, "stage")
        alone = [Service(service.directory, one, service.national_number) for one in campaigns]
        for number, slot_id in enumerate(free[:people], 1):
            of_one = alone[number % len(alone)]
            _book(connection, store, of_one, holder, day, slot_id, number)
        if len(campaigns) > 1:
            _some_come_for_both(connection, campaigns[0], campaigns[1])
        for number in (1, 2):
            waiter = Waiter(
                born=FIRST.date().replace(year=1941, day=number),
                number=a_mobile(number),
                postcode="75011",
                latitude=48.859,
                longitude=2.378,
                territory="metropole",
                kilometres=CAMPAIGN.radius_kilometres,
            )
            join(Work(connection, store, made.campaign), waiter)
        # People who rang from a telephone of their own.
        for number, booking_id in enumerate(connection.execute(select(booking.c.id)).scalars()):
            sealed = store.vault.seal_text(a_mobile(7800 + number), f"booking.phone:{booking_id}")
            written = update(booking).where(booking.c.id == booking_id)
            connection.execute(written.values(phone_enc=sealed))
    return AtCentre(store, service, made.employs("secretary", centre_id="1"), day)


def _some_come_for_both(connection: Connection, first: Campaign, second: Campaign) -> None:
    """Every third of those who come for the first comes for the second as well."""
    of = appointment_for.c
    found = select(appointment_for).where(of.campaign == first.name).order_by(of.id)
    for row in connection.execute(found).mappings().all()[::3]:
        more = {"campaign": second.name, "service": second.service, "person_idx": None}
        kept = {name: value for name, value in row.items() if name != "id"}
        connection.execute(appointment_for.insert(), [kept | more])
