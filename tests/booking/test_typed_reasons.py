"""Why a booking was changed, as somebody typed it, lies sealed, and goes with the booking."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sqlalchemy import insert, inspect, select, table, text

from models.booking import history as lines
from models.booking.history import TYPED, WORDS, Change
from models.booking.tables import booking, history, history_reason
from models.database import Database
from models.desk import cases
from models.operations import person_rows, traces
from models.operations.people import Trail
from models.operations.traces import HISTORY, Line
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.centres.directory import Directory
from services.privacy.erase_data import erase_data
from services.privacy.traces import Chainer, TraceKeys
from services.privacy.verify_traces import verify_traces
from services.slots.allocate import Channel
from services.store import Store
from tests.support.house import NOON, House, mornings
from tests.support.rows import clock_of, execute, rows_of

WHY = "Mme Durand, 0612345678, hospitalisée"
PARTS = ("Durand", "0612345678", "hospitalis")
KEYS = TraceKeys(["a secret of the tests for reasons"])


def everything(database: Database) -> str:
    """Every value of every table that there was then, as one text."""
    there = inspect(database.engine).get_table_names()
    return "\n".join(
        repr(tuple(row))
        for name in there
        for row in rows_of(database, select(text("*")).select_from(table(name)))
    )


def assert_sealed(database: Database) -> None:
    found = everything(database)
    assert [part for part in PARTS if part in found] == []


def reasons(house: House, booking_id: str) -> list[str]:
    with house.database.statement() as connection:
        found = lines.of_booking(connection, booking_id, house.store.vault)
    return [line.change.why for line in found]


@pytest.fixture
def cancelled(service: House) -> tuple[House, str]:
    """An operator cancels a caller's booking, and types why."""
    service.opens_centre("1", starts=mornings(3))
    service.phone().books()
    ((booking_id,),) = rows_of(service.database, select(booking.c.id))
    by = By("operator", Channel.SUPERVISOR, WHY)
    with service.database.transaction() as connection:
        cancel(connection, service.store, booking_id, by=by)
    return service, booking_id


def test_what_an_operator_types_is_read_by_who_has_the_key_alone(cancelled: tuple[House, str]):
    made, booking_id = cancelled
    assert_sealed(made.database)
    assert reasons(made, booking_id) == ["", WHY]


def test_what_an_operator_types_goes_with_the_booking(cancelled: tuple[House, str]):
    made, booking_id = cancelled
    clock_of(made).advance(timedelta(days=200))
    erase_data(made.store)
    assert rows_of(made.database, select(history_reason)) == []
    assert reasons(made, booking_id) == ["", TYPED]


def test_what_an_operator_types_goes_with_the_person(cancelled: tuple[House, str]):
    made, booking_id = cancelled
    with made.database.transaction() as connection:
        person_rows.erase(connection, made.clock, Trail(bookings=(booking_id,)))
    assert reasons(made, booking_id) == ["", TYPED]


def test_a_reason_that_went_leaves_the_chain_whole(cancelled: tuple[House, str]):
    made, booking_id = cancelled
    chainer = Chainer(made.store, KEYS)
    assert chainer() > 0
    with made.database.transaction() as connection:
        person_rows.erase(connection, made.clock, Trail(bookings=(booking_id,)))
    assert verify_traces(chainer, None, limit=5, say=lambda _: None) == 0


def test_words_of_ours_cost_no_second_statement(service: House):
    with service.database.transaction() as connection:
        for why in sorted(WORDS):
            line = Change("system", "system", "cancelled", why)
            lines.add(connection, service.clock, service.store.vault, "B1", line)
    assert rows_of(service.database, select(history_reason)) == []
    assert reasons(service, "B1") == sorted(WORDS)


def test_why_a_centre_closed_is_sealed_and_agents_read_it_at_its_case(service: House):
    service.opens_centre("1", starts=mornings(1))
    service.phone().books()
    life = CentreLife(
        service.store,
        Campaigns.fixed(service.campaign),
        directory=Directory(service.database, centres_fresh_seconds=0),
    )
    life.close_centre("1", OperationRequest(WHY))
    assert_sealed(service.database)
    with service.database.statement() as connection:
        (case,) = cases.waiting(connection, limit=5, vault=service.store.vault)
    assert case.why == WHY
    assert [one.why for one in life.newest(limit=5)] == [WHY]
    clock_of(service).advance(timedelta(days=366))
    erase_data(service.store)
    assert [one.why for one in life.newest(limit=5)] == [""]


# ---------------------------------------------------------------- what once lay in clear


@pytest.fixture
def before(service: House) -> Store:
    """Two lines that an earlier version wrote with their reason in clear, and chained so.

    What was typed is sealed beside its line since, which is empty.
    """
    line: dict[str, object] = {
        "booking_id": "B1",
        "at": NOON,
        "who": "operator",
        "channel": "supervisor",
        "what": "cancelled",
        "details": "{}",
    }
    store = service.store
    with store.database.transaction() as connection:
        connection.execute(insert(history), [line | {"why": ""}, line | {"why": lines.FREED}])
        sealed = store.vault.seal_text(WHY, lines.reason_place(1))
        connection.execute(insert(history_reason).values(id=1, why_enc=sealed))
        said = [
            (number, ("B1", "operator", "supervisor", "cancelled", why, "{}"))
            for number, why in ((1, WHY), (2, lines.FREED))
        ]
        chained = [Line(number, NOON, words) for number, words in said]
        links = Chainer(store, KEYS)._links(HISTORY, 0, b"", chained, NOON)
        assert traces.append(connection, HISTORY, 0, links)
    return store


def test_the_chain_of_before_is_whole_and_its_reasons_are_read(before: Store):
    assert_sealed(before.database)
    with before.database.statement() as connection:
        found = [line.change.why for line in lines.of_booking(connection, "B1", before.vault)]
    assert found == [WHY, lines.FREED]
    assert verify_traces(Chainer(before, KEYS), None, limit=5, say=lambda _: None) == 0


def test_a_reason_of_before_that_is_taken_away_breaks_the_chain(before: Store):
    execute(before.database, "DELETE FROM history_reason")
    assert verify_traces(Chainer(before, KEYS), None, limit=5, say=lambda _: None) == 1
