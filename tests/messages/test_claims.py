"""A message is delivered by one relay at a time, and what is known of it never goes backwards."""

from __future__ import annotations

import itertools
import threading

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import update

from models.database import Connection
from models.messages import claims, outbox
from models.messages.outbox import STATE_RANK, Retry
from models.messages.tables import message
from services.messages.deliver_message import LEASE
from services.messages.delivery_failures import record_delivery
from services.messages.write_message import write_message
from tests.support.house import MOBILE

RELAYS = 16
SID = "SM" + "1" * 32


def test_sixteen_relays_claim_one_message_and_one_gets_it(quiet_office):
    office = quiet_office
    ids = [office.writes() for _ in range(20)]
    together = threading.Barrier(RELAYS, timeout=30)

    def claim_all(_: int) -> list[str]:
        together.wait()
        mine = []
        for message_id in ids:
            with office.house.database.transaction() as connection:
                claimed = claims.claim(
                    connection, office.house.clock, office.house.store.vault, message_id, LEASE
                )
            if claimed:
                assert not claimed.ambiguous
                assert claimed.attempts == 1
                mine.append(claimed.id)
        return mine

    with ThreadPoolExecutor(RELAYS) as relays:
        claimed = list(itertools.chain(*relays.map(claim_all, range(RELAYS))))
    assert sorted(claimed) == sorted(ids)


def test_a_claim_lasts_as_long_as_its_lease_and_then_is_in_doubt(quiet_office):
    office = quiet_office
    message_id = office.writes()

    def claim() -> Any:
        with office.house.database.transaction() as connection:
            return claims.claim(
                connection, office.house.clock, office.house.store.vault, message_id, LEASE
            )

    assert claim().ambiguous is False
    assert claim() is None
    office.later(seconds=24)
    assert claim() is None
    office.later(seconds=1)
    second = claim()
    assert (second.ambiguous, second.attempts) == (True, 2)


def test_a_claim_that_is_rolled_back_was_never_made(quiet_office):
    office = quiet_office
    message_id = office.writes()

    def dies() -> None:
        with office.house.database.transaction() as connection:
            assert claims.claim(
                connection, office.house.clock, office.house.store.vault, message_id, LEASE
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dies()
    assert office.state(message_id) == "pending"
    assert office.row(message_id).attempts == 0


def test_a_message_is_stored_once_whatever_is_tried(quiet_office):
    office = quiet_office
    message_id = office.writes()
    new = outbox.NewMessage("f" * 32, "sms", "test:1", "+33612345679", {"body": "another"})
    with office.house.database.transaction() as connection:
        assert not outbox.add(connection, office.house.clock, office.house.store.vault, new)
    assert [row.id for row in office.house.messages()] == [message_id]


def test_written_message_is_gone_when_its_transaction_rolls_back(quiet_office):
    house = quiet_office.house

    def write(connection: Connection) -> str | None:
        return write_message(
            connection, house.store, "sms", MOBILE, {"body": "Bonjour"}, key="test:once"
        )

    with house.database.engine.connect() as connection, connection.begin() as cause:
        assert write(connection)
        cause.rollback()
    assert house.messages() == []
    with house.database.transaction() as connection:
        written = write(connection)
    assert [row.id for row in house.messages()] == [written]


# ---------------------------------------------------------------- reports in any order


@pytest.mark.parametrize(
    ("reports", "end"),
    [
        (("queued", "sent", "failed"), "failed"),
        (("queued", "sent", "undelivered"), "undelivered"),
        (("sent", "undelivered", "failed"), "undelivered"),
        (("queued", "sent"), "sent"),
    ],
)
def test_fewer_reports_end_the_same_too(quiet_office, reports: tuple[str, ...], end: str):
    office = quiet_office
    message_id = office.writes()
    for order in itertools.permutations(reports):
        begin_again(office, message_id)
        highest = 0
        for report in order:
            record_delivery(office.house.store, SID, words(report), message_id=message_id)
            rank = STATE_RANK[office.state(message_id)]
            assert rank >= highest, "a state went backwards"
            highest = rank
        assert office.state(message_id) == end


def test_a_report_without_our_id_finds_its_text_by_the_providers(quiet_office):
    office = quiet_office
    message_id = office.writes()
    with office.house.database.transaction() as connection:
        claims.claim(connection, office.house.clock, office.house.store.vault, message_id, LEASE)
        outbox.sent(connection, office.house.clock, message_id, SID)
    assert record_delivery(office.house.store, SID, "delivered")
    assert office.state(message_id) == "delivered"


@pytest.mark.parametrize("report", ["sent", "delivered", "undelivered", "failed"])
def test_a_report_that_is_quicker_than_our_own_note_is_kept(quiet_office, report: str):
    """The provider's callback arrives before its answer to us has been read and noted."""
    office = quiet_office
    message_id = office.writes()
    with office.house.database.transaction() as connection:
        claims.claim(connection, office.house.clock, office.house.store.vault, message_id, LEASE)
    assert record_delivery(office.house.store, SID, report, message_id=message_id)
    with office.house.database.transaction() as connection:
        outbox.sent(connection, office.house.clock, message_id, SID)
    row = office.row(message_id)
    assert (row.state, row.provider_sid) == (report, SID)
    office.later(minutes=5)
    with office.house.database.statement() as connection:
        assert claims.due(connection, office.house.clock, ("sms",), limit=9) == []


@pytest.mark.parametrize("report", ["delivered", "failed"])
def test_a_late_put_back_does_not_wake_a_text_whose_end_is_known(quiet_office, report: str):
    office = quiet_office
    message_id = office.writes()
    with office.house.database.transaction() as connection:
        claimed = claims.claim(
            connection, office.house.clock, office.house.store.vault, message_id, LEASE
        )
    assert claimed is not None
    record_delivery(office.house.store, SID, report, message_id=message_id)
    for ambiguous in (True, False):
        with office.house.database.transaction() as connection:
            again = Retry(timedelta(0), "x", ambiguous)
            outbox.put_back(connection, office.house.clock, claimed, again)
    assert office.state(message_id) == report


def begin_again(office: Any, message_id: str) -> None:
    with office.house.database.transaction() as connection:
        connection.execute(
            update(message)
            .where(message.c.id == message_id)
            .values(
                state="sending",
                provider_sid=None,
                error_code=None,
                sent_at=None,
                lease_until=office.house.clock.at(LEASE),
            )
        )


def words(report: str) -> str:
    """The provider's word in ours, as the webhook translates it."""
    return "sent" if report == "queued" else report
