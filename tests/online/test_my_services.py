"""The page of an appointment that is of two services, before and after one of them moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlalchemy import select

from models.slots.tables import slot
from services.booking import change_booking
from services.booking.changed import By, Moved
from services.slots.allocate import Channel, Chosen, Holder
from tests.booking.test_services import BOTH, COVID, booked, file_of
from tests.online.visitors import Visitor
from tests.public.services_stage import app_of
from tests.support.house import House, house, mornings
from tests.support.rows import rows_of

PHONE = By("caller", Channel.PHONE, "asked for it")


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=BOTH[0], links=True) as made:
        made.opens_centre("1", starts=mornings(4, first=3), capacity=2)
        yield made


def test_each_half_is_shown_with_what_it_is_for(autumn: House):
    file = booked(autumn, BOTH)
    app = app_of(autumn, *BOTH)

    def headings() -> list[str]:
        visitor = Visitor(autumn, app)
        link = autumn.store.link_of(file.reference, [file.live[0].start_at])
        page = visitor.opens_link(link.removeprefix("https://allo.example")).page
        return [part.partition("</h2>")[0] for part in page.split("<h2>")[1:]]

    assert "La grippe + le Covid" in headings()
    # One of them moves by telephone; the site shows both where they are.
    slots = rows_of(autumn.database, select(slot.c.id, slot.c.start_at).order_by(slot.c.start_at))
    to = {1: Chosen(0, slots[3].id, slots[3].start_at)}
    with autumn.database.transaction() as connection:
        holder = Holder(Channel.PHONE, "CA-9")
        done = change_booking.move(
            connection, autumn.store, COVID, holder, file.id, to=to, by=PHONE, service="covid"
        )
    assert isinstance(done, Moved)
    found = headings()
    assert found.index("La grippe") < found.index("Le Covid")
    assert "La grippe + le Covid" not in found
    assert file_of(autumn, file.reference).of_several
