"""`flask data erase --campaign`: the people of one campaign, and nobody of another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from sqlalchemy import select

from models.booking.tables import appointment_for, booking
from models.messages.tables import message
from models.waiting_list.waiting import Waiter
from services.accounts.staff import read_acts
from services.waiting_list import entries
from services.work import Work
from tests.booking.test_services import BOTH, COVID, GRIPPE, books
from tests.support.house import MOBILE, House, a_mobile, house, mornings
from tests.support.rows import clock_of, rows_of


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    """One person for both, one for each alone; a month later one more, and one who waits."""
    with house(database_url, campaign=GRIPPE) as made:
        made.opens_centre("1", starts=mornings(6, first=3), capacity=2)
        books(made, BOTH, holder="CA-1", number=MOBILE)
        books(made, (GRIPPE,), holder="CA-2", number=a_mobile(2))
        books(made, (COVID,), holder="CA-3", number=a_mobile(3))
        clock_of(made).advance(timedelta(days=30))
        made.opens_slots("1", mornings(6, first=36))
        books(made, (GRIPPE,), holder="CA-4", number=a_mobile(4))
        with made.database.transaction() as connection:
            who = Waiter(date(1940, 5, 6), a_mobile(5), "75011", centre_id="1")
            entries.join(Work(connection, made.store, GRIPPE), who)
        yield made


def test_what_lies_behind_of_one_campaign_is_erased(autumn: House):
    run = autumn.app.test_cli_runner().invoke
    done = run(args=["data", "erase", "--campaign", GRIPPE.name, "--yes"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "1 bookings erased"
    assert "1 waiting erased" in done.stdout
    assert "1 bookings have an appointment ahead and stay" in done.stdout
    columns = (booking.c.id, booking.c.call_id, booking.c.phone_enc, booking.c.erased_at)
    rows = rows_of(autumn.database, select(*columns).order_by(booking.c.created_at, booking.c.id))
    (erased,) = [row for row in rows if row.erased_at is not None]
    assert erased.phone_enc is None
    assert len(rows) == 4
    # Those of the other service, alone or beside this one, are as they were.
    kept = [row for row in rows if row.erased_at is None]
    assert {row.call_id for row in kept} == {"CA-1", "CA-3", "CA-4"}
    assert all(row.phone_enc is not None for row in kept)
    theirs = select(appointment_for.c.service, appointment_for.c.person_idx).where(
        appointment_for.c.booking_id != erased.id
    )
    others = rows_of(autumn.database, theirs)
    assert sorted(row.service for row in others) == ["covid", "covid", "grippe", "grippe"]
    assert all(row.person_idx is not None for row in others)
    left = select(appointment_for.c.person_idx).where(appointment_for.c.booking_id == erased.id)
    assert [row.person_idx for row in rows_of(autumn.database, left)] == [None]
    texts = select(message.c.recipient_enc).where(message.c.booking_id == erased.id)
    assert all(row.recipient_enc is None for row in rows_of(autumn.database, texts))
    # It is written down, without anybody in it; and once more it erases nobody.
    acts = [one.act for one in read_acts(autumn.store) if one.act.what == "campaign_erased"]
    assert [(one.subject, one.details["bookings"]) for one in acts] == [(GRIPPE.name, 1)]
    again = run(args=["data", "erase", "--campaign", GRIPPE.name, "--yes"])
    assert again.stdout.splitlines()[0] == "0 bookings erased"


def test_without_a_yes_nothing_is_erased(autumn: House):
    refused = autumn.app.test_cli_runner().invoke(
        args=["data", "erase", "--campaign", GRIPPE.name], input="n\n"
    )
    assert refused.exit_code == 1
    rows = rows_of(autumn.database, select(booking.c.erased_at))
    assert {row.erased_at for row in rows} == {None}
