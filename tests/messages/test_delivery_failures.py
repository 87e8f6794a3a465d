"""What did not come to its person is tried otherwise, then looked at by somebody; never silence."""

from __future__ import annotations

import itertools

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import delete, select, update

from models.desk import cases
from models.messages import outbox
from models.messages.tables import message, phone_line
from models.queue.tables import queue_entry
from services.messages import phone_capabilities
from services.messages.delivery_failures import record_delivery
from services.messages.phone_capabilities import ContactWay
from services.messages.told_texts import name_of_words
from services.messages.topics import MANNERS, Topic
from tests.messages.test_reminders import PARIS, cancels, moves
from tests.support.house import MOBILE, House, mornings
from tests.support.office import Office, Provider
from tests.support.rows import clock_of

SID = "SM" + "1" * 32
REPORTS = ("queued", "sent", "delivered", "undelivered", "failed")


def books(office: Office) -> tuple[str, str]:
    """A caller books by mobile; the ids of the booking and of its confirmation."""
    office.house.opens_centre("1", starts=mornings(3))
    office.house.phone(MOBILE).goes_to("reach").presses("1").goes_to("reference")
    (row,) = office.house.messages("sms")
    return row.booking_id, row.id


def reports(office: Office, message_id: str, state: str, code: str | None = None) -> bool:
    return record_delivery(office.house.store, SID, state, message_id=message_id, error_code=code)


def after(office: Office, **by: float) -> list[str]:
    """A while later, the outbox is swept; kinds and states of what there is."""
    office.later(**by)
    office.sweeps()
    return [f"{row.kind} {row.state}" for row in office.house.messages()]


def open_cases(house: House) -> list[cases.Case]:
    with house.database.statement() as connection:
        return list(cases.waiting(connection, limit=100))


def calls(house: House) -> list[Any]:
    """Promised calls that tell a message."""
    statement = select(queue_entry).where(queue_entry.c.message_id.is_not(None))
    with house.database.statement() as connection:
        return list(connection.execute(statement))


def way_of(house: House, number: str = MOBILE) -> ContactWay:
    with house.database.statement() as connection:
        return phone_capabilities.way_of(connection, house.store, number)


def test_a_telephone_that_was_off_is_written_to_once_more_then_rung_then_somebody_looks(
    whole_office: Office, provider: Provider
):
    office = whole_office
    booking_id, text = books(office)
    assert office.delivers(text) == "sent"
    reports(office, text, "undelivered", "30003")
    # Not at once: two hours later, when it may be on again.
    assert after(office, minutes=1) == ["sms undelivered", "follow_up pending"]
    office.later(minutes=118)
    assert office.sweeps() == 0
    assert after(office, minutes=1) == ["sms undelivered", "follow_up sent"]
    first, again = provider.texts(MOBILE)
    assert again.body == first.body
    (_, follow_up) = office.house.messages()
    assert (follow_up.way, follow_up.parts, follow_up.topic) == ("text", 1, "confirmation")

    # Off again: a call tells it, and no third text.
    reports(office, follow_up.id, "undelivered", "30003")
    assert after(office, minutes=1)[2] == "follow_up sent"
    assert len(provider.texts()) == 2
    (call,) = calls(office.house)
    third = office.house.messages()[2]
    assert (call.mode, call.message_id, third.way) == ("machine", third.id, "call")
    assert open_cases(office.house) == []

    # Nobody there either: somebody looks at it, with the booking before them.
    with office.house.database.transaction() as connection:
        assert outbox.move_state(
            connection, office.house.clock, third.id, "undelivered", error_code="rung in vain"
        )
    assert after(office, minutes=1)[3] == "follow_up dropped"
    (case,) = open_cases(office.house)
    assert (case.kind, case.booking_id, case.message_id) == ("undelivered", booking_id, text)
    assert case.why == "confirmation rung in vain"
    # And that is all.
    assert after(office, days=3) == after(office, days=3)
    assert len(open_cases(office.house)) == 1


def test_a_mobile_number_that_is_a_landline_is_remembered_and_rung(
    whole_office: Office, provider: Provider
):
    office = whole_office
    _, text = books(office)
    office.delivers(text)
    reports(office, text, "undelivered", "30006")
    after(office, minutes=1)
    assert len(calls(office.house)) == 1
    assert way_of(office.house) is ContactWay.CALL
    # The next text to it is none, and costs no try.
    again = office.writes(topic=Topic.AGAIN)
    assert office.delivers(again) == "dropped"
    assert office.row(again).error_code == "no way"
    assert len(provider.texts()) == 1


def refused(office: Office, text: str) -> ContactWay:
    """It leaves, is told to have met a landline, and that is looked at; the line's way then."""
    assert office.delivers(text) == "sent"
    reports(office, text, "undelivered", "30006")
    after(office, minutes=1)
    return way_of(office.house)


def dropped(office: Office, topic: Topic = Topic.AGAIN) -> bool:
    """Whether a text that is asked for now costs no try."""
    return office.delivers(office.writes(topic=topic)) != "sent"


def test_a_refusal_is_doubted_after_some_days_and_a_second_one_for_longer(
    office: Office, provider: Provider
):
    """A network's mistake makes no mobile a landline for good; nor is every text a paid try."""
    assert refused(office, office.writes(topic=Topic.AGAIN)) is ContactWay.CALL
    office.later(days=2)
    assert dropped(office)
    office.later(days=1)
    # Both leave on the same doubt; what the second report says is no second refusal.
    both = [office.writes(topic=Topic.AGAIN) for _ in range(2)]
    assert [office.delivers(one) for one in both] == ["sent", "sent"]
    for one in both:
        reports(office, one, "undelivered", "30006")
        after(office, minutes=1)
    assert way_of(office.house) is ContactWay.CALL
    office.later(days=4)
    assert dropped(office)
    office.later(days=26)
    # It arrives this time: texts go there again, without another doubt.
    assert not dropped(office)
    assert not dropped(office)
    assert way_of(office.house) is ContactWay.TEXT
    assert len(provider.texts()) == 5


def test_a_number_given_anew_is_tried_once_whatever_was_refused(office: Office, provider: Provider):
    assert refused(office, office.writes(topic=Topic.AGAIN)) is ContactWay.CALL
    office.later(minutes=5)
    assert refused(office, office.writes(topic=Topic.CONFIRMATION)) is ContactWay.CALL
    office.later(minutes=5)
    assert dropped(office, Topic.CONFIRMATION)
    assert len(provider.texts()) == 2


def test_a_landline_by_its_plan_is_not_doubted(service: House):
    with service.database.transaction() as connection:
        now = service.clock.now()
        phone_capabilities.remember_refusal(connection, service.store, "+33491223344", sent_at=now)
        phone_capabilities.remember_refusal(connection, service.store, "+33974750001", sent_at=now)
    clock_of(service).advance(timedelta(days=400))
    assert way_of(service, "+33491223344") is ContactWay.CALL
    assert way_of(service, "+33974750001") is ContactWay.CALL


def test_whoever_wants_no_texts_is_rung_about_what_they_must_know_and_nothing_else(
    whole_office: Office, provider: Provider
):
    office = whole_office
    booking_id, text = books(office)
    office.delivers(text)
    reports(office, text, "failed", "21610")
    assert after(office, minutes=1) == ["sms failed", "follow_up sent"]
    assert len(calls(office.house)) == 1
    reminder = office.writes(topic=Topic.REMINDER, booking_id=booking_id)
    assert office.delivers(reminder) == "dropped"
    assert office.row(reminder).error_code == "stopped"
    assert len(provider.texts()) == 1


@pytest.mark.parametrize("code", ["30004", "30005", "30007", "21211", "99999", None])
def test_any_other_failure_is_a_call_and_then_a_case(whole_office: Office, code: str | None):
    office = whole_office
    _, text = books(office)
    office.delivers(text)
    reports(office, text, "undelivered", code)
    after(office, minutes=1)
    (call,) = calls(office.house)
    assert way_of(office.house) is ContactWay.TEXT, "the line is as it was"
    with office.house.database.transaction() as connection:
        outbox.move_state(connection, office.house.clock, call.message_id, "undelivered")
    after(office, minutes=1)
    assert len(open_cases(office.house)) == 1


def test_what_nobody_needs_any_more_is_no_case(whole_office: Office, provider: Provider):
    """A reminder that came to nobody is not worth an agent's time."""
    office = whole_office
    text = office.writes(topic=Topic.REMINDER)
    office.delivers(text)
    reports(office, text, "undelivered", "30005")
    assert after(office, minutes=1) == ["sms undelivered", "follow_up dropped"]
    assert open_cases(office.house) == []
    assert not MANNERS[Topic.REMINDER].case


def test_somebody_elses_number_gets_nothing(whole_office: Office, provider: Provider):
    office = whole_office
    booking_id, text = books(office)
    with office.house.database.transaction() as connection:
        phone_capabilities.mark_wrong(connection, office.house.store, MOBILE)
    assert office.delivers(text) == "case"
    (case,) = open_cases(office.house)
    assert (case.booking_id, case.why) == (booking_id, "confirmation wrong")
    assert (provider.texts(), calls(office.house)) == ([], [])


def test_a_number_that_is_being_rung_for_something_else_waits_its_turn(whole_office: Office):
    office = whole_office
    _, text = books(office)
    with office.house.database.transaction() as connection:
        phone_capabilities.stop_texts(connection, office.house.store, MOBILE)
    first = office.delivers(text)
    second = office.writes(topic=Topic.CHANGE, booking_id=office.row(text).booking_id)
    assert (first, office.delivers(second)) == ("call", "line taken")
    row = office.row(second)
    assert (row.state, row.attempts) == ("pending", 0)
    assert row.due_at == office.house.clock.now() + timedelta(minutes=15)


# ---------------------------------------------------------------- reports in any order


def begin_again(office: Office, message_id: str) -> None:
    with office.house.database.transaction() as connection:
        connection.execute(delete(message).where(message.c.kind == outbox.FOLLOW_UP))
        connection.execute(delete(queue_entry))
        connection.execute(delete(phone_line))
        connection.execute(
            update(message)
            .where(message.c.id == message_id)
            .values(state="sent", error_code=None, way="text", provider_sid=SID)
        )


def told(office: Office, message_id: str, order: tuple[str, ...], codes: dict[str, str]) -> Any:
    """These reports in this order, each twice; what became of the text, and what followed."""
    begin_again(office, message_id)
    for number, report in enumerate(order):
        for repeated in (report, order[number // 2]):
            word = "sent" if repeated == "queued" else repeated
            reports(office, message_id, word, codes.get(repeated))
    office.later(minutes=1)
    office.sweeps()
    text = office.row(message_id)
    followed = [
        (row.state, row.way, row.error_code) for row in office.house.messages(outbox.FOLLOW_UP)
    ]
    return text.state, text.error_code, tuple(followed), len(calls(office.house))


@pytest.mark.parametrize("one_in", [5, pytest.param(1, marks=pytest.mark.long)])
def test_five_reports_in_any_order_have_one_end_and_the_same_follows(
    whole_office: Office, one_in: int
):
    """Each of 120 orders, or one in five, with repetitions: it did arrive, and that is all."""
    office = whole_office
    _, text = books(office)
    office.delivers(text)
    codes = {"undelivered": "30006", "failed": "30008"}
    orders = list(itertools.permutations(REPORTS))[::one_in]
    assert {order[-1] for order in orders} == {order[0] for order in orders} == set(REPORTS)
    ends = {told(office, text, order, codes) for order in orders}
    assert ends == {("delivered", None, (("dropped", None, "needless"),), 0)}
    assert way_of(office.house) is ContactWay.TEXT, "a line that takes texts is remembered as such"


@pytest.mark.parametrize(
    ("codes", "followed"),
    [
        ({"undelivered": "30006", "failed": "30003"}, ("sent", "call", None)),
        ({"undelivered": "30003", "failed": "30006"}, ("pending", None, "later")),
        ({"undelivered": "30003"}, ("pending", None, "later")),
        ({"failed": "21610"}, ("sent", "call", None)),
    ],
)
def test_reports_that_contradict_each_other_have_the_same_follows_in_any_order(
    whole_office: Office, codes: dict[str, str], followed: tuple[str, ...]
):
    office = whole_office
    _, text = books(office)
    office.delivers(text)
    bad = ("queued", "sent", "undelivered", "failed")
    ends = {told(office, text, order, codes) for order in itertools.permutations(bad)}
    assert len(ends) == 1
    (end,) = ends
    assert end[:3] == ("undelivered", codes.get("undelivered"), (followed,))
    assert end[3] == (followed[1] == "call")


def test_an_unknown_text_leaves_nothing(whole_office: Office):
    for state in ("delivered", "undelivered", "failed"):
        assert not record_delivery(whole_office.house.store, SID, state, error_code="30006")
        assert not reports(whole_office, "0" * 32, state, "30006")
    assert whole_office.house.messages() == []


def test_a_report_that_stands_in_for_a_lost_answer_counts_the_parts(
    whole_office: Office, provider: Provider
):
    provider.does_next("cut")
    text = whole_office.writes(body="é" * 200)
    assert whole_office.delivers(text) == "no answer"
    provider.reports()
    row = whole_office.row(text)
    assert (row.state, row.way, row.parts) == ("delivered", "text", 2)
    # Erasing at the provider needs it.
    assert row.provider_sid == provider.texts()[0].sid


# ---------------------------------------------------------------- what has changed meanwhile


def test_the_second_text_is_none_for_a_booking_that_was_cancelled(
    whole_office: Office, provider: Provider
):
    office = whole_office
    booking_id, text = books(office)
    office.delivers(text)
    reports(office, text, "undelivered", "30003")
    after(office, minutes=1)
    cancels(office.house, booking_id)
    after(office, minutes=120)
    assert not [
        one for one in provider.texts(MOBILE)[1:] if name_of_words(one.body) == "confirmation"
    ]
    assert office.house.messages("follow_up")[0].error_code == "needless"
    assert (calls(office.house), open_cases(office.house)) == ([], [])


def test_a_confirmation_that_was_held_up_tells_what_is_true_when_it_leaves(
    whole_office: Office, provider: Provider, nobody_there: str, to: Any
):
    """The provider was away; meanwhile they rang and moved it."""
    office = whole_office
    booking_id, text = books(office)
    assert office.delivers(text, to(nobody_there)) == "busy"
    moves(office.house, booking_id, mornings(3)[2])
    office.later(minutes=10)
    # Its answer is lost: what went is what is looked for.
    provider.does_next("cut")
    assert office.delivers(text) == "no answer"
    office.later(minutes=10)
    assert office.delivers(text) == "found"
    (first,) = [one for one in provider.texts(MOBILE) if name_of_words(one.body) == "confirmation"]
    days = [f" {one.astimezone(PARIS).day} " for one in mornings(3)]
    assert [day in first.body for day in days] == [False, False, True]


@pytest.mark.parametrize("said", [phone_capabilities.mark_wrong, phone_capabilities.stop_texts])
def test_what_was_said_at_a_number_before_it_was_given_is_past(
    whole_office: Office, provider: Provider, said: Callable[..., None]
):
    """Anybody can forge a text that says so, and a number changes hands."""
    office = whole_office
    with office.house.database.transaction() as connection:
        said(connection, office.house.store, MOBILE)
    office.later(minutes=1)
    _booking, text = books(office)
    assert office.delivers(text) == "sent"
    with office.house.database.statement() as connection:
        assert not phone_capabilities.line_of(connection, office.house.store, MOBILE).wrong


def test_whoever_wants_no_texts_is_rung_about_a_place_they_wait_for():
    assert MANNERS[Topic.OFFER].wished
    assert not MANNERS[Topic.REMINDER].wished
