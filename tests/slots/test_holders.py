"""How a holder's places are found, and that PostgreSQL writes a hold into its own page alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from sqlalchemy import Connection, select, text

from models.slots import holders, places
from models.slots.slot_query import SlotQuery
from models.slots.tables import held_place, place
from tests.support.house import House, house, mornings
from tests.support.rows import clock_of, holds, rows_of

LEASE, LONGEST = timedelta(minutes=4), timedelta(minutes=20)


def with_three_centres(service: House) -> House:
    for number, kilometres in enumerate((1.0, 2.0, 3.0)):
        service.opens_centre(str(number), kilometres=kilometres, starts=mornings(10))
    return service


@pytest.fixture
def three(service: House) -> House:
    return with_three_centres(service)


def held_of(service: House, holder: str) -> list[int]:
    """The places that are found as a holder's."""
    statement = select(place.c.id).where(holders.of_holder(holder)).order_by(place.c.id)
    return [row.id for row in rows_of(service.database, statement)]


def notes(service: House) -> list[tuple[str, int]]:
    statement = select(held_place.c.holder, held_place.c.place_id)
    return sorted((row.holder, row.place_id) for row in rows_of(service.database, statement))


# What hands the places of "CA-1" on to "CA-2": a caller's way from one hold to the next.
def is_kept(service: House, connection: Connection, ids: list[int]) -> None:
    places.keep(connection, service.clock, "CA-1", ids, keeper="CA-2", window=LEASE)


def is_handed_over(service: House, connection: Connection, ids: list[int]) -> None:
    places.hand_over(
        connection, service.clock, ["CA-1"], ids, to="CA-2", lease=LEASE, longest=LONGEST
    )


def is_taken_anew(service: House, connection: Connection, ids: list[int]) -> None:
    rows = connection.execute(select(place.c.slot_id).where(place.c.id.in_(ids)))
    slots = list(rows.scalars())
    places.release(connection, "CA-1")
    for slot in slots:
        places.hold_slot(connection, service.clock, "CA-2", slot, lease=LEASE, longest=LONGEST)


@pytest.mark.parametrize("goes_on", [is_kept, is_handed_over, is_taken_anew])
def test_a_holder_finds_its_places_however_it_came_by_them(
    three: House, goes_on: Callable[..., None]
):
    ids = sorted(one.place.place_id for one in holds(three, "CA-1"))
    assert held_of(three, "CA-1") == ids
    with three.database.transaction() as connection:
        goes_on(three, connection, ids)
    assert held_of(three, "CA-1") == []
    assert held_of(three, "CA-2") == ids
    with three.database.transaction() as connection:
        assert places.release(connection, "CA-2") == ids
    assert held_of(three, "CA-2") == []


def test_what_is_kept_after_a_cancellation_is_found_too(three: House):
    three.phone().books()
    (mine,) = rows_of(three.database, select(place).where(place.c.booking_id.is_not(None)))
    with three.database.transaction() as connection:
        places.unbook_and_hold(
            connection, three.clock, mine.booking_id, [mine.id], keeper="undo:1", window=LEASE
        )
    assert held_of(three, "undo:1") == [mine.id]
    with three.database.transaction() as connection:
        assert places.kept_for_undo(connection, three.clock, LONGEST, limit=5) == ["1"]


def test_a_note_of_a_place_that_another_holds_by_now_says_nothing(three: House):
    first = holds(three, "CA-1")
    clock_of(three).advance(LONGEST)
    again = holds(three, "CA-2")
    assert [one.place for one in again] == [one.place for one in first]
    assert held_of(three, "CA-1") == []
    with three.database.transaction() as connection:
        assert places.release(connection, "CA-1") == []
    assert len(held_of(three, "CA-2")) == 3


def test_what_is_over_is_forgotten_and_what_is_held_is_not(three: House):
    holds(three, "CA-1")
    with three.database.transaction() as connection:
        places.release(connection, "CA-1")
    ids = sorted(one.place.place_id for one in holds(three, "CA-2"))
    with three.database.transaction() as connection:
        assert places.forget_ended(connection, three.clock) == []
    assert held_of(three, "CA-2") == ids
    noted = [("CA-2", one) for one in ids]
    assert notes(three) == noted


@pytest.fixture
def on_postgresql(database_url: str) -> Iterator[House]:
    with house(database_url) as service:
        yield with_three_centres(service)


def test_a_hold_that_is_made_while_notes_are_forgotten_stays(on_postgresql: House):
    """Its place was held by the same caller before, whose note is over."""
    ids = sorted(one.place.place_id for one in holds(on_postgresql, "CA-1"))
    with on_postgresql.database.transaction() as connection:
        places.release(connection, "CA-1")
    with on_postgresql.database.transaction() as scheduler:
        # It has begun to look, and sees that the caller holds nothing.
        holders.forget(scheduler)
        assert sorted(one.place.place_id for one in holds(on_postgresql, "CA-1")) == ids
    assert held_of(on_postgresql, "CA-1") == ids


def test_to_hold_renew_and_give_back_writes_into_no_index(on_postgresql: House):
    clock = on_postgresql.clock
    with on_postgresql.database.transaction() as connection:
        before = _written(connection)
        ids, wish = _centre_ids(connection), _any_time(on_postgresql)
        held = places.hold(connection, clock, "CA-1", ids, wish, lease=LEASE, longest=LONGEST)
        connection.execute(places.renewal(clock, LEASE), {"the_holder": "CA-1"})
        assert len(places.release(connection, "CA-1")) == len(held) == 3
        written, in_their_page = (
            now - then for now, then in zip(_written(connection), before, strict=True)
        )
    assert (written, in_their_page) == (9, 9)


def _written(connection: Connection) -> tuple[int, int]:
    """How often this transaction wrote places anew, and how often no index had to know."""
    asked = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'place'"
    row = connection.execute(text(asked)).one()
    return row[0], row[1]


def _centre_ids(connection: Connection) -> list[str]:
    return list(connection.execute(select(place.c.centre_id).distinct()).scalars())


def _any_time(service: House) -> SlotQuery:
    now = service.clock.now()
    return SlotQuery(((now, now + timedelta(days=30)),))
