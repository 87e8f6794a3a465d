"""Whoever has an appointment that is changed is told of what it is now, once, the right way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.booking.tables import booking
from models.clock import FixedClock
from models.desk import cases
from models.messages import claims
from models.queue.tables import queue_entry
from models.supervision import alerts
from services.booking.change_booking import cancel, undo_cancel
from services.booking.changed import By
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.centres.directory import Directory
from services.messages.change_notices import renders
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.messages.notices import ReadyNotice
from services.messages.write_message import write_message
from services.slots.allocate import Channel, Holder
from tests.support.house import LANDLINE, MOBILE, campaign_with, mornings
from tests.support.office import Office, Provider

# Nine o'clock in the evening in Paris.
EVENING = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
NUMBER = "+33974750001"
BY_PHONE = By("the caller", Channel.PHONE)
BY_US = By("supervisor1", Channel.SUPERVISOR)


def books(office: Office, number: str = MOBILE, *, first: int = 5) -> str:
    office.house.opens_centre("1", starts=mornings(6, first=first))
    caller = office.house.phone(number).goes_to("reach")
    caller.presses("1" if number == MOBILE else "2").goes_to("reference")
    office.sweeps()
    with office.house.database.statement() as connection:
        return str(connection.execute(select(booking.c.id)).scalar_one())


def cancels(office: Office, booking_id: str, by: By = BY_PHONE) -> None:
    house = office.house
    with house.database.transaction() as connection:
        cancel(connection, house.store, booking_id, by=by)


def restores(office: Office, booking_id: str, by: By = BY_PHONE) -> None:
    house = office.house
    with house.database.transaction() as connection:
        holder = Holder(by.channel, "somebody")
        undo_cancel(connection, house.store, house.campaign, holder, booking_id, by=by)


def kinds(office: Office) -> list[tuple[str, str, str, str | None]]:
    rows = office.house.messages()
    return [(row.kind, row.topic, row.state, row.way) for row in rows if row.kind != "sms"]


def at(office: Office, moment: datetime) -> None:
    assert isinstance(office.house.clock, FixedClock)
    office.house.clock.moment = moment


def test_a_cancellation_is_written_to_its_person(whole_office: Office, provider: Provider):
    booking_id = books(whole_office)
    cancels(whole_office, booking_id)
    assert whole_office.sweeps() == 1
    assert kinds(whole_office) == [("booking_cancelled", "cancellation", "sent", "text")]
    text = provider.texts(MOBILE)[-1]
    assert "annulé" in text.body
    assert "09 74 75 00 01" in text.body
    (row,) = whole_office.house.messages("booking_cancelled")
    assert row.parts == 1


def test_of_two_changes_in_a_row_the_last_one_tells(whole_office: Office, provider: Provider):
    booking_id = books(whole_office)
    cancels(whole_office, booking_id)
    restores(whole_office, booking_id)
    whole_office.sweeps()
    assert kinds(whole_office) == [
        ("booking_cancelled", "cancellation", "dropped", None),
        ("booking_changed", "restored", "sent", "text"),
    ]
    confirmation, restored = provider.texts(MOBILE)
    assert restored.body != confirmation.body
    assert "rétabli" in restored.body


@pytest.mark.parametrize(
    ("by", "first", "leaves"),
    [
        # Whoever did it waits for it; what we did waits for the morning.
        (BY_PHONE, 5, "sent"),
        (BY_US, 5, "pending"),
        # Unless the appointment is early tomorrow: then it cannot wait.
        (BY_US, 1, "sent"),
    ],
)
def test_at_night(whole_office: Office, provider: Provider, by: By, first: int, leaves: str):
    booking_id = books(whole_office, first=first)
    at(whole_office, EVENING)
    cancels(whole_office, booking_id, by)
    whole_office.sweeps()
    assert [state for _, _, state, _ in kinds(whole_office)] == [leaves]
    at(whole_office, EVENING + timedelta(hours=11))
    whole_office.sweeps()
    assert [state for _, _, state, _ in kinds(whole_office)] == ["sent"]


def test_a_landline_is_rung_about_a_change_and_costs_no_text(
    whole_office: Office, provider: Provider
):
    booking_id = books(whole_office, LANDLINE)
    cancels(whole_office, booking_id, BY_US)
    restores(whole_office, booking_id, BY_US)
    whole_office.sweeps()
    assert kinds(whole_office)[-1] == ("booking_changed", "restored", "sent", "call")
    assert provider.texts() == []
    with whole_office.house.database.statement() as connection:
        (call,) = connection.execute(
            select(queue_entry).where(queue_entry.c.message_id.is_not(None))
        )
    assert (call.reason, call.mode) == ("appointment", "machine")


def test_what_has_begun_is_told_to_nobody(whole_office: Office, provider: Provider):
    booking_id = books(whole_office)
    cancels(whole_office, booking_id)
    whole_office.later(days=6)
    whole_office.sweeps()
    assert kinds(whole_office)[0][2] == "dropped"
    with whole_office.house.database.statement() as connection:
        assert cases.waiting(connection, limit=9) == []


def test_whom_we_move_is_rung_where_the_campaign_does_without_that_text(whole_office: Office):
    """Nobody may find a closed door because a text was saved."""
    house = whole_office.house
    booking_id = books(whole_office)
    house.opens_centre("2", starts=mornings(6, first=5))
    directory = Directory(house.database, centres_fresh_seconds=0)
    CentreLife(house.store, Campaigns.fixed(house.campaign), directory=directory).close_centre(
        "1", OperationRequest("la salle est inondée")
    )
    (row,) = house.messages("booking_changed")
    render = renders(lambda _: campaign_with(texts=("confirmation",)), NUMBER)["booking_changed"]
    with house.database.transaction() as connection:
        lease = timedelta(seconds=25)
        claimed = claims.claim(connection, house.clock, house.store.vault, row.id, lease)
        assert claimed is not None
        ready = render(connection, house.store, claimed)
    assert isinstance(ready, ReadyNotice)
    assert ready.text == ""
    assert ready.call is not None
    assert ready.call.known["booking_id"] == booking_id


# ---------------------------------------------------------------- no words


def without_words(office: Office, booking_id: str) -> str:
    """A change in the outbox that cannot be told, as an earlier version wrote some."""
    house = office.house
    told = {"what": "moved", "reference": "4521738908", "operation": "x", "kind": "centre_closed"}
    at_the_same_hour = {
        "dose": 1,
        "became": "moved",
        "start": mornings(6, first=5)[0].isoformat(),
        "was": None,
        **dict.fromkeys(("centre_id", "name", "street", "postcode", "town"), "1"),
    }
    with house.database.transaction() as connection:
        message_id = write_message(
            connection,
            house.store,
            "booking_changed",
            MOBILE,
            {**told, "doses": [at_the_same_hour]},
            key="unwritten",
            topic="closed",
            booking_id=booking_id,
        )
    assert message_id is not None
    return message_id


def test_a_message_without_words_is_a_case_and_an_alert_at_its_first_try(
    whole_office: Office, provider: Provider
):
    booking_id = books(whole_office)
    message_id = without_words(whole_office, booking_id)
    assert whole_office.delivers(message_id) == "case"
    house = whole_office.house
    with house.database.statement() as connection:
        (case,) = cases.waiting(connection, limit=9)
        (alert,) = alerts.raised(connection)
    assert (case.kind, case.why) == ("unwritten", "closed unwritten")
    assert (case.booking_id, case.message_id) == (booking_id, message_id)
    assert (alert.name, alert.value) == ("unwritten", 1)
    # Nothing is tried again.
    whole_office.later(days=1)
    assert whole_office.sweeps() == 0
    assert kinds(whole_office) == [("booking_changed", "closed", "dropped", None)]


def test_a_database_that_is_away_is_no_lack_of_words(whole_office: Office, provider: Provider):
    booking_id = books(whole_office)
    cancels(whole_office, booking_id)
    (row,) = whole_office.house.messages("booking_cancelled")

    def away(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionError())

    means = DeliveryDependencies(notices={"booking_cancelled": away})
    store = whole_office.house.store
    assert deliver_message(store, whole_office.messenger, row.id, means) == "error"
    with store.database.statement() as connection:
        assert cases.waiting(connection, limit=9) == []
    whole_office.later(minutes=1)
    whole_office.sweeps()
    assert kinds(whole_office) == [("booking_cancelled", "cancellation", "sent", "text")]


# ---------------------------------------------------------------- an answer that is lost


def test_the_words_that_left_are_looked_for_and_not_the_words_of_now(
    whole_office: Office, provider: Provider
):
    """The line breaks while a notice leaves, and what it tells changes before it is looked up."""
    office = whole_office
    booking_id = books(office)
    cancels(office, booking_id)
    (row,) = office.house.messages("booking_cancelled")
    provider.does_next("cut")
    assert office.delivers(row.id) == "no answer"
    restores(office, booking_id)
    office.later(seconds=5)
    assert office.delivers(row.id) == "found"
    assert len([text for text in provider.texts(MOBILE) if "annulé" in text.body]) == 1


def test_a_notice_that_never_left_is_made_anew(whole_office: Office, provider: Provider):
    office = whole_office
    booking_id = books(office)
    cancels(office, booking_id)
    (row,) = office.house.messages("booking_cancelled")
    provider.does_next("500")
    assert office.delivers(row.id) == "no answer"
    restores(office, booking_id)
    office.later(seconds=5)
    assert office.delivers(row.id) == "dropped"
    assert not any("annulé" in text.body for text in provider.texts(MOBILE))


def test_a_relay_that_lost_its_claim_while_it_made_the_words_sends_nothing(
    whole_office: Office, provider: Provider
):
    office = whole_office
    booking_id = books(office)
    cancels(office, booking_id)
    (row,) = office.house.messages("booking_cancelled")
    real, nested = office.means.notices["booking_cancelled"], list[str]()

    def slow(*arguments: Any) -> ReadyNotice | Any:
        if not nested:
            nested.append("…")
            office.later(seconds=26)
            nested.append(office.delivers(row.id))
        return real(*arguments)

    office.means.notices["booking_cancelled"] = slow  # type: ignore[index]
    assert office.delivers(row.id) == "taken over"
    assert nested[1] == "sent"
    assert len(provider.texts(MOBILE)) == 2
