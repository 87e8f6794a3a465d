"""From the outbox to the provider, by its own client over real HTTP, through every mishap."""

from __future__ import annotations

import json
import threading

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import update
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

from jobs import scheduler
from jobs.timed import Task
from models.desk import cases
from models.messages import outbox
from models.messages.outbox import NewMessage
from models.messages.tables import message
from services.booking.confirm_booking import Booked
from services.messages.deliver_message import DeliveryDependencies
from services.messages.notices import ReadyNotice
from services.messages.topics import Topic
from services.ports import Busy, NoAnswer, ProviderRefused
from tests.support.house import BASE, MOBILE, House, mornings
from tests.support.leads import ALONE
from tests.support.office import Office, Provider
from tests.support.rows import change, confirms, holds, near


def test_a_text_leaves_and_its_reports_come_back(office: Office, provider: Provider):
    message_id = office.writes(body="Votre rendez-vous : mardi à 9 h 20. Réf 04 52 17 88 03")
    assert office.delivers(message_id) == "sent"
    (text,) = provider.texts()
    assert (text.recipient, text.sender) == (MOBILE, "AlloRDV")
    assert text.body == "Votre rendez-vous : mardi à 9 h 20. Réf 04 52 17 88 03"
    # Only our own id travels in the address, where logs may see it.
    assert text.status_callback == f"{BASE}/sms/status?m={message_id}"
    row = office.row(message_id)
    assert (row.state, row.provider_sid, row.attempts) == ("sent", text.sid, 1)

    provider.reports()
    assert office.state(message_id) == "delivered"
    assert office.delivers(message_id) == "not due"
    assert len(provider.texts()) == 1


def test_a_phone_that_is_off_is_undelivered(office: Office, provider: Provider):
    provider.faults.set({"undeliverable": {MOBILE: 30003}})
    message_id = office.writes()
    office.delivers(message_id)
    provider.reports()
    row = office.row(message_id)
    assert (row.state, row.error_code) == ("undelivered", "30003")
    assert office.sweeps() == 0


class Refusing:
    """A provider that wants no text of ours, for a reason of its own."""

    def __init__(self, code: str) -> None:
        self.code, self.asked = code, 0

    def send(self, *_: Any, **__: Any) -> str:
        self.asked += 1
        raise ProviderRefused(self.code)

    def find(self, *_: Any) -> None:
        return None


@pytest.mark.parametrize("code", ["21211", "21614", "21635", "21610", "21612", "20001"])
def test_a_number_that_is_refused_is_not_tried_again(office: Office, code: str):
    message_id = office.writes()
    provider = Refusing(code)
    assert office.delivers(message_id, provider) == "refused"
    row = office.row(message_id)
    assert (row.state, row.error_code) == ("failed", code)
    for _ in range(4):
        office.later(hours=12)
        office.sweeps(provider)
    assert provider.asked == 1


@pytest.mark.parametrize("code", ["20003", "20005", "21606", "21212", "21608", "21267", "21660"])
def test_what_is_wrong_with_our_own_account_waits_for_its_operator(
    office: Office, provider: Provider, code: str
):
    """Every text would fail so: none of them is a dead end, and nobody is rung instead."""
    message_id = office.writes()
    for _ in range(5):
        assert office.delivers(message_id, Refusing(code)) == "busy"
        assert (office.state(message_id), office.row(message_id).error_code) == ("pending", code)
        office.later(minutes=5)
    assert office.delivers(message_id) == "sent"


def test_too_many_requests_is_tried_again_when_the_provider_says(
    office: Office, provider: Provider
):
    provider.does_next({"429": 17})
    message_id = office.writes()
    assert office.delivers(message_id) == "busy"
    row = office.row(message_id)
    assert (row.state, row.error_code) == ("pending", "20429")

    office.later(seconds=16)
    assert office.delivers(message_id) == "not due"
    office.later(seconds=1)
    assert office.delivers(message_id) == "sent"
    assert len(provider.texts()) == 1


def test_a_text_that_was_taken_while_the_line_broke_is_found_and_not_sent_twice(
    office: Office, provider: Provider
):
    provider.does_next("cut")
    message_id = office.writes()
    assert office.delivers(message_id) == "no answer"
    (text,) = provider.texts()

    office.later(seconds=4)
    assert office.delivers(message_id) == "not due"
    office.later(seconds=1)
    assert office.delivers(message_id) == "found"
    assert provider.texts() == [text]
    assert office.row(message_id).provider_sid == text.sid


def test_the_look_up_mistakes_no_other_text_for_this_one(office: Office, provider: Provider):
    """Two bookings of one family, one number: each has its own reference, and gets its own text."""
    first, second = office.writes(), office.writes()
    office.delivers(first)
    provider.does_next("500")
    office.delivers(second)
    office.later(seconds=5)
    assert office.delivers(second) == "sent"
    assert len({text.body for text in provider.texts(MOBILE)}) == 2


def test_a_provider_that_is_down_is_tried_again_and_nothing_is_in_doubt(
    office: Office, provider: Provider, nobody_there: str, to: Any
):
    message_id = office.writes()
    down = to(nobody_there)
    for wait in (5, 10, 20, 40):
        assert office.delivers(message_id, down) == "busy"
        row = office.row(message_id)
        assert (row.state, row.error_code) == ("pending", "unreachable")
        office.later(seconds=wait - 1)
        assert office.delivers(message_id) == "not due"
        office.later(seconds=1)
    assert office.delivers(message_id) == "sent"
    assert len(provider.texts()) == 1
    down._http.session.close()


def test_a_proxy_of_the_machine_is_not_asked_for_the_stand_in(
    office: Office, provider: Provider, nobody_there: str, monkeypatch: pytest.MonkeyPatch
):
    """Behind a company's proxy the stand-in on this very machine must still be reached."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, nobody_there)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    message_id = office.writes()
    assert office.delivers(message_id) == "sent"
    assert len(provider.texts()) == 1


def test_a_relay_whose_look_up_took_too_long_does_not_send_what_another_is_sending(
    office: Office, provider: Provider
):
    """Its lease ran out while it was looking: whoever has the lease now sends, and nobody else."""
    provider.does_next("500")
    message_id = office.writes()
    office.delivers(message_id)
    office.later(seconds=5)
    quick = office.messenger

    class Slow:
        def find(self, *_: Any) -> None:
            office.later(seconds=26)
            office.delivers(message_id, quick)

        def send(self, *arguments: Any) -> str:
            return str(quick.send(*arguments))

    office.delivers(message_id, Slow())
    assert len(provider.texts()) == 1


def test_a_rolled_back_booking_sends_nothing(service: House, office: Office, provider: Provider):
    service.opens_centre("1", starts=mornings(1))
    caller = service.phone(MOBILE).goes_to("reach").presses("1")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("ivr.conversation.render", _fails)
        caller.presses("1").hears_text("Un instant")
    assert service.woken.messages == []
    assert office.sweeps() == 0
    assert provider.texts() == []

    caller.goes_to("reference")
    assert office.sweeps() == 1
    (text,) = provider.texts()
    assert service.bookings()[0].reference in text.body.replace(" ", "")


def test_a_message_that_nobody_has_words_for_waits(service: House, office: Office):
    """A promise to tell some news by a call, where no part of the house can tell it."""
    promise = NewMessage("c" * 32, "callback", "call:news", MOBILE, {"news": "opening"})
    with service.database.transaction() as connection:
        assert outbox.add(connection, service.clock, service.store.vault, promise)
    for _ in range(3):
        assert office.sweeps() == 1
        assert (office.state(promise.id), office.row(promise.id).attempts) == ("pending", 0)
        office.later(minutes=15)


# ---------------------------------------------------------------- the messenger by itself


@pytest.mark.parametrize(("fault", "error"), [("cut", NoAnswer), ("500", NoAnswer), ("429", Busy)])
def test_the_look_up_fails_in_the_same_words(
    office: Office, provider: Provider, fault: str, error: type[Exception]
):
    provider.does_next(fault)
    with pytest.raises(error):
        office.messenger.send("0" * 32, MOBILE, "x")


@pytest.mark.parametrize(
    ("status", "error"), [(500, NoAnswer), (429, Busy), (403, ProviderRefused)]
)
def test_so_does_a_list_of_texts(
    office: Office, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
):
    """The provider's client has another exception for a list than for all else."""
    body = json.dumps({"code": 20000 + status, "status": status})
    answer = Response(status, body, {"Retry-After": "30"})
    monkeypatch.setattr(TwilioHttpClient, "request", lambda *_, **__: answer)
    with pytest.raises(error) as told:
        office.messenger.find(MOBILE, "x", office.house.clock.now())
    assert getattr(told.value, "after", timedelta(seconds=30)) == timedelta(seconds=30)
    assert str(told.value) == str(20000 + status)


def test_after_how_long_is_not_remembered_from_an_earlier_answer(
    office: Office, provider: Provider, nobody_there: str, to: Any
):
    """One messenger serves eight threads: what one answer said must not colour another's."""
    provider.does_next({"429": 300})
    slowed, refused = office.writes(), office.writes()
    assert office.delivers(slowed) == "busy"
    office.messenger._http._base = to(nobody_there)._http._base
    assert office.delivers(refused) == "busy"
    waited = office.row(refused).due_at - office.house.clock.now()
    assert waited.total_seconds() == 5


def _fails(*_: Any) -> str:
    raise ZeroDivisionError


class Killed(BaseException):
    """A relay that is killed has no time to catch anything."""


# ---------------------------------------------------------------- one that is not right


def test_one_that_cannot_be_opened_holds_up_no_other(office: Office, provider: Provider):
    """The oldest of all, sealed with a key that nobody has any more: all the others leave."""
    spoilt = office.writes()
    others = [office.writes(f"+3361235{number:04d}") for number in range(40)]
    sealed = office.row(others[0]).payload_enc
    change(
        office.house.database,
        update(message).where(message.c.id == spoilt).values(payload_enc=sealed),
    )
    assert office.sweeps() == 41
    assert {office.state(other) for other in others} == {"sent"}
    # It is not lost: with the key it may be opened again.
    row = office.row(spoilt)
    assert (row.state, row.error_code) == ("pending", "unreadable")
    assert office.sweeps() == 0
    office.later(minutes=5)
    assert office.sweeps() == 1


def test_one_whose_words_cannot_be_made_holds_up_no_other_and_is_looked_at(
    office: Office, provider: Provider
):
    wrong = NewMessage(
        "c" * 32, "booking_changed", "changed:x", MOBILE, {"what": "?"}, topic=Topic.CHANGE
    )
    with office.house.database.transaction() as connection:
        assert outbox.add(connection, office.house.clock, office.house.store.vault, wrong)
    others = [office.writes(f"+3361235{number:04d}") for number in range(40)]
    office = replace(office, means=DeliveryDependencies(notices={"booking_changed": _has_no_words}))
    assert office.sweeps() == 41
    assert {office.state(other) for other in others} == {"sent"}
    # It is a case for somebody at once, and ends.
    assert office.state(wrong.id) == "dropped"
    with office.house.database.statement() as connection:
        (case,) = cases.waiting(connection, limit=9)
    assert (case.message_id, case.why) == (wrong.id, "change unwritten")


def _has_no_words(*_: Any) -> ReadyNotice:
    raise ZeroDivisionError


def test_a_long_sweep_holds_up_nothing_else_of_the_scheduler():
    """A morning's reminders take longer than a freed place is kept for the next."""
    stop, passed_on, seen = threading.Event(), threading.Event(), list[bool]()

    def sweeps() -> int:
        seen.append(passed_on.wait(10))
        stop.set()
        return 0

    def passes_on() -> int:
        passed_on.set()
        return 0

    scheduler.work([Task("sweep", 15, sweeps), Task("waiting", 3, passes_on)], stop, ALONE)
    assert seen == [True]


def test_a_confirmation_that_was_held_up_leaves_where_it_was_asked_for(
    whole_office: Office, provider: Provider
):
    """Nobody can be reached at that number otherwise; it is told what is booked all the same."""
    house = whole_office.house
    house.opens_centre("1", starts=mornings(3, first=5))
    held = holds(house, "CA-1", near=near(house))[0]
    booked = confirms(house, "CA-1", held, text_to=MOBILE)
    assert isinstance(booked, Booked)
    whole_office.later(minutes=5)
    assert whole_office.delivers(str(booked.message_id)) == "sent"
    assert len(provider.texts(MOBILE)) == 1
