"""What the provider keeps of an erased person is deleted there too, however often it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from sqlalchemy import select

from ivr.messenger import TwilioMessenger
from ivr.records import TwilioRecords
from models.agents import legs
from models.agents.legs import NewLeg
from models.agents.tables import leg
from models.booking.tables import booking
from models.messages.tables import message
from models.operations import provider_records
from models.operations.provider_records import provider_record
from services.ports import Busy, NoAnswer, ProviderRefused
from services.privacy.erase_at_provider import LATER, erase_at_provider
from services.privacy.erase_data import erase_data
from tests.support.house import ACCOUNT, BASE, LANDLINE, MOBILE, TOKEN, House, mornings
from tests.support.office import Provider as Exchange
from tests.support.rows import change, clock_of, rows_of

DAY = timedelta(days=1)
TEXT = f"SM{1:032x}"


class Provider:
    """What the provider has; `answers` are what it says to the next requests instead of obeying."""

    def __init__(self, *sids: str, answers: Sequence[Exception] = ()) -> None:
        self.kept, self.answers = set(sids), list(answers)

    def delete(self, sid: str) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.kept.discard(sid)


@pytest.fixture
def booked(service: House) -> House:
    """A caller has booked and got a text, which the provider calls TEXT."""
    service.opens_centre("1", starts=mornings(40), capacity=2)
    service.phone(MOBILE).goes_to("reach").answers("1").goes_to("reference").answers("1")
    change(service.database, message.update().values(provider_sid=TEXT, state="delivered"))
    return service


def call_of(house: House) -> str:
    ((sid,),) = rows_of(house.database, select(booking.c.call_id))
    return str(sid)


def waiting(house: House) -> set[str]:
    return {row[0] for row in rows_of(house.database, select(provider_record.c.sid))}


def moves(house: House, by: timedelta) -> None:
    clock_of(house).advance(by)
    erase_data(house.store)


def test_a_day_after_the_call_the_provider_deletes_it(booked: House):
    provider = Provider(sid := call_of(booked), TEXT)
    moves(booked, timedelta(hours=23))
    assert erase_at_provider(booked.store, provider) == 0
    moves(booked, timedelta(hours=2))
    assert erase_at_provider(booked.store, provider) == 1
    assert provider.kept == {TEXT}
    assert waiting(booked) == set()
    assert sid not in provider.kept


def test_with_the_booking_its_text_is_deleted_and_no_id_of_the_provider_stays(booked: House):
    provider = Provider(call_of(booked), TEXT)
    moves(booked, 100 * DAY)
    assert erase_at_provider(booked.store, provider) == 2
    assert provider.kept == set()
    columns = (booking.c.call_id, booking.c.reference_enc)
    assert [tuple(row) for row in rows_of(booked.database, select(*columns))] == [(None, None)]
    kept = select(message.c.provider_sid, message.c.call_id)
    assert {tuple(row) for row in rows_of(booked.database, kept)} == {(None, None)}
    assert waiting(booked) == set()


def test_whom_we_rang_is_erased_and_their_call_deleted(service: House):
    new = NewLeg(service.store.chance.identifier(), "callback", "", LANDLINE)
    with service.database.transaction() as connection:
        legs.add(connection, service.clock, service.store.vault, new)
    change(service.database, leg.update().values(provider_sid="CA-rung"))
    moves(service, 29 * DAY)
    assert waiting(service) == set()
    moves(service, 2 * DAY)
    assert waiting(service) == {"CA-rung"}
    assert rows_of(service.database, select(leg.c.to_enc)) == [(None,)]


@pytest.mark.parametrize(
    ("answer", "later"),
    [
        (NoAnswer("500"), LATER),
        (ProviderRefused("20009"), LATER),
        (Busy("20429", timedelta(seconds=90)), timedelta(seconds=90)),
    ],
)
def test_what_was_not_deleted_is_tried_again_later(
    booked: House, answer: Exception, later: timedelta
):
    moves(booked, 2 * DAY)
    provider = Provider(sid := call_of(booked), answers=[answer])
    assert erase_at_provider(booked.store, provider) == 0
    ((tries, code),) = rows_of(
        booked.database, select(provider_record.c.tries, provider_record.c.error_code)
    )
    assert tries == 1
    assert code
    clock_of(booked).advance(later - timedelta(seconds=1))
    assert erase_at_provider(booked.store, provider) == 0
    assert sid in provider.kept
    clock_of(booked).advance(timedelta(seconds=1))
    assert erase_at_provider(booked.store, provider) == 1
    assert provider.kept == set()


def test_a_pause_that_the_provider_wants_is_one_for_all(booked: House):
    moves(booked, 100 * DAY)
    provider = Provider(answers=[Busy("20429", None)])
    assert erase_at_provider(booked.store, provider) == 0
    assert provider.answers == []
    assert len(waiting(booked)) == 2


def test_how_many_wait_is_a_gauge(booked: House):
    moves(booked, 100 * DAY)
    told = booked.app.test_client().get("/metrics").text
    assert "allo_provider_records_waiting 2.0" in told
    with booked.database.statement() as connection:
        assert provider_records.waiting(connection) == 2


# ---------------------------------------------------------------- by the provider's own paths


@pytest.fixture
def records(provider: Exchange) -> Iterator[TwilioRecords]:
    """The service's own client, and behind it a server that has the provider's published paths."""
    made = TwilioRecords(ACCOUNT, TOKEN, api_base_url=provider.url)
    yield made
    made._http.session.close()


def test_a_text_is_deleted_once_it_has_arrived(
    provider: Exchange, messenger: TwilioMessenger, records: TwilioRecords
):
    sid = messenger.send("M1", MOBILE, "Bonjour")
    with pytest.raises(ProviderRefused, match="20009"):
        records.delete(sid)
    provider.reports()
    records.delete(sid)
    assert provider.texts() == []
    # A copy of the request, or one that comes late, finds nothing to do.
    records.delete(sid)


def test_a_call_is_deleted_once_it_is_over(provider: Exchange, records: TwilioRecords):
    calls = records._client.calls
    made = calls.create(to=LANDLINE, from_="+33974750001", url=f"{BASE}/voice/incoming")
    with pytest.raises(ProviderRefused, match="20009"):
        records.delete(made.sid)
    calls(made.sid).update(status="canceled")
    records.delete(made.sid)
    assert provider.simulator.calls.get(made.sid) is None
    records.delete(made.sid)


def test_what_the_provider_says_is_told_in_our_words(
    provider: Exchange, messenger: TwilioMessenger, records: TwilioRecords, nobody_there: str
):
    sid = messenger.send("M1", MOBILE, "Bonjour")
    provider.reports()
    provider.does_next({"429": 17}, "500")
    with pytest.raises(Busy) as busy:
        records.delete(sid)
    assert busy.value.after == timedelta(seconds=17)
    with pytest.raises(NoAnswer):
        records.delete(sid)
    assert [text.sid for text in provider.texts()] == [sid]
    away = TwilioRecords(ACCOUNT, TOKEN, api_base_url=nobody_there)
    with pytest.raises(Busy):
        away.delete(sid)
    away._http.session.close()
