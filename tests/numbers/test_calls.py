"""Three numbers, three greetings: what each decides, from the first word to the reminder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sqlalchemy import select
from structlog.testing import capture_logs

from models.booking.tables import booking
from models.call.tables import call
from models.messages import outbox
from models.messages.tables import message
from services.numbers import unknown
from services.numbers.file import load
from services.telemetry import UNKNOWN_NUMBERS
from tests.agents.rings import Office
from tests.calls.telephone import Post
from tests.numbers.files import BRETAGNE, ENGLISH, EXAMPLE, KNOWN, NATIONAL
from tests.support.house import LANDLINE, MOBILE, House, Phone, house, mornings
from tests.support.office import Office as Outbox
from tests.support.rows import clock_of, on_the_wire, rows_of

USUAL, BRITTANY = "Allô Rendez-vous, pour se faire vacciner", "vaccination de la Bretagne"
ELSEWHERE, OTHER = "+33900000000", "+33612345699"


@pytest.fixture
def several(database_url: str) -> Iterator[House]:
    """A house with three numbers, and slots in Paris and in Rennes."""
    numbers = load(EXAMPLE, replace(KNOWN, staffed=None))
    with house(database_url, numbers=numbers) as made:
        made.opens_centre("1", starts=mornings(9, first=4), capacity=9)
        made.opens_centre("2", code="35000", starts=mornings(9, first=4), capacity=9)
        yield made


def calls(house: House, to: str, sender: str = MOBILE) -> Phone:
    return house.phone(sender, recipient=to).dials()


def kept(house: House, table) -> list[str | None]:
    order = table.c.started_at if table is call else table.c.created_at
    return [row.called for row in rows_of(house.database, select(table.c.called).order_by(order))]


def test_each_number_greets_in_its_own_words_and_language(several: House):
    calls(several, NATIONAL).hears_text(USUAL)
    caller = calls(several, BRETAGNE).hears_text(BRITTANY)
    assert USUAL not in caller.since_input
    # The call goes on as any other, and so does another language.
    caller.presses("9").hears_text(BRITTANY)
    caller.presses("4").hears_text("appointment line for Brittany")
    calls(several, ENGLISH).hears_text("This is Allô Rendez-vous, the line in English")
    assert kept(several, call) == [NATIONAL, BRETAGNE, ENGLISH]


def test_it_is_one_number_over_sip(several: House):
    calls(several, f"sip:{BRETAGNE}@house.example;transport=tls").hears_text(BRITTANY)
    assert kept(several, call) == [BRETAGNE]


def test_without_a_file_nothing_of_it_is_kept(database_url: str):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(2))
        calls(made, BRETAGNE).hears_text(USUAL).books()
        assert kept(made, call) == kept(made, booking) == [None]


def test_a_ring_stays_two_statements(several: House):
    calls(several, BRETAGNE, LANDLINE)
    with on_the_wire(several.database) as sent:
        calls(several, BRETAGNE)
    assert len(sent) == 2, sent


def test_an_unknown_number_is_answered_and_told_once(several: House):
    unknown.forget()
    before = UNKNOWN_NUMBERS.labels(ELSEWHERE)._value.get()
    with capture_logs() as logs:
        for _ in range(2):
            calls(several, ELSEWHERE).hears_text(USUAL)
    told = [one for one in logs if one["event"] == "number not known"]
    assert [one["number"] for one in told] == [ELSEWHERE]
    assert UNKNOWN_NUMBERS.labels(ELSEWHERE)._value.get() == before + 2
    assert kept(several, call) == [NATIONAL, NATIONAL]
    # Whatever comes in, the counter has few names.
    for last in range(unknown.MOST + 9):
        unknown.tell_unknown(f"+339000001{last:02}")
    names = {one.labels.get("number") for one in next(iter(UNKNOWN_NUMBERS.collect())).samples}
    assert len(names) <= unknown.MOST + 2
    assert unknown.OTHERS in names
    assert MOBILE not in str(logs)


def test_texts_leave_from_the_number_that_was_called(several: House):
    post = Post(several)
    for to, sender in ((BRETAGNE, MOBILE), (NATIONAL, OTHER)):
        # The last look says that a text comes to this very telephone.
        calls(several, to, sender).goes_to("offers", code="35000").answers("1", "1")
    # All of it at one moment, by this clock.
    assert sorted(map(str, kept(several, booking))) == [NATIONAL, BRETAGNE]
    post.works()
    texts = dict(zip([to for to, _ in post.texts.sent], post.texts.senders, strict=True))
    assert texts == {MOBILE: "RDVBretagne", OTHER: ""}
    assert sorted(map(str, kept(several, message))) == [NATIONAL, BRETAGNE]
    # So do the reminders, which are written in sets; and they name the number that was called.
    post.texts.sent.clear()
    post.texts.senders.clear()
    # 2 days before the first appointment at ten, by the clock of Paris.
    clock_of(several).advance(datetime(2026, 11, 27, 9, 5, tzinfo=UTC) - several.clock.now())
    post.works()
    reminders = [
        (sender, body)
        for (to, body), sender in zip(post.texts.sent, post.texts.senders, strict=True)
        if to == MOBILE
    ]
    assert reminders
    assert {sender for sender, _ in reminders} == {"RDVBretagne"}
    assert any("09 74 75 00 35" in body for _, body in reminders), reminders


def test_what_is_written_later_about_a_booking_knows_its_number(several: House):
    calls(several, BRETAGNE).books(code="35000")
    ((booking_id,),) = rows_of(several.database, select(booking.c.id))
    outbox_of = Outbox(several, None)
    of_booking = outbox_of.writes(booking_id=booking_id)
    of_nothing = outbox_of.writes()
    assert outbox_of.row(of_booking).called == BRETAGNE
    assert outbox_of.row(of_nothing).called is None
    # A row that looks at what became of it, or goes in its place, is about the same.
    with several.database.transaction() as connection:
        assert outbox.follow(connection, several.clock, outbox.FOLLOW_UP, of_booking)
    follows = select(message.c.called).where(message.c.kind == outbox.FOLLOW_UP)
    assert [row.called for row in rows_of(several.database, follows)] == [BRETAGNE]


def test_a_promise_is_kept_from_the_number_that_was_called(several: House):
    post = Post(several)
    # Nobody is there, so a call is promised.
    caller = calls(several, BRETAGNE).presses("0")
    while not caller.ended:
        caller.presses("1")
    (promise,) = several.promises()
    assert promise.called == BRETAGNE
    agent = post.office.agent()
    clock_of(several).advance(promise.due_at - several.clock.now())
    assert post.office.reserves() == 1
    post.office.sweeps()
    post.office.agent_picks_up(agent)
    post.office.sweeps()
    ring = post.rings(MOBILE)
    assert ring.caller_id == BRETAGNE


def test_a_caller_of_another_area_goes_on_as_if_they_had_rung_their_own(several: House):
    caller = calls(several, BRETAGNE).goes_to("offers", code="75011")
    caller.hears_text("celui d'une autre région")
    caller.hears_text("09, 74, 75, 00, 01")
    assert several.session(caller.sid).called == NATIONAL
    caller.books()
    assert kept(several, booking) == [NATIONAL]
    # It is said once.
    other = calls(several, BRETAGNE, LANDLINE).goes_to("offers", code="35000")
    assert not any("autre région" in said for said in other.spoken)


def test_agents_have_the_hours_of_the_number(several: House):
    clock = clock_of(several)
    # Saturday: agents of the national number answer, those of Brittany do not.
    clock.advance(mornings(1)[0].replace(day=28) - clock.now())
    Office(several).agent()
    told = "Ils répondront le lundi 30 novembre à 9 heures"
    calls(several, BRETAGNE).presses("0").hears_text(told)
    assert told not in calls(several, NATIONAL, LANDLINE).presses("0").since_input
